/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text in tokens, cut where SQLite cuts it. The text may be anything: incomplete, not UTF-8, hostile. Every byte
 * belongs to one token, to white space or to a comment. Pure functions; any thread.
 */
#ifndef PREPROF_SQL_TOKEN_H
#define PREPROF_SQL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pp_sql_token_kind {
	PP_TOKEN_END,
	PP_TOKEN_WORD,	 /* a keyword, or a name without quotes */
	PP_TOKEN_NAME,	 /* in back quotes or brackets: always a name */
	PP_TOKEN_QUOTED, /* in double quotes: a name, or what SQLite takes for a string if there is no such name */
	PP_TOKEN_STRING, /* in single quotes */
	PP_TOKEN_BLOB,
	PP_TOKEN_NUMBER,    /* and what begins like one */
	PP_TOKEN_PARAMETER, /* ? ?1 :name @name $name */
	PP_TOKEN_OPERATOR,
	PP_TOKEN_OPEN,	/* ( */
	PP_TOKEN_CLOSE, /* ) */
	PP_TOKEN_COMMA,
	PP_TOKEN_DOT,
	PP_TOKEN_SEMICOLON,
	PP_TOKEN_ELLIPSIS, /* ... : no SQL; stands for what a normal form leaves out */
	PP_TOKEN_ILLEGAL,  /* no token of SQL, or one whose end is missing */
};

/* What a keyword says of what may follow it; bits. */
enum pp_sql_keyword_flags {
	PP_KEY_NAME_NEXT = 1, /* only a name can follow */
	PP_KEY_OPERAND = 2,   /* a value by itself, or the end of one */
	PP_KEY_TIGHT = 4,     /* written like a function: no space before its parenthesis */
};

enum pp_sql_keyword {
	PP_KEY_NONE,
#define PP_SQL_KEYWORD(name, flags) PP_KEY_##name,
#include "sql_keywords.def"
#undef PP_SQL_KEYWORD
	PP_KEY_COUNT,
};

struct pp_sql_token {
	const char *text; /* in the scanned text */
	uint32_t size;
	uint8_t kind;	 /* enum pp_sql_token_kind */
	uint8_t keyword; /* enum pp_sql_keyword, of words */
	uint8_t mark;	 /* the caller's */
	uint8_t doubt;	 /* likewise */
};

struct pp_sql_scanner {
	const char *at, *end;
};

/* At most UINT32_MAX bytes are looked at; the text ends where SQLite ends it, at its first NUL. */
void sql_scan(struct pp_sql_scanner *scanner, const char *sql, size_t size);

/* false and PP_TOKEN_END after the last one. */
bool sql_token_next(struct pp_sql_scanner *scanner, struct pp_sql_token *token);

/* All of them, ended by PP_TOKEN_END; free() gives them back. limit: how many at most, the end not counted. */
struct pp_sql_token *sql_tokens(const char *sql, size_t size, uint32_t limit, uint32_t *count);

unsigned sql_keyword_flags(uint8_t keyword);

#endif
