/* SPDX-License-Identifier: Apache-2.0 */
/* As sql_clean.py.   sql_clean JOURNAL_MODE LOCKING_MODE DATABASE */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static sqlite3 *db;

static void execute(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
		exit(1);
	}
}

static long run(sqlite3_stmt *statement, int value)
{
	long rows = 0;

	sqlite3_bind_int(statement, 1, value);
	while (sqlite3_step(statement) == SQLITE_ROW)
		rows++;
	sqlite3_reset(statement);
	return rows;
}

int main(int count, char **arguments)
{
	sqlite3_stmt *insert, *query, *update;
	char text[128];
	long rows = 0;

	if (count != 4 || sqlite3_open(arguments[3], &db) != SQLITE_OK)
		return 2;
	snprintf(text, sizeof(text), "pragma journal_mode=%s; pragma locking_mode=%s; pragma synchronous=normal",
		 arguments[1], arguments[2]);
	execute(text);
	execute("create table visits(id integer primary key, user int, page text);"
		"create index visits_user on visits(user)");
	sqlite3_prepare_v2(db, "insert into visits(user, page) values(?1, 'page ' || ?1)", -1, &insert, NULL);
	sqlite3_prepare_v2(db, "select page from visits where user = ? limit 8", -1, &query, NULL);
	sqlite3_prepare_v2(db, "update visits set page = page || '!' where user = ?", -1, &update, NULL);
	for (int part = 0; part < 10; part++) {
		execute("begin");
		for (int i = 0; i < 2000; i++)
			run(insert, i % 400);
		execute("commit");
	}
	for (int i = 0; i < 12000; i++)
		rows += run(query, i % 400);
	execute("begin");
	for (int user = 0; user < 400; user++)
		run(update, user);
	execute("commit");
	sqlite3_finalize(insert);
	sqlite3_finalize(query);
	sqlite3_finalize(update);
	sqlite3_close(db);
	printf("%ld\n", rows);
	return 0;
}
