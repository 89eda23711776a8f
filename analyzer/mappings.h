/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranges a process has mapped (mmap, mremap, brk and their like), as a sorted array: a kernel allows some 65 000 a
 * process, so moving its tail is at worst a fraction of a millisecond. One owner; not thread-safe.
 */
#ifndef PREPROF_MAPPINGS_H
#define PREPROF_MAPPINGS_H

#include <stdint.h>

struct pp_mapping {
	uint64_t start, end;
};

struct pp_mappings {
	struct pp_mapping *ranges; /* disjoint, ascending */
	uint32_t count, capacity;
	uint64_t total_count, total_bytes; /* of all calls */
	uint64_t live_bytes, peak_bytes;
};

#define PP_MAPPING_LIMIT 262144 /* ranges; more are counted but not followed */

/* Whole pages are the caller's business. A range over others replaces them there. */
void mappings_add(struct pp_mappings *mappings, uint64_t start, uint64_t end);
void mappings_remove(struct pp_mappings *mappings, uint64_t start, uint64_t end);
void mappings_forget(struct pp_mappings *mappings); /* the ranges; the totals stay */
void mappings_finish(struct pp_mappings *mappings);

#endif
