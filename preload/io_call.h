/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call adds to its thread's entries: the part of the io family that every call passes through, for the files that
 * tell calls (io.c, io_wait.c). A program may make a million calls of 200 ns each from one line: a record for each would
 * cost half of that again. So a thread keeps entries, one for each combination of stack, file, operation, errno and size
 * class, in a page of the shared memory (wire.h has its layout); a call that finds its entry adds to it, and that is all.
 * An entry is told as one record when another combination wants its place, when its first call is PP_IO_OLD_NS ago (so that
 * time bins are right), when one of its cells is wanted by another latency, and at the thread's end: io_entries.c.
 *
 * An entry is changed by its owner only, under a sequence that is odd meanwhile: the analyzer reads it at any time. The
 * record is published before the entry is emptied, and names the fill that it empties: a process killed in between
 * counts nothing twice.
 *
 * Context: between hook_enter and hook_leave, by the thread itself.
 */
#ifndef PREPROF_IO_CALL_H
#define PREPROF_IO_CALL_H

#include "io.h"

#include <string.h>

#define PP_IO_OLD_NS UINT64_C(20000000)
/* The kernel moves no more in one call, and programs ask for "all there is" (cp: SSIZE_MAX). */
#define PP_IO_MOVED_LIMIT UINT64_C(0x7ffff000)

static inline void entry_lock(struct pp_wire_io_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void entry_unlock(struct pp_wire_io_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELEASE);
}

/* What one call adds. */
struct io_call {
	uint64_t file;
	uint64_t key; /* stack, operation, size class and errno as in an entry */
	uint64_t asked, got, ns, reread;
	uint32_t sequential, strided, aligned512, aligned4096;
	uint32_t sized; /* bucket of its size, where that is not in the key; 0 */
};

static inline uint64_t entry_key(const struct pp_wire_io_entry *entry)
{
	uint64_t key;

	memcpy(&key, &entry->stack, sizeof(key));
	return key;
}

static inline uint64_t call_key(uint32_t stack, uint32_t operation, uint32_t size_class, uint32_t error)
{
	return (uint64_t)error << 48 | (uint64_t)size_class << 40 | (uint64_t)operation << 32 | stack;
}

/* Of its duration. Where its size has the same cell, the next one, which is 3 % longer. */
static inline __attribute__((always_inline)) uint32_t call_bucket(const struct io_call *call)
{
	uint32_t bucket = pp_wire_io_bucket(call->ns);

	if (pp_unlikely(call->sized) && !((call->sized - bucket) % PP_WIRE_IO_CELLS))
		bucket++;
	return bucket;
}

static inline void entry_size(struct pp_wire_io_entry *entry, const struct io_call *call)
{
	struct pp_wire_io_cell *cell = &entry->cells[call->sized % PP_WIRE_IO_CELLS];

	cell->bucket = (uint16_t)call->sized;
	cell->count++;
}

/* Is a cell free for one more? */
static inline __attribute__((always_inline)) bool cell_takes(const struct pp_wire_io_entry *entry, uint32_t bucket)
{
	const struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	return !cell->count || (cell->bucket == bucket && cell->count < UINT16_MAX);
}

static inline __attribute__((always_inline)) void entry_add(struct pp_wire_io_entry *entry, const struct io_call *call)
{
	uint32_t bucket = call_bucket(call);
	struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	entry->count++;
	entry->sequential += call->sequential;
	entry->strided += call->strided;
	entry->asked_bytes += call->asked;
	entry->got_bytes += call->got;
	entry->ns += call->ns;
	if (pp_unlikely(call->reread | call->aligned512)) {
		entry->reread_bytes += call->reread;
		entry->aligned512 += call->aligned512;
		entry->aligned4096 += call->aligned4096;
	}
	if (call->ns > entry->max_ns)
		entry->max_ns = call->ns > UINT32_MAX ? UINT32_MAX : (uint32_t)call->ns;
	cell->bucket = (uint16_t)bucket;
	cell->count++;
	if (pp_unlikely(call->sized))
		entry_size(entry, call);
}

/* Is there room in it, and is it young enough? */
static inline __attribute__((always_inline)) bool entry_takes(const struct pp_thread *thread, uint32_t index, const struct io_call *call, uint64_t now)
{
	const struct pp_wire_io_entry *entry = &thread->io->entries[index];

	return cell_takes(entry, call_bucket(call)) && entry->count < UINT32_MAX &&
	       now - thread->io_since[index] < thread->io_old_ticks &&
	       (pp_likely(!call->sized) || cell_takes(entry, call->sized));
}

/* io_entries.c: the thread's page, made at its first call; false: there is none. */
bool io_page_make(struct pp_thread *thread);
/* The place of a combination that is not at its first one: another of the four in its set. Where it is in none, what was at the
 * oldest of them is told, and it is there from now on. */
uint32_t io_entry_other(struct pp_thread *thread, const struct io_call *call, uint32_t index);
/* A second entry of the same combination, in the set of the one at `index`; UINT32_MAX: the others there are those of calls that repeat. */
uint32_t io_entry_beside(struct pp_thread *thread, const struct io_call *call, uint32_t index);
void io_entry_flush(struct pp_thread *thread, uint32_t index);
void io_call_emit(struct pp_thread *thread, const struct io_call *call); /* a record of its own */
void io_call_slow(struct pp_thread *thread,
		  const struct io_call *call); /* it took long: one of its own beside its entry's */
void call_add(struct pp_thread *thread, const struct io_call *call, uint64_t now);

/* io_again.c: of an entry that is in thread->io_again_at. What is not yet in it is added; it is added to no more; where a call goes
 * that came another way than the repeated ones: to the entry all the same, or to another one, or, UINT32_MAX, it was told by itself. */
void io_again_settle(struct pp_thread *thread, uint32_t index);
void io_again_forget(struct pp_thread *thread, uint32_t index);
void io_again_drop(struct pp_thread *thread, uint32_t number); /* whatever state it is in */
uint32_t io_again_aside(struct pp_thread *thread, const struct io_call *call, uint32_t index);

static inline uint32_t call_place(const struct io_call *call)
{
	uint64_t hash = (call->file ^ call->key * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);

	return (uint32_t)((hash >> 32) * PP_WIRE_IO_ENTRIES >> 32);
}

/* Its entry, new or known; UINT32_MAX: the thread has no page, and it was told by itself. */
static inline __attribute__((always_inline)) uint32_t call_find(struct pp_thread *thread, const struct io_call *call)
{
	struct pp_wire_io_entry *entry;
	uint32_t index;

	if (pp_unlikely(!thread->io && !io_page_make(thread))) {
		io_call_emit(thread, call);
		return UINT32_MAX;
	}
	/* A loop makes the same call again and again. */
	entry = &thread->io->entries[thread->io_last];
	if (pp_likely(entry->file == call->file && entry_key(entry) == call->key))
		return thread->io_last;
	index = call_place(call);
	entry = &thread->io->entries[index];
	if (entry->file != call->file || entry_key(entry) != call->key)
		index = io_entry_other(thread, call, index);
	thread->io_last = index;
	return index;
}

static inline bool is_wait(uint32_t operation)
{
	return operation >= PP_IO_FIRST_WAIT;
}

/* Not one of stdio, in whose time lies that of a system call which is told too; but those that wait for a program. */
static inline bool call_is_last(const struct io_call *call)
{
	uint32_t operation = (uint8_t)(call->key >> 32);

	return operation < PP_IO_STDIO_FREAD || operation > PP_IO_STDIO_SETVBUF || operation == PP_IO_STDIO_POPEN ||
	       operation == PP_IO_STDIO_PCLOSE;
}

/* Where calls repeat from one line, all of this is code of the hook's own; others call call_add. */
static inline __attribute__((always_inline)) void call_add_here(struct pp_thread *thread, const struct io_call *call, uint64_t now)
{
	struct pp_wire_io_entry *entry;
	uint32_t index;

	if (pp_unlikely(thread->sql.depth) && !is_wait((uint8_t)(call->key >> 32)))
		sql_passed_io(thread, call->key >> 32 & 0xff, call->got, call->ns);
	if (pp_unlikely(call->ns >= PP_IO_SLOW_NS) && call_is_last(call) && !is_wait((uint8_t)(call->key >> 32)))
		io_call_slow(thread, call);
	index = call_find(thread, call);
	if (pp_likely(index != UINT32_MAX) && pp_unlikely(thread->io_again_at[index]))
		index = io_again_aside(thread, call, index);
	if (pp_unlikely(index == UINT32_MAX))
		return;
	entry = &thread->io->entries[index];
	if (pp_unlikely(entry->count && !entry_takes(thread, index, call, now)))
		io_entry_flush(thread, index);
	if (!entry->count)
		thread->io_since[index] = now;
	entry_lock(entry);
	entry_add(entry, call);
	entry_unlock(entry);
}

/* One that was not timed. How old its entry is, is looked at when the analyzer's coarse clock has moved. */
static inline void call_add_untimed(struct pp_thread *thread, const struct io_call *call)
{
	uint64_t clock = __atomic_load_n(&pp_session.header->clock_ns, __ATOMIC_RELAXED);
	struct pp_wire_io_entry *entry;
	uint32_t index = call_find(thread, call);

	if (pp_unlikely(index == UINT32_MAX))
		return;
	entry = &thread->io->entries[index];
	if (pp_unlikely(!entry->count || !clock || clock != thread->io_clock)) {
		uint64_t now = io_ticks();

		thread->io_clock = clock;
		if (entry->count && now - thread->io_since[index] >= thread->io_old_ticks)
			io_entry_flush(thread, index);
		if (!entry->count)
			thread->io_since[index] = now;
	}
	if (pp_unlikely(entry->count == UINT32_MAX || (call->sized && !cell_takes(entry, call->sized))))
		io_entry_flush(thread, index);
	entry_lock(entry);
	entry->count++;
	entry->asked_bytes += call->asked;
	entry->got_bytes += call->got;
	if (pp_likely(call->sized))
		entry_size(entry, call);
	entry_unlock(entry);
}

/* --- from a call to what it adds ------------------------------------------------------------------------------------- */

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * pp_session.tick_ns >> 32);
}

/* Begins: NULL where there is nothing to record. */
static inline struct pp_thread *tell_enter(void)
{
	struct pp_thread *thread = hook_enter();

	if (pp_unlikely(!thread)) {
		if (pp_tls.guard && pp_session.state == PP_STATE_ON)
			pp_skip(PP_SKIP_IO_BUSY);
		return NULL;
	}
	if (pp_unlikely(!pp_session.settings.io)) {
		hook_leave(thread);
		return NULL;
	}
	if (pp_unlikely(!thread->io_old_ticks))
		thread->io_old_ticks = pp_session.tick_ns ? (PP_IO_OLD_NS << 32) / pp_session.tick_ns : PP_IO_OLD_NS;
	return thread;
}

/* The call that the thread was in is over. */
static inline void tell_over(struct pp_thread *thread)
{
	__atomic_store_n(&thread->slot->wait_since, 0, __ATOMIC_RELEASE);
}

static inline bool is_data(uint32_t operation)
{
	return operation <= PP_IO_SEND || (operation >= PP_IO_STDIO_FREAD && operation <= PP_IO_STDIO_DPRINTF) ||
	       operation == PP_IO_STDIO_SYS_READ || operation == PP_IO_STDIO_SYS_WRITE;
}

static inline bool is_write(uint32_t operation)
{
	return (operation >= PP_IO_WRITE && operation <= PP_IO_PWRITEV) || operation == PP_IO_STDIO_SYS_WRITE;
}

/* The bytes pass through one descriptor, in the sense of is_write or of that of sockets. */
static inline bool is_out(uint32_t operation)
{
	return is_write(operation) || operation == PP_IO_SEND || operation == PP_IO_VMSPLICE;
}

/* Where the call lies in the file, by what is known of the descriptor. */
static inline __attribute__((always_inline)) void call_judge(struct io_call *call, struct pp_io_fd *state, int fd, uint32_t operation, int64_t offset)
{
	struct pp_wire_io_descriptor *row = io_fd_row(state);
	struct pp_io_position *at = state->at;
	bool write = is_write(operation);
	int64_t start = offset >= 0 ? offset : at->now, end, distance;
	uint64_t placed;

	if (pp_unlikely(start < 0))
		start = io_fd_ask(state, fd, (int64_t)call->got);
	end = start + (int64_t)call->got;
	if (offset < 0)
		at->now = end;
	placed = (uint64_t)start | call->asked;
	if (pp_unlikely(!(placed & 511))) {
		call->aligned512 = 1;
		call->aligned4096 = !(placed & 4095);
	}
	if (write) {
		if (pp_unlikely(io_fd_was_read(state)) && !state->append)
			io_places_write(state, start, end);
	} else {
		if (pp_likely(start == state->run_end && end <= state->run_limit))
			state->run_end = end;
		else
			call->reread = io_places_read(state, start, end);
		if ((uint64_t)end > row->read_to)
			row->read_to = (uint64_t)end;
	}
	distance = start - at->stream[write].last;
	if (start == at->stream[write].end || (write && state->append))
		call->sequential = 1;
	else if (distance == at->stream[write].stride)
		call->strided = 1;
	at->stream[write].stride = distance;
	at->stream[write].last = start;
	at->stream[write].end = end;
}

/* A seek: did it leave the position where it was? Counted where other calls count being sequential. */
static inline void seek_judge(struct io_call *call, struct pp_io_fd *state, int64_t position, bool in_place)
{
	call->sequential = in_place || state->at->now == position;
	state->at->now = position;
}

/* What it moved is counted for its descriptor. */
static inline __attribute__((always_inline)) void call_pass(const struct pp_thread *thread, const struct io_call *call, struct pp_io_fd *state,
			     bool write)
{
	struct pp_wire_io_descriptor *row = io_fd_row(state);

	if (pp_likely(row->owner == thread->serial)) {
		row->own[write].calls++;
		row->own[write].bytes += call->got;
		row->used = pp_io_serials;
	} else {
		io_life_pass(thread, row, write, call->got);
	}
	if (pp_unlikely(call->reread))
		__atomic_add_fetch(&row->reread_bytes, call->reread, __ATOMIC_RELAXED);
}

/* Of 1 and more; as in pp_wire_io_bucket. A stream of the program's own may say that it took more than there is memory. */
static inline uint32_t bit_length(uint64_t number)
{
	double exact;
	uint64_t bits;

	if (pp_unlikely(number >= UINT64_C(1) << 53))
		return 64 - (uint32_t)__builtin_clzll(number);
	exact = (double)(int64_t)number;
	__builtin_memcpy(&bits, &exact, sizeof(bits));
	return (uint32_t)(bits >> 52) - 1022;
}

static inline __attribute__((always_inline)) void call_make(struct io_call *call, uint64_t file, uint32_t operation, uint64_t asked, int64_t result,
			     int error, uint64_t ns, uint32_t stack)
{
	uint32_t failed = result < 0 ? (uint32_t)error & 0xffff : 0, size_class = 0;

	call->file = file;
	call->asked = asked < PP_IO_MOVED_LIMIT ? asked : PP_IO_MOVED_LIMIT;
	call->got = result > 0 && is_data(operation) ? (uint64_t)result : 0;
	call->ns = ns;
	call->reread = 0;
	call->sequential = call->strided = call->aligned512 = call->aligned4096 = 0;
	if (call->got)
		size_class = bit_length(call->got);
	call->sized = 0;
	if (operation >= PP_IO_STDIO_FREAD && operation <= PP_IO_STDIO_DPRINTF) {
		call->sized = PP_WIRE_IO_SIZES + size_class;
		size_class = 0;
	}
	call->key = call_key(stack, operation, size_class, failed);
}

#endif
