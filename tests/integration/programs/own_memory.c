/* SPDX-License-Identifier: Apache-2.0 */
/* THREADS DEPTH: allocates from 2^DEPTH stacks in each of so many threads, then prints what of the library's shared memory
 * is mapped here and has been touched, in bytes, while the threads still live. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_barrier_t done, told;
static int depth;

static __attribute__((noinline)) void left(int rest);

static __attribute__((noinline)) void right(int rest)
{
	if (rest == 0) {
		free(malloc(32));
		return;
	}
	left(rest - 1);
	right(rest - 1);
	__asm__ volatile("");
}

static void left(int rest)
{
	if (rest == 0) {
		free(malloc(16));
		return;
	}
	right(rest - 1);
	left(rest - 1);
	__asm__ volatile("");
}

static void *work(void *unused)
{
	left(depth);
	pthread_barrier_wait(&done);
	pthread_barrier_wait(&told);
	return unused;
}

static unsigned long touched_kb(void)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long total = 0, kb;
	char line[1024];
	int ours = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Rss: %lu kB", &kb) == 1)
			total += ours ? kb : 0;
		else if (strchr(line, '-') && strchr(line, ':') > strchr(line, '-'))
			ours = strstr(line, "memfd:preprof") != NULL;
	}
	if (file)
		fclose(file);
	return total;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t threads[256];

	depth = argc > 2 ? atoi(argv[2]) : 1;
	pthread_barrier_init(&done, NULL, (unsigned int)count + 1);
	pthread_barrier_init(&told, NULL, (unsigned int)count + 1);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	pthread_barrier_wait(&done);
	printf("%lu\n", touched_kb() << 10);
	pthread_barrier_wait(&told);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
