/* SPDX-License-Identifier: Apache-2.0 */
/* A bump arena in .bss; see boot.h. Each block is preceded by its size. */
#include "boot.h"

#include <stdint.h>

#define BOOT_BYTES 65536

static _Alignas(64) uint8_t arena[BOOT_BYTES];
static size_t used;

void *boot_alloc(size_t size, size_t alignment)
{
	size_t space, start;

	if (alignment < 16)
		alignment = 16;
	if (size > BOOT_BYTES || alignment > 4096)
		return NULL;
	space = (size + alignment + 31) & ~(size_t)15;
	start = __atomic_fetch_add(&used, space, __ATOMIC_RELAXED);
	if (start + space > BOOT_BYTES)
		return NULL;
	start = ((uintptr_t)arena + start + 16 + alignment - 1) & ~(alignment - 1);
	((size_t *)start)[-1] = size;
	return (void *)start;
}

bool boot_owns(const void *address)
{
	return (uintptr_t)address - (uintptr_t)arena < BOOT_BYTES;
}

size_t boot_size(const void *address)
{
	return ((const size_t *)address)[-1];
}
