/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON to a stream, value by value: nothing is built in memory, 64-bit integers are exact, and text that is
 * no UTF-8 has its bad bytes replaced by U+FFFD. Commas and indentation are the writer's business; that calls nest
 * properly is the caller's. Write errors stay in the stream (ferror). One thread.
 */
#ifndef PREPROF_JSON_H
#define PREPROF_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PP_JSON_DEPTH 32

struct pp_json {
	FILE *file;
	uint32_t depth;
	uint32_t flat;		    /* depth from which everything stays on one line; 0: nowhere */
	bool filled[PP_JSON_DEPTH]; /* something is already in this object or list */
};

void json_init(struct pp_json *json, FILE *file);

/* key NULL: an element of a list, or the whole document. */
void json_object_begin(struct pp_json *json, const char *key);
void json_object_end(struct pp_json *json);
void json_list_begin(struct pp_json *json, const char *key);
void json_list_end(struct pp_json *json);

/* The same on one line, whatever is in it. */
void json_flat_begin(struct pp_json *json, const char *key, bool list);
void json_flat_end(struct pp_json *json, bool list);

void json_null(struct pp_json *json, const char *key);
void json_bool(struct pp_json *json, const char *key, bool value);
void json_integer(struct pp_json *json, const char *key, int64_t value);
void json_unsigned(struct pp_json *json, const char *key, uint64_t value);
void json_metric(struct pp_json *json, const char *key, uint64_t value); /* PP_UNKNOWN: null */
void json_number(struct pp_json *json, const char *key, double value);	 /* NaN and infinity: null */
void json_text(struct pp_json *json, const char *key, const char *text); /* NULL: null */
void json_raw(struct pp_json *json, const char *key, const char *literal);

/* Moves *text past one character of well-formed UTF-8 and returns it; past one byte and UINT32_MAX for any other. */
uint32_t utf8_next(const unsigned char **text);

#endif
