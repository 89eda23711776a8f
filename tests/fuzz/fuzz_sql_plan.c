/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas that are damaged or were made to harm: the input is a database file, or statements of which those that change
 * a schema are executed and the others planned, with indexes tried. Nothing may reach outside the copy, or last.
 */
#include "sql_plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void statement_use(struct pp_sql_schema *schema, struct pp_arena *arena, const char *sql)
{
	struct pp_sql_advice advice[PP_SQL_ADVICE_MAX];
	struct pp_error error = {""};
	struct pp_sql_plan plan;
	uint32_t spent = 0;
	bool temporary;

	if (sql_changes_schema(sql, strlen(sql), &temporary))
		sql_schema_apply(schema, sql, &error);
	else if (!sql_plan_make(schema, sql, arena, &plan, &error) && !*error.text)
		abort();
	sql_plan_advise(schema, sql, arena, 30, &spent, advice);
}

/* What is asked of a statement beside its plan. Where all its words in double quotes are names, it compiles with them as well. */
static void statement_ask(struct pp_sql_schema *schema, const char *sql)
{
	enum pp_sql_setting setting;
	struct pp_error error = {""};
	sqlite3_stmt *statement;
	bool on, all;

	if (sql_setting_read(sql, &setting, &on))
		sql_schema_set(schema, setting, on);
	all = sql_schema_names_all(schema, sql);
	statement = sql_schema_prepare(schema, sql, &error);
	if (all && !statement)
		abort();
	if (statement && sql_schema_only_database(schema) && !*sql_schema_only_database(schema))
		abort();
	sqlite3_finalize(statement);
}

static void file_use(struct pp_sql_schema *schema, struct pp_arena *arena, const uint8_t *bytes, size_t size)
{
	struct pp_sql_objects objects = {0}, statistics = {0};
	struct pp_sql_file file = {memfd_create("database", MFD_CLOEXEC), -1};
	struct pp_error error = {""};

	if (file.database < 0 || write(file.database, bytes, size) != (ssize_t)size)
		abort();
	if (sql_file_read(&file, arena, &objects, &statistics, &error))
		sql_schema_fill(schema, "main", &objects, &statistics, &error);
	else if (!*error.text)
		abort();
	for (uint32_t i = 0; i < objects.count && i < 4; i++) {
		char *sql = sqlite3_mprintf("select * from \"%w\" where rowid > 1 and a = 2", objects.rows[i].table);

		statement_use(schema, arena, sql);
		sqlite3_free(sql);
	}
	sql_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pp_sql_schema *schema = sql_schema_create(NULL);
	struct pp_arena *arena = arena_create();
	char *text = malloc(size + 1), *rest = text, *sql;

	if (!schema || !text)
		abort();
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (size > 16 && memcmp(bytes, "SQLite format 3", 16) == 0)
		file_use(schema, arena, bytes, size);
	else
		while ((sql = strsep(&rest, ";"))) {
			statement_use(schema, arena, sql);
			statement_ask(schema, sql);
		}
	free(text);
	arena_destroy(arena);
	sql_schema_destroy(schema);
	return 0;
}
