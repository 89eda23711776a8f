/* SPDX-License-Identifier: Apache-2.0 */
/* io_replaced FILE TIMES: threads read, write and write to a file through numbers that are meanwhile made to mean something else, so often.
 * Not one of their calls may fail. Prints how many calls each has made. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READER, WRITER, FILER, WORKERS };

static atomic_int ended;
static int numbers[WORKERS];
static unsigned long calls[WORKERS];

static void *worker(void *argument)
{
	uintptr_t which = (uintptr_t)argument;
	char bytes[16] = {0};

	while (!ended) {
		ssize_t moved = which == READER	  ? read(numbers[which], bytes, 7)
				: which == WRITER ? write(numbers[which], bytes, 7)
						  : pwrite(numbers[which], bytes, 7, 0);

		if (moved != 7)
			abort();
		calls[which]++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int times = atoi(argv[argc - 1]), sources[WORKERS][2];
	pthread_t threads[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++) {
		const char *path = i == READER ? "/dev/zero" : i == WRITER ? "/dev/null" : argv[1];

		for (int j = 0; j < 2; j++)
			sources[i][j] = open(path, O_RDWR | O_CREAT, 0600);
		numbers[i] = dup(sources[i][0]);
		if (numbers[i] < 0 || pthread_create(&threads[i], NULL, worker, (void *)i) != 0)
			return 1;
	}
	for (int i = 0; i < times; i++)
		for (int j = 0; j < WORKERS; j++)
			if (dup2(sources[j][i % 2], numbers[j]) != numbers[j])
				return 2;
	ended = 1;
	for (int i = 0; i < WORKERS; i++) {
		if (pthread_join(threads[i], NULL) != 0)
			return 3;
		printf("%lu\n", calls[i]);
	}
	return 0;
}
