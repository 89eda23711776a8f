/* SPDX-License-Identifier: Apache-2.0 */
/* The module map as stacks meet it (loader.c); pp_loader_epoch_of is declared in stack.h. */
#ifndef PREPROF_LOADER_H
#define PREPROF_LOADER_H

void loader_reset(void);    /* a forked child: its shared memory is new */
void loader_unloaded(void); /* objects went away (dlclose); any thread, not in a handler */

#endif
