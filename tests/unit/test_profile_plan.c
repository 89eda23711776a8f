/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for a profile: which statements, on which schema, once. */
#include "test.h"

#include "arena.h"
#include "profile_plan.h"
#include "sql_normalize.h"

#include "preprof/wire.h"

#include <sqlite3.h>

#define SITES 16

static struct pp_profile *profile;

/* A profile of one process that runs, with one database and no statements yet. */
static void profile_begin(const char *path)
{
	profile = profile_create();
	profile->processes = arena_array(profile->arena, 1, sizeof(*profile->processes));
	profile->processes[0].pid = getpid();
	profile->processes[0].end_ns = PP_UNKNOWN;
	profile->process_count = 1;
	profile->sql_databases = arena_array(profile->arena, 1, sizeof(*profile->sql_databases));
	profile->sql_databases[0].path = path;
	profile->sql_database_count = 1;
	profile->sql_statements = arena_array(profile->arena, SITES, sizeof(*profile->sql_statements));
	profile->sql_sites = arena_array(profile->arena, SITES, sizeof(*profile->sql_sites));
}

static struct pp_sql_site *statement_add(const char *raw)
{
	uint32_t index = profile->sql_statement_count++;

	profile->sql_statements[index] = (struct pp_sql_statement){.text = raw, .raw = raw};
	profile->sql_sites[profile->sql_site_count] = (struct pp_sql_site){
		.statement = index, .operation = PP_SQL_EXECUTE, .result = 101, .execution_count = 1, .ns = 1000};
	return &profile->sql_sites[profile->sql_site_count++];
}

static void profile_end(void)
{
	profile_destroy(profile);
}

PP_TEST(unsuspicious_statements_are_not_planned)
{
	struct pp_plan_cache *cache = plan_cache_create();

	profile_begin("");
	statement_add("create table t(a)");
	statement_add("select * from t where a = 1")->fullscan_steps = 1000;
	statement_add("select * from t order by a")->sort_count = 10;
	profile_plan(profile, cache);
	PP_CHECK_EQ(profile->sql_planned_count, 0);
	PP_CHECK(!profile->sql_planner);
	profile_end();
	plan_cache_destroy(cache);
}

/* What was dropped since is there again, and what was made over again is so in its last form. */
PP_TEST(a_database_in_memory_is_made_from_what_was_seen)
{
	struct pp_plan_cache *cache = plan_cache_create();

	for (int snapshot = 0; snapshot < 2; snapshot++) {
		profile_begin("");
		statement_add("create table t(a)");
		statement_add("drop table t");
		statement_add("create table t(a, b)");
		statement_add("create table failed(a)")->result = 1;
		statement_add("select a from t where b = 1")->fullscan_steps = 5000;
		statement_add("select a from t, failed")->fullscan_steps = 5000;
		statement_add("select 'secret' from \"t")->fullscan_steps = 5000;
		statement_add("drop table t");
		profile_plan(profile, cache);
		PP_CHECK_EQ(profile->sql_planned_count, 3);
		PP_CHECK_STR(profile->sql_planned[0].plan, "SCAN t");
		PP_CHECK_EQ(profile->sql_planned[0].statement, 4);
		PP_CHECK_EQ(profile->sql_index_count, 1);
		PP_CHECK_STR(profile->sql_indexes[0].index, "CREATE INDEX t_b ON t(b)");
		PP_CHECK_STR(profile->sql_indexes[0].plan, "SEARCH t USING INDEX t_b (b=?)");
		PP_CHECK_EQ(profile->sql_indexes[0].gain, PP_SQL_INDEX_SEARCH);
		PP_CHECK_STR(profile->sql_planned[1].problem, "no such table: failed, in what is known of its schema");
		PP_CHECK_STR(profile->sql_planned[2].problem, "it cannot be compiled with what is known of its schema");
		PP_CHECK_STR(profile->sql_planner, sqlite3_libversion());
		profile_end();
	}
	plan_cache_destroy(cache);
}

PP_TEST(a_file_and_what_is_temporary_or_attached)
{
	struct pp_plan_cache *cache = plan_cache_create();
	char path[2][64], attach[128];
	sqlite3 *db;

	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "/tmp/pp-plan-%d-%d.db", (int)getpid(), i);
		PP_CHECK_EQ(sqlite3_open(path[i], &db), SQLITE_OK);
		sqlite3_exec(db, i ? "create table other(a, b)" : "create table t(a, b); create index ta on t(a)", NULL,
			     NULL, NULL);
		sqlite3_close(db);
	}
	profile_begin(path[0]);
	snprintf(attach, sizeof(attach), "attach '%s' as o", path[1]);
	statement_add(attach);
	statement_add("create temp table u(b)");
	statement_add("create table t(wrong)");
	statement_add("select 1 from t, u where a = u.b")->fullscan_steps = 5000;
	statement_add("select * from o.other where b = 2")->fullscan_steps = 5000;
	profile_plan(profile, cache);
	PP_CHECK_EQ(profile->sql_planned_count, 2);
	PP_CHECK_STR(profile->sql_planned[0].plan, "SCAN u\nSEARCH t USING COVERING INDEX ta (a=?)");
	PP_CHECK_STR(profile->sql_planned[1].plan, "SCAN o.other");
	PP_CHECK_EQ(profile->sql_index_count, 1);
	PP_CHECK_STR(profile->sql_indexes[0].index, "CREATE INDEX o.other_b ON other(b)");
	PP_CHECK_EQ(profile->sql_indexes[0].planned, 1);
	profile_end();
	plan_cache_destroy(cache);
	unlink(path[0]);
	unlink(path[1]);
}

/* Two sets of attached databases: what is about one of them alone is counted there, with its plan. */
PP_TEST(what_is_about_an_attached_database_is_counted_there)
{
	static struct pp_sql_attached attached[] = {{1, 1, "o"}, {1, 2, "p"}, {3, 2, "o"}};
	struct pp_plan_cache *cache = plan_cache_create();
	char path[3][64];
	sqlite3 *db;

	for (int i = 0; i < 3; i++) {
		snprintf(path[i], sizeof(path[i]), "/tmp/pp-attached-%d-%d.db", (int)getpid(), i);
		PP_CHECK_EQ(sqlite3_open(path[i], &db), SQLITE_OK);
		sqlite3_exec(db,
			     i == 0   ? "create table t(a, b)"
			     : i == 1 ? "create table u(a, b)"
				      : "create table u(a, b); create table w(a)",
			     NULL, NULL, NULL);
		sqlite3_close(db);
	}
	for (int round = 0; round < 2; round++) { /* the second by what is remembered: no file is there */
		profile_begin(path[0]);
		profile->sql_databases = arena_array(profile->arena, 3, sizeof(*profile->sql_databases));
		for (int i = 0; i < 3; i++)
			profile->sql_databases[i].path = path[i];
		profile->sql_database_count = 3;
		profile->sql_attached = attached;
		profile->sql_attached_count = 3;
		statement_add("select b from o.u where a = 1")->attached = 1;
		profile->sql_sites[0].fullscan_steps = 5000;
		statement_add("select a from u, t")->attached = 1;
		statement_add("update w set a = 2")->attached = 1;
		statement_add("select a from t")->attached = 1;
		statement_add("select a from missing")->attached = 1;
		statement_add("commit")->attached = 1;
		statement_add("insert into u values (1, 2)")->attached = 3;
		statement_add("insert into u values (1, 3)"); /* nothing is attached here */
		profile_plan(profile, cache);
		PP_CHECK_EQ(profile->sql_sites[0].database, 1);
		PP_CHECK_EQ(profile->sql_sites[1].database, 0);
		PP_CHECK_EQ(profile->sql_sites[2].database, 2);
		PP_CHECK_EQ(profile->sql_sites[3].database, 0);
		PP_CHECK_EQ(profile->sql_sites[4].database, 0);
		PP_CHECK_EQ(profile->sql_sites[5].database, 0);
		PP_CHECK_EQ(profile->sql_sites[6].database, 2);
		PP_CHECK_EQ(profile->sql_sites[7].database, 0);
		PP_CHECK_EQ(profile->sql_planned_count, 1);
		PP_CHECK_EQ(profile->sql_planned[0].database, 1);
		PP_CHECK_STR(profile->sql_planned[0].plan, "SCAN o.u");
		PP_CHECK_STR(profile->sql_indexes[0].index, "CREATE INDEX o.u_a ON u(a)");
		profile_end();
		for (int i = 0; i < 3; i++)
			unlink(path[i]);
	}
	plan_cache_destroy(cache);
}

PP_TEST(plans_follow_the_connection_s_settings)
{
	static const struct {
		const char *set[2], *plan;
	} rows[] = {
		{{NULL}, "SCAN t"},
		{{"pragma case_sensitive_like = on"}, "SEARCH t USING COVERING INDEX tn (n>? AND n<?)"},
		{{"PRAGMA main.Case_Sensitive_Like(1)"}, "SEARCH t USING COVERING INDEX tn (n>? AND n<?)"},
		/* of two connections one, or off after all */
		{{"pragma case_sensitive_like = on", "pragma case_sensitive_like = 0"}, "SCAN t"},
		/* no setting of ours, and no value */
		{{"pragma case_sensitive_like", "pragma case_sensitive_like = maybe"}, "SCAN t"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pp_plan_cache *cache = plan_cache_create();

		profile_begin("");
		statement_add("create table t(n text)");
		statement_add("create index tn on t(n)");
		for (int j = 0; j < 2 && rows[i].set[j]; j++)
			statement_add(rows[i].set[j]);
		statement_add("select n from t where n like 'abc%'")->fullscan_steps = 5000;
		profile_plan(profile, cache);
		PP_CHECK_EQ(profile->sql_planned_count, 1);
		PP_CHECK_STR(profile->sql_planned[0].plan, rows[i].plan);
		profile_end();
		plan_cache_destroy(cache);
	}
	for (int off = 0; off < 2; off++) {
		struct pp_plan_cache *cache = plan_cache_create();

		profile_begin("");
		statement_add("create table t(a, b)");
		statement_add("create table u(a, b)");
		if (off)
			statement_add("pragma automatic_index=off");
		statement_add("select * from t join u on t.a = u.a")->fullscan_steps = 5000;
		profile_plan(profile, cache);
		PP_CHECK_EQ(strstr(profile->sql_planned[0].plan, "AUTOMATIC") == NULL, off);
		profile_end();
		plan_cache_destroy(cache);
	}
}

PP_TEST(another_version_of_sqlite_is_said)
{
	struct pp_plan_cache *cache = plan_cache_create();

	for (int other = 0; other < 2; other++) {
		profile_begin("");
		profile->sql_databases[0].library_version = other ? 3007017 : (uint32_t)sqlite3_libversion_number();
		statement_add("create table t(a, b)");
		statement_add("select a from t where b = 1")->fullscan_steps = 5000;
		statement_add("select a from t where b = 2 and a")->fullscan_steps = 5000;
		profile_plan(profile, cache);
		PP_CHECK_EQ(profile->sql_planned_count, 2);
		if (other) {
			PP_CHECK(strncmp(profile->notes[0], "the SQLite that executed is 3.7.17: ", 36) == 0);
			PP_CHECK(!profile->notes[1]);
		} else {
			PP_CHECK(!profile->notes || !profile->notes[0]);
		}
		profile_end();
	}
	plan_cache_destroy(cache);
}

/* ---- names ---- */

static uint32_t doubtful_add(const char *raw)
{
	struct pp_sql_site *site = statement_add(raw);
	struct pp_sql_statement *statement = &profile->sql_statements[site->statement];
	struct pp_sql_doubt none = {0}, all = {.all = true};
	const char *open = sql_normalize_doubtful(profile->arena, raw, strlen(raw), 0, &all);

	statement->text = sql_normalize_doubtful(profile->arena, raw, strlen(raw), 0, &none);
	for (; none.met && *open; open++)
		statement->doubt = statement->doubt * 31 + (unsigned char)*open;
	return profile->sql_site_count - 1;
}

static const char *text_of(uint32_t site)
{
	return profile->sql_statements[profile->sql_sites[site].statement].text;
}

PP_TEST(words_are_names_where_the_schema_has_them)
{
	static const struct {
		const char *raw, *text;
	} rows[] = {
		{"select \"a\" from t where \"b\" = 1", "select \"a\" from t where \"b\" = ?"},
		{"select \"b\" from t where \"a\" = 2", "select \"b\" from t where \"a\" = ?"},
		{"select \"A\" from t where \"b\" = 'x'", "select \"A\" from t where \"b\" = ?"},
		/* a value in the column's place, or in the value's */
		{"select \"secret\" from t where \"b\" = 1", "select ? from t where \"b\" = ?"},
		{"select a from t where b = \"secret\"", "select a from t where b = ?"},
		{"select a from t where b = \"secreter\"", "select a from t where b = ?"},
		{"select a from t where \"secret\" = \"b\" order by \"rowid\"",
		 "select a from t where ? = \"b\" order by \"rowid\""},
		{"select a from t order by \"rowid\"", "select a from t order by \"rowid\""},
		/* a column of another table only: SQLite takes it for a string, and it is no column that is read */
		{"select \"other\" from t", "select ? from t"},
		{"select \"a\" from missing", "select ? from missing"},
		{"select \"a\" from t; select \"secret\" from t", "select \"a\" from t; select ? from t"},
		{"insert into t values(\"a\", 2)", "insert into t values (?, ?)"},
		{"update t set a = \"b\" where \"a\" is not null", "update t set a = \"b\" where \"a\" is not null"},
		{"with w as (select \"b\" as n from t) select \"n\" from w where \"n\" > 1",
		 "with w as (select \"b\" as n from t) select \"n\" from w where \"n\" > ?"},
	};
	struct pp_plan_cache *cache = plan_cache_create();
	uint32_t sites[20];

	for (int round = 0; round < 2; round++) { /* the second by what is remembered */
		profile_begin("");
		profile->sql_statements = arena_array(profile->arena, 32, sizeof(*profile->sql_statements));
		profile->sql_sites = arena_array(profile->arena, 32, sizeof(*profile->sql_sites));
		statement_add("create table t(a, b)");
		statement_add("create table u(other)");
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			sites[i] = doubtful_add(rows[i].raw);
		profile_plan(profile, cache);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			PP_CHECK_STR(text_of(sites[i]), rows[i].text);
		/* what looks the same is the same: texts that differ in a value alone */
		PP_CHECK_EQ(profile->sql_sites[sites[4]].statement, profile->sql_sites[sites[5]].statement);
		PP_CHECK(profile->sql_sites[sites[0]].statement != profile->sql_sites[sites[1]].statement);
		profile_end();
	}
	plan_cache_destroy(cache);
}
