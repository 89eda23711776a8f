/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what a program can see of its signal state, in many ways, while it uses CPU time. Profiled or not, the output
 * is the same to the byte.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

static volatile unsigned long sink;

static double cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Some ticks long. */
static void burn(double seconds)
{
	double end = cpu_now() + seconds;

	while (cpu_now() < end) {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i;
	}
}

static void print_set(const char *what, const sigset_t *set)
{
	printf("%s:", what);
	for (int number = 1; number <= 64; number++) {
		if (sigismember(set, number) == 1)
			printf(" %d", number);
	}
	printf("\n");
}

static void print_mask(const char *what)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	print_set(what, &set);
}

/* As the kernel has it, in a process that executed nothing of ours. */
static void print_child_mask(const char *what)
{
	char *arguments[] = {"grep", "-E", "SigBlk|SigIgn", "/proc/self/status", NULL};
	int status;
	pid_t child;

	printf("%s\n", what);
	fflush(stdout);
	if (posix_spawnp(&child, "grep", NULL, NULL, arguments, environ) == 0)
		waitpid(child, &status, 0);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		burn(0.01);
		execvp("grep", arguments);
		_exit(1);
	}
	waitpid(child, &status, 0);
	child = vfork();
	if (child == 0) {
		execvp("grep", arguments);
		_exit(1);
	}
	waitpid(child, &status, 0);
	system("grep -E 'SigBlk|SigIgn' /proc/self/status");
}

static void print_action(int number)
{
	struct sigaction action;

	memset(&action, 0xff, sizeof(action));
	if (sigaction(number, NULL, &action) != 0) {
		printf("action %d: error %d\n", number, errno);
		return;
	}
	printf("action %d: %s flags %x", number,
	       action.sa_handler == SIG_DFL   ? "default"
	       : action.sa_handler == SIG_IGN ? "ignore"
					      : "function",
	       (unsigned int)action.sa_flags & 0xdfffffff & ~0x04000000u);
	print_set("", &action.sa_mask);
}

static void masks(void)
{
	sigset_t all, some, old;

	sigfillset(&all);
	sigemptyset(&some);
	sigaddset(&some, SIGPROF);
	sigaddset(&some, SIGUSR1);
	print_mask("at the start");
	sigprocmask(SIG_BLOCK, &some, &old);
	burn(0.02);
	print_set("before block some", &old);
	print_mask("some");
	sigprocmask(SIG_BLOCK, &all, &old);
	burn(0.02);
	print_set("before block all", &old);
	print_mask("all");
	print_child_mask("child of all");
	sigprocmask(SIG_UNBLOCK, &some, &old);
	print_set("before unblock some", &old);
	print_mask("all but some");
	sigprocmask(SIG_SETMASK, &some, &old);
	burn(0.02);
	print_set("before set some", &old);
	print_child_mask("child of some");
	sigpending(&old);
	print_set("pending", &old);
	sigemptyset(&some);
	sigprocmask(SIG_SETMASK, &some, NULL);
	print_mask("none");
	print_child_mask("child of none");
}

static sigjmp_buf jump;

static void jumper(int number)
{
	(void)number;
	print_mask("in the handler");
	burn(0.01);
	siglongjmp(jump, 1);
}

static void jumps(void)
{
	struct sigaction action = {.sa_handler = jumper};
	volatile int round = 0;
	sigset_t all, none;

	sigfillset(&all);
	sigfillset(&action.sa_mask);
	sigemptyset(&none);
	sigaction(SIGUSR2, &action, NULL);
	print_action(SIGUSR2);
	sigsetjmp(jump, 1);
	print_mask("after the jump");
	if (round++ < 2)
		raise(SIGUSR2);
	round = 0;
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (sigsetjmp(jump, 1) == 0) {
		sigprocmask(SIG_SETMASK, &none, NULL);
		print_mask("open before the jump back");
		raise(SIGUSR2);
	}
	print_mask("blocked again by the jump");
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGUSR2, SIG_DFL);
}

static ucontext_t back, there;

static void other_context(void)
{
	sigset_t all;

	print_mask("other context");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	burn(0.02);
	print_mask("other context, blocked");
	swapcontext(&there, &back);
	print_mask("other context, again");
}

static void contexts(void)
{
	static char stack[65536];

	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &back;
	makecontext(&there, other_context, 0);
	swapcontext(&back, &there);
	print_mask("back");
	swapcontext(&back, &there);
	print_mask("back again");
}

static int counted[65];

static void count(int number)
{
	counted[number]++;
}

static void actions(void)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_ONSTACK | SA_RESTART}, old;
	static char alternate[65536];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, seen;

	for (int number = 1; number <= 64; number++)
		print_action(number);
	sigaddset(&action.sa_mask, SIGPROF);
	sigaddset(&action.sa_mask, 50);
	sigaction(SIGUSR1, &action, &old);
	print_action(SIGUSR1);
	burn(0.02);
	sigaltstack(NULL, &seen);
	printf("no alternate stack: %d\n", seen.ss_flags);
	raise(SIGUSR1);
	sigaltstack(&stack, &seen);
	printf("before the first: %d\n", seen.ss_flags);
	sigaltstack(NULL, &seen);
	printf("set: %d %d %zu\n", seen.ss_flags, seen.ss_sp == alternate, seen.ss_size);
	burn(0.02);
	print_action(SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	print_action(SIGUSR1);
	print_child_mask("child that ignores");
	signal(SIGUSR1, SIG_DFL);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	sigaltstack(NULL, &seen);
	printf("disabled: %d, counted %d\n", seen.ss_flags, counted[SIGUSR1]);
}

/* Some programs handle, ignore or reset every signal there is. */
static void every_signal(void)
{
	for (int round = 0; round < 4; round++) {
		memset(counted, 0, sizeof(counted));
		for (int number = 1; number <= 64; number++) {
			if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33 || number == SIGCHLD)
				continue;
			if (round == 0)
				signal(number, count);
			else if (round == 1)
				signal(number, SIG_IGN);
			else if (round == 2)
				signal(number, SIG_DFL);
			else
				sigaction(number, &(struct sigaction){.sa_handler = count, .sa_flags = SA_RESETHAND},
					  NULL);
		}
		burn(0.02);
		for (int number = 1; number <= 64; number++) {
			if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33 || number == SIGCHLD)
				continue;
			if (round != 2)
				raise(number);
			if (round == 0)
				kill(getpid(), number);
		}
		if (round == 1)
			print_child_mask("child that ignores everything");
		burn(0.02);
		printf("round %d:", round);
		for (int number = 1; number <= 64; number++)
			printf(" %d", counted[number]);
		printf("\n");
		for (int number = 1; number <= 64; number++)
			print_action(number);
	}
}

static volatile int taken_count;

static void *waiter(void *unused)
{
	sigset_t all;
	siginfo_t found;
	int number;

	(void)unused;
	sigfillset(&all);
	print_mask("waiter");
	for (int i = 0; i < 5; i++) {
		burn(0.02);
		number = sigwaitinfo(&all, &found);
		printf("waited for %d, value %d\n", number, found.si_code == SI_QUEUE ? found.si_value.sival_int : -1);
		taken_count++;
	}
	for (int i = 0; i < 5; i++) {
		burn(0.02);
		sigwait(&all, &number);
		printf("sigwait %d\n", number);
		taken_count++;
	}
	return NULL;
}

/* A thread that blocks everything and is the one that takes what comes. */
static void waiting(void)
{
	static const int sent[] = {SIGUSR1, SIGPROF, 61, 60, 59, SIGUSR2, 34, 61, SIGTERM, SIGPROF};
	struct timespec little = {0, 20000000};
	union sigval value = {.sival_int = 7};
	struct signalfd_siginfo taken;
	sigset_t all, old;
	pthread_t thread;
	int fd;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_create(&thread, NULL, waiter, NULL);
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		struct timespec gap = {0, 60000000};

		burn(0.02);
		if (i < 5)
			sigqueue(getpid(), sent[i], value);
		else
			kill(getpid(), sent[i]);
		while (taken_count <= (int)i) /* two of a kind would be merged */
			nanosleep(&gap, NULL);
	}
	pthread_join(thread, NULL);
	burn(0.02);
	printf("timed out: %d\n", sigtimedwait(&all, NULL, &little) < 0 && errno == EAGAIN);
	fd = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	burn(0.02);
	printf("nothing to read: %d\n", read(fd, &taken, sizeof(taken)) < 0 && errno == EAGAIN);
	raise(SIGUSR1);
	kill(getpid(), SIGPROF);
	while (read(fd, &taken, sizeof(taken)) == sizeof(taken))
		printf("read %u\n", taken.ssi_signo);
	close(fd);
	sigpending(&old);
	print_set("pending in the end", &old);
	sigemptyset(&old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void *print_thread_mask(void *what)
{
	burn(0.01);
	print_mask(what);
	return NULL;
}

static void threads(void)
{
	sigset_t some, none;
	pthread_attr_t attributes;
	pthread_t thread;

	sigemptyset(&none);
	sigfillset(&some);
	sigdelset(&some, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &some, NULL);
	pthread_create(&thread, NULL, print_thread_mask, "inherited");
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &some);
	pthread_create(&thread, &attributes, print_thread_mask, "by attribute");
	pthread_join(thread, NULL);
	print_mask("creator");
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"masks", masks},     {"jumps", jumps},	    {"contexts", contexts},	    {"threads", threads},
	{"actions", actions}, {"waiting", waiting}, {"every_signal", every_signal},
};

int main(int argument_count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (argument_count > 1 && strcmp(arguments[1], parts[i].name) != 0)
			continue;
		printf("-- %s\n", parts[i].name);
		parts[i].run();
		fflush(stdout);
	}
	burn(0.02);
	return 0;
}
