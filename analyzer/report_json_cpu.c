/* SPDX-License-Identifier: Apache-2.0 */
/* The "cpu" object of report -f json. One thread. */
#include "report_json.h"

static void entry_times(struct pp_json_report *report, const struct pp_cpu_entry *entry)
{
	struct pp_json *json = &report->json;

	json_unsigned(json, "self_ns", entry->self_ns);
	json_unsigned(json, "total_ns", entry->total_ns);
	json_number(json, "self_percent", percent_of(entry->self_ns, report->model->cpu.total_ns));
	json_number(json, "total_percent", percent_of(entry->total_ns, report->model->cpu.total_ns));
}

static uint32_t *entries_top(struct pp_json_report *report, const struct pp_cpu_entry *entries, uint32_t count,
			     uint32_t *shown)
{
	static const size_t metrics[] = {offsetof(struct pp_cpu_entry, self_ns),
					 offsetof(struct pp_cpu_entry, total_ns)};

	return top_rows(report->model->arena, entries, sizeof(*entries), count, report->top, metrics, 2, shown);
}

static void functions_list(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = entries_top(report, model->functions, model->function_count, &shown);

	json_list_begin(json, "functions");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_cpu_entry *entry = &model->functions[rows[i]];

		json_flat_begin(json, NULL, false);
		report_json_function(report, entry->frame);
		if (profile_frame(report->profile, entry->hot_frame).line)
			json_unsigned(json, "hot_line", profile_frame(report->profile, entry->hot_frame).line);
		else
			json_null(json, "hot_line");
		entry_times(report, entry);
		if (entry->user_frame != PP_NONE)
			report_json_user_frame(report, entry->user_frame);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void lines_list(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = entries_top(report, model->lines, model->line_count, &shown);

	json_list_begin(json, "lines");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_cpu_entry *entry = &model->lines[rows[i]];
		struct pp_frame frame = profile_frame(report->profile, entry->frame);

		json_flat_begin(json, NULL, false);
		json_text(json, "file", frame.file);
		json_unsigned(json, "line", frame.line);
		if (frame.language == PP_LANGUAGE_PYTHON)
			json_text(json, "language", "python");
		entry_times(report, entry);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void modules_list(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = entries_top(report, model->modules, model->module_count, &shown);

	json_list_begin(json, "modules");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_cpu_entry *entry = &model->modules[rows[i]];
		uint32_t module = profile_frame(report->profile, entry->frame).module;

		json_flat_begin(json, NULL, false);
		json_text(json, "module", module == PP_NONE ? NULL : report->profile->modules[module].path);
		json_text(json, "build_id", module == PP_NONE ? NULL : report->profile->modules[module].build_id);
		entry_times(report, entry);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void threads_list(struct pp_json_report *report)
{
	static const size_t metrics[] = {offsetof(struct pp_thread, sampled_ns),
					 offsetof(struct pp_thread, sample_count)};
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = top_rows(report->model->arena, profile->threads, sizeof(*profile->threads),
					 profile->thread_count, report->top, metrics, 2, &shown);

	json_list_begin(json, "threads");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_thread *thread = &profile->threads[rows[i]];

		json_flat_begin(json, NULL, false);
		json_unsigned(json, "process_id", profile->processes[thread->process].id);
		json_integer(json, "pid", profile->processes[thread->process].pid);
		json_integer(json, "tid", thread->tid);
		json_text(json, "name", thread->name);
		json_metric(json, "sample_count", thread->sample_count);
		json_metric(json, "total_ns", thread->sampled_ns);
		json_metric(json, "cpu_ns", thread->cpu_ns);
		json_metric(json, "start_ns", thread->start_ns);
		json_metric(json, "end_ns", thread->end_ns);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void languages_list(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;

	json_list_begin(json, "languages");
	for (uint32_t i = 0; i < model->language_count; i++) {
		struct pp_frame frame = profile_frame(report->profile, model->languages[i].frame);

		json_flat_begin(json, NULL, false);
		json_text(json, "language", frame.language == PP_LANGUAGE_PYTHON ? "python" : "native");
		entry_times(report, &model->languages[i]);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

void report_json_cpu(struct pp_json_report *report)
{
	const struct pp_report_model *model = report->model;
	struct pp_json *json = &report->json;

	if (!model->has_cpu) {
		json_null(json, "cpu");
		return;
	}
	json_object_begin(json, "cpu");
	json_metric(json, "sample_count", model->cpu.sample_count);
	json_metric(json, "period_ns", model->cpu.period_ns);
	json_metric(json, "total_ns", model->cpu.total_ns);
	functions_list(report);
	lines_list(report);
	threads_list(report);
	modules_list(report);
	languages_list(report);
	json_object_end(json);
}
