/* SPDX-License-Identifier: Apache-2.0 */
/* The exit path (finish.c); session_finish is declared in host.h. */
#ifndef PREPROF_FINISH_H
#define PREPROF_FINISH_H

void finish_init(void);	 /* constructor: asks to be called at the end */
void finish_reset(void); /* a forked child has its own end */

#endif
