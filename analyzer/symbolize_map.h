/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code that a program made at run time, from the list that some runtimes keep of it: /tmp/perf-PID.map, lines of
 * start, size (hexadecimal) and name. node (--perf-basic-prof), the JVM, .NET and others write it. Any one thread.
 *
 * Anybody can write into /tmp: the file must be an ordinary one, not a link, of this user's or root's; its text is
 * hostile.
 */
#ifndef PREPROF_SYMBOLIZE_MAP_H
#define PREPROF_SYMBOLIZE_MAP_H

#include "arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_map_name {
	uint64_t address;
	const char *function; /* NULL: nothing in the list covers it */
	const char *file;     /* NULL: the name does not say */
	uint32_t line;	      /* where the function begins; 0: not said */
};

/* Of the process that calls itself `pid`, and that /proc here has as `root_pid`. Fills in the names of `names`, which are sorted by address; strings are the arena's. Code is moved and its room used
 * again: of several lines that cover an address the last one counts. false: there is no such list. */
bool symbolize_map(int pid, int root_pid, struct pp_map_name *names, size_t count, struct pp_arena *arena);

/* The same from a text, for tests and the fuzzer. */
void symbolize_map_text(const char *text, size_t size, struct pp_map_name *names, size_t count, struct pp_arena *arena);

/* What makes the runtime with this executable keep such a list: an option of its own or a variable; NULL: not known. */
const char *symbolize_map_advice(const char *executable);

#endif
