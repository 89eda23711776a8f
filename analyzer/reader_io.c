/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of I/O calls in the shared memory: what threads have summed up and not yet told. Read while they write: an
 * entry's copy is good if its sequence was even and the same before and after.
 */
#include "image.h"

#include <string.h>

#define TRIES 3

/* The duration of the entry's last call, where its thread has left that to its next one. */
static void again_add(struct pp_wire_io_entry *entry, uint64_t ns)
{
	struct pp_wire_io_cell *cell = pp_wire_io_cell_beside(entry, pp_wire_io_bucket(ns));

	entry->ns += ns;
	if (ns > entry->max_ns)
		entry->max_ns = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
	if (cell->count < UINT16_MAX)
		cell->count++;
}

/* false: its owner is at it. */
static bool entry_copy(const struct pp_wire_io_page *page, uint32_t index, struct pp_wire_io_entry *entry,
		       uint64_t *again, bool last)
{
	const struct pp_wire_io_entry *from = &page->entries[index];

	for (int i = 0; i < TRIES; i++) {
		uint32_t before = __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE);

		memcpy(entry, from, sizeof(*entry));
		memcpy(again, page->again, sizeof(page->again));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* A dead owner may have stopped in the middle of one call: that one is half counted. */
		if (last || (!(before & 1) && __atomic_load_n(&from->sequence, __ATOMIC_RELAXED) == before))
			return true;
	}
	return false;
}

static uint64_t image_tick_ns(const struct pp_image *image, uint32_t ticks)
{
	return ticks * ((const struct pp_wire_header *)image->shared)->tick_ns >> 32;
}

static void page_take(struct pp_image *image, const struct pp_wire_io_page *page, uint32_t thread, bool last)
{
	/* What came by the pipe last says best when it was. */
	uint64_t time_ns = last || !image->now_ns ? image->last_time_ns : image->now_ns;

	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++) {
		struct pp_wire_io_entry entry;
		uint64_t again[PP_WIRE_IO_AGAIN];

		if (!__atomic_load_n(&page->entries[i].count, __ATOMIC_RELAXED) ||
		    !entry_copy(page, i, &entry, again, last))
			continue;
		/* Its owner has ended meanwhile, and what was copied may be the next one's. */
		if (__atomic_load_n(&page->thread, __ATOMIC_RELAXED) != image->threads[thread].serial)
			return;
		for (uint32_t j = 0; j < PP_WIRE_IO_AGAIN; j++)
			if (again[j] >> 32 == i + 1)
				again_add(&entry, image_tick_ns(image, (uint32_t)again[j]));
		if (entry.stack >= image->stack_limit)
			entry.stack = 0;
		if (!io_lens_take(&image->io, thread, i, &entry, time_ns))
			image->damaged_count++;
	}
}

/* Since when the slot's thread is in the call that it names. */
static void open_take(struct pp_image *image, const struct pp_wire_header *header, const struct pp_wire_slot *slot,
		      uint32_t thread)
{
	uint64_t since = __atomic_load_n(&slot->wait_since, __ATOMIC_ACQUIRE), call = slot->wait_call;
	uint64_t now = image_stamp_now(image) << image->stamp_shift, ran = image->last_time_ns - image->start_ns;

	if (!since || image->threads[thread].ended || !header->tick_ns) {
		io_lens_open(&image->io, thread, 0, 0, 0);
		return;
	}
	if (image->trace->replaying)
		now = header->start_tick + (uint64_t)(((unsigned __int128)ran << 32) / header->tick_ns);
	io_lens_open(&image->io, thread, call >> 32 & 0xff, (uint32_t)call < image->stack_limit ? (uint32_t)call : 0,
		     now > since ? (uint64_t)((unsigned __int128)(now - since) * header->tick_ns >> 32) : 0);
}

uint64_t image_tick_time(const struct pp_image *image, uint64_t tick)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	uint64_t since = tick > header->start_tick ? tick - header->start_tick : 0;

	return image->start_ns + (uint64_t)((unsigned __int128)since * header->tick_ns >> 32);
}

static void lives_take(struct pp_image *image, const struct pp_wire_header *header)
{
	uint32_t count = __atomic_load_n(&header->descriptor_count, __ATOMIC_ACQUIRE);

	io_lives_look(&image->io.lives);
	for (uint32_t i = 0; i < count && i < PP_WIRE_DESCRIPTOR_COUNT; i++) {
		const struct pp_wire_io_descriptor *at =
			(const struct pp_wire_io_descriptor *)(image->shared + PP_WIRE_DESCRIPTORS) + i;
		struct pp_wire_io_descriptor row;
		struct pp_io_life life;

		if (!__atomic_load_n(&at->serial, __ATOMIC_ACQUIRE))
			continue;
		memcpy(&row, at, sizeof(row));
		/* One that ends or begins meanwhile is left for the next look. */
		if (__atomic_load_n(&at->serial, __ATOMIC_ACQUIRE) != row.serial || !io_life_decode(&life, &row, i))
			continue;
		if (life.stack >= image->stack_limit)
			life.stack = 0;
		life.opened_ns = image_tick_time(image, row.opened);
		io_files_read_to(&image->trace->files, life.file, life.read_to);
		io_lives_see(&image->io.lives, &life);
	}
}

void image_take_io(struct pp_image *image, bool last)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	uint32_t slots = __atomic_load_n(&header->slot_count, __ATOMIC_ACQUIRE);

	if (image->ended || image->waiting || image->shared_size < PP_WIRE_NODES)
		return;
	lives_take(image, header);
	io_lens_open_none(&image->io);
	for (uint32_t i = 0; i < slots && i < PP_WIRE_SLOT_COUNT; i++) {
		const struct pp_wire_slot *slot = (const struct pp_wire_slot *)(image->shared + PP_WIRE_SLOTS) + i;
		uint32_t number = __atomic_load_n(&slot->io_page, __ATOMIC_ACQUIRE);
		const struct pp_wire_io_page *page;
		uint64_t *thread;

		thread = table_find(&image->thread_of, __atomic_load_n(&slot->thread, __ATOMIC_ACQUIRE));
		if (thread && __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == PP_SLOT_LIVE)
			open_take(image, header, slot, (uint32_t)*thread);
		if (number == 0 || number > PP_WIRE_IO_PAGES)
			continue;
		page = (const struct pp_wire_io_page *)(image->shared + PP_WIRE_IO) + (number - 1);
		thread = table_find(&image->thread_of, __atomic_load_n(&page->thread, __ATOMIC_ACQUIRE));
		if (thread)
			page_take(image, page, (uint32_t)*thread, last);
	}
}
