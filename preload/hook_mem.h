/* SPDX-License-Identifier: Apache-2.0 */
/* What the mem family's hooks (hook_mem.c) know about the host. */
#ifndef PREPROF_HOOK_MEM_H
#define PREPROF_HOOK_MEM_H

/* Whose malloc the program uses. Only the first is seen: what comes before us takes the calls. */
enum pp_allocator {
	PP_ALLOCATOR_AFTER, /* libc's, or another that comes after this library */
	PP_ALLOCATOR_EXECUTABLE,
	PP_ALLOCATOR_BEFORE, /* a library's that was preloaded before this one */
	PP_ALLOCATOR_SANITIZER,
};
/* Any time but within its own look-up; not in a handler. */
enum pp_allocator mem_allocator(void);

#endif
