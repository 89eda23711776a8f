/* SPDX-License-Identifier: Apache-2.0 */
/* io_kinds FOLDER [kill]: descriptors of every kind, most of them never used; 9 is inherited. Prints "number line" of each. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static char path[4096];

static const char *in(const char *folder, const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

#define SHOW(name, call)                                                                                               \
	({                                                                                                             \
		int made = (call);                                                                                     \
		if (made < 0) {                                                                                        \
			perror(name);                                                                                  \
			exit(1);                                                                                       \
		}                                                                                                      \
		printf("%s %d %d\n", name, made, __LINE__);                                                            \
		made;                                                                                                  \
	})

static void files(const char *folder)
{
	int fd;

	SHOW("o_path", open(folder, O_PATH | O_DIRECTORY));
	SHOW("tmpfile", open(folder, O_TMPFILE | O_RDWR, 0600));
	SHOW("deleted", open(in(folder, "deleted"), O_CREAT | O_RDWR, 0600));
	unlink(path);
	fd = SHOW("renamed", open(in(folder, "renamed"), O_CREAT | O_RDWR, 0600));
	rename(path, "/tmp/io_kinds.gone");
	unlink("/tmp/io_kinds.gone");
	if (write(fd, "x", 1) != 1 || write(9, "x", 1) != 1)
		exit(1);
	SHOW("terminal", posix_openpt(O_RDWR | O_NOCTTY));
	SHOW("shm", shm_open("/io_kinds", O_CREAT | O_RDWR, 0600));
	shm_unlink("/io_kinds");
}

static void sockets(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int server = SHOW("server", socket(AF_INET, SOCK_STREAM, 0)), client, ends[2];

	bind(server, (struct sockaddr *)&address, size);
	listen(server, 5);
	getsockname(server, (struct sockaddr *)&address, &size);
	printf("port %d 0\n", ntohs(address.sin_port));
	client = SHOW("client", socket(AF_INET, SOCK_STREAM, 0));
	connect(client, (struct sockaddr *)&address, size);
	SHOW("accepted", accept4(server, NULL, NULL, SOCK_CLOEXEC));
	SHOW("datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	SHOW("pair", ends[0]);
	SHOW("pair_other", ends[1]);
}

static void special(void)
{
	sigset_t set;
	int ends[2], fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SHOW("eventfd", eventfd(0, 0));
	SHOW("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	SHOW("epoll", epoll_create1(0));
	SHOW("epoll_old", epoll_create(1));
	fd = SHOW("signalfd", signalfd(-1, &set, 0));
	signalfd(fd, &set, 0);
	SHOW("inotify", inotify_init());
	SHOW("inotify1", inotify_init1(0));
	SHOW("memfd", memfd_create("memory", 0));
	SHOW("pidfd", pidfd_open(getpid(), 0));
	if (pipe(ends) != 0)
		exit(1);
	SHOW("pipe", ends[0]);
	SHOW("pipe_other", ends[1]);
	fd = SHOW("dup", dup(ends[0]));
	SHOW("dup_high", fcntl(ends[1], F_DUPFD, 100));
	if (pipe2(ends, O_CLOEXEC) != 0)
		exit(1);
	close(SHOW("closed", ends[0]));
	close(ends[1]);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	files(argv[1]);
	sockets();
	special();
	fflush(stdout);
	if (argc > 2)
		raise(SIGKILL);
	return 0;
}
