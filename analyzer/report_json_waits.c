/* SPDX-License-Identifier: Apache-2.0 */
/* The "waits" object of report -f json: where threads waited for what, and what each thread's time went to. One thread. */
#include "report_json.h"

#include <stdio.h>
#include <string.h>

static void latency(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_json *json = &report->json;
	uint32_t count;
	const struct pp_io_cell *cells = io_entry_latencies(report->model, entry, false, &count);

	json_flat_begin(json, "latency", false);
	json_metric(json, "p50_ns", io_latency_percentile(cells, count, 50, entry->totals.max_ns));
	json_metric(json, "p99_ns", io_latency_percentile(cells, count, 99, entry->totals.max_ns));
	json_metric(json, "max_ns", entry->totals.max_ns);
	json_flat_end(json, false);
}

static void site_object(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_json *json = &report->json;
	uint64_t open_ns = 0;

	json_object_begin(json, NULL);
	report_json_frame(report, entry->frame);
	json_unsigned(json, "call_count", entry->totals.call_count);
	json_unsigned(json, "total_ns", entry->totals.ns);
	for (uint32_t i = 0; i < entry->row_count; i++)
		if (!report->profile->io_sites[entry->rows[i]].call_count)
			open_ns += report->profile->io_sites[entry->rows[i]].ns;
	json_unsigned(json, "unfinished_ns", open_ns);
	report_json_io_operations(report, entry);
	report_json_io_errors(report, entry);
	latency(report, entry);
	report_json_user(report, entry->node, entry->frame);
	report_json_stack(report, "stack", entry->node);
	json_object_end(json);
}

static void thread_object(struct pp_json_report *report, const struct pp_thread *thread)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	uint64_t wall_ns = thread_wall_ns(profile, thread), rest_ns = thread_rest_ns(profile, thread);
	char name[40];

	json_object_begin(json, NULL);
	json_unsigned(json, "process_id", profile->processes[thread->process].id);
	json_integer(json, "pid", profile->processes[thread->process].pid);
	json_integer(json, "tid", thread->tid);
	json_text(json, "name", thread->name);
	json_unsigned(json, "wall_ns", wall_ns);
	json_metric(json, "cpu_ns", thread->cpu_ns);
	json_unsigned(json, "blocked_ns", thread_blocked_ns(thread));
	json_metric(json, "rest_ns", rest_ns);
	if (rest_ns == PP_UNKNOWN || !wall_ns)
		json_null(json, "rest_percent");
	else
		json_number(json, "rest_percent", percent_of(rest_ns, wall_ns));
	json_metric(json, "run_delay_ns", thread->run_delay_ns);
	json_flat_begin(json, "blocked", false);
	for (int kind = 0; kind < PP_WAIT_KINDS; kind++) {
		snprintf(name, sizeof(name), "%s_ns", wait_kind_name((enum pp_wait_kind)kind));
		json_metric(json, name, thread->blocked_ns[kind]);
	}
	json_flat_end(json, false);
	json_object_end(json);
}

static void threads_list(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	uint64_t *walls = arena_array(report->model->arena, profile->thread_count, sizeof(*walls));
	static const size_t metrics[] = {0};
	uint32_t shown, *rows;

	for (uint32_t i = 0; i < profile->thread_count; i++)
		walls[i] = thread_wall_ns(profile, &profile->threads[i]);
	rows = top_rows(report->model->arena, walls, sizeof(*walls), profile->thread_count, report->top, metrics, 1, &shown);
	json_list_begin(&report->json, "threads");
	for (uint32_t i = 0; i < shown; i++)
		thread_object(report, &profile->threads[rows[i]]);
	json_list_end(&report->json);
}

void report_json_waits(struct pp_json_report *report)
{
	static const size_t metrics[] = {offsetof(struct pp_io_entry, totals.ns),
					 offsetof(struct pp_io_entry, totals.call_count),
					 offsetof(struct pp_io_entry, totals.max_ns)};
	const struct pp_report_model *model = report->model;
	uint32_t shown, *rows;

	if (!model->has_io) {
		json_null(&report->json, "waits");
		return;
	}
	json_object_begin(&report->json, "waits");
	json_unsigned(&report->json, "call_count", model->waits.call_count);
	json_unsigned(&report->json, "total_ns", model->waits.ns);
	rows = top_rows(model->arena, model->wait_sites, sizeof(*model->wait_sites), model->wait_site_count, report->top,
			metrics, sizeof(metrics) / sizeof(metrics[0]), &shown);
	json_list_begin(&report->json, "sites");
	for (uint32_t i = 0; i < shown; i++)
		site_object(report, &model->wait_sites[rows[i]]);
	json_list_end(&report->json);
	threads_list(report);
	json_object_end(&report->json);
}
