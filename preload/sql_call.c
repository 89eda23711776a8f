/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of SQLite that are no steps, and what passes by inside any of them: I/O and waits for a lock, which are
 * counted to the innermost (sql_context.h).
 *
 * Context: any thread, not in a signal handler; nothing is held across the real call.
 */
#include "sql.h"
#include "sql_context.h"

#include <errno.h>
#include <string.h>

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
		      struct sql_connection *connection, uint64_t now, const struct pp_sql_context *context)
{
	entry->database = connection ? connection->database : 0;
	entry->count = 1;
	entry->ns = sql_ns(now - call->began);
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
	if (entry->busy_count || entry->busy_waits)
		sql_wait_tell(thread, entry, connection, context ? context->busy_ticks : 0,
			      context ? context->busy_until : 0, now);
	if (entry->operation == PP_SQL_BACKUP || entry->operation == PP_SQL_CHECKPOINT)
		sql_locks_call(thread, connection,
			       entry->operation == PP_SQL_BACKUP ? PP_SQL_LOCK_READ : PP_SQL_LOCK_WRITE, entry->stack,
			       context && context->busy_until ? context->busy_until : call->began, now);
	sql_tell(thread, entry, now);
}

void sql_call_end(struct sql_call *call, uint32_t operation, const void *handle, sqlite3 *db, const char *text,
		  int result, uint64_t amount, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = hook_enter();
	struct pp_sql_context *context;

	if (!thread)
		return;
	context = context_pop(thread, call->frame, now - call->began);
	if (operation && (result & SQL_PRIMARY) != SQL_MISUSE) {
		struct sql_statement *known = handle ? sql_statement_find(handle) : NULL;
		struct sql_connection *connection = known ? known->connection
						    : db  ? sql_connection_meet(thread, call->library, db)
							  : NULL;
		struct pp_wire_sql_entry entry = {.operation = (uint8_t)operation,
						  .result = (uint8_t)result,
						  .rows = amount,
						  .statement = text ? sql_text_number(thread, text, strlen(text)) : 0,
						  .stack = stack_capture(thread->memo, registers)};

		call_tell(thread, call, &entry, connection, now, context);
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
		sql_cache_tell(thread, connection, db);
	hook_leave(thread);
}

/* The connection has gone, and with it a transaction that was open; `last` is what was known of it. */
void sql_closed(const struct sql_connection *last)
{
	struct pp_thread *thread = hook_enter();
	struct sql_connection connection = *last;

	if (!thread)
		return;
	if (!last->autocommit && last->begin_ticks && last->generation == sql_generation) {
		uint64_t now = io_ticks();

		sql_locks_tell(thread, &connection, 0, now);
		sql_transaction_tell(thread, &connection, PP_SQL_ABANDONED, 0, now);
	}
	hook_leave(thread);
}

void sql_handle_made(struct sql_library *library, const void *handle, sqlite3 *db, bool writes,
		     const struct pp_registers *registers)
{
	struct pp_thread *thread = handle && db ? hook_enter() : NULL;
	struct sql_statement *made;

	if (!thread)
		return;
	made = sql_statement_add(handle);
	if (made) {
		made->library = library;
		made->db = db;
		made->connection = sql_connection_meet(thread, library, db);
		made->generation = sql_generation;
		made->writes = writes;
		made->began = io_ticks();
		made->stack = registers ? stack_capture(thread->memo, registers) : 0;
	}
	hook_leave(thread);
}

void sql_handle_gone(const struct sql_statement *last)
{
	struct pp_thread *thread = hook_enter();

	if (!thread)
		return;
	if (last->generation == sql_generation && last->connection && last->connection->autocommit)
		sql_locks_call(thread, last->connection, last->writes ? PP_SQL_LOCK_WRITE : PP_SQL_LOCK_READ,
			       last->stack, last->began, io_ticks());
	hook_leave(thread);
}

/* --- inside --------------------------------------------------------------------------------------------------------------- */

void sql_passed_io(struct pp_thread *thread, uint32_t operation, uint64_t bytes, uint64_t ns)
{
	struct pp_sql_context *context = &thread->sql.contexts[thread->sql.depth - 1];

	context_touch(context);
	if (operation <= PP_IO_PREADV) {
		context->read_bytes += bytes;
	} else if (operation <= PP_IO_PWRITEV) {
		context->written_bytes += bytes;
	} else if (operation >= PP_IO_FSYNC && operation <= PP_IO_MSYNC) {
		context->syncs++;
		context->sync_ns += ns;
	}
}

void sql_waited(uint64_t began, uint64_t ended)
{
	struct pp_thread *thread = thread_current();
	struct pp_sql_context *context;

	if (!thread || pp_tls.guard || !thread->sql.depth)
		return;
	context = &thread->sql.contexts[thread->sql.depth - 1];
	context_touch(context);
	context->busy_waits++;
	context->busy_ticks += ended - began;
	context->busy_until = ended;
}
