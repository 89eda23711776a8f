/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report -f json: the document, and its parts that belong to no family. Its shape is docs/report.schema.json, which a
 * test holds it to. One thread.
 */
#include "report_json.h"

#include "rules.h"

#include <string.h>
#include <time.h>

static void frame_members(struct pp_json_report *report, uint32_t number, bool as_function)
{
	struct pp_json *json = &report->json;
	struct pp_frame frame = {.module = PP_NONE};

	if (number != PP_NONE)
		frame = profile_frame(report->profile, number);
	if (as_function && frame.language == PP_LANGUAGE_PYTHON)
		frame.line = (uint32_t)frame.offset;
	json_text(json, "function", frame.function);
	json_text(json, "file", frame.file);
	if (frame.line)
		json_unsigned(json, "line", frame.line);
	else
		json_null(json, "line");
	json_text(json, "module", frame.module == PP_NONE ? NULL : report->profile->modules[frame.module].path);
	/* Where the line says less, the offset tells two calls apart. */
	if (number != PP_NONE && (!frame.function || !frame.line))
		json_unsigned(json, "offset", frame.offset);
	if (!frame.function && frame.entry)
		json_unsigned(json, "function_offset", frame.entry);
	if (frame.inlined)
		json_bool(json, "inlined", true);
	if (frame.language == PP_LANGUAGE_PYTHON)
		json_text(json, "language", "python");
}

void report_json_frame(struct pp_json_report *report, uint32_t number)
{
	frame_members(report, number, false);
}

void report_json_function(struct pp_json_report *report, uint32_t number)
{
	frame_members(report, number, true);
}

void report_json_user_frame(struct pp_json_report *report, uint32_t number)
{
	json_flat_begin(&report->json, "user_frame", false);
	report_json_frame(report, number);
	json_flat_end(&report->json, false);
}

void report_json_user(struct pp_json_report *report, uint32_t node, uint32_t frame)
{
	uint32_t user = node == PP_NONE ? PP_NONE : stack_own_frame(report->profile, node);

	if (user != PP_NONE && user != frame)
		report_json_user_frame(report, user);
}

void report_json_stack(struct pp_json_report *report, const char *key, uint32_t node)
{
	struct pp_json *json = &report->json;
	struct pp_stack_walk walk;
	uint32_t frame;

	json_list_begin(json, key);
	stack_walk_init(&walk, node);
	while (stack_walk_next(report->profile, &walk, &frame)) {
		json_flat_begin(json, NULL, false);
		report_json_frame(report, frame);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

static void command_list(struct pp_json *json, const char *const *command)
{
	json_flat_begin(json, "command", true);
	for (; command && *command; command++)
		json_text(json, NULL, *command);
	json_flat_end(json, true);
}

static void exit_object(struct pp_json *json, const struct pp_exit *exit)
{
	json_flat_begin(json, "exit", false);
	if (exit->known && exit->signal == 0)
		json_integer(json, "code", exit->code);
	else
		json_null(json, "code");
	if (exit->known && exit->signal)
		json_integer(json, "signal", exit->signal);
	else
		json_null(json, "signal");
	json_flat_end(json, false);
}

static void start_time(struct pp_json *json, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / 1000000000);
	char text[64], fraction[16];
	struct tm tm;

	if (unix_ns == PP_UNKNOWN || !gmtime_r(&seconds, &tm)) {
		json_null(json, "start_time");
		return;
	}
	snprintf(fraction, sizeof(fraction), ".%06uZ", (unsigned)(unix_ns % 1000000000 / 1000));
	strftime(text, sizeof(text) - sizeof(fraction), "%Y-%m-%dT%H:%M:%S", &tm);
	json_text(json, "start_time", strcat(text, fraction));
}

static void target_object(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	const struct pp_process *first = &profile->processes[0];
	struct pp_json *json = &report->json;

	json_object_begin(json, "target");
	command_list(json, first->command);
	json_text(json, "executable", first->executable);
	json_integer(json, "pid", first->pid);
	json_text(json, "host", profile->host);
	start_time(json, profile->start_unix_ns);
	json_metric(json, "wall_ns", profile->wall_ns);
	json_metric(json, "user_ns", report->model->user_ns);
	json_metric(json, "system_ns", report->model->system_ns);
	json_metric(json, "max_rss_bytes", report->model->max_rss_bytes);
	exit_object(json, &profile->processes[report->model->last_image].exit);
	json_unsigned(json, "thread_count", profile->thread_count);
	json_unsigned(json, "process_count", profile->process_count);
	json_bool(json, "running", profile->running);
	json_object_end(json);
}

static void process_object(struct pp_json_report *report, const struct pp_process *process)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	uint64_t end_ns = process->end_ns == PP_UNKNOWN ? profile->wall_ns : process->end_ns;

	json_object_begin(json, NULL);
	json_unsigned(json, "id", process->id);
	json_integer(json, "pid", process->pid);
	if (process->parent == PP_NONE) {
		json_null(json, "parent_id");
		json_null(json, "parent_pid");
	} else {
		json_unsigned(json, "parent_id", profile->processes[process->parent].id);
		json_integer(json, "parent_pid", profile->processes[process->parent].pid);
	}
	json_text(json, "executable", process->executable);
	command_list(json, process->command);
	json_metric(json, "start_ns", process->start_ns);
	json_metric(json, "wall_ns",
		    end_ns < process->start_ns || process->start_ns == PP_UNKNOWN ? 0 : end_ns - process->start_ns);
	exit_object(json, &process->exit);
	json_bool(json, "running", process->end_ns == PP_UNKNOWN);
	json_metric(json, "events", process->event_count);
	json_metric(json, "lost", process->lost_count);
	json_bool(json, "complete", process->complete);
	json_metric(json, "cpu_ns", process->cpu_ns);
	json_metric(json, "user_ns", process->user_ns);
	json_metric(json, "system_ns", process->system_ns);
	json_metric(json, "max_rss_bytes", process->max_rss_bytes);
	json_metric(json, "sample_count", process->sample_count);
	json_metric(json, "allocation_count", process->mem.allocation_count);
	json_metric(json, "allocated_bytes", process->mem.allocated_bytes);
	json_metric(json, "free_count", process->mem.free_count);
	json_metric(json, "live_bytes", process->mem.live_bytes);
	json_metric(json, "live_count", process->mem.live_count);
	json_metric(json, "peak_bytes", process->mem.peak_bytes);
	json_metric(json, "peak_at_ns", process->mem.peak_at_ns);
	json_object_end(json);
}

static void coverage_object(struct pp_json_report *report)
{
	const struct pp_coverage *coverage = report->model->coverage;
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_object_begin(json, "coverage");
	json_bool(json, "complete", coverage->complete);
	json_unsigned(json, "events", coverage->event_count);
	json_unsigned(json, "lost", coverage->lost_count);
	json_object_begin(json, "skipped");
	for (uint32_t cause = 0; cause < PP_PROFILE_SKIPS; cause++)
		if (coverage->skipped[cause] || strncmp(coverage_skip_name(cause), "cause_", 6) != 0)
			json_unsigned(json, coverage_skip_name(cause), coverage->skipped[cause]);
	json_object_end(json);
	json_flat_begin(json, "cpu", false);
	json_metric(json, "sampled_ns", coverage->sampled_ns);
	json_metric(json, "measured_ns", coverage->measured_ns);
	json_flat_end(json, false);
	report_json_io_coverage(report);
	json_list_begin(json, "not_observed");
	for (uint32_t i = 0; i < coverage->sentence_count; i++)
		json_text(json, NULL, coverage->sentences[i]);
	json_list_end(json);
	json_flat_begin(json, "overhead", false);
	json_metric(json, "analyzer_cpu_ns", profile->analyzer_cpu_ns);
	json_metric(json, "analyzer_max_rss_bytes", profile->analyzer_max_rss_bytes);
	json_unsigned(json, "target_bytes", coverage->overhead_bytes);
	json_metric(json, "target_sampled_ns", report->model->has_cpu ? report->model->cpu.own_ns : PP_UNKNOWN);
	json_flat_end(json, false);
	json_object_end(json);
}

static void series_object(struct pp_json_report *report, const char *name, const char *unit, enum pp_bin_series series,
			  uint64_t factor)
{
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	json_text(json, "name", name);
	json_text(json, "unit", unit);
	json_flat_begin(json, "values", true);
	for (uint32_t i = 0; i < report->model->bin_count; i++)
		json_unsigned(json, NULL, report->model->bins[i][series] * factor);
	json_flat_end(json, true);
	json_object_end(json);
}

static void timeline_object(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;

	if (report->model->bin_count == 0) {
		json_null(json, "timeline");
		return;
	}
	json_object_begin(json, "timeline");
	json_metric(json, "bin_ns", report->profile->bin_ns);
	json_list_begin(json, "series");
	if (report->model->has_cpu)
		series_object(report, "cpu", "ns", PP_BIN_SAMPLES, report->model->cpu.period_ns);
	if (report->model->has_heap) {
		series_object(report, "allocation_count", "count", PP_BIN_ALLOCATIONS, 1);
		series_object(report, "allocated_bytes", "bytes", PP_BIN_ALLOCATED, 1);
		series_object(report, "live_bytes", "bytes", PP_BIN_LIVE, 1);
	}
	json_list_end(json);
	json_object_end(json);
}

void report_json_findings(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;
	uint32_t count;
	const struct pp_finding *findings = rules_apply_model(report->model, report->model->arena, &count);

	json_list_begin(json, "findings");
	for (const struct pp_finding *finding = findings; finding < findings + count; finding++) {
		json_object_begin(json, NULL);
		json_text(json, "id", finding->id);
		json_text(json, "category", finding->category);
		json_text(json, "severity", severity_name(finding->severity));
		json_text(json, "title", finding->title);
		json_object_begin(json, "evidence");
		for (uint32_t i = 0; i < finding->evidence_count; i++)
			json_number(json, finding->evidence[i].name, finding->evidence[i].value);
		json_object_end(json);
		if (finding->node != PP_NONE) {
			report_json_stack(report, "where", finding->node);
		} else {
			json_list_begin(json, "where");
			if (finding->frame != PP_NONE) {
				json_flat_begin(json, NULL, false);
				report_json_frame(report, finding->frame);
				json_flat_end(json, false);
			}
			json_list_end(json);
		}
		report_json_user(report, finding->node, PP_NONE);
		json_text(json, "recommendation", finding->recommendation);
		if (finding->sql)
			json_text(json, "sql", finding->sql);
		json_number(json, "potential_percent", finding->potential_percent);
		json_object_end(json);
	}
	json_list_end(json);
}

/* Families that this recording holds nothing of: not measured. */
static void absent_families(struct pp_json *json)
{
	static const char *const names[] = {"gpu", "locks", "system", "steps"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_null(json, names[i]);
}

bool report_json(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file,
		 struct pp_error *error)
{
	struct pp_json_report report = {.profile = profile, .top = options->top};
	struct pp_json *json = &report.json;

	(void)error; /* what the stream could not take is seen by who opened it */
	report.model = report_model_create(profile);
	json_init(json, file);
	json_object_begin(json, NULL);
	json_text(json, "schema", "preprof-report");
	json_integer(json, "schema_version", 1);
	json_text(json, "preprof_version", profile->preprof_version);
	target_object(&report);
	json_list_begin(json, "processes");
	for (uint32_t i = 0; i < profile->process_count; i++)
		process_object(&report, &profile->processes[i]);
	json_list_end(json);
	coverage_object(&report);
	report_json_cpu(&report);
	report_json_heap(&report);
	report_json_leaks(&report);
	report_json_io(&report);
	report_json_sql(&report);
	report_json_waits(&report);
	absent_families(json);
	report_json_python(&report);
	timeline_object(&report);
	report_json_findings(&report);
	json_object_end(json);
	report_model_destroy(report.model);
	return true;
}
