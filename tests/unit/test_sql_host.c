/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql family in the host, without a host and without SQLite: a library of functions that this file defines, a clock
 * that it moves, and the entries and records that come of it, to the nanosecond.
 */
#include "test.h"

#include "raw.h"
#include "sql.h"
#include "sql_again.h"
#include "sql_context.h"

#include <stdlib.h>

/* --- the rest of the library --------------------------------------------------------------------------------------------- */

struct pp_session pp_session;
__thread struct pp_tls pp_tls;

static struct pp_thread thread;
static struct pp_wire_slot slot;
static struct pp_wire_header header;
static struct pp_wire_sql_page *page;
static uint64_t now_ns, skipped[PP_SKIP_COUNT];
static uint32_t stack = 7;

#define RECORDS 64
static struct record {
	uint32_t kind;
	uint64_t payload[PP_WIRE_SQL_WORDS];
} records[RECORDS];
static uint32_t record_count;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

struct pp_thread *thread_enter_slow(void)
{
	return NULL;
}

struct pp_thread *thread_current(void)
{
	return &thread;
}

uint32_t stack_capture(struct pp_memo *memo, const struct pp_registers *registers)
{
	(void)memo;
	(void)registers;
	return stack;
}

void pp_skip(int cause)
{
	skipped[cause]++;
}

void *session_shared(uint64_t offset)
{
	(void)offset;
	return page;
}

void *raw_map(size_t size)
{
	return calloc(1, size);
}

void emit_time(struct pp_thread *told, uint64_t now)
{
	told->time_ns = now;
}

void emit_extended(struct pp_thread *told, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	struct record *record = &records[record_count % RECORDS];

	(void)told;
	(void)argument;
	record->kind = kind;
	memcpy(record->payload, payload, 8 * (count < PP_WIRE_SQL_WORDS ? count : PP_WIRE_SQL_WORDS));
	record_count++;
}

void emit_notice(struct pp_thread *told, uint32_t kind, uint32_t argument, const uint64_t *payload, uint32_t count)
{
	emit_extended(told, kind, argument, payload, count);
}

void sql_libraries_reset(void)
{
}

/* --- the library that is called -------------------------------------------------------------------------------------------- */

struct sqlite3 {
	int autocommit;
};

struct sqlite3_stmt {
	const char *text;
	sqlite3 *db;
	int readonly;
	int counters[6];
};

static sqlite3 connection = {1};
static struct sql_library library;

static const char *fake_sql(sqlite3_stmt *statement)
{
	return statement->text;
}

static sqlite3 *fake_db_handle(sqlite3_stmt *statement)
{
	return statement->db;
}

static const char *fake_db_filename(sqlite3 *db, const char *name)
{
	(void)db;
	(void)name;
	return "/data/shop.db";
}

static int fake_get_autocommit(sqlite3 *db)
{
	return db->autocommit;
}

static int fake_libversion_number(void)
{
	return 3040001;
}

static int fake_stmt_readonly(sqlite3_stmt *statement)
{
	return statement->readonly;
}

static int fake_stmt_status(sqlite3_stmt *statement, int counter, int reset)
{
	(void)reset;
	return statement->counters[counter];
}

static int fake_db_status(sqlite3 *db, int counter, int *current, int *highest, int reset)
{
	(void)db;
	(void)counter;
	(void)reset;
	*current = *highest = 0;
	return 0;
}

static sqlite3_mutex *fake_db_mutex(sqlite3 *db)
{
	return (sqlite3_mutex *)db;
}

static int mutex_result, mutex_depth, txn_asked;

static int fake_mutex_try(sqlite3_mutex *mutex)
{
	(void)mutex;
	mutex_depth += mutex_result == SQL_OK;
	return mutex_result;
}

static int fake_txn_state(sqlite3 *db, const char *name)
{
	(void)db;
	(void)name;
	PP_CHECK_EQ(mutex_depth, 1); /* under the lock, that it asks for again */
	txn_asked++;
	return 1;
}

static void fake_mutex_leave(sqlite3_mutex *mutex)
{
	(void)mutex;
	mutex_depth--;
}

static void set_up(void)
{
	page = calloc(1, sizeof(*page));
	pp_session.state = PP_STATE_ON;
	pp_session.tick_ns = UINT64_C(1) << 32;
	pp_session.header = &header;
	pp_session.settings.sql = 1;
	thread.live = 1;
	thread.serial = 3;
	thread.slot = &slot;
	pp_tls.thread = &thread;
	now_ns = 1000000;
	PP_CHECK(sql_handles_init());
	library.real[SQL_sql] = fake_sql;
	library.real[SQL_libversion_number] = fake_libversion_number;
	library.real[SQL_db_handle] = fake_db_handle;
	library.real[SQL_db_filename] = fake_db_filename;
	library.real[SQL_get_autocommit] = fake_get_autocommit;
	library.real[SQL_stmt_readonly] = fake_stmt_readonly;
	library.real[SQL_stmt_status] = fake_stmt_status;
	library.real[SQL_db_status] = fake_db_status;
	library.real[SQL_db_mutex] = fake_db_mutex;
	library.real[SQL_mutex_try] = fake_mutex_try;
	library.real[SQL_mutex_leave] = fake_mutex_leave;
	library.real[SQL_txn_state] = fake_txn_state;
}

/* A step of so many ns, whose hook's frame is at `frame`. */
static void step(sqlite3_stmt *statement, uint64_t frame, uint64_t ns, int result)
{
	struct pp_registers registers = {.sp = frame};
	struct sql_call call;

	PP_CHECK(sql_step_begin(&call, &library, false, statement, &registers));
	now_ns += ns;
	sql_step_end(&call, result, now_ns, &registers);
}

/* The one entry of `text` and `result`, the texts being numbered from 1; what is not there is zero. */
static struct pp_wire_sql_entry entry_of(uint32_t text, uint32_t result)
{
	struct pp_wire_sql_entry found = {.count = 0};

	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++)
		if (page->entries[i].count && page->entries[i].statement == text && page->entries[i].result == result)
			found = page->entries[i];
	return found;
}

static uint32_t records_of(uint32_t kind, const struct record **last)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < record_count && i < RECORDS; i++) {
		if (records[i].kind != kind)
			continue;
		count++;
		*last = &records[i];
	}
	return count;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------ */

PP_TEST(an_execution_is_the_time_inside_its_steps)
{
	sqlite3_stmt statement = {"select a from t", &connection, 1, {0}};
	struct pp_wire_sql_entry entry;
	struct sql_left left;

	set_up();
	step(&statement, 5000, 300, SQL_ROW);
	now_ns += 100000; /* the caller's own */
	step(&statement, 5000, 40, SQL_ROW);
	statement.counters[1] = 12; /* full scan steps */
	statement.counters[4] = 90; /* of its machine */
	step(&statement, 5000, 7, SQL_DONE);
	statement.counters[1] = 15;
	step(&statement, 5000, 1000, SQL_ROW);
	PP_CHECK(!sql_left_begin(&left, &statement, false, 5000));
	entry = entry_of(1, SQL_DONE);
	PP_CHECK_EQ(entry.count, 1);
	PP_CHECK_EQ(entry.rows, 2);
	PP_CHECK_EQ(entry.steps, 3);
	PP_CHECK_EQ(entry.ns, 347);
	PP_CHECK_EQ(entry.max_ns, 347);
	PP_CHECK_EQ(entry.fullscan_steps, 12);
	PP_CHECK_EQ(entry.vm_steps, 90);
	PP_CHECK_EQ(entry.stack, 7);
	PP_CHECK_EQ(entry.database, 1);
	PP_CHECK_EQ(entry.operation, PP_SQL_EXECUTE);
	entry = entry_of(1, PP_SQL_LEFT);
	PP_CHECK_EQ(entry.count, 1);
	PP_CHECK_EQ(entry.rows, 1);
	PP_CHECK_EQ(entry.ns, 1000);
	PP_CHECK_EQ(entry.fullscan_steps, 3);
}

PP_TEST(what_a_reset_commits_is_the_statement_s)
{
	sqlite3_stmt statement = {"insert into t values (1) returning a", &connection, 0, {0}};
	struct pp_wire_sql_entry entry;
	struct sql_left left;

	set_up();
	step(&statement, 5000, 300, SQL_ROW);
	PP_CHECK(sql_left_begin(&left, &statement, true, 5000));
	now_ns += 2000;
	sql_passed_io(&thread, PP_IO_WRITE, 4096, 500);
	sql_passed_io(&thread, PP_IO_FSYNC, 0, 1500);
	sql_left_end(&left);
	PP_CHECK_EQ(thread.sql.depth, 0);
	entry = entry_of(1, PP_SQL_LEFT);
	PP_CHECK_EQ(entry.ns, 2300);
	PP_CHECK_EQ(entry.syncs, 1);
	PP_CHECK_EQ(entry.sync_ns, 1500);
	PP_CHECK_EQ(entry.written_bytes, 4096);
	PP_CHECK_EQ(entry.flags, PP_SQL_WRITES | PP_SQL_AUTOCOMMIT);
	PP_CHECK(!sql_statement_find(&statement));
}

PP_TEST(a_statement_inside_another_counts_for_both)
{
	sqlite3_stmt outer = {"select f(a) from t", &connection, 1, {0}}, inner = {"select 1", &connection, 1, {0}};
	struct pp_registers registers = {.sp = 5000};
	struct sql_call call;
	struct pp_wire_sql_entry entry;

	set_up();
	step(&outer, 5000, 1, SQL_DONE); /* both are known */
	step(&inner, 5000, 1, SQL_DONE);
	PP_CHECK(sql_step_begin(&call, &library, false, &outer, &registers));
	now_ns += 10;
	step(&inner, 4000, 500, SQL_DONE);
	sql_passed_io(&thread, PP_IO_PREAD, 512, 20);
	now_ns += 30;
	sql_step_end(&call, SQL_DONE, now_ns, &registers);
	entry = entry_of(1, SQL_DONE);
	PP_CHECK_EQ(entry.ns, 1 + 540);
	PP_CHECK_EQ(entry.nested_ns, 500);
	PP_CHECK_EQ(entry.read_bytes, 512);
	/* a kind of its own */
	for (uint32_t i = 0; i < PP_WIRE_SQL_ENTRIES; i++)
		if (page->entries[i].count && page->entries[i].statement == 2)
			PP_CHECK_EQ(page->entries[i].ns, page->entries[i].flags & PP_SQL_NESTED ? 500 : 1);
}

/* As the hook does it: a further step by the short way where that is open. Returns whether it was, to the end. */
static bool step_again(sqlite3_stmt *statement, uint64_t ns, int result, void (*inside)(void))
{
	struct pp_registers registers = {.sp = 5000};
	struct sql_statement *again = sql_again_begin(statement, registers.sp);
	struct sql_call call = {
		.library = &library, .statement = again, .handle = statement, .began = now_ns, .frame = registers.sp};

	if (!again)
		PP_CHECK(sql_step_begin(&call, &library, false, statement, &registers));
	now_ns += ns;
	if (inside)
		inside();
	if (again && sql_again_end(again, registers.sp, now_ns - call.began, result))
		return true;
	sql_step_end(&call, result, now_ns, &registers);
	return false;
}

static void read_inside(void)
{
	sql_passed_io(&thread, PP_IO_PREAD, 512, 20);
}

static sqlite3_stmt inner_statement = {"select 3", &connection, 1, {0}};

static void step_inside(void)
{
	step(&inner_statement, 4000, 5, SQL_DONE);
}

PP_TEST(further_rows_by_the_short_way_count_as_others)
{
	sqlite3_stmt statement = {"select a from t", &connection, 1, {0}}, other = {"select 2", &connection, 1, {0}};
	struct pp_wire_sql_entry entry;

	set_up();
	PP_CHECK(!step_again(&statement, 100, SQL_ROW, NULL)); /* the first takes the stack, and makes it known */
	PP_CHECK(!step_again(&statement, 10, SQL_ROW, NULL));
	PP_CHECK(step_again(&statement, 10, SQL_ROW, NULL));
	PP_CHECK(!step_again(&statement, 10, SQL_ROW, read_inside)); /* what passed by is not lost */
	PP_CHECK(step_again(&statement, 10, SQL_ROW, NULL));
	PP_CHECK(!step_again(&statement, 10, SQL_ROW, step_inside));
	PP_CHECK(!step_again(&statement, 10, SQL_ROW, NULL)); /* another was the last one */
	PP_CHECK(step_again(&statement, 10, SQL_ROW, NULL));
	PP_CHECK(!step_again(&statement, 7, SQL_DONE, NULL));
	PP_CHECK_EQ(thread.sql.depth, 0);
	entry = entry_of(1, SQL_DONE);
	PP_CHECK_EQ(entry.rows, 8);
	PP_CHECK_EQ(entry.steps, 9);
	PP_CHECK_EQ(entry.ns, 100 + 7 * 10 + 5 + 7);
	PP_CHECK_EQ(entry.nested_ns, 5);
	PP_CHECK_EQ(entry.read_bytes, 512);
	/* nothing of it is left for the next execution */
	step(&statement, 5000, 1, SQL_ROW);
	PP_CHECK(!step_again(&statement, 1, SQL_DONE, NULL));
	entry = entry_of(1, SQL_DONE);
	PP_CHECK_EQ(entry.count, 2);
	PP_CHECK_EQ(entry.read_bytes, 512);
	PP_CHECK_EQ(entry.nested_ns, 5);
	/* one that is over, another thread's, one inside a call, or within the library: by the long way */
	PP_CHECK(!sql_again_begin(&statement, 5000));
	step(&statement, 5000, 1, SQL_ROW);
	PP_CHECK(!sql_again_begin(&other, 5000));
	pp_tls.guard = PP_GUARD_HOOK;
	PP_CHECK(!sql_again_begin(&statement, 5000));
	pp_tls.guard = 0;
	thread.sql.recent->owner = 9;
	PP_CHECK(!sql_again_begin(&statement, 5000));
	thread.sql.recent->owner = 0;
	thread.sql.depth = 1;
	PP_CHECK(!sql_again_begin(&statement, 5000));
	thread.sql.depth = 0;
	/* what was finalized is nobody, and NULL least of all */
	sql_statement_drop(&statement);
	PP_CHECK(!sql_recent(&statement));
	PP_CHECK(!sql_recent(NULL));
	PP_CHECK(!sql_again_begin(NULL, 5000));
}

/* A function that a statement called jumped out of it: what its steps were inside of is over with the next call further out. */
PP_TEST(frames_that_were_jumped_over_are_dropped)
{
	sqlite3_stmt jumped = {"select jump()", &connection, 1, {0}}, next = {"select 2", &connection, 1, {0}};
	struct pp_registers registers = {.sp = 3000};
	struct sql_call call;

	set_up();
	PP_CHECK(sql_step_begin(&call, &library, false, &jumped, &registers));
	PP_CHECK_EQ(thread.sql.depth, 1);
	step(&next, 6000, 50, SQL_DONE);
	PP_CHECK_EQ(thread.sql.depth, 0);
	PP_CHECK_EQ(entry_of(1, SQL_DONE).nested_ns, 0);
	PP_CHECK_EQ(entry_of(1, SQL_DONE).flags & PP_SQL_NESTED, 0);
}

PP_TEST(depth_beyond_what_is_kept_is_harmless)
{
	struct sql_call calls[PP_SQL_DEPTH + 3];
	sqlite3_stmt statement = {"select 1", &connection, 1, {0}};

	set_up();
	for (uint64_t i = 0; i < PP_SQL_DEPTH + 3; i++) {
		calls[i].frame = 9000 - i * 100;
		PP_CHECK(sql_call_begin(&calls[i], &library, false));
	}
	PP_CHECK_EQ(thread.sql.depth, PP_SQL_DEPTH);
	for (uint64_t i = PP_SQL_DEPTH + 3; i-- > 0;)
		sql_call_end(&calls[i], 0, NULL, NULL, NULL, SQL_OK, 0, NULL);
	PP_CHECK_EQ(thread.sql.depth, 0);
	step(&statement, 5000, 5, SQL_DONE);
	PP_CHECK_EQ(entry_of(1, SQL_DONE).ns, 5);
}

/* A lock that is held for long is told with who took it; SQLite is asked what lock it is, unless another thread is inside. */
PP_TEST(what_a_transaction_keeps_from_others_is_told)
{
	for (int busy = 0; busy < 2; busy++) {
		sqlite3_stmt begin = {"begin", &connection, 1, {0}},
			     insert = {"insert into t values (1)", &connection, 0, {0}},
			     commit = {"commit", &connection, 1, {0}};
		const struct record *told = NULL;

		set_up();
		mutex_result = busy ? SQL_BUSY : SQL_OK;
		step(&insert, 5000, 1, SQL_DONE); /* from here on the connection is known */
		record_count = txn_asked = 0;
		connection.autocommit = 0;
		stack = 11;
		step(&begin, 5000, 10, SQL_DONE);
		stack = 12;
		step(&insert, 5000, 500, SQL_DONE);
		now_ns += 3000000;
		connection.autocommit = 1;
		stack = 13;
		step(&commit, 5000, 20, SQL_DONE);
		PP_CHECK_EQ(mutex_depth, 0);
		PP_CHECK_EQ(txn_asked, busy ? 0 : 1);
		PP_CHECK_EQ(records_of(PP_EXT_SQL_HOLD, &told), 1);
		if (!told)
			return;
		/* the fake one says that it has only read */
		PP_CHECK_EQ(told->payload[0] >> 32, busy ? PP_SQL_LOCK_WRITE : PP_SQL_LOCK_READ);
		PP_CHECK_EQ(told->payload[1], UINT64_C(13) << 32 | 11);
		PP_CHECK_EQ(told->payload[2] >> 32, 12);
		PP_CHECK_EQ(told->payload[3], 500 + 3000000 + 20);
		PP_CHECK_EQ(told->payload[5], 500 + 20);
		PP_CHECK_EQ(told->payload[6], 500);
		mutex_result = SQL_OK;
		stack = 7;
		sql_connection_drop(&connection);
		sql_statement_drop(&begin);
		sql_statement_drop(&insert);
		sql_statement_drop(&commit);
	}
}

PP_TEST(a_transaction_is_from_begin_to_commit)
{
	sqlite3_stmt begin = {"begin", &connection, 1, {0}}, insert = {"insert into t values (1)", &connection, 0, {0}},
		     commit = {" -- the end\n/* of */ commit", &connection, 1, {0}},
		     rollback = {"/**/ Rollback", &connection, 1, {0}};
	const struct record *told = NULL;

	set_up();
	for (int round = 0; round < 2; round++) {
		connection.autocommit = 1;
		step(&commit, 5000, 1, SQL_DONE); /* known already */
		step(&rollback, 5000, 1, SQL_DONE);
		stack = 11;
		connection.autocommit = 0;
		step(&begin, 5000, 10, SQL_DONE);
		stack = 12;
		step(&insert, 5000, 100, SQL_DONE);
		step(&insert, 5000, 100, SQL_DONE);
		stack = 13;
		connection.autocommit = 1;
		step(round ? &rollback : &commit, 5000, 1000, SQL_DONE);
		PP_CHECK_EQ(records_of(PP_EXT_SQL_TRANSACTION, &told), round + 1);
		PP_CHECK_EQ(told->payload[0] >> 32, round ? PP_SQL_ROLLED_BACK : PP_SQL_COMMITTED);
		PP_CHECK_EQ(told->payload[1], UINT64_C(13) << 32 | 11);
		PP_CHECK_EQ(told->payload[2], 1200); /* from the end of its BEGIN */
		PP_CHECK_EQ(told->payload[4], UINT64_C(2) << 32 | 2);
	}
	PP_CHECK(sql_text_begins("rollback to savepoint s", "rollback"));
	PP_CHECK(!sql_text_begins("-- rollback", "rollback"));
	PP_CHECK(!sql_text_begins("/* rollback", "rollback"));
	PP_CHECK(!sql_text_begins("roll back", "rollback"));
	PP_CHECK(!sql_text_begins("", "rollback"));
}

PP_TEST(the_library_s_version_is_told_with_its_first_database)
{
	sqlite3_stmt statement = {"select 1", &connection, 1, {0}};
	const struct record *told = NULL;

	set_up();
	step(&statement, 5000, 1, SQL_DONE);
	PP_CHECK_EQ(records_of(PP_EXT_SQL_DATABASE, &told), 1);
	PP_CHECK_EQ(records_of(PP_EXT_SQL_LIBRARY, &told), 1);
	PP_CHECK_EQ(told->payload[0], 1);
	PP_CHECK_EQ(told->payload[1], 3040001);
}

PP_TEST(a_statement_in_two_threads_at_once_is_skipped)
{
	sqlite3_stmt statement = {"select 1", &connection, 1, {0}};
	struct pp_registers registers = {.sp = 5000};
	struct sql_call call;

	set_up();
	step(&statement, 5000, 1, SQL_DONE);
	sql_statement_find(&statement)->owner = 99;
	PP_CHECK(!sql_step_begin(&call, &library, false, &statement, &registers));
	PP_CHECK_EQ(skipped[PP_SKIP_SQL_BUSY], 1);
	PP_CHECK_EQ(pp_tls.guard, 0);
}

PP_TEST(an_entry_that_gets_old_or_full_is_told)
{
	sqlite3_stmt statement = {"select 1", &connection, 1, {0}};
	const struct record *told = NULL;

	set_up();
	for (int i = 0; i < 1000; i++)
		step(&statement, 5000, 100, SQL_DONE);
	PP_CHECK_EQ(records_of(PP_EXT_SQL, &told), 0);
	PP_CHECK_EQ(entry_of(1, SQL_DONE).count, 1000);
	now_ns += 30000000;
	step(&statement, 5000, 100, SQL_DONE);
	PP_CHECK_EQ(records_of(PP_EXT_SQL, &told), 1);
	PP_CHECK_EQ((uint32_t)told->payload[3], 1000); /* its count */
	PP_CHECK_EQ(entry_of(1, SQL_DONE).count, 1);
}

/* More handles than there is room for: some are not known, none is taken for another. */
PP_TEST(handles_are_found_or_not_but_never_another_s)
{
	enum { HANDLES = 60000 };
	char *base = malloc(HANDLES * 16);
	uint32_t kept = 0;

	set_up();
	for (uint32_t i = 0; i < HANDLES; i++) {
		struct sql_statement *added = sql_statement_add(base + i * 16);

		if (added)
			added->text = i;
		kept += added != NULL;
	}
	PP_CHECK(kept > 30000 && kept < HANDLES);
	for (uint32_t i = 0; i < HANDLES; i++) {
		struct sql_statement *found = sql_statement_find(base + i * 16);

		kept -= found != NULL;
		PP_CHECK(!found || found->text == i);
		if (i % 2)
			sql_statement_drop(base + i * 16);
	}
	PP_CHECK_EQ(kept, 0);
	for (uint32_t i = 1; i < HANDLES; i += 2)
		PP_CHECK(!sql_statement_find(base + i * 16));
	free(base);
}
