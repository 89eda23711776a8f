/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with SQLite, one fault at a time, each at a marked line; `clean` does all of it as it should be done.
 *
 *	sql_faults FAULT DATABASE
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USERS  2000
#define ORDERS 20000

static sqlite3 *db;
static const char *path;
static long long total;

static void must(int result, const char *what)
{
	if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
		return;
	fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static void execute(const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *statement;

	must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), sql);
	return statement;
}

static void fill(void)
{
	execute("begin; create table users(id integer primary key, name text, age int);"
		"create table orders(id integer primary key, user_id int, amount int, note text);"
		"create table parts(note text, price int);");
	sqlite3_stmt *users = prepare("insert into users values(?1, 'user ' || ?1, ?1 % 90)");
	sqlite3_stmt *orders = prepare("insert into orders values(?1, ?1 % 2000, ?1 * 7919 % 10007, 'note ' || ?1)");
	sqlite3_stmt *parts = prepare("insert into parts values('note ' || ?1, ?1)");

	for (int i = 1; i <= ORDERS; i++) {
		sqlite3_stmt *each[] = {orders, i <= USERS ? users : NULL, i <= 5000 ? parts : NULL};

		for (int j = 0; j < 3; j++) {
			if (!each[j])
				continue;
			sqlite3_bind_int(each[j], 1, i);
			must(sqlite3_step(each[j]), "fill");
			sqlite3_reset(each[j]);
		}
	}
	sqlite3_finalize(users);
	sqlite3_finalize(orders);
	sqlite3_finalize(parts);
	execute("commit");
}

static void missing_index(void)
{
	sqlite3_stmt *statement = prepare("select sum(amount) from orders where user_id = ?");

	for (int i = 0; i < 100; i++) {
		sqlite3_bind_int(statement, 1, i);
		while (sqlite3_step(statement) == SQLITE_ROW) /* sql-missing-index */
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void automatic_index(void)
{
	sqlite3_stmt *statement = prepare("select sum(price) from orders o, parts p where o.note = p.note");

	for (int i = 0; i < 10; i++) {
		while (sqlite3_step(statement) == SQLITE_ROW) /* sql-automatic-index */
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void sort(void)
{
	sqlite3_stmt *statement = prepare("select id, amount from orders order by amount limit 10");

	for (int i = 0; i < 40; i++) {
		while (sqlite3_step(statement) == SQLITE_ROW) /* sql-sort */
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void commit_per_statement(void)
{
	sqlite3_stmt *statement = prepare("insert into parts values('more', ?)");

	for (int i = 0; i < 100; i++) {
		sqlite3_bind_int(statement, 1, i);
		must(sqlite3_step(statement), "insert"); /* sql-commit-per-statement */
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void small_transactions(void)
{
	sqlite3_stmt *begin = prepare("begin"), *commit = prepare("commit");
	sqlite3_stmt *statement = prepare("update users set age = age + 1 where id = ?");

	for (int i = 1; i <= 100; i++) {
		must(sqlite3_step(begin), "begin");
		sqlite3_reset(begin);
		sqlite3_bind_int(statement, 1, i);
		must(sqlite3_step(statement), "update");
		sqlite3_reset(statement);
		must(sqlite3_step(commit), "commit"); /* sql-small-transactions */
		sqlite3_reset(commit);
	}
	sqlite3_finalize(begin);
	sqlite3_finalize(commit);
	sqlite3_finalize(statement);
}

static void n_plus_one(void)
{
	sqlite3_stmt *outer = prepare("select user_id from orders where id <= 15000");
	sqlite3_stmt *inner = prepare("select length(name) from users where id = ?");

	while (sqlite3_step(outer) == SQLITE_ROW) {
		sqlite3_bind_int(inner, 1, sqlite3_column_int(outer, 0));
		while (sqlite3_step(inner) == SQLITE_ROW) /* sql-n-plus-one */
			total += sqlite3_column_int(inner, 0);
		sqlite3_reset(inner);
	}
	sqlite3_finalize(outer);
	sqlite3_finalize(inner);
}

static void query_in_loop(void)
{
	sqlite3_stmt *statement = prepare("select age from users where id = ?");

	for (int i = 0; i < 100000; i++) {
		sqlite3_bind_int(statement, 1, i * 7 % USERS);
		while (sqlite3_step(statement) == SQLITE_ROW) /* sql-query-in-loop */
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void prepared_again(void)
{
	char sql[100];

	for (int i = 0; i < 10000; i++) {
		sqlite3_stmt *statement;

		snprintf(sql, sizeof(sql), "select age from users where id = %d", i % USERS);
		statement = prepare(sql);
		while (sqlite3_step(statement) == SQLITE_ROW) /* sql-prepared-again */
			total += sqlite3_column_int(statement, 0);
		sqlite3_finalize(statement);
	}
}

static void few_rows_fetched(void)
{
	sqlite3_stmt *statement = prepare("select id, amount % 1000 as score from orders order by score desc");

	for (int i = 0; i < 20; i++) {
		if (sqlite3_step(statement) == SQLITE_ROW) /* sql-few-rows-fetched */
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static pthread_barrier_t locked;

static void *lock_holder(void *argument)
{
	sqlite3 *other;

	(void)argument;
	sqlite3_open(path, &other);
	sqlite3_busy_timeout(other, 5000);
	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *commit;

		sqlite3_exec(other, "begin immediate", NULL, NULL, NULL); /* sql-long-write-transaction */
		sqlite3_exec(other, "insert into parts values('held', 1)", NULL, NULL, NULL);
		pthread_barrier_wait(&locked);
		usleep(150000);
		sqlite3_prepare_v2(other, "commit", -1, &commit, NULL);
		sqlite3_step(commit);
		sqlite3_finalize(commit);
		pthread_barrier_wait(&locked);
	}
	sqlite3_close(other);
	return NULL;
}

static void busy_wait(void)
{
	sqlite3_stmt *statement = prepare("insert into parts values('waited', ?)");
	pthread_t thread;

	sqlite3_busy_timeout(db, 5000);
	pthread_barrier_init(&locked, NULL, 2);
	pthread_create(&thread, NULL, lock_holder, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_barrier_wait(&locked);
		must(sqlite3_step(statement), "insert"); /* sql-busy-wait */
		sqlite3_reset(statement);
		pthread_barrier_wait(&locked);
	}
	pthread_join(thread, NULL);
	sqlite3_finalize(statement);
}

/* ---- as it should be ---- */

static void sum_of(const char *sql, int times)
{
	sqlite3_stmt *statement = prepare(sql);

	for (int i = 0; i < times; i++) {
		sqlite3_bind_int(statement, 1, i);
		while (sqlite3_step(statement) == SQLITE_ROW)
			total += sqlite3_column_int(statement, 0);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
}

static void clean(void)
{
	sqlite3_stmt *statement;

	execute("create index orders_user on orders(user_id); create index orders_amount on orders(amount);"
		"create index parts_note on parts(note)");
	sum_of("select sum(amount) from orders where user_id = ?", 100);
	sum_of("select sum(price) from orders o join parts p on o.note = p.note where ?1 >= 0", 5);
	sum_of("select id, amount from orders order by amount limit 10", 40);
	sum_of("select length(name) from orders o join users u on u.id = o.user_id where ?1 >= 0", 1);
	sum_of("select count(*) from orders where ?1 >= 0", 5);
	statement = prepare("insert into parts values('more', ?)");
	execute("begin");
	for (int i = 0; i < 20000; i++) {
		sqlite3_bind_int(statement, 1, i);
		must(sqlite3_step(statement), "insert");
		sqlite3_reset(statement);
	}
	execute("commit");
	sqlite3_finalize(statement);
}

static const struct {
	const char *name;
	void (*run)(void);
} faults[] = {
	{"sql-missing-index", missing_index},	{"sql-automatic-index", automatic_index},
	{"sql-sort", sort},			{"sql-commit-per-statement", commit_per_statement},
	{"sql-small-transactions", small_transactions}, {"sql-n-plus-one", n_plus_one},
	{"sql-query-in-loop", query_in_loop},	{"sql-prepared-again", prepared_again},
	{"sql-few-rows-fetched", few_rows_fetched}, {"sql-busy-wait", busy_wait},
	{"sql-long-write-transaction", busy_wait}, {"clean", clean},
};

int main(int count, char **arguments)
{
	if (count != 3)
		return 2;
	path = arguments[2];
	must(sqlite3_open(path, &db), "open");
	fill();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (strcmp(faults[i].name, arguments[1]) == 0)
			faults[i].run();
	must(sqlite3_close(db), "close");
	printf("%lld\n", total);
	return 0;
}
