/* SPDX-License-Identifier: Apache-2.0 */
/* lasts BLOCKS: makes them, says so, makes pairs until its input ends, and says how many at its end, with 6. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile keep;

int main(int argc, char **argv)
{
	struct pollfd input = {0, POLLIN, 0};
	long blocks = argc > 1 ? atol(argv[1]) : 0, pairs = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	for (long i = 0; i < blocks; i++)
		keep = malloc(16);
	printf("ready\n");
	for (; poll(&input, 1, 1) == 0; pairs++) {
		keep = malloc(100);
		free(keep);
	}
	printf("end\n");
	if (argc > 2)
		printf("%ld pairs\n", pairs);
	return 6;
}
