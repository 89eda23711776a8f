/* SPDX-License-Identifier: Apache-2.0 */
/* What the mem family's hooks (hook_mem.c) know about the host. */
#ifndef PREPROF_HOOK_MEM_H
#define PREPROF_HOOK_MEM_H

#include <stdbool.h>

/* Whether the executable has a malloc of its own, which then serves it and hides its events from us. Constructor. */
bool mem_malloc_is_hidden(void);

#endif
