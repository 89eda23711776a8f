/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the analyzer from within the host (spawn.c). */
#ifndef PREPROF_SPAWN_H
#define PREPROF_SPAWN_H

/* Starts the analyzer with `listening` (a socket) as its descriptor 3. false: not found or not startable; said in
 * *reason. No child of the host's is visible to its wait calls, no signal is raised. */
#include <stdbool.h>
bool spawn_analyzer(int listening, const char **reason);

/* Folder of libpreprof.so, without a trailing slash, and the library's own path; NULL when unknown. */
const char *spawn_library_path(void);

#endif
