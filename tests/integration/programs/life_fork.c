/* SPDX-License-Identifier: Apache-2.0 */
/* Processes made in every way, each with a known number of allocations of a size of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t _Fork(void);

static void allocate(int count, size_t size)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(size);

		free(block);
	}
}

static void report(const char *name, pid_t pid)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, __WALL) != pid)
		printf("%s: errno %d\n", name, errno);
	else if (WIFEXITED(status))
		printf("%s: exit %d\n", name, WEXITSTATUS(status));
	else
		printf("%s: signal %d\n", name, WTERMSIG(status));
	fflush(stdout);
}

static int clone_main(void *argument)
{
	allocate(100, 1004);
	return *(int *)argument;
}

static int vm_main(void *argument)
{
	*(volatile int *)argument = 77;
	return 8;
}

static void kinds(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int value = 14, shared = 0, master;
	pid_t pid;

	if ((pid = fork()) == 0) {
		allocate(100, 1001);
		_exit(11);
	}
	report("fork", pid);
	if ((pid = _Fork()) == 0) {
		allocate(100, 1002);
		_exit(12);
	}
	report("_Fork", pid);
	if ((pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) {
		allocate(100, 1003);
		_exit(13);
	}
	report("raw clone", pid);
	report("clone", clone(clone_main, stack + sizeof(stack), SIGCHLD, &value));
	report("clone vm", clone(vm_main, stack + sizeof(stack), SIGCHLD | CLONE_VM | CLONE_VFORK, &shared));
	printf("shared %d\n", shared);
	if ((pid = vfork()) == 0)
		_exit(15);
	report("vfork", pid);
	if ((pid = vfork()) == 0) {
		execl("/nonexistent", "x", NULL);
		_exit(errno);
	}
	report("vfork and a failing exec", pid);
	if ((pid = vfork()) == 0) {
		for (int fd = 3; fd < 1100; fd++)
			close(fd);
		dup2(1, 1005);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	report("vfork and exec", pid);
	pid = forkpty(&master, NULL, NULL, NULL);
	if (pid == 0) {
		allocate(100, 1005);
		_exit(isatty(0) && isatty(1) && isatty(2) ? 16 : 1);
	}
	report("forkpty", pid);
	close(master);
	if ((pid = fork()) == 0) { /* a grandchild that outlives its parent */
		if (fork() == 0) {
			usleep(100000);
			allocate(100, 1006);
			_exit(0);
		}
		_exit(17);
	}
	report("double fork", pid);
	allocate(1000, 1000);
}

static volatile int stop;

static void *churn(void *argument)
{
	(void)argument;
	while (!stop)
		allocate(10, 24);
	return NULL;
}

static void storm(int count)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < count; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			allocate(1, 2000);
			_exit(i & 127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != (i & 127)) {
			printf("fork %d failed: status %x errno %d\n", i, status, errno);
			exit(1);
		}
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("%d forked\n", count);
}

/* A fork that takes longer than the sampling period must not be restarted for ever. */
static void large(void)
{
	size_t size = (size_t)1 << 30;
	char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(block, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 4096)
		block[i] = 1;
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		report("large", pid);
	}
}

static void inherited(void)
{
	void *before[50];
	pid_t pid;

	for (int i = 0; i < 50; i++)
		before[i] = malloc(3000);
	if ((pid = fork()) == 0) {
		for (int i = 0; i < 20; i++)
			free(before[i]);
		allocate(5, 3001);
		_exit(0);
	}
	report("inherited", pid);
	for (int i = 0; i < 50; i++)
		free(before[i]);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "kinds";

	if (!strcmp(mode, "storm"))
		storm(argc > 2 ? atoi(argv[2]) : 2000);
	else if (!strcmp(mode, "large"))
		large();
	else if (!strcmp(mode, "inherited"))
		inherited();
	else
		kinds();
	return 0;
}
