/* SPDX-License-Identifier: Apache-2.0 */
/* The io lens; see lens_io.h. */
#include "lens_io.h"

#include "io_operation.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_LIMIT (UINT64_C(1) << 63) /* of one entry: 2^32 calls of 2 GiB */

void io_lens_init(struct pp_io_lens *lens, struct pp_bin_clock *clock)
{
	memset(lens, 0, sizeof(*lens));
	lens->clock = clock;
}

static void taken_free(struct pp_io_thread *thread)
{
	for (uint32_t i = 0; thread->taken && i < PP_WIRE_IO_ENTRIES; i++)
		free(thread->taken->entries[i]);
	free(thread->taken);
	thread->taken = NULL;
}

void io_cells_fit(struct pp_io_cells *cells)
{
	cells->cells = memory_fit(cells->cells, &cells->capacity, cells->count, sizeof(*cells->cells));
}

void io_lens_close(struct pp_io_lens *lens)
{
	table_finish(&lens->site_of);
	lens->sites = memory_fit(lens->sites, &lens->site_capacity, lens->site_count, sizeof(*lens->sites));
	for (uint32_t i = 0; i < lens->site_count; i++) {
		struct pp_io_site_state *site = &lens->sites[i];

		io_cells_fit(&site->sizes);
		io_cells_fit(&site->latencies);
		sum_series_fit(&site->series);
	}
	lens->threads = memory_fit(lens->threads, &lens->thread_capacity, lens->thread_count, sizeof(*lens->threads));
	for (uint32_t i = 0; i < lens->thread_count; i++)
		taken_free(&lens->threads[i]);
}

void io_lens_finish(struct pp_io_lens *lens)
{
	io_lens_close(lens);
	for (uint32_t i = 0; i < lens->site_count; i++) {
		free(lens->sites[i].sizes.cells);
		free(lens->sites[i].latencies.cells);
		sum_series_finish(&lens->sites[i].series);
	}
	free(lens->sites);
	free(lens->threads);
	longest_finish(&lens->slow);
	io_lives_finish(&lens->lives);
	memset(lens, 0, sizeof(*lens));
}

/* ---- sites ---- */

void io_cells_add(struct pp_io_cells *cells, uint32_t bucket, uint64_t count)
{
	uint32_t low = 0, high = cells->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (cells->cells[middle].bucket < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == cells->count || cells->cells[low].bucket != bucket) {
		cells->cells =
			memory_grow(cells->cells, &cells->capacity, (size_t)cells->count + 1, sizeof(*cells->cells));
		memmove(&cells->cells[low + 1], &cells->cells[low], (cells->count - low) * sizeof(*cells->cells));
		cells->cells[low] = (struct pp_io_cell){.bucket = bucket};
		cells->count++;
	}
	cells->cells[low].count += count;
}

void io_lens_fold(struct pp_io_lens *lens)
{
	for (uint32_t i = 0; i < lens->site_count; i++)
		sum_series_fold(&lens->sites[i].series, lens->clock);
}

static bool site_is(const struct pp_io_site_state *site, const struct pp_wire_io_entry *entry)
{
	return site->file == entry->file && site->stack == entry->stack && site->operation == entry->operation &&
	       site->error == entry->error;
}

static struct pp_io_site_state *site_find(struct pp_io_lens *lens, const struct pp_wire_io_entry *entry)
{
	uint64_t key = table_hash(entry->file) ^
		       table_hash((uint64_t)entry->error << 48 | (uint64_t)entry->operation << 32 | entry->stack);
	struct pp_io_site_state *site;
	uint64_t *found;

	while ((found = table_find(&lens->site_of, key)) != NULL) {
		if (site_is(&lens->sites[*found], entry))
			return &lens->sites[*found];
		key++;
	}
	if (lens->site_count >= PP_IO_SITE_LIMIT)
		return &lens->sites[0];
	lens->sites = memory_grow(lens->sites, &lens->site_capacity, (size_t)lens->site_count + 1, sizeof(*lens->sites));
	site = &lens->sites[lens->site_count];
	site->file = entry->file;
	site->stack = entry->stack;
	site->operation = entry->operation;
	site->error = entry->error;
	table_set(&lens->site_of, key, lens->site_count++);
	return site;
}

static struct pp_io_thread *thread_find(struct pp_io_lens *lens, uint32_t thread)
{
	if (thread >= lens->thread_count) {
		lens->threads = memory_grow(lens->threads, &lens->thread_capacity, (size_t)thread + 1,
					    sizeof(*lens->threads));
		lens->thread_count = thread + 1;
	}
	return &lens->threads[thread];
}

/* The counts of `part` leave `whole`, as far as they are in it. */
static void entry_less(struct pp_wire_io_entry *whole, const struct pp_wire_io_entry *part)
{
#define LESS(field) whole->field -= part->field < whole->field ? part->field : whole->field
	LESS(count);
	LESS(sequential);
	LESS(strided);
	LESS(asked_bytes);
	LESS(got_bytes);
	LESS(ns);
	LESS(reread_bytes);
	LESS(aligned512);
	LESS(aligned4096);
	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++)
		if (whole->cells[i].bucket == part->cells[i].bucket)
			LESS(cells[i].count);
#undef LESS
}

static void entry_count(struct pp_io_lens *lens, uint32_t thread, const struct pp_wire_io_entry *entry,
			uint64_t time_ns)
{
	uint32_t bin = bin_of(lens->clock, time_ns);
	struct pp_io_site_state *site = site_find(lens, entry);
	struct pp_io_thread *totals = thread_find(lens, thread);
	enum pp_io_group group = io_operation_group(entry->operation);

	site->call_count += entry->count;
	site->asked_bytes += entry->asked_bytes;
	site->got_bytes += entry->got_bytes;
	site->ns += entry->ns;
	if (entry->max_ns > site->max_ns)
		site->max_ns = entry->max_ns;
	site->sequential_count += entry->sequential;
	site->strided_count += entry->strided;
	site->reread_bytes += entry->reread_bytes;
	site->aligned512_count += entry->aligned512;
	site->aligned4096_count += entry->aligned4096;
	if (io_group_moves(group) && !io_group_is_stdio(group) && !entry->error)
		io_cells_add(&site->sizes, entry->size_class, entry->count);
	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++)
		if (entry->cells[i].count && entry->cells[i].bucket < PP_WIRE_IO_SIZES)
			io_cells_add(&site->latencies, entry->cells[i].bucket, entry->cells[i].count);
		else if (entry->cells[i].count)
			io_cells_add(&site->sizes, entry->cells[i].bucket - PP_WIRE_IO_SIZES, entry->cells[i].count);
	sum_series_add(&site->series, lens->clock,
		       &(struct pp_sum_bin){bin, {entry->count, entry->got_bytes, entry->ns}});
	if (io_operation_blocks(entry->operation))
		totals->kind_ns[io_operation_kind(entry->operation)] += entry->ns;
	if (group == PP_IO_GROUP_WAIT)
		return;
	if (io_group_is_stdio(group)) {
		totals->stdio_call_count += entry->count;
		totals->stdio_ns += entry->ns;
		if (group == PP_IO_GROUP_STDIO_READ)
			totals->stdio_read_bytes += entry->got_bytes;
		if (group == PP_IO_GROUP_STDIO_WRITE)
			totals->stdio_written_bytes += entry->got_bytes;
		return;
	}
	if (!io_operation_is_half(entry->operation))
		totals->call_count += entry->count;
	totals->ns += entry->ns;
	if (group == PP_IO_GROUP_READ || group == PP_IO_GROUP_RECV)
		totals->read_bytes += entry->got_bytes;
	if (group == PP_IO_GROUP_WRITE || group == PP_IO_GROUP_SEND)
		totals->written_bytes += entry->got_bytes;
}

static bool entry_makes_sense(const struct pp_wire_io_entry *entry)
{
	uint64_t cells = 0, sizes = 0;

	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++) {
		if (entry->cells[i].bucket >= PP_WIRE_IO_SIZES + PP_HISTOGRAM_BUCKETS)
			return false;
		if (entry->cells[i].bucket < PP_WIRE_IO_SIZES)
			cells += entry->cells[i].count;
		else
			sizes += entry->cells[i].count;
	}
	return entry->size_class < PP_HISTOGRAM_BUCKETS && entry->asked_bytes < BYTES_LIMIT &&
	       entry->got_bytes < BYTES_LIMIT && entry->ns < BYTES_LIMIT && entry->sequential <= entry->count &&
	       entry->strided <= entry->count && entry->reread_bytes <= entry->got_bytes &&
	       entry->aligned512 <= entry->count && entry->aligned4096 <= entry->aligned512 && cells <= entry->count && sizes <= entry->count &&
	       io_operation_group(entry->operation) != PP_IO_GROUP_NONE;
}

static struct pp_io_taken *taken_of(struct pp_io_thread *thread)
{
	if (!thread->taken)
		thread->taken = memory_array(1, sizeof(*thread->taken));
	return thread->taken;
}

bool io_lens_told(struct pp_io_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_io_entry *entry,
		  uint64_t time_ns)
{
	struct pp_wire_io_entry rest = *entry;
	struct pp_io_taken *taken;

	if (!entry_makes_sense(entry) || (index >= PP_WIRE_IO_ENTRIES && index != PP_IO_NO_ENTRY))
		return false;
	if (index != PP_IO_NO_ENTRY) {
		taken = taken_of(thread_find(lens, thread));
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
		entry_count(lens, thread, &rest, time_ns);
	return true;
}

bool io_lens_take(struct pp_io_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_io_entry *entry,
		  uint64_t time_ns)
{
	struct pp_wire_io_entry rest = *entry, *before;
	struct pp_io_taken *taken;

	if (!entry->count)
		return true;
	if (!entry_makes_sense(entry) || index >= PP_WIRE_IO_ENTRIES)
		return false;
	taken = taken_of(thread_find(lens, thread));
	before = taken->entries[index];
	/* Told already, and not emptied: the process died in between. Or of a later fill, while the record of what was taken
	 * is still to come: it will be met again. */
	if (entry->fill < taken->fills[index] || (entry->fill > taken->fills[index] && before))
		return true;
	if (before)
		entry_less(&rest, before);
	else
		before = taken->entries[index] = memory_array(1, sizeof(*before));
	*before = *entry;
	taken->fills[index] = entry->fill;
	if (rest.count)
		entry_count(lens, thread, &rest, time_ns);
	return true;
}

void io_lens_open(struct pp_io_lens *lens, uint32_t thread, uint32_t operation, uint32_t stack, uint64_t ns)
{
	struct pp_io_thread *totals;

	if (!ns && thread >= lens->thread_count)
		return;
	totals = thread_find(lens, thread);
	totals->open_ns = io_operation_group(operation) == PP_IO_GROUP_NONE || ns >= BYTES_LIMIT ? 0 : ns;
	totals->open_operation = operation;
	totals->open_stack = stack;
}

void io_lens_thread_end(struct pp_io_lens *lens, uint32_t thread)
{
	if (thread < lens->thread_count)
		taken_free(&lens->threads[thread]);
}

void io_lens_open_none(struct pp_io_lens *lens)
{
	for (uint32_t i = 0; i < lens->thread_count; i++)
		lens->threads[i].open_ns = 0;
}

void io_lens_slow(struct pp_io_lens *lens, const struct pp_io_slow_state *call)
{
	longest_add(&lens->slow, call, sizeof(*call), PP_IO_SLOW_LIMIT);
}
