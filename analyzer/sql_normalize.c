/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normal forms of SQL; see sql_normalize.h. Three passes over an array of tokens: which of them are values
 * (sql_values.c), which lists of values say no more than one of them, and then the text.
 */
#include "sql_normalize.h"

#include "memory.h"
#include "sql_values.h"

#include <stdlib.h>
#include <string.h>

/* More than any statement of that many bytes needs to fill a normal form, lists of values aside. */
#define TOKENS_MAX 1000000

/* ---- lists ---- */

static bool token_is_value(const struct pp_sql_token *token)
{
	return token->mark == PP_MARK_VALUE || token->kind == PP_TOKEN_PARAMETER ||
	       (token->kind == PP_TOKEN_WORD && token->keyword == PP_KEY_NULL);
}

static void tokens_drop(struct pp_sql_token *tokens, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		tokens[i].mark = PP_MARK_DROPPED;
}

/* tokens[from, to) become "...". */
static void tokens_elide(struct pp_sql_token *tokens, uint32_t from, uint32_t to)
{
	tokens_drop(tokens, from + 1, to);
	tokens[from].kind = PP_TOKEN_ELLIPSIS;
	tokens[from].mark = 0;
}

/* The parenthesis that closes the one at `open`; `count` if none does. */
static uint32_t parenthesis_end(const struct pp_sql_token *tokens, uint32_t count, uint32_t open)
{
	uint32_t depth = 0;

	for (uint32_t i = open; i < count; i++) {
		depth += tokens[i].kind == PP_TOKEN_OPEN;
		depth -= tokens[i].kind == PP_TOKEN_CLOSE;
		if (depth == 0)
			return i;
	}
	return count;
}

/* (1, ?, NULL): from its parenthesis on. Returns the index after what was looked at. */
static uint32_t in_list_fold(struct pp_sql_token *tokens, uint32_t count, uint32_t open)
{
	uint32_t at = open + 1;

	while (at < count && token_is_value(&tokens[at])) {
		at++;
		if (at == count || tokens[at].kind != PP_TOKEN_COMMA)
			break;
		at++;
	}
	if (at == open + 1 || tokens[at - 1].kind == PP_TOKEN_COMMA)
		return at;
	/* A text that was cut may end within the list. */
	if (at == count || tokens[at].kind == PP_TOKEN_CLOSE)
		tokens_elide(tokens, open + 1, at);
	return at;
}

static bool row_equals(const struct pp_sql_token *left, const struct pp_sql_token *right, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		if (token_is_value(&left[i]) && token_is_value(&right[i]))
			continue;
		if (left[i].mark != right[i].mark || left[i].kind != right[i].kind || left[i].size != right[i].size ||
		    memcmp(left[i].text, right[i].text, left[i].size) != 0)
			return false;
	}
	return true;
}

/* (1, 2), (3, 4), ...: from the first row's parenthesis on. */
static uint32_t rows_fold(struct pp_sql_token *tokens, uint32_t count, uint32_t first)
{
	uint32_t size = parenthesis_end(tokens, count, first) + 1 - first;
	uint32_t at = first + size, folded = 0;

	while (at + 1 < count && tokens[at].kind == PP_TOKEN_COMMA && tokens[at + 1].kind == PP_TOKEN_OPEN) {
		uint32_t end = parenthesis_end(tokens, count, at + 1);
		uint32_t row_size = end + 1 - (at + 1);

		/* A half row at a text's end may become like the others. */
		if (end < count ? row_size != size || !row_equals(&tokens[first], &tokens[at + 1], size)
				: row_size > size || !row_equals(&tokens[first], &tokens[at + 1], row_size - 1))
			break;
		if (folded == 0)
			folded = at + 1;
		at = end < count ? end + 1 : count;
	}
	/* Dots after the dots that stand for rows would be other tokens; no SQL has them there. */
	if (folded && (at == count || (tokens[at].kind != PP_TOKEN_DOT && tokens[at].kind != PP_TOKEN_ELLIPSIS)))
		tokens_elide(tokens, folded, at);
	return at;
}

static void lists_fold(struct pp_sql_token *tokens, uint32_t count)
{
	uint32_t at = 0;

	while (at + 1 < count) {
		bool opens = tokens[at].kind == PP_TOKEN_WORD && tokens[at + 1].kind == PP_TOKEN_OPEN;

		if (opens && tokens[at].keyword == PP_KEY_IN)
			at = in_list_fold(tokens, count, at + 1);
		else if (opens && tokens[at].keyword == PP_KEY_VALUES)
			at = rows_fold(tokens, count, at + 1);
		else
			at++;
	}
}

/* ---- text ---- */

struct output {
	char *text;
	uint32_t size, capacity;
	bool full;
};

/* The size of the valid sequence at `at`, 0 if it is none. */
static size_t utf8_size(const char *at, const char *end)
{
	const unsigned char *bytes = (const unsigned char *)at;
	size_t size = bytes[0] < 0x80	? 1
		      : bytes[0] < 0xc2 ? 0
		      : bytes[0] < 0xe0 ? 2
		      : bytes[0] < 0xf0 ? 3
		      : bytes[0] < 0xf5 ? 4
					: 0;

	if (size == 0 || (size_t)(end - at) < size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
	    (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return size;
}

/* A copy in which what is no UTF-8 is U+FFFD, as it will be shown: rows that look the same are the same. NULL: all is. */
static char *text_repair(const char *text, size_t *size)
{
	const char *at = text, *end = text + *size;
	char *copy, *to;
	size_t valid;

	while (at < end && (valid = utf8_size(at, end)) > 0)
		at += valid;
	if (at == end)
		return NULL;
	copy = to = memory_array(*size, 3);
	for (at = text; at < end; at += valid ? valid : 1) {
		valid = utf8_size(at, end);
		memcpy(to, valid ? at : "\xef\xbf\xbd", valid ? valid : 3);
		to += valid ? valid : 3;
	}
	*size = (size_t)(to - copy);
	return copy;
}

/* All of the bytes or none. */
static void output_put(struct output *output, const char *bytes, size_t size)
{
	if (output->full || size > PP_SQL_NORMAL_BYTES - output->size) {
		output->full = true;
		return;
	}
	output->text = memory_grow(output->text, &output->capacity, output->size + size + 8, 1);
	memcpy(output->text + output->size, bytes, size);
	output->size += (uint32_t)size;
}

/* What is no UTF-8 becomes U+FFFD. */
static void output_put_text(struct output *output, const char *text, size_t size)
{
	const char *end = text + size, *from = text;

	while (text < end) {
		size_t valid = utf8_size(text, end);

		if (valid) {
			text += valid;
			continue;
		}
		output_put(output, from, (size_t)(text - from));
		output_put(output, "\xef\xbf\xbd", 3);
		from = ++text;
	}
	output_put(output, from, (size_t)(end - from));
}

/* What is written after a word before a parenthesis: f(x), t(a, b), but IN (...) and VALUES (...). */
static bool token_touches_parenthesis(const struct pp_sql_token *token)
{
	if (token->kind == PP_TOKEN_WORD)
		return token->keyword == PP_KEY_NONE || (sql_keyword_flags(token->keyword) & PP_KEY_TIGHT);
	return token->kind == PP_TOKEN_NAME || token->kind == PP_TOKEN_QUOTED;
}

static bool space_between(const struct pp_sql_token *left, const struct pp_sql_token *right)
{
	if (left->kind == PP_TOKEN_OPEN || left->kind == PP_TOKEN_DOT)
		return false;
	/* Two minus signs would begin a comment, and "->" is an operator. */
	if (left->mark == PP_MARK_UNARY)
		return *left->text == '-' && right->kind == PP_TOKEN_OPERATOR && (*right->text == '-' || *right->text == '>');
	switch (right->kind) {
	case PP_TOKEN_COMMA:
	case PP_TOKEN_SEMICOLON:
	case PP_TOKEN_CLOSE:
	case PP_TOKEN_DOT:
		return false;
	case PP_TOKEN_OPEN:
		return left->mark == PP_MARK_VALUE || !token_touches_parenthesis(left);
	default:
		return true;
	}
}

static void token_put(struct output *output, const struct pp_sql_token *token)
{
	if (token->kind == PP_TOKEN_ELLIPSIS)
		output_put(output, "...", 3);
	else if (token->mark == PP_MARK_VALUE)
		output_put(output, "?", 1);
	else
		output_put_text(output, token->text, token->size);
}

static void tokens_put(struct output *output, const struct pp_sql_token *tokens, uint32_t count)
{
	const struct pp_sql_token *left = NULL;
	uint32_t whole = 0;

	for (uint32_t i = 0; i < count && !output->full; i++) {
		if (tokens[i].mark == PP_MARK_DROPPED)
			continue;
		whole = output->size;
		if (left && space_between(left, &tokens[i]))
			output_put(output, " ", 1);
		token_put(output, &tokens[i]);
		left = &tokens[i];
	}
	if (output->full)
		output->size = whole;
}

char *sql_normalize(struct pp_arena *arena, const char *sql, size_t size, unsigned flags)
{
	struct pp_sql_doubt doubt = {0};

	return sql_normalize_doubtful(arena, sql, size, flags, &doubt);
}

char *sql_normalize_doubtful(struct pp_arena *arena, const char *sql, size_t size, unsigned flags,
			     struct pp_sql_doubt *doubt)
{
	struct output output = {0};
	struct pp_sql_token *tokens;
	uint32_t count;
	char *normal, *repaired = text_repair(sql, &size);

	tokens = sql_tokens(repaired ? repaired : sql, size, TOKENS_MAX, &count);
	/* Nothing follows a statement's last semicolon but another statement. */
	while (count && tokens[count - 1].kind == PP_TOKEN_SEMICOLON)
		count--;
	count = sql_values_mark(tokens, count, (flags & PP_SQL_KEEP_LITERALS) != 0, doubt);
	if (!(flags & PP_SQL_KEEP_LITERALS))
		lists_fold(tokens, count);
	output.text = memory_grow(NULL, &output.capacity, 64, 1);
	tokens_put(&output, tokens, count);
	if (output.full || (flags & PP_SQL_CUT)) {
		bool told = output.size >= 3 && memcmp(output.text + output.size - 3, "...", 3) == 0;

		if (!told) {
			output.text = memory_grow(output.text, &output.capacity, output.size + 8, 1);
			memcpy(output.text + output.size, " ...", 4);
			output.size += 4;
		}
	}
	normal = arena_string_sized(arena, output.text, output.size);
	free(output.text);
	free(tokens);
	free(repaired);
	return normal;
}
