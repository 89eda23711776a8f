/* SPDX-License-Identifier: Apache-2.0 */
/* What rules ask of I/O: of a stack, a file, a thread. NaN where a metric does not apply. One thread. */
#ifndef PREPROF_RULES_IO_H
#define PREPROF_RULES_IO_H

#include "report_model.h"
#include "rules_table.h"

#include <math.h>

static inline double metric_number(uint64_t metric)
{
	return metric == PP_UNKNOWN ? NAN : (double)metric;
}

static inline double metric_share(uint64_t part, uint64_t whole)
{
	return whole == 0 || whole == PP_UNKNOWN || part == PP_UNKNOWN ? NAN : percent_of(part, whole);
}

double io_site_metric(const struct pp_profile *profile, const struct pp_report_model *model,
		      const struct pp_io_totals *io, enum pp_metric metric);
double io_file_metric(const struct pp_profile *profile, const struct pp_io_totals *io, enum pp_metric metric);
double thread_metric(const struct pp_profile *profile, const struct pp_report_model *model, const struct pp_thread *thread,
		     enum pp_metric metric);

#endif
