/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an SQLite that times itself. Linked with the objects of libsqlite3.a, whose own sqlite3_step and sqlite3_open*
 * are renamed to inner_*, it makes a libsqlite3.so.0 for any program: each step is timed where SQLite begins, behind
 * whatever stands between the program and the library, and sqlite3_trace_v2 counts executions and rows. At the end a
 * line for each text goes to the file that SQL_TIMED names: steps, ns, executions, rows, text in hexadecimal; the last
 * line is what a step's timing costs by itself, and how long the process waited for a processor, in ns.
 * What SQLite runs for itself (to read its schema, in an index of words) is among them.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int inner_step(sqlite3_stmt *statement);
int inner_libversion_number(void);
int inner_open(const char *name, sqlite3 **db);
int inner_open16(const void *name, sqlite3 **db);
int inner_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs);

#define TEXTS	   4096
#define STATEMENTS 1024

static struct text {
	char *text;
	long long steps, ns, executions, rows;
} texts[TEXTS];
/* Looked up by the statement's address first, so that the timing of a step is the clock's and little else. */
static struct {
	sqlite3_stmt *statement;
	const char *sql;
	struct text *text;
} known[STATEMENTS];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct text *text_of(const char *text)
{
	for (int i = 0; i < count; i++)
		if (strcmp(texts[i].text, text) == 0)
			return &texts[i];
	if (count == TEXTS)
		abort();
	texts[count].text = strdup(text);
	return &texts[count++];
}

static void time_add(sqlite3_stmt *statement, const char *sql, long long ns)
{
	size_t at = (size_t)statement / 64 % STATEMENTS;

	if (!sql)
		return;
	pthread_mutex_lock(&lock);
	if (known[at].statement != statement || known[at].sql != sql || strcmp(known[at].text->text, sql) != 0) {
		known[at].statement = statement;
		known[at].sql = sql;
		known[at].text = text_of(sql);
	}
	known[at].text->steps++;
	known[at].text->ns += ns;
	pthread_mutex_unlock(&lock);
}

int sqlite3_step(sqlite3_stmt *statement)
{
	long long from = now();
	int result = inner_step(statement);
	long long to = now();

	if (statement)
		time_add(statement, sqlite3_sql(statement), to - from);
	return result;
}

static int event(unsigned kind, void *context, void *statement, void *detail)
{
	const char *text = sqlite3_sql(statement);

	(void)context;
	/* a trigger's statements come as comments */
	if (!text || (kind == SQLITE_TRACE_STMT && strncmp(detail, "--", 2) == 0 && strncmp(text, "--", 2) != 0))
		return 0;
	pthread_mutex_lock(&lock);
	if (kind == SQLITE_TRACE_STMT)
		text_of(text)->executions++;
	else
		text_of(text)->rows++;
	pthread_mutex_unlock(&lock);
	return 0;
}

int sqlite3_libversion_number(void)
{
	const char *pretended = getenv("SQL_TIMED_VERSION");

	return pretended ? atoi(pretended) : inner_libversion_number();
}

static int watch(int result, sqlite3 **db)
{
	if (result == SQLITE_OK)
		sqlite3_trace_v2(*db, SQLITE_TRACE_STMT | SQLITE_TRACE_ROW, event, NULL);
	return result;
}

int sqlite3_open(const char *name, sqlite3 **db)
{
	return watch(inner_open(name, db), db);
}

int sqlite3_open16(const void *name, sqlite3 **db)
{
	return watch(inner_open16(name, db), db);
}

int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
	return watch(inner_open_v2(name, db, flags, vfs), db);
}

/* What is done for a step beside SQLite's own work. */
static double timing_ns(void)
{
	enum { TIMES = 20000 };
	static char none; /* a statement's address */
	long long from = now(), inside = 0;

	for (int i = 0; i < TIMES; i++) {
		long long before = now(), after = now();

		inside += after - before;
		time_add((sqlite3_stmt *)(void *)&none, "select of a length that is usual", after - before);
	}
	return (double)(now() - from - inside) / TIMES;
}

static long long wait_ns(void)
{
	FILE *file = fopen("/proc/self/schedstat", "r");
	long long running, waiting = 0;

	if (file && fscanf(file, "%lld %lld", &running, &waiting) != 2)
		waiting = 0;
	if (file)
		fclose(file);
	return waiting;
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("SQL_TIMED");
	FILE *file = path && count ? fopen(path, "a") : NULL;

	if (!file)
		return;
	for (int i = 0; i < count; i++) {
		fprintf(file, "%lld %lld %lld %lld ", texts[i].steps, texts[i].ns, texts[i].executions, texts[i].rows);
		for (const char *at = texts[i].text; *at; at++)
			fprintf(file, "%02x", (unsigned char)*at);
		fputc('\n', file);
	}
	fprintf(file, "%.1f %lld\n", timing_ns(), wait_ns());
	fclose(file);
}
