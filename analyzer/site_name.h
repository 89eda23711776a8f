/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a heap site is called: its innermost frame outside the malloc family and operator new. Constants: any thread.
 */
#ifndef PREPROF_SITE_NAME_H
#define PREPROF_SITE_NAME_H

#include <stdbool.h>

/* Names of functions that only pass an allocation on; NULL-terminated. operator new is known by its prefix. */
extern const char *const pp_allocator_names[];

bool function_is_allocator(const char *function);
/* What every stack begins with, which says nothing about it. */
bool function_is_start(const char *name);
/* Is this the work of the C++ library's templates, about which the reader can do nothing? */
bool function_is_template(const char *name);

/* Is this library or program one that its user may have written, not the system's, the interpreter's or a package's?
 * Where Python frames are on a stack, they name the site before code that nobody here owns. NULL: no. */
bool module_is_own(const char *path);
/* libc, the C++ library and what else every program stands on. */
bool module_is_runtime(const char *path);
/* Did this source come with the compiler: a header in the system's folders, Rust's library? */
bool source_is_installed(const char *file);
/* Is this Python source one that its user may have written, no part of Python or of a package? */
bool source_is_own(const char *file);

#endif
