/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a recording. The file is hostile input: it is read into memory as a whole and opened there (no locks, and
 * no journal that someone left beside it is replayed), every table must be declared exactly as this version would,
 * and every number that refers to something is checked. Whoever gets a profile may follow its indices blindly.
 * Any one thread.
 */
#include "recording_publish.h"

#include "arena.h"
#include "recording_cells.h"
#include "recording_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of a recording's faults are one to its user; `what` says where, for the curious. */
static bool reader_damaged(struct pp_recording_reader *reader, const char *what)
{
	return error_set(reader->error, "\"%s\" is a damaged recording (%s): record anew, or use an older copy",
			 reader->path, what);
}

static bool reader_failed(struct pp_recording_reader *reader)
{
	return reader_damaged(reader, sqlite3_errmsg(reader->db));
}

static bool reader_prepare(struct pp_recording_reader *reader, const char *sql, sqlite3_stmt **statement)
{
	return sqlite3_prepare_v2(reader->db, sql, -1, statement, NULL) == SQLITE_OK || reader_failed(reader);
}

static bool table_lacks(struct pp_recording_reader *reader, uint32_t index)
{
	return reader->lacks >> index & 1;
}

/* Notes it where it is a table that was not thought of when the recording was made. */
static bool table_look(struct pp_recording_reader *reader, uint32_t index)
{
	sqlite3_stmt *statement = NULL;

	if (!pp_tables[index].later)
		return true;
	if (!reader_prepare(reader, "SELECT 1 FROM sqlite_schema WHERE name = ?", &statement))
		return false;
	sqlite3_bind_text(statement, 1, pp_tables[index].name, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_DONE)
		reader->lacks |= UINT64_C(1) << index;
	sqlite3_finalize(statement);
	return true;
}

/* The table must be declared with these very words: a view or a computed column in its place could run for ever. */
static bool table_check(struct pp_recording_reader *reader, const char *name, const char *create)
{
	sqlite3_stmt *statement = NULL;
	const char *text;
	bool good = false;

	if (!reader_prepare(reader, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", &statement))
		return false;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(statement, 0);
		good = text && strcmp(text, create) == 0;
	}
	sqlite3_finalize(statement);
	return good || reader_damaged(reader, name);
}

static bool schema_check(struct pp_recording_reader *reader)
{
	char sql[PP_SQL_MAX];

	for (uint32_t i = 0; i < PP_TABLE_COUNT; i++)
		if (!table_look(reader, i) || !table_sql_create(&pp_tables[i], sql, sizeof(sql)) ||
		    (!table_lacks(reader, i) && !table_check(reader, pp_tables[i].name, sql)))
			return false;
	for (uint32_t i = 0; pp_plain_tables[i].name; i++)
		if (!table_check(reader, pp_plain_tables[i].name, pp_plain_tables[i].create))
			return false;
	return true;
}

static bool table_count(struct pp_recording_reader *reader, const char *name, uint32_t *count)
{
	sqlite3_stmt *statement = NULL;
	char sql[128];
	int64_t rows = -1;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", name);
	if (!reader_prepare(reader, sql, &statement))
		return false;
	if (sqlite3_step(statement) == SQLITE_ROW)
		rows = sqlite3_column_int64(statement, 0);
	else
		reader_failed(reader);
	sqlite3_finalize(statement);
	if (rows < 0)
		return false;
	*count = (uint32_t)rows;
	return rows < PP_NONE || reader_damaged(reader, name);
}

/* Ends a SELECT: all expected rows came, and no more. */
static bool select_finish(struct pp_recording_reader *reader, sqlite3_stmt *statement, const char *name, int status, bool good)
{
	if (good && status != SQLITE_DONE)
		good = status == SQLITE_ROW ? reader_damaged(reader, name) : reader_failed(reader);
	sqlite3_finalize(statement);
	return good;
}

static bool read_table(struct pp_recording_reader *reader, const struct pp_table *table)
{
	uint32_t count = table_row_count(table, reader->profile);
	char *row = table_rows(table, reader->profile);
	sqlite3_stmt *statement = NULL;
	char sql[PP_SQL_MAX];
	int status = SQLITE_DONE;
	bool good = true;

	if (!table_sql_select(table, sql, sizeof(sql)) || !reader_prepare(reader, sql, &statement))
		return false;
	for (uint32_t id = 0; good && id < count; id++, row += table->row_size) {
		good = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int64(statement, 0) == id;
		for (uint32_t i = 0; good && i < table->column_count; i++)
			good = cell_column(reader, statement, (int)i + 1, &table->columns[i], row, id);
		if (!good)
			reader_damaged(reader, table->name);
	}
	if (good)
		status = sqlite3_step(statement);
	return select_finish(reader, statement, table->name, status, good);
}

/* A list of texts with ids from 0; NULL-terminated. */
static bool read_texts(struct pp_recording_reader *reader, const char *name, const char *sql, const char ***texts, uint32_t *count)
{
	sqlite3_stmt *statement = NULL;
	int status;
	bool good = true;

	if (!table_count(reader, name, count) || !reader_prepare(reader, sql, &statement))
		return false;
	*texts = arena_array(reader->profile->arena, (size_t)*count + 1, sizeof(**texts));
	for (uint32_t id = 0; good && id < *count; id++) {
		good = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int64(statement, 0) == id &&
		       cell_text(reader, statement, 1, &(*texts)[id]);
		if (!good)
			reader_damaged(reader, name);
	}
	status = good ? sqlite3_step(statement) : SQLITE_DONE;
	return select_finish(reader, statement, name, status, good);
}

/* All command lines lie in one array, one NULL after each: row k, of process p, is at k + p. */
static bool read_arguments(struct pp_recording_reader *reader)
{
	struct pp_profile *profile = reader->profile;
	uint32_t count, row = 0, process = 0;
	int64_t owner, position, next = 0;
	sqlite3_stmt *statement = NULL;
	int status = SQLITE_DONE;
	const char **texts;
	bool good = true;

	if (!table_count(reader, "argument", &count) ||
	    !reader_prepare(reader, "SELECT process, position, text FROM argument ORDER BY process, position",
			    &statement))
		return false;
	texts = arena_array(profile->arena, (size_t)count + profile->process_count, sizeof(*texts));
	for (; good && row < count && (status = sqlite3_step(statement)) == SQLITE_ROW; row++, next++) {
		good = cell_integer(statement, 0, process ? process - 1 : 0, (int64_t)profile->process_count - 1,
				    &owner);
		for (; good && process <= owner; process++, next = 0)
			profile->processes[process].command = &texts[row + process];
		good = good && cell_integer(statement, 1, next, next, &position) &&
		       cell_text(reader, statement, 2, &texts[row + owner]);
		if (!good)
			reader_damaged(reader, "argument");
	}
	for (; process < profile->process_count; process++)
		profile->processes[process].command = &texts[row + process];
	if (good && row == count)
		status = sqlite3_step(statement);
	return select_finish(reader, statement, "argument", status, good);
}

static bool read_skips(struct pp_recording_reader *reader)
{
	struct pp_profile *profile = reader->profile;
	sqlite3_stmt *statement = NULL;
	int64_t process, cause;
	int status = SQLITE_DONE;
	bool good = true;

	if (!reader_prepare(reader, "SELECT process, cause, count FROM skip", &statement))
		return false;
	while (good && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		good = cell_integer(statement, 0, 0, (int64_t)profile->process_count - 1, &process) &&
		       cell_integer(statement, 1, 0, PP_PROFILE_SKIPS - 1, &cause) &&
		       cell_u64(statement, 2, &profile->processes[process].skipped[cause]);
		if (!good)
			reader_damaged(reader, "skip");
	}
	return select_finish(reader, statement, "skip", status, good);
}

static bool read_histograms(struct pp_recording_reader *reader)
{
	struct pp_profile *profile = reader->profile;
	sqlite3_stmt *statement = NULL;
	int64_t process, kind, bucket;
	struct pp_histogram *histogram;
	int status = SQLITE_DONE;
	bool good = true;

	if (!reader_prepare(reader, "SELECT process, kind, bucket, count FROM histogram", &statement))
		return false;
	while (good && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		good = cell_integer(statement, 0, 0, (int64_t)profile->process_count - 1, &process) &&
		       cell_integer(statement, 1, 0, PP_HISTOGRAM_ROWS - 1, &kind) &&
		       cell_integer(statement, 2, 0, PP_HISTOGRAM_BUCKETS - 1, &bucket);
		if (good) {
			histogram = (void *)((char *)&profile->processes[process] + pp_histogram_rows[kind].offset);
			good = cell_u64(statement, 3, &histogram->counts[bucket]);
		}
		if (!good)
			reader_damaged(reader, "histogram");
	}
	return select_finish(reader, statement, "histogram", status, good);
}

/* The arrays, before their rows: an index is checked against the count of a table that may be read later. */
static bool read_counts(struct pp_recording_reader *reader)
{
	for (uint32_t i = 0; i < PP_TABLE_COUNT; i++) {
		const struct pp_table *table = &pp_tables[i];
		uint32_t count;
		char *profile = (char *)reader->profile;

		if (table_lacks(reader, i))
			continue;
		if (!table_count(reader, table->name, &count))
			return false;
		if (table->array == SIZE_MAX) {
			if (count != 1)
				return reader_damaged(reader, table->name);
			continue;
		}
		*(uint32_t *)(profile + table->count) = count;
		*(void **)(profile + table->array) = arena_array(reader->profile->arena, count, table->row_size);
	}
	return true;
}

/* What the columns' own checks cannot see: ranges, and references that may not be missing. */
static bool references_check(struct pp_recording_reader *reader)
{
	const struct pp_profile *profile = reader->profile;

	if (profile->process_count == 0)
		return reader_damaged(reader, "no process");
	for (uint32_t i = 0; i < profile->address_count; i++)
		if ((uint64_t)profile->addresses[i].first_frame + profile->addresses[i].frame_count >
		    profile->frame_count)
			return reader_damaged(reader, "address");
	for (uint32_t i = 0; i < profile->node_count; i++)
		if ((profile->nodes[i].parent == PP_NONE) != (i == 0))
			return reader_damaged(reader, "node");
	for (uint32_t i = 0; i < profile->thread_count; i++)
		if (profile->threads[i].process == PP_NONE)
			return reader_damaged(reader, "thread");
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		if (profile->mem_sites[i].process == PP_NONE || profile->mem_sites[i].node == PP_NONE)
			return reader_damaged(reader, "mem_site");
	for (uint32_t i = 0; i < profile->cpu_site_count; i++)
		if (profile->cpu_sites[i].process == PP_NONE || profile->cpu_sites[i].thread == PP_NONE ||
		    profile->cpu_sites[i].node == PP_NONE)
			return reader_damaged(reader, "cpu_site");
	for (uint32_t i = 0; i < profile->gil_site_count; i++)
		if (profile->gil_sites[i].process == PP_NONE || profile->gil_sites[i].node == PP_NONE)
			return reader_damaged(reader, "gil_site");
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		if (profile->io_sites[i].process == PP_NONE || profile->io_sites[i].node == PP_NONE)
			return reader_damaged(reader, "io_site");
	for (uint32_t i = 0; i < profile->io_slow_count; i++)
		if (profile->io_slows[i].process == PP_NONE || profile->io_slows[i].thread == PP_NONE ||
		    profile->io_slows[i].node == PP_NONE)
			return reader_damaged(reader, "io_slow");
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		if (profile->io_descriptors[i].process == PP_NONE || profile->io_descriptors[i].node == PP_NONE)
			return reader_damaged(reader, "io_descriptor");
	for (uint32_t i = 0; i < profile->sql_site_count; i++)
		if (profile->sql_sites[i].process == PP_NONE || profile->sql_sites[i].node == PP_NONE)
			return reader_damaged(reader, "sql_site");
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++)
		if (profile->sql_transactions[i].process == PP_NONE || profile->sql_transactions[i].node == PP_NONE ||
		    profile->sql_transactions[i].end_node == PP_NONE)
			return reader_damaged(reader, "sql_transaction");
	for (uint32_t i = 0; i < profile->sql_slow_count; i++)
		if (profile->sql_slows[i].process == PP_NONE || profile->sql_slows[i].thread == PP_NONE ||
		    profile->sql_slows[i].node == PP_NONE)
			return reader_damaged(reader, "sql_slow");
	for (uint32_t i = 0; i < profile->sql_hold_count; i++)
		if (profile->sql_holds[i].process == PP_NONE || profile->sql_holds[i].thread == PP_NONE ||
		    profile->sql_holds[i].node == PP_NONE || profile->sql_holds[i].end_node == PP_NONE ||
		    profile->sql_holds[i].long_node == PP_NONE)
			return reader_damaged(reader, "sql_hold");
	for (uint32_t i = 0; i < profile->sql_wait_count; i++)
		if (profile->sql_waits[i].process == PP_NONE || profile->sql_waits[i].thread == PP_NONE ||
		    profile->sql_waits[i].node == PP_NONE)
			return reader_damaged(reader, "sql_wait");
	for (uint32_t i = 0; i < profile->sql_planned_count; i++)
		if (profile->sql_planned[i].statement == PP_NONE || profile->sql_planned[i].database == PP_NONE)
			return reader_damaged(reader, "sql_planned");
	for (uint32_t i = 0; i < profile->sql_index_count; i++)
		if (profile->sql_indexes[i].planned == PP_NONE || !profile->sql_indexes[i].index)
			return reader_damaged(reader, "sql_index");
	return true;
}

static bool read_profile(struct pp_recording_reader *reader)
{
	uint32_t note_count;

	if (!schema_check(reader) || !read_counts(reader) ||
	    !read_texts(reader, "string", "SELECT id, text FROM string ORDER BY id", &reader->strings,
			&reader->string_count))
		return false;
	for (uint32_t i = 0; i < PP_TABLE_COUNT; i++)
		if (!table_lacks(reader, i) && !read_table(reader, &pp_tables[i]))
			return false;
	return read_arguments(reader) && read_skips(reader) && read_histograms(reader) &&
	       read_texts(reader, "note", "SELECT id, text FROM note ORDER BY id",
			  (const char ***)&reader->profile->notes, &note_count) &&
	       references_check(reader);
}

/* Is this a file that this program can read? Says so in the user's words otherwise. */
static bool header_check(const char *path, const unsigned char *bytes, size_t size, struct pp_error *error)
{
	unsigned char header[PP_RECORDING_HEADER_BYTES] = {0};
	uint32_t version;

	if (size == 0)
		return error_set(error, "\"%s\" is empty: not a recording of preprof", path);
	memcpy(header, bytes, size < sizeof(header) ? size : sizeof(header));
	switch (recording_header(header, &version)) {
	case PP_HEADER_FOREIGN:
		return error_set(error, "\"%s\" is not a recording of preprof", path);
	case PP_HEADER_DATABASE:
		return error_set(error, "\"%s\" is an SQLite database, but not a recording of preprof", path);
	case PP_HEADER_RECORDING:
		break;
	}
	if (size < sizeof(header) || !recording_is_whole(header, size))
		return error_set(error, "\"%s\" is a damaged recording: it was cut short", path);
	if (version != PP_RECORDING_VERSION)
		return error_set(error, "\"%s\" was written by %s preprof (recording version %u, this one reads %d)", path,
				 version > PP_RECORDING_VERSION ? "a newer" : "an older", version, PP_RECORDING_VERSION);
	return true;
}

/* The whole file, in memory of SQLite's. NULL: error is set. */
static unsigned char *file_read(const char *path, size_t *size, struct pp_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	unsigned char *bytes = NULL;
	struct stat status;
	size_t used = 0;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &status) != 0) {
		error_set(error, "cannot read \"%s\": %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(status.st_mode)) {
		error_set(error, "\"%s\" is not a recording of preprof: %s", path,
			  S_ISDIR(status.st_mode) ? "it is a folder" : "it is not an ordinary file");
		goto out;
	}
	*size = (size_t)status.st_size;
	bytes = sqlite3_malloc64(*size ? *size : 1);
	if (!bytes) {
		error_set(error, "cannot read \"%s\": out of memory", path);
		goto out;
	}
	while (used < *size && got > 0) {
		got = read(fd, bytes + used, *size - used);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			used += (size_t)got;
	}
	if (used < *size) {
		error_set(error, "cannot read \"%s\": %s", path, got < 0 ? strerror(errno) : "it became shorter");
		sqlite3_free(bytes);
		bytes = NULL;
	}
out:
	if (fd >= 0)
		close(fd);
	return bytes;
}

/* Takes the bytes over. */
static bool database_open(struct pp_recording_reader *reader, unsigned char *bytes, size_t size)
{
	if (sqlite3_open_v2(":memory:", &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		sqlite3_free(bytes);
		return reader_failed(reader);
	}
	sqlite3_db_config(reader->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(reader->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* From here on the bytes are the database's, whatever it answers. */
	if (sqlite3_deserialize(reader->db, "main", bytes, (sqlite3_int64)size, (sqlite3_int64)size,
				SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) != SQLITE_OK ||
	    sqlite3_exec(reader->db, "PRAGMA cell_size_check=ON", NULL, NULL, NULL) != SQLITE_OK)
		return reader_failed(reader);
	return true;
}

struct pp_profile *recording_read(const char *path, struct pp_error *error)
{
	struct pp_recording_reader reader = {.path = path, .error = error};
	bool good = false;
	size_t size = 0;
	unsigned char *bytes = file_read(path, &size, error);

	if (!bytes)
		return NULL;
	if (!header_check(path, bytes, size, error)) {
		sqlite3_free(bytes);
		return NULL;
	}
	reader.profile = profile_create();
	good = database_open(&reader, bytes, size) && read_profile(&reader);
	sqlite3_close(reader.db);
	if (good)
		return reader.profile;
	profile_destroy(reader.profile);
	return NULL;
}
