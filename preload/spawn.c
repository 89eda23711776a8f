/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the analyzer, as nobody's child that a host could wait for. A host that waits until it has no child left would
 * see it and wait for ever: so there is a process in between, which dies at once and is reaped here, and the analyzer goes
 * to whoever adopts orphans.
 *
 * Where that is the host itself (it is pid 1 or a subreaper), the process in between stays: a keeper, made by clone with no
 * exit signal, which plain wait calls do not see. The analyzer cannot be that itself, for whatever executes a program gets
 * SIGCHLD as its exit signal from the kernel. The keeper is a copy of the host as small as it is at its start, without
 * descriptors; it waits for the analyzer and dies.
 *
 * The children share our memory until they have executed the analyzer or died (as vfork's do), so they make raw system
 * calls only, on stacks of their own. The keeper makes raw system calls for another reason: no hook may run in it.
 */
#include "spawn.h"
#include "host.h"
#include "raw.h"

#include "preprof/version.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK_BYTES 65536
#define ENVIRONMENT_LIMIT 4096

struct child {
	const char *program;
	char *const *argv;
	char *const *envp;
	int listening;
	uint8_t *stack; /* of the analyzer, before it has executed, where its parent does not stay */
	int error; /* written by the child when something fails */
};

const char *spawn_library_path(void)
{
	static char path[PATH_MAX];
	Dl_info info;

	if (path[0] == '\0' && dladdr((void *)spawn_library_path, &info) && info.dli_fname)
		strncpy(path, info.dli_fname, sizeof(path) - 1);
	return path[0] ? path : NULL;
}

/* The child's limits: ours may be meant to choke the program, not its observer. */
static void limits_reset(void)
{
	static const int kinds[] = { RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_STACK };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rlimit limit;

		if (RAW_CALL(SYS_prlimit64, 0, kinds[i], 0, &limit) < 0)
			continue;
		if (kinds[i] == RLIMIT_STACK && limit.rlim_max == RLIM_INFINITY)
			limit.rlim_cur = 8 << 20;
		else
			limit.rlim_cur = limit.rlim_max;
		RAW_CALL(SYS_prlimit64, 0, kinds[i], &limit, 0);
	}
}

static void signals_reset(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = { 0 };
	uint64_t none = 0;

	for (int number = 1; number <= 64; number++)
		RAW_CALL(SYS_rt_sigaction, number, &action, 0, 8);
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
}

/* In the child; memory is the host's: nothing is written but the child's own stack and child->error. */
static int child_main(void *argument)
{
	struct child *child = argument;
	struct sched_param parameter = { 0 };
	long null_fd;

	RAW_CALL(SYS_setsid);
	limits_reset();
	null_fd = RAW_CALL(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
	if (child->listening != 3) {
		RAW_CALL(SYS_dup3, child->listening, 3, 0);
	} else {
		RAW_CALL(SYS_fcntl, 3, F_SETFD, 0);
	}
	for (int fd = 0; fd < 3; fd++) {
		if (null_fd < 0)
			raw_close(fd); /* rather none than the program's */
		else if (null_fd != fd)
			RAW_CALL(SYS_dup3, null_fd, fd, 0);
	}
	if (RAW_CALL(SYS_close_range, 4, ~0U, 0) < 0) {
		for (int fd = 4; fd < 4096; fd++)
			raw_close(fd);
	}
	RAW_CALL(SYS_sched_setscheduler, 0, SCHED_OTHER, &parameter);
	signals_reset();
	child->error = (int)RAW_CALL(SYS_execve, child->program, child->argv, child->envp);
	RAW_CALL(SYS_exit_group, 127);
	__builtin_unreachable();
}

/* The process in between. */
static int between_main(void *argument)
{
	struct child *child = argument;

	if (clone(child_main, child->stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK, child) < 0)
		child->error = -EAGAIN;
	RAW_CALL(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* false: no analyzer was started. */
static bool between_start(struct child *child, uint8_t *stack)
{
	int pid = clone(between_main, stack, CLONE_VM | CLONE_VFORK, child);

	while (pid > 0 && RAW_CALL(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
		;
	return pid >= 0 && !child->error;
}

/* In the keeper, which never returns. Every signal is blocked. */
static void keeper_main(struct child *child, int tell, uint8_t *stack)
{
	int pid, status = 0;

	RAW_CALL(SYS_prctl, PR_SET_NAME, "preprof-keeper", 0, 0, 0);
	RAW_CALL(SYS_setsid);
	pid = clone(child_main, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, child);
	status = pid < 0 ? pid : child->error;
	RAW_CALL(SYS_write, tell, &status, sizeof(status));
	RAW_CALL(SYS_chdir, "/");
	if (RAW_CALL(SYS_close_range, 0, ~0U, 0) < 0) {
		for (int fd = 0; fd < 4096; fd++)
			raw_close(fd);
	}
	while (pid > 0 && RAW_CALL(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
		;
	RAW_CALL(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* false: no analyzer was started. */
static bool keeper_start(struct child *child, uint8_t *stack)
{
	int ends[2], status = -EIO;
	long pid, got;

	if (RAW_CALL(SYS_pipe2, ends, O_CLOEXEC) < 0)
		return false;
	pid = RAW_CALL(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		keeper_main(child, ends[1], stack);
	raw_close(ends[1]);
	do
		got = pid < 0 ? 0 : RAW_CALL(SYS_read, ends[0], &status, sizeof(status));
	while (got == -EINTR);
	raw_close(ends[0]);
	return got == sizeof(status) && status == 0;
}

/* Whether this process adopts orphans. */
static bool adopts_orphans(void)
{
	int subreaper = 0;

	return raw_getpid() == 1 || (RAW_CALL(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper);
}

static bool executable(const char *path)
{
	return RAW_CALL(SYS_faccessat, AT_FDCWD, path, X_OK) == 0;
}

/* PREPROF_ANALYZER, else beside the library as built or as installed. */
static bool analyzer_find(char *path)
{
	static const char *const places[] = { "/preprof-analyzer", "/../preprof-analyzer", "/../analyzer/preprof-analyzer",
					      "/../libexec/preprof/preprof-analyzer",
					      "/../../libexec/preprof/preprof-analyzer",
					      "/preprof/preprof-analyzer", "/../../bin/preprof-analyzer",
					      "/../bin/preprof-analyzer" };
	const char *given = environment_get("PREPROF_ANALYZER");
	const char *library = spawn_library_path();
	const char *slash = library ? strrchr(library, '/') : NULL;

	if (given && strlen(given) < PATH_MAX) {
		strcpy(path, given);
		return executable(path);
	}
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		size_t folder = (size_t)(slash - library);

		if (folder + strlen(places[i]) >= PATH_MAX)
			continue;
		memcpy(path, library, folder);
		strcpy(path + folder, places[i]);
		if (executable(path))
			return true;
	}
	strcpy(path, PP_INSTALLED_ANALYZER_PATH);
	return executable(path);
}

/* The host's environment without what was meant for the host's own loading. */
static char *const *environment_for_analyzer(void)
{
	static char *entries[ENVIRONMENT_LIMIT + 1];
	size_t count = 0;

	for (char **entry = environ; entry && *entry && count < ENVIRONMENT_LIMIT; entry++) {
		if (strncmp(*entry, "LD_", 3) != 0 && strncmp(*entry, "MALLOC_", 7) != 0 &&
		    strncmp(*entry, "GLIBC_TUNABLES=", 15) != 0)
			entries[count++] = *entry;
	}
	entries[count] = NULL;
	return entries;
}

/* clone with CLONE_VM needs a stack of its own for the child; glibc's wrapper does that, runs no atfork handler and
 * makes no library state. CLONE_VFORK: we go on when the child has executed or died. */
bool spawn_analyzer(int listening, const char **reason)
{
	static char program[PATH_MAX];
	const char *argv[] = { "preprof-analyzer", "--listen", "3", "--output", pp_session.settings.output,
			       "--summary", pp_session.settings.summary ? "on" : "off", NULL };
	struct child child = { program, (char *const *)argv, NULL, listening, NULL, 0 };
	bool between = !adopts_orphans();
	uint64_t all = ~UINT64_C(0), old;
	uint8_t *stack;
	bool started;

	if (!analyzer_find(program)) {
		*reason = "preprof-analyzer was not found beside libpreprof.so (set PREPROF_ANALYZER to its path)";
		return false;
	}
	stack = raw_map(2 * CHILD_STACK_BYTES);
	if (!stack) {
		*reason = "no memory to start the analyzer";
		return false;
	}
	child.envp = environment_for_analyzer();
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	if (between) {
		child.stack = stack + CHILD_STACK_BYTES;
		started = between_start(&child, stack + CHILD_STACK_BYTES);
	} else {
		started = keeper_start(&child, stack + CHILD_STACK_BYTES);
	}
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	raw_unmap(stack, 2 * CHILD_STACK_BYTES);
	if (!started) {
		*reason = "the analyzer could not be started";
		return false;
	}
	return true;
}
