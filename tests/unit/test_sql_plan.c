/* SPDX-License-Identifier: Apache-2.0 */
/* Plans on a copy of a schema: read from a file that is in use, without a trace in it; indexes that are proved. */
#include "test.h"

#include "sql_plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static struct pp_arena *arena;

static const char shop[] =
	"create table users(id integer primary key, name text, age int, city text collate nocase, email text);"
	"create table orders(id integer primary key, user_id int, status text, amount real, created text);"
	"create table w(k text, v text); create table x(name text, more); create table \"odd table\"(\"a b\" int, \"select\" int);"
	"create view paid as select * from orders where status = 'paid';"
	"create index orders_created on orders(created);";

/* ---- copies ---- */

static void exec(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		pp_test_fail(__FILE__, __LINE__, "%s: %s", sql, message);
	sqlite3_free(message);
}

static char folder[] = "/tmp/pp-sql-XXXXXX";
static char path[PATH_MAX];

static void folder_remove(void)
{
	char command[PATH_MAX + 20];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command) != 0)
		perror(command);
}

static sqlite3 *file_make(const char *sql)
{
	sqlite3 *db;

	if (!mkdtemp(folder))
		perror(folder);
	atexit(folder_remove);
	snprintf(path, sizeof(path), "%s/shop.db", folder);
	PP_CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	exec(db, sql);
	return db;
}

static struct pp_sql_schema *schema_from_file(void)
{
	struct pp_sql_objects objects = {0}, statistics = {0};
	struct pp_error error = {""};
	struct pp_sql_schema *schema;
	struct pp_sql_file file;

	if (!arena)
		arena = arena_create();
	if (!sql_file_open(&file, path, getpid(), &error) ||
	    !sql_file_read(&file, arena, &objects, &statistics, &error)) {
		pp_test_fail(__FILE__, __LINE__, "%s", error.text);
		return NULL;
	}
	sql_file_close(&file);
	schema = sql_schema_create(&error);
	if (!schema || !sql_schema_fill(schema, "main", &objects, &statistics, &error))
		pp_test_fail(__FILE__, __LINE__, "%s", error.text);
	return schema;
}

/* From statements alone, as of a database in memory. */
static struct pp_sql_schema *schema_from_text(const char *sql)
{
	struct pp_sql_schema *schema = sql_schema_create(NULL);
	char *text = strdup(sql), *rest = text, *statement;
	struct pp_error error;

	if (!arena)
		arena = arena_create();
	while ((statement = strsep(&rest, ";")))
		if (*statement && !sql_schema_apply(schema, statement, &error))
			pp_test_fail(__FILE__, __LINE__, "%s: %s", statement, error.text);
	free(text);
	return schema;
}

static const char *plan_text(struct pp_sql_schema *schema, const char *sql)
{
	struct pp_error error = {""};
	struct pp_sql_plan plan;
	char *text = NULL;
	const char *kept;
	size_t size;
	FILE *file;

	if (!sql_plan_make(schema, sql, arena, &plan, &error))
		return arena_format(arena, "error: %s", error.text);
	file = open_memstream(&text, &size);
	for (uint32_t i = 0; i < plan.line_count; i++)
		fprintf(file, "%s%s", i ? "\n" : "", plan.lines[i]);
	fclose(file);
	kept = arena_string(arena, text);
	free(text);
	return kept;
}

/* As SQLite itself says it in the database. */
static const char *plan_truth(sqlite3 *db, const char *sql)
{
	char *explain = sqlite3_mprintf("explain query plan %s", sql), *text = NULL;
	sqlite3_stmt *statement;
	const char *kept;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	PP_CHECK_EQ(sqlite3_prepare_v2(db, explain, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW)
		fprintf(file, "%s%s", ftell(file) ? "\n" : "", sqlite3_column_text(statement, 3));
	sqlite3_finalize(statement);
	fclose(file);
	kept = arena_string(arena, text);
	free(text);
	sqlite3_free(explain);
	return kept;
}

PP_TEST(plans_are_those_of_the_database)
{
	static const char *const texts[] = {
		"select * from users where age = 3",
		"select * from users where id = ?",
		"select u.name, o.amount from users u, orders o where u.id = o.user_id and o.created > ?",
		"select * from users, w where name = k",
		"select * from orders order by created",
		"select * from orders order by amount limit 3",
		"select count(distinct age) from users",
		"delete from orders where status = :s",
		"update users set age = 2 where city = 'x'",
		"insert into w select name, city from users where age < 3",
	};
	sqlite3 *db = file_make(shop);
	struct pp_sql_schema *schema;

	exec(db, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)"
		 "insert into orders(user_id, status, created) select i % 7, 'x', i from n; analyze");
	schema = schema_from_file();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		PP_CHECK_STR(plan_text(schema, texts[i]), plan_truth(db, texts[i]));
	sql_schema_destroy(schema);
	sqlite3_close(db);
}

/* Statistics change plans; they are copied. */
PP_TEST(statistics_are_copied)
{
	static const char sql[] = "select * from t where a = 1 and b = 2";
	sqlite3 *db = file_make("create table t(a, b); create index ta on t(a); create index tb on t(b)");
	struct pp_sql_schema *schema;

	exec(db, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)"
		 "insert into t select i % 2, i from n; analyze");
	schema = schema_from_file();
	PP_CHECK_STR(plan_text(schema, sql), "SEARCH t USING INDEX tb (b=?)");
	PP_CHECK_STR(plan_text(schema, sql), plan_truth(db, sql));
	sql_schema_destroy(schema);
	exec(db, "delete from t; with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)"
		 "insert into t select i, i % 2 from n; analyze");
	schema = schema_from_file();
	PP_CHECK_STR(plan_text(schema, sql), "SEARCH t USING INDEX ta (a=?)");
	sql_schema_destroy(schema);
	sqlite3_close(db);
}

/* ---- the program's file is left alone ---- */

static int folder_count(void)
{
	DIR *entries = opendir(folder);
	int count = 0;

	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

/* All that stat() shows of the database's files. */
static void files_stat(struct stat status[3])
{
	static const char *const suffixes[] = {"", "-wal", "-journal"};
	char name[PATH_MAX + 16];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		memset(&status[i], 0, sizeof(status[i]));
		if (stat(name, &status[i]) != 0)
			status[i].st_ino = 0;
	}
}

static void undisturbed_check(const char *sql, const char *plan)
{
	struct stat before[3], after[3];
	int count = folder_count();
	struct pp_sql_schema *schema;

	files_stat(before);
	schema = schema_from_file();
	files_stat(after);
	PP_CHECK_STR(plan_text(schema, sql), plan);
	PP_CHECK(memcmp(before, after, sizeof(before)) == 0);
	PP_CHECK_EQ(folder_count(), count);
	sql_schema_destroy(schema);
}

/* A writer that holds every lock there is neither waits for us nor we for it. */
PP_TEST(a_locked_database_is_read_without_a_lock)
{
	sqlite3 *db = file_make(shop);

	exec(db, "begin exclusive; insert into w values(1, 2)");
	undisturbed_check("select * from orders where created = 1", "SEARCH orders USING INDEX orders_created (created=?)");
	exec(db, "commit");
	sqlite3_close(db);
}

/* The schema is in the log alone. */
PP_TEST(a_log_is_read_without_shared_memory)
{
	sqlite3 *db = file_make("pragma journal_mode=wal; pragma wal_autocheckpoint=0");
	sqlite3 *reader;

	exec(db, shop);
	undisturbed_check("select * from orders where created = 1", "SEARCH orders USING INDEX orders_created (created=?)");
	exec(db, "begin immediate; create index late on w(k)");
	undisturbed_check("select * from w where k = 1", "SCAN w");
	exec(db, "commit");
	undisturbed_check("select * from w where k = 1", "SEARCH w USING INDEX late (k=?)");
	PP_CHECK_EQ(sqlite3_open(path, &reader), SQLITE_OK);
	exec(reader, "begin; select * from w");
	exec(db, "drop index late");
	undisturbed_check("select * from w where k = 1", "SCAN w");
	exec(reader, "commit");
	sqlite3_close(reader);
	exec(db, "pragma wal_checkpoint(truncate)");
	undisturbed_check("select * from orders where created = 1", "SEARCH orders USING INDEX orders_created (created=?)");
	sqlite3_close(db);
	undisturbed_check("select * from w where k = 1", "SCAN w");
}

PP_TEST(a_deleted_database_is_read)
{
	sqlite3 *db = file_make(shop);

	unlink(path);
	undisturbed_check("select * from w where k = 1", "SCAN w");
	sqlite3_close(db);
}

/* A process of its own writes all the time; its transactions must neither fail nor wait. */
PP_TEST(a_busy_writer_meets_nobody)
{
	sqlite3 *db = file_make(shop);
	int status = 0;
	pid_t child;

	sqlite3_close(db);
	child = fork();
	if (child == 0) {
		int failures = 0;

		/* no busy handler: any lock of ours would be an error */
		sqlite3_open(path, &db);
		sqlite3_exec(db, "pragma synchronous=off", NULL, NULL, NULL);
		for (int i = 0; i < 1000; i++)
			failures += sqlite3_exec(db, i % 50 ? "insert into w values(1, 2)"
							    : i % 100 ? "create index late on w(v)" : "drop index if exists late",
						 NULL, NULL, NULL) != SQLITE_OK;
		sqlite3_close(db);
		_exit(failures ? 1 : 0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct pp_sql_objects objects, statistics;
		struct pp_sql_file file;
		struct pp_arena *own = arena_create();
		struct pp_error error;

		/* may fail, with a reason */
		if (!sql_file_open(&file, path, 0, &error) || (!sql_file_read(&file, own, &objects, &statistics, &error) &&
							       !*error.text))
			pp_test_fail(__FILE__, __LINE__, "no reason");
		sql_file_close(&file);
		arena_destroy(own);
	}
	PP_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

PP_TEST(what_is_no_database_is_refused)
{
	struct pp_sql_objects objects, statistics;
	struct pp_error error = {""};
	struct pp_sql_file file;

	if (!arena)
		arena = arena_create();
	PP_CHECK(!sql_file_open(&file, "relative.db", 0, &error));
	PP_CHECK(!sql_file_open(&file, "/dev/zero", 0, &error));
	PP_CHECK(!sql_file_open(&file, "/tmp", 0, &error));
	PP_CHECK(!sql_file_open(&file, "/nonexistent/x.db", 0, &error));
	PP_CHECK(sql_file_open(&file, "/proc/self/exe", 0, &error));
	PP_CHECK(!sql_file_read(&file, arena, &objects, &statistics, &error));
	PP_CHECK_STR(error.text, "the database's schema cannot be read: file is not a database");
	sql_file_close(&file);
}

/* ---- nothing of the schema is trusted ---- */

PP_TEST(statements_that_reach_outside_are_refused)
{
	struct pp_sql_schema *schema = schema_from_text("create table t(a)");
	char sql[PATH_MAX + 64];
	struct stat status;

	snprintf(path, sizeof(path), "/tmp/pp-sql-must-not-be-%d", (int)getpid());
	snprintf(sql, sizeof(sql), "attach '%s' as x", path);
	PP_CHECK(!sql_schema_apply(schema, sql, NULL));
	snprintf(sql, sizeof(sql), "vacuum into '%s'", path);
	PP_CHECK(!sql_schema_apply(schema, sql, NULL));
	PP_CHECK(!sql_schema_apply(schema, "pragma writable_schema=on", NULL));
	PP_CHECK(!sql_schema_apply(schema, "insert into t values(1)", NULL));
	PP_CHECK(!sql_schema_apply(schema, "create virtual table d using dbstat", NULL));
	PP_CHECK(!sql_schema_apply(schema, "create virtual table d using csv(filename='/etc/passwd')", NULL));
	PP_CHECK_STR(plan_text(schema, "pragma journal_mode=off"), "error: no statement that has a plan");
	PP_CHECK_STR(plan_text(schema, "attach 'x' as y"), "error: no statement that has a plan");
	PP_CHECK_STR(plan_text(schema, "select load_extension('x')"), "SCAN CONSTANT ROW");
	/* bounded: without an end it would take for ever */
	PP_CHECK(!sql_schema_apply(schema, "create table u as with recursive n(i) as (select 1 union all select i + 1 from n)"
					   "select i from n", NULL));
	PP_CHECK_STR(plan_text(schema, "select * from t"), "SCAN t");
	PP_CHECK(stat(path, &status) != 0);
	sql_schema_destroy(schema);
}

PP_TEST(functions_and_collations_are_stood_in_for)
{
	struct pp_sql_schema *schema = schema_from_text("create table t(a, b text collate mine); create index tb on t(b);"
							"create index tf on t(ours(a))");
	struct pp_sql_plan plan;

	PP_CHECK_STR(plan_text(schema, "select theirs(a, 1), theirs(b) from t where b = 'x'"),
		     "SEARCH t USING INDEX tb (b=?)");
	PP_CHECK_STR(plan_text(schema, "select 1 from t where ours(a) = 3"), "SEARCH t USING INDEX tf (<expr>=?)");
	PP_CHECK_STR(plan_text(schema, "select a from t order by a collate strange"), "SCAN t\nUSE TEMP B-TREE FOR ORDER BY");
	PP_CHECK(sql_plan_make(schema, "select theirs(a) from t", arena, &plan, NULL));
	PP_CHECK(plan.guessed);
	PP_CHECK_STR(plan_text(schema, "select * from nowhere"), "error: no such table: nowhere");
	sql_schema_destroy(schema);
}

PP_TEST(virtual_tables_of_sqlite_itself_are_made)
{
	sqlite3 *db = file_make("create virtual table docs using fts5(title, body); create virtual table old using fts4(a);"
				"create virtual table boxes using rtree(id, x0, x1)");
	struct pp_sql_schema *schema = schema_from_file();
	static const char *const texts[] = {"select * from docs where docs match 'x'", "select * from old where a match 'x'",
					    "select * from boxes where x0 > 1", "select * from docs_content where id = 3"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		PP_CHECK_STR(plan_text(schema, texts[i]), plan_truth(db, texts[i]));
	sql_schema_destroy(schema);
	sqlite3_close(db);
}

PP_TEST(attached_databases_have_their_names)
{
	struct pp_sql_object rows[] = {{"t", "t", "create table t(a, b)"}, {"ta", "t", "create index ta on t(a)"}};
	struct pp_sql_objects objects = {rows, 2}, statistics = {0};
	struct pp_sql_schema *schema = schema_from_text("create table t(a, b); create temp table u(a)");

	PP_CHECK(sql_schema_fill(schema, "other", &objects, &statistics, NULL));
	PP_CHECK_STR(plan_text(schema, "select * from main.t where a = 1"), "SCAN main.t");
	PP_CHECK_STR(plan_text(schema, "select * from other.t where a = 1"), "SEARCH other.t USING INDEX ta (a=?)");
	PP_CHECK_STR(plan_text(schema, "select * from temp.u where a = 1"), "SCAN temp.u");
	sql_schema_destroy(schema);
}

PP_TEST(changes_of_a_schema_are_known)
{
	bool temporary;

	PP_CHECK(sql_changes_schema("/* x */ create table t(a)", 24, &temporary) && !temporary);
	PP_CHECK(sql_changes_schema("CREATE TEMP TABLE t(a)", 22, &temporary) && temporary);
	PP_CHECK(sql_changes_schema("create table temp.t(a)", 22, &temporary) && temporary);
	PP_CHECK(sql_changes_schema("create unique index if not exists temp.i on t(a)", 48, &temporary) && temporary);
	PP_CHECK(sql_changes_schema("alter table t add b", 19, &temporary) && !temporary);
	PP_CHECK(sql_changes_schema("drop index i", 12, &temporary));
	PP_CHECK(!sql_changes_schema("select 1", 8, &temporary));
	PP_CHECK(!sql_changes_schema("", 0, &temporary));
}

/* ---- indexes ---- */

struct row {
	const char *sql;
	const char *indexes[PP_SQL_ADVICE_MAX];
	enum pp_sql_gain gain; /* of the first */
};

PP_TEST(indexes_are_advised_that_change_the_plan)
{
	static const struct row rows[] = {
		{"select * from orders where user_id = ?", {"CREATE INDEX orders_user_id ON orders(user_id)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders o where ? = o.user_id", {"CREATE INDEX orders_user_id ON orders(user_id)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where user_id in (1, 2)", {"CREATE INDEX orders_user_id ON orders(user_id)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where amount > 100", {"CREATE INDEX orders_amount ON orders(amount)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where amount between 1 and 2", {"CREATE INDEX orders_amount ON orders(amount)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where status = 'x' and user_id = 3",
		 {"CREATE INDEX orders_status_user_id ON orders(status, user_id)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where amount > 3 and user_id = 3",
		 {"CREATE INDEX orders_user_id_amount ON orders(user_id, amount)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders where user_id = 3 order by amount desc",
		 {"CREATE INDEX orders_user_id_amount ON orders(user_id, amount DESC)"}, PP_SQL_GAIN_SEARCH},
		{"select * from orders order by amount limit 10", {"CREATE INDEX orders_amount ON orders(amount)"}, PP_SQL_GAIN_SORT},
		{"select * from orders order by status, amount desc",
		 {"CREATE INDEX orders_status_amount ON orders(status, amount DESC)"}, PP_SQL_GAIN_SORT},
		{"select status, sum(amount) from orders group by status", {"CREATE INDEX orders_status ON orders(status)"}, PP_SQL_GAIN_SORT},
		{"select distinct age from users", {"CREATE INDEX users_age ON users(age)"}, PP_SQL_GAIN_SORT},
		{"select * from users u, w where u.name = w.k", {"CREATE INDEX w_k ON w(k)"}, PP_SQL_GAIN_AUTOINDEX},
		{"select count(*) from w natural join (select name as k, age as v from users)",
		 {"CREATE INDEX users_age_name ON users(age, name)"}, PP_SQL_GAIN_AUTOINDEX},
		{"select city from users join x using (name)", {"CREATE INDEX users_name ON users(name)"}, PP_SQL_GAIN_AUTOINDEX},
		{"select city from users natural join x", {"CREATE INDEX users_name ON users(name)"}, PP_SQL_GAIN_AUTOINDEX},
		{"select * from users u join orders o on o.user_id = u.id where u.id = 7",
		 {"CREATE INDEX orders_user_id ON orders(user_id)"}, PP_SQL_GAIN_SEARCH},
		{"select * from users where lower(email) = ?", {"CREATE INDEX users_email ON users(lower(email))"}, PP_SQL_GAIN_SEARCH},
		{"select * from users where name = ? collate nocase",
		 {"CREATE INDEX users_name ON users(name COLLATE nocase)"}, PP_SQL_GAIN_SEARCH},
		{"select * from users where email like 'ada%'",
		 {"CREATE INDEX users_email ON users(email COLLATE NOCASE)"}, PP_SQL_GAIN_SEARCH},
		{"select * from \"odd table\" where \"a b\" = 1",
		 {"CREATE INDEX odd_table_a_b ON \"odd table\"(\"a b\")"}, PP_SQL_GAIN_SEARCH},
		{"select * from \"odd table\" where [select] = 1",
		 {"CREATE INDEX odd_table_select ON \"odd table\"(\"select\")"}, PP_SQL_GAIN_SEARCH},
		{"select * from paid where amount = 3", {"CREATE INDEX orders_amount ON orders(amount)"}, PP_SQL_GAIN_SEARCH},
		{"update users set age = 3 where name = ?", {"CREATE INDEX users_name ON users(name)"}, PP_SQL_GAIN_SEARCH},
		{"delete from orders where status = ?", {"CREATE INDEX orders_status ON orders(status)"}, PP_SQL_GAIN_SEARCH},
		{"select * from users where exists (select 1 from w where w.k = users.name and v > 3)",
		 {"CREATE INDEX w_k_v ON w(k, v)"}, PP_SQL_GAIN_SEARCH},
		{"select * from users where age = 1 union select * from users where city = 'x'",
		 {"CREATE INDEX users_age ON users(age)", "CREATE INDEX users_city ON users(city)"}, PP_SQL_GAIN_SEARCH},
		/* nothing would help, or nothing is wrong */
		{"select * from orders", {NULL}, 0},
		{"select count(*) from orders", {NULL}, 0},
		{"select * from users where id = 3", {NULL}, 0},
		{"select * from orders where created = 'x'", {NULL}, 0},
		{"select * from users where name like '%x%'", {NULL}, 0},
		{"select * from users where age != 3", {NULL}, 0},
		{"select * from users where age + 1 = 3", {NULL}, 0},
		{"select * from users order by random()", {NULL}, 0},
		{"insert into w values (1, 2)", {NULL}, 0},
	};
	struct pp_sql_schema *schema = schema_from_text(shop);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pp_sql_advice advice[PP_SQL_ADVICE_MAX];
		const char *before = plan_text(schema, rows[i].sql);
		uint32_t spent = 0, count = sql_plan_advise(schema, rows[i].sql, arena, 1000, &spent, advice);

		for (uint32_t j = 0; j < PP_SQL_ADVICE_MAX; j++) {
			const char *index = j < count ? advice[j].index : NULL;

			if (!index != !rows[i].indexes[j] || (index && strcmp(index, rows[i].indexes[j]) != 0))
				pp_test_fail(__FILE__, __LINE__, "%s: %s, not %s", rows[i].sql, index ? index : "nothing",
					     rows[i].indexes[j] ? rows[i].indexes[j] : "nothing");
		}
		if (count)
			PP_CHECK_EQ(advice[0].gain, rows[i].gain);
		/* all is as it was */
		PP_CHECK_STR(plan_text(schema, rows[i].sql), before);
		/* with the indexes, nothing is left to advise */
		for (uint32_t j = 0; j < count; j++)
			PP_CHECK(sql_schema_apply(schema, advice[j].index, NULL));
		spent = 0;
		PP_CHECK_EQ(sql_plan_advise(schema, rows[i].sql, arena, 1000, &spent, advice), 0);
		sql_schema_destroy(schema);
		schema = schema_from_text(shop);
	}
	sql_schema_destroy(schema);
}

PP_TEST(trials_keep_to_their_budget)
{
	struct pp_sql_schema *schema = schema_from_text(shop);
	struct pp_sql_advice advice[PP_SQL_ADVICE_MAX];
	uint32_t spent = 0;

	sql_plan_advise(schema, "select * from users u, w, orders o where u.name = w.k and o.status = v and o.amount > age",
			arena, 20, &spent, advice);
	PP_CHECK(spent <= 20 + PP_SQL_ADVICE_MAX);
	sql_schema_destroy(schema);
}
