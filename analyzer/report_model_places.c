/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places: stacks as their reader sees them, from the frame that names them outwards, by function and line. Stacks that
 * differ further in (which of a library's functions was called by the line) or in nothing that is shown (two calls on
 * one line) are one place. And the innermost Python line of each stack. One thread; see report_model.h.
 */
#include "report_model.h"

#include "memory.h"
#include "table.h"

#include <stdlib.h>

struct places {
	const struct pp_profile *profile;
	uint64_t *identities;  /* by frame; 0: not yet known */
	struct pp_table known; /* an outer place and a frame's identity: the place */
	uint32_t count;
	struct pp_table lines; /* identities of Python lines: number */
	uint32_t *line_frames;
	uint32_t line_count;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return table_hash(hash ^ table_hash(value + 1));
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	uint64_t sum = table_seed;

	for (; text && *text; text++)
		sum = (sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return mix(hash, sum);
}

/* Equal for what is shown equal: 64 bits of a seeded hash. Never 0. */
static uint64_t frame_identity(struct places *places, uint32_t number)
{
	struct pp_frame frame;
	uint64_t hash;

	if (places->identities[number])
		return places->identities[number];
	frame = profile_frame(places->profile, number);
	hash = mix(frame.language, frame.module);
	hash = frame.function ? mix_text(hash, frame.function) : mix(hash, frame_entry(&frame));
	if (frame.file)
		hash = mix(mix_text(hash, frame.file), frame.line);
	return places->identities[number] = hash | 1;
}

static uint32_t place_inside(struct places *places, uint32_t outer, uint32_t frame)
{
	uint64_t key = mix(frame_identity(places, frame), outer), *found = table_find(&places->known, key);

	if (found)
		return (uint32_t)*found;
	table_set(&places->known, key, ++places->count);
	return places->count;
}

/* The frames of one node's address, from the outermost to `last`, which is one of them. */
static uint32_t place_through(struct places *places, uint32_t outer, uint32_t address_number, uint32_t last)
{
	const struct pp_address *address = &places->profile->addresses[address_number];

	if (!address->frame_count)
		return place_inside(places, outer, places->profile->frame_count + address_number);
	for (uint32_t i = address->frame_count; i-- > 0 && address->first_frame + i >= last;)
		outer = place_inside(places, outer, address->first_frame + i);
	return outer;
}

static uint32_t line_number(struct places *places, uint32_t frame)
{
	uint64_t key = frame_identity(places, frame), *found = table_find(&places->lines, key);

	if (found)
		return (uint32_t)*found;
	table_set(&places->lines, key, places->line_count);
	places->line_frames[places->line_count] = frame;
	return places->line_count++;
}

static bool address_has(const struct pp_profile *profile, uint32_t address_number, uint32_t frame)
{
	const struct pp_address *address = &profile->addresses[address_number];

	if (!address->frame_count)
		return frame == profile->frame_count + address_number;
	return frame >= address->first_frame && frame - address->first_frame < address->frame_count;
}

/* `all`: by node, the place of its innermost frame. */
static uint32_t named_place(struct places *places, const uint32_t *all, uint32_t node, uint32_t frame)
{
	const struct pp_profile *profile = places->profile;

	for (; frame != PP_NONE && node != PP_NONE; node = profile->nodes[node].parent)
		if (profile->nodes[node].address != PP_NONE &&
		    address_has(profile, profile->nodes[node].address, frame))
			return place_through(places, all[profile->nodes[node].parent], profile->nodes[node].address,
					     frame);
	return 0;
}

/* 1: a site's stack ends here; 2: a part of such a stack. */
static uint8_t *nodes_mark(const struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint8_t *marks = arena_array(model->arena, profile->node_count, sizeof(*marks));

	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		marks[profile->mem_sites[i].node] = 1 | 2;
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		marks[profile->io_sites[i].node] = 1 | 2;
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		marks[profile->io_descriptors[i].node] = 1 | 2;
	for (uint32_t i = profile->node_count; i-- > 1;)
		marks[profile->nodes[i].parent] |= marks[i] & 2;
	return marks;
}

static void node_look(struct places *places, const struct pp_node *node, uint32_t *place, uint32_t *line)
{
	const struct pp_address *address;

	if (node->address == PP_NONE)
		return;
	address = &places->profile->addresses[node->address];
	*place = place_through(places, *place, node->address, address->first_frame);
	for (uint32_t i = 0; i < address->frame_count; i++) {
		if (places->profile->frames[address->first_frame + i].language == PP_LANGUAGE_PYTHON) {
			*line = line_number(places, address->first_frame + i);
			return;
		}
	}
}

void model_places(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	const uint8_t *marks = nodes_mark(model);
	uint32_t *all = memory_array(profile->node_count, sizeof(*all));
	struct places places = {
		.profile = profile,
		.identities = memory_array((size_t)profile->frame_count + profile->address_count, sizeof(uint64_t)),
		.line_frames = arena_array(model->arena, profile->frame_count, sizeof(uint32_t)),
	};

	table_seed_init();
	model->place_of = arena_array(model->arena, profile->node_count, sizeof(*model->place_of));
	model->naming_of = arena_array(model->arena, profile->node_count, sizeof(*model->naming_of));
	model->python_line_of = arena_array(model->arena, profile->node_count, sizeof(*model->python_line_of));
	for (uint32_t i = 0; i < profile->node_count; i++) {
		uint32_t parent = i ? profile->nodes[i].parent : PP_NONE;

		model->python_line_of[i] = parent == PP_NONE ? PP_NONE : model->python_line_of[parent];
		all[i] = parent == PP_NONE ? 0 : all[parent];
		if (marks[i])
			node_look(&places, &profile->nodes[i], &all[i], &model->python_line_of[i]);
		if (!(marks[i] & 1))
			continue;
		model->naming_of[i] = model->python_line_of[i] == PP_NONE ? stack_naming_frame_native(profile, i)
									  : stack_naming_frame(profile, i);
		model->place_of[i] = named_place(&places, all, i, model->naming_of[i]);
	}
	model->place_count = places.count + 1;
	model->python_line_frames = places.line_frames;
	model->python_line_key_count = places.line_count;
	table_finish(&places.known);
	table_finish(&places.lines);
	free(places.identities);
	free(all);
}
