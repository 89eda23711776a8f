/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a program that is about to be executed (exec_environment.c). No malloc: a small environment is
 * made on the caller's stack, a large one in a mapping. Any thread, the child of vfork included.
 */
#ifndef PREPROF_EXEC_ENVIRONMENT_H
#define PREPROF_EXEC_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

enum pp_preload {
	PP_PRELOAD_OURS,   /* library, session and settings are there */
	PP_PRELOAD_OTHERS, /* the same without our library: its loader cannot take it */
	PP_PRELOAD_BARE,   /* CHILDREN=ignore: neither library nor session */
};

struct pp_environment {
	char *const *entries; /* for the real call; the program's own where nothing had to be made */
	void *mapped;	      /* NULL: in `room` */
	size_t mapped_bytes;
	union {
		char *align;
		char bytes[6144];
	} room;
};

/* Never fails: where there is no memory, the program's own is passed on. Entries stay in their order. */
void environment_build(struct pp_environment *environment, char *const *given, enum pp_preload preload);
void environment_drop(struct pp_environment *environment);

/* For what executes programs inside libc, with `environ`: puts our variables into it. Not in a vfork child. */
void environment_ensure(enum pp_preload preload);

#endif
