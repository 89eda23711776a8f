/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRUTH MEGABYTES THREADS SEED: allocates so much in all, in random sizes and every form, in threads that free each
 * other's blocks; large ones are of up to 64 MB.
 */
#include "truth.h"

#include <pthread.h>

#define PLACES 1024

static void *places[PLACES], *large[4];
static uint64_t allocated, wanted;

static void *work(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1, size = 0;

	while (__atomic_load_n(&allocated, __ATOMIC_RELAXED) < wanted) {
		for (int i = 0; i < 256; i++)
			churn(places, PLACES, &state);
		size = 16 + random_next(&state) % ((uint64_t)1 << (10 + random_next(&state) % 17));
		truth_free(__atomic_exchange_n(&large[state % 4], site_large(size), __ATOMIC_SEQ_CST));
		__atomic_fetch_add(&allocated, size + 256 * 1000, __ATOMIC_RELAXED); /* a floor of what churn did */
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 3 ? atoi(argv[3]) : 1;
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1, bytes = 0;
	pthread_t threads[64];

	truth_open(argv[1]);
	truth_begin();
	wanted = strtoull(argv[2], NULL, 10) << 20;
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(seed * 7919 + (uint64_t)i * 104729));
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < TRUTH_SITES; i++)
		bytes += truth_own->sites[i].done_bytes;
	printf("%llu\n", (unsigned long long)(bytes >> 20));
	return 42;
}
