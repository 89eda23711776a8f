/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of Python code as they come from the shared memory, which is hostile: text, limits, line tables of noise. */
#include "arena.h"
#include "python_code.h"
#include "python_lines.h"
#include "stacks.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define ROOM 16384

struct made {
	struct pp_python_codes codes;
	struct pp_python_places places;
	struct pp_arena *arena;
	uint8_t *shared; /* nothing lies behind it */
	uint64_t at;
};

static struct made made_begin(void)
{
	struct made made = {.arena = arena_create(), .at = PP_WIRE_DEFS};

	table_seed_init();
	made.shared = calloc(1, PP_WIRE_DEFS + ROOM);
	return made;
}

static void made_end(struct made *made)
{
	python_codes_finish(&made->codes);
	python_places_finish(&made->places);
	arena_destroy(made->arena);
	free(made->shared);
}

static bool define(struct made *made, struct pp_wire_python_code wire, const void *file, const void *name, const void *lines)
{
	uint8_t *to = made->shared + made->at;
	uint32_t size = (uint32_t)(sizeof(wire) + wire.file_size + wire.name_size + wire.lines_size + 7) & ~7u;
	bool good;

	memcpy(to, &wire, sizeof(wire));
	memcpy(to + sizeof(wire), file, wire.file_size);
	memcpy(to + sizeof(wire) + wire.file_size, name, wire.name_size);
	memcpy(to + sizeof(wire) + wire.file_size + wire.name_size, lines, wire.lines_size);
	good = python_code_define(&made->codes, &made->places, made->arena, made->shared, made->at, size);
	made->at += size;
	return good;
}

static const struct pp_python_place *place(struct made *made, uint32_t id, uint32_t unit)
{
	uint64_t word = PP_NODE_VALID | PP_NODE_PYTHON | (uint64_t)id << PP_NODE_PYTHON_CODE_SHIFT | unit;
	uint32_t index = python_place(&made->places, made->arena, &made->codes, made->shared, word);

	PP_CHECK(index < made->places.count);
	return &made->places.places[index];
}

PP_TEST(text_of_every_width)
{
	struct made made = made_begin();
	const uint8_t latin[] = {'n', 0xe4, 'h'};
	const uint16_t two[] = {'f', 0x20ac, 0xd800, 1};
	const uint32_t four[] = {0x1f40d, 0x110000, '.', 'p'};

	PP_CHECK(define(&made,
			(struct pp_wire_python_code){.id = 1, .first_line = 7, .version = 0x0308, .file_kind = 4, .name_kind = 1,
						     .file_size = sizeof(four), .name_size = sizeof(latin)},
			four, latin, ""));
	PP_CHECK(define(&made,
			(struct pp_wire_python_code){.id = 2, .first_line = 7, .version = 0x030d, .name_kind = 2,
						     .file_size = 4, .name_size = sizeof(two)},
			"a.py", two, ""));
	PP_CHECK_STR(place(&made, 1, 0)->function, "n\xc3\xa4h");
	PP_CHECK_STR(place(&made, 1, 0)->file, "\xf0\x9f\x90\x8d?.p");
	PP_CHECK_STR(place(&made, 2, 0)->function, "f\xe2\x82\xac??");
	PP_CHECK_EQ(place(&made, 2, 0)->line, 7);
	made_end(&made);
}

/* Equal places are one, whichever code object they come from. */
PP_TEST(places_are_one)
{
	struct made made = made_begin();
	const uint8_t lines[] = {4, 1, 4, 2};
	const struct pp_wire_python_code wire = {.id = 1, .first_line = 10, .version = 0x0309, .file_size = 1, .name_size = 1,
						 .lines_size = sizeof(lines)};
	struct pp_wire_python_code again = wire;

	again.id = 2;
	PP_CHECK(define(&made, wire, "f", "n", lines));
	PP_CHECK(define(&made, again, "f", "n", lines));
	PP_CHECK_EQ(place(&made, 1, 1)->line, 10);
	PP_CHECK_EQ(place(&made, 1, 3)->line, 11);
	PP_CHECK_EQ(place(&made, 1, 5)->line, 13);
	PP_CHECK(place(&made, 2, 3) == place(&made, 1, 4));
	PP_CHECK_EQ(made.places.count, 3);
	made_end(&made);
}

PP_TEST(nonsense_is_refused)
{
	struct made made = made_begin();
	struct pp_wire_python_code wire = {.id = 1, .version = 0x030b, .file_size = 1, .name_size = 1};
	struct pp_wire_python_code bad;

	PP_CHECK(!python_code_define(&made.codes, &made.places, made.arena, made.shared, PP_WIRE_DEFS, 8));
	bad = wire, bad.id = 0;
	PP_CHECK(!define(&made, bad, "f", "n", ""));
	bad = wire, bad.id = UINT32_MAX;
	PP_CHECK(!define(&made, bad, "f", "n", ""));
	bad = wire, bad.file_kind = 3;
	PP_CHECK(!define(&made, bad, "f", "n", ""));
	bad = wire, bad.name_kind = 5;
	PP_CHECK(!define(&made, bad, "f", "n", ""));
	memcpy(made.shared + made.at, &wire, sizeof(wire));
	((struct pp_wire_python_code *)(void *)(made.shared + made.at))->lines_size = UINT32_MAX;
	PP_CHECK(!python_code_define(&made.codes, &made.places, made.arena, made.shared, made.at, 48));
	PP_CHECK_EQ(made.codes.count, 0);
	/* An id that nobody defined has a place all the same. */
	PP_CHECK(python_code_is_defined(&made.codes, PP_NODE_PYTHON));
	PP_CHECK(!python_code_is_defined(&made.codes, PP_NODE_PYTHON | UINT64_C(9) << PP_NODE_PYTHON_CODE_SHIFT));
	PP_CHECK_STR(place(&made, 0, 3)->function, "(Python function)");
	PP_CHECK_STR(place(&made, 9, 3)->function, "(Python function)");
	made_end(&made);
}

/* A definition behind one that another thread is still writing: the stack waits for it, and has the right name then. */
PP_TEST(stack_before_its_definition)
{
	uint8_t *shared = calloc(1, PP_WIRE_NODES + 4096);
	struct pp_image_stacks image = {.shared = shared, .shared_size = PP_WIRE_NODES + 4096, .executable = "/bin/x"};
	struct pp_wire_header *header = (void *)shared;
	struct pp_wire_node *node = (struct pp_wire_node *)(void *)(shared + PP_WIRE_NODES) + 1;
	struct pp_wire_def *unfinished = (void *)(shared + PP_WIRE_DEFS);
	struct pp_wire_python_code wire = {.def = {PP_DEF_PYTHON_CODE, 48}, .id = 1, .first_line = 3, .version = 0x030b,
					   .file_size = 4, .name_size = 4};
	struct pp_stacks stacks;
	uint32_t found;

	table_seed_init();
	stacks_init(&stacks);
	memcpy(shared + PP_WIRE_DEFS + 64, &wire, sizeof(wire));
	memcpy(shared + PP_WIRE_DEFS + 64 + sizeof(wire), "a.pyname", 8);
	header->def_bytes = 64 + 48;
	node->word = PP_NODE_VALID | PP_NODE_PYTHON | UINT64_C(1) << PP_NODE_PYTHON_CODE_SHIFT;
	image_stacks_define(&stacks, &image);
	PP_CHECK_EQ(image_stacks_node(&stacks, &image, 1), 0);
	*unfinished = (struct pp_wire_def){99, 64};
	image_stacks_define(&stacks, &image);
	found = image_stacks_node(&stacks, &image, 1);
	PP_CHECK(found != 0);
	PP_CHECK_STR(stacks.places.places[stacks.addresses[stacks.nodes[found].address].offset].function, "name");
	image_stacks_finish(&image);
	stacks_finish(&stacks);
	free(shared);
}

/* Whatever a table says, reading it ends, and stays inside. */
PP_TEST(tables_of_noise)
{
	uint32_t random = 12345;

	for (unsigned round = 0; round < 20000; round++) {
		uint32_t size = round % 24;
		uint8_t *table = malloc(size ? size : 1);

		for (uint32_t i = 0; i < size; i++)
			table[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
		for (uint16_t version = 0x0308; version <= 0x030d; version++)
			python_line(version, table, size, random % 100, random >> 8 & 0xffffff);
		free(table);
	}
	PP_CHECK_EQ(python_line(0x030b, NULL, 0, 5, 3), 5);
}
