/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu lens; see lens_cpu.h. */
#include "lens_cpu.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

void cpu_lens_init(struct pp_cpu_lens *lens, struct pp_bin_clock *clock)
{
	memset(lens, 0, sizeof(*lens));
	lens->clock = clock;
}

void cpu_lens_finish(struct pp_cpu_lens *lens)
{
	for (uint32_t i = 0; i < lens->count; i++)
		cpu_series_finish(&lens->sites[i].series);
	free(lens->sites);
	table_finish(&lens->site_of);
	memset(lens, 0, sizeof(*lens));
}

static struct pp_cpu_site_state *cpu_site(struct pp_cpu_lens *lens, uint32_t thread, uint32_t stack)
{
	uint64_t key = (uint64_t)thread << 32 | stack;
	uint64_t *found = table_find(&lens->site_of, key);

	if (found)
		return &lens->sites[*found];
	if (lens->count >= PP_CPU_SITE_LIMIT && lens->count > 0)
		return &lens->sites[0];
	lens->sites = memory_grow(lens->sites, &lens->capacity, (size_t)lens->count + 1, sizeof(*lens->sites));
	lens->sites[lens->count].thread = thread;
	lens->sites[lens->count].stack = stack;
	table_set(&lens->site_of, key, lens->count);
	return &lens->sites[lens->count++];
}

void cpu_lens_sample(struct pp_cpu_lens *lens, uint32_t thread, uint32_t stack, uint32_t weight, uint64_t time_ns)
{
	struct pp_cpu_site_state *site;
	uint32_t bin;

	if (weight == 0)
		return;
	bin = bin_of(lens->clock, time_ns);
	site = cpu_site(lens, thread, stack);
	site->weight += weight;
	lens->weight += weight;
	cpu_series_add(&site->series, lens->clock, bin, weight);
}

void cpu_lens_close(struct pp_cpu_lens *lens)
{
	table_finish(&lens->site_of);
	lens->sites = memory_fit(lens->sites, &lens->capacity, lens->count, sizeof(*lens->sites));
	for (uint32_t i = 0; i < lens->count; i++)
		cpu_series_fit(&lens->sites[i].series);
}

void cpu_lens_fold(struct pp_cpu_lens *lens)
{
	for (uint32_t i = 0; i < lens->count; i++)
		cpu_series_fold(&lens->sites[i].series, lens->clock);
}
