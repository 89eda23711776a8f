/* SPDX-License-Identifier: Apache-2.0 */
/* The sql lens; see lens_sql.h. */
#include "lens_sql.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define SUM_LIMIT (UINT64_C(1) << 62) /* of an entry */

void sql_lens_init(struct pp_sql_lens *lens, struct pp_bin_clock *clock)
{
	memset(lens, 0, sizeof(*lens));
	lens->clock = clock;
}

/* What a number stands for; by itself where that is not known yet. */
static uint32_t statement_of(const struct pp_sql_lens *lens, uint32_t number)
{
	uint32_t index = number ? sql_numbers_statement(&lens->numbers, number) : PP_NONE;

	return index == PP_NONE && number ? PP_SQL_BY_NUMBER | (number & ~PP_SQL_BY_NUMBER) : index;
}

uint32_t sql_lens_statement(const struct pp_sql_lens *lens, uint32_t statement)
{
	if (statement != PP_NONE && statement & PP_SQL_BY_NUMBER)
		return sql_numbers_statement(&lens->numbers, statement & ~PP_SQL_BY_NUMBER);
	return statement;
}

static void statements_settle(struct pp_sql_lens *lens)
{
	struct pp_sql_slow_state *slow = lens->slow.rows;
	struct pp_sql_hold_state *holds = lens->holds.rows;
	struct pp_sql_wait_state *waits = lens->waits.rows;

	for (uint32_t i = 0; i < lens->site_count; i++)
		lens->sites[i].key.statement = sql_lens_statement(lens, lens->sites[i].key.statement);
	for (uint32_t i = 0; i < lens->slow.count; i++)
		slow[i].key.statement = sql_lens_statement(lens, slow[i].key.statement);
	for (uint32_t i = 0; i < lens->holds.count; i++)
		holds[i].long_statement = sql_lens_statement(lens, holds[i].long_statement);
	for (uint32_t i = 0; i < lens->waits.count; i++)
		waits[i].key.statement = sql_lens_statement(lens, waits[i].key.statement);
}

static void taken_free(struct pp_sql_taken *taken)
{
	for (uint32_t i = 0; taken && i < PP_WIRE_SQL_ENTRIES; i++)
		free(taken->entries[i]);
	free(taken);
}

void sql_lens_close(struct pp_sql_lens *lens)
{
	statements_settle(lens);
	sql_numbers_close(&lens->numbers);
	table_finish(&lens->site_of);
	table_finish(&lens->transaction_of);
	for (uint32_t i = 0; i < lens->taken_count; i++)
		taken_free(lens->taken[i]);
	lens->taken = memory_fit(lens->taken, &lens->taken_capacity, 0, sizeof(struct pp_sql_taken *));
	lens->taken_count = 0;
	lens->sites = memory_fit(lens->sites, &lens->site_capacity, lens->site_count, sizeof(*lens->sites));
	for (uint32_t i = 0; i < lens->site_count; i++) {
		io_cells_fit(&lens->sites[i].latencies);
		sum_series_fit(&lens->sites[i].series);
	}
	lens->transactions = memory_fit(lens->transactions, &lens->transaction_capacity, lens->transaction_count,
					sizeof(*lens->transactions));
	lens->caches = memory_fit(lens->caches, &lens->cache_capacity, lens->cache_count, sizeof(*lens->caches));
}

void sql_lens_finish(struct pp_sql_lens *lens)
{
	sql_lens_close(lens);
	for (uint32_t i = 0; i < lens->site_count; i++) {
		free(lens->sites[i].latencies.cells);
		sum_series_finish(&lens->sites[i].series);
	}
	free(lens->sites);
	free(lens->transactions);
	free(lens->caches);
	longest_finish(&lens->slow);
	longest_finish(&lens->holds);
	longest_finish(&lens->waits);
	sql_numbers_finish(&lens->numbers);
	memset(lens, 0, sizeof(*lens));
}

/* ---- sites ---- */

void sql_lens_fold(struct pp_sql_lens *lens)
{
	for (uint32_t i = 0; i < lens->site_count; i++)
		sum_series_fold(&lens->sites[i].series, lens->clock);
}

static struct pp_sql_site_state *site_find(struct pp_sql_lens *lens, const struct pp_wire_sql_entry *entry)
{
	struct pp_sql_key key = {.statement = statement_of(lens, entry->statement),
				 .database = entry->database,
				 .stack = entry->stack,
				 .operation = entry->operation,
				 .result = entry->result,
				 .flags = entry->flags};
	uint64_t words[2], hash, *found;

	memcpy(words, &key, sizeof(words));
	hash = table_hash(words[0]) ^ table_hash(words[1] + 1);
	while ((found = table_find(&lens->site_of, hash)) != NULL) {
		if (memcmp(&lens->sites[*found].key, &key, sizeof(key)) == 0)
			return &lens->sites[*found];
		hash++;
	}
	if (lens->site_count >= PP_SQL_SITE_LIMIT)
		return &lens->sites[0];
	lens->sites = memory_grow(lens->sites, &lens->site_capacity, (size_t)lens->site_count + 1, sizeof(*lens->sites));
	lens->sites[lens->site_count].key = key;
	table_set(&lens->site_of, hash, lens->site_count);
	return &lens->sites[lens->site_count++];
}

/* The counts of `part` leave `whole`, as far as they are in it. */
static void entry_less(struct pp_wire_sql_entry *whole, const struct pp_wire_sql_entry *part)
{
#define LESS(field) whole->field -= part->field < whole->field ? part->field : whole->field
	LESS(count);
	LESS(prepares);
	LESS(rows);
	LESS(steps);
	LESS(ns);
	LESS(nested_ns);
	LESS(prepare_ns);
	LESS(fullscan_steps);
	LESS(vm_steps);
	LESS(sorts);
	LESS(autoindex_rows);
	LESS(read_bytes);
	LESS(written_bytes);
	LESS(busy_ns);
	LESS(sync_ns);
	LESS(busy_count);
	LESS(busy_waits);
	LESS(syncs);
	LESS(reprepares);
	for (uint32_t i = 0; i < PP_WIRE_SQL_CELLS; i++)
		if (whole->cells[i].bucket == part->cells[i].bucket)
			LESS(cells[i].count);
#undef LESS
}

static void entry_count(struct pp_sql_lens *lens, const struct pp_wire_sql_entry *entry, uint64_t time_ns)
{
	uint32_t bin = bin_of(lens->clock, time_ns);
	struct pp_sql_site_state *site = site_find(lens, entry);

	site->count += entry->count;
	site->prepare_count += entry->prepares;
	site->row_count += entry->rows;
	site->step_count += entry->steps;
	site->ns += entry->ns;
	if (entry->max_ns > site->max_ns)
		site->max_ns = entry->max_ns;
	site->nested_ns += entry->nested_ns;
	site->prepare_ns += entry->prepare_ns;
	site->fullscan_steps += entry->fullscan_steps;
	site->vm_steps += entry->vm_steps;
	site->sort_count += entry->sorts;
	site->autoindex_rows += entry->autoindex_rows;
	site->read_bytes += entry->read_bytes;
	site->written_bytes += entry->written_bytes;
	site->busy_ns += entry->busy_ns;
	site->sync_ns += entry->sync_ns;
	site->busy_count += entry->busy_count;
	site->busy_wait_count += entry->busy_waits;
	site->sync_count += entry->syncs;
	site->reprepare_count += entry->reprepares;
	for (uint32_t i = 0; i < PP_WIRE_SQL_CELLS; i++)
		if (entry->cells[i].count)
			io_cells_add(&site->latencies, entry->cells[i].bucket, entry->cells[i].count);
	sum_series_add(&site->series, lens->clock, &(struct pp_sum_bin){bin, {entry->count, entry->rows, entry->ns}});
}

static bool entry_makes_sense(const struct pp_wire_sql_entry *entry)
{
	const uint64_t *sums = &entry->rows;
	uint64_t cells = 0;

	for (uint32_t i = 0; i < PP_WIRE_SQL_CELLS; i++) {
		if (entry->cells[i].bucket >= PP_WIRE_IO_BUCKETS)
			return false;
		cells += entry->cells[i].count;
	}
	for (const uint64_t *sum = sums; sum <= &entry->sync_ns; sum++)
		if (*sum >= SUM_LIMIT)
			return false;
	return cells <= entry->count && entry->operation > 0 && entry->operation < PP_SQL_OPERATIONS;
}

static struct pp_sql_taken *taken_of(struct pp_sql_lens *lens, uint32_t thread)
{
	if (thread >= lens->taken_count) {
		lens->taken = memory_grow(lens->taken, &lens->taken_capacity, (size_t)thread + 1, sizeof(*lens->taken));
		lens->taken_count = thread + 1;
	}
	if (!lens->taken[thread])
		lens->taken[thread] = memory_array(1, sizeof(**lens->taken));
	return lens->taken[thread];
}

bool sql_lens_told(struct pp_sql_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_sql_entry *entry,
		   uint64_t time_ns)
{
	struct pp_wire_sql_entry rest = *entry;
	struct pp_sql_taken *taken;

	if (!entry_makes_sense(entry) || (index >= PP_WIRE_SQL_ENTRIES && index != PP_SQL_NO_ENTRY))
		return false;
	if (index != PP_SQL_NO_ENTRY) {
		taken = taken_of(lens, thread);
		if (taken->entries[index] && taken->fills[index] == entry->fill)
			entry_less(&rest, taken->entries[index]);
		/* From now on only what a later fill holds is new, and that less what was taken of it already. */
		if (taken->fills[index] <= entry->fill) {
			free(taken->entries[index]);
			taken->entries[index] = NULL;
			taken->fills[index] = entry->fill + 1;
		}
	}
	if (rest.count)
		entry_count(lens, &rest, time_ns);
	return true;
}

bool sql_lens_take(struct pp_sql_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_sql_entry *entry,
		   uint64_t time_ns)
{
	struct pp_wire_sql_entry rest = *entry, *before;
	struct pp_sql_taken *taken;

	if (!entry->count)
		return true;
	if (!entry_makes_sense(entry) || index >= PP_WIRE_SQL_ENTRIES)
		return false;
	taken = taken_of(lens, thread);
	before = taken->entries[index];
	/* As io_lens_take: told already and not emptied, or of a later fill than what is still to be told. */
	if (entry->fill < taken->fills[index] || (entry->fill > taken->fills[index] && before))
		return true;
	if (before)
		entry_less(&rest, before);
	else
		before = taken->entries[index] = memory_array(1, sizeof(*before));
	*before = *entry;
	taken->fills[index] = entry->fill;
	if (rest.count)
		entry_count(lens, &rest, time_ns);
	return true;
}

void sql_lens_thread_end(struct pp_sql_lens *lens, uint32_t thread)
{
	if (thread >= lens->taken_count)
		return;
	taken_free(lens->taken[thread]);
	lens->taken[thread] = NULL;
}

/* ---- transactions and caches ---- */

static struct pp_sql_transaction_state *transaction_find(struct pp_sql_lens *lens,
							 const struct pp_sql_transaction_state *one)
{
	uint64_t hash = table_hash((uint64_t)one->begin_stack << 32 | one->end_stack) ^
			table_hash((uint64_t)one->database << 8 | one->outcome),
		 *found;
	struct pp_sql_transaction_state *state;

	while ((found = table_find(&lens->transaction_of, hash)) != NULL) {
		state = &lens->transactions[*found];
		if (state->begin_stack == one->begin_stack && state->end_stack == one->end_stack &&
		    state->database == one->database && state->outcome == one->outcome)
			return state;
		hash++;
	}
	if (lens->transaction_count >= PP_SQL_TRANSACTION_LIMIT)
		return &lens->transactions[0];
	lens->transactions = memory_grow(lens->transactions, &lens->transaction_capacity,
					 (size_t)lens->transaction_count + 1, sizeof(*lens->transactions));
	state = &lens->transactions[lens->transaction_count];
	state->begin_stack = one->begin_stack;
	state->end_stack = one->end_stack;
	state->database = one->database;
	state->outcome = one->outcome;
	table_set(&lens->transaction_of, hash, lens->transaction_count++);
	return state;
}

void sql_lens_transaction(struct pp_sql_lens *lens, const struct pp_sql_transaction_state *one)
{
	struct pp_sql_transaction_state *state = transaction_find(lens, one);

	state->count++;
	state->statement_count += one->statement_count;
	state->write_count += one->write_count;
	if (one->statement_count > state->max_statement_count)
		state->max_statement_count = one->statement_count;
	state->sync_count += one->sync_count;
	state->sync_ns += one->sync_ns;
	state->read_bytes += one->read_bytes;
	state->written_bytes += one->written_bytes;
	state->ns += one->ns;
	if (one->ns > state->max_ns)
		state->max_ns = one->ns;
	if (state->count == 1 || one->begin_ns < state->begin_ns)
		state->begin_ns = one->begin_ns;
	if (one->end_ns > state->end_ns)
		state->end_ns = one->end_ns;
}

#define CACHE_LIMIT (1U << 16)

void sql_lens_cache(struct pp_sql_lens *lens, uint32_t database, const struct pp_sql_cache_state *since)
{
	struct pp_sql_cache_state *cache;

	if (database >= CACHE_LIMIT)
		return;
	if (database >= lens->cache_count) {
		lens->caches = memory_grow(lens->caches, &lens->cache_capacity, (size_t)database + 1,
					   sizeof(*lens->caches));
		lens->cache_count = database + 1;
	}
	cache = &lens->caches[database];
	cache->known = true;
	cache->hits += since->hits;
	cache->misses += since->misses;
	cache->writes += since->writes;
	cache->spills += since->spills;
}

/* ---- the longest ---- */

void sql_lens_slow(struct pp_sql_lens *lens, const struct pp_sql_slow_state *execution)
{
	struct pp_sql_slow_state one = *execution;

	one.key.statement = statement_of(lens, one.key.statement);
	longest_add(&lens->slow, &one, sizeof(one), PP_SQL_SLOW_LIMIT);
}

void sql_lens_hold(struct pp_sql_lens *lens, const struct pp_sql_hold_state *hold)
{
	struct pp_sql_hold_state one = *hold;

	one.long_statement = statement_of(lens, one.long_statement);
	longest_add(&lens->holds, &one, sizeof(one), PP_SQL_SLOW_LIMIT);
}

void sql_lens_wait(struct pp_sql_lens *lens, const struct pp_sql_wait_state *wait)
{
	struct pp_sql_wait_state one = *wait;

	one.key.statement = statement_of(lens, one.key.statement);
	longest_add(&lens->waits, &one, sizeof(one), PP_SQL_SLOW_LIMIT);
}
