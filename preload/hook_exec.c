/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever executes a program. A new image gets the session by its environment and is announced to the analyzer, which
 * keeps the tree open until it has come, or its process is gone. Where libc executes with its own calls (system, popen,
 * wordexp) the variables are put into `environ` beforehand: there is no other way in, and libc's popen cannot be
 * replaced, for pclose must know its streams.
 *
 * These run in children of vfork: no lock, no allocation, and no guard held across the real call (if it succeeds, the
 * parent goes on with the very same thread-local storage).
 */
#include "exec_environment.h"
#include "exec_target.h"
#include "life.h"
#include "raw.h"
#include "resolve.h"
#include "sampler.h"
#include "stream.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wordexp.h>

/* posix_spawn's own header has the name of one of ours; what it describes is passed on unseen. */
typedef int spawn_function(pid_t *, const char *, const void *, const void *, char *const *, char *const *);
spawn_function posix_spawn, posix_spawnp;

static struct {
	int (*execve)(const char *, char *const *, char *const *);
	int (*execvpe)(const char *, char *const *, char *const *);
	int (*fexecve)(int, char *const *, char *const *);
	int (*execveat)(int, const char *, char *const *, char *const *, int);
	spawn_function *posix_spawn;
	spawn_function *posix_spawnp;
	int (*system)(const char *);
	FILE *(*popen)(const char *, const char *);
	int (*wordexp)(const char *, wordexp_t *, int);
} real;

void hook_exec_init(void)
{
	real.execve = resolve_next("execve");
	real.execvpe = resolve_next("execvpe");
	real.fexecve = resolve_next("fexecve");
	real.execveat = resolve_next("execveat");
	real.posix_spawn = resolve_next("posix_spawn");
	real.posix_spawnp = resolve_next("posix_spawnp");
	real.system = resolve_next("system");
	real.popen = resolve_next("popen");
	real.wordexp = resolve_next("wordexp");
}

/* --- before and after the real call --------------------------------------------------------------------------------- */

/* What is undone when the real call fails. */
struct exec {
	struct pp_environment environment;
	bool disarmed; /* no tick of this thread is pending, its signal mask is the program's */
	int announced; /* our process id; 0: no */
};

static void target_note(enum pp_target target)
{
	uint32_t bit = 0;

	if (target == PP_TARGET_STATIC)
		bit = PP_NOT_CHILD_STATIC;
	else if (target == PP_TARGET_PRIVILEGED)
		bit = PP_NOT_CHILD_SETUID;
	else if (target == PP_TARGET_FOREIGN)
		bit = PP_NOT_CHILD_FOREIGN;
	else if (target != PP_TARGET_ABSENT && !life_library_opens())
		bit = PP_NOT_CHILD_BARRED;
	if (bit && pp_session.header)
		__atomic_or_fetch(&pp_session.header->not_observed, bit, __ATOMIC_RELAXED);
}

/* The child's environment; true: it is followed. */
static bool child_prepare(struct pp_environment *environment, char *const *given, enum pp_target target)
{
	bool strip;

	if (life_follows(&strip)) {
		bool ours = target == PP_TARGET_ABSENT || (target != PP_TARGET_FOREIGN && life_library_opens());

		environment_build(environment, given, ours ? PP_PRELOAD_OURS : PP_PRELOAD_OTHERS);
		target_note(target);
		return true;
	}
	environment->mapped = NULL;
	environment->entries = given;
	if (strip)
		environment_build(environment, given, PP_PRELOAD_BARE);
	return false;
}

static void exec_begin(struct exec *exec, char *const *given, enum pp_target target)
{
	int error = errno;
	bool follow;

	life_own();
	follow = child_prepare(&exec->environment, given, target);

	exec->disarmed = false;
	exec->announced = 0;
	if (target != PP_TARGET_ABSENT) {
		sampler_exec_begin();
		exec->disarmed = true;
		if (follow) {
			int pid = raw_getpid();

			if (life_announce(pid))
				exec->announced = pid;
		}
	}
	errno = error;
}

static int exec_failed(struct exec *exec)
{
	int error = errno;

	if (exec->announced)
		life_retract(exec->announced);
	if (exec->disarmed)
		sampler_exec_failed();
	environment_drop(&exec->environment);
	errno = error;
	return -1;
}

/* The file's kind is of interest only where there is a choice to make. */
static bool look_is_due(void)
{
	bool strip;

	life_init();
	return life_follows(&strip) || strip;
}

/* --- exec ----------------------------------------------------------------------------------------------------------- */

static int exec_path(const char *path, char *const *argv, char *const *envp)
{
	struct exec exec;

	if (!look_is_due())
		return real.execve(path, argv, envp);
	exec_begin(&exec, envp, target_look(AT_FDCWD, path));
	real.execve(path, argv, exec.environment.entries);
	return exec_failed(&exec);
}

static int exec_file(const char *file, char *const *argv, char *const *envp)
{
	char room[PATH_MAX];
	const char *path;
	struct exec exec;

	if (!look_is_due())
		return real.execvpe(file, argv, envp);
	path = target_find(file, room, sizeof(room));
	exec_begin(&exec, envp, path ? target_look(AT_FDCWD, path) : PP_TARGET_ABSENT);
	real.execvpe(file, argv, exec.environment.entries);
	return exec_failed(&exec);
}

PP_HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(path, argv, envp);
}

PP_HOOK int execv(const char *path, char *const argv[])
{
	return exec_path(path, argv, environ);
}

PP_HOOK int execvp(const char *file, char *const argv[])
{
	return exec_file(file, argv, environ);
}

PP_HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return exec_file(file, argv, envp);
}

PP_HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
	struct exec exec;

	if (!look_is_due())
		return real.fexecve(fd, argv, envp);
	exec_begin(&exec, envp, target_look_descriptor(fd));
	real.fexecve(fd, argv, exec.environment.entries);
	return exec_failed(&exec);
}

PP_HOOK int execveat(int folder, const char *path, char *const argv[], char *const envp[], int flags)
{
	const char *name = path;
	struct exec exec;

	__asm__("" : "+r"(name)); /* NULL is the kernel's to refuse */
	if (!look_is_due())
		return real.execveat(folder, path, argv, envp, flags);
	exec_begin(&exec, envp,
		   flags & AT_EMPTY_PATH && name && raw_readable(name) && !*name ? target_look_descriptor(folder)
										 : target_look(folder, name));
	real.execveat(folder, path, argv, exec.environment.entries, flags);
	return exec_failed(&exec);
}

/* The list becomes an array on the stack, where the caller has put it once already. */
static size_t list_count(va_list list)
{
	size_t count = 1;

	while (va_arg(list, char *))
		count++;
	return count;
}

static void list_store(char **argv, const char *first, size_t count, va_list list)
{
	argv[0] = (char *)first;
	for (size_t i = 1; i <= count; i++)
		argv[i] = va_arg(list, char *);
}

#define LIST_TO_ARGV(argv, first)                             \
	va_list list;                                         \
	size_t count;                                         \
	char **argv;                                          \
                                                              \
	va_start(list, first);                                \
	count = list_count(list);                             \
	va_end(list);                                         \
	argv = __builtin_alloca((count + 1) * sizeof(*argv)); \
	va_start(list, first);                                \
	list_store(argv, first, count, list)

PP_HOOK int execl(const char *path, const char *first, ...)
{
	LIST_TO_ARGV(argv, first);
	va_end(list);
	return exec_path(path, argv, environ);
}

PP_HOOK int execlp(const char *file, const char *first, ...)
{
	LIST_TO_ARGV(argv, first);
	va_end(list);
	return exec_file(file, argv, environ);
}

PP_HOOK int execle(const char *path, const char *first, ...)
{
	char *const *envp;

	LIST_TO_ARGV(argv, first);
	envp = va_arg(list, char *const *);
	va_end(list);
	return exec_path(path, argv, envp);
}

/* --- spawn ---------------------------------------------------------------------------------------------------------- */

/* The child is announced when its process is known, and as one that is to be named before that, for its parent may be
 * killed in between. */
static int spawn_with(spawn_function *spawn, bool search, pid_t *pid_out, const char *file, const void *actions,
		      const void *attributes, char *const *argv, char *const *envp)
{
	struct pp_environment environment;
	char room[PATH_MAX];
	const char *path = file;
	int error = errno, result;
	int expected = 0;
	bool follow;
	pid_t pid;

	if (!look_is_due())
		return spawn(pid_out, file, actions, attributes, argv, envp);
	life_own();
	if (search)
		path = target_find(file, room, sizeof(room));
	follow = child_prepare(&environment, envp, path ? target_look(AT_FDCWD, path) : PP_TARGET_ABSENT);
	if (follow)
		expected = life_expect(true);
	errno = error;
	result = spawn(&pid, file, actions, attributes, argv, environment.entries);
	error = errno;
	if (result == 0) {
		if (follow)
			life_announce(pid);
		if (pid_out)
			*pid_out = pid;
	}
	if (expected)
		life_retract(expected);
	environment_drop(&environment);
	errno = error;
	return result;
}

PP_HOOK int posix_spawn(pid_t *pid, const char *path, const void *actions, const void *attributes, char *const argv[],
			char *const envp[])
{
	int result;

	life_init();
	sampler_spawn_begin();
	result = spawn_with(real.posix_spawn, false, pid, path, actions, attributes, argv, envp);
	sampler_spawn_end();
	return result;
}

PP_HOOK int posix_spawnp(pid_t *pid, const char *file, const void *actions, const void *attributes, char *const argv[],
			 char *const envp[])
{
	int result;

	life_init();
	sampler_spawn_begin();
	result = spawn_with(real.posix_spawnp, true, pid, file, actions, attributes, argv, envp);
	sampler_spawn_end();
	return result;
}

/* --- what libc executes by itself ------------------------------------------------------------------------------------ */

/* true: children are followed. */
static bool shell_prepare(void)
{
	int error = errno;
	enum pp_preload preload = PP_PRELOAD_BARE;
	bool follow, strip;

	life_init();
	follow = life_follows(&strip);
	if (follow) {
		preload = life_library_opens() ? PP_PRELOAD_OURS : PP_PRELOAD_OTHERS;
		target_note(PP_TARGET_PLAIN);
	}
	if (life_own() && (follow || strip))
		environment_ensure(preload);
	errno = error;
	return follow;
}

/* We wait inside: our own connection keeps the tree open, unless we are killed while the shell is being started. */
PP_HOOK int system(const char *command)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait;
	int result, expected = 0;

	if (!command)
		life_init();
	else if (shell_prepare())
		expected = life_expect(false);
	sampler_spawn_begin();
	wait = wait_begin(PP_IO_WAIT_CHILD, &registers);
	result = real.system(command);
	wait_tell(&wait, PP_IO_WAIT_CHILD, ERROR_OF_ERRNO);
	if (expected)
		life_retract(expected);
	sampler_spawn_end();
	return result;
}

#define SHELLS_LIMIT 16

/* At most so many shells are started for `words`, one after the other. */
static int shells_count(const char *words, int flags)
{
	int quotes = 0, count = 0;

	for (; words && !(flags & WRDE_NOCMD) && *words && count + quotes / 2 < SHELLS_LIMIT; words++) {
		count += words[0] == '$' && words[1] == '(';
		quotes += words[0] == '`';
	}
	return count + quotes / 2;
}

/* As for system; which of them is being started is not known. */
PP_HOOK int wordexp(const char *words, wordexp_t *result, int flags)
{
	int expected[SHELLS_LIMIT], found, error;
	int count = shell_prepare() ? shells_count(words, flags) : 0;

	for (int i = 0; i < count; i++)
		expected[i] = life_expect(false);
	sampler_spawn_begin();
	found = real.wordexp(words, result, flags);
	sampler_spawn_end();
	error = errno;
	for (int i = 0; i < count; i++) {
		if (expected[i])
			life_retract(expected[i]);
	}
	errno = error;
	return found;
}

PP_HOOK FILE *popen(const char *command, const char *mode)
{
	bool announced = shell_prepare() && life_announce(0);
	uint64_t began;
	FILE *stream;
	int error;

	sampler_spawn_begin();
	began = io_begin();
	stream = real.popen(command, mode);
	if (began) {
		struct pp_stream_call call = {.began = began};
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_fd_forget(stream_fd(stream), PP_IO_END_UNSEEN);
		stream_tell(&call, PP_IO_STDIO_POPEN, stream, 0, stream ? 0 : -1, &registers);
	}
	sampler_spawn_end();
	error = errno;
	if (!stream && announced)
		life_retract(0);
	errno = error;
	return stream;
}
