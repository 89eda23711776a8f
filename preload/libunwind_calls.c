/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that the bundled libunwind makes in place of libc's (scripts/bootstrap renames them in its
 * archive). Called by libunwind only, from wherever it runs: any thread, a signal handler under the
 * guards of stack_libunwind.c.
 *
 * Two reasons. What preprof hooks must not be called from inside a hook: these go to the kernel
 * directly. And libunwind checks addresses by writing them into a pipe of its own, two descriptors
 * that the program never opened, could close, and could get confused by: here it gets no pipe, and its
 * question is answered by the kernel without one.
 */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define KERNEL_SIGSET_BYTES 8

int pp_libunwind_open(const char *path, int flags, ...);
int pp_libunwind_close(int fd);
ssize_t pp_libunwind_read(int fd, void *buffer, size_t size);
void *pp_libunwind_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int pp_libunwind_munmap(void *address, size_t size);
int pp_libunwind_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int pp_libunwind_pipe2(int fds[2], int flags);
long pp_libunwind_syscall(long number, ...);
void *pp_libunwind_malloc(size_t size);
void pp_libunwind_free(void *block);
int pp_libunwind_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);

/* For reading only, whatever the flags: libunwind creates no files. */
int pp_libunwind_open(const char *path, int flags, ...)
{
	(void)flags;
	return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

int pp_libunwind_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

/* Of its pipe, which does not exist: "empty", so that libunwind does not try to open it again. */
ssize_t pp_libunwind_read(int fd, void *buffer, size_t size)
{
	if (fd < 0) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_read, fd, buffer, size);
}

void *pp_libunwind_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int pp_libunwind_munmap(void *address, size_t size)
{
	return (int)syscall(SYS_munmap, address, size);
}

int pp_libunwind_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)syscall(SYS_rt_sigprocmask, how, set, old, KERNEL_SIGSET_BYTES);
}

int pp_libunwind_pipe2(int fds[2], int flags)
{
	(void)fds;
	(void)flags;
	errno = ENFILE;
	return -1;
}

/*
 * libunwind's only use: write(pipe, page, 1), to learn whether a page can be read. rt_sigprocmask with
 * an operation that does not exist asks the same without a descriptor: the kernel copies the set in
 * first (EFAULT) and then refuses (EINVAL). It changes nothing, and no sandbox forbids it.
 */
long pp_libunwind_syscall(long number, ...)
{
	va_list arguments;
	const void *page;

	if (number != SYS_write) {
		errno = ENOSYS;
		return -1;
	}
	va_start(arguments, number);
	(void)va_arg(arguments, int);
	page = va_arg(arguments, const void *);
	va_end(arguments);
	syscall(SYS_rt_sigprocmask, -1, page, NULL, KERNEL_SIGSET_BYTES);
	if (errno != EINVAL)
		return -1;
	errno = 0;
	return 1;
}

/* Wanted for looking into another root directory's files, which never happens here. */
void *pp_libunwind_malloc(size_t size)
{
	(void)size;
	errno = ENOMEM;
	return NULL;
}

void pp_libunwind_free(void *block)
{
	(void)block;
}

/* Of all objects libunwind (1.6.2, Gfind_proc_info-lsb.c) wants the one that holds an address, the first word of its
 * callback's data. libc's function would take the loader's lock to show them all: another thread in it delays us, and
 * one that was in it at a fork leaves it locked for ever in the child. This one takes no lock. */
int pp_libunwind_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	uint64_t address = *(const uint64_t *)data;
	struct pp_object object;
	struct dl_phdr_info shown = { 0 };

	if (!object_find(address, &object) || !object_segments_read(&object))
		return 0;
	shown.dlpi_addr = object.bias;
	shown.dlpi_name = object.map->l_name;
	shown.dlpi_phdr = object.segments;
	shown.dlpi_phnum = (ElfW(Half))object.segment_count;
	return callback(&shown, sizeof(shown), data);
}
