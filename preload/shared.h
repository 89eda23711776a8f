/* SPDX-License-Identifier: Apache-2.0 */
/* The memory shared with the analyzer (shared.c); session_shared is declared in host.h. */
#ifndef PREPROF_SHARED_H
#define PREPROF_SHARED_H

#include <stdint.h>

/* A new memfd, sized and sealed; its descriptor or -errno. Its size is stored in *space. */
int shared_create(uint64_t *space);
void shared_unmap_all(void); /* in a forked child: what it inherited is its parent's */

#endif
