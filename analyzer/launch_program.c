/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the command and waiting for it; see launch_program.h. */
#include "launch_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0: it can be executed; else errno. */
static int candidate_check(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR;
	return access(path, X_OK) == 0 ? 0 : errno;
}

static bool path_search(const char *name, char *result, int *reason)
{
	const char *list = getenv("PATH");

	*reason = ENOENT;
	for (list = list ? list : "/bin:/usr/bin"; list;) {
		size_t length = strcspn(list, ":");
		int size, failure;

		/* An empty part is the working directory. */
		if (length == 0)
			size = snprintf(result, PATH_MAX, "./%s", name);
		else
			size = snprintf(result, PATH_MAX, "%.*s/%s", (int)length, list, name);
		failure = size < PATH_MAX ? candidate_check(result) : ENAMETOOLONG;
		if (failure == 0)
			return true;
		if (failure == EACCES)
			*reason = failure;
		list = list[length] ? list + length + 1 : NULL;
	}
	return false;
}

bool program_find(const char *name, char *result, int *status, struct pp_error *error)
{
	int reason;

	if (strchr(name, '/')) {
		if ((size_t)snprintf(result, PATH_MAX, "%s", name) >= PATH_MAX)
			reason = ENAMETOOLONG;
		else
			reason = candidate_check(result);
		if (reason == 0)
			return true;
	} else if (path_search(name, result, &reason)) {
		return true;
	}
	*status = reason == ENOENT || reason == ENOTDIR || reason == ENAMETOOLONG ? 127 : 126;
	return error_set(error, "%.300s: %s", name,
			 reason == ENOENT && !strchr(name, '/') ? "command not found" : strerror(reason));
}

static void program_exec(const struct pp_program *program, const char *path, char **argv, int failure)
{
	int reason;

	sigaction(SIGCHLD, &program->child_action, NULL);
	sigprocmask(SIG_SETMASK, &program->mask, NULL);
	execv(path, argv);
	reason = errno;
	while (write(failure, &reason, sizeof(reason)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static const char *exec_reason(int reason)
{
	switch (reason) {
	case ENOEXEC:
		return "not a program (a script needs a #! line)";
	case ENOENT:
		return "its interpreter was not found";
	default:
		return strerror(reason);
	}
}

bool program_start(struct pp_program *program, const char *path, char **argv, int *status, struct pp_error *error)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	int failure[2], reason;
	sigset_t all;
	ssize_t got;

	*status = 125;
	if (pipe2(failure, O_CLOEXEC) != 0)
		return error_set(error, "no pipe: %s", strerror(errno));
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &program->mask);
	/* Ignored, as some parents leave it, there would be nothing to wait for. */
	sigaction(SIGCHLD, &standard, &program->child_action);
	program->pid = fork();
	if (program->pid == 0)
		program_exec(program, path, argv, failure[1]);
	close(failure[1]);
	if (program->pid < 0) {
		close(failure[0]);
		return error_set(error, "no process for the command: %s", strerror(errno));
	}
	do {
		got = read(failure[0], &reason, sizeof(reason));
	} while (got < 0 && errno == EINTR);
	close(failure[0]);
	if (got != (ssize_t)sizeof(reason))
		return true;
	while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*status = 126;
	return error_set(error, "%.300s: %s", path, exec_reason(reason));
}

/* A stop of the terminal's (^Z, reading in the background) is ours as well, or the shell would go on waiting. One
 * that somebody aimed at the command alone is not: who would wake us? */
static void stop_share(int number)
{
	sigset_t one;

	if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
		return;
	sigemptyset(&one);
	sigaddset(&one, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
}

/* What the kernel sends (the terminal's ^C) goes to the whole process group, the command included; but for a hang-up,
 * which it tells the leader of the session alone. The command would have been that. */
static void signal_pass(pid_t pid, const siginfo_t *signal_info)
{
	if (signal_info->si_code > 0 && !(signal_info->si_signo == SIGHUP && getsid(0) == getpid()))
		return;
	if (signal_info->si_code == SI_QUEUE)
		sigqueue(pid, signal_info->si_signo, signal_info->si_value);
	else
		kill(pid, signal_info->si_signo);
}

static int wait_status(const siginfo_t *child)
{
	if (child->si_code == CLD_EXITED)
		return child->si_status << 8;
	return child->si_status | (child->si_code == CLD_DUMPED ? 0x80 : 0);
}

int program_wait(const struct pp_program *program)
{
	siginfo_t signal_info, child;
	sigset_t all;

	sigfillset(&all);
	for (;;) {
		child.si_pid = 0;
		if (waitid(P_PID, (id_t)program->pid, &child, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    child.si_pid == program->pid)
			return wait_status(&child);
		if (waitid(P_PID, (id_t)program->pid, &child, WSTOPPED | WNOHANG) == 0 &&
		    child.si_pid == program->pid) {
			stop_share(child.si_status);
			continue;
		}
		if (sigwaitinfo(&all, &signal_info) > 0 && signal_info.si_signo != SIGCHLD)
			signal_pass(program->pid, &signal_info);
	}
}

void program_forget(const struct pp_program *program)
{
	while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
