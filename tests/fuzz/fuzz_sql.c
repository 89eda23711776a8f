/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text that is damaged or was made to harm. Whatever it is, its normal form is valid UTF-8, bounded, its own
 * normal form, and holds no token that is a value. And wherever such text is put in quotes, nothing of it comes out.
 */
#include "sql_normalize.h"
#include "sql_token.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void tokens_check(const char *normal, const char *again)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token;

	if (strcmp(normal, again) != 0 && strlen(normal) < PP_SQL_NORMAL_BYTES)
		abort();
	sql_scan(&scanner, normal, strlen(normal));
	while (sql_token_next(&scanner, &token))
		if (token.kind == PP_TOKEN_STRING || token.kind == PP_TOKEN_BLOB || token.kind == PP_TOKEN_NUMBER ||
		    token.kind == PP_TOKEN_ILLEGAL)
			abort();
}

/* The input as a string, in a statement: the form must not depend on it. */
static void string_check(struct pp_arena *arena, const uint8_t *bytes, size_t size, char quote)
{
	static const char before[] = "select a from t where b in (", after[] = ", c) and d = ?";
	char *sql = malloc(sizeof(before) + sizeof(after) + 2 * size + 2), *end;

	if (!sql)
		abort();
	memcpy(sql, before, sizeof(before) - 1);
	end = sql + sizeof(before) - 1;
	*end++ = quote;
	for (size_t i = 0; i < size && bytes[i]; i++) {
		if (bytes[i] == (uint8_t)quote)
			*end++ = quote;
		*end++ = (char)bytes[i];
	}
	*end++ = quote;
	memcpy(end, after, sizeof(after));
	if (strcmp(sql_normalize(arena, sql, strlen(sql), 0), "select a from t where b in (?, c) and d = ?") != 0) {
		/* unless it is a name of this statement's */
		if (quote != '"' || strnlen((const char *)bytes, size) > 1)
			abort();
	}
	free(sql);
}

static bool short_word(const void *argument, const char *word, size_t size)
{
	(void)argument;
	(void)word;
	return size < 4;
}

/* Where the schema says which words are names: again a normal form of its own, without values. */
static void doubtful_check(struct pp_arena *arena, const uint8_t *bytes, size_t size)
{
	for (int all = 0; all < 2; all++) {
		struct pp_sql_doubt doubt = {.all = all, .is_name = all ? NULL : short_word};
		const char *normal = sql_normalize_doubtful(arena, (const char *)bytes, size, 0, &doubt);

		tokens_check(normal, sql_normalize_doubtful(arena, normal, strlen(normal), 0, &doubt));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pp_arena *arena = arena_create();
	const char *normal;

	if (size) {
		normal = sql_normalize(arena, (const char *)bytes, size, 0);
		if (strlen(normal) > PP_SQL_NORMAL_BYTES + 4)
			abort();
		tokens_check(normal, sql_normalize(arena, normal, strlen(normal), 0));
		sql_normalize(arena, (const char *)bytes, size, PP_SQL_CUT);
		sql_normalize(arena, (const char *)bytes, size, PP_SQL_KEEP_LITERALS | PP_SQL_CUT);
		doubtful_check(arena, bytes, size);
		string_check(arena, bytes, size, '\'');
		string_check(arena, bytes, size, '"');
	}
	arena_destroy(arena);
	return 0;
}
