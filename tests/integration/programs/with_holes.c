/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks and CPU time at a depth of calls, from an object whose segments have holes between them. */
#include <stdlib.h>
#include <time.h>

__attribute__((noinline, noclone)) static void *descend(int depth)
{
	void *block = depth ? descend(depth - 1) : malloc(1234);

	__asm__ volatile("" : "+r"(block));
	return block;
}

__attribute__((noinline, noclone)) static void burn(double seconds)
{
	while ((double)clock() / CLOCKS_PER_SEC < seconds)
		;
}

int main(void)
{
	for (int i = 0; i < 100; i++)
		free(descend(20));
	burn(0.2);
	return 0;
}
