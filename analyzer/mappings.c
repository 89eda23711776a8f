/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped ranges; see mappings.h. */
#include "mappings.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends after `address`. */
static uint32_t ranges_seek(const struct pp_mappings *mappings, uint64_t address)
{
	uint32_t low = 0, high = mappings->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (mappings->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replaces `removed` ranges at `at` by the `added` ones. */
static void ranges_splice(struct pp_mappings *mappings, uint32_t at, uint32_t removed, const struct pp_mapping *added,
			  uint32_t added_count)
{
	uint32_t tail = mappings->count - at - removed;

	mappings->ranges = memory_grow(mappings->ranges, &mappings->capacity, (size_t)mappings->count + added_count,
				       sizeof(*mappings->ranges));
	memmove(&mappings->ranges[at + added_count], &mappings->ranges[at + removed], tail * sizeof(*mappings->ranges));
	if (added_count)
		memcpy(&mappings->ranges[at], added, added_count * sizeof(*added));
	mappings->count = at + added_count + tail;
}

/* Cuts [start, end) out; returns where a range at `start` belongs. */
static uint32_t ranges_cut(struct pp_mappings *mappings, uint64_t start, uint64_t end)
{
	uint32_t first = ranges_seek(mappings, start), last = first, rest_count = 0;
	struct pp_mapping rest[2];

	while (last < mappings->count && mappings->ranges[last].start < end) {
		struct pp_mapping range = mappings->ranges[last++];
		uint64_t from = range.start > start ? range.start : start;
		uint64_t to = range.end < end ? range.end : end;

		mappings->live_bytes -= to - from;
		if (range.start < start)
			rest[rest_count++] = (struct pp_mapping){range.start, start};
		if (range.end > end)
			rest[rest_count++] = (struct pp_mapping){end, range.end};
	}
	if (last == first)
		return first;
	ranges_splice(mappings, first, last - first, rest, rest_count);
	return rest_count && rest[0].start < start ? first + 1 : first;
}

void mappings_remove(struct pp_mappings *mappings, uint64_t start, uint64_t end)
{
	if (start < end)
		ranges_cut(mappings, start, end);
}

void mappings_add(struct pp_mappings *mappings, uint64_t start, uint64_t end)
{
	struct pp_mapping range = {start, end};
	uint32_t at;

	if (start >= end)
		return;
	mappings->total_count++;
	mappings->total_bytes += end - start;
	at = ranges_cut(mappings, start, end);
	if (mappings->count >= PP_MAPPING_LIMIT)
		return;
	ranges_splice(mappings, at, 0, &range, 1);
	mappings->live_bytes += end - start;
	if (mappings->live_bytes > mappings->peak_bytes)
		mappings->peak_bytes = mappings->live_bytes;
}

void mappings_forget(struct pp_mappings *mappings)
{
	free(mappings->ranges);
	mappings->ranges = NULL;
	mappings->count = mappings->capacity = 0;
}

void mappings_finish(struct pp_mappings *mappings)
{
	mappings_forget(mappings);
	memset(mappings, 0, sizeof(*mappings));
}
