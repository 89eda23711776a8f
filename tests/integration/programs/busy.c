/* SPDX-License-Identifier: Apache-2.0 */
/* A bit of everything that the library hooks: threads, heap, mappings, descriptors, plugins, children, CPU to be sampled. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void burn(double seconds)
{
	struct timespec now;
	volatile unsigned long sink = 0;
	double end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	end = (double)now.tv_sec + (double)now.tv_nsec * 1e-9 + seconds;
	do {
		for (int i = 0; i < 100000; i++)
			sink += (unsigned long)i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((double)now.tv_sec + (double)now.tv_nsec * 1e-9 < end);
}

static void *worker(void *argument)
{
	for (int i = 0; i < 1000; i++)
		free(realloc(malloc((size_t)i), (size_t)i * 2 + 1));
	burn(0.05);
	return argument;
}

/* With an argument, one allocation more. */
int main(int argc, char **argv)
{
	pthread_t threads[4];
	char *const arguments[] = { "true", NULL };
	void *map;
	pid_t child;
	int status, fd;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, worker, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 20; i++) {
		void *plugin = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

		if (plugin)
			dlclose(plugin);
	}
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(map, 65536);
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 100);
	close(100);
	close(fd);
	signal(SIGUSR1, SIG_IGN);
	child = fork();
	if (child == 0)
		_exit(3);
	waitpid(child, &status, 0);
	if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0)
		waitpid(child, &status, 0);
	if (argc > 1)
		free(strdup(argv[1]));
	burn(0.1);
	puts("done");
	return 0;
}
