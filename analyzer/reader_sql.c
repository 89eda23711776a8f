/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of SQLite calls in the shared memory: what threads have summed up and not yet told. Read while they write,
 * as those of I/O calls are (reader_io.c).
 */
#include "image.h"

#include <string.h>

#define TRIES 3

/* false: its owner is at it. */
static bool entry_copy(const struct pp_wire_sql_entry *from, struct pp_wire_sql_entry *entry, bool last)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t before = __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE);

		memcpy(entry, from, sizeof(*entry));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* A dead owner may have stopped in the middle of one execution: that one is half counted. */
		if (last || (!(before & 1) && __atomic_load_n(&from->sequence, __ATOMIC_RELAXED) == before))
			return true;
	}
	return false;
}

static void page_take(struct pp_image *image, const struct pp_wire_sql_page *page, uint32_t thread, bool last)
{
	uint64_t time_ns = last || !image->now_ns ? image->last_time_ns : image->now_ns;

	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++) {
		struct pp_wire_sql_entry entry;

		if (!__atomic_load_n(&page->entries[i].count, __ATOMIC_RELAXED) ||
		    !entry_copy(&page->entries[i], &entry, last))
			continue;
		/* As of I/O: it may be the next owner's. */
		if (__atomic_load_n(&page->thread, __ATOMIC_RELAXED) != image->threads[thread].serial)
			return;
		if (entry.stack >= image->stack_limit)
			entry.stack = 0;
		if (!sql_lens_take(&image->sql, thread, i, &entry, time_ns))
			image->damaged_count++;
	}
}

void image_take_sql(struct pp_image *image, bool last)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	uint32_t slots = __atomic_load_n(&header->slot_count, __ATOMIC_ACQUIRE);

	if (image->ended || image->waiting || image->shared_size < PP_WIRE_NODES)
		return;
	for (uint32_t i = 0; i < slots && i < PP_WIRE_SLOT_COUNT; i++) {
		const struct pp_wire_slot *slot = (const struct pp_wire_slot *)(image->shared + PP_WIRE_SLOTS) + i;
		uint32_t number = __atomic_load_n(&slot->sql_page, __ATOMIC_ACQUIRE);
		const struct pp_wire_sql_page *page;
		uint64_t *thread;

		if (number == 0 || number > PP_WIRE_SQL_PAGES)
			continue;
		page = (const struct pp_wire_sql_page *)(image->shared + PP_WIRE_SQL) + (number - 1);
		thread = table_find(&image->thread_of, __atomic_load_n(&page->thread, __ATOMIC_ACQUIRE));
		if (thread)
			page_take(image, page, (uint32_t)*thread, last);
	}
}
