/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors' lives: a row of the shared memory for each number (wire.h), from the call that made it, or that met it
 * first, to the one that ends it. There it lies while it lives, for the analyzer to read whatever becomes of the process;
 * its end is told, and the row is empty again. Numbers from PP_WIRE_DESCRIPTOR_COUNT on have none.
 *
 * A row belongs to nobody: two threads that make and end the same number at once have a program that does so too. What
 * passes through is counted without a lock by the thread that was first, and atomically by others.
 *
 * Context: guard held, but for io_life_end: any, handlers and children of vfork too.
 */
#include "io.h"
#include "raw.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LOOK_AT	     32	  /* the limit is looked at when a number is the first in so many */
#define NAMED_AT_END 1024 /* more would take longer than it is worth */
#define ROW_WORDS (sizeof(struct pp_wire_io_descriptor) / sizeof(uint64_t))

struct pp_wire_io_descriptor pp_io_row_unkept;
uint32_t pp_io_serials;

void io_lives_reset(void)
{
	pp_io_serials = 0;
}

/* Programs raise their limit as they go, and lower it for their children: looked at when there are more descriptors than ever. */
static void limit_look(void)
{
	struct rlimit limit;

	if (pp_session.io_blind || RAW_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) < 0)
		return;
	pp_session.header->descriptor_limit = limit.rlim_cur < UINT32_MAX ? (uint32_t)limit.rlim_cur : UINT32_MAX;
}

static void count_raise(uint32_t count)
{
	uint32_t *seen_at = &pp_session.header->descriptor_count;
	uint32_t seen = __atomic_load_n(seen_at, __ATOMIC_RELAXED);

	while (seen < count &&
	       !__atomic_compare_exchange_n(seen_at, &seen, count, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (seen < count && (!seen || count / LOOK_AT != seen / LOOK_AT))
		limit_look();
}

/* A life in `state`, whose number has none. */
static void row_begin(struct pp_thread *thread, struct pp_io_fd *state, int fd, enum pp_wire_io_origin origin, int from,
		      uint32_t stack, uint64_t began)
{
	struct pp_wire_io_descriptor *row = NULL;

	if ((unsigned int)fd < PP_WIRE_DESCRIPTOR_COUNT)
		row = session_shared(PP_WIRE_DESCRIPTORS + (uint64_t)fd * sizeof(*row));
	if (!row) {
		state->row = &pp_io_row_unkept;
		pp_skip(PP_SKIP_IO_DESCRIPTORS);
		return;
	}
	if (row->serial) /* it ended while nothing was recorded */
		__atomic_add_fetch(&pp_session.header->descriptors_untold, 1, __ATOMIC_RELAXED);
	memset(row, 0, sizeof(*row));
	row->opened = began;
	row->stack = stack;
	row->thread = thread->serial;
	row->from = from;
	row->origin = (uint8_t)origin;
	row->owner = pp_session.multi ? 0 : thread->serial;
	state->row = row;
	__atomic_store_n(&row->serial, __atomic_add_fetch(&pp_io_serials, 1, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
	count_raise((uint32_t)fd + 1);
}

bool io_life_begin(struct pp_thread *thread, int fd, enum pp_wire_io_origin origin, int from, uint32_t stack,
		   uint64_t began)
{
	struct pp_io_fd *state = io_fd_make(fd);

	/* The numbers of a child that shares our memory are not ours. */
	if (!state)
		return false;
	if (raw_getpid() != pp_session.pid) {
		io_fd_foreign_note(fd);
		return false;
	}
	io_fd_renew(thread, fd);
	row_begin(thread, state, fd, origin, from, stack, began);
	state->accepted = origin == PP_IO_ACCEPTED;
	if (origin == PP_IO_DUPLICATED)
		io_fd_duplicated(from, fd);
	return true;
}

void io_life_seen(struct pp_thread *thread, struct pp_io_fd *state, int fd, uint32_t flags, bool deleted)
{
	struct pp_wire_io_descriptor *row;

	if (!state->row)
		row_begin(thread, state, fd, PP_IO_FOUND, -1, 0, io_ticks());
	row = io_fd_row(state);
	if (!row->serial)
		return;
	row->file = state->file;
	row->kind = state->kind;
	row->flags = flags;
	row->deleted = deleted;
}

static void life_tell(struct pp_thread *thread, const struct pp_wire_io_descriptor *row, int fd,
		      enum pp_wire_io_end end)
{
	uint64_t payload[2 + ROW_WORDS] = {(uint64_t)fd, io_ticks()};

	memcpy(&payload[2], row, sizeof(*row));
	emit_notice(thread, PP_EXT_IO_DESCRIPTOR, end, payload, 2 + ROW_WORDS);
}

/* A program that opens a file a million times would be slowed down by as many records, of which a thousand are kept. One that has
 * read on behind the size that was told is told: that bounds how much can have been new; and one that was not used any more
 * while others were made, which may be one of many that are held for nothing. */
static bool is_small(const struct pp_io_fd *state, const struct pp_wire_io_descriptor *row)
{
	uint32_t used = row->used > row->serial ? row->used : row->serial;

	return row->serial > PP_WIRE_LIVES_TOLD && pp_io_serials - used < PP_WIRE_LIFE_IDLE &&
	       row->own[0].bytes + row->own[1].bytes + row->others[0].bytes + row->others[1].bytes <
		       PP_WIRE_LIFE_LARGE &&
	       row->read_to <= (uint64_t)state->size;
}

static void life_end(struct pp_thread *thread, const struct pp_io_fd *state, struct pp_wire_io_descriptor *row, int fd,
		     enum pp_wire_io_end end)
{
	struct pp_thread *held = thread;
	struct stat status;

	/* The number means its file until the real call, unless that has been made by others. */
	if (end != PP_IO_END_UNSEEN && state->kind == PP_IO_KIND_FILE && !pp_session.io_blind &&
	    raw_fstat(fd, &status) == 0)
		row->deleted = status.st_nlink == 0;
	if (!held)
		thread = hook_enter();
	/* Never used until now, and nameless. */
	if (thread && !row->file && end != PP_IO_END_UNSEEN)
		io_fd_get(thread, fd);
	if (thread)
		life_tell(thread, row, fd, end);
	else
		pp_skip(PP_SKIP_IO_DESCRIPTORS);
	if (thread && !held)
		hook_leave(thread);
}

bool io_life_end(struct pp_thread *thread, struct pp_io_fd *state, int fd, enum pp_wire_io_end end)
{
	struct pp_wire_io_descriptor *row = io_fd_row(state);

	if (pp_session.state == PP_STATE_OFF || pp_session.sealed || !row->serial) {
		state->row = NULL;
		return true;
	}
	if (raw_getpid() != pp_session.pid) {
		io_fd_foreign_note(fd);
		return false;
	}
	io_places_close(state);
	/* Of what ends while nothing is recorded, it is told that it was there. */
	if (pp_session.state == PP_STATE_WAITING) {
		state->row = NULL;
		return true;
	}
	if (is_small(state, row))
		__atomic_add_fetch(&pp_session.header->descriptors_untold, 1, __ATOMIC_RELAXED);
	else
		life_end(thread, state, row, fd, end);
	__atomic_store_n(&row->serial, 0, __ATOMIC_RELEASE);
	state->row = NULL;
	return true;
}

void io_lives_name(struct pp_thread *thread)
{
	uint32_t count = pp_session.header->descriptor_count, named = 0;

	for (uint32_t fd = 0; fd < count && named < NAMED_AT_END; fd++) {
		const struct pp_wire_io_descriptor *row =
			session_shared(PP_WIRE_DESCRIPTORS + (uint64_t)fd * sizeof(*row));

		if (!row)
			return;
		if (!row->serial || row->file)
			continue;
		io_fd_get(thread, (int)fd);
		named++;
	}
}

void io_life_pass(const struct pp_thread *thread, struct pp_wire_io_descriptor *row, bool write, uint64_t bytes)
{
	uint32_t nobody = 0;

	if (!row->serial)
		return;
	row->used = pp_io_serials;
	if (__atomic_compare_exchange_n(&row->owner, &nobody, thread->serial, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED)) {
		row->own[write].calls++;
		row->own[write].bytes += bytes;
		return;
	}
	__atomic_add_fetch(&row->others[write].calls, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&row->others[write].bytes, bytes, __ATOMIC_RELAXED);
}
