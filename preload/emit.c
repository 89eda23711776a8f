/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder's rarer half; see emit.h. */
#include "emit.h"
#include "control.h"

/* While nobody keeps the coarse clock, how far the real one must have moved to be told again. */
#define OWN_CLOCK_STEP_NS 100000

void emit_time(struct pp_thread *thread, uint64_t now_ns)
{
	uint64_t *word;

	if (now_ns == 0) {
		now_ns = clock_now_ns();
		if (now_ns - thread->time_ns < OWN_CLOCK_STEP_NS)
			return;
	}
	if (now_ns < thread->time_ns)
		return;
	control_check(now_ns);
	word = emit_room(thread, 1);
	thread->time_ns = now_ns;
	word[0] = (uint64_t)PP_REC_TIME << 60 | (now_ns & (UINT64_MAX >> 4));
	emit_publish_notice(thread, 1);
}

void emit_stamp(struct pp_thread *thread, uint64_t stamp)
{
	uint64_t *word = emit_room(thread, 1);

	word[0] = (uint64_t)PP_REC_STAMP << 60 | (stamp & (UINT64_MAX >> 4));
	emit_publish_notice(thread, 1);
	thread->stamp = stamp;
}

void emit_notice(struct pp_thread *thread, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	uint64_t delta = 0;
	uint64_t *word;

	emit_room(thread, count + 2);
	if (pp_session.multi) {
		thread->slot->busy = 1;
		__asm__ volatile("" ::: "memory");
		delta = emit_delta(thread, emit_stamp_now());
	}
	word = emit_room(thread, count + 1);
	word[0] = (uint64_t)PP_REC_EXTENDED << 60 | (uint64_t)kind << 48 | (uint64_t)(count + 1) << 32 | delta << 16 |
		  (argument & 0xffff);
	for (uint32_t i = 0; i < count; i++)
		word[i + 1] = payload[i];
	emit_publish_notice(thread, count + 1);
	__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
}

void emit_extended(struct pp_thread *thread, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	emit_notice(thread, kind, argument, payload, count);
	emit_count(thread);
}

uint64_t emit_realloc_begin(struct pp_thread *thread)
{
	if (pp_likely(!pp_session.multi))
		return 0;
	thread->slot->busy = 1;
	__asm__ volatile("" ::: "memory");
	return emit_stamp_now();
}

void emit_realloc_cancel(struct pp_thread *thread)
{
	__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
}

void emit_realloc(struct pp_thread *thread, uint64_t began, uint64_t old, uint64_t address, uint64_t size,
		  uint32_t stack)
{
	uint64_t delta = 0, delta2 = 0;
	uint64_t *word;

	emit_clock(thread);
	emit_room(thread, 7);
	if (began) {
		uint64_t stamp;

		delta = emit_delta(thread, began);
		stamp = emit_stamp_now();
		delta2 = stamp - began;
		thread->stamp = stamp;
	}
	if (pp_likely(emit_fits(old | address, size, stack) && delta2 <= 0xffff)) {
		word = emit_room(thread, 3);
		word[0] = (uint64_t)PP_REC_REALLOC << 60 | old >> 4 << 16 | delta;
		word[1] = delta2 << 48 | address >> 4;
		word[2] = (uint64_t)stack << PP_REC_SIZE_BITS | size;
		emit_publish(thread, 3);
	} else {
		word = emit_room(thread, 6);
		word[0] = (uint64_t)PP_REC_EXTENDED << 60 | (uint64_t)PP_EXT_REALLOC_WIDE << 48 | UINT64_C(6) << 32 |
			  delta << 16;
		word[1] = old;
		word[2] = address;
		word[3] = size;
		word[4] = stack;
		word[5] = delta2;
		emit_publish(thread, 6);
	}
	__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
}
