/* SPDX-License-Identifier: Apache-2.0 */
/* io_repeats FOLDER SEED TURNS [COUNTS]: the same calls again and again, and now and then what makes the next one another: the place in
 * the file, the descriptor's number, its flags, threads, children, handlers, jumps. Prints calls and bytes of each kind. With COUNTS
 * it goes on until it is killed, and that file has the calls so far. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { READ, WRITE, APPEND, PREAD, PWRITE, PIPE_READ, PIPE_WRITE, SEND, RECV, DEEP, DUPLICATE, HANDLER, KINDS };
static const char *const names[] = {"read_it",	 "write_it",	 "append_it",	  "pread_it",
				    "pwrite_it", "pipe_read_it", "pipe_write_it", "send_it",
				    "recv_it",	 "deep_it",	 "duplicate_it",  "handler_it"};
static struct {
	uint64_t calls, bytes;
} own[KINDS], *counts = own;

static char path[3][4096], room[4096];
static int file, appended, duplicate, other, pipe_ends[2], sockets[2];
static uint64_t seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((seed >> 33) % below);
}

static void must(int good)
{
	if (!good) {
		perror("io_repeats");
		exit(1);
	}
}

static void count(enum kind kind, ssize_t bytes)
{
	counts[kind].calls++;
	if (bytes > 0)
		counts[kind].bytes += (uint64_t)bytes;
}

#define KIND(name, kind, call)                                               \
	static __attribute__((noinline)) ssize_t name(size_t size, off_t at) \
	{                                                                    \
		ssize_t bytes = call;                                        \
                                                                             \
		(void)at;                                                    \
		count(kind, bytes);                                          \
		return bytes;                                                \
	}
KIND(read_it, READ, read(file, room, size))
KIND(write_it, WRITE, write(file, room, size))
KIND(append_it, APPEND, write(appended, room, size))
KIND(pread_it, PREAD, pread(file, room, size, at))
KIND(pwrite_it, PWRITE, pwrite(other, room, size, at))
KIND(pipe_read_it, PIPE_READ, read(pipe_ends[0], room, size))
KIND(pipe_write_it, PIPE_WRITE, write(pipe_ends[1], room, size))
KIND(send_it, SEND, send(sockets[0], room, size, 0))
KIND(recv_it, RECV, recv(sockets[1], room, size, 0))
KIND(duplicate_it, DUPLICATE, read(duplicate, room, size))
KIND(handler_it, HANDLER, pread(other, room, size, at))

/* The same line by other callers. */
static __attribute__((noinline)) ssize_t deep_it(size_t size, int depth)
{
	volatile char frame[64] = {0};
	ssize_t bytes;

	if (depth) {
		bytes = deep_it(size, depth - 1);
	} else {
		bytes = read(file, room, size);
		count(DEEP, bytes);
	}
	return bytes + frame[0];
}

static void on_signal(int number)
{
	(void)number;
	for (int i = 0; i < 3; i++)
		handler_it(7, 100 + 7 * i);
}

static sigjmp_buf back;
static void on_jump(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static void *thread_seeks(void *unused)
{
	must(lseek(file, (off_t)chance(30000), SEEK_SET) >= 0);
	return unused;
}

static int opened(const char *name, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | flags, 0600);

	must(fd >= 0);
	return fd;
}

static void otherwise(void)
{
	pthread_t thread;
	pid_t child;

	switch (chance(14)) {
	case 0:
		must(lseek(file, (off_t)chance(60000), SEEK_SET) >= 0);
		break;
	case 1:
		must(lseek(file, 0, SEEK_SET) == 0);
		break;
	case 2:
		close(file);
		file = opened(path[0], 0);
		break;
	case 3: /* the same number is another file */
		close(file);
		file = opened(path[chance(2)], 0);
		break;
	case 4:
		close(duplicate);
		duplicate = dup(file);
		break;
	case 5:
		must(dup2(other, file) == file);
		break;
	case 6:
		must(pthread_create(&thread, NULL, thread_seeks, NULL) == 0 && pthread_join(thread, NULL) == 0);
		break;
	case 7:
		child = fork();
		if (!child)
			_exit(read(file, room, 16) < 0); /* moves the place of both */
		must(waitpid(child, NULL, 0) == child);
		break;
	case 8:
		raise(SIGUSR1);
		break;
	case 9:
		must(fcntl(file, F_SETFL, chance(2) ? O_APPEND : 0) == 0);
		break;
	case 10:
		must(ftruncate(other, 65536) == 0);
		break;
	case 11: /* nothing comes: left by a jump */
		if (!sigsetjmp(back, 1)) {
			ualarm(500, 0);
			if (read(pipe_ends[0], room, 5) < 0)
				exit(1);
		}
		break;
	case 12:
		must(fcntl(file, F_SETFD, 0) == 0);
		break;
	default:
		break;
	}
}

static void turn(void)
{
	static const size_t sizes[] = {1, 5, 16, 100, 511, 512, 1000, 4096};
	size_t size = sizes[chance(8)];
	off_t at = (off_t)chance(60000);
	uint32_t kind = chance(9), depth = chance(4);

	for (uint32_t i = 1 + chance(40); i > 0; i--) {
		if (!chance(60))
			size = 1 + chance(600);
		switch (kind) {
		case 0:
			read_it(size, 0);
			break;
		case 1:
			write_it(size, 0);
			if (lseek(file, 0, SEEK_CUR) > 100000)
				must(lseek(file, 0, SEEK_SET) == 0 && ftruncate(file, 65536) == 0);
			break;
		case 2:
			append_it(size, 0);
			break;
		case 3:
			pread_it(size, at);
			at += chance(8) ? (off_t)size : 64;
			break;
		case 4:
			pwrite_it(size, at);
			at += (off_t)size;
			break;
		case 5:
			pipe_write_it(size, 0);
			pipe_read_it(size, 0);
			break;
		case 6:
			send_it(size, 0);
			recv_it(size, 0);
			break;
		case 7:
			deep_it(size, (int)depth);
			break;
		default:
			duplicate_it(size, 0);
			break;
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	static char content[65536];

	must(argc > 3);
	seed = strtoull(argv[2], NULL, 10) * 2 + 1;
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	action.sa_handler = on_jump;
	must(sigaction(SIGALRM, &action, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		int fd;

		snprintf(path[i], sizeof(path[i]), "%s/file%d", argv[1], i);
		fd = opened(path[i], O_TRUNC);
		must(pwrite(fd, content, sizeof(content), 0) == sizeof(content));
		close(fd);
	}
	file = opened(path[0], 0);
	other = opened(path[1], 0);
	appended = opened(path[2], O_APPEND);
	duplicate = dup(file);
	must(pipe(pipe_ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	if (argc > 4) {
		int fd = opened(argv[4], O_TRUNC);

		must(ftruncate(fd, sizeof(own)) == 0);
		counts = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(counts != MAP_FAILED);
		close(fd);
		for (;;) {
			size_t size = 1 + chance(300);

			for (int i = 0; i < 2000; i++) {
				pipe_write_it(size, 0);
				pipe_read_it(size, 0);
				append_it(size, 0);
			}
			must(ftruncate(appended, 0) == 0);
		}
	}
	for (int i = atoi(argv[3]); i > 0; i--) {
		turn();
		otherwise();
	}
	for (int i = 0; i < KINDS; i++)
		printf("%s %llu %llu\n", names[i], (unsigned long long)counts[i].calls,
		       (unsigned long long)counts[i].bytes);
	return 0;
}
