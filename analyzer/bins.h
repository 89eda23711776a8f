/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time bins: the metrics of a site by time, at most PP_BIN_LIMIT bins of one width for the whole trace. The width
 * doubles when the run outgrows it or the bins outgrow their budget; then every series is folded, two bins into one.
 *
 * A series keeps its current bin apart and unpacked-enough to be added to in one cache line; older ones lie packed,
 * 24 bytes each, sorted. A count that would pass 32 bits starts a second entry of the same bin.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_BINS_H
#define PREPROF_BINS_H

#include "profile.h"

struct pp_mem_bin_entry {
	uint64_t packed; /* bin:10 | allocated bytes:54 */
	uint64_t freed_bytes;
	uint32_t allocation_count, free_count;
};
_Static_assert(sizeof(struct pp_mem_bin_entry) == 24, "many of them");
#define PP_BIN_BYTES_BITS 54

struct pp_mem_series {
	uint64_t allocated_bytes, freed_bytes; /* of the current bin */
	uint32_t allocation_count, free_count;
	uint32_t bin; /* the current one */
	uint32_t count, capacity;
	struct pp_mem_bin_entry *entries;
};

struct pp_cpu_bin_entry {
	uint32_t bin;
	uint32_t weight;
};

struct pp_cpu_series {
	uint32_t count, capacity;
	struct pp_cpu_bin_entry *entries;
};

/* Sorted. For series of few bins. */
struct pp_sum_series {
	uint32_t count, capacity;
	struct pp_sum_bin *bins;
};

/* The trace's clock of bins. */
struct pp_bin_clock {
	uint64_t start_ns; /* CLOCK_MONOTONIC of bin 0 */
	uint64_t width_ns;
	uint64_t entry_count;	  /* packed entries in use, of all series */
	uint64_t window_start_ns; /* of the bin found last */
	uint32_t window_bin;
	uint64_t entry_limit;	   /* at which the width doubles */
	void (*fold)(void *owner); /* folds every series of the trace */
	void *owner;
};

#define PP_BIN_FIRST_WIDTH_NS UINT64_C(10000000)
#define PP_BIN_ENTRY_LIMIT    UINT64_C(1000000)

void bin_clock_init(struct pp_bin_clock *clock, uint64_t start_ns, void (*fold)(void *owner), void *owner);

/* Out of the window: finds the bin, doubling the width as often as needed (which folds every series). */
uint32_t bin_clock_seek(struct pp_bin_clock *clock, uint64_t time_ns);

static inline uint32_t bin_of(struct pp_bin_clock *clock, uint64_t time_ns)
{
	if (time_ns - clock->window_start_ns < clock->width_ns)
		return clock->window_bin;
	return bin_clock_seek(clock, time_ns);
}

/* Doubles the width if the entries are over their limit. Not while a bin number is in use. */
void bin_clock_trim(struct pp_bin_clock *clock);

/* The current bin goes to the packed ones and `bin` becomes current. */
void mem_series_turn(struct pp_mem_series *series, struct pp_bin_clock *clock, uint32_t bin);

static inline void mem_series_allocated(struct pp_mem_series *series, struct pp_bin_clock *clock, uint32_t bin,
					uint64_t bytes, uint32_t count)
{
	if (series->bin != bin || series->allocation_count > UINT32_MAX - count)
		mem_series_turn(series, clock, bin);
	series->allocation_count += count;
	series->allocated_bytes += bytes;
}

static inline void mem_series_freed(struct pp_mem_series *series, struct pp_bin_clock *clock, uint32_t bin,
				    uint64_t bytes, uint32_t count)
{
	if (series->bin != bin || series->free_count > UINT32_MAX - count)
		mem_series_turn(series, clock, bin);
	series->free_count += count;
	series->freed_bytes += bytes;
}

void mem_series_fold(struct pp_mem_series *series, struct pp_bin_clock *clock);
void mem_series_fit(struct pp_mem_series *series); /* nothing more will be counted */
void mem_series_finish(struct pp_mem_series *series);

/* Unpacked into `bins` (room for count + 1), merged by bin, sorted. Returns how many. */
uint32_t mem_series_read(const struct pp_mem_series *series, struct pp_mem_bin *bins);

void cpu_series_add(struct pp_cpu_series *series, struct pp_bin_clock *clock, uint32_t bin, uint32_t weight);
void cpu_series_fold(struct pp_cpu_series *series, struct pp_bin_clock *clock);
void cpu_series_fit(struct pp_cpu_series *series);
void cpu_series_finish(struct pp_cpu_series *series);
uint32_t cpu_series_read(const struct pp_cpu_series *series, struct pp_cpu_bin *bins);

void sum_series_add(struct pp_sum_series *series, struct pp_bin_clock *clock, const struct pp_sum_bin *bin);
void sum_series_fold(struct pp_sum_series *series, struct pp_bin_clock *clock);
void sum_series_fit(struct pp_sum_series *series);
void sum_series_finish(struct pp_sum_series *series);

#endif
