/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are left open, as rules look at them: those of one process that were made at one place and had not been
 * closed at its end, or at the last look, or only when it was about to end. One thread; the profile is only read.
 */
#ifndef PREPROF_RULES_DESCRIPTORS_H
#define PREPROF_RULES_DESCRIPTORS_H

#include "report_model.h"
#include "rules_table.h"

struct pp_left_open {
	uint32_t process, place;
	uint32_t node; /* of the newest */
	uint64_t count;
	uint64_t file_count, socket_count, pipe_count, other_count;
	uint64_t first_ns, end_ns; /* the oldest was made; the process ended, or was looked at last */
	uint64_t judged_count;	   /* all but the newest few */
	uint64_t abandoned_count;  /* of these: no byte has passed since a few more were made there */
	uint32_t growing_slices;   /* of PP_LEFT_OPEN_SLICES, from first_ns to end_ns: those in which one was made */
};

#define PP_LEFT_OPEN_SLICES 10

/* On the model's arena. */
struct pp_left_open *left_open_make(const struct pp_report_model *model, uint32_t *count);

/* NaN where it does not apply. */
double left_open_metric(const struct pp_profile *profile, const struct pp_left_open *group, enum pp_metric metric);

#endif
