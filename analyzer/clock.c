/* SPDX-License-Identifier: Apache-2.0 */
/* How long to nap between two reads; see clock.h. */
#include "clock.h"

#include <time.h>

/* What a nap should find in the fullest pipe: well below the 64 KiB at which writers block. */
#define WANTED_BYTES (24 << 10)

uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t nap_for_rate(size_t bytes, uint64_t elapsed_ns)
{
	uint64_t nap_ns = elapsed_ns * WANTED_BYTES / bytes;

	if (nap_ns < PP_NAP_SHORTEST_NS)
		return PP_NAP_SHORTEST_NS;
	return nap_ns > PP_NAP_LONGEST_NS ? PP_NAP_LONGEST_NS : nap_ns;
}

void pace_update(struct pp_pace *pace, size_t fullest_bytes, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - pace->read_ns;

	pace->read_ns = now_ns;
	if (fullest_bytes > 0) {
		/* After blocking, the time since the last read says nothing about the rate. */
		pace->nap_ns = pace->nap_ns == 0 ? PP_NAP_FIRST_NS : nap_for_rate(fullest_bytes, elapsed_ns);
		pace->empty_naps = 0;
		pace->bursts++;
		return;
	}
	if (pace->nap_ns == 0)
		return;
	/* A lone frame now and then is not a flow: block at once, a wake-up each is cheaper than naps between. */
	if (pace->bursts <= 1 || ++pace->empty_naps >= 3) {
		pace->nap_ns = 0;
		pace->bursts = 0;
		return;
	}
	pace->nap_ns = pace->nap_ns * 2 > PP_NAP_LONGEST_NS ? PP_NAP_LONGEST_NS : pace->nap_ns * 2;
}
