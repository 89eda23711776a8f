/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tokens of a statement are values that somebody wrote into it. The hard part are words in double quotes, which
 * SQLite reads as strings where no column has such a name: what is not certainly a name counts as a value. Pure
 * functions; any thread.
 */
#ifndef PREPROF_SQL_VALUES_H
#define PREPROF_SQL_VALUES_H

#include "sql_token.h"

enum pp_sql_mark {
	PP_MARK_PLAIN,
	PP_MARK_VALUE,	 /* not to be shown */
	PP_MARK_UNARY,	 /* an operator before its only operand */
	PP_MARK_DROPPED, /* not set here: left out by the caller */
};

/* Words in double quotes where SQL has room for a column and for a string: which SQLite takes depends on the schema. Who
 * knows that says which are names; all others are values. */
struct pp_sql_doubt {
	/* The word without its quotes; NULL: none is. */
	bool (*is_name)(const void *argument, const char *word, size_t size);
	const void *argument;
	bool all; /* every one is */
	bool met; /* set: there was such a word */
};

/* Marks tokens in place; signs of numbers go. Returns how many are left, ended by PP_TOKEN_END. With keep only what is no
 * SQL is a value. */
uint32_t sql_values_mark(struct pp_sql_token *tokens, uint32_t count, bool keep, struct pp_sql_doubt *doubt);

#endif
