/* SPDX-License-Identifier: Apache-2.0 */
/* What the session asks of thread.c. */
#ifndef PREPROF_THREAD_INTERNAL_H
#define PREPROF_THREAD_INTERNAL_H

void thread_reset_all(void); /* a forked child: no thread has a slot yet */

#endif
