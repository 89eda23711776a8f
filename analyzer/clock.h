/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pace at which pipes are read, and the coarse clock that hooks read in place of their own.
 *
 * A wake-up for every frame would cost the target as much as all our other work, so the reader naps while data
 * flow, just long enough for the pipe to fill to less than half. When several naps in a row brought nothing it
 * blocks until there is something. One thread, that of the server.
 */
#ifndef PREPROF_CLOCK_H
#define PREPROF_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PP_NAP_FIRST_NS	   UINT64_C(500000)
#define PP_NAP_SHORTEST_NS UINT64_C(150000)
/* Hooks take the clock word for the time: it must not grow older than this. */
#define PP_NAP_LONGEST_NS UINT64_C(2000000)

struct pp_pace {
	uint64_t nap_ns;  /* 0: block until something comes */
	uint64_t read_ns; /* when pipes were last read */
	uint32_t empty_naps;
	uint32_t bursts; /* reads that brought something since we last blocked */
};

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC */

/* After a round of reading: `fullest_bytes` is what the fullest pipe gave. */
void pace_update(struct pp_pace *pace, size_t fullest_bytes, uint64_t now_ns);

#endif
