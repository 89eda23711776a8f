/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps whom waiting. SQLite locks whole files: a transaction that has read keeps others from writing the file, one
 * that has written (or was begun by BEGIN IMMEDIATE) keeps others from beginning to write, until it ends. Here is known
 * from when on a connection's transaction did either, and told where that was for long, with where its time went. Waits and
 * refusals are told with their moment. Which belongs to which the analyzer finds out: they may be of different processes.
 *
 * Context: between hook_enter and hook_leave.
 */
#include "sql.h"

/* The lock that a connection's main file is under; as SQLite says (3.34 and later), else as the statement suggests. */
static uint32_t lock_of(const struct sql_statement *statement)
{
	int (*txn_state)(sqlite3 *, const char *) =
		SQL_REAL(statement->library, txn_state, int, sqlite3 *, const char *);
	int state = statement->writes ? PP_SQL_LOCK_WRITE : PP_SQL_LOCK_READ;

	if (txn_state && sql_connection_try(statement->library, statement->db)) {
		state = txn_state(statement->db, "main");
		sql_connection_leave(statement->library, statement->db);
	}
	return state > 0 ? (uint32_t)state : 0;
}

/* It waited before it had the lock, if it did. */
static uint64_t lock_since(const struct sql_statement *statement)
{
	return statement->busy_until > statement->began ? statement->busy_until : statement->began;
}

void sql_locks_count(struct sql_connection *connection, const struct sql_statement *statement, uint32_t result)
{
	struct sql_locks *locks = &connection->locks;
	uint64_t since = lock_since(statement);
	uint32_t lock;

	locks->inside += statement->ticks;
	if (statement->ticks > locks->longest) {
		locks->longest = statement->ticks;
		locks->longest_stack = statement->stack;
		locks->longest_text = statement->text;
	}
	if (locks->write_since || (locks->read_since && !statement->writes) || connection->autocommit ||
	    (result != SQL_DONE && result != PP_SQL_LEFT))
		return;
	lock = lock_of(statement);
	if (lock >= PP_SQL_LOCK_READ && !locks->read_since)
		locks->read_since = since;
	if (lock >= PP_SQL_LOCK_WRITE)
		locks->write_since = since;
}

static void hold_tell(struct pp_thread *thread, const struct sql_connection *connection, const struct sql_locks *locks,
		      uint32_t lock, uint32_t begin_stack, uint32_t end_stack, uint64_t now)
{
	uint64_t since = lock == PP_SQL_LOCK_WRITE ? locks->write_since : locks->read_since;
	uint64_t payload[8] = {(uint64_t)lock << 32 | connection->database,
			       (uint64_t)end_stack << 32 | begin_stack,
			       (uint64_t)locks->longest_stack << 32 | locks->longest_text,
			       sql_ns(now - since),
			       clock_now_ns(),
			       sql_ns(locks->inside),
			       sql_ns(locks->longest),
			       connection->serial};

	if (!since || now < since || payload[3] < PP_SQL_SLOW_NS)
		return;
	emit_clock(thread);
	emit_notice(thread, PP_EXT_SQL_HOLD, 0, payload, 8);
}

void sql_locks_tell(struct pp_thread *thread, struct sql_connection *connection, uint32_t end_stack, uint64_t now)
{
	const struct sql_locks *locks = &connection->locks;

	hold_tell(thread, connection, locks, PP_SQL_LOCK_WRITE, connection->begin_stack, end_stack, now);
	if (locks->read_since != locks->write_since)
		hold_tell(thread, connection, locks, PP_SQL_LOCK_READ, connection->begin_stack, end_stack, now);
}

void sql_locks_alone(struct pp_thread *thread, const struct sql_statement *statement, uint64_t now)
{
	uint64_t since = lock_since(statement);
	struct sql_locks locks = {.read_since = since,
				  .write_since = since,
				  .inside = statement->ticks < now - since ? statement->ticks : now - since,
				  .longest = statement->ticks,
				  .longest_stack = statement->stack,
				  .longest_text = statement->text};

	if (statement->connection)
		hold_tell(thread, statement->connection, &locks,
			  statement->writes ? PP_SQL_LOCK_WRITE : PP_SQL_LOCK_READ, statement->stack, 0, now);
}

void sql_locks_call(struct pp_thread *thread, const struct sql_connection *connection, uint32_t lock, uint32_t stack,
		    uint64_t began, uint64_t now)
{
	struct sql_locks locks = {.read_since = began, .write_since = began, .inside = now - began};

	if (connection)
		hold_tell(thread, connection, &locks, lock, stack, 0, now);
}

void sql_wait_tell(struct pp_thread *thread, const struct pp_wire_sql_entry *call,
		   const struct sql_connection *connection, uint64_t ticks, uint64_t until, uint64_t now)
{
	uint64_t payload[5];

	if (!ticks) {
		if (now - thread->sql.refused_ticks < thread->sql.old_ticks / 20)
			return;
		thread->sql.refused_ticks = now;
		until = now;
	}
	memcpy(payload, call, 2 * sizeof(*payload)); /* what it is, as an entry begins */
	payload[2] = sql_ns(ticks);
	payload[3] = clock_now_ns() - sql_ns(now - until);
	payload[4] = connection ? connection->serial : 0;
	emit_clock(thread);
	emit_notice(thread, PP_EXT_SQL_WAIT, 0, payload, 5);
}
