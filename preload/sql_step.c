/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an execution is. It begins with the first sqlite3_step of a statement, where its stack is taken, and ends with
 * the step that returns anything but a row, or with the reset or finalize that comes before; its time is that inside its
 * steps. SQLite's own counters are read without being reset and counted by difference.
 *
 * A thread may be inside several calls of SQLite at once: a function that a statement calls runs SQL of its own. Each
 * call has a context, named by the frame of its hook, and I/O and waits go to the innermost. Contexts of frames that
 * were left by a jump or an exception are dropped when a call from further out is met.
 *
 * Of a connection is kept whether it was in a transaction after the last execution that ended: where that changes, the
 * execution at hand has begun or ended one.
 */
#include "sql.h"

#include <errno.h>
#include <string.h>

static const uint8_t counters[SQL_COUNTERS] = {1, 2, 3, 4, 5}; /* SQLITE_STMTSTATUS_* */
enum { FULLSCAN, SORTS, AUTOINDEX, VM, REPREPARES };
static const uint8_t cache_counters[4] = {7, 8, 9, 12}; /* SQLITE_DBSTATUS_CACHE_HIT, _MISS, _WRITE, _SPILL */

/* --- contexts ------------------------------------------------------------------------------------------------------- */

/* Drops what was left without a word: a frame further in than the one at hand, on a stack that grows downwards. */
static inline void contexts_trim(struct pp_thread *thread, uint64_t frame)
{
	while (thread->sql.depth && thread->sql.contexts[thread->sql.depth - 1].frame <= frame)
		thread->sql.depth--;
}

static inline bool in_script(const struct pp_thread *thread)
{
	return thread->sql.depth && thread->sql.contexts[thread->sql.depth - 1].kind == PP_SQL_IN_SCRIPT;
}

static inline bool in_step(const struct pp_thread *thread)
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
	memset(context, 0, sizeof(*context));
	context->frame = frame;
	context->kind = kind;
	thread->sql.depth++;
}

/* The context of the call that ends; it stays readable until the next push. NULL: it was too deep, or dropped. */
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
		thread->sql.contexts[i].nested_ticks += ticks;
		break;
	}
	return context;
}

void sql_passed_io(struct pp_thread *thread, uint32_t operation, uint64_t bytes, uint64_t ns)
{
	struct pp_sql_context *context = &thread->sql.contexts[thread->sql.depth - 1];

	if (operation <= PP_IO_PREADV) {
		context->read_bytes += bytes;
	} else if (operation <= PP_IO_PWRITEV) {
		context->written_bytes += bytes;
	} else if (operation >= PP_IO_FSYNC && operation <= PP_IO_MSYNC) {
		context->syncs++;
		context->sync_ns += ns;
	}
}

void sql_waited(uint64_t ticks)
{
	struct pp_thread *thread = thread_current();

	if (!thread || pp_tls.guard || !thread->sql.depth)
		return;
	thread->sql.contexts[thread->sql.depth - 1].busy_waits++;
	thread->sql.contexts[thread->sql.depth - 1].busy_ticks += ticks;
}

/* --- connections ------------------------------------------------------------------------------------------------------ */

static int counter_of(const struct sql_library *library, sqlite3_stmt *statement, uint32_t which)
{
	return SQL_REAL(library, stmt_status, int, sqlite3_stmt *, int, int)(statement, counters[which], 0);
}

/* Its name may change with what another thread attaches, so it is asked for under the connection's own lock. */
static uint32_t database_of(struct pp_thread *thread, const struct sql_library *library, sqlite3 *db)
{
	sqlite3_mutex *mutex = SQL_REAL(library, db_mutex, sqlite3_mutex *, sqlite3 *)(db);
	uint32_t number;

	SQL_REAL(library, mutex_enter, void, sqlite3_mutex *)(mutex);
	number = sql_database_number(
		thread, SQL_REAL(library, db_filename, const char *, sqlite3 *, const char *)(db, "main"));
	SQL_REAL(library, mutex_leave, void, sqlite3_mutex *)(mutex);
	return number;
}

static void cache_read(const struct sql_library *library, sqlite3 *db, uint64_t *counts)
{
	for (int i = 0; i < 4; i++) {
		int now = 0, highest = 0;

		SQL_REAL(library, db_status, int, sqlite3 *, int, int *, int *, int)
		(db, cache_counters[i], &now, &highest, 0);
		counts[i] = (uint32_t)now;
	}
}

static struct sql_connection *connection_meet(struct pp_thread *thread, struct sql_library *library, sqlite3 *db)
{
	struct sql_connection *connection = sql_connection_find(db);

	if (connection && connection->generation == sql_generation)
		return connection;
	if (!connection) {
		connection = sql_connection_add(db);
		if (!connection)
			return NULL;
		connection->library = library;
		connection->autocommit = (uint32_t)SQL_REAL(library, get_autocommit, int, sqlite3 *)(db);
		cache_read(library, db, connection->cache);
	}
	connection->database = database_of(thread, library, db);
	connection->generation = sql_generation;
	return connection;
}

static void cache_tell(struct pp_thread *thread, struct sql_connection *connection, sqlite3 *db)
{
	uint64_t payload[5] = {connection->database}, counts[4], any = 0;

	cache_read(connection->library, db, counts);
	for (int i = 0; i < 4; i++) {
		/* A program may have reset them. */
		payload[i + 1] = counts[i] >= connection->cache[i] ? counts[i] - connection->cache[i] : counts[i];
		connection->cache[i] = counts[i];
		any |= payload[i + 1];
	}
	if (!any)
		return;
	emit_extended(thread, PP_EXT_SQL_CACHE, 0, payload, 5);
	thread->slot->event_count--;
}

static void transaction_tell(struct pp_thread *thread, struct sql_connection *connection, uint32_t outcome,
			     uint32_t end_stack, uint64_t now)
{
	uint64_t payload[9] = {(uint64_t)outcome << 32 | connection->database,
			       (uint64_t)end_stack << 32 | connection->begin_stack,
			       sql_ns(now - connection->begin_ticks),
			       clock_now_ns(),
			       connection->writes << 32 | (uint32_t)connection->statements,
			       connection->syncs,
			       connection->sync_ticks,
			       connection->read_bytes,
			       connection->written_bytes};

	emit_clock(thread);
	emit_extended(thread, PP_EXT_SQL_TRANSACTION, 0, payload, 9);
	thread->slot->event_count--;
}

/* --- executions ------------------------------------------------------------------------------------------------------- */

static inline void count(uint64_t *at, uint64_t by)
{
	if (by)
		__atomic_fetch_add(at, by, __ATOMIC_RELAXED); /* threads may share a connection */
}

/* What the execution means for its connection. Returns the flags that follow. */
static uint32_t transaction_count(struct pp_thread *thread, struct sql_statement *statement, uint32_t result)
{
	struct sql_connection *connection = statement->connection;
	uint32_t before, after;
	uint64_t now;

	if (!connection)
		return 0;
	before = connection->autocommit;
	after = (uint32_t)SQL_REAL(statement->library, get_autocommit, int, sqlite3 *)(statement->db);
	if (pp_likely(before && after))
		return statement->writes && (result == SQL_DONE || result == PP_SQL_LEFT) ? PP_SQL_AUTOCOMMIT : 0;
	now = io_ticks();
	connection->autocommit = after;
	if (before) {
		connection->begin_ticks = now;
		connection->begin_stack = statement->stack;
		connection->statements = connection->writes = connection->syncs = connection->sync_ticks = 0;
		connection->read_bytes = connection->written_bytes = 0;
		return 0;
	}
	count(&connection->syncs, statement->syncs);
	count(&connection->sync_ticks, statement->sync_ticks);
	count(&connection->read_bytes, statement->read_bytes);
	count(&connection->written_bytes, statement->written_bytes);
	if (after) {
		transaction_tell(thread, connection,
				 result != SQL_DONE || statement->rolls_back ? PP_SQL_ROLLED_BACK : PP_SQL_COMMITTED,
				 statement->stack, now);
		return 0;
	}
	count(&connection->statements, 1);
	count(&connection->writes, statement->writes);
	return 0;
}

static void execution_begin(struct pp_thread *thread, struct sql_statement *statement,
			    const struct pp_registers *registers)
{
	statement->running = true;
	statement->ticks = statement->nested_ticks = statement->rows = statement->steps = 0;
	statement->read_bytes = statement->written_bytes = statement->busy_ticks = statement->sync_ticks = 0;
	statement->busy_count = statement->busy_waits = statement->syncs = 0;
	statement->flags = (uint16_t)((statement->writes ? PP_SQL_WRITES : 0) | (in_step(thread) ? PP_SQL_NESTED : 0) |
				      (statement->by_exec ? PP_SQL_BY_EXEC : 0));
	statement->stack = stack_capture(thread->memo, registers);
}

/* counted: SQLite may be asked about it. */
static void execution_end(struct pp_thread *thread, const void *handle, struct sql_statement *statement,
			  uint32_t result, uint32_t flags, bool counted)
{
	struct sql_connection *connection = statement->connection;
	uint32_t since[SQL_COUNTERS] = {0};
	struct pp_wire_sql_entry call;

	for (uint32_t i = 0; counted && i < SQL_COUNTERS; i++) {
		uint32_t now = (uint32_t)counter_of(statement->library, (sqlite3_stmt *)(uintptr_t)handle, i);

		since[i] = now - statement->last[i];
		statement->last[i] = now;
	}
	if (counted)
		flags |= transaction_count(thread, statement, result);
	call.statement = statement->text;
	call.database = connection ? connection->database : 0;
	call.stack = statement->stack;
	call.operation = PP_SQL_EXECUTE;
	call.result = (uint8_t)result;
	call.flags = (uint16_t)(statement->flags | flags);
	call.count = 1;
	call.prepares = statement->prepares;
	call.rows = statement->rows;
	call.steps = statement->steps;
	call.ns = sql_ns(statement->ticks);
	call.nested_ns = sql_ns(statement->nested_ticks);
	call.prepare_ns = sql_ns(statement->prepare_ticks);
	call.fullscan_steps = since[FULLSCAN];
	call.sorts = since[SORTS];
	call.autoindex_rows = since[AUTOINDEX];
	call.vm_steps = since[VM];
	call.reprepares = since[REPREPARES];
	call.read_bytes = statement->read_bytes;
	call.written_bytes = statement->written_bytes;
	call.busy_ns = sql_ns(statement->busy_ticks);
	call.sync_ns = statement->sync_ticks;
	call.busy_count = statement->busy_count;
	call.busy_waits = statement->busy_waits;
	call.syncs = statement->syncs;
	statement->prepares = 0;
	statement->prepare_ticks = 0;
	statement->running = false;
	sql_tell(thread, &call);
	if (connection && counted && io_ticks() - connection->cache_ticks > thread->sql.old_ticks) {
		connection->cache_ticks = io_ticks();
		cache_tell(thread, connection, statement->db);
	}
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
					 .ns = sql_ns(statement->prepare_ticks)};

	sql_tell(thread, &call);
}

/* ROLLBACK, or something else? Comments and white space may come first. */
static bool text_rolls_back(const char *text)
{
	static const char word[] = "rollback";

	for (;;) {
		while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
			text++;
		if (text[0] == '-' && text[1] == '-') {
			while (*text && *text != '\n')
				text++;
		} else if (text[0] == '/' && text[1] == '*') {
			for (text += 2; *text && !(text[0] == '*' && text[1] == '/'); text++)
				;
			text += *text ? 2 : 0;
		} else {
			break;
		}
	}
	for (uint32_t i = 0; i < sizeof(word) - 1; i++)
		if ((text[i] | 0x20) != word[i])
			return false;
	return true;
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
	statement->connection = connection_meet(thread, library, statement->db);
	statement->text = text ? sql_text_number(thread, text, size) : 0;
	statement->writes = !SQL_REAL(library, stmt_readonly, int, sqlite3_stmt *)(handle);
	statement->rolls_back = kept && text_rolls_back(kept);
	statement->running = false;
	statement->owner = 0;
	statement->generation = sql_generation;
	return statement;
}

/* --- steps ------------------------------------------------------------------------------------------------------------- */

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
	if (inner && !in_script(thread)) {
		hook_leave(thread);
		return false;
	}
	statement = sql_statement_find(handle);
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
	statement->ticks += ticks;
	statement->steps++;
	if (pp_likely(context != NULL)) {
		statement->nested_ticks += context->nested_ticks;
		statement->read_bytes += context->read_bytes;
		statement->written_bytes += context->written_bytes;
		statement->sync_ticks += context->sync_ns;
		statement->syncs += context->syncs;
		statement->busy_waits += context->busy_waits;
		statement->busy_ticks += context->busy_ticks;
	}
	statement->owner = 0;
	if (pp_likely(result == SQL_ROW)) {
		statement->rows++;
	} else {
		statement->busy_count += (result & SQL_PRIMARY) == SQL_BUSY || (result & SQL_PRIMARY) == SQL_LOCKED;
		execution_end(thread, call->handle, statement, (uint32_t)result & SQL_PRIMARY, 0, true);
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
	return in_script(thread);
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
	uint64_t ticks = io_ticks() - call->began;
	struct sql_library *library = call->library;
	int error = errno;
	struct pp_thread *thread = hook_enter();
	struct sql_statement *statement = NULL;

	if (!thread)
		return;
	context_pop(thread, call->frame, ticks);
	if (handle) {
		sql_statement_drop(handle); /* one that was finalized behind our back */
		statement = statement_meet(thread, library, handle, text, size);
		if (statement) {
			statement->by_exec = inner;
			statement->prepares = 1;
			statement->prepare_ticks = ticks;
			statement->prepare_stack = stack_capture(thread->memo, registers);
		}
	} else if (result != SQL_OK && result != SQL_MISUSE && db) {
		struct sql_connection *connection = connection_meet(thread, library, db);
		struct pp_wire_sql_entry entry = {.statement = text ? sql_text_number(thread, text, size) : 0,
						 .database = connection ? connection->database : 0,
						 .stack = stack_capture(thread->memo, registers),
						 .operation = PP_SQL_PREPARE,
						 .result = (uint8_t)result,
						 .flags = inner ? PP_SQL_BY_EXEC : 0,
						 .prepares = 1,
						 .ns = sql_ns(ticks)};

		entry.busy_count = entry.result == SQL_BUSY || entry.result == SQL_LOCKED;
		sql_tell(thread, &entry);
	}
	hook_leave(thread);
	errno = error;
}

void sql_execution_left(struct sql_library *library, sqlite3_stmt *handle, bool finalize)
{
	struct pp_thread *thread = hook_enter();
	struct sql_statement *statement;

	(void)library;
	if (!thread) {
		if (finalize)
			sql_statement_drop(handle);
		return;
	}
	statement = sql_statement_find(handle);
	if (statement && statement->generation == sql_generation) {
		if (statement->running && !statement->owner)
			execution_end(thread, handle, statement, PP_SQL_LEFT, 0, true);
		if (finalize && statement->prepares)
			unused_tell(thread, statement);
	}
	if (finalize)
		sql_statement_drop(handle);
	hook_leave(thread);
}

void sql_counter_read(sqlite3_stmt *handle, int counter, int value)
{
	struct sql_statement *statement = sql_statement_find(handle);

	for (uint32_t i = 0; statement && i < SQL_COUNTERS; i++)
		if (counters[i] == counter)
			statement->last[i] -= (uint32_t)value;
}

/* --- other calls ---------------------------------------------------------------------------------------------------------- */

bool sql_call_begin(struct sql_call *call, struct sql_library *library, bool script)
{
	struct pp_thread *thread = hook_enter();

	if (!thread)
		return false;
	contexts_trim(thread, call->frame);
	call->library = library;
	context_push(thread, call->frame, script ? PP_SQL_IN_SCRIPT : PP_SQL_IN_CALL);
	hook_leave(thread);
	call->began = io_ticks();
	return true;
}

static void call_tell(struct pp_thread *thread, const struct sql_call *call, struct pp_wire_sql_entry *entry,
		      struct sql_connection *connection, uint64_t ticks, const struct pp_sql_context *context)
{
	(void)call;
	entry->database = connection ? connection->database : 0;
	entry->count = 1;
	entry->ns = sql_ns(ticks);
	entry->busy_count = entry->result == SQL_BUSY || entry->result == SQL_LOCKED;
	if (context) {
		entry->nested_ns = sql_ns(context->nested_ticks);
		entry->read_bytes = context->read_bytes;
		entry->written_bytes = context->written_bytes;
		entry->syncs = context->syncs;
		entry->sync_ns = context->sync_ns;
		entry->busy_waits = context->busy_waits;
		entry->busy_ns = sql_ns(context->busy_ticks);
	}
	sql_tell(thread, entry);
}

void sql_call_end(struct sql_call *call, uint32_t operation, const void *handle, sqlite3 *db, const char *text,
		  int result, uint64_t amount, const struct pp_registers *registers)
{
	uint64_t ticks = io_ticks() - call->began;
	int error = errno;
	struct pp_thread *thread = hook_enter();
	struct pp_sql_context *context;

	if (!thread)
		return;
	context = context_pop(thread, call->frame, ticks);
	if (operation && (result & SQL_PRIMARY) != SQL_MISUSE) {
		struct sql_statement *known = handle ? sql_statement_find(handle) : NULL;
		struct sql_connection *connection = known ? known->connection
						    : db  ? connection_meet(thread, call->library, db)
							  : NULL;
		struct pp_wire_sql_entry entry = {.operation = (uint8_t)operation,
						  .result = (uint8_t)result,
						  .rows = amount,
						  .statement = text ? sql_text_number(thread, text, strlen(text)) : 0,
						  .stack = stack_capture(thread->memo, registers)};

		call_tell(thread, call, &entry, connection, ticks, context);
	}
	hook_leave(thread);
	errno = error;
}

void sql_opened(struct sql_call *call, sqlite3 *db, int result, const struct pp_registers *registers)
{
	if (result == SQL_OK && db)
		sql_connection_drop(db); /* one that was closed behind our back */
	sql_call_end(call, PP_SQL_OPEN, NULL, result == SQL_OK ? db : NULL, NULL, result, 0, registers);
}

void sql_closing(struct sql_library *library, sqlite3 *db)
{
	struct sql_connection *connection = sql_connection_find(db);
	struct pp_thread *thread = connection ? hook_enter() : NULL;

	(void)library;
	if (!thread)
		return;
	if (connection->generation == sql_generation)
		cache_tell(thread, connection, db);
	hook_leave(thread);
}

/* The connection has gone, and with it a transaction that was open; `last` is what was known of it. */
void sql_closed(const struct sql_connection *last)
{
	struct pp_thread *thread = hook_enter();
	struct sql_connection connection = *last;

	if (!thread)
		return;
	if (!last->autocommit && last->begin_ticks && last->generation == sql_generation)
		transaction_tell(thread, &connection, PP_SQL_ABANDONED, 0, io_ticks());
	hook_leave(thread);
}

void sql_handle_made(struct sql_library *library, const void *handle, sqlite3 *db)
{
	struct pp_thread *thread = handle && db ? hook_enter() : NULL;
	struct sql_statement *made;

	if (!thread)
		return;
	made = sql_statement_add(handle);
	if (made) {
		made->library = library;
		made->db = db;
		made->connection = connection_meet(thread, library, db);
		made->generation = sql_generation;
	}
	hook_leave(thread);
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

/* SQLite is asked nothing here: other threads may be at work in it, or a handle may have gone by a way that we do not see. */
static void statement_finish(const void *handle, struct sql_statement *statement, void *thread)
{
	if (statement->generation != sql_generation)
		return;
	if (statement->running)
		execution_end(thread, handle, statement, PP_SQL_LEFT, PP_SQL_UNFINISHED, false);
	else if (statement->prepares)
		unused_tell(thread, statement);
	statement->prepares = 0;
}

void sql_finish(void)
{
	struct pp_thread *thread = thread_current();

	if (thread && pp_session.state == PP_STATE_ON && pp_session.settings.sql)
		sql_statements_each(statement_finish, thread);
}
