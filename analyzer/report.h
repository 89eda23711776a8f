/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports: a format is one row of this table and one file.
 */
#ifndef PREPROF_REPORT_H
#define PREPROF_REPORT_H

#include "error.h"
#include "profile.h"

#include <stdio.h>

struct pp_report_options {
	uint32_t top; /* entries of a list, by each of its metrics; 0: all */
	bool colour;
	uint32_t columns;      /* of the terminal, for text */
	const char *recording; /* shown in the header and in hints; may be NULL */
};

struct pp_report_format {
	const char *name;
	const char *description;
	uint32_t top; /* what is shown unless asked for otherwise */
	bool (*write)(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file,
		      struct pp_error *error);
};

const struct pp_report_format *report_format_find(const char *name); /* NULL: unknown */
const struct pp_report_format *report_formats(size_t *count);

/* The summary printed at the end of a run: text, under 40 lines, at most 100 columns. */
bool report_summary(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file,
		    struct pp_error *error);

#endif
