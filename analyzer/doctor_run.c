/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs asked, and small files read; see doctor.h. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

bool doctor_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t used = 0;
	ssize_t got = -1;

	text[0] = '\0';
	if (fd < 0)
		return false;
	while (used + 1 < size && (got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	close(fd);
	text[used] = '\0';
	return got >= 0 || used > 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In the child. */
static void asked_exec(const char *const argv[], const char *preload, int output)
{
	int null = open("/dev/null", O_RDWR);

	if (preload && *preload)
		setenv("LD_PRELOAD", preload, 1);
	else if (preload)
		unsetenv("LD_PRELOAD");
	unsetenv("PREPROF_SESSION");
	setenv("LC_ALL", "C", 1);
	setpgid(0, 0);
	dup2(null, 0);
	dup2(output, 1);
	dup2(output, 2);
	execv(argv[0], (char **)argv);
	_exit(127);
}

/* Reads until the end, or as long as it may take. true: there was an end. */
static bool output_read(int fd, char *text, size_t size)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;
	char rest[4096];
	size_t used = 0;

	text[0] = '\0';
	for (;;) {
		struct pollfd polled = {.fd = fd, .events = POLLIN};
		int64_t left = end_ms - now_ms();
		bool full = used + 1 >= size;
		ssize_t got;

		if (left <= 0 || (poll(&polled, 1, (int)left) <= 0 && errno != EINTR))
			return false;
		got = read(fd, full ? rest : text + used, full ? sizeof(rest) : size - 1 - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		if (!full)
			used += (size_t)got;
		text[used] = '\0';
	}
}

bool doctor_ask(const char *const argv[], const char *preload, struct pp_doctor_asked *asked)
{
	int pipe_fds[2];
	bool ended;
	pid_t pid;

	asked->status = -1;
	asked->text[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0)
		asked_exec(argv, preload, pipe_fds[1]);
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return false;
	}
	ended = output_read(pipe_fds[0], asked->text, sizeof(asked->text));
	close(pipe_fds[0]);
	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &asked->status, 0) < 0 && errno == EINTR)
		;
	return ended && WIFEXITED(asked->status) && WEXITSTATUS(asked->status) == 0;
}
