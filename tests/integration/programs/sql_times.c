/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements whose steps cost from a fraction of a microsecond to many milliseconds. Around each sqlite3_step it takes the
 * time itself, and prints for each statement: steps, ns, text.
 *
 *	sql_times DATABASE
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *db;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void execute(const char *sql, int times)
{
	long long steps = 0, ns = 0, before;
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		abort();
	for (int i = 0; i < times; i++) {
		sqlite3_bind_int(statement, 1, i * 7 % 10000);
		do {
			before = now();
			result = sqlite3_step(statement);
			ns += now() - before;
			steps++;
		} while (result == SQLITE_ROW);
		if (result != SQLITE_DONE)
			abort();
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
	printf("%lld %lld %s\n", steps, ns, sql);
}

int main(int argc, char **argv)
{
	if (argc < 2 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		return 2;
	execute("create table t(a integer primary key, b integer)", 1);
	execute("insert into t with recursive n(i) as (select 1 union all select i + 1 from n limit 200000)"
		" select i, i * 7919 % 100003 from n",
		1);
	execute("select b from t where a = ?", 20000);
	execute("select b from t", 1);
	execute("select sum(b) from t where a between ?1 and ?1 + 30", 10000);
	execute("select sum(b) from t where a between ?1 and ?1 + 300", 3000);
	execute("select sum(b) from t where a between ?1 and ?1 + 3000", 500);
	execute("select sum(b) from t where a between ?1 and ?1 + 30000", 50);
	execute("select count(distinct b) from t", 4);
	execute("select a from t order by b limit 50000", 1);
	execute("insert into t values (null, ?)", 20); /* each is synchronized */
	execute("begin", 1);
	execute("update t set b = b + 1 where a between ?1 and ?1 + 100", 500);
	execute("commit", 1);
	sqlite3_close(db);
	return 0;
}
