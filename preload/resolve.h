/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that the hooks stand in front of, as the next object in search order has them (not libc's own names, so
 * that other allocators are profiled too). Each family of hooks keeps a table of its own, filled at its first call, which
 * may be the very first malloc of the process.
 */
#ifndef PREPROF_RESOLVE_H
#define PREPROF_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* The next definition of `name` after this library; NULL: there is none. Not in a handler. */
void *resolve_next(const char *name);
/* dlsym, not through our own hook of it. errno and dlerror as dlsym leaves them. */
void *resolve_in(void *handle, const char *name);

struct sigaction;
int real_sigaction(int number, const struct sigaction *action, struct sigaction *old);

#endif
