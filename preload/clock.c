/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, by libc's vDSO path where there is one. Any context; errno untouched. */
#include "host.h"
#include "raw.h"

#include <time.h>

static uint64_t clock_read(clockid_t clock)
{
	struct timespec now;

	if (clock == CLOCK_MONOTONIC)
		clock_gettime(clock, &now); /* cannot fail for this clock: errno stays */
	else if (RAW_CALL(SYS_clock_gettime, clock, &now) < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_thread_cpu_ns(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_ns(void)
{
	return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}
