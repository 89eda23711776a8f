/* SPDX-License-Identifier: Apache-2.0 */
/* Built with a sanitizer: right by default, with the mistake that the argument names otherwise. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int shared;

static void *thread_main(void *unused)
{
	free(malloc(40));
	__atomic_add_fetch(&shared, 1, __ATOMIC_SEQ_CST);
	return unused;
}

static void burn(double seconds)
{
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);

	while (clock() < end)
		;
}

/* On a thread that is gone: no stack holds the address by chance. */
static void *leak(void *unused)
{
	char *volatile block = malloc(10);

	block = NULL;
	(void)block;
	return unused;
}

int main(int argc, char **argv)
{
	const char *mistake = argc > 1 ? argv[1] : "";
	char *volatile block = malloc(10);
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 100; i++)
		free(malloc(100));
	burn(0.1);
	printf("%d\n", shared);
	fflush(stdout);
	if (!strcmp(mistake, "overflow"))
		block[10] = 1;
	free(block);
	if (!strcmp(mistake, "twice"))
		free(block);
	if (!strcmp(mistake, "leak")) {
		pthread_create(&thread, NULL, leak, NULL);
		pthread_join(thread, NULL);
	}
	return 3;
}
