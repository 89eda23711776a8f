/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of each function that takes CPU time: its hottest line, and for which line of the user's a library's function works most of its
 * time. One thread; see report_model.h.
 */
#include "report_model.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* One stack's time in a function. */
struct part {
	uint32_t group;
	uint32_t frame; /* a line of the function, or the user's */
	uint32_t line;
	const char *file, *function; /* of that frame */
	uint64_t self_ns, total_ns;
};

struct parts {
	const struct pp_profile *profile;
	struct part *parts;
	uint32_t count, capacity;
};

static int text_compare(const char *a, const char *b)
{
	return a == b ? 0 : !a ? -1 : !b ? 1 : strcmp(a, b);
}

static int part_compare(const void *left, const void *right)
{
	const struct part *a = left, *b = right;
	int files;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	files = text_compare(a->file, b->file);
	return files ? files : text_compare(a->function, b->function);
}

static void part_add(struct parts *parts, uint32_t group, uint32_t number, uint64_t self_ns, uint64_t total_ns)
{
	struct pp_frame frame = profile_frame(parts->profile, number);

	parts->parts = memory_grow(parts->parts, &parts->capacity, (size_t)parts->count + 1, sizeof(*parts->parts));
	parts->parts[parts->count++] =
		(struct part){group, number, frame.line, frame.file, frame.function, self_ns, total_ns};
}

/* Sums of equal parts; of each group the largest: by its self time, by its total where that is 0. */
static void parts_choose(struct parts *parts, uint32_t *chosen, uint32_t group_count)
{
	struct part most = {0};

	for (uint32_t i = 0; i < group_count; i++)
		chosen[i] = PP_NONE;
	if (parts->count)
		qsort(parts->parts, parts->count, sizeof(*parts->parts), part_compare);
	for (uint32_t first = 0, next; first < parts->count; first = next) {
		struct part sum = parts->parts[first];

		for (next = first + 1; next < parts->count && part_compare(&sum, &parts->parts[next]) == 0; next++) {
			sum.self_ns += parts->parts[next].self_ns;
			sum.total_ns += parts->parts[next].total_ns;
		}
		if (chosen[sum.group] == PP_NONE || sum.self_ns > most.self_ns ||
		    (sum.self_ns == most.self_ns && sum.total_ns > most.total_ns)) {
			most = sum;
			chosen[sum.group] = sum.frame;
		}
	}
	free(parts->parts);
}

struct frame_time {
	uint64_t self_ns, total_ns;
};

static void frames_count(struct frame_time *frames, const struct pp_profile *profile, uint32_t node, uint64_t ns)
{
	struct pp_stack_walk walk;
	bool innermost = true;
	uint32_t frame;

	stack_walk_init(&walk, node);
	for (; stack_walk_next(profile, &walk, &frame); innermost = false) {
		frames[frame].self_ns += innermost ? ns : 0;
		frames[frame].total_ns += ns;
	}
}

void model_hot(const struct pp_report_model *model, const uint32_t *group_of, struct pp_cpu_entry *entries,
	       uint32_t count, const struct pp_node_time *times)
{
	const struct pp_profile *profile = model->profile;
	struct parts lines = {.profile = profile}, users = {.profile = profile};
	uint32_t *chosen = arena_array(model->arena, count, sizeof(*chosen)), frame, user;
	uint32_t frame_count = profile->frame_count + profile->address_count;
	struct frame_time *frames = memory_array(frame_count, sizeof(*frames));
	struct pp_stack_walk walk;

	for (uint32_t node = 1; node < profile->node_count; node++) {
		if (!times[node].ns)
			continue;
		frames_count(frames, profile, node, times[node].ns);
		stack_walk_init(&walk, node);
		if (!stack_walk_next(profile, &walk, &frame) || group_of[frame] == PP_NONE)
			continue;
		user = stack_own_frame(profile, node);
		if (user != PP_NONE && group_of[user] != group_of[frame])
			part_add(&users, group_of[frame], user, times[node].ns, times[node].ns);
	}
	for (uint32_t i = 0; i < frame_count; i++)
		if (frames[i].total_ns && group_of[i] != PP_NONE)
			part_add(&lines, group_of[i], i, frames[i].self_ns, frames[i].total_ns);
	free(frames);
	parts_choose(&lines, chosen, count);
	for (uint32_t i = 0; i < count; i++)
		entries[i].hot_frame = chosen[i] == PP_NONE ? entries[i].frame : chosen[i];
	parts_choose(&users, chosen, count);
	for (uint32_t i = 0; i < count; i++)
		entries[i].user_frame = chosen[i];
}
