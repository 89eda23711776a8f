/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that has real-time signals to itself: it blocks some (every other one, a range, one, all, all but one), before its
 * threads begin, and in two threads sends itself those and takes each by a signalfd or by sigtimedwait. With a second argument it
 * executes itself once it has blocked them. Argument: a seed. Says what was wrong, and nothing else. Where it blocks nearly
 * everything a signal of ours may take a moment to be pending, the first time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20

static unsigned long long state;
static sigset_t blocked;

static unsigned random_below(unsigned limit)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % limit;
}

static int random_signal(void)
{
	return SIGRTMIN + (int)random_below((unsigned)(SIGRTMAX - SIGRTMIN + 1));
}

static void set_choose(sigset_t *set)
{
	unsigned kind = random_below(6);
	int from = random_signal(), to = random_signal();

	sigemptyset(set);
	if (kind >= 4)
		sigfillset(set);
	if (kind == 5)
		sigdelset(set, SIGRTMAX - (int)random_below(9));
	if (kind == 0)
		sigaddset(set, SIGRTMAX - (int)random_below(9));
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
		if ((kind == 1 || kind == 2) && number % 2 == (int)kind - 1)
			sigaddset(set, number);
		if (kind == 3 && number >= (from < to ? from : to) && number <= (from < to ? to : from))
			sigaddset(set, number);
	}
}

static void take(int number)
{
	union sigval value = {.sival_int = number};
	struct timespec patience = {5, 0};
	siginfo_t info = {.si_signo = 0};
	sigset_t one, pending;

	sigemptyset(&one);
	sigaddset(&one, number);
	if (pthread_sigqueue(pthread_self(), number, value) != 0) /* other programs of this user have them all */
		return;
	for (int tries = sigismember(&blocked, SIGTERM) ? 10000 : 1; tries-- && (sigpending(&pending), !sigismember(&pending, number));)
		usleep(100);
	if (!sigismember(&pending, number))
		printf("%d is not pending\n", number);
	if (random_below(2)) {
		int fd = signalfd(-1, &one, SFD_NONBLOCK);
		struct signalfd_siginfo found;

		if (read(fd, &found, sizeof(found)) != sizeof(found) || (int)found.ssi_signo != number || found.ssi_code != SI_QUEUE)
			printf("the descriptor has no %d\n", number);
		close(fd);
		return;
	}
	while (sigtimedwait(&one, &info, &patience) < 0 && errno == EINTR)
		;
	if (info.si_signo != number || info.si_code != SI_QUEUE || info.si_value.sival_int != number)
		printf("waiting for %d gave %d\n", number, info.si_signo);
}

static void *use(void *unused)
{
	sigset_t mask;

	for (int round = 0; round < ROUNDS; round++) {
		int number = random_signal();

		if (sigismember(&blocked, number))
			take(number);
	}
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
		if (sigismember(&mask, number) != sigismember(&blocked, number))
			printf("%d is %sblocked\n", number, sigismember(&mask, number) ? "" : "not ");
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	state = strtoull(argv[1], NULL, 10) * 2654435761U + 1;
	set_choose(&blocked);
	if (random_below(2))
		pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	else
		sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (argc > 2)
		execl("/proc/self/exe", argv[0], argv[1], (char *)NULL);
	pthread_create(&thread, NULL, use, NULL);
	pthread_join(thread, NULL);
	use(NULL);
	return 0;
}
