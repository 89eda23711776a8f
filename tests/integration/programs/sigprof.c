/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that profiles itself by SIGPROF, in the ways that there are. Prints how many of the signals it expected
 * came: "N of M".
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;
static volatile sig_atomic_t came, wrong;

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noinline)) static void burn(double seconds)
{
	double end = now(CLOCK_PROCESS_CPUTIME_ID) + seconds;

	while (now(CLOCK_PROCESS_CPUTIME_ID) < end) {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i;
	}
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	came++;
	wrong += number != SIGPROF ||
		 (info->si_code != SI_KERNEL && info->si_code != SI_TIMER && info->si_code != SI_USER &&
		  info->si_code != SI_QUEUE && info->si_code != SI_TKILL);
}

static void install(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_signal;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGPROF, &action, NULL);
}

static void timer_start(long microseconds)
{
	struct itimerval times = {{0, microseconds}, {0, microseconds}};

	setitimer(ITIMER_PROF, &times, NULL);
}

static void *sender(void *target)
{
	struct timespec gap = {0, 100000};

	for (int i = 0; i < 100; i++) {
		pthread_kill(*(pthread_t *)target, SIGPROF);
		while (came <= i) /* a second one would be merged with it */
			nanosleep(&gap, NULL);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	const char *how = count > 1 ? arguments[1] : "";
	pthread_t self = pthread_self(), thread;
	struct itimerval left;

	if (!strcmp(how, "itimer")) {
		install();
		timer_start(10000);
		burn(1.0);
		getitimer(ITIMER_PROF, &left);
		printf("%d of 100, %d wrong, interval %ld\n", (int)came, (int)wrong, (long)left.it_interval.tv_usec);
	} else if (!strcmp(how, "late")) {
		burn(0.3);
		timer_start(1000000);
		install();
		timer_start(10000);
		burn(1.0);
		printf("%d of 100, %d wrong\n", (int)came, (int)wrong);
	} else if (!strcmp(how, "sent")) {
		install();
		pthread_create(&thread, NULL, sender, &self);
		while (came < 100)
			burn(0.001);
		pthread_join(thread, NULL);
		printf("%d of 100, %d wrong\n", (int)came, (int)wrong);
	} else if (!strcmp(how, "killed")) {
		/* The default: SIGPROF ends the program. */
		timer_start(10000);
		burn(2.0);
		printf("still here\n");
	} else {
		return 2;
	}
	return wrong != 0;
}
