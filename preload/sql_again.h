/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further step of an execution that goes on: a row more, of which SQLite makes millions a second. It is recognized by the
 * statement that the thread stepped last, and adds to nothing but that statement's own sums, so that it is done without
 * the guard: a signal handler in between finds the thread inside a step or not, and either is right. Whatever else is
 * about it (another statement inside, I/O, a wait, an end) leaves it to sql_step.c.
 *
 * Context: the thread itself, not in a signal handler.
 */
#ifndef PREPROF_SQL_AGAIN_H
#define PREPROF_SQL_AGAIN_H

#include "sql.h"

/* The statement that this thread stepped last, if it is this one. A key that was taken out is 0, as no handle is. */
static inline __attribute__((always_inline)) struct sql_statement *sql_recent(const sqlite3_stmt *handle)
{
	struct pp_thread *thread = pp_tls.thread;
	const uintptr_t *key = thread ? thread->sql.recent_key : NULL; /* NULL in a forked child, too */

	if (pp_likely(key && handle && __atomic_load_n(key, __ATOMIC_RELAXED) == (uintptr_t)handle))
		return thread->sql.recent;
	return NULL;
}

/* NULL: it is not one, and nothing has been done. */
static inline __attribute__((always_inline)) struct sql_statement *sql_again_begin(const sqlite3_stmt *handle,
										   uint64_t frame)
{
	struct sql_statement *statement = sql_recent(handle);
	struct pp_thread *thread = pp_tls.thread;

	if (pp_unlikely(!statement || !statement->running || statement->owner || thread->sql.depth || pp_tls.guard ||
			pp_session.state != PP_STATE_ON))
		return NULL;
	statement->owner = thread->serial;
	thread->sql.contexts[0].frame = frame;
	thread->sql.contexts[0].kind = PP_SQL_IN_STEP;
	thread->sql.contexts[0].touched = 0;
	__asm__ volatile("" ::: "memory");
	thread->sql.depth = 1;
	return statement;
}

/* false: there is more to be said of it, by sql_step_end. */
static inline __attribute__((always_inline)) bool sql_again_end(struct sql_statement *statement, uint64_t frame,
								uint64_t ticks, int result)
{
	struct pp_thread *thread = pp_tls.thread;

	if (pp_unlikely(result != SQL_ROW || !thread || thread->sql.depth != 1 || pp_tls.guard ||
			thread->sql.contexts[0].frame != frame || thread->sql.contexts[0].touched))
		return false;
	thread->sql.depth = 0;
	__asm__ volatile("" ::: "memory");
	statement->ticks += ticks;
	statement->rows++;
	statement->steps++;
	statement->owner = 0;
	return true;
}

#endif
