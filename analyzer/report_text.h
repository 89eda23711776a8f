/* SPDX-License-Identifier: Apache-2.0 */
/* Parts that the text report and the summary share. One thread. */
#ifndef PREPROF_REPORT_TEXT_H
#define PREPROF_REPORT_TEXT_H

#include "report.h"
#include "report_model.h"
#include "rules.h"
#include "site_name.h"
#include "text.h"

struct pp_text_report {
	struct pp_text text;
	const struct pp_profile *profile;
	struct pp_report_model *model;
	const struct pp_report_options *options;
	uint32_t top;
	const struct pp_finding *findings;
	uint32_t finding_count;
};

void text_report_init(struct pp_text_report *report, const struct pp_profile *profile,
		      const struct pp_report_options *options, FILE *file);
void text_report_finish(struct pp_text_report *report);

/* "name  file.c:12" or "name  module", cut to fit into `columns`; nothing after it on the line. */
void text_frame(const struct pp_text_report *report, uint32_t frame, uint32_t columns);
/* The same of a function with its hottest line; of a library's: " < the user's function file.c:12" that it works for most. */
void text_function(const struct pp_text_report *report, const struct pp_cpu_entry *entry, uint32_t columns);
/* The same of a site, what was called there and its callers as far as they fit:
 * "name  file.c:12 > library function < caller < its caller". */
void text_site(const struct pp_text_report *report, const struct pp_heap_site *site, uint32_t columns);
/* The name of a frame: function, or module+0xoffset. buffer of PP_TEXT_LINE bytes. */
const char *frame_name(const struct pp_profile *profile, uint32_t frame, char *buffer);
const char *path_base(const char *path);

/* A title at the start of a line, then words, wrapped under the first of them. */
#define PP_TITLE_COLUMNS 13
__attribute__((format(printf, 3, 4))) void text_headline(const struct pp_text_report *report, const char *title,
							 const char *format, ...);

/* The first lines: what ran, and what came of it. */
void text_target(const struct pp_text_report *report);
/* The headlines of the families, and the first rows of their tables. rows 0: all. */
void text_cpu(const struct pp_text_report *report, uint32_t rows);
void text_heap(const struct pp_text_report *report, uint32_t rows);
void text_unfreed(const struct pp_text_report *report, uint32_t rows);
const char *text_file_path(const struct pp_text_report *report, uint32_t file);
uint32_t text_place_count(const struct pp_report_model *model);
void text_place_rows(const struct pp_text_report *report, uint32_t rows);
uint32_t text_descriptor_count(const struct pp_text_report *report);
void text_descriptor_rows(const struct pp_text_report *report, uint32_t rows);
void text_io(const struct pp_text_report *report, uint32_t rows); /* report_text_io.c */
void text_io_details(const struct pp_text_report *report);
void text_sql(const struct pp_text_report *report, uint32_t rows); /* report_text_sql.c */
void text_sql_details(const struct pp_text_report *report);
void text_waits(const struct pp_text_report *report); /* report_text_waits.c */
void text_waits_details(const struct pp_text_report *report);
void text_finding_titles(const struct pp_text_report *report, uint32_t rows);
void text_coverage(const struct pp_text_report *report, uint32_t rows);

/* Why there is nothing to see in this profile; NULL: there is something. */
const char *profile_emptiness(const struct pp_report_model *model);

#endif
