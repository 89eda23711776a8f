/* SPDX-License-Identifier: Apache-2.0 */
/* "descriptors" of the "io" object: each life of a number. One thread. */
#include "report_json.h"

#include <fcntl.h>

static void flags_list(struct pp_json *json, uint32_t flags)
{
	static const struct {
		uint32_t bits;
		const char *name;
	} rows[] = {{O_APPEND, "append"}, {O_NONBLOCK, "nonblock"}, {O_DIRECT, "direct"},   {O_SYNC, "sync"},
		    {O_DSYNC, "dsync"},	  {O_ASYNC, "async"},	    {O_NOATIME, "noatime"}, {O_PATH, "path"}};

	json_flat_begin(json, "flags", true);
	json_text(json, NULL,
		  (flags & O_ACCMODE) == O_RDONLY   ? "read"
		  : (flags & O_ACCMODE) == O_WRONLY ? "write"
						    : "read write");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((flags & rows[i].bits) == rows[i].bits && !(rows[i].bits == O_DSYNC && (flags & O_SYNC) == O_SYNC))
			json_text(json, NULL, rows[i].name);
	json_flat_end(json, true);
}

void report_json_descriptors(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_list_begin(json, "descriptors");
	for (uint32_t i = 0; i < profile->io_descriptor_count && (report->top == 0 || i < report->top); i++) {
		const struct pp_io_descriptor *row = &profile->io_descriptors[i];

		json_object_begin(json, NULL);
		json_integer(json, "number", row->number);
		json_unsigned(json, "serial", row->serial);
		json_text(json, "path", row->file == PP_NONE ? NULL : profile->io_files[row->file].path);
		json_text(json, "kind",
			  io_life_kind_name(row->file == PP_NONE ? 0 : profile->io_files[row->file].kind, row->origin));
		json_bool(json, "deleted", row->deleted);
		json_text(json, "origin", io_origin_name(row->origin));
		if (row->from >= 0)
			json_integer(json, "duplicate_of", row->from);
		else
			json_null(json, "duplicate_of");
		json_text(json, "end", io_end_name(row->end));
		flags_list(json, row->flags);
		json_unsigned(json, "opened_ns", row->opened_ns);
		json_metric(json, "ended_ns", row->ended_ns);
		json_unsigned(json, "read_calls", row->read_calls);
		json_unsigned(json, "read_bytes", row->read_bytes);
		json_unsigned(json, "reread_bytes", row->reread_bytes);
		json_unsigned(json, "write_calls", row->write_calls);
		json_unsigned(json, "write_bytes", row->write_bytes);
		if (row->used_serial)
			json_unsigned(json, "used_serial", row->used_serial);
		else
			json_null(json, "used_serial");
		json_unsigned(json, "process_id", profile->processes[row->process].id);
		if (row->thread == PP_NONE)
			json_null(json, "tid");
		else
			json_integer(json, "tid", profile->threads[row->thread].tid);
		report_json_stack(report, "stack", row->node);
		json_object_end(json);
	}
	json_list_end(json);
	json_unsigned(json, "descriptors_left_out", profile->io_descriptors_left_out);
}
