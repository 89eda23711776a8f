/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding: from what happened to words in the thread's frame, bits as drawn in preprof/wire.h. Between hook_enter and
 * hook_leave, by the thread itself. A record is published by the release store of events_used after its words, so the
 * analyzer can read the buffer of a thread that was killed at any instruction.
 */
#ifndef PREPROF_EMIT_H
#define PREPROF_EMIT_H

#include "host.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t emit_stamp_now(void)
{
#if defined(__x86_64__)
	if (pp_likely(pp_session.stamp_is_tsc))
		return __rdtsc() >> pp_session.stamp_shift;
#endif
	return clock_now_ns() >> pp_session.stamp_shift;
}

/* Room for `words` more words; flushes the frame if there is none. */
static inline __attribute__((always_inline)) uint64_t *emit_room(struct pp_thread *thread, uint32_t words)
{
	if (pp_unlikely(thread->cursor + words > thread->limit))
		pipe_flush_events(thread);
	return thread->cursor;
}

/* Of what is no event of the program's: it is not counted. */
static inline __attribute__((always_inline)) void emit_publish_notice(struct pp_thread *thread, uint32_t words)
{
	thread->cursor += words;
	__atomic_store_n(&thread->slot->events_used,
			 (uint32_t)((uint8_t *)thread->cursor - thread->slot->events), __ATOMIC_RELEASE);
}

/* One event more, after it has been published: of a thread that is killed in between nothing is missing. */
static inline __attribute__((always_inline)) void emit_count(struct pp_thread *thread)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->slot->event_count++;
}

static inline __attribute__((always_inline)) void emit_publish(struct pp_thread *thread, uint32_t words)
{
	emit_publish_notice(thread, words);
	emit_count(thread);
}

void emit_time(struct pp_thread *thread, uint64_t now_ns);
void emit_stamp(struct pp_thread *thread, uint64_t stamp);

/* Tells the coarse time if it has moved. */
static inline __attribute__((always_inline)) void emit_clock(struct pp_thread *thread)
{
	uint64_t now = __atomic_load_n(&pp_session.header->clock_ns, __ATOMIC_RELAXED);

	if (pp_unlikely(now != thread->time_ns))
		emit_time(thread, now);
}

/* The stamp's difference for a record, 0 while one thread exists. Sets busy: emit_unstamp after publishing. `words`
 * is the size of the record that follows, so that the frame is not flushed between stamp and record. */
static inline __attribute__((always_inline)) uint64_t emit_delta(struct pp_thread *thread, uint64_t stamp)
{
	uint64_t delta = stamp - thread->stamp;

	if (pp_unlikely(delta > 0xffff)) {
		emit_stamp(thread, stamp);
		delta = 0;
	}
	thread->stamp = stamp;
	return delta;
}

static inline bool emit_fits(uint64_t address, uint64_t size, uint32_t stack)
{
	return !(address & 0xf) && !(address >> 48) && !(size >> PP_REC_SIZE_BITS) && !(stack >> PP_REC_STACK_BITS);
}

/* Records that are rare: any kind of extended record, `count` payload words. A notice is no event of the program's. */
void emit_extended(struct pp_thread *thread, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count);
void emit_notice(struct pp_thread *thread, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count);

static inline __attribute__((always_inline)) void emit_alloc(struct pp_thread *thread, uint64_t address, uint64_t size,
							     uint32_t stack)
{
	uint64_t delta = 0;
	uint64_t *word;

	emit_clock(thread);
	if (pp_unlikely(!emit_fits(address, size, stack))) {
		emit_extended(thread, PP_EXT_ALLOC_WIDE, 0, (uint64_t[]){ address, size, stack }, 3);
		return;
	}
	if (pp_unlikely(pp_session.multi)) {
		emit_room(thread, 3);
		thread->slot->busy = 1;
		__asm__ volatile("" ::: "memory");
		delta = emit_delta(thread, emit_stamp_now());
	}
	word = emit_room(thread, 2);
	word[0] = (uint64_t)PP_REC_ALLOC << 60 | address >> 4 << 16 | delta;
	word[1] = (uint64_t)stack << PP_REC_SIZE_BITS | size;
	emit_publish(thread, 2);
	if (pp_unlikely(pp_session.multi))
		__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
}

static inline __attribute__((always_inline)) void emit_free(struct pp_thread *thread, uint64_t address)
{
	uint64_t delta = 0;
	uint64_t *word;

	emit_clock(thread);
	if (pp_unlikely(address & 0xf || address >> 48)) {
		emit_extended(thread, PP_EXT_FREE_WIDE, 0, (uint64_t[]){ address }, 1); /* address stays in a register */
		return;
	}
	if (pp_unlikely(pp_session.multi)) {
		emit_room(thread, 2);
		thread->slot->busy = 1;
		__asm__ volatile("" ::: "memory");
		delta = emit_delta(thread, emit_stamp_now());
	}
	word = emit_room(thread, 1);
	word[0] = (uint64_t)PP_REC_FREE << 60 | address >> 4 << 16 | delta;
	emit_publish(thread, 1);
	if (pp_unlikely(pp_session.multi))
		__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
}

/* Before a real realloc: marks the thread busy and takes the free's stamp (0 while one thread exists). */
uint64_t emit_realloc_begin(struct pp_thread *thread);
/* After it: one record for both. */
void emit_realloc(struct pp_thread *thread, uint64_t began, uint64_t old, uint64_t address, uint64_t size,
		  uint32_t stack);
void emit_realloc_cancel(struct pp_thread *thread);

#endif
