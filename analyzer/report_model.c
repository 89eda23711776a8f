/* SPDX-License-Identifier: Apache-2.0 */
/* From a profile to what is shown of it; see report_model.h. One thread per model; the profile is only read. */
#include "report_model.h"

#include <stdlib.h>
#include <string.h>

struct pp_frame profile_frame(const struct pp_profile *profile, uint32_t frame)
{
	const struct pp_address *address;

	if (frame < profile->frame_count)
		return profile->frames[frame];
	address = &profile->addresses[frame - profile->frame_count];
	return (struct pp_frame){.module = address->module, .offset = address->offset};
}

bool profile_frame_is_own(const struct pp_profile *profile, uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number);

	return frame.function && strcmp(frame.function, PP_OWN_FRAME) == 0;
}

void stack_walk_init(struct pp_stack_walk *walk, uint32_t node)
{
	walk->node = node;
	walk->next = 0;
}

bool stack_walk_next(const struct pp_profile *profile, struct pp_stack_walk *walk, uint32_t *frame)
{
	const struct pp_address *address;

	/* The root has no address; parents have smaller numbers, so this ends. */
	while (walk->node != PP_NONE && profile->nodes[walk->node].address == PP_NONE)
		stack_walk_init(walk, profile->nodes[walk->node].parent);
	if (walk->node == PP_NONE)
		return false;
	address = &profile->addresses[profile->nodes[walk->node].address];
	*frame = address->frame_count ? address->first_frame + walk->next
				      : profile->frame_count + profile->nodes[walk->node].address;
	if (++walk->next >= address->frame_count)
		stack_walk_init(walk, profile->nodes[walk->node].parent);
	return true;
}

bool stack_is_truncated(const struct pp_profile *profile, uint32_t node)
{
	for (; node != PP_NONE && node != 0; node = profile->nodes[node].parent)
		if (profile->nodes[node].truncated)
			return true;
	return false;
}

/* ---- CPU time ---- */

/* Frames that are the same thing (function, line or module) get the same number: open addressing over representative
 * frames. */
struct grouping {
	uint32_t *group_of; /* by frame; PP_NONE: not part of any group */
	struct pp_cpu_entry *entries;
	uint32_t count;
	uint32_t *slots;
	uint32_t slot_count;
};

enum group_kind { GROUP_FUNCTION, GROUP_LINE, GROUP_MODULE, GROUP_LANGUAGE };

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static uint64_t group_hash(enum group_kind kind, const struct pp_frame *frame)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (kind == GROUP_LANGUAGE)
		return hash ^ frame->language;
	if (kind == GROUP_MODULE || !frame->function)
		hash = (hash ^ frame->module) * UINT64_C(0x9e3779b97f4a7c15);
	if (kind == GROUP_LINE)
		return hash_text(hash, frame->file) ^ frame->line * UINT64_C(0x9e3779b97f4a7c15);
	if (kind == GROUP_FUNCTION)
		hash = frame->function ? hash_text(hash, frame->function)
				       : hash ^ frame_entry(frame) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static bool group_equal(enum group_kind kind, const struct pp_frame *a, const struct pp_frame *b)
{
	switch (kind) {
	case GROUP_FUNCTION:
		return text_equal(a->function, b->function) && a->module == b->module && text_equal(a->file, b->file) &&
		       a->language == b->language &&
		       (a->language == PP_LANGUAGE_PYTHON ? a->offset == b->offset
							  : a->function || frame_entry(a) == frame_entry(b));
	case GROUP_LINE:
		return a->line == b->line && text_equal(a->file, b->file);
	case GROUP_MODULE:
		return a->module == b->module && a->language == b->language;
	case GROUP_LANGUAGE:
		return a->language == b->language;
	}
	return false;
}

static void grouping_add(struct grouping *grouping, const struct pp_profile *profile, enum group_kind kind,
			 uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number), other;
	uint32_t at;

	if (kind == GROUP_LINE && (!frame.file || !frame.line))
		return;
	at = (uint32_t)group_hash(kind, &frame) & (grouping->slot_count - 1);
	for (; grouping->slots[at]; at = (at + 1) & (grouping->slot_count - 1)) {
		uint32_t group = grouping->slots[at] - 1;

		other = profile_frame(profile, grouping->entries[group].frame);
		if (group_equal(kind, &frame, &other)) {
			grouping->group_of[number] = group;
			return;
		}
	}
	grouping->entries[grouping->count].frame = number;
	grouping->group_of[number] = grouping->count++;
	grouping->slots[at] = grouping->count;
}

/* Only frames of sampled stacks are grouped: `used` marks them. */
static void grouping_init(struct grouping *grouping, const struct pp_report_model *model, enum group_kind kind,
			  const bool *used)
{
	const struct pp_profile *profile = model->profile;
	uint32_t frame_count = profile->frame_count + profile->address_count, used_count = 0;

	for (uint32_t i = 0; i < frame_count; i++)
		used_count += used[i];
	grouping->count = 0;
	grouping->group_of = arena_array(model->arena, frame_count, sizeof(uint32_t));
	memset(grouping->group_of, 0xff, frame_count * sizeof(uint32_t));
	grouping->entries = arena_array(model->arena, used_count, sizeof(*grouping->entries));
	for (grouping->slot_count = 16; grouping->slot_count < used_count * 2; grouping->slot_count *= 2)
		;
	grouping->slots = arena_array(model->arena, grouping->slot_count, sizeof(uint32_t));
	for (uint32_t i = 0; i < frame_count; i++)
		if (used[i])
			grouping_add(grouping, profile, kind, i);
}

/* Adds one stack's time: self to the innermost frame's group, total to every group on it, once. seen[group] holds
 * the last node that was added. */
static void grouping_count(struct grouping *grouping, const struct pp_profile *profile, uint32_t node, uint64_t ns,
			   uint64_t samples, uint32_t *seen)
{
	struct pp_stack_walk walk;
	bool innermost = true;
	uint32_t frame;

	stack_walk_init(&walk, node);
	for (; stack_walk_next(profile, &walk, &frame); innermost = false) {
		uint32_t group = grouping->group_of[frame];

		if (group == PP_NONE)
			continue;
		if (innermost) {
			grouping->entries[group].self_ns += ns;
			grouping->entries[group].self_count += samples;
		}
		if (seen[group] == node)
			continue;
		seen[group] = node;
		grouping->entries[group].total_ns += ns;
		grouping->entries[group].total_count += samples;
	}
}

static int cpu_entry_compare(const void *left, const void *right)
{
	const struct pp_cpu_entry *a = left, *b = right;

	if (a->self_ns != b->self_ns)
		return a->self_ns < b->self_ns ? 1 : -1;
	if (a->total_ns != b->total_ns)
		return a->total_ns < b->total_ns ? 1 : -1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static struct pp_cpu_entry *cpu_group(const struct pp_report_model *model, enum group_kind kind, const bool *used,
				      const struct pp_node_time *times, uint32_t *count)
{
	struct grouping grouping;
	uint32_t *seen;

	grouping_init(&grouping, model, kind, used);
	/* node 0 has no frame, so that 0 means: not yet seen */
	seen = arena_array(model->arena, grouping.count, sizeof(*seen));
	for (uint32_t node = 1; node < model->profile->node_count; node++)
		if (times[node].ns || times[node].samples)
			grouping_count(&grouping, model->profile, node, times[node].ns, times[node].samples, seen);
	if (kind == GROUP_FUNCTION)
		model_hot(model, grouping.group_of, grouping.entries, grouping.count, times);
	qsort(grouping.entries, grouping.count, sizeof(*grouping.entries), cpu_entry_compare);
	*count = grouping.count;
	return grouping.entries;
}

static void model_cpu(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	struct pp_node_time *times = arena_array(model->arena, profile->node_count, sizeof(*times));
	bool *used = arena_array(model->arena, (size_t)profile->frame_count + profile->address_count, sizeof(*used));
	struct pp_stack_walk walk;
	uint32_t frame;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct pp_process *process = &profile->processes[i];

		if (process->sample_period_ns == 0 || process->sample_period_ns == PP_UNKNOWN)
			continue;
		model->has_cpu = true;
		if (!model->cpu.period_ns)
			model->cpu.period_ns = process->sample_period_ns;
		model->cpu.sample_count = metric_add(model->cpu.sample_count, process->sample_count);
		model->cpu.total_ns = metric_add(model->cpu.total_ns, process->sampled_ns);
	}
	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		const struct pp_cpu_site *site = &profile->cpu_sites[i];

		times[site->node].ns += site->sampled_ns;
		times[site->node].samples += site->sample_count;
	}
	for (uint32_t node = 1; node < profile->node_count; node++) {
		if (!times[node].ns && !times[node].samples)
			continue;
		for (stack_walk_init(&walk, node); stack_walk_next(profile, &walk, &frame);)
			used[frame] = true;
	}
	model->functions = cpu_group(model, GROUP_FUNCTION, used, times, &model->function_count);
	for (uint32_t i = 0; i < model->function_count; i++)
		if (profile_frame_is_own(profile, model->functions[i].frame))
			model->cpu.own_ns += model->functions[i].self_ns;
	model->lines = cpu_group(model, GROUP_LINE, used, times, &model->line_count);
	model->modules = cpu_group(model, GROUP_MODULE, used, times, &model->module_count);
	model->languages = cpu_group(model, GROUP_LANGUAGE, used, times, &model->language_count);
}

/* ---- by time ---- */

static void model_bins(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint64_t live = 0;

	model->bins = arena_array(model->arena, PP_BIN_LIMIT, sizeof(*model->bins));
	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		const struct pp_cpu_site *site = &profile->cpu_sites[i];

		for (uint32_t j = 0; j < site->bin_count && site->bins[j].bin < PP_BIN_LIMIT; j++)
			model->bins[site->bins[j].bin][PP_BIN_SAMPLES] += site->bins[j].sample_count;
	}
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_mem_site *site = &profile->mem_sites[i];

		for (uint32_t j = 0; j < site->bin_count && site->bins[j].bin < PP_BIN_LIMIT; j++) {
			uint64_t *bin = model->bins[site->bins[j].bin];

			bin[PP_BIN_ALLOCATIONS] += site->bins[j].allocation_count;
			bin[PP_BIN_ALLOCATED] += site->bins[j].allocated_bytes;
			bin[PP_BIN_FREED] += site->bins[j].freed_bytes;
		}
	}
	for (uint32_t i = 0; i < PP_BIN_LIMIT; i++) {
		uint64_t *bin = model->bins[i];

		/* Not below 0: a bin may hold the free of a block that was never seen. */
		live = live + bin[PP_BIN_ALLOCATED] < bin[PP_BIN_FREED]
			       ? 0
			       : live + bin[PP_BIN_ALLOCATED] - bin[PP_BIN_FREED];
		bin[PP_BIN_LIVE] = live;
		if (bin[PP_BIN_SAMPLES] || bin[PP_BIN_ALLOCATIONS] || bin[PP_BIN_ALLOCATED] || bin[PP_BIN_FREED])
			model->bin_count = i + 1;
	}
}

static void model_usage(struct pp_report_model *model)
{
	uint64_t least_ns = PP_UNKNOWN;
	bool partial = false;

	model->user_ns = model->system_ns = model->max_rss_bytes = PP_UNKNOWN;
	for (uint32_t i = 0; i < model->profile->process_count; i++) {
		const struct pp_process *process = &model->profile->processes[i];

		model->user_ns = metric_add(model->user_ns, process->user_ns);
		model->system_ns = metric_add(model->system_ns, process->system_ns);
		partial |= process->user_ns == PP_UNKNOWN;
		least_ns = metric_add(least_ns, process->user_ns == PP_UNKNOWN
							? process->cpu_ns
							: metric_add(process->user_ns, process->system_ns));
		if (process->max_rss_bytes != PP_UNKNOWN &&
		    (model->max_rss_bytes == PP_UNKNOWN || process->max_rss_bytes > model->max_rss_bytes))
			model->max_rss_bytes = process->max_rss_bytes;
	}
	model->least_cpu_ns = partial ? least_ns : PP_UNKNOWN;
}

/* exec ends one entry and starts the next: the first process ends as its last image does. Children come after their
 * parents, so one pass follows the chain. */
static uint32_t last_image_find(const struct pp_profile *profile)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i < profile->process_count; i++) {
		const struct pp_process *process = &profile->processes[i];

		if (process->parent == last && process->pid == profile->processes[0].pid)
			last = i;
	}
	return last;
}

struct pp_report_model *report_model_create(const struct pp_profile *profile)
{
	struct pp_arena *arena = arena_create();
	struct pp_report_model *model = arena_alloc(arena, sizeof(*model));

	model->profile = profile;
	model->arena = arena;
	model->coverage = coverage_create(profile, arena);
	model_cpu(model);
	model->last_image = last_image_find(model->profile);
	model_places(model);
	model_heap(model);
	model_io(model);
	model_gil(model);
	model_sql(model);
	model_bins(model);
	model_usage(model);
	return model;
}

void report_model_destroy(struct pp_report_model *model)
{
	if (model)
		arena_destroy(model->arena);
}

/* ---- the largest by any of the metrics ---- */

struct ranked {
	uint64_t value;
	uint32_t row;
};

static int ranked_compare(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->value != b->value)
		return a->value < b->value ? 1 : -1;
	return a->row < b->row ? -1 : a->row > b->row;
}

static void mark_top(const char *rows, size_t row_size, uint32_t count, uint32_t top, size_t metric,
		     struct ranked *ranked, bool *marks)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = *(const uint64_t *)(rows + i * row_size + metric);

		if (value && value != PP_UNKNOWN)
			ranked[used++] = (struct ranked){value, i};
	}
	qsort(ranked, used, sizeof(*ranked), ranked_compare);
	for (uint32_t i = 0; i < used && i < top; i++)
		marks[ranked[i].row] = true;
}

uint32_t *top_rows(struct pp_arena *arena, const void *rows, size_t row_size, uint32_t count, uint32_t top,
		   const size_t *metrics, size_t metric_count, uint32_t *result_count)
{
	uint32_t *result = arena_array(arena, count, sizeof(*result));
	struct ranked *ranked;
	bool *marks;

	*result_count = 0;
	if (top == 0 || count <= top) {
		for (uint32_t i = 0; i < count; i++)
			result[(*result_count)++] = i;
		return result;
	}
	ranked = arena_array(arena, count, sizeof(*ranked));
	marks = arena_array(arena, count, sizeof(*marks));
	for (size_t i = 0; i < metric_count; i++)
		mark_top(rows, row_size, count, top, metrics[i], ranked, marks);
	for (uint32_t i = 0; i < count; i++)
		if (marks[i])
			result[(*result_count)++] = i;
	return result;
}
