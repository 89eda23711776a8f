/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite at its limits: statements that are interrupted and aborted, without memory, on a damaged file, in threads and
 * after a fork. Prints each result that a caller can see. With -DPLUGIN it is the plugin that mode `plugin` opens.
 *
 *	sql_hostile MODE FOLDER [PLUGIN]
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;
static long long memory_left = -1; /* allocations until the next one fails; below 0: none does */

static sqlite3 *open_at(const char *name)
{
	char path[400];
	sqlite3 *db = NULL;
	int result;

	snprintf(path, sizeof(path), name[0] == ':' ? "%.0s%s" : "%s/%s", folder, name);
	result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (result != SQLITE_OK)
		printf("open %d\n", result);
	else
		sqlite3_exec(db, "pragma synchronous = off", NULL, NULL,
			     NULL); /* for the sake of the time that it takes */
	return db;
}

/* Steps to the end; what it printed is all that the caller could see. */
static int run(sqlite3 *db, const char *sql, int number)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), rows = 0;
	long long sum = 0;

	if (result != SQLITE_OK) {
		printf("%s: not prepared: %d %s\n", sql, result, sqlite3_errmsg(db));
		return result;
	}
	sqlite3_bind_int(statement, 1, number);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		sum += sqlite3_column_int64(statement, 0);
		rows++;
	}
	printf("%s: %d, %d rows, %lld, %s, ", sql, sqlite3_extended_errcode(db), rows, sum, sqlite3_errmsg(db));
	printf("finalized %d\n", sqlite3_finalize(statement));
	return result;
}

static void fill(sqlite3 *db, int count)
{
	run(db, "create table t(a integer primary key, b, c unique)", 0);
	run(db,
	    "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
	    "select i, i * 7 % 1000, 'text ' || i from n",
	    count);
}

/* --- ended from elsewhere ---------------------------------------------------------------------------------------------- */

static sqlite3 *interrupted;
static int asked, done;

static void *interrupt_when_asked(void *times)
{
	for (int i = 0; i < *(int *)times; i++) {
		while (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) <= i)
			sched_yield();
		sqlite3_interrupt(interrupted);
		__atomic_store_n(&done, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* A function of SQL, in the middle of a statement: returns after another thread's sqlite3_interrupt. */
static void interrupt_here(sqlite3_context *context, int count, sqlite3_value **values)
{
	int mine;

	(void)count;
	sqlite3_result_value(context, values[0]);
	if (sqlite3_value_int(values[0]) != 100)
		return;
	mine = __atomic_add_fetch(&asked, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < mine)
		sched_yield();
}

static void interrupts(void)
{
	sqlite3 *db = interrupted = open_at("interrupts.db");
	pthread_t thread;
	int times = 4;

	fill(db, 1000);
	sqlite3_create_function(db, "interrupt_here", 1, SQLITE_UTF8, NULL, interrupt_here, NULL, NULL);
	pthread_create(&thread, NULL, interrupt_when_asked, &times);
	run(db, "select interrupt_here(a) from t", 0);
	run(db, "select count(*) from t where interrupt_here(a) % 2", 0);
	run(db, "begin", 0);
	run(db, "delete from t where a > 900", 0);
	run(db, "update t set b = interrupt_here(a)", 0); /* rolls the transaction back */
	printf("autocommit %d, changes %d\n", sqlite3_get_autocommit(db), sqlite3_total_changes(db));
	run(db, "insert into t select a + 1000, interrupt_here(a), c || a from t", 0);
	pthread_join(thread, NULL);
	run(db, "select count(*) from t", 0);
	printf("close %d\n", sqlite3_close(db));
}

static int progressed(void *times)
{
	return ++*(int *)times % 5 == 0;
}

static int denied(void *rest, int action, const char *first, const char *second, const char *third, const char *fourth)
{
	(void)rest;
	(void)first;
	(void)third;
	(void)fourth;
	return action == SQLITE_READ && second && strcmp(second, "c") == 0 ? SQLITE_DENY : SQLITE_OK;
}

static int refused(void *times)
{
	return ++*(int *)times == 1;
}

static void aborts(void)
{
	sqlite3 *db = open_at("aborts.db");
	sqlite3_stmt *zombie;
	int times = 0, commits = 0;

	fill(db, 200);
	run(db, "insert or fail into t select a + 150, b, c || 'x' from t where a > ?", 40);
	run(db, "insert or abort into t select a + 300, b, c from t", 0);
	run(db, "insert or ignore into t select a + 300, b, c from t", 0);
	run(db, "begin", 0);
	run(db, "insert into t values (?, 1, 'one')", 5000);
	run(db, "insert or rollback into t values (?, 1, 'two')", 5000);
	printf("autocommit %d\n", sqlite3_get_autocommit(db));
	run(db, "commit", 0);
	run(db, "create trigger g before insert on t when new.b = 77 begin select raise(rollback, 'never'); end", 0);
	run(db, "begin", 0);
	run(db, "insert into t values (?, 77, 'three')", 6000);
	run(db, "rollback", 0);
	sqlite3_progress_handler(db, 100, progressed, &times);
	for (int i = 0; i < 4; i++)
		run(db, "select count(*) from t x, t y where x.b < y.b", 0);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	printf("asked %d times\n", times);
	sqlite3_commit_hook(db, refused, &commits);
	run(db, "insert into t values (?, 1, 'four')", 7000); /* the commit is refused */
	run(db, "insert into t values (?, 1, 'four')", 7000);
	sqlite3_set_authorizer(db, denied, NULL);
	run(db, "select c from t", 0);
	run(db, "select sum(b) from t", 0);
	sqlite3_set_authorizer(db, NULL, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 20);
	run(db, "select a, b, c from t where a = 1 union select c, b, a from t order by 2", 0);
	sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 1000000);
	run(db, "select abs(-9223372036854775807 - 1)", 0);
	/* closed while a statement is in the middle: both live on */
	sqlite3_prepare_v2(db, "select a from t order by a", -1, &zombie, NULL);
	printf("first %d\n", sqlite3_step(zombie));
	printf("close %d\n", sqlite3_close(db));
	printf("close_v2 %d\n", sqlite3_close_v2(db));
	for (int i = 0; i < 10; i++) {
		printf("%d ", sqlite3_step(zombie));
		printf("%d\n", sqlite3_column_int(zombie, 0));
	}
	printf("reset %d\n", sqlite3_reset(zombie));
	printf("step %d\n", sqlite3_step(zombie));
	printf("finalized %d\n", sqlite3_finalize(zombie));
}

/* --- without memory ---------------------------------------------------------------------------------------------------- */

static sqlite3_mem_methods libc_memory;

static void *failing_malloc(int size)
{
	if (memory_left >= 0 && memory_left-- == 0)
		return NULL;
	return libc_memory.xMalloc(size);
}

static void *failing_realloc(void *block, int size)
{
	if (memory_left >= 0 && memory_left-- == 0)
		return NULL;
	return libc_memory.xRealloc(block, size);
}

/* The same work over and over, each time with the next allocation failing, and none after it, until none fails. */
static void without_memory(void)
{
	sqlite3_mem_methods failing;
	sqlite3 *db;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &libc_memory);
	failing = libc_memory;
	failing.xMalloc = failing_malloc;
	failing.xRealloc = failing_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	db = open_at("memory.db");
	fill(db, 200);
	for (int from = 0, failed = 1; failed; from++) {
		memory_left = from;
		failed = run(db, "select b, group_concat(c) from t where a > ? group by b order by 2", 10) !=
			 SQLITE_DONE;
		failed |= run(db, "insert into t values (?, zeroblob(3000), 'late')", 1000) != SQLITE_DONE;
		failed |= run(db, "delete from t where a = ?", 1000) != SQLITE_DONE;
		failed |= memory_left < 0;
		memory_left = -1;
	}
	for (int i = 0; i < 40; i++) {
		sqlite3 *other;

		memory_left = i;
		other = open_at("other.db");
		if (other)
			run(other, "create table if not exists u(a)", 0);
		memory_left = -1;
		printf("close %d\n", sqlite3_close(other));
	}
	run(db, "pragma integrity_check", 0);
	sqlite3_hard_heap_limit64(sqlite3_memory_used() + 200000);
	run(db,
	    "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000) select "
	    "length(group_concat(i)) from n",
	    0);
	run(db, "select count(*) from t", 0);
	printf("close %d\n", sqlite3_close(db));
}

/* --- a damaged file ---------------------------------------------------------------------------------------------------- */

static void damaged(void)
{
	sqlite3 *db = open_at("damaged.db");
	char path[400], page[4096];
	unsigned int seed = 1;

	run(db, "pragma page_size = 4096", 0);
	fill(db, 3000);
	printf("close %d\n", sqlite3_close(db));
	snprintf(path, sizeof(path), "%s/damaged.db", folder);
	for (int i = 1; i < 30; i++) {
		FILE *file = fopen(path, "r+");

		for (unsigned int k = 0; k < sizeof(page); k++)
			page[k] = (char)((seed = seed * 1103515245 + 12345) >> 16);
		fseek(file, 4096L * i + 200, SEEK_SET);
		fwrite(page, 1, 16, file);
		fclose(file);
		db = open_at("damaged.db");
		run(db, "select sum(b) from t", 0);
		run(db, "select a from t where c = 'text 700'", 0);
		run(db, "update t set b = b + 1 where a % 10 = ?", i % 10);
		run(db, "pragma integrity_check", 0);
		sqlite3_close(db);
	}
	strcpy(page, "this is not a database, whatever its name is");
	snprintf(path, sizeof(path), "%s/text.db", folder);
	fwrite(page, 1, 2000, fopen(path, "w"));
	fflush(NULL);
	db = open_at("text.db");
	run(db, "select * from sqlite_schema", 0);
	sqlite3_close(db);
	printf("nowhere: ");
	sqlite3_close(open_at("missing/folder/x.db"));
}

/* --- threads ----------------------------------------------------------------------------------------------------------- */

static sqlite3 *shared;
static long long results[8];

/* A connection of all, of which each thread has statements of its own. */
static void *on_shared(void *index)
{
	long which = (long)index;
	sqlite3_stmt *select, *insert;

	sqlite3_prepare_v2(shared, "select b from t where a = ?", -1, &select, NULL);
	sqlite3_prepare_v2(shared, "insert into t values (?, ?, null)", -1, &insert, NULL);
	for (int i = 0; i < 400; i++) {
		sqlite3_bind_int(select, 1, i % 100 + 1);
		while (sqlite3_step(select) == SQLITE_ROW)
			results[which] += sqlite3_column_int(select, 0);
		sqlite3_reset(select);
		if (i % 8)
			continue;
		sqlite3_bind_int64(insert, 1, 1000 + which * 1000 + i);
		sqlite3_bind_int64(insert, 2, which);
		if (sqlite3_step(insert) != SQLITE_DONE)
			results[which] = -1000000;
		sqlite3_reset(insert);
	}
	sqlite3_finalize(select);
	sqlite3_finalize(insert);
	return NULL;
}

/* A connection of one's own, without locks; statements are prepared again and again. */
static void *on_own(void *index)
{
	long which = (long)index;
	sqlite3 *db;

	sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	sqlite3_exec(db, "create table t(a integer primary key, b, c)", NULL, NULL, NULL);
	for (int i = 0; i < 300; i++) {
		sqlite3_stmt *statement;

		sqlite3_prepare_v2(db, "insert into t values (null, ?, null)", -1, &statement, NULL);
		sqlite3_bind_int64(statement, 1, which + i);
		sqlite3_step(statement);
		sqlite3_finalize(statement);
		sqlite3_prepare_v2(db, "select sum(b) from t", -1, &statement, NULL);
		sqlite3_step(statement);
		results[which] = sqlite3_column_int64(statement, 0);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	return NULL;
}

static void threads(void *(*work)(void *), int mode)
{
	pthread_t thread[8];

	sqlite3_config(mode);
	if (work == on_shared) {
		shared = open_at("threads.db");
		fill(shared, 100);
	}
	for (long i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, work, (void *)i);
	for (int i = 0; i < 8; i++) {
		pthread_join(thread[i], NULL);
		printf("%d: %lld\n", i, results[i]);
	}
	if (shared)
		run(shared, "select count(*) from t", 0);
	sqlite3_close(shared);
}

/* --- forks ------------------------------------------------------------------------------------------------------------- */

/* A database in memory is the child's as it was; statements in the middle go on in both. */
static void forks(void)
{
	sqlite3 *db = open_at(":memory:");
	sqlite3_stmt *statement;
	int sum = 0, status = 0;
	pid_t child;

	fill(db, 100);
	sqlite3_prepare_v2(db, "select a from t order by a", -1, &statement, NULL);
	for (int i = 0; i < 30; i++) {
		sqlite3_step(statement);
		sum += sqlite3_column_int(statement, 0);
	}
	fflush(stdout);
	child = fork();
	while (sqlite3_step(statement) == SQLITE_ROW)
		sum += sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	if (child)
		waitpid(child, &status, 0); /* it prints first */
	run(db, child ? "select 'parent', count(*) from t" : "select 'child', count(*) from t", 0);
	run(db, "delete from t where a < ?", child ? 10 : 20);
	printf("%s: sum %d, close %d\n", child ? "parent" : "child", sum, sqlite3_close(db));
	fflush(stdout);
	if (!child)
		_exit(7);
	printf("child's status %d\n", WEXITSTATUS(status));
}

#ifdef PLUGIN
int plugin_run(const char *where);

int plugin_run(const char *where)
{
	sqlite3 *db;

	folder = where;
	db = open_at("plugin.db");
	fill(db, 50);
	for (int i = 0; i < 20; i++)
		run(db, "select b from t where a = ?", i);
	return sqlite3_close(db);
}
#endif

static void plugin(const char *path)
{
	void *opened = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	int (*enter)(const char *) = opened ? (int (*)(const char *))dlsym(opened, "plugin_run") : NULL;

	if (!enter) {
		printf("%s\n", dlerror());
		return;
	}
	printf("plugin %d\n", enter(folder));
	printf("unloaded %d\n", dlclose(opened));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	folder = argv[2];
	if (strcmp(mode, "interrupts") == 0)
		interrupts();
	else if (strcmp(mode, "aborts") == 0)
		aborts();
	else if (strcmp(mode, "without_memory") == 0)
		without_memory();
	else if (strcmp(mode, "damaged") == 0)
		damaged();
	else if (strcmp(mode, "serialized") == 0)
		threads(on_shared, SQLITE_CONFIG_SERIALIZED);
	else if (strcmp(mode, "multithread") == 0)
		threads(on_own, SQLITE_CONFIG_MULTITHREAD);
	else if (strcmp(mode, "forks") == 0)
		forks();
	else if (strcmp(mode, "plugin") == 0 && argc > 3)
		plugin(argv[3]);
	else
		return 2;
	return 0;
}
