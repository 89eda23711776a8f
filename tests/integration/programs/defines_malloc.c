/* SPDX-License-Identifier: Apache-2.0 */
/* A program with a malloc of its own, which knows its blocks by their place and ends on any other. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Alignas(16) uint8_t arena[1 << 22];
static size_t used;
static int calls;

void *malloc(size_t size)
{
	size_t room = (size + 31) & ~(size_t)15;
	size_t at = __atomic_fetch_add(&used, room, __ATOMIC_SEQ_CST);

	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
	if (at + room > sizeof(arena))
		return NULL;
	*(size_t *)(arena + at) = size;
	return arena + at + 16;
}

void free(void *address)
{
	if (address && ((uint8_t *)address < arena || (uint8_t *)address >= arena + sizeof(arena))) {
		if (write(1, "a block of somebody else's\n", 27) < 0)
			_exit(98);
		_exit(99);
	}
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* the arena is all zero, and nothing is used twice */
}

void *realloc(void *old, size_t size)
{
	void *block = malloc(size);

	if (block && old) {
		size_t had = ((size_t *)old)[-2];

		free(old);
		memcpy(block, old, had < size ? had : size);
	}
	return block;
}

static void *thread_main(void *unused)
{
	free(malloc(10));
	return unused;
}

int main(void)
{
	char *list = reallocarray(NULL, 10, 10), *text = strdup("text");
	clock_t end = clock() + CLOCKS_PER_SEC / 10;
	pthread_t thread;

	strcpy(list, "kept");
	list = reallocarray(list, 20, 10);
	printf("%s %s\n", list, text);
	free(list);
	free(text);
	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
	while (clock() < end)
		;
	printf("some calls: %d\n", calls > 4);
	return 2;
}
