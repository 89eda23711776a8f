/* SPDX-License-Identifier: Apache-2.0 */
/* I/O calls that do not simply return: cancelled, interrupted, jumped out of, partial, refused. Prints what it saw. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int blocked[2], other[2];
static char block[100000];
static volatile int cleaned;
static struct iovec *volatile nowhere = (struct iovec *)8;
static sigjmp_buf out;

static void clean(void *unused)
{
	(void)unused;
	cleaned = 1;
}

static void *reader(void *unused)
{
	(void)unused;
	pthread_cleanup_push(clean, NULL);
	read(blocked[0], block, 10); /* cancelled */
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancelled(void)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, reader, NULL);
	usleep(30000);
	printf("cancel %d\n", pthread_cancel(thread));
	pthread_join(thread, &result);
	printf("cancelled %d cleaned %d\n", result == PTHREAD_CANCELED, cleaned);
}

static void handler_writes(int number)
{
	int error = errno;

	(void)number;
	write(other[1], "signal", 6);
	errno = error;
}

static void handler_jumps(int number)
{
	(void)number;
	siglongjmp(out, 1);
}

static void alarm_in_ms(void (*handler)(int), int ms, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval timer = {.it_value = {0, ms * 1000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupted(void)
{
	ssize_t got;

	alarm_in_ms(handler_writes, 30, 0);
	errno = 0;
	got = read(blocked[0], block, 10);
	printf("interrupted %zd %s\n", got, strerrorname_np(errno));
	got = read(other[0], block, 100);
	printf("from the handler %zd %.6s\n", got, block);
	alarm_in_ms(handler_jumps, 30, 0);
	if (sigsetjmp(out, 1) == 0)
		read(blocked[0], block, 10);
	else
		printf("jumped\n");
	write(other[1], "after", 5);
	printf("after %zd\n", read(other[0], block, 100));
}

static void partial(void)
{
	struct iovec vector[3] = {{block, 50000}, {block, 50000}, {block, 50000}};
	int ends[2];
	ssize_t got;

	pipe2(ends, O_NONBLOCK);
	got = writev(ends[1], vector, 3);
	printf("writev %zd\n", got);
	errno = 0;
	got = writev(ends[1], vector, 3);
	printf("writev %zd %s\n", got, strerrorname_np(errno));
	got = read(ends[0], block, 100000);
	printf("read %zd\n", got);
	errno = 0;
	got = read(ends[0], NULL, 10);
	printf("read to nowhere %zd %s\n", got, got < 0 ? strerrorname_np(errno) : "");
	errno = 12345;
	close(ends[0]);
	printf("errno %d\n", errno);
	errno = 0;
	got = readv(ends[1], nowhere, 1);
	printf("readv %zd %s\n", got, strerrorname_np(errno));
	errno = 0;
	printf("pread of a pipe %zd %s\n", pread(blocked[0], block, 1, 0), strerrorname_np(errno));
}

static void pipe_signal(void)
{
	int status, ends[2];
	pid_t child;

	pipe(ends);
	close(ends[0]);
	child = fork();
	if (child == 0) {
		write(ends[1], block, 1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	printf("SIGPIPE %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* What the child does to its descriptors is not done to the parent's. */
static void borrowed(void)
{
	int status, ends[2], file = open("/dev/null", O_WRONLY);
	pid_t child;

	pipe(ends);
	child = vfork();
	if (child == 0) {
		dup2(ends[1], file);
		close(ends[0]);
		execlp("true", "true", NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	printf("vfork %d\n", status);
	for (int i = 0; i < 7; i++)
		write(file, block, 100);
}

int main(void)
{
	pipe(blocked);
	pipe(other);
	setvbuf(stdout, NULL, _IOFBF, 4096);
	cancelled();
	interrupted();
	partial();
	fflush(stdout);
	pipe_signal();
	borrowed();
	return 0;
}
