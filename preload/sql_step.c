/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an execution is. It begins with the first sqlite3_step of a statement, where its stack is taken, and ends with
 * the step that returns anything but a row, or with the reset or finalize that comes before; its time is that inside its
 * steps, and of a statement that writes also inside that reset, which is where its work is committed. SQLite's own counters are read without being reset and counted by difference.
 *
 * Reading the clock is the dearest part of a step that does little: it is read once before and once after the real call,
 * and everything that follows goes by the second reading.
 */
#include "sql.h"
#include "sql_context.h"

#include <errno.h>
#include <string.h>

static const uint8_t counters[SQL_COUNTERS] = {1, 2, 3, 4, 5}; /* SQLITE_STMTSTATUS_* */
enum { FULLSCAN, SORTS, AUTOINDEX, VM, REPREPARES };

/* --- executions ------------------------------------------------------------------------------------------------------- */

static int counter_of(const struct sql_library *library, sqlite3_stmt *statement, uint32_t which)
{
	return SQL_REAL(library, stmt_status, int, sqlite3_stmt *, int, int)(statement, counters[which], 0);
}

static void execution_begin(struct pp_thread *thread, struct sql_statement *statement,
			    const struct pp_registers *registers)
{
	statement->running = true;
	statement->ticks = statement->rows = statement->steps = 0;
	statement->flags =
		(uint16_t)((statement->writes ? PP_SQL_WRITES : 0) | (context_in_step(thread) ? PP_SQL_NESTED : 0) |
			   (statement->by_exec ? PP_SQL_BY_EXEC : 0));
	statement->stack = stack_capture(thread->memo, registers);
}

/* What few executions have. */
static __attribute__((noinline)) void execution_sum_rest(const struct sql_statement *statement,
							 struct pp_wire_sql_entry *call)
{
	call->prepares = statement->prepares;
	call->nested_ns = sql_ns(statement->nested_ticks);
	call->prepare_ns = sql_ns(statement->prepare_ticks);
	call->read_bytes = statement->read_bytes;
	call->written_bytes = statement->written_bytes;
	call->busy_ns = sql_ns(statement->busy_ticks);
	call->sync_ns = statement->sync_ticks;
	call->busy_count = (uint32_t)statement->busy_count;
	call->busy_waits = (uint32_t)statement->busy_waits;
	call->syncs = (uint32_t)statement->syncs;
}

/* It is summed up and told: the next execution begins anew. */
static void execution_reset(struct sql_statement *statement)
{
	statement->prepares = 0;
	statement->prepare_ticks = 0;
	statement->nested_ticks = statement->read_bytes = statement->written_bytes = statement->busy_ticks = 0;
	statement->sync_ticks = statement->busy_count = statement->busy_waits = statement->syncs = 0;
	statement->busy_until = 0;
	statement->plain = true;
}

/* What is to be told of an execution, which is over. counted: SQLite may be asked about it. result: as wide as it will be
 * read. Of a plain one the rest of *call is not written. */
static inline void execution_sum(struct pp_thread *thread, const void *handle, struct sql_statement *statement,
				 uint64_t result, uint32_t flags, bool counted, uint64_t now,
				 struct pp_wire_sql_entry *call)
{
	struct sql_connection *connection = statement->connection;
	uint32_t since[SQL_COUNTERS] = {0};

	for (uint32_t i = 0; counted && i < SQL_COUNTERS; i++) {
		uint32_t counter = (uint32_t)counter_of(statement->library, (sqlite3_stmt *)(uintptr_t)handle, i);

		since[i] = counter - statement->last[i];
		statement->last[i] = counter;
	}
	if (counted)
		flags |= sql_transaction_count(thread, statement, (uint32_t)result, now);
	sql_call_name(call, statement->text, connection ? connection->database : 0, statement->stack, PP_SQL_EXECUTE,
		      result, statement->flags | flags);
	call->count = 1;
	call->rows = statement->rows;
	call->steps = statement->steps;
	call->ns = sql_ns(statement->ticks);
	call->fullscan_steps = since[FULLSCAN];
	call->sorts = since[SORTS];
	call->autoindex_rows = since[AUTOINDEX];
	call->vm_steps = since[VM];
	call->reprepares = since[REPREPARES];
	if (pp_unlikely(!statement->plain))
		execution_sum_rest(statement, call);
	statement->running = false;
	if (pp_unlikely(statement->attaches) && connection && counted) {
		connection->generation = 0; /* of its numbers: they change with what is attached */
		sql_connection_meet(thread, statement->library, statement->db);
	}
	if (connection && counted && now - connection->cache_ticks > thread->sql.old_ticks) {
		connection->cache_ticks = now;
		sql_cache_tell(thread, connection, statement->db);
	}
}

static void execution_end(struct pp_thread *thread, const void *handle, struct sql_statement *statement,
			  uint64_t result, uint32_t flags, bool counted, uint64_t now)
{
	struct pp_wire_sql_entry call;

	execution_sum(thread, handle, statement, result, flags, counted, now, &call);
	if (pp_likely(statement->plain)) {
		sql_tell_plain(thread, &call, now);
		return;
	}
	if (statement->busy_count | statement->busy_waits)
		sql_wait_tell(thread, &call, statement->connection, statement->busy_ticks, statement->busy_until, now);
	sql_tell(thread, &call, now);
	execution_reset(statement);
}

/* A statement that was prepared and never executed. */
static void unused_tell(struct pp_thread *thread, const struct sql_statement *statement)
{
	struct pp_wire_sql_entry call = {.statement = statement->text,
					 .database = statement->connection ? statement->connection->database : 0,
					 .stack = statement->prepare_stack,
					 .operation = PP_SQL_PREPARE,
					 .flags = (uint16_t)((statement->writes ? PP_SQL_WRITES : 0) |
							     (statement->by_exec ? PP_SQL_BY_EXEC : 0)),
					 .prepares = statement->prepares,
					 .ns = sql_ns(statement->prepare_ticks),
					 .busy_waits = (uint32_t)statement->busy_waits,
					 .busy_ns = sql_ns(statement->busy_ticks)};

	if (call.busy_waits)
		sql_wait_tell(thread, &call, statement->connection, statement->busy_ticks, statement->busy_until,
			      io_ticks());
	sql_tell(thread, &call, io_ticks());
}

/* Makes a statement known, or known again in a forked child. text: where SQLite does not keep it. */
static struct sql_statement *statement_meet(struct pp_thread *thread, struct sql_library *library, sqlite3_stmt *handle,
					    const char *text, size_t size)
{
	struct sql_statement *statement = sql_statement_find(handle);
	const char *kept;

	if (statement && statement->generation == sql_generation)
		return statement;
	if (!statement)
		statement = sql_statement_add(handle);
	if (!statement)
		return NULL;
	kept = SQL_REAL(library, sql, const char *, sqlite3_stmt *)(handle);
	if (kept) {
		text = kept;
		size = strlen(kept);
	}
	statement->library = library;
	statement->db = SQL_REAL(library, db_handle, sqlite3 *, sqlite3_stmt *)(handle);
	statement->connection = sql_connection_meet(thread, library, statement->db);
	statement->text = text ? sql_text_number(thread, text, size) : 0;
	statement->writes = !SQL_REAL(library, stmt_readonly, int, sqlite3_stmt *)(handle);
	statement->rolls_back = kept && sql_text_begins(kept, "rollback");
	statement->attaches = kept && (sql_text_begins(kept, "attach") || sql_text_begins(kept, "detach"));
	statement->running = false;
	execution_reset(statement);
	statement->owner = 0;
	statement->generation = sql_generation;
	return statement;
}

/* --- steps ------------------------------------------------------------------------------------------------------------- */

static struct sql_statement *step_find(struct pp_thread *thread, sqlite3_stmt *handle)
{
	const uintptr_t *key = thread->sql.recent_key;

	if (pp_likely(key && handle && __atomic_load_n(key, __ATOMIC_RELAXED) == (uintptr_t)handle))
		return thread->sql.recent;
	thread->sql.recent = sql_statement_find(handle);
	thread->sql.recent_key = thread->sql.recent ? sql_statement_key(handle) : NULL;
	return thread->sql.recent;
}

bool sql_step_begin(struct sql_call *call, struct sql_library *library, bool inner, sqlite3_stmt *handle,
		    const struct pp_registers *registers)
{
	struct pp_thread *thread = hook_enter();
	struct sql_statement *statement;

	if (pp_unlikely(!thread)) {
		if (pp_tls.guard && pp_session.state == PP_STATE_ON)
			pp_skip(PP_SKIP_SQL_BUSY);
		return false;
	}
	call->library = library;
	call->handle = handle;
	call->frame = registers->sp;
	contexts_trim(thread, call->frame);
	if (inner && !context_is_script(thread)) {
		hook_leave(thread);
		return false;
	}
	statement = step_find(thread, handle);
	if (pp_unlikely(!statement || statement->generation != sql_generation)) {
		/* Not seen before. Whether it is one at all only SQLite can tell: see the end. */
		statement = NULL;
		for (uint32_t i = 0; handle && i < SQL_COUNTERS; i++)
			call->last[i] = (uint32_t)counter_of(library, handle, i);
	} else {
		if (pp_unlikely(statement->owner && statement->owner != thread->serial)) {
			pp_skip(PP_SKIP_SQL_BUSY);
			hook_leave(thread);
			return false;
		}
		statement->owner = thread->serial;
		if (!statement->running)
			execution_begin(thread, statement, registers);
	}
	call->statement = statement;
	context_push(thread, call->frame, PP_SQL_IN_STEP);
	hook_leave(thread);
	call->began = io_ticks();
	return true;
}

static struct sql_statement *step_meet(struct pp_thread *thread, struct sql_call *call, int result,
				       const struct pp_registers *registers)
{
	struct sql_statement *statement;

	if (!call->handle || result == SQL_MISUSE)
		return NULL;
	statement = statement_meet(thread, call->library, (sqlite3_stmt *)(uintptr_t)call->handle, NULL, 0);
	if (!statement) {
		pp_skip(PP_SKIP_SQL_STATEMENTS);
		return NULL;
	}
	memcpy(statement->last, call->last, sizeof(call->last));
	execution_begin(thread, statement, registers);
	return statement;
}

void sql_step_end(struct sql_call *call, int result, uint64_t now, const struct pp_registers *registers)
{
	uint64_t ticks = now - call->began;
	struct sql_statement *statement = call->statement;
	struct pp_sql_context *context;
	int error = errno;
	struct pp_thread *thread = hook_enter();

	if (pp_unlikely(!thread))
		return;
	context = context_pop(thread, call->frame, ticks);
	if (pp_unlikely(!statement))
		statement = step_meet(thread, call, result, registers);
	if (pp_unlikely(!statement)) {
		hook_leave(thread);
		errno = error;
		return;
	}
	if (!statement->steps)
		statement->began = call->began;
	statement->ticks += ticks;
	statement->steps++;
	if (pp_unlikely(context != NULL)) {
		statement->plain = false;
		statement->nested_ticks += context->nested_ticks;
		statement->read_bytes += context->read_bytes;
		statement->written_bytes += context->written_bytes;
		statement->sync_ticks += context->sync_ns;
		statement->syncs += context->syncs;
		statement->busy_waits += context->busy_waits;
		statement->busy_ticks += context->busy_ticks;
		if (pp_unlikely(context->busy_until))
			statement->busy_until = context->busy_until;
	}
	statement->owner = 0;
	if (pp_likely(result == SQL_ROW)) {
		statement->rows++;
	} else {
		if (pp_unlikely((result & SQL_PRIMARY) == SQL_BUSY || (result & SQL_PRIMARY) == SQL_LOCKED)) {
			statement->busy_count++;
			statement->plain = false;
		}
		execution_end(thread, call->handle, statement, (uint32_t)result & SQL_PRIMARY, 0, true, now);
	}
	hook_leave(thread);
	errno = error;
}

bool sql_in_script(uint64_t frame)
{
	struct pp_thread *thread = thread_current();

	if (!thread || pp_tls.guard)
		return false;
	contexts_trim(thread, frame);
	return context_is_script(thread);
}

bool sql_prepare_begin(struct sql_call *call, struct sql_library *library, bool inner)
{
	if (inner && !sql_in_script(call->frame))
		return false;
	return sql_call_begin(call, library, false);
}

void sql_prepare_end(struct sql_call *call, bool inner, sqlite3 *db, sqlite3_stmt *handle, const char *text,
		     size_t size, int result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks(), ticks = now - call->began;
	struct sql_library *library = call->library;
	int error = errno;
	struct pp_thread *thread = hook_enter();
	struct sql_statement *statement = NULL;
	struct pp_sql_context *context;

	if (!thread)
		return;
	context = context_pop(thread, call->frame, ticks);
	if (handle) {
		sql_statement_drop(handle); /* one that was finalized behind our back */
		statement = statement_meet(thread, library, handle, text, size);
		if (statement) {
			statement->by_exec = inner;
			statement->prepares = 1;
			statement->plain = false;
			statement->prepare_ticks = ticks;
			statement->prepare_stack = stack_capture(thread->memo, registers);
			if (context && context->busy_waits) {
				statement->busy_waits = context->busy_waits;
				statement->busy_ticks = context->busy_ticks;
				statement->busy_until = context->busy_until;
			}
		}
	} else if (result != SQL_OK && result != SQL_MISUSE && db) {
		struct sql_connection *connection = sql_connection_meet(thread, library, db);
		struct pp_wire_sql_entry entry = {.statement = text ? sql_text_number(thread, text, size) : 0,
						  .database = connection ? connection->database : 0,
						  .stack = stack_capture(thread->memo, registers),
						  .operation = PP_SQL_PREPARE,
						  .result = (uint8_t)result,
						  .flags = inner ? PP_SQL_BY_EXEC : 0,
						  .prepares = 1,
						  .ns = sql_ns(ticks)};

		entry.busy_count = entry.result == SQL_BUSY || entry.result == SQL_LOCKED;
		entry.busy_waits = context ? context->busy_waits : 0;
		entry.busy_ns = context ? sql_ns(context->busy_ticks) : 0;
		if (entry.busy_count || entry.busy_waits)
			sql_wait_tell(thread, &entry, connection, context ? context->busy_ticks : 0,
				      context ? context->busy_until : 0, now);
		sql_tell(thread, &entry, now);
	}
	hook_leave(thread);
	errno = error;
}

bool sql_left_begin(struct sql_left *left, sqlite3_stmt *handle, bool finalize, uint64_t frame)
{
	struct pp_thread *thread = hook_enter();
	struct sql_statement *statement;
	bool commits = false;

	if (!thread) {
		if (finalize)
			sql_statement_drop(handle);
		return false;
	}
	statement = sql_statement_find(handle);
	if (statement && statement->generation == sql_generation) {
		if (statement->running && !statement->owner && statement->writes) {
			commits = true;
			left->began = io_ticks();
			contexts_trim(thread, frame);
			execution_sum_rest(statement, &left->execution);
			execution_sum(thread, handle, statement, PP_SQL_LEFT, 0, true, left->began, &left->execution);
			left->frame = frame;
			left->connection = statement->connection;
			left->busy_ticks = statement->busy_ticks;
			left->busy_until = statement->busy_until;
			execution_reset(statement);
			context_push(thread, frame, PP_SQL_IN_CALL);
		} else if (statement->running && !statement->owner) {
			execution_end(thread, handle, statement, PP_SQL_LEFT, 0, true, io_ticks());
		}
		if (finalize && statement->prepares)
			unused_tell(thread, statement);
	}
	if (finalize)
		sql_statement_drop(handle);
	hook_leave(thread);
	return commits;
}

void sql_left_end(struct sql_left *left)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = hook_enter();
	struct pp_sql_context *context;

	if (!thread)
		return;
	context = context_pop(thread, left->frame, now - left->began);
	left->execution.ns += sql_ns(now - left->began);
	if (context) {
		left->execution.read_bytes += context->read_bytes;
		left->execution.written_bytes += context->written_bytes;
		left->execution.sync_ns += context->sync_ns;
		left->execution.syncs += context->syncs;
		left->execution.busy_waits += context->busy_waits;
		left->execution.busy_ns += sql_ns(context->busy_ticks);
		left->busy_ticks += context->busy_ticks;
		if (context->busy_until)
			left->busy_until = context->busy_until;
	}
	if (left->execution.busy_waits)
		sql_wait_tell(thread, &left->execution, left->connection, left->busy_ticks, left->busy_until, now);
	sql_tell(thread, &left->execution, now);
	hook_leave(thread);
	errno = error;
}

void sql_counter_read(sqlite3_stmt *handle, int counter, int value)
{
	struct sql_statement *statement = sql_statement_find(handle);

	for (uint32_t i = 0; statement && i < SQL_COUNTERS; i++)
		if (counters[i] == counter)
			statement->last[i] -= (uint32_t)value;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

/* SQLite is asked nothing here: other threads may be at work in it, or a handle may have gone by a way that we do not see. */
static void statement_finish(const void *handle, struct sql_statement *statement, void *thread)
{
	struct sql_connection *connection = statement->connection;

	if (statement->generation != sql_generation)
		return;
	if (statement->running && connection && connection->autocommit)
		sql_locks_alone(thread, statement, io_ticks());
	if (statement->running)
		execution_end(thread, handle, statement, PP_SQL_LEFT, PP_SQL_UNFINISHED, false, io_ticks());
	else if (statement->prepares)
		unused_tell(thread, statement);
	statement->prepares = 0;
}

static void connection_finish(const void *handle, struct sql_connection *connection, void *thread)
{
	uint64_t now = io_ticks();

	(void)handle;
	if (connection->generation != sql_generation || connection->autocommit || !connection->begin_ticks)
		return;
	sql_locks_tell(thread, connection, 0, now);
	sql_transaction_tell(thread, connection, PP_SQL_ABANDONED, 0, now);
	connection->begin_ticks = 0;
}

void sql_finish(void)
{
	struct pp_thread *thread = thread_current();

	if (!thread || pp_session.state != PP_STATE_ON || !pp_session.settings.sql)
		return;
	sql_statements_each(statement_finish, thread);
	sql_connections_each(connection_finish, thread);
}
