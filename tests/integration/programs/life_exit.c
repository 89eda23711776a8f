/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of a process; what runs, in which order, and the status. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *volatile keep;

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		keep = malloc(500);
		free(keep);
	}
}

static void quick_first(void)
{
	say("quick first\n");
	allocate(10);
}

static void quick_second(void)
{
	say("quick second\n");
}

static void at_exit(void)
{
	say("atexit\n");
	allocate(10);
}

__attribute__((destructor)) static void destroy(void)
{
	say("destructor\n");
	allocate(10);
}

static void *leave_main(void *argument)
{
	pthread_join(*(pthread_t *)argument, NULL);
	say("after main\n");
	allocate(10);
	exit(7);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "return";
	static pthread_t self;
	pthread_t thread;

	at_quick_exit(quick_first);
	at_quick_exit(quick_second);
	atexit(at_exit);
	allocate(100);
	if (!strcmp(mode, "_exit"))
		_exit(3);
	if (!strcmp(mode, "_Exit"))
		_Exit(4);
	if (!strcmp(mode, "quick_exit"))
		quick_exit(5);
	if (!strcmp(mode, "exit"))
		exit(6);
	if (!strcmp(mode, "abort"))
		abort();
	if (!strcmp(mode, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(mode, "raw"))
		syscall(SYS_exit_group, 8);
	if (!strcmp(mode, "pthread_exit")) {
		self = pthread_self();
		pthread_create(&thread, NULL, leave_main, &self);
		pthread_exit(NULL);
	}
	return 9;
}
