/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look into a database file that a program has open, which the program cannot notice: no lock is taken, nothing is
 * written, no shared memory is mapped. SQLite reads the file through a VFS of its own kind, on descriptors that were
 * opened for reading; a write-ahead log is read into an index of our own. What the program writes meanwhile may make a
 * look fail or show half of a change: it is taken again, a few times, until both ends of it agree.
 *
 * The file may be anything: it is read with limits, with a schema that is not trusted, and never written to memory as
 * more than text.
 */
#ifndef PREPROF_SQL_FILE_H
#define PREPROF_SQL_FILE_H

#include "arena.h"
#include "error.h"

#include <stdint.h>
#include <sys/types.h>

/* A row of sqlite_schema, or of sqlite_stat1. */
struct pp_sql_object {
	const char *name; /* of statistics the index, NULL: the table's own */
	const char *table;
	const char *sql; /* of statistics the numbers */
};

struct pp_sql_objects {
	const struct pp_sql_object *rows;
	uint32_t count;
};

#define PP_SQL_OBJECTS_MAX 20000

/* A database whose descriptors are for us alone. */
struct pp_sql_file {
	int database; /* -1: none */
	int log;      /* the write-ahead log, -1: none */
};

/* Opens `path`, an absolute path as the process `pid` sees it (pid 0: as we do), or what that process still has open
 * though it is deleted. Only regular files. The times of last access stay as they are where that is allowed. */
bool sql_file_open(struct pp_sql_file *file, const char *path, pid_t pid, struct pp_error *error);
void sql_file_close(struct pp_sql_file *file);

/* All that the file's schema and statistics say; strings are the arena's. One thread at a time. */
bool sql_file_read(const struct pp_sql_file *file, struct pp_arena *arena, struct pp_sql_objects *schema,
		   struct pp_sql_objects *statistics, struct pp_error *error);

#endif
