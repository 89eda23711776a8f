/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql family: SQLite's functions that a profile is made from. Each is made once for each library that there may be,
 * and once more for that library's own calls of itself, so that the real function is known without asking who calls;
 * none has a name that could be found (sql.h). A hook is begin, the real call, end; nothing of ours is held between.
 */
#include "sql.h"
#include "sql_again.h"
#include "life.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BODY static inline __attribute__((always_inline))
#define UNPACK(...) __VA_ARGS__

/* Is there anything to do? Threads and states are looked at closely behind this. */
BODY bool sql_on(void)
{
	return pp_likely(pp_session.state == PP_STATE_ON || pp_session.state == PP_STATE_WAITING);
}

/* --- statements ------------------------------------------------------------------------------------------------------- */

BODY int hook_step(struct sql_library *library, bool inner, sqlite3_stmt *statement)
{
	int (*real)(sqlite3_stmt *) = library->real[SQL_step];
	struct sql_statement *again = NULL;
	struct sql_call call;
	uint64_t ended;
	int result;

	call.frame = PP_FRAME_OF_CALLER;
	if (!inner)
		again = sql_again_begin(statement, call.frame);
	if (pp_likely(again != NULL)) {
		call.began = io_ticks();
		result = real(statement);
		ended = io_ticks();
		if (pp_likely(sql_again_end(again, call.frame, ended - call.began, result)))
			return result;
		call.library = library;
		call.statement = again;
		call.handle = statement;
	} else {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		if (!sql_on() || !sql_step_begin(&call, library, inner, statement, &registers))
			return real(statement);
		result = real(statement);
		ended = io_ticks();
	}
	{
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		sql_step_end(&call, result, ended, &registers);
	}
	return result;
}

BODY int hook_reset(struct sql_library *library, bool inner, sqlite3_stmt *statement)
{
	int (*real)(sqlite3_stmt *) = library->real[SQL_reset];
	struct sql_statement *recent = sql_recent(statement);
	struct sql_left left;
	int result;

	(void)inner;
	if (pp_likely(recent && !recent->running)) /* it came to its end: there is nothing to tell */
		return real(statement);
	{
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		if (!sql_on() || !statement || !sql_left_begin(&left, statement, false, registers.sp))
			return real(statement);
	}
	result = real(statement);
	sql_left_end(&left);
	return result;
}

BODY int hook_finalize(struct sql_library *library, bool inner, sqlite3_stmt *statement)
{
	int (*real)(sqlite3_stmt *) = library->real[SQL_finalize];
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct sql_left left;
	int result;

	(void)inner;
	if (!statement || !sql_left_begin(&left, statement, true, registers.sp))
		return real(statement);
	result = real(statement);
	sql_left_end(&left);
	return result;
}

BODY int hook_stmt_status(struct sql_library *library, bool inner, sqlite3_stmt *statement, int counter, int reset)
{
	int (*real)(sqlite3_stmt *, int, int) = library->real[SQL_stmt_status];
	int value = real(statement, counter, reset);

	(void)inner;
	if (reset && statement)
		sql_counter_read(statement, counter, value);
	return value;
}

/* How many bytes of a text were looked at; of one in UTF-16 nothing is kept but what SQLite makes of it. */
static size_t text_size(const char *text, int size)
{
	return size < 0 ? strlen(text) : strnlen(text, (size_t)size);
}

#define PREPARE(name, plain, parameters, arguments)                                                                    \
	BODY int hook_##name parameters                                                                                \
	{                                                                                                              \
		int(*real) SQL_TYPE_##name = library->real[SQL_##name];                                                \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct sql_call call;                                                                                  \
		int result;                                                                                            \
                                                                                                                       \
		call.frame = registers.sp;                                                                             \
		if (!sql_on() || !sql_prepare_begin(&call, library, inner))                                            \
			return real arguments;                                                                         \
		result = real arguments;                                                                               \
		sql_prepare_end(&call, inner, db, result == SQL_OK && statement ? *statement : NULL,                   \
				plain ? (const char *)text : NULL,                                                     \
				plain && text && result != SQL_MISUSE ? text_size((const char *)text, size) : 0,       \
				result & SQL_PRIMARY, &registers);                                                     \
		return result;                                                                                         \
	}
#define SQL_TYPE_prepare      (sqlite3 *, const char *, int, sqlite3_stmt **, const char **)
#define SQL_TYPE_prepare_v2   SQL_TYPE_prepare
#define SQL_TYPE_prepare_v3   (sqlite3 *, const char *, int, unsigned int, sqlite3_stmt **, const char **)
#define SQL_TYPE_prepare16    (sqlite3 *, const void *, int, sqlite3_stmt **, const void **)
#define SQL_TYPE_prepare16_v2 SQL_TYPE_prepare16
#define SQL_TYPE_prepare16_v3 (sqlite3 *, const void *, int, unsigned int, sqlite3_stmt **, const void **)
#define SELF		      struct sql_library *library, bool inner
PREPARE(prepare, true,
	(SELF, sqlite3 *db, const char *text, int size, sqlite3_stmt **statement, const char **tail),
	(db, text, size, statement, tail))
PREPARE(prepare_v2, true,
	(SELF, sqlite3 *db, const char *text, int size, sqlite3_stmt **statement, const char **tail),
	(db, text, size, statement, tail))
PREPARE(prepare_v3, true,
	(SELF, sqlite3 *db, const char *text, int size, unsigned int flags, sqlite3_stmt **statement,
	 const char **tail),
	(db, text, size, flags, statement, tail))
PREPARE(prepare16, false,
	(SELF, sqlite3 *db, const void *text, int size, sqlite3_stmt **statement, const void **tail),
	(db, text, size, statement, tail))
PREPARE(prepare16_v2, false,
	(SELF, sqlite3 *db, const void *text, int size, sqlite3_stmt **statement, const void **tail),
	(db, text, size, statement, tail))
PREPARE(prepare16_v3, false,
	(SELF, sqlite3 *db, const void *text, int size, unsigned int flags, sqlite3_stmt **statement,
	 const void **tail),
	(db, text, size, flags, statement, tail))

/* --- other calls ------------------------------------------------------------------------------------------------------- */

/* Around a real call: what passes meanwhile (statements, I/O, waits) is known to be inside it. */
#define CALL(script, real_call, operation, handle, db, text, amount)                                                   \
	do {                                                                                                           \
		struct pp_registers caller = PP_REGISTERS_OF_CALLER;                                                   \
		struct sql_call call;                                                                                  \
		bool begun;                                                                                            \
                                                                                                                       \
		call.frame = caller.sp;                                                                                \
		begun = sql_on() && sql_call_begin(&call, library, script);                                            \
		result = real_call;                                                                                    \
		if (begun)                                                                                             \
			sql_call_end(&call, operation, handle, db, text, result, result == SQL_OK ? amount : 0,         \
				     &caller);                                                                         \
	} while (0)

/* What its statements do is counted as theirs, unless they cannot be seen. */
BODY int hook_exec(SELF, sqlite3 *db, const char *text, sql_row_handler handler, void *argument, char **message)
{
	int (*real)(sqlite3 *, const char *, sql_row_handler, void *, char **) = library->real[SQL_exec];
	uint32_t operation = library->inner_seen ? 0 : PP_SQL_SCRIPT;
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	int result;

	/* Its own call, by a step or a preparation: of its schema, of an index of words. */
	if (inner && !sql_in_script(registers.sp))
		return real(db, text, handler, argument, message);
	if (inner)
		operation = 0;
	CALL(true, real(db, text, handler, argument, message), operation, NULL, db, text, 0);
	return result;
}

BODY int hook_get_table(SELF, sqlite3 *db, const char *text, char ***table, int *rows, int *columns, char **message)
{
	int (*real)(sqlite3 *, const char *, char ***, int *, int *, char **) = library->real[SQL_get_table];
	uint32_t operation = library->inner_seen ? 0 : PP_SQL_SCRIPT;
	int result;

	(void)inner;
	CALL(true, real(db, text, table, rows, columns, message), operation, NULL, db, text, 0);
	return result;
}

#define OPEN(name, parameters, arguments, ...)                                                                         \
	BODY int hook_##name parameters                                                                                \
	{                                                                                                              \
		int (*real)(__VA_ARGS__) = library->real[SQL_##name];                                                  \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct sql_call call;                                                                                  \
		bool begun;                                                                                            \
		int result;                                                                                            \
                                                                                                                       \
		(void)inner;                                                                                           \
		call.frame = registers.sp;                                                                             \
		begun = sql_on() && sql_call_begin(&call, library, false);                                             \
		result = real arguments;                                                                               \
		if (begun)                                                                                             \
			sql_opened(&call, db ? *db : NULL, result, &registers);                                        \
		return result;                                                                                         \
	}
OPEN(open, (SELF, const char *file, sqlite3 **db), (file, db), const char *, sqlite3 **)
OPEN(open16, (SELF, const void *file, sqlite3 **db), (file, db), const void *, sqlite3 **)
OPEN(open_v2, (SELF, const char *file, sqlite3 **db, int flags, const char *vfs), (file, db, flags, vfs), const char *,
     sqlite3 **, int, const char *)

/* The connection is forgotten before it goes, for its address may be another's at once; one that stays is remembered. */
#define CLOSE(name)                                                                                                    \
	BODY int hook_##name(SELF, sqlite3 *db)                                                                        \
	{                                                                                                              \
		int (*real)(sqlite3 *) = library->real[SQL_##name];                                                    \
		struct sql_connection *known = sql_connection_find(db), last;                                          \
		int result;                                                                                            \
                                                                                                                       \
		(void)inner;                                                                                           \
		if (!known)                                                                                            \
			return real(db);                                                                               \
		if (sql_on())                                                                                          \
			sql_closing(library, db);                                                                      \
		last = *known;                                                                                         \
		sql_connection_drop(db);                                                                               \
		CALL(false, real(db), PP_SQL_CLOSE, NULL, NULL, NULL, 0);                                              \
		if (result != SQL_OK && (known = sql_connection_add(db)) != NULL)                                      \
			*known = last;                                                                                 \
		else if (sql_on())                                                                                     \
			sql_closed(&last);                                                                             \
		return result;                                                                                         \
	}
CLOSE(close)
CLOSE(close_v2)

static int busy_handler_call(void *argument, int count)
{
	struct sql_connection *connection = argument;
	uint64_t began = io_ticks();
	int result = connection->busy_handler(connection->busy_argument, count);

	sql_waited(began, io_ticks());
	return result;
}

BODY int hook_busy_handler(SELF, sqlite3 *db, sql_busy_handler handler, void *argument)
{
	int (*real)(sqlite3 *, sql_busy_handler, void *) = library->real[SQL_busy_handler];
	struct sql_connection *connection = db ? sql_connection_find(db) : NULL;

	(void)inner;
	if (!handler || !connection)
		return real(db, handler, argument);
	connection->busy_handler = handler;
	connection->busy_argument = argument;
	return real(db, busy_handler_call, connection);
}

BODY sqlite3_backup *hook_backup_init(SELF, sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name)
{
	sqlite3_backup *(*real)(sqlite3 *, const char *, sqlite3 *, const char *) = library->real[SQL_backup_init];
	sqlite3_backup *result = real(to, to_name, from, from_name);

	(void)inner;
	if (sql_on())
		sql_handle_made(library, result, from, false, NULL);
	return result;
}

BODY int hook_backup_step(SELF, sqlite3_backup *backup, int pages)
{
	int (*real)(sqlite3_backup *, int) = library->real[SQL_backup_step];
	int result;

	(void)inner;
	CALL(false, real(backup, pages), PP_SQL_BACKUP, backup, NULL, NULL, pages > 0 ? (uint64_t)pages : 0);
	return result;
}

BODY int hook_backup_finish(SELF, sqlite3_backup *backup)
{
	int (*real)(sqlite3_backup *) = library->real[SQL_backup_finish];

	(void)inner;
	sql_statement_drop(backup);
	return real(backup);
}

BODY int hook_blob_open(SELF, sqlite3 *db, const char *name, const char *table, const char *column, int64_t row,
			int flags, sqlite3_blob **blob)
{
	int (*real)(sqlite3 *, const char *, const char *, const char *, int64_t, int, sqlite3_blob **) =
		library->real[SQL_blob_open];
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	int result;

	(void)inner;
	CALL(false, real(db, name, table, column, row, flags, blob), PP_SQL_BLOB_OPEN, NULL, db, NULL, 0);
	if (result == SQL_OK && blob && sql_on())
		sql_handle_made(library, *blob, db, flags != 0, &registers);
	return result;
}

BODY int hook_blob_close(SELF, sqlite3_blob *blob)
{
	int (*real)(sqlite3_blob *) = library->real[SQL_blob_close];
	struct sql_statement *known = blob ? sql_statement_find(blob) : NULL;
	struct sql_statement last;
	int result;

	(void)inner;
	if (!known)
		return real(blob);
	last = *known;
	sql_statement_drop(blob);
	CALL(false, real(blob), PP_SQL_BLOB_CLOSE, NULL, last.db, NULL, 0); /* what was written is committed here */
	if (sql_on())
		sql_handle_gone(&last);
	return result;
}

BODY int hook_blob_read(SELF, sqlite3_blob *blob, void *bytes, int size, int offset)
{
	int (*real)(sqlite3_blob *, void *, int, int) = library->real[SQL_blob_read];
	int result;

	(void)inner;
	CALL(false, real(blob, bytes, size, offset), PP_SQL_BLOB_READ, blob, NULL, NULL, (uint64_t)size);
	return result;
}

BODY int hook_blob_write(SELF, sqlite3_blob *blob, const void *bytes, int size, int offset)
{
	int (*real)(sqlite3_blob *, const void *, int, int) = library->real[SQL_blob_write];
	int result;

	(void)inner;
	CALL(false, real(blob, bytes, size, offset), PP_SQL_BLOB_WRITE, blob, NULL, NULL, (uint64_t)size);
	return result;
}

BODY int hook_blob_reopen(SELF, sqlite3_blob *blob, int64_t row)
{
	int (*real)(sqlite3_blob *, int64_t) = library->real[SQL_blob_reopen];
	int result;

	(void)inner;
	CALL(false, real(blob, row), PP_SQL_BLOB_REOPEN, blob, NULL, NULL, 0);
	return result;
}

BODY int hook_wal_checkpoint(SELF, sqlite3 *db, const char *name)
{
	int (*real)(sqlite3 *, const char *) = library->real[SQL_wal_checkpoint];
	int result;

	(void)inner;
	CALL(false, real(db, name), PP_SQL_CHECKPOINT, NULL, db, NULL, 0);
	return result;
}

BODY int hook_wal_checkpoint_v2(SELF, sqlite3 *db, const char *name, int mode, int *logged, int *moved)
{
	int (*real)(sqlite3 *, const char *, int, int *, int *) = library->real[SQL_wal_checkpoint_v2];
	int result;

	(void)inner;
	CALL(false, real(db, name, mode, logged, moved), PP_SQL_CHECKPOINT, NULL, db, NULL, 0);
	return result;
}

/* --- waits for another's lock ------------------------------------------------------------------------------------------- */

#define WAIT(name, type, parameters, arguments, ...)                                                                   \
	BODY type hook_##name parameters                                                                               \
	{                                                                                                              \
		type (*real)(__VA_ARGS__) = library->real[SQL_##name];                                                 \
		uint64_t began = io_ticks();                                                                           \
		type result = real arguments;                                                                          \
                                                                                                                       \
		(void)inner;                                                                                           \
		sql_waited(began, io_ticks());                                                                         \
		return result;                                                                                         \
	}
WAIT(usleep, int, (SELF, useconds_t microseconds), (microseconds), useconds_t)
WAIT(sleep, unsigned int, (SELF, unsigned int seconds), (seconds), unsigned int)
WAIT(nanosleep, int, (SELF, const struct timespec *wanted, struct timespec *left), (wanted, left),
     const struct timespec *, struct timespec *)

/* --- the hooks, library by library --------------------------------------------------------------------------------------- */

#define HOOK(number, inner, name, type, parameters, arguments)                                                         \
	static __attribute__((noinline, noclone)) type name##_##number##_##inner parameters                            \
	{                                                                                                              \
		return hook_##name(&sql_libraries[number], inner, UNPACK arguments);                                   \
	}
#define HOOK_0(name, ...) HOOK(0, 0, name, __VA_ARGS__) HOOK(0, 1, name, __VA_ARGS__)
#define HOOK_1(name, ...) HOOK(1, 0, name, __VA_ARGS__) HOOK(1, 1, name, __VA_ARGS__)
#define HOOK_2(name, ...) HOOK(2, 0, name, __VA_ARGS__) HOOK(2, 1, name, __VA_ARGS__)
#define HOOK_3(name, ...) HOOK(3, 0, name, __VA_ARGS__) HOOK(3, 1, name, __VA_ARGS__)
#define HOOKS_OF(number)                                                                                               \
	SQL_INNER(HOOK_##number)                                                                                       \
	SQL_OUTER(HOOK_##number)                                                                                       \
	SQL_WAITS(HOOK_##number)
HOOKS_OF(0)
HOOKS_OF(1)
HOOKS_OF(2)
HOOKS_OF(3)

#define ENTRY_0_0(name, ...) [SQL_##name] = (void *)name##_0_0,
#define ENTRY_0_1(name, ...) [SQL_##name] = (void *)name##_0_1,
#define ENTRY_1_0(name, ...) [SQL_##name] = (void *)name##_1_0,
#define ENTRY_1_1(name, ...) [SQL_##name] = (void *)name##_1_1,
#define ENTRY_2_0(name, ...) [SQL_##name] = (void *)name##_2_0,
#define ENTRY_2_1(name, ...) [SQL_##name] = (void *)name##_2_1,
#define ENTRY_3_0(name, ...) [SQL_##name] = (void *)name##_3_0,
#define ENTRY_3_1(name, ...) [SQL_##name] = (void *)name##_3_1,
#define ENTRIES(which)                                                                                                 \
	{                                                                                                              \
		SQL_INNER(ENTRY_##which) SQL_OUTER(ENTRY_##which) SQL_WAITS(ENTRY_##which)                             \
	}
void *const sql_hooks[SQL_LIBRARIES][2][SQL_SLOT_COUNT] = {
	{ENTRIES(0_0), ENTRIES(0_1)},
	{ENTRIES(1_0), ENTRIES(1_1)},
	{ENTRIES(2_0), ENTRIES(2_1)},
	{ENTRIES(3_0), ENTRIES(3_1)},
};
