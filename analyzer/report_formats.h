/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of `preprof report`, one line and one file each; report.c has their table. */
#ifndef PREPROF_REPORT_FORMATS_H
#define PREPROF_REPORT_FORMATS_H

#include "report.h"

#define PP_REPORT_FORMAT(name)                                                                           \
	bool name(const struct pp_profile *profile, const struct pp_report_options *options, FILE *file, \
		  struct pp_error *error)

PP_REPORT_FORMAT(report_json);
PP_REPORT_FORMAT(report_text);

#endif
