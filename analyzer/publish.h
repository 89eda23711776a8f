/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publication: a snapshot is symbolized, written and summarized on a thread of its own, so that pipes are drained
 * meanwhile. The server's thread submits one job at a time and collects it when the descriptor becomes readable.
 */
#ifndef PREPROF_PUBLISH_H
#define PREPROF_PUBLISH_H

#include "error.h"
#include "profile.h"

struct pp_publisher;

struct pp_publication {
	struct pp_profile *profile; /* the publisher's from submission on */
	bool bare; /* without what takes longer than writing: no file is read for names, plans and the like; it says so */
	bool wants_summary;
	bool brief; /* of the summary nothing but what went wrong */
	bool colour;
	uint32_t columns;

	/* results */
	char *summary;	  /* malloc'ed; NULL when not wanted */
	bool written;	  /* the recording lies at publisher_path() */
	uint64_t cost_ns; /* wall time */
};

/* How long to wait after a publication that took cost_ns: at least shortest_ns, and so long that publishing takes 1/50 of the
 * time; but no longer than 30 s, unless it would take more than half of the time then. A publication costs in proportion to what is in
 * it, and a tree of ever more processes must not come to do nothing else. */
uint64_t publication_interval_ns(uint64_t cost_ns, uint64_t shortest_ns);

/* The first name that can be written of `path` and its fallbacks is chosen now. Never fails for want of a folder: then
 * publications say so. NULL: no thread could be started. */
struct pp_publisher *publisher_create(const char *path, struct pp_error *error);

/* Waits for a job in progress. */
void publisher_destroy(struct pp_publisher *publisher);

/* What is written if memory ends before anything else was published: the publisher's from now on. Once, not while busy. */
void publisher_keep(struct pp_publisher *publisher, struct pp_profile *profile);

int publisher_descriptor(const struct pp_publisher *publisher); /* readable when a job is done */
bool publisher_busy(const struct pp_publisher *publisher);
void publisher_submit(struct pp_publisher *publisher, const struct pp_publication *publication); /* not while busy */

/* true: a job was done, `publication` is what came of it and its summary belongs to the caller. */
bool publisher_collect(struct pp_publisher *publisher, struct pp_publication *publication);
void publisher_wait(struct pp_publisher *publisher); /* until the job in progress is done */

const char *publisher_path(const struct pp_publisher *publisher);    /* not while busy */
const char *publisher_trouble(const struct pp_publisher *publisher); /* "" or one line for the user; not while busy */

#endif
