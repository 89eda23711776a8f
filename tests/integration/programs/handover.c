/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks allocated by producers and freed by consumers, addresses reused at once by everybody; nothing is left at the end
 * but what the arguments say. Usage: handover PAIRS ROUNDS LEFT */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static long pairs = 2, rounds = 100000, left = 5;

struct box {
	void *_Atomic block;
	long leave;
};

static void *produce(void *argument)
{
	struct box *box = argument;

	for (long i = 0; i < rounds; i++) {
		void *block = malloc(16 + (size_t)(i % 50) * 8);

		while (box->block)
			sched_yield();
		box->block = block;
		free(malloc(24));
	}
	return NULL;
}

static void *consume(void *argument)
{
	struct box *box = argument;

	for (long i = 0; i < rounds; i++) {
		void *block;

		while (!(block = box->block))
			sched_yield();
		box->block = NULL;
		if (i < rounds - box->leave)
			free(block);
		free(malloc(32));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct box boxes[16];
	pthread_t threads[32];

	if (argc > 1)
		pairs = strtol(argv[1], NULL, 10);
	if (argc > 2)
		rounds = strtol(argv[2], NULL, 10);
	if (argc > 3)
		left = strtol(argv[3], NULL, 10);
	for (long i = 0; i < pairs; i++) {
		boxes[i].leave = left;
		pthread_create(&threads[2 * i], NULL, produce, &boxes[i]);
		pthread_create(&threads[2 * i + 1], NULL, consume, &boxes[i]);
	}
	for (long i = 0; i < 2 * pairs; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
