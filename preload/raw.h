/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls made directly: they are not hooked, do not touch errno, and are legal in any context, a signal handler
 * and the child of vfork included. Results are the kernel's: -errno on failure.
 */
#ifndef PREPROF_RAW_H
#define PREPROF_RAW_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "raw.h: this processor's system call instruction is not here yet"
#endif

#define RAW_CALL(number, ...) RAW_CALL_(number, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define RAW_CALL_(number, a, b, c, d, e, f, ...)                                                                       \
	raw_syscall((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int raw_getpid(void)
{
	return (int)RAW_CALL(SYS_getpid);
}

static inline int raw_gettid(void)
{
	return (int)RAW_CALL(SYS_gettid);
}

static inline int raw_close(int fd)
{
	return (int)RAW_CALL(SYS_close, fd);
}

/* Could the kernel read or write here? What a program hands to a system call may be a wrong address, which is an error
 * there and would be a fault here. Setting a signal mask reads it first (EFAULT) and then refuses (EINVAL); asking for
 * one writes it. No sandbox forbids either. Of the aligned word that `address` lies in; writing changes it. The kernel
 * takes NULL for no set at all, and would say nothing of it. */
static inline bool raw_readable(const void *address)
{
	return (uintptr_t)address >= 4096 && RAW_CALL(SYS_rt_sigprocmask, -1, (uintptr_t)address & ~(uintptr_t)7, 0, 8) != -14;
}

static inline bool raw_writable(void *address)
{
	return (uintptr_t)address >= 4096 && RAW_CALL(SYS_rt_sigprocmask, 0, 0, (uintptr_t)address & ~(uintptr_t)7, 8) != -14;
}

/* No handler of the program's comes in between, so that none can jump out; the mask before. Faults stay open: blocked, they
 * would kill without a handler. */
static inline uint64_t raw_signals_block(void)
{
	const uint64_t all =
		~(UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1) | UINT64_C(1) << (SIGILL - 1) |
		  UINT64_C(1) << (SIGFPE - 1) | UINT64_C(1) << (SIGTRAP - 1));
	uint64_t before = 0;

	RAW_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof(all));
	return before;
}

static inline void raw_signals_restore(uint64_t before)
{
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof(before));
}

struct stat;
/* 0 or -errno. */
int raw_fstat(int fd, struct stat *status);

/* Anonymous private memory; NULL on failure. */
void *raw_map(size_t size);
void raw_unmap(void *address, size_t size);
/* Where to keep account of what is mapped so, from now on; NULL: nowhere, and the account begins anew. */
void raw_mapped_show(uint64_t *bytes);

/* The whole of a small file (or its first `space` bytes); bytes read, -errno on failure. Handles EINTR and short reads. */
long raw_read_file(const char *path, void *buffer, size_t space);

#endif
