/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of no file, pipe or socket: those of events, timers, watches, processes and memory, and what is opened by other
 * names than paths. Only their lives are told: the calls that make them move nothing, and what waits on them is hook_wait.c's.
 * signalfd is hook_signal.c's, which hides our signals from it. Any thread; errno is the real call's.
 */
#include "io.h"
#include "life.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>

#define FUNCTIONS(X)                                                                                                   \
	X(eventfd) X(timerfd_create) X(epoll_create) X(epoll_create1) X(inotify_init) X(inotify_init1) X(fanotify_init)        \
	X(memfd_create) X(pidfd_open) X(pidfd_getfd) X(shm_open) X(posix_openpt) X(getpt) X(open_by_handle_at)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_special_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* Before the start they are found one by one; a libc that is older than one of them has none. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}

#define SPECIAL_HOOK(name, parameters, arguments, origin)                                                              \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		__typeof__(name) *function =                                                                           \
			pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name);   \
		uint64_t began = io_begin();                                                                           \
		int result;                                                                                            \
                                                                                                                       \
		if (pp_unlikely(!function)) {                                                                          \
			errno = ENOSYS;                                                                                \
			return -1;                                                                                     \
		}                                                                                                      \
		result = function arguments;                                                                           \
		if (result < 0)                                                                                        \
			return result;                                                                                 \
		io_fd_forget(result, PP_IO_END_UNSEEN);                                                                \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_life(began, origin, result, &registers);                                               \
		}                                                                                                      \
		return result;                                                                                         \
	}

SPECIAL_HOOK(eventfd, (unsigned int value, int flags), (value, flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(timerfd_create, (clockid_t clock, int flags), (clock, flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(epoll_create, (int size), (size), PP_IO_MADE_OTHER)
SPECIAL_HOOK(epoll_create1, (int flags), (flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(inotify_init, (void), (), PP_IO_MADE_OTHER)
SPECIAL_HOOK(inotify_init1, (int flags), (flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(fanotify_init, (unsigned int flags, unsigned int event_flags), (flags, event_flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(memfd_create, (const char *name, unsigned int flags), (name, flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(pidfd_open, (pid_t pid, unsigned int flags), (pid, flags), PP_IO_MADE_OTHER)
SPECIAL_HOOK(pidfd_getfd, (int process, int fd, unsigned int flags), (process, fd, flags), PP_IO_RECEIVED)
SPECIAL_HOOK(shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode), PP_IO_OPENED)
SPECIAL_HOOK(posix_openpt, (int flags), (flags), PP_IO_OPENED)
SPECIAL_HOOK(getpt, (void), (), PP_IO_OPENED)
SPECIAL_HOOK(open_by_handle_at, (int mount, struct file_handle *handle, int flags), (mount, handle, flags), PP_IO_OPENED)
