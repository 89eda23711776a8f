/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scheduler that takes the processor from one stack and gives it to another whenever its timer ticks: one that opens, looks
 * up in and closes a library, and one that reads. Then 1000 reads without it. Prints how many reads there were.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK 262144
#define TICKS 3001 /* odd: the last one takes the processor from the libraries, and no read is left in its middle */

static ucontext_t contexts[2];
static volatile sig_atomic_t now, ticks;
static volatile long reads;
static int zero;

static void tick(int number)
{
	int from = now;

	(void)number;
	if (ticks++ >= TICKS)
		return;
	now = !from;
	swapcontext(&contexts[from], &contexts[now]);
}

static __attribute__((noinline)) void after(void)
{
	char text[8];

	for (int i = 0; i < 1000; i++)
		reads += read(zero, text, 8) == 8;
}

static void open_libraries(void)
{
	while (ticks < TICKS) {
		void *library = dlopen("libutil.so.1", RTLD_NOW);

		if (library) {
			dlsym(library, "there_is_none");
			dlclose(library);
		}
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	after();
	printf("%ld\n", reads);
	fflush(stdout);
	exit(0);
}

static void work(void)
{
	char text[8];

	for (;;) {
		if (ticks >= TICKS)
			setcontext(&contexts[0]);
		reads += read(zero, text, 8) == 8;
	}
}

int main(void)
{
	static void (*const parts[2])(void) = {open_libraries, work};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct itimerval interval = {{0, 200}, {0, 200}};

	zero = open("/dev/zero", O_RDONLY);
	for (int i = 0; i < 2; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = malloc(STACK);
		contexts[i].uc_stack.ss_size = STACK;
		makecontext(&contexts[i], parts[i], 0);
	}
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
	setcontext(&contexts[0]);
	return 1;
}
