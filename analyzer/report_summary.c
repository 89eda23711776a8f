/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The summary at the end of a run: where did the time go, where did the memory go, what was never freed, which files
 * were busy, how complete is this. The rows are counted so that all of it stays under 40 lines. One thread.
 */
#include "report_text.h"

#define CPU_ROWS      6
#define HEAP_ROWS     5
#define UNFREED_ROWS  4
#define IO_ROWS	      3
#define SQL_ROWS	      3
#define FINDING_ROWS  4
#define COVERAGE_ROWS 4

bool report_summary(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file,
		    struct pp_error *error)
{
	struct pp_text_report report;
	char fitted[PP_TEXT_LINE];

	(void)error;
	text_report_init(&report, profile, options, file);
	text_target(&report);
	text_cpu(&report, CPU_ROWS);
	text_heap(&report, HEAP_ROWS);
	text_unfreed(&report, UNFREED_ROWS);
	text_io(&report, IO_ROWS);
	text_sql(&report, SQL_ROWS);
	text_waits(&report);
	text_finding_titles(&report, FINDING_ROWS);
	text_coverage(&report, COVERAGE_ROWS);
	if (options->recording)
		text_headline(&report, "Recording", "%s (%s)",
			      text_fit(fitted, options->recording, report.text.columns - PP_TITLE_COLUMNS),
			      profile->running
				      ? "it goes on: preprof report shows all of it once the last process has ended"
				      : "preprof report shows all of it");
	text_report_finish(&report);
	return true;
}
