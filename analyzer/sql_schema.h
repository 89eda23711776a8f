/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty copy of a program's database, in memory: its tables, indexes, views and triggers, and what ANALYZE found out
 * about them. On it statements are planned as they are in the program, and indexes tried. SQLite plans by schema and
 * statistics alone, never by the rows.
 *
 * Texts come from the program's file or are statements that the program was seen to execute. Nothing of them is
 * trusted: only what makes objects is executed, in this database alone, with limits.
 *
 * One thread at a time.
 */
#ifndef PREPROF_SQL_SCHEMA_H
#define PREPROF_SQL_SCHEMA_H

#include "error.h"
#include "sql_file.h"

#include <sqlite3.h>
#include <stdbool.h>

struct pp_sql_schema;

struct pp_sql_schema *sql_schema_create(struct pp_error *error);
void sql_schema_destroy(struct pp_sql_schema *schema); /* NULL is legal */

/* What a file holds becomes the database `name`: "main", or one that is attached under that name. Objects that cannot
 * be made are left out; a statement that needs them cannot be planned then. */
bool sql_schema_fill(struct pp_sql_schema *schema, const char *name, const struct pp_sql_objects *objects,
		     const struct pp_sql_objects *statistics, struct pp_error *error);

/* Does again what the program did to its schema: CREATE, ALTER, DROP. Other statements are refused. */
bool sql_schema_apply(struct pp_sql_schema *schema, const char *sql, struct pp_error *error);
/* The text is a statement that sql_schema_apply() takes; `temporary`: it is about temporary objects, which no file has. */
bool sql_changes_schema(const char *sql, size_t size, bool *temporary);

/* Settings of a connection that SQLite plans by. */
enum pp_sql_setting {
	PP_SQL_CASE_SENSITIVE_LIKE,
	PP_SQL_AUTOMATIC_INDEX,
	PP_SQL_REVERSE_UNORDERED_SELECTS,
	PP_SQL_FOREIGN_KEYS,
	PP_SQL_RECURSIVE_TRIGGERS,
	PP_SQL_SETTINGS,
};
/* The text is a PRAGMA that turns one of them on or off. */
bool sql_setting_read(const char *sql, enum pp_sql_setting *setting, bool *on);
void sql_schema_set(struct pp_sql_schema *schema, enum pp_sql_setting setting, bool on);

/* A column that a statement reads, as SQLite resolved it. Strings are the schema's, until the next statement. */
struct pp_sql_column {
	const char *database, *table, *column;
};

/* Prepares a statement, for EXPLAIN or to see what it reads, never to be executed. Functions and collations that the
 * program had registered are stood in for. NULL: it cannot be prepared. The caller finalizes it. */
sqlite3_stmt *sql_schema_prepare(struct pp_sql_schema *schema, const char *sql, struct pp_error *error);
/* The one database whose tables the last statement that was prepared reads or writes: its name, until the next. NULL: none, or
 * several. */
const char *sql_schema_only_database(const struct pp_sql_schema *schema);
/* Every word in double quotes is a name: the text is one statement, and compiles where SQLite takes none for a string. */
bool sql_schema_names_all(struct pp_sql_schema *schema, const char *sql);
uint32_t sql_schema_columns(const struct pp_sql_schema *schema, const struct pp_sql_column **columns);

/* Functions or collations were stood in for: the plan may differ from the program's. */
bool sql_schema_guessed(const struct pp_sql_schema *schema);

/* For our own statements: trying indexes. */
sqlite3 *sql_schema_database(struct pp_sql_schema *schema);

#endif
