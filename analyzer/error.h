/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a function says what went wrong: it returns false and leaves one line of text, made where the context is
 * known: what, where, and what to do. Only main prints it.
 */
#ifndef PREPROF_ERROR_H
#define PREPROF_ERROR_H

#include <stdbool.h>

struct pp_error {
	char text[512];
};

/* Writes the text (cut to fit) and returns false. error may be NULL. */
bool error_set(struct pp_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
