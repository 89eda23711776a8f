/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a process tree by the number that the stream gives them (a hash of what they are known as: the same in
 * every process). Strings lie in the trace's arena. One owner; not thread-safe.
 */
#ifndef PREPROF_IO_FILES_H
#define PREPROF_IO_FILES_H

#include "arena.h"
#include "profile.h"
#include "table.h"

#define PP_IO_FILE_LIMIT (1U << 22) /* further ones have no name */

struct pp_io_files {
	struct pp_io_file *files;
	uint32_t count, capacity;
	struct pp_table index_of;
	struct pp_table index_of_path; /* by the hash of a path: the last of that hash */
};

void io_files_finish(struct pp_io_files *files);

/* What a definition says; `bytes` are a path, or what the flags say (PP_EXT_IO_FILE). The first one counts.
 * What is named by a path alone (PP_IO_FILE_NAMED) is the file of that path, whichever comes first. */
void io_files_define(struct pp_io_files *files, struct pp_arena *arena, uint64_t number, uint32_t kind, uint32_t flags,
		     const void *bytes, size_t size);

/* Index; PP_NONE: nobody has defined it. */
uint32_t io_files_index(const struct pp_io_files *files, uint64_t number);

#endif
