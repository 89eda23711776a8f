/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's state: made at its first hook (or by the start routine that hook_thread.c wraps), handed back at its end.
 * A slot in the shared memory is claimed by one bit of a map, lock-free. The private part is one mapping with
 * MADV_WIPEONFORK: a forked child finds `live` 0 there, whichever way it was forked.
 */
#include "claim_map.h"
#include "control.h"
#include "hook_thread.h"
#include "io.h"
#include "life.h"
#include "pipe.h"
#include "python.h"
#include "raw.h"
#include "sampler.h"
#include "signals.h"
#include "sql.h"
#include "thread_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

__thread struct pp_tls pp_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

#define REAP_LIMIT 16 /* threads looked at in one go */
#define SCRATCH_BYTES (PP_DEPTH_LIMIT * sizeof(uint64_t))

static uint64_t slot_map[PP_WIRE_SLOT_COUNT / 64];
static uint32_t thread_serial;
static struct pp_thread *ended; /* finished, but perhaps not dead yet: a list that anyone may take as a whole */

void thread_reset_all(void)
{
	ended = NULL;
	memset(slot_map, 0, sizeof(slot_map));
	thread_serial = 0;
}

static void slot_count_raise(uint32_t count)
{
	uint32_t *seen_at = &pp_session.header->slot_count;
	uint32_t seen = __atomic_load_n(seen_at, __ATOMIC_RELAXED);

	while (seen < count &&
	       !__atomic_compare_exchange_n(seen_at, &seen, count, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void ended_push(struct pp_thread *thread)
{
	thread->next_ended = __atomic_load_n(&ended, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&ended, &thread->next_ended, thread, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

/* Of the first thread's stack; the kernel keeps other mappings at least 128 MiB away from its top. */
#define FIRST_STACK_BYTES (UINT64_C(64) << 20)
/* What lies between a thread's own data and the end of its stack's mapping, and where a hook can do without us. */
#define STACK_MARGIN 8192

/* Above all frames. */
static uint64_t first_stack_end(void)
{
	static uint64_t end;

	if (!end)
		end = getauxval(AT_RANDOM);
	return end;
}

uint64_t thread_stack_end(const struct pp_thread *thread, uint64_t sp)
{
	bool first = thread->tid == pp_session.pid;
	uint64_t end = first ? first_stack_end() : (uint64_t)__builtin_thread_pointer();
	uint64_t bytes = first ? FIRST_STACK_BYTES : thread->stack_bytes;

	return bytes > STACK_MARGIN && sp < end && end - sp < bytes - STACK_MARGIN ? end : 0;
}

uint64_t pp_stack_end(uint64_t sp)
{
	return pp_tls.thread ? thread_stack_end(pp_tls.thread, sp) : 0;
}

static void thread_release(struct pp_thread *thread)
{
	pipe_flush_events(thread);
	__atomic_store_n(&thread->slot->state, PP_SLOT_ENDED, __ATOMIC_RELEASE);
	claim_map_give(slot_map, thread->slot_index);
	python_area_release(thread);
	raw_unmap(thread, thread->mapped_bytes);
}

/* Gives back what threads held that do not exist any more. */
static void ended_reap(void)
{
	struct pp_thread *thread = __atomic_exchange_n(&ended, NULL, __ATOMIC_ACQ_REL), *next;

	for (int looked = 0; thread; thread = next, looked++) {
		next = thread->next_ended;
		if (looked < REAP_LIMIT && RAW_CALL(SYS_tgkill, pp_session.pid, thread->tid, 0) == -ESRCH)
			thread_release(thread);
		else
			ended_push(thread);
	}
}

/* What lies behind a thread's state: calls that repeat, its memo, scratch memory. From the beginning of all. */
static size_t memo_at(void)
{
	return PP_IO_AGAIN_AT + io_again_size();
}

static size_t scratch_at(void)
{
	return memo_at() + ((stack_memo_size() + 63) & ~(size_t)63);
}

static struct pp_thread *thread_map(void)
{
	size_t size = ((scratch_at() + SCRATCH_BYTES + 4095) & ~(size_t)4095) + sampler_stack_bytes();
	struct pp_thread *thread = raw_map(size);

	if (!thread)
		return NULL;
	RAW_CALL(SYS_madvise, thread, size, MADV_WIPEONFORK);
	thread->mapped_bytes = size;
	return thread;
}

static void thread_name(struct pp_wire_slot *slot)
{
	memset(slot->name, 0, sizeof(slot->name));
	RAW_CALL(SYS_prctl, PR_GET_NAME, slot->name, 0, 0, 0);
}

/* The name as it is now, read from another thread's or this one's slot; cheap enough for each flush of samples. */
static void thread_announce(struct pp_thread *thread)
{
	uint64_t payload[3] = { thread->slot->start_ns };

	memcpy(&payload[1], thread->slot->name, 16);
	emit_notice(thread, PP_EXT_THREAD_START, 0, payload, 3);
}

void thread_reap(void)
{
	struct pp_thread *thread = ended ? hook_enter() : NULL;

	if (!thread)
		return;
	ended_reap();
	hook_leave(thread);
}

/* Makes the calling thread's state; guard is held by the caller. */
static struct pp_thread *thread_make(struct pp_thread *thread)
{
	struct pp_wire_slot *slot;
	uint32_t index;

	ended_reap();
	index = claim_map_take(slot_map, PP_WIRE_SLOT_COUNT / 64);

	slot = index == UINT32_MAX ? NULL : session_shared(PP_WIRE_SLOTS + (uint64_t)index * sizeof(*slot));
	if (!slot || (!thread && !(thread = thread_map()))) {
		if (index != UINT32_MAX)
			claim_map_give(slot_map, index);
		pp_skip(PP_SKIP_THREADS);
		return NULL;
	}
	thread->memo = (struct pp_memo *)((uint8_t *)thread + memo_at());
	thread->scratch = (uint64_t *)((uint8_t *)thread + scratch_at());
	thread->handler_stack = sampler_stack_bytes() ? (uint8_t *)thread + thread->mapped_bytes - sampler_stack_bytes()
						      : NULL;
	thread->slot = slot;
	thread->slot_index = index;
	thread->serial = __atomic_add_fetch(&thread_serial, 1, __ATOMIC_RELAXED);
	thread->tid = raw_gettid();
	thread->timer = -1;
	thread->time_ns = clock_now_ns();
	thread->random = thread->time_ns ^ (uint64_t)thread->tid << 32;
	thread->stamp = 0;
	thread->limit = (uint64_t *)(slot->events + PP_WIRE_FRAME_SPACE);
	slot->tid = (uint32_t)thread->tid;
	slot->thread = thread->serial;
	slot->busy = 0;
	slot->event_count = slot->sample_count = slot->cpu_ns = slot->end_ns = 0;
	slot->start_ns = thread->time_ns;
	slot->io_page = slot->sql_page = 0;
	slot->wait_since = slot->run_delay_ns = 0;
	thread_name(slot);
	if (thread->serial > 1)
		thread_mark_multi();
	if (pp_session.multi)
		thread->stamp = emit_stamp_now();
	pipe_begin_events(thread, slot->events_sequence + 1);
	pipe_begin_samples(thread, slot->samples_sequence + 1);
	__atomic_store_n(&slot->state, PP_SLOT_LIVE, __ATOMIC_RELEASE);
	slot_count_raise(index + 1);
	thread->live = 1;
	pp_tls.thread = thread;
	thread_announce(thread);
	hook_thread_adopt();
	return thread;
}

/* Makes the calling thread's state with all signals blocked: a handler of the program's never finds a half made thread,
 * in which what it allocates would be neither recorded nor counted. The sampler starts under the mask that the program
 * has, which it looks at. NULL: there is no room for it, or the thread has ended. */
static struct pp_thread *thread_begin(void)
{
	struct pp_tls *tls = &pp_tls;
	struct pp_thread *thread, *made = NULL;
	uint64_t all = ~UINT64_C(0), mask;

	raw_signal_mask(SIG_BLOCK, &all, &mask);
	tls->guard = PP_GUARD_LIBRARY;
	thread = tls->thread; /* that of a handler that came before */
	if (!(thread && thread->live) && !tls->ended)
		thread = made = thread_make(thread);
	tls->guard = 0;
	raw_signal_mask(SIG_SETMASK, &mask, NULL);
	if (made)
		sampler_thread_start(made);
	return thread && thread->live ? thread : NULL;
}

/* The guard is down where a handler's own events can be recorded. */
struct pp_thread *thread_enter_slow(void)
{
	struct pp_tls *tls = &pp_tls;
	struct pp_thread *thread = tls->thread;
	int error = errno;

	if (pp_session.state == PP_STATE_OFF || pp_session.state == PP_STATE_STARTING)
		return NULL;
	if (pp_session.state == PP_STATE_NEW && !environ)
		return NULL; /* before libc itself is ready (a sanitizer's start): there are no settings to be read yet */
	if (pp_session.state == PP_STATE_NEW) {
		tls->guard = PP_GUARD_LIBRARY;
		session_start();
		tls->guard = 0;
	} else if (!(thread && thread->live) && !life_own()) { /* a vfork child makes nothing on its parent's behalf */
		goto nothing;
	}
	if (pp_session.state == PP_STATE_WAITING) {
		tls->guard = PP_GUARD_LIBRARY;
		control_check(clock_now_ns());
		tls->guard = 0;
	}
	/* While waiting a thread has its timer already: the tick sees that the time has come where no hook would. */
	if (pp_session.state == PP_STATE_ON || pp_session.state == PP_STATE_WAITING) {
		thread = tls->thread;
		if (!thread || !thread->live)
			thread = thread_begin();
		if (!thread && pp_session.state == PP_STATE_ON)
			pp_skip(PP_SKIP_THREADS);
	}
	if (pp_session.state != PP_STATE_ON || !thread)
		goto nothing;
	tls->guard = PP_GUARD_HOOK;
	errno = error;
	return thread;
nothing:
	errno = error;
	return NULL;
}

/* The hook had come anywhere; each part knows how to go on from there, as it would be read of a thread that was killed. Of the
 * call itself nothing, or a part, may have been counted. */
void thread_jumped(struct pp_thread *thread)
{
	pipe_jumped(thread);
	if (pp_session.multi)
		emit_stamp(thread, emit_stamp_now()); /* that of a record that was not made may be missing */
	thread->time_ns = 0;
	__atomic_store_n(&thread->slot->busy, 0, __ATOMIC_RELEASE);
	memset(thread->memo, 0, stack_memo_size());
	io_jumped(thread);
	sql_jumped(thread);
	if (thread->unwinding)
		life_unwinding_jumped();
}

struct pp_thread *thread_current(void)
{
	struct pp_thread *thread = pp_tls.thread;

	return thread && thread->live ? thread : NULL;
}

void thread_mark_multi(void)
{
	if (pp_session.multi)
		return;
	__atomic_store_n(&pp_session.multi, 1, __ATOMIC_SEQ_CST);
	if (pp_session.header)
		__atomic_store_n(&pp_session.header->multi, 1, __ATOMIC_SEQ_CST);
}

/* libc frees some more after the last destructor that a program can have (the thread's table of keys, the text of
 * strerror). So the state stays, and is given back when another thread finds that this one is dead. */
void thread_finish(void)
{
	struct pp_thread *thread = thread_current();
	struct pp_tls *tls = &pp_tls;
	struct pp_wire_slot *slot;
	uint64_t payload[5];

	tls->ended = 1;
	if (!thread || pp_session.sealed)
		return;
	tls->guard_sp = UINT64_MAX;
	tls->guard = PP_GUARD_HOOK; /* what a handler does meanwhile is counted */
	sampler_thread_finish(thread);
	slot = thread->slot;
	io_thread_finish(thread);
	sql_thread_finish(thread);
	io_account_schedule(slot);
	thread_name(slot);
	slot->end_ns = payload[0] = clock_now_ns();
	slot->cpu_ns = payload[1] = clock_thread_cpu_ns();
	memcpy(&payload[2], slot->name, 16);
	payload[4] = slot->run_delay_ns;
	emit_notice(thread, PP_EXT_THREAD_END, 0, payload, 5);
	pipe_flush_samples(thread);
	pipe_flush_events(thread);
	io_account_thread_end();
	ended_reap();
	ended_push(thread);
	tls->guard = 0;
}
