/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are left open; see rules_descriptors.h. What tells a leak from a pool that is held on purpose: the leak
 * grows for as long as the program runs, and what it holds is not used any more when the next ones are made.
 */
#include "rules_descriptors.h"
#include "rules_io.h"

#include <stdlib.h>
#include <string.h>

/* Several threads may be at one line, each with a descriptor of its own in use. */
#define NEWEST 8
/* What is done after the last one was made, at the end of a short program: it is not held against it. */
#define TAIL_NS UINT64_C(100000000)

struct row {
	const struct pp_io_descriptor *life;
	uint32_t place;
};

static int row_compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->life->process != b->life->process)
		return a->life->process < b->life->process ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	return a->life->serial < b->life->serial ? -1 : a->life->serial > b->life->serial;
}

/* Made by the process, and open to its end: interpreters and destructors close what is left when all is over. What it found
 * open is not its own. */
static bool is_left(const struct pp_profile *profile, const struct pp_io_descriptor *life)
{
	const struct pp_process *process = &profile->processes[life->process];
	uint64_t tail_ns;

	if (!io_origin_makes(life->origin) || life->node == 0)
		return false;
	if (life->end == 0)
		return true;
	if (process->end_ns == PP_UNKNOWN || !io_end_is_closing(life->end) || process->end_ns < process->start_ns)
		return false;
	tail_ns = (process->end_ns - process->start_ns) / 20;
	return life->ended_ns + (tail_ns > TAIL_NS ? tail_ns : TAIL_NS) >= process->end_ns;
}

/* Those of one group that were open when the last of them was made; the others are taken out. */
static uint32_t rows_held(struct row *rows, uint32_t count)
{
	uint64_t last_ns = 0;
	uint32_t held = 0;

	for (uint32_t i = 0; i < count; i++)
		if (rows[i].life->opened_ns > last_ns)
			last_ns = rows[i].life->opened_ns;
	for (uint32_t i = 0; i < count; i++)
		if (rows[i].life->end == 0 || rows[i].life->ended_ns > last_ns)
			rows[held++] = rows[i];
	return held;
}

/* By what it is, or by who made it where it was never used. */
static void kind_count(struct pp_left_open *group, const struct pp_profile *profile,
		       const struct pp_io_descriptor *life)
{
	uint32_t kind = life->file == PP_NONE ? 0 : profile->io_files[life->file].kind;
	const char *name = io_life_kind_name(kind, life->origin);

	if (strcmp(name, "file") == 0)
		group->file_count++;
	else if (strcmp(name, "socket") == 0)
		group->socket_count++;
	else if (strcmp(name, "pipe") == 0)
		group->pipe_count++;
	else
		group->other_count++;
}

static uint64_t group_end(const struct pp_profile *profile, uint32_t process, uint64_t last_ns)
{
	uint64_t end_ns = profile->processes[process].end_ns;

	if (end_ns == PP_UNKNOWN)
		end_ns = profile->wall_ns;
	return end_ns > last_ns ? end_ns : last_ns;
}

/* Rows of one group, the oldest first. */
static void group_fill(struct pp_left_open *group, const struct pp_report_model *model, const struct row *rows,
		       uint32_t count)
{
	uint64_t last_ns = rows[count - 1].life->opened_ns, span_ns;
	bool made[PP_LEFT_OPEN_SLICES + 1] = {false};

	*group = (struct pp_left_open){.process = rows[0].life->process,
				       .place = rows[0].place,
				       .node = rows[count - 1].life->node,
				       .count = count,
				       .first_ns = rows[0].life->opened_ns};
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].life->opened_ns > last_ns)
			last_ns = rows[i].life->opened_ns;
		if (rows[i].life->opened_ns < group->first_ns)
			group->first_ns = rows[i].life->opened_ns;
	}
	group->end_ns = group_end(model->profile, group->process, last_ns);
	span_ns = (group->end_ns - last_ns > TAIL_NS ? group->end_ns - TAIL_NS : last_ns) - group->first_ns;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at_ns = rows[i].life->opened_ns - group->first_ns;

		kind_count(group, model->profile, rows[i].life);
		made[span_ns ? (uint64_t)((double)at_ns / (double)span_ns * PP_LEFT_OPEN_SLICES) : 0] = true;
		if (i + NEWEST >= count)
			continue;
		group->judged_count++;
		group->abandoned_count += rows[i].life->used_serial < rows[i + NEWEST].life->serial;
	}
	for (int i = 0; i < PP_LEFT_OPEN_SLICES; i++)
		group->growing_slices += made[i];
}

struct pp_left_open *left_open_make(const struct pp_report_model *model, uint32_t *count)
{
	const struct pp_profile *profile = model->profile;
	struct row *rows = arena_array(model->arena, profile->io_descriptor_count, sizeof(*rows));
	struct pp_left_open *groups = arena_array(model->arena, profile->io_descriptor_count, sizeof(*groups));
	uint32_t used = 0;

	*count = 0;
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		if (is_left(profile, &profile->io_descriptors[i]))
			rows[used++] = (struct row){&profile->io_descriptors[i],
						    model->place_of[profile->io_descriptors[i].node]};
	qsort(rows, used, sizeof(*rows), row_compare);
	for (uint32_t first = 0, next; first < used; first = next) {
		for (next = first + 1; next < used && rows[next].place == rows[first].place &&
				       rows[next].life->process == rows[first].life->process;
		     next++)
			;
		group_fill(&groups[(*count)++], model, rows + first, rows_held(rows + first, next - first));
	}
	return groups;
}

static double limit_percent(const struct pp_profile *profile, const struct pp_left_open *group)
{
	uint32_t limit = profile->processes[group->process].descriptor_limit;

	return limit == 0 || limit == UINT32_MAX ? NAN : percent_of(group->count, limit);
}

double left_open_metric(const struct pp_profile *profile, const struct pp_left_open *group, enum pp_metric metric)
{
	switch (metric) {
	case PP_METRIC_LEFT_OPEN_COUNT:
		return metric_number(group->count);
	case PP_METRIC_LEFT_FILE_COUNT:
		return metric_number(group->file_count);
	case PP_METRIC_LEFT_SOCKET_COUNT:
		return metric_number(group->socket_count);
	case PP_METRIC_LEFT_PIPE_COUNT:
		return metric_number(group->pipe_count);
	case PP_METRIC_LEFT_OTHER_COUNT:
		return metric_number(group->other_count);
	case PP_METRIC_LEFT_LIMIT_PERCENT:
		return limit_percent(profile, group);
	case PP_METRIC_LEFT_OLDEST_NS:
		return metric_number(group->end_ns - group->first_ns);
	case PP_METRIC_LEFT_GROWING_PERCENT:
		return percent_of(group->growing_slices, PP_LEFT_OPEN_SLICES);
	case PP_METRIC_LEFT_ABANDONED_PERCENT:
		return metric_share(group->abandoned_count, group->judged_count);
	default:
		return NAN;
	}
}
