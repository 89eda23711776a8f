/* SPDX-License-Identifier: Apache-2.0 */
/* The table of report formats; see report.h. Any thread: constants. */
#include "report.h"

#include "report_formats.h"

#include <string.h>

static const struct pp_report_format formats[] = {
	{"json", "everything, for programs; docs/report.schema.json describes it", 100, report_json},
	{"text", "for reading in a terminal (the default)", 20, report_text},
};

const struct pp_report_format *report_formats(size_t *count)
{
	*count = sizeof(formats) / sizeof(formats[0]);
	return formats;
}

const struct pp_report_format *report_format_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
