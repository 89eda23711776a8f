/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for allocations that arrive while the real functions are being looked up (dlsym may allocate, in old C
 * libraries by calloc). A few hundred bytes are used in practice; nothing is ever given back. Any thread, lock-free.
 */
#ifndef PREPROF_BOOT_H
#define PREPROF_BOOT_H

#include <stdbool.h>
#include <stddef.h>

void *boot_alloc(size_t size, size_t alignment); /* zeroed; NULL when the arena is used up */
bool boot_owns(const void *address);
size_t boot_size(const void *address);

#endif
