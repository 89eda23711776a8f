/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's part of a snapshot: statements and databases of the tree, sites and transactions by process, the slowest. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

void snapshot_sql_begin(struct pp_profile *profile, const struct pp_trace *trace)
{
	const struct pp_sql_texts *texts = &trace->sql;
	size_t sites = 0, transactions = 0, attached = 0;
	size_t slows = trace->ended.sql_slow.count, holds = trace->ended.sql_holds.count;
	size_t waits = trace->ended.sql_waits.count;

	for (uint32_t i = 0; i < trace->image_count; i++) {
		sites += trace->images[i]->sql.site_count;
		transactions += trace->images[i]->sql.transaction_count;
		slows += trace->images[i]->sql.slow.count;
		holds += trace->images[i]->sql.holds.count;
		waits += trace->images[i]->sql.waits.count;
		attached += trace->images[i]->sql.numbers.attached_count;
	}
	profile->sql_statement_count = texts->statement_count;
	profile->sql_statements =
		arena_array(profile->arena, texts->statement_count, sizeof(*profile->sql_statements));
	for (uint32_t i = 0; i < texts->statement_count; i++) {
		profile->sql_statements[i] = texts->statements[i];
		profile->sql_statements[i].text = arena_string(profile->arena, texts->statements[i].text);
		if (texts->statements[i].raw)
			profile->sql_statements[i].raw = arena_string(profile->arena, texts->statements[i].raw);
	}
	profile->sql_database_count = texts->database_count;
	profile->sql_databases = arena_array(profile->arena, texts->database_count, sizeof(*profile->sql_databases));
	for (uint32_t i = 0; i < texts->database_count; i++)
		profile->sql_databases[i] =
			(struct pp_sql_database){.path = arena_string(profile->arena, texts->databases[i].path),
						 .library_version = texts->databases[i].library_version,
						 .cache_hits = PP_UNKNOWN,
						 .cache_misses = PP_UNKNOWN,
						 .cache_writes = PP_UNKNOWN,
						 .cache_spills = PP_UNKNOWN};
	profile->sql_sites = arena_array(profile->arena, sites, sizeof(*profile->sql_sites));
	profile->sql_transactions = arena_array(profile->arena, transactions, sizeof(*profile->sql_transactions));
	profile->sql_slows = arena_array(profile->arena, slows, sizeof(*profile->sql_slows));
	profile->sql_holds = arena_array(profile->arena, holds, sizeof(*profile->sql_holds));
	profile->sql_waits = arena_array(profile->arena, waits, sizeof(*profile->sql_waits));
	profile->sql_attached = arena_array(profile->arena, attached, sizeof(*profile->sql_attached));
}

static const void *copy(struct pp_profile *profile, const void *rows, uint32_t count, size_t size)
{
	void *made = arena_array(profile->arena, count, size);

	return count ? memcpy(made, rows, count * size) : made;
}

/* first: of the image's rows in the profile. */
static uint32_t attached_set(const struct pp_image *image, uint32_t first, uint32_t number)
{
	const struct pp_sql_numbers *numbers = &image->sql.numbers;

	for (uint32_t i = 0; i < numbers->attached_count; i++)
		if (numbers->attached[i].set == number)
			return first + i + 1;
	return 0;
}

/* A set is named by its first row. */
static void copy_attached(struct pp_profile *profile, const struct pp_image *image)
{
	const struct pp_sql_numbers *numbers = &image->sql.numbers;
	uint32_t first = profile->sql_attached_count;

	for (uint32_t i = 0; i < numbers->attached_count; i++) {
		uint32_t same = 0;

		while (numbers->attached[same].set != numbers->attached[i].set)
			same++;
		profile->sql_attached[profile->sql_attached_count++] =
			(struct pp_sql_attached){.set = first + same + 1,
						 .database = numbers->attached[i].database,
						 .name = arena_string(profile->arena, numbers->attached[i].name)};
	}
}

static void copy_site(struct pp_profile *profile, const struct pp_image *image, const struct pp_sql_site_state *state,
		      const struct pp_snapshot_first *first, uint32_t node)
{
	struct pp_sql_site *site = &profile->sql_sites[profile->sql_site_count++];
	bool io = profile->processes[image->index].io_recorded;

	site->process = image->index;
	site->node = node;
	site->statement = sql_lens_statement(&image->sql, state->key.statement);
	site->database = sql_numbers_database(&image->sql.numbers, state->key.database);
	site->attached = attached_set(image, first->attached, state->key.database);
	site->operation = state->key.operation;
	site->result = state->key.result;
	site->flags = state->key.flags;
	site->execution_count = state->count;
	site->row_count = state->row_count;
	site->step_count = state->step_count;
	site->ns = state->ns;
	site->max_ns = state->max_ns;
	site->nested_ns = state->nested_ns;
	site->prepare_count = state->prepare_count;
	site->prepare_ns = state->prepare_ns;
	site->reprepare_count = state->reprepare_count;
	site->fullscan_steps = state->fullscan_steps;
	site->vm_steps = state->vm_steps;
	site->sort_count = state->sort_count;
	site->autoindex_rows = state->autoindex_rows;
	site->read_bytes = io ? state->read_bytes : PP_UNKNOWN;
	site->written_bytes = io ? state->written_bytes : PP_UNKNOWN;
	site->sync_count = io ? state->sync_count : PP_UNKNOWN;
	site->sync_ns = io ? state->sync_ns : PP_UNKNOWN;
	site->busy_count = state->busy_count;
	site->busy_wait_count = state->busy_wait_count;
	site->busy_ns = state->busy_ns;
	site->latency_count = state->latencies.count;
	site->latencies = copy(profile, state->latencies.cells, state->latencies.count, sizeof(*site->latencies));
	site->bin_count = state->series.count;
	site->bins = copy(profile, state->series.bins, state->series.count, sizeof(*site->bins));
}

static void copy_transaction(struct pp_profile *profile, const struct pp_image *image,
			     const struct pp_sql_transaction_state *state, uint32_t node, uint32_t end_node)
{
	profile->sql_transactions[profile->sql_transaction_count++] =
		(struct pp_sql_transaction){.process = image->index,
					    .node = node,
					    .end_node = end_node,
					    .database = sql_numbers_database(&image->sql.numbers, state->database),
					    .outcome = state->outcome,
					    .count = state->count,
					    .statement_count = state->statement_count,
					    .write_count = state->write_count,
					    .max_statement_count = state->max_statement_count,
					    .sync_count = state->sync_count,
					    .sync_ns = state->sync_ns,
					    .read_bytes = state->read_bytes,
					    .written_bytes = state->written_bytes,
					    .ns = state->ns,
					    .max_ns = state->max_ns,
					    .begin_ns = snapshot_time(image->trace, state->begin_ns),
					    .end_ns = snapshot_time(image->trace, state->end_ns)};
}

static void copy_slow(struct pp_profile *profile, const struct pp_image *image, const struct pp_sql_slow_state *state,
		      const struct pp_snapshot_first *first, uint32_t node)
{
	profile->sql_slows[profile->sql_slow_count++] =
		(struct pp_sql_slow){.process = image->index,
				     .thread = first->thread + state->thread,
				     .node = node,
				     .statement = sql_lens_statement(&image->sql, state->key.statement),
				     .database = sql_numbers_database(&image->sql.numbers, state->key.database),
				     .operation = state->key.operation,
				     .result = state->key.result,
				     .flags = state->key.flags,
				     .attached = attached_set(image, first->attached, state->key.database),
				     .row_count = state->row_count,
				     .fullscan_steps = state->fullscan_steps,
				     .ns = state->ns,
				     .busy_ns = state->busy_ns,
				     .sync_ns = state->sync_ns,
				     .end_ns = snapshot_time(image->trace, state->end_ns)};
}

static void copy_hold(struct pp_profile *profile, const struct pp_image *image, const struct pp_sql_hold_state *state,
		      const struct pp_snapshot_first *first,
		      uint32_t (*node_of)(const struct pp_image *image, uint32_t stack))
{
	profile->sql_holds[profile->sql_hold_count++] =
		(struct pp_sql_hold){.process = image->index,
				     .thread = first->thread + state->thread,
				     .node = node_of(image, state->stack),
				     .end_node = node_of(image, state->end_stack),
				     .database = sql_numbers_database(&image->sql.numbers, state->database),
				     .lock = state->lock,
				     .statement = sql_lens_statement(&image->sql, state->long_statement),
				     .long_node = node_of(image, state->long_stack),
				     .connection = state->connection,
				     .ns = state->ns,
				     .inside_ns = state->inside_ns,
				     .long_ns = state->long_ns,
				     .end_ns = snapshot_time(image->trace, state->end_ns)};
}

static void copy_wait(struct pp_profile *profile, const struct pp_image *image, const struct pp_sql_wait_state *state,
		      const struct pp_snapshot_first *first, uint32_t node)
{
	profile->sql_waits[profile->sql_wait_count++] =
		(struct pp_sql_wait){.process = image->index,
				     .thread = first->thread + state->thread,
				     .node = node,
				     .statement = sql_lens_statement(&image->sql, state->key.statement),
				     .database = sql_numbers_database(&image->sql.numbers, state->key.database),
				     .operation = state->key.operation,
				     .result = state->key.result,
				     .flags = state->key.flags,
				     .connection = state->connection,
				     .attached = attached_set(image, first->attached, state->key.database),
				     .ns = state->ns,
				     .end_ns = snapshot_time(image->trace, state->end_ns)};
}

static void add(uint64_t *sum, uint64_t by)
{
	*sum = *sum == PP_UNKNOWN ? by : *sum + by;
}

static void add_caches(struct pp_profile *profile, const struct pp_image *image)
{
	for (uint32_t i = 0; i < image->sql.cache_count; i++) {
		const struct pp_sql_cache_state *cache = &image->sql.caches[i];
		uint32_t index = sql_numbers_database(&image->sql.numbers, i);

		if (!cache->known || index == PP_NONE)
			continue;
		add(&profile->sql_databases[index].cache_hits, cache->hits);
		add(&profile->sql_databases[index].cache_misses, cache->misses);
		add(&profile->sql_databases[index].cache_writes, cache->writes);
		add(&profile->sql_databases[index].cache_spills, cache->spills);
	}
}

void snapshot_sql_sites(struct pp_profile *profile, const struct pp_image *image, const struct pp_snapshot_first *first,
			uint32_t (*node_of)(const struct pp_image *image, uint32_t stack))
{
	const struct pp_sql_lens *lens = &image->sql;
	const struct pp_sql_slow_state *slow = lens->slow.rows;
	const struct pp_sql_hold_state *holds = lens->holds.rows;
	const struct pp_sql_wait_state *waits = lens->waits.rows;

	copy_attached(profile, image);
	for (uint32_t i = 0; i < lens->site_count; i++)
		copy_site(profile, image, &lens->sites[i], first, node_of(image, lens->sites[i].key.stack));
	for (uint32_t i = 0; i < lens->transaction_count; i++)
		copy_transaction(profile, image, &lens->transactions[i],
				 node_of(image, lens->transactions[i].begin_stack),
				 node_of(image, lens->transactions[i].end_stack));
	for (uint32_t i = 0; i < lens->slow.count; i++)
		copy_slow(profile, image, &slow[i], first, node_of(image, slow[i].key.stack));
	for (uint32_t i = 0; i < lens->holds.count; i++)
		copy_hold(profile, image, &holds[i], first, node_of);
	for (uint32_t i = 0; i < lens->waits.count; i++)
		copy_wait(profile, image, &waits[i], first, node_of(image, waits[i].key.stack));
	add_caches(profile, image);
}

static uint32_t node_itself(const struct pp_image *image, uint32_t node)
{
	(void)image;
	return node;
}

/* What ended images have left to the trace. */
static void copy_ended(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts)
{
	const struct pp_ended_sql_slow *slow = trace->ended.sql_slow.rows;
	const struct pp_ended_sql_hold *holds = trace->ended.sql_holds.rows;
	const struct pp_ended_sql_wait *waits = trace->ended.sql_waits.rows;

	for (uint32_t i = 0; i < trace->ended.sql_slow.count; i++)
		copy_slow(profile, trace->images[slow[i].image], &slow[i].state, &firsts[slow[i].image],
			  slow[i].state.key.stack);
	for (uint32_t i = 0; i < trace->ended.sql_holds.count; i++)
		copy_hold(profile, trace->images[holds[i].image], &holds[i].state, &firsts[holds[i].image], node_itself);
	for (uint32_t i = 0; i < trace->ended.sql_waits.count; i++)
		copy_wait(profile, trace->images[waits[i].image], &waits[i].state, &firsts[waits[i].image],
			  waits[i].state.key.stack);
}

static int slow_compare(const void *left, const void *right)
{
	const struct pp_sql_slow *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

static int hold_compare(const void *left, const void *right)
{
	const struct pp_sql_hold *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

static int wait_compare(const void *left, const void *right)
{
	const struct pp_sql_wait *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

void snapshot_sql_finish(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts)
{
	copy_ended(profile, trace, firsts);
	qsort(profile->sql_slows, profile->sql_slow_count, sizeof(*profile->sql_slows), slow_compare);
	if (profile->sql_slow_count > PP_SQL_SLOW_LIMIT)
		profile->sql_slow_count = PP_SQL_SLOW_LIMIT;
	qsort(profile->sql_holds, profile->sql_hold_count, sizeof(*profile->sql_holds), hold_compare);
	if (profile->sql_hold_count > PP_SQL_SLOW_LIMIT)
		profile->sql_hold_count = PP_SQL_SLOW_LIMIT;
	qsort(profile->sql_waits, profile->sql_wait_count, sizeof(*profile->sql_waits), wait_compare);
	if (profile->sql_wait_count > PP_SQL_SLOW_LIMIT)
		profile->sql_wait_count = PP_SQL_SLOW_LIMIT;
}

/* ---- stacks ---- */

void snapshot_sql_stacks(struct pp_image *image, void (*each)(struct pp_image *image, uint32_t *stack))
{
	struct pp_sql_lens *lens = &image->sql;
	struct pp_sql_slow_state *slow = lens->slow.rows;
	struct pp_sql_hold_state *holds = lens->holds.rows;
	struct pp_sql_wait_state *waits = lens->waits.rows;

	for (uint32_t i = 0; i < lens->site_count; i++)
		each(image, &lens->sites[i].key.stack);
	for (uint32_t i = 0; i < lens->transaction_count; i++) {
		each(image, &lens->transactions[i].begin_stack);
		each(image, &lens->transactions[i].end_stack);
	}
	for (uint32_t i = 0; i < lens->slow.count; i++)
		each(image, &slow[i].key.stack);
	for (uint32_t i = 0; i < lens->holds.count; i++) {
		each(image, &holds[i].stack);
		each(image, &holds[i].end_stack);
		each(image, &holds[i].long_stack);
	}
	for (uint32_t i = 0; i < lens->waits.count; i++)
		each(image, &waits[i].key.stack);
}
