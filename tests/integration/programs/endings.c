/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends in the way that its argument names. Before that it has made 1000 blocks and freed them, and keeps 7; what a way
 * out runs (handlers, destructors) makes 10 pairs each. Nothing here uses stdio: no block but these is made.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *volatile keep;
static char alternate[65536];

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(500);

		free(block);
	}
}

static void hold(int count)
{
	for (int i = 0; i < count; i++)
		keep = malloc(300);
}

static void on_exit_handler(int status, void *argument)
{
	(void)argument;
	say(status == 40 ? "on_exit 40\n" : "on_exit\n");
	allocate(10);
}

static void at_exit(void)
{
	say("atexit\n");
	allocate(10);
}

static void at_quick(void)
{
	say("quick\n");
	allocate(10);
}

__attribute__((destructor)) static void destroy_last(void)
{
	say("destructor\n");
	allocate(10);
}

static void handler(int number)
{
	say("handler\n");
	allocate(10);
	if (number == SIGTERM)
		_exit(61);
	if (number == SIGSEGV)
		signal(number, SIG_DFL); /* it comes again */
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

	if (flags & SA_ONSTACK)
		sigaltstack(&stack, NULL);
	sigaction(number, &action, NULL);
}

static int overflow(int depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	return overflow(depth + 1) + room[0];
}

static void raw_exit(long status)
{
#if defined(__x86_64__)
	__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(status));
#else
	syscall(SYS_exit_group, status);
#endif
}

static void *fault(void *argument)
{
	allocate(10);
	*(volatile int *)argument = 1;
	return NULL;
}

static void *cancelled(void *argument)
{
	allocate(10);
	pause();
	return argument;
}

static void *leave(void *argument)
{
	pthread_join(*(pthread_t *)argument, NULL);
	say("after main\n");
	allocate(10);
	return NULL;
}

static void *leave_by_exit(void *argument)
{
	pthread_join(*(pthread_t *)argument, NULL);
	allocate(10);
	exit(7);
}

static void *leave_raw(void *argument)
{
	pthread_join(*(pthread_t *)argument, NULL);
	allocate(10);
	raw_exit(8);
	return NULL;
}

static void thread_ends(void *(*body)(void *))
{
	static pthread_t self;
	pthread_t thread;

	self = pthread_self();
	pthread_create(&thread, NULL, body, &self);
	pthread_exit(NULL);
}

static void *churn(void *argument)
{
	for (;;)
		allocate(100);
	return argument;
}

static void threads(const char *mode)
{
	pthread_t thread;

	if (!strcmp(mode, "churn")) {
		for (int i = 0; i < 3; i++)
			pthread_create(&thread, NULL, churn, NULL);
		say("ready\n");
		pause();
	}

	if (!strcmp(mode, "main-pthread_exit"))
		thread_ends(leave);
	if (!strcmp(mode, "main-pthread_exit-exit"))
		thread_ends(leave_by_exit);
	if (!strcmp(mode, "main-pthread_exit-raw"))
		thread_ends(leave_raw);
	if (!strcmp(mode, "thread-fault")) {
		pthread_create(&thread, NULL, fault, NULL);
		pthread_join(thread, NULL);
	}
	if (!strcmp(mode, "thread-cancelled")) {
		pthread_create(&thread, NULL, cancelled, NULL);
		usleep(50000);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		raw_exit(44);
	}
}

/* Asks for more than it may have until there is none. */
static void exhaust(void)
{
	struct rlimit limit = {256 << 20, 256 << 20};

	setrlimit(RLIMIT_AS, &limit);
	while (malloc(1 << 20))
		;
	say("no memory\n");
	abort();
}

static void limits(const char *mode)
{
	struct rlimit second = {1, 2}, files = {4096, 4096};
	char page[8192] = "";
	int fd;

	if (!strcmp(mode, "rlimit-as"))
		exhaust();
	if (!strcmp(mode, "rlimit-cpu")) {
		setrlimit(RLIMIT_CPU, &second);
		for (;;)
			;
	}
	if (!strcmp(mode, "rlimit-fsize")) {
		setrlimit(RLIMIT_FSIZE, &files);
		fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		if (write(fd, page, sizeof(page)) == 4096 && write(fd, page, sizeof(page)) < 0)
			say("SIGXFSZ did not kill\n");
	}
	if (!strcmp(mode, "touch")) /* until someone kills */
		for (;;)
			memset(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 1 << 20);
}

static void signals(const char *mode)
{

	if (!strcmp(mode, "abort"))
		abort();
	if (!strcmp(mode, "fault"))
		*(volatile int *)0 = 1;
	if (!strcmp(mode, "handled-fault")) {
		handle(SIGSEGV, 0);
		*(volatile int *)0 = 1;
	}
	if (!strcmp(mode, "handled-term")) {
		handle(SIGTERM, 0);
		raise(SIGTERM);
	}
	if (!strcmp(mode, "trap"))
		__builtin_trap();
	if (!strcmp(mode, "overflow"))
		overflow(0);
	if (!strcmp(mode, "handled-overflow")) {
		handle(SIGSEGV, SA_ONSTACK);
		overflow(0);
	}
	if (!strncmp(mode, "self-", 5))
		kill(getpid(), atoi(mode + 5));
	if (!strncmp(mode, "raise-", 6))
		raise(atoi(mode + 6));
	if (!strcmp(mode, "parent-dies")) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		pause();
	}
}

static void executes(const char *mode, char **argv)
{
	static char *none[] = {NULL};
	extern char **environ;

	if (!strcmp(mode, "exec"))
		execv("/proc/self/exe", (char *[]){argv[0], argv[2], NULL});
	if (!strcmp(mode, "exec-empty"))
		execve("/proc/self/exe", (char *[]){argv[0], argv[2], NULL}, none);
	if (!strcmp(mode, "exec-cleared")) {
		clearenv();
		execv("/proc/self/exe", (char *[]){argv[0], argv[2], NULL});
	}
	if (!strcmp(mode, "exec-raw"))
		syscall(SYS_execve, "/proc/self/exe", (char *[]){argv[0], argv[2], NULL}, environ);
	if (!strcmp(mode, "exec-raw-empty"))
		syscall(SYS_execve, "/proc/self/exe", (char *[]){argv[0], argv[2], NULL}, none);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "return";

	prctl(PR_SET_DUMPABLE, strcmp(mode, "undumpable") != 0);
	on_exit(on_exit_handler, NULL);
	atexit(at_exit);
	at_quick_exit(at_quick);
	allocate(1000);
	hold(7);
	if (!strcmp(mode, "exit"))
		exit(40);
	if (!strcmp(mode, "exit-256"))
		exit(256 + 3);
	if (!strcmp(mode, "_exit"))
		_exit(41);
	if (!strcmp(mode, "_Exit"))
		_Exit(42);
	if (!strcmp(mode, "quick_exit"))
		quick_exit(43);
	if (!strcmp(mode, "syscall"))
		syscall(SYS_exit_group, 44);
	if (!strcmp(mode, "asm"))
		raw_exit(44);
	if (!strcmp(mode, "wait")) {
		say("ready\n");
		pause();
	}
	threads(mode);
	limits(mode);
	signals(mode);
	executes(mode, argv);
	return 45;
}
