/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which real-time signal is ours; see signals.h. SIGPROF is left to the program: profilers, gprof's start-up code and
 * setitimer use it, some by ways that no hook sees, and programs rarely touch the upper real-time signals.
 *
 * Our handler stays on a signal that was given up, because a tick may still be on its way to another thread: ticks
 * tell themselves by their siginfo, anything else gets what the program ordered for it. State changes under a spin
 * lock with every signal blocked, so a handler cannot meet its own thread there. Any context.
 */
#include "signals.h"
#include "host.h"
#include "sampler.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define HIGHEST	      61 /* SIGRTMAX-3: the very last ones are popular */
#define LOWEST	      35
#define ALL_SIGNALS   (~UINT64_C(0))
#define RESTORER_FLAG 0x04000000
#define FLAGS_OF_OURS (SA_SIGINFO | SA_RESTART | SA_ONSTACK | RESTORER_FLAG)
/* An exception inside the handler must end the program as it would anywhere. */
#define MASK_OF_OURS (ALL_SIGNALS & ~(UINT64_C(1) << (SIGSEGV - 1)) & ~(UINT64_C(1) << (SIGBUS - 1)))

char pp_tick_mark;
bool pp_program_has_alternate_stack;

static pp_signal_handler tick_handler;
static int active, reserve, companion;
static int former_companion; /* of threads that have not come by since */
static uint64_t used_by_program;
static uint64_t given_up;	    /* were open in every thread once */
static uint32_t generation;	    /* grows with each change of what is open */
#define GENERATIONS 64
static uint64_t given_up_in[GENERATIONS]; /* which of them with the change to that one */
static uint64_t managed;	    /* our handler is installed there */
static struct pp_action wanted[65]; /* what the program ordered for managed ones */
static uint32_t lock;
static bool exhausted;

/* Descriptors of the program that take nearly every signal; one whose kernel mask is not what we left it at is another
 * by now. */
#define DESCRIPTOR_COUNT 16
static struct {
	int fd; /* plus 1 */
	uint64_t wanted, kernel;
} descriptors[DESCRIPTOR_COUNT];

#if defined(__x86_64__)
void pp_signal_return(void) __attribute__((visibility("hidden")));
/* Byte for byte what unwinders and debuggers take for the end of a signal frame. */
__asm__(".text\n.type pp_signal_return,@function\n.hidden pp_signal_return\n.globl pp_signal_return\n"
	"	nop\n"
	"pp_signal_return:\n"
	"	mov $15, %rax\n"
	"	syscall\n"
	".size pp_signal_return, . - pp_signal_return\n");
#endif

static uint64_t bit_or_none(int number)
{
	return number ? signals_bit(number) : 0;
}

/* Nearly everything: what matters is what is missing. */
static bool is_wide(uint64_t set)
{
	return __builtin_popcountll(set) > 32;
}

static uint64_t open_bits(void)
{
	return exhausted ? 0 : bit_or_none(active) | bit_or_none(reserve);
}

uint64_t signals_open(void)
{
	return open_bits();
}

bool signals_exhausted(void)
{
	return exhausted;
}

static void lock_take(uint64_t *mask)
{
	uint64_t all = ALL_SIGNALS;

	raw_signal_mask(SIG_BLOCK, &all, mask);
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		RAW_CALL(SYS_sched_yield);
}

static void lock_give(const uint64_t *mask)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	raw_signal_mask(SIG_SETMASK, mask, NULL);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

static bool signal_is_free(int number)
{
	const struct pp_settings *settings = &pp_session.settings;
	struct pp_action action;

	if ((used_by_program & signals_bit(number)) || number == active || number == reserve || number == companion ||
	    number == settings->start_signal || number == settings->stop_signal ||
	    number == settings->snapshot_signal || raw_signal_action(number, NULL, &action) < 0)
		return false;
	return action.handler == PP_HANDLER_DEFAULT || action.handler == tick_handler;
}

static int signal_pick(void)
{
	for (int number = HIGHEST; number >= LOWEST; number--) {
		if (signal_is_free(number))
			return number;
	}
	return 0;
}

static void action_install(int number, unsigned long flags, uint64_t mask)
{
	struct pp_action action = {.handler = tick_handler, .flags = flags | SA_SIGINFO, .mask = mask};

#if defined(__x86_64__)
	action.flags |= RESTORER_FLAG;
	action.restorer = pp_signal_return;
#else
	action.flags &= ~(unsigned long)RESTORER_FLAG;
#endif
	raw_signal_action(number, &action, NULL);
}

/* Takes a signal over; the program's order for it is the default, else it would not have been free. */
static void signal_adopt(int number)
{
	if (!number)
		return;
	if (!(managed & signals_bit(number)))
		memset(&wanted[number], 0, sizeof(wanted[number]));
	managed |= signals_bit(number);
	action_install(number, FLAGS_OF_OURS, MASK_OF_OURS);
}

/*
 * A set that is not nearly everything, but has all three. What is chosen instead of one of them later must be in it as they
 * are, or a mask would read otherwise: either we leave the set altogether (true), or, where there is no room elsewhere, we
 * stay within.
 */
static bool set_is_left(uint64_t set)
{
	const uint64_t all = (signals_bit(HIGHEST) << 1) - signals_bit(LOWEST);
	uint64_t others = all & ~(set | used_by_program);
	bool left = __builtin_popcountll(others) >= 3;

	__atomic_or_fetch(&used_by_program, left ? set : others, __ATOMIC_RELAXED);
	return left;
}

void signals_init(pp_signal_handler handler)
{
	const uint64_t first = signals_bit(HIGHEST) | signals_bit(HIGHEST - 1) | signals_bit(HIGHEST - 2);
	uint64_t mask = 0;

	tick_handler = handler;
	lock = 0;
	exhausted = false;
	/* What whoever executed us has blocked one by one, or left open one by one, is told from what we choose. */
	if (active || raw_signal_mask(SIG_BLOCK, NULL, &mask) < 0)
		return;
	mask = is_wide(mask) ? ~mask : mask;
	if ((mask & first) != first)
		used_by_program |= mask;
	else
		set_is_left(mask);
}

bool signals_choose(void)
{
	uint64_t mask;

	lock_take(&mask);
	if (active && !signals_are_ours())
		active = 0;
	if (!active)
		active = signal_pick();
	if (!reserve)
		reserve = signal_pick();
	if (!companion)
		companion = signal_pick();
	signal_adopt(active);
	signal_adopt(reserve);
	lock_give(&mask);
	return active != 0;
}

int signals_active(void)
{
	return active;
}

bool signals_are_ours(void)
{
	struct pp_action action;

	return active && raw_signal_action(active, NULL, &action) == 0 && action.handler == tick_handler;
}

static bool is_stale(const struct pp_thread *thread)
{
	return thread && thread->signals_seen != generation;
}

/* What was given up since the thread came by last. What was before it has in its mask if the program wants it there. */
static uint64_t given_up_since(const struct pp_thread *thread)
{
	uint32_t seen = thread ? thread->signals_seen : 0;
	uint64_t bits = 0;

	if (!seen || generation - seen > GENERATIONS)
		return given_up;
	for (uint32_t number = seen + 1; number <= generation; number++)
		bits |= given_up_in[number % GENERATIONS];
	return bits;
}

/* A thread that has not come by since something was given up: that is still open there, whatever the program thinks. */
static uint64_t mask_settled(const struct pp_thread *thread, uint64_t mask)
{
	int marker = companion ? companion : former_companion;

	if (marker && (mask & signals_bit(marker)))
		mask |= given_up_since(thread);
	return signals_mask_for_kernel(mask);
}

uint32_t signals_generation(void)
{
	return generation;
}

void signals_settle(void)
{
	struct pp_thread *thread = thread_current();
	uint64_t mask;

	if (pp_likely(!is_stale(thread)) || pp_session.sealed || raw_getpid() != pp_session.pid)
		return;
	raw_signal_mask(SIG_BLOCK, NULL, &mask);
	mask = mask_settled(thread, mask);
	thread->signals_seen = generation;
	raw_signal_mask(SIG_SETMASK, &mask, NULL);
}

/* Masks of handlers were translated as they were set: `lost` is what they block now, where they blocked `was_companion`,
 * which remembers that the program meant all three. */
static void actions_settle(int was_companion, uint64_t lost)
{
	struct pp_action action;

	for (int number = 1; was_companion && lost && number <= 64; number++) {
		if (raw_signal_action(number, NULL, &action) < 0 || action.handler == tick_handler ||
		    !(action.mask & signals_bit(was_companion)))
			continue;
		action.mask |= lost;
		raw_signal_action(number, &action, NULL);
	}
}

/* A descriptor's mask as the kernel has it; 0: it is no signalfd. */
static uint64_t descriptor_mask(int fd)
{
	char path[] = "/proc/self/fdinfo/0000000000", text[512], *at;
	char *digit = path + sizeof(path) - 2, *name = strrchr(path, '/') + 1;
	uint64_t mask = 0;
	long got;

	do
		*digit-- = (char)('0' + fd % 10);
	while ((fd /= 10) != 0);
	memmove(name, digit + 1, strlen(digit + 1) + 1);
	got = raw_read_file(path, text, sizeof(text) - 1);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	at = strstr(text, "sigmask:");
	if (!at)
		return 0;
	at += strlen("sigmask:");
	at += strspn(at, " \t");
	for (; *at && *at != '\n'; at++)
		mask = mask << 4 | (uint64_t)(*at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10);
	return mask;
}

static void descriptors_settle(void)
{
	for (int i = 0; i < DESCRIPTOR_COUNT; i++) {
		uint64_t kernel = descriptors[i].wanted & ~open_bits();

		if (!descriptors[i].fd || kernel == descriptors[i].kernel)
			continue;
		if (descriptor_mask(descriptors[i].fd - 1) != descriptors[i].kernel)
			descriptors[i].fd = 0;
		else if (RAW_CALL(SYS_signalfd4, descriptors[i].fd - 1, &kernel, 8, 0) >= 0)
			descriptors[i].kernel = kernel;
	}
}

void signals_descriptor_note(int fd, uint64_t mask)
{
	int place = -1;
	uint64_t before;

	lock_take(&before);
	for (int i = 0; i < DESCRIPTOR_COUNT; i++) {
		if (descriptors[i].fd == fd + 1 || (place < 0 && !descriptors[i].fd))
			place = i;
		if (descriptors[i].fd == fd + 1)
			break;
	}
	for (int i = 0; place < 0 && i < DESCRIPTOR_COUNT; i++) {
		if (descriptor_mask(descriptors[i].fd - 1) != descriptors[i].kernel)
			place = i;
	}
	if (place >= 0) {
		descriptors[place].fd = fd + 1;
		descriptors[place].wanted = mask;
		descriptors[place].kernel = mask & ~open_bits();
	}
	lock_give(&before);
}

static void signals_exhaust(void)
{
	exhausted = true;
	sampler_stop();
	pp_skip(PP_SKIP_SIGNAL);
	if (pp_session.header)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_CPU_SIGNAL, __ATOMIC_RELAXED);
}

void signals_yield(uint64_t used)
{
	uint64_t mask, opened, open_before;
	int from, was_companion;
	struct pp_thread *thread = thread_current();
	bool was_open;

	/* In the child of vfork this is the parent's memory. */
	if (pp_session.sealed || raw_getpid() != pp_session.pid)
		return;
	lock_take(&mask);
	from = active;
	was_open = from && !(mask & signals_bit(from));
	was_companion = companion;
	open_before = open_bits();
	opened = open_before & used;
	used_by_program |= used;
	if (companion && (used & signals_bit(companion))) {
		former_companion = companion;
		companion = 0;
	}
	if (reserve && (used & signals_bit(reserve)))
		reserve = 0;
	if (active && (used & signals_bit(active))) {
		int to = reserve ? reserve : signal_pick();

		/* With none left, ticks end: a signal that both use comes out of a signalfd, or in another order. */
		if (to) {
			reserve = 0;
			signal_adopt(to);
			__atomic_store_n(&active, to, __ATOMIC_SEQ_CST);
		} else if (!exhausted) {
			signals_exhaust();
			signals_drain(from);
		}
	}
	if (!reserve)
		reserve = signal_pick();
	if (!companion)
		companion = signal_pick();
	signal_adopt(reserve);
	if (active != from) {
		sampler_move(from, active);
		signals_drain(from);
	}
	actions_settle(was_companion, companion ? open_before & ~open_bits() : open_before);
	descriptors_settle();
	/* What we kept open behind the program's back is blocked now, if the program thinks so, and what we use now is
	 * open, unless this is the handler. */
	given_up |= opened & ~open_bits();
	if (was_companion && (mask & signals_bit(was_companion)))
		mask |= (opened | (is_stale(thread) ? given_up_since(thread) : 0)) & ~open_bits();
	given_up_in[(generation + 1) % GENERATIONS] = opened & ~open_bits();
	generation++;
	if (was_open) {
		mask = signals_mask_for_kernel(mask);
		if (thread)
			thread->signals_seen = generation;
	}
	lock_give(&mask);
}

uint64_t signals_named(uint64_t set)
{
	uint64_t ours = open_bits() | bit_or_none(companion);
	uint64_t told = is_wide(set) ? ~set : set, named = told & ours;

	if (named == ours)
		return named && set_is_left(told) ? named : 0;
	/* Whatever else it names is not for us either, now that we choose others or later. */
	if (told & ~used_by_program)
		__atomic_or_fetch(&used_by_program, told, __ATOMIC_RELAXED);
	return named;
}

/* --- masks -------------------------------------------------------------------------------------------------------- */

uint64_t signals_mask_for_kernel(uint64_t program)
{
	return companion ? program & ~open_bits() : program;
}

uint64_t signals_mask_for_program(uint64_t kernel)
{
	if (!companion)
		return kernel;
	if (kernel & signals_bit(companion))
		return kernel | open_bits();
	return kernel & ~open_bits();
}

/* Whether a signal is pending for the calling thread itself, as ticks are, not only for the process: what is sent to that
 * belongs to whichever thread takes it. Without /proc: as if it were. */
static bool is_pending_here(int number)
{
	char text[2048], *at;
	uint64_t pending = 0;
	long got = -1;

	if (RAW_CALL(SYS_rt_sigpending, &pending, 8) == 0 && !(pending & signals_bit(number)))
		return false;
	got = raw_read_file("/proc/thread-self/status", text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	if (got > 0 && pp_session.header)
		__atomic_add_fetch(&pp_session.header->io_own_read, (uint64_t)got, __ATOMIC_RELAXED);
	at = strstr(text, "\nSigPnd:");
	if (!at)
		return true;
	pending = 0;
	for (at += 8 + strspn(at + 8, " \t"); *at && *at != '\n'; at++)
		pending = pending << 4 | (uint64_t)(*at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10);
	return pending & signals_bit(number);
}

void signals_drain(int number)
{
	struct timespec at_once = {0, 0};
	uint64_t set = bit_or_none(number);
	siginfo_t found;

	while (set && is_pending_here(number) && /* the kernel gives the thread's own first */
	       RAW_CALL(SYS_rt_sigtimedwait, &set, &found, &at_once, 8) == number) {
		if (signals_is_tick(&found))
			continue;
		if (found.si_code == SI_USER) /* to the process: there was no telling */
			RAW_CALL(SYS_rt_sigqueueinfo, raw_getpid(), number, &found);
		else
			RAW_CALL(SYS_rt_tgsigqueueinfo, raw_getpid(), raw_gettid(), number, &found);
		break;
	}
}

bool signals_is_tick(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && info->si_value.sival_ptr == &pp_tick_mark;
}

/* --- dispositions ------------------------------------------------------------------------------------------------- */

static bool is_function(const struct pp_action *action)
{
	return action->handler != PP_HANDLER_DEFAULT && action->handler != PP_HANDLER_IGNORE;
}

bool signals_action(int number, const struct pp_action *action, struct pp_action *old, long *result)
{
	uint64_t mask;
	bool shared;

	if (number < 1 || number > 64 || (!pp_session.sealed && raw_getpid() != pp_session.pid))
		return false;
	if (!(managed & signals_bit(number))) {
		if (number == companion && action && is_function(action))
			signals_yield(signals_bit(number));
		return false;
	}
	if (old)
		*old = wanted[number];
	*result = 0;
	if (!action)
		return true;
	if (is_function(action))
		signals_yield(signals_bit(number));
	lock_take(&mask);
	wanted[number] = *action;
	shared = !exhausted && (number == active || number == reserve);
	if (is_function(action) && !shared)
		action_install(number, action->flags & ~(unsigned long)SA_RESETHAND, action->mask);
	else if (is_function(action))
		action_install(number, (action->flags & ~(unsigned long)SA_RESETHAND) | SA_RESTART, MASK_OF_OURS);
	lock_give(&mask);
	return true;
}

static void handler_call(int number, siginfo_t *info, ucontext_t *context)
{
	struct pp_action action = wanted[number];
	uint64_t own = signals_bit(number), during, before;

	if (action.flags & SA_RESETHAND)
		wanted[number].handler = PP_HANDLER_DEFAULT; /* the rest stays, as in the kernel */
	if (exhausted || (number != active && number != reserve)) {
		action.handler(number, info, context);
		return;
	}
	memcpy(&during, &context->uc_sigmask, sizeof(during));
	during |= action.mask | (action.flags & SA_NODEFER ? 0 : own);
	raw_signal_mask(SIG_SETMASK, &during, &before);
	action.handler(number, info, context);
	raw_signal_mask(SIG_SETMASK, &before, NULL);
}

/* Sends it once more, to be delivered when the handler returns. */
static void signal_requeue(int number, siginfo_t *info)
{
	int pid = raw_getpid(), tid = raw_gettid();

	if (info->si_code == SI_TKILL) {
		RAW_CALL(SYS_rt_tgsigqueueinfo, pid, tid, number, info);
		return;
	}
	/* The kernel lets only the first thread repeat the codes of kill and of the kernel itself. */
	if (info->si_code >= 0 && pid != tid)
		info->si_code = SI_QUEUE;
	RAW_CALL(SYS_rt_sigqueueinfo, pid, number, info);
}

void signals_foreign(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	struct pp_thread *thread = thread_current();
	struct pp_action by_default = {.handler = PP_HANDLER_DEFAULT};
	uint64_t mask, own = signals_bit(number);

	memcpy(&mask, &interrupted->uc_sigmask, sizeof(mask));
	/* A thread that has just been born has no state, and a mask that may be older than what was given up. */
	if (!thread || is_stale(thread)) {
		mask = mask_settled(thread, mask);
		if (thread)
			thread->signals_seen = generation;
		memcpy(&interrupted->uc_sigmask, &mask, sizeof(mask));
	}
	if (signals_mask_for_program(mask) & own) {
		/* The program blocks it: it shall stay pending, so the signal is in use and no longer ours. */
		if (open_bits() & own)
			signals_yield(own);
		mask = signals_mask_for_kernel(mask) | own;
		memcpy(&interrupted->uc_sigmask, &mask, sizeof(mask));
		if (thread)
			thread->signals_seen = generation;
		signal_requeue(number, info);
	} else if (is_function(&wanted[number])) {
		handler_call(number, info, context);
	} else if (wanted[number].handler != PP_HANDLER_IGNORE) {
		raw_signal_action(number, &by_default, NULL);
		signal_requeue(number, info);
	}
}

void signals_show_actions(bool as_program)
{
	struct pp_action ignored = {.handler = PP_HANDLER_IGNORE};

	for (int number = LOWEST; number <= HIGHEST; number++) {
		if (!(managed & signals_bit(number)) || wanted[number].handler != PP_HANDLER_IGNORE)
			continue;
		if (as_program)
			raw_signal_action(number, &ignored, NULL);
		else
			action_install(number, FLAGS_OF_OURS, MASK_OF_OURS);
	}
}
