/* SPDX-License-Identifier: Apache-2.0 */
/* A program at the edge of its limits: fills what they leave and prints how much that was. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(100);

		free(block);
	}
}

/* Every descriptor that there is to be had, by number. */
static void fill(void)
{
	int count = 0, highest = -1, fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0) {
		count++;
		highest = fd > highest ? fd : highest;
	}
	printf("opened %d, up to %d, then error %d\n", count, highest, errno);
	for (fd = 3; fd <= highest; fd++)
		close(fd);
	printf("then the first is %d\n", open("/dev/null", O_RDWR));
}

static void print_limit(const char *name, int resource)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	printf("%s %ld %ld\n", name, (long)limit.rlim_cur, (long)limit.rlim_max);
}

/* With all numbers in use, and then with a lower limit, children still come and go. */
static void shrink(void)
{
	struct rlimit limit;
	int status = -1;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 12;
	setrlimit(RLIMIT_NOFILE, &limit);
	fill();
	for (int i = 4; i < 12; i++)
		dup(0);
	if (fork() == 0) {
		allocate(50);
		_exit(7);
	}
	wait(&status);
	printf("child %d\n", WEXITSTATUS(status));
	limit.rlim_cur = 5;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (fork() == 0) {
		allocate(50);
		_exit(8);
	}
	wait(&status);
	printf("child %d, own number free: %d\n", WEXITSTATUS(status), dup(0) >= 0);
	print_limit("descriptors", RLIMIT_NOFILE);
}

static void select_highest(void)
{
	int ends[2], pair[2], highest = 0;
	struct timeval at_once = {0, 0};
	fd_set set;

	while (pipe(pair) == 0) {
		highest = pair[0];
		ends[1] = pair[1];
	}
	if (write(ends[1], "x", 1) != 1)
		printf("write: %d\n", errno);
	FD_ZERO(&set);
	FD_SET(highest, &set);
	printf("select on %d: %d\n", highest, select(highest + 1, &set, NULL, NULL, &at_once));
}

static volatile sig_atomic_t too_large;

static void on_size(int number)
{
	too_large += number == SIGXFSZ;
}

static void file_size(void)
{
	char name[] = "/tmp/preprof-limits-XXXXXX", block[4096] = "";
	int fd = mkstemp(name);
	long total = 0, got;

	unlink(name);
	signal(SIGXFSZ, on_size);
	while ((got = write(fd, block, sizeof(block))) > 0)
		total += got;
	printf("wrote %ld, then error %d, %d signal\n", total, errno, (int)too_large);
	print_limit("size", RLIMIT_FSIZE);
	if (fork() == 0) {
		allocate(50);
		_exit(0);
	}
	wait(NULL);
}

static void *touch(void *argument)
{
	allocate(20);
	return argument;
}

static void threads(void)
{
	int wrong = 0;

	for (int i = 0; i < 64; i++) {
		pthread_t thread;
		void *result = NULL;

		if (pthread_create(&thread, NULL, touch, &wrong) != 0 || pthread_join(thread, &result) != 0)
			wrong++;
	}
	printf("threads: %d wrong\n", wrong);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	allocate(1000);
	if (!strcmp(mode, "fill"))
		fill();
	else if (!strcmp(mode, "shrink"))
		shrink();
	else if (!strcmp(mode, "select"))
		select_highest();
	else if (!strcmp(mode, "size"))
		file_size();
	else if (!strcmp(mode, "threads"))
		threads();
	printf("end\n");
	return 5;
}
