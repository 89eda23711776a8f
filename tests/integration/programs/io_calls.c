/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of the io family's first half, a known number of times; argument: a folder to work in. With "kill" it ends
 * by SIGKILL, so that nothing is handed over; with "wait" it blocks for 50 ms in a read, a recv and a connectionless wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char block[65536];
static char path[4096];

static int file_open(const char *name, int flags)
{
	static char folder[3000];

	if (!folder[0])
		strcpy(folder, path);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags, 0600);
}

static void expect(long got, long wanted)
{
	if (got != wanted) {
		dprintf(2, "got %ld, wanted %ld: %s\n", got, wanted, strerror(errno));
		_exit(3);
	}
}

__attribute__((noinline)) static void small_writes(int fd, int count)
{
	for (int i = 0; i < count; i++)
		expect(write(fd, block, 10), 10); /* small write */
}

__attribute__((noinline)) static void small_reads(int fd, int count)
{
	for (int i = 0; i < count; i++)
		expect(read(fd, block, 10), 10); /* small read */
}

static void files(void)
{
	struct iovec vector[2] = {{block, 100}, {block, 200}};
	int fd = file_open("data", O_RDWR | O_CREAT | O_TRUNC), other, copied;
	off_t from = 0;

	small_writes(fd, 1000);
	expect(lseek(fd, 0, SEEK_SET), 0);
	small_reads(fd, 1000);
	expect(read(fd, block, 10), 0);
	expect(pwrite(fd, block, 4096, 8192), 4096);
	for (int i = 0; i < 4; i++)
		expect(pread(fd, block, 512, 4096 - 1024 * i), 512); /* backwards: the third and the fourth at the same stride */
	expect(writev(fd, vector, 2), 300);
	expect(pwritev(fd, vector, 2, 0), 300);
	expect(preadv(fd, vector, 2, 0), 300);
	expect(preadv2(fd, vector, 1, 0, 0), 100);
	expect(pwritev2(fd, vector, 1, 0, 0), 100);
	expect(lseek(fd, 0, SEEK_SET), 0);
	expect(readv(fd, vector, 2), 300);
	expect(fsync(fd), 0);
	expect(fdatasync(fd), 0);
	expect(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
	expect(ftruncate(fd, 12288), 0);
	expect(fallocate(fd, 0, 0, 4096), 0);
	expect(posix_fallocate(fd, 0, 4096), 0);
	expect(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	copied = file_open("copied", O_RDWR | O_CREAT | O_TRUNC);
	expect(sendfile(copied, fd, &from, 5000), 5000);
	from = 0;
	expect(copy_file_range(fd, &from, copied, NULL, 6000, 0), 6000);
	other = dup(fd);
	expect(write(other, block, 33), 33);
	expect(close(other), 0);
	/* the number comes back for another file */
	expect(file_open("second", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND), other);
	small_writes(other, 5);
	expect(dup2(fd, other), other);
	expect(write(other, block, 7), 7);
	expect(close(other), 0);
	expect(close(fd), 0);
	expect(close(copied), 0);
	expect(unlink(path), 0);
	expect(file_open("missing/none", O_RDONLY), -1);
	expect(write(999, block, 1), -1);
	fd = file_open("gone", O_RDWR | O_CREAT | O_TRUNC);
	expect(unlink(path), 0);
	expect(write(fd, block, 77), 77);
	expect(close(fd), 0);
}

static void pipes(void)
{
	int ends[2], more[2];

	expect(pipe(ends), 0);
	expect(pipe2(more, O_NONBLOCK), 0);
	expect(write(ends[1], block, 3000), 3000);
	expect(tee(ends[0], more[1], 1000, 0), 1000);
	expect(splice(ends[0], NULL, more[1], NULL, 500, 0), 500);
	expect(read(ends[0], block, 65536), 2500);
	expect(read(more[0], block, 1400), 1400);
	expect(read(more[0], block, 1400), 100);
	expect(read(more[0], block, 1400), -1); /* EAGAIN */
	expect(close(ends[0]), 0);
	signal(SIGPIPE, SIG_IGN);
	expect(write(ends[1], block, 5), -1); /* EPIPE */
	expect(close(ends[1]), 0);
	expect(close(more[0]) | close(more[1]), 0);
}

static void sockets(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct iovec vector[2] = {{block, 100}, {block, 200}};
	struct mmsghdr messages[2] = {{{.msg_iov = vector, .msg_iovlen = 1}, 0}, {{.msg_iov = vector, .msg_iovlen = 2}, 0}};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server, ends[2];

	expect(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(listen(listener, 5), 0);
	expect(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	expect(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	server = accept(listener, NULL, NULL);
	expect(send(client, block, 1234, 0), 1234);
	expect(recv(server, block, 1234, MSG_WAITALL), 1234);
	expect(write(server, block, 55), 55);
	expect(read(client, block, 55), 55);
	expect(close(client) | close(server) | close(listener), 0);
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	expect(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	expect(sendmmsg(ends[0], messages, 2, 0), 2);
	expect(recvmmsg(ends[1], messages, 2, 0, NULL), 2);
	expect(sendto(ends[0], block, 11, 0, NULL, 0), 11);
	expect(recvfrom(ends[1], block, 100, 0, NULL, NULL), 11);
	expect(sendmsg(ends[0], &messages[1].msg_hdr, 0), 300);
	expect(recvmsg(ends[1], &messages[1].msg_hdr, 0), 300);
	expect(close(ends[0]) | close(ends[1]), 0);
}

static void *reader(void *argument)
{
	int fd = *(int *)argument;

	for (int i = 0; i < 500; i++)
		expect(pread(fd, block, 10, 0), 10);
	return NULL;
}

static void threads_and_children(void)
{
	int fd = file_open("shared", O_RDWR | O_CREAT | O_TRUNC);
	pthread_t thread;

	expect(write(fd, block, 1000), 1000);
	expect(pthread_create(&thread, NULL, reader, &fd), 0);
	expect(pthread_join(thread, NULL), 0);
	if (fork() == 0) {
		expect(write(fd, block, 200), 200);
		_exit(0);
	}
	expect(wait(NULL) > 0, 1);
	expect(close(fd), 0);
}

static void *late_writer(void *argument)
{
	usleep(50000);
	expect(write(*(int *)argument, block, 1), 1);
	return NULL;
}

static void waits(void)
{
	pthread_t thread;
	int ends[2];

	expect(pipe(ends), 0);
	expect(pthread_create(&thread, NULL, late_writer, &ends[1]), 0);
	expect(read(ends[0], block, 10), 1); /* blocked */
	expect(pthread_join(thread, NULL), 0);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	strcpy(path, argv[1]);
	if (argc > 2 && strcmp(argv[2], "wait") == 0) {
		waits();
		return 0;
	}
	files();
	pipes();
	sockets();
	threads_and_children();
	if (argc > 2 && strcmp(argv[2], "kill") == 0)
		kill(getpid(), SIGKILL);
	return 0;
}
