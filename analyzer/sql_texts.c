/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and databases by number; see sql_texts.h. */
#include "sql_texts.h"

#include "memory.h"
#include "sql_normalize.h"

#include "preprof/wire.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_LIMIT (UINT32_C(1) << 24) /* texts of one process whose statement is remembered */

void sql_texts_finish(struct pp_sql_texts *texts)
{
	free(texts->statements);
	free(texts->databases);
	table_finish(&texts->statement_of);
	table_finish(&texts->doubt_known);
	table_finish(&texts->doubt_count);
	table_finish(&texts->database_of);
	memset(texts, 0, sizeof(*texts));
}

void sql_numbers_close(struct pp_sql_numbers *numbers)
{
	for (uint32_t i = 0; i < numbers->piece_count; i++)
		free(numbers->pieces[i].bytes);
	numbers->pieces = memory_fit(numbers->pieces, &numbers->piece_capacity, 0, sizeof(*numbers->pieces));
	numbers->statements =
		memory_fit(numbers->statements, &numbers->statement_capacity, 0, sizeof(*numbers->statements));
	numbers->piece_count = numbers->statement_count = 0;
	numbers->databases = memory_fit(numbers->databases, &numbers->database_capacity, numbers->database_count,
					sizeof(*numbers->databases));
	numbers->attached = memory_fit(numbers->attached, &numbers->attached_capacity, numbers->attached_count,
				       sizeof(*numbers->attached));
}

void sql_numbers_finish(struct pp_sql_numbers *numbers)
{
	sql_numbers_close(numbers);
	free(numbers->databases);
	free(numbers->attached);
	memset(numbers, 0, sizeof(*numbers));
}

static uint64_t text_hash(const char *text)
{
	uint64_t hash = 0;

	for (; *text; text++)
		hash = table_hash(hash ^ (unsigned char)*text);
	return hash;
}

/* Remembers what a number stands for: index + 1. The first word counts. */
static bool number_set(uint32_t **array, uint32_t *count, uint32_t *capacity, uint32_t number, uint32_t index)
{
	if (number == 0 || number >= NUMBER_LIMIT)
		return false;
	if (number >= *count) {
		*array = memory_grow(*array, capacity, (size_t)number + 1, sizeof(**array));
		*count = number + 1;
	}
	if (!(*array)[number])
		(*array)[number] = index + 1;
	return true;
}

/* Texts that differ in words which may be columns' names, or values. Of a program that quotes its values so there would be
 * no end of them: further ones are taken together. */
#define DOUBTS_MAX 256

static uint64_t doubt_of(struct pp_sql_texts *texts, const char *text, uint64_t doubt)
{
	uint64_t whole = text_hash(text), *known = table_find(&texts->doubt_known, whole ^ doubt),
		 *count = table_find(&texts->doubt_count, whole);

	if (!doubt || known)
		return doubt;
	if (count && *count >= DOUBTS_MAX)
		return 0;
	table_set(&texts->doubt_count, whole, count ? *count + 1 : 1);
	table_set(&texts->doubt_known, whole ^ doubt, 1);
	return doubt;
}

static uint32_t statement_intern(struct pp_sql_texts *texts, struct pp_arena *arena, const char *text, bool cut,
				 uint64_t doubt)
{
	uint64_t key = text_hash(text) ^ cut ^ doubt;
	struct pp_sql_statement *statement;
	uint64_t *found;

	while ((found = table_find(&texts->statement_of, key)) != NULL) {
		statement = &texts->statements[*found];
		if (statement->cut == cut && statement->doubt == doubt && strcmp(statement->text, text) == 0)
			return (uint32_t)*found;
		key++;
	}
	if (texts->statement_count >= PP_SQL_STATEMENT_LIMIT)
		return PP_NONE;
	texts->statements = memory_grow(texts->statements, &texts->statement_capacity,
					(size_t)texts->statement_count + 1, sizeof(*texts->statements));
	texts->statements[texts->statement_count] =
		(struct pp_sql_statement){.text = arena_string(arena, text), .cut = cut, .doubt = doubt};
	table_set(&texts->statement_of, key, texts->statement_count);
	return texts->statement_count++;
}

/* One text of each statement, for planning: what it says of values never leaves the analyzer. */
static void raw_keep(struct pp_sql_texts *texts, struct pp_arena *arena, uint32_t index, const char *bytes, size_t size)
{
	struct pp_sql_statement *statement = &texts->statements[index];

	if (statement->raw || size > PP_SQL_RAW_BYTES - texts->raw_bytes)
		return;
	statement->raw = arena_string_sized(arena, bytes, size);
	texts->raw_bytes += size;
}

static void text_finish(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers,
			const struct pp_sql_piece *text, const char *bytes, bool literals)
{
	struct pp_arena *scratch = arena_create();
	bool cut = text->kept < text->size;
	unsigned flags = (cut ? PP_SQL_CUT : 0) | (literals ? PP_SQL_KEEP_LITERALS : 0);
	struct pp_sql_doubt some = {0}, all = {.all = true};
	const char *shown = sql_normalize_doubtful(scratch, bytes, text->kept, flags, &some);
	uint64_t doubt = 0;
	uint32_t index;

	if (some.met && !cut)
		doubt = doubt_of(texts, shown,
				 text_hash(sql_normalize_doubtful(scratch, bytes, text->kept, flags, &all)) | 1);
	index = statement_intern(texts, arena, shown, cut, doubt);

	if (index != PP_NONE && !cut)
		raw_keep(texts, arena, index, bytes, text->kept);
	if (index != PP_NONE)
		number_set(&numbers->statements, &numbers->statement_count, &numbers->statement_capacity, text->number,
			   index);
	arena_destroy(scratch);
}

static struct pp_sql_piece *piece_of(struct pp_sql_numbers *numbers, uint32_t thread)
{
	if (thread >= numbers->piece_count) {
		numbers->pieces = memory_grow(numbers->pieces, &numbers->piece_capacity, (size_t)thread + 1,
					      sizeof(*numbers->pieces));
		numbers->piece_count = thread + 1;
	}
	return &numbers->pieces[thread];
}

bool sql_texts_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers, uint32_t thread,
		    const struct pp_sql_piece *piece, uint32_t offset, bool literals)
{
	struct pp_sql_piece *whole = piece_of(numbers, thread);

	if (piece->number == 0 || piece->kept > PP_SQL_TEXT_KEPT || piece->kept > piece->size || offset > piece->kept ||
	    piece->have > piece->kept - offset)
		return false;
	if (offset == 0 && piece->have == piece->kept) {
		text_finish(texts, arena, numbers, piece, piece->bytes, literals);
		return true;
	}
	if (offset == 0) {
		free(whole->bytes);
		*whole = (struct pp_sql_piece){.number = piece->number,
					       .kept = piece->kept,
					       .size = piece->size,
					       .bytes = memory_array(piece->kept, 1)};
	}
	/* Where a piece is lost, so is the text. */
	if (!whole->bytes || whole->number != piece->number || whole->kept != piece->kept || whole->have != offset)
		return true;
	memcpy(whole->bytes + offset, piece->bytes, piece->have);
	whole->have += piece->have;
	if (whole->have < whole->kept)
		return true;
	text_finish(texts, arena, numbers, whole, whole->bytes, literals);
	free(whole->bytes);
	memset(whole, 0, sizeof(*whole));
	return true;
}

static uint32_t database_intern(struct pp_sql_texts *texts, struct pp_arena *arena, const char *path, size_t size)
{
	char *copy = memory_array(size + 1, 1);
	uint64_t key, *found;
	uint32_t index;

	memcpy(copy, path, size);
	key = text_hash(copy);
	while ((found = table_find(&texts->database_of, key)) != NULL &&
	       strcmp(texts->databases[*found].path, copy) != 0)
		key++;
	index = found ? (uint32_t)*found : texts->database_count;
	if (!found && index < PP_SQL_DATABASE_LIMIT) {
		texts->databases = memory_grow(texts->databases, &texts->database_capacity, (size_t)index + 1,
					       sizeof(*texts->databases));
		texts->databases[index] = (struct pp_sql_database){.path = arena_string(arena, copy)};
		table_set(&texts->database_of, key, index);
		texts->database_count++;
	}
	free(copy);
	return index < PP_SQL_DATABASE_LIMIT ? index : PP_NONE;
}

bool sql_database_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers,
		       uint32_t number, const char *path, size_t size)
{
	uint32_t index = database_intern(texts, arena, path, size);

	return index == PP_NONE ||
	       number_set(&numbers->databases, &numbers->database_count, &numbers->database_capacity, number, index);
}

bool sql_attached_told(struct pp_sql_texts *texts, struct pp_arena *arena, struct pp_sql_numbers *numbers,
		       uint32_t number, const char *name, size_t name_size, size_t path_size)
{
	uint32_t index = database_intern(texts, arena, name + name_size, path_size);

	if (index == PP_NONE || numbers->attached_count >= PP_SQL_ATTACHED_LIMIT)
		return true;
	if (name_size == 0 || number == 0)
		return false;
	numbers->attached = memory_grow(numbers->attached, &numbers->attached_capacity,
					(size_t)numbers->attached_count + 1, sizeof(*numbers->attached));
	numbers->attached[numbers->attached_count++] =
		(struct pp_sql_attached){.set = number,
					 .database = index,
					 .name = arena_string_sized(arena, name, name_size)};
	return true;
}

void sql_library_told(struct pp_sql_texts *texts, const struct pp_sql_numbers *numbers, uint32_t number,
		      uint32_t version)
{
	uint32_t index = sql_numbers_database(numbers, number);

	if (index < texts->database_count && !texts->databases[index].library_version)
		texts->databases[index].library_version = version;
}
