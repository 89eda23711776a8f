/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python code objects as an image defines them, and the places in Python source that its frames are at. Places are the
 * trace's: function, file, line and where the function begins, whichever process and however many code objects they come
 * from. Used by stacks.c and modules.c; one owner.
 */
#ifndef PREPROF_PYTHON_CODE_H
#define PREPROF_PYTHON_CODE_H

#include "table.h"

#include "preprof/wire.h"

#include <stdbool.h>

struct pp_arena;

struct pp_python_place {
	const char *function, *file;
	uint32_t line, first_line;
	uint32_t next; /* with the same hash, + 1 */
};

/* Of a trace. */
struct pp_python_places {
	struct pp_python_place *places;
	uint32_t count, capacity;
	struct pp_table place_of;
	struct pp_table string_of; /* hash to struct pp_python_string */
};

/* Of an image: by id - 1. */
struct pp_python_code {
	const char *function, *file; /* NULL: not defined */
	uint64_t lines_at; /* in the shared memory */
	uint32_t lines_size, first_line;
	uint16_t version;
};

struct pp_python_codes {
	struct pp_python_code *codes;
	uint32_t count, capacity;
};

/* A definition, all of `size` bytes, that begins at offset `at` of the shared memory. false: it makes no sense. */
bool python_code_define(struct pp_python_codes *codes, struct pp_python_places *places, struct pp_arena *arena,
			const uint8_t *shared, uint64_t at, uint32_t size);

/* Is the code of this frame word known, or never to be? */
bool python_code_is_defined(const struct pp_python_codes *codes, uint64_t word);

/* The place of a frame word with PP_NODE_PYTHON. An id that is not defined gives a place without a file. */
uint32_t python_place(struct pp_python_places *places, struct pp_arena *arena, const struct pp_python_codes *codes,
		      const uint8_t *shared, uint64_t word);

void python_codes_finish(struct pp_python_codes *codes);
void python_places_finish(struct pp_python_places *places);

#endif
