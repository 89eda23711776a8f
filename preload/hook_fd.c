/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our descriptors among the program's: to it they are numbers that nobody has opened. Closing or duplicating one fails
 * with EBADF, closing a range steps around it, and a program that wants its number (dup2) gets it: ours moves first.
 * Any thread, handlers and vfork children too. A listing of /proc/self/fd does show them.
 *
 * The same calls end a descriptor's life or begin it for the io family: told like its other calls (io.h), which do
 * without looking where nothing of ours is meant. The number is forgotten before the real call: afterwards it may be
 * another thread's already.
 */
#include "io.h"
#include "life.h"
#include "raw.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <unistd.h>

#define OURS 4

static struct {
	int (*close)(int);
	int (*close_range)(unsigned int, unsigned int, int);
	void (*closefrom)(int);
	int (*dup)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
} real;

void hook_fd_init(void)
{
	real.close_range = resolve_next("close_range");
	real.closefrom = resolve_next("closefrom");
	real.dup = resolve_next("dup");
	real.dup2 = resolve_next("dup2");
	real.dup3 = resolve_next("dup3");
	__atomic_store_n(&real.close, (int (*)(int))resolve_next("close"), __ATOMIC_RELEASE);
}

static inline bool owns(int fd)
{
	const struct pp_session *session = &pp_session;

	return pp_unlikely(fd >= 0 && (fd == session->pipe_write || fd == session->pipe_read || fd == session->memory ||
				       fd == session->control));
}

static int refuse(void)
{
	errno = EBADF;
	return -1;
}

static inline void ready(void)
{
	if (pp_unlikely(!__atomic_load_n(&real.close, __ATOMIC_ACQUIRE)))
		life_init();
}

PP_HOOK int close(int fd)
{
	uint64_t began, file;
	int result;

	if (owns(fd))
		return refuse();
	if (pp_unlikely(!real.close)) {
		life_init();
		if (!real.close) /* from within our own look-ups */
			return raw_close(fd) < 0 ? refuse() : 0;
	}
	began = io_begin();
	file = io_fd_take(fd, PP_IO_END_CLOSED);
	result = real.close(fd);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_file(began, PP_IO_CLOSE, file, result, &registers);
	}
	return result;
}

PP_HOOK int dup(int fd)
{
	uint64_t began;
	int result;

	ready();
	if (owns(fd))
		return refuse();
	began = io_begin();
	result = real.dup(fd);
	io_fd_forget(result, PP_IO_END_UNSEEN);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_made(began, PP_IO_DUP, fd, &result, 1, PP_IO_DUPLICATED, result, &registers);
	}
	return result;
}

/* Makes way at `wanted` if `fd` can be duplicated there. In a vfork child the numbers are its parent's: ours there are
 * copies that are of no use to it. */
static void make_way(int fd, int wanted)
{
	int error = errno;

	if (owns(wanted) && !pp_session.sealed && RAW_CALL(SYS_fcntl, fd, F_GETFD) >= 0 && life_own())
		session_move_descriptor(wanted);
	errno = error;
}

PP_HOOK int dup2(int fd, int wanted)
{
	uint64_t began;
	int result;

	ready();
	if (owns(fd))
		return refuse();
	if (owns(wanted))
		make_way(fd, wanted);
	began = io_begin();
	if (fd != wanted)
		io_fd_forget(wanted, PP_IO_END_REPLACED);
	result = real.dup2(fd, wanted);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_made(began, PP_IO_DUP, fd, &result, fd != wanted, PP_IO_DUPLICATED, result, &registers);
	}
	return result;
}

PP_HOOK int dup3(int fd, int wanted, int flags)
{
	uint64_t began;
	int result;

	ready();
	if (owns(fd) && fd != wanted)
		return refuse();
	if (owns(wanted) && fd != wanted && !(flags & ~O_CLOEXEC))
		make_way(fd, wanted);
	began = io_begin();
	if (fd != wanted)
		io_fd_forget(wanted, PP_IO_END_REPLACED);
	result = real.dup3(fd, wanted, flags);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_made(began, PP_IO_DUP, fd, &result, fd != wanted, PP_IO_DUPLICATED, result, &registers);
	}
	return result;
}

/* Ours within [first, last], ascending. */
static size_t ours_between(unsigned int first, unsigned int last, unsigned int *found)
{
	const int all[OURS] = {pp_session.pipe_write, pp_session.pipe_read, pp_session.memory, pp_session.control};
	size_t count = 0;

	for (size_t i = 0; i < OURS; i++) {
		unsigned int fd = (unsigned int)all[i];
		size_t at = count;

		if (all[i] < 0 || fd < first || fd > last)
			continue;
		for (; at > 0 && found[at - 1] > fd; at--)
			found[at] = found[at - 1];
		found[at] = fd;
		count++;
	}
	return count;
}

PP_HOOK int close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int ours[OURS];
	size_t count;

	ready();
	if (!(flags & CLOSE_RANGE_CLOEXEC))
		io_fd_forget_range(first, last);
	count = ours_between(first, last, ours);
	/* Ours are close-on-exec anyway. */
	if (!count || first > last || flags & CLOSE_RANGE_CLOEXEC || flags & ~CLOSE_RANGE_UNSHARE)
		return real.close_range(first, last, flags);
	for (size_t i = 0; i < count; i++) {
		if (first < ours[i] && real.close_range(first, ours[i] - 1, flags) != 0)
			return -1;
		first = ours[i] + 1;
	}
	if (first <= last && first != 0)
		return real.close_range(first, last, flags);
	return 0;
}

PP_HOOK void closefrom(int lowest)
{
	unsigned int ours[OURS], first = lowest < 0 ? 0 : (unsigned int)lowest;
	int error = errno;
	size_t count;

	ready();
	io_fd_forget_range(first, INT_MAX);
	count = ours_between(first, INT_MAX, ours);
	for (size_t i = 0; i < count; i++) {
		if (first < ours[i] && real.close_range(first, ours[i] - 1, 0) != 0) {
			for (unsigned int fd = first; fd < ours[i]; fd++)
				raw_close((int)fd);
		}
		first = ours[i] + 1;
	}
	errno = error;
	real.closefrom((int)first);
}
