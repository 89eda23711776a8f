/* SPDX-License-Identifier: Apache-2.0 */
/* What can be told about a program by looking at its file. Any thread. */
#ifndef PREPROF_LAUNCH_OBSTACLE_H
#define PREPROF_LAUNCH_OBSTACLE_H

#include <stdbool.h>
#include <stddef.h>

/* Why the program at `path` cannot be profiled by preloading: "it is statically linked ...". For a script, its
 * interpreter is looked at. false: nothing is known that would prevent it. */
bool obstacle_find(const char *path, char *text, size_t size);

/* A library that the program links and that must be the first one loaded (a sanitizer's runtime): its name, or "". */
bool first_library_find(const char *path, char *name, size_t size);

#endif
