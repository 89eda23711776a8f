/* SPDX-License-Identifier: Apache-2.0 */
/* The file name that OUTPUT's pattern stands for. Any thread. */
#ifndef PREPROF_OUTPUT_NAME_H
#define PREPROF_OUTPUT_NAME_H

#include "error.h"

#include <stddef.h>
#include <sys/types.h>

struct pp_output_facts {
	const char *executable; /* of the first image: path or name */
	pid_t pid;
};

/* false: the pattern is empty or has a % sequence that means nothing. */
bool output_pattern_check(const char *pattern, struct pp_error *error);

/* Expands %n %p %h %t %r %% and makes the name absolute in `folder` (which may be NULL for absolute patterns). */
bool output_name_expand(const char *pattern, const char *folder, const struct pp_output_facts *facts, char *result,
			size_t size, struct pp_error *error);

#endif
