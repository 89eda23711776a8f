/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of report -f json, one file a family; put together by report_json.c. One thread. */
#ifndef PREPROF_REPORT_JSON_H
#define PREPROF_REPORT_JSON_H

#include "json.h"
#include "report_formats.h"
#include "report_model.h"

struct pp_json_report {
	struct pp_json json;
	const struct pp_profile *profile;
	struct pp_report_model *model;
	uint32_t top;
};

/* A frame's keys, inside an object that is already open. frame PP_NONE: all null. */
void report_json_frame(struct pp_json_report *report, uint32_t frame);
/* The same for an entry that stands for a whole function: a Python function's line is where it begins. */
void report_json_function(struct pp_json_report *report, uint32_t frame);
/* "user_frame": the innermost frame that the user may have written; of a stack, where there is one that is not `frame`. */
void report_json_user_frame(struct pp_json_report *report, uint32_t frame);
void report_json_user(struct pp_json_report *report, uint32_t node, uint32_t frame);
/* The stack as a list of frames, each on a line. */
void report_json_stack(struct pp_json_report *report, const char *key, uint32_t node);

/* Buckets from the first to the last that is not empty. */
void report_json_histogram(struct pp_json *json, const char *key, const struct pp_histogram *histogram);

void report_json_cpu(struct pp_json_report *report);
void report_json_heap(struct pp_json_report *report);
void report_json_python(struct pp_json_report *report); /* null where no interpreter was met */
void report_json_leaks(struct pp_json_report *report);
void report_json_io(struct pp_json_report *report);
/* {"read": 12}, {"EAGAIN": 12} */
void report_json_io_operations(struct pp_json_report *report, const struct pp_io_entry *entry);
void report_json_io_errors(struct pp_json_report *report, const struct pp_io_entry *entry);
/* path and kind. file PP_NONE: unknown. */
void report_json_io_file(struct pp_json_report *report, uint32_t file);
void report_json_descriptors(struct pp_json_report *report);
void report_json_io_coverage(struct pp_json_report *report);
void report_json_sql(struct pp_json_report *report);
void report_json_waits(struct pp_json_report *report);
void report_json_findings(struct pp_json_report *report);

#endif
