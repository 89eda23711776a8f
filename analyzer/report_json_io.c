/* SPDX-License-Identifier: Apache-2.0 */
/* The "io" object of report -f json, and that of "coverage". One thread. */
#include "report_json.h"

#include <stdio.h>
#include <string.h>

static void flow(struct pp_json *json, const char *name, const struct pp_io_flow *flow, bool bytes, const char *count)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_%s", name, count);
	json_metric(json, key, flow->call_count);
	if (bytes) {
		snprintf(key, sizeof(key), "%s_bytes", name);
		json_metric(json, key, flow->bytes);
	}
	snprintf(key, sizeof(key), "%s_ns", name);
	json_metric(json, key, flow->ns);
}

/* What was asked of stdio; and which of the above came of it, unknown where these were not seen. */
static void stdio_totals(struct pp_json *json, const struct pp_io_totals *io, const struct pp_report_model *model)
{
	static const struct pp_io_flow unknown = {PP_UNKNOWN, PP_UNKNOWN, PP_UNKNOWN};
	const bool known = model->io_knows_stdios, asked = model->io_knows_asked;

	json_metric(json, "stdio_calls", asked ? io->stdio_call_count : PP_UNKNOWN);
	json_metric(json, "stdio_untimed_calls", asked ? io->stdio_untimed_count : PP_UNKNOWN);
	json_metric(json, "stdio_ns", asked ? io->stdio_ns : PP_UNKNOWN);
	json_metric(json, "stdio_error_count", asked ? io->stdio_error_count : PP_UNKNOWN);
	flow(json, "stdio_read", asked ? &io->flows[PP_IO_GROUP_STDIO_READ] : &unknown, true, "calls");
	flow(json, "stdio_write", asked ? &io->flows[PP_IO_GROUP_STDIO_WRITE] : &unknown, true, "calls");
	flow(json, "stdio_open", &io->flows[PP_IO_GROUP_STDIO_OPEN], false, "calls");
	flow(json, "stdio_close", &io->flows[PP_IO_GROUP_STDIO_CLOSE], false, "calls");
	flow(json, "stdio_seek", asked ? &io->flows[PP_IO_GROUP_STDIO_SEEK] : &unknown, false, "calls");
	flow(json, "stdio_flush", asked ? &io->flows[PP_IO_GROUP_STDIO_FLUSH] : &unknown, false, "calls");
	flow(json, "stdio_other", asked ? &io->flows[PP_IO_GROUP_STDIO_OTHER] : &unknown, false, "calls");
	json_metric(json, "stdio_kernel_read_calls", known ? io->stdios_read.call_count : PP_UNKNOWN);
	json_metric(json, "stdio_kernel_read_bytes", known ? io->stdios_read.bytes : PP_UNKNOWN);
	json_metric(json, "stdio_kernel_read_ns", known ? io->stdios_read.ns : PP_UNKNOWN);
	json_metric(json, "stdio_kernel_write_calls", known ? io->stdios_write.call_count : PP_UNKNOWN);
	json_metric(json, "stdio_kernel_write_bytes", known ? io->stdios_write.bytes : PP_UNKNOWN);
	json_metric(json, "stdio_kernel_write_ns", known ? io->stdios_write.ns : PP_UNKNOWN);
}

static void totals(struct pp_json *json, const struct pp_io_totals *io, const struct pp_report_model *model)
{
	json_unsigned(json, "call_count", io->call_count);
	json_unsigned(json, "total_ns", io->ns);
	json_unsigned(json, "max_ns", io->max_ns);
	json_unsigned(json, "error_count", io->error_count);
	flow(json, "read", &io->flows[PP_IO_GROUP_READ], true, "calls");
	flow(json, "write", &io->flows[PP_IO_GROUP_WRITE], true, "calls");
	flow(json, "recv", &io->flows[PP_IO_GROUP_RECV], true, "calls");
	flow(json, "send", &io->flows[PP_IO_GROUP_SEND], true, "calls");
	flow(json, "open", &io->flows[PP_IO_GROUP_OPEN], false, "calls");
	flow(json, "close", &io->flows[PP_IO_GROUP_CLOSE], false, "calls");
	flow(json, "seek", &io->flows[PP_IO_GROUP_SEEK], false, "calls");
	json_unsigned(json, "seek_in_place_calls", io->in_place_count);
	flow(json, "sync", &io->flows[PP_IO_GROUP_SYNC], false, "calls");
	flow(json, "connect", &io->flows[PP_IO_GROUP_CONNECT], false, "calls");
	flow(json, "other", &io->flows[PP_IO_GROUP_OTHER], false, "calls");
	flow(json, "metadata", &io->flows[PP_IO_GROUP_METADATA], false, "calls");
	stdio_totals(json, io, model);
	json_unsigned(json, "sqlite_calls", io->sqlite_count);
	json_unsigned(json, "sqlite_ns", io->sqlite_ns);
	json_unsigned(json, "small_calls", io->small_count);
	json_unsigned(json, "reread_bytes", io->reread_bytes);
	if (io->placed_count) {
		json_number(json, "sequential_percent", percent_of(io->sequential_count, io->placed_count));
		json_number(json, "strided_percent", percent_of(io->strided_count, io->placed_count));
		json_number(json, "aligned_512_percent", percent_of(io->aligned512_count, io->placed_count));
		json_number(json, "aligned_4096_percent", percent_of(io->aligned4096_count, io->placed_count));
	} else {
		json_null(json, "sequential_percent");
		json_null(json, "strided_percent");
		json_null(json, "aligned_512_percent");
		json_null(json, "aligned_4096_percent");
	}
}

static void latency(struct pp_json_report *report, const char *key, const struct pp_io_entry *entry, bool stdio,
		    uint64_t max_ns)
{
	struct pp_json *json = &report->json;
	uint32_t count;
	const struct pp_io_cell *cells = io_entry_latencies(report->model, entry, stdio, &count);

	json_flat_begin(json, key, false);
	json_metric(json, "p50_ns", io_latency_percentile(cells, count, 50, max_ns));
	json_metric(json, "p99_ns", io_latency_percentile(cells, count, 99, max_ns));
	json_metric(json, "max_ns", max_ns);
	json_flat_end(json, false);
}

/* {"EAGAIN": 12} */
void report_json_io_errors(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_json *json = &report->json;
	uint64_t counts[256] = {0};
	char number[16];

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &report->profile->io_sites[entry->rows[i]];

		if (site->error && !io_group_is_stdio(io_operation_group(site->operation)))
			counts[site->error < 256 ? site->error : 255] += site->call_count;
	}
	json_flat_begin(json, "errors", false);
	for (int error = 1; error < 256; error++) {
		const char *name = strerrorname_np(error);

		if (!counts[error])
			continue;
		snprintf(number, sizeof(number), "errno_%d", error);
		json_unsigned(json, name ? name : number, counts[error]);
	}
	json_flat_end(json, false);
}

void report_json_io_operations(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_json *json = &report->json;
	uint64_t counts[256] = {0};
	bool met[256] = {false};

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &report->profile->io_sites[entry->rows[i]];

		if (site->operation >= 256)
			continue;
		counts[site->operation] += site->call_count;
		met[site->operation] = true; /* a wait that has not ended is one without a call */
	}
	json_flat_begin(json, "operations", false);
	for (uint32_t operation = 0; operation < 256; operation++)
		if (met[operation] && io_operation_group(operation) != PP_IO_GROUP_NONE)
			json_unsigned(json, io_operation_name(operation), counts[operation]);
	json_flat_end(json, false);
}

static void entry_details(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_histogram reads = io_entry_sizes(report->model, entry, PP_IO_GROUP_READ);
	struct pp_histogram writes = io_entry_sizes(report->model, entry, PP_IO_GROUP_WRITE);
	struct pp_histogram stdio_reads = io_entry_sizes(report->model, entry, PP_IO_GROUP_STDIO_READ);
	struct pp_histogram stdio_writes = io_entry_sizes(report->model, entry, PP_IO_GROUP_STDIO_WRITE);

	totals(&report->json, &entry->totals, report->model);
	report_json_io_operations(report, entry);
	report_json_io_errors(report, entry);
	latency(report, "latency", entry, false, entry->totals.max_ns);
	latency(report, "stdio_latency", entry, true, entry->totals.stdio_max_ns);
	report_json_histogram(&report->json, "read_size_histogram", &reads);
	report_json_histogram(&report->json, "write_size_histogram", &writes);
	report_json_histogram(&report->json, "stdio_read_size_histogram", &stdio_reads);
	report_json_histogram(&report->json, "stdio_write_size_histogram", &stdio_writes);
}

void report_json_io_file(struct pp_json_report *report, uint32_t file)
{
	const struct pp_io_file *row = file == PP_NONE ? NULL : &report->profile->io_files[file];

	json_text(&report->json, "path", row ? row->path : NULL);
	json_text(&report->json, "kind", io_kind_name(row ? row->kind : 0));
}

static void file_object(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	uint64_t opened = 0;

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &report->profile->io_sites[entry->rows[i]];

		if (io_operation_group(site->operation) == PP_IO_GROUP_OPEN && !site->error)
			opened += site->call_count;
	}
	json_object_begin(&report->json, NULL);
	report_json_io_file(report, entry->file);
	json_unsigned(&report->json, "open_count", opened);
	entry_details(report, entry);
	json_object_end(&report->json);
}

/* The files that a stack's calls were about, each once. */
static void site_files(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	struct pp_json *json = &report->json;
	uint32_t shown = 0;

	json_list_begin(json, "files");
	for (uint32_t i = 0; i < entry->row_count && (report->top == 0 || shown < report->top); i++) {
		uint32_t file = report->profile->io_sites[entry->rows[i]].file, seen = 0;

		while (seen < i && report->profile->io_sites[entry->rows[seen]].file != file)
			seen++;
		if (seen < i)
			continue;
		json_flat_begin(json, NULL, false);
		report_json_io_file(report, file);
		json_flat_end(json, false);
		shown++;
	}
	json_list_end(json);
}

static void site_object(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	json_object_begin(&report->json, NULL);
	report_json_frame(report, entry->frame);
	entry_details(report, entry);
	site_files(report, entry);
	report_json_user(report, entry->node, entry->frame);
	report_json_stack(report, "stack", entry->node);
	json_object_end(&report->json);
}

static void python_line_object(struct pp_json_report *report, const struct pp_io_entry *entry)
{
	const struct pp_io_totals *io = &entry->totals;
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	report_json_frame(report, entry->frame);
	json_unsigned(json, "call_count", io->call_count);
	json_unsigned(json, "total_ns", io->ns);
	json_unsigned(json, "max_ns", io->max_ns);
	json_unsigned(json, "error_count", io->error_count);
	json_unsigned(json, "in_bytes", io->flows[PP_IO_GROUP_READ].bytes + io->flows[PP_IO_GROUP_RECV].bytes);
	json_unsigned(json, "out_bytes", io->flows[PP_IO_GROUP_WRITE].bytes + io->flows[PP_IO_GROUP_SEND].bytes);
	json_unsigned(json, "sync_calls", io->flows[PP_IO_GROUP_SYNC].call_count);
	json_unsigned(json, "sync_ns", io->flows[PP_IO_GROUP_SYNC].ns);
	json_object_end(json);
}

static const size_t metrics[] = {
	offsetof(struct pp_io_entry, totals.ns),
	offsetof(struct pp_io_entry, totals.call_count),
	offsetof(struct pp_io_entry, totals.max_ns),
	offsetof(struct pp_io_entry, totals.error_count),
	offsetof(struct pp_io_entry, totals.small_count),
	offsetof(struct pp_io_entry, totals.reread_bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_READ].bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_WRITE].bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_RECV].bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_SEND].bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_SYNC].ns),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_OPEN].call_count),
	offsetof(struct pp_io_entry, totals.stdio_call_count),
	offsetof(struct pp_io_entry, totals.stdio_ns),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_STDIO_READ].bytes),
	offsetof(struct pp_io_entry, totals.flows[PP_IO_GROUP_STDIO_WRITE].bytes),
};

static void entries_list(struct pp_json_report *report, const char *key, const struct pp_io_entry *entries,
			 uint32_t count, void (*object)(struct pp_json_report *, const struct pp_io_entry *))
{
	uint32_t shown, *rows = top_rows(report->model->arena, entries, sizeof(*entries), count, report->top, metrics,
					 sizeof(metrics) / sizeof(metrics[0]), &shown);

	json_list_begin(&report->json, key);
	for (uint32_t i = 0; i < shown; i++)
		object(report, &entries[rows[i]]);
	json_list_end(&report->json);
}

static void slowest_list(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_list_begin(json, "slowest");
	for (uint32_t i = 0; i < profile->io_slow_count && (report->top == 0 || i < report->top); i++) {
		const struct pp_io_slow *slow = &profile->io_slows[i];

		json_object_begin(json, NULL);
		json_text(json, "operation", io_operation_name(slow->operation));
		report_json_io_file(report, slow->file);
		json_unsigned(json, "ns", slow->ns);
		json_unsigned(json, "end_ns", slow->end_ns);
		json_unsigned(json, "asked_bytes", slow->asked_bytes);
		json_unsigned(json, "bytes", slow->got_bytes);
		json_text(json, "error", slow->error ? strerrorname_np((int)slow->error) : NULL);
		json_unsigned(json, "process_id", profile->processes[slow->process].id);
		json_integer(json, "tid", profile->threads[slow->thread].tid);
		report_json_stack(report, "stack", slow->node);
		json_object_end(json);
	}
	json_list_end(json);
}

static void threads_list(struct pp_json_report *report)
{
	static const size_t thread_metrics[] = {offsetof(struct pp_thread, io_ns),
						offsetof(struct pp_thread, io_call_count),
						offsetof(struct pp_thread, io_read_bytes),
						offsetof(struct pp_thread, io_written_bytes),
						offsetof(struct pp_thread, stdio_ns),
						offsetof(struct pp_thread, stdio_call_count)};
	const struct pp_profile *profile = report->profile;
	const bool asked = report->model->io_knows_asked;
	struct pp_json *json = &report->json;
	uint32_t shown, *rows = top_rows(report->model->arena, profile->threads, sizeof(*profile->threads),
					 profile->thread_count, report->top, thread_metrics,
					 sizeof(thread_metrics) / sizeof(thread_metrics[0]), &shown);

	json_list_begin(json, "threads");
	for (uint32_t i = 0; i < shown; i++) {
		const struct pp_thread *thread = &profile->threads[rows[i]];

		json_flat_begin(json, NULL, false);
		json_unsigned(json, "process_id", profile->processes[thread->process].id);
		json_integer(json, "pid", profile->processes[thread->process].pid);
		json_integer(json, "tid", thread->tid);
		json_text(json, "name", thread->name);
		json_metric(json, "call_count", thread->io_call_count);
		json_metric(json, "read_bytes", thread->io_read_bytes);
		json_metric(json, "written_bytes", thread->io_written_bytes);
		json_metric(json, "total_ns", thread->io_ns);
		json_metric(json, "stdio_calls", asked ? thread->stdio_call_count : PP_UNKNOWN);
		json_metric(json, "stdio_read_bytes", asked ? thread->stdio_read_bytes : PP_UNKNOWN);
		json_metric(json, "stdio_written_bytes", asked ? thread->stdio_written_bytes : PP_UNKNOWN);
		json_metric(json, "stdio_ns", asked ? thread->stdio_ns : PP_UNKNOWN);
		json_flat_end(json, false);
	}
	json_list_end(json);
}

void report_json_io(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;

	if (!report->model->has_io) {
		json_null(json, "io");
		return;
	}
	json_object_begin(json, "io");
	totals(json, &report->model->io, report->model);
	entries_list(report, "files", report->model->io_files, report->model->io_file_count, file_object);
	entries_list(report, "sites", report->model->io_sites, report->model->io_site_count, site_object);
	entries_list(report, "python_lines", report->model->io_python_lines, report->model->io_python_line_count,
		     python_line_object);
	threads_list(report);
	slowest_list(report);
	report_json_descriptors(report);
	json_object_end(json);
}

void report_json_io_coverage(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;
	uint64_t read = 0, written = 0, sampled_ns = PP_UNKNOWN;
	bool sampled = false;

	if (!report->model->has_io) {
		json_null(json, "io");
		return;
	}
	for (uint32_t i = 0; i < report->profile->process_count; i++) {
		const struct pp_process *process = &report->profile->processes[i];

		if (!process->io_recorded)
			continue;
		sampled |= process->kernel_sampled;
		if (process->kernel_sampled && process->kernel_sampled_ns < sampled_ns)
			sampled_ns = process->kernel_sampled_ns;
		if (process->kernel_read_bytes == PP_UNKNOWN)
			read = written = PP_UNKNOWN; /* a part of the sum is no sum */
		if (read != PP_UNKNOWN) {
			read += process->kernel_read_bytes;
			written += process->kernel_write_bytes;
		}
	}
	json_flat_begin(json, "io", false);
	json_unsigned(json, "read_bytes", report->model->io.flows[PP_IO_GROUP_READ].bytes);
	json_unsigned(json, "write_bytes", report->model->io.flows[PP_IO_GROUP_WRITE].bytes);
	json_metric(json, "kernel_read_bytes", read);
	json_metric(json, "kernel_write_bytes", written);
	json_bool(json, "kernel_sampled", sampled);
	json_metric(json, "kernel_sampled_ns", sampled_ns);
	json_flat_end(json, false);
}
