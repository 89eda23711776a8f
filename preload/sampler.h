/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples of on-CPU stacks: one POSIX timer per thread on its own CPU clock, a free real-time signal, weight
 * 1 + overruns. sampler.c owns timers and handler, signals.c which signal is ours and what the program may see of it.
 */
#ifndef PREPROF_SAMPLER_H
#define PREPROF_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_thread;

void sampler_init(void);			      /* once per image and in a forked child; CPU=off: nothing */
/* The calling thread, before it has a state: its mask was made in that generation (signals.h). */
void sampler_thread_born(uint32_t signals_seen);
void sampler_thread_start(struct pp_thread *thread);  /* arms the calling thread's timer */
void sampler_thread_finish(struct pp_thread *thread); /* deletes it and drains what is pending of it */
void sampler_pause(void);			      /* any context: timers go on, samples are not taken */
void sampler_resume(void);
void sampler_stop(void);	/* for good, any context: no timer is left */
void sampler_thread_seal(void); /* the calling thread has no tick pending, its samples are handed over; not in a handler */
int sampler_signal(void); /* the signal in use, 0: none */

/* The calling thread's own stack has no room for a signal frame: it keeps our alternate one. */
void sampler_stack_is_small(struct pp_thread *thread);

/* Bytes of the alternate stack that thread_make lays out at thread->handler_stack; 0: none is wanted. */
size_t sampler_stack_bytes(void);

/* Before exec, in any process: no tick outlives the image, and the new image gets the signal mask and dispositions
 * that the program set. In the child of vfork only that child is changed. Any context. */
void sampler_exec_begin(void);
/* The exec came back: the thread is sampled again. */
void sampler_exec_failed(void);
/* Around posix_spawn, system and popen: what the child inherits of the calling thread's mask is the program's. */
void sampler_spawn_begin(void);
void sampler_spawn_end(void);

/* Sees to it that the calling thread takes ticks: where the choice of signals may have changed behind its back. */
void sampler_open(void);
/* The signal in use changes from one to the other: for signals.c. */
void sampler_move(int from, int to);

#endif
