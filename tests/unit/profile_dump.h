/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as lines of text, in an order that does not depend on how it was made: what golden files hold. */
#ifndef PREPROF_PROFILE_DUMP_H
#define PREPROF_PROFILE_DUMP_H

#include "profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void dump_stack(FILE *file, const struct pp_profile *profile, uint32_t node)
{
	while (node) {
		const struct pp_node *at = &profile->nodes[node];
		const struct pp_address *address = &profile->addresses[at->address];

		fprintf(file, " %s+0x%" PRIx64 "%s",
			address->module == PP_NONE ? "?" : profile->modules[address->module].path, address->offset,
			at->truncated ? "..." : "");
		node = at->parent;
	}
	fputc('\n', file);
}

static inline void dump_histogram(FILE *file, const char *name, const struct pp_histogram *histogram)
{
	fprintf(file, "  %s", name);
	for (int i = 0; i < PP_HISTOGRAM_BUCKETS; i++) {
		if (histogram->counts[i])
			fprintf(file, " %d:%" PRIu64, i, histogram->counts[i]);
	}
	fputc('\n', file);
}

static inline void dump_process(FILE *file, const struct pp_process *process)
{
	const struct pp_mem_totals *mem = &process->mem;

	fprintf(file, "process %u pid %d parent %d executable %s events %" PRIu64 " lost %" PRIu64 "%s\n", process->id,
		process->pid, (int)process->parent, process->executable, process->event_count, process->lost_count,
		process->complete ? " complete" : "");
	fprintf(file,
		"  allocations %" PRIu64 " %" PRIu64 " frees %" PRIu64 " %" PRIu64 " live %" PRIu64 " %" PRIu64
		" peak %" PRIu64 " at %" PRIu64 "\n",
		mem->allocation_count, mem->allocated_bytes, mem->free_count, mem->freed_bytes, mem->live_count,
		mem->live_bytes, mem->peak_bytes, mem->peak_at_ns);
	fprintf(file,
		"  temporary %" PRIu64 " realloc %" PRIu64 " moved %" PRIu64 " failed %" PRIu64 " unknown %" PRIu64
		" inherited %" PRIu64 " mappings %" PRIu64 " %" PRIu64 " peak %" PRIu64 "\n",
		mem->temporary_count, mem->realloc_count, mem->realloc_moved_count, mem->failed_count,
		mem->unknown_free_count, mem->inherited_free_count, mem->mapping_count, mem->mapped_bytes,
		mem->mapping_peak_bytes);
	dump_histogram(file, "sizes", &mem->sizes);
	dump_histogram(file, "lifetimes", &mem->lifetimes);
}

static inline void dump_thread(FILE *file, const struct pp_thread *thread)
{
	fprintf(file,
		"thread %u.%u %s events %" PRIu64 " samples %" PRIu64 " allocations %" PRIu64 " %" PRIu64
		" frees %" PRIu64 " %" PRIu64 " live %" PRIu64 " %" PRIu64 " temporary %" PRIu64 "\n",
		thread->process + 1, thread->serial, thread->name, thread->event_count, thread->sample_count,
		thread->allocation_count, thread->allocated_bytes, thread->free_count, thread->freed_bytes,
		thread->live_count, thread->live_bytes, thread->temporary_count);
}

static inline void dump_mem_site(FILE *file, const struct pp_profile *profile, const struct pp_mem_site *site)
{
	fprintf(file,
		"mem %u allocations %" PRIu64 " %" PRIu64 " live %" PRIu64 " %" PRIu64 " peak %" PRIu64 " %" PRIu64
		" max %" PRIu64 " temporary %" PRIu64 " failed %" PRIu64 " mappings %" PRIu64 " %" PRIu64 " at",
		site->process + 1, site->allocation_count, site->allocated_bytes, site->live_count, site->live_bytes,
		site->peak_count, site->peak_bytes, site->max_live_bytes, site->temporary_count, site->failed_count,
		site->mapping_count, site->mapped_bytes);
	dump_stack(file, profile, site->node);
	for (uint32_t i = 0; i < site->bin_count; i++)
		fprintf(file, "  bin %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", site->bins[i].bin,
			site->bins[i].allocation_count, site->bins[i].allocated_bytes, site->bins[i].free_count,
			site->bins[i].freed_bytes);
}

/* The caller frees the text. */
static inline char *profile_dump(const struct pp_profile *profile)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	fprintf(file, "bins of %" PRIu64 " ns%s\n", profile->bin_ns, profile->complete ? ", complete" : "");
	for (size_t i = 0; profile->notes[i]; i++)
		fprintf(file, "note %s\n", profile->notes[i]);
	for (uint32_t i = 0; i < profile->process_count; i++)
		dump_process(file, &profile->processes[i]);
	for (uint32_t i = 0; i < profile->thread_count; i++)
		dump_thread(file, &profile->threads[i]);
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		dump_mem_site(file, profile, &profile->mem_sites[i]);
	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		const struct pp_cpu_site *site = &profile->cpu_sites[i];

		fprintf(file, "cpu %u.%u samples %" PRIu64 " ns %" PRIu64 " at", site->process + 1,
			profile->threads[site->thread].serial, site->sample_count, site->sampled_ns);
		dump_stack(file, profile, site->node);
	}
	fclose(file);
	return text;
}

#endif
