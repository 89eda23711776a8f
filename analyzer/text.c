/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names as text; see text.h. */
#include "text.h"

#include "json.h"
#include "profile.h"

#include <inttypes.h>
#include <string.h>

/* Three digits, and a unit. */
static const char *scaled(char *buffer, double value, const char *unit)
{
	int digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;

	snprintf(buffer, PP_TEXT_NUMBER, "%.*f %s", digits, value, unit);
	return buffer;
}

const char *text_bytes(char *buffer, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes == PP_UNKNOWN)
		return strcpy(buffer, "-");
	if (bytes < 1024) {
		snprintf(buffer, PP_TEXT_NUMBER, "%u B", (unsigned)bytes);
		return buffer;
	}
	for (; value >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	return scaled(buffer, value, units[unit]);
}

const char *text_duration(char *buffer, uint64_t ns)
{
	double value = (double)ns;

	if (ns == PP_UNKNOWN)
		return strcpy(buffer, "-");
	if (ns < 1000)
		snprintf(buffer, PP_TEXT_NUMBER, "%u ns", (unsigned)ns);
	else if (value < 999500)
		scaled(buffer, value / 1e3, "us");
	else if (value < 999.5e6)
		scaled(buffer, value / 1e6, "ms");
	else if (value < 100e9)
		scaled(buffer, value / 1e9, "s");
	else if (value < 7200e9)
		snprintf(buffer, PP_TEXT_NUMBER, "%u:%02u min", (unsigned)(ns / UINT64_C(60000000000)),
			 (unsigned)(ns / 1000000000 % 60));
	else
		snprintf(buffer, PP_TEXT_NUMBER, "%" PRIu64 ":%02u h", ns / UINT64_C(3600000000000),
			 (unsigned)(ns / UINT64_C(60000000000) % 60));
	return buffer;
}

const char *text_count(char *buffer, uint64_t count)
{
	char digits[24];
	int length, used = 0;

	if (count == PP_UNKNOWN)
		return strcpy(buffer, "-");
	length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			buffer[used++] = ',';
		buffer[used++] = digits[i];
	}
	buffer[used] = '\0';
	return buffer;
}

uint32_t text_columns(const char *text)
{
	uint32_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

/* Copies until the text ends or the buffer is full, without what a terminal would act on. */
static void printable(char *buffer, size_t size, const char *name)
{
	const unsigned char *at = (const unsigned char *)name;
	size_t used = 0;

	while (*at) {
		const unsigned char *from = at;
		uint32_t character = utf8_next(&at);
		size_t length = (size_t)(at - from);

		if (used + length >= size)
			break;
		/* C0, DEL, C1 and the marks that turn the direction of writing */
		if (character < 0x20 || (character >= 0x7f && character < 0xa0) || character == UINT32_MAX ||
		    (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069))
			buffer[used++] = '?';
		else
			while (from < at)
				buffer[used++] = (char)*from++;
	}
	buffer[used] = '\0';
}

static size_t skip_characters(const char *text, uint32_t count)
{
	size_t at = 0;

	for (; text[at] && count; count--)
		for (at++; ((unsigned char)text[at] & 0xc0) == 0x80; at++)
			;
	return at;
}

const char *text_fit(char *buffer, const char *name, uint32_t columns)
{
	char whole[4 * PP_TEXT_LINE];
	uint32_t length, head, tail;
	const char *rest;
	size_t cut;

	printable(whole, sizeof(whole), name);
	length = text_columns(whole);
	if (columns > PP_TEXT_LINE / 4 - 1)
		columns = PP_TEXT_LINE / 4 - 1;
	if (length <= columns) {
		memcpy(buffer, whole, strlen(whole) + 1);
		return buffer;
	}
	if (columns < 8) {
		whole[skip_characters(whole, columns)] = '\0';
		memcpy(buffer, whole, strlen(whole) + 1);
		return buffer;
	}
	head = (columns - 3) / 2;
	tail = columns - 3 - head;
	cut = skip_characters(whole, head);
	memcpy(buffer, whole, cut);
	memcpy(buffer + cut, "...", 3);
	rest = whole + skip_characters(whole, length - tail);
	memcpy(buffer + cut + 3, rest, strlen(rest) + 1);
	return buffer;
}

/* The end of what opens at *at, a '<' or '(' with all that is nested in it; NULL: it does not close. */
static const char *bracket_end(const char *at)
{
	int depth = 0;

	for (; *at; at++) {
		if (*at == '<' || *at == '(')
			depth++;
		else if ((*at == '>' && at[-1] != '-') || *at == ')')
			depth--;
		if (depth == 0)
			return at;
	}
	return NULL;
}

/* Arguments of templates and of functions, emptied: "f<...>(...)". Of Python's names, "f.<locals>.<lambda>", the
 * function within stays: "f.<lambda>". What is no such name stays as it is. */
static void arguments_drop(char *buffer, size_t size, const char *name)
{
	const char *at = name, *end;
	size_t used = 0;

	while (*at && used + 8 < size) {
		bool is_operator = strncmp(at, "operator", 8) == 0;

		if (is_operator) {
			/* operator<<, operator(), operator-> : signs, not brackets */
			size_t length = 8 + strspn(at + 8, "<>-=*");

			length += strncmp(at + length, "()", 2) == 0 ? 2 : 0;
			for (; length && used + 8 < size; length--)
				buffer[used++] = *at++;
			continue;
		}
		if (strncmp(at, ".<locals>", 9) == 0) {
			at += 9;
			continue;
		}
		end = *at == '<' || *at == '(' ? bracket_end(at) : NULL;
		if (at != name && at[-1] != '.' && end && end > at + 4 && strncmp(at, "(anonymous", 10) != 0) {
			buffer[used++] = *at;
			memcpy(buffer + used, "...", 3);
			used += 3;
			at = end;
		}
		buffer[used++] = *at++;
	}
	buffer[used] = '\0';
}

const char *text_fit_function(char *buffer, const char *name, uint32_t columns)
{
	char shorter[2 * PP_TEXT_LINE];

	if (text_columns(name) <= columns)
		return text_fit(buffer, name, columns);
	arguments_drop(shorter, sizeof(shorter), name);
	return text_fit(buffer, shorter, columns);
}

void text_style(const struct pp_text *text, enum pp_style style)
{
	static const char *const codes[] = {
		[PP_STYLE_PLAIN] = "\033[0m",	[PP_STYLE_TITLE] = "\033[1m",	  [PP_STYLE_FAINT] = "\033[2m",
		[PP_STYLE_HIGH] = "\033[1;31m", [PP_STYLE_MEDIUM] = "\033[1;33m", [PP_STYLE_LOW] = "\033[1;36m",
	};

	if (text->colour)
		fputs(codes[style], text->file);
}

void text_wrap(const struct pp_text *text, uint32_t used, uint32_t indent, const char *words)
{
	bool fresh = true;

	while (*words) {
		size_t length = strcspn(words, " ");
		uint32_t columns = (uint32_t)length;

		if (!fresh && used + 1 + columns > text->columns) {
			fprintf(text->file, "\n%*s", (int)indent, "");
			used = indent;
			fresh = true;
		}
		if (!fresh) {
			putc(' ', text->file);
			used++;
		}
		fwrite(words, 1, length, text->file);
		used += columns;
		fresh = false;
		words += length;
		words += strspn(words, " ");
	}
	putc('\n', text->file);
}
