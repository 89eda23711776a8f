/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short path of a call that repeats: the same line, by the same stack, moves the same number of bytes through the same
 * descriptor, from where the call before ended. A program that reads or writes in small pieces makes millions of those, each
 * of which takes little more than 100 ns; what a hook adds has to be small against that.
 *
 * A thread remembers up to PP_WIRE_IO_AGAIN of them, each in the place that its return address gives it. What a call adds to
 * its entry, its descriptor's row and its position is then known before it returns, but for its duration. That is left in the
 * thread's page as it is, in ticks, and added to the entry (fold) when the line calls again: the chain from ticks to a cell
 * is then done while the processor waits for the clock. The analyzer does the same with what it finds.
 *
 * The entry's cells take any duration of the window [low, low + width) without one being in another's way: 64 buckets. A call
 * outside of it goes to another entry of the same combination (io_again_aside), so that this one stays as it is. Whatever else is not as it was leaves the
 * call to io_tell: the result decides, and nothing has been done until then.
 *
 * Context: the thread itself, no guard held. A handler between begin and end may do anything; io_again_end looks again.
 */
#ifndef PREPROF_IO_AGAIN_H
#define PREPROF_IO_AGAIN_H

#include "io_call.h"
#include "stack.h"

#define PP_IO_AGAIN_LIMIT 60000 /* calls in an entry: its cells count to 65535 */

typedef uint64_t pp_pair __attribute__((vector_size(16), may_alias));

struct pp_io_again {
	struct pp_stack_proof proof; /* pc 0: nothing is remembered here */
	uint64_t what;		     /* see again_what */
	uint64_t asked;
	int64_t result;
	struct pp_wire_io_entry *entry;
	uint64_t *pending;	/* in the page */
	uint64_t pending_entry; /* its upper half */
	const uint64_t *since;	/* ticks, of the entry's first call */
	uint64_t low, width;	/* ticks */
	struct pp_io_fd *state;
	uint64_t file;
	struct pp_wire_io_descriptor *row;
	uint32_t serial; /* of the row. Its owner is this thread, and stays it */
	_Alignas(16) pp_pair moved, passed; /* added to asked_bytes and got_bytes; to the row's calls and bytes */
	uint64_t counted; /* added to count and sequential */
	uint32_t index;	  /* of the entry */
	uint32_t first;	  /* bucket of the window */
	uint32_t aside;	  /* calls outside of the window since it is remembered */
	/* The last call from here that went the long way, mixed: it is remembered when it comes twice. That another one has the
	 * same number would be remembered, and is harmless. */
	uint64_t last;
	uint32_t seen;	/* calls in the entry of the one that is remembered when it came */
	uint32_t count; /* in the entry, when it was remembered */
	uint32_t poor;	/* times that it was remembered for nothing */
	uint32_t rest;	/* calls until it may be again */
} __attribute__((aligned(PP_IO_AGAIN_ALIGN))); /* found by a shift */

static inline uint64_t again_what(enum pp_wire_io_operation operation, int fd)
{
	return (uint64_t)operation << 32 | (uint32_t)fd;
}

/* Found without reading the thread's state: in a forked child that and this is zero, and nobody has noticed yet. */
static inline struct pp_io_again *again_numbered(struct pp_thread *thread, uint64_t number)
{
	return (struct pp_io_again *)((uintptr_t)thread + PP_IO_AGAIN_AT) + number;
}

static inline struct pp_io_again *again_at(struct pp_thread *thread, uint64_t pc)
{
	return again_numbered(thread, (pc ^ pc >> 4 ^ pc >> 8) % PP_WIRE_IO_AGAIN);
}

/* Is it of this thread? A call may end in another one than it began in, whose state is gone by then. */
static inline bool again_is_of(const struct pp_thread *thread, const struct pp_io_again *again)
{
	return (uintptr_t)again - (uintptr_t)thread - PP_IO_AGAIN_AT < PP_WIRE_IO_AGAIN * sizeof(*again);
}

/* The duration of the last call, which lies at `at`, goes to its entry. */
static inline __attribute__((always_inline)) void again_fold(struct pp_wire_io_entry *entry, uint64_t *at,
							     uint64_t pending)
{
	uint64_t ns = (uint64_t)(uint32_t)pending * pp_session.tick_ns >> 32; /* the window is such that it fits */
	uint32_t bucket = pp_wire_io_bucket(ns);
	struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	if (pp_unlikely(cell->count && cell->bucket != bucket)) {
		cell = pp_wire_io_cell_beside(entry, bucket);
		bucket = cell->bucket;
	}
	__atomic_store_n(at, 0, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
	entry->ns += ns;
	if (ns > entry->max_ns)
		entry->max_ns = (uint32_t)ns;
	cell->bucket = (uint16_t)bucket;
	cell->count++;
}

/* As io_begin_open; *again: what this call seems to repeat, or NULL. */
static inline __attribute__((always_inline)) uint64_t io_again_begin(struct pp_io_again **again,
								     enum pp_wire_io_operation operation, int fd,
								     uint64_t asked, uint64_t pc, const void *frame)
{
	struct pp_thread *thread;
	struct pp_io_again *at;
	uint64_t began, pending;

	*again = NULL;
	if (pp_unlikely(pp_tls.guard || pp_session.state != PP_STATE_ON))
		return io_begin_open(operation, frame);
	began = io_ticks();
	if (pp_unlikely(!guard_raise()))
		return io_begin_open(operation, frame);
	thread = pp_tls.thread;
	at = again_at(thread, pc);
	if (pp_unlikely(!thread) || !stack_proof_holds(&at->proof, pc, (uint64_t)frame + 16, *(const uint64_t *)frame) ||
	    ((at->what ^ again_what(operation, fd)) | (at->asked ^ asked))) {
		pp_tls.guard = 0;
		return io_opened(pp_session.settings.io ? began : 0, operation, 0, (uint64_t)frame);
	}
	/* What is remembered is of a thread that lives, and of I/O that is recorded. */
	pending = *at->pending;
	if (pp_likely(pending != 0))
		again_fold(at->entry, at->pending, pending);
	call_open(thread, began, operation, 0, (uint64_t)frame);
	if (pp_likely(began - *at->since < thread->io_old_ticks))
		*again = at;
	__asm__ volatile("" ::: "memory");
	pp_tls.guard = 0;
	return began;
}

/* Is the call at `start` of `asked` bytes one that io_tell would find sequential, and nothing else of it? */
static inline __attribute__((always_inline)) bool again_follows(const struct pp_io_fd *state,
								enum pp_wire_io_operation operation, int64_t start,
								int64_t end, uint64_t asked)
{
	bool write = is_write(operation);

	if (start < 0 || start != state->at->stream[write].end || !(((uint64_t)start | asked) & 511))
		return false;
	if (write)
		return state->append || !io_fd_was_read(state);
	return start == state->run_end && end <= state->run_limit;
}

static inline __attribute__((always_inline)) void again_place(struct pp_io_fd *state, struct pp_wire_io_descriptor *row,
							      enum pp_wire_io_operation operation, int64_t start,
							      int64_t end, bool moves)
{
	struct pp_io_position *at = state->at;
	bool write = is_write(operation);

	if (moves)
		at->now = end;
	if (!write) {
		state->run_end = end;
		if ((uint64_t)end > row->read_to)
			row->read_to = (uint64_t)end;
	}
	at->stream[write].stride = start - at->stream[write].last;
	at->stream[write].last = start;
	at->stream[write].end = end;
}

/* Under the guard: is all as it was when the call was remembered, and has it the window's duration? */
static inline __attribute__((always_inline)) bool again_holds(const struct pp_thread *thread,
							      const struct pp_io_again *again, int64_t result,
							      uint64_t sp, uint64_t ticks)
{
	/* A handler may have made another call take the place, the thread or process may be another one, and so on. */
	return pp_likely(again_is_of(thread, again)) &&
	       pp_likely(((uint64_t)(result ^ again->result) | (sp ^ again->proof.sp)) == 0) &&
	       pp_likely((thread->sql.depth | thread->foreign_count | (pp_session.state ^ PP_STATE_ON)) == 0) &&
	       pp_likely(ticks - again->low < again->width) && pp_likely(again->entry->count < PP_IO_AGAIN_LIMIT) &&
	       pp_likely(((again->state->file ^ again->file) | (again->row->serial ^ again->serial)) == 0);
}

/* What the call is known to add. */
static inline __attribute__((always_inline)) void again_add(struct pp_io_again *again, uint64_t ticks, bool out)
{
	struct pp_wire_io_entry *entry = again->entry;

	entry_lock(entry);
	*(uint64_t __attribute__((may_alias)) *)&entry->count += again->counted;
	*(pp_pair *)&entry->asked_bytes += again->moved;
	__asm__ volatile("" ::: "memory"); /* a duration of no call would make no sense */
	__atomic_store_n(again->pending, again->pending_entry | ticks, __ATOMIC_RELAXED);
	entry_unlock(entry);
	*(pp_pair *)&again->row->own[out] += again->passed;
	again->row->used = pp_io_serials;
}

/* After the real call, which began at `began`. false: nothing has been told, it is io_tell's. errno is kept. */
static inline __attribute__((always_inline)) bool io_again_end(struct pp_io_again *again, uint64_t began,
							       enum pp_wire_io_operation operation, int64_t result,
							       int64_t offset, uint64_t sp)
{
	uint64_t ticks = io_ticks() - began;
	struct pp_thread *thread;
	struct pp_io_fd *state;
	int64_t start = 0, end = 0;

	if (pp_unlikely(pp_tls.guard))
		return false;
	if (pp_unlikely(!guard_raise()))
		return false;
	thread = pp_tls.thread;
	if (pp_unlikely(!again_holds(thread, again, result, sp, ticks)))
		goto other;
	state = again->state;
	if (offset != IO_NO_OFFSET) {
		start = offset >= 0 ? offset : state->at->now;
		end = start + result;
		if (pp_unlikely(!again_follows(state, operation, start, end, again->asked)))
			goto other;
	}
	tell_over(thread);
	again_add(again, ticks, is_out(operation));
	if (offset != IO_NO_OFFSET)
		again_place(state, again->row, operation, start, end, offset < 0);
	__asm__ volatile("" ::: "memory");
	pp_tls.guard = 0;
	return true;
other:
	pp_tls.guard = 0;
	return false;
}

/* --- io_again.c: between hook_enter and hook_leave ------------------------------------------------------------------------ */

/* A call that has been told by io_tell: does it repeat the one before? result: as it was. */
void io_again_consider(struct pp_thread *thread, const struct io_call *call, struct pp_io_fd *state, uint64_t what,
		       uint64_t asked, int64_t result, int64_t offset, const struct pp_registers *registers);

#endif
