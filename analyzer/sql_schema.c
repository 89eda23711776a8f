/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of a schema; see sql_schema.h. An authorizer decides by what SQLite is doing at the moment: making objects
 * (then nothing may reach outside: no ATTACH, no pragma that sets anything, no virtual tables but those that are built
 * into SQLite and need no file) or compiling a statement (then it notes the columns).
 */
#include "sql_schema.h"

#include "memory.h"
#include "sql_token.h"

#include <stdlib.h>
#include <string.h>

#define PASSES_MAX	3 /* an object may need one that comes later */
#define STATEMENT_BYTES 1000000
#define STEPS_MAX	20000 /* thousands of virtual machine steps, for one object */
#define STANDINS_MAX	64
#define COLUMNS_MAX	256
#define ATTACHED_MAX	8

enum mode { MODE_OWN, MODE_OBJECTS, MODE_STATEMENT };

struct pp_sql_schema {
	sqlite3 *db;
	enum mode mode;
	int steps;
	uint32_t standin_count, standins_at_start; /* functions and collations of the program's */
	bool guessed;				   /* by the last statement */
	struct pp_arena *names;			   /* of the columns */
	struct pp_sql_column columns[COLUMNS_MAX];
	uint32_t column_count;
	const char *database; /* that the statement is about; NULL: none yet */
	bool databases_many;
};

/* ---- what may be done ---- */

static bool name_is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; name && i < count; i++)
		if (sqlite3_stricmp(name, names[i]) == 0)
			return true;
	return false;
}

static int object_authorize(int action, const char *first, const char *second)
{
	static const char *const modules[] = {"fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"};
	static const char *const pragmas[] = {"page_size", "data_version", "table_info", "table_xinfo", "index_list"};

	switch (action) {
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_TRANSACTION:
		return SQLITE_DENY;
	case SQLITE_CREATE_VTABLE:
		return name_is_among(second, modules, sizeof(modules) / sizeof(modules[0])) ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_PRAGMA:
		return name_is_among(first, pragmas, sizeof(pragmas) / sizeof(pragmas[0])) ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_OK;
	}
}

static void column_note(struct pp_sql_schema *schema, const char *database, const char *table, const char *column)
{
	for (uint32_t i = 0; i < schema->column_count; i++)
		if (sqlite3_stricmp(schema->columns[i].column, column) == 0 &&
		    sqlite3_stricmp(schema->columns[i].table, table) == 0 &&
		    sqlite3_stricmp(schema->columns[i].database, database) == 0)
			return;
	if (schema->column_count < COLUMNS_MAX)
		schema->columns[schema->column_count++] = (struct pp_sql_column){
			arena_string(schema->names, database),
			arena_string(schema->names, table),
			arena_string(schema->names, column),
		};
}

static void database_note(struct pp_sql_schema *schema, const char *database)
{
	if (!schema->database)
		schema->database = arena_string(schema->names, database);
	else if (sqlite3_stricmp(schema->database, database) != 0)
		schema->databases_many = true;
}

static int authorize(void *argument, int action, const char *first, const char *second, const char *database,
		     const char *inner)
{
	struct pp_sql_schema *schema = argument;

	(void)inner;
	if (schema->mode == MODE_OWN)
		return SQLITE_OK;
	if (schema->mode == MODE_STATEMENT && database &&
	    (action == SQLITE_READ || action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE))
		database_note(schema, database);
	if (schema->mode == MODE_STATEMENT && action == SQLITE_READ && first && second && database && *second)
		column_note(schema, database, first, second);
	return object_authorize(action, first, second);
}

static int steps_count(void *argument)
{
	struct pp_sql_schema *schema = argument;

	return --schema->steps < 0;
}

/* ---- the program's own functions and collations ---- */

static void standin_call(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count, (void)values;
	sqlite3_result_null(context);
}

static int standin_compare(void *argument, int left_size, const void *left, int right_size, const void *right)
{
	int size = left_size < right_size ? left_size : right_size, order = memcmp(left, right, (size_t)size);

	(void)argument;
	return order ? order : left_size - right_size;
}

static void collation_add(void *argument, sqlite3 *db, int encoding, const char *name)
{
	struct pp_sql_schema *schema = argument;

	(void)encoding;
	if (schema->standin_count >= STANDINS_MAX)
		return;
	if (sqlite3_create_collation(db, name, SQLITE_UTF8, NULL, standin_compare) == SQLITE_OK)
		schema->standin_count++;
}

/* The last error was a function's absence, and it was mended. */
static bool function_add(struct pp_sql_schema *schema)
{
	static const char missing[] = "no such function: ";
	const char *text = sqlite3_errmsg(schema->db);
	char name[256];

	if (strncmp(text, missing, strlen(missing)) != 0 || schema->standin_count >= STANDINS_MAX)
		return false;
	text += strlen(missing);
	if (strlen(text) >= sizeof(name))
		return false;
	strcpy(name, text);
	schema->standin_count++;
	return sqlite3_create_function(schema->db, name, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
				       NULL, standin_call, NULL, NULL) == SQLITE_OK;
}

/* ---- making and closing ---- */

static void limits_set(sqlite3 *db)
{
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0, NULL);
	/* programs that misuse double quotes get the same plans here */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 1, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 4 * STATEMENT_BYTES);
	sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 2 * STATEMENT_BYTES);
	sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_exec(db, "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON", NULL, NULL, NULL);
}

struct pp_sql_schema *sql_schema_create(struct pp_error *error)
{
	struct pp_sql_schema *schema = memory_array(1, sizeof(*schema));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(":memory:", &schema->db, flags, NULL) != SQLITE_OK) {
		error_set(error, "no database in memory: %s",
			  schema->db ? sqlite3_errmsg(schema->db) : "out of memory");
		sql_schema_destroy(schema);
		return NULL;
	}
	schema->names = arena_create();
	limits_set(schema->db);
	sqlite3_set_authorizer(schema->db, authorize, schema);
	sqlite3_progress_handler(schema->db, 1000, steps_count, schema);
	sqlite3_collation_needed(schema->db, schema, collation_add);
	return schema;
}

void sql_schema_destroy(struct pp_sql_schema *schema)
{
	if (!schema)
		return;
	sqlite3_close(schema->db);
	arena_destroy(schema->names);
	free(schema);
}

sqlite3 *sql_schema_database(struct pp_sql_schema *schema)
{
	schema->mode = MODE_OWN;
	schema->steps = STEPS_MAX;
	return schema->db;
}

/* ---- objects ---- */

static bool own_exec(struct pp_sql_schema *schema, const char *format, ...)
{
	sqlite3 *db = sql_schema_database(schema);
	__builtin_va_list list;
	bool done;
	char *sql;

	__builtin_va_start(list, format);
	sql = sqlite3_vmprintf(format, list);
	__builtin_va_end(list);
	done = sql && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_free(sql);
	return done;
}

/* One statement that makes, changes or drops something. */
static bool object_execute(struct pp_sql_schema *schema, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	const char *rest = "";
	bool temporary, done;

	schema->mode = MODE_OBJECTS;
	schema->steps = STEPS_MAX;
	while (sqlite3_prepare_v2(schema->db, sql, -1, &statement, &rest) != SQLITE_OK)
		if (!function_add(schema))
			return false;
	done = statement && sql_changes_schema(sql, (size_t)(rest - sql), &temporary) &&
	       sqlite3_step(statement) == SQLITE_DONE;
	sqlite3_finalize(statement);
	return done;
}

static bool table_is_own(const char *name)
{
	return sqlite3_strnicmp(name, "sqlite_", 7) == 0;
}

static bool sql_is_virtual(const char *sql)
{
	return sqlite3_strnicmp(sql, "CREATE VIRTUAL", 14) == 0;
}

/* Virtual tables first: they make their shadow tables themselves, and those that the file lists then exist. */
static void objects_make(struct pp_sql_schema *schema, const struct pp_sql_objects *objects)
{
	uint8_t *made = memory_array(objects->count + 1, 1);
	bool progress = true;

	for (int pass = 0; pass < PASSES_MAX && progress; pass++) {
		progress = false;
		for (int plain = 0; plain < 2; plain++)
			for (uint32_t i = 0; i < objects->count; i++) {
				const struct pp_sql_object *object = &objects->rows[i];

				if (made[i] || sql_is_virtual(object->sql) == plain || !object->name ||
				    table_is_own(object->name))
					continue;
				made[i] = object_execute(schema, object->sql);
				progress |= made[i];
			}
	}
	free(made);
}

static void statistics_copy(struct pp_sql_schema *schema, const struct pp_sql_objects *statistics)
{
	if (statistics->count == 0 || !own_exec(schema, "ANALYZE main"))
		return;
	for (uint32_t i = 0; i < statistics->count; i++)
		own_exec(schema, "INSERT INTO main.sqlite_stat1(tbl, idx, stat) VALUES(%Q, %Q, %Q)",
			 statistics->rows[i].table, statistics->rows[i].name, statistics->rows[i].sql);
	own_exec(schema, "ANALYZE main.sqlite_master");
}

/* Objects are made in main, as their texts have no database's name; the file's name is given to them afterwards by
 * making the whole in a database of its own. */
static bool attached_fill(struct pp_sql_schema *schema, const char *name, const struct pp_sql_objects *objects)
{
	struct pp_sql_schema *other = sql_schema_create(NULL);
	sqlite3_int64 size = 0;
	unsigned char *image;
	bool done = false;

	if (!other)
		return false;
	objects_make(other, objects);
	image = sqlite3_serialize(sql_schema_database(other), "main", &size, 0);
	if (image && own_exec(schema, "ATTACH ':memory:' AS %Q", name))
		done = sqlite3_deserialize(schema->db, name, image, size, size,
					   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK;
	else
		sqlite3_free(image);
	sql_schema_destroy(other);
	return done;
}

bool sql_schema_fill(struct pp_sql_schema *schema, const char *name, const struct pp_sql_objects *objects,
		     const struct pp_sql_objects *statistics, struct pp_error *error)
{
	if (sqlite3_stricmp(name, "main") != 0)
		return attached_fill(schema, name, objects) ||
		       error_set(error, "the attached database %.100s cannot be copied", name);
	objects_make(schema, objects);
	statistics_copy(schema, statistics);
	return true;
}

bool sql_schema_apply(struct pp_sql_schema *schema, const char *sql, struct pp_error *error)
{
	bool temporary;

	if (!sql_changes_schema(sql, strlen(sql), &temporary))
		return error_set(error, "no statement that changes a schema");
	return object_execute(schema, sql) || error_set(error, "%s", sqlite3_errmsg(schema->db));
}

/* ---- settings ---- */

static const char *const setting_names[PP_SQL_SETTINGS] = {
	[PP_SQL_CASE_SENSITIVE_LIKE] = "case_sensitive_like",
	[PP_SQL_AUTOMATIC_INDEX] = "automatic_index",
	[PP_SQL_REVERSE_UNORDERED_SELECTS] = "reverse_unordered_selects",
	[PP_SQL_FOREIGN_KEYS] = "foreign_keys",
	[PP_SQL_RECURSIVE_TRIGGERS] = "recursive_triggers",
};

static bool token_is_among(const struct pp_sql_token *token, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == token->size && sqlite3_strnicmp(token->text, *words, (int)token->size) == 0)
			return true;
	return false;
}

/* PRAGMA [schema.]name = value, PRAGMA [schema.]name(value) */
bool sql_setting_read(const char *sql, enum pp_sql_setting *setting, bool *on)
{
	static const char *const yes[] = {"on", "yes", "true", "1", NULL}, *const no[] = {"off", "no", "false", "0",
											  NULL};
	struct pp_sql_token tokens[8] = {0};
	struct pp_sql_scanner scanner;
	uint32_t count = 0, at = 1;

	sql_scan(&scanner, sql, strlen(sql));
	while (count < 7 && sql_token_next(&scanner, &tokens[count]))
		count++;
	if (tokens[0].keyword != PP_KEY_PRAGMA)
		return false;
	if (tokens[2].kind == PP_TOKEN_DOT)
		at = 3;
	if (at + 2 >= count || !(tokens[at + 1].kind == PP_TOKEN_OPEN ||
				 (tokens[at + 1].kind == PP_TOKEN_OPERATOR && *tokens[at + 1].text == '=')))
		return false;
	for (int i = 0; i < PP_SQL_SETTINGS; i++) {
		if (!token_is_among(&tokens[at], (const char *const[]){setting_names[i], NULL}))
			continue;
		*setting = (enum pp_sql_setting)i;
		*on = token_is_among(&tokens[at + 2], yes);
		return *on || token_is_among(&tokens[at + 2], no);
	}
	return false;
}

void sql_schema_set(struct pp_sql_schema *schema, enum pp_sql_setting setting, bool on)
{
	own_exec(schema, "PRAGMA %s = %s", setting_names[setting], on ? "on" : "off");
}

/* ---- what changes a schema ---- */

#define NAME_TOKENS 9 /* in which the name of what is made comes */

static bool token_is_temp(const struct pp_sql_token *token)
{
	return token->keyword == PP_KEY_TEMP || token->keyword == PP_KEY_TEMPORARY;
}

bool sql_changes_schema(const char *sql, size_t size, bool *temporary)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token, before = {0};

	*temporary = false;
	sql_scan(&scanner, sql, size);
	if (!sql_token_next(&scanner, &token) ||
	    (token.keyword != PP_KEY_CREATE && token.keyword != PP_KEY_ALTER && token.keyword != PP_KEY_DROP))
		return false;
	/* CREATE TEMP TABLE t, CREATE UNIQUE INDEX IF NOT EXISTS temp.i */
	for (int i = 1; i < NAME_TOKENS && !*temporary && sql_token_next(&scanner, &token); i++) {
		*temporary = (i == 1 && token_is_temp(&token)) ||
			     (token.kind == PP_TOKEN_DOT && token_is_temp(&before));
		before = token;
	}
	return true;
}

/* ---- statements ---- */

sqlite3_stmt *sql_schema_prepare(struct pp_sql_schema *schema, const char *sql, struct pp_error *error)
{
	sqlite3_stmt *statement = NULL;

	schema->standins_at_start = schema->standin_count;
	do {
		arena_destroy(schema->names);
		schema->names = arena_create();
		schema->column_count = 0;
		schema->database = NULL;
		schema->databases_many = false;
		schema->mode = MODE_STATEMENT;
		schema->steps = STEPS_MAX;
		if (sqlite3_prepare_v2(schema->db, sql, -1, &statement, NULL) == SQLITE_OK && statement)
			return statement;
	} while (function_add(schema));
	error_set(error, "%s", statement ? "nothing to prepare" : sqlite3_errmsg(schema->db));
	return NULL;
}

static bool is_end(const char *rest)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token;

	sql_scan(&scanner, rest, strlen(rest));
	while (sql_token_next(&scanner, &token))
		if (token.kind != PP_TOKEN_SEMICOLON)
			return false;
	return true;
}

bool sql_schema_names_all(struct pp_sql_schema *schema, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	const char *rest = sql;
	bool all;

	schema->mode = MODE_STATEMENT;
	schema->steps = STEPS_MAX;
	sqlite3_db_config(schema->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	all = sqlite3_prepare_v2(schema->db, sql, -1, &statement, &rest) == SQLITE_OK && statement && is_end(rest);
	sqlite3_db_config(schema->db, SQLITE_DBCONFIG_DQS_DML, 1, NULL);
	sqlite3_finalize(statement);
	return all;
}

const char *sql_schema_only_database(const struct pp_sql_schema *schema)
{
	return schema->databases_many ? NULL : schema->database;
}

uint32_t sql_schema_columns(const struct pp_sql_schema *schema, const struct pp_sql_column **columns)
{
	*columns = schema->columns;
	return schema->column_count;
}

bool sql_schema_guessed(const struct pp_sql_schema *schema)
{
	return schema->standin_count > 0;
}
