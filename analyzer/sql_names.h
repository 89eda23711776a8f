/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of SQLite's calls in words. Any thread: constants. */
#ifndef PREPROF_SQL_NAMES_H
#define PREPROF_SQL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define PP_SQL_NAMES 256 /* operations, results and outcomes have numbers below */

const char *sql_operation_name(uint32_t operation); /* "execute"; "operation 77" is "unknown" */
const char *sql_result_name(uint32_t result);	    /* "SQLITE_BUSY"; 100 is "left" */
const char *sql_outcome_name(uint32_t outcome);	    /* "committed" */
bool sql_operation_is_statement(uint32_t operation); /* it has SQL text: executions, preparations */
bool sql_operation_is_preparation(uint32_t operation); /* ... of a statement that was never executed */
bool sql_result_is_error(uint32_t result);
bool sql_operation_is_execution(uint32_t operation);
bool sql_result_is_done(uint32_t result); /* came to its end */
bool sql_result_is_left(uint32_t result); /* given up before its end */
bool sql_outcome_is_commit(uint32_t outcome);
bool sql_flags_autocommit(uint32_t flags); /* a transaction by itself */
bool sql_flags_write(uint32_t flags);
bool sql_result_is_locked(uint32_t result); /* by another user of a shared cache */
bool sql_lock_writes(uint32_t lock);
bool sql_flags_nested(uint32_t flags);	   /* inside a step of another statement */

#endif
