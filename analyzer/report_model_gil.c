/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for the Python interpreter's lock: by stack over all processes, and by the line that names the stack. One thread. */
#include "report_model.h"

#include <stdlib.h>
#include <string.h>

static int entry_compare(const void *left, const void *right)
{
	const struct pp_gil_entry *a = left, *b = right;

	if (a->wait_ns != b->wait_ns)
		return a->wait_ns < b->wait_ns ? 1 : -1;
	if (a->wait_count != b->wait_count)
		return a->wait_count < b->wait_count ? 1 : -1;
	return a->node != b->node ? (a->node < b->node ? -1 : 1) : a->frame < b->frame ? -1 : a->frame > b->frame;
}

static void entry_add(struct pp_gil_entry *sum, uint64_t count, uint64_t ns, uint64_t max_ns)
{
	sum->wait_count = metric_add(sum->wait_count, count);
	sum->wait_ns = metric_add(sum->wait_ns, ns);
	if (max_ns != PP_UNKNOWN && max_ns > sum->max_ns)
		sum->max_ns = max_ns;
}

static void model_gil_sites(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *entry_of = arena_array(model->arena, profile->node_count, sizeof(*entry_of));

	model->gil_sites = arena_array(model->arena, profile->gil_site_count, sizeof(*model->gil_sites));
	for (uint32_t i = 0; i < profile->gil_site_count; i++) {
		const struct pp_gil_site *site = &profile->gil_sites[i];
		struct pp_gil_entry *entry;

		if (!entry_of[site->node]) {
			entry_of[site->node] = ++model->gil_site_count;
			entry = &model->gil_sites[model->gil_site_count - 1];
			entry->node = site->node;
			entry->frame = stack_naming_frame(profile, site->node);
		}
		entry_add(&model->gil_sites[entry_of[site->node] - 1], site->wait_count, site->wait_ns, site->max_ns);
	}
	qsort(model->gil_sites, model->gil_site_count, sizeof(*model->gil_sites), entry_compare);
}

struct named {
	struct pp_frame frame;
	const struct pp_gil_entry *site;
};

static int text_compare(const char *a, const char *b)
{
	return a == b ? 0 : !a ? -1 : !b ? 1 : strcmp(a, b);
}

/* The same function at the same line; of a function without a name, at the same place. */
static int place_compare(const struct named *a, const struct named *b)
{
	int order = text_compare(a->frame.file, b->frame.file);

	if (!order)
		order = a->frame.line < b->frame.line ? -1 : a->frame.line > b->frame.line;
	if (!order)
		order = text_compare(a->frame.function, b->frame.function);
	if (!order && !a->frame.function)
		order = a->site->frame < b->site->frame ? -1 : a->site->frame > b->site->frame;
	return order;
}

static int named_compare(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = place_compare(a, b);

	return order ? order : a->site < b->site ? -1 : a->site > b->site;
}

static void model_gil_lines(struct pp_report_model *model)
{
	struct named *named = arena_array(model->arena, model->gil_site_count, sizeof(*named));
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->gil_site_count; i++) {
		const struct pp_gil_entry *site = &model->gil_sites[i];

		if (site->frame != PP_NONE)
			named[count++] = (struct named){profile_frame(model->profile, site->frame), site};
	}
	qsort(named, count, sizeof(*named), named_compare);
	model->gil_lines = arena_array(model->arena, count, sizeof(*model->gil_lines));
	for (uint32_t i = 0; i < count; i++) {
		if (!i || place_compare(&named[i - 1], &named[i]) != 0)
			model->gil_lines[model->gil_line_count++] =
				(struct pp_gil_entry){.node = PP_NONE, .frame = named[i].site->frame};
		entry_add(&model->gil_lines[model->gil_line_count - 1], named[i].site->wait_count, named[i].site->wait_ns,
			  named[i].site->max_ns);
	}
	qsort(model->gil_lines, model->gil_line_count, sizeof(*model->gil_lines), entry_compare);
}

void model_gil(struct pp_report_model *model)
{
	model_gil_sites(model);
	model_gil_lines(model);
}
