/* SPDX-License-Identifier: Apache-2.0 */
/* One allocation each millisecond for the given number of milliseconds, between which a little CPU time is used. Prints how
 * many there were. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static __attribute__((noinline)) void tick(void)
{
	char *block = malloc(1000);
	volatile unsigned long sink = 0;

	for (int i = 0; i < 100000; i++)
		sink += (unsigned long)i;
	__asm__ volatile("" : : "r"(block) : "memory");
	free(block);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1000 + (double)time.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
	double length = argc > 1 ? strtod(argv[1], NULL) : 1000, began = now();
	struct timespec pause = { 0, 1000000 };
	long count = 0;

	printf("started\n");
	fflush(stdout);
	while (now() - began < length) {
		tick();
		count++;
		nanosleep(&pause, NULL);
	}
	printf("%ld\n", count);
	return 0;
}
