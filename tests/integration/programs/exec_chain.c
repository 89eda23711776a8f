/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes itself again and again while ticks are on their way: none may reach a new image, where it would be fatal.
 * Arguments: how many times, and from where: "main" or "thread". Between two, an exec that fails.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;
static char **arguments;

static void burn(double seconds)
{
	struct timespec time;
	double end = 0, now;

	do {
		for (int i = 0; i < 5000; i++)
			sink += (unsigned long)i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
		now = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
		if (!end)
			end = now + seconds;
	} while (now < end);
}

static void *again(void *unused)
{
	char *nothing[] = {"nothing", NULL};

	(void)unused;
	burn(0.004);
	execv("/nonexistent/program", nothing);
	burn(0.005);
	execv("/proc/self/exe", arguments);
	_exit(3);
}

static void *busy(void *unused)
{
	for (;;)
		burn(1);
	return unused;
}

int main(int count, char **given)
{
	int left = count > 1 ? atoi(given[1]) : 0;
	static char text[16];
	pthread_t thread;
	sigset_t mask;

	/* What it inherited is what was set before: an empty mask. */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number <= 64; number++) {
		if (sigismember(&mask, number) == 1) {
			printf("%d is blocked\n", number);
			return 4;
		}
	}
	if (left == 0) {
		printf("the last\n");
		return 0;
	}
	arguments = given;
	snprintf(text, sizeof(text), "%d", left - 1);
	given[1] = text;
	pthread_create(&thread, NULL, busy, NULL);
	if (!strcmp(given[2], "main"))
		again(NULL);
	pthread_create(&thread, NULL, again, NULL);
	busy(NULL);
	return 5;
}
