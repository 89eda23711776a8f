/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorted address ranges of units, functions and inlined calls. Belongs to the thread that uses the
 * symbolizer.
 */
#include "symbolize_internal.h"

#include <stdlib.h>

enum {
	/* Ranges may overlap (identical code folded, damaged data): how many are tried. */
	COVER_STEPS_MAX = 16,
};

void *list_grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
	size_t wanted = *capacity ? *capacity * 2 : 8;
	void *grown;

	if (count < *capacity)
		return items;
	if (wanted > UINT32_MAX / 2)
		return NULL;
	grown = realloc(items, wanted * item_size);
	if (grown)
		*capacity = wanted;
	return grown;
}

bool ranges_add(struct pp_ranges *ranges, uint64_t low, uint64_t high, uint32_t owner)
{
	struct pp_range *grown = list_grow(ranges->items, ranges->count, &ranges->capacity, sizeof(*ranges->items));

	if (!grown)
		return false;
	ranges->items = grown;
	grown[ranges->count++] = (struct pp_range){low, high, owner};
	return true;
}

static int range_compare(const void *left, const void *right)
{
	const struct pp_range *a = left, *b = right;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	/* The smaller one last: it is found first. */
	return a->high != b->high ? (a->high > b->high ? -1 : 1) : 0;
}

void ranges_sort(struct pp_ranges *ranges)
{
	if (ranges->count)
		qsort(ranges->items, ranges->count, sizeof(*ranges->items), range_compare);
}

const struct pp_range *ranges_find(const struct pp_ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t step = 0; low && step < COVER_STEPS_MAX; step++)
		if (address < ranges->items[--low].high)
			return &ranges->items[low];
	return NULL;
}
