/* SPDX-License-Identifier: Apache-2.0 */
/* Checked allocation; see memory.h. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void out_of_memory(void)
{
	fprintf(stderr, "preprof: out of memory\n");
	exit(125);
}

void *memory_array(size_t count, size_t size)
{
	void *array = calloc(count ? count : 1, size);

	if (!array)
		out_of_memory();
	return array;
}

void *memory_grow(void *array, uint32_t *capacity, size_t need, size_t size)
{
	size_t room = *capacity, bytes;

	if (need <= room)
		return array;
	room += room / 2;
	if (room < need)
		room = need;
	if (room < 8)
		room = 8;
	if (room > UINT32_MAX || __builtin_mul_overflow(room, size, &bytes))
		out_of_memory();
	array = realloc(array, bytes);
	if (!array)
		out_of_memory();
	memset((char *)array + *capacity * size, 0, (room - *capacity) * size);
	*capacity = (uint32_t)room;
	return array;
}

void *memory_pages(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		out_of_memory();
	return pages;
}

void *memory_pages_grow(void *pages, size_t old_bytes, size_t bytes)
{
	pages = mremap(pages, old_bytes, bytes, MREMAP_MAYMOVE);
	if (pages == MAP_FAILED)
		out_of_memory();
	return pages;
}

void memory_pages_free(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}
