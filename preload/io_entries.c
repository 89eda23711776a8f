/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries' pages and records: what happens to them now and then; see io_call.h for what happens at each call.
 *
 * Context: between hook_enter and hook_leave, by the thread itself.
 */
#include "claim_map.h"
#include "io_call.h"

#include <errno.h>

_Static_assert(PP_WIRE_IO_ENTRIES % 4 == 0, "sets of four");
static uint64_t page_map[PP_WIRE_IO_PAGES / 64];

/* --- pages ---------------------------------------------------------------------------------------------------------- */

void io_reset(void)
{
	memset(page_map, 0, sizeof(page_map));
}

/* false: all are taken, or it has ended; each call is then a record. */
bool io_page_make(struct pp_thread *thread)
{
	struct pp_wire_io_page *page;
	uint32_t index;

	if (thread->io_state)
		return false;
	thread->io_state = 1;
	index = claim_map_take(page_map, PP_WIRE_IO_PAGES / 64);
	if (index == UINT32_MAX)
		return false;
	page = session_shared(PP_WIRE_IO + (uint64_t)index * sizeof(*page));
	if (!page) {
		claim_map_give(page_map, index);
		return false;
	}
	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++)
		page->entries[i].fill = 1; /* empty: told by the owner before */
	__atomic_store_n(&page->thread, thread->serial, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->io_page, index + 1, __ATOMIC_RELEASE);
	thread->io = page;
	return true;
}

/* --- entries -------------------------------------------------------------------------------------------------------- */

#define WAYS  4	 /* three that take turns in a loop must not take each other's place */
#define WORDS 10 /* of a record, before its cells */

static void entry_emit(struct pp_thread *thread, const struct pp_wire_io_entry *entry, uint32_t index)
{
	uint64_t payload[WORDS + PP_WIRE_IO_CELLS / 2];
	uint32_t count = 0;

	payload[0] = entry->file;
	payload[1] = (uint64_t)entry->error << 48 | (uint64_t)entry->size_class << 40 |
		     (uint64_t)entry->operation << 32 | entry->stack;
	payload[2] = (uint64_t)entry->count << 32 | entry->fill;
	payload[3] = (uint64_t)entry->strided << 32 | entry->sequential;
	payload[4] = entry->asked_bytes;
	payload[5] = entry->got_bytes;
	payload[6] = entry->ns;
	payload[7] = entry->max_ns;
	payload[8] = entry->reread_bytes;
	payload[9] = (uint64_t)entry->aligned4096 << 32 | entry->aligned512;
	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++) {
		uint64_t cell = (uint64_t)entry->cells[i].count << 16 | entry->cells[i].bucket;

		if (!entry->cells[i].count)
			continue;
		if (count % 2)
			payload[WORDS + count / 2] |= cell << 32;
		else
			payload[WORDS + count / 2] = cell;
		count++;
	}
	emit_clock(thread);
	emit_extended(thread, PP_EXT_IO, index, payload, WORDS + (count + 1) / 2);
}

/* After it has been told. */
static void entry_empty(struct pp_thread *thread, struct pp_wire_io_entry *entry, uint32_t fill)
{
	entry_lock(entry);
	entry->fill = fill;
	entry->count = entry->sequential = entry->strided = entry->max_ns = 0;
	entry->asked_bytes = entry->got_bytes = entry->ns = entry->reread_bytes = 0;
	entry->aligned512 = entry->aligned4096 = 0;
	memset(entry->cells, 0, sizeof(entry->cells));
	entry_unlock(entry);
	__asm__ volatile("" ::: "memory");
	thread->io_told = 0;
}

void io_entry_flush(struct pp_thread *thread, uint32_t index)
{
	struct pp_wire_io_entry *entry = &thread->io->entries[index];

	if (!entry->count)
		return;
	if (thread->io_again_at[index])
		io_again_settle(thread, index);
	entry_emit(thread, entry, index);
	thread->io_told = (uint64_t)entry->fill << 32 | (index + 1);
	__asm__ volatile("" ::: "memory");
	entry_empty(thread, entry, entry->fill + 1);
}

void call_add(struct pp_thread *thread, const struct io_call *call, uint64_t now)
{
	call_add_here(thread, call, now);
}

/* The entry is told, and this call's combination's from now on. */
static void entry_take_over(struct pp_thread *thread, const struct io_call *call, uint32_t index)
{
	struct pp_wire_io_entry *entry = &thread->io->entries[index];

	io_entry_flush(thread, index);
	if (thread->io_again_at[index])
		io_again_forget(thread, index);
	entry_lock(entry);
	entry->file = call->file;
	memcpy(&entry->stack, &call->key, sizeof(call->key));
	entry_unlock(entry);
}

uint32_t io_entry_other(struct pp_thread *thread, const struct io_call *call, uint32_t index)
{
	const struct pp_wire_io_entry *entries = thread->io->entries;
	uint32_t set = index / WAYS * WAYS;

	for (uint32_t i = set; i < set + WAYS; i++)
		if (entries[i].file == call->file && entry_key(&entries[i]) == call->key)
			return i;
	index = set;
	for (uint32_t i = set; i < set + WAYS && entries[index].count; i++)
		if (!entries[i].count || thread->io_since[i] < thread->io_since[index])
			index = i;
	entry_take_over(thread, call, index);
	return index;
}

uint32_t io_entry_beside(struct pp_thread *thread, const struct io_call *call, uint32_t index)
{
	const struct pp_wire_io_entry *entries = thread->io->entries;
	uint32_t set = index / WAYS * WAYS, place = call_place(call), beside = UINT32_MAX;

	for (uint32_t i = set; i < set + WAYS; i++) {
		if (i == index || i == place)
			continue;
		if (entries[i].file == call->file && entry_key(&entries[i]) == call->key)
			return i;
		if (thread->io_again_at[i])
			continue;
		if (beside == UINT32_MAX || !entries[i].count ||
		    (entries[beside].count && thread->io_since[i] < thread->io_since[beside]))
			beside = i;
	}
	if (beside != UINT32_MAX)
		entry_take_over(thread, call, beside);
	return beside;
}

void io_call_emit(struct pp_thread *thread, const struct io_call *call)
{
	struct pp_wire_io_entry entry;

	memset(&entry, 0, sizeof(entry));
	entry.file = call->file;
	memcpy(&entry.stack, &call->key, sizeof(call->key));
	entry_add(&entry, call);
	entry_emit(thread, &entry, PP_IO_NO_ENTRY);
}

void io_call_slow(struct pp_thread *thread, const struct io_call *call)
{
	uint64_t payload[6] = {call->file,    call->key & ~(UINT64_C(0xff) << 40), call->asked, call->got, call->ns,
			       clock_now_ns()};

	emit_notice(thread, PP_EXT_IO_SLOW, 0, payload, 6);
}

/* --- the thread's end ------------------------------------------------------------------------------------------------ */

/* A thread that was cancelled in a call ends it here. */
static void cancelled_tell(struct pp_thread *thread)
{
	struct pp_wire_slot *slot = thread->slot;
	uint64_t now = io_ticks();
	struct io_call call;

	if (!slot->wait_since || !thread->io_old_ticks)
		return;
	call_make(&call, 0, (uint32_t)(slot->wait_call >> 32), 0, -1, ECANCELED, ticks_to_ns(now - slot->wait_since),
		  (uint32_t)slot->wait_call);
	call_add(thread, &call, now);
	tell_over(thread);
}

static void raise_to(uint32_t *count, uint64_t least)
{
	if (*count < least)
		*count = (uint32_t)least;
}

/* A call of which a part has been added: of what there cannot be more than calls, there is not. */
static void entry_mend(struct pp_wire_io_entry *entry)
{
	uint64_t cells[2] = {0, 0};

	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++) {
		if (entry->cells[i].bucket % PP_WIRE_IO_CELLS != i)
			entry->cells[i].count = 0; /* counted, and not yet named */
		cells[entry->cells[i].bucket >= PP_WIRE_IO_SIZES] += entry->cells[i].count;
	}
	raise_to(&entry->aligned512, entry->aligned4096);
	raise_to(&entry->count, entry->aligned512);
	raise_to(&entry->count, entry->sequential);
	raise_to(&entry->count, entry->strided);
	raise_to(&entry->count, cells[0]);
	raise_to(&entry->count, cells[1]);
	if (entry->got_bytes < entry->reread_bytes)
		entry->got_bytes = entry->reread_bytes;
	if (entry->sequence % 2)
		entry_unlock(entry);
}

void io_jumped(struct pp_thread *thread)
{
	struct pp_wire_io_page *page = thread->io;
	uint32_t told = (uint32_t)thread->io_told;

	tell_over(thread);
	if (!page)
		return;
	/* What is remembered may be half remembered; the durations that lie in the page tell themselves what they belong to. */
	for (uint32_t i = 0; i < PP_WIRE_IO_AGAIN; i++)
		io_again_drop(thread, i);
	memset(thread->io_again_at, 0, sizeof(thread->io_again_at));
	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++)
		entry_mend(&page->entries[i]);
	if (told)
		entry_empty(thread, &page->entries[told - 1], (uint32_t)(thread->io_told >> 32) + 1);
}

void io_thread_finish(struct pp_thread *thread)
{
	struct pp_wire_io_page *page;
	uint32_t index;

	cancelled_tell(thread);
	page = thread->io;
	index = thread->slot->io_page;
	thread->io_state = 1;
	if (!page)
		return;
	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++) {
		io_entry_flush(thread, i);
		if (thread->io_again_at[i])
			io_again_forget(thread, i);
	}
	thread->io = NULL;
	__atomic_store_n(&page->thread, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->io_page, 0, __ATOMIC_RELEASE);
	claim_map_give(page_map, index - 1);
}
