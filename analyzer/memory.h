/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path's own heap: zeroed arrays that grow. Any thread of the analyzer.
 *
 * Exhaustion comes in two steps. At the first some memory that was held back, and what a limit of our own forbade, is
 * there after all, and memory_is_exhausted tells the server to end while it still can. At the second the process ends
 * with one line (the analyzer is not the host), after what memory_at_the_end was given has been called once.
 */
#ifndef PREPROF_MEMORY_H
#define PREPROF_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on the process has its budget: a part of the machine's memory, or of its control group's, so that a hostile
 * tree cannot make it take all. Holds some memory back. */
void memory_budget_begin(void);
uint64_t memory_budget_bytes(void); /* 0: there is none */
bool memory_is_exhausted(void);
bool memory_has_room(size_t bytes); /* so much could be mapped at this moment */
/* Called in whatever thread memory ends, at most once; for what can be done with the last of it. */
void memory_at_the_end(void (*last)(void *), void *argument);

/* An allocation has failed: true: try once more. Else it does not return. */
bool memory_failed(void);

/* Zeroed; count * size is checked. */
void *memory_array(size_t count, size_t size);

/* Makes room for `need` elements, at least by half again, large arrays by a sixteenth; new elements are zeroed. Returns the
 * array, which may have moved, and updates *capacity. */
void *memory_grow(void *array, uint32_t *capacity, size_t need, size_t size);

/* Gives back what lies beyond the first `count` elements of what memory_grow made: of none, all. Returns the array, which may
 * have moved, and updates *capacity. */
void *memory_fit(void *array, uint32_t *capacity, uint32_t count, size_t size);

/* Zeroed whole pages, given back to the system at once when released: for tables whose old copies would otherwise
 * stay as holes in the heap. */
void *memory_pages(size_t bytes);
void *memory_pages_grow(void *pages, size_t old_bytes, size_t bytes); /* moves page tables, copies nothing */
void memory_pages_free(void *pages, size_t bytes);

#endif
