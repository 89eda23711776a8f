/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a statement does with the columns that it reads, by the look of its tokens: compares them, or sorts by them. A
 * guess, from which indexes to try are made; whether an index serves is SQLite's to say. Strings are the arena's.
 */
#ifndef PREPROF_SQL_TERMS_H
#define PREPROF_SQL_TERMS_H

#include "arena.h"
#include "sql_token.h"

enum pp_sql_role { PP_SQL_EQUAL = 1, PP_SQL_RANGE = 2, PP_SQL_PATTERN = 4 };

/* A column that is compared with something, itself or by a function of SQLite's. */
struct pp_sql_term {
	const char *column;
	const char *function; /* "lower"; NULL: itself */
	uint32_t roles;	      /* enum pp_sql_role */
};

/* The columns of an ORDER BY, GROUP BY or SELECT DISTINCT, up to the first item that is none. */
#define PP_SQL_LIST_MAX 4
struct pp_sql_list {
	const char *columns[PP_SQL_LIST_MAX];
	bool descending[PP_SQL_LIST_MAX];
	uint32_t count;
};

#define PP_SQL_TERMS_MAX      32
#define PP_SQL_LISTS_MAX      4
#define PP_SQL_COLLATIONS_MAX 3

struct pp_sql_terms {
	struct pp_sql_term terms[PP_SQL_TERMS_MAX];
	uint32_t term_count;
	struct pp_sql_list lists[PP_SQL_LISTS_MAX];
	uint32_t list_count;
	const char *collations[PP_SQL_COLLATIONS_MAX]; /* that the statement names */
	uint32_t collation_count;
};

void sql_terms_find(const char *sql, struct pp_arena *arena, struct pp_sql_terms *terms);

#endif
