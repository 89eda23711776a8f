/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of preprof on this machine, and an analyzer started for a tree: what `preprof run` does before its command
 * starts. One thread.
 */
#ifndef PREPROF_LAUNCH_H
#define PREPROF_LAUNCH_H

#include "error.h"

#include "preprof/wire.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct pp_parts {
	char library[PATH_MAX]; /* what LD_PRELOAD names */
	char analyzer[PATH_MAX];
	char link[PATH_MAX]; /* a link that the analyzer removes at the tree's end; "": none was needed */
};

struct pp_analyzer {
	pid_t pid;
	int control; /* our connection to it */
	char token[PP_WIRE_TOKEN_SIZE + 1];
};

struct pp_analyzer_settings {
	const char *output;
	bool summary;
	const char *note; /* a sentence for the report's not_observed list; NULL: none */
};

/* Installed or in a build folder, relative to this program. */
bool parts_find(struct pp_parts *parts, struct pp_error *error);
void parts_link_remove(struct pp_parts *parts); /* when no analyzer was started */

/* Starts an analyzer that waits for us (its controller) and for the images of a new tree. */
bool analyzer_start(struct pp_analyzer *analyzer, const struct pp_parts *parts,
		    const struct pp_analyzer_settings *settings, struct pp_error *error);

/* Puts the library into this process's LD_PRELOAD, for the command to inherit; what was there stays. first: a library
 * that must come before all others (a sanitizer's runtime), or NULL. */
bool preload_set(const char *library, const char *first, struct pp_error *error);

#endif
