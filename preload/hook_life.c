/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Births and deaths of processes: fork and what is made of it, clone, and the exits that run no atexit handlers.
 *
 * vfork is not hooked: a wrapper in C cannot return twice. Its child shares our memory, which every hook that ends,
 * moves or re-arms something finds out for itself (life_own). A child made by a raw system call is found by its first
 * hook. daemon and forkpty call fork inside libc, past every hook, so they are made here from the hooked one, as their
 * manual pages describe them.
 */
#include "life.h"
#include "raw.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utmp.h>

static struct {
	pid_t (*fork)(void);
	pid_t (*_Fork)(void);
	int (*clone)(int (*)(void *), void *, int, void *, ...);
	void (*_exit)(int);
	void (*_Exit)(int);
	void (*quick_exit)(int);
} real;

static int quick_status = -1;

static void after_quick_handlers(void)
{
	if (quick_status >= 0)
		session_finish(quick_status);
}

void hook_life_init(void)
{
	real.fork = resolve_next("fork");
	real._Fork = resolve_next("_Fork");
	real.clone = resolve_next("clone");
	real._exit = resolve_next("_exit");
	real._Exit = resolve_next("_Exit");
	real.quick_exit = resolve_next("quick_exit");
	at_quick_exit(after_quick_handlers); /* the first to be registered is the last to run */
}

/* --- births ------------------------------------------------------------------------------------------------------- */

static pid_t fork_with(pid_t (*fork_real)(void))
{
	struct pp_fork fork_state;
	pid_t pid;

	life_fork_begin(&fork_state);
	pid = fork_real();
	if (pid == 0)
		life_fork_child(&fork_state);
	else
		life_fork_parent(&fork_state);
	return pid;
}

PP_HOOK pid_t fork(void)
{
	life_init();
	return fork_with(real.fork);
}

PP_HOOK pid_t _Fork(void)
{
	life_init();
	return fork_with(real._Fork);
}

struct clone_start {
	int (*function)(void *);
	void *argument;
	struct pp_fork fork;
};

/* In a child that has a copy of our memory: the structure lies in the copy of its parent's stack. */
static int clone_child(void *argument)
{
	struct clone_start *start = argument;
	int status;

	life_fork_child(&start->fork);
	status = start->function(start->argument);
	session_finish(status & 0xff);
	return status;
}

PP_HOOK int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	struct clone_start start = {.function = function, .argument = argument};
	int *parent_tid, *child_tid;
	void *tls;
	va_list list;
	int result;

	/* Read whether given or not, as the real one does: they are used as the flags say. */
	va_start(list, argument);
	parent_tid = va_arg(list, int *);
	tls = va_arg(list, void *);
	child_tid = va_arg(list, int *);
	va_end(list);
	life_init();
	if (flags & CLONE_VM || !function || !stack) {
		if (flags & CLONE_VM && !(flags & CLONE_VFORK))
			thread_mark_multi();
		return real.clone(function, stack, flags, argument, parent_tid, tls, child_tid);
	}
	life_fork_begin(&start.fork);
	start.fork.descriptors_shared = flags & CLONE_FILES;
	result = real.clone(clone_child, stack, flags, &start, parent_tid, tls, child_tid);
	life_fork_parent(&start.fork);
	return result;
}

/* Standard streams to /dev/null, which must be what it is called. */
static int streams_to_null(void)
{
	struct stat status;
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0) {
		close(fd);
		return -1;
	}
	if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	for (int stream = 0; stream <= 2; stream++)
		dup2(fd, stream);
	if (fd > 2)
		close(fd);
	return 0;
}

PP_HOOK int daemon(int no_chdir, int no_close)
{
	switch (fork()) {
	case -1:
		return -1;
	case 0:
		break;
	default:
		_exit(0);
	}
	if (setsid() == -1)
		return -1;
	if (!no_chdir && chdir("/") != 0) {
		/* as in libc: not an error */
	}
	return no_close ? 0 : streams_to_null();
}

PP_HOOK pid_t forkpty(int *master_out, char *name, const struct termios *term, const struct winsize *size)
{
	int master, slave, error;
	pid_t pid;

	if (openpty(&master, &slave, name, term, size) == -1)
		return -1;
	pid = fork();
	switch (pid) {
	case -1:
		error = errno;
		close(master);
		close(slave);
		errno = error;
		return -1;
	case 0:
		close(master);
		if (login_tty(slave) != 0)
			_exit(1);
		return 0;
	default:
		*master_out = master;
		close(slave);
		return pid;
	}
}

/* --- deaths ------------------------------------------------------------------------------------------------------- */

/* session_finish itself tells whether this process is the session's; a vfork child's is not. */

PP_HOOK void _exit(int status)
{
	life_init();
	session_finish(status & 0xff);
	real._exit(status);
	__builtin_unreachable();
}

PP_HOOK void _Exit(int status)
{
	life_init();
	session_finish(status & 0xff);
	real._Exit(status);
	__builtin_unreachable();
}

PP_HOOK void quick_exit(int status)
{
	life_init();
	if (life_own())
		quick_status = status & 0xff;
	real.quick_exit(status);
	__builtin_unreachable();
}
