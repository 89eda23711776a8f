/* SPDX-License-Identifier: Apache-2.0 */
/* Memory as reports show it: totals, sites, places, Python lines; see report_model.h. One thread. */
#include "report_model.h"

#include <math.h>
#include <stdlib.h>

static void histogram_add(struct pp_histogram *sum, const struct pp_histogram *part)
{
	for (int i = 0; i < PP_HISTOGRAM_BUCKETS; i++)
		sum->counts[i] += part->counts[i];
}

static void heap_totals_add(struct pp_mem_totals *sum, const struct pp_mem_totals *part)
{
	sum->allocation_count = metric_add(sum->allocation_count, part->allocation_count);
	sum->free_count = metric_add(sum->free_count, part->free_count);
	sum->allocated_bytes = metric_add(sum->allocated_bytes, part->allocated_bytes);
	sum->freed_bytes = metric_add(sum->freed_bytes, part->freed_bytes);
	sum->live_bytes = metric_add(sum->live_bytes, part->live_bytes);
	sum->live_count = metric_add(sum->live_count, part->live_count);
	sum->temporary_count = metric_add(sum->temporary_count, part->temporary_count);
	sum->realloc_count = metric_add(sum->realloc_count, part->realloc_count);
	sum->realloc_moved_count = metric_add(sum->realloc_moved_count, part->realloc_moved_count);
	sum->failed_count = metric_add(sum->failed_count, part->failed_count);
	sum->unknown_free_count = metric_add(sum->unknown_free_count, part->unknown_free_count);
	sum->inherited_free_count = metric_add(sum->inherited_free_count, part->inherited_free_count);
	sum->mapping_count = metric_add(sum->mapping_count, part->mapping_count);
	sum->mapped_bytes = metric_add(sum->mapped_bytes, part->mapped_bytes);
	histogram_add(&sum->sizes, &part->sizes);
	histogram_add(&sum->lifetimes, &part->lifetimes);
}

static void model_heap_totals(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;

	model->peak_process = PP_NONE;
	model->heap.peak_at_ns = PP_UNKNOWN;
	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct pp_mem_totals *mem = &profile->processes[i].mem;

		if (mem->allocation_count == PP_UNKNOWN)
			continue;
		model->has_heap = true;
		heap_totals_add(&model->heap, mem);
		if (mem->mapping_peak_bytes != PP_UNKNOWN && mem->mapping_peak_bytes > model->heap.mapping_peak_bytes)
			model->heap.mapping_peak_bytes = mem->mapping_peak_bytes;
		if (mem->peak_bytes == PP_UNKNOWN || mem->peak_bytes == 0 || mem->peak_bytes <= model->heap.peak_bytes)
			continue;
		model->heap.peak_bytes = mem->peak_bytes;
		model->heap.peak_at_ns = mem->peak_at_ns;
		model->peak_process = i;
	}
}

static int heap_site_compare(const void *left, const void *right)
{
	const struct pp_heap_site *a = left, *b = right;

	if (a->allocated_bytes != b->allocated_bytes)
		return a->allocated_bytes < b->allocated_bytes ? 1 : -1;
	if (a->allocation_count != b->allocation_count)
		return a->allocation_count < b->allocation_count ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static void heap_site_add(struct pp_heap_site *sum, const struct pp_mem_site *part, bool at_peak)
{
	sum->allocation_count = metric_add(sum->allocation_count, part->allocation_count);
	sum->allocated_bytes = metric_add(sum->allocated_bytes, part->allocated_bytes);
	sum->live_count = metric_add(sum->live_count, part->live_count);
	sum->live_bytes = metric_add(sum->live_bytes, part->live_bytes);
	sum->temporary_count = metric_add(sum->temporary_count, part->temporary_count);
	sum->failed_count = metric_add(sum->failed_count, part->failed_count);
	sum->mapping_count = metric_add(sum->mapping_count, part->mapping_count);
	sum->mapped_bytes = metric_add(sum->mapped_bytes, part->mapped_bytes);
	if (part->allocated_error_bytes != PP_UNKNOWN)
		sum->allocated_error_bytes =
			(uint64_t)hypot((double)sum->allocated_error_bytes, (double)part->allocated_error_bytes);
	if (at_peak) {
		sum->peak_count = metric_add(sum->peak_count, part->peak_count);
		sum->peak_bytes = metric_add(sum->peak_bytes, part->peak_bytes);
	}
	if (part->max_live_bytes != PP_UNKNOWN && part->max_live_bytes > sum->max_live_bytes)
		sum->max_live_bytes = part->max_live_bytes;
}

/* Sums by key. keys[i] < key_count is that of profile->mem_sites[i]; PP_NONE: it is in none. */
static struct pp_heap_site *heap_group(const struct pp_report_model *model, const uint32_t *keys, uint32_t key_count,
				       uint32_t *count)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *site_of = arena_array(model->arena, key_count, sizeof(*site_of));
	struct pp_heap_site *sites = arena_array(model->arena, profile->mem_site_count, sizeof(*sites));
	uint64_t *most = arena_array(model->arena, profile->mem_site_count, sizeof(*most));

	*count = 0;
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_mem_site *part = &profile->mem_sites[i];
		uint32_t at;

		if (keys[i] == PP_NONE)
			continue;
		if (!site_of[keys[i]])
			site_of[keys[i]] = ++*count;
		at = site_of[keys[i]] - 1;
		if (!most[at] || (part->allocated_bytes != PP_UNKNOWN && part->allocated_bytes >= most[at])) {
			sites[at].node = part->node;
			most[at] = part->allocated_bytes == PP_UNKNOWN ? 0 : part->allocated_bytes + 1;
		}
		sites[at].place = keys[i];
		heap_site_add(&sites[at], part, part->process == model->peak_process);
	}
	for (uint32_t i = 0; i < *count; i++)
		sites[i].frame = model->naming_of[sites[i].node];
	qsort(sites, *count, sizeof(*sites), heap_site_compare);
	return sites;
}

static void model_heap_sites(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *keys = arena_array(model->arena, profile->mem_site_count, sizeof(*keys));

	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		keys[i] = profile->mem_sites[i].node;
	model->sites = heap_group(model, keys, profile->node_count, &model->site_count);
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		keys[i] = model->place_of[profile->mem_sites[i].node];
	model->places = heap_group(model, keys, model->place_count, &model->place_site_count);
	for (uint32_t i = 0; i < model->place_site_count; i++)
		model->places[i].frame = model->user_of[model->places[i].node];
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		keys[i] = model->python_line_of[profile->mem_sites[i].node];
	model->python_lines = heap_group(model, keys, model->python_line_key_count, &model->python_line_count);
	for (uint32_t i = 0; i < model->python_line_count; i++) {
		model->python_lines[i].node = PP_NONE;
		model->python_lines[i].frame = model->python_line_frames[model->python_lines[i].place];
	}
}

void model_heap(struct pp_report_model *model)
{
	model_heap_totals(model);
	model_heap_sites(model);
}

/* ---- the largest by a metric ---- */

static int metric_compare(const void *left, const void *right, void *context)
{
	size_t metric = *(const size_t *)context;
	const struct pp_heap_site *const *a = left, *const *b = right;
	uint64_t value = *(const uint64_t *)((const char *)*a + metric),
		 other = *(const uint64_t *)((const char *)*b + metric);

	if (value != other)
		return value < other ? 1 : -1;
	return (*a)->node < (*b)->node ? -1 : (*a)->node > (*b)->node;
}

static const struct pp_heap_site **sites_by(const struct pp_report_model *model, const struct pp_heap_site *all,
					    uint32_t all_count, size_t present, size_t metric, uint32_t *count)
{
	const struct pp_heap_site **sites = arena_array(model->arena, all_count, sizeof(*sites));

	*count = 0;
	for (uint32_t i = 0; i < all_count; i++) {
		uint64_t value = *(const uint64_t *)((const char *)&all[i] + present);

		if (value && value != PP_UNKNOWN)
			sites[(*count)++] = &all[i];
	}
	qsort_r(sites, *count, sizeof(*sites), metric_compare, &metric);
	return sites;
}

const struct pp_heap_site **model_sites_by(const struct pp_report_model *model, size_t present, size_t metric,
					   uint32_t *count)
{
	return sites_by(model, model->sites, model->site_count, present, metric, count);
}

const struct pp_heap_site **model_places_by(const struct pp_report_model *model, size_t present, size_t metric,
					    uint32_t *count)
{
	return sites_by(model, model->places, model->place_site_count, present, metric, count);
}
