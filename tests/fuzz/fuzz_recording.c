/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings that were tampered with: whatever recording_read accepts can be shown in every format. What it refuses,
 * it refuses with one line.
 *
 * An input is a file, or, where it does not begin as SQLite's do, a list of changes to a good recording's cells, made
 * through SQLite, so that what lies behind the format is reached. The good recording is made here, by the present schema.
 */
#include "recording.h"
#include "recording_publish.h"
#include "report.h"

#include "../unit/profile_maker.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void reports_make(const struct pp_profile *profile)
{
	struct pp_report_options options = {.top = 20, .columns = 100};
	struct pp_error error = {""};
	FILE *null = fopen("/dev/null", "w");
	size_t count;
	const struct pp_report_format *formats = report_formats(&count);

	for (size_t i = 0; i < count; i++)
		formats[i].write(profile, &options, null, &error);
	report_summary(profile, &options, null, &error);
	fclose(null);
}

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *input, size_t bytes)
{
	uint64_t value = 0;

	if ((size_t)(input->end - input->at) < bytes)
		bytes = (size_t)(input->end - input->at);
	memcpy(&value, input->at, bytes);
	input->at += bytes;
	return value;
}

static bool recording_try(const uint8_t *bytes, size_t size);

#define COLUMNS_MAX 512
#define CHANGES_MAX 8

static struct column {
	char table[64], name[64];
} columns[COLUMNS_MAX];
static uint32_t column_count;
static unsigned char *good;
static size_t good_size;

/* What the small profile has none of: SQL, with plans. */
static void sql_add(struct pp_profile *profile)
{
	static struct pp_sql_database databases[] = {{"/tmp/a.db", 1000, 100, 50, 5, "wal", "normal", 3040001},
						     {"", PP_UNKNOWN, PP_UNKNOWN, PP_UNKNOWN, PP_UNKNOWN, NULL, NULL, 0}};
	static struct pp_sql_statement statements[] = {{"select a from t where b = ? order by c", false, NULL, 0},
						       {"insert into t values (?, ?)", false, NULL, 0},
						       {NULL, true, NULL, 0}};
	static struct pp_sql_planned planned[] = {{0, 0, "SCAN t\nUSE TEMP B-TREE FOR ORDER BY", NULL, true},
						  {1, 1, NULL, "no such table: t", false}};
	static struct pp_sql_index indexes[] = {
		{0, PP_SQL_INDEX_SEARCH, "CREATE INDEX i ON t(b)", "SEARCH t USING INDEX i (b=?)"}};
	static const struct pp_io_cell cells[] = {{300, 400}, {700, 3}};
	static const struct pp_sum_bin bins[] = {{0, {400, 4000, 9000000}}, {3, {3, 30, 40000000}}};
	static struct pp_sql_site sites[] = {
		{.process = 0,
		 .node = NODE_STEP,
		 .statement = 0,
		 .database = 0,
		 .operation = PP_SQL_EXECUTE,
		 .result = 101,
		 .execution_count = 403,
		 .row_count = 4030,
		 .step_count = 4433,
		 .ns = 49000000,
		 .max_ns = 20000000,
		 .nested_ns = 5,
		 .prepare_count = 403,
		 .prepare_ns = 4000000,
		 .reprepare_count = 1,
		 .fullscan_steps = 400000,
		 .vm_steps = 5000000,
		 .sort_count = 403,
		 .autoindex_rows = 7,
		 .read_bytes = 4096000,
		 .written_bytes = 0,
		 .busy_count = 2,
		 .busy_wait_count = 3,
		 .busy_ns = 70000,
		 .latency_count = 2,
		 .latencies = cells,
		 .bin_count = 2,
		 .bins = bins},
		{.process = 1,
		 .node = NODE_CHILD,
		 .statement = 1,
		 .database = 1,
		 .operation = PP_SQL_EXECUTE,
		 .result = 5,
		 .flags = PP_SQL_WRITES | PP_SQL_AUTOCOMMIT,
		 .execution_count = 900,
		 .step_count = 900,
		 .ns = 90000000,
		 .max_ns = 100000,
		 .read_bytes = PP_UNKNOWN,
		 .written_bytes = PP_UNKNOWN,
		 .sync_count = 900,
		 .sync_ns = 80000000},
		{.process = 0,
		 .statement = PP_NONE,
		 .database = PP_NONE,
		 .operation = PP_SQL_OPEN,
		 .execution_count = 2,
		 .ns = 900},
		{.process = 0,
		 .statement = 2,
		 .database = 0,
		 .operation = PP_SQL_PREPARE,
		 .result = 1,
		 .execution_count = 9,
		 .ns = 10},
	};
	static struct pp_sql_transaction transactions[] = {
		{.process = 0,
		 .node = NODE_STEP,
		 .end_node = NODE_MAIN,
		 .database = 0,
		 .outcome = PP_SQL_COMMITTED,
		 .count = 3,
		 .statement_count = 30,
		 .write_count = 20,
		 .max_statement_count = 12,
		 .sync_count = 3,
		 .sync_ns = 400000,
		 .read_bytes = 1,
		 .written_bytes = 9,
		 .ns = 900000,
		 .max_ns = 600000,
		 .begin_ns = 5,
		 .end_ns = 90000000},
	};
	static struct pp_sql_slow slows[] = {
		{.process = 0,
		 .thread = 0,
		 .node = NODE_STEP,
		 .statement = 0,
		 .database = 0,
		 .operation = PP_SQL_EXECUTE,
		 .result = 101,
		 .row_count = 10,
		 .fullscan_steps = 1000,
		 .ns = 20000000,
		 .end_ns = 900000000},
	};
	static struct pp_sql_hold holds[] = {
		{.node = NODE_STEP,
		 .end_node = NODE_GROW,
		 .long_node = NODE_STEP,
		 .lock = PP_SQL_LOCK_WRITE,
		 .connection = 1,
		 .ns = 80000000,
		 .end_ns = 900000000,
		 .inside_ns = 5000000,
		 .long_ns = 4000000},
	};
	static struct pp_sql_wait waits[] = {
		{.node = NODE_GROW,
		 .operation = PP_SQL_EXECUTE,
		 .result = 5,
		 .flags = PP_SQL_WRITES,
		 .connection = 2,
		 .ns = 70000000,
		 .end_ns = 890000000},
	};

	profile->sql_databases = databases;
	profile->sql_database_count = sizeof(databases) / sizeof(databases[0]);
	profile->sql_statements = statements;
	profile->sql_statement_count = sizeof(statements) / sizeof(statements[0]);
	profile->sql_planned = planned;
	profile->sql_planned_count = sizeof(planned) / sizeof(planned[0]);
	profile->sql_indexes = indexes;
	profile->sql_index_count = sizeof(indexes) / sizeof(indexes[0]);
	profile->sql_planner = "3.40.1";
	profile->sql_sites = sites;
	profile->sql_site_count = sizeof(sites) / sizeof(sites[0]);
	profile->sql_transactions = transactions;
	profile->sql_transaction_count = sizeof(transactions) / sizeof(transactions[0]);
	profile->sql_slows = slows;
	profile->sql_slow_count = sizeof(slows) / sizeof(slows[0]);
	profile->sql_holds = holds;
	profile->sql_hold_count = sizeof(holds) / sizeof(holds[0]);
	profile->sql_waits = waits;
	profile->sql_wait_count = sizeof(waits) / sizeof(waits[0]);
	profile->processes[0].sql_recorded = profile->processes[1].sql_recorded = true;
}

/* Once: the good recording, and what its tables are. */
static void good_make(void)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_error error = {""};
	sqlite3_stmt *statement;
	sqlite3 *db;

	sql_add(profile);
	good = recording_serialize(profile, &good_size, &error);
	profile_destroy(profile);
	if (!good || sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_deserialize(db, "main", good, (sqlite3_int64)good_size, (sqlite3_int64)good_size,
				SQLITE_DESERIALIZE_READONLY) != SQLITE_OK ||
	    sqlite3_prepare_v2(db,
			       "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
			       "WHERE t.type = 'table' ORDER BY t.name, c.cid",
			       -1, &statement, NULL) != SQLITE_OK)
		abort();
	while (sqlite3_step(statement) == SQLITE_ROW && column_count < COLUMNS_MAX) {
		struct column *column = &columns[column_count++];

		snprintf(column->table, sizeof(column->table), "%s", sqlite3_column_text(statement, 0));
		snprintf(column->name, sizeof(column->name), "%s", sqlite3_column_text(statement, 1));
	}
	sqlite3_finalize(statement);
	sqlite3_close(db);
	/* Else only refusals would be tried. */
	if (!recording_try(good, good_size))
		abort();
}

static void value_bind(sqlite3_stmt *statement, struct input *input)
{
	uint64_t kind = take(input, 1), length = take(input, 1) % 32;
	char bytes[32];

	switch (kind % 6) {
	case 0:
		sqlite3_bind_null(statement, 1);
		break;
	case 1:
		sqlite3_bind_int64(statement, 1, (int64_t)take(input, 8));
		break;
	case 2:
		sqlite3_bind_int64(statement, 1, (int64_t)(int8_t)take(input, 1));
		break;
	case 3:
		sqlite3_bind_double(statement, 1, (double)(int64_t)take(input, 8) / 7);
		break;
	default:
		for (uint64_t i = 0; i < length; i++)
			bytes[i] = (char)take(input, 1);
		if (kind % 6 == 4)
			sqlite3_bind_text(statement, 1, bytes, (int)length, SQLITE_TRANSIENT);
		else
			sqlite3_bind_blob(statement, 1, bytes, (int)length, SQLITE_TRANSIENT);
	}
}

static void cell_change(sqlite3 *db, struct input *input)
{
	const struct column *column = &columns[take(input, 2) % column_count];
	uint64_t row = take(input, 1), how = take(input, 1);
	sqlite3_stmt *statement = NULL;
	char sql[512];

	if (how % 16 == 15)
		snprintf(sql, sizeof(sql),
			 "DELETE FROM %s WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %u) OR ?1 = 0.5",
			 column->table, column->table, (unsigned)row);
	else if (how % 16 == 14)
		snprintf(sql, sizeof(sql), "UPDATE OR REPLACE %s SET %s = ?1", column->table, column->name);
	else
		snprintf(sql, sizeof(sql),
			 "UPDATE OR REPLACE %s SET %s = ?1 WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %u)",
			 column->table, column->name, column->table, (unsigned)row % 32);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
		value_bind(statement, input);
		sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
}

/* The good recording, changed: bytes of SQLite's. */
static unsigned char *recording_change(struct input *input, size_t *size)
{
	unsigned char *copy = sqlite3_malloc64(good_size), *changed;
	sqlite3_int64 changed_size = 0;
	sqlite3 *db;

	memcpy(copy, good, good_size);
	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_deserialize(db, "main", copy, (sqlite3_int64)good_size, (sqlite3_int64)good_size,
				SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) != SQLITE_OK)
		abort();
	for (int i = 0; i < CHANGES_MAX && input->at < input->end; i++)
		cell_change(db, input);
	changed = sqlite3_serialize(db, "main", &changed_size, 0);
	sqlite3_close(db);
	*size = (size_t)changed_size;
	return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, bytes + size};
	unsigned char *changed;

	if (!good)
		good_make();
	if (size >= 6 && memcmp(bytes, "SQLite", 6) == 0) {
		recording_try(bytes, size);
		return 0;
	}
	changed = recording_change(&input, &size);
	if (changed)
		recording_try(changed, size);
	sqlite3_free(changed);
	return 0;
}

/* false: it was refused. */
static bool recording_try(const uint8_t *bytes, size_t size)
{
	struct pp_error error = {""};
	struct pp_profile *profile;
	bool accepted;
	char path[64];
	int fd = memfd_create("recording", 0);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	profile = recording_read(path, &error);
	close(fd);
	accepted = profile != NULL;
	if (profile)
		reports_make(profile);
	else if (!error.text[0] || strchr(error.text, '\n'))
		abort();
	profile_destroy(profile);
	return accepted;
}
