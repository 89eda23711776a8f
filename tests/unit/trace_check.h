/* SPDX-License-Identifier: Apache-2.0 */
/* Feeding what a stream maker made. */
#ifndef PREPROF_TRACE_CHECK_H
#define PREPROF_TRACE_CHECK_H

#include "stream_maker.h"
#include "test.h"
#include "trace.h"

static inline struct pp_image *check_image(struct pp_trace *trace, struct maker *maker)
{
	struct pp_error error = {""};
	struct pp_image *image = trace_image_add(trace, &maker->hello, "/bin/program", "program\0-x", 10, "host",
						 maker->shared, MAKER_SPACE, &error);

	if (!image) {
		pp_test_fail(__FILE__, __LINE__, "refused: %s", error.text);
		exit(1);
	}
	return image;
}

/* The pipe's bytes in pieces of `piece` bytes; the pipe is empty then. */
static inline void check_feed(struct pp_image *image, struct maker *maker, size_t piece)
{
	for (size_t at = 0; at < maker->pipe.size; at += piece) {
		size_t size = maker->pipe.size - at < piece ? maker->pipe.size - at : piece;

		image_feed(image, maker->pipe.bytes + at, size);
	}
	maker->pipe.size = 0;
}

static inline struct pp_profile *check_end(struct pp_trace *trace, struct pp_image *image, struct maker *maker)
{
	struct pp_profile *profile;

	check_feed(image, maker, SIZE_MAX / 2);
	image_end(image, &(struct pp_exit){.known = true, .code = 7}, maker->now_ns);
	profile = trace_snapshot(trace, maker->now_ns, false);
	return profile;
}

/* One image from its first byte to its end. */
static inline struct pp_profile *check_profile(struct maker *maker)
{
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile = check_end(trace, check_image(trace, maker), maker);

	trace_destroy(trace);
	return profile;
}

#endif
