/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for descriptors, time, signals, children and messages: who waits where, how long and for what (wait.h). Waits for
 * other threads are in hook_sync.c and hook_thread.c, sigwait's family in hook_signal.c, locks on files in hook_meta.c.
 *
 * All are cancellation points, and most are legal in a handler. A call that was told not to wait (a timeout of 0) is
 * counted as well: how often a program looks is worth knowing.
 */
#include "life.h"
#include "resolve.h"
#include "wait.h"

#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* Names that libc has beside those of its headers. */
int __poll(struct pollfd *fds, nfds_t count, int timeout);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t space);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t space);
int __select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);
int __nanosleep(const struct timespec *time, struct timespec *left);
int __sigsuspend(const sigset_t *mask);
int __sigpause(int number, int is_signal);
/* The header gives this name to X/Open's, of the same name there: */
int __xpg_sigpause(int number);
int pp_bsd_sigpause(int mask) __asm__("sigpause");
pid_t __wait(int *status);
pid_t __waitpid(pid_t pid, int *status, int options);

#define FUNCTIONS(X)                                                                                                   \
	X(poll) X(__poll) X(__poll_chk) X(ppoll) X(__ppoll_chk) X(select) X(__select) X(pselect) X(epoll_wait)         \
	X(epoll_pwait) X(epoll_pwait2) X(nanosleep) X(__nanosleep) X(clock_nanosleep) X(usleep) X(sleep) X(thrd_sleep) \
	X(pause) X(sigsuspend) X(__sigsuspend) X(__sigpause) X(__xpg_sigpause) X(wait) X(__wait)           \
	X(waitpid) X(__waitpid) X(wait3) X(wait4) X(waitid) X(semop) X(semtimedop) X(msgsnd) X(msgrcv) X(mq_send)      \
	X(mq_timedsend) X(mq_receive) X(mq_timedreceive)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
	int (*pp_bsd_sigpause)(int);
} real;

void hook_wait_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
	real.pp_bsd_sigpause = (int (*)(int))resolve_next("sigpause");
}

/* All were found at the start; for a constructor that comes before ours they are found one by one. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

/* --- descriptors ----------------------------------------------------------------------------------------------------- */

WAIT_HOOK(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout), PP_IO_POLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, __poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout), PP_IO_POLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, __poll_chk, (struct pollfd *fds, nfds_t count, int timeout, size_t space), (fds, count, timeout, space),
	  PP_IO_POLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
	  (fds, count, timeout, mask), PP_IO_POLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, __ppoll_chk,
	  (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t space),
	  (fds, count, timeout, mask, space), PP_IO_POLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, select, (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout),
	  (count, read, write, except, timeout), PP_IO_SELECT, ERROR_OF_ERRNO)
WAIT_HOOK(int, __select, (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout),
	  (count, read, write, except, timeout), PP_IO_SELECT, ERROR_OF_ERRNO)
WAIT_HOOK(int, pselect,
	  (int count, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout, const sigset_t *mask),
	  (count, read, write, except, timeout, mask), PP_IO_SELECT, ERROR_OF_ERRNO)
WAIT_HOOK(int, epoll_wait, (int fd, struct epoll_event *events, int count, int timeout), (fd, events, count, timeout),
	  PP_IO_EPOLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, epoll_pwait, (int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask),
	  (fd, events, count, timeout, mask), PP_IO_EPOLL, ERROR_OF_ERRNO)
WAIT_HOOK(int, epoll_pwait2,
	  (int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask),
	  (fd, events, count, timeout, mask), PP_IO_EPOLL, ERROR_OF_ERRNO)

/* --- time ------------------------------------------------------------------------------------------------------------ */

WAIT_HOOK(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left), PP_IO_SLEEP, ERROR_OF_ERRNO)
WAIT_HOOK(int, __nanosleep, (const struct timespec *time, struct timespec *left), (time, left), PP_IO_SLEEP,
	  ERROR_OF_ERRNO)
WAIT_HOOK(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
	  (clock, flags, time, left), PP_IO_SLEEP, ERROR_RETURNED)
WAIT_HOOK(int, usleep, (useconds_t time), (time), PP_IO_SLEEP, ERROR_OF_ERRNO)
WAIT_HOOK(unsigned int, sleep, (unsigned int time), (time), PP_IO_SLEEP, result ? EINTR : 0)
WAIT_HOOK(int, thrd_sleep, (const struct timespec *time, struct timespec *left), (time, left), PP_IO_SLEEP,
	  result == -1 ? EINTR : result ? EINVAL : 0)

/* --- signals: these end by being interrupted --------------------------------------------------------------------------- */

WAIT_HOOK(int, pause, (void), (), PP_IO_PAUSE, ERROR_OF_ERRNO)
WAIT_HOOK(int, sigsuspend, (const sigset_t *mask), (mask), PP_IO_PAUSE, ERROR_OF_ERRNO)
WAIT_HOOK(int, __sigsuspend, (const sigset_t *mask), (mask), PP_IO_PAUSE, ERROR_OF_ERRNO)
WAIT_HOOK(int, pp_bsd_sigpause, (int mask), (mask), PP_IO_PAUSE, ERROR_OF_ERRNO)
WAIT_HOOK(int, __sigpause, (int number, int is_signal), (number, is_signal), PP_IO_PAUSE, ERROR_OF_ERRNO)
WAIT_HOOK(int, __xpg_sigpause, (int number), (number), PP_IO_PAUSE, ERROR_OF_ERRNO)

/* --- children -------------------------------------------------------------------------------------------------------- */

WAIT_HOOK(pid_t, wait, (int *status), (status), PP_IO_WAIT_CHILD, ERROR_OF_ERRNO)
WAIT_HOOK(pid_t, __wait, (int *status), (status), PP_IO_WAIT_CHILD, ERROR_OF_ERRNO)
WAIT_HOOK(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), PP_IO_WAIT_CHILD, ERROR_OF_ERRNO)
WAIT_HOOK(pid_t, __waitpid, (pid_t pid, int *status, int options), (pid, status, options), PP_IO_WAIT_CHILD,
	  ERROR_OF_ERRNO)
WAIT_HOOK(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage), PP_IO_WAIT_CHILD,
	  ERROR_OF_ERRNO)
WAIT_HOOK(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage),
	  PP_IO_WAIT_CHILD, ERROR_OF_ERRNO)
WAIT_HOOK(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options),
	  PP_IO_WAIT_CHILD, ERROR_OF_ERRNO)

/* --- messages -------------------------------------------------------------------------------------------------------- */

WAIT_HOOK(int, semop, (int set, struct sembuf *operations, size_t count), (set, operations, count), PP_IO_MESSAGE,
	  ERROR_OF_ERRNO)
WAIT_HOOK(int, semtimedop, (int set, struct sembuf *operations, size_t count, const struct timespec *timeout),
	  (set, operations, count, timeout), PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(int, msgsnd, (int queue, const void *message, size_t size, int flags), (queue, message, size, flags),
	  PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags),
	  (queue, message, size, type, flags), PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(int, mq_send, (mqd_t queue, const char *message, size_t size, unsigned int priority),
	  (queue, message, size, priority), PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(int, mq_timedsend,
	  (mqd_t queue, const char *message, size_t size, unsigned int priority, const struct timespec *until),
	  (queue, message, size, priority, until), PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(ssize_t, mq_receive, (mqd_t queue, char *message, size_t size, unsigned int *priority),
	  (queue, message, size, priority), PP_IO_MESSAGE, ERROR_OF_ERRNO)
WAIT_HOOK(ssize_t, mq_timedreceive,
	  (mqd_t queue, char *message, size_t size, unsigned int *priority, const struct timespec *until),
	  (queue, message, size, priority, until), PP_IO_MESSAGE, ERROR_OF_ERRNO)
