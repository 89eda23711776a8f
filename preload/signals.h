/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which real-time signal is ours, and the views of signal state that the program and the kernel have (signals.c).
 *
 * Three neighbouring real-time signals that the program does not use:
 *
 *   active     the one that timers send
 *   reserve    the next one, kept open as well, so that a thread that blocks everything can be moved to it
 *   companion  never sent, never touched: its bit in a thread's kernel mask says what the program believes about the
 *              other two
 *
 * The first two are kept out of every mask that the program sets. A program that blocks signals wholesale blocks all
 * three alike, so the companion remembers it, and the kernel saves and restores that memory in every place where it
 * keeps masks: jump buffers, contexts, signal frames, new threads, forked children. A program that names one of the
 * three alone uses it: then it is given up, and others are taken.
 */
#ifndef PREPROF_SIGNALS_H
#define PREPROF_SIGNALS_H

#include "raw.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef void (*pp_signal_handler)(int, siginfo_t *, void *);
#define PP_HANDLER_DEFAULT ((pp_signal_handler)0)
#define PP_HANDLER_IGNORE  ((pp_signal_handler)1)

/* As the kernel has it; mask bit n-1 is signal n. */
struct pp_action {
	pp_signal_handler handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static inline uint64_t signals_bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

static inline long raw_signal_action(int number, const struct pp_action *action, struct pp_action *old)
{
	return RAW_CALL(SYS_rt_sigaction, number, action, old, 8);
}

static inline long raw_signal_mask(int how, const uint64_t *set, uint64_t *old)
{
	return RAW_CALL(SYS_rt_sigprocmask, how, set, old, 8);
}

/* Once per image and in a forked child, before any of the others. */
void signals_init(pp_signal_handler handler);
/* Chooses those of the three that are not, or not ours any more, and installs the handler; false: no signal is free. */
bool signals_choose(void);
int signals_active(void); /* 0: none */
/* The kernel's handler of the active signal is still ours: a raw system call can replace it. */
bool signals_are_ours(void);

/* Those that are open in every thread, which no wait of the program's is to find. */
uint64_t signals_open(void);

/* From what the program wants blocked to what the kernel is told, and back. */
uint64_t signals_mask_for_kernel(uint64_t program);
uint64_t signals_mask_for_program(uint64_t kernel);

/* The program uses these signals itself: gives up those of them that are ours. Any context. */
void signals_yield(uint64_t used);
/* Other threads learn of a change when they come by: brings the calling thread's mask in line with what is ours now.
 * Before a mask is read or handed on. Any context but our handler. */
void signals_settle(void);
uint32_t signals_generation(void); /* a new thread's mask is up to date: its creator's was settled */
/* The numbers in `set` that tell the three apart: the program means them by themselves. A set that is not nearly everything
 * names all that is in it, and none of that is chosen from now on; where it has all three and there is no room outside of it,
 * nothing else is. */
uint64_t signals_named(uint64_t set);

/* The program's sigaction for a signal that is or was ours: true: dealt with, *result is the kernel's answer. */
bool signals_action(int number, const struct pp_action *action, struct pp_action *old, long *result);
/* What a signal is due that is not a tick of ours but came to our handler. In the handler only. */
void signals_foreign(int number, siginfo_t *info, void *context);
/* A tick of our timers, pending or delivered. */
bool signals_is_tick(const siginfo_t *info);
extern char pp_tick_mark;

/* Takes pending ticks of the calling thread, whose signals must be blocked. */
void signals_drain(int number);
/* The dispositions of ours as the program set them, and back: around exec. */
void signals_show_actions(bool as_program);

/* The program uses every one itself: no more ticks, and nothing of its signals is changed any more. */
bool signals_exhausted(void);
/* The program made a signalfd of `mask`, from which ours were left out: they come to it when they are given up. */
void signals_descriptor_note(int fd, uint64_t mask);

/* Program-owned alternate stacks: see hook_signal.c. */
extern bool pp_program_has_alternate_stack;

#endif
