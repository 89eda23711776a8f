/* SPDX-License-Identifier: Apache-2.0 */
/* SQL's tokens; see sql_token.h. The rules are those that SQLite documents and follows (its tokenize.c). */
#include "sql_token.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	unsigned flags;
} keywords[PP_KEY_COUNT] = {
#define PP_SQL_KEYWORD(name, flags) [PP_KEY_##name] = {#name, flags},
#include "sql_keywords.def"
#undef PP_SQL_KEYWORD
};

#define KEYWORD_SIZE_MAX 17 /* CURRENT_TIMESTAMP */

static uint8_t keyword_find(const char *text, size_t size)
{
	int low = 1, high = PP_KEY_COUNT - 1;

	if (size > KEYWORD_SIZE_MAX)
		return PP_KEY_NONE;
	while (low <= high) {
		int middle = (low + high) / 2;
		int order = strncasecmp(text, keywords[middle].name, size);

		if (order == 0 && keywords[middle].name[size] == '\0')
			return (uint8_t)middle;
		if (order <= 0) /* a beginning of the keyword sorts before it */
			high = middle - 1;
		else
			low = middle + 1;
	}
	return PP_KEY_NONE;
}

unsigned sql_keyword_flags(uint8_t keyword)
{
	return keyword < PP_KEY_COUNT ? keywords[keyword].flags : 0;
}

static bool byte_is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool byte_begins_word(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       (unsigned char)byte >= 0x80;
}

static bool byte_is_word(char byte)
{
	return byte_begins_word(byte) || byte_is_digit(byte) || byte == '$';
}

static bool byte_is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r' && byte != '\v');
}

/* The byte `ahead` of here; 0 past the end. */
static char byte_peek(const struct pp_sql_scanner *scanner, size_t ahead)
{
	return (size_t)(scanner->end - scanner->at) > ahead ? scanner->at[ahead] : '\0';
}

static void comment_skip(struct pp_sql_scanner *scanner)
{
	const char *end;

	if (*scanner->at == '-') {
		end = memchr(scanner->at, '\n', (size_t)(scanner->end - scanner->at));
		scanner->at = end ? end : scanner->end;
		return;
	}
	end = memmem(scanner->at + 2, (size_t)(scanner->end - scanner->at - 2), "*/", 2);
	scanner->at = end ? end + 2 : scanner->end;
}

static void space_skip(struct pp_sql_scanner *scanner)
{
	while (scanner->at < scanner->end) {
		char byte = *scanner->at, next = byte_peek(scanner, 1);

		if (byte_is_space(byte))
			scanner->at++;
		else if ((byte == '-' && next == '-') || (byte == '/' && next == '*'))
			comment_skip(scanner);
		else if (byte == '\xef' && next == '\xbb' && byte_peek(scanner, 2) == '\xbf')
			scanner->at += 3; /* a byte order mark */
		else
			return;
	}
}

/* Up to the closing quote, which is doubled where it is meant. */
static uint8_t quoted_take(struct pp_sql_scanner *scanner, char quote, uint8_t kind)
{
	scanner->at++;
	for (;;) {
		const char *end = memchr(scanner->at, quote, (size_t)(scanner->end - scanner->at));

		if (!end) {
			scanner->at = scanner->end;
			return PP_TOKEN_ILLEGAL;
		}
		scanner->at = end + 1;
		if (quote == ']' || byte_peek(scanner, 0) != quote)
			return kind;
		scanner->at++;
	}
}

static void word_take(struct pp_sql_scanner *scanner)
{
	while (scanner->at < scanner->end && byte_is_word(*scanner->at))
		scanner->at++;
}

/* Whatever goes on like a number or a word is part of it: 0x1F, 1_000, 1.5e-3, and 12abc, which is no SQL. */
static uint8_t number_take(struct pp_sql_scanner *scanner)
{
	bool hexadecimal = *scanner->at == '0' && (byte_peek(scanner, 1) | 0x20) == 'x';

	while (scanner->at < scanner->end) {
		char byte = *scanner->at;
		bool exponent = !hexadecimal && (byte | 0x20) == 'e';

		if (!byte_is_word(byte) && (byte != '.' || hexadecimal))
			break;
		scanner->at++;
		if (exponent && (byte_peek(scanner, 0) == '+' || byte_peek(scanner, 0) == '-') &&
		    byte_is_digit(byte_peek(scanner, 1)))
			scanner->at++;
	}
	return PP_TOKEN_NUMBER;
}

/* $a(b), where b is anything but space. Where it has no end it is no SQL, and any string in it is better seen as one. */
static void index_take(struct pp_sql_scanner *scanner)
{
	size_t size = 0;

	while (byte_peek(scanner, size) && !byte_is_space(byte_peek(scanner, size)) && byte_peek(scanner, size) != ')')
		size++;
	if (byte_peek(scanner, size) == ')')
		scanner->at += size + 1;
}

static uint8_t parameter_take(struct pp_sql_scanner *scanner)
{
	const char *start = scanner->at++;

	if (*start == '?') {
		while (byte_is_digit(byte_peek(scanner, 0)))
			scanner->at++;
		return PP_TOKEN_PARAMETER;
	}
	/* Tcl's variables: $a::b(c) */
	word_take(scanner);
	while (byte_peek(scanner, 0) == ':' && byte_peek(scanner, 1) == ':') {
		scanner->at += 2;
		word_take(scanner);
	}
	if (scanner->at == start + 1)
		return PP_TOKEN_ILLEGAL;
	if (byte_peek(scanner, 0) == '(')
		index_take(scanner);
	return *start == '#' ? PP_TOKEN_ILLEGAL : PP_TOKEN_PARAMETER;
}

static uint8_t operator_take(struct pp_sql_scanner *scanner)
{
	static const char *const operators[] = {"->>", "->", "||", "<=", ">=", "<>", "<<", ">>", "==", "!=", "+",
						"-",   "*",  "/",  "%",	 "&",  "|",  "<",  ">",	 "=",  "~"};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		size_t size = strlen(operators[i]);

		if ((size_t)(scanner->end - scanner->at) < size || memcmp(scanner->at, operators[i], size) != 0)
			continue;
		scanner->at += size;
		return PP_TOKEN_OPERATOR;
	}
	scanner->at++;
	return PP_TOKEN_ILLEGAL;
}

static uint8_t punctuation_kind(char byte)
{
	switch (byte) {
	case '(':
		return PP_TOKEN_OPEN;
	case ')':
		return PP_TOKEN_CLOSE;
	case ',':
		return PP_TOKEN_COMMA;
	case ';':
		return PP_TOKEN_SEMICOLON;
	default:
		return PP_TOKEN_END;
	}
}

static uint8_t dot_take(struct pp_sql_scanner *scanner)
{
	if (byte_is_digit(byte_peek(scanner, 1)))
		return number_take(scanner);
	if (byte_peek(scanner, 1) == '.' && byte_peek(scanner, 2) == '.') {
		scanner->at += 3;
		return PP_TOKEN_ELLIPSIS;
	}
	scanner->at++;
	return PP_TOKEN_DOT;
}

static uint8_t token_take(struct pp_sql_scanner *scanner)
{
	char byte = *scanner->at;
	uint8_t kind;

	if ((byte | 0x20) == 'x' && byte_peek(scanner, 1) == '\'') {
		scanner->at++;
		return quoted_take(scanner, '\'', PP_TOKEN_BLOB);
	}
	if (byte_begins_word(byte)) {
		word_take(scanner);
		return PP_TOKEN_WORD;
	}
	if (byte_is_digit(byte))
		return number_take(scanner);
	switch (byte) {
	case '\'':
		return quoted_take(scanner, '\'', PP_TOKEN_STRING);
	case '"':
		return quoted_take(scanner, '"', PP_TOKEN_QUOTED);
	case '`':
		return quoted_take(scanner, '`', PP_TOKEN_NAME);
	case '[':
		return quoted_take(scanner, ']', PP_TOKEN_NAME);
	case '.':
		return dot_take(scanner);
	case '?':
	case ':':
	case '@':
	case '$':
	case '#':
		return parameter_take(scanner);
	default:
		kind = punctuation_kind(byte);
		if (kind == PP_TOKEN_END)
			return operator_take(scanner);
		scanner->at++;
		return kind;
	}
}

void sql_scan(struct pp_sql_scanner *scanner, const char *sql, size_t size)
{
	scanner->at = sql;
	scanner->end = sql + strnlen(sql, size < UINT32_MAX ? size : UINT32_MAX);
}

bool sql_token_next(struct pp_sql_scanner *scanner, struct pp_sql_token *token)
{
	space_skip(scanner);
	*token = (struct pp_sql_token){.text = scanner->at};
	if (scanner->at == scanner->end)
		return false;
	token->kind = token_take(scanner);
	token->size = (uint32_t)(scanner->at - token->text);
	if (token->kind == PP_TOKEN_WORD)
		token->keyword = keyword_find(token->text, token->size);
	return true;
}

struct pp_sql_token *sql_tokens(const char *sql, size_t size, uint32_t limit, uint32_t *count)
{
	struct pp_sql_token *tokens = NULL;
	struct pp_sql_scanner scanner;
	uint32_t capacity = 0;
	bool more = true;

	*count = 0;
	sql_scan(&scanner, sql, size);
	while (more) {
		tokens = memory_grow(tokens, &capacity, (size_t)*count + 1, sizeof(*tokens));
		more = sql_token_next(&scanner, &tokens[*count]) && *count < limit;
		if (more)
			(*count)++;
	}
	tokens[*count] = (struct pp_sql_token){.text = scanner.at, .kind = PP_TOKEN_END};
	return tokens;
}
