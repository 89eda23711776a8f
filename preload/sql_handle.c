/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQLite has given out, by its address: statements and connections, each with a place in a table whose buckets are
 * one cache line of keys. A key is found where it was put until it is taken out; nothing moves and nothing is given
 * back, so no look-up needs a lock: a handle is looked up by threads that have it from the one that made it. A table
 * that is full knows no further handle; steps of those are counted as skipped.
 *
 * Texts and files are numbered as they are met, and told once. Two threads that meet the same text at once tell it
 * twice, under two numbers, which is harmless.
 */
#include "sql.h"
#include "raw.h"

#include <string.h>

#define WAYS		   8
#define STATEMENT_BUCKETS  4096
#define CONNECTION_BUCKETS 256
#define TEXT_BUCKETS	   8192
#define DATABASES	   1024
#define PIECE_BYTES	   1024
#define NUMBER_LIMIT	   (UINT32_C(1) << 30)

struct handles {
	uintptr_t *keys;
	char *states;
	uint32_t buckets;
	uint32_t size; /* of a state */
};

struct text {
	uint64_t hash;	 /* 0: free */
	uint64_t number; /* 0: being filled in */
};

static struct handles statements = {.buckets = STATEMENT_BUCKETS, .size = sizeof(struct sql_statement)};
static struct handles connections = {.buckets = CONNECTION_BUCKETS, .size = sizeof(struct sql_connection)};
static struct text *texts;
static struct text databases[DATABASES];
static uint32_t text_count, database_count, attached_count;
uint32_t sql_generation = 1;

/* --- handles -------------------------------------------------------------------------------------------------------- */

static bool handles_make(struct handles *handles)
{
	size_t places = (size_t)handles->buckets * WAYS, keys = places * sizeof(*handles->keys);
	char *memory = raw_map(keys + places * handles->size);

	if (!memory)
		return false;
	handles->states = memory + keys;
	__atomic_store_n(&handles->keys, (uintptr_t *)(void *)memory, __ATOMIC_RELEASE);
	return true;
}

bool sql_handles_init(void)
{
	if (!texts)
		texts = raw_map(sizeof(*texts) * TEXT_BUCKETS * WAYS);
	return texts && (statements.keys || handles_make(&statements)) &&
	       (connections.keys || handles_make(&connections));
}

static inline uint64_t mix(uint64_t word)
{
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 29;
}

/* A handle has a bucket, and another for when that is full. */
static inline uintptr_t *bucket_of(const struct handles *handles, const void *handle, uint32_t which)
{
	uint64_t hash = mix((uintptr_t)handle);

	return handles->keys + (size_t)((which ? hash : hash >> 32) & (handles->buckets - 1)) * WAYS;
}

static inline void *state_of(const struct handles *handles, const uintptr_t *key)
{
	return handles->states + (size_t)(key - handles->keys) * handles->size;
}

static inline uintptr_t *key_find(const struct handles *handles, const void *handle)
{
	for (uint32_t which = 0; handle && handles->keys && which < 2; which++) {
		uintptr_t *bucket = bucket_of(handles, handle, which);

		for (uint32_t i = 0; i < WAYS; i++)
			if (__atomic_load_n(&bucket[i], __ATOMIC_RELAXED) == (uintptr_t)handle)
				return &bucket[i];
	}
	return NULL;
}

static void *handle_add(const struct handles *handles, const void *handle)
{
	uintptr_t *key = key_find(handles, handle);

	for (uint32_t which = 0; !key && handles->keys && which < 2; which++) {
		uintptr_t *bucket = bucket_of(handles, handle, which);

		for (uint32_t i = 0; !key && i < WAYS; i++) {
			uintptr_t none = 0;

			if (!bucket[i] && __atomic_compare_exchange_n(&bucket[i], &none, (uintptr_t)handle, false,
								      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
				key = &bucket[i];
		}
	}
	return key ? memset(state_of(handles, key), 0, handles->size) : NULL;
}

static void handle_drop(const struct handles *handles, const void *handle)
{
	uintptr_t *key = key_find(handles, handle);

	if (key)
		__atomic_store_n(key, 0, __ATOMIC_RELEASE);
}

struct sql_statement *sql_statement_find(const void *handle)
{
	uintptr_t *key = key_find(&statements, handle);

	return key ? state_of(&statements, key) : NULL;
}

const uintptr_t *sql_statement_key(const void *handle)
{
	return key_find(&statements, handle);
}

struct sql_statement *sql_statement_add(const void *handle)
{
	return handle_add(&statements, handle);
}

void sql_statement_drop(const void *handle)
{
	handle_drop(&statements, handle);
}

struct sql_connection *sql_connection_find(const void *handle)
{
	uintptr_t *key = key_find(&connections, handle);

	return key ? state_of(&connections, key) : NULL;
}

struct sql_connection *sql_connection_add(const void *handle)
{
	return handle_add(&connections, handle);
}

void sql_connection_drop(const void *handle)
{
	handle_drop(&connections, handle);
}

void sql_statements_each(void (*call)(const void *handle, struct sql_statement *statement, void *argument),
			 void *argument)
{
	for (size_t i = 0; statements.keys && i < (size_t)statements.buckets * WAYS; i++)
		if (statements.keys[i])
			call((const void *)statements.keys[i], state_of(&statements, &statements.keys[i]), argument);
}

void sql_connections_each(void (*call)(const void *handle, struct sql_connection *connection, void *argument),
			  void *argument)
{
	for (size_t i = 0; connections.keys && i < (size_t)connections.buckets * WAYS; i++)
		if (connections.keys[i])
			call((const void *)connections.keys[i], state_of(&connections, &connections.keys[i]), argument);
}

static void statement_forget(const void *handle, struct sql_statement *statement, void *library)
{
	if (statement->library == library)
		sql_statement_drop(handle);
}

static void connection_forget(const void *handle, struct sql_connection *connection, void *library)
{
	if (connection->library == library)
		sql_connection_drop(handle);
}

void sql_handles_forget(const struct sql_library *library)
{
	sql_statements_each(statement_forget, (void *)(uintptr_t)library);
	sql_connections_each(connection_forget, (void *)(uintptr_t)library);
}

/* --- texts and files -------------------------------------------------------------------------------------------------- */

static uint64_t bytes_hash(const char *bytes, size_t size)
{
	uint64_t hash = size, word;

	for (; size >= 8; bytes += 8, size -= 8) {
		memcpy(&word, bytes, 8);
		hash = mix(hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
	}
	word = 0;
	memcpy(&word, bytes, size);
	hash = mix(hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

/* The number behind a hash: 0 where this caller must fill it in, at *place (NULL: there is no room to keep it). */
static uint32_t number_find(struct text *bucket, uint32_t ways, uint64_t hash, struct text **place)
{
	*place = NULL;
	for (uint32_t i = 0; i < ways; i++) {
		uint64_t seen = __atomic_load_n(&bucket[i].hash, __ATOMIC_ACQUIRE);

		if (!seen && __atomic_compare_exchange_n(&bucket[i].hash, &seen, hash, false, __ATOMIC_ACQ_REL,
							 __ATOMIC_ACQUIRE)) {
			*place = &bucket[i];
			return 0;
		}
		if (seen == hash)
			return (uint32_t)__atomic_load_n(&bucket[i].number, __ATOMIC_ACQUIRE);
	}
	return 0;
}

static void text_emit(struct pp_thread *thread, uint32_t number, const char *text, size_t size)
{
	uint32_t kept = size < PP_SQL_TEXT_KEPT ? (uint32_t)size : PP_SQL_TEXT_KEPT, at = 0;
	uint64_t payload[3 + PIECE_BYTES / 8];

	do {
		uint32_t piece = kept - at < PIECE_BYTES ? kept - at : PIECE_BYTES;

		payload[0] = number;
		payload[1] = (uint64_t)kept << 32 | (size < UINT32_MAX ? (uint32_t)size : UINT32_MAX);
		payload[2] = (uint64_t)piece << 32 | at;
		payload[3 + (piece ? piece - 1 : 0) / 8] = 0;
		memcpy(&payload[3], text + at, piece);
		emit_notice(thread, PP_EXT_SQL_TEXT, 0, payload, 3 + (piece + 7) / 8);
		at += piece;
	} while (at < kept);
}

uint32_t sql_text_number(struct pp_thread *thread, const char *text, size_t size)
{
	uint64_t hash = bytes_hash(text, size);
	struct text *place;
	uint32_t number = number_find(texts + (hash >> 20 & (TEXT_BUCKETS - 1)) * WAYS, WAYS, hash, &place);

	if (number)
		return number;
	number = __atomic_add_fetch(&text_count, 1, __ATOMIC_RELAXED);
	if (number >= NUMBER_LIMIT)
		return 0;
	text_emit(thread, number, text, size);
	if (place)
		__atomic_store_n(&place->number, number, __ATOMIC_RELEASE);
	return number;
}

bool sql_text_begins(const char *text, const char *word)
{
	for (;;) {
		while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
			text++;
		if (text[0] == '-' && text[1] == '-') {
			while (*text && *text != '\n')
				text++;
		} else if (text[0] == '/' && text[1] == '*') {
			for (text += 2; *text && !(text[0] == '*' && text[1] == '/'); text++)
				;
			text += *text ? 2 : 0;
		} else {
			break;
		}
	}
	for (; *word; text++, word++)
		if ((*text | 0x20) != *word)
			return false;
	return true;
}

static void database_emit(struct pp_thread *thread, uint32_t number, const char *path, size_t size,
			  uint32_t library_version)
{
	uint64_t payload[2 + PIECE_BYTES / 8 * 4], library[2] = {number, library_version};

	if (size > PIECE_BYTES * 4)
		size = PIECE_BYTES * 4;
	if (size > PP_WIRE_FRAME_SPACE - 256)
		size = PP_WIRE_FRAME_SPACE - 256;
	payload[0] = number;
	payload[1] = size;
	payload[2 + (size ? size - 1 : 0) / 8] = 0;
	memcpy(&payload[2], path, size);
	emit_notice(thread, PP_EXT_SQL_DATABASE, 0, payload, 2 + ((uint32_t)size + 7) / 8);
	if (!library_version)
		return;
	emit_notice(thread, PP_EXT_SQL_LIBRARY, 0, library, 2);
}

uint32_t sql_database_number(struct pp_thread *thread, const char *path, uint32_t library_version)
{
	size_t size = path ? strlen(path) : 0;
	uint64_t hash = bytes_hash(path ? path : "", size);
	struct text *place;
	uint32_t number = number_find(databases, DATABASES, hash, &place);

	if (number)
		return number;
	number = __atomic_add_fetch(&database_count, 1, __ATOMIC_RELAXED);
	if (number >= NUMBER_LIMIT || (!place && number > 2 * DATABASES))
		return 0;
	database_emit(thread, number, path ? path : "", size, library_version);
	if (place)
		__atomic_store_n(&place->number, number, __ATOMIC_RELEASE);
	return number;
}

#define ATTACHED_MAX 256 /* sets of attached files; further ones are not told apart from none */

static void attached_emit(struct pp_thread *thread, uint32_t number, const char *name, const char *path)
{
	size_t name_size = strlen(name), path_size = strlen(path);
	uint64_t payload[2 + PIECE_BYTES / 8] = {number, (uint64_t)path_size << 32 | name_size};

	if (name_size + path_size > PIECE_BYTES)
		return;
	memcpy(&payload[2], name, name_size);
	memcpy((char *)&payload[2] + name_size, path, path_size);
	emit_notice(thread, PP_EXT_SQL_ATTACHED, 0, payload, 2 + ((uint32_t)(name_size + path_size) + 7) / 8);
}

uint32_t sql_attached_number(struct pp_thread *thread, const char *path, uint32_t library_version, const char *attached,
			     size_t size)
{
	uint64_t hash = bytes_hash(attached, size) ^ bytes_hash(path ? path : "", path ? strlen(path) : 0) * 31;
	struct text *place;
	uint32_t number = number_find(databases, DATABASES, hash ? hash : 1, &place);

	if (number || !place)
		return number;
	if (__atomic_add_fetch(&attached_count, 1, __ATOMIC_RELAXED) > ATTACHED_MAX)
		return 0;
	number = __atomic_add_fetch(&database_count, 1, __ATOMIC_RELAXED);
	database_emit(thread, number, path ? path : "", path ? strlen(path) : 0, library_version);
	for (const char *name = attached, *end = attached + size; name < end;) {
		const char *file = name + strlen(name) + 1;

		attached_emit(thread, number, name, file);
		name = file + strlen(file) + 1;
	}
	__atomic_store_n(&place->number, number, __ATOMIC_RELEASE);
	return number;
}

void sql_numbers_reset(void)
{
	if (texts)
		memset(texts, 0, sizeof(*texts) * TEXT_BUCKETS * WAYS);
	memset(databases, 0, sizeof(databases));
	text_count = database_count = attached_count = 0;
}
