/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scheduler of stacks whose handler takes the processor from one in the middle of a hook and gives it to another one that is
 * in the middle of a hook as well: each pair of instructions of two writes in turn, by single steps (x86); of the second one
 * every 64th. Then 1000 writes without. Prints how many pairs there were, and how many writes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "library_code.h"

#define STACK  65536
#define STRIDE 64

static char stacks[2][STACK] __attribute__((aligned(64)));
static ucontext_t scheduler, contexts[2];
static int now, null;
static volatile long count, target, writes;
static volatile sig_atomic_t armed, stopped[2];

static void handler(int number, siginfo_t *information, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t code = (uintptr_t)registers[REG_RIP];

	(void)number, (void)information;
	if (armed && (code < low || code >= high || count++ != target))
		return;
	registers[REG_EFL] &= ~0x100L;
	if (!armed)
		return;
	armed = 0;
	stopped[now] = 1;
	swapcontext(&contexts[now], &scheduler);
}

static __attribute__((noinline)) void work(void)
{
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::: "memory", "cc");
	if (write(null, "1234567", 7) == 7)
		writes++;
	armed = 0;
}

/* Runs until it is stopped, or to its end. */
static void go(int number, long stop)
{
	now = number;
	stopped[number] = 0;
	count = 0;
	target = stop;
	armed = 1;
	getcontext(&contexts[number]);
	contexts[number].uc_stack.ss_sp = stacks[number];
	contexts[number].uc_stack.ss_size = STACK;
	contexts[number].uc_link = &scheduler;
	makecontext(&contexts[number], work, 0);
	swapcontext(&scheduler, &contexts[number]);
}

static void go_on(int number)
{
	if (stopped[number])
		swapcontext(&scheduler, &contexts[number]);
}

static __attribute__((noinline)) void after(void)
{
	for (int i = 0; i < 1000; i++)
		writes += write(null, "123", 3) == 3;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
	long pairs = 0, first = 0;
	int more;

	null = open("/dev/null", O_WRONLY);
	library_find();
	sigaction(SIGTRAP, &action, NULL);
	for (int i = 0; i < 3; i++)
		go(0, 1000000);
	do {
		long second = 0;

		do {
			go(0, first);
			go(1, second);
			more = stopped[1];
			go_on(0);
			go_on(1);
			second += STRIDE;
			pairs++;
		} while (more);
		go(0, ++first);
		more = stopped[0];
		go_on(0);
	} while (more);
	after();
	printf("%ld %ld\n", pairs, writes);
	return 0;
}
