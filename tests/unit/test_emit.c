/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder, one instruction at a time: a thread may be killed between any two, and what its slot says then must fit. It
 * says how many events there were: never more than can be read in its buffer, or one that has been read would be missing.
 */
#include "test.h"

#include "control.h"
#include "emit.h"

#include <signal.h>
#include <stdlib.h>

struct pp_session pp_session;
__thread struct pp_tls pp_tls;

static struct pp_thread thread;
static struct pp_wire_slot slot;
static struct pp_wire_header header;
static uint64_t now_ns = 1000;
static volatile uint64_t steps, counted_before_published;
static uint64_t before_used, before_count, events; /* when a record is begun; events: it is one, or 0 */

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void control_check(uint64_t time_ns)
{
	(void)time_ns;
}

void pipe_flush_events(struct pp_thread *at)
{
	(void)at;
	abort();
}

#if defined(__x86_64__)
static void step(int signal_number)
{
	(void)signal_number;
	steps++;
	if (slot.event_count > before_count + (slot.events_used > before_used ? events : 0))
		counted_before_published++;
}

static inline void stepping(bool on)
{
	if (on)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	else
		__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void notice(void)
{
	emit_notice(&thread, PP_EXT_FORK, 0, (uint64_t[]){1}, 1);
}

static void extended(void)
{
	emit_extended(&thread, PP_EXT_ALLOC_FAILED, 0, (uint64_t[]){1, 2}, 2);
}

static void moved_time(void)
{
	emit_time(&thread, ++now_ns);
}

static void stamped(void)
{
	emit_stamp(&thread, 5);
}

static void allocated(void)
{
	emit_alloc(&thread, 0x1000, 16, 3);
}

static void freed(void)
{
	emit_free(&thread, 0x1000);
}

static void reallocated(void)
{
	emit_realloc(&thread, emit_realloc_begin(&thread), 0x1000, 0x2000, 32, 3);
}

static void killed_anywhere(void (*record)(void), uint64_t is_event)
{
	before_used = slot.events_used;
	before_count = slot.event_count;
	events = is_event;
	stepping(true);
	record();
	stepping(false);
	PP_CHECK(slot.events_used > before_used);
	PP_CHECK_EQ(slot.event_count, before_count + is_event);
	PP_CHECK_EQ(counted_before_published, 0);
}

PP_TEST(killed_at_any_instruction)
{
	struct sigaction action = {.sa_handler = step};

	sigaction(SIGTRAP, &action, NULL);
	thread.slot = &slot;
	thread.cursor = (uint64_t *)(slot.events + sizeof(struct pp_wire_frame));
	thread.limit = (uint64_t *)(slot.events + PP_WIRE_FRAME_SPACE);
	slot.events_used = sizeof(struct pp_wire_frame);
	pp_session.header = &header;
	header.clock_ns = thread.time_ns = now_ns;
	for (uint32_t multi = 0; multi < 2; multi++) {
		pp_session.multi = multi;
		killed_anywhere(notice, 0);
		killed_anywhere(extended, 1);
		killed_anywhere(stamped, 0);
		killed_anywhere(allocated, 1);
		killed_anywhere(freed, 1);
		killed_anywhere(reallocated, 1);
	}
	killed_anywhere(moved_time, 0);
	PP_CHECK(steps > 300);
}
#endif
