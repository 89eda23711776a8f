/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a thread's buffer into the pipe: one write per frame, never more than PIPE_BUF, so that it is whole and needs no
 * lock. The pipe is non-blocking; when it is full the writer waits for the analyzer (FULL_PIPE=block) as long as that
 * makes progress, else it drops the frame and counts it. We hold the read end too, so a dead analyzer never raises
 * SIGPIPE: its death is seen on the control socket.
 *
 * Before each write the descriptor is proved to be ours still: a program that closed it by a raw system call and got
 * the number again for a file of its own must never find our bytes there.
 */
#include "emit.h"
#include "pipe.h"
#include "raw.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#define STALL_NS UINT64_C(2000000000)
#define WAIT_MS 50
#define WAKE_FRAMES 8 /* half of the smallest usual pipe */

/* The analyzer naps instead of blocking in read (a wake-up per frame doubled the cost of a record), and a nap may be
 * long, since whoever fills half of the pipe meanwhile rings. Races only cost a ring too many or too late: a late one
 * comes from pipe_wait. */
static void pipe_ring(void)
{
	uint64_t progress = __atomic_load_n(&pp_session.header->progress, __ATOMIC_RELAXED);

	if (progress != pp_session.progress_seen) {
		pp_session.progress_seen = progress;
		__atomic_store_n(&pp_session.outstanding, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_add_fetch(&pp_session.outstanding, 1, __ATOMIC_RELAXED) == WAKE_FRAMES)
		session_send(PP_MSG_WAKE, 0, 0, -1);
}

/* write(2)'s result; -EBADF: the descriptor is not ours any more. Nobody takes the number for the program in between
 * (session_move_descriptor waits for writers). */
static long pipe_write(const void *frame, size_t size)
{
	long written = -EBADF;
	int fd;

	__atomic_add_fetch(&pp_session.writers, 1, __ATOMIC_SEQ_CST);
	fd = __atomic_load_n(&pp_session.pipe_write, __ATOMIC_SEQ_CST);
	if (session_proves_descriptor(fd, &pp_session.pipe_identity))
		written = RAW_CALL(SYS_write, fd, frame, size);
	__atomic_sub_fetch(&pp_session.writers, 1, __ATOMIC_SEQ_CST);
	return written;
}

/* Waits until the pipe takes a frame again; false: it will not now (drop). */
static bool pipe_wait(void)
{
	uint64_t began = clock_now_ns();
	uint64_t progress = __atomic_load_n(&pp_session.header->progress, __ATOMIC_RELAXED);

	session_send(PP_MSG_WAKE, 0, 0, -1);
	for (;;) {
		struct pollfd sets[2] = { { pp_session.pipe_write, POLLOUT, 0 }, { pp_session.control, 0, 0 } };
		struct timespec wait = { 0, WAIT_MS * 1000000 };
		long ready = RAW_CALL(SYS_ppoll, sets, 2, &wait, 0, 0);
		uint64_t seen;

		if (ready < 0 && ready != -EINTR)
			return false;
		if (pp_session.state == PP_STATE_OFF) /* in the child of a handler that came in between, the pipe is gone */
			return false;
		if (ready > 0 && (sets[1].revents & (POLLHUP | POLLERR))) {
			session_orphaned();
			return false;
		}
		if (ready > 0 && (sets[0].revents & POLLOUT))
			return true;
		seen = __atomic_load_n(&pp_session.header->progress, __ATOMIC_RELAXED);
		if (seen != progress) {
			progress = seen;
			began = clock_now_ns();
		} else if (clock_now_ns() - began > STALL_NS) {
			pp_session.stall_progress = progress;
			__atomic_store_n(&pp_session.stalled, 1, __ATOMIC_RELEASE);
			return false;
		}
	}
}

/* Has the analyzer stood still since a writer waited for it in vain? That a small frame found room between larger ones
 * is no sign of life: whoever took it for one would wait again and again. */
static bool pipe_stalled(void)
{
	if (!__atomic_load_n(&pp_session.stalled, __ATOMIC_ACQUIRE))
		return false;
	if (__atomic_load_n(&pp_session.header->progress, __ATOMIC_RELAXED) == pp_session.stall_progress)
		return true;
	pp_session.stalled = 0;
	return false;
}

/* false: dropped. */
static bool pipe_write_frame(const void *frame, size_t size)
{
	if (pp_session.state == PP_STATE_OFF)
		return false;
	for (;;) {
		long written = pipe_write(frame, size);

		if (pp_likely(written == (long)size)) {
			if (pp_session.settings.io)
				__atomic_add_fetch(&pp_session.header->io_own_write, size, __ATOMIC_RELAXED);
			pipe_ring();
			return true;
		}
		if (written == -EINTR)
			continue;
		if (written == -EBADF) {
			/* In a vfork child the descriptors are not its parent's, the session is. */
			if (raw_getpid() == pp_session.pid)
				session_stop("the program closed its pipe");
			return false;
		}
		if (written != -EAGAIN) {
			session_stop("its pipe does not take data any more");
			return false;
		}
		if (!pp_session.settings.full_pipe || pipe_stalled() || !pipe_wait())
			return false;
	}
}

/* Prepares the header of the next frame of the thread's events. */
void pipe_begin_events(struct pp_thread *thread, uint64_t sequence)
{
	struct pp_wire_frame *frame = (struct pp_wire_frame *)thread->slot->events;

	frame->kind = PP_FRAME_EVENTS;
	frame->slot = thread->slot_index;
	frame->tid = (uint32_t)thread->tid;
	frame->thread = thread->serial;
	/* The analyzer may be looking: the number first, so that what follows is not taken for the frame before. */
	__atomic_store_n(&frame->sequence, sequence, __ATOMIC_RELEASE);
	__asm__ volatile("" ::: "memory");
	frame->time_ns = thread->time_ns;
	frame->stamp = thread->stamp;
	frame->lost = thread->lost;
	thread->frame_first = thread->slot->event_count;
	thread->cursor = (uint64_t *)(thread->slot->events + sizeof(*frame));
	__atomic_store_n(&thread->slot->events_used, (uint32_t)sizeof(*frame), __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->events_sequence, sequence, __ATOMIC_RELEASE);
}

void pipe_flush_events(struct pp_thread *thread)
{
	struct pp_wire_frame *frame = (struct pp_wire_frame *)thread->slot->events;
	uint32_t used = thread->slot->events_used;

	if (used <= sizeof(*frame))
		return;
	frame->size = (uint16_t)used;
	thread->events_sent = frame->sequence;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (pp_likely(pipe_write_frame(frame, used))) {
		thread->lost = 0;
	} else {
		uint64_t dropped = thread->slot->event_count - thread->frame_first;

		thread->lost += (uint32_t)dropped;
		__atomic_add_fetch(&pp_session.header->dropped_frames, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&pp_session.header->dropped_events, dropped, __ATOMIC_RELAXED);
	}
	pipe_begin_events(thread, frame->sequence + 1);
}

void pipe_begin_samples(struct pp_thread *thread, uint64_t sequence)
{
	struct pp_wire_frame *frame = (struct pp_wire_frame *)thread->slot->samples;

	frame->kind = PP_FRAME_SAMPLES;
	frame->slot = thread->slot_index;
	frame->tid = (uint32_t)thread->tid;
	frame->thread = thread->serial;
	__atomic_store_n(&frame->sequence, sequence, __ATOMIC_RELEASE);
	__asm__ volatile("" ::: "memory");
	frame->time_ns = 0;
	frame->stamp = 0;
	frame->lost = thread->sample_lost;
	__atomic_store_n(&thread->slot->samples_used, (uint32_t)sizeof(*frame), __ATOMIC_RELEASE);
	__atomic_store_n(&thread->slot->samples_sequence, sequence, __ATOMIC_RELEASE);
}

void pipe_flush_samples(struct pp_thread *thread)
{
	struct pp_wire_frame *frame = (struct pp_wire_frame *)thread->slot->samples;
	uint32_t used = thread->slot->samples_used;

	if (used <= sizeof(*frame))
		return;
	frame->size = (uint16_t)used;
	thread->samples_sent = frame->sequence;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (pipe_write_frame(frame, used)) {
		thread->sample_lost = 0;
	} else {
		thread->sample_lost += (used - (uint32_t)sizeof(*frame)) / 16;
		__atomic_add_fetch(&pp_session.header->dropped_frames, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&pp_session.header->dropped_events, (used - sizeof(*frame)) / 16, __ATOMIC_RELAXED);
	}
	pipe_begin_samples(thread, frame->sequence + 1);
}

/* A frame that was being written is in the pipe or not. It is written as it was, for the analyzer takes no number twice: what
 * would be added to it might be added to one that it has. */
void pipe_jumped(struct pp_thread *thread)
{
	const struct pp_wire_slot *slot = thread->slot;
	uint64_t events = ((const struct pp_wire_frame *)slot->events)->sequence;
	uint64_t samples = ((const struct pp_wire_frame *)slot->samples)->sequence;

	if (events != slot->events_sequence)
		pipe_begin_events(thread, events);
	else if (thread->events_sent == events)
		pipe_flush_events(thread);
	else
		thread->cursor = (uint64_t *)(thread->slot->events + slot->events_used);
	if (samples != slot->samples_sequence)
		pipe_begin_samples(thread, samples);
	else if (thread->samples_sent == samples)
		pipe_flush_samples(thread);
}
