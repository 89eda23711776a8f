/* SPDX-License-Identifier: Apache-2.0 */
/* When to record: DELAY, DURATION, START_SIGNAL, STOP_SIGNAL, SNAPSHOT_SIGNAL (control.c). */
#ifndef PREPROF_CONTROL_H
#define PREPROF_CONTROL_H

#include <stdint.h>

/* After the session was made: decides between ON and WAITING and installs the control signals' handlers. */
void control_init(void);
/* The time has moved on: starts or stops what is due. Any thread, handlers too. */
void control_check(uint64_t now_ns);

#endif
