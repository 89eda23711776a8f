/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain columns for a terminal: numbers with units, names cut to fit, colours where wanted. Any thread; the buffers
 * are the caller's.
 */
#ifndef PREPROF_TEXT_H
#define PREPROF_TEXT_H

#include "report.h"

#define PP_TEXT_NUMBER 32
#define PP_TEXT_LINE   1024

/* "12.3 MiB", "40.0 ms", "1,234,567": of PP_TEXT_NUMBER bytes. PP_UNKNOWN gives "-". */
const char *text_bytes(char *buffer, uint64_t bytes);
const char *text_duration(char *buffer, uint64_t ns);
const char *text_count(char *buffer, uint64_t count);

/* A copy that can be printed: control characters and bad UTF-8 become '?', and at most `columns` characters stay: a
 * longer name loses its middle, where C++ names say least. buffer has room for PP_TEXT_LINE bytes. */
const char *text_fit(char *buffer, const char *name, uint32_t columns);
/* The same for a function's name, which loses the arguments of its templates and its own first: "f<...>(...)";
 * of Python's "f.<locals>.<lambda>" what is in the middle. */
const char *text_fit_function(char *buffer, const char *name, uint32_t columns);
uint32_t text_columns(const char *text); /* characters */

enum pp_style { PP_STYLE_PLAIN, PP_STYLE_TITLE, PP_STYLE_FAINT, PP_STYLE_HIGH, PP_STYLE_MEDIUM, PP_STYLE_LOW };

struct pp_text {
	FILE *file;
	uint32_t columns;
	bool colour;
};

void text_style(const struct pp_text *text, enum pp_style style);

/* Prints text broken at spaces: the first line goes on at column `used`, the others start at `indent`. */
void text_wrap(const struct pp_text *text, uint32_t used, uint32_t indent, const char *words);

#endif
