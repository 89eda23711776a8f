/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for the Python interpreter's lock. The interpreter waits for it, and for nothing else, by pthread_cond_timedwait: a
 * call of that from the interpreter's own object is timed, any other goes by. Where the interpreter was linked into
 * another program nobody can tell whose call it is, and none is timed.
 *
 * The real function is a cancellation point: nothing is held while it runs.
 */
#include "emit.h"
#include "life.h"
#include "python.h"
#include "resolve.h"

#include <pthread.h>

static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

void hook_gil_init(void)
{
	real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))resolve_next(
		"pthread_cond_timedwait");
}

PP_HOOK int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
	const void *caller = __builtin_return_address(0);
	struct pp_thread *thread;
	uint64_t began, waited;
	int result;

	if (pp_unlikely(!real)) /* in a constructor that comes before ours, or in the middle of life_init */
		hook_gil_init();
	if (pp_likely(!python_waits_for_lock(caller)))
		return real(condition, mutex, until);
	began = clock_now_ns();
	result = real(condition, mutex, until);
	waited = clock_now_ns() - began;
	thread = hook_enter();
	if (thread) {
		emit_clock(thread);
		emit_extended(thread, PP_EXT_GIL_WAIT, 0, &waited, 1);
		thread->slot->event_count--; /* not an event of the program's */
		hook_leave(thread);
	}
	return result;
}
