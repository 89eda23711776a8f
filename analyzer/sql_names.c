/* SPDX-License-Identifier: Apache-2.0 */
/* Words for numbers; see sql_names.h. */
#include "sql_names.h"

#include "preprof/wire.h"

#include <stddef.h>

static const char *const operations[PP_SQL_OPERATIONS] = {
	[PP_SQL_EXECUTE] = "execute",	    [PP_SQL_PREPARE] = "prepare",	[PP_SQL_SCRIPT] = "script",
	[PP_SQL_OPEN] = "open",		    [PP_SQL_CLOSE] = "close",		[PP_SQL_BACKUP] = "backup",
	[PP_SQL_BLOB_OPEN] = "blob_open",   [PP_SQL_BLOB_READ] = "blob_read",	[PP_SQL_BLOB_WRITE] = "blob_write",
	[PP_SQL_BLOB_REOPEN] = "blob_reopen", [PP_SQL_CHECKPOINT] = "checkpoint",
	[PP_SQL_BLOB_CLOSE] = "blob_close",
};

static const char *const results[] = {
	"SQLITE_OK",	   "SQLITE_ERROR",	"SQLITE_INTERNAL",   "SQLITE_PERM",	"SQLITE_ABORT",
	"SQLITE_BUSY",	   "SQLITE_LOCKED",	"SQLITE_NOMEM",	     "SQLITE_READONLY", "SQLITE_INTERRUPT",
	"SQLITE_IOERR",	   "SQLITE_CORRUPT",	"SQLITE_NOTFOUND",   "SQLITE_FULL",	"SQLITE_CANTOPEN",
	"SQLITE_PROTOCOL", "SQLITE_EMPTY",	"SQLITE_SCHEMA",     "SQLITE_TOOBIG",	"SQLITE_CONSTRAINT",
	"SQLITE_MISMATCH", "SQLITE_MISUSE",	"SQLITE_NOLFS",	     "SQLITE_AUTH",	"SQLITE_FORMAT",
	"SQLITE_RANGE",	   "SQLITE_NOTADB",	"SQLITE_NOTICE",     "SQLITE_WARNING",
};
#define RESULTS	    (sizeof(results) / sizeof(results[0]))
#define RESULT_DONE 101

const char *sql_operation_name(uint32_t operation)
{
	return operation < PP_SQL_OPERATIONS && operations[operation] ? operations[operation] : "unknown";
}

const char *sql_result_name(uint32_t result)
{
	if (result == RESULT_DONE)
		return "done";
	if (result == PP_SQL_LEFT)
		return "left";
	return result < RESULTS ? results[result] : "unknown";
}

const char *sql_outcome_name(uint32_t outcome)
{
	static const char *const outcomes[] = {"unknown", "committed", "rolled_back", "abandoned"};

	return outcomes[outcome <= PP_SQL_ABANDONED ? outcome : 0];
}

bool sql_operation_is_statement(uint32_t operation)
{
	return operation >= PP_SQL_EXECUTE && operation <= PP_SQL_SCRIPT;
}

bool sql_result_is_error(uint32_t result)
{
	return result != 0 && result != RESULT_DONE && result != PP_SQL_LEFT;
}

bool sql_operation_is_preparation(uint32_t operation)
{
	return operation == PP_SQL_PREPARE;
}

bool sql_operation_is_execution(uint32_t operation)
{
	return operation == PP_SQL_EXECUTE;
}

bool sql_result_is_done(uint32_t result)
{
	return result == 101; /* SQLITE_DONE */
}

bool sql_result_is_left(uint32_t result)
{
	return result == PP_SQL_LEFT;
}

bool sql_outcome_is_commit(uint32_t outcome)
{
	return outcome == PP_SQL_COMMITTED;
}

bool sql_flags_autocommit(uint32_t flags)
{
	return flags & PP_SQL_AUTOCOMMIT;
}

bool sql_flags_write(uint32_t flags)
{
	return flags & PP_SQL_WRITES;
}

bool sql_flags_nested(uint32_t flags)
{
	return flags & PP_SQL_NESTED;
}

bool sql_result_is_locked(uint32_t result)
{
	return result == 6; /* SQLITE_LOCKED */
}

bool sql_lock_writes(uint32_t lock)
{
	return lock == PP_SQL_LOCK_WRITE;
}
