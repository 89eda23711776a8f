/* SPDX-License-Identifier: Apache-2.0 */
/* What can be told about a program by looking at its file. Any thread. */
#ifndef PREPROF_LAUNCH_OBSTACLE_H
#define PREPROF_LAUNCH_OBSTACLE_H

#include <stdbool.h>
#include <stddef.h>

enum pp_obstacle {
	PP_OBSTACLE_NONE = 0, /* nothing is known that would prevent it */
	PP_OBSTACLE_SILENT,   /* preloading does nothing there, and no harm: what the program starts may be profiled */
	PP_OBSTACLE_LOADER,   /* its loader would complain on the program's stderr, or (musl's) not start it at all */
};

/* Why the program at `path` cannot be profiled by preloading: "it is statically linked ...". For a script, its
 * interpreter is looked at. */
enum pp_obstacle obstacle_find(const char *path, char *text, size_t size);

/* A library that the program links and that must be the first one loaded (a sanitizer's runtime): its name, or "". */
bool first_library_find(const char *path, char *name, size_t size);

#endif
