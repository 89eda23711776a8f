/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder's part for the sql family's records; bits as drawn in preprof/wire.h. */
#include "records.h"

#include <string.h>

static inline uint64_t word_at(const uint8_t *at, size_t index)
{
	uint64_t word;

	memcpy(&word, at + 8 * index, sizeof(word));
	return word;
}

static uint32_t stack_checked(const struct pp_image *image, uint32_t stack)
{
	return stack < image->stack_limit ? stack : 0;
}

/* The record as the entry that it was made from. */
static bool entry_decode(const struct pp_image *image, const uint8_t *payload, size_t words,
			 struct pp_wire_sql_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	memcpy(entry, payload, 8 * PP_WIRE_SQL_WORDS);
	entry->stack = stack_checked(image, entry->stack);
	for (size_t i = PP_WIRE_SQL_WORDS; i < words; i++) {
		for (int half = 0; half < 2; half++) {
			uint32_t cell = (uint32_t)(word_at(payload, i) >> (32 * half));
			struct pp_wire_io_cell *at = &entry->cells[cell % PP_WIRE_SQL_CELLS];

			if (!(cell >> 16))
				continue;
			if (at->count)
				return false;
			*at = (struct pp_wire_io_cell){.bucket = (uint16_t)cell, .count = (uint16_t)(cell >> 16)};
		}
	}
	return true;
}

static bool text_record(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *payload, size_t words)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	struct pp_sql_piece piece = {.number = (uint32_t)word_at(payload, 0),
				     .size = (uint32_t)word_at(payload, 1),
				     .kept = (uint32_t)(word_at(payload, 1) >> 32),
				     .have = (uint32_t)(word_at(payload, 2) >> 32),
				     .bytes = (char *)(uintptr_t)(payload + 24)};

	return piece.have <= (words - 3) * 8 &&
	       sql_texts_told(&image->trace->sql, image->trace->arena, &image->sql.numbers, cursor->thread, &piece,
			      (uint32_t)word_at(payload, 2), header->switches & PP_SWITCH_SQL_LITERALS);
}

static void transaction_record(struct pp_image *image, const uint8_t *payload)
{
	uint64_t key = word_at(payload, 0), stacks = word_at(payload, 1), counts = word_at(payload, 4);
	struct pp_sql_transaction_state one = {.database = (uint32_t)key,
					       .outcome = (uint32_t)(key >> 32),
					       .begin_stack = stack_checked(image, (uint32_t)stacks),
					       .end_stack = stack_checked(image, (uint32_t)(stacks >> 32)),
					       .ns = word_at(payload, 2),
					       .begin_ns = word_at(payload, 3) - word_at(payload, 2),
					       .end_ns = word_at(payload, 3),
					       .statement_count = (uint32_t)counts,
					       .write_count = counts >> 32,
					       .sync_count = word_at(payload, 5),
					       .sync_ns = word_at(payload, 6),
					       .read_bytes = word_at(payload, 7),
					       .written_bytes = word_at(payload, 8)};

	if (one.outcome >= PP_SQL_COMMITTED && one.outcome <= PP_SQL_ABANDONED)
		sql_lens_transaction(&image->sql, &one);
	else
		image->damaged_count++;
}

/* The two words that an entry begins with. */
static struct pp_sql_key key_decode(const struct pp_image *image, uint64_t key, uint64_t rest)
{
	return (struct pp_sql_key){.statement = (uint32_t)key,
				   .database = (uint32_t)(key >> 32),
				   .stack = stack_checked(image, (uint32_t)rest),
				   .operation = (uint8_t)(rest >> 32),
				   .result = (uint8_t)(rest >> 40),
				   .flags = (uint16_t)(rest >> 48)};
}

static void slow_record(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *payload)
{
	struct pp_sql_slow_state one = {.thread = cursor->thread,
					.ns = word_at(payload, 2),
					.end_ns = word_at(payload, 3),
					.row_count = word_at(payload, 4),
					.fullscan_steps = word_at(payload, 5),
					.busy_ns = word_at(payload, 6),
					.sync_ns = word_at(payload, 7)};

	one.key = key_decode(image, word_at(payload, 0), word_at(payload, 1));
	sql_lens_slow(&image->sql, &one);
}

static void hold_record(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *payload)
{
	uint64_t key = word_at(payload, 0), stacks = word_at(payload, 1), longest = word_at(payload, 2);
	struct pp_sql_hold_state one = {.database = (uint32_t)key,
					.lock = (uint32_t)(key >> 32),
					.stack = stack_checked(image, (uint32_t)stacks),
					.end_stack = stack_checked(image, (uint32_t)(stacks >> 32)),
					.long_statement = (uint32_t)longest,
					.long_stack = stack_checked(image, (uint32_t)(longest >> 32)),
					.ns = word_at(payload, 3),
					.end_ns = word_at(payload, 4),
					.inside_ns = word_at(payload, 5),
					.long_ns = word_at(payload, 6),
					.connection = (uint32_t)word_at(payload, 7),
					.thread = cursor->thread};

	if (one.lock == PP_SQL_LOCK_READ || one.lock == PP_SQL_LOCK_WRITE)
		sql_lens_hold(&image->sql, &one);
	else
		image->damaged_count++;
}

static void wait_record(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *payload)
{
	struct pp_sql_wait_state one = {.ns = word_at(payload, 2),
					.end_ns = word_at(payload, 3),
					.connection = (uint32_t)word_at(payload, 4),
					.thread = cursor->thread};

	one.key = key_decode(image, word_at(payload, 0), word_at(payload, 1));
	sql_lens_wait(&image->sql, &one);
}

static bool database_record(struct pp_image *image, const uint8_t *payload, size_t words)
{
	uint64_t size = word_at(payload, 1);

	return size <= (words - 2) * 8 && word_at(payload, 0) <= UINT32_MAX &&
	       sql_database_told(&image->trace->sql, image->trace->arena, &image->sql.numbers,
				 (uint32_t)word_at(payload, 0), (const char *)payload + 16, (size_t)size);
}

static bool attached_record(struct pp_image *image, const uint8_t *payload, size_t words)
{
	uint64_t name_size = (uint32_t)word_at(payload, 1), path_size = word_at(payload, 1) >> 32;

	return name_size + path_size <= (words - 2) * 8 && word_at(payload, 0) <= UINT32_MAX &&
	       sql_attached_told(&image->trace->sql, image->trace->arena, &image->sql.numbers,
				 (uint32_t)word_at(payload, 0), (const char *)payload + 16, (size_t)name_size,
				 (size_t)path_size);
}

bool records_sql(struct pp_image *image, const struct pp_cursor *cursor, uint32_t kind, uint32_t argument,
		 const uint8_t *payload, size_t words)
{
	struct pp_wire_sql_entry entry;

	switch (kind) {
	case PP_EXT_SQL:
		if (!entry_decode(image, payload, words, &entry) ||
		    !sql_lens_told(&image->sql, cursor->thread, argument, &entry, cursor->time_ns))
			image->damaged_count++;
		return true;
	case PP_EXT_SQL_TEXT:
		image->damaged_count += !text_record(image, cursor, payload, words);
		return false;
	case PP_EXT_SQL_DATABASE:
		image->damaged_count += !database_record(image, payload, words);
		return false;
	case PP_EXT_SQL_LIBRARY:
		if (word_at(payload, 0) <= UINT32_MAX && word_at(payload, 1) <= UINT32_MAX)
			sql_library_told(&image->trace->sql, &image->sql.numbers, (uint32_t)word_at(payload, 0),
					 (uint32_t)word_at(payload, 1));
		return false;
	case PP_EXT_SQL_TRANSACTION:
		transaction_record(image, payload);
		return false;
	case PP_EXT_SQL_CACHE:
		sql_lens_cache(&image->sql, (uint32_t)word_at(payload, 0),
			       &(struct pp_sql_cache_state){.hits = word_at(payload, 1),
							    .misses = word_at(payload, 2),
							    .writes = word_at(payload, 3),
							    .spills = word_at(payload, 4)});
		return false;
	case PP_EXT_SQL_ATTACHED:
		image->damaged_count += !attached_record(image, payload, words);
		return false;
	case PP_EXT_SQL_HOLD:
		hold_record(image, cursor, payload);
		return false;
	case PP_EXT_SQL_WAIT:
		wait_record(image, cursor, payload);
		return false;
	default:
		slow_record(image, cursor, payload);
		return false;
	}
}
