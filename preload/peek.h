/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what may not be there, or be gone at any moment: another thread unmaps what was readable when the kernel was
 * asked. The kernel copies it instead (process_vm_readv on the own process, which no ptrace scope concerns), and a fault
 * is its own matter. Some 0.3 us a call.
 *
 * Sandboxes that were in place when the program began may forbid the call, some by killing. peek_init tries it in a
 * process of its own; where it is not to be had nothing can be read, and whoever asks does without.
 */
#ifndef PREPROF_PEEK_H
#define PREPROF_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes from `from` on could be read, at most `size`; they are at `to`. Any context; errno is kept. */
size_t peek(void *to, uint64_t from, size_t size);

/* Once per image, before threads read by it. Constructor context. */
void peek_init(void);

/* From now on nothing can be read. Any context. */
void peek_forbid(void);
bool peek_forbidden(void);

#endif
