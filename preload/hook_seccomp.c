/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that give up system calls. A filter may kill for what it forbids, and some of that is ours. So the filter is
 * asked beforehand (seccomp_filter.h), for each call that we would make: if one that the running session needs is not
 * allowed, profiling of this process ends in good order before the filter is there, and not one of our system calls
 * follows. If only those that a new process needs are missing, the session goes on and children run bare.
 *
 * Seen are prctl and whatever goes through libc's syscall (libseccomp does); an inlined system call is not. The same
 * hook brings closes made by syscall to where close is hooked: there ours are stepped around.
 */
#include "hook_seccomp.h"
#include "host.h"
#include "peek.h"
#include "raw.h"
#include "resolve.h"
#include "seccomp_filter.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* One of our calls, as a filter sees it. */
struct call {
	int number;
	long arguments[4];
};

enum verdict {
	VERDICT_KILL,
	VERDICT_FAIL, /* the call is answered by an error */
	VERDICT_ALLOW,
};

static enum verdict call_judge(const struct sock_fprog *filter, const struct call *call)
{
	struct seccomp_data seen = { .nr = call->number, .arch = OUR_ARCHITECTURE };

	for (size_t i = 0; i < 4; i++)
		seen.args[i] = (uint64_t)call->arguments[i];
	switch (filter_run(filter->filter, filter->len, &seen) & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return VERDICT_ALLOW;
	case SECCOMP_RET_ERRNO:
		return VERDICT_FAIL;
	default:
		return VERDICT_KILL;
	}
}

static bool calls_pass(const struct sock_fprog *filter, const struct call *calls, size_t count, enum verdict least)
{
	for (size_t i = 0; i < count; i++) {
		if (call_judge(filter, &calls[i]) < least)
			return false;
	}
	return true;
}

#define PASS(filter, calls, least) calls_pass(filter, calls, sizeof(calls) / sizeof((calls)[0]), least)

/* What hooks, threads and ticks cannot do without, and what they do without. */
static bool running_passes(const struct sock_fprog *filter)
{
	const struct call needed[] = {
		{ SYS_write, { pp_session.pipe_write, 0, 4096 } },
#if defined(__x86_64__)
		{ SYS_fstat, { pp_session.pipe_write } },
#else
		{ SYS_newfstatat, { pp_session.pipe_write } },
#endif
		{ SYS_mmap, { 0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED } },
		{ SYS_mmap, { 0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS } },
		{ SYS_munmap, { 0 } },
		{ SYS_madvise, { 0, 4096, MADV_WIPEONFORK } },
		{ SYS_ppoll, { 0, 2 } },
		{ SYS_clock_gettime, { CLOCK_THREAD_CPUTIME_ID } },
		{ SYS_getpid, { 0 } },
		{ SYS_gettid, { 0 } },
		{ SYS_rt_sigprocmask, { SIG_SETMASK } },
		{ SYS_rt_sigaction, { SIGRTMAX } },
		{ SYS_rt_sigreturn, { 0 } },
	};
	const struct call useful[] = {
		{ SYS_sendmsg, { pp_session.control, 0, MSG_NOSIGNAL } },
		{ SYS_recvfrom, { pp_session.control } },
		{ SYS_getrusage, { RUSAGE_SELF } },
		{ SYS_timer_create, { CLOCK_THREAD_CPUTIME_ID } },
		{ SYS_timer_settime, { 0 } },
		{ SYS_timer_delete, { 0 } },
		{ SYS_rt_sigtimedwait, { 0 } },
		{ SYS_rt_tgsigqueueinfo, { 0 } },
		{ SYS_rt_sigqueueinfo, { 0 } },
		{ SYS_sigaltstack, { 0 } },
		{ SYS_tgkill, { pp_session.pid } },
		{ SYS_nanosleep, { 0 } },
		{ SYS_sched_yield, { 0 } },
		{ SYS_prctl, { PR_GET_NAME } },
		{ SYS_prlimit64, { 0, RLIMIT_NOFILE } },
		{ SYS_fcntl, { pp_session.pipe_write, F_DUPFD_CLOEXEC } },
		{ SYS_close, { pp_session.pipe_write } },
		{ SYS_pidfd_open, { pp_session.pid } },
	};

	return PASS(filter, needed, VERDICT_ALLOW) && PASS(filter, useful, VERDICT_FAIL);
}

/* What asks for the names and places of descriptors and for the kernel's own counts. */
static bool naming_passes(const struct sock_fprog *filter)
{
	static const struct call useful[] = {
#if defined(__x86_64__)
		{ SYS_fstat, { 3 } },
#else
		{ SYS_newfstatat, { 3 } },
#endif
		{ SYS_fcntl, { 3, F_GETFL } },
		{ SYS_lseek, { 3, 0, SEEK_CUR } },
		{ SYS_readlinkat, { AT_FDCWD } },
		{ SYS_getsockname, { 3 } },
		{ SYS_getpeername, { 3 } },
		{ SYS_getsockopt, { 3, SOL_SOCKET, SO_TYPE } },
		{ SYS_openat, { AT_FDCWD, 0, O_RDONLY | O_CLOEXEC } },
		{ SYS_read, { 3 } },
		{ SYS_close, { 3 } },
	};

	return PASS(filter, useful, VERDICT_FAIL);
}

/* What a new process needs to join. */
static bool joining_passes(const struct sock_fprog *filter)
{
	static const struct call needed[] = {
		{ SYS_socket, { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC } },
		{ SYS_connect, { 3 } },
		{ SYS_setsockopt, { 3, SOL_SOCKET, SO_SNDTIMEO } },
		{ SYS_getsockopt, { 3, SOL_SOCKET, SO_PEERCRED } },
		{ SYS_sendmsg, { 1000, 0, MSG_NOSIGNAL } },
		{ SYS_fcntl, { 3, F_DUPFD_CLOEXEC, 1000 } },
		{ SYS_fcntl, { 3, F_ADD_SEALS } },
		{ SYS_close, { 3 } },
		{ SYS_memfd_create, { 0 } },
		{ SYS_ftruncate, { 1000 } },
		{ SYS_pipe2, { 0, O_CLOEXEC | O_NONBLOCK } },
		{ SYS_getrandom, { 0 } },
		{ SYS_openat, { AT_FDCWD, 0, O_RDONLY | O_CLOEXEC } },
		{ SYS_read, { 3 } },
		{ SYS_readlinkat, { AT_FDCWD } },
		{ SYS_uname, { 0 } },
		{ SYS_getppid, { 0 } },
		{ SYS_geteuid, { 0 } },
		{ SYS_prlimit64, { 0, RLIMIT_NOFILE } },
		{ SYS_timer_create, { CLOCK_THREAD_CPUTIME_ID } },
	};
	static const struct call useful[] = {
		{ SYS_pidfd_open, { 1 } },
		{ SYS_clock_gettime, { CLOCK_REALTIME } },
		/* See peek_init. */
		{ SYS_prctl, { PR_GET_SECCOMP } },
		{ SYS_clone, { 0 } },
		{ SYS_wait4, { 1 } },
		{ SYS_prlimit64, { 0, RLIMIT_CORE } },
		{ SYS_exit_group, { 0 } },
	};

	return PASS(filter, needed, VERDICT_ALLOW) && PASS(filter, useful, VERDICT_FAIL);
}

/* The program's own structures, as the kernel would read them: a wrong address is an error, not a fault. They are this
 * thread's arguments, which stay while it is here. */
static bool memory_copy(void *to, const void *from, size_t size)
{
	const uint8_t *first = from, *last = first + size - 1;

	for (const uint8_t *at = first; at < last; at += 4096) {
		if (!raw_readable(at))
			return false;
	}
	if (last < first || !raw_readable(last))
		return false;
	memcpy(to, from, size);
	return true;
}

/* See peek.h. By any thread. */
static bool peeking_passes(const struct sock_fprog *filter)
{
	const struct call needed[] = {
		{ SYS_process_vm_readv, { pp_session.pid } },
		{ SYS_process_vm_readv, { pp_session.pid + 1 } },
	};

	return PASS(filter, needed, VERDICT_ALLOW);
}

static void filter_look(const void *given)
{
	struct sock_fprog filter;
	struct sock_filter *steps;
	size_t size;

	if (!memory_copy(&filter, given, sizeof(filter)) || !filter.len || filter.len > BPF_MAXINSNS)
		return; /* the kernel will refuse it */
	size = filter.len * sizeof(*steps);
	steps = raw_map(size);
	if (!steps)
		return;
	if (memory_copy(steps, filter.filter, size)) {
		filter.filter = steps;
		if (!running_passes(&filter))
			session_seal("it installed a seccomp filter that forbids what preprof needs");
		else if (!joining_passes(&filter))
			session_children_bare();
		if (!naming_passes(&filter))
			pp_session.io_blind = 1;
		if (!peeking_passes(&filter))
			peek_forbid();
	}
	raw_unmap(steps, size);
}

static void seccomp_look(bool strict, const void *filter)
{
	int error = errno;

	/* A vfork child's filter is its own. */
	if (raw_getpid() == pp_session.pid && (pp_session.state == PP_STATE_ON || pp_session.state == PP_STATE_WAITING)) {
		if (strict)
			session_seal("it entered seccomp's strict mode");
		else
			filter_look(filter);
	}
	errno = error;
}

void seccomp_prctl(int option, unsigned long first, unsigned long second)
{
	if (option == PR_SET_SECCOMP && !pp_session.sealed)
		seccomp_look(first == SECCOMP_MODE_STRICT, (const void *)second);
	if (option == PR_SET_TSC && first == PR_TSC_SIGSEGV && !pp_session.sealed)
		session_seal("it forbade itself the time stamp counter");
}

/* --- syscall -------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

void *pp_real_syscall __attribute__((visibility("hidden")));

static long close_numbered(long number, int fd)
{
	(void)number;
	return close(fd);
}

static long close_range_numbered(long number, unsigned int first, unsigned int last, int flags)
{
	(void)number;
	return close_range(first, last, flags);
}

/* Locks of other languages' runtimes, and C++'s waits for atomic values. */
static long futex_numbered(long number, unsigned int *word, int operation, unsigned int value, const void *timeout,
			   unsigned int *other, unsigned int last)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait = {0};
	long result;

	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI:
		wait = wait_begin(PP_IO_FUTEX, &registers);
	}
	result = ((long (*)(long, ...))pp_real_syscall)(number, word, operation, value, timeout, other, last);
	wait_tell(&wait, PP_IO_FUTEX, result < 0 ? errno : 0);
	return result;
}

/* Where to jump. */
__attribute__((used)) static void *syscall_pass(long number, unsigned long first, unsigned long second,
						unsigned long third)
{
	if (!__atomic_load_n(&pp_real_syscall, __ATOMIC_ACQUIRE))
		__atomic_store_n(&pp_real_syscall, resolve_next("syscall"), __ATOMIC_RELEASE);
	switch (number) {
	case SYS_close:
		return close_numbered;
	case SYS_close_range:
		return close_range_numbered;
	case SYS_futex:
		return futex_numbered;
	case SYS_io_uring_setup:
		if (pp_session.header)
			__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_IO_URING, __ATOMIC_RELAXED);
		break;
	case SYS_prctl:
		seccomp_prctl((int)first, second, third);
		break;
	case SYS_seccomp:
		/* With flags it is libseccomp's question whether there is such a call. */
		if (!pp_session.sealed && (first == SECCOMP_SET_MODE_FILTER || (!first && !second && !third)))
			seccomp_look(first == SECCOMP_SET_MODE_STRICT, (const void *)third);
		break;
	}
	return pp_real_syscall;
}

/* Many a lock is a futex called so: what is of no interest costs seven comparisons. A child that shares our stack
 * (SYS_vfork) must find no frame of ours on it: so this one jumps. */
PP_EXPORT __attribute__((naked)) long syscall(long number __attribute__((unused)), ...)
{
	__asm__("cmp $3, %rdi\n\t"
		"je 1f\n\t"
		"cmp $157, %rdi\n\t"
		"je 1f\n\t"
		"cmp $317, %rdi\n\t"
		"je 1f\n\t"
		"cmp $202, %rdi\n\t"
		"je 1f\n\t"
		"cmp $425, %rdi\n\t"
		"je 1f\n\t"
		"cmp $436, %rdi\n\t"
		"je 1f\n\t"
		"mov pp_real_syscall(%rip), %rax\n\t"
		"test %rax, %rax\n\t"
		"je 1f\n\t"
		"jmp *%rax\n"
		"1:\n\t"
		"push %rdi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %rsi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %rdx\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %rcx\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %r8\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %r9\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"sub $8, %rsp\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"call syscall_pass\n\t"
		"add $8, %rsp\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %r9\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %r8\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rcx\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rdx\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rsi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rdi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"jmp *%rax");
}

_Static_assert(SYS_close == 3 && SYS_prctl == 157 && SYS_seccomp == 317 && SYS_close_range == 436 && SYS_futex == 202 &&
		       SYS_io_uring_setup == 425,
	       "as written above");

#endif
