/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal state as the program may see it. What belongs to our signals is answered by signals.c; the rest goes to the
 * kernel or the C library with our signals taken out of masks. Masks are set by direct system calls, exactly as the C
 * library does, so that these hooks can run in any handler from the first call on.
 *
 * Alternate stacks: while the program has none, each thread has one of ours, and SA_ONSTACK, which then means nothing
 * to the program, is kept from the kernel, so that the program's handlers run where they always did. With the
 * program's first sigaltstack, its handlers get the flag back, block our signal while they run (their stacks are
 * laid out for them alone), and ours are withdrawn at the next tick. Go's runtime sets its alternate stacks by system
 * calls of its own: a Go program never gets ours.
 *
 * Nothing is needed for sigsuspend, ppoll, pselect, epoll_pwait, sigsetjmp and contexts: they take and restore masks as
 * they are, and the companion's bit (signals.h) travels along.
 */
#include "emit.h"
#include "module_go.h"
#include "raw.h"
#include "resolve.h"
#include "sampler.h"
#include "signals.h"
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

/* Blocked by no program: the C library cancels threads and changes ids with them. */
#define OF_LIBC (UINT64_C(3) << 31)

static uint64_t on_stack_wanted; /* signals whose handlers the program ordered with SA_ONSTACK */

static struct {
	sighandler_t (*signal)(int, sighandler_t);
	sighandler_t (*sysv_signal)(int, sighandler_t);
	sighandler_t (*sigset)(int, sighandler_t);
	int (*sighold)(int);
	int (*sigrelse)(int);
	int (*siginterrupt)(int, int);
	int (*sigtimedwait)(const sigset_t *, siginfo_t *, const struct timespec *);
	int (*signalfd)(int, const sigset_t *, int);
} real;

/* Early: looking up is not allowed in a handler, and all of these may be called in one. */
__attribute__((constructor(102))) static void resolve_signals(void)
{
	guard_library_begin();
	real.sysv_signal = (sighandler_t(*)(int, sighandler_t))resolve_next("sysv_signal");
	real.sigset = (sighandler_t(*)(int, sighandler_t))resolve_next("sigset");
	real.sighold = (int (*)(int))resolve_next("sighold");
	real.sigrelse = (int (*)(int))resolve_next("sigrelse");
	real.siginterrupt = (int (*)(int, int))resolve_next("siginterrupt");
	real.sigtimedwait =
		(int (*)(const sigset_t *, siginfo_t *, const struct timespec *))resolve_next("sigtimedwait");
	real.signalfd = (int (*)(int, const sigset_t *, int))resolve_next("signalfd");
	real_sigaction(SIGURG, NULL, NULL);
	__atomic_store_n(&real.signal, (sighandler_t(*)(int, sighandler_t))resolve_next("signal"), __ATOMIC_RELEASE);
	guard_library_end();
}

static void real_ready(void)
{
	if (pp_unlikely(!__atomic_load_n(&real.signal, __ATOMIC_ACQUIRE)))
		resolve_signals();
}

/* The session of a forked child begins before it looks at what it inherited. */
static void session_touch(void)
{
	struct pp_thread *thread = hook_enter();

	if (thread)
		hook_leave(thread);
}

static uint64_t set_word(const sigset_t *set)
{
	uint64_t word;

	memcpy(&word, set, sizeof(word));
	return word;
}

static void set_store(sigset_t *set, uint64_t word)
{
	memcpy(set, &word, sizeof(word));
}

/* --- dispositions ------------------------------------------------------------------------------------------------- */

/* false: not one of our signals. */
static bool action_of_ours(int number, const struct sigaction *action, struct sigaction *old, int *result)
{
	struct pp_action order, before;
	long answer;

	if (action) {
		order.handler = action->sa_sigaction;
		order.flags = (unsigned long)action->sa_flags;
		order.restorer = NULL;
		order.mask = set_word(&action->sa_mask);
	}
	if (!signals_action(number, action ? &order : NULL, &before, &answer))
		return false;
	if (old) {
		memset(old, 0, sizeof(*old));
		old->sa_sigaction = before.handler;
		old->sa_flags = (int)before.flags;
		set_store(&old->sa_mask, before.mask);
	}
	*result = (int)answer;
	return true;
}

/* `keep`: SA_ONSTACK is the kernel's business even on our alternate stack, which the program has taken for its own. */
static int action_change(int number, const struct sigaction *action, struct sigaction *old, bool keep)
{
	struct sigaction order;
	uint64_t own, mask, wanted_before = __atomic_load_n(&on_stack_wanted, __ATOMIC_RELAXED);
	int result;

	if (!signals_active() || number < 1 || number > 64)
		return real_sigaction(number, action, old);
	if (action_of_ours(number, action, old, &result))
		return result;
	own = signals_bit(number);
	if (action) {
		order = *action;
		mask = signals_mask_for_kernel(set_word(&action->sa_mask));
		if (!(action->sa_flags & SA_ONSTACK))
			__atomic_and_fetch(&on_stack_wanted, ~own, __ATOMIC_RELAXED);
		else if (pp_program_has_alternate_stack || keep)
			mask |= signals_bit(signals_active());
		else
			order.sa_flags &= ~SA_ONSTACK;
		set_store(&order.sa_mask, mask);
	}
	result = real_sigaction(number, action ? &order : NULL, old);
	if (result == 0 && action && (action->sa_flags & SA_ONSTACK))
		__atomic_or_fetch(&on_stack_wanted, own, __ATOMIC_RELAXED);
	if (result == 0 && old) {
		set_store(&old->sa_mask, signals_mask_for_program(set_word(&old->sa_mask)));
		if (wanted_before & own)
			old->sa_flags |= SA_ONSTACK;
	}
	return result;
}

/* Does Go's runtime order it? A library of Go's in another program has found our alternate stacks and uses them. */
static bool orders_for_go(const struct sigaction *action, const void *caller)
{
	return action && (action->sa_flags & SA_ONSTACK) && module_is_go(caller);
}

PP_HOOK int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	session_touch();
	return action_change(number, action, old, orders_for_go(action, __builtin_return_address(0)));
}

PP_HOOK int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
PP_HOOK int __sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	session_touch();
	return action_change(number, action, old, orders_for_go(action, __builtin_return_address(0)));
}

/* The family of signal: what they make of one of our signals; false: it is none. */
static bool handler_of_ours(int number, sighandler_t handler, int flags, sighandler_t *result)
{
	struct sigaction action, old;
	int answer;

	session_touch();
	real_ready();
	if (!signals_active() || number < 1 || number > 64 || handler == SIG_ERR)
		return false;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = flags;
	if (!(flags & SA_NODEFER))
		set_store(&action.sa_mask, signals_bit(number));
	if (!action_of_ours(number, &action, &old, &answer)) {
		__atomic_and_fetch(&on_stack_wanted, ~signals_bit(number), __ATOMIC_RELAXED);
		return false;
	}
	*result = old.sa_handler;
	return true;
}

static sighandler_t signal_change(int number, sighandler_t handler)
{
	sighandler_t result;

	return handler_of_ours(number, handler, SA_RESTART, &result) ? result : real.signal(number, handler);
}

static sighandler_t sysv_signal_change(int number, sighandler_t handler)
{
	sighandler_t result;

	return handler_of_ours(number, handler, SA_RESETHAND | SA_NODEFER, &result)
		       ? result
		       : (real.sysv_signal ? real.sysv_signal : real.signal)(number, handler);
}

PP_HOOK sighandler_t signal(int number, sighandler_t handler)
{
	return signal_change(number, handler);
}

PP_HOOK sighandler_t bsd_signal(int number, sighandler_t handler);
PP_HOOK sighandler_t bsd_signal(int number, sighandler_t handler)
{
	return signal_change(number, handler);
}

PP_HOOK sighandler_t ssignal(int number, sighandler_t handler)
{
	return signal_change(number, handler);
}

PP_HOOK sighandler_t sysv_signal(int number, sighandler_t handler)
{
	return sysv_signal_change(number, handler);
}

PP_HOOK sighandler_t __sysv_signal(int number, sighandler_t handler)
{
	return sysv_signal_change(number, handler);
}

/* The System V calls name one signal, and so does siginterrupt: if it is one of ours, it is the program's now. */
static void number_used(int number)
{
	session_touch();
	real_ready();
	if (signals_active() && number >= 1 && number <= 64)
		signals_yield(signals_named(signals_bit(number)));
}

PP_HOOK sighandler_t sigset(int number, sighandler_t handler)
{
	sighandler_t result;

	number_used(number);
	if (handler != SIG_HOLD && handler_of_ours(number, handler, 0, &result))
		return result;
	return real.sigset(number, handler);
}

PP_HOOK int sigignore(int number)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_IGN;
	session_touch();
	return action_change(number, &action, NULL, false);
}

PP_HOOK int sighold(int number)
{
	number_used(number);
	return real.sighold(number);
}

PP_HOOK int sigrelse(int number)
{
	number_used(number);
	return real.sigrelse(number);
}

PP_HOOK int siginterrupt(int number, int interrupt)
{
	number_used(number);
	return real.siginterrupt(number, interrupt);
}

/* --- masks -------------------------------------------------------------------------------------------------------- */

/* 0 or an error number. */
static int mask_change(int how, const sigset_t *set, sigset_t *old)
{
	uint64_t word;
	long result;

	signals_settle();
	if (set) {
		word = set_word(set);
		if (signals_active()) {
			uint64_t named = signals_named(word);

			if (pp_unlikely(named))
				signals_yield(named);
			if (how == SIG_UNBLOCK)
				word |= ~signals_mask_for_kernel(~UINT64_C(0));
			else
				word = signals_mask_for_kernel(word);
		}
		word &= ~OF_LIBC;
	}
	/* The kernel writes `old` itself, and no more than its own 64 bits of it. */
	result = raw_signal_mask(how, set ? &word : NULL, (uint64_t *)old);
	if (result < 0)
		return (int)-result;
	if (old && signals_active())
		set_store(old, signals_mask_for_program(set_word(old)));
	return 0;
}

PP_HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_change(how, set, old);
}

PP_HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	int error = mask_change(how, set, old);

	if (!error)
		return 0;
	errno = error;
	return -1;
}

PP_HOOK int sigpending(sigset_t *set)
{
	long result;

	/* What we have chosen since and the program had sent before is given back now. */
	signals_settle();
	result = RAW_CALL(SYS_rt_sigpending, set, 8);
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	if (signals_active())
		set_store(set, set_word(set) & ~signals_open());
	return 0;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static void time_left(struct timespec *left, uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns();
	uint64_t rest = deadline_ns > now ? deadline_ns - now : 0;

	left->tv_sec = (time_t)(rest / 1000000000);
	left->tv_nsec = (long)(rest % 1000000000);
}

/* A tick that was pending as the wait began may come out of it: not what the program waits for. */
static int signal_wait(const sigset_t *set, siginfo_t *found, const struct timespec *timeout)
{
	const struct timespec *patience = timeout;
	uint64_t deadline = 0, named;
	struct timespec left;
	siginfo_t seen, *into = found ? found : &seen;
	int number;

	real_ready();
	if (!signals_active() || !raw_readable(set) || (timeout && !raw_readable(timeout)))
		return real.sigtimedwait(set, found, timeout);
	named = signals_named(set_word(set));
	if (named)
		signals_yield(named);
	if (timeout)
		deadline = clock_now_ns() + (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_nsec;
	while ((number = real.sigtimedwait(set, into, patience)) > 0 && signals_is_tick(into)) {
		pp_skip(PP_SKIP_SIGNAL);
		sampler_open();
		if (timeout) {
			time_left(&left, deadline);
			patience = &left;
		}
	}
	return number;
}

PP_HOOK int sigtimedwait(const sigset_t *set, siginfo_t *found, const struct timespec *timeout)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait = wait_begin(PP_IO_SIGWAIT, &registers);
	int result = signal_wait(set, found, timeout);

	wait_tell(&wait, PP_IO_SIGWAIT, ERROR_OF_ERRNO);
	return result;
}

PP_HOOK int sigwaitinfo(const sigset_t *set, siginfo_t *found)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait = wait_begin(PP_IO_SIGWAIT, &registers);
	int result = signal_wait(set, found, NULL);

	wait_tell(&wait, PP_IO_SIGWAIT, ERROR_OF_ERRNO);
	return result;
}

PP_HOOK int sigwait(const sigset_t *set, int *number)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_wait wait = wait_begin(PP_IO_SIGWAIT, &registers);
	int result;

	do
		result = signal_wait(set, NULL, NULL);
	while (result < 0 && errno == EINTR);
	wait_tell(&wait, PP_IO_SIGWAIT, ERROR_OF_ERRNO);
	if (result < 0)
		return errno;
	*number = result;
	return 0;
}

static int signalfd_without_ours(int fd, const sigset_t *set, int flags)
{
	sigset_t without;
	uint64_t named;
	int result;

	if (!signals_active() || !raw_readable(set))
		return real.signalfd(fd, set, flags);
	named = signals_named(set_word(set));
	if (named)
		signals_yield(named);
	without = *set;
	set_store(&without, set_word(set) & ~signals_open());
	result = real.signalfd(fd, &without, flags);
	if (result >= 0 && set_word(&without) != set_word(set))
		signals_descriptor_note(result, set_word(set));
	return result;
}

PP_HOOK int signalfd(int fd, const sigset_t *set, int flags)
{
	uint64_t began = io_begin();
	int result;

	real_ready();
	result = signalfd_without_ours(fd, set, flags);
	if (fd >= 0 || result < 0)
		return result;
	io_fd_forget(result, PP_IO_END_UNSEEN);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_life(began, PP_IO_MADE_OTHER, result, &registers);
	}
	return result;
}

/* --- alternate stacks --------------------------------------------------------------------------------------------- */

static void alternate_stacks_begin(void)
{
	if (__atomic_exchange_n(&pp_program_has_alternate_stack, true, __ATOMIC_SEQ_CST))
		return;
	for (int number = 1; number <= 64; number++) {
		struct pp_action action;

		if (!(on_stack_wanted & signals_bit(number)) || raw_signal_action(number, NULL, &action) < 0)
			continue;
		action.flags |= SA_ONSTACK;
		action.mask |= signals_bit(signals_active());
		raw_signal_action(number, &action, NULL);
	}
}

PP_HOOK int sigaltstack(const stack_t *stack, stack_t *old)
{
	struct pp_thread *thread = thread_current();
	bool has_new = false;
	stack_t current;
	long result = -EFAULT;

	if (!stack || raw_readable(stack)) {
		has_new = stack && !(stack->ss_flags & SS_DISABLE);
		result = RAW_CALL(SYS_sigaltstack, NULL, &current);
	}
	if (result == 0 && thread && thread->handler_stack && current.ss_sp == thread->handler_stack) {
		memset(&current, 0, sizeof(current));
		current.ss_flags = SS_DISABLE;
		/* Nothing to disable; what follows replaces ours. */
		if (!has_new)
			stack = NULL;
	}
	if (has_new && signals_active())
		alternate_stacks_begin();
	if (result == 0 && stack)
		result = RAW_CALL(SYS_sigaltstack, stack, NULL);
	if (result == 0 && old && !raw_writable(old))
		result = -EFAULT;
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	if (old)
		*old = current;
	return 0;
}
