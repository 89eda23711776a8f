/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a text report; see report_text.h. One thread. */
#include "report_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void text_report_init(struct pp_text_report *report, const struct pp_profile *profile,
		      const struct pp_report_options *options, FILE *file)
{
	report->text.file = file;
	report->text.columns = options->columns < 60 ? 100 : options->columns > 200 ? 200 : options->columns;
	report->text.colour = options->colour;
	report->profile = profile;
	report->options = options;
	report->top = options->top ? options->top : UINT32_MAX;
	report->model = report_model_create(profile);
	report->findings = rules_apply_model(report->model, report->model->arena, &report->finding_count);
}

void text_report_finish(struct pp_text_report *report)
{
	report_model_destroy(report->model);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *frame_name(const struct pp_profile *profile, uint32_t number, char *buffer)
{
	struct pp_frame frame;

	if (number == PP_NONE)
		return "(unknown stack)";
	frame = profile_frame(profile, number);
	if (frame.function)
		return frame.function;
	snprintf(buffer, PP_TEXT_LINE, "%s+0x%" PRIx64,
		 frame.module == PP_NONE || !profile->modules[frame.module].path
			 ? "(no module)"
			 : path_base(profile->modules[frame.module].path),
		 frame_entry(&frame));
	return buffer;
}

/* Where a frame is, in few words: file:line, else the module; "" where the name says it already. */
static const char *frame_place(const struct pp_profile *profile, uint32_t number, char *buffer)
{
	struct pp_frame frame = {.module = PP_NONE};

	if (number != PP_NONE)
		frame = profile_frame(profile, number);
	if (frame.file && frame.line)
		snprintf(buffer, PP_TEXT_LINE, "%s:%" PRIu32, path_base(frame.file), frame.line);
	else if (frame.function && frame.module != PP_NONE && profile->modules[frame.module].path)
		snprintf(buffer, PP_TEXT_LINE, "%s", path_base(profile->modules[frame.module].path));
	else
		buffer[0] = '\0';
	return buffer;
}

/* Columns used. */
static uint32_t frame_print(const struct pp_text_report *report, uint32_t frame, uint32_t columns)
{
	char name[PP_TEXT_LINE], place[PP_TEXT_LINE], fitted[PP_TEXT_LINE], fitted_place[PP_TEXT_LINE];
	uint32_t place_columns, name_columns = text_columns(frame_name(report->profile, frame, name));

	/* A third of the room is the place's, and what the name leaves. */
	place_columns = name_columns + 2 < columns - columns / 3 ? columns - name_columns - 2 : columns / 3;
	text_fit(fitted_place, frame_place(report->profile, frame, place), place_columns);
	place_columns = text_columns(fitted_place);
	text_fit_function(fitted, frame_name(report->profile, frame, name),
			  place_columns ? columns - place_columns - 2 : columns);
	fputs(fitted, report->text.file);
	if (place_columns) {
		text_style(&report->text, PP_STYLE_FAINT);
		fprintf(report->text.file, "  %s", fitted_place);
		text_style(&report->text, PP_STYLE_PLAIN);
		place_columns += 2;
	}
	return text_columns(fitted) + place_columns;
}

void text_frame(const struct pp_text_report *report, uint32_t frame, uint32_t columns)
{
	frame_print(report, frame, columns);
	putc('\n', report->text.file);
}

#define USER_COLUMNS 32

void text_function(const struct pp_text_report *report, const struct pp_cpu_entry *entry, uint32_t columns)
{
	char name[PP_TEXT_LINE], place[PP_TEXT_LINE], both[2 * PP_TEXT_LINE + 2], fitted[PP_TEXT_LINE];

	if (entry->user_frame == PP_NONE) {
		text_frame(report, entry->hot_frame, columns);
		return;
	}
	snprintf(both, sizeof(both), "%s %s",
		 text_fit_function(fitted, frame_name(report->profile, entry->user_frame, name), USER_COLUMNS / 2),
		 frame_place(report->profile, entry->user_frame, place));
	text_fit(fitted, both, USER_COLUMNS);
	frame_print(report, entry->hot_frame, columns - text_columns(fitted) - 3);
	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, " < %s", fitted);
	text_style(&report->text, PP_STYLE_PLAIN);
	putc('\n', report->text.file);
}

#define CALLER_COLUMNS 12 /* less says nothing */

/* " < caller < its caller", as far as they fit. */
static void site_callers(const struct pp_text_report *report, const struct pp_heap_site *site, uint32_t columns)
{
	char name[PP_TEXT_LINE], before[PP_TEXT_LINE] = "", fitted[PP_TEXT_LINE];
	struct pp_stack_walk walk;
	uint32_t number, shown = 0;
	bool named = false;

	stack_walk_init(&walk, site->node);
	while (shown < PP_CALLERS_SHOWN && stack_walk_next(report->profile, &walk, &number)) {
		struct pp_frame frame = profile_frame(report->profile, number);

		if (!named) {
			named = number == site->frame;
			continue;
		}
		if (columns < CALLER_COLUMNS + 3)
			return;
		text_fit_function(fitted, frame_name(report->profile, number, name),
				  columns - 3 < 32 ? columns - 3 : 32);
		if (!frame_is_shown(&frame) || strcmp(fitted, before) == 0)
			continue;
		fprintf(report->text.file, " < %s", fitted);
		columns -= text_columns(fitted) + 3;
		memcpy(before, fitted, sizeof(before));
		shown++;
	}
}

/* " > what was called there". Columns used. */
static uint32_t site_called(const struct pp_text_report *report, const struct pp_heap_site *site, uint32_t columns)
{
	char name[PP_TEXT_LINE], fitted[PP_TEXT_LINE];
	uint32_t called;

	if (site->node == PP_NONE || stack_user_frame(report->profile, site->node, &called) != site->frame ||
	    called == PP_NONE || columns < CALLER_COLUMNS + 3)
		return 0;
	text_fit_function(fitted, frame_name(report->profile, called, name), columns - 3 < 32 ? columns - 3 : 32);
	fprintf(report->text.file, " > %s", fitted);
	return text_columns(fitted) + 3;
}

void text_site(const struct pp_text_report *report, const struct pp_heap_site *site, uint32_t columns)
{
	char name[PP_TEXT_LINE], place[PP_TEXT_LINE], fitted[PP_TEXT_LINE];
	uint32_t used;

	text_fit_function(fitted, frame_name(report->profile, site->frame, name), columns * 2 / 5);
	fputs(fitted, report->text.file);
	used = text_columns(fitted);
	text_fit(fitted, frame_place(report->profile, site->frame, place), columns / 3);
	text_style(&report->text, PP_STYLE_FAINT);
	if (fitted[0]) {
		fprintf(report->text.file, "  %s", fitted);
		used += text_columns(fitted) + 2;
	}
	used += site_called(report, site, columns - used);
	site_callers(report, site, columns - used);
	text_style(&report->text, PP_STYLE_PLAIN);
	putc('\n', report->text.file);
}

void text_headline(const struct pp_text_report *report, const char *title, const char *format, ...)
{
	char words[PP_TEXT_LINE];
	va_list list;

	va_start(list, format);
	vsnprintf(words, sizeof(words), format, list);
	va_end(list);
	text_style(&report->text, PP_STYLE_TITLE);
	fprintf(report->text.file, "%-*s", PP_TITLE_COLUMNS, title);
	text_style(&report->text, PP_STYLE_PLAIN);
	text_wrap(&report->text, PP_TITLE_COLUMNS, PP_TITLE_COLUMNS, words);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void command_text(const struct pp_process *process, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (const char *const *argument = process->command; argument && *argument && used < size; argument++)
		used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? " " : "",
					 **argument ? *argument : "\"\"");
	if (used == 0)
		snprintf(buffer, size, "%s", process->executable ? process->executable : "(unknown command)");
}

static void exit_text(const struct pp_process *process, char *buffer, size_t size)
{
	if (process->end_ns == PP_UNKNOWN)
		snprintf(buffer, size, "still running");
	else if (!process->exit.known)
		snprintf(buffer, size, "exit unknown");
	else if (process->exit.signal)
		snprintf(buffer, size, "ended by SIG%s",
			 sigabbrev_np(process->exit.signal) ? sigabbrev_np(process->exit.signal) : "?");
	else
		snprintf(buffer, size, "exit %d", process->exit.code);
}

void text_target(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	const struct pp_process *first = &profile->processes[0];
	char command[PP_TEXT_LINE / 4], fitted[PP_TEXT_LINE], ended[64], wall[PP_TEXT_NUMBER], user[PP_TEXT_NUMBER],
		system[PP_TEXT_NUMBER], rss[PP_TEXT_NUMBER], times[128] = "", resident[64] = "", count[80] = "";
	const struct pp_coverage *tree = report->model->coverage;

	command_text(first, command, sizeof(command));
	exit_text(&profile->processes[report->model->last_image], ended, sizeof(ended));
	text_headline(report, "preprof", "%s", text_fit(fitted, command, report->text.columns - PP_TITLE_COLUMNS));
	if (report->model->least_cpu_ns != PP_UNKNOWN)
		snprintf(times, sizeof(times), "; CPU at least %s", text_duration(user, report->model->least_cpu_ns));
	else if (report->model->user_ns != PP_UNKNOWN)
		snprintf(times, sizeof(times), "; CPU %s user, %s system", text_duration(user, report->model->user_ns),
			 text_duration(system, report->model->system_ns));
	if (report->model->max_rss_bytes != PP_UNKNOWN)
		snprintf(resident, sizeof(resident), "; %s resident", text_bytes(rss, report->model->max_rss_bytes));
	if (tree->program_count > tree->process_count)
		snprintf(count, sizeof(count), "%" PRIu32 " process%s that executed %" PRIu32 " programs, ",
			 tree->process_count, tree->process_count == 1 ? "" : "es", tree->program_count);
	else if (tree->process_count > 1)
		snprintf(count, sizeof(count), "%" PRIu32 " processes, ", tree->process_count);
	text_headline(report, "", "pid %d, %s; %s wall%s%s; %s%" PRIu32 " thread%s", first->pid, ended,
		      text_duration(wall, profile->wall_ns), times, resident, count, tree->thread_count,
		      plural(tree->thread_count));
}

#define CPU_ROW_COLUMNS 20

static void cpu_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %6s  %6s    function\n", "self", "total");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0, shown = 0; i < model->function_count && shown < rows; i++) {
		const struct pp_cpu_entry *entry = &model->functions[i];

		struct pp_frame frame = profile_frame(model->profile, entry->frame);

		if (profile_frame_is_own(model->profile, entry->frame) || /* the headline has it */
		    (!entry->self_ns && frame.function && function_is_start(frame.function)))
			continue;
		shown++;
		fprintf(report->text.file, "  %5.1f%%  %5.1f%%    ", percent_of(entry->self_ns, model->cpu.total_ns),
			percent_of(entry->total_ns, model->cpu.total_ns));
		text_function(report, entry, report->text.columns - CPU_ROW_COLUMNS);
	}
}

void text_cpu(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char total[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], time[PP_TEXT_NUMBER], own[64] = "";

	if (!model->has_cpu) {
		text_headline(report, "CPU time", "not sampled");
		return;
	}
	if (model->cpu.sample_count == 0) {
		text_headline(report, "CPU time",
			      "no sample came: one is taken every %s of a thread's CPU time",
			      text_duration(total, model->cpu.period_ns));
		return;
	}
	if (model->cpu.own_ns)
		snprintf(own, sizeof(own), "; %s of it preprof's own", text_duration(time, model->cpu.own_ns));
	text_headline(report, "CPU time", "%s sampled, %s sample%s%s", text_duration(total, model->cpu.total_ns),
		      text_count(count, model->cpu.sample_count), plural(model->cpu.sample_count), own);
	cpu_rows(report, rows);
}

#define HEAP_ROW_COLUMNS 28

static void site_row(const struct pp_text_report *report, uint64_t bytes, uint64_t blocks,
		     const struct pp_heap_site *site)
{
	char first[PP_TEXT_NUMBER], second[PP_TEXT_NUMBER];

	fprintf(report->text.file, "  %9s  %11s    ", text_bytes(first, bytes), text_count(second, blocks));
	text_site(report, site, report->text.columns - HEAP_ROW_COLUMNS);
}

static void site_head(const struct pp_text_report *report, const char *bytes, const char *blocks)
{
	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %11s    call site\n", bytes, blocks);
	text_style(&report->text, PP_STYLE_PLAIN);
}

static void heap_headline(const struct pp_text_report *report)
{
	const struct pp_mem_totals *heap = &report->model->heap;
	char count[PP_TEXT_NUMBER], bytes[PP_TEXT_NUMBER], peak[PP_TEXT_NUMBER], at[PP_TEXT_NUMBER];

	text_headline(report, "Memory", "peak %s%s%s; %s allocation%s, %s in all; %.0f%% temporary",
		      text_bytes(peak, heap->peak_bytes), heap->peak_at_ns == PP_UNKNOWN ? "" : " after ",
		      heap->peak_at_ns == PP_UNKNOWN ? "" : text_duration(at, heap->peak_at_ns),
		      text_count(count, heap->allocation_count), plural(heap->allocation_count),
		      text_bytes(bytes, heap->allocated_bytes),
		      percent_of(heap->temporary_count, heap->allocation_count));
}

void text_heap(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	const struct pp_heap_site **sites;
	uint32_t count;

	if (!model->has_heap) {
		text_headline(report, "Memory", "allocations were not recorded");
		return;
	}
	if (model->heap.allocation_count == 0) {
		text_headline(report, "Memory", "no allocation was seen");
		return;
	}
	heap_headline(report);
	sites = model_places_by(model, PP_SITE(peak_count), PP_SITE(peak_bytes), &count);
	if (count && rows)
		site_head(report, "at peak", "blocks");
	for (uint32_t i = 0; i < count && i < rows; i++)
		site_row(report, sites[i]->peak_bytes, sites[i]->peak_count, sites[i]);
}

void text_unfreed(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char bytes[PP_TEXT_NUMBER], blocks[PP_TEXT_NUMBER];
	const struct pp_heap_site **sites;
	uint32_t count;

	if (!model->has_heap || model->heap.allocation_count == 0)
		return;
	if (model->heap.live_count == 0) {
		text_headline(report, "Never freed", "nothing: every block was freed");
		return;
	}
	text_headline(report, model->coverage->saw_the_end ? "Never freed" : "Still live", "%s in %s block%s%s",
		      text_bytes(bytes, model->heap.live_bytes), text_count(blocks, model->heap.live_count),
		      plural(model->heap.live_count), model->coverage->saw_the_end ? "" : " when the recording ended");
	sites = model_places_by(model, PP_SITE(live_count), PP_SITE(live_bytes), &count);
	if (count && rows)
		site_head(report, model->coverage->saw_the_end ? "unfreed" : "live", "blocks");
	for (uint32_t i = 0; i < count && i < rows; i++)
		site_row(report, sites[i]->live_bytes, sites[i]->live_count, sites[i]);
}

static enum pp_style severity_style(enum pp_severity severity)
{
	return severity == PP_SEVERITY_HIGH	? PP_STYLE_HIGH
	       : severity == PP_SEVERITY_MEDIUM ? PP_STYLE_MEDIUM
						: PP_STYLE_LOW;
}

void text_finding_titles(const struct pp_text_report *report, uint32_t rows)
{
	char fitted[PP_TEXT_LINE];

	for (uint32_t i = 0; i < report->finding_count && i < rows; i++) {
		const struct pp_finding *finding = &report->findings[i];

		if (i == 0)
			text_style(&report->text, PP_STYLE_TITLE);
		fprintf(report->text.file, "%-*s", PP_TITLE_COLUMNS, i == 0 ? "Findings" : "");
		text_style(&report->text, severity_style(finding->severity));
		fprintf(report->text.file, "%-6s", severity_name(finding->severity));
		text_style(&report->text, PP_STYLE_PLAIN);
		fprintf(report->text.file, "  %s\n",
			text_fit(fitted, finding->title, report->text.columns - PP_TITLE_COLUMNS - 8));
	}
}

/* "99.2% of the CPU time sampled": how much of what the processes used the samples stand for. */
static void coverage_headline(const struct pp_text_report *report)
{
	const struct pp_coverage *coverage = report->model->coverage;
	char events[PP_TEXT_NUMBER], lost[PP_TEXT_NUMBER], sampled[PP_TEXT_NUMBER], measured[PP_TEXT_NUMBER],
		cpu[160] = "";

	if (coverage->sampled_ns != PP_UNKNOWN)
		snprintf(cpu, sizeof(cpu), "; samples stand for %s of %s CPU time",
			 text_duration(sampled, coverage->sampled_ns), text_duration(measured, coverage->measured_ns));
	text_headline(report, "Coverage", "%s; %s event%s, %s lost%s", coverage->complete ? "complete" : "NOT COMPLETE",
		      text_count(events, coverage->event_count), plural(coverage->event_count),
		      coverage->lost_count ? text_count(lost, coverage->lost_count) : "none", cpu);
}

void text_coverage(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_coverage *coverage = report->model->coverage;
	char fitted[PP_TEXT_LINE];
	uint32_t shown = coverage->sentence_count <= rows ? coverage->sentence_count : rows - 1;

	coverage_headline(report);
	for (uint32_t i = 0; i < shown; i++) {
		if (rows == UINT32_MAX) {
			fputs("  - ", report->text.file);
			text_wrap(&report->text, 4, 4, coverage->sentences[i]);
		} else {
			fprintf(report->text.file, "  - %s\n",
				text_fit(fitted, coverage->sentences[i], report->text.columns - 4));
		}
	}
	if (shown < coverage->sentence_count)
		fprintf(report->text.file, "  - and %" PRIu32 " more in the report\n",
			coverage->sentence_count - shown);
}

const char *profile_emptiness(const struct pp_report_model *model)
{
	if (model->coverage->event_count || model->profile->mem_site_count || model->profile->cpu_site_count ||
	    model->profile->io_site_count)
		return NULL;
	if (!model->has_cpu && !model->has_heap && !model->has_io)
		return "the recording is empty: neither CPU samples nor allocations nor I/O calls were asked for";
	if (model->coverage->sentence_count)
		return arena_format(model->arena, "the recording is empty: %s", model->coverage->sentences[0]);
	return "the recording is empty: the program made no allocation that was seen, and used too little CPU time for "
	       "a sample";
}
