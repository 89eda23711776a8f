/* SPDX-License-Identifier: Apache-2.0 */
/* Words that may be names; see profile_names.h. */
#include "profile_names.h"

#include "arena.h"
#include "memory.h"
#include "profile_plan.h"
#include "sql_normalize.h"
#include "sql_plan.h"
#include "sql_schema.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRIES_MAX 3    /* a schema may come, or be readable, later */
#define KNOWN_MAX 5000 /* statements in databases */

/* One statement in one database. */
struct known {
	uint64_t key;
	const char *text; /* NULL: not settled */
	uint32_t tries;
};

struct pp_names_cache {
	struct pp_arena *arena;
	struct known *known;
	uint32_t count, capacity;
	struct pp_table known_of; /* key to index */
};

struct pp_names_cache *names_cache_create(void)
{
	struct pp_names_cache *cache = memory_array(1, sizeof(*cache));

	cache->arena = arena_create();
	table_seed_init();
	return cache;
}

void names_cache_destroy(struct pp_names_cache *cache)
{
	if (!cache)
		return;
	arena_destroy(cache->arena);
	table_finish(&cache->known_of);
	free(cache->known);
	free(cache);
}

/* NULL: there are too many. */
static struct known *known_of(struct pp_names_cache *cache, const struct pp_profile *profile, uint32_t statement,
			      uint32_t database)
{
	uint64_t key = table_hash_text(profile->sql_statements[statement].doubt, profile->sql_databases[database].path);
	uint64_t *found = table_find(&cache->known_of, key);

	if (found)
		return &cache->known[*found];
	if (cache->count == KNOWN_MAX)
		return NULL;
	cache->known = memory_grow(cache->known, &cache->capacity, (size_t)cache->count + 1, sizeof(*cache->known));
	cache->known[cache->count] = (struct known){.key = key};
	table_set(&cache->known_of, key, cache->count);
	return &cache->known[cache->count++];
}

/* ---- one statement ---- */

static bool column_is_read(const void *argument, const char *word, size_t size)
{
	const struct pp_sql_column *columns;
	uint32_t count = sql_schema_columns(argument, &columns);

	for (uint32_t i = 0; i < count; i++)
		if (strlen(columns[i].column) == size && strncasecmp(columns[i].column, word, size) == 0)
			return true;
	return false;
}

/* Where the words are not all names, those are that name a column which the statement reads: SQLite takes such a word for the
 * column. */
static const char *statement_settle(struct pp_arena *arena, struct pp_sql_schema *schema, const char *sql)
{
	struct pp_sql_doubt doubt = {.is_name = column_is_read, .argument = schema};
	struct pp_error error;
	sqlite3_stmt *statement;

	if (!sql_has_plan(sql))
		return NULL;
	statement = sql_schema_prepare(schema, sql, &error);
	sqlite3_finalize(statement);
	if (!statement)
		return NULL;
	doubt.all = sql_schema_names_all(schema, sql);
	return sql_normalize_doubtful(arena, sql, strlen(sql), 0, &doubt);
}

/* ---- all of them ---- */

struct use {
	uint32_t database, statement;
};

static int use_compare(const void *left, const void *right)
{
	const struct use *a = left, *b = right;

	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return a->statement < b->statement ? -1 : a->statement > b->statement;
}

/* Where doubtful statements are used, each once. */
static struct use *uses_find(const struct pp_profile *profile, uint32_t *count)
{
	struct use *uses = memory_array((size_t)profile->sql_site_count + 1, sizeof(*uses));
	uint32_t kept = 0;

	*count = 0;
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		if (site->statement != PP_NONE && site->database != PP_NONE &&
		    profile->sql_statements[site->statement].doubt && profile->sql_statements[site->statement].raw)
			uses[(*count)++] = (struct use){site->database, site->statement};
	}
	qsort(uses, *count, sizeof(*uses), use_compare);
	for (uint32_t i = 0; i < *count; i++)
		if (i == 0 || use_compare(&uses[i], &uses[i - 1]) != 0)
			uses[kept++] = uses[i];
	*count = kept;
	return uses;
}

static void uses_settle(struct pp_profile *profile, struct pp_names_cache *cache, const struct use *uses,
			uint32_t count)
{
	struct pp_sql_schema *schema = NULL;

	for (uint32_t i = 0; i < count; i++) {
		struct pp_sql_statement *statement = &profile->sql_statements[uses[i].statement];
		struct known *known = known_of(cache, profile, uses[i].statement, uses[i].database);

		if (i == 0 || uses[i].database != uses[i - 1].database) {
			sql_schema_destroy(schema);
			schema = NULL;
		}
		if (!known || !statement->doubt)
			continue;
		if (!known->text && known->tries++ < TRIES_MAX) {
			if (!schema)
				schema = profile_schema_make(profile, uses[i].database, 0);
			if (schema)
				known->text = statement_settle(cache->arena, schema, statement->raw);
		}
		if (!known->text)
			continue;
		statement->text = arena_string(profile->arena, known->text);
		statement->doubt = 0; /* of several databases the first counts */
	}
	sql_schema_destroy(schema);
}

/* By statement the first one that looks like it. */
static uint32_t *alike_find(const struct pp_profile *profile, bool *any)
{
	uint32_t *first = memory_array((size_t)profile->sql_statement_count + 1, sizeof(*first));
	struct pp_table first_of = {0};

	*any = false;
	for (uint32_t i = 0; i < profile->sql_statement_count; i++) {
		const struct pp_sql_statement *statement = &profile->sql_statements[i];
		uint64_t key = table_hash_text(statement->cut, statement->text), *found;

		first[i] = i;
		while (statement->text && (found = table_find(&first_of, key)) != NULL) {
			const struct pp_sql_statement *other = &profile->sql_statements[*found];

			if (other->cut == statement->cut && strcmp(other->text, statement->text) == 0) {
				first[i] = (uint32_t)*found;
				*any = true;
				break;
			}
			key++;
		}
		if (statement->text && first[i] == i)
			table_set(&first_of, key, i);
	}
	table_finish(&first_of);
	return first;
}

static void statement_change(uint32_t *statement, const uint32_t *first)
{
	if (*statement != PP_NONE)
		*statement = first[*statement];
}

static void alike_join(struct pp_profile *profile)
{
	bool any;
	uint32_t *first = alike_find(profile, &any);

	for (uint32_t i = 0; any && i < profile->sql_site_count; i++)
		statement_change(&profile->sql_sites[i].statement, first);
	for (uint32_t i = 0; any && i < profile->sql_slow_count; i++)
		statement_change(&profile->sql_slows[i].statement, first);
	for (uint32_t i = 0; any && i < profile->sql_hold_count; i++)
		statement_change(&profile->sql_holds[i].statement, first);
	for (uint32_t i = 0; any && i < profile->sql_wait_count; i++)
		statement_change(&profile->sql_waits[i].statement, first);
	free(first);
}

void profile_names(struct pp_profile *profile, struct pp_names_cache *cache)
{
	struct use *uses;
	uint32_t count, doubtful = 0;

	for (uint32_t i = 0; i < profile->sql_statement_count; i++)
		doubtful += profile->sql_statements[i].doubt != 0;
	if (!doubtful)
		return;
	uses = uses_find(profile, &count);
	uses_settle(profile, cache, uses, count);
	free(uses);
	alike_join(profile);
}
