/* SPDX-License-Identifier: Apache-2.0 */
/* A statement's terms; see sql_terms.h. */
#include "sql_terms.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKENS_MAX 20000 /* of longer statements the rest is not looked at */

struct walk {
	const struct pp_sql_token *tokens; /* ended by PP_TOKEN_END */
	uint32_t count;
	struct pp_arena *arena;
	struct pp_sql_terms *terms;
};

static const struct pp_sql_token none;

static const struct pp_sql_token *token_at(const struct walk *walk, uint32_t at)
{
	return at < walk->count ? &walk->tokens[at] : &none;
}

static bool token_names(const struct pp_sql_token *token)
{
	return token->kind == PP_TOKEN_WORD || token->kind == PP_TOKEN_NAME || token->kind == PP_TOKEN_QUOTED;
}

/* Without quotes. */
static const char *token_name(const struct walk *walk, const struct pp_sql_token *token)
{
	char *name, *to;
	char quote = *token->text == '[' ? ']' : *token->text;

	if (token->kind == PP_TOKEN_WORD)
		return arena_string_sized(walk->arena, token->text, token->size);
	name = to = arena_string_sized(walk->arena, token->text + 1, token->size - 2);
	for (const char *from = name; *from; from++) {
		*to++ = *from;
		from += *from == quote && from[1] == quote;
	}
	*to = '\0';
	return name;
}

/* ---- comparisons ---- */

static uint32_t operator_roles(const struct pp_sql_token *token)
{
	if (token->kind == PP_TOKEN_OPERATOR) {
		if ((token->size == 1 && *token->text == '=') ||
		    (token->size == 2 && memcmp(token->text, "==", 2) == 0))
			return PP_SQL_EQUAL;
		if ((*token->text == '<' || *token->text == '>') && (token->size == 1 || token->text[1] == '='))
			return PP_SQL_RANGE;
		return 0;
	}
	switch (token->keyword) {
	case PP_KEY_IN:
	case PP_KEY_IS:
	case PP_KEY_ISNULL:
		return PP_SQL_EQUAL;
	case PP_KEY_BETWEEN:
		return PP_SQL_RANGE;
	case PP_KEY_LIKE:
	case PP_KEY_GLOB:
		return PP_SQL_PATTERN;
	default:
		return 0;
	}
}

static void term_add(struct walk *walk, const char *column, const char *function, uint32_t roles)
{
	struct pp_sql_terms *terms = walk->terms;

	for (uint32_t i = 0; i < terms->term_count; i++) {
		struct pp_sql_term *term = &terms->terms[i];

		if (strcasecmp(term->column, column) == 0 && !term->function == !function &&
		    (!function || strcasecmp(term->function, function) == 0)) {
			term->roles |= roles;
			return;
		}
	}
	if (terms->term_count < PP_SQL_TERMS_MAX)
		terms->terms[terms->term_count++] = (struct pp_sql_term){column, function, roles};
}

/* Functions of SQLite's that say the same every time. */
static bool function_is_known(const char *name)
{
	static const char *const names[] = {"lower", "upper", "length", "trim", "abs", "date", "hex", "typeof"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* The name at `at` is a column's: what is on both sides of it, of its qualifier, of its collation, of a function's
 * call? */
static void comparison_find(struct walk *walk, uint32_t at)
{
	uint32_t before = at, after = at + 1, roles;
	const char *function = NULL;

	while (before >= 2 && token_at(walk, before - 1)->kind == PP_TOKEN_DOT)
		before -= 2;
	if (before >= 2 && token_at(walk, before - 1)->kind == PP_TOKEN_OPEN &&
	    token_at(walk, after)->kind == PP_TOKEN_CLOSE) {
		const struct pp_sql_token *outer = token_at(walk, before - 2);

		if (outer->kind == PP_TOKEN_WORD && outer->keyword == PP_KEY_NONE)
			function = token_name(walk, outer);
		if (outer->keyword == PP_KEY_USING)
			term_add(walk, token_name(walk, token_at(walk, at)), NULL, PP_SQL_EQUAL);
		if (function && !function_is_known(function))
			return;
		before -= function ? 2 : 1;
		after++;
	}
	if (token_at(walk, after)->keyword == PP_KEY_COLLATE)
		after += 2;
	roles = operator_roles(token_at(walk, after));
	if (before > 0 && token_at(walk, before - 1)->kind == PP_TOKEN_OPERATOR)
		roles |= operator_roles(token_at(walk, before - 1));
	if (roles)
		term_add(walk, token_name(walk, token_at(walk, at)), function, roles);
}

/* ---- lists ---- */

/* An item of a list that is a column and no more; returns the index after it, 0: it is something else. */
static uint32_t item_take(struct walk *walk, uint32_t at, struct pp_sql_list *list)
{
	const struct pp_sql_token *token;

	while (token_names(token_at(walk, at)) && token_at(walk, at + 1)->kind == PP_TOKEN_DOT)
		at += 2;
	token = token_at(walk, at);
	if (!token_names(token) || list->count == PP_SQL_LIST_MAX)
		return 0;
	at++;
	if (token_at(walk, at)->keyword == PP_KEY_COLLATE)
		at += 2;
	list->columns[list->count] = token_name(walk, token);
	list->descending[list->count] = token_at(walk, at)->keyword == PP_KEY_DESC;
	if (token_at(walk, at)->keyword == PP_KEY_DESC || token_at(walk, at)->keyword == PP_KEY_ASC)
		at++;
	if (token_at(walk, at)->kind == PP_TOKEN_OPERATOR || token_at(walk, at)->kind == PP_TOKEN_OPEN)
		return 0;
	list->count++;
	return at;
}

static void list_find(struct walk *walk, uint32_t at)
{
	struct pp_sql_list *list = &walk->terms->lists[walk->terms->list_count];

	if (walk->terms->list_count == PP_SQL_LISTS_MAX)
		return;
	list->count = 0;
	while ((at = item_take(walk, at, list)) != 0 && token_at(walk, at)->kind == PP_TOKEN_COMMA)
		at++;
	walk->terms->list_count += list->count > 0;
}

static void collation_find(struct walk *walk, uint32_t at)
{
	struct pp_sql_terms *terms = walk->terms;
	const char *name;

	if (!token_names(token_at(walk, at)) || terms->collation_count == PP_SQL_COLLATIONS_MAX)
		return;
	name = token_name(walk, token_at(walk, at));
	for (uint32_t i = 0; i < terms->collation_count; i++)
		if (strcasecmp(terms->collations[i], name) == 0)
			return;
	terms->collations[terms->collation_count++] = name;
}

void sql_terms_find(const char *sql, struct pp_arena *arena, struct pp_sql_terms *terms)
{
	struct walk walk = {.arena = arena, .terms = terms};
	struct pp_sql_token *tokens;

	*terms = (struct pp_sql_terms){0};
	tokens = sql_tokens(sql, strlen(sql), TOKENS_MAX, &walk.count);
	walk.tokens = tokens;
	for (uint32_t i = 0; i < walk.count; i++) {
		const struct pp_sql_token *token = &tokens[i], *next = token_at(&walk, i + 1);

		if (token->keyword == PP_KEY_BY)
			list_find(&walk, i + 1);
		else if (token->keyword == PP_KEY_DISTINCT && i > 0 && tokens[i - 1].keyword == PP_KEY_SELECT)
			list_find(&walk, i + 1);
		else if (token->keyword == PP_KEY_COLLATE)
			collation_find(&walk, i + 1);
		else if (token_names(token) && next->kind != PP_TOKEN_DOT && next->kind != PP_TOKEN_OPEN)
			comparison_find(&walk, i);
	}
	free(tokens);
}
