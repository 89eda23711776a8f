/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cpu lens: one process's samples by thread and stack. Order does not matter to it. One owner; not thread-safe.
 */
#ifndef PREPROF_LENS_CPU_H
#define PREPROF_LENS_CPU_H

#include "bins.h"
#include "table.h"

struct pp_cpu_site_state {
	uint32_t thread, stack;
	uint64_t weight;
	struct pp_cpu_series series;
};

#define PP_CPU_SITE_LIMIT (1U << 24) /* further stacks are counted as unknown */

struct pp_cpu_lens {
	struct pp_cpu_site_state *sites;
	uint32_t count, capacity;
	uint64_t weight; /* of all samples */
	uint64_t truncated_count, in_hook_count;
	struct pp_table site_of; /* thread:32 | stack:32 */
	struct pp_bin_clock *clock;
};

void cpu_lens_init(struct pp_cpu_lens *lens, struct pp_bin_clock *clock);
void cpu_lens_finish(struct pp_cpu_lens *lens);
void cpu_lens_sample(struct pp_cpu_lens *lens, uint32_t thread, uint32_t stack, uint32_t weight, uint64_t time_ns);
void cpu_lens_close(struct pp_cpu_lens *lens); /* no more samples will come */
void cpu_lens_fold(struct pp_cpu_lens *lens);  /* the bin width has doubled */

#endif
