/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRUTH COUNT: so many threads one after the other, in waves of 64, every second one detached; each allocates one block
 * that it frees and one that the next wave frees. Prints its own resident memory along the way.
 */
#include "truth.h"

#include <pthread.h>
#include <sched.h>

#define WAVE 64

static void *left[2 * WAVE];
static uint64_t ended;

static unsigned long resident_kb(void)
{
	unsigned long pages = 0;
	char text[128] = "";
	int fd = open("/proc/self/statm", O_RDONLY);

	if (read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%*u %lu", &pages);
	close(fd);
	return pages * 4;
}

static void *short_life(void *argument)
{
	uint64_t number = (uint64_t)(uintptr_t)argument;
	void **place = &left[number % (2 * WAVE)];

	truth_free(site_malloc(100));
	truth_free(__atomic_exchange_n(place, site_calloc(16 + number % 100), __ATOMIC_SEQ_CST));
	ADD(ended, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
	pthread_attr_t detached, small;
	pthread_t joined[WAVE];

	truth_open(argv[1]);
	truth_begin();
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_attr_init(&detached);
	pthread_attr_setstacksize(&detached, 65536);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (uint64_t done = 0; done < count; done += WAVE) {
		int joinable = 0;

		for (uint64_t i = done; i < done + WAVE; i++) {
			pthread_t thread;

			if (pthread_create(&thread, i & 1 ? &detached : &small, short_life, (void *)(uintptr_t)i) != 0)
				return 3;
			if (!(i & 1))
				joined[joinable++] = thread;
		}
		while (joinable)
			pthread_join(joined[--joinable], NULL);
		while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < done + WAVE)
			sched_yield();
		if (done * 20 / count != (done + WAVE) * 20 / count) {
			printf("%llu %lu\n", (unsigned long long)(done + WAVE), resident_kb());
			fflush(stdout);
		}
	}
	return 42;
}
