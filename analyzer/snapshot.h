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

/* Where an image's rows begin in the profile; of the trace an array, by image. */
struct pp_snapshot_first {
	uint32_t thread, attached;
};

/* Files and room for everything; then each image, in order: node_of gives the profile's node for one of its stacks. */
void snapshot_io_begin(struct pp_profile *profile, const struct pp_trace *trace);
void snapshot_io_sites(struct pp_profile *profile, const struct pp_image *image, const struct pp_snapshot_first *first,
		       uint32_t (*node_of)(const struct pp_image *image, uint32_t stack));
void snapshot_io_finish(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts);

/* The same of SQLite's calls. */
void snapshot_sql_begin(struct pp_profile *profile, const struct pp_trace *trace);
void snapshot_sql_sites(struct pp_profile *profile, const struct pp_image *image, const struct pp_snapshot_first *first,
			uint32_t (*node_of)(const struct pp_image *image, uint32_t stack));
void snapshot_sql_finish(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts);
/* Every stack that the image's sql lens names. */
void snapshot_sql_stacks(struct pp_image *image, void (*each)(struct pp_image *image, uint32_t *stack));
/* snapshot_waits.c: when all is there: takes the CPU time sampled within calls out of the threads' times in them. */
void snapshot_waits(struct pp_profile *profile);

#endif
