/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory there is for us: the machine's, and what the control groups leave of it (version 2, or version 1's memory
 * controller). Read anew at each call; UINT64_MAX: no limit. Any thread.
 */
#ifndef PREPROF_MEMORY_LIMIT_H
#define PREPROF_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

uint64_t memory_limit_of_machine(void);
/* The tightest limit of our group and those around it; `used`, if not NULL, what is used of that. */
uint64_t memory_limit_of_group(uint64_t *used);

/* How many processes of our group the kernel has killed for want of memory, its own limit's or one's around it; 0 where it
 * does not say. */
uint64_t memory_kills_of_group(void);

#endif
