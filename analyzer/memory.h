/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path's own heap: zeroed arrays that grow. Like the arena, exhaustion ends the process with one line (the
 * analyzer is not the host). Any thread of the analyzer.
 */
#ifndef PREPROF_MEMORY_H
#define PREPROF_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed; count * size is checked. */
void *memory_array(size_t count, size_t size);

/* Makes room for `need` elements, at least by half again; new elements are zeroed. Returns the array, which may have
 * moved, and updates *capacity. */
void *memory_grow(void *array, uint32_t *capacity, size_t need, size_t size);

/* Zeroed whole pages, given back to the system at once when released: for tables whose old copies would otherwise
 * stay as holes in the heap. */
void *memory_pages(size_t bytes);
void *memory_pages_grow(void *pages, size_t old_bytes, size_t bytes); /* moves page tables, copies nothing */
void memory_pages_free(void *pages, size_t bytes);

#endif
