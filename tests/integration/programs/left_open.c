/* SPDX-License-Identifier: Apache-2.0 */
/* left_open WHAT FILE: WHAT is a fault (files, sockets, pipes, errors: one of ten is not closed; accepted, killed) or what looks
 * like one: a pool that is filled at once and used to the end, one that is filled slowly, one that is never used. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MANY 120

static void must(int good)
{
	if (!good) {
		fprintf(stderr, "left_open: %s\n", strerror(errno));
		exit(1);
	}
}

static void work(void)
{
	struct timespec time = {0, 500000};

	nanosleep(&time, NULL);
}

static int head_read(const char *path)
{
	int fd = open(path, O_RDONLY); /* leaked file */
	char head[16];

	must(fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head));
	return fd;
}

static void files(const char *path)
{
	for (int i = 0; i < MANY; i++) {
		head_read(path);
		work();
	}
}

static void errors(const char *path)
{
	for (int i = 0; i < 10 * MANY; i++) {
		int fd = head_read(path);

		if (i % 10)
			close(fd);
		else
			work();
	}
}

static void sockets(void)
{
	for (int i = 0; i < MANY; i++) {
		must(socket(AF_INET, SOCK_STREAM, 0) >= 0); /* leaked socket */
		work();
	}
}

static void pipes(void)
{
	int ends[2];

	for (int i = 0; i < MANY; i++) {
		must(pipe(ends) == 0); /* leaked pipe */
		work();
	}
}

static void accepted(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	must(bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 8) == 0 &&
	     getsockname(server, (struct sockaddr *)&address, &size) == 0);
	for (int i = 0; i < MANY; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		must(connect(client, (struct sockaddr *)&address, size) == 0);
		must(accept(server, NULL, NULL) >= 0); /* leaked connection */
		close(client);
		work();
	}
}

/* turns: how often each is used in all; slow: it grows over the whole run. */
static void pool(const char *path, int turns, int slow)
{
	int held[MANY];
	char byte;

	for (int i = 0; i < MANY; i++) {
		held[i] = open(path, O_RDONLY);
		must(held[i] >= 0);
		for (int j = 0; slow && j <= i; j++)
			must(pread(held[j], &byte, 1, j % 16) == 1);
		if (slow)
			work();
	}
	for (int turn = 0; turn < turns; turn++) {
		for (int i = 0; i < MANY; i++)
			must(pread(held[i], &byte, 1, turn % 16) == 1);
		work();
	}
	for (int i = 0; i < 400; i++)
		work();
}

int main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[1] : "";

	if (!strcmp(what, "files") || !strcmp(what, "killed"))
		files(argv[2]);
	else if (!strcmp(what, "errors"))
		errors(argv[2]);
	else if (!strcmp(what, "sockets"))
		sockets();
	else if (!strcmp(what, "pipes"))
		pipes();
	else if (!strcmp(what, "accepted"))
		accepted();
	else if (!strcmp(what, "pool"))
		pool(argv[2], 20, 0);
	else if (!strcmp(what, "growing-pool"))
		pool(argv[2], 20, 1);
	else if (!strcmp(what, "unused-pool"))
		pool(argv[2], 0, 0);
	else
		return 2;
	if (!strcmp(what, "killed"))
		raise(SIGKILL);
	return 0;
}
