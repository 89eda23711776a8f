/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes itself in every way that there is. The executed image ("child") allocates a known number of blocks, prints
 * its arguments and its environment without what preprof may add, and exits with 21.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;
static const char *self, *script;
static void *volatile keep;

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int child(int argc, char **argv)
{
	static char *sorted[65536];
	size_t count = 0;
	sigset_t pending, blocked;

	for (int i = 0; i < 300; i++)
		keep = malloc(700), free(keep);
	printf("child of %d arguments:", argc);
	for (int i = 1; i < argc && i < 8; i++)
		printf(" %s", argv[i]);
	printf("\n");
	for (char **entry = environ; entry && *entry && count < 65536; entry++) {
		if (strncmp(*entry, "LD_PRELOAD=", 11) && strncmp(*entry, "PREPROF_", 8) && strncmp(*entry, "_=", 2))
			sorted[count++] = *entry;
	}
	qsort(sorted, count, sizeof(*sorted), compare);
	printf("%zu variables\n", count);
	for (size_t i = 0; i < count && i < 100; i++)
		printf("  %s\n", sorted[i]);
	sigpending(&pending);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int i = 1; i < 65; i++) {
		if (sigismember(&pending, i) == 1 || sigismember(&blocked, i) == 1)
			printf("signal %d pending %d blocked %d\n", i, sigismember(&pending, i),
			       sigismember(&blocked, i));
	}
	for (int fd = 3; fd < 2048; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			printf("descriptor %d is open\n", fd);
	}
	return 21;
}

static void finish(const char *name, pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		printf("%s: status %x errno %d\n", name, status, errno);
	else
		printf("%s: %d\n", name, WEXITSTATUS(status));
	fflush(stdout);
}

static void burn(void)
{
	volatile unsigned long i;

	for (i = 0; i < 20000000; i++)
		;
}

static char *const small[] = {"ONE=1", "PATH=/usr/bin:/bin", NULL};

static void execute(const char *how, char **argv)
{
	int fd;

	if (!strcmp(how, "execv"))
		execv(self, argv);
	else if (!strcmp(how, "execve"))
		execve(self, argv, small);
	else if (!strcmp(how, "execve-empty"))
		execve(self, argv, (char *const[]){NULL});
	else if (!strcmp(how, "execvp"))
		execvp(self, argv);
	else if (!strcmp(how, "execvpe"))
		execvpe(self, argv, small);
	else if (!strcmp(how, "execl"))
		execl(self, argv[0], "child", "a", "b c", NULL);
	else if (!strcmp(how, "execlp"))
		execlp(self, argv[0], "child", "a", "b c", NULL);
	else if (!strcmp(how, "execle"))
		execle(self, argv[0], "child", "a", "b c", NULL, small);
	else if (!strcmp(how, "fexecve"))
		fexecve(open(self, O_RDONLY | O_CLOEXEC), argv, small);
	else if (!strcmp(how, "execveat-fd"))
		execveat(open(self, O_PATH | O_CLOEXEC), "", argv, small, AT_EMPTY_PATH);
	else if (!strcmp(how, "execveat"))
		execveat(AT_FDCWD, self, argv, small, 0);
	else if (!strcmp(how, "raw"))
		syscall(SYS_execve, self, argv, environ);
	else if (!strcmp(how, "clearenv")) {
		clearenv();
		execv(self, argv);
	} else if (!strcmp(how, "unset")) {
		unsetenv("LD_PRELOAD");
		execv(self, argv);
	} else if (!strcmp(how, "chain")) {
		execl("/usr/bin/env", "env", "-i", "A=1", "nice", "-n", "1", "timeout", "20", self, "child", "x", NULL);
	} else if (!strcmp(how, "script")) {
		execl(script, "script", NULL);
	}
	_exit(errno);
}

static void forked(const char *how)
{
	char *argv[] = {"image", "child", "a", "b c", NULL};
	pid_t pid = fork();

	if (pid == 0) {
		burn();
		execute(how, argv);
	}
	finish(how, pid);
}

static void vforked(const char *how)
{
	char *argv[] = {"image", "child", "a", "b c", NULL};
	pid_t pid = vfork();

	if (pid == 0)
		execute(how, argv);
	finish(how, pid);
}

/* As an environment of `count` entries and arguments in thousands. */
static void many(int vforks)
{
	static char *envp[5001], *argv[20004];
	pid_t pid;

	argv[0] = "image";
	argv[1] = "child";
	for (int i = 2; i < 20002; i++)
		argv[i] = "argument";
	for (int i = 0; i < 5000; i++) {
		if (asprintf(&envp[i], "VARIABLE_%d=%d", i, i) < 0)
			exit(1);
	}
	for (int i = 0; i < 3; i++) {
		pid = vforks ? vfork() : fork();
		if (pid == 0) {
			execve(self, argv, envp);
			_exit(1);
		}
		finish("many", pid);
	}
}

static void spawned(void)
{
	char *argv[] = {"image", "child", "spawned", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid = 0;
	int result;

	result = posix_spawn(&pid, self, NULL, NULL, argv, environ);
	printf("posix_spawn %d\n", result);
	finish("posix_spawn", pid);
	result = posix_spawnp(&pid, "true", NULL, NULL, (char *[]){"true", NULL}, small);
	printf("posix_spawnp %d\n", result);
	finish("posix_spawnp", pid);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	result = posix_spawn(&pid, self, &actions, NULL, argv, small);
	printf("posix_spawn, closefrom %d\n", result);
	finish("posix_spawn", pid);
	pid = 4711;
	result = posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ);
	printf("posix_spawn of nothing: %d\n", result);
}

static void shells(int clear)
{
	char command[4096], line[256];
	wordexp_t words;
	FILE *stream;

	if (clear)
		clearenv();
	snprintf(command, sizeof(command), "%s child system; exit $?", self);
	fflush(stdout);
	printf("system %d\n", WEXITSTATUS(system(command)));
	printf("system of nothing %d\n", WEXITSTATUS(system("/nonexistent 2>/dev/null")));
	printf("a shell: %d\n", system(NULL) != 0);
	snprintf(command, sizeof(command), "%s child popen | head -1", self);
	stream = popen(command, "r");
	while (fgets(line, sizeof(line), stream))
		printf("popen: %s", line);
	printf("pclose %d\n", pclose(stream));
	printf("wordexp %d", wordexp("a $(echo b c)", &words, 0));
	printf(" %zu %s\n", words.we_wordc, words.we_wordv[2]);
	wordfree(&words);
}

static void failures(void)
{
	char *argv[] = {"x", NULL};

	errno = 0;
	printf("%d", execve("/nonexistent", argv, small));
	printf(" %d\n", errno);
	printf("%d", execve("/etc/passwd", argv, small));
	printf(" %d\n", errno);
	printf("%d", execve("/", argv, small));
	printf(" %d\n", errno);
	printf("%d", execvp("nonexistent-command", argv));
	printf(" %d\n", errno);
	printf("%d", execvp("", argv));
	printf(" %d\n", errno);
	printf("%d", execl("/nonexistent", "x", NULL));
	printf(" %d\n", errno);
	printf("%d", execveat(-1, "", argv, small, AT_EMPTY_PATH));
	printf(" %d\n", errno);
	printf("%d", fexecve(-1, argv, small));
	printf(" %d\n", errno);
	for (int i = 0; i < 1000; i++)
		keep = malloc(701), free(keep);
	burn();
}

static void *exec_from_thread(void *argument)
{
	execv(self, argument);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const ways[] = {"execv",    "execve",   "execve-empty", "execvp",  "execvpe",
					   "execl",    "execlp",   "execle",	   "fexecve", "execveat-fd",
					   "execveat", "clearenv", "unset"};
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "child"))
		return child(argc, argv);
	self = realpath("/proc/self/exe", NULL);
	if (!strcmp(mode, "fork")) {
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			forked(ways[i]);
		forked("raw");
		forked("chain");
		if ((script = argv[2]))
			forked("script");
	} else if (!strcmp(mode, "vfork")) {
		for (size_t i = 0; i < 11; i++)
			vforked(ways[i]);
	} else if (!strcmp(mode, "one")) {
		burn();
		execute(argv[2], (char *[]){"image", "child", "one", NULL});
	} else if (!strcmp(mode, "thread")) {
		pthread_t thread;

		pthread_create(&thread, NULL, exec_from_thread, (char *[]){"image", "child", "thread", NULL});
		pthread_join(thread, NULL);
	} else if (!strcmp(mode, "spawn")) {
		spawned();
	} else if (!strcmp(mode, "shells")) {
		shells(0);
	} else if (!strcmp(mode, "shells-clear")) {
		shells(1);
	} else if (!strcmp(mode, "many")) {
		many(0);
	} else if (!strcmp(mode, "many-vfork")) {
		many(1);
	} else if (!strcmp(mode, "fail")) {
		failures();
	}
	return 0;
}
