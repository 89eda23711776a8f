/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small pieces of SQLite's work in memory; arguments: rows (steps of one scan), points (selects of one row by its key) or
 * mixed (inserts, updates, deletes, selects, scans and sorts), and how many. Prints user CPU time in ns a piece.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ROWS 100000

static sqlite3 *db;

static double user_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec * 1e9 + (double)usage.ru_utime.tv_usec * 1e3;
}

/* Executes with the keys `from` to `from + times`; how many steps it took. */
static long execute(const char *sql, long from, long times)
{
	sqlite3_stmt *statement;
	long steps = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		exit(1);
	for (long i = 0; i < times; i++) {
		sqlite3_bind_int64(statement, 1, (from + i) * 7 % ROWS);
		while (sqlite3_step(statement) == SQLITE_ROW)
			steps++;
		sqlite3_reset(statement);
		steps++;
	}
	sqlite3_finalize(statement);
	return steps;
}

static long mixed(long count)
{
	for (long i = 0; i < count; i += 1000) {
		execute("begin", 0, 1);
		execute("insert into w(a, b) values (?1, ?1)", i, 200);
		execute("update t set b = b + 1 where a = ?1", i, 200);
		execute("commit", 0, 1);
		execute("select b from t where a between ?1 and ?1 + 10", i, 400);
		execute("select count(*), sum(b) from w where a > ?1", i, 10);
		execute("select b from w where a < ?1 order by b", i, 10);
		execute("delete from w where a % 3 = ?1", 0, 1);
	}
	return count;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "rows";
	long count = argc > 2 ? atol(argv[2]) : 1000000, pieces;
	double began;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_exec(db,
			 "create table t(a integer primary key, b); create table w(a, b);"
			 "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000)"
			 " insert into t select i, i * 2 from n",
			 NULL, NULL, NULL) != SQLITE_OK)
		return 1;
	began = user_ns();
	if (strcmp(kind, "rows") == 0)
		pieces = execute("select b from t where a > -?1 - 1", 0, count / ROWS);
	else if (strcmp(kind, "points") == 0)
		pieces = execute("select b from t where a = ?1", 0, count) / 2;
	else
		pieces = mixed(count);
	printf("%.1f ns per piece\n", (user_ns() - began) / (double)pieces);
	sqlite3_close(db);
	return 0;
}
