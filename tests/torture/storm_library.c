/* SPDX-License-Identifier: Apache-2.0 */
/* A library for storm.c; NUMBER is another for each. It allocates when it comes, works and goes. */
#include <stdlib.h>

static void *kept;
static __thread int calls;

__attribute__((constructor)) static void come(void)
{
	kept = malloc(100 + NUMBER);
}

__attribute__((destructor)) static void go(void)
{
	free(kept);
}

__attribute__((noinline)) int storm_deep(int depth)
{
	void *block = malloc((size_t)depth + 1);
	int result = depth ? storm_deep(depth - 1) + 1 : NUMBER;

	free(block);
	return result;
}

int storm_work(int depth)
{
	calls++;
	return storm_deep(depth);
}
