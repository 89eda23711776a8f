/* SPDX-License-Identifier: Apache-2.0 */
/* The memory shared with the analyzer (shared.c); session_shared is declared in host.h. */
#ifndef PREPROF_SHARED_H
#define PREPROF_SHARED_H

#include <stdint.h>

/* A new memfd, sized and sealed; its descriptor or -errno. Its size is stored in *space. */
int shared_create(uint64_t *space);
void shared_unmap_all(void); /* in a forked child: what it inherited is its parent's */
void shared_part_all(void);  /* the same where somebody still has pointers into it: it is empty memory from now on, and its own */

#endif
