/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses signals for itself, in the ways that programs do, while it works; the output does not depend on being profiled.
 * Arguments: the part.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST SIGRTMIN
#define LAST  SIGRTMAX
#define EACH  5 /* of each signal */

static volatile unsigned long sink;

static void burn(double seconds)
{
	struct timespec now;
	double end = 0;

	do {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i;
		free(malloc(64));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
		if (end == 0)
			end = (double)now.tv_sec + (double)now.tv_nsec / 1e9 + seconds;
	} while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < end);
}

static sigset_t real_time(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int number = FIRST; number <= LAST; number++)
		sigaddset(&set, number);
	return set;
}

/* Highest signal first: the kernel's order is by number, and by time within a number. */
static void send_all(void)
{
	for (int i = 0; i < EACH; i++) {
		for (int number = LAST; number >= FIRST; number--) {
			union sigval value = {.sival_int = number * 100 + i};

			if (sigqueue(getpid(), number, value) != 0)
				printf("sigqueue %d: %s\n", number, strerror(errno));
		}
		burn(0.002);
	}
}

static volatile int taken[400], taken_count;

static void take(int number, siginfo_t *info, void *context)
{
	(void)context;
	taken[taken_count++] = info->si_code == SI_QUEUE && info->si_value.sival_int / 100 == number
				       ? info->si_value.sival_int
				       : -number;
}

static void print_taken(void)
{
	for (int i = 0; i < taken_count; i++)
		printf("%d%s", taken[i], i % 16 == 15 || i + 1 == taken_count ? "\n" : " ");
	taken_count = 0;
}

/* Handlers for all of them: sent at once while blocked, then one by one. */
static void handlers(void)
{
	struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t all = real_time(), old;

	action.sa_mask = all; /* none interrupts another: the order is certain */
	for (int number = FIRST; number <= LAST; number++)
		sigaction(number, &action, NULL);
	sigprocmask(SIG_BLOCK, &all, &old);
	burn(0.02);
	send_all();
	sigprocmask(SIG_SETMASK, &old, NULL);
	print_taken();
	for (int number = FIRST; number <= LAST; number++) {
		sigqueue(getpid(), number, (union sigval){.sival_int = number * 100});
		burn(0.001);
	}
	print_taken();
}

static void waits(void)
{
	sigset_t all = real_time();
	siginfo_t info;
	int number;

	sigprocmask(SIG_BLOCK, &all, NULL);
	burn(0.02);
	send_all();
	while ((number = sigtimedwait(&all, &info, &(struct timespec){0, 0})) > 0)
		take(number, &info, NULL);
	print_taken();
	send_all();
	for (int i = 0; i < EACH * (LAST - FIRST + 1); i++)
		taken[taken_count++] = sigwait(&all, &number) == 0 ? number : -1;
	print_taken();
	/* One at a time, as those programs do that name them. */
	for (number = FIRST; number <= LAST; number++) {
		sigset_t one;
		int got = 0;

		sigemptyset(&one);
		sigaddset(&one, number);
		sigqueue(getpid(), number, (union sigval){.sival_int = number * 100});
		burn(0.001);
		sigwait(&one, &got);
		taken[taken_count++] = got;
	}
	print_taken();
}

static void *short_life(void *unused)
{
	burn(0.002);
	return unused;
}

/* Sent to the process while every thread blocks them: threads that come and go meanwhile take none away. */
static void passed_by(bool handled)
{
	struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t all = real_time(), old;
	siginfo_t info;
	pthread_t thread;
	int number;

	action.sa_mask = all;
	for (number = FIRST; handled && number <= LAST; number++)
		sigaction(number, &action, NULL);
	sigprocmask(SIG_BLOCK, &all, &old);
	burn(0.02);
	send_all();
	for (int i = 0; i < 8; i++) {
		if (pthread_create(&thread, NULL, short_life, NULL) == 0)
			pthread_join(thread, NULL);
	}
	if (handled)
		sigprocmask(SIG_SETMASK, &old, NULL);
	while ((number = sigtimedwait(&all, &info, &(struct timespec){0, 0})) > 0)
		take(number, &info, NULL);
	print_taken();
}

static void passed_handled(void)
{
	passed_by(true);
}

static void passed_waited_for(void)
{
	passed_by(false);
}

static void descriptor(void)
{
	struct signalfd_siginfo info;
	sigset_t all = real_time();
	int fd;

	sigprocmask(SIG_BLOCK, &all, NULL);
	fd = signalfd(-1, &all, SFD_NONBLOCK);
	burn(0.02);
	send_all();
	while (read(fd, &info, sizeof(info)) == sizeof(info))
		taken[taken_count++] = info.ssi_int;
	print_taken();
}

static void *sleeper(void *slot)
{
	sigset_t all = real_time();
	siginfo_t info;

	while (sigwaitinfo(&all, &info) != LAST)
		((volatile int *)slot)[info.si_signo]++;
	return NULL;
}

static void to_threads(void)
{
	static int counts[4][65];
	sigset_t all = real_time();
	pthread_t threads[4];

	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, sleeper, counts[i]);
	for (int round = 0; round < 10; round++) {
		for (int number = FIRST; number < LAST; number++)
			pthread_kill(threads[(number + round) % 4], number);
		burn(0.002);
	}
	for (int i = 0; i < 4; i++)
		pthread_kill(threads[i], LAST);
	for (int i = 0; i < 4; i++) {
		int sum = 0;

		pthread_join(threads[i], NULL);
		for (int number = 0; number < 65; number++)
			sum += counts[i][number];
		printf("%d ", sum);
	}
	printf("\n");
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static sigjmp_buf out;
static char *page;
static volatile int faults;
static void *low, *high; /* of the alternate stack */

static void repair(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	faults++;
	if (info->si_addr != page || (low && ((void *)&here < low || (void *)&here > high)))
		abort();
	if (number == SIGBUS)
		siglongjmp(out, 1);
	burn(0.001);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void faults_taken(const char *how)
{
	char name[] = "/tmp/preprof-own-signals-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	for (int i = 0; i < 20; i++) {
		page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(volatile char *)page = 1;
		burn(0.001);
		munmap(page, 4096);
		page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0); /* beyond the end of the file */
		if (sigsetjmp(out, 1) == 0)
			sink += (unsigned long)*(volatile char *)page;
		munmap(page, 4096);
		burn(0.001);
	}
	close(fd);
	printf("%s: %d faults\n", how, faults);
	faults = 0;
}

static void fault_handlers(int flags)
{
	struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO | flags};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static void *faults_in_thread(void *unused)
{
	(void)unused;
	faults_taken("in a thread");
	return NULL;
}

/* With SET_EARLY this is a library whose constructor comes before ours. */
#ifdef SET_EARLY
__attribute__((constructor)) static void set_early(void)
{
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fault_handlers(0);
	*(volatile char *)page = 1;
	faults = 0;
}

void take_faults(void)
{
	faults_taken("set early");
}
#else
__attribute__((weak)) void take_faults(void);

static void own_faults(void)
{
	size_t size = 65536;
	stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
	pthread_t thread;

	if (take_faults)
		take_faults();
	fault_handlers(SA_NODEFER);
	faults_taken("plain");
	pthread_create(&thread, NULL, faults_in_thread, NULL);
	pthread_join(thread, NULL);
	fault_handlers(SA_ONSTACK);
	faults_taken("for a stack that is not there");
	sigaltstack(&stack, NULL);
	low = stack.ss_sp;
	high = (char *)low + size;
	faults_taken("on a stack of its own");
	signal(SIGSEGV, SIG_DFL);
	fflush(stdout);
	*(volatile char *)16 = 1;
}

/* --- waiting for one, and calls that one interrupts ------------------------------------------------------------------ */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

/* Again and again: a busy machine may let the first go by before the call that it is to interrupt. */
static void alarm_in(long microseconds)
{
	setitimer(ITIMER_REAL, &(struct itimerval){{0, microseconds}, {0, microseconds}}, NULL);
}

static void print_failure(const char *what, long result)
{
	printf("%s %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	sigset_t none, alarm_only;
	int ends[2];
	char byte;

	sigemptyset(&none);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	if (pipe(ends) != 0)
		return;
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 10; i++) {
		alarm_in(5000);
		print_failure("read", read(ends[0], &byte, 1));
		alarm_in(0);
	}
	for (int i = 0; i < 10; i++) {
		sigprocmask(SIG_BLOCK, &alarm_only, NULL);
		alarm_in(1000);
		burn(0.002);
		print_failure("sigsuspend", sigsuspend(&none));
		alarm_in(0);
		sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	}
	alarm_in(50000);
	print_failure("pause", pause());
	printf("sleep %d\n", sleep(2) > 0);
	alarm_in(0);
	alarms = 0;
	print_failure("raise", raise(SIGALRM));
	printf("alarms %d\n", (int)alarms);
	/* With SA_RESTART the read goes on, however many come. */
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	if (fork() == 0) {
		usleep(100000);
		write(ends[1], "x", 1);
		_exit(0);
	}
	alarm_in(20000);
	printf("restarted %zd\n", read(ends[0], &byte, 1));
	alarm_in(0);
	wait(NULL);
	printf("alarms %d\n", alarms > 1);
}

/* --- timers of its own ------------------------------------------------------------------------------------------------ */

static volatile int timer_wrong, timer_came;

static void on_timer(int number, siginfo_t *info, void *context)
{
	(void)context;
	timer_came += 1 + info->si_overrun;
	timer_wrong += info->si_code != SI_TIMER || info->si_value.sival_int != number;
}

static void on_timer_thread(union sigval value)
{
	__atomic_add_fetch((int *)value.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

static void timers(void)
{
	static const int numbers[] = {SIGPROF, SIGALRM, SIGVTALRM, SIGUSR1, 34, 59, 60, 61, 62, 63, 64};
	struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerspec times = {{0, 5000000}, {0, 5000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL};
	int notified = 0;
	timer_t timer;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], &action, NULL);
		event.sigev_signo = numbers[i];
		event.sigev_value.sival_int = numbers[i];
		timer_came = 0;
		timer_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
		timer_settime(timer, 0, &times, NULL);
		burn(0.1);
		timer_delete(timer);
		printf("%d: %s, %d wrong\n", numbers[i], timer_came >= 10 ? "came" : "missed", timer_wrong);
	}
	event.sigev_notify = SIGEV_THREAD;
	event.sigev_notify_function = on_timer_thread;
	event.sigev_value.sival_ptr = &notified;
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &times, NULL);
	while (__atomic_load_n(&notified, __ATOMIC_SEQ_CST) < 10)
		burn(0.005);
	timer_delete(timer);
	printf("by a thread: came\n");
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"handlers", handlers},	      {"waits", waits},	  {"descriptor", descriptor}, {"to_threads", to_threads},
	{"interrupted", interrupted}, {"timers", timers}, {"faults", own_faults},
	{"passed_handled", passed_handled}, {"passed_waited_for", passed_waited_for},
};

int main(int argument_count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (argument_count > 1 && strcmp(arguments[1], parts[i].name) == 0)
			parts[i].run();
	}
	return 0;
}
#endif
