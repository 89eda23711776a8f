/* SPDX-License-Identifier: Apache-2.0 */
/* Allocates on a stack whose return addresses lead nowhere, as code without unwind tables leaves them to who unwinds. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf out;
static uint64_t stack[8192] __attribute__((aligned(16)));

static void allocate(void)
{
	for (int i = 0; i < 100; i++)
		free(malloc(77));
	longjmp(out, 1);
}

int main(void)
{
	uint64_t *top = &stack[8001], *frame = &stack[8010];

	top[0] = UINT64_C(0x123456789abc);
	for (int i = 0; i < 8; i++, frame += 10) {
		frame[0] = (uint64_t)(frame + 10);
		frame[1] = UINT64_C(0x123456789abc) + (uint64_t)i * 0x10000;
	}
	if (!setjmp(out))
		__asm__ volatile("mov %0, %%rsp\n\tmov %1, %%rbp\n\tjmp *%2" : : "r"(top), "r"(&stack[8010]), "r"(allocate) : "memory");
	puts("alive");
	return 0;
}
