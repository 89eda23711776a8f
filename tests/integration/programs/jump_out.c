/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timer's handler leaves by siglongjmp, wherever its thread is: in the call that it repeats, before it, after it. Then 1000
 * writes that nothing interrupts. Arguments: what is repeated, jumps, threads, and "own" for a handler's stack of its own.
 * Prints calls that came back, and jumps.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIZE 7

static __thread sigjmp_buf place;
static __thread volatile sig_atomic_t armed, jumps;
static __thread volatile long calls;
static long all_calls, all_jumps;
static int null, wanted, own_stack;
static const char *what;

static void jump_inside(void)
{
	sigjmp_buf here;

	if (!sigsetjmp(here, 1))
		siglongjmp(here, 1);
}

static void handler(int signal_number)
{
	(void)signal_number;
	jump_inside(); /* one that leaves nothing */
	if (armed) {
		jumps++;
		siglongjmp(place, 1);
	}
}

static __attribute__((noinline)) void before(void)
{
	for (;;) {
		if (strcmp(what, "write") == 0) {
			if (write(null, "abcdefg", SIZE) != SIZE)
				_exit(3);
		} else if (strcmp(what, "vary") == 0) {
			if (write(null, "abcdefghijklmno", 1 + (size_t)calls % 15) < 0)
				_exit(3);
		} else if (strcmp(what, "dup") == 0) {
			close(dup(null));
		} else if (munmap(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192) != 0) {
			_exit(3);
		}
		calls++;
	}
}

static __attribute__((noinline)) void after(void)
{
	for (int i = 0; i < 1000; i++)
		if (write(null, "abcdefg", SIZE) != SIZE)
			_exit(3);
}

static void *work(void *argument)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec often = {{0, 300000}, {0, 300000}}, never = {{0, 0}, {0, 0}};
	stack_t other = {.ss_size = 65536};
	timer_t timer;

	if (own_stack) {
		other.ss_sp = alloca(other.ss_size); /* above the frames that are interrupted */
		sigaltstack(&other, NULL);
	}
	event._sigev_un._tid = (int)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &often, NULL) != 0)
		_exit(4);
	while (jumps < wanted) {
		if (!sigsetjmp(place, 1)) {
			armed = 1;
			before();
		}
		armed = 0;
	}
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
	after();
	__atomic_add_fetch(&all_calls, calls, __ATOMIC_RELAXED);
	__atomic_add_fetch(&all_jumps, jumps, __ATOMIC_RELAXED);
	return argument;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handler};
	pthread_t threads[16];
	int count = atoi(argv[3]);

	what = argv[1];
	wanted = atoi(argv[2]);
	own_stack = argc > 4;
	action.sa_flags = own_stack ? SA_ONSTACK : 0;
	sigaction(SIGALRM, &action, NULL);
	null = open("/dev/null", O_RDWR);
	for (int i = 1; i < count; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	work(NULL);
	for (int i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%ld %ld\n", all_calls, all_jumps);
	return 0;
}
