/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of statements; see sql_plan.h. */
#include "sql_plan.h"

#include "sql_token.h"

#include <stdlib.h>
#include <string.h>

bool sql_has_plan(const char *sql)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token;

	sql_scan(&scanner, sql, strlen(sql));
	if (!sql_token_next(&scanner, &token))
		return false;
	switch (token.keyword) {
	case PP_KEY_SELECT:
	case PP_KEY_VALUES:
	case PP_KEY_WITH:
	case PP_KEY_INSERT:
	case PP_KEY_REPLACE:
	case PP_KEY_UPDATE:
	case PP_KEY_DELETE:
		return true;
	default:
		return false;
	}
}

static bool text_begins(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* What stands between a table's rows and its being read from end to end. */
static bool line_is_scan(const char *line)
{
	const char *name = line + strlen("SCAN ");

	return text_begins(line, "SCAN ") && *name != '(' && !text_begins(name, "CONSTANT") &&
	       !strstr(name, " CONSTANT ROW") && !strstr(name, " VIRTUAL TABLE ");
}

static void line_count(struct pp_sql_plan *plan, const char *line)
{
	plan->scan_count += line_is_scan(line);
	plan->autoindex_count += strstr(line, " USING AUTOMATIC ") && *line != '(';
	plan->sort_count += text_begins(line, "USE TEMP B-TREE FOR ");
}

#define INDENT_MAX 20

static bool lines_read(sqlite3_stmt *statement, struct pp_arena *arena, struct pp_sql_plan *plan)
{
	const char **lines = arena_array(arena, PP_SQL_PLAN_LINES_MAX, sizeof(*lines));
	struct {
		int id, depth;
	} steps[PP_SQL_PLAN_LINES_MAX];
	int result = SQLITE_OK;

	plan->lines = lines;
	while (plan->line_count < PP_SQL_PLAN_LINES_MAX && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		int id = sqlite3_column_int(statement, 0), parent = sqlite3_column_int(statement, 1), depth = 0;
		const char *detail = (const char *)sqlite3_column_text(statement, 3);

		for (uint32_t i = plan->line_count; i-- > 0 && depth == 0;)
			if (steps[i].id == parent)
				depth = steps[i].depth + 1;
		depth = depth < INDENT_MAX ? depth : INDENT_MAX;
		steps[plan->line_count].id = id;
		steps[plan->line_count].depth = depth;
		line_count(plan, detail ? detail : "");
		lines[plan->line_count++] = arena_format(arena, "%*s%.500s", 2 * depth, "", detail ? detail : "?");
	}
	return result == SQLITE_DONE || plan->line_count == PP_SQL_PLAN_LINES_MAX;
}

bool sql_plan_make(struct pp_sql_schema *schema, const char *sql, struct pp_arena *arena, struct pp_sql_plan *plan,
		   struct pp_error *error)
{
	sqlite3_stmt *statement;
	bool done = false;
	char *explain;

	*plan = (struct pp_sql_plan){0};
	if (!sql_has_plan(sql))
		return error_set(error, "no statement that has a plan");
	explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	statement = explain ? sql_schema_prepare(schema, explain, error) : NULL;
	if (statement) {
		done = lines_read(statement, arena, plan) ||
		       error_set(error, "%s", sqlite3_errmsg(sqlite3_db_handle(statement)));
		plan->guessed = sql_schema_guessed(schema);
	}
	sqlite3_finalize(statement);
	sqlite3_free(explain);
	return done;
}
