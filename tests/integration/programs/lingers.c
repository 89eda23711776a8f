/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocates a known number of blocks, says so, and goes on until a signal ends it; what it is to do then is the
 * argument: nothing (the default action), `handle` (says the signal, exits 3), `burn` (uses CPU time meanwhile), or
 * `tree` (two children do so as well).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
	came = number;
}

__attribute__((noinline)) static void marked(void)
{
	for (int i = 0; i < 1000; i++) {
		void *volatile block = malloc(300);

		free(block);
	}
}

int main(int count, char **arguments)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGXCPU};
	const char *what = count > 1 ? arguments[1] : "";

	for (int i = 0; !strcmp(what, "tree") && i < 2; i++) {
		if (fork() == 0)
			break;
	}
	for (size_t i = 0; !strcmp(what, "handle") && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], on_signal);
	marked();
	if (write(1, "ready\n", 6) != 6)
		return 4;
	for (volatile unsigned long sink = 0; !came; sink++) {
		if (strcmp(what, "burn") && count < 3)
			usleep(1000);
	}
	printf("got %d\n", (int)came);
	return 3;
}
