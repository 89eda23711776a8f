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

/* How many different bytes a regular file has had to offer, but for those that the tree wrote: the sum of its sizes, each
 * time it was found changed, or as far as it was read. */
struct pp_io_extent {
	uint64_t number;
	uint64_t sizes, changed_ns, size; /* size: at changed_ns */
	uint64_t read_to;
	bool known; /* somebody has told its size */
};

struct pp_io_files {
	struct pp_io_file *files;
	uint32_t count, capacity;
	struct pp_table index_of;
	struct pp_io_extent *extents;
	uint32_t extent_count, extent_capacity;
	struct pp_table extent_of; /* by number */
	struct pp_table index_of_path; /* by the hash of a path: the last of that hash */
};

void io_files_finish(struct pp_io_files *files);

/* What a definition says; `bytes` are a path, or what the flags say (PP_EXT_IO_FILE). The first one counts.
 * What is named by a path alone (PP_IO_FILE_NAMED) is the file of that path, whichever comes first. */
void io_files_define(struct pp_io_files *files, struct pp_arena *arena, uint64_t number, uint32_t kind, uint32_t flags,
		     const void *bytes, size_t size);

/* Its size, when it had last been changed at changed_ns; as far as a descriptor has read it. */
void io_files_size(struct pp_io_files *files, uint64_t number, uint64_t size, uint64_t changed_ns);
void io_files_read_to(struct pp_io_files *files, uint64_t number, uint64_t read_to);

/* Index; PP_NONE: nobody has defined it. */
uint32_t io_files_index(const struct pp_io_files *files, uint64_t number);

#endif
