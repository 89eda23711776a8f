/* SPDX-License-Identifier: Apache-2.0 */
/* fork_in_handler fork|_Fork malloc|realloc|write|dup COUNT [atfork|limit]: a handler forks, wherever it interrupts, and returns in both; the child goes on with
 * what was interrupted for a while, then ends with 7. atfork: with a handler of pthread_atfork that forks in the child; limit: there may
 * be no more private memory meanwhile. Prints how often the parent called, and how many children ended otherwise. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int is_child, forks, limit, limits_data;
static pid_t (*make)(void);

static void timer_set(int microseconds)
{
	struct itimerval timer = {{0, microseconds}, {0, microseconds}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void data_limit(rlim_t bytes)
{
	struct rlimit limits = {bytes, RLIM_INFINITY};

	if (limits_data)
		setrlimit(RLIMIT_DATA, &limits);
}

static void at_fork(void)
{
	pid_t made = _Fork();

	if (made == 0)
		_exit(0);
	waitpid(made, NULL, 0);
}

static void on_alarm(int number)
{
	int error = errno;
	pid_t made;

	(void)number;
	if (is_child || forks >= limit)
		return;
	data_limit(1 << 16);
	made = make();
	data_limit(RLIM_INFINITY);
	if (made == 0) {
		is_child = 1;
		timer_set(0);
	} else if (made > 0) {
		forks++;
	}
	errno = error;
}

static __attribute__((noinline)) void call(int fd, char what)
{
	static void *volatile kept;
	void *volatile block;
	int other;

	switch (what) {
	case 'm':
		block = malloc(20);
		free(block);
		break;
	case 'r': /* moved by the kernel, which takes long */
		kept = realloc(kept, 200000);
		kept = realloc(kept, 400000);
		break;
	case 'd':
		other = dup(fd);
		if (other < 0 || close(other) != 0)
			_exit(8);
		break;
	default:
		if (write(fd, "abcdefg", 7) != 7)
			_exit(9);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	int fd = open("/dev/null", O_RDWR), wrong = 0, ended = 0, after = 0, status;
	long calls = 0;

	if (argc < 4 || fd < 0)
		return 1;
	make = strcmp(argv[1], "fork") == 0 ? fork : _Fork;
	limit = atoi(argv[3]);
	limits_data = argc > 4 && argv[4][0] == 'l';
	if (argc > 4 && argv[4][0] == 'a')
		pthread_atfork(NULL, NULL, at_fork);
	sigaction(SIGALRM, &action, NULL);
	timer_set(500);
	while (after < 50 && ended < limit) {
		for (int i = 0; i < 50; i++, calls++)
			call(fd, argv[2][0]);
		if (is_child) {
			after++;
			continue;
		}
		while (waitpid(-1, &status, WNOHANG) > 0) {
			ended++;
			wrong += !WIFEXITED(status) || WEXITSTATUS(status) != 7;
		}
	}
	if (is_child)
		_exit(7);
	timer_set(0);
	printf("%ld %d\n", calls, wrong);
	return 0;
}
