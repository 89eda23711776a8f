/* SPDX-License-Identifier: Apache-2.0 */
/* SECONDS: maps and unmaps for so long while a signal comes as often as it can, whose handler allocates and frees; nothing
 * else here does. Prints how many pairs the handler made. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile unsigned long pairs;
static void *volatile block;

static void handler(int number)
{
	(void)number;
	block = malloc(40);
	free(block);
	pairs++;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct timespec began, now;

	free(malloc(1)); /* the allocator's own beginning */
	sigaction(SIGALRM, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &began);
	setitimer(ITIMER_REAL, &often, NULL);
	do {
		for (int i = 0; i < 100; i++) {
			void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			munmap(page, 4096);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9 < seconds);
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%lu\n", pairs);
	return 0;
}
