/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command of `preprof run`: found, started and waited for so that it notices nothing of us: same process group,
 * signal mask, dispositions and descriptors as if it had been executed in our place. One thread.
 */
#ifndef PREPROF_LAUNCH_PROGRAM_H
#define PREPROF_LAUNCH_PROGRAM_H

#include "error.h"

#include <signal.h>
#include <sys/types.h>

struct pp_program {
	pid_t pid;
	sigset_t mask;		       /* as we inherited it */
	struct sigaction child_action; /* SIGCHLD's, likewise */
};

/* Finds `name` as a shell would. false: *status is 126 (there, but cannot be executed) or 127. result has room for
 * PATH_MAX bytes. */
bool program_find(const char *name, char *result, int *status, struct pp_error *error);

/* Every signal is blocked afterwards, so that the wait below sees them. false: *status is 125, 126 or 127. */
bool program_start(struct pp_program *program, const char *path, char **argv, int *status, struct pp_error *error);

/* Passes on signals that were sent to us, stops and goes on with the command, until it has ended. Its wait status. It stays
 * a zombie: of a program that was killed only the kernel knows what it used, and only as long as nobody has waited for it. */
int program_wait(const struct pp_program *program);

/* After that, when the analyzer has looked at it. */
void program_forget(const struct pp_program *program);

#endif
