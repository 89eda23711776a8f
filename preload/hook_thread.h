/* SPDX-License-Identifier: Apache-2.0 */
/* What the rest of the library asks of hook_thread.c. */
#ifndef PREPROF_HOOK_THREAD_H
#define PREPROF_HOOK_THREAD_H

/* The calling thread has state now: its end shall be noticed. Not in a handler. */
void hook_thread_adopt(void);

#endif
