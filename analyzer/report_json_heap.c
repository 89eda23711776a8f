/* SPDX-License-Identifier: Apache-2.0 */
/* The "heap" and "leaks" objects of report -f json. One thread. */
#include "report_json.h"

void report_json_histogram(struct pp_json *json, const char *key, const struct pp_histogram *histogram)
{
	int first = 0, last = PP_HISTOGRAM_BUCKETS - 1;

	while (first < PP_HISTOGRAM_BUCKETS && histogram->counts[first] == 0)
		first++;
	while (last >= first && histogram->counts[last] == 0)
		last--;
	json_list_begin(json, key);
	for (int i = first; i <= last; i++) {
		json_flat_begin(json, NULL, false);
		json_unsigned(json, "low", i == 0 ? 0 : UINT64_C(1) << (i - 1));
		/* 2^64 is no uint64_t */
		if (i < 64)
			json_unsigned(json, "high", i == 0 ? 1 : UINT64_C(1) << i);
		else
			json_raw(json, "high", "18446744073709551616");
		json_unsigned(json, "count", histogram->counts[i]);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void site_object(struct pp_json_report *report, const struct pp_heap_site *site)
{
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	report_json_frame(report, site->frame);
	json_metric(json, "allocation_count", site->allocation_count);
	json_metric(json, "allocated_bytes", site->allocated_bytes);
	if (site->allocated_error_bytes)
		json_metric(json, "allocated_error_bytes", site->allocated_error_bytes);
	json_metric(json, "live_count", site->live_count);
	json_metric(json, "live_bytes", site->live_bytes);
	json_metric(json, "peak_count", site->peak_count);
	json_metric(json, "peak_bytes", site->peak_bytes);
	json_metric(json, "max_live_bytes", site->max_live_bytes);
	json_metric(json, "temporary_count", site->temporary_count);
	json_metric(json, "failed_count", site->failed_count);
	if (stack_is_truncated(report->profile, site->node))
		json_bool(json, "truncated", true);
	report_json_user(report, site->node, site->frame);
	report_json_stack(report, "stack", site->node);
	json_object_end(json);
}

static void sites_list(struct pp_json_report *report)
{
	static const size_t metrics[] = {
		offsetof(struct pp_heap_site, allocation_count), offsetof(struct pp_heap_site, allocated_bytes),
		offsetof(struct pp_heap_site, live_count),	 offsetof(struct pp_heap_site, live_bytes),
		offsetof(struct pp_heap_site, peak_bytes),	 offsetof(struct pp_heap_site, max_live_bytes),
		offsetof(struct pp_heap_site, temporary_count),	 offsetof(struct pp_heap_site, failed_count),
	};
	const struct pp_report_model *model = report->model;
	uint32_t shown, *rows = top_rows(model->arena, model->sites, sizeof(*model->sites), model->site_count,
					 report->top, metrics, sizeof(metrics) / sizeof(metrics[0]), &shown);

	json_list_begin(&report->json, "sites");
	for (uint32_t i = 0; i < shown; i++)
		if (model->sites[rows[i]].allocation_count || model->sites[rows[i]].failed_count)
			site_object(report, &model->sites[rows[i]]);
	json_list_end(&report->json);
}

static void python_lines_list(struct pp_json_report *report)
{
	static const size_t metrics[] = {
		offsetof(struct pp_heap_site, allocation_count), offsetof(struct pp_heap_site, allocated_bytes),
		offsetof(struct pp_heap_site, live_bytes),	 offsetof(struct pp_heap_site, peak_bytes),
		offsetof(struct pp_heap_site, temporary_count),
	};
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = top_rows(model->arena, model->python_lines, sizeof(*model->python_lines),
					 model->python_line_count, report->top, metrics,
					 sizeof(metrics) / sizeof(metrics[0]), &shown);

	json_list_begin(json, "python_lines");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_heap_site *line = &model->python_lines[rows[i]];

		json_object_begin(json, NULL);
		report_json_frame(report, line->frame);
		json_metric(json, "allocation_count", line->allocation_count);
		json_metric(json, "allocated_bytes", line->allocated_bytes);
		json_metric(json, "live_count", line->live_count);
		json_metric(json, "live_bytes", line->live_bytes);
		json_metric(json, "peak_count", line->peak_count);
		json_metric(json, "peak_bytes", line->peak_bytes);
		json_metric(json, "temporary_count", line->temporary_count);
		json_object_end(json);
	}
	json_list_end(json);
}

static void peak_sites_list(struct pp_json_report *report)
{
	uint32_t count;
	const struct pp_heap_site **sites =
		model_sites_by(report->model, PP_SITE(peak_count), PP_SITE(peak_bytes), &count);

	json_list_begin(&report->json, "peak_sites");
	for (uint32_t i = 0; i < count && (report->top == 0 || i < report->top); i++) {
		json_object_begin(&report->json, NULL);
		report_json_frame(report, sites[i]->frame);
		json_metric(&report->json, "blocks", sites[i]->peak_count);
		json_metric(&report->json, "bytes", sites[i]->peak_bytes);
		report_json_user(report, sites[i]->node, sites[i]->frame);
		report_json_stack(report, "stack", sites[i]->node);
		json_object_end(&report->json);
	}
	json_list_end(&report->json);
}

static void mappings_object(struct pp_json_report *report)
{
	const struct pp_mem_totals *heap = &report->model->heap;
	struct pp_json *json = &report->json;
	uint32_t count;
	const struct pp_heap_site **sites =
		model_sites_by(report->model, PP_SITE(mapping_count), PP_SITE(mapped_bytes), &count);

	json_object_begin(json, "mappings");
	json_metric(json, "count", heap->mapping_count);
	json_metric(json, "bytes", heap->mapped_bytes);
	json_metric(json, "peak_bytes", heap->mapping_peak_bytes);
	json_list_begin(json, "sites");
	for (uint32_t i = 0; i < count && (report->top == 0 || i < report->top); i++) {
		json_object_begin(json, NULL);
		report_json_frame(report, sites[i]->frame);
		json_metric(json, "count", sites[i]->mapping_count);
		json_metric(json, "bytes", sites[i]->mapped_bytes);
		report_json_user(report, sites[i]->node, sites[i]->frame);
		report_json_stack(report, "stack", sites[i]->node);
		json_object_end(json);
	}
	json_list_end(json);
	json_object_end(json);
}

static void heap_threads_list(struct pp_json_report *report)
{
	static const size_t metrics[] = {offsetof(struct pp_thread, allocated_bytes),
					 offsetof(struct pp_thread, allocation_count),
					 offsetof(struct pp_thread, live_bytes)};
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = top_rows(report->model->arena, profile->threads, sizeof(*profile->threads),
					 profile->thread_count, report->top, metrics, 3, &shown);

	json_list_begin(json, "threads");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_thread *thread = &profile->threads[rows[i]];

		json_flat_begin(json, NULL, false);
		json_unsigned(json, "process_id", profile->processes[thread->process].id);
		json_integer(json, "pid", profile->processes[thread->process].pid);
		json_integer(json, "tid", thread->tid);
		json_text(json, "name", thread->name);
		json_metric(json, "allocation_count", thread->allocation_count);
		json_metric(json, "allocated_bytes", thread->allocated_bytes);
		json_metric(json, "free_count", thread->free_count);
		json_metric(json, "freed_bytes", thread->freed_bytes);
		json_metric(json, "live_count", thread->live_count);
		json_metric(json, "live_bytes", thread->live_bytes);
		json_metric(json, "temporary_count", thread->temporary_count);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void peak_object(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;

	json_metric(json, "peak_bytes", model->heap.peak_bytes);
	json_metric(json, "peak_at_ns", model->heap.peak_at_ns);
	if (model->peak_process == PP_NONE)
		json_null(json, "peak_process");
	else
		json_unsigned(json, "peak_process", report->profile->processes[model->peak_process].id);
}

void report_json_heap(struct pp_json_report *report)
{
	const struct pp_mem_totals *heap = &report->model->heap;
	struct pp_json *json = &report->json;

	if (!report->model->has_heap) {
		json_null(json, "heap");
		return;
	}
	json_object_begin(json, "heap");
	json_metric(json, "allocation_count", heap->allocation_count);
	json_metric(json, "free_count", heap->free_count);
	json_metric(json, "allocated_bytes", heap->allocated_bytes);
	json_metric(json, "freed_bytes", heap->freed_bytes);
	json_metric(json, "live_bytes", heap->live_bytes);
	json_metric(json, "live_count", heap->live_count);
	peak_object(report);
	json_metric(json, "temporary_count", heap->temporary_count);
	json_metric(json, "realloc_count", heap->realloc_count);
	json_metric(json, "realloc_moved_count", heap->realloc_moved_count);
	json_metric(json, "failed_count", heap->failed_count);
	json_metric(json, "unknown_free_count", heap->unknown_free_count);
	json_metric(json, "inherited_free_count", heap->inherited_free_count);
	report_json_histogram(json, "size_histogram", &heap->sizes);
	report_json_histogram(json, "lifetime_histogram", &heap->lifetimes);
	heap_threads_list(report);
	mappings_object(report);
	sites_list(report);
	peak_sites_list(report);
	python_lines_list(report);
	json_object_end(json);
}

/* Which of the unfreed blocks are leaks only a scan of the program's memory could say: none was made. */
void report_json_leaks(struct pp_json_report *report)
{
	static const char *const classes[] = {"definite", "indirect", "possible", "reachable"};
	struct pp_json *json = &report->json;
	const struct pp_heap_site **sites;
	uint32_t count;

	if (!report->model->has_heap) {
		json_null(json, "leaks");
		return;
	}
	json_object_begin(json, "leaks");
	json_text(json, "scan", "none");
	json_bool(json, "final", report->model->coverage->saw_the_end);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		json_null(json, classes[i]);
	json_flat_begin(json, "unfreed", false);
	json_metric(json, "blocks", report->model->heap.live_count);
	json_metric(json, "bytes", report->model->heap.live_bytes);
	json_flat_end(json, false);
	json_list_begin(json, "records");
	sites = model_sites_by(report->model, PP_SITE(live_count), PP_SITE(live_bytes), &count);
	for (uint32_t i = 0; i < count && (report->top == 0 || i < report->top); i++) {
		json_object_begin(json, NULL);
		json_text(json, "class", report->model->coverage->saw_the_end ? "unfreed" : "live");
		json_metric(json, "blocks", sites[i]->live_count);
		json_metric(json, "bytes", sites[i]->live_bytes);
		report_json_user(report, sites[i]->node, sites[i]->frame);
		report_json_stack(report, "stack", sites[i]->node);
		json_object_end(json);
	}
	json_list_end(json);
	json_object_end(json);
}
