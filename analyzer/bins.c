/* SPDX-License-Identifier: Apache-2.0 */
/* Time bins; see bins.h. */
#include "bins.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MASK ((UINT64_C(1) << PP_BIN_BYTES_BITS) - 1)

static uint32_t entry_bin(const struct pp_mem_bin_entry *entry)
{
	return (uint32_t)(entry->packed >> PP_BIN_BYTES_BITS);
}

void bin_clock_init(struct pp_bin_clock *clock, uint64_t start_ns, void (*fold)(void *owner), void *owner)
{
	memset(clock, 0, sizeof(*clock));
	clock->start_ns = start_ns;
	clock->window_start_ns = start_ns;
	clock->width_ns = PP_BIN_FIRST_WIDTH_NS;
	clock->entry_limit = PP_BIN_ENTRY_LIMIT;
	clock->fold = fold;
	clock->owner = owner;
}

static void clock_double(struct pp_bin_clock *clock)
{
	clock->width_ns *= 2;
	clock->window_start_ns = clock->start_ns;
	clock->window_bin = 0;
	clock->fold(clock->owner);
}

uint32_t bin_clock_seek(struct pp_bin_clock *clock, uint64_t time_ns)
{
	uint64_t bin;

	if (time_ns < clock->start_ns)
		time_ns = clock->start_ns;
	bin = (time_ns - clock->start_ns) / clock->width_ns;
	while (bin >= PP_BIN_LIMIT) {
		clock_double(clock);
		bin = (time_ns - clock->start_ns) / clock->width_ns;
	}
	clock->window_bin = (uint32_t)bin;
	clock->window_start_ns = clock->start_ns + bin * clock->width_ns;
	return clock->window_bin;
}

void bin_clock_trim(struct pp_bin_clock *clock)
{
	if (clock->entry_count > clock->entry_limit && clock->width_ns < UINT64_C(1) << 40) {
		uint64_t before = clock->entry_count;

		clock_double(clock);
		/* Sites that were active once each do not fold: then more doubling would only blur. */
		if (clock->entry_count > before - before / 8)
			clock->entry_limit *= 2;
	}
}

/* Adds b to a; false when a field would not hold the sum. */
static bool entry_add(struct pp_mem_bin_entry *a, const struct pp_mem_bin_entry *b)
{
	uint64_t bytes = (a->packed & BYTES_MASK) + (b->packed & BYTES_MASK);

	if (bytes > BYTES_MASK || a->allocation_count > UINT32_MAX - b->allocation_count ||
	    a->free_count > UINT32_MAX - b->free_count)
		return false;
	a->packed = (a->packed & ~BYTES_MASK) | bytes;
	a->allocation_count += b->allocation_count;
	a->free_count += b->free_count;
	a->freed_bytes += b->freed_bytes;
	return true;
}

static void series_push(struct pp_mem_series *series, struct pp_bin_clock *clock, const struct pp_mem_bin_entry *entry)
{
	uint32_t at = series->count, bin = entry_bin(entry);

	while (at > 0 && entry_bin(&series->entries[at - 1]) > bin)
		at--;
	if (at > 0 && entry_bin(&series->entries[at - 1]) == bin && entry_add(&series->entries[at - 1], entry))
		return;
	series->entries =
		memory_grow(series->entries, &series->capacity, (size_t)series->count + 1, sizeof(*series->entries));
	memmove(&series->entries[at + 1], &series->entries[at], (series->count - at) * sizeof(*series->entries));
	series->entries[at] = *entry;
	series->count++;
	clock->entry_count++;
}

static bool series_current(const struct pp_mem_series *series, struct pp_mem_bin_entry *entry)
{
	if (!series->allocation_count && !series->free_count)
		return false;
	entry->packed = (uint64_t)series->bin << PP_BIN_BYTES_BITS | (series->allocated_bytes & BYTES_MASK);
	entry->freed_bytes = series->freed_bytes;
	entry->allocation_count = series->allocation_count;
	entry->free_count = series->free_count;
	return true;
}

void mem_series_turn(struct pp_mem_series *series, struct pp_bin_clock *clock, uint32_t bin)
{
	struct pp_mem_bin_entry entry;

	if (series_current(series, &entry))
		series_push(series, clock, &entry);
	series->bin = bin;
	series->allocation_count = series->free_count = 0;
	series->allocated_bytes = series->freed_bytes = 0;
}

void mem_series_fold(struct pp_mem_series *series, struct pp_bin_clock *clock)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < series->count; i++) {
		struct pp_mem_bin_entry entry = series->entries[i];

		entry.packed = (uint64_t)(entry_bin(&entry) / 2) << PP_BIN_BYTES_BITS | (entry.packed & BYTES_MASK);
		if (kept > 0 && entry_bin(&series->entries[kept - 1]) == entry_bin(&entry) &&
		    entry_add(&series->entries[kept - 1], &entry))
			continue;
		series->entries[kept++] = entry;
	}
	clock->entry_count -= series->count - kept;
	series->count = kept;
	series->bin /= 2;
}

void mem_series_fit(struct pp_mem_series *series)
{
	series->entries = memory_fit(series->entries, &series->capacity, series->count, sizeof(*series->entries));
}

void mem_series_finish(struct pp_mem_series *series)
{
	free(series->entries);
	memset(series, 0, sizeof(*series));
}

static void bin_add(struct pp_mem_bin *bin, const struct pp_mem_bin_entry *entry)
{
	bin->allocation_count += entry->allocation_count;
	bin->allocated_bytes += entry->packed & BYTES_MASK;
	bin->free_count += entry->free_count;
	bin->freed_bytes += entry->freed_bytes;
}

uint32_t mem_series_read(const struct pp_mem_series *series, struct pp_mem_bin *bins)
{
	struct pp_mem_bin_entry current;
	bool pending = series_current(series, &current);
	uint32_t count = 0, i = 0;

	while (i < series->count || pending) {
		const struct pp_mem_bin_entry *entry;

		if (pending && (i == series->count || entry_bin(&series->entries[i]) > entry_bin(&current))) {
			entry = &current;
			pending = false;
		} else {
			entry = &series->entries[i++];
		}
		if (count == 0 || bins[count - 1].bin != entry_bin(entry)) {
			memset(&bins[count], 0, sizeof(bins[count]));
			bins[count++].bin = entry_bin(entry);
		}
		bin_add(&bins[count - 1], entry);
	}
	return count;
}

void cpu_series_add(struct pp_cpu_series *series, struct pp_bin_clock *clock, uint32_t bin, uint32_t weight)
{
	uint32_t at = series->count;

	while (at > 0 && series->entries[at - 1].bin > bin)
		at--;
	if (at > 0 && series->entries[at - 1].bin == bin && series->entries[at - 1].weight <= UINT32_MAX - weight) {
		series->entries[at - 1].weight += weight;
		return;
	}
	series->entries =
		memory_grow(series->entries, &series->capacity, (size_t)series->count + 1, sizeof(*series->entries));
	memmove(&series->entries[at + 1], &series->entries[at], (series->count - at) * sizeof(*series->entries));
	series->entries[at] = (struct pp_cpu_bin_entry){.bin = bin, .weight = weight};
	series->count++;
	clock->entry_count++;
}

void cpu_series_fold(struct pp_cpu_series *series, struct pp_bin_clock *clock)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < series->count; i++) {
		struct pp_cpu_bin_entry entry = series->entries[i];

		entry.bin /= 2;
		if (kept > 0 && series->entries[kept - 1].bin == entry.bin &&
		    series->entries[kept - 1].weight <= UINT32_MAX - entry.weight)
			series->entries[kept - 1].weight += entry.weight;
		else
			series->entries[kept++] = entry;
	}
	clock->entry_count -= series->count - kept;
	series->count = kept;
}

void cpu_series_fit(struct pp_cpu_series *series)
{
	series->entries = memory_fit(series->entries, &series->capacity, series->count, sizeof(*series->entries));
}

void cpu_series_finish(struct pp_cpu_series *series)
{
	free(series->entries);
	memset(series, 0, sizeof(*series));
}

uint32_t cpu_series_read(const struct pp_cpu_series *series, struct pp_cpu_bin *bins)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < series->count; i++) {
		if (count == 0 || bins[count - 1].bin != series->entries[i].bin)
			bins[count++] = (struct pp_cpu_bin){.bin = series->entries[i].bin};
		bins[count - 1].sample_count += series->entries[i].weight;
	}
	return count;
}

static void bin_sum(struct pp_sum_bin *to, const struct pp_sum_bin *from)
{
	for (int i = 0; i < 3; i++)
		to->sums[i] += from->sums[i];
}

void sum_series_add(struct pp_sum_series *series, struct pp_bin_clock *clock, const struct pp_sum_bin *bin)
{
	uint32_t at = series->count;

	while (at > 0 && series->bins[at - 1].bin > bin->bin)
		at--;
	if (at == 0 || series->bins[at - 1].bin != bin->bin) {
		series->bins =
			memory_grow(series->bins, &series->capacity, (size_t)series->count + 1, sizeof(*series->bins));
		memmove(&series->bins[at + 1], &series->bins[at], (series->count - at) * sizeof(*series->bins));
		series->bins[at] = *bin;
		series->count++;
		clock->entry_count++;
		return;
	}
	bin_sum(&series->bins[at - 1], bin);
}

void sum_series_fold(struct pp_sum_series *series, struct pp_bin_clock *clock)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < series->count; i++) {
		struct pp_sum_bin bin = series->bins[i];

		bin.bin /= 2;
		if (kept > 0 && series->bins[kept - 1].bin == bin.bin)
			bin_sum(&series->bins[kept - 1], &bin);
		else
			series->bins[kept++] = bin;
	}
	clock->entry_count -= series->count - kept;
	series->count = kept;
}

void sum_series_fit(struct pp_sum_series *series)
{
	series->bins = memory_fit(series->bins, &series->capacity, series->count, sizeof(*series->bins));
}

void sum_series_finish(struct pp_sum_series *series)
{
	free(series->bins);
	*series = (struct pp_sum_series){0};
}
