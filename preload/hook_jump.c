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

/* Further up than any stack is deep: another stack, to which a scheduler jumps and from which it may come back. */
#define STACK_LIMIT (UINT64_C(1) << 30)

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

/* A handler on an alternate stack may jump about on that. */
static bool stays_on_alternate_stack(uint64_t sp)
{
	stack_t now;

	return RAW_CALL(SYS_sigaltstack, 0, &now) == 0 && (now.ss_flags & SS_ONSTACK) &&
	       sp > (uint64_t)(uintptr_t)now.ss_sp && sp - (uint64_t)(uintptr_t)now.ss_sp <= now.ss_size;
}

static __attribute__((noinline)) void jump_look(const struct __jmp_buf_tag *environment)
{
	struct pp_thread *thread = pp_tls.thread;
	uint64_t sp = jump_sp(environment);

	if ((pp_tls.guard != PP_GUARD_HOOK && pp_tls.guard != PP_GUARD_PASS) || !thread || !thread->live)
		return;
	if (sp < pp_tls.guard_sp || sp - pp_tls.guard_sp >= STACK_LIMIT || stays_on_alternate_stack(sp))
		return;
	if (pp_session.state == PP_STATE_ON)
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
