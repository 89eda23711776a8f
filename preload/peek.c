/* SPDX-License-Identifier: Apache-2.0 */
/* See peek.h. */
#include "peek.h"
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

static bool forbidden;

bool peek_forbidden(void)
{
	return __atomic_load_n(&forbidden, __ATOMIC_RELAXED);
}

size_t peek(void *to, uint64_t from, size_t size)
{
	struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
	long got;

	if (peek_forbidden())
		return 0;
	/* By the thread: the process goes by its first one, which has no memory any more once it has ended before the others. */
	got = RAW_CALL(SYS_process_vm_readv, raw_gettid(), &here, 1, &there, 1, 0);
	return got < 0 ? 0 : (size_t)got;
}

void peek_forbid(void)
{
	__atomic_store_n(&forbidden, true, __ATOMIC_RELAXED);
}

/* In a copy of our memory. One that shared it would take us along: where a filter kills, the kernel prepares for a core file
 * first, and until 5.16 that ended all processes with the same memory. A limit of 1 stops the file, and a handler that takes
 * them all (do_coredump in fs/coredump.c). */
__attribute__((noreturn)) static void trial(void)
{
	struct rlimit limit;
	uint64_t word = 0, copy;

	if (RAW_CALL(SYS_prlimit64, 0, RLIMIT_CORE, 0, &limit) == 0 && limit.rlim_max) {
		limit.rlim_cur = 1;
		RAW_CALL(SYS_prlimit64, 0, RLIMIT_CORE, &limit, 0);
	}
	RAW_CALL(SYS_exit_group, peek(&copy, (uint64_t)(uintptr_t)&word, sizeof(copy)) == sizeof(copy) ? 0 : 1);
	__builtin_unreachable();
}

/* With no exit signal: no wait call of the program's sees the process, and it is reaped here. */
static bool trial_passes(void)
{
	uint64_t all = ~UINT64_C(0), old;
	int status = -1;
	long pid;

	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	pid = RAW_CALL(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		trial();
	while (pid > 0 && RAW_CALL(SYS_wait4, pid, &status, __WALL, 0) == -EINTR)
		;
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	return pid > 0 && status == 0;
}

void peek_init(void)
{
	if (RAW_CALL(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != 0 && !trial_passes())
		peek_forbid();
}
