/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses SQLite in most of the ways there are, and counts by itself: executions and rows as sqlite3_trace_v2 tells them,
 * steps and the time inside them around each call. Writes what it counted as JSON to the file that PP_COUNTS names, and
 * what the program itself computes to standard output.
 *
 *	sql_calls MODE FOLDER
 */
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATEMENTS 64

static struct count {
	char sql[200];
	long executions, rows, steps, fullscan, sorts;
	long long ns;
} counts[STATEMENTS];
static int count_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;

static struct count *count_of(const char *sql)
{
	for (int i = 0; i < count_count; i++)
		if (strcmp(counts[i].sql, sql) == 0)
			return &counts[i];
	if (count_count == STATEMENTS)
		abort();
	strcpy(counts[count_count].sql, sql);
	return &counts[count_count++];
}

static int traced(unsigned int what, void *context, void *statement, void *text)
{
	const char *sql = sqlite3_sql(statement);

	(void)context;
	/* A trigger's statements are parts of the one that fired it; what SQLite runs to read its schema has a case of its own. */
	if (!sql || strncmp(sql, "SELECT*FROM", 11) == 0)
		return 0;
	if (what == SQLITE_TRACE_STMT && strncmp(text, "-- ", 3) == 0 && strcmp((char *)text + 3, sql) != 0)
		return 0;
	pthread_mutex_lock(&lock);
	if (what == SQLITE_TRACE_STMT)
		count_of(sql)->executions++;
	else
		count_of(sql)->rows++;
	pthread_mutex_unlock(&lock);
	return 0;
}

static sqlite3 *open_traced(const char *name)
{
	char path[400];
	sqlite3 *db;

	snprintf(path, sizeof(path), name[0] == ':' ? "%.0s%s" : "%s/%s", folder, name);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		abort();
	sqlite3_trace_v2(db, SQLITE_TRACE_STMT | SQLITE_TRACE_ROW, traced, NULL);
	return db;
}

static int step(sqlite3_stmt *statement)
{
	struct timespec from, to;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &from);
	result = sqlite3_step(statement);
	clock_gettime(CLOCK_MONOTONIC, &to);
	pthread_mutex_lock(&lock);
	count_of(sqlite3_sql(statement))->steps++;
	count_of(sqlite3_sql(statement))->ns += (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec;
	pthread_mutex_unlock(&lock);
	return result;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		printf("prepare: %s\n", sqlite3_errmsg(db));
	return statement;
}

/* What SQLite itself has counted, read with a reset, as a program may. */
static void finish(sqlite3_stmt *statement)
{
	struct count *count = count_of(sqlite3_sql(statement));

	count->fullscan += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	count->sorts += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 1);
	sqlite3_finalize(statement);
}

static void run(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = prepare(db, sql);

	while (step(statement) == SQLITE_ROW)
		;
	finish(statement);
}

static void insert(sqlite3 *db, const char *sql, int from, int to)
{
	sqlite3_stmt *statement = prepare(db, sql);

	for (int i = from; i < to; i++) {
		int result;

		sqlite3_bind_int(statement, 1, i);
		sqlite3_bind_int(statement, 2, i % 7);
		result = step(statement);
		if (result != SQLITE_DONE)
			printf("insert %d: %d %s\n", i, result, sqlite3_errmsg(db));
		if (sqlite3_reset(statement) != (result == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db)))
			printf("reset\n");
	}
	finish(statement);
	printf("changes %d, last %lld, total %d\n", sqlite3_changes(db), (long long)sqlite3_last_insert_rowid(db),
	       sqlite3_total_changes(db));
}

static void select_points(sqlite3 *db, int times)
{
	sqlite3_stmt *statement = prepare(db, "select b from t where a = ?");
	long sum = 0;

	for (int i = 0; i < times; i++) {
		sqlite3_bind_int(statement, 1, i % 150);
		while (step(statement) == SQLITE_ROW)
			sum += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	finish(statement);
	printf("points %ld\n", sum);
}

static int row_seen(void *sum, int count, char **values, char **names)
{
	(void)count;
	(void)names;
	*(long *)sum += atol(values[0] ? values[0] : "0");
	return 0;
}

/* A function of SQL that runs SQL. */
static void count_below(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(context);
	sqlite3_stmt *statement = prepare(db, "select count(*) from t where a < ?");

	(void)argc;
	sqlite3_bind_int(statement, 1, sqlite3_value_int(argv[0]));
	step(statement);
	sqlite3_result_int(context, sqlite3_column_int(statement, 0));
	finish(statement);
}

static void all(void)
{
	sqlite3 *db = open_traced("all.db"), *other, *memory = open_traced(":memory:");
	sqlite3_stmt *statement;
	sqlite3_backup *backup;
	sqlite3_blob *blob;
	char bytes[64], **table, *message = NULL;
	int rows, columns;
	long sum = 0;

	run(db, "create table t(a integer primary key, b integer)");
	run(db, "create table log(x)");
	insert(db, "insert into t values (?, ?)", 0, 20);
	run(db, "begin");
	insert(db, "insert into t values (?, ?)", 20, 150);
	run(db, "commit");
	run(db, "begin immediate");
	insert(db, "insert into t values (?, ?)", 150, 160);
	run(db, "rollback");
	run(db, "savepoint s");
	insert(db, "insert into t values (?, ?)", 150, 153);
	run(db, "release s");
	insert(db, "insert into t values (?, ?)", 149, 151); /* both are there already */
	select_points(db, 300);
	run(db, "select * from t order by b");
	/* given up: reset, finalized */
	statement = prepare(db, "select a from t");
	for (int i = 0; i < 3; i++) {
		step(statement);
		step(statement);
		sqlite3_reset(statement);
	}
	step(statement);
	finish(statement);
	/* done, and stepped again without a reset */
	statement = prepare(db, "select max(b) from t");
	for (int i = 0; i < 4; i++)
		while (step(statement) == SQLITE_ROW)
			;
	finish(statement);
	/* never executed; wrong */
	sqlite3_finalize(prepare(db, "select min(b) from t"));
	prepare(db, "select nothing from nowhere");
	sqlite3_reset(NULL);
	sqlite3_finalize(NULL);
	/* other ways of preparing */
	sqlite3_prepare_v3(db, "select count(b) from t", -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
	step(statement);
	finish(statement);
	sqlite3_prepare(db, "select total(b) from t", -1, &statement, NULL);
	step(statement);
	finish(statement);
	sqlite3_prepare16_v2(db, u"select avg(b) from t", -1, &statement, NULL);
	step(statement);
	finish(statement);
	/* scripts */
	sqlite3_exec(db, "begin; insert into log values (null); insert into log select a from t; commit;", NULL, NULL, NULL);
	if (sqlite3_exec(db, "select a from t where b = a", row_seen, &sum, &message) != SQLITE_OK)
		printf("%s\n", message);
	sqlite3_get_table(db, "select count(*) from log", &table, &rows, &columns, NULL);
	printf("exec %ld, %s in log\n", sum, table[columns]);
	sqlite3_free_table(table);
	/* a trigger, a function */
	run(db, "create trigger g after insert on t begin insert into log values (new.a); end");
	insert(db, "insert into t values (?, ?)", 200, 205);
	sqlite3_create_function(db, "count_below", 1, SQLITE_UTF8, NULL, count_below, NULL, NULL);
	run(db, "select sum(count_below(a)) from t where a < ?1 + a");
	run(db, "select count_below(a) from t where a >= 200");
	/* another's lock */
	other = open_traced("all.db");
	run(db, "begin immediate");
	run(other, "begin exclusive");
	sqlite3_busy_timeout(other, 30);
	run(other, "begin exclusive");
	printf("busy %d %s\n", sqlite3_errcode(other), sqlite3_errmsg(other));
	run(db, "commit");
	/* the rest of the family */
	run(db, "create table z(x)");
	run(db, "insert into z values (zeroblob(64))");
	sqlite3_blob_open(db, "main", "z", "x", 1, 1, &blob);
	sqlite3_blob_write(blob, "abcdefgh", 8, 4);
	for (int i = 0; i < 5; i++)
		sqlite3_blob_read(blob, bytes, 16, 0);
	printf("blob %d %.8s\n", sqlite3_blob_read(blob, bytes, 65, 0), bytes + 4);
	sqlite3_blob_close(blob);
	backup = sqlite3_backup_init(memory, "main", db, "main");
	while (sqlite3_backup_step(backup, 1) == SQLITE_OK)
		;
	printf("backup %d\n", sqlite3_backup_finish(backup));
	printf("checkpoint %d\n", sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL));
	run(memory, "select count(*) from t");
	/* open at the end */
	statement = prepare(db, "select b from t where b > ?");
	sqlite3_bind_int(statement, 1, 3);
	step(statement);
	printf("close %d\n", sqlite3_close(db));
	sqlite3_close(other);
	sqlite3_close_v2(memory);
}

/* Statements that write, and are left at their first row: what they did is committed by the reset, or the finalize. */
static void left(void)
{
	sqlite3 *db = open_traced("left.db");
	sqlite3_stmt *statement;

	run(db, "create table t(a integer primary key, b integer)");
	statement = prepare(db, "insert into t values (1, 2) returning a");
	step(statement);
	printf("reset %d\n", sqlite3_reset(statement));
	finish(statement);
	statement = prepare(db, "update t set b = 7 returning b, a");
	step(statement);
	finish(statement);
	statement = prepare(db, "select b from t where a > ?");
	step(statement);
	finish(statement);
	select_points(db, 2);
	sqlite3_close(db);
}

static sqlite3 *shared;

static void *work(void *argument)
{
	sqlite3 *db = argument ? open_traced(":memory:") : shared;

	if (argument)
		run(db, "create table t(a integer primary key, b integer)");
	for (int i = 0; i < 500; i++)
		run(db, "select count(*) from t");
	if (argument)
		sqlite3_close(db);
	return NULL;
}

static void threads(void)
{
	pthread_t thread[8];

	shared = open_traced("threads.db");
	run(shared, "create table t(a integer primary key, b integer)");
	for (int i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, work, i % 2 ? thread : NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	sqlite3_close(shared);
}

static void forked(void)
{
	sqlite3 *db = open_traced("fork.db");
	pid_t child;

	run(db, "create table t(a integer primary key, b integer)");
	child = fork();
	if (child == 0) {
		/* Of a connection that was made before the fork only memory is safe to use. */
		sqlite3 *own = open_traced(":memory:");

		run(own, "create table t(a integer primary key, b integer)");
		select_points(own, 10);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	select_points(db, 20);
	sqlite3_close(db);
}

/* A statement that waits to be killed. */
static void killed(void)
{
	sqlite3 *db = open_traced(":memory:");

	run(db, "create table t(a integer primary key, b integer)");
	insert(db, "insert into t values (?, ?)", 0, 1000);
	fflush(stdout);
	kill(getpid(), SIGKILL);
}

static void rows(void)
{
	sqlite3 *db = open_traced("rows.db");

	run(db, "create table t(a integer primary key, b integer)");
	run(db, "begin");
	insert(db, "insert into t values (?, ?)", 0, 20000);
	run(db, "commit");
	for (int i = 0; i < 20; i++)
		run(db, "select x.a, sum(y.b) from t x, t y where y.a between x.a and x.a + 5 group by x.a");
	sqlite3_close(db);
}

static void counts_write(void)
{
	FILE *file = fopen(getenv("PP_COUNTS"), "w");

	fprintf(file, "{");
	for (int i = 0; i < count_count; i++)
		fprintf(file,
			"%s\n\"%s\": {\"executions\": %ld, \"rows\": %ld, \"steps\": %ld, \"ns\": %lld, \"fullscan\": %ld, "
			"\"sorts\": %ld}",
			i ? "," : "", counts[i].sql, counts[i].executions, counts[i].rows, counts[i].steps, counts[i].ns,
			counts[i].fullscan, counts[i].sorts);
	fprintf(file, "}\n");
	fclose(file);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	folder = argv[2];
	if (strcmp(argv[1], "all") == 0)
		all();
	else if (strcmp(argv[1], "threads") == 0)
		threads();
	else if (strcmp(argv[1], "forked") == 0)
		forked();
	else if (strcmp(argv[1], "killed") == 0)
		killed();
	else if (strcmp(argv[1], "left") == 0)
		left();
	else if (strcmp(argv[1], "rows") == 0)
		rows();
	if (getenv("PP_COUNTS"))
		counts_write();
	return 0;
}
