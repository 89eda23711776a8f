/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose process is this? A hook may find itself in three places:
 *
 *   own       the process that the session describes
 *   borrowed  a child that shares our memory (vfork, clone with CLONE_VM) and has not executed anything yet: it
 *             allocates on its parent's behalf, but must not end, move or re-arm anything of its parent's
 *   forked    a child with a copy of our memory that nobody has told us of (a raw system call): the session is made anew
 *
 * A page with MADV_WIPEONFORK tells the third from the others, the process id the second from the first. Everything
 * here may run in any thread; life_fork_* and life_own not in a signal handler unless the program forks there.
 */
#ifndef PREPROF_LIFE_H
#define PREPROF_LIFE_H

#include "host.h"

#include <sys/types.h>

/* Resolves, finds and remembers what the hooks of processes' lives need. Idempotent; constructor or first hook. */
void life_init(void);

/* true: this process's memory is its own, its session is in order. false: borrowed memory. */
bool life_own(void);

/* Around a real fork. begin: the fork's mark in the stream, captures of other threads counted out, the sampling signal
 * blocked (a fork that takes longer than the signal's period would be restarted for ever). Then exactly one of
 * parent (also where the fork failed) and child. errno is kept. */
struct pp_fork {
	uint64_t id;
	bool active;  /* a session is running */
	bool counted; /* pp_session.forking was raised */
	bool blocked; /* the sampling signal was blocked by us */
	bool descriptors_shared; /* set by the caller after begin: the child has no copy of them (CLONE_FILES) */
	int signal;
	bool interrupted; /* by a handler that interrupted a hook, which goes on in the child too */
};
void life_fork_begin(struct pp_fork *fork);
void life_fork_parent(struct pp_fork *fork);
void life_fork_child(struct pp_fork *fork);

/* Code is about to be unmapped (dlclose): no thread may enter libunwind until the end. */
void life_unwinding_jumped(void); /* a handler jumps out of this thread's capture by libunwind, which is not used again */
void life_unload_begin(void);
void life_unload_end(void);

/* What is started next belongs to the tree: tells the analyzer. `pid` 0: not known. false: it was not told. */
bool life_announce(int pid);
void life_retract(int pid);
/* Before a child is started whose pid is known only afterwards, or never: we may be killed in between. A number for
 * life_retract, when the child has been announced by its pid, or is known not to come, or is over; 0: nothing was told.
 * to_be_named: it will be announced by its pid. */
int life_expect(bool to_be_named);

/* true: children are followed (a session is running); false with *strip: they run bare, by CHILDREN=ignore or for want of
 * a library that they could load. */
bool life_follows(bool *strip);

/* Absolute path of libpreprof.so as a preload entry. */
const char *life_library(void);
/* false: a program started from here could not load it (this process has changed its user or its root folder), and would
 * say so on its stderr. */
bool life_library_opens(void);

/* The PREPROF_* settings that this image was started with ("NAME=value"), PREPROF_SESSION left out. */
extern char **life_settings __attribute__((visibility("hidden")));
extern size_t life_setting_count __attribute__((visibility("hidden")));

/* Resolve the real functions of each file; called by life_init. */
void hook_life_init(void);
void hook_exec_init(void);
void hook_fd_init(void);
void hook_dl_init(void);
void hook_map_init(void);
void hook_gil_init(void);
void hook_io_init(void);
void hook_jump_init(void);
void hook_special_init(void);
void hook_stdio_init(void);
void hook_stdio_format_init(void);
void hook_stdio_open_init(void);
void hook_meta_init(void);
void hook_tree_init(void);
void hook_aio_init(void);
void hook_wait_init(void);
void hook_sync_init(void);

#endif
