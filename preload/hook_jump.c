/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longjmp family, for one case: a handler of the program's that interrupted a hook jumps out of it, as shells and
 * interpreters do at ^C. The hook will not go on then. Unless we notice, its guard stays up, and all that the thread does
 * from then on is taken for the handler's.
 *
 * Any context in which the program may jump; nothing is changed for it.
 */
#include "host.h"
#include "life.h"
#include "raw.h"
#include "resolve.h"
#include "thread_internal.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

/* What fortified programs call; no header declares it without fortification. */
void __longjmp_chk(struct __jmp_buf_tag environment[1], int value) __attribute__((noreturn));

#define FUNCTIONS(X) X(longjmp) X(_longjmp) X(siglongjmp) X(__longjmp_chk)

typedef void jump_function(struct __jmp_buf_tag environment[1], int value);

static struct {
#define FIELD(name) jump_function *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_jump_init(void)
{
#define RESOLVE(name) real.name = (jump_function *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* Where the stack will end; 0: not known. glibc: sysdeps/x86_64/jmpbuf-offsets.h, sysdeps/unix/sysv/linux/x86_64/
 * pointer_guard.h (the same since 2.4). */
static uint64_t jump_sp(const struct __jmp_buf_tag *environment)
{
#if defined(__x86_64__) && defined(__LP64__)
	uint64_t sp = (uint64_t)environment->__jmpbuf[6];

	__asm__("ror $17, %0\n\txor %%fs:0x30, %0" : "+r"(sp) : : "cc");
	return sp;
#else
	(void)environment;
	return 0;
#endif
}

/* On other stacks nobody knows where one ends and the next begins: a scheduler whose handler jumps from one to another comes
 * back, and the hook goes on. */
static bool on_own_stack(const struct pp_thread *thread, uint64_t sp)
{
	return thread_stack_end(thread, sp) != 0;
}

/* Whether who jumps from a frame at `from` to one at `sp` leaves the hook for good. In doubt it does not: what is put right for
 * a hook that goes on all the same would be torn from under it. */
static bool hook_is_left(const struct pp_thread *thread, uint64_t from, uint64_t sp)
{
	stack_t now;

	if (sp < pp_tls.guard_sp || !on_own_stack(thread, pp_tls.guard_sp) || !on_own_stack(thread, sp))
		return false;
	if (from < pp_tls.guard_sp && on_own_stack(thread, from))
		return true;
	/* A handler on an alternate stack may jump about on that. One that is disarmed meanwhile does not show. */
	return RAW_CALL(SYS_sigaltstack, 0, &now) == 0 && (now.ss_flags & SS_ONSTACK) &&
	       (sp <= (uint64_t)(uintptr_t)now.ss_sp || sp - (uint64_t)(uintptr_t)now.ss_sp > now.ss_size);
}

static __attribute__((noinline)) void jump_look(const struct __jmp_buf_tag *environment)
{
	struct pp_thread *thread = pp_tls.thread;

	if ((pp_tls.guard != PP_GUARD_HOOK && pp_tls.guard != PP_GUARD_PASS) || !thread || !thread->live)
		return;
	/* Where nothing is recorded any more there is nothing to put right, and system calls may be forbidden. */
	if (pp_session.state != PP_STATE_ON)
		return;
	if (!hook_is_left(thread, (uint64_t)__builtin_frame_address(0), jump_sp(environment)))
		return;
	thread_jumped(thread);
	pp_tls.guard = 0;
}

#define JUMP_HOOK(name)                                                                                                \
	PP_HOOK void name(struct __jmp_buf_tag environment[1], int value)                                                \
	{                                                                                                              \
		jump_function *function = real.name ? real.name : (jump_function *)resolve_next(#name);                \
                                                                                                                       \
		if (pp_unlikely(pp_tls.guard))                                                                         \
			jump_look(environment);                                                                        \
		function(environment, value);                                                                          \
		__builtin_unreachable();                                                                               \
	}

JUMP_HOOK(longjmp)
JUMP_HOOK(_longjmp)
JUMP_HOOK(siglongjmp)
JUMP_HOOK(__longjmp_chk)
