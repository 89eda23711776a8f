/* SPDX-License-Identifier: Apache-2.0 */
/* io_places FOLDER [kill]: reads of places that were read before, and not, each in a file of its own of 65536 bytes that is
 * there already; and descriptors made, moved and ended in every way. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 65536
static _Alignas(4096) char room[SIZE];
static const char *folder;

static void must(int good)
{
	if (!good) {
		fprintf(stderr, "io_places: %s\n", strerror(errno));
		exit(1);
	}
}

static int opened(const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags, 0600);
	must(fd >= 0);
	return fd;
}

static void whole(int fd, size_t piece)
{
	for (size_t at = 0; at < SIZE; at += piece)
		must(read(fd, room, piece) == (ssize_t)piece);
}

static void overlapping(void)
{
	static const struct {
		off_t from, to;
	} reads[] = {{0, 1000}, {500, 1500}, {0, 2000}, {3000, 4000}, {1000, 3500}};
	int fd = opened("overlapping", O_RDONLY);

	for (int i = 0; i < 5; i++)
		must(pread(fd, room, (size_t)(reads[i].to - reads[i].from), reads[i].from) == reads[i].to - reads[i].from);
	close(fd);
}

static void again(void)
{
	int fd = opened("again", O_RDONLY);

	whole(fd, 4096);
	must(lseek(fd, 0, SEEK_SET) == 0);
	whole(fd, 512); /* read again */
	must(read(fd, room, 100) == 0);
	close(fd);
}

static void two(void)
{
	int a = opened("two", O_RDONLY), b = opened("two", O_RDONLY);

	for (int i = 0; i < 4; i++)
		must(read(a, room, 4096) == 4096 && read(b, room, 4096) == 4096);
	close(a);
	close(b);
}

static void reopened(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = opened("reopened", O_RDONLY);

		whole(fd, 16384);
		close(fd);
	}
}

static void duplicated(void)
{
	int fd = opened("duplicated", O_RDONLY), copy = dup(fd);

	for (int i = 0; i < 4; i++) /* they share their position: nothing is read twice */
		must(read(i % 2 ? fd : copy, room, 4096) == 4096);
	must(pread(copy, room, 1000, 0) == 1000);
	close(fd);
	must(read(copy, room, 4096) == 4096);
	close(copy);
}

static void forked(void)
{
	int fd = opened("forked", O_RDONLY), status;
	pid_t child;

	must(read(fd, room, 4096) == 4096);
	child = fork();
	if (child == 0) {
		if (read(fd, room, 4096) != 4096)
			_exit(1);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
	must(read(fd, room, 4096) == 4096); /* the third piece */
	must(pread(fd, room, 4096, 4096) == 4096); /* the child's: new here */
	must(pread(fd, room, 4096, 8192) == 4096); /* its own */
	close(fd);
}

static void written(void)
{
	int fd = opened("written", O_RDWR);

	must(pread(fd, room, 8192, 0) == 8192);
	must(pwrite(fd, room, 4096, 2048) == 4096);
	must(pread(fd, room, 8192, 0) == 8192); /* half of it is new */
	must(preadv(fd, &(struct iovec){room, 2048}, 1, 2048) == 2048);
	close(fd);
}

static void by_processes(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0) {
			whole(opened("tree", O_RDONLY), SIZE);
			_exit(0);
		}
		must(waitpid(child, NULL, 0) == child);
	}
}

static void many_places(void)
{
	int fd = opened("many", O_RDONLY);

	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < 400; i++)
			must(pread(fd, room, 10, i * 7919 % 400 * 100) == 10);
	close(fd);
}

static void through_stdio(void)
{
	char path[4096];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/stdio", folder);
	stream = fopen(path, "r");
	must(stream != NULL && fread(room, 1, SIZE, stream) == SIZE);
	rewind(stream);
	must(fread(room, 1, SIZE, stream) == SIZE);
	fclose(stream);
}

static void made_up(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = open("/proc/self/status", O_RDONLY);

		must(fd >= 0 && read(fd, room, 100) == 100);
		close(fd);
	}
}

static void aligned(void)
{
	int fd = opened("aligned", O_RDONLY);

	fcntl(fd, F_SETFL, O_DIRECT); /* not every file system has it */
	must(pread(fd, room, 4096, 8192) == 4096);
	must(pread(fd, room, 512, 512) == 512);
	must(pread(fd, room, 4096, 1024) == 4096);
	fcntl(fd, F_SETFL, 0);
	must(pread(fd, room, 100, 0) == 100);
	close(fd);
}

/* Other flags: it is where it was. */
static void flagged(void)
{
	int fd = opened("flagged", O_RDONLY);

	for (int i = 0; i < 30; i++) {
		if (i % 10 == 5)
			must(fcntl(fd, F_SETFL, i == 15 ? 0 : O_NONBLOCK) == 0);
		must(read(fd, room, 1000) == 1000);
	}
	must(lseek(fd, 0, SEEK_SET) == 0 && read(fd, room, 3000) == 3000); /* of those before the flags */
	close(fd);
}

/* --- descriptors --- */

static int shared;

static void *appender(void *unused)
{
	for (int i = 0; i < 1000; i++)
		must(write(shared, "1234567", 7) == 7);
	return unused;
}

static void by_threads(void)
{
	pthread_t threads[4];

	shared = opened("appended", O_WRONLY | O_CREAT | O_APPEND);
	for (int i = 0; i < 4; i++)
		must(pthread_create(&threads[i], NULL, appender, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(shared);
}

/* Past every function. */
static void raw_close(int fd)
{
#if defined(__x86_64__)
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_close), "D"((long)fd) : "rcx", "r11", "memory");
#else
	syscall(SYS_close, fd);
#endif
}

static void numbers(void)
{
	int first = opened("first", O_RDONLY), second, third;

	must(read(first, room, 11) == 11);
	close(first);
	second = opened("second", O_RDONLY);
	must(second == first && read(second, room, 22) == 22);
	raw_close(second);
	third = opened("third", O_RDONLY);
	must(third == first && read(third, room, 33) == 33);
	must(dup2(third, 60) == 60 && dup2(opened("fourth", O_RDONLY), 60) == 60);
	must(fcntl(third, F_DUPFD, 70) == 70 && read(70, room, 44) == 44);
	close(70);
	close(third);
}

static void received(int many)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = {0};
	struct msghdr message = {.msg_iov = &(struct iovec){room, 1}, .msg_iovlen = 1, .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	int ends[2], sent = opened("sent", O_RDONLY), came;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.head), &sent, sizeof(sent));
	must(sendmsg(ends[0], &message, 0) == 1);
	close(sent);
	if (many) {
		struct mmsghdr messages[2] = {{.msg_hdr = message}};

		must(recvmmsg(ends[1], messages, 1, 0, NULL) == 1 && messages[0].msg_len == 1);
	} else {
		must(recvmsg(ends[1], &message, 0) == 1);
	}
	memcpy(&came, CMSG_DATA(&control.head), sizeof(came));
	must(read(came, room, 55) == 55);
	close(came);
	close(ends[0]);
	close(ends[1]);
}

static void deleted(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/gone", folder);
	fd = opened("gone", O_RDONLY);
	must(unlink(path) == 0 && read(fd, room, 66) == 66);
	close(fd);
}

static void left_open(void)
{
	int ends[2];

	for (int i = 0; i < 3; i++)
		must(read(opened("left", O_RDONLY), room, 77) == 77); /* left open */
	must(pipe(ends) == 0 && write(ends[1], room, 88) == 88);
}

int main(int argc, char **argv)
{
	must(argc >= 2);
	folder = argv[1];
	overlapping();
	again();
	two();
	reopened();
	duplicated();
	forked();
	written();
	by_processes();
	many_places();
	through_stdio();
	made_up();
	aligned();
	flagged();
	by_threads();
	numbers();
	received(0);
	received(1);
	deleted();
	left_open();
	if (argc > 2)
		kill(getpid(), SIGKILL);
	return 0;
}
