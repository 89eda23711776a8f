/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark program for the heap: malloc/free pairs with a given number of live blocks, from a given number of call
 * sites at a given stack depth, in one or more threads. Prints nanoseconds of wall time per pair and thread.
 *
 *	heap_churn [pairs [live [depth [threads [keep]]]]]
 *
 * Sites: the innermost three levels each choose one of six functions, 216 distinct stacks; the levels outside them are
 * one recursive function, entered anew for every allocation. keep: blocks allocated first and kept to the end (a large live heap).
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long pairs = 2000000, live_count = 64, depth = 8, thread_count = 1, keep;

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

typedef void *(*step)(uint64_t choice, size_t size);

#define LEAF(n)                                                                                                        \
	static __attribute__((noinline)) void *leaf##n(uint64_t choice, size_t size)                                   \
	{                                                                                                              \
		void *block = malloc(size + n);                                                                        \
		__asm__ volatile("" : "+r"(block) : "r"(choice));                                                      \
		return block;                                                                                          \
	}
#define LEVEL(name, n, table)                                                                                          \
	static __attribute__((noinline)) void *name##n(uint64_t choice, size_t size)                                   \
	{                                                                                                              \
		void *block = table[choice % 6](choice / 6, size + n);                                                 \
		__asm__ volatile("" : "+r"(block));                                                                    \
		return block;                                                                                          \
	}
LEAF(0) LEAF(1) LEAF(2) LEAF(3) LEAF(4) LEAF(5)
static const step leaves[] = { leaf0, leaf1, leaf2, leaf3, leaf4, leaf5 };
LEVEL(middle, 0, leaves) LEVEL(middle, 1, leaves) LEVEL(middle, 2, leaves)
LEVEL(middle, 3, leaves) LEVEL(middle, 4, leaves) LEVEL(middle, 5, leaves)
static const step middles[] = { middle0, middle1, middle2, middle3, middle4, middle5 };
LEVEL(outer, 0, middles) LEVEL(outer, 1, middles) LEVEL(outer, 2, middles)
LEVEL(outer, 3, middles) LEVEL(outer, 4, middles) LEVEL(outer, 5, middles)
static const step outers[] = { outer0, outer1, outer2, outer3, outer4, outer5 };

/* The stack below the sites. */
static __attribute__((noinline)) void *descend(long levels, uint64_t choice, size_t size)
{
	void *block = levels > 0 ? descend(levels - 1, choice, size) : outers[choice % 6](choice / 6, size);

	__asm__ volatile("" : "+r"(block));
	return block;
}

static void churn(uint64_t seed)
{
	void **live = calloc((size_t)live_count, sizeof(*live));
	uint64_t state = seed;

	for (long i = 0; i < pairs; i++) {
		uint64_t choice = random_next(&state);
		void **slot = &live[(choice >> 32) % (uint64_t)live_count];

		free(*slot);
		*slot = descend(depth > 8 ? depth - 8 : 0, choice % 216, 16 + (choice >> 20 & 127));
	}
	for (long i = 0; i < live_count; i++)
		free(live[i]);
	free(live);
}

static void *worker(void *argument)
{
	churn(88172645463325252ull + (uint64_t)(uintptr_t)argument * 7919);
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
	long *numbers[] = { &pairs, &live_count, &depth, &thread_count, &keep };
	pthread_t threads[64];
	void **kept;
	double began, took;

	for (int i = 1; i < argc && i <= 5; i++)
		*numbers[i - 1] = strtol(argv[i], NULL, 10);
	if (pairs < 1 || live_count < 1 || thread_count < 1 || thread_count > 64)
		return 2;
	kept = keep ? calloc((size_t)keep, sizeof(*kept)) : NULL;
	began = now();
	for (long i = 0; i < keep; i++)
		kept[i] = malloc(32 + (size_t)(i % 64));
	for (long i = 1; i < thread_count; i++)
		pthread_create(&threads[i], NULL, worker, (void *)(intptr_t)i);
	worker(NULL);
	for (long i = 1; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	took = now() - began;
	printf("%.1f ns per pair\n", took / (double)(pairs + keep / 2));
	return kept && !kept[0];
}
