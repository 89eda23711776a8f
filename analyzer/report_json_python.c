/* SPDX-License-Identifier: Apache-2.0 */
/* The "python" object of report -f json: the interpreter, how its frames were matched, and its lock. One thread. */
#include "report_json.h"

#include <stddef.h>

static bool is_python(const struct pp_profile *profile, const struct pp_thread *thread)
{
	return profile->processes[thread->process].python_version != 0;
}

static void version_text(struct pp_json_report *report, const char *key, uint32_t version)
{
	struct pp_arena *arena = report->model->arena;

	json_text(&report->json, key,
		  version >= 0x030b0000 ? arena_format(arena, "%u.%u.%u", version >> 24, version >> 16 & 255,
						       version >> 8 & 255)
					: arena_format(arena, "%u.%u", version >> 24, version >> 16 & 255));
}

static void gil_threads(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_list_begin(json, "threads");
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct pp_thread *thread = &profile->threads[i];
		uint64_t end_ns = thread->end_ns == PP_UNKNOWN ? profile->wall_ns : thread->end_ns;
		uint64_t lived = thread->start_ns < end_ns ? end_ns - thread->start_ns : 0;

		if (!is_python(profile, thread))
			continue;
		json_flat_begin(json, NULL, false);
		json_unsigned(json, "process_id", profile->processes[thread->process].id);
		json_integer(json, "pid", profile->processes[thread->process].pid);
		json_integer(json, "tid", thread->tid);
		json_text(json, "name", thread->name);
		json_metric(json, "python_ns", thread->python_ns);
		json_metric(json, "held_ns", thread->gil_ns);
		json_metric(json, "wait_ns", thread->gil_wait_ns);
		json_metric(json, "wait_count", thread->gil_wait_count);
		json_number(json, "wait_percent",
			    thread->gil_wait_ns > lived ? 100.0 : percent_of(thread->gil_wait_ns, lived));
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static const size_t gil_metrics[] = {offsetof(struct pp_gil_entry, wait_ns), offsetof(struct pp_gil_entry, wait_count),
				     offsetof(struct pp_gil_entry, max_ns)};

static void gil_entries(struct pp_json_report *report, const char *key, const struct pp_gil_entry *entries, uint32_t count)
{
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = top_rows(report->model->arena, entries, sizeof(*entries), count, report->top, gil_metrics,
					 sizeof(gil_metrics) / sizeof(gil_metrics[0]), &shown);

	json_list_begin(json, key);
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_gil_entry *entry = &entries[rows[i]];
		bool flat = entry->node == PP_NONE;

		flat ? json_flat_begin(json, NULL, false) : json_object_begin(json, NULL);
		report_json_frame(report, entry->frame);
		json_metric(json, "wait_count", entry->wait_count);
		json_metric(json, "wait_ns", entry->wait_ns);
		json_metric(json, "max_ns", entry->max_ns);
		if (!flat)
			report_json_stack(report, "stack", entry->node);
		flat ? json_flat_end(json, false) : json_object_end(json);
	}
	json_list_end(json);
}

static void gil_object(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	uint64_t held = 0, waited = 0, count = 0;
	struct pp_json *json = &report->json;

	for (uint32_t i = 0; i < profile->thread_count; i++) {
		if (!is_python(profile, &profile->threads[i]))
			continue;
		held = metric_add(held, profile->threads[i].gil_ns);
		waited = metric_add(waited, profile->threads[i].gil_wait_ns);
		count = metric_add(count, profile->threads[i].gil_wait_count);
	}
	json_object_begin(json, "gil");
	json_metric(json, "held_ns", held);
	json_metric(json, "wait_ns", waited);
	json_metric(json, "wait_count", count);
	gil_threads(report);
	gil_entries(report, "lines", report->model->gil_lines, report->model->gil_line_count);
	gil_entries(report, "sites", report->model->gil_sites, report->model->gil_site_count);
	json_object_end(json);
}

void report_json_python(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	uint64_t merged = 0, matched = 0;
	uint32_t version = 0;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		if (!version)
			version = profile->processes[i].python_version;
		merged = metric_add(merged, profile->processes[i].python_merge_count);
		matched = metric_add(matched, profile->processes[i].python_matched_count);
	}
	if (!version) {
		json_null(json, "python");
		return;
	}
	json_object_begin(json, "python");
	version_text(report, "version", version);
	json_metric(json, "merge_count", merged);
	json_metric(json, "matched_count", matched);
	gil_object(report);
	json_object_end(json);
}
