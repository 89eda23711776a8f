/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paused [RESUME]: holds 100 blocks and 5 descriptors, sends itself SIGUSR1 (STOP_SIGNAL), frees and closes them all, and
 * computes for 0.4 s of CPU time. With an argument it sends itself SIGUSR2 (START_SIGNAL) then, and does it all again.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS	    100
#define DESCRIPTORS 5

static void *blocks[BLOCKS];
static int descriptors[DESCRIPTORS];

static __attribute__((noinline)) void hold(void)
{
	char byte;

	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(1000);
	for (int i = 0; i < DESCRIPTORS; i++) {
		descriptors[i] = open("/etc/passwd", O_RDONLY);
		if (read(descriptors[i], &byte, 1) != 1)
			_exit(2);
	}
}

static void let_go(void)
{
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	for (int i = 0; i < DESCRIPTORS; i++)
		close(descriptors[i]);
}

static void compute(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 4 / 10;

	while (clock() < until)
		;
}

int main(int argc, char **argv)
{
	(void)argv;
	hold();
	raise(SIGUSR1);
	let_go();
	compute();
	if (argc > 1) {
		raise(SIGUSR2);
		hold();
		let_go();
	}
	return 0;
}
