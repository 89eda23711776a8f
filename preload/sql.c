/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of SQLite, summed up in the shared memory as io.c does with I/O calls: an entry for each combination of
 * statement, stack, database, operation, result and flags, told as one record when another combination wants its place,
 * when its first execution is OLD_NS ago, when a cell is wanted by another duration, and at the thread's end. The
 * protocol of sequence and fill is that of io.c.
 *
 * Context: between hook_enter and hook_leave, by the thread itself.
 */
#include "sql.h"
#include "claim_map.h"

#include <string.h>

#define OLD_NS UINT64_C(20000000)

static uint64_t page_map[PP_WIRE_SQL_PAGES / 64];

uint64_t sql_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * pp_session.tick_ns >> 32);
}

/* --- pages ---------------------------------------------------------------------------------------------------------- */

/* The thread's page, made at its first call. NULL: all are taken, or it has ended; each call is then a record. */
static __attribute__((noinline)) struct pp_wire_sql_page *page_make(struct pp_thread *thread)
{
	struct pp_wire_sql_page *page;
	uint32_t index;

	if (thread->sql.state)
		return NULL;
	thread->sql.state = 1;
	index = claim_map_take(page_map, PP_WIRE_SQL_PAGES / 64);
	if (index == UINT32_MAX)
		return NULL;
	page = session_shared(PP_WIRE_SQL + (uint64_t)index * sizeof(*page));
	if (!page) {
		claim_map_give(page_map, index);
		return NULL;
	}
	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++)
		page->entries[i].fill = 1; /* empty: told by the owner before */
	__atomic_store_n(&page->thread, thread->serial, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->sql_page, index + 1, __ATOMIC_RELEASE);
	thread->sql.old_ticks = pp_session.tick_ns ? (OLD_NS << 32) / pp_session.tick_ns : OLD_NS;
	thread->sql.page = page;
	return page;
}

/* --- entries -------------------------------------------------------------------------------------------------------- */

static inline void entry_lock(struct pp_wire_sql_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void entry_unlock(struct pp_wire_sql_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELEASE);
}

static void entry_emit(struct pp_thread *thread, const struct pp_wire_sql_entry *entry, uint32_t index)
{
	uint64_t payload[PP_WIRE_SQL_WORDS + PP_WIRE_SQL_CELLS / 2];
	uint64_t *at = payload + PP_WIRE_SQL_WORDS;
	uint32_t count = 0;

	memcpy(payload, entry, sizeof(*payload) * PP_WIRE_SQL_WORDS);
	for (uint32_t i = 0; i < PP_WIRE_SQL_CELLS; i++) {
		uint64_t cell = (uint64_t)entry->cells[i].count << 16 | entry->cells[i].bucket;

		if (!entry->cells[i].count)
			continue;
		if (count % 2)
			at[count / 2] |= cell << 32;
		else
			at[count / 2] = cell;
		count++;
	}
	emit_clock(thread);
	emit_extended(thread, PP_EXT_SQL, index, payload, PP_WIRE_SQL_WORDS + (count + 1) / 2);
}

/* After it has been told. */
static void entry_empty(struct pp_thread *thread, struct pp_wire_sql_entry *entry, uint32_t fill)
{
	entry_lock(entry);
	memset(&entry->count, 0, sizeof(*entry) - offsetof(struct pp_wire_sql_entry, count));
	entry->fill = fill;
	entry_unlock(entry);
	__asm__ volatile("" ::: "memory");
	thread->sql_told = 0;
}

static __attribute__((noinline)) void entry_flush(struct pp_thread *thread, uint32_t index)
{
	struct pp_wire_sql_entry *entry = &thread->sql.page->entries[index];
	uint32_t fill = entry->fill;

	if (!entry->count)
		return;
	entry_emit(thread, entry, index);
	thread->sql_told = (uint64_t)fill << 32 | (index + 1);
	__asm__ volatile("" ::: "memory");
	entry_empty(thread, entry, fill + 1);
}

/* A call of which a part has been added: there are no more durations than calls. */
static void entry_mend(struct pp_wire_sql_entry *entry)
{
	uint64_t cells = 0;

	for (uint32_t i = 0; i < PP_WIRE_SQL_CELLS; i++) {
		if (entry->cells[i].bucket % PP_WIRE_SQL_CELLS != i)
			entry->cells[i].count = 0; /* counted, and not yet named */
		cells += entry->cells[i].count;
	}
	if (entry->count < cells)
		entry->count = (uint32_t)cells;
	if (entry->sequence % 2)
		entry_unlock(entry);
}

void sql_jumped(struct pp_thread *thread)
{
	struct pp_wire_sql_page *page = thread->sql.page;
	uint32_t told = (uint32_t)thread->sql_told;

	if (!page)
		return;
	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++)
		entry_mend(&page->entries[i]);
	if (told)
		entry_empty(thread, &page->entries[told - 1], (uint32_t)(thread->sql_told >> 32) + 1);
}

static inline bool same_kind(const struct pp_wire_sql_entry *entry, const struct pp_wire_sql_entry *call)
{
	uint64_t left[2], right[2];

	memcpy(left, entry, sizeof(left));
	memcpy(right, call, sizeof(right));
	return left[0] == right[0] && left[1] == right[1];
}

static inline __attribute__((always_inline)) void
entry_add(struct pp_wire_sql_entry *entry, const struct pp_wire_sql_entry *call, uint32_t bucket, bool plain)
{
	struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_SQL_CELLS];

	entry->count++;
	entry->rows += call->rows;
	entry->steps += call->steps;
	entry->ns += call->ns;
	if (call->ns > entry->max_ns)
		entry->max_ns = call->ns;
	entry->fullscan_steps += call->fullscan_steps;
	entry->vm_steps += call->vm_steps;
	entry->sorts += call->sorts;
	entry->autoindex_rows += call->autoindex_rows;
	entry->reprepares += call->reprepares;
	if (!plain) {
		entry->prepares += call->prepares;
		entry->nested_ns += call->nested_ns;
		entry->prepare_ns += call->prepare_ns;
		entry->read_bytes += call->read_bytes;
		entry->written_bytes += call->written_bytes;
		entry->busy_ns += call->busy_ns;
		entry->sync_ns += call->sync_ns;
		entry->busy_count += call->busy_count;
		entry->busy_waits += call->busy_waits;
		entry->syncs += call->syncs;
	}
	cell->bucket = (uint16_t)bucket;
	cell->count++;
}

/* Is there room in it, and is it young enough? */
static inline bool entry_takes(const struct pp_thread *thread, uint32_t index, uint32_t bucket, uint64_t now)
{
	const struct pp_wire_sql_entry *entry = &thread->sql.page->entries[index];
	const struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_SQL_CELLS];

	return (!cell->count || (cell->bucket == bucket && cell->count < UINT16_MAX)) && entry->count < INT32_MAX &&
	       now - thread->sql.since[index] < thread->sql.old_ticks;
}

/* The place of a combination: the first or the second of a pair; what was there is told. */
static __attribute__((noinline)) uint32_t entry_take_over(struct pp_thread *thread,
							  const struct pp_wire_sql_entry *call, uint32_t index)
{
	struct pp_wire_sql_entry *entries = thread->sql.page->entries, *entry;

	if (entries[index].count) {
		if (!entries[index ^ 1].count || thread->sql.since[index ^ 1] < thread->sql.since[index])
			index ^= 1;
		entry_flush(thread, index);
	}
	entry = &entries[index];
	entry_lock(entry);
	memcpy(entry, call, offsetof(struct pp_wire_sql_entry, sequence));
	entry_unlock(entry);
	return index;
}

static inline uint32_t call_place(const struct pp_wire_sql_entry *call)
{
	uint64_t words[2], hash;

	memcpy(words, call, sizeof(words));
	hash = (words[0] ^ words[1] * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)((hash >> 32) * PP_WIRE_SQL_ENTRIES >> 32);
}

static __attribute__((noinline)) void call_slow(struct pp_thread *thread, const struct pp_wire_sql_entry *call,
						bool plain)
{
	uint64_t payload[8] = {(uint64_t)call->database << 32 | call->statement,
			       (uint64_t)call->flags << 48 | (uint64_t)call->result << 40 |
				       (uint64_t)call->operation << 32 | call->stack,
			       call->ns,
			       clock_now_ns(),
			       call->rows,
			       call->fullscan_steps,
			       plain ? 0 : call->busy_ns,
			       plain ? 0 : call->sync_ns};

	emit_notice(thread, PP_EXT_SQL_SLOW, 0, payload, 8);
}

static inline __attribute__((always_inline)) void tell(struct pp_thread *thread, const struct pp_wire_sql_entry *call,
						       uint64_t now, bool plain)
{
	uint32_t bucket = pp_wire_io_bucket(call->ns);
	struct pp_wire_sql_entry *entry;
	uint32_t index;

	if (pp_unlikely(call->ns >= PP_SQL_SLOW_NS))
		call_slow(thread, call, plain);
	if (pp_unlikely(!thread->sql.page && !page_make(thread))) {
		struct pp_wire_sql_entry alone = {.count = 0};

		memcpy(&alone, call, offsetof(struct pp_wire_sql_entry, sequence));
		entry_add(&alone, call, bucket, plain);
		entry_emit(thread, &alone, PP_SQL_NO_ENTRY);
		return;
	}
	index = call_place(call);
	entry = &thread->sql.page->entries[index];
	if (pp_unlikely(!same_kind(entry, call))) {
		if (same_kind(&thread->sql.page->entries[index ^ 1], call))
			index ^= 1;
		else
			index = entry_take_over(thread, call, index);
		entry = &thread->sql.page->entries[index];
	}
	if (pp_unlikely(entry->count && !entry_takes(thread, index, bucket, now)))
		entry_flush(thread, index);
	if (!entry->count)
		thread->sql.since[index] = now;
	entry_lock(entry);
	entry_add(entry, call, bucket, plain);
	entry_unlock(entry);
}

void sql_tell(struct pp_thread *thread, const struct pp_wire_sql_entry *call, uint64_t now)
{
	tell(thread, call, now, false);
}

void sql_tell_plain(struct pp_thread *thread, const struct pp_wire_sql_entry *call, uint64_t now)
{
	tell(thread, call, now, true);
}

void sql_thread_finish(struct pp_thread *thread)
{
	struct pp_wire_sql_page *page = thread->sql.page;
	uint32_t index = thread->slot->sql_page;

	thread->sql.state = 1;
	if (!page)
		return;
	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++)
		entry_flush(thread, i);
	thread->sql.page = NULL;
	__atomic_store_n(&page->thread, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->sql_page, 0, __ATOMIC_RELEASE);
	claim_map_give(page_map, index - 1);
}

void sql_reset(void)
{
	memset(page_map, 0, sizeof(page_map));
	sql_generation++;
	sql_numbers_reset();
	sql_libraries_reset();
}
