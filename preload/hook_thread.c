/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads begin and end. A thread started by pthread_create or thrd_create gets its state before its own code runs, so
 * that it is sampled and named from the first moment on; one made by clone is found at its first hook. The end is the
 * last round of thread-specific destructors, after those of thread_local objects, so that what these free is recorded.
 *
 * What the start routine needs travels in a cell of a fixed pool: malloc here would be seen by the program's own
 * allocator, and recorded.
 */
#include "claim_map.h"
#include "hook_thread.h"
#include "emit.h"
#include "hook_seccomp.h"
#include "raw.h"
#include "resolve.h"
#include "sampler.h"
#include "signals.h"
#include "wait.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <threads.h>

#define CELL_COUNT  1024
#define CELLS_BYTES 4096 /* one page each when the pool is used up */
/* With less, the frame of a signal would be a large part of the stack. */
#define SMALL_STACK_BYTES 131072

struct start_cell {
	void *(*start)(void *);
	int (*start_c11)(void *);
	void *argument;
	uint64_t stack_bytes;
	uint32_t signals_seen; /* the generation of the mask that the thread inherits */
};

static struct start_cell cells[CELL_COUNT];
static uint64_t cells_taken[CELL_COUNT / 64];
static pthread_key_t end_key;
static uint32_t end_key_made;

static struct {
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*create_c11)(thrd_t *, thrd_start_t, void *);
	int (*join)(pthread_t, void **);
	int (*join_c11)(thrd_t, int *);
	__typeof__(pthread_timedjoin_np) *pthread_timedjoin_np;
	__typeof__(pthread_clockjoin_np) *pthread_clockjoin_np;
	int (*set_name)(pthread_t, const char *);
	int (*prctl)(int, ...);
} real;

static struct start_cell *cell_take(void)
{
	uint32_t index = claim_map_take(cells_taken, CELL_COUNT / 64);

	if (index != UINT32_MAX)
		return &cells[index];
	return raw_map(CELLS_BYTES);
}

static void cell_give(struct start_cell *cell)
{
	size_t index = (size_t)(cell - cells);

	if ((uintptr_t)cell - (uintptr_t)cells < sizeof(cells))
		claim_map_give(cells_taken, (uint32_t)index);
	else
		raw_unmap(cell, CELLS_BYTES);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

/* Called once a round; the value counts the rounds. The last one there is, is ours. */
static void thread_ends(void *round)
{
	uintptr_t count = (uintptr_t)round;

	if (count < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(end_key, (void *)(count + 1)) == 0)
		return;
	thread_finish();
}

/* A low key: those below 32 need no memory in any thread. */
__attribute__((constructor(103))) static void end_key_make(void)
{
	uint32_t state = 0;

	if (!__atomic_compare_exchange_n(&end_key_made, &state, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	if (pthread_key_create(&end_key, thread_ends) != 0)
		return;
	__atomic_store_n(&end_key_made, 2, __ATOMIC_RELEASE);
}

void hook_thread_adopt(void)
{
	uint32_t guard = pp_tls.guard;
	int error = errno;

	pp_tls.guard = guard + PP_GUARD_LIBRARY;
	end_key_make();
	if (__atomic_load_n(&end_key_made, __ATOMIC_ACQUIRE) == 2 && !pthread_getspecific(end_key))
		pthread_setspecific(end_key, (void *)1);
	pp_tls.guard = guard;
	errno = error;
}

/* --- the beginning ------------------------------------------------------------------------------------------------- */

static void thread_begins(const struct start_cell *cell)
{
	struct pp_thread *thread;

	/* What was given up since its mask was made is still open here, whatever the program thinks. */
	sampler_thread_born(cell->signals_seen);
	thread = hook_enter();
	if (thread)
		hook_leave(thread);
	thread = thread_current(); /* it is there while waiting, too */
	if (thread)
		thread->stack_bytes = cell->stack_bytes;
	if (thread && cell->stack_bytes && cell->stack_bytes < SMALL_STACK_BYTES)
		sampler_stack_is_small(thread);
}

/* Both end in a jump, so that no frame of ours lies below the program's on the new stack. */
static void *thread_main(void *argument)
{
	struct start_cell cell = *(struct start_cell *)argument;

	cell_give(argument);
	thread_begins(&cell);
	return cell.start(cell.argument);
}

static int thread_main_c11(void *argument)
{
	struct start_cell cell = *(struct start_cell *)argument;

	cell_give(argument);
	thread_begins(&cell);
	return cell.start_c11(cell.argument);
}

/* 0: not known. */
static uint64_t stack_size(const pthread_attr_t *attributes)
{
	pthread_attr_t usual;
	size_t size = 0;

	if (!attributes && pthread_attr_init(&usual) == 0) {
		if (pthread_attr_getstacksize(&usual, &size) != 0)
			size = 0;
		pthread_attr_destroy(&usual);
	} else if (!attributes || pthread_attr_getstacksize(attributes, &size) != 0) {
		size = 0;
	}
	return size;
}

/* A cell for a thread that is about to exist; NULL: it goes without, and is found at its first hook. */
static struct start_cell *start_prepare(const pthread_attr_t *attributes, void *argument)
{
	struct pp_thread *thread = hook_enter();
	struct start_cell *cell = NULL;
	uint32_t seen = signals_generation();

	if (thread)
		hook_leave(thread);
	if (pp_session.state != PP_STATE_OFF) {
		thread_mark_multi();
		signals_settle(); /* the new thread inherits the mask */
		cell = cell_take();
	}
	if (cell) {
		cell->argument = argument;
		cell->signals_seen = seen;
		cell->stack_bytes = stack_size(attributes);
	}
	return cell;
}

PP_HOOK int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	struct start_cell *cell = start_prepare(attributes, argument);
	int result;

	if (!real.create)
		real.create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))resolve_next(
			"pthread_create");
	if (!cell)
		return real.create(id, attributes, start, argument);
	cell->start = start;
	result = real.create(id, attributes, thread_main, cell);
	if (result != 0)
		cell_give(cell);
	return result;
}

PP_HOOK int thrd_create(thrd_t *id, thrd_start_t start, void *argument)
{
	struct start_cell *cell = start_prepare(NULL, argument);
	int result;

	if (!real.create_c11)
		real.create_c11 = (int (*)(thrd_t *, thrd_start_t, void *))resolve_next("thrd_create");
	if (!cell)
		return real.create_c11(id, start, argument);
	cell->start_c11 = start;
	result = real.create_c11(id, thread_main_c11, cell);
	if (result != thrd_success)
		cell_give(cell);
	return result;
}

/* What the joined thread held can be given back now. */
PP_HOOK int pthread_join(pthread_t id, void **value)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait;
	int result;

	if (!real.join)
		real.join = (int (*)(pthread_t, void **))resolve_next("pthread_join");
	wait = wait_begin(PP_IO_JOIN, &registers);
	result = real.join(id, value);
	wait_tell(&wait, PP_IO_JOIN, result);
	thread_reap();
	return result;
}

PP_HOOK int thrd_join(thrd_t id, int *value)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait;
	int result;

	if (!real.join_c11)
		real.join_c11 = (int (*)(thrd_t, int *))resolve_next("thrd_join");
	wait = wait_begin(PP_IO_JOIN, &registers);
	result = real.join_c11(id, value);
	wait_tell(&wait, PP_IO_JOIN, result == thrd_success ? 0 : EINVAL);
	thread_reap();
	return result;
}

/* These wait as long as they are told to. */
#define TIMED_JOIN(name, parameters, arguments)                                                                        \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct pp_wait wait = wait_begin(PP_IO_JOIN, &registers);                                              \
		int result;                                                                                            \
                                                                                                                       \
		if (!real.name)                                                                                        \
			real.name = (__typeof__(name) *)resolve_next(#name);                                           \
		result = real.name arguments;                                                                          \
		wait_tell(&wait, PP_IO_JOIN, result);                                                                  \
		thread_reap();                                                                                         \
		return result;                                                                                         \
	}

TIMED_JOIN(pthread_timedjoin_np, (pthread_t id, void **value, const struct timespec *until), (id, value, until))
TIMED_JOIN(pthread_clockjoin_np, (pthread_t id, void **value, clockid_t clock, const struct timespec *until),
	   (id, value, clock, until))

/* --- names --------------------------------------------------------------------------------------------------------- */

static void name_refresh(void)
{
	struct pp_thread *thread = thread_current();
	char name[16] = "";

	if (thread && !pp_session.sealed && RAW_CALL(SYS_prctl, PR_GET_NAME, name, 0, 0, 0) == 0)
		memcpy(thread->slot->name, name, sizeof(name));
}

PP_HOOK int pthread_setname_np(pthread_t id, const char *name)
{
	int result;

	if (!real.set_name)
		real.set_name = (int (*)(pthread_t, const char *))resolve_next("pthread_setname_np");
	result = real.set_name(id, name);
	if (result == 0 && pthread_equal(id, pthread_self()))
		name_refresh();
	return result;
}

PP_HOOK int prctl(int option, ...)
{
	unsigned long values[4];
	va_list list;
	int result;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(list, unsigned long);
	va_end(list);
	seccomp_prctl(option, values[0], values[1]);
	if (!real.prctl)
		real.prctl = (int (*)(int, ...))resolve_next("prctl");
	result = real.prctl(option, values[0], values[1], values[2], values[3]);
	if (result == 0 && option == PR_SET_NAME)
		name_refresh();
	return result;
}
