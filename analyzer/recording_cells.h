/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a cell of a recording's table and a field of the profile: reading (recording_cells.c) for recording_read.c,
 * writing (recording_cells_write.c) for recording_write.c. Reading returns false for what no recording holds: a wrong type,
 * a number out of its range or referring to nothing, a blob whose numbers do not add up.
 */
#ifndef PREPROF_RECORDING_CELLS_H
#define PREPROF_RECORDING_CELLS_H

#include "error.h"
#include "recording_schema.h"

struct pp_recording_reader {
	sqlite3 *db;
	const char *path;
	struct pp_error *error;
	struct pp_profile *profile;
	const char **strings;
	uint32_t string_count;
	uint64_t lacks; /* a bit for each of pp_tables that came later than this recording */
	struct pp_mem_bin bins[PP_BIN_LIMIT]; /* of the site being read */
};

/* A cell that must be an integer between low and high. */
bool cell_integer(sqlite3_stmt *statement, int at, int64_t low, int64_t high, int64_t *value);
/* Any 64 bits; NULL: PP_UNKNOWN. */
bool cell_u64(sqlite3_stmt *statement, int at, uint64_t *value);
/* Text without a zero byte inside, on the profile's arena. */
bool cell_text(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, const char **text);
/* Into the field of `row`, number `id` of its table, that the column says. */
bool cell_column(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, const struct pp_column *column,
		 char *row, uint32_t id);

/* Strings by content: open addressing, a power of two of slots that hold index + 1; at most half are used. */
struct pp_intern {
	const char **texts;
	uint64_t *hashes;
	uint32_t count, space;
	uint32_t *slots;
	uint32_t slot_count;
};

struct pp_recording_writer {
	sqlite3 *db;
	struct pp_error *error;
	struct pp_intern strings;
	unsigned char *bins; /* the blob being bound */
	size_t bins_space;
};

/* The column's value in `row`, number `id` of its table, as the context's result. An error code of SQLite's; NULL is what
 * was set before. */
int result_column(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_column *column,
		  const char *row, uint32_t id);
void intern_finish(struct pp_intern *intern);

#endif
