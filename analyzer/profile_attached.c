/* SPDX-License-Identifier: Apache-2.0 */
/* Statements about attached databases; see profile_attached.h. */
#include "profile_attached.h"

#include "memory.h"
#include "profile_plan.h"
#include "sql_plan.h"
#include "sql_schema.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRIES_MAX 3 /* a schema may come, or be readable, later */
#define KNOWN_MAX 5000

/* One statement, in one database with one set of others attached. */
struct known {
	char *path; /* of the database that it is about; NULL: not settled */
	uint32_t tries;
};

struct pp_attached_cache {
	struct known *known;
	uint32_t count, capacity;
	struct pp_table known_of;
};

struct pp_attached_cache *attached_cache_create(void)
{
	table_seed_init();
	return memory_array(1, sizeof(struct pp_attached_cache));
}

void attached_cache_destroy(struct pp_attached_cache *cache)
{
	if (!cache)
		return;
	for (uint32_t i = 0; i < cache->count; i++)
		free(cache->known[i].path);
	table_finish(&cache->known_of);
	free(cache->known);
	free(cache);
}

struct use {
	uint32_t database, set, statement;
	uint32_t about; /* the database; as `database` until it is settled */
};

static int use_compare(const void *left, const void *right)
{
	const struct use *a = left, *b = right;

	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	return a->statement < b->statement ? -1 : a->statement > b->statement;
}

/* NULL: there are too many. */
static struct known *known_of(struct pp_attached_cache *cache, const struct pp_profile *profile, const struct use *use)
{
	uint64_t key = table_hash_text(table_hash_text(0, profile->sql_statements[use->statement].text),
				profile->sql_databases[use->database].path),
		 *found;

	for (uint32_t i = 0; i < profile->sql_attached_count; i++)
		if (profile->sql_attached[i].set == use->set)
			key = table_hash_text(table_hash_text(key, profile->sql_attached[i].name),
				       profile->sql_databases[profile->sql_attached[i].database].path);
	found = table_find(&cache->known_of, key);
	if (found)
		return &cache->known[*found];
	if (cache->count == KNOWN_MAX)
		return NULL;
	cache->known = memory_grow(cache->known, &cache->capacity, (size_t)cache->count + 1, sizeof(*cache->known));
	cache->known[cache->count] = (struct known){.path = NULL};
	table_set(&cache->known_of, key, cache->count);
	return &cache->known[cache->count++];
}

/* The database that it is about; PP_NONE: nobody can tell. */
static uint32_t statement_settle(const struct pp_profile *profile, struct pp_sql_schema *schema, const struct use *use)
{
	const char *sql = profile->sql_statements[use->statement].raw, *name;
	struct pp_error error;
	sqlite3_stmt *statement;

	if (!sql_has_plan(sql))
		return use->database;
	statement = sql_schema_prepare(schema, sql, &error);
	sqlite3_finalize(statement);
	if (!statement)
		return PP_NONE;
	name = sql_schema_only_database(schema);
	for (uint32_t i = 0; name && i < profile->sql_attached_count; i++)
		if (profile->sql_attached[i].set == use->set && strcasecmp(profile->sql_attached[i].name, name) == 0)
			return profile->sql_attached[i].database;
	return use->database;
}

static uint32_t database_find(const struct pp_profile *profile, const char *path)
{
	for (uint32_t i = 0; i < profile->sql_database_count; i++)
		if (profile->sql_databases[i].path && strcmp(profile->sql_databases[i].path, path) == 0)
			return i;
	return PP_NONE;
}

static void uses_settle(const struct pp_profile *profile, struct pp_attached_cache *cache, struct use *uses,
			uint32_t count)
{
	struct pp_sql_schema *schema = NULL;

	for (uint32_t i = 0; i < count; i++) {
		struct known *known = known_of(cache, profile, &uses[i]);

		if (i == 0 || uses[i].database != uses[i - 1].database || uses[i].set != uses[i - 1].set) {
			sql_schema_destroy(schema);
			schema = NULL;
		}
		if (known && !known->path && known->tries++ < TRIES_MAX) {
			uint32_t about = PP_NONE;

			if (!schema)
				schema = profile_schema_make(profile, uses[i].database, uses[i].set);
			if (schema)
				about = statement_settle(profile, schema, &uses[i]);
			if (about != PP_NONE && profile->sql_databases[about].path)
				known->path = strdup(profile->sql_databases[about].path);
		}
		uses[i].about = known && known->path ? database_find(profile, known->path) : PP_NONE;
		if (uses[i].about == PP_NONE)
			uses[i].about = uses[i].database;
	}
	sql_schema_destroy(schema);
}

static struct use *uses_find(const struct pp_profile *profile, uint32_t *count)
{
	struct use *uses = memory_array((size_t)profile->sql_site_count + 1, sizeof(*uses));
	uint32_t kept = 0;

	*count = 0;
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		if (site->attached && site->statement != PP_NONE && site->database != PP_NONE &&
		    profile->sql_statements[site->statement].raw)
			uses[(*count)++] =
				(struct use){site->database, site->attached, site->statement, site->database};
	}
	qsort(uses, *count, sizeof(*uses), use_compare);
	for (uint32_t i = 0; i < *count; i++)
		if (i == 0 || use_compare(&uses[i], &uses[i - 1]) != 0)
			uses[kept++] = uses[i];
	*count = kept;
	return uses;
}

static void database_change(const struct use *uses, uint32_t count, uint32_t statement, uint32_t set,
			    uint32_t *database)
{
	const struct use wanted = {*database, set, statement, 0}, *found;

	if (!set || statement == PP_NONE || *database == PP_NONE)
		return;
	found = bsearch(&wanted, uses, count, sizeof(*uses), use_compare);
	if (found)
		*database = found->about;
}

/* A plan goes with its statement where all of that goes. */
static void plans_change(struct pp_profile *profile, const struct use *uses, uint32_t count)
{
	for (uint32_t i = 0; i < profile->sql_planned_count; i++) {
		struct pp_sql_planned *planned = &profile->sql_planned[i];
		uint32_t about = PP_NONE;
		bool stays = false;

		for (uint32_t j = 0; j < profile->sql_site_count; j++)
			stays |= profile->sql_sites[j].statement == planned->statement &&
				 profile->sql_sites[j].database == planned->database;
		for (uint32_t j = 0; j < count && !stays; j++)
			if (uses[j].statement == planned->statement && uses[j].database == planned->database)
				about = uses[j].about;
		if (about != PP_NONE)
			planned->database = about;
	}
}

void profile_attached(struct pp_profile *profile, struct pp_attached_cache *cache)
{
	struct use *uses;
	uint32_t count;

	if (!profile->sql_attached_count)
		return;
	uses = uses_find(profile, &count);
	uses_settle(profile, cache, uses, count);
	for (uint32_t i = 0; i < profile->sql_site_count; i++)
		database_change(uses, count, profile->sql_sites[i].statement, profile->sql_sites[i].attached,
				&profile->sql_sites[i].database);
	for (uint32_t i = 0; i < profile->sql_slow_count; i++)
		database_change(uses, count, profile->sql_slows[i].statement, profile->sql_slows[i].attached,
				&profile->sql_slows[i].database);
	for (uint32_t i = 0; i < profile->sql_wait_count; i++)
		database_change(uses, count, profile->sql_waits[i].statement, profile->sql_waits[i].attached,
				&profile->sql_waits[i].database);
	plans_change(profile, uses, count);
	free(uses);
}
