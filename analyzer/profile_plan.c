/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for a profile's statements; see profile_plan.h. */
#include "profile_plan.h"

#include "arena.h"
#include "memory.h"
#include "profile_attached.h"
#include "profile_names.h"
#include "sql_plan.h"
#include "sql_names.h"
#include "sql_token.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What makes a statement suspicious, over the whole run. */
#define FULLSCAN_STEPS 1000
#define SORTS	       10
#define SORT_NS	       UINT64_C(10000000) /* or as much time with a sort */

#define PLANNED_MAX 300	  /* statements of a recording */
#define TRIALS_MAX  400	  /* plans for one statement */
#define BUDGET	    20000 /* plans for all of a recording */

/* One statement in one database. */
struct planned {
	const char *text, *path; /* what names it */
	const char *plan, *problem;
	bool guessed;
	struct pp_sql_index indexes[PP_SQL_ADVICE_MAX];
	uint32_t index_count;
};

struct pp_plan_cache {
	struct pp_arena *arena;
	struct planned *planned;
	uint32_t count, capacity;
	uint32_t spent;
	struct pp_names_cache *names;
	struct pp_attached_cache *attached;
};

struct pp_plan_cache *plan_cache_create(void)
{
	struct pp_plan_cache *cache = memory_array(1, sizeof(*cache));

	cache->arena = arena_create();
	return cache;
}

void plan_cache_destroy(struct pp_plan_cache *cache)
{
	if (!cache)
		return;
	arena_destroy(cache->arena);
	names_cache_destroy(cache->names);
	attached_cache_destroy(cache->attached);
	free(cache->planned);
	free(cache);
}

/* ---- which ---- */

struct suspect {
	uint32_t statement, database;
	uint64_t fullscan_steps, sort_count, sort_ns, autoindex_rows;
};

struct suspects {
	struct suspect *rows;
	uint32_t count, capacity;
};

static bool suspect_is_one(const struct suspect *suspect)
{
	return suspect->fullscan_steps > FULLSCAN_STEPS || suspect->autoindex_rows > 0 || suspect->sort_count > SORTS ||
	       suspect->sort_ns > SORT_NS;
}

static struct suspects suspects_find(const struct pp_profile *profile)
{
	struct suspects suspects = {0};
	struct pp_table index_of = {0};
	uint32_t kept = 0;

	table_seed_init();
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];
		uint64_t key = (uint64_t)site->statement << 32 | site->database, *found;
		struct suspect *suspect;

		if (!sql_operation_is_execution(site->operation) || site->statement == PP_NONE ||
		    site->database == PP_NONE)
			continue;
		found = table_find(&index_of, key);
		if (!found) {
			suspects.rows = memory_grow(suspects.rows, &suspects.capacity, (size_t)suspects.count + 1,
						    sizeof(*suspects.rows));
			suspects.rows[suspects.count] =
				(struct suspect){.statement = site->statement, .database = site->database};
			table_set(&index_of, key, suspects.count);
		}
		suspect = &suspects.rows[found ? *found : suspects.count++];
		suspect->fullscan_steps += site->fullscan_steps;
		suspect->sort_count += site->sort_count;
		suspect->sort_ns += site->sort_count ? site->ns : 0;
		suspect->autoindex_rows += site->autoindex_rows;
	}
	table_finish(&index_of);
	for (uint32_t i = 0; i < suspects.count; i++)
		if (suspect_is_one(&suspects.rows[i]))
			suspects.rows[kept++] = suspects.rows[i];
	suspects.count = kept;
	return suspects;
}

static const char *database_path(const struct pp_profile *profile, uint32_t database)
{
	const char *path = profile->sql_databases[database].path;

	return path ? path : "";
}

static struct planned *planned_find(const struct pp_plan_cache *cache, const struct pp_profile *profile,
				    const struct suspect *suspect)
{
	const char *text = profile->sql_statements[suspect->statement].text;
	const char *path = database_path(profile, suspect->database);

	for (uint32_t i = 0; i < cache->count; i++)
		if (strcmp(cache->planned[i].text, text) == 0 && strcmp(cache->planned[i].path, path) == 0)
			return &cache->planned[i];
	return NULL;
}

/* ---- the schema ---- */

/* A process that uses the database and still runs; 0: none does. */
static pid_t database_process(const struct pp_profile *profile, uint32_t database)
{
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		if (site->database == database && profile->processes[site->process].end_ns == PP_UNKNOWN)
			return profile->processes[site->process].pid;
	}
	return 0;
}

static bool file_fill(struct pp_sql_schema *schema, struct pp_arena *arena, const char *name, const char *path,
		      pid_t pid)
{
	struct pp_sql_objects objects = {0}, statistics = {0};
	struct pp_error error;
	struct pp_sql_file file;
	bool filled;

	if (!sql_file_open(&file, path, pid, &error))
		return false;
	filled = sql_file_read(&file, arena, &objects, &statistics, &error) &&
		 sql_schema_fill(schema, name, &objects, &statistics, &error);
	sql_file_close(&file);
	return filled;
}

/* ATTACH 'file' AS name, of which the parts come without their quotes; false: anything else, or no whole path. */
static bool attach_read(const char *sql, struct pp_arena *arena, const char **path, const char **name)
{
	struct pp_sql_token tokens[4] = {0};
	struct pp_sql_scanner scanner;
	uint32_t count = 0;

	sql_scan(&scanner, sql, strlen(sql));
	while (count < 4 && sql_token_next(&scanner, &tokens[count]))
		count += tokens[count].keyword != PP_KEY_DATABASE;
	if (count < 4 || tokens[0].keyword != PP_KEY_ATTACH || tokens[2].keyword != PP_KEY_AS ||
	    (tokens[1].kind != PP_TOKEN_STRING && tokens[1].kind != PP_TOKEN_QUOTED) || tokens[1].text[1] != '/' ||
	    memchr(tokens[1].text + 1, *tokens[1].text, tokens[1].size - 2))
		return false;
	*path = arena_string_sized(arena, tokens[1].text + 1, tokens[1].size - 2);
	*name = tokens[3].kind == PP_TOKEN_WORD ? arena_string_sized(arena, tokens[3].text, tokens[3].size)
						: arena_string_sized(arena, tokens[3].text + 1, tokens[3].size - 2);
	return true;
}

static bool text_begins(const char *text, const char *word)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token;

	sql_scan(&scanner, text, strlen(text));
	return sql_token_next(&scanner, &token) && token.size == strlen(word) &&
	       strncasecmp(token.text, word, token.size) == 0;
}

/* A statement that was seen to change the schema is done again; what is dropped stays until something takes its name,
 * since what was planned before is to be planned now. */
static void change_apply(struct pp_sql_schema *schema, const char *sql, const char **dropped, uint32_t *dropped_count)
{
	if (text_begins(sql, "DROP")) {
		if (*dropped_count < 64)
			dropped[(*dropped_count)++] = sql;
		return;
	}
	if (sql_schema_apply(schema, sql, NULL) || *dropped_count == 0)
		return;
	for (uint32_t i = 0; i < *dropped_count; i++)
		sql_schema_apply(schema, dropped[i], NULL);
	*dropped_count = 0;
	sql_schema_apply(schema, sql, NULL);
}

/* What connections of the database were set to, where all that were set agree. */
static void settings_apply(struct pp_sql_schema *schema, const struct pp_profile *profile, const uint8_t *used)
{
	uint8_t seen[PP_SQL_SETTINGS] = {0}; /* 1: off, 2: on */
	enum pp_sql_setting setting;
	bool on;

	for (uint32_t i = 0; i < profile->sql_statement_count; i++)
		if (used[i] && profile->sql_statements[i].raw &&
		    sql_setting_read(profile->sql_statements[i].raw, &setting, &on))
			seen[setting] |= on ? 2 : 1;
	for (int i = 0; i < PP_SQL_SETTINGS; i++)
		if (seen[i] == 1 || seen[i] == 2)
			sql_schema_set(schema, (enum pp_sql_setting)i, seen[i] == 2);
}

/* In the order in which they were first seen. Of a database whose file was read only what is temporary, and what was
 * attached. */
static void seen_apply(struct pp_sql_schema *schema, struct pp_arena *arena, const struct pp_profile *profile,
		       uint32_t database, bool only_temporary)
{
	uint8_t *used = memory_array(profile->sql_statement_count + 1, 1);
	const char *dropped[64], *path, *name;
	uint32_t dropped_count = 0;
	bool temporary;

	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		if (site->database == database && site->statement != PP_NONE &&
		    sql_operation_is_execution(site->operation))
			used[site->statement] |= sql_result_is_done(site->result);
	}
	for (uint32_t i = 0; i < profile->sql_statement_count; i++) {
		const char *sql = used[i] ? profile->sql_statements[i].raw : NULL;

		if (!sql)
			continue;
		if (attach_read(sql, arena, &path, &name))
			file_fill(schema, arena, name, path, 0);
		else if (sql_changes_schema(sql, strlen(sql), &temporary) && (temporary || !only_temporary))
			change_apply(schema, sql, dropped, &dropped_count);
	}
	settings_apply(schema, profile, used);
	free(used);
}

/* What was attached, under its names; of what cannot be read an empty one, for what the program was seen to make in it. */
static void attached_fill(struct pp_sql_schema *schema, struct pp_arena *arena, const struct pp_profile *profile,
			  uint32_t set, pid_t pid)
{
	const struct pp_sql_objects none = {NULL, 0};
	struct pp_error error;

	for (uint32_t i = 0; set && i < profile->sql_attached_count; i++) {
		const struct pp_sql_attached *attached = &profile->sql_attached[i];
		const char *path = database_path(profile, attached->database);

		if (attached->set == set && (!*path || !file_fill(schema, arena, attached->name, path, pid)))
			sql_schema_fill(schema, attached->name, &none, &none, &error);
	}
}

struct pp_sql_schema *profile_schema_make(const struct pp_profile *profile, uint32_t database, uint32_t set)
{
	const char *path = database_path(profile, database);
	struct pp_sql_schema *schema = sql_schema_create(NULL);
	pid_t pid = database_process(profile, database);
	struct pp_arena *arena = arena_create();
	bool filled;

	for (uint32_t i = 0; i < profile->sql_site_count && !set; i++)
		if (profile->sql_sites[i].database == database)
			set = profile->sql_sites[i].attached;
	if (schema) {
		filled = file_fill(schema, arena, "main", path, pid);
		attached_fill(schema, arena, profile, set, pid);
		seen_apply(schema, arena, profile, database, filled);
	}
	arena_destroy(arena);
	return schema;
}

/* ---- planning ---- */

static const char *plan_text(struct pp_arena *arena, const struct pp_sql_plan *plan)
{
	size_t size = 1;
	char *text, *at;

	for (uint32_t i = 0; i < plan->line_count; i++)
		size += strlen(plan->lines[i]) + 1;
	at = text = arena_alloc(arena, size);
	for (uint32_t i = 0; i < plan->line_count; i++) {
		size_t length = strlen(plan->lines[i]);

		memcpy(at, plan->lines[i], length);
		at += length;
		*at++ = '\n';
	}
	at[at > text ? -1 : 0] = '\0';
	return text;
}

/* SQLite's messages quote the statement, values and all; what is told of them is known to be a name. */
static const char *problem_text(struct pp_arena *arena, const struct pp_error *error)
{
	static const char *const causes[] = {"no such table: ", "no such module: ", "no such index: "};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (strncmp(error->text, causes[i], strlen(causes[i])) == 0)
			return arena_format(arena, "%.200s, in what is known of its schema", error->text);
	return "it cannot be compiled with what is known of its schema";
}

static void statement_plan(struct pp_plan_cache *cache, struct pp_sql_schema *schema, const char *sql,
			   struct planned *planned)
{
	struct pp_sql_advice advice[PP_SQL_ADVICE_MAX];
	struct pp_arena *arena = arena_create();
	struct pp_error error = {""};
	struct pp_sql_plan plan;
	uint32_t spent = 0;

	if (!sql_plan_make(schema, sql, arena, &plan, &error)) {
		planned->problem = problem_text(cache->arena, &error);
		goto out;
	}
	planned->plan = plan_text(cache->arena, &plan);
	planned->guessed = plan.guessed;
	if (cache->spent < BUDGET)
		planned->index_count = sql_plan_advise(schema, sql, arena, TRIALS_MAX, &spent, advice);
	for (uint32_t i = 0; i < planned->index_count; i++)
		planned->indexes[i] = (struct pp_sql_index){
			.gain = advice[i].gain,
			.index = arena_string(cache->arena, advice[i].index),
			.plan = plan_text(cache->arena, &advice[i].plan),
		};
out:
	cache->spent += spent + 1;
	arena_destroy(arena);
}

static void suspect_plan(struct pp_plan_cache *cache, struct pp_sql_schema *schema, const struct pp_profile *profile,
			 const struct suspect *suspect)
{
	const struct pp_sql_statement *statement = &profile->sql_statements[suspect->statement];
	struct planned planned = {
		.text = arena_string(cache->arena, statement->text),
		.path = arena_string(cache->arena, database_path(profile, suspect->database)),
	};

	if (statement->raw && schema)
		statement_plan(cache, schema, statement->raw, &planned);
	else
		planned.problem = "its text is too long to be kept";
	cache->planned = memory_grow(cache->planned, &cache->capacity, (size_t)cache->count + 1, sizeof(planned));
	cache->planned[cache->count++] = planned;
}

/* Database by database, so that each schema is made once. */
static void suspects_plan(struct pp_plan_cache *cache, const struct pp_profile *profile,
			  const struct suspects *suspects)
{
	for (uint32_t i = 0; i < suspects->count; i++) {
		uint32_t database = suspects->rows[i].database;
		struct pp_sql_schema *schema = NULL;

		for (uint32_t j = i; j < suspects->count && cache->count < PLANNED_MAX; j++) {
			const struct suspect *suspect = &suspects->rows[j];

			if (suspect->database != database || !profile->sql_statements[suspect->statement].text ||
			    planned_find(cache, profile, suspect))
				continue;
			if (!schema)
				schema = profile_schema_make(profile, database, 0);
			suspect_plan(cache, schema, profile, suspect);
		}
		sql_schema_destroy(schema);
	}
}

/* Another version may plan otherwise. */
static void version_compare(struct pp_profile *profile, uint32_t database)
{
	unsigned int version = profile->sql_databases[database].library_version;

	if (!version || (int)version == sqlite3_libversion_number())
		return;
	profile_note_add(
		profile,
		arena_format(profile->arena,
			     "the SQLite that executed is %u.%u.%u: the plans here are those of SQLite %s, and "
			     "may not be its own",
			     version / 1000000, version / 1000 % 1000, version % 1000, sqlite3_libversion()));
}

static void profile_fill(struct pp_profile *profile, const struct pp_plan_cache *cache, const struct suspects *suspects)
{
	profile->sql_planned = arena_array(profile->arena, suspects->count, sizeof(*profile->sql_planned));
	profile->sql_indexes =
		arena_array(profile->arena, (size_t)suspects->count * PP_SQL_ADVICE_MAX, sizeof(*profile->sql_indexes));
	profile->sql_planner = arena_string(profile->arena, sqlite3_libversion());
	for (uint32_t i = 0; i < suspects->count; i++) {
		const struct planned *planned = profile->sql_statements[suspects->rows[i].statement].text
							? planned_find(cache, profile, &suspects->rows[i])
							: NULL;

		if (!planned)
			continue;
		version_compare(profile, suspects->rows[i].database);
		for (uint32_t j = 0; j < planned->index_count; j++) {
			struct pp_sql_index *index = &profile->sql_indexes[profile->sql_index_count++];

			*index = planned->indexes[j];
			index->planned = profile->sql_planned_count;
			index->index = arena_string(profile->arena, index->index);
			index->plan = arena_string(profile->arena, index->plan);
		}
		profile->sql_planned[profile->sql_planned_count++] = (struct pp_sql_planned){
			.statement = suspects->rows[i].statement,
			.database = suspects->rows[i].database,
			.plan = planned->plan ? arena_string(profile->arena, planned->plan) : NULL,
			.problem = planned->problem ? arena_string(profile->arena, planned->problem) : NULL,
			.guessed = planned->guessed,
		};
	}
}

void profile_plan(struct pp_profile *profile, struct pp_plan_cache *cache)
{
	struct suspects suspects;

	if (!cache->names)
		cache->names = names_cache_create();
	profile_names(profile, cache->names);
	suspects = suspects_find(profile);
	if (suspects.count) {
		suspects_plan(cache, profile, &suspects);
		profile_fill(profile, cache, &suspects);
	}
	free(suspects.rows);
	if (!cache->attached)
		cache->attached = attached_cache_create();
	profile_attached(profile, cache->attached);
}
