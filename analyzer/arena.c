/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of growing blocks; see arena.h. */
#include "arena.h"

#include "memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK_BYTES ((size_t)16 << 10)
#define LARGEST_BLOCK_BYTES ((size_t)4 << 20)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(16) unsigned char bytes[];
};

struct pp_arena {
	struct block *blocks;
	size_t bytes;
};

struct pp_arena *arena_create(void)
{
	return memory_array(1, sizeof(struct pp_arena));
}

void arena_destroy(struct pp_arena *arena)
{
	struct block *next;

	if (!arena)
		return;
	for (struct block *block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

void *arena_alloc(struct pp_arena *arena, size_t size)
{
	struct block *block = arena->blocks;
	void *result;

	while (size > SIZE_MAX - 64)
		memory_failed();
	size = (size + 15) & ~(size_t)15;
	if (!block || block->size - block->used < size) {
		size_t space = block ? block->size * 2 : FIRST_BLOCK_BYTES;

		if (space > LARGEST_BLOCK_BYTES)
			space = LARGEST_BLOCK_BYTES;
		if (space < size)
			space = size;
		block = memory_array(1, sizeof(*block) + space);
		block->size = space;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->bytes += sizeof(*block) + space;
	}
	result = block->bytes + block->used;
	block->used += size;
	return result;
}

void *arena_array(struct pp_arena *arena, size_t count, size_t size)
{
	size_t bytes;

	while (__builtin_mul_overflow(count, size, &bytes))
		memory_failed();
	return arena_alloc(arena, bytes);
}

char *arena_string_sized(struct pp_arena *arena, const char *text, size_t size)
{
	char *copy = arena_alloc(arena, size + 1);

	memcpy(copy, text, size);
	return copy;
}

char *arena_string(struct pp_arena *arena, const char *text)
{
	return arena_string_sized(arena, text, strlen(text));
}

char *arena_format(struct pp_arena *arena, const char *format, ...)
{
	va_list list;
	int size;
	char *text;

	va_start(list, format);
	size = vsnprintf(NULL, 0, format, list);
	va_end(list);
	text = arena_alloc(arena, (size_t)(size < 0 ? 0 : size) + 1);
	va_start(list, format);
	if (size > 0)
		vsnprintf(text, (size_t)size + 1, format, list);
	va_end(list);
	return text;
}

size_t arena_bytes(const struct pp_arena *arena)
{
	return arena->bytes;
}
