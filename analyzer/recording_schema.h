/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a recording as data: one row per table of a profile's arrays, one row per column. Writing and
 * reading both follow these rows, so that what is written is what is read. Only recording_*.c may include this.
 *
 * Tables whose shape is not an array of the profile (strings, arguments, notes, skips, histograms) are created
 * here too, and filled and read by hand.
 */
#ifndef PREPROF_RECORDING_SCHEMA_H
#define PREPROF_RECORDING_SCHEMA_H

#include "recording.h"

#include <sqlite3.h>

enum pp_table_id {
	PP_TABLE_RECORDING, /* one row: the profile itself */
	PP_TABLE_PROCESS,
	PP_TABLE_THREAD,
	PP_TABLE_MODULE,
	PP_TABLE_FRAME,
	PP_TABLE_ADDRESS,
	PP_TABLE_NODE,
	PP_TABLE_MEM_SITE,
	PP_TABLE_CPU_SITE,
	PP_TABLE_IO_FILE,
	PP_TABLE_GIL_SITE,
	PP_TABLE_IO_SITE,
	PP_TABLE_IO_SLOW,
	PP_TABLE_IO_DESCRIPTOR,
	PP_TABLE_SQL_DATABASE,
	PP_TABLE_SQL_STATEMENT,
	PP_TABLE_SQL_SITE,
	PP_TABLE_SQL_TRANSACTION,
	PP_TABLE_SQL_SLOW,
	PP_TABLE_SQL_PLANNED,
	PP_TABLE_SQL_INDEX,
	PP_TABLE_SQL_HOLD,
	PP_TABLE_SQL_WAIT,
	PP_TABLE_COUNT,
};

enum pp_column_kind {
	PP_COLUMN_U64, /* NULL: PP_UNKNOWN; above INT64_MAX its two's complement */
	PP_COLUMN_U32,
	PP_COLUMN_I32,
	PP_COLUMN_U8,
	PP_COLUMN_BOOL,
	PP_COLUMN_STRING, /* id in `string`; NULL: NULL */
	PP_COLUMN_INDEX,  /* of a row of `refers`; NULL: PP_NONE */
	PP_COLUMN_PARENT, /* of a row of the same table before this one; NULL: PP_NONE */
	PP_COLUMN_LINK,	  /* a whole struct pp_node: see PP_LINK_UP_SHIFT */
	PP_COLUMN_MEM_BINS,
	PP_COLUMN_CPU_BINS,
	PP_COLUMN_IO_SIZES,
	PP_COLUMN_IO_LATENCIES,
	PP_COLUMN_IO_BINS,
	PP_COLUMN_SQL_LATENCIES,
	PP_COLUMN_SQL_BINS,
};

static inline bool column_is_blob(enum pp_column_kind kind)
{
	return kind >= PP_COLUMN_MEM_BINS;
}

struct pp_column {
	const char *name;
	uint16_t offset;
	uint8_t kind;	/* enum pp_column_kind */
	uint8_t refers; /* enum pp_table_id, of PP_COLUMN_INDEX */
};

struct pp_table {
	const char *name;
	size_t array; /* offset in struct pp_profile of the array's pointer; SIZE_MAX: the profile itself */
	size_t count; /* offset of its uint32_t count */
	size_t row_size;
	const struct pp_column *columns;
	uint32_t column_count;
	bool later; /* a recording of this version that was made earlier may lack it: there is none then */
};

#define PP_TABLE_COLUMNS_MAX 70

extern const struct pp_table pp_tables[PP_TABLE_COUNT];

/* SQL, into text of `size` bytes: the CREATE statement, and the SELECT of all columns in the order of ids. The sizes are constants of the program: a text that does not fit is a bug
 * that the tests find (false). */
#define PP_SQL_MAX 4096
bool table_sql_create(const struct pp_table *table, char *text, size_t size);
bool table_sql_select(const struct pp_table *table, char *text, size_t size);

/* The tables that are no array of the profile: name and CREATE statement. NULL-terminated. */
struct pp_plain_table {
	const char *name;
	const char *create;
};
extern const struct pp_plain_table pp_plain_tables[];

/* Histograms of a process by name; the offset is that in struct pp_process. */
struct pp_histogram_row {
	const char *name;
	size_t offset;
};
extern const struct pp_histogram_row pp_histogram_rows[];
#define PP_HISTOGRAM_ROWS 2

/* The public views, as one script; made once per call, to be freed with sqlite3_free. */
char *recording_views_sql(void);

static inline uint32_t table_row_count(const struct pp_table *table, const struct pp_profile *profile)
{
	return table->array == SIZE_MAX ? 1 : *(const uint32_t *)((const char *)profile + table->count);
}

static inline char *table_rows(const struct pp_table *table, const struct pp_profile *profile)
{
	return table->array == SIZE_MAX ? (char *)profile : *(char *const *)((const char *)profile + table->array);
}

/* What a bin of mem_site.bins holds, in the two low bits of its first number; the distance to the bin before is above. */
enum pp_bin_shape {
	PP_BIN_EQUAL = 0, /* allocations and bytes; frees are the same */
	PP_BIN_ALLOCATED_ONLY = 1,
	PP_BIN_FREED_ONLY = 2,
	PP_BIN_BOTH = 3, /* allocations and bytes, frees and bytes */
};

/* A node of the call tree as one number, since there are more of them than of anything else: the distance to its parent
 * less 1, mostly 0, from bit 33; truncated in bit 32; the address below. The root is NULL. */
#define PP_LINK_UP_SHIFT  33
#define PP_LINK_TRUNCATED (INT64_C(1) << 32)
#define PP_LINK_ADDRESS	  INT64_C(0xffffffff)

#endif
