/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a command's result goes: standard output, or a file that is replaced as a whole or left as it was. One
 * thread.
 */
#ifndef PREPROF_OUTPUT_FILE_H
#define PREPROF_OUTPUT_FILE_H

#include "error.h"

#include <limits.h>
#include <stdio.h>

struct pp_output {
	FILE *file;
	char target[PATH_MAX]; /* "": standard output, or a device that is written directly */
	char temporary[PATH_MAX];
	char name[PATH_MAX]; /* as given, for messages */
};

/* path NULL: standard output. */
bool output_open(struct pp_output *output, const char *path, struct pp_error *error);

/* Brings all of it to its place; false with one line if some of it could not be written, with an empty one if the
 * reader of a pipe has gone. */
bool output_close(struct pp_output *output, struct pp_error *error);

void output_discard(struct pp_output *output);

#endif
