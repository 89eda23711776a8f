/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places: stacks as their reader sees them, by the line of the user's that names them, the library's function that it called, and the
 * functions that called it, as many as a row shows. Stacks that differ further in, further out, or in nothing that is shown (two
 * calls on one line, the callers' lines) are one place. And the innermost Python line of each stack. One thread; see
 * report_model.h.
 */
#include "report_model.h"

#include "memory.h"
#include "table.h"

#include <stdlib.h>

struct places {
	const struct pp_profile *profile;
	uint64_t *identities;  /* by frame; 0: not yet known */
	struct pp_table known; /* identities of the user's line and its callers: the place */
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

/* By function alone. */
static uint64_t function_identity(const struct pp_frame *frame)
{
	uint64_t hash = mix(frame->language, frame->module);

	return frame->function ? mix_text(hash, frame->function) : mix(hash, frame_entry(frame));
}

/* Equal for what is shown equal: 64 bits of a seeded hash. Never 0. */
static uint64_t frame_identity(struct places *places, uint32_t number)
{
	struct pp_frame frame;
	uint64_t hash;

	if (places->identities[number])
		return places->identities[number];
	frame = profile_frame(places->profile, number);
	hash = function_identity(&frame);
	if (frame.file)
		hash = mix(mix_text(hash, frame.file), frame.line);
	return places->identities[number] = hash | 1;
}

/* What calls the user's line, as far as rows show it. */
static uint64_t callers_identity(const struct places *places, uint32_t node, uint32_t user)
{
	uint64_t hash = 0, before = 0;
	struct pp_stack_walk walk;
	uint32_t number, shown = 0;
	bool named = false;

	stack_walk_init(&walk, node);
	while (shown < PP_CALLERS_SHOWN && stack_walk_next(places->profile, &walk, &number)) {
		struct pp_frame frame;
		uint64_t one;

		if (!named) {
			named = number == user;
			continue;
		}
		frame = profile_frame(places->profile, number);
		one = function_identity(&frame);
		if (!frame_is_shown(&frame) || one == before)
			continue;
		hash = mix(hash, one);
		before = one;
		shown++;
	}
	return hash;
}

static uint32_t place_of_stack(struct places *places, uint32_t node, uint32_t user, uint32_t called)
{
	uint64_t key, *found;

	if (user == PP_NONE)
		return 0;
	key = mix(frame_identity(places, user), callers_identity(places, node, user));
	if (called != PP_NONE) {
		struct pp_frame frame = profile_frame(places->profile, called);

		key = mix(key, function_identity(&frame));
	}
	key |= 1;
	found = table_find(&places->known, key);
	if (found)
		return (uint32_t)*found;
	table_set(&places->known, key, ++places->count);
	return places->count;
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

static void line_look(struct places *places, const struct pp_node *node, uint32_t *line)
{
	const struct pp_address *address;

	if (node->address == PP_NONE)
		return;
	address = &places->profile->addresses[node->address];
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
	struct places places = {
		.profile = profile,
		.identities = memory_array((size_t)profile->frame_count + profile->address_count, sizeof(uint64_t)),
		.line_frames = arena_array(model->arena, profile->frame_count, sizeof(uint32_t)),
	};

	table_seed_init();
	model->place_of = arena_array(model->arena, profile->node_count, sizeof(*model->place_of));
	model->naming_of = arena_array(model->arena, profile->node_count, sizeof(*model->naming_of));
	model->user_of = arena_array(model->arena, profile->node_count, sizeof(*model->user_of));
	model->python_line_of = arena_array(model->arena, profile->node_count, sizeof(*model->python_line_of));
	for (uint32_t i = 0; i < profile->node_count; i++) {
		uint32_t parent = i ? profile->nodes[i].parent : PP_NONE, called;

		model->python_line_of[i] = parent == PP_NONE ? PP_NONE : model->python_line_of[parent];
		if (marks[i])
			line_look(&places, &profile->nodes[i], &model->python_line_of[i]);
		if (!(marks[i] & 1))
			continue;
		model->naming_of[i] = model->python_line_of[i] == PP_NONE ? stack_naming_frame_native(profile, i)
									  : stack_naming_frame(profile, i);
		model->user_of[i] = stack_user_frame(profile, i, &called);
		model->place_of[i] = place_of_stack(&places, i, model->user_of[i], called);
	}
	model->place_count = places.count + 1;
	model->python_line_frames = places.line_frames;
	model->python_line_key_count = places.line_count;
	table_finish(&places.known);
	table_finish(&places.lines);
	free(places.identities);
}
