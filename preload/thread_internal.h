/* SPDX-License-Identifier: Apache-2.0 */
/* What the session asks of thread.c. */
#ifndef PREPROF_THREAD_INTERNAL_H
#define PREPROF_THREAD_INTERNAL_H

struct pp_thread;

void thread_jumped(struct pp_thread *thread); /* a handler jumps out of a hook of the calling thread's, whose guard is up */
void thread_reset_all(void); /* a forked child: no thread has a slot yet */

#endif
