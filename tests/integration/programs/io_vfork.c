/* SPDX-License-Identifier: Apache-2.0 */
/* io_vfork FOLDER: children of vfork that write through numbers which they have duplicated to, closed and opened; and the parent
 * through the same numbers before and after. All calls of children go by pointers: a compiler may not like them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[4096];

static void must(int good)
{
	if (!good) {
		perror("io_vfork");
		exit(1);
	}
}

static int opened(const char *folder, const char *name)
{
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	must(fd >= 0);
	return fd;
}

static void waited(pid_t child)
{
	int status;

	must(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
	int own, others, more;
	pid_t child;

	if (argc != 2)
		return 2;
	own = opened(argv[1], "own");
	others = opened(argv[1], "others");
	more = opened(argv[1], "more");
	must(write(own, "123", 3) == 3);
	for (int turn = 0; turn < 3; turn++) {
		child = vfork();
		if (child == 0) {
			/* `own` is the other file in here, `more` a third one */
			if (dup2(others, own) != own || write(own, "abcde", 5) != 5 || lseek(own, 0, SEEK_CUR) < 5)
				_exit(1);
			close(more);
			if (open("/dev/null", O_WRONLY) != more || write(more, "0123456", 7) != 7)
				_exit(1);
			if (write(others, "x", 1) != 1) /* the parent's, in here too */
				_exit(1);
			_exit(0);
		}
		waited(child);
		must(write(own, "4567", 4) == 4);
		must(write(more, "12", 2) == 2);
	}
	/* more numbers than are kept */
	child = vfork();
	if (child == 0) {
		for (int i = 0; i < 20; i++)
			if (dup2(others, 40 + i) != 40 + i)
				_exit(1);
		if (dup2(others, own) != own || write(own, "ABCDEFGHIJ", 10) != 10)
			_exit(1);
		_exit(0);
	}
	waited(child);
	must(write(own, "8", 1) == 1);
	return 0;
}
