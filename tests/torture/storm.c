/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SECONDS SEED FOLDER WHAT...: everything that hands something over between threads, at once, until the time is up.
 *
 *   loads    threads load and unload the libraries FOLDER/storm0.so ... storm7.so, and call what is in them
 *   births   threads are born by the thousand, with the smallest stacks too, and return, exit or are cancelled
 *   forks    children are forked amid all that, allocate, and end
 *   signals  real-time signals get handlers, one after the other, and are sent to threads and to the process
 *   waits    ... or are blocked everywhere and taken by sigtimedwait and a signalfd
 *
 * It checks what it gets: each signal arrives once, each child ends by itself, each library answers. Status 42 and
 * "storm: ok" if so; the first mistake is said, status 1. SIGALRM ends what hangs, by its default.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIBRARIES 8

static const char *folder;
static uint64_t deadline_ns;
static _Atomic uint64_t sent[65], got[65], sent_all, got_all;
static int all_blocked;
static _Atomic int targets_end;
static _Atomic uint64_t born, ended, forked, loaded;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int going(void)
{
	return now_ns() < deadline_ns;
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fail(const char *what, long value)
{
	char text[200];
	int size = snprintf(text, sizeof(text), "storm: %s (%ld)\n", what, value);

	if (write(1, text, (size_t)size) < 0)
		abort();
	_exit(1);
}

static void churn(uint64_t *state)
{
	void *blocks[16];

	for (int i = 0; i < 16; i++)
		blocks[i] = malloc(random_next(state) % 3000);
	for (int i = 0; i < 16; i++)
		free(blocks[i]);
}

static void handler(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code != SI_QUEUE || info->si_value.sival_int != number)
		fail("a signal that nobody sent", number);
	got[number]++;
	got_all++;
}

/* Real-time signals: a small stack has no room for the frames of several. */
static void signals_mask(int how)
{
	sigset_t mask;

	sigemptyset(&mask);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(&mask, number);
	pthread_sigmask(how, &mask, NULL);
}

/* --- libraries ---------------------------------------------------------------------------------------------------- */

static void *loads(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		int number = (int)(random_next(&state) % LIBRARIES);
		char path[4096];
		int (*work)(int);
		void *handle;

		snprintf(path, sizeof(path), "%s/storm%d.so", folder, number);
		handle = dlopen(path, random_next(&state) & 1 ? RTLD_NOW : RTLD_LAZY);
		if (!handle)
			fail(dlerror(), number);
		work = (int (*)(int))dlsym(handle, "storm_work");
		if (work(5) != 5 + number)
			fail("the library answers something else", number);
		if (dlclose(handle) != 0)
			fail("dlclose", number);
		loaded++;
	}
	return NULL;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static void *short_life(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;
	sigset_t some;

	if (state & 2) {
		sigfillset(&some);
		pthread_sigmask(SIG_BLOCK, &some, NULL);
	} else if (!(state & 16) && !all_blocked) {
		signals_mask(SIG_UNBLOCK);
	}
	churn(&state);
	if (state & 8) { /* to be cancelled, or not in time */
		struct timespec nap = {0, 200000};

		nanosleep(&nap, NULL);
	}
	ended++;
	if (state & 4)
		pthread_exit(NULL);
	return NULL;
}

static void *births(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	signals_mask(SIG_BLOCK); /* for those that are born */
	while (going()) {
		pthread_t threads[24];
		uint64_t seeds[24];
		int count = 0;

		for (int i = 0; i < 24; i++) {
			pthread_attr_t attributes;

			seeds[i] = random_next(&state);
			pthread_attr_init(&attributes);
			if (seeds[i] & 16)
				pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + (seeds[i] & 32 ? 0 : 4096));
			if (pthread_create(&threads[count], &attributes, short_life,
					   (void *)(uintptr_t)(seeds[i] | 1)) == 0) {
				seeds[count++] = seeds[i];
				born++;
			}
			pthread_attr_destroy(&attributes);
		}
		for (int i = 0; i < count; i++) {
			if ((seeds[i] & 0x100) && (seeds[i] & 8))
				pthread_cancel(threads[i]);
			if (pthread_join(threads[i], NULL) != 0)
				fail("join", errno);
		}
	}
	return NULL;
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static void *forks(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		uint64_t random = random_next(&state);
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			for (uint64_t i = 0; i < random % 8; i++)
				churn(&state);
			_exit((int)(random >> 8 & 63));
		}
		if (pid < 0)
			fail("fork", errno);
		while (waitpid(pid, &status, 0) < 0) {
			if (errno != EINTR)
				fail("waitpid", errno);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)(random >> 8 & 63))
			fail("a child's status", status);
		forked++;
	}
	return NULL;
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

static void *target(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (!targets_end)
		churn(&state);
	return NULL;
}

static int signal_send(int number, pthread_t *threads, int count, uint64_t random)
{
	union sigval value = {.sival_int = number};

	return random % 3 ? pthread_sigqueue(threads[random % (uint64_t)count], number, value)
			  : (sigqueue(getpid(), number, value) == 0 ? 0 : errno);
}

/* Each gets its handler when its turn comes, from the top down or at random; those that have one are sent. */
static void *signals(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1, random;
	int ready[65], ready_count = 0, next = SIGRTMAX;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, target, (void *)(uintptr_t)random_next(&state));
	while (now_ns() + 200000000 < deadline_ns) {
		random = random_next(&state);
		if (random % 64 == 0 && next >= SIGRTMIN) {
			struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

			if (sigaction(next, &action, NULL) != 0)
				fail("sigaction", next);
			ready[ready_count++] = next--;
		}
		if (ready_count) {
			int number = ready[(random >> 8) % (uint64_t)ready_count];
			int error = signal_send(number, threads, 4, random >> 20);

			if (error == 0) {
				sent[number]++;
				sent_all++;
			} else if (error != EAGAIN) {
				fail("send", error);
			}
			while (sent_all - got_all > 64 && going())
				sched_yield();
		}
		if (random % 8 == 1)
			churn(&state);
	}
	for (int i = 0; i < 20000 && sent_all != got_all; i++)
		usleep(1000);
	targets_end = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return NULL;
}

/* Blocked in every thread from the start. */
static void *waits(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;
	sigset_t mine;
	int fd;

	sigemptyset(&mine);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number += 2)
		sigaddset(&mine, number);
	fd = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
	while (going()) {
		int number = SIGRTMIN + 2 * (int)(random_next(&state) % (uint64_t)((SIGRTMAX - SIGRTMIN) / 2 + 1));
		union sigval value = {.sival_int = number};
		struct timespec second = {5, 0};
		struct signalfd_siginfo read_info;
		siginfo_t info;
		int taken, error;

		error = pthread_sigqueue(pthread_self(), number, value);

		if (error == EAGAIN) /* other programs of this user have them all */
			continue;
		if (error)
			fail("queue", error);
		if (random_next(&state) & 1) {
			while ((taken = sigtimedwait(&mine, &info, &second)) < 0 && errno == EINTR)
				;
			if (taken != number || info.si_code != SI_QUEUE)
				fail("sigtimedwait got", taken < 0 ? -errno : taken);
		} else if (read(fd, &read_info, sizeof(read_info)) != sizeof(read_info) ||
			   (int)read_info.ssi_signo != number || read_info.ssi_code != SI_QUEUE) {
			fail("signalfd did not have", number);
		}
		churn(&state);
	}
	close(fd);
	return NULL;
}

static const struct {
	const char *name;
	void *(*function)(void *);
} parts[] = {{"loads", loads}, {"births", births}, {"forks", forks}, {"signals", signals}, {"waits", waits}};

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 3 ? strtoull(argv[1], NULL, 10) : 0, state;
	pthread_t threads[64];
	int count = 0;
	sigset_t all;

	if (!seconds)
		return 2;
	state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
	folder = argv[3];
	deadline_ns = now_ns() + seconds * 1000000000;
	alarm((unsigned int)seconds + 60);
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "waits") == 0) {
			sigfillset(&all);
			sigdelset(&all, SIGALRM);
			pthread_sigmask(SIG_BLOCK, &all, NULL);
			all_blocked = 1;
		}
	}
	for (int i = 4; i < argc && count < 64; i++) {
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
			if (strcmp(argv[i], parts[k].name) == 0 &&
			    pthread_create(&threads[count], NULL, parts[k].function,
					   (void *)(uintptr_t)random_next(&state)) == 0)
				count++;
		}
	}
	while (count)
		pthread_join(threads[--count], NULL);
	for (int number = 0; number <= 64; number++) {
		for (int i = 0; i < 1000 && sent[number] != got[number]; i++)
			usleep(1000);
		if (sent[number] != got[number])
			fail("signals did not arrive as often as they were sent", number);
	}
	fprintf(stderr, "%llu threads, %llu forks, %llu loads\n", (unsigned long long)born, (unsigned long long)forked,
		(unsigned long long)loaded);
	printf("storm: ok\n");
	return 42;
}
