/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of known CPU shares: four threads of unequal load (8:4:2:1), each of which spends 70, 20 and 10 % of its
 * work in three functions. The shares it really had are printed, measured by its own thread clocks.
 *
 *	cpu_shares [CPU seconds, about]
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double rounds_per_second;
static volatile uint64_t sink;

static inline __attribute__((always_inline)) uint64_t work(uint64_t rounds, uint64_t value)
{
	for (uint64_t i = 0; i < rounds; i++)
		value = value * 6364136223846793005ull + 1442695040888963407ull + i;
	return value;
}

/* Each with a constant of its own: equal functions would be folded into one. */
#define BURN(name, salt)                                                                                               \
	static __attribute__((noinline)) double name(uint64_t rounds)                                                  \
	{                                                                                                              \
		struct timespec before, after;                                                                         \
                                                                                                                       \
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);                                                       \
		sink = work(rounds, sink + salt);                                                                      \
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);                                                        \
		return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;       \
	}
BURN(burn_seventy, 70)
BURN(burn_twenty, 20)
BURN(burn_ten, 10)

struct load {
	double seconds;
	double spent[3];
};

static void *run(void *argument)
{
	struct load *load = argument;
	uint64_t slice = (uint64_t)(rounds_per_second * load->seconds / 500);

	for (int i = 0; i < 500; i++) {
		load->spent[0] += burn_seventy(slice * 7 / 10);
		load->spent[1] += burn_twenty(slice * 2 / 10);
		load->spent[2] += burn_ten(slice / 10);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2, total[3] = { 0 };
	struct load loads[4];
	pthread_t threads[4];
	struct timespec spent;

	/* a fixed amount of work, so that a profiler's cost shows as CPU time */
	rounds_per_second = argc > 2 ? strtod(argv[2], NULL) : 6e8;
	for (int i = 0; i < 4; i++) {
		loads[i] = (struct load){ .seconds = seconds * (8 >> i) / 15 };
		pthread_create(&threads[i], NULL, run, &loads[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		for (int k = 0; k < 3; k++)
			total[k] += loads[i].spent[k];
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	printf("cpu %.3f shares %.2f %.2f %.2f threads", (double)spent.tv_sec + (double)spent.tv_nsec * 1e-9,
	       100 * total[0] / (total[0] + total[1] + total[2]), 100 * total[1] / (total[0] + total[1] + total[2]),
	       100 * total[2] / (total[0] + total[1] + total[2]));
	for (int i = 0; i < 4; i++)
		printf(" %.3f", loads[i].spent[0] + loads[i].spent[1] + loads[i].spent[2]);
	printf("\n");
	return 0;
}
