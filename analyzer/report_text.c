/* SPDX-License-Identifier: Apache-2.0 */
/* report -f text: the summary's parts with all their rows, then the details. One thread. */
#include "report_formats.h"
#include "report_text.h"

#include "site_name.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void section(const struct pp_text_report *report, const char *title)
{
	putc('\n', report->text.file);
	text_style(&report->text, PP_STYLE_TITLE);
	fprintf(report->text.file, "%s\n", title);
	text_style(&report->text, PP_STYLE_PLAIN);
}

static void more_rows(const struct pp_text_report *report, uint32_t shown, uint32_t count)
{
	if (shown < count)
		fprintf(report->text.file, "  ... and %" PRIu32 " more (--top 0 shows all)\n", count - shown);
}

static uint32_t shown_of(const struct pp_text_report *report, uint32_t count)
{
	return count < report->top ? count : report->top;
}

/* ---- CPU ---- */

static void cpu_lines(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	uint32_t shown = shown_of(report, model->line_count);
	char place[PP_TEXT_LINE], fitted[PP_TEXT_LINE];

	if (model->line_count == 0)
		return;
	section(report, "CPU time by line");
	fprintf(report->text.file, "  %6s  %6s    line\n", "self", "total");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_cpu_entry *entry = &model->lines[i];
		struct pp_frame frame = profile_frame(report->profile, entry->frame);

		snprintf(place, sizeof(place), "%.900s:%" PRIu32, frame.file, frame.line);
		fprintf(report->text.file, "  %5.1f%%  %5.1f%%    %s\n",
			percent_of(entry->self_ns, model->cpu.total_ns),
			percent_of(entry->total_ns, model->cpu.total_ns),
			text_fit(fitted, place, report->text.columns - 20));
	}
	more_rows(report, shown, model->line_count);
}

static const char *module_words(const struct pp_profile *profile, uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number);

	if (frame.language == PP_LANGUAGE_PYTHON)
		return "(Python code)";
	return frame.module == PP_NONE || !profile->modules[frame.module].path ? "(no module)"
									       : profile->modules[frame.module].path;
}

static void cpu_modules(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	uint32_t shown = shown_of(report, model->module_count);
	char fitted[PP_TEXT_LINE];

	section(report, "CPU time by module");
	fprintf(report->text.file, "  %6s  %6s    module\n", "self", "total");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_cpu_entry *entry = &model->modules[i];

		fprintf(report->text.file, "  %5.1f%%  %5.1f%%    %s\n",
			percent_of(entry->self_ns, model->cpu.total_ns),
			percent_of(entry->total_ns, model->cpu.total_ns),
			text_fit(fitted, module_words(report->profile, entry->frame), report->text.columns - 20));
	}
	more_rows(report, shown, model->module_count);
}

/* The flat table that users of Python's own profiler know. */
static void cpu_python(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	uint32_t shown = 0, count = 0;

	if (model->language_count < 2)
		return;
	section(report, "CPU time by Python function");
	fprintf(report->text.file, "  %6s  %6s    function\n", "self", "total");
	for (uint32_t i = 0; i < model->function_count; i++) {
		const struct pp_cpu_entry *entry = &model->functions[i];

		if (profile_frame(report->profile, entry->frame).language != PP_LANGUAGE_PYTHON)
			continue;
		if (count++ >= report->top)
			continue;
		fprintf(report->text.file, "  %5.1f%%  %5.1f%%    ", percent_of(entry->self_ns, model->cpu.total_ns),
			percent_of(entry->total_ns, model->cpu.total_ns));
		text_function(report, entry, report->text.columns - 20);
		shown++;
	}
	more_rows(report, shown, count);
}

/* ---- Python's lock ---- */

static void gil_row(const struct pp_text_report *report, const struct pp_thread *thread)
{
	char held[PP_TEXT_NUMBER], waited[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], cpu[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	fprintf(report->text.file, "%8d  %8d  %9s  %9s  %9s  %9s  %s\n", report->profile->processes[thread->process].pid,
		thread->tid, text_duration(cpu, thread->python_ns), text_duration(held, thread->gil_ns),
		text_duration(waited, thread->gil_wait_ns), text_count(count, thread->gil_wait_count),
		text_fit(fitted, thread->name && *thread->name ? thread->name : "-", 16));
}

static int waiter_compare(const void *left, const void *right)
{
	const struct pp_thread *a = *(const struct pp_thread *const *)left,
			       *b = *(const struct pp_thread *const *)right;

	if (a->gil_wait_ns != b->gil_wait_ns)
		return a->gil_wait_ns < b->gil_wait_ns ? 1 : -1;
	return a < b ? -1 : a > b;
}

static void gil_lines(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	uint32_t shown = shown_of(report, model->gil_line_count);
	char waited[PP_TEXT_NUMBER], longest[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER];

	fprintf(report->text.file, "\n%9s  %9s  %9s  where\n", "waited", "waits", "longest");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_gil_entry *entry = &model->gil_lines[i];

		fprintf(report->text.file, "%9s  %9s  %9s  ", text_duration(waited, entry->wait_ns),
			text_count(count, entry->wait_count), text_duration(longest, entry->max_ns));
		text_frame(report, entry->frame, report->text.columns - 33);
	}
	more_rows(report, shown, model->gil_line_count);
}

/* Only where threads have waited: one thread has the lock to itself. */
static void gil(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	const struct pp_thread **sorted = arena_array(report->model->arena, profile->thread_count, sizeof(*sorted));
	uint32_t count = 0, shown;

	for (uint32_t i = 0; i < profile->thread_count; i++)
		if (profile->threads[i].gil_wait_count && profile->threads[i].gil_wait_count != PP_UNKNOWN)
			sorted[count++] = &profile->threads[i];
	if (count < 2)
		return;
	qsort(sorted, count, sizeof(*sorted), waiter_compare);
	section(report, "Waits for the Python interpreter's lock");
	fprintf(report->text.file, "%8s  %8s  %9s  %9s  %9s  %9s  name\n", "pid", "tid", "CPU time", "with lock", "waited",
		"waits");
	shown = shown_of(report, count);
	for (uint32_t i = 0; i < shown; i++)
		gil_row(report, sorted[i]);
	more_rows(report, shown, count);
	if (report->model->gil_line_count)
		gil_lines(report);
}

/* ---- threads and processes ---- */

static int thread_compare(const void *left, const void *right)
{
	const struct pp_thread *a = *(const struct pp_thread *const *)left,
			       *b = *(const struct pp_thread *const *)right;

	if (a->sampled_ns != b->sampled_ns)
		return a->sampled_ns < b->sampled_ns ? 1 : -1;
	if (a->allocated_bytes != b->allocated_bytes)
		return a->allocated_bytes < b->allocated_bytes ? 1 : -1;
	return a < b ? -1 : a > b;
}

static void threads(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	const struct pp_thread **sorted = arena_array(report->model->arena, profile->thread_count, sizeof(*sorted));
	uint32_t shown = shown_of(report, profile->thread_count);
	char cpu[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], bytes[PP_TEXT_NUMBER], live[PP_TEXT_NUMBER],
		fitted[PP_TEXT_LINE];

	for (uint32_t i = 0; i < profile->thread_count; i++)
		sorted[i] = &profile->threads[i];
	qsort(sorted, profile->thread_count, sizeof(*sorted), thread_compare);
	section(report, "Threads");
	fprintf(report->text.file, "%8s  %8s  %9s  %13s  %9s  %9s  name\n", "pid", "tid", "CPU time", "allocations",
		"bytes", "unfreed");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_thread *thread = sorted[i];

		fprintf(report->text.file, "%8d  %8d  %9s  %13s  %9s  %9s  %s\n",
			profile->processes[thread->process].pid, thread->tid, text_duration(cpu, thread->sampled_ns),
			text_count(count, thread->allocation_count), text_bytes(bytes, thread->allocated_bytes),
			text_bytes(live, thread->live_bytes),
			text_fit(fitted, thread->name && *thread->name ? thread->name : "-", 16));
	}
	more_rows(report, shown, profile->thread_count);
}

static void processes(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	uint32_t shown = shown_of(report, profile->process_count);
	char cpu[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], peak[PP_TEXT_NUMBER], live[PP_TEXT_NUMBER],
		fitted[PP_TEXT_LINE];

	if (profile->process_count < 2)
		return;
	section(report, "Processes, a row for each program that they executed, and for each fork");
	fprintf(report->text.file, "%8s  %8s  %9s  %13s  %9s  %9s  program\n", "pid", "parent", "CPU time",
		"allocations", "peak", "unfreed");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_process *process = &profile->processes[i];
		char parent[16] = "-";

		if (process->parent != PP_NONE && profile->processes[process->parent].pid == process->pid)
			snprintf(parent, sizeof(parent), "(exec)");
		else if (process->parent != PP_NONE)
			snprintf(parent, sizeof(parent), "%d", profile->processes[process->parent].pid);
		fprintf(report->text.file, "%8d  %8s  %9s  %13s  %9s  %9s  %s\n", process->pid, parent,
			text_duration(cpu, process->sampled_ns), text_count(count, process->mem.allocation_count),
			text_bytes(peak, process->mem.peak_bytes), text_bytes(live, process->mem.live_bytes),
			text_fit(fitted, process->executable ? path_base(process->executable) : "-", 16));
	}
	more_rows(report, shown, profile->process_count);
}

/* ---- heap ---- */

#define STACK_ROWS    5
#define TEMPLATE_ROWS 2

/* What the site's line called. */
static void site_called(const struct pp_text_report *report, const struct pp_heap_site *site)
{
	uint32_t called;

	if (site->node == PP_NONE || stack_user_frame(report->profile, site->node, &called) != site->frame ||
	    called == PP_NONE)
		return;
	fprintf(report->text.file, "%28s> ", "");
	text_frame(report, called, report->text.columns - 30);
}

/* The frames below a site's own line, from its naming frame outwards; of the C++ library's templates only the first,
 * so that there is room for the program's own. */
static void site_stack(const struct pp_text_report *report, const struct pp_heap_site *site)
{
	uint32_t frame, rows = 0, templates = 0;
	bool named = false, gap = false;
	char name[PP_TEXT_LINE];
	struct pp_stack_walk walk;

	stack_walk_init(&walk, site->node);
	while (stack_walk_next(report->profile, &walk, &frame)) {
		const char *function = frame_name(report->profile, frame, name);

		if (!named || function_is_start(function)) {
			named = named || frame == site->frame;
			continue;
		}
		if (rows == STACK_ROWS || (function_is_template(function) && ++templates > TEMPLATE_ROWS)) {
			gap = true;
			continue;
		}
		if (gap)
			fprintf(report->text.file, "%28s...\n", "");
		gap = false;
		fprintf(report->text.file, "%28s", "");
		text_frame(report, frame, report->text.columns - 28);
		rows++;
	}
	if (gap)
		fprintf(report->text.file, "%28s...\n", "");
}

static void sites_by(const struct pp_text_report *report, const char *title, const char *bytes_head, size_t bytes,
		     const char *blocks_head, size_t blocks, size_t order)
{
	char first[PP_TEXT_NUMBER], second[PP_TEXT_NUMBER];
	uint32_t count, shown;
	const struct pp_heap_site **sites = model_places_by(report->model, blocks, order, &count);

	if (count == 0)
		return;
	section(report, title);
	fprintf(report->text.file, "  %9s  %11s    call site\n", bytes_head, blocks_head);
	shown = shown_of(report, count);
	for (uint32_t i = 0; i < shown; i++) {
		fprintf(report->text.file, "  %9s  %11s    ",
			text_bytes(first, *(const uint64_t *)((const char *)sites[i] + bytes)),
			text_count(second, *(const uint64_t *)((const char *)sites[i] + blocks)));
		text_frame(report, sites[i]->frame, report->text.columns - 28);
		site_called(report, sites[i]);
		site_stack(report, sites[i]);
	}
	more_rows(report, shown, count);
}

static void heap_totals(const struct pp_text_report *report)
{
	const struct pp_mem_totals *heap = &report->model->heap;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] =
		{
			{"allocations", heap->allocation_count},
			{"frees", heap->free_count},
			{"temporary allocations", heap->temporary_count},
			{"reallocations", heap->realloc_count},
			{"reallocations that moved", heap->realloc_moved_count},
			{"failed allocations", heap->failed_count},
			{"frees of unknown blocks", heap->unknown_free_count},
			{"frees of inherited blocks", heap->inherited_free_count},
			{"mappings (mmap, brk)", heap->mapping_count},
		},
	  bytes[] = {
		  {"allocated", heap->allocated_bytes}, {"freed", heap->freed_bytes},
		  {"unfreed", heap->live_bytes},	{"peak", heap->peak_bytes},
		  {"mapped", heap->mapped_bytes},	{"peak of mappings", heap->mapping_peak_bytes},
	  };
	char number[PP_TEXT_NUMBER];

	section(report, "Heap totals");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		fprintf(report->text.file, "  %15s  %-26s", text_count(number, counts[i].value), counts[i].name);
		if (i < sizeof(bytes) / sizeof(bytes[0]))
			fprintf(report->text.file, "  %9s  %s", text_bytes(number, bytes[i].value), bytes[i].name);
		putc('\n', report->text.file);
	}
}

#define BAR_COLUMNS 32

static void histogram(const struct pp_text_report *report, const char *title, const struct pp_histogram *values,
		      const char *(*format)(char *, uint64_t))
{
	char low[PP_TEXT_NUMBER], high[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER];
	uint64_t largest = 0, total = 0;

	for (int i = 0; i < PP_HISTOGRAM_BUCKETS; i++) {
		largest = values->counts[i] > largest ? values->counts[i] : largest;
		total += values->counts[i];
	}
	if (largest == 0)
		return;
	section(report, title);
	fprintf(report->text.file, "  %9s  %9s  %13s  %6s\n", "from", "below", "blocks", "share");
	for (int i = 0; i < PP_HISTOGRAM_BUCKETS; i++) {
		/* Rounded up: what is there is seen. */
		int bar = (int)(percent_of(values->counts[i], largest) * BAR_COLUMNS / 100 + 0.999);

		if (values->counts[i] == 0)
			continue;
		fprintf(report->text.file, "  %9s  %9s  %13s  %5.1f%%%s",
			i == 0 ? "0" : format(low, UINT64_C(1) << (i - 1)),
			i == 0	 ? format(high, 1)
			: i < 64 ? format(high, UINT64_C(1) << i)
				 : "-",
			text_count(count, values->counts[i]), percent_of(values->counts[i], total), bar ? "  " : "");
		for (int column = 0; column < bar; column++)
			putc('#', report->text.file);
		putc('\n', report->text.file);
	}
}

static void heap_python(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	uint32_t shown = shown_of(report, model->python_line_count);
	char bytes[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], temporary[PP_TEXT_NUMBER], peak[PP_TEXT_NUMBER];

	if (!model->python_line_count)
		return;
	section(report, "Allocations by Python line");
	fprintf(report->text.file, "  %9s  %11s  %11s  %9s    line\n", "allocated", "allocations", "temporary",
		"at peak");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_heap_site *line = &model->python_lines[i];

		fprintf(report->text.file, "  %9s  %11s  %11s  %9s    ", text_bytes(bytes, line->allocated_bytes),
			text_count(count, line->allocation_count), text_count(temporary, line->temporary_count),
			text_bytes(peak, line->peak_bytes));
		text_frame(report, line->frame, report->text.columns - 52);
	}
	more_rows(report, shown, model->python_line_count);
}

static void heap_details(const struct pp_text_report *report)
{
	const struct pp_mem_totals *heap = &report->model->heap;

	heap_totals(report);
	heap_python(report);
	sites_by(report, "Call sites by bytes at the peak", "at peak", PP_SITE(peak_bytes), "blocks",
		 PP_SITE(peak_count), PP_SITE(peak_bytes));
	sites_by(report, "Call sites by allocations", "allocated", PP_SITE(allocated_bytes), "allocations",
		 PP_SITE(allocation_count), PP_SITE(allocation_count));
	sites_by(report, "Call sites by bytes allocated", "allocated", PP_SITE(allocated_bytes), "allocations",
		 PP_SITE(allocation_count), PP_SITE(allocated_bytes));
	sites_by(report, "Call sites by temporary allocations", "allocated", PP_SITE(allocated_bytes), "temporary",
		 PP_SITE(temporary_count), PP_SITE(temporary_count));
	if (report->model->coverage->saw_the_end)
		sites_by(report, "Never freed", "unfreed", PP_SITE(live_bytes), "blocks", PP_SITE(live_count),
			 PP_SITE(live_bytes));
	else
		sites_by(report, "Live when the recording ended", "live", PP_SITE(live_bytes), "blocks",
			 PP_SITE(live_count), PP_SITE(live_bytes));
	sites_by(report, "Mappings", "mapped", PP_SITE(mapped_bytes), "mappings", PP_SITE(mapping_count),
		 PP_SITE(mapped_bytes));
	histogram(report, "Sizes of allocations", &heap->sizes, text_bytes);
	histogram(report, "Lifetimes of freed blocks (0: too short for the clock)", &heap->lifetimes, text_duration);
}

/* ---- findings ---- */

#define SQL_COLUMNS 400 /* of a statement: a few lines */

/* Below an object-relational mapper: the innermost Python frame that its reader may have written; PP_NONE. */
static uint32_t own_python_frame(const struct pp_profile *profile, uint32_t node)
{
	struct pp_stack_walk walk;
	uint32_t number;

	stack_walk_init(&walk, node);
	while (stack_walk_next(profile, &walk, &number)) {
		struct pp_frame frame = profile_frame(profile, number);

		if (frame.language == PP_LANGUAGE_PYTHON && module_is_own(frame.file))
			return number;
	}
	return PP_NONE;
}

/* "function  file.c:12 < caller": the line to look at. */
static void finding_place(const struct pp_text_report *report, const struct pp_finding *one)
{
	struct pp_heap_site site = {.node = one->node};
	bool sql = strcmp(one->category, "sql") == 0;
	uint32_t called;

	if (one->node == PP_NONE)
		return;
	site.frame = sql ? sql_naming_frame(report->profile, one->node)
			 : stack_user_frame(report->profile, one->node, &called);
	if (sql && own_python_frame(report->profile, one->node) != PP_NONE)
		site.frame = own_python_frame(report->profile, one->node);
	fprintf(report->text.file, "%*s", PP_TITLE_COLUMNS, "");
	text_site(report, &site, report->text.columns - PP_TITLE_COLUMNS);
}

/* What potential_percent is a share of. */
static const char *potential_of(const struct pp_text_report *report, const char *category)
{
	if (strcmp(category, "heap") == 0)
		return report->model->coverage->saw_the_end ? "what is never freed" : "what was live then";
	return strcmp(category, "cpu") == 0 ? "the CPU time" : "the time";
}

static void finding(const struct pp_text_report *report, const struct pp_finding *one)
{
	char number[PP_TEXT_NUMBER], words[PP_TEXT_LINE] = "", fitted[PP_TEXT_LINE];

	text_headline(report, severity_name(one->severity), "%s", one->title);
	finding_place(report, one);
	for (uint32_t i = 0; i < one->evidence_count; i++) {
		if (isnan(one->evidence[i].value)) /* not measured */
			continue;
		snprintf(number, sizeof(number), "%.4g", one->evidence[i].value);
		if (one->evidence[i].value >= 1e4 && one->evidence[i].value < 1e18)
			text_count(number, (uint64_t)one->evidence[i].value);
		snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s %s", words[0] ? ", " : "",
			 one->evidence[i].name, number);
	}
	text_headline(report, "", "%s", words);
	if (one->sql)
		text_headline(report, "", "%s", text_fit(fitted, one->sql, SQL_COLUMNS));
	text_headline(report, "", "%s", one->recommendation);
	if (one->potential_percent >= 0.1)
		text_headline(report, "", "That can save %.*f%% of %s at most.", one->potential_percent < 9.95,
			      one->potential_percent, potential_of(report, one->category));
}

bool report_text(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file,
		 struct pp_error *error)
{
	struct pp_text_report report;

	(void)error;
	text_report_init(&report, profile, options, file);
	text_target(&report);
	text_coverage(&report, UINT32_MAX);
	if (report.finding_count)
		section(&report, "Findings");
	for (uint32_t i = 0; i < report.finding_count; i++)
		finding(&report, &report.findings[i]);
	putc('\n', file);
	text_cpu(&report, report.top);
	if (report.model->has_cpu && report.model->cpu.sample_count) {
		more_rows(&report, shown_of(&report, report.model->function_count), report.model->function_count);
		cpu_python(&report);
		cpu_lines(&report);
		cpu_modules(&report);
	}
	threads(&report);
	gil(&report);
	processes(&report);
	putc('\n', file);
	text_heap(&report, 0);
	text_unfreed(&report, 0);
	if (report.model->has_heap && report.model->heap.allocation_count)
		heap_details(&report);
	if (report.model->has_io)
		putc('\n', file);
	text_io(&report, 0);
	text_waits(&report);
	text_io_details(&report);
	if (report.model->sql_statement_count || report.model->sql_call_count)
		putc('\n', file);
	text_sql(&report, 0);
	text_sql_details(&report);
	text_waits_details(&report);
	text_report_finish(&report);
	return true;
}
