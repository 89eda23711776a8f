/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection's statements add up to. Of a connection is kept whether it was in a transaction after the last
 * execution that ended: where that changes, the execution at hand has begun or ended one. Its cache's counts are told as
 * differences.
 *
 * Context: between hook_enter and hook_leave.
 */
#include "sql.h"

static const uint8_t cache_counters[4] = {7, 8, 9, 12}; /* SQLITE_DBSTATUS_CACHE_HIT, _MISS, _WRITE, _SPILL */

static uint32_t serials; /* connections that were met */

/* Whoever shares the connection may be inside SQLite, and wait there for what this thread does next: it is not waited for. */
bool sql_connection_try(const struct sql_library *library, sqlite3 *db)
{
	sqlite3_mutex *mutex = SQL_REAL(library, db_mutex, sqlite3_mutex *, sqlite3 *)(db);

	return SQL_REAL(library, mutex_try, int, sqlite3_mutex *)(mutex) == SQL_OK;
}

void sql_connection_leave(const struct sql_library *library, sqlite3 *db)
{
	SQL_REAL(library, mutex_leave, void, sqlite3_mutex *)
	(SQL_REAL(library, db_mutex, sqlite3_mutex *, sqlite3 *)(db));
}

#define ATTACHED_BYTES 2048

/* Names and paths of what is attached, one after the other, as far as there is room; an SQLite before 3.39 does not say. */
static size_t attached_list(const struct sql_library *library, sqlite3 *db, char *list)
{
	const char *(*db_name)(sqlite3 *, int) = SQL_REAL(library, db_name, const char *, sqlite3 *, int);
	size_t size = 0;

	for (int i = 2; db_name; i++) { /* 0 is main, 1 temp */
		const char *name = db_name(db, i), *path;
		size_t name_size, path_size;

		if (!name)
			break;
		path = SQL_REAL(library, db_filename, const char *, sqlite3 *, const char *)(db, name);
		name_size = strlen(name) + 1;
		path_size = path ? strlen(path) + 1 : 1;
		if (name_size + path_size > ATTACHED_BYTES - size)
			return 0;
		memcpy(list + size, name, name_size);
		memcpy(list + size + name_size, path ? path : "", path_size);
		size += name_size + path_size;
	}
	return size;
}

/* Its name may change with what another thread attaches, so it is asked for under the connection's own lock. */
static uint32_t database_of(struct pp_thread *thread, const struct sql_library *library, sqlite3 *db)
{
	int (*version)(void) = SQL_REAL(library, libversion_number, int, void);
	const char *path = SQL_REAL(library, db_filename, const char *, sqlite3 *, const char *)(db, "main");
	char attached[ATTACHED_BYTES];
	size_t size = attached_list(library, db, attached);
	uint32_t number =
		size ? sql_attached_number(thread, path, version ? (uint32_t)version() : 0, attached, size) : 0;

	if (number)
		return number;
	return sql_database_number(thread, path, version ? (uint32_t)version() : 0);
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

struct sql_connection *sql_connection_meet(struct pp_thread *thread, struct sql_library *library, sqlite3 *db)
{
	struct sql_connection *connection = sql_connection_find(db);

	if (connection && connection->generation == sql_generation)
		return connection;
	if (!connection) {
		connection = sql_connection_add(db);
		if (!connection)
			return NULL;
		connection->library = library;
		connection->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
		connection->autocommit = (uint32_t)SQL_REAL(library, get_autocommit, int, sqlite3 *)(db);
		connection->begin_ticks = connection->autocommit ? 0 : io_ticks();
		connection->cache_unknown = true;
	}
	if (!sql_connection_try(library, db))
		return connection; /* the next time */
	if (connection->cache_unknown)
		cache_read(library, db, connection->cache);
	connection->cache_unknown = false;
	connection->database = database_of(thread, library, db);
	connection->generation = sql_generation;
	sql_connection_leave(library, db);
	return connection;
}

void sql_cache_tell(struct pp_thread *thread, struct sql_connection *connection, sqlite3 *db)
{
	uint64_t payload[5] = {connection->database}, counts[4], any = 0;

	if (connection->cache_unknown || !sql_connection_try(connection->library, db))
		return;
	cache_read(connection->library, db, counts);
	sql_connection_leave(connection->library, db);
	for (int i = 0; i < 4; i++) {
		/* A program may have reset them. */
		payload[i + 1] = counts[i] >= connection->cache[i] ? counts[i] - connection->cache[i] : counts[i];
		connection->cache[i] = counts[i];
		any |= payload[i + 1];
	}
	if (!any)
		return;
	emit_notice(thread, PP_EXT_SQL_CACHE, 0, payload, 5);
}

void sql_transaction_tell(struct pp_thread *thread, struct sql_connection *connection, uint32_t outcome,
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
	emit_notice(thread, PP_EXT_SQL_TRANSACTION, 0, payload, 9);
}

/* --- transactions ----------------------------------------------------------------------------------------------------- */

static inline void count(uint64_t *at, uint64_t by)
{
	if (by)
		__atomic_fetch_add(at, by, __ATOMIC_RELAXED); /* threads may share a connection */
}

uint32_t sql_transaction_count(struct pp_thread *thread, struct sql_statement *statement, uint32_t result, uint64_t now)
{
	struct sql_connection *connection = statement->connection;
	uint32_t before, after;

	if (!connection)
		return 0;
	before = connection->autocommit;
	after = (uint32_t)SQL_REAL(statement->library, get_autocommit, int, sqlite3 *)(statement->db);
	if (pp_likely(before && after)) {
		if (pp_unlikely(now - statement->began >= thread->sql.old_ticks / 32) && result != SQL_BUSY &&
		    result != SQL_LOCKED)
			sql_locks_alone(thread, statement, now);
		return statement->writes && (result == SQL_DONE || result == PP_SQL_LEFT) ? PP_SQL_AUTOCOMMIT : 0;
	}
	connection->autocommit = after;
	if (before) {
		connection->begin_ticks = now;
		connection->begin_stack = statement->stack;
		connection->statements = connection->writes = connection->syncs = connection->sync_ticks = 0;
		connection->read_bytes = connection->written_bytes = 0;
		memset(&connection->locks, 0, sizeof(connection->locks));
		if (statement->writes) /* BEGIN IMMEDIATE, BEGIN EXCLUSIVE */
			sql_locks_count(connection, statement, result);
		return 0;
	}
	sql_locks_count(connection, statement, result);
	count(&connection->syncs, statement->syncs);
	count(&connection->sync_ticks, statement->sync_ticks);
	count(&connection->read_bytes, statement->read_bytes);
	count(&connection->written_bytes, statement->written_bytes);
	if (after) {
		sql_locks_tell(thread, connection, statement->stack, now);
		sql_transaction_tell(thread, connection,
				     result != SQL_DONE || statement->rolls_back ? PP_SQL_ROLLED_BACK
										 : PP_SQL_COMMITTED,
				     statement->stack, now);
		return 0;
	}
	count(&connection->statements, 1);
	count(&connection->writes, statement->writes);
	return 0;
}
