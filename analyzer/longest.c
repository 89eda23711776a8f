/* SPDX-License-Identifier: Apache-2.0 */
/* The longest of something; see longest.h. */
#include "longest.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

static uint64_t row_length(const char *rows, uint32_t index, size_t size)
{
	uint64_t length;

	memcpy(&length, rows + index * size, sizeof(length));
	return length;
}

/* The first one's place is free for `moved`. */
static void rows_sink(char *rows, uint32_t count, const void *moved, size_t size)
{
	uint32_t at = 0;

	for (uint32_t child = 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && row_length(rows, child + 1, size) < row_length(rows, child, size))
			child++;
		if (row_length(rows, child, size) >= row_length(moved, 0, size))
			break;
		memcpy(rows + at * size, rows + child * size, size);
		at = child;
	}
	memcpy(rows + at * size, moved, size);
}

bool longest_add(struct pp_longest *longest, const void *row, size_t size, uint32_t limit)
{
	uint32_t at = longest->count;
	char *rows = longest->rows;

	if (at >= limit) {
		if (row_length(row, 0, size) > row_length(rows, 0, size))
			rows_sink(rows, longest->count, row, size);
		return false;
	}
	rows = longest->rows = memory_grow(rows, &longest->capacity, (size_t)at + 1, size);
	longest->count++;
	for (; at > 0 && row_length(rows, (at - 1) / 2, size) > row_length(row, 0, size); at = (at - 1) / 2)
		memcpy(rows + at * size, rows + (at - 1) / 2 * size, size);
	memcpy(rows + at * size, row, size);
	return true;
}

void longest_finish(struct pp_longest *longest)
{
	free(longest->rows);
	*longest = (struct pp_longest){0};
}
