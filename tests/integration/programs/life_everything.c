/* SPDX-License-Identifier: Apache-2.0 */
/* Forks while other threads allocate, load and unload code, spawn and run shells: nothing may hang or go wrong. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int stop, wrong;

static void *allocate(void *argument)
{
	while (!stop) {
		void *volatile block = malloc(30);

		free(block);
	}
	return argument;
}

static void *load(void *argument)
{
	while (!stop) {
		void *handle = dlopen(argument, RTLD_NOW);

		if (handle)
			dlclose(handle);
	}
	return NULL;
}

static void *spawn(void *argument)
{
	while (!stop) {
		int status = -1;
		pid_t pid;

		if (posix_spawn(&pid, "/bin/true", NULL, NULL, (char *[]){"true", NULL}, environ) ||
		    waitpid(pid, &status, 0) != pid || status)
			wrong = 1;
	}
	return argument;
}

static void *shell(void *argument)
{
	while (!stop) {
		if (WEXITSTATUS(system("exit 3")) != 3)
			wrong = 1;
	}
	return argument;
}

int main(int argc, char **argv)
{
	void *(*const work[])(void *) = {allocate, load, load, spawn, shell};
	int count = argc > 1 ? atoi(argv[1]) : 100;
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		pthread_create(&threads[i], NULL, work[i], i == 1 ? "libm.so.6" : "libanl.so.1");
	for (int i = 0; i < count; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			void *volatile block = malloc(10);

			free(block);
			if (i % 3 == 0)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			wrong = 1;
	}
	stop = 1;
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	printf("wrong: %d\n", wrong);
	return argc == 0;
}
