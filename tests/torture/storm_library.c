/* SPDX-License-Identifier: Apache-2.0 */
/* A library for storm.c; NUMBER is another for each. It allocates when it comes, works and goes. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

static void *kept;
static __thread int calls;

__attribute__((constructor)) static void come(void)
{
	kept = malloc(100 + NUMBER);
}

__attribute__((destructor)) static void go(void)
{
	free(kept);
}

__attribute__((noinline)) int storm_deep(int depth)
{
	void *block = malloc((size_t)depth + 1);
	int result = depth ? storm_deep(depth - 1) + 1 : NUMBER;

	free(block);
	return result;
}

int storm_work(int depth)
{
	calls++;
	return storm_deep(depth);
}

/* Never returns: whoever called it jumps out of it. */
int storm_wait(int how, volatile int *here)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	char *volatile block = malloc(10);

	free(block);
	*here = 1;
	for (;;) {
		switch (how) {
		case 0:
			poll(NULL, 0, -1);
			break;
		case 1:
			select(0, NULL, NULL, NULL, NULL);
			break;
		case 2:
			pthread_mutex_lock(&mutex);
			pthread_cond_wait(&condition, &mutex);
			break;
		default:
			sleep(1000);
		}
	}
}
