/* SPDX-License-Identifier: Apache-2.0 */
/* What the mem family's hooks (hook_mem.c; hook_new.c has the operators) know about the host. */
#ifndef PREPROF_HOOK_MEM_H
#define PREPROF_HOOK_MEM_H

#include "host.h"

#include <stdbool.h>

/* Whose malloc the program uses. Only the first is seen: what comes before us takes the calls. */
enum pp_allocator {
	PP_ALLOCATOR_AFTER, /* libc's, or another that comes after this library */
	PP_ALLOCATOR_EXECUTABLE,
	PP_ALLOCATOR_BEFORE, /* a library's that was preloaded before this one */
	PP_ALLOCATOR_SANITIZER,
};
/* Any time but within its own look-up; not in a handler. */
enum pp_allocator mem_allocator(void);
/* Is it a function of the object whose malloc is hooked, so that what it allocates passes no hook? Takes the loader's lock. */
bool mem_allocates(const void *function);

/* For allocators that are hooked elsewhere: a block of theirs, between hook_enter and hook_leave. result NULL: it failed.
 * realloc: begin before the real call, the other after it, whatever came of it. */
void mem_record_alloc(struct pp_thread *thread, void *result, size_t size, enum pp_wire_operation operation,
		      const struct pp_registers *registers);
void mem_record_free(struct pp_thread *thread, void *block);
uint64_t mem_record_realloc_begin(struct pp_thread *thread);
void mem_record_realloc(struct pp_thread *thread, uint64_t began, void *old, void *result, size_t size,
			const struct pp_registers *registers);

#endif
