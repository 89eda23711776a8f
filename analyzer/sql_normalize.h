/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text without the values that somebody wrote into it: what a recording calls a statement. Two texts that differ
 * only in values, white space and comments, in the length of an IN list of values, or in the number of like rows of
 * a VALUES clause, have the same normal form:
 *
 *	select * from t where id in (1,2,3) and name='Ada' -- hers
 *	select * from t where id in (...) and name = ?
 *
 * What becomes of the text's parts:
 *
 *	strings, blobs, numbers, with their signs	?
 *	? ?1 :name @name $name, names, keywords, NULL	as they are written, their case too
 *	"word"						as it is, where SQL's grammar has room for nothing but a name or
 *							where such a name is elsewhere in the statement; else ?, since
 *							SQLite reads it as a string if there is no such column:
 *							sql_normalize_doubtful is told what is one
 *	x IN (?, 2, 'c')				x IN (...)
 *	VALUES (1, 2), (3, 4)				VALUES (?, ?), ...
 *	PRAGMA name = value				? unless the value is a word like WAL or names a table
 *	what is no SQL, strings without an end		?
 *
 * A normal form is its own normal form.
 *
 * sqlite3_normalized_sql() does much of this, but only where SQLite was built with SQLITE_ENABLE_NORMALIZE, which
 * Debian's and others are not, and in the program, where it would cost time at each statement.
 */
#ifndef PREPROF_SQL_NORMALIZE_H
#define PREPROF_SQL_NORMALIZE_H

#include "arena.h"

#include "sql_values.h"

#include <stddef.h>

/* A longer normal form is cut there, after a whole token, and ends with "...". */
#define PP_SQL_NORMAL_BYTES 16384

enum pp_sql_normal_flags {
	PP_SQL_CUT = 1,		  /* the text is but the beginning of the statement: its last token may be a half one */
	PP_SQL_KEEP_LITERALS = 2, /* the user wants to see values: only white space and comments go */
};

/* Any bytes; valid UTF-8 comes out. The string is the arena's. */
char *sql_normalize(struct pp_arena *arena, const char *sql, size_t size, unsigned flags);
/* The same where somebody knows the schema. */
char *sql_normalize_doubtful(struct pp_arena *arena, const char *sql, size_t size, unsigned flags,
			     struct pp_sql_doubt *doubt);

#endif
