/* SPDX-License-Identifier: Apache-2.0 */
/* I/O in the text report and in the summary. One thread. */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct pp_io_flow *flow_of(const struct pp_io_totals *io, enum pp_io_group group)
{
	return &io->flows[group];
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* "read 12 MiB in 300 calls" with a comma before it where something precedes; nothing where there was no call. */
static void words_add(char *words, size_t size, const char *verb, const struct pp_io_flow *flow, bool bytes)
{
	char first[PP_TEXT_NUMBER], second[PP_TEXT_NUMBER];
	size_t used = strlen(words);

	if (!flow->call_count)
		return;
	if (bytes)
		snprintf(words + used, size - used, "%s%s %s in %s call%s", used ? ", " : "", verb,
			 text_bytes(first, flow->bytes), text_count(second, flow->call_count),
			 plural(flow->call_count));
	else
		snprintf(words + used, size - used, "%s%s %s time%s", used ? ", " : "", verb,
			 text_count(second, flow->call_count), plural(flow->call_count));
}

static void io_headline(const struct pp_text_report *report)
{
	const struct pp_io_totals *io = &report->model->io;
	char words[PP_TEXT_LINE] = "", time[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], failed[64] = "";

	words_add(words, sizeof(words), "read", flow_of(io, PP_IO_GROUP_READ), true);
	words_add(words, sizeof(words), "wrote", flow_of(io, PP_IO_GROUP_WRITE), true);
	words_add(words, sizeof(words), "received", flow_of(io, PP_IO_GROUP_RECV), true);
	words_add(words, sizeof(words), "sent", flow_of(io, PP_IO_GROUP_SEND), true);
	words_add(words, sizeof(words), "synced", flow_of(io, PP_IO_GROUP_SYNC), false);
	words_add(words, sizeof(words), "looked at names", flow_of(io, PP_IO_GROUP_METADATA), false);
	if (io->error_count)
		snprintf(failed, sizeof(failed), ", %s failed", text_count(count, io->error_count));
	text_headline(report, "I/O", "%s%s%s in %s call%s%s", words, words[0] ? "; " : "", text_duration(time, io->ns),
		      text_count(count, io->call_count), plural(io->call_count), failed);
}

/* What programs asked of stdio: not in the line above, which has the system calls that came of it. */
static void stdio_headline(const struct pp_text_report *report)
{
	const struct pp_io_totals *io = &report->model->io;
	char words[PP_TEXT_LINE] = "", time[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], below[PP_TEXT_NUMBER], of_them[96] = "";

	if (!report->model->io_knows_asked) {
		if (io->stdios_read.call_count + io->stdios_write.call_count)
			text_headline(report, "", "stdio made %s of the reads and writes (STDIO=on: what was asked of it)",
				      text_count(below, io->stdios_read.call_count + io->stdios_write.call_count));
		return;
	}
	if (!io->stdio_call_count)
		return;
	words_add(words, sizeof(words), "read", flow_of(io, PP_IO_GROUP_STDIO_READ), true);
	words_add(words, sizeof(words), "wrote", flow_of(io, PP_IO_GROUP_STDIO_WRITE), true);
	words_add(words, sizeof(words), "flushed", flow_of(io, PP_IO_GROUP_STDIO_FLUSH), false);
	if (report->model->io_knows_stdios)
		snprintf(of_them, sizeof(of_them), "; it made %s of the reads and writes above",
			 text_count(below, io->stdios_read.call_count + io->stdios_write.call_count));
	text_headline(report, "", "through stdio: %s%s%s in %s call%s%s", words, words[0] ? "; " : "",
		      text_duration(time, io->stdio_ns), text_count(count, io->stdio_call_count),
		      plural(io->stdio_call_count), of_them);
}

const char *text_file_path(const struct pp_text_report *report, uint32_t file)
{
	const char *path = file == PP_NONE ? NULL : report->profile->io_files[file].path;

	return path ? path : "(no descriptor, or one without a name)";
}

#define IO_ROW_COLUMNS 53
#define SITE_INDENT    26 /* below the calls */

static void rows_head(const struct pp_text_report *report, const char *what)
{
	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %11s  %10s  %10s  %s\n", "time", "calls", "in", "out", what);
	text_style(&report->text, PP_STYLE_PLAIN);
}

static void row_figures(const struct pp_text_report *report, const struct pp_io_totals *io)
{
	char time[PP_TEXT_NUMBER], calls[PP_TEXT_NUMBER], in[PP_TEXT_NUMBER], out[PP_TEXT_NUMBER];

	fprintf(report->text.file, "  %9s  %11s  %10s  %10s  ", text_duration(time, io->ns),
		text_count(calls, io->call_count),
		text_bytes(in, flow_of(io, PP_IO_GROUP_READ)->bytes + flow_of(io, PP_IO_GROUP_RECV)->bytes),
		text_bytes(out, flow_of(io, PP_IO_GROUP_WRITE)->bytes + flow_of(io, PP_IO_GROUP_SEND)->bytes));
}

/* Behind a name: that most of these calls are SQLite's, which its findings speak of, and no others. */
static const char *by_sqlite(const struct pp_io_totals *io)
{
	return io->sqlite_count > io->call_count / 2 ? ", by SQLite" : "";
}

static void file_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char fitted[PP_TEXT_LINE];

	rows_head(report, "file");
	for (uint32_t i = 0; i < model->io_file_count && i < rows; i++) {
		const char *whose = by_sqlite(&model->io_files[i].totals);

		row_figures(report, &model->io_files[i].totals);
		fprintf(report->text.file, "%s%s\n",
			text_fit(fitted, text_file_path(report, model->io_files[i].file),
				 report->text.columns - IO_ROW_COLUMNS - (uint32_t)strlen(whose)),
			whose);
	}
}

void text_io(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;

	if (!model->has_io)
		return;
	if (model->io.call_count + model->io.stdio_call_count == 0) {
		text_headline(report, "I/O", "no call was seen");
		return;
	}
	io_headline(report);
	stdio_headline(report);
	if (rows)
		file_rows(report, rows);
}

/* Operations of a call site are few: what is beyond so many is not named. */
#define OPERATIONS_NAMED 16

struct operation {
	uint32_t operation;
	uint64_t calls, ns;
};

static int operation_compare(const void *left, const void *right)
{
	const struct operation *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return a->calls != b->calls ? (a->calls < b->calls ? 1 : -1)
				    : (a->operation > b->operation) - (a->operation < b->operation);
}

/* "fdatasync 240, unlink 120, ...": what the call site does, the longest time first, as much as fits. */
static const char *operations_text(const struct pp_text_report *report, const struct pp_io_entry *entry, char *words,
				   size_t size)
{
	struct operation operations[OPERATIONS_NAMED];
	char calls[PP_TEXT_NUMBER], word[PP_TEXT_NUMBER + 64];
	uint32_t count = 0, at;
	size_t used = 0;

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *row = &report->profile->io_sites[entry->rows[i]];

		for (at = 0; at < count && operations[at].operation != row->operation; at++)
			;
		if (at == OPERATIONS_NAMED)
			continue;
		if (at == count)
			operations[count++] = (struct operation){.operation = row->operation};
		operations[at].calls += row->call_count;
		operations[at].ns += row->ns;
	}
	qsort(operations, count, sizeof(*operations), operation_compare);
	words[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		size_t length = (size_t)snprintf(word, sizeof(word), "%s%s %s", i ? ", " : "",
						 io_operation_name(operations[i].operation),
						 text_count(calls, operations[i].calls));

		if (used + length + (i + 1 < count ? strlen(", ...") : 0) >= size) {
			snprintf(words + used, size - used, ", ...");
			break;
		}
		memcpy(words + used, word, length + 1);
		used += length;
	}
	return words;
}

/* What is done there, and below it the innermost frames of the stack, from the one that names it. */
static void site_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char words[PP_TEXT_LINE];

	rows_head(report, "call site");
	for (uint32_t i = 0; i < model->io_place_count && i < rows; i++) {
		const struct pp_io_entry *entry = &model->io_places[i];
		const struct pp_heap_site site = {.node = entry->node, .frame = entry->frame};
		const char *whose = by_sqlite(&entry->totals);

		row_figures(report, &entry->totals);
		fprintf(report->text.file, "%s%s\n%*s",
			operations_text(report, entry, words,
					report->text.columns - IO_ROW_COLUMNS + 1 - (uint32_t)strlen(whose)),
			whose, SITE_INDENT, "");
		text_site(report, &site, report->text.columns - SITE_INDENT);
	}
}

static void python_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;

	rows_head(report, "line");
	for (uint32_t i = 0; i < model->io_python_line_count && i < rows; i++) {
		row_figures(report, &model->io_python_lines[i].totals);
		text_frame(report, model->io_python_lines[i].frame, report->text.columns - IO_ROW_COLUMNS);
	}
}

static void latency_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char p50[PP_TEXT_NUMBER], p99[PP_TEXT_NUMBER], max[PP_TEXT_NUMBER], placed[16], fitted[PP_TEXT_LINE];

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %9s  %9s  %10s  file\n", "median", "99 %", "longest", "sequential");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0; i < model->io_file_count && i < rows; i++) {
		const struct pp_io_entry *entry = &model->io_files[i];
		uint32_t count;
		const struct pp_io_cell *cells = io_entry_latencies(model, entry, false, &count);

		snprintf(placed, sizeof(placed), "-");
		if (entry->totals.placed_count)
			snprintf(placed, sizeof(placed), "%.0f%%",
				 percent_of(entry->totals.sequential_count, entry->totals.placed_count));
		fprintf(report->text.file, "  %9s  %9s  %9s  %10s  %s\n",
			text_duration(p50, io_latency_percentile(cells, count, 50, entry->totals.max_ns)),
			text_duration(p99, io_latency_percentile(cells, count, 99, entry->totals.max_ns)),
			text_duration(max, entry->totals.max_ns), placed,
			text_fit(fitted, text_file_path(report, entry->file), report->text.columns - 48));
	}
}

/* Those that were used through stdio, in the same order. */
static void stdio_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char time[PP_TEXT_NUMBER], calls[PP_TEXT_NUMBER], in[PP_TEXT_NUMBER], out[PP_TEXT_NUMBER], below[PP_TEXT_NUMBER];
	char fitted[PP_TEXT_LINE];

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %11s  %10s  %10s  %12s  file\n", "time", "calls", "in", "out", "system calls");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0, shown = 0; i < model->io_file_count && shown < rows; i++) {
		const struct pp_io_totals *io = &model->io_files[i].totals;

		if (!io->stdio_call_count)
			continue;
		shown++;
		fprintf(report->text.file, "  %9s  %11s  %10s  %10s  %12s  %s\n", text_duration(time, io->stdio_ns),
			text_count(calls, io->stdio_call_count),
			text_bytes(in, flow_of(io, PP_IO_GROUP_STDIO_READ)->bytes),
			text_bytes(out, flow_of(io, PP_IO_GROUP_STDIO_WRITE)->bytes),
			model->io_knows_stdios
				? text_count(below, io->stdios_read.call_count + io->stdios_write.call_count)
				: "?",
			text_fit(fitted, text_file_path(report, model->io_files[i].file), report->text.columns - 67));
	}
}

static uint32_t stdio_file_count(const struct pp_report_model *model)
{
	uint32_t count = 0;

	for (uint32_t i = 0; model->io_knows_asked && i < model->io_file_count; i++)
		count += model->io_files[i].totals.stdio_call_count > 0;
	return count;
}

static void slow_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_profile *profile = report->profile;
	char time[PP_TEXT_NUMBER], end[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %9s  %-16s  file\n", "took", "ended", "operation");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0; i < profile->io_slow_count && i < rows; i++) {
		const struct pp_io_slow *slow = &profile->io_slows[i];

		fprintf(report->text.file, "  %9s  %9s  %-16s  %s\n", text_duration(time, slow->ns),
			text_duration(end, slow->end_ns), io_operation_name(slow->operation),
			text_fit(fitted, text_file_path(report, slow->file), report->text.columns - 43));
	}
}

static void section(const struct pp_text_report *report, const char *title, uint32_t count,
		    void (*print)(const struct pp_text_report *, uint32_t))
{
	if (count == 0)
		return;
	putc('\n', report->text.file);
	text_style(&report->text, PP_STYLE_TITLE);
	fprintf(report->text.file, "%s\n", title);
	text_style(&report->text, PP_STYLE_PLAIN);
	print(report, report->top);
	if (report->top < count)
		fprintf(report->text.file, "  ... and %" PRIu32 " more (--top 0 shows all)\n", count - report->top);
}

void text_io_details(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;

	if (!model->has_io || model->io.call_count + model->io.stdio_call_count == 0)
		return;
	section(report, "I/O by file", model->io_file_count, file_rows);
	section(report, "I/O latencies by file", model->io_file_count, latency_rows);
	section(report, "Through stdio, by file", stdio_file_count(model), stdio_rows);
	section(report, "I/O by Python line", model->io_python_line_count, python_rows);
	section(report, "I/O by call site", model->io_place_count, site_rows);
	section(report, "Places in files", text_place_count(model), text_place_rows);
	section(report, "Descriptors", text_descriptor_count(report), text_descriptor_rows);
	section(report, "Slowest I/O calls (1 ms and more)", report->profile->io_slow_count, slow_rows);
}
