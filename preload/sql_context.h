/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread is inside of. It may be in several calls of SQLite at once: a function that a statement calls runs SQL of
 * its own. Each call has a context, named by the frame of its hook, and I/O and waits go to the innermost. Contexts of
 * frames that were left by a jump or an exception are dropped when a call from further out is met.
 *
 * Context: the thread itself, not in a signal handler.
 */
#ifndef PREPROF_SQL_CONTEXT_H
#define PREPROF_SQL_CONTEXT_H

#include "host.h"

#include <string.h>

/* Drops what was left without a word: a frame further in than the one at hand, on a stack that grows downwards. */
static inline void contexts_trim(struct pp_thread *thread, uint64_t frame)
{
	while (thread->sql.depth && thread->sql.contexts[thread->sql.depth - 1].frame <= frame)
		thread->sql.depth--;
}

static inline bool context_is_script(const struct pp_thread *thread)
{
	return thread->sql.depth && thread->sql.contexts[thread->sql.depth - 1].kind == PP_SQL_IN_SCRIPT;
}

static inline bool context_in_step(const struct pp_thread *thread)
{
	for (uint32_t i = 0; i < thread->sql.depth; i++)
		if (thread->sql.contexts[i].kind == PP_SQL_IN_STEP)
			return true;
	return false;
}

static inline void context_push(struct pp_thread *thread, uint64_t frame, enum pp_sql_context_kind kind)
{
	struct pp_sql_context *context = &thread->sql.contexts[thread->sql.depth];

	if (pp_unlikely(thread->sql.depth == PP_SQL_DEPTH))
		return;
	context->frame = frame;
	context->kind = kind;
	context->touched = 0;
	thread->sql.depth++;
}

/* Before anything is added to it: few calls have anything. */
static inline void context_touch(struct pp_sql_context *context)
{
	if (context->touched)
		return;
	memset(&context->syncs, 0, sizeof(*context) - offsetof(struct pp_sql_context, syncs));
	context->touched = 1;
}

/* The context of the call that ends; it stays readable until the next push. NULL: nothing passed by inside it, it was too deep,
 * or dropped. */
static inline struct pp_sql_context *context_pop(struct pp_thread *thread, uint64_t frame, uint64_t ticks)
{
	struct pp_sql_context *context;

	while (thread->sql.depth && thread->sql.contexts[thread->sql.depth - 1].frame < frame)
		thread->sql.depth--;
	if (!thread->sql.depth || thread->sql.contexts[thread->sql.depth - 1].frame != frame)
		return NULL;
	context = &thread->sql.contexts[--thread->sql.depth];
	for (uint32_t i = thread->sql.depth; i-- > 0 && context->kind == PP_SQL_IN_STEP;) {
		if (thread->sql.contexts[i].kind != PP_SQL_IN_STEP)
			continue;
		context_touch(&thread->sql.contexts[i]);
		thread->sql.contexts[i].nested_ticks += ticks;
		break;
	}
	return context->touched ? context : NULL;
}

#endif
