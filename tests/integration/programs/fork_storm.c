/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork_storm COUNT: processes made in every way by several threads, while others allocate, load and unload code, and
 * begin and end threads. Each child does what glibc lets the copy of a process with threads do: it allocates and forks
 * again. Nothing may hang, every status must come as it was given.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
pid_t _Fork(void);

static volatile int stop;
static int wrong, next_number;

static void __attribute__((noinline)) allocate(int count)
{
	for (int i = 0; i < count; i++) {
		char *volatile block = malloc(100);

		block = realloc(block, 3000);
		free(block);
	}
}

static void *churn(void *argument)
{
	while (!stop)
		allocate(10);
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

static void *nothing(void *argument)
{
	allocate(1);
	return argument;
}

static void *begin_and_end(void *argument)
{
	while (!stop) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, nothing, NULL) == 0)
			pthread_join(thread, NULL);
		usleep(200);
	}
	return argument;
}

static int status_wait(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int __attribute__((noinline)) child(int number)
{
	pid_t pid;

	allocate(3);
	if (number % 7 == 0) {
		pid = fork();
		if (pid == 0) {
			allocate(2);
			_exit(5);
		}
		if (status_wait(pid) != 5)
			return 120;
	}
	if (number % 13 == 0)
		raise(SIGKILL);
	return number & 63;
}

/* Nobody has put malloc's locks in order here: not even a bare program may allocate. */
static int clone_main(void *argument)
{
	return *(int *)argument & 63;
}

static pid_t start(int number, int *expected)
{
	static __thread char stack[65536] __attribute__((aligned(16)));
	char *const command[] = {"true", NULL};
	pid_t pid = -1;

	*expected = number % 13 ? number & 63 : 1000 + SIGKILL;
	switch (number % 6) {
	case 0:
	case 1:
	case 2:
		pid = fork();
		if (pid == 0)
			_exit(child(number));
		return pid;
	case 3:
		*expected = number & 63;
		pid = clone(clone_main, stack + sizeof(stack), SIGCHLD, &number);
		return pid;
	case 4:
		*expected = 0;
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, command, environ))
			pid = -1;
		return pid;
	default:
		*expected = 127;
		pid = vfork();
		if (pid == 0) {
			execv(number % 2 ? "/bin/false" : "/nonexistent", command);
			_exit(127);
		}
		*expected = number % 2 ? 1 : 127;
		return pid;
	}
}

static void *forks(void *argument)
{
	int count = *(int *)argument, number, expected, found;

	while ((number = __atomic_add_fetch(&next_number, 1, __ATOMIC_SEQ_CST)) <= count) {
		pid_t pid = start(number, &expected);

		found = pid > 0 ? status_wait(pid) : -1;
		if (found != expected) {
			fprintf(stderr, "number %d: %d, not %d\n", number, found, expected);
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*const work[])(void *) = {churn, churn, load, load, begin_and_end};
	int count = argc > 1 ? atoi(argv[1]) : 300;
	pthread_t threads[5], forkers[2];

	for (int i = 0; i < 5; i++)
		pthread_create(&threads[i], NULL, work[i], i == 2 ? "libm.so.6" : "libanl.so.1");
	for (int i = 0; i < 2; i++)
		pthread_create(&forkers[i], NULL, forks, &count);
	for (int i = 0; i < 2; i++)
		pthread_join(forkers[i], NULL);
	stop = 1;
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	printf("wrong: %d\n", wrong);
	return wrong != 0;
}
