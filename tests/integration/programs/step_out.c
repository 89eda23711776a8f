/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler that leaves a hook at many of its instructions in turn, by single steps (x86). Argument:
 *	away	to another stack, above the interrupted one, and back: the hook goes on
 *	flush	for good, at each of the first instructions after a write of the library's own; then three allocations
 *	sealed	for good, where a filter has forbidden sigaltstack
 * Prints how many times it left.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "library_code.h"

#define STACK 65536

static char stacks[2][STACK] __attribute__((aligned(64))); /* the interrupted one, the other one */
static sigjmp_buf place, other, back;
static volatile long count, target, left;
static volatile sig_atomic_t armed, whole, seen;
static const char *what;
static ucontext_t outside, contexts[2];

static __attribute__((noinline)) void called(void)
{
	munmap(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192);
	if (strcmp(what, "flush") != 0)
		free(malloc(37));
}

static __attribute__((noinline)) void after(void)
{
	for (int i = 0; i < 3; i++)
		free(malloc(51));
}

static void handler(int number, siginfo_t *information, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *code = (const unsigned char *)registers[REG_RIP];

	(void)number, (void)information;
	if (!armed)
		registers[REG_EFL] &= ~0x100L;
	if (!armed || (uintptr_t)code < low || (uintptr_t)code >= high)
		return;
	if (strcmp(what, "flush") == 0 && !seen) {
		seen = code[0] == 0x0f && code[1] == 0x05 && registers[REG_RAX] == SYS_write;
		return;
	}
	if (count++ != target)
		return;
	armed = 0;
	left++;
	if (strcmp(what, "away") != 0)
		siglongjmp(place, 1);
	if (!sigsetjmp(back, 1))
		siglongjmp(other, 1);
	registers[REG_EFL] &= ~0x100L;
}

static void steps(void)
{
	seen = 0;
	count = 0;
	armed = 1;
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::: "memory", "cc");
	do
		called();
	while (armed && strcmp(what, "flush") == 0);
	whole = armed; /* not left */
	armed = 0;
}

static void work(void)
{
	long limit = strcmp(what, "flush") == 0 ? 16 : 5000;

	long stride = strcmp(what, "away") == 0 ? 3 : 1;

	whole = 0;
	for (target = 0; target < limit && !whole; target += stride) {
		if (!sigsetjmp(place, 1))
			steps();
		if (strcmp(what, "sealed") != 0)
			after();
	}
}

static void elsewhere(void)
{
	if (!sigsetjmp(other, 1))
		swapcontext(&contexts[1], &outside);
	siglongjmp(back, 1);
}

static void context_make(int number, void (*function)(void))
{
	getcontext(&contexts[number]);
	contexts[number].uc_stack.ss_sp = stacks[number];
	contexts[number].uc_stack.ss_size = STACK;
	contexts[number].uc_link = &outside;
	makecontext(&contexts[number], function, 0);
	swapcontext(&outside, &contexts[number]);
}

static void forbid(void)
{
	struct sock_filter rows[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(rows) / sizeof(rows[0]), rows};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(2);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	what = argv[argc - 1];
	library_find();
	sigaction(SIGTRAP, &action, NULL);
	called();
	if (strcmp(what, "sealed") == 0)
		forbid();
	if (strcmp(what, "away") == 0) {
		context_make(1, elsewhere);
		context_make(0, work);
	} else {
		work();
	}
	printf("%ld\n", left);
	return 0;
}
