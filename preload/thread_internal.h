/* SPDX-License-Identifier: Apache-2.0 */
/* What the session asks of thread.c. */
#ifndef PREPROF_THREAD_INTERNAL_H
#define PREPROF_THREAD_INTERNAL_H

#include <stdint.h>

struct pp_thread;

/* Where the stack ends that the calling thread was made with, if `sp` lies in it: from there to the end all is mapped. 0: on
 * another stack, or not known. Any context. */
uint64_t thread_stack_end(const struct pp_thread *thread, uint64_t sp);

void thread_jumped(struct pp_thread *thread); /* a handler jumps out of a hook of the calling thread's, whose guard is up */
void thread_reset_all(void); /* a forked child: no thread has a slot yet */

#endif
