/* SPDX-License-Identifier: Apache-2.0 */
/* A program that tidies up descriptors it has not opened. Prints only what must be the same with and without preprof. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOP 1100

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(600);

		free(block);
	}
}

/* Descriptors of ours are those that /proc shows and this program has not opened; their numbers, at most `space`. */
static int strangers(int *numbers, int space)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd > 2 && fd != dirfd(folder) && count < space)
			numbers[count++] = fd;
	}
	closedir(folder);
	return count;
}

static void close_all(void)
{
	int closed = 0, refused = 0;

	for (int fd = 3; fd < TOP; fd++) {
		if (close(fd) == 0)
			closed++;
		else if (errno == EBADF)
			refused++;
	}
	printf("close: %d closed, %d refused\n", closed, refused);
	allocate(1000);
}

static void ranges(void)
{
	printf("close_range %d\n", close_range(3, ~0U, 0));
	allocate(1000);
	printf("close_range cloexec %d\n", close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
	printf("close_range unshare %d\n", close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
	printf("close_range backwards %d", close_range(5, 4, 0));
	printf(" %d\n", errno);
	printf("close_range flags %d", close_range(3, ~0U, 64));
	printf(" %d\n", errno);
	closefrom(3);
	allocate(1000);
	printf("first free %d\n", dup(0));
	close(3);
}

/* Every number of ours is taken by the program and holds what the program wrote, nothing else. */
static void take(void)
{
	int numbers[64], taken[64], files = 0, count = strangers(numbers, 64);

	for (int i = 0; i < count; i++) {
		char name[] = "/tmp/preprof-descriptor-XXXXXX";
		int fd = mkostemp(name, 0);

		unlink(name);
		if (write(fd, "mine", 4) != 4 ||
		    (i % 2 ? dup2(fd, numbers[i]) : dup3(fd, numbers[i], O_CLOEXEC)) != numbers[i])
			printf("taking a descriptor failed: %d\n", errno);
		taken[files++] = numbers[i];
		close(fd);
	}
	allocate(20000);
	for (int i = 0; i < files; i++) {
		struct stat status;

		if (fstat(taken[i], &status) != 0 || status.st_size != 4)
			printf("a file holds %ld bytes\n", (long)status.st_size);
		close(taken[i]);
	}
	allocate(1000);
}

static void refusals(void)
{
	int numbers[64], count = strangers(numbers, 64), wrong = 0;

	for (int i = 0; i < count; i++) {
		errno = 0;
		wrong += dup(numbers[i]) != -1 || errno != EBADF;
		errno = 0;
		wrong += dup2(numbers[i], 500) != -1 || errno != EBADF;
		errno = 0;
		wrong += dup2(numbers[i], numbers[i]) != -1 || errno != EBADF;
		errno = 0;
		wrong += dup2(-1, numbers[i]) != -1 || errno != EBADF;
		errno = 0;
		wrong += close(numbers[i]) != -1 || errno != EBADF;
	}
	printf("wrong answers: %d\n", wrong);
	errno = 0;
	printf("dup3 onto itself %d", dup3(1, 1, 0));
	printf(" %d\n", errno);
	errno = 0;
	printf("close of nothing %d", close(-1));
	printf(" %d\n", errno);
}

static volatile int stop;

static void *churn(void *argument)
{
	while (!stop)
		allocate(100);
	return argument;
}

/* As take, again and again, while threads write to our pipe. */
static void race(int rounds)
{
	int numbers[64], dirty = 0;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int round = 0; round < rounds; round++) {
		int count = strangers(numbers, 64), fd = memfd_create("mine", 0);
		struct stat status;

		for (int i = 0; i < count; i++) {
			if (dup2(fd, numbers[i]) != numbers[i])
				printf("taking a descriptor failed: %d\n", errno);
		}
		sched_yield();
		fstat(fd, &status);
		dirty += status.st_size != 0;
		for (int i = 0; i < count; i++)
			close(numbers[i]);
		close(fd);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("files with bytes of a stranger: %d\n", dirty);
}

/* Ours closed by raw system calls; sockets of the program take the numbers. What comes out at their other ends? */
static void raw_sockets(void)
{
	int numbers[64], ends[64], count = strangers(numbers, 64), heard = 0;
	char bytes[4096];

	allocate(1000);
	for (int i = 0; i < count; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
			exit(1);
		syscall(SYS_dup3, pair[0], numbers[i], 0);
		close(pair[0]);
		ends[i] = pair[1];
	}
	if (vfork() == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	wait(NULL);
	if (system("exit 0") != 0)
		printf("system failed\n");
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	allocate(20000);
	for (int i = 0; i < count; i++)
		heard += read(ends[i], bytes, sizeof(bytes)) > 0;
	printf("sockets that heard a stranger: %d\n", heard);
}

/* A raw system call closes ours, and files of the program take the numbers. */
static void raw(void)
{
	int numbers[64], files[64], count = strangers(numbers, 64), fullest = 0;

	allocate(1000);
	for (int fd = 3; fd < 65536; fd++)
		syscall(SYS_close, fd);
	for (int i = 0; i < count; i++) {
		char name[] = "/tmp/preprof-descriptor-XXXXXX";
		int fd = mkostemp(name, 0);

		unlink(name);
		syscall(SYS_dup3, fd, numbers[i], 0);
		files[i] = numbers[i];
	}
	allocate(20000);
	for (int i = 0; i < count; i++) {
		struct stat status;

		fstat(files[i], &status);
		fullest |= (int)status.st_size;
	}
	printf("bytes in the program's files: %d\n", fullest);
}

/* A daemon as textbooks have it, then as libc has it. */
static void daemons(int own)
{
	char name[] = "/tmp/preprof-daemon-XXXXXX";
	int result = mkstemp(name), status = 0;
	pid_t pid;
	char line[64] = "";

	close(result);
	printf("daemon\n");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int fds[40];
		struct stat state;
		long bytes = 0;

		if (own) {
			if (fork())
				_exit(0);
			setsid();
			if (fork())
				_exit(0);
			for (int fd = sysconf(_SC_OPEN_MAX) > 65536 ? 65536 : (int)sysconf(_SC_OPEN_MAX); fd >= 0; fd--)
				close(fd);
			open("/dev/null", O_RDWR);
			if (dup(0) != 1 || dup(0) != 2)
				_exit(1);
		} else if (daemon(0, 0) != 0) {
			_exit(1);
		}
		for (int i = 0; i < 40; i++) {
			char file[] = "/tmp/preprof-daemon-XXXXXX";

			fds[i] = mkstemp(file);
			unlink(file);
		}
		allocate(20000);
		for (int i = 0; i < 40; i++) {
			fstat(fds[i], &state);
			bytes += state.st_size;
		}
		result = open(name, O_WRONLY);
		dprintf(result, "first file %d, stray bytes %ld\n", fds[0], bytes);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("parent of the daemon: %d\n", WEXITSTATUS(status));
	for (int i = 0; i < 500 && !line[0]; i++) {
		result = open(name, O_RDONLY);
		if (read(result, line, sizeof(line) - 1) < 0)
			break;
		close(result);
		usleep(10000);
	}
	printf("%s", line);
	unlink(name);
}

static void few(void)
{
	struct rlimit limit = {24, 24};
	int opened = 0;

	setrlimit(RLIMIT_NOFILE, &limit);
	while (open("/dev/null", O_RDONLY) >= 0)
		opened++;
	printf("opened some: %d\n", opened > 12);
	allocate(1000);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	allocate(1000);
	if (!strcmp(mode, "close"))
		close_all();
	else if (!strcmp(mode, "ranges"))
		ranges();
	else if (!strcmp(mode, "take"))
		take();
	else if (!strcmp(mode, "refusals"))
		refusals();
	else if (!strcmp(mode, "raw"))
		raw();
	else if (!strcmp(mode, "raw-sockets"))
		raw_sockets();
	else if (!strcmp(mode, "race"))
		race(3000);
	else if (!strcmp(mode, "daemon"))
		daemons(0);
	else if (!strcmp(mode, "own-daemon"))
		daemons(1);
	else if (!strcmp(mode, "few"))
		few();
	return 0;
}
