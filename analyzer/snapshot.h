/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a snapshot; used by snapshot*.c alone. */
#ifndef PREPROF_SNAPSHOT_H
#define PREPROF_SNAPSHOT_H

#include "image.h"

/* CLOCK_MONOTONIC to the profile's time. */
uint64_t snapshot_time(const struct pp_trace *trace, uint64_t ns);

/* Appends the image's process; says in a note what was damaged. */
void snapshot_process(struct pp_profile *profile, struct pp_image *image);
void snapshot_threads(struct pp_profile *profile, const struct pp_image *image);

#endif
