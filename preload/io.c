/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O calls, summed up in the shared memory. A program may make a million calls of 200 ns each from one line: a record
 * for each would cost half of that again. So a thread keeps entries, one for each combination of stack, file, operation,
 * errno and size class, in a page of the shared memory (wire.h has its layout); a call that finds its entry adds to it,
 * and that is all. An entry is told as one record when another combination wants its place, when its first call is
 * OLD_NS ago (so that time bins are right), when one of its cells is wanted by another latency, and at the thread's end.
 *
 * An entry is changed by its owner only, under a sequence that is odd meanwhile: the analyzer reads it at any time. The
 * record is published before the entry is emptied, and names the fill that it empties: a process killed in between
 * counts nothing twice.
 *
 * Context: between hook_enter and hook_leave, by the thread itself.
 */
#include "io.h"
#include "claim_map.h"
#include "stream.h"
#include "wait.h"

#include <errno.h>
#include <string.h>

#define OLD_NS UINT64_C(20000000)
/* The kernel moves no more in one call, and programs ask for "all there is" (cp: SSIZE_MAX). */
#define MOVED_LIMIT UINT64_C(0x7ffff000)

static uint64_t page_map[PP_WIRE_IO_PAGES / 64];

/* --- pages ---------------------------------------------------------------------------------------------------------- */

void io_reset(void)
{
	memset(page_map, 0, sizeof(page_map));
}

/* The thread's page, made at its first call. NULL: all are taken, or it has ended; each call is then a record. */
static __attribute__((noinline)) struct pp_wire_io_page *page_make(struct pp_thread *thread)
{
	struct pp_wire_io_page *page;
	uint32_t index;

	if (thread->io_state)
		return NULL;
	thread->io_state = 1;
	index = claim_map_take(page_map, PP_WIRE_IO_PAGES / 64);
	if (index == UINT32_MAX)
		return NULL;
	page = session_shared(PP_WIRE_IO + (uint64_t)index * sizeof(*page));
	if (!page) {
		claim_map_give(page_map, index);
		return NULL;
	}
	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++)
		page->entries[i].fill = 1; /* empty: told by the owner before */
	__atomic_store_n(&page->thread, thread->serial, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->io_page, index + 1, __ATOMIC_RELEASE);
	thread->io = page;
	return page;
}

/* --- entries -------------------------------------------------------------------------------------------------------- */

static inline void entry_lock(struct pp_wire_io_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void entry_unlock(struct pp_wire_io_entry *entry)
{
	__atomic_store_n(&entry->sequence, entry->sequence + 1, __ATOMIC_RELEASE);
}

static void entry_emit(struct pp_thread *thread, const struct pp_wire_io_entry *entry, uint32_t index)
{
	uint64_t payload[8 + PP_WIRE_IO_CELLS / 2];
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
	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++) {
		uint64_t cell = (uint64_t)entry->cells[i].count << 16 | entry->cells[i].bucket;

		if (!entry->cells[i].count)
			continue;
		if (count % 2)
			payload[8 + count / 2] |= cell << 32;
		else
			payload[8 + count / 2] = cell;
		count++;
	}
	emit_clock(thread);
	emit_extended(thread, PP_EXT_IO, index, payload, 8 + (count + 1) / 2);
}

static __attribute__((noinline)) void entry_flush(struct pp_thread *thread, uint32_t index)
{
	struct pp_wire_io_entry *entry = &thread->io->entries[index];

	if (!entry->count)
		return;
	entry_emit(thread, entry, index);
	entry_lock(entry);
	entry->fill++;
	entry->count = entry->sequential = entry->strided = entry->max_ns = 0;
	entry->asked_bytes = entry->got_bytes = entry->ns = 0;
	memset(entry->cells, 0, sizeof(entry->cells));
	entry_unlock(entry);
}

/* What one call adds. */
struct call {
	uint64_t file;
	uint64_t key; /* stack, operation, size class and errno as in an entry */
	uint64_t asked, got, ns;
	uint32_t sequential, strided;
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

static inline void entry_add(struct pp_wire_io_entry *entry, const struct call *call)
{
	uint32_t bucket = pp_wire_io_bucket(call->ns);
	struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	entry->count++;
	entry->sequential += call->sequential;
	entry->strided += call->strided;
	entry->asked_bytes += call->asked;
	entry->got_bytes += call->got;
	entry->ns += call->ns;
	if (call->ns > entry->max_ns)
		entry->max_ns = call->ns > UINT32_MAX ? UINT32_MAX : (uint32_t)call->ns;
	cell->bucket = (uint16_t)bucket;
	cell->count++;
}

/* Is there room in it, and is it young enough? */
static inline bool entry_takes(const struct pp_thread *thread, uint32_t index, const struct call *call, uint64_t now)
{
	const struct pp_wire_io_entry *entry = &thread->io->entries[index];
	uint32_t bucket = pp_wire_io_bucket(call->ns);
	const struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	return (!cell->count || (cell->bucket == bucket && cell->count < UINT16_MAX)) && entry->count < UINT32_MAX &&
	       now - thread->io_since[index] < thread->io_old_ticks;
}

/* The place of a combination: the first or the second of a pair; what was there is told. */
static __attribute__((noinline)) uint32_t entry_take_over(struct pp_thread *thread, const struct call *call,
							  uint32_t index)
{
	struct pp_wire_io_entry *entries = thread->io->entries, *entry;

	if (entries[index].count) {
		if (!entries[index ^ 1].count || thread->io_since[index ^ 1] < thread->io_since[index])
			index ^= 1;
		entry_flush(thread, index);
	}
	entry = &entries[index];
	entry_lock(entry);
	entry->file = call->file;
	memcpy(&entry->stack, &call->key, sizeof(call->key));
	entry_unlock(entry);
	return index;
}

static inline uint32_t call_place(const struct call *call)
{
	uint64_t hash = (call->file ^ call->key * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);

	return (uint32_t)((hash >> 32) * PP_WIRE_IO_ENTRIES >> 32);
}

/* Without a page: a record of its own. */
static __attribute__((noinline)) void call_emit(struct pp_thread *thread, const struct call *call)
{
	struct pp_wire_io_entry entry;

	memset(&entry, 0, sizeof(entry));
	entry.file = call->file;
	memcpy(&entry.stack, &call->key, sizeof(call->key));
	entry_add(&entry, call);
	entry_emit(thread, &entry, PP_IO_NO_ENTRY);
}

static __attribute__((noinline)) void call_slow(struct pp_thread *thread, const struct call *call)
{
	uint64_t payload[6] = {call->file, call->key & ~(UINT64_C(0xff) << 40), call->asked, call->got, call->ns,
			       clock_now_ns()};

	emit_extended(thread, PP_EXT_IO_SLOW, 0, payload, 6);
	thread->slot->event_count--; /* its entry counts it */
}

/* Its entry, new or known; UINT32_MAX: the thread has no page, and it was told by itself. */
static inline uint32_t call_find(struct pp_thread *thread, const struct call *call)
{
	struct pp_wire_io_entry *entry;
	uint32_t index;

	if (pp_unlikely(!thread->io && !page_make(thread))) {
		call_emit(thread, call);
		return UINT32_MAX;
	}
	/* A loop makes the same call again and again. */
	entry = &thread->io->entries[thread->io_last];
	if (pp_likely(entry->file == call->file && entry_key(entry) == call->key))
		return thread->io_last;
	index = call_place(call);
	entry = &thread->io->entries[index];
	if (entry->file != call->file || entry_key(entry) != call->key) {
		entry = &thread->io->entries[index ^ 1];
		if (entry->file == call->file && entry_key(entry) == call->key)
			index ^= 1;
		else
			index = entry_take_over(thread, call, index);
	}
	thread->io_last = index;
	return index;
}

static inline bool is_wait(uint32_t operation)
{
	return operation >= PP_IO_FIRST_WAIT;
}

/* Not one of stdio, in whose time lies that of a system call which is told too; but those that wait for a program. */
static inline bool call_is_last(const struct call *call)
{
	uint32_t operation = (uint8_t)(call->key >> 32);

	return operation < PP_IO_STDIO_FREAD || operation > PP_IO_STDIO_SETVBUF || operation == PP_IO_STDIO_POPEN ||
	       operation == PP_IO_STDIO_PCLOSE;
}

static inline void call_add(struct pp_thread *thread, const struct call *call, uint64_t now)
{
	struct pp_wire_io_entry *entry;
	uint32_t index;

	if (pp_unlikely(thread->sql.depth) && !is_wait((uint8_t)(call->key >> 32)))
		sql_passed_io(thread, call->key >> 32 & 0xff, call->got, call->ns);
	if (pp_unlikely(call->ns >= PP_IO_SLOW_NS) && call_is_last(call) && !is_wait((uint8_t)(call->key >> 32)))
		call_slow(thread, call);
	index = call_find(thread, call);
	if (pp_unlikely(index == UINT32_MAX))
		return;
	entry = &thread->io->entries[index];
	if (pp_unlikely(entry->count && !entry_takes(thread, index, call, now)))
		entry_flush(thread, index);
	if (!entry->count)
		thread->io_since[index] = now;
	entry_lock(entry);
	entry_add(entry, call);
	entry_unlock(entry);
}

/* One that was not timed. How old its entry is, is looked at when the analyzer's coarse clock has moved. */
static inline void call_add_untimed(struct pp_thread *thread, const struct call *call)
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
			entry_flush(thread, index);
		if (!entry->count)
			thread->io_since[index] = now;
	}
	if (pp_unlikely(entry->count == UINT32_MAX))
		entry_flush(thread, index);
	entry_lock(entry);
	entry->count++;
	entry->asked_bytes += call->asked;
	entry->got_bytes += call->got;
	entry_unlock(entry);
}

/* --- from a call to what it adds ------------------------------------------------------------------------------------- */

uint64_t io_begin_slowly(void)
{
	uint32_t state = pp_session.state;

	/* Not started: nobody has read the settings yet. Paused: the clock may have to be looked at. */
	if (state == PP_STATE_NEW || (state == PP_STATE_WAITING && pp_session.settings.io))
		return io_ticks() | 1;
	return 0;
}

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
		thread->io_old_ticks = pp_session.tick_ns ? (OLD_NS << 32) / pp_session.tick_ns : OLD_NS;
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

/* Where the call lies in the file, by what is known of the descriptor. */
static inline void call_judge(struct call *call, struct pp_io_fd *state, uint32_t operation, int64_t offset)
{
	bool write = is_write(operation);
	int64_t start = offset >= 0 ? offset : state->position, distance;

	if (offset < 0)
		state->position = start + (int64_t)call->got;
	distance = start - state->stream[write].last;
	if (start == state->stream[write].end || (write && state->append))
		call->sequential = 1;
	else if (distance == state->stream[write].stride)
		call->strided = 1;
	state->stream[write].stride = distance;
	state->stream[write].last = start;
	state->stream[write].end = start + (int64_t)call->got;
}

static inline void call_make(struct call *call, uint64_t file, uint32_t operation, uint64_t asked, int64_t result,
			     int error, uint64_t ns, uint32_t stack)
{
	uint32_t failed = result < 0 ? (uint32_t)error & 0xffff : 0, size_class = 0;

	call->file = file;
	call->asked = asked < MOVED_LIMIT ? asked : MOVED_LIMIT;
	call->got = result > 0 && is_data(operation) ? (uint64_t)result : 0;
	call->ns = ns;
	call->sequential = call->strided = 0;
	if (call->got)
		size_class = 64 - (uint32_t)__builtin_clzll(call->got);
	call->key = call_key(stack, operation, size_class, failed);
}

void io_tell(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
	     int64_t offset, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct call call;

	if (!thread) {
		errno = error;
		return;
	}
	tell_over(thread);
	state = pp_unlikely(result < 0 && error == EBADF) ? NULL : io_fd_get(thread, fd);
	call_make(&call, state ? state->file : 0, operation, asked, result, error, ticks_to_ns(now - began),
		  stack_capture(thread->memo, registers));
	if (offset != IO_NO_OFFSET && state && result >= 0)
		call_judge(&call, state, operation, offset);
	call_add(thread, &call, now);
	hook_leave(thread);
	errno = error;
}

void io_tell_file(uint64_t began, enum pp_wire_io_operation operation, uint64_t file, int64_t result,
		  const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct call call;

	if (thread) {
		tell_over(thread);
		call_make(&call, file, operation, 0, result, error, ticks_to_ns(now - began),
			  stack_capture(thread->memo, registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_pair(uint64_t began, enum pp_wire_io_operation in, int from, enum pp_wire_io_operation out, int to,
		  uint64_t asked, int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	bool known = !(result < 0 && error == EBADF);
	struct pp_io_fd *state;
	struct call call;
	uint32_t stack;

	if (!thread) {
		errno = error;
		return;
	}
	tell_over(thread);
	stack = stack_capture(thread->memo, registers);
	state = known ? io_fd_get(thread, from) : NULL;
	call_make(&call, state ? state->file : 0, in, asked, result, error, 0, stack);
	call_add(thread, &call, now);
	state = known ? io_fd_get(thread, to) : NULL;
	call_make(&call, state ? state->file : 0, out, asked, result, error, ticks_to_ns(now - began), stack);
	call_add(thread, &call, now);
	hook_leave(thread);
	errno = error;
}

/* --- streams --------------------------------------------------------------------------------------------------------- */

void io_tell_stream(uint64_t began, enum pp_wire_io_operation operation, int fd, const char *name, uint64_t asked,
		    int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks(), file = 0;
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct call call;

	if (thread) {
		if (pp_likely(fd >= 0)) {
			struct pp_io_fd *state = io_fd_get(thread, fd);

			file = state ? state->file : 0;
		} else if (name) {
			file = io_file_named(thread, name);
		}
		call_make(&call, file, operation, asked, result, error, ticks_to_ns(now - began),
			  stack_capture(thread->memo, registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

/* Nothing of ours changes errno: it is not even looked at. */
void io_count_stream(enum pp_wire_io_operation operation, int fd, uint64_t bytes, const struct pp_registers *registers)
{
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct call call;

	if (pp_unlikely(!thread))
		return;
	state = io_fd_get(thread, fd);
	call_make(&call, state ? state->file : 0, operation, bytes, (int64_t)bytes, 0, 0,
		  stack_capture(thread->memo, registers));
	call_add_untimed(thread, &call);
	hook_leave(thread);
}

void io_count_file(enum pp_wire_io_operation operation, uint64_t file, const struct pp_registers *registers)
{
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct call call;

	if (thread) {
		call_make(&call, file, operation, 0, 0, 0, 0, stack_capture(thread->memo, registers));
		call_add_untimed(thread, &call);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_stdio(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
		   const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct call call;

	if (thread) {
		tell_over(thread);
		state = pp_unlikely(result < 0 && error == EBADF) ? NULL : io_fd_get(thread, fd);
		call_make(&call, state ? state->file : 0, operation, asked, result, error, ticks_to_ns(now - began),
			  stream_stack(stack_capture(thread->memo, registers)));
		if (state && result >= 0 && is_data(operation))
			call_judge(&call, state, operation, IO_AT_POSITION);
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_stdio_close(uint64_t began, uint64_t file, int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct call call;

	if (thread) {
		call_make(&call, file, PP_IO_STDIO_SYS_CLOSE, 0, result, error, ticks_to_ns(now - began),
			  stream_stack(stack_capture(thread->memo, registers)));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

/* --- waits ----------------------------------------------------------------------------------------------------------- */

struct pp_wait wait_begin_slowly(uint64_t began, enum pp_wire_io_operation operation, const struct pp_registers *registers)
{
	struct pp_wait wait = {.began = began, .registers = *registers};
	struct pp_thread *thread;
	int error = errno;

	if (pp_tls.guard) /* a lock of the program's allocator, in a call that we are in the middle of */
		return (struct pp_wait){0};
	thread = tell_enter();
	if (thread) {
		wait.stack = stack_capture(thread->memo, registers);
		call_open(thread, began, operation, wait.stack, registers->sp);
		hook_leave(thread);
	}
	errno = error;
	return wait;
}

struct pp_wait wait_begin_at(enum pp_wire_io_operation operation, uint32_t stack, const struct pp_registers *registers)
{
	struct pp_wait wait = {.began = io_begin(), .stack = stack};
	struct pp_thread *thread = pp_tls.thread;

	if (wait.began && thread && thread->live && !pp_tls.guard)
		call_open(thread, wait.began, operation, stack, registers->sp);
	return wait;
}

void wait_tell_slowly(const struct pp_wait *wait, enum pp_wire_io_operation operation, int error)
{
	uint64_t now = io_ticks();
	int kept = errno;
	struct pp_thread *thread = tell_enter();
	struct call call;

	if (thread) {
		tell_over(thread);
		call_make(&call, 0, operation, 0, error ? -1 : 0, error, ticks_to_ns(now - wait->began),
			  wait->stack || !wait->registers.pc ? wait->stack
							     : stack_capture(thread->memo, &wait->registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = kept;
}

/* --- the thread's end ------------------------------------------------------------------------------------------------ */

/* A thread that was cancelled in a call ends it here. */
static void cancelled_tell(struct pp_thread *thread)
{
	struct pp_wire_slot *slot = thread->slot;
	uint64_t now = io_ticks();
	struct call call;

	if (!slot->wait_since || !thread->io_old_ticks)
		return;
	call_make(&call, 0, (uint32_t)(slot->wait_call >> 32), 0, -1, ECANCELED, ticks_to_ns(now - slot->wait_since),
		  (uint32_t)slot->wait_call);
	call_add(thread, &call, now);
	tell_over(thread);
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
	for (uint32_t i = 0; i < PP_WIRE_IO_ENTRIES; i++)
		entry_flush(thread, i);
	thread->io = NULL;
	__atomic_store_n(&page->thread, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->io_page, 0, __ATOMIC_RELEASE);
	claim_map_give(page_map, index - 1);
}
