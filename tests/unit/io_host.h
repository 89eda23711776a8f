/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test_io_host.c: what the I/O calls of the library (preload/io.c, io_again.c, io_entries.c) need of the rest, made up: a
 * clock that the test moves, one thread, eight descriptors; what is told, added up; and a hook that does as those of hook_io.c
 * do.
 */
#ifndef PREPROF_IO_HOST_H
#define PREPROF_IO_HOST_H

#include "test.h"

#include "io_again.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* --- the rest of the library --------------------------------------------------------------------------------------------- */

struct pp_session pp_session;
__thread struct pp_tls pp_tls;
uint32_t pp_stack_fast_generation = 1;
struct pp_io_fd *pp_io_chunks[PP_IO_FD_LIMIT >> PP_IO_CHUNK_BITS];
struct pp_wire_io_descriptor pp_io_row_unkept;
uint32_t pp_io_serials;

/* As thread.c lays it out, in pages of its own. */
static struct {
	_Alignas(4096) struct pp_thread thread;
	struct pp_io_again agains[PP_WIRE_IO_AGAIN];
} room;
static struct pp_wire_slot slot;
static struct pp_wire_header header;
static struct pp_wire_io_page page;
static struct pp_io_fd fds[1 << PP_IO_CHUNK_BITS];
static struct pp_wire_io_descriptor rows[8];
static uint64_t now_ns, passed_sql, slow_count;
static uint64_t stack_words[2] = {11, 22};

/* Of all that was told and lies in the page. */
struct sums {
	uint64_t count, asked, got, ns, max_ns, sequential, strided, reread, cells, watched;
};
static struct sums told;
static uint32_t record_count;
static uint32_t watched_stack; /* its calls are counted apart */

uint64_t clock_now_ns(void)
{
	return now_ns;
}

struct pp_thread *thread_enter_slow(void)
{
	return NULL;
}

uint32_t stack_capture(struct pp_memo *memo, const struct pp_registers *registers)
{
	(void)memo;
	return (uint32_t)registers->pc + (uint32_t)stack_words[1] * 1000;
}

bool stack_proof_take(const struct pp_memo *memo, const struct pp_registers *registers, struct pp_stack_proof *proof)
{
	(void)memo;
	*proof = (struct pp_stack_proof){.pc = registers->pc,
					 .sp = registers->sp,
					 .fp = registers->fp,
					 .fp_mask = registers->pc % 2 ? UINT64_MAX : 0,
					 .generation = pp_stack_fast_generation,
					 .count = 2};
	for (uint32_t i = 0; i < 2; i++) {
		proof->words[i].at = &stack_words[i];
		proof->words[i].value = stack_words[i];
	}
	return true;
}

uint32_t stream_stack(uint32_t stack)
{
	return stack;
}

void pp_skip(int cause)
{
	(void)cause;
}

void *session_shared(uint64_t offset)
{
	(void)offset;
	return &page;
}

void emit_time(struct pp_thread *at, uint64_t now)
{
	at->time_ns = now;
}

void emit_extended(struct pp_thread *at, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	(void)at, (void)argument;
	if (kind == PP_EXT_IO_SLOW)
		slow_count++;
	if (kind != PP_EXT_IO)
		return;
	record_count++;
	told.count += payload[2] >> 32;
	told.sequential += (uint32_t)payload[3];
	told.strided += payload[3] >> 32;
	told.asked += payload[4];
	told.got += payload[5];
	told.ns += payload[6];
	told.max_ns = payload[7] > told.max_ns ? payload[7] : told.max_ns;
	told.reread += payload[8];
	told.watched += (uint32_t)payload[1] == watched_stack ? payload[2] >> 32 : 0;
	for (uint32_t i = 10; i < count; i++)
		told.cells += (payload[i] >> 16 & 0xffff) + (payload[i] >> 48);
}

void emit_notice(struct pp_thread *at, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	emit_extended(at, kind, argument, payload, count);
}

void sql_passed_io(struct pp_thread *at, uint32_t operation, uint64_t bytes, uint64_t ns)
{
	(void)at, (void)operation, (void)bytes, (void)ns;
	passed_sql++;
}

struct pp_io_fd *io_fd_look_up(struct pp_thread *at, int fd)
{
	(void)at;
	return &fds[fd];
}

struct pp_io_fd *io_fd_opened(struct pp_thread *at, int fd, const struct pp_io_opened *how)
{
	(void)how;
	return io_fd_look_up(at, fd);
}

bool io_fd_foreign(struct pp_thread *at, int fd)
{
	(void)at, (void)fd;
	return false;
}

struct pp_io_fd *io_fd_foreign_get(struct pp_thread *at, int fd)
{
	return io_fd_look_up(at, fd);
}

int64_t io_fd_ask(struct pp_io_fd *state, int fd, int64_t got)
{
	(void)state, (void)fd, (void)got;
	return 0;
}

uint64_t io_file_named(struct pp_thread *at, const char *name)
{
	(void)at, (void)name;
	return 0;
}

bool io_life_begin(struct pp_thread *at, int fd, enum pp_wire_io_origin origin, int from, uint32_t stack,
		   uint64_t began)
{
	(void)at, (void)fd, (void)origin, (void)from, (void)stack, (void)began;
	return true;
}

void io_life_pass(const struct pp_thread *at, struct pp_wire_io_descriptor *row, bool write, uint64_t bytes)
{
	if (!row->owner)
		row->owner = at->serial;
	if (row->owner == at->serial)
		row->own[write].calls++, row->own[write].bytes += bytes;
	else
		row->others[write].calls++, row->others[write].bytes += bytes;
}

/* Places beyond `limit` are new. */
uint64_t io_places_read(struct pp_io_fd *state, int64_t start, int64_t end)
{
	uint64_t again = state->places && start < state->run_end ? (uint64_t)(end - start) : 0;

	if (!again) {
		state->run_end = end;
		state->run_limit = INT64_MAX;
	}
	return again;
}

void io_places_write(struct pp_io_fd *state, int64_t start, int64_t end)
{
	(void)state, (void)start, (void)end;
}

/* --- a program ----------------------------------------------------------------------------------------------------------- */

static struct sums made;
static uint64_t frame_words[16]; /* a frame is one of them: the caller's frame pointer */

static void begin(void)
{
	pp_session.state = PP_STATE_ON;
	pp_session.settings.io = 1;
	pp_session.tick_ns = UINT64_C(1) << 32;
	pp_session.header = &header;
	header.tick_ns = pp_session.tick_ns;
	room.thread.live = 1;
	room.thread.serial = 5;
	room.thread.slot = &slot;
	memset(room.agains, 0, sizeof(room.agains));
	memset(fds, 0, sizeof(fds));
	pp_tls.thread = &room.thread;
	pp_io_chunks[0] = fds;
	for (uint32_t i = 0; i < 8; i++) {
		rows[i].serial = i + 1;
		fds[i].file = 100 + i;
		fds[i].at = &fds[i].own;
		fds[i].row = &rows[i];
	}
	pp_io_serials = 8;
	now_ns = 1000000;
}

struct how {
	enum pp_wire_io_operation operation;
	int fd;
	uint64_t asked, pc, fp;
	int64_t result, offset;
	uint64_t ns;
	uint32_t frame;
	void (*meanwhile)(void); /* in the call: a handler */
};

/* As IO_AGAIN_HOOK. true: it went the short way. */
static bool made_call(const struct how *how)
{
	uint64_t *frame = &frame_words[how->frame];
	struct pp_registers registers = {.pc = how->pc, .sp = (uint64_t)frame + 16, .fp = how->fp};
	struct pp_io_again *again;
	uint64_t began, ns = now_ns;

	*frame = how->fp;
	began = io_again_begin(&again, how->operation, how->fd, how->asked, how->pc, frame);
	if (how->meanwhile)
		how->meanwhile();
	now_ns += how->ns;
	made.count++;
	made.asked += how->asked;
	made.got += how->result > 0 ? (uint64_t)how->result : 0;
	ns = now_ns - ns;
	made.ns += ns;
	made.max_ns = ns > made.max_ns ? ns : made.max_ns;
	if (again && io_again_end(again, began, how->operation, how->result, how->offset, registers.sp))
		return true;
	errno = EINTR;
	if (began)
		io_tell_repeating(began, how->operation, how->fd, how->asked, how->result, how->offset, &registers);
	PP_CHECK_EQ(errno, EINTR);
	return false;
}

static const struct how usual = {.operation = PP_IO_WRITE,
				 .fd = 3,
				 .asked = 10,
				 .pc = 0x4001,
				 .fp = 77,
				 .result = 10,
				 .offset = IO_AT_POSITION,
				 .ns = 100};

/* Until it goes the short way; how many calls that took. */
static uint32_t warm(const struct how *how)
{
	uint32_t calls = 1;

	while (!made_call(how) && calls < 100)
		calls++;
	return calls;
}

static struct sums sums_now(void)
{
	struct sums sums = told;

	for (uint32_t i = 0; room.thread.io && i < PP_WIRE_IO_ENTRIES; i++) {
		const struct pp_wire_io_entry *entry = &page.entries[i];
		uint64_t cells = 0;

		PP_CHECK(!(entry->sequence & 1));
		sums.count += entry->count;
		sums.watched += entry->stack == watched_stack ? entry->count : 0;
		sums.asked += entry->asked_bytes;
		sums.got += entry->got_bytes;
		sums.ns += entry->ns;
		sums.sequential += entry->sequential;
		sums.strided += entry->strided;
		sums.reread += entry->reread_bytes;
		sums.max_ns = entry->count && entry->max_ns > sums.max_ns ? entry->max_ns : sums.max_ns;
		for (uint32_t j = 0; j < PP_WIRE_IO_AGAIN; j++) {
			if (page.again[j] >> 32 != i + 1)
				continue;
			cells++;
			sums.ns += (uint32_t)page.again[j];
			sums.max_ns = (uint32_t)page.again[j] > sums.max_ns ? (uint32_t)page.again[j] : sums.max_ns;
		}
		for (uint32_t j = 0; j < PP_WIRE_IO_CELLS; j++)
			cells += entry->cells[j].count;
		PP_CHECK_EQ(cells, entry->count);
		sums.cells += cells;
	}
	return sums;
}

static void check_sums(void)
{
	struct sums now = sums_now();

	PP_CHECK_EQ(now.count, made.count);
	PP_CHECK_EQ(now.asked, made.asked);
	PP_CHECK_EQ(now.got, made.got);
	PP_CHECK_EQ(now.ns, made.ns);
	PP_CHECK_EQ(now.cells, made.count);
	PP_CHECK_EQ(now.max_ns, made.max_ns);
	PP_CHECK_EQ(pp_tls.guard, 0);
}

static void check_finish(void)
{
	check_sums();
	pp_tls.guard = PP_GUARD_HOOK;
	io_thread_finish(&room.thread);
	pp_tls.guard = 0;
	PP_CHECK(room.thread.io == NULL);
	for (uint32_t i = 0; i < PP_WIRE_IO_AGAIN; i++)
		PP_CHECK_EQ(page.again[i], 0);
	PP_CHECK_EQ(told.count, made.count);
	PP_CHECK_EQ(told.ns, made.ns);
	PP_CHECK_EQ(told.got, made.got);
	PP_CHECK_EQ(told.cells, made.count);
}

#endif
