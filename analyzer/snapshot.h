/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a snapshot; used by snapshot*.c alone. */
#ifndef PREPROF_SNAPSHOT_H
#define PREPROF_SNAPSHOT_H

#include "image.h"

/* CLOCK_MONOTONIC to the profile's time. */
uint64_t snapshot_time(const struct pp_trace *trace, uint64_t ns);

/* Appends the image's process; says in a note what was damaged. */
/* now_ns: the end of an image that has not ended though the profile is not of a running tree: it is on its way out. */
void snapshot_process(struct pp_profile *profile, struct pp_image *image, uint64_t now_ns);
void snapshot_threads(struct pp_profile *profile, const struct pp_image *image);

#endif
