/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements and databases of a process tree. A stream numbers the texts that its process prepared, literals and
 * all; here they become normal forms, of which there are few. A text comes in pieces, and may be spoken of before it
 * has come. The numbers are a process's own, statements and databases the tree's.
 *
 * One owner; not thread-safe. Strings lie in the trace's arena.
 */
#ifndef PREPROF_SQL_TEXTS_H
#define PREPROF_SQL_TEXTS_H

#include "arena.h"
#include "profile.h"
#include "table.h"

#define PP_SQL_STATEMENT_LIMIT (1U << 18) /* further ones have no text */
#define PP_SQL_DATABASE_LIMIT  (1U << 16)
#define PP_SQL_ATTACHED_LIMIT  (1U << 12) /* of a process */
#define PP_SQL_RAW_BYTES       (4U << 20) /* beyond which no text is kept as it came: it cannot be planned then */

/* Of the tree. */
struct pp_sql_texts {
	struct pp_sql_statement *statements;
	uint32_t statement_count, statement_capacity;
	struct pp_table statement_of; /* hash of the text to index */
	struct pp_table doubt_known, doubt_count; /* see doubt_of */
	struct pp_sql_database *databases;
	uint32_t database_count, database_capacity;
	struct pp_table database_of; /* hash of the path to index */
	size_t raw_bytes;	     /* of the texts that are kept as they came */
};

/* Of a process: its numbers. */
struct pp_sql_numbers {
	uint32_t *statements; /* by number; index + 1, 0: not heard of */
	uint32_t statement_count, statement_capacity;
	uint32_t *databases;
	uint32_t database_count, database_capacity;
	struct pp_sql_attached *attached; /* their set is a database's number */
	uint32_t attached_count, attached_capacity;
	struct pp_sql_piece *pieces; /* texts that have come in part, by thread */
	uint32_t piece_count, piece_capacity;
};

/* What a thread of the process has told of a text so far. */
struct pp_sql_piece {
	uint32_t number, kept, size, have;
	char *bytes; /* NULL: none under way */
};

void sql_texts_finish(struct pp_sql_texts *texts);
void sql_numbers_finish(struct pp_sql_numbers *numbers);
void sql_numbers_close(struct pp_sql_numbers *numbers); /* nothing more is told: only databases are asked for */

/* A piece of a text. false: it makes no sense. */
bool sql_texts_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers, uint32_t thread,
		    const struct pp_sql_piece *piece, uint32_t offset, bool literals);
bool sql_database_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers,
		       uint32_t number, const char *path, size_t size);
/* What was attached where `number` is spoken of; the path follows the name. */
bool sql_attached_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers,
		       uint32_t number, const char *name, size_t name_size, size_t path_size);
/* The version of the SQLite that opened it: the first that is told of counts. */
void sql_library_told(struct pp_sql_texts *texts, const struct pp_sql_numbers *numbers, uint32_t number,
		      uint32_t version);

/* Index; PP_NONE: nobody has told of it, or its text could not be had. */
static inline uint32_t sql_numbers_statement(const struct pp_sql_numbers *numbers, uint32_t number)
{
	return number < numbers->statement_count ? numbers->statements[number] - 1 : PP_NONE;
}

static inline uint32_t sql_numbers_database(const struct pp_sql_numbers *numbers, uint32_t number)
{
	return number < numbers->database_count ? numbers->databases[number] - 1 : PP_NONE;
}

#endif
