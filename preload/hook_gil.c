/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for conditions with a time limit, and among them those for the Python interpreter's lock. The interpreter waits for
 * it, and for nothing else, by pthread_cond_timedwait from the interpreter's own object. Where the interpreter was linked into
 * another program, that is a call with a condition that lies in the interpreter's own memory; the locks of
 * sub-interpreters that have one each (3.12) do not, and are not timed there.
 *
 * The stack is taken before the wait. After it a daemon's thread may have nothing left of its frames: the main thread
 * ends the interpreter while others wait, and they are told when they wake.
 *
 * The real function is a cancellation point: nothing is held while it runs.
 */
#include "emit.h"
#include "life.h"
#include "python.h"
#include "resolve.h"
#include "wait.h"

#include <pthread.h>

static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

void hook_gil_init(void)
{
	real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))resolve_next(
		"pthread_cond_timedwait");
}

/* 0: not in this thread, or not now. */
static uint32_t stack_of_waiter(const struct pp_registers *registers)
{
	struct pp_thread *thread = hook_enter();
	uint32_t stack;

	if (!thread)
		return 0;
	thread->python_careful = 1;
	stack = stack_capture(thread->memo, registers);
	thread->python_careful = 0;
	hook_leave(thread);
	return stack;
}

static void gil_wait_tell(uint64_t waited_ns, uint32_t stack)
{
	uint64_t told[2] = {waited_ns, stack};
	struct pp_thread *thread = hook_enter();

	if (thread) {
		emit_clock(thread);
		emit_notice(thread, PP_EXT_GIL_WAIT, 0, told, 2);
		hook_leave(thread);
	}
}

static int wait_for_lock(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until,
			 const struct pp_registers *registers)
{
	uint32_t stack = stack_of_waiter(registers);
	struct pp_wait wait = wait_begin_at(PP_IO_INTERPRETER_LOCK, stack, registers);
	uint64_t began = clock_now_ns();
	int result = real(condition, mutex, until);

	gil_wait_tell(clock_now_ns() - began, stack);
	wait_tell(&wait, PP_IO_INTERPRETER_LOCK, result);
	return result;
}

PP_HOOK int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
	const struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait;
	int result;

	if (pp_unlikely(!real)) /* in a constructor that comes before ours, or in the middle of life_init */
		hook_gil_init();
	if (pp_unlikely(python_waits_for_lock((const void *)registers.pc, condition)))
		return wait_for_lock(condition, mutex, until, &registers);
	wait = wait_begin(PP_IO_CONDITION, &registers);
	result = real(condition, mutex, until);
	wait_tell(&wait, PP_IO_CONDITION, result);
	return result;
}
