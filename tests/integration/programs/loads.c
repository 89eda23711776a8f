/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads of unequal load, each spending 70, 20 and 10 % of its CPU time in three functions, measured on its own
 * clock. Argument: CPU seconds of the busiest thread; the others use a half, a quarter and an eighth of it. A fifth
 * thread, "blocked", blocks every signal and uses as much as the busiest.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static volatile unsigned long sink;

static double cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The clock is read rarely, so that its own cost stays out of the shares. */
#define WORK(name)                                                 \
	__attribute__((noinline)) static double name(double until) \
	{                                                          \
		double now;                                        \
                                                                   \
		do {                                               \
			for (unsigned long i = 0; i < 100000; i++) \
				sink += i;                         \
			now = cpu_now();                           \
		} while (now < until);                             \
		return now;                                        \
	}
WORK(work_70)
WORK(work_20)
WORK(work_10)

static void load(double seconds)
{
	double end = cpu_now();

	/* Each end is measured from the last planned one: overruns do not add up. */
	for (int round = 0; round < 20; round++) {
		work_70(end += seconds * 0.035);
		work_20(end += seconds * 0.010);
		work_10(end += seconds * 0.005);
	}
}

static double seconds;

static void *load_main(void *number)
{
	char name[16];

	snprintf(name, sizeof(name), "load-%ld", (long)number);
	pthread_setname_np(pthread_self(), name);
	load(seconds / (double)(1 << (long)number));
	return NULL;
}

static void *blocked_main(void *unused)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_setname_np(pthread_self(), "blocked");
	load(seconds);
	return unused;
}

int main(int count, char **arguments)
{
	pthread_t threads[5];
	struct rusage usage;

	seconds = count > 1 ? atof(arguments[1]) : 1;
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, load_main, (void *)i);
	pthread_create(&threads[4], NULL, blocked_main, NULL);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	getrusage(RUSAGE_SELF, &usage);
	printf("%f\n", (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
			       (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
	return 0;
}
