/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values among tokens; see sql_values.h. One walk with a stack of parentheses says of each word in double quotes
 * whether SQL's grammar has room for a string there; a second one lets those be names that are elsewhere in the
 * statement, since they tell nothing new.
 */
#include "sql_values.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the words in a list of the innermost parenthesis are, as far as it matters. */
enum clause { CLAUSE_OTHER, CLAUSE_TABLES, CLAUSE_SET };

struct level {
	uint8_t clause; /* enum clause */
	bool names;	/* each item of the list begins with a name: t("a", "b") */
};

/* Deeper than SQLite's own limit of a thousand nobody looks: there all is a value. */
#define LEVELS_MAX 256

struct walk {
	struct pp_sql_token *tokens; /* [0, count) are done, `next` is looked at */
	uint32_t count;
	const struct pp_sql_token *next; /* the token after that one */
	struct level levels[LEVELS_MAX];
	uint32_t depth;
	uint8_t statement; /* the keyword that it begins with; what is created */
	bool module;	   /* the arguments of a virtual table's module: any text */
};

static const struct pp_sql_token nothing;

/* The token `back` before the one that is looked at. */
static const struct pp_sql_token *token_before(const struct walk *walk, uint32_t back)
{
	return walk->count >= back ? &walk->tokens[walk->count - back] : &nothing;
}

static struct level *level_now(struct walk *walk)
{
	return &walk->levels[walk->depth < LEVELS_MAX ? walk->depth : LEVELS_MAX - 1];
}

static bool token_is_keyword(const struct pp_sql_token *token, enum pp_sql_keyword keyword)
{
	return token->kind == PP_TOKEN_WORD && token->keyword == keyword;
}

static bool token_is_name(const struct pp_sql_token *token)
{
	return token->mark != PP_MARK_VALUE && ((token->kind == PP_TOKEN_WORD && token->keyword == PP_KEY_NONE) ||
						token->kind == PP_TOKEN_NAME || token->kind == PP_TOKEN_QUOTED);
}

/* The end of a value: what follows is an operator, an alias or the next clause. */
static bool token_ends_operand(const struct pp_sql_token *token)
{
	return token_is_name(token) || token->mark == PP_MARK_VALUE || token->kind == PP_TOKEN_PARAMETER ||
	       token->kind == PP_TOKEN_CLOSE || token->kind == PP_TOKEN_ELLIPSIS ||
	       (token->kind == PP_TOKEN_WORD && (sql_keyword_flags(token->keyword) & PP_KEY_OPERAND));
}

/* ---- parentheses and clauses ---- */

/* INTO t(, TABLE main.t(, CREATE INDEX i ON t( and their like: a list of columns follows. */
static bool names_follow(const struct walk *walk)
{
	uint32_t back = 1;

	if (token_before(walk, 1)->kind == PP_TOKEN_WORD) {
		switch (token_before(walk, 1)->keyword) {
		case PP_KEY_USING:
		case PP_KEY_KEY:
		case PP_KEY_UNIQUE:
		case PP_KEY_CONFLICT:
		case PP_KEY_SET:
			return true;
		default:
			break;
		}
	}
	if (!token_is_name(token_before(walk, 1)))
		return false;
	if (token_before(walk, 2)->kind == PP_TOKEN_DOT)
		back = 3;
	if (token_before(walk, back + 1)->kind != PP_TOKEN_WORD)
		return false;
	switch (token_before(walk, back + 1)->keyword) {
	case PP_KEY_INTO:
	case PP_KEY_TABLE:
	case PP_KEY_REFERENCES:
	case PP_KEY_EXISTS:
	case PP_KEY_WITH:
	case PP_KEY_RECURSIVE:
		return true;
	case PP_KEY_ON:
		return walk->statement == PP_KEY_INDEX;
	default:
		return false;
	}
}

/* FROM ("a" JOIN "b"): a parenthesis around tables. */
static bool tables_follow(struct walk *walk)
{
	const struct pp_sql_token *before = token_before(walk, 1);

	if (token_is_keyword(before, PP_KEY_FROM) || token_is_keyword(before, PP_KEY_JOIN))
		return level_now(walk)->clause == CLAUSE_TABLES;
	return (before->kind == PP_TOKEN_COMMA || before->kind == PP_TOKEN_OPEN) &&
	       level_now(walk)->clause == CLAUSE_TABLES;
}

static void parenthesis_open(struct walk *walk)
{
	struct level level = {
		.clause = tables_follow(walk) ? CLAUSE_TABLES : CLAUSE_OTHER,
		.names = names_follow(walk),
	};

	walk->depth++;
	if (walk->depth < LEVELS_MAX)
		walk->levels[walk->depth] = level;
	else
		walk->levels[LEVELS_MAX - 1] = (struct level){0};
}

static void clause_enter(struct walk *walk, const struct pp_sql_token *token)
{
	struct level *level = level_now(walk);

	switch (token->keyword) {
	case PP_KEY_FROM:
		/* x IS DISTINCT FROM "y" is a comparison */
		level->clause = token_is_keyword(token_before(walk, 1), PP_KEY_DISTINCT) ? CLAUSE_OTHER : CLAUSE_TABLES;
		break;
	case PP_KEY_JOIN:
		level->clause = CLAUSE_TABLES;
		break;
	case PP_KEY_SET:
		level->clause = CLAUSE_SET;
		break;
	case PP_KEY_SELECT:
	case PP_KEY_WHERE:
	case PP_KEY_BY:
	case PP_KEY_HAVING:
	case PP_KEY_LIMIT:
	case PP_KEY_OFFSET:
	case PP_KEY_VALUES:
	case PP_KEY_RETURNING:
	case PP_KEY_WINDOW:
	case PP_KEY_ROWS:
	case PP_KEY_RANGE:
	case PP_KEY_GROUPS:
	case PP_KEY_DO:
		level->clause = CLAUSE_OTHER;
		break;
	default:
		break;
	}
	if (token->keyword == PP_KEY_USING && walk->statement == PP_KEY_VIRTUAL)
		walk->module = true;
}

static void statement_begin(struct walk *walk, const struct pp_sql_token *token)
{
	bool prefix =
		token->keyword == PP_KEY_EXPLAIN || token->keyword == PP_KEY_QUERY || token->keyword == PP_KEY_PLAN;

	if (walk->statement == PP_KEY_NONE && !prefix)
		walk->statement = token->keyword;
	/* CREATE [UNIQUE] INDEX, CREATE VIRTUAL TABLE */
	if (walk->statement == PP_KEY_CREATE && token->keyword != PP_KEY_UNIQUE)
		walk->statement = token->keyword;
}

/* ---- words in double quotes ---- */

static bool keyword_wants_name(const struct walk *walk, const struct pp_sql_token *before)
{
	if (before->kind != PP_TOKEN_WORD)
		return false;
	if (before->keyword == PP_KEY_FROM)
		return !token_is_keyword(token_before(walk, 2), PP_KEY_DISTINCT);
	if (before->keyword == PP_KEY_INTO)
		return walk->statement != PP_KEY_VACUUM;
	if (sql_keyword_flags(before->keyword) & PP_KEY_NAME_NEXT)
		return true;
	switch (before->keyword) { /* UPDATE OR IGNORE "t" */
	case PP_KEY_REPLACE:
	case PP_KEY_IGNORE:
	case PP_KEY_ABORT:
	case PP_KEY_FAIL:
	case PP_KEY_ROLLBACK:
		return token_is_keyword(token_before(walk, 2), PP_KEY_OR) &&
		       token_is_keyword(token_before(walk, 3), PP_KEY_UPDATE);
	default:
		return false;
	}
}

/* The word begins an item of a list in which items begin with names. */
static bool list_wants_name(struct walk *walk, const struct pp_sql_token *before)
{
	const struct level *level = level_now(walk);
	bool begins = before->kind == PP_TOKEN_OPEN || before->kind == PP_TOKEN_COMMA;

	if (walk->depth >= LEVELS_MAX)
		return false;
	if (begins && (level->names || level->clause == CLAUSE_TABLES))
		return true;
	return level->clause == CLAUSE_SET &&
	       (token_is_keyword(before, PP_KEY_SET) || before->kind == PP_TOKEN_COMMA) &&
	       walk->next->kind == PP_TOKEN_OPERATOR && *walk->next->text == '=';
}

static bool quoted_is_name(struct walk *walk)
{
	const struct pp_sql_token *before = token_before(walk, 1);

	if (walk->statement == PP_KEY_ATTACH)
		return token_is_keyword(before, PP_KEY_AS);
	if (walk->statement == PP_KEY_PRAGMA || walk->module)
		return false;
	if (before->kind == PP_TOKEN_DOT || walk->next->kind == PP_TOKEN_DOT || walk->next->kind == PP_TOKEN_OPEN)
		return true;
	/* Right after a value nothing but its alias can be; right after what is no SQL, anything. */
	return keyword_wants_name(walk, before) || (before->kind != PP_TOKEN_ILLEGAL && token_ends_operand(before)) ||
	       list_wants_name(walk, before);
}

/* ---- PRAGMA ---- */

static bool word_is(const struct pp_sql_token *token, const char *word)
{
	return strlen(word) == token->size && strncasecmp(token->text, word, token->size) == 0;
}

static bool word_is_among(const struct pp_sql_token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (word_is(token, words[i]))
			return true;
	return false;
}

/* A pragma's value may be a word as secret as a string: PRAGMA key = ... of encrypted databases. */
static bool pragma_word_is_value(const struct walk *walk, const struct pp_sql_token *token)
{
	static const char *const harmless[] = {"on",	      "off",	 "yes",	    "no",	"true",	   "false",
					       "delete",      "wal",	 "persist", "truncate", "memory",  "normal",
					       "full",	      "extra",	 "none",    "file",	"default", "exclusive",
					       "incremental", "passive", "restart"};
	static const char *const of_tables[] = {"table_info",	   "table_xinfo",      "table_list",
						"index_list",	   "index_info",       "index_xinfo",
						"quick_check",	   "foreign_key_list", "foreign_key_check",
						"integrity_check", "optimize"};
	const struct pp_sql_token *before = token_before(walk, 1);

	if (walk->statement != PP_KEY_PRAGMA || token_is_keyword(before, PP_KEY_PRAGMA) ||
	    before->kind == PP_TOKEN_DOT || walk->next->kind == PP_TOKEN_DOT)
		return false;
	if (token_is_keyword(token, PP_KEY_PRAGMA))
		return false;
	if (word_is_among(token, harmless, sizeof(harmless) / sizeof(harmless[0])))
		return false;
	return !word_is_among(token_before(walk, 2), of_tables, sizeof(of_tables) / sizeof(of_tables[0]));
}

/* ---- the walk ---- */

static bool token_is_value(struct walk *walk, const struct pp_sql_token *token, bool keep)
{
	switch (token->kind) {
	case PP_TOKEN_STRING:
	case PP_TOKEN_BLOB:
	case PP_TOKEN_NUMBER:
		return !keep;
	case PP_TOKEN_QUOTED:
		return !keep && !quoted_is_name(walk);
	case PP_TOKEN_WORD:
		return !keep && pragma_word_is_value(walk, token);
	case PP_TOKEN_NAME:
		return !keep && (walk->statement == PP_KEY_PRAGMA || walk->statement == PP_KEY_ATTACH);
	default:
		return token->kind == PP_TOKEN_ILLEGAL;
	}
}

/* PRAGMA key = "...", ATTACH "...": no column can be meant. */
static bool statement_takes_no_column(const struct walk *walk)
{
	return walk->module || walk->statement == PP_KEY_PRAGMA || walk->statement == PP_KEY_ATTACH ||
	       walk->statement == PP_KEY_VACUUM;
}

static bool token_is_sign(const struct pp_sql_token *token)
{
	return token->mark == PP_MARK_UNARY && *token->text != '~';
}

static bool token_is_dots(const struct pp_sql_token *token)
{
	return token->kind == PP_TOKEN_DOT || token->kind == PP_TOKEN_ELLIPSIS;
}

static void token_walk(struct walk *walk, struct pp_sql_token token, bool keep)
{
	/* What would look like another token when it is written close together. */
	if (token_is_dots(&token) && token_is_dots(token_before(walk, 1)))
		token.kind = PP_TOKEN_ILLEGAL;
	if (token.kind == PP_TOKEN_WORD)
		statement_begin(walk, &token);
	if (token_is_value(walk, &token, keep)) {
		token.mark = PP_MARK_VALUE;
		token.doubt = token.kind == PP_TOKEN_QUOTED && !statement_takes_no_column(walk);
		while (token.kind == PP_TOKEN_NUMBER && walk->count && token_is_sign(&walk->tokens[walk->count - 1]))
			walk->count--;
	} else if (token.kind == PP_TOKEN_OPERATOR && token.size == 1 && strchr("+-~", *token.text) &&
		   !token_ends_operand(token_before(walk, 1))) {
		token.mark = PP_MARK_UNARY;
	} else if (token.kind == PP_TOKEN_OPEN) {
		parenthesis_open(walk);
	} else if (token.kind == PP_TOKEN_CLOSE && walk->depth) {
		walk->depth--;
	} else if (token.kind == PP_TOKEN_WORD) {
		clause_enter(walk, &token);
	} else if (token.kind == PP_TOKEN_SEMICOLON && walk->depth == 0) {
		walk->statement = PP_KEY_NONE;
		walk->module = false;
		walk->levels[0] = (struct level){0};
	}
	walk->tokens[walk->count++] = token;
}

/* ---- names that are elsewhere in the statement ---- */

/* The name without its quotes, if nothing in it had to be written differently. */
static bool name_bare(const struct pp_sql_token *token, const char **text, uint32_t *size)
{
	bool quoted = token->kind == PP_TOKEN_QUOTED || token->kind == PP_TOKEN_NAME;

	*text = token->text + quoted;
	*size = token->size - 2 * quoted;
	return *size > 0 && !memchr(*text, '"', *size);
}

static int bare_compare(const void *left, const void *right)
{
	const char *a, *b;
	uint32_t a_size, b_size;

	name_bare(*(const struct pp_sql_token *const *)left, &a, &a_size);
	name_bare(*(const struct pp_sql_token *const *)right, &b, &b_size);
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	return memcmp(a, b, a_size);
}

static void known_names_keep(struct pp_sql_token *tokens, uint32_t count)
{
	const struct pp_sql_token **known = NULL, *token;
	uint32_t known_count = 0, doubtful = 0, size;
	const char *text;

	for (uint32_t i = 0; i < count; i++)
		doubtful += tokens[i].kind == PP_TOKEN_QUOTED && tokens[i].mark == PP_MARK_VALUE;
	if (!doubtful)
		return;
	known = memory_array(count, sizeof(*known));
	for (uint32_t i = 0; i < count; i++)
		if (token_is_name(&tokens[i]) && name_bare(&tokens[i], &text, &size))
			known[known_count++] = &tokens[i];
	qsort(known, known_count, sizeof(*known), bare_compare);
	for (uint32_t i = 0; i < count; i++) {
		token = &tokens[i];
		if (token->kind == PP_TOKEN_QUOTED && token->mark == PP_MARK_VALUE && name_bare(token, &text, &size) &&
		    bsearch(&token, known, known_count, sizeof(*known), bare_compare))
			tokens[i].mark = PP_MARK_PLAIN;
	}
	free(known);
}

static void doubts_settle(struct pp_sql_token *tokens, uint32_t count, struct pp_sql_doubt *doubt)
{
	uint32_t size;
	const char *text;

	for (uint32_t i = 0; i < count; i++) {
		if (!tokens[i].doubt || tokens[i].mark != PP_MARK_VALUE)
			continue;
		doubt->met = true;
		if (doubt->all || (doubt->is_name && name_bare(&tokens[i], &text, &size) &&
				   doubt->is_name(doubt->argument, text, size)))
			tokens[i].mark = PP_MARK_PLAIN;
	}
}

uint32_t sql_values_mark(struct pp_sql_token *tokens, uint32_t count, bool keep, struct pp_sql_doubt *doubt)
{
	struct walk walk = {.tokens = tokens};

	for (uint32_t i = 0; i < count; i++) {
		struct pp_sql_token token = tokens[i];

		walk.next = i + 1 < count ? &tokens[i + 1] : &nothing;
		token_walk(&walk, token, keep);
	}
	tokens[walk.count] = (struct pp_sql_token){.text = tokens[count].text, .kind = PP_TOKEN_END};
	known_names_keep(tokens, walk.count);
	doubts_settle(tokens, walk.count, doubt);
	return walk.count;
}
