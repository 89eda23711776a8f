/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a recording: a profile into an SQLite database in memory. recording_publish.c brings it to the disk. Any
 * one thread; the profile is only read.
 *
 * No index and no journal: the database lives for one transaction. Rows go in in the order of their ids, which makes
 * every insertion an append.
 */
#include "recording_publish.h"

#include "arena.h"
#include "coverage.h"
#include "recording_cells.h"
#include "recording_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool writer_failed(struct pp_recording_writer *writer)
{
	return error_set(writer->error, "cannot build the recording: %s", sqlite3_errmsg(writer->db));
}

static bool writer_no_memory(struct pp_recording_writer *writer)
{
	return error_set(writer->error, "cannot build the recording: out of memory");
}

static bool writer_run(struct pp_recording_writer *writer, const char *sql)
{
	return sqlite3_exec(writer->db, sql, NULL, NULL, NULL) == SQLITE_OK || writer_failed(writer);
}

static bool writer_prepare(struct pp_recording_writer *writer, const char *sql, sqlite3_stmt **statement)
{
	if (sqlite3_prepare_v2(writer->db, sql, -1, statement, NULL) != SQLITE_OK)
		return writer_failed(writer);
	return true;
}

static bool writer_step(struct pp_recording_writer *writer, sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE)
		return writer_failed(writer);
	sqlite3_reset(statement);
	return true;
}

static void bind_u64(sqlite3_stmt *statement, int at, uint64_t value)
{
	if (value == PP_UNKNOWN)
		sqlite3_bind_null(statement, at);
	else
		sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

/* ---- the profile's arrays as virtual tables ----
 *
 * One INSERT ... SELECT a table instead of a statement a row: half the time. A source is the module's context and
 * the table in one. */
struct source {
	sqlite3_vtab base;
	struct pp_recording_writer *writer;
	const struct pp_table *table;
	const struct pp_profile *profile;
};

struct source_cursor {
	sqlite3_vtab_cursor base;
	const struct source *source;
	const char *row;
	uint32_t id, count;
};

static int source_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **table,
			  char **error)
{
	struct source *source = context;
	char sql[PP_SQL_MAX];

	(void)argc;
	(void)argv;
	(void)error;
	*table = &source->base;
	if (!table_sql_create(source->table, sql, sizeof(sql)))
		return SQLITE_ERROR;
	return sqlite3_declare_vtab(db, sql);
}

static int source_disconnect(sqlite3_vtab *table)
{
	(void)table; /* its owner's */
	return SQLITE_OK;
}

static int source_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = 1;
	return SQLITE_OK;
}

static int source_open(sqlite3_vtab *table, sqlite3_vtab_cursor **result)
{
	struct source_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return SQLITE_NOMEM;
	cursor->source = (const struct source *)table;
	*result = &cursor->base;
	return SQLITE_OK;
}

static int source_close(sqlite3_vtab_cursor *base)
{
	free(base);
	return SQLITE_OK;
}

static int source_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
	struct source_cursor *cursor = (struct source_cursor *)base;

	(void)number;
	(void)text;
	(void)argc;
	(void)argv;
	cursor->id = 0;
	cursor->count = table_row_count(cursor->source->table, cursor->source->profile);
	cursor->row = table_rows(cursor->source->table, cursor->source->profile);
	return SQLITE_OK;
}

static int source_next(sqlite3_vtab_cursor *base)
{
	struct source_cursor *cursor = (struct source_cursor *)base;

	cursor->id++;
	cursor->row += cursor->source->table->row_size;
	return SQLITE_OK;
}

static int source_eof(sqlite3_vtab_cursor *base)
{
	const struct source_cursor *cursor = (const struct source_cursor *)base;

	return cursor->id >= cursor->count;
}

static int source_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int at)
{
	const struct source_cursor *cursor = (const struct source_cursor *)base;

	if (at == 0) {
		sqlite3_result_int64(context, cursor->id);
		return SQLITE_OK;
	}
	return result_column(cursor->source->writer, context, &cursor->source->table->columns[at - 1], cursor->row,
			     cursor->id);
}

static int source_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	*rowid = ((const struct source_cursor *)base)->id;
	return SQLITE_OK;
}

/* Without xCreate the module's name is the table's. */
static const sqlite3_module source_module = {
	.xConnect = source_connect,
	.xBestIndex = source_best_index,
	.xDisconnect = source_disconnect,
	.xOpen = source_open,
	.xClose = source_close,
	.xFilter = source_filter,
	.xNext = source_next,
	.xEof = source_eof,
	.xColumn = source_column,
	.xRowid = source_rowid,
};

static bool write_table(struct pp_recording_writer *writer, struct source *source)
{
	const char *table = source->table->name;
	char name[64], sql[160];

	snprintf(name, sizeof(name), "source_%s", table);
	snprintf(sql, sizeof(sql), "INSERT INTO %s SELECT * FROM %s", table, name);
	if (sqlite3_create_module(writer->db, name, &source_module, source) != SQLITE_OK)
		return writer_failed(writer);
	return writer_run(writer, sql);
}

static bool write_texts(struct pp_recording_writer *writer, const char *sql, const char *const *texts, uint32_t count)
{
	sqlite3_stmt *statement = NULL;
	bool good = writer_prepare(writer, sql, &statement);

	for (uint32_t i = 0; good && i < count; i++) {
		sqlite3_bind_int64(statement, 1, i);
		sqlite3_bind_text(statement, 2, texts[i], -1, SQLITE_STATIC);
		good = writer_step(writer, statement);
	}
	sqlite3_finalize(statement);
	return good;
}

static uint32_t texts_count(const char *const *texts)
{
	uint32_t count = 0;

	while (texts && texts[count])
		count++;
	return count;
}

static bool write_arguments(struct pp_recording_writer *writer, const struct pp_profile *profile)
{
	sqlite3_stmt *statement = NULL;
	bool good = writer_prepare(writer, "INSERT INTO argument VALUES(?,?,?)", &statement);

	for (uint32_t id = 0; good && id < profile->process_count; id++) {
		const char *const *command = profile->processes[id].command;

		for (uint32_t i = 0; good && command && command[i]; i++) {
			sqlite3_bind_int64(statement, 1, id);
			sqlite3_bind_int64(statement, 2, i);
			sqlite3_bind_text(statement, 3, command[i], -1, SQLITE_STATIC);
			good = writer_step(writer, statement);
		}
	}
	sqlite3_finalize(statement);
	return good;
}

static bool write_skips(struct pp_recording_writer *writer, const struct pp_profile *profile)
{
	sqlite3_stmt *statement = NULL;
	bool good = writer_prepare(writer, "INSERT INTO skip VALUES(?,?,?,?)", &statement);

	for (uint32_t id = 0; good && id < profile->process_count; id++) {
		for (uint32_t cause = 0; good && cause < PP_PROFILE_SKIPS; cause++) {
			uint64_t count = profile->processes[id].skipped[cause];

			if (count == 0)
				continue;
			sqlite3_bind_int64(statement, 1, id);
			sqlite3_bind_int64(statement, 2, cause);
			sqlite3_bind_text(statement, 3, coverage_skip_name(cause), -1, SQLITE_STATIC);
			bind_u64(statement, 4, count);
			good = writer_step(writer, statement);
		}
	}
	sqlite3_finalize(statement);
	return good;
}

static bool write_histogram(struct pp_recording_writer *writer, sqlite3_stmt *statement, uint32_t process,
			    uint32_t kind, const struct pp_histogram *histogram)
{
	bool good = true;

	for (uint32_t bucket = 0; good && bucket < PP_HISTOGRAM_BUCKETS; bucket++) {
		if (histogram->counts[bucket] == 0)
			continue;
		sqlite3_bind_int64(statement, 1, process);
		sqlite3_bind_int64(statement, 2, kind);
		sqlite3_bind_int64(statement, 3, bucket);
		bind_u64(statement, 4, histogram->counts[bucket]);
		good = writer_step(writer, statement);
	}
	return good;
}

static bool write_histograms(struct pp_recording_writer *writer, const struct pp_profile *profile)
{
	sqlite3_stmt *statement = NULL;
	bool good = writer_prepare(writer, "INSERT INTO histogram VALUES(?,?,?,?)", &statement);

	for (uint32_t id = 0; good && id < profile->process_count; id++)
		for (uint32_t kind = 0; good && kind < PP_HISTOGRAM_ROWS; kind++)
			good = write_histogram(writer, statement, id, kind,
					       (const void *)((const char *)&profile->processes[id] +
							      pp_histogram_rows[kind].offset));
	sqlite3_finalize(statement);
	return good;
}

#define VIEW_BEGIN "CREATE VIEW "

/* One view, by its text: "CREATE VIEW name AS ...". */
static bool write_view(struct pp_recording_writer *writer, sqlite3_stmt *statement, const char *text, size_t size)
{
	const char *name = text + strlen(VIEW_BEGIN);

	sqlite3_bind_text(statement, 1, name, (int)strcspn(name, " "), SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, text, (int)size, SQLITE_STATIC);
	return writer_step(writer, statement);
}

/* They go into the schema as they are: to be parsed they take three times as long as all else in a small recording, and
 * nobody asks for one before it is read. */
static bool write_views(struct pp_recording_writer *writer)
{
	char *views = recording_views_sql();
	sqlite3_stmt *statement = NULL;
	bool good;

	if (!views)
		return writer_no_memory(writer);
	sqlite3_db_config(writer->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	good = writer_run(writer, "PRAGMA writable_schema=ON") &&
	       writer_prepare(
		       writer,
		       "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES('view', ?1, ?1, 0, ?2)",
		       &statement);
	for (const char *at = views; good && *at;) {
		const char *next = strstr(at, ";" VIEW_BEGIN);
		size_t size = next ? (size_t)(next - at) : strcspn(at, ";");

		good = write_view(writer, statement, at, size);
		at += next ? size + 1 : strlen(at);
	}
	sqlite3_finalize(statement);
	sqlite3_free(views);
	return good && writer_run(writer, "PRAGMA writable_schema=OFF");
}

/* Small pages keep a small recording small: each table takes one at least. Large ones are faster to fill. */
static bool create_schema(struct pp_recording_writer *writer, const struct pp_profile *profile)
{
	char sql[PP_SQL_MAX];

	snprintf(sql, sizeof(sql),
		 "PRAGMA page_size=%d; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;"
		 "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN",
		 profile->node_count < 4096 ? 1024 : 8192, PP_RECORDING_APPLICATION_ID, PP_RECORDING_VERSION);
	if (!writer_run(writer, sql))
		return false;
	for (uint32_t i = 0; i < PP_TABLE_COUNT; i++)
		if (!table_sql_create(&pp_tables[i], sql, sizeof(sql)) || !writer_run(writer, sql))
			return false;
	for (uint32_t i = 0; pp_plain_tables[i].name; i++)
		if (!writer_run(writer, pp_plain_tables[i].create))
			return false;
	return write_views(writer);
}

/* sources: one for each table; they must outlive the database. */
static bool write_tables(struct pp_recording_writer *writer, const struct pp_profile *profile, struct source *sources)
{
	for (uint32_t i = 0; i < PP_TABLE_COUNT; i++) {
		sources[i] = (struct source){.writer = writer, .table = &pp_tables[i], .profile = profile};
		if (!write_table(writer, &sources[i]))
			return false;
	}
	return write_arguments(writer, profile) && write_skips(writer, profile) && write_histograms(writer, profile) &&
	       write_texts(writer, "INSERT INTO note VALUES(?,?)", profile->notes, texts_count(profile->notes)) &&
	       write_texts(writer, "INSERT INTO string VALUES(?,?)", writer->strings.texts, writer->strings.count);
}

unsigned char *recording_serialize(const struct pp_profile *profile, size_t *size, struct pp_error *error)
{
	struct pp_recording_writer writer = {.error = error};
	struct source sources[PP_TABLE_COUNT];
	sqlite3_int64 bytes = 0;
	unsigned char *result = NULL;

	if (sqlite3_open_v2(":memory:", &writer.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		writer_failed(&writer);
		goto out;
	}
	if (!create_schema(&writer, profile) || !write_tables(&writer, profile, sources) ||
	    !writer_run(&writer, "COMMIT"))
		goto out;
	result = sqlite3_serialize(writer.db, "main", &bytes, 0);
	if (!result)
		writer_no_memory(&writer);
	*size = (size_t)bytes;
out:
	sqlite3_close(writer.db);
	intern_finish(&writer.strings);
	free(writer.bins);
	return result;
}
