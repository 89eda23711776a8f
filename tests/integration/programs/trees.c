/* SPDX-License-Identifier: Apache-2.0 */
/* Families that daemons, servers and init programs make. Each process makes 100 pairs of its own size and ends with
 * a status of its own. What it prints does not depend on who comes first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *self;
static void *volatile keep;

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		keep = malloc(500);
		free(keep);
	}
}

static int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - status;
}

static int leaf(int status)
{
	allocate(100);
	return status;
}

/* A daemon holds the pipe that its starter reads to the end. */
static void daemons(int of_libc)
{
	int ends[2];
	char byte;

	if (pipe(ends) != 0)
		exit(1);
	if (fork() == 0) {
		close(ends[0]);
		allocate(100);
		if (of_libc) {
			if (daemon(0, 0) != 0)
				_exit(2);
		} else {
			if (fork())
				_exit(51);
			setsid();
			if (fork())
				_exit(52);
			if (chdir("/") != 0)
				_exit(2);
			close_range(0, ends[1] - 1, 0);
			close_range(ends[1] + 1, ~0U, 0);
			open("/dev/null", O_RDWR);
			dup2(0, 1);
			dup2(0, 2);
		}
		allocate(100);
		if (fork() == 0)
			execv(self, (char *[]){"tree", "leaf", "54", NULL});
		wait(NULL);
		_exit(53);
	}
	close(ends[1]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	while (wait(NULL) > 0)
		;
	printf("daemon gone\n");
}

/* A server that forks its workers first, hands them work through a socket when all are there, and kills and replaces one of them. */
static void server(void)
{
	int pair[2], sum = 0, status;
	pid_t workers[5];
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		exit(1);
	for (int i = 0; i < 5; i++) {
		workers[i] = fork();
		if (workers[i])
			continue;
		close(pair[0]);
		if (write(pair[1], &byte, 1) != 1)
			_exit(3);
		while (read(pair[1], &byte, 1) == 1) {
			allocate(10);
			if (write(pair[1], &byte, 1) != 1)
				_exit(3);
		}
		_exit(60 + i);
	}
	close(pair[1]);
	for (int i = 0; i < 5; i++) {
		if (read(pair[0], &byte, 1) != 1)
			exit(1);
	}
	for (int i = 0; i < 200; i++) {
		byte = (char)(i & 1);
		if (write(pair[0], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1)
			exit(1);
		sum += byte;
	}
	kill(workers[0], SIGKILL);
	waitpid(workers[0], &status, 0);
	printf("killed by %d, sum %d\n", WTERMSIG(status), sum);
	close(pair[0]);
	for (int i = 1; i < 5; i++)
		printf("worker %d\n", status_of(workers[i]));
}

/* To another user in mid-run; then whatever a program does. */
static void drops(const char *how)
{
	pid_t pid;

	allocate(100);
	if (!strcmp(how, "setuid") && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		exit(2);
	if (!strcmp(how, "setresuid") && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		exit(2);
	if (!strcmp(how, "seteuid") && seteuid(65534))
		exit(2);
	if (!strcmp(how, "setgid") && setgid(65534))
		exit(2);
	allocate(5000);
	pid = fork();
	if (pid == 0)
		_exit(leaf(70));
	printf("fork %d\n", status_of(pid));
	pid = fork();
	if (pid == 0)
		execv(self, (char *[]){"tree", "leaf", "71", NULL});
	printf("exec %d\n", status_of(pid));
	printf("system %d\n", WEXITSTATUS(system("exit 72")));
	allocate(100);
}

/* Waits as init does, until there is nobody left. */
static void reaps(void)
{
	int count = 0, status, sum = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			allocate(100);
			if (fork() == 0) {
				usleep(30000);
				_exit(leaf(2));
			}
			_exit(1);
		}
	}
	if (fork() == 0)
		execl("/bin/sh", "sh", "-c", "(sleep 0.1; exit 4) & exit 3", NULL);
	while (wait(&status) > 0) {
		count++;
		sum += WEXITSTATUS(status);
	}
	printf("reaped %d, sum %d, %s\n", count, sum, errno == ECHILD ? "ECHILD" : "another error");
}

static void ignores_children(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			_exit(leaf(i));
	}
	while (wait(NULL) > 0)
		;
	printf("wait %s; system %d\n", errno == ECHILD ? "ECHILD" : "another error", system("exit 3"));
}

/* Generations: each forks the next one and waits for it. */
static int generations(int depth)
{
	pid_t pid;

	allocate(100);
	if (depth == 0)
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(generations(depth - 1));
	return status_of(pid) + 1;
}

static int clone_body(void *argument)
{
	allocate(100);
	return *(int *)argument;
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	static const int flags[] = {SIGCHLD, SIGCHLD | CLONE_FILES, SIGCHLD | CLONE_FS, SIGUSR2, 0, SIGCHLD | CLONE_PARENT_SETTID};
	pid_t tid;

	signal(SIGUSR2, SIG_IGN);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int status = 80 + (int)i;

		printf("clone %d\n", status_of(clone(clone_body, stack + sizeof(stack), flags[i], &status, &tid, NULL, NULL)));
	}
	tid = (pid_t)syscall(SYS_fork);
	if (tid == 0)
		_exit(leaf(86));
	printf("raw fork %d\n", status_of(tid));
}

/* Many that are alive at once, and end at once. */
static void many(int count)
{
	int ends[2], sum = 0;
	char byte;

	if (pipe(ends) != 0)
		exit(1);
	for (int i = 0; i < count; i++) {
		if (fork() == 0) {
			close(ends[1]);
			allocate(10);
			if (read(ends[0], &byte, 1) != 0)
				_exit(99);
			_exit(1);
		}
	}
	close(ends[1]);
	for (int status; wait(&status) > 0;)
		sum += WEXITSTATUS(status);
	printf("%d children\n", sum);
}

static void missing(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/nonexistent", "x", NULL);
		_exit(errno);
	}
	printf("vfork %d\n", status_of(pid));
	allocate(100);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IONBF, 0);
	self = "/proc/self/exe";
	if (!strcmp(mode, "leaf"))
		return leaf(atoi(argv[2]));
	if (!strcmp(mode, "daemon"))
		daemons(1);
	if (!strcmp(mode, "double-fork"))
		daemons(0);
	if (!strcmp(mode, "server"))
		server();
	if (!strncmp(mode, "set", 3))
		drops(mode);
	if (!strcmp(mode, "reaps"))
		reaps();
	if (!strcmp(mode, "ignores"))
		ignores_children();
	if (!strcmp(mode, "generations"))
		printf("%d generations\n", generations(30));
	if (!strcmp(mode, "clones"))
		clones();
	if (!strcmp(mode, "many"))
		many(300);
	if (!strcmp(mode, "missing"))
		missing();
	return 0;
}
