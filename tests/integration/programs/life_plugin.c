/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin, built several times under different names; NAME says which. */
#include <stdlib.h>

#ifndef NAME
#define NAME plugin_run
#endif

void *NAME(int depth);

__attribute__((noinline)) void *NAME(int depth)
{
	void *volatile block = depth > 0 ? NAME(depth - 1) : malloc(4000 + SIZE);

	return block;
}

__attribute__((constructor)) static void load(void)
{
	free(malloc(4100));
}

__attribute__((destructor)) static void unload(void)
{
	free(malloc(4200));
}
