/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How SQLite goes about a statement, and which index would change that: planned on a copy of the schema
 * (sql_schema.h), where indexes can be made and dropped. An index is advised only after SQLite itself was seen to use
 * it there, as was wanted.
 *
 * One thread at a time; strings are the arena's.
 */
#ifndef PREPROF_SQL_PLAN_H
#define PREPROF_SQL_PLAN_H

#include "arena.h"
#include "error.h"
#include "sql_schema.h"

/* A plan as EXPLAIN QUERY PLAN shows it: a line for each step, inner ones indented by two spaces. */
struct pp_sql_plan {
	const char *const *lines;
	uint32_t line_count;
	uint32_t scan_count;	  /* tables that are read from end to end */
	uint32_t autoindex_count; /* indexes that SQLite makes for each execution */
	uint32_t sort_count;	  /* sorts by a temporary tree: ORDER BY, GROUP BY, DISTINCT */
	bool guessed;		  /* the program's own functions or collations were stood in for */
};

#define PP_SQL_PLAN_LINES_MAX 200

/* false: the statement cannot be planned here; the reason is of the statement or the schema. Only statements that read
 * or write rows have plans. */
bool sql_plan_make(struct pp_sql_schema *schema, const char *sql, struct pp_arena *arena, struct pp_sql_plan *plan,
		   struct pp_error *error);

/* SELECT, VALUES, WITH, INSERT, REPLACE, UPDATE, DELETE. */
bool sql_has_plan(const char *sql);

enum pp_sql_gain { PP_SQL_GAIN_SEARCH = 1, PP_SQL_GAIN_AUTOINDEX = 2, PP_SQL_GAIN_SORT = 3 };

/* An index that changes a plan. */
struct pp_sql_advice {
	enum pp_sql_gain gain;
	const char *index;	 /* "CREATE INDEX orders_user_id ON orders(user_id)" */
	struct pp_sql_plan plan; /* with it */
};

#define PP_SQL_ADVICE_MAX 3

/* Indexes for what is wrong with the plan, each tried on top of those before it; of those that gain the same, the one
 * that uses most of the statement's terms, then the one of fewest columns. Returns how many; *spent grows by how many
 * plans were made for it, and nothing is tried beyond `budget`. The schema is as before afterwards. */
uint32_t sql_plan_advise(struct pp_sql_schema *schema, const char *sql, struct pp_arena *arena, uint32_t budget,
			 uint32_t *spent, struct pp_sql_advice advice[PP_SQL_ADVICE_MAX]);

#endif
