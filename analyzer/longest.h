/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest of something, up to a limit: rows of one size that begin with what they are compared by, a uint64_t
 * (nanoseconds, mostly). A heap, the least first; it takes no more than it holds.
 *
 * One owner; not thread-safe. Zeroed storage is valid, and empty.
 */
#ifndef PREPROF_LONGEST_H
#define PREPROF_LONGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_longest {
	void *rows; /* NULL: there was none */
	uint32_t count, capacity;
};

/* Keeps a copy of the row, at the limit in place of the least if that is less. false: one was left out, this or that. */
bool longest_add(struct pp_longest *longest, const void *row, size_t size, uint32_t limit);
void longest_finish(struct pp_longest *longest);

#endif
