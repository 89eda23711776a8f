/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRUTH HOW COUNT: goes on for long, the same all the time, for whoever watches the analyzer's memory. HOW is
 *   events     COUNT calls of malloc and free, by two threads
 *   children   COUNT forked children, each with a few calls
 *   loads      COUNT times dlopen and dlclose, with calls between them
 *   chain      this program executes itself COUNT times, from a forked child each time
 *   deep       children of children, COUNT deep
 *   bomb       COUNT children, 200 at once
 *   signals    COUNT signals of timers and of the program to itself, with handlers that allocate
 */
#include "truth.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define AT_ONCE 200

static void *places[512];
static uint64_t count;
static volatile int stop;

static void churn_many(uint64_t times, uint64_t seed)
{
	uint64_t state = seed | 1;

	for (uint64_t i = 0; i < times; i++)
		churn(places, 512, &state);
}

static void *events_half(void *seed)
{
	/* churn makes 1.6 events a call; plain pairs do for the bulk */
	for (uint64_t i = 0; i < count / 4; i++) {
		truth_free(site_malloc(16 + (i * 37 & 1023)));
		if (!(i & 63))
			churn_many(1, i * 2654435761u + (uintptr_t)seed);
	}
	return NULL;
}

static void events(void)
{
	pthread_t other;

	pthread_create(&other, NULL, events_half, (void *)7);
	events_half((void *)3);
	pthread_join(other, NULL);
}

static int ended_well(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

static void children(void)
{
	for (uint64_t i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			truth_begin();
			churn_many(20, i + 1);
			_exit(0);
		}
		churn_many(1, i + 1);
		if (!ended_well(pid))
			exit(4);
	}
}

static void loads(void)
{
	static const char *const names[] = {"libanl.so.1", "libm.so.6", "libutil.so.1", "libBrokenLocale.so.1"};

	for (uint64_t i = 0; i < count; i++) {
		void *handle = dlopen(names[i % 4], RTLD_NOW);

		churn_many(3, i + 1);
		if (handle)
			dlclose(handle);
	}
}

/* exec, and every tenth time fork before it */
static void chain(char **argv)
{
	char left[32];
	pid_t pid = 0;

	churn_many(10, count);
	if (count == 0)
		return;
	sprintf(left, "%llu", (unsigned long long)count - 1);
	argv[3] = left;
	if (count % 10 == 0)
		pid = fork();
	if (pid == 0) {
		if (count % 10 == 0)
			truth_begin();
		execv("/proc/self/exe", argv);
		_exit(5);
	}
	_exit(ended_well(pid) ? 0 : 6);
}

static void deep(void)
{
	for (uint64_t i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			_exit(7);
		if (pid > 0) {
			if (!ended_well(pid))
				_exit(8);
			if (i == 0)
				return;
			_exit(0);
		}
		truth_begin();
		churn_many(10, i + 1);
	}
	_exit(0);
}

static void bomb(void)
{
	pid_t pids[AT_ONCE];

	for (uint64_t i = 0; i < count; i += AT_ONCE) {
		for (int k = 0; k < AT_ONCE; k++) {
			pids[k] = fork();
			if (pids[k] == 0) {
				truth_begin();
				churn_many(50, i + (uint64_t)k + 1);
				_exit(0);
			}
		}
		for (int k = 0; k < AT_ONCE; k++) {
			if (pids[k] > 0 && !ended_well(pids[k]))
				exit(9);
		}
	}
}

/* --- signals: handlers allocate, so what they interrupt must not; threads that allocate block the signals --- */

static uint64_t signals_taken;

static void handler(int number)
{
	int error = errno;
	void *block = site_handler(16 + (uint64_t)number);

	truth_free(block);
	ADD(signals_taken, 1);
	errno = error;
}

static void *busy(void *seed)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!stop)
		churn_many(100, (uintptr_t)seed);
	return NULL;
}

static void signals(void)
{
	struct itimerval fast = {{0, 200}, {0, 200}}, none = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = handler};
	pthread_t threads[2];
	volatile uint64_t sink = 0;

	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, busy, (void *)(i * 77 + 5));
	sigfillset(&action.sa_mask); /* a handler that interrupted another in malloc would break the program */
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	setitimer(ITIMER_REAL, &fast, NULL);
	for (uint64_t round = 0; __atomic_load_n(&signals_taken, __ATOMIC_SEQ_CST) < count; round++) {
		for (int i = 0; i < 1000; i++)
			sink += (uint64_t)i;
		kill(getpid(), SIGUSR1);
		if (round % 1000 == 0) {
			sigset_t all, old;
			pid_t pid;

			sigfillset(&all); /* fork allocates in neither, but its child's handler would */
			pthread_sigmask(SIG_BLOCK, &all, &old);
			pid = fork();
			if (pid == 0)
				_exit(0);
			pthread_sigmask(SIG_SETMASK, &old, NULL);
			ended_well(pid);
		}
	}
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";

	if (argc < 4)
		return 2;
	count = strtoull(argv[3], NULL, 10);
	truth_open(argv[1]);
	truth_begin();
	if (!strcmp(how, "events"))
		events();
	else if (!strcmp(how, "children"))
		children();
	else if (!strcmp(how, "loads"))
		loads();
	else if (!strcmp(how, "chain"))
		chain(argv);
	else if (!strcmp(how, "deep"))
		deep();
	else if (!strcmp(how, "bomb"))
		bomb();
	else if (!strcmp(how, "signals"))
		signals();
	else
		return 2;
	return 0;
}
