/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program file is, as far as preloading goes (exec_target.c). Raw system calls only: any context, the child of
 * vfork included.
 */
#ifndef PREPROF_EXEC_TARGET_H
#define PREPROF_EXEC_TARGET_H

#include <stddef.h>

enum pp_target {
	PP_TARGET_PLAIN,      /* takes the library, or could not be read */
	PP_TARGET_ABSENT,     /* executing it will fail */
	PP_TARGET_STATIC,     /* no loader: what it executes itself may take the library again */
	PP_TARGET_PRIVILEGED, /* its loader ignores the library, silently */
	PP_TARGET_FOREIGN,    /* its loader would complain of the library, or not start */
};

/* Follows #! to the interpreter. `folder` as for openat. */
enum pp_target target_look(int folder, const char *path);
enum pp_target target_look_descriptor(int fd);

/* Where execvp would find `file`; `path` has room for `space` bytes. NULL: nowhere. */
const char *target_find(const char *file, char *path, size_t space);

#endif
