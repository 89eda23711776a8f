/* SPDX-License-Identifier: Apache-2.0 */
/* Takes malloc's address and calls it by that. With OWN, malloc and free are the program's own. */
#include <stdio.h>
#include <stdlib.h>

#ifdef OWN
static char heap[1 << 20];
static size_t used;

void *malloc(size_t size)
{
	void *block = heap + used;

	used += (size + 15) & ~(size_t)15;
	return used <= sizeof(heap) ? block : NULL;
}

void free(void *block)
{
	(void)block;
}
#endif

int main(void)
{
	void *(*volatile allocate)(size_t) = malloc;

	for (int i = 0; i < 10; i++)
		free(allocate(100));
	return 0;
}
