/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go's runtime does with cgo, in small: takes an alternate stack that a thread has for its own, asked for and set
 * by system calls of its own; orders its handlers with SA_ONSTACK through libc; and gives up when one runs elsewhere.
 * Carries the note of Go's linker. -DLIBRARY: the same as a library, for a program of C.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((used, aligned(4), section(".note.go.buildid,\"a\",@note#"))) static const struct {
	uint32_t name, description, type;
	char text[8];
} go_note = {4, 4, 4, "Go\0\0abc"};

#define STACK_BYTES 32768

static __thread uintptr_t low, high;
static volatile int wrong, right;

static void on_signal(int number, siginfo_t *info, void *context)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)number;
	(void)info;
	(void)context;
	if (here >= low && here < high)
		right++;
	else
		wrong++;
}

static void stack_adopt(void)
{
	stack_t stack;

	syscall(SYS_sigaltstack, NULL, &stack);
	if (stack.ss_flags & SS_DISABLE) {
		stack = (stack_t){.ss_sp = malloc(STACK_BYTES), .ss_size = STACK_BYTES};
		syscall(SYS_sigaltstack, &stack, NULL);
	}
	low = (uintptr_t)stack.ss_sp;
	high = low + stack.ss_size;
}

static void *thread_run(void *unused)
{
	stack_adopt();
	for (int i = 0; i < 100; i++)
		raise(SIGURG);
	return unused;
}

int go_work(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	pthread_t threads[4];

	stack_adopt();
	sigfillset(&action.sa_mask);
	sigaction(SIGURG, &action, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, thread_run, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	raise(SIGURG);
	printf("%s\n", wrong || !right ? "not on the signal stack" : "on the signal stack");
	return wrong != 0;
}

#ifndef LIBRARY
int main(void)
{
	return go_work();
}
#endif
