/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql family: which SQLite libraries there are and who calls them (sql_library.c), which statements and connections
 * (sql_handle.c), what an execution is (sql_step.c), a transaction (sql_connection.c) and another call (sql_call.c), and how
 * they are told (sql.c). hook_sql.c has the hooks.
 *
 * No name of SQLite's is exported, for a program may ask whether there is an SQLite (dlsym, a weak reference), and must
 * hear of its own or of none. Instead the slots through which loaded objects call a library are led to hooks that are
 * made for that library: so each call reaches the library that it was bound to, however many there are, and wherever
 * the loader keeps them.
 *
 * Context: any thread, not in a signal handler. Nothing is held across a call of SQLite's.
 */
#ifndef PREPROF_SQL_H
#define PREPROF_SQL_H

#include "emit.h"
#include "io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_blob sqlite3_blob;
typedef struct sqlite3_backup sqlite3_backup;
typedef struct sqlite3_mutex sqlite3_mutex;
typedef int (*sql_busy_handler)(void *argument, int count);
typedef int (*sql_row_handler)(void *argument, int count, char **values, char **names);

#define SQL_OK	    0
#define SQL_BUSY    5
#define SQL_LOCKED  6
#define SQL_MISUSE  21
#define SQL_ROW	    100
#define SQL_DONE    101
#define SQL_PRIMARY 0xff

/* The hooked functions: sqlite3_NAME, what it returns, its parameters and their names. INNER: the library's own calls of
 * it are looked at too, for sqlite3_exec makes them on the program's behalf. */
#define SQL_INNER(X)                                                                                                   \
	X(prepare, int,                                                                                                \
	  (sqlite3 * db, const char *text, int size, sqlite3_stmt **statement, const char **tail),                     \
	  (db, text, size, statement, tail))                                                                           \
	X(prepare_v2, int,                                                                                             \
	  (sqlite3 * db, const char *text, int size, sqlite3_stmt **statement, const char **tail),                     \
	  (db, text, size, statement, tail))                                                                           \
	X(prepare_v3, int,                                                                                             \
	  (sqlite3 * db, const char *text, int size, unsigned int flags, sqlite3_stmt **statement, const char **tail), \
	  (db, text, size, flags, statement, tail))                                                                    \
	X(step, int, (sqlite3_stmt * statement), (statement))                                                          \
	X(reset, int, (sqlite3_stmt * statement), (statement))                                                         \
	X(finalize, int, (sqlite3_stmt * statement), (statement))                                                      \
	X(exec, int, (sqlite3 * db, const char *text, sql_row_handler handler, void *argument, char **message),        \
	  (db, text, handler, argument, message))
#define SQL_OUTER(X)                                                                                                   \
	X(open, int, (const char *file, sqlite3 **db), (file, db))                                                     \
	X(open16, int, (const void *file, sqlite3 **db), (file, db))                                                   \
	X(open_v2, int, (const char *file, sqlite3 **db, int flags, const char *vfs), (file, db, flags, vfs))          \
	X(close, int, (sqlite3 * db), (db))                                                                            \
	X(close_v2, int, (sqlite3 * db), (db))                                                                         \
	X(prepare16, int,                                                                                              \
	  (sqlite3 * db, const void *text, int size, sqlite3_stmt **statement, const void **tail),                     \
	  (db, text, size, statement, tail))                                                                           \
	X(prepare16_v2, int,                                                                                           \
	  (sqlite3 * db, const void *text, int size, sqlite3_stmt **statement, const void **tail),                     \
	  (db, text, size, statement, tail))                                                                           \
	X(prepare16_v3, int,                                                                                           \
	  (sqlite3 * db, const void *text, int size, unsigned int flags, sqlite3_stmt **statement, const void **tail), \
	  (db, text, size, flags, statement, tail))                                                                    \
	X(get_table, int,                                                                                              \
	  (sqlite3 * db, const char *text, char ***result, int *rows, int *columns, char **message),                   \
	  (db, text, result, rows, columns, message))                                                                  \
	X(stmt_status, int, (sqlite3_stmt * statement, int counter, int reset), (statement, counter, reset))           \
	X(busy_handler, int, (sqlite3 * db, sql_busy_handler handler, void *argument), (db, handler, argument))        \
	X(backup_init, sqlite3_backup *,                                                                               \
	  (sqlite3 * to, const char *to_name, sqlite3 *from, const char *from_name), (to, to_name, from, from_name))   \
	X(backup_step, int, (sqlite3_backup * backup, int pages), (backup, pages))                                     \
	X(backup_finish, int, (sqlite3_backup * backup), (backup))                                                     \
	X(blob_open, int,                                                                                              \
	  (sqlite3 * db, const char *name, const char *table, const char *column, int64_t row, int flags,              \
	   sqlite3_blob **blob),                                                                                       \
	  (db, name, table, column, row, flags, blob))                                                                 \
	X(blob_close, int, (sqlite3_blob * blob), (blob))                                                              \
	X(blob_read, int, (sqlite3_blob * blob, void *bytes, int size, int offset), (blob, bytes, size, offset))       \
	X(blob_write, int, (sqlite3_blob * blob, const void *bytes, int size, int offset),                             \
	  (blob, bytes, size, offset))                                                                                 \
	X(blob_reopen, int, (sqlite3_blob * blob, int64_t row), (blob, row))                                           \
	X(wal_checkpoint, int, (sqlite3 * db, const char *name), (db, name))                                           \
	X(wal_checkpoint_v2, int, (sqlite3 * db, const char *name, int mode, int *logged, int *moved),                 \
	  (db, name, mode, logged, moved))
/* libc's, where SQLite waits for another's lock: hooked in the library's own slots. */
#define SQL_WAITS(X)                                                                                                   \
	X(usleep, int, (useconds_t microseconds), (microseconds))                                                      \
	X(sleep, unsigned int, (unsigned int seconds), (seconds))                                                      \
	X(nanosleep, int, (const struct timespec *wanted, struct timespec *left), (wanted, left))
/* What is asked of the library, and not hooked. */
#define SQL_ASKED(X)                                                                                                   \
	X(sql) X(db_handle) X(db_filename) X(get_autocommit) X(stmt_readonly) X(db_status) X(db_mutex) X(mutex_leave)  \
	X(mutex_try) X(libversion_number) X(txn_state) X(db_name)

enum sql_function {
#define ROW(name, ...) SQL_##name,
	SQL_INNER(ROW) SQL_INNER_COUNT,
	SQL_BEFORE_OUTER = SQL_INNER_COUNT - 1,
	SQL_OUTER(ROW) SQL_HOOKED_COUNT,
	SQL_BEFORE_WAITS = SQL_HOOKED_COUNT - 1,
	SQL_WAITS(ROW) SQL_SLOT_COUNT,
	SQL_BEFORE_ASKED = SQL_SLOT_COUNT - 1,
	SQL_ASKED(ROW) SQL_FUNCTION_COUNT
#undef ROW
};

#define SQL_LIBRARIES 4

/* A loaded SQLite. `real` has its functions, NULL what it lacks; of SQL_WAITS what its slots held. */
struct sql_library {
	uint64_t start, end; /* 0: none */
	void *real[SQL_FUNCTION_COUNT];
	bool inner_seen; /* its own calls of sqlite3_step pass by us */
};
extern struct sql_library sql_libraries[SQL_LIBRARIES] __attribute__((visibility("hidden")));

/* A real function, by the type that the caller knows. */
#define SQL_REAL(library, name, type, ...) ((type(*)(__VA_ARGS__))(library)->real[SQL_##name])

/* --- sql_library.c -------------------------------------------------------------------------------------------------- */

/* hook_sql.c: by library, whether the library itself calls, and function. */
extern void *const sql_hooks[SQL_LIBRARIES][2][SQL_SLOT_COUNT] __attribute__((visibility("hidden")));

/* Looks for libraries and their callers among what was loaded since the last time. Not where the loader's lock is held by
 * this thread. */
void sql_libraries_look(void);
void sql_libraries_reset(void); /* a forked child */
void sql_libraries_unloaded(void); /* after a dlclose */
/* The hook in front of `found`, which a program has looked up by name; `found` itself where there is none. */
void *sql_libraries_hook(void *found, const char *name);

/* --- sql_handle.c: what is known of what SQLite has given out ------------------------------------------------------- */

/* What a transaction keeps from others, and where its time went. In ticks. */
struct sql_locks {
	uint64_t read_since, write_since; /* 0: not */
	uint64_t inside;		  /* in steps */
	uint64_t longest;		  /* of one execution */
	uint32_t longest_stack, longest_text;
};

struct sql_connection {
	struct sql_library *library;
	uint32_t generation; /* of the numbers below: they are new in a forked child */
	uint32_t database;
	uint32_t autocommit; /* as it was after the last execution */
	bool cache_unknown;  /* its counts could not be asked for yet */
	uint32_t begin_stack;
	uint32_t serial; /* 1, 2, ... in the process */
	uint64_t begin_ticks;
	struct sql_locks locks; /* of the transaction */
	uint64_t statements, writes, syncs, sync_ticks, read_bytes, written_bytes; /* in the transaction */
	uint64_t cache[4], cache_ticks;
	sql_busy_handler busy_handler;
	void *busy_argument;
};

#define SQL_COUNTERS 5 /* fullscan steps, sorts, automatic index rows, VM steps, reprepares */

/* A statement; also, with no more than its connection, a blob handle or a backup. */
struct sql_statement {
	struct sql_library *library;
	struct sql_connection *connection;
	sqlite3 *db;
	uint32_t generation;
	uint32_t text;
	uint32_t owner; /* thread that is inside sqlite3_step of it; 0: none */
	uint32_t stack, prepare_stack;
	uint32_t last[SQL_COUNTERS];
	uint16_t flags; /* enum pp_wire_sql_flag */
	bool running, writes, rolls_back, attaches, by_exec;
	bool plain; /* nothing in the execution but rows, steps and time: what follows ticks, rows and steps is 0 */
	uint32_t prepares;
	uint64_t prepare_ticks;
	uint64_t began, busy_until; /* of the execution: its first step, the end of its last wait for a lock (0: none) */
	/* All of a width: read together soon after they were written one by one, narrower ones would wait for memory. */
	uint64_t ticks, rows, steps;
	uint64_t nested_ticks, read_bytes, written_bytes, busy_ticks, sync_ticks;
	uint64_t busy_count, busy_waits, syncs;
};

bool sql_handles_init(void); /* false: no memory */
struct sql_statement *sql_statement_find(const void *handle);
/* Where it is in the table: holds the handle as long as the statement has its state. NULL: not known. */
const uintptr_t *sql_statement_key(const void *handle);
struct sql_statement *sql_statement_add(const void *handle); /* zeroed; NULL: no room */
void sql_statement_drop(const void *handle);
struct sql_connection *sql_connection_find(const void *handle);
struct sql_connection *sql_connection_add(const void *handle);
void sql_connection_drop(const void *handle);
void sql_handles_forget(const struct sql_library *library);
void sql_statements_each(void (*call)(const void *handle, struct sql_statement *statement, void *argument),
			 void *argument);
void sql_connections_each(void (*call)(const void *handle, struct sql_connection *connection, void *argument),
			  void *argument);
/* The number of a text or of a database's file; told where it is new. 0: there are too many. Guard held. */
uint32_t sql_text_number(struct pp_thread *thread, const char *text, size_t size);
uint32_t sql_database_number(struct pp_thread *thread, const char *path, uint32_t library_version);
/* Of one to which others are attached: their names and paths, one after the other, each ended by a 0. 0: there are too many. */
uint32_t sql_attached_number(struct pp_thread *thread, const char *path, uint32_t library_version, const char *attached,
			     size_t size);
/* The text begins with this word, in lower case; comments and white space may come first. */
bool sql_text_begins(const char *text, const char *word);
void sql_numbers_reset(void); /* a forked child: nobody has been told of any */
extern uint32_t sql_generation __attribute__((visibility("hidden")));

/* --- sql.c: entries ---------------------------------------------------------------------------------------------------- */

/* What a call is. Written as the two words that look for its entry: they read it at once, and bytes and halves that
 * were just written one by one would have to reach memory first. */
static inline void sql_call_name(struct pp_wire_sql_entry *call, uint32_t text, uint32_t database, uint32_t stack,
				 uint32_t operation, uint64_t result, uint64_t flags)
{
	uint64_t words[2] = {(uint64_t)database << 32 | text,
			     flags << 48 | (result & 0xff) << 40 | (uint64_t)operation << 32 | stack};

	_Static_assert(offsetof(struct pp_wire_sql_entry, sequence) == sizeof(words), "wire");
	memcpy(call, words, sizeof(words));
}

/* Adds what `call` counts to the thread's entry of its kind: one execution, or one call. now: in ticks. Guard held. */
void sql_tell(struct pp_thread *thread, const struct pp_wire_sql_entry *call, uint64_t now);
/* The same of one that has neither prepares nor nested, read, written, busy and sync counts: these are not looked at. */
void sql_tell_plain(struct pp_thread *thread, const struct pp_wire_sql_entry *call, uint64_t now);
uint64_t sql_ns(uint64_t ticks);
void sql_jumped(struct pp_thread *thread); /* see thread_jumped */
void sql_thread_finish(struct pp_thread *thread); /* as io_thread_finish */
void sql_reset(void);				  /* a forked child */

/* --- sql_connection.c: guard held --------------------------------------------------------------------------------------- */

/* What is known of a connection, from now on at the latest; NULL: there are too many. */
struct sql_connection *sql_connection_meet(struct pp_thread *thread, struct sql_library *library, sqlite3 *db);
/* The connection's own lock, unless another thread has it. What SQLite would wait for it inside is asked only so. */
bool sql_connection_try(const struct sql_library *library, sqlite3 *db);
void sql_connection_leave(const struct sql_library *library, sqlite3 *db);
void sql_cache_tell(struct pp_thread *thread, struct sql_connection *connection, sqlite3 *db);
/* The end of the connection's transaction, as `outcome`, at `now` in ticks. */
void sql_transaction_tell(struct pp_thread *thread, struct sql_connection *connection, uint32_t outcome,
			  uint32_t end_stack, uint64_t now);
/* What an execution that has ended means for its connection. Returns the flags that follow. */
uint32_t sql_transaction_count(struct pp_thread *thread, struct sql_statement *statement, uint32_t result,
			       uint64_t now);

/* --- sql_lock.c: guard held ----------------------------------------------------------------------------------------------- */

/* An execution of a transaction's has ended, which may be the one that began it. */
void sql_locks_count(struct sql_connection *connection, const struct sql_statement *statement, uint32_t result);
/* The connection's transaction ends at `now`: what it kept is told, if it did so for long. */
void sql_locks_tell(struct pp_thread *thread, struct sql_connection *connection, uint32_t end_stack, uint64_t now);
/* The same of an execution that was a transaction by itself. */
void sql_locks_alone(struct pp_thread *thread, const struct sql_statement *statement, uint64_t now);
/* Of a call that is no step. */
void sql_locks_call(struct pp_thread *thread, const struct sql_connection *connection, uint32_t lock, uint32_t stack,
		    uint64_t began, uint64_t now);
/* `call` waited for a lock, so many ticks up to `until`, or was refused it. */
void sql_wait_tell(struct pp_thread *thread, const struct pp_wire_sql_entry *call,
		   const struct sql_connection *connection, uint64_t ticks, uint64_t until, uint64_t now);

/* --- sql_step.c and sql_call.c ------------------------------------------------------------------------------------------ */

/* A step, or another call, from its begin to its end: in the hook's frame. */
struct sql_call {
	struct sql_library *library;
	struct sql_statement *statement; /* NULL: not known yet */
	const void *handle;
	uint64_t began;
	uint64_t frame;
	uint32_t last[SQL_COUNTERS];
};

/* false: not to be recorded. */
bool sql_step_begin(struct sql_call *call, struct sql_library *library, bool inner, sqlite3_stmt *statement,
		    const struct pp_registers *registers);
void sql_step_end(struct sql_call *call, int result, uint64_t now, const struct pp_registers *registers);
/* Around a prepare; `statement`: what has come to be. call->frame is set. */
bool sql_prepare_begin(struct sql_call *call, struct sql_library *library, bool inner);
void sql_prepare_end(struct sql_call *call, bool inner, sqlite3 *db, sqlite3_stmt *statement, const char *text,
		     size_t size, int result, const struct pp_registers *registers);
bool sql_in_script(uint64_t frame); /* this thread is in sqlite3_exec, and in nothing further in */
/* Before a reset or a finalize, which may end an execution. true: after it is sql_left_end due. */
struct sql_left {
	uint64_t began, frame;
	const struct sql_connection *connection;
	uint64_t busy_ticks, busy_until; /* as those of the statement, which may have gone */
	struct pp_wire_sql_entry execution; /* its cells mean nothing */
};
bool sql_left_begin(struct sql_left *left, sqlite3_stmt *statement, bool finalize, uint64_t frame);
void sql_left_end(struct sql_left *left);
void sql_counter_read(sqlite3_stmt *statement, int counter, int value); /* and reset, by the program */

/* Calls of other kinds: what passes by meanwhile is theirs. script: statements inside are the program's. */
bool sql_call_begin(struct sql_call *call, struct sql_library *library, bool script);
void sql_call_end(struct sql_call *call, uint32_t operation, const void *handle, sqlite3 *db, const char *text,
		  int result, uint64_t amount, const struct pp_registers *registers);
void sql_opened(struct sql_call *call, sqlite3 *db, int result, const struct pp_registers *registers);
void sql_closing(struct sql_library *library, sqlite3 *db);
void sql_closed(const struct sql_connection *last);
/* writes: it keeps others from writing until sql_handle_gone. */
void sql_handle_made(struct sql_library *library, const void *handle, sqlite3 *db, bool writes,
		     const struct pp_registers *registers);
void sql_handle_gone(const struct sql_statement *last); /* what was known of it */

/* Inside a call of SQLite's by this thread: an I/O call, and a wait for a lock. */
void sql_passed_io(struct pp_thread *thread, uint32_t operation, uint64_t bytes, uint64_t ns);
void sql_waited(uint64_t began, uint64_t ended); /* in ticks */
void sql_finish(void); /* the process ends: what is open is told */

#endif
