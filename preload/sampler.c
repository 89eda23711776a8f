/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers and the tick. Each thread has a timer on its own CPU clock that signals that very thread; the kernel looks at
 * CPU clocks once per scheduler tick, so rates above CONFIG_HZ arrive as overruns, and the weight of a sample is
 * 1 + overruns. Where the kernel fires CPU timers on its way back to user code (x86 since 5.11), a tick cannot make a
 * blocking call fail with EINTR; SA_RESTART covers most calls elsewhere.
 *
 * The handler takes the stack by rules alone, writes to its own buffer of the slot, never to what hooks write to, and
 * so may come at any instruction, inside our own hooks too. timer_create is called directly: libc's allocates.
 */
#include "sampler.h"
#include "module_go.h"
#include "control.h"
#include "host.h"
#include "python.h"
#include "raw.h"
#include "signals.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define HANDLER_STACK_BYTES 12288 /* our handler's and the walk's own need, rounded up generously */
#define FLUSH_AFTER_NS	    UINT64_C(1000000000)
#define REFRESH_EVERY	    16 /* samples between two looks at the process clock and the thread's name */
#define RECORD_BYTES	    16
#define NEVER_PERIODS	    10 /* of CPU time without a sample: something keeps ticks from the thread */
#define WEIGHT_LIMIT	    ((UINT32_C(1) << 20) - 1)

/* The kernel's timer ids, plus 1; by slot, for the thread that moves them all to another signal. */
static int32_t timers[PP_WIRE_SLOT_COUNT];
static size_t stack_bytes;
static bool by_wall_clock; /* for tests: samples between any two instructions, at any rate */

/* --- the tick ----------------------------------------------------------------------------------------------------- */

static void slot_refresh(struct pp_wire_slot *slot)
{
	struct timespec now;
	char name[16] = "";

	if (RAW_CALL(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &now) == 0)
		pp_session.header->cpu_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (RAW_CALL(SYS_prctl, PR_GET_NAME, name, 0, 0, 0) == 0 && memcmp(name, slot->name, sizeof(name)) != 0)
		memcpy(slot->name, name, sizeof(name));
}

static void sample_record(struct pp_thread *thread, uint64_t now_ns, uint32_t weight, uint32_t flags, uint32_t stack)
{
	struct pp_wire_slot *slot = thread->slot;
	struct pp_wire_frame *frame = (struct pp_wire_frame *)slot->samples;
	uint32_t used = slot->samples_used;
	uint64_t *word;

	if (used > sizeof(*frame) &&
	    (used + RECORD_BYTES > PP_WIRE_SAMPLE_SPACE || now_ns - frame->time_ns > FLUSH_AFTER_NS)) {
		pipe_flush_samples(thread);
		used = slot->samples_used;
	}
	if (used == sizeof(*frame))
		frame->time_ns = now_ns;
	if (weight > WEIGHT_LIMIT)
		weight = WEIGHT_LIMIT;
	word = (uint64_t *)(slot->samples + used);
	word[0] = (uint64_t)PP_REC_SAMPLE << 60 | (uint64_t)flags << 52 | (uint64_t)weight << 32 | stack;
	word[1] = now_ns;
	__atomic_store_n(&slot->samples_used, used + RECORD_BYTES, __ATOMIC_RELEASE);
	slot->cpu_ns = clock_thread_cpu_ns();
	if (slot->sample_count++ % REFRESH_EVERY == 0)
		slot_refresh(slot);
}

/* A call that the thread was in was left by a jump if its frame is gone. */
static void wait_look(struct pp_thread *thread, const ucontext_t *context, uint32_t stack)
{
	struct pp_wire_slot *slot = thread->slot;

	if (!slot->wait_since)
		return;
	if ((uint32_t)slot->wait_call && stack && !stack_begins_with(stack, (uint32_t)slot->wait_call))
		slot->wait_since = 0;
#if defined(__x86_64__)
	if ((uint64_t)context->uc_mcontext.gregs[REG_RSP] >= thread->wait_sp)
		slot->wait_since = 0;
#else
	(void)context;
#endif
}

/* The program has begun to use alternate stacks: ours goes as the handler returns, so that the program's handlers
 * run where it expects them. */
static void stack_withdraw(const struct pp_thread *thread, ucontext_t *context)
{
	if (context->uc_stack.ss_sp == thread->handler_stack && pp_program_has_alternate_stack &&
	    !thread->stack_is_small) {
		context->uc_stack.ss_sp = NULL;
		context->uc_stack.ss_size = 0;
		context->uc_stack.ss_flags = SS_DISABLE;
	}
}

static void sampler_tick(int number, siginfo_t *info, void *context)
{
	struct pp_tls *tls = &pp_tls;
	struct pp_thread *thread = tls->thread;
	uint32_t flags = tls->guard ? PP_SAMPLE_IN_HOOK : 0;
	bool truncated = false;
	uint32_t stack;
	uint64_t now;

	if (!signals_is_tick(info)) {
		signals_foreign(number, info, context);
		return;
	}
	if (!thread || !thread->live || pp_session.state == PP_STATE_OFF)
		return;
	stack_withdraw(thread, context);
	now = clock_now_ns();
	control_check(now);
	if (pp_session.state != PP_STATE_ON)
		return;
	stack = stack_capture_in_handler(context, thread->scratch, &truncated);
	if (truncated)
		flags |= PP_SAMPLE_TRUNCATED;
	wait_look(thread, context, truncated ? 0 : stack);
	flags |= python_sample_flags(thread);
	sample_record(thread, now, 1 + (uint32_t)info->si_overrun, flags, stack);
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* The CPU clock of a thread of this process, as the kernel numbers them. */
static clockid_t thread_clock(int tid)
{
	return (clockid_t)((~(uint32_t)tid << 3) | 6);
}

/* Timer id plus 1; 0: the kernel refused. */
static int32_t timer_make(int tid, int number, uint64_t first_ns)
{
	uint64_t period = pp_session.header->sample_period_ns;
	struct itimerspec times = {
		.it_interval = {(time_t)(period / 1000000000), (long)(period % 1000000000)},
		.it_value = {(time_t)(first_ns / 1000000000), (long)(first_ns % 1000000000)},
	};
	struct sigevent event;
	int id = -1;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = number;
	event.sigev_value.sival_ptr = &pp_tick_mark;
	event._sigev_un._tid = tid;
	if (RAW_CALL(SYS_timer_create, by_wall_clock ? CLOCK_MONOTONIC : thread_clock(tid), &event, &id) < 0)
		return 0;
	if (RAW_CALL(SYS_timer_settime, id, 0, &times, 0) < 0) {
		RAW_CALL(SYS_timer_delete, id);
		return 0;
	}
	return id + 1;
}

static uint64_t random_next(struct pp_thread *thread)
{
	uint64_t seed = thread->random + UINT64_C(0x9e3779b97f4a7c15);

	thread->random = seed;
	seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
	return seed ^ seed >> 31;
}

/* The first expiry lies anywhere in the period, so that threads started together do not tick together. */
static void timer_arm(struct pp_thread *thread)
{
	uint64_t period = pp_session.header->sample_period_ns;
	int32_t made;

	if (signals_exhausted())
		return;
	made = timer_make(thread->tid, signals_active(), 1 + random_next(thread) % period);
	timers[thread->slot_index] = made;
	thread->timer = made - 1;
	thread->sampling = made != 0;
	if (!made) {
		pp_skip(PP_SKIP_TIMERS);
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_CPU_TIMERS, __ATOMIC_RELAXED);
	}
}

/* With the signals of the thread blocked. */
static void timer_remove(struct pp_thread *thread)
{
	int32_t made = __atomic_exchange_n(&timers[thread->slot_index], 0, __ATOMIC_SEQ_CST);

	if (made)
		RAW_CALL(SYS_timer_delete, made - 1);
	signals_drain(signals_active());
	thread->timer = -1;
	thread->sampling = 0;
}

void sampler_move(int from, int to)
{
	uint32_t count = pp_session.header ? pp_session.header->slot_count : 0;
	uint64_t period = pp_session.header ? pp_session.header->sample_period_ns : 0;

	(void)from;
	for (uint32_t i = 0; period && i < count && i < PP_WIRE_SLOT_COUNT; i++) {
		int32_t made = __atomic_exchange_n(&timers[i], 0, __ATOMIC_SEQ_CST);
		struct pp_wire_slot *slot;

		if (!made)
			continue;
		RAW_CALL(SYS_timer_delete, made - 1);
		slot = session_shared(PP_WIRE_SLOTS + (uint64_t)i * sizeof(*slot));
		if (slot)
			__atomic_store_n(&timers[i], timer_make((int)slot->tid, to, period), __ATOMIC_SEQ_CST);
	}
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

void sampler_open(void)
{
	uint64_t mask, kernel;

	signals_settle();
	raw_signal_mask(SIG_BLOCK, NULL, &mask);
	kernel = signals_mask_for_kernel(mask);
	if (kernel != mask)
		raw_signal_mask(SIG_SETMASK, &kernel, NULL);
}

static void masks_close(void)
{
	uint64_t mask, program;

	signals_settle();
	raw_signal_mask(SIG_BLOCK, NULL, &mask);
	program = signals_mask_for_program(mask);
	if (program != mask)
		raw_signal_mask(SIG_SETMASK, &program, NULL);
}

/* A thread without an alternate stack gets one of ours: a signal frame is larger than what small stacks have left. */
static void stack_lend(struct pp_thread *thread)
{
	stack_t stack = {.ss_sp = thread->handler_stack, .ss_size = stack_bytes}, current;

	if (!thread->handler_stack || (pp_program_has_alternate_stack && !thread->stack_is_small))
		return;
	if (RAW_CALL(SYS_sigaltstack, NULL, &current) == 0 && (current.ss_flags & SS_DISABLE))
		RAW_CALL(SYS_sigaltstack, &stack, NULL);
}

static void stack_take_back(const struct pp_thread *thread)
{
	stack_t none = {.ss_flags = SS_DISABLE}, current;

	if (thread->handler_stack && RAW_CALL(SYS_sigaltstack, NULL, &current) == 0 &&
	    current.ss_sp == thread->handler_stack)
		RAW_CALL(SYS_sigaltstack, &none, NULL);
}

/* Of a thread that is being born: the generation of the mask that it inherited, | KNOWN. */
#define KNOWN (UINT64_C(1) << 32)
static __thread uint64_t mask_seen __attribute__((tls_model("initial-exec")));

void sampler_thread_born(uint32_t signals_seen)
{
	mask_seen = signals_seen | KNOWN;
}

void sampler_thread_start(struct pp_thread *thread)
{
	if (!pp_session.settings.cpu)
		return;
	if (!signals_active() || !signals_are_ours()) {
		/* Someone took it by a raw system call. */
		if (!signals_choose()) {
			pp_skip(PP_SKIP_SIGNAL);
			__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_CPU_SIGNAL, __ATOMIC_RELAXED);
			return;
		}
	}
	stack_lend(thread);
	thread->signals_seen = (uint32_t)mask_seen; /* 0: its mask may be older than what was given up */
	mask_seen = 0;
	sampler_open();
	timer_arm(thread);
}

void sampler_stack_is_small(struct pp_thread *thread)
{
	thread->stack_is_small = 1;
	if (signals_active())
		stack_lend(thread);
}

void sampler_thread_finish(struct pp_thread *thread)
{
	uint64_t all = ~UINT64_C(0), mask;

	if (!signals_active())
		return;
	raw_signal_mask(SIG_BLOCK, &all, &mask);
	if (thread->sampling && !thread->slot->sample_count &&
	    clock_thread_cpu_ns() > NEVER_PERIODS * (uint64_t)pp_session.header->sample_period_ns)
		pp_skip(PP_SKIP_BLOCKED);
	timer_remove(thread);
	stack_take_back(thread);
	mask = signals_mask_for_program(mask);
	raw_signal_mask(SIG_SETMASK, &mask, NULL);
}

size_t sampler_stack_bytes(void)
{
	return pp_session.settings.cpu ? stack_bytes : 0;
}

void sampler_init(void)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ);
	const char *clock = environment_get("PREPROF_SAMPLE_CLOCK");

	memset(timers, 0, sizeof(timers));
	by_wall_clock = clock && strcmp(clock, "wall") == 0;
	stack_bytes = ((frame ? frame : 4096) + HANDLER_STACK_BYTES + 4095) & ~(size_t)4095;
	if (!pp_session.settings.cpu)
		return;
	signals_init(sampler_tick);
	if (executable_is_go())
		pp_program_has_alternate_stack = true;
	if (!signals_choose()) {
		pp_session.header->sample_period_ns = 0;
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_CPU_SIGNAL, __ATOMIC_RELAXED);
	}
}

/* The tick looks at the session's state itself. */
void sampler_pause(void)
{
}

void sampler_resume(void)
{
}

void sampler_stop(void)
{
	uint32_t count = pp_session.header ? pp_session.header->slot_count : 0;

	/* In the child of vfork they are its parent's. */
	if (!signals_active() || raw_getpid() != pp_session.pid)
		return;
	for (uint32_t i = 0; i < count && i < PP_WIRE_SLOT_COUNT; i++) {
		int32_t made = __atomic_exchange_n(&timers[i], 0, __ATOMIC_SEQ_CST);

		if (made)
			RAW_CALL(SYS_timer_delete, made - 1);
	}
}

void sampler_thread_seal(void)
{
	struct pp_thread *thread = thread_current();
	uint64_t all = ~UINT64_C(0), mask;

	if (!signals_active() || !thread)
		return;
	signals_settle();
	raw_signal_mask(SIG_BLOCK, &all, &mask);
	timer_remove(thread);
	pipe_flush_samples(thread);
	mask = signals_mask_for_program(mask);
	raw_signal_mask(SIG_SETMASK, &mask, NULL);
}

int sampler_signal(void)
{
	return signals_active();
}

/* --- exec and spawn ----------------------------------------------------------------------------------------------- */

void sampler_exec_begin(void)
{
	struct pp_thread *thread = thread_current();
	uint64_t all = ~UINT64_C(0), mask;

	if (!signals_active() || pp_session.sealed)
		return;
	signals_settle();
	raw_signal_mask(SIG_BLOCK, &all, &mask);
	/* Only this thread's pending signals reach the new image; the kernel itself deletes the timers of a process. */
	if (thread && raw_getpid() == pp_session.pid)
		timer_remove(thread);
	signals_show_actions(true);
	mask = signals_mask_for_program(mask);
	raw_signal_mask(SIG_SETMASK, &mask, NULL);
}

void sampler_exec_failed(void)
{
	struct pp_thread *thread = thread_current();

	if (!signals_active() || pp_session.sealed)
		return;
	signals_show_actions(false);
	sampler_open();
	if (thread && raw_getpid() == pp_session.pid)
		timer_arm(thread);
}

void sampler_spawn_begin(void)
{
	if (!signals_active() || pp_session.sealed)
		return;
	signals_show_actions(true);
	masks_close();
}

void sampler_spawn_end(void)
{
	if (!signals_active() || pp_session.sealed)
		return;
	signals_show_actions(false);
	sampler_open();
}
