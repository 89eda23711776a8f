/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer; see json.h. */
#include "json.h"

#include "profile.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_init(struct pp_json *json, FILE *file)
{
	memset(json, 0, sizeof(*json));
	json->file = file;
}

uint32_t utf8_next(const unsigned char **text)
{
	const unsigned char *at = *text;
	uint32_t result = *at, least;
	int more;

	(*text)++;
	if (result < 0x80)
		return result;
	if (result >= 0xf0 && result < 0xf5)
		more = 3, result &= 7, least = 0x10000;
	else if (result >= 0xe0 && result < 0xf0)
		more = 2, result &= 15, least = 0x800;
	else if (result >= 0xc2 && result < 0xe0)
		more = 1, result &= 31, least = 0x80;
	else
		return UINT32_MAX;
	for (int i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		result = result << 6 | (at[i] & 0x3f);
	}
	if (result < least || result > 0x10ffff || (result >= 0xd800 && result < 0xe000))
		return UINT32_MAX;
	*text = at + 1 + more;
	return result;
}

static void quoted(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text, *from = at;

	putc_unlocked('"', file);
	while (*at) {
		const unsigned char *here = at;
		uint32_t character = utf8_next(&at);

		if (character >= 0x20 && character != '"' && character != '\\' && character != 0x7f &&
		    character != UINT32_MAX)
			continue;
		fwrite_unlocked(from, 1, (size_t)(here - from), file);
		from = at;
		if (character == UINT32_MAX)
			fputs_unlocked("\xef\xbf\xbd", file);
		else if (character == '"' || character == '\\')
			fprintf(file, "\\%c", (int)character);
		else if (character == '\n')
			fputs_unlocked("\\n", file);
		else if (character == '\t')
			fputs_unlocked("\\t", file);
		else
			fprintf(file, "\\u%04" PRIx32, character);
	}
	fwrite_unlocked(from, 1, (size_t)(at - from), file);
	putc_unlocked('"', file);
}

static void new_line(struct pp_json *json)
{
	if (json->flat)
		return;
	putc_unlocked('\n', json->file);
	for (uint32_t i = 0; i < json->depth; i++)
		putc_unlocked(' ', json->file);
}

/* What precedes a value: comma, line, key. */
static void value_begin(struct pp_json *json, const char *key)
{
	if (json->depth) {
		if (json->filled[json->depth])
			fputs_unlocked(json->flat ? ", " : ",", json->file);
		json->filled[json->depth] = true;
		new_line(json);
	}
	if (key) {
		quoted(json->file, key);
		fputs_unlocked(": ", json->file);
	}
}

static void nest(struct pp_json *json, const char *key, char bracket)
{
	value_begin(json, key);
	putc_unlocked(bracket, json->file);
	if (json->depth + 1 < PP_JSON_DEPTH)
		json->depth++;
	json->filled[json->depth] = false;
}

static void unnest(struct pp_json *json, char bracket)
{
	bool filled = json->filled[json->depth];

	json->depth--;
	if (filled)
		new_line(json);
	putc_unlocked(bracket, json->file);
	if (json->depth == 0)
		putc_unlocked('\n', json->file);
}

void json_object_begin(struct pp_json *json, const char *key)
{
	nest(json, key, '{');
}

void json_object_end(struct pp_json *json)
{
	unnest(json, '}');
}

void json_list_begin(struct pp_json *json, const char *key)
{
	nest(json, key, '[');
}

void json_list_end(struct pp_json *json)
{
	unnest(json, ']');
}

void json_flat_begin(struct pp_json *json, const char *key, bool list)
{
	nest(json, key, list ? '[' : '{');
	if (!json->flat)
		json->flat = json->depth;
}

void json_flat_end(struct pp_json *json, bool list)
{
	bool outermost = json->flat == json->depth;

	unnest(json, list ? ']' : '}');
	if (outermost)
		json->flat = 0;
}

void json_raw(struct pp_json *json, const char *key, const char *literal)
{
	value_begin(json, key);
	fputs_unlocked(literal, json->file);
}

void json_null(struct pp_json *json, const char *key)
{
	json_raw(json, key, "null");
}

void json_bool(struct pp_json *json, const char *key, bool value)
{
	json_raw(json, key, value ? "true" : "false");
}

void json_integer(struct pp_json *json, const char *key, int64_t value)
{
	value_begin(json, key);
	fprintf(json->file, "%" PRId64, value);
}

void json_unsigned(struct pp_json *json, const char *key, uint64_t value)
{
	char digits[24];
	char *at = digits + sizeof(digits);

	*--at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	json_raw(json, key, at);
}

void json_metric(struct pp_json *json, const char *key, uint64_t value)
{
	if (value == PP_UNKNOWN)
		json_null(json, key);
	else
		json_unsigned(json, key, value);
}

void json_number(struct pp_json *json, const char *key, double value)
{
	char digits[40];

	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	snprintf(digits, sizeof(digits), "%.10g", value);
	/* The decimal point, whatever the locale. */
	for (char *at = digits; *at; at++)
		if (*at == ',')
			*at = '.';
	json_raw(json, key, digits);
}

void json_text(struct pp_json *json, const char *key, const char *text)
{
	if (!text) {
		json_null(json, key);
		return;
	}
	value_begin(json, key);
	quoted(json->file, text);
}
