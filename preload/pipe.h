/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a frame (pipe.c); flushing is declared in host.h. */
#ifndef PREPROF_PIPE_H
#define PREPROF_PIPE_H

#include <stdint.h>

struct pp_thread;

void pipe_begin_events(struct pp_thread *thread, uint64_t sequence);
void pipe_begin_samples(struct pp_thread *thread, uint64_t sequence);

#endif
