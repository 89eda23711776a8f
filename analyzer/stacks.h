/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace's call tree, and how an image's stacks get into it.
 *
 * An image's nodes lie in memory shared with it: raw addresses, valid for that image and for the module map of their
 * epoch. The trace's tree is keyed by (parent, module, offset), so that equal stacks of different processes, and of
 * one module loaded at different places, are one. A stack is brought over when a snapshot first needs it, never while
 * events flow. Shared memory is hostile: every word is copied, then checked; parents may form circles.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_STACKS_H
#define PREPROF_STACKS_H

#include "arena.h"
#include "profile.h"
#include "python_code.h"
#include "table.h"

#include "preprof/wire.h"

/* Where modules lay in one image, by epoch. */
struct pp_module_range {
	uint64_t start, end, bias;
	uint64_t reach; /* the greatest end of this and all ranges before it */
	uint32_t epoch;
	uint32_t module; /* of the trace */
};

struct pp_module_map {
	struct pp_module_range *ranges; /* by start, then epoch */
	uint32_t count, capacity;
	uint64_t parsed;  /* bytes of definitions */
	uint32_t damaged; /* definitions that made no sense */
	bool stopped;	  /* one of them had no usable length: nothing after it can be read */
};

#define PP_MODULE_LIMIT	     16384 /* definitions an image */
#define PP_MODULE_FILE_LIMIT 400   /* descriptors kept, of all modules */

struct pp_trace_module {
	const char *path;
	const char *build_id;
	struct pp_table addresses; /* offset to address */
	uint32_t next;		   /* with the same hash, + 1 */
	int file;		   /* -1: none */
	bool own;		   /* the library's */
	bool interpreter;	   /* a Python interpreter lies in it */
	int32_t pid;		   /* of the process that made this code at run time; 0: it is a file */
	int32_t root_pid;	   /* the same process's, or of who had the file, as /proc has it here */
};

struct pp_stacks {
	struct pp_arena *arena; /* strings */
	struct pp_trace_module *modules;
	uint32_t module_count, module_capacity;
	uint32_t file_count;
	struct pp_table module_table;
	struct pp_table bare; /* addresses without a module */
	struct pp_table python; /* places to addresses */
	struct pp_python_places places;
	struct pp_address *addresses;
	uint32_t address_count, address_capacity;
	struct pp_node *nodes; /* [0] is the root */
	uint32_t node_count, node_capacity;
	struct pp_table node_table;
};

/* What stacks.c needs of an image. */
struct pp_image_stacks {
	const uint8_t *shared;
	size_t shared_size;
	const char *executable;
	int32_t pid;	  /* as the process calls itself */
	int32_t root_pid; /* as it is called here, which differs where it has a pid namespace of its own */
	bool open_files; /* false: a replay, the paths mean nothing here */
	struct pp_module_map map;
	struct pp_python_codes codes;
	uint64_t interpreter; /* an address in it; 0: none is known */
	bool last;	      /* no more definitions will come */
	struct pp_pages node_of; /* wire node to trace node */
};

void stacks_init(struct pp_stacks *stacks);
void stacks_finish(struct pp_stacks *stacks);

/* Reads the definitions that are new, and opens the files of modules not met before. */
void image_stacks_define(struct pp_stacks *stacks, struct pp_image_stacks *image);

/* The trace's node of an image's stack; 0 when the stack is unknown or its nodes make no sense. */
uint32_t image_stacks_node(struct pp_stacks *stacks, struct pp_image_stacks *image, uint32_t stack);

void image_stacks_finish(struct pp_image_stacks *image);

/* How many nodes the shared memory has room for: stacks from here on are nonsense. */
uint32_t image_stacks_limit(size_t shared_size);

#endif
