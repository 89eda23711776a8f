/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of many kinds and ends. What is printed does not depend on being profiled, but for the lines that begin with
 * '#': those are figures for the test.
 */
#include <alloca.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile unsigned long sink;

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void burn(double seconds)
{
	double end = now(CLOCK_THREAD_CPUTIME_ID) + seconds;

	while (now(CLOCK_THREAD_CPUTIME_ID) < end) {
		for (int i = 0; i < 20000; i++)
			sink += (unsigned long)i;
	}
}

static int lines(const char *path)
{
	char text[4096];
	FILE *file = fopen(path, "r");
	int count = 0;

	while (file && fgets(text, sizeof(text), file))
		count++;
	if (file)
		fclose(file);
	return count;
}

static void *touch(void *argument)
{
	void *volatile block = malloc(100);

	free(block);
	return argument;
}

/* One after the other: arguments: how many. */
static void many(int count)
{
	pthread_t thread;
	void *result;
	double began;
	int wrong = 0, maps;

	for (int i = 0; i < 50; i++) {
		pthread_create(&thread, NULL, touch, NULL);
		pthread_join(thread, NULL);
	}
	maps = lines("/proc/self/maps");
	began = now(CLOCK_MONOTONIC);
	for (int i = 0; i < count; i++) {
		if (pthread_create(&thread, NULL, touch, &wrong) || pthread_join(thread, &result))
			wrong++;
		wrong += result != &wrong;
	}
	printf("# us_each %.2f\n", (now(CLOCK_MONOTONIC) - began) / count * 1e6);
	printf("# maps_grown %d\n", lines("/proc/self/maps") - maps);
	printf("# timer_lines %d\n", lines("/proc/self/timers"));
	printf("wrong: %d\n", wrong);
}

static pthread_barrier_t barrier;

static void *stay(void *argument)
{
	touch(argument);
	pthread_barrier_wait(&barrier);
	burn(0.001);
	return argument;
}

static void at_once(int count)
{
	pthread_t *threads = calloc((size_t)count, sizeof(*threads));
	int wrong = 0, maps = lines("/proc/self/maps");
	void *result;

	pthread_barrier_init(&barrier, NULL, (unsigned int)count);
	for (long i = 0; i < count; i++)
		wrong += pthread_create(&threads[i], NULL, stay, (void *)i) != 0;
	for (long i = 0; i < count; i++)
		wrong += pthread_join(threads[i], &result) != 0 || result != (void *)i;
	printf("# maps_grown %d\n", lines("/proc/self/maps") - maps);
	printf("# timer_lines %d\n", lines("/proc/self/timers"));
	printf("wrong: %d\n", wrong);
	free(threads);
}

/* The smallest stack there may be, nearly used up. */
static void *on_little(void *left_over)
{
	char here;
	void *low;
	size_t size;
	pthread_attr_t attributes;
	char *rest;

	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &low, &size);
	pthread_attr_destroy(&attributes);
	rest = alloca((size_t)(&here - (char *)low) - (size_t)left_over);
	rest[0] = 1;
	burn(0.05);
	return NULL;
}

static void small_stacks(int left_over)
{
	pthread_attr_t attributes;
	pthread_t threads[8];
	int wrong = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	for (int i = 0; i < 8; i++)
		wrong += pthread_create(&threads[i], &attributes, on_little, (void *)(long)left_over) != 0;
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	printf("wrong: %d\n", wrong);
}

static ucontext_t scheduler, fiber;
static int fiber_done;

static void fiber_main(void)
{
	burn(0.2);
	fiber_done = 1;
	swapcontext(&fiber, &scheduler);
}

/* A stack with no room for a signal's frame, and a guarded area below it. Link with -z now: looking symbols up would
 * overrun it as well. */
static void tiny_fiber(void)
{
	static char memory[8192];

	memset(memory, 0x5a, sizeof(memory));
	getcontext(&fiber);
	fiber.uc_stack.ss_sp = memory + 4096;
	fiber.uc_stack.ss_size = 1536;
	fiber.uc_link = &scheduler;
	makecontext(&fiber, fiber_main, 0);
	swapcontext(&scheduler, &fiber);
	for (int i = 0; i < 4096; i++) {
		if (memory[i] != 0x5a) {
			printf("written below the stack\n");
			return;
		}
	}
	printf("done: %d\n", fiber_done);
}

static pthread_key_t early_key, late_key;

static void key_ends(void *value)
{
	burn(0.01);
	free(value);
}

static void *ends_by(void *kind)
{
	char name[16];

	snprintf(name, sizeof(name), "ends-%ld", (long)kind);
	if ((long)kind % 2)
		pthread_setname_np(pthread_self(), name);
	else
		prctl(PR_SET_NAME, name);
	pthread_setspecific(early_key, malloc(1111));
	pthread_setspecific(late_key, malloc(2222));
	burn(0.02);
	if (kind == (void *)1)
		pthread_exit(NULL);
	if (kind == (void *)2) {
		pthread_cancel(pthread_self());
		pthread_testcancel();
	}
	return NULL;
}

static int c11_main(void *argument)
{
	pthread_setname_np(pthread_self(), "c11");
	burn(0.02);
	return argument == &sink ? 42 : 0;
}

static void ends(void)
{
	pthread_t thread;
	thrd_t other;
	int result;

	pthread_key_create(&early_key, key_ends);
	for (int i = 0; i < 40; i++) /* those beyond the first 32 need memory */
		pthread_key_create(&late_key, key_ends);
	for (long kind = 0; kind < 3; kind++) {
		pthread_create(&thread, NULL, ends_by, (void *)kind);
		pthread_join(thread, NULL);
	}
	thrd_create(&other, c11_main, (void *)&sink);
	thrd_join(other, &result);
	printf("c11: %d\n", result);
}

static void allocate(void)
{
	for (int i = 0; i < 100; i++)
		free(malloc(3333));
}

/* Through code that no object holds and that leaves `fp` in the frame pointer. */
static void made_call(void (*function)(void), void *fp)
{
	/* push %rbp; mov %rsi, %rbp; call *%rdi; pop %rbp; ret */
	static const unsigned char code[] = {0x55, 0x48, 0x89, 0xf5, 0xff, 0xd7, 0x5d, 0xc3};
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(at, code, sizeof(code));
	mprotect(at, 4096, PROT_READ | PROT_EXEC);
	((void (*)(void (*)(void), void *))at)(function, fp);
	munmap(at, 4096);
}

static ucontext_t part_context, whole_context;
static char *part_guard;

static void part_main(void)
{
	made_call(allocate, part_guard);
	burn(0.05);
}

/* A part of the thread's own stack becomes a stack, with a guard above it. */
static void *parts(void *unused)
{
	const size_t size = 1 << 17;
	char *stack = alloca(size + 2 * 4096);

	part_guard = (char *)(((uintptr_t)stack + size + 4095) & ~(uintptr_t)4095);
	mprotect(part_guard, 4096, PROT_NONE);
	getcontext(&part_context);
	part_context.uc_stack.ss_sp = stack;
	part_context.uc_stack.ss_size = (size_t)(part_guard - stack);
	part_context.uc_link = &whole_context;
	makecontext(&part_context, part_main, 0);
	swapcontext(&whole_context, &part_context);
	mprotect(part_guard, 4096, PROT_READ | PROT_WRITE);
	printf("whole again\n");
	return unused;
}

static void parted(void)
{
	pthread_t thread;

	parts(NULL);
	pthread_create(&thread, NULL, parts, NULL);
	pthread_join(thread, NULL);
}

static void *outlives(void *first)
{
	pthread_setname_np(pthread_self(), "outlives");
	burn(0.1);
	pthread_join((pthread_t)first, NULL);
	made_call(allocate, __builtin_frame_address(0));
	printf("main is gone\n");
	return NULL;
}

static void main_exits(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlives, (void *)pthread_self());
	burn(0.02);
	pthread_exit(NULL);
}

static void *errno_main(void *value)
{
	long wrong = 0;
	double end = now(CLOCK_THREAD_CPUTIME_ID) + 0.3;

	while (now(CLOCK_THREAD_CPUTIME_ID) < end) {
		errno = (int)(long)value;
		for (int i = 0; i < 20000; i++)
			wrong += errno != (int)(long)value;
	}
	return (void *)wrong;
}

static void errors(void)
{
	pthread_t threads[3];
	void *wrong;

	for (long i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, errno_main, (void *)(1000 + i));
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &wrong);
		printf("errno changed: %ld\n", (long)wrong);
	}
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";
	int number = count > 2 ? atoi(arguments[2]) : 1000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "many"))
		many(number);
	else if (!strcmp(what, "at_once"))
		at_once(number);
	else if (!strcmp(what, "small_stacks"))
		small_stacks(number);
	else if (!strcmp(what, "tiny_fiber"))
		tiny_fiber();
	else if (!strcmp(what, "ends"))
		ends();
	else if (!strcmp(what, "main_exits"))
		main_exits();
	else if (!strcmp(what, "parted"))
		parted();
	else if (!strcmp(what, "errors"))
		errors();
	else
		return 2;
	return 0;
}
