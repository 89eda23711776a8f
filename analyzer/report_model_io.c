/* SPDX-License-Identifier: Apache-2.0 */
/* I/O as reports show it: totals, files, stacks; see report_model.h. One thread. */
#include "report_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_CLASS 10 /* below 512 bytes */

static void flow_add(struct pp_io_flow *flow, const struct pp_io_site *site)
{
	flow->call_count += site->call_count;
	flow->bytes += site->got_bytes;
	flow->ns += site->ns;
}

static void stdio_add(struct pp_io_totals *totals, const struct pp_io_site *site)
{
	uint64_t timed = 0;

	for (uint32_t i = 0; i < site->latency_count; i++)
		timed += site->latencies[i].count;
	totals->stdio_call_count += site->call_count;
	totals->stdio_untimed_count += site->call_count - (timed < site->call_count ? timed : site->call_count);
	totals->stdio_ns += site->ns;
	if (site->max_ns > totals->stdio_max_ns)
		totals->stdio_max_ns = site->max_ns;
	if (site->error)
		totals->stdio_error_count += site->call_count;
}

static void totals_add(struct pp_io_totals *totals, const struct pp_profile *profile, const struct pp_io_site *site,
		       bool by_sqlite)
{
	enum pp_io_group group = io_operation_group(site->operation);
	bool stdios = io_operation_is_stdios(site->operation);

	flow_add(&totals->flows[group], site);
	if (io_group_is_stdio(group)) {
		stdio_add(totals, site);
		return;
	}
	if (stdios && group == PP_IO_GROUP_READ)
		flow_add(&totals->stdios_read, site);
	if (stdios && group == PP_IO_GROUP_WRITE)
		flow_add(&totals->stdios_write, site);
	if (!io_operation_is_half(site->operation))
		totals->call_count += site->call_count;
	totals->ns += site->ns;
	if (by_sqlite) {
		totals->sqlite_count += io_operation_is_half(site->operation) ? 0 : site->call_count;
		totals->sqlite_ns += site->ns;
	}
	if (site->max_ns > totals->max_ns)
		totals->max_ns = site->max_ns;
	if (site->error == ENOENT && (group == PP_IO_GROUP_OPEN || group == PP_IO_GROUP_METADATA))
		totals->missing_count += site->call_count;
	if (io_operation_asks(site->operation)) {
		totals->asked_count += site->call_count;
		totals->asked_ns += site->ns;
	}
	if (!site->error && group == PP_IO_GROUP_SEEK)
		totals->in_place_count += site->sequential_count;
	if (!site->error && group == PP_IO_GROUP_OPEN)
		totals->opened_count += site->call_count;
	if (site->error) {
		totals->error_count += io_operation_is_half(site->operation) ? 0 : site->call_count;
		return;
	}
	if (group != PP_IO_GROUP_READ && group != PP_IO_GROUP_WRITE)
		return;
	for (uint32_t i = 0; i < site->size_count; i++) {
		if (site->sizes[i].bucket == 0 || site->sizes[i].bucket >= SMALL_CLASS)
			continue;
		totals->small_count += site->sizes[i].count;
		totals->stdios_small_count += stdios ? site->sizes[i].count : 0;
	}
	if (site->file == PP_NONE || !io_kind_has_offsets(profile->io_files[site->file].kind) ||
	    !io_operation_has_place(site->operation))
		return;
	totals->placed_count += site->call_count;
	totals->sequential_count += site->sequential_count;
	totals->strided_count += site->strided_count;
	totals->aligned512_count += site->aligned512_count;
	totals->aligned4096_count += site->aligned4096_count;
	totals->reread_bytes += site->reread_bytes;
}

static int entry_compare(const void *left, const void *right)
{
	const struct pp_io_entry *a = left, *b = right;

	if (a->totals.ns != b->totals.ns)
		return a->totals.ns < b->totals.ns ? 1 : -1;
	if (a->totals.stdio_ns != b->totals.stdio_ns)
		return a->totals.stdio_ns < b->totals.stdio_ns ? 1 : -1;
	if (a->totals.call_count != b->totals.call_count)
		return a->totals.call_count < b->totals.call_count ? 1 : -1;
	return a->node != b->node ? (a->node < b->node ? -1 : 1) : a->file < b->file ? -1 : a->file > b->file;
}

static void entry_sum(const struct pp_report_model *model, struct pp_io_entry *entry)
{
	for (uint32_t i = 0; i < entry->row_count; i++) {
		uint32_t row = entry->rows[i];
		const struct pp_io_site *site = &model->profile->io_sites[row];

		totals_add(&entry->totals, model->profile, site, model->io_by_sqlite[row]);
		if (!model->io_by_sqlite[row])
			totals_add(&entry->judged, model->profile, site, false);
	}
}

/* Rows by key, in one pass over counted places. keys[i] < key_count is that of row i; PP_NONE: it is in no entry. */
static struct pp_io_entry *entries_make(const struct pp_report_model *model, const uint32_t *keys, uint32_t key_count,
					uint32_t *count)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *starts = arena_array(model->arena, (size_t)key_count + 1, sizeof(*starts)), at = 0;
	uint32_t *rows = arena_array(model->arena, profile->io_site_count, sizeof(*rows));
	struct pp_io_entry *entries;

	*count = 0;
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		*count += keys[i] != PP_NONE && starts[keys[i]]++ == 0;
	entries = arena_array(model->arena, *count, sizeof(*entries));
	*count = 0;
	for (uint32_t key = 0; key < key_count; key++) {
		uint32_t rows_of_key = starts[key];

		starts[key] = at;
		if (!rows_of_key)
			continue;
		entries[*count].file = entries[*count].node = key;
		entries[*count].rows = rows + at;
		entries[(*count)++].row_count = rows_of_key;
		at += rows_of_key;
	}
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		if (keys[i] != PP_NONE)
			rows[starts[keys[i]]++] = i;
	for (uint32_t i = 0; i < *count; i++)
		entry_sum(model, &entries[i]);
	qsort(entries, *count, sizeof(*entries), entry_compare);
	return entries;
}

static bool site_waits(const struct pp_io_site *site)
{
	return io_operation_group(site->operation) == PP_IO_GROUP_WAIT;
}

/* The stack of an entry's rows that takes most of its time. */
static uint32_t longest_node(const struct pp_profile *profile, const struct pp_io_entry *entry)
{
	const struct pp_io_site *longest = &profile->io_sites[entry->rows[0]];

	for (uint32_t i = 1; i < entry->row_count; i++)
		if (profile->io_sites[entry->rows[i]].ns > longest->ns)
			longest = &profile->io_sites[entry->rows[i]];
	return longest->node;
}

/* I/O calls, or waits, by stack; by_place: by place. */
static struct pp_io_entry *stacks_make(const struct pp_report_model *model, uint32_t *keys, bool waits, bool by_place,
				       uint32_t *count)
{
	const struct pp_profile *profile = model->profile;
	struct pp_io_entry *entries;

	for (uint32_t i = 0; i < profile->io_site_count; i++) {
		uint32_t node = profile->io_sites[i].node;

		keys[i] = site_waits(&profile->io_sites[i]) != waits ? PP_NONE
			  : by_place				     ? model->place_of[node]
								     : node;
	}
	entries = entries_make(model, keys, by_place ? model->place_count : profile->node_count, count);
	for (uint32_t i = 0; i < *count; i++) {
		entries[i].file = PP_NONE;
		entries[i].node = longest_node(profile, &entries[i]);
		entries[i].frame = by_place ? model->user_of[entries[i].node] : model->naming_of[entries[i].node];
	}
	return entries;
}

static void python_lines_make(struct pp_report_model *model, uint32_t *keys)
{
	const struct pp_profile *profile = model->profile;

	for (uint32_t i = 0; i < profile->io_site_count; i++)
		keys[i] =
			site_waits(&profile->io_sites[i]) ? PP_NONE : model->python_line_of[profile->io_sites[i].node];
	model->io_python_lines = entries_make(model, keys, model->python_line_key_count, &model->io_python_line_count);
	for (uint32_t i = 0; i < model->io_python_line_count; i++) {
		struct pp_io_entry *entry = &model->io_python_lines[i];

		entry->frame = model->python_line_frames[entry->node];
		entry->file = entry->node = PP_NONE;
	}
}

/* What processes read again of each other's, and what was forgotten: a file cannot offer more different bytes than it was
 * long and the tree wrote. Which call was the one too many nobody knows: stacks have what is known of theirs. */
static void reread_whole(const struct pp_profile *profile, struct pp_io_entry *entry)
{
	const struct pp_io_file *file = entry->file == PP_NONE ? NULL : &profile->io_files[entry->file];
	struct pp_io_totals *totals = &entry->totals;
	uint64_t read = totals->flows[PP_IO_GROUP_READ].bytes, new;

	if (!file || file->readable_bytes == PP_UNKNOWN || !io_kind_has_offsets(file->kind))
		return;
	new = metric_add(file->readable_bytes, totals->flows[PP_IO_GROUP_WRITE].bytes);
	if (new < read && read - new > totals->reread_bytes)
		totals->reread_bytes = read - new;
	if (!totals->sqlite_count)
		entry->judged.reread_bytes = totals->reread_bytes;
}

void model_io(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *keys = arena_array(model->arena, profile->io_site_count, sizeof(*keys));

	model->io_by_sqlite = arena_array(model->arena, profile->io_site_count, sizeof(*model->io_by_sqlite));
	model->sqlite_io_ns = arena_array(model->arena, profile->process_count, sizeof(*model->sqlite_io_ns));
	model->io_knows_stdios = model->io_knows_asked = true;
	for (uint32_t i = 0; i < profile->process_count; i++) {
		model->has_io = model->has_io || profile->processes[i].io_recorded;
		if (!coverage_sees_stdios(&profile->processes[i]))
			model->io_knows_stdios = false;
		if (!coverage_sees_asked(&profile->processes[i]))
			model->io_knows_asked = false;
	}
	for (uint32_t i = 0; i < profile->io_site_count; i++) {
		const struct pp_io_site *site = &profile->io_sites[i];

		model->io_by_sqlite[i] = !site_waits(site) && stack_is_sqlites(profile, site->node);
		if (model->io_by_sqlite[i])
			model->sqlite_io_ns[site->process] += site->ns;
		totals_add(site_waits(site) ? &model->waits : &model->io, profile, site, model->io_by_sqlite[i]);
		keys[i] = site_waits(site) ? PP_NONE : site->file == PP_NONE ? profile->io_file_count : site->file;
	}
	model->io_files = entries_make(model, keys, profile->io_file_count + 1, &model->io_file_count);
	model->io.reread_bytes = 0;
	for (uint32_t i = 0; i < model->io_file_count; i++) {
		model->io_files[i].node = model->io_files[i].frame = PP_NONE;
		if (model->io_files[i].file == profile->io_file_count)
			model->io_files[i].file = PP_NONE;
		reread_whole(profile, &model->io_files[i]);
		model->io.reread_bytes += model->io_files[i].totals.reread_bytes;
	}
	model->io_sites = stacks_make(model, keys, false, false, &model->io_site_count);
	model->io_places = stacks_make(model, keys, false, true, &model->io_place_count);
	model->wait_sites = stacks_make(model, keys, true, false, &model->wait_site_count);
	model->wait_places = stacks_make(model, keys, true, true, &model->wait_place_count);
	python_lines_make(model, keys);
}

uint64_t thread_wall_ns(const struct pp_profile *profile, const struct pp_thread *thread)
{
	uint64_t end_ns = thread->end_ns == PP_UNKNOWN ? profile->wall_ns : thread->end_ns;

	return end_ns > thread->start_ns ? end_ns - thread->start_ns : 0;
}

uint64_t thread_blocked_ns(const struct pp_thread *thread)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < PP_WAIT_KINDS; kind++)
		sum += thread->blocked_ns[kind] == PP_UNKNOWN ? 0 : thread->blocked_ns[kind];
	return sum;
}

uint64_t thread_rest_ns(const struct pp_profile *profile, const struct pp_thread *thread)
{
	uint64_t wall_ns = thread_wall_ns(profile, thread), known_ns = thread_blocked_ns(thread);

	if (thread->cpu_ns == PP_UNKNOWN)
		return PP_UNKNOWN;
	known_ns += thread->cpu_ns;
	return wall_ns > known_ns ? wall_ns - known_ns : 0;
}

const struct pp_io_cell *io_entry_latencies(const struct pp_report_model *model, const struct pp_io_entry *entry,
					    bool stdio, uint32_t *count)
{
	uint64_t sums[PP_IO_LATENCY_BUCKETS] = {0};
	struct pp_io_cell *cells;

	*count = 0;
	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &model->profile->io_sites[entry->rows[i]];

		if (io_group_is_stdio(io_operation_group(site->operation)) != stdio)
			continue;
		for (uint32_t j = 0; j < site->latency_count; j++) {
			*count += sums[site->latencies[j].bucket] == 0;
			sums[site->latencies[j].bucket] += site->latencies[j].count;
		}
	}
	cells = arena_array(model->arena, *count, sizeof(*cells));
	*count = 0;
	for (uint32_t bucket = 0; bucket < PP_IO_LATENCY_BUCKETS; bucket++)
		if (sums[bucket])
			cells[(*count)++] = (struct pp_io_cell){bucket, sums[bucket]};
	return cells;
}

struct pp_histogram io_entry_sizes(const struct pp_report_model *model, const struct pp_io_entry *entry,
				   enum pp_io_group group)
{
	struct pp_histogram sizes = {{0}};

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &model->profile->io_sites[entry->rows[i]];

		for (uint32_t j = 0; io_operation_group(site->operation) == group && j < site->size_count; j++)
			sizes.counts[site->sizes[j].bucket] += site->sizes[j].count;
	}
	return sizes;
}
