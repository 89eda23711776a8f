/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record of the stream once decoded: what the reader makes, what is held until its turn has come, what the mem lens
 * takes. A realloc is two events (the free first), a mremap too.
 */
#ifndef PREPROF_EVENT_H
#define PREPROF_EVENT_H

#include <stdint.h>

enum pp_event_type {
	PP_EVENT_ALLOC = 1,
	PP_EVENT_FREE = 2,
	PP_EVENT_FAILED = 3, /* size: asked for */
	PP_EVENT_MAP = 4,
	PP_EVENT_UNMAP = 5,
	PP_EVENT_FORK = 6, /* size: fork id */
};

enum pp_event_flag {
	PP_EVENT_REALLOC = 1 << 0, /* on the free of a realloc */
	PP_EVENT_MOVED = 1 << 1,   /* ... that gave another address */
};

struct pp_event {
	uint64_t stamp;	  /* stamp units; 0 while the process had one thread */
	uint64_t time_ns; /* coarse CLOCK_MONOTONIC */
	uint64_t address;
	uint64_t size;
	uint32_t stack;	 /* node of the image's stack table, 0: unknown */
	uint32_t thread; /* index in the image */
	uint16_t type;
	uint16_t flags;
	uint32_t reserved;
};
_Static_assert(sizeof(struct pp_event) == 48, "held by the million");

#define PP_EVENT_BATCH 64

#endif
