/* SPDX-License-Identifier: Apache-2.0 */
/* Code objects and places; see python_code.h. What the shared memory holds is hostile. */
#include "python_code.h"

#include "arena.h"
#include "memory.h"
#include "python_lines.h"

#include <stdlib.h>
#include <string.h>

#define CODE_AHEAD  4096 /* ids that may have been given and never defined */
#define TEXT_LIMIT  4096 /* bytes, as the library cuts them */
#define NAME_ABSENT "(Python function)"

struct pp_python_string {
	struct pp_python_string *next;
	char text[];
};

static uint64_t text_hash(const char *text)
{
	uint64_t hash = table_seed;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/* One pointer for equal texts. */
static const char *string_intern(struct pp_python_places *places, struct pp_arena *arena, const char *text)
{
	uint64_t hash = text_hash(text), *first = table_find(&places->string_of, hash);
	struct pp_python_string *string = first ? (struct pp_python_string *)(uintptr_t)*first : NULL, *made;
	size_t size = strlen(text) + 1;

	for (made = string; made; made = made->next) {
		if (strcmp(made->text, text) == 0)
			return made->text;
	}
	made = arena_alloc(arena, sizeof(*made) + size);
	made->next = string;
	memcpy(made->text, text, size);
	table_set(&places->string_of, hash, (uint64_t)(uintptr_t)made);
	return made->text;
}

static char *utf8_put(char *to, uint32_t character)
{
	if (character < 0x20 || character == 0x7f || (character >= 0xd800 && character < 0xe000) || character > 0x10ffff)
		character = '?';
	if (character < 0x80) {
		*to++ = (char)character;
	} else if (character < 0x800) {
		*to++ = (char)(0xc0 | character >> 6);
		*to++ = (char)(0x80 | (character & 63));
	} else if (character < 0x10000) {
		*to++ = (char)(0xe0 | character >> 12);
		*to++ = (char)(0x80 | (character >> 6 & 63));
		*to++ = (char)(0x80 | (character & 63));
	} else {
		*to++ = (char)(0xf0 | character >> 18);
		*to++ = (char)(0x80 | (character >> 12 & 63));
		*to++ = (char)(0x80 | (character >> 6 & 63));
		*to++ = (char)(0x80 | (character & 63));
	}
	return to;
}

/* CPython's text, `width` bytes a character (0: ASCII), to UTF-8. */
static const char *text_decode(struct pp_python_places *places, struct pp_arena *arena, const uint8_t *from, uint32_t size,
			       uint8_t width)
{
	char text[2 * TEXT_LIMIT + 8], *to = text;

	width = width ? width : 1;
	for (uint32_t i = 0; i + width <= size; i += width) {
		uint32_t character = 0;

		memcpy(&character, from + i, width);
		to = utf8_put(to, character);
	}
	*to = '\0';
	return string_intern(places, arena, text);
}

bool python_code_define(struct pp_python_codes *codes, struct pp_python_places *places, struct pp_arena *arena,
			const uint8_t *shared, uint64_t at, uint32_t size)
{
	struct pp_wire_python_code wire;
	struct pp_python_code *code;
	const uint8_t *text = shared + at + sizeof(wire);

	if (size < sizeof(wire))
		return false;
	memcpy(&wire, shared + at, sizeof(wire));
	if (wire.id == 0 || wire.id > (at - PP_WIRE_DEFS) / sizeof(wire) + CODE_AHEAD || wire.file_size > TEXT_LIMIT || wire.name_size > TEXT_LIMIT ||
	    wire.file_kind > 4 || wire.file_kind == 3 || wire.name_kind > 4 || wire.name_kind == 3 ||
	    (uint64_t)sizeof(wire) + wire.file_size + wire.name_size + wire.lines_size > size)
		return false;
	if (wire.id > codes->count) {
		codes->codes = memory_grow(codes->codes, &codes->capacity, wire.id, sizeof(*codes->codes));
		memset(codes->codes + codes->count, 0, (wire.id - codes->count) * sizeof(*codes->codes));
		codes->count = wire.id;
	}
	code = &codes->codes[wire.id - 1];
	code->file = text_decode(places, arena, text, wire.file_size, wire.file_kind);
	code->function = text_decode(places, arena, text + wire.file_size, wire.name_size, wire.name_kind);
	code->lines_at = at + sizeof(wire) + wire.file_size + wire.name_size;
	code->lines_size = wire.lines_size;
	code->first_line = wire.first_line;
	code->version = wire.version;
	return true;
}

static uint32_t place_intern(struct pp_python_places *places, const char *function, const char *file, uint32_t line,
			     uint32_t first_line)
{
	uint64_t key = table_hash((uint64_t)(uintptr_t)function) ^ table_hash((uint64_t)(uintptr_t)file + 1) ^
		       table_hash((uint64_t)line << 32 | first_line);
	uint64_t *first = table_find(&places->place_of, key);

	for (uint32_t i = first ? (uint32_t)*first : 0; i; i = places->places[i - 1].next) {
		const struct pp_python_place *place = &places->places[i - 1];

		if (place->function == function && place->file == file && place->line == line &&
		    place->first_line == first_line)
			return i - 1;
	}
	places->places = memory_grow(places->places, &places->capacity, (size_t)places->count + 1, sizeof(*places->places));
	places->places[places->count] = (struct pp_python_place){.function = function,
								 .file = file,
								 .line = line,
								 .first_line = first_line,
								 .next = first ? (uint32_t)*first : 0};
	table_set(&places->place_of, key, places->count + 1);
	return places->count++;
}

static uint32_t code_number(uint64_t word)
{
	return (uint32_t)(word >> PP_NODE_PYTHON_CODE_SHIFT) & (PP_NODE_PYTHON_CODE_LIMIT - 1);
}

bool python_code_is_defined(const struct pp_python_codes *codes, uint64_t word)
{
	uint32_t id = code_number(word);

	return !id || (id <= codes->count && codes->codes[id - 1].function);
}

uint32_t python_place(struct pp_python_places *places, struct pp_arena *arena, const struct pp_python_codes *codes,
		      const uint8_t *shared, uint64_t word)
{
	uint32_t id = code_number(word);
	uint32_t unit = (uint32_t)(word & PP_NODE_PYTHON_UNIT), line;
	const struct pp_python_code *code = id && id <= codes->count ? &codes->codes[id - 1] : NULL;

	if (!code || !code->function)
		return place_intern(places, string_intern(places, arena, NAME_ABSENT), NULL, 0, 0);
	line = python_line(code->version, shared + code->lines_at, code->lines_size, code->first_line, unit);
	return place_intern(places, code->function, code->file, line, code->first_line);
}

void python_codes_finish(struct pp_python_codes *codes)
{
	free(codes->codes);
	memset(codes, 0, sizeof(*codes));
}

void python_places_finish(struct pp_python_places *places)
{
	free(places->places);
	table_finish(&places->place_of);
	table_finish(&places->string_of);
	memset(places, 0, sizeof(*places));
}
