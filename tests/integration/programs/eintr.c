/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts calls that fail with EINTR in a program that gets no signals: there must be none. Each call is made again and
 * again in a thread that spends its CPU time in it, so that ticks come close to it; arguments: calls of each kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long calls;
static int pair[2], tubes[2], epoll, queue, semaphores;
static const struct timespec brief = {0, 1000};

static int do_poll(void)
{
	struct pollfd one = {pair[0], POLLIN, 0};
	return ppoll(&one, 1, &brief, NULL);
}

static int do_ppoll_mask(void)
{
	struct pollfd one = {pair[0], POLLIN, 0};
	sigset_t all;
	sigfillset(&all);
	return ppoll(&one, 1, &brief, &all);
}

static int do_select(void)
{
	fd_set set;
	struct timeval wait = {0, 1};
	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	return select(pair[0] + 1, &set, NULL, NULL, &wait);
}

static int do_nanosleep(void)
{
	return nanosleep(&brief, NULL);
}

static int do_epoll(void)
{
	struct epoll_event event;
	return (int)syscall(SYS_epoll_pwait2, epoll, &event, 1, &brief, NULL, 0);
}

static int do_futex(void)
{
	static int word;
	int result = (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &brief, NULL, 0);
	return result < 0 && errno == ETIMEDOUT ? 0 : result;
}

static int do_sem_timedwait(void)
{
	struct timespec until;
	static sem_t semaphore;
	int result;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 1000;
	if (until.tv_nsec >= 1000000000)
		until.tv_nsec -= 1000000000, until.tv_sec++;
	result = sem_timedwait(&semaphore, &until);
	return result < 0 && errno == ETIMEDOUT ? 0 : result;
}

static int do_semtimedop(void)
{
	struct sembuf take = {0, -1, 0};
	int result = semtimedop(semaphores, &take, 1, &brief);
	return result < 0 && errno == EAGAIN ? 0 : result;
}

static int do_sigtimedwait(void)
{
	sigset_t set;
	int result;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	result = sigtimedwait(&set, NULL, &brief);
	return result < 0 && errno == EAGAIN ? 0 : result;
}

static int do_sigwait_all(void)
{
	sigset_t set;
	int result;
	sigfillset(&set);
	result = sigtimedwait(&set, NULL, &brief);
	return result < 0 && errno == EAGAIN ? 0 : result;
}

/* Calls that block for as long as the other end wants. */
static int do_read_pipe(void)
{
	char byte;
	return (int)read(tubes[0], &byte, 1);
}

static int do_receive(void)
{
	char byte;
	return (int)recv(pair[1], &byte, 1, 0);
}

static int do_message(void)
{
	struct {
		long type;
		char text[8];
	} message;
	return (int)msgrcv(queue, &message, 8, 0, 0);
}

static void *feeder(void *kind)
{
	struct {
		long type;
		char text[8];
	} message = {1, "x"};

	for (long i = 0; i < calls; i++) {
		if (kind == (void *)do_read_pipe && write(tubes[1], "x", 1) != 1)
			abort();
		if (kind == (void *)do_receive && send(pair[0], "x", 1, 0) != 1)
			abort();
		if (kind == (void *)do_message && msgsnd(queue, &message, 8, 0) != 0)
			abort();
	}
	return NULL;
}

static long connect_accept(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	long interrupted = 0;
	socklen_t size;

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "preprof-eintr-%d", (int)getpid());
	size = sizeof(address);
	if (bind(server, (struct sockaddr *)&address, size) || listen(server, 8))
		abort();
	for (long i = 0; i < calls / 4; i++) {
		int client = socket(AF_UNIX, SOCK_STREAM, 0), accepted;
		interrupted += connect(client, (struct sockaddr *)&address, size) < 0 && errno == EINTR;
		accepted = accept(server, NULL, NULL);
		interrupted += accepted < 0 && errno == EINTR;
		close(accepted);
		close(client);
	}
	return interrupted;
}

/* A child that lives as long as its parent has time to wait for it. */
static long wait_children(void)
{
	long interrupted = 0;

	for (long i = 0; i < calls / 100; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		interrupted += waitpid(child, NULL, 0) < 0 && errno == EINTR;
	}
	return interrupted;
}

static const struct {
	const char *name;
	int (*call)(void);
	int fed;
} kinds[] = {
	{"poll", do_poll, 0},
	{"ppoll all blocked", do_ppoll_mask, 0},
	{"select", do_select, 0},
	{"nanosleep", do_nanosleep, 0},
	{"epoll", do_epoll, 0},
	{"futex", do_futex, 0},
	{"sem_timedwait", do_sem_timedwait, 0},
	{"semtimedop", do_semtimedop, 0},
	{"sigtimedwait", do_sigtimedwait, 0},
	{"sigtimedwait all", do_sigwait_all, 0},
	{"read", do_read_pipe, 1},
	{"recv", do_receive, 1},
	{"msgrcv", do_message, 1},
};

int main(int count, char **arguments)
{
	long total = 0, interrupted;

	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* short waits are short */
	calls = count > 1 ? atol(arguments[1]) : 10000;
	epoll = epoll_create1(0);
	queue = msgget(IPC_PRIVATE, 0600);
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(tubes) || queue < 0 || semaphores < 0)
		return 2;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		long failed = 0;
		pthread_t other;

		interrupted = 0;
		if (kinds[i].fed)
			pthread_create(&other, NULL, feeder, (void *)kinds[i].call);
		for (long call = 0; call < calls; call++) {
			if (kinds[i].call() < 0) {
				interrupted += errno == EINTR;
				failed += errno != EINTR;
			}
		}
		if (kinds[i].fed)
			pthread_join(other, NULL);
		printf("%s: %ld interrupted, %ld failed\n", kinds[i].name, interrupted, failed);
		total += interrupted + failed;
	}
	msgctl(queue, IPC_RMID, NULL);
	semctl(semaphores, 0, IPC_RMID);
	interrupted = connect_accept();
	printf("connect, accept: %ld interrupted\n", interrupted);
	total += interrupted;
	interrupted = wait_children();
	printf("waitpid: %ld interrupted\n", interrupted);
	total += interrupted;
	return total != 0;
}
