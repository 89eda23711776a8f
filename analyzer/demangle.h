/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readable names for mangled C++ and Rust symbols. Any thread; no state is kept between calls.
 */
#ifndef PREPROF_DEMANGLE_H
#define PREPROF_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	/* Longer input is left as it is: the demangler's work tables grow with it, on the stack. */
	DEMANGLE_INPUT_MAX = 8192,
	/* Longer output is cut and ends in "...". */
	DEMANGLE_OUTPUT_MAX = 4096,
};

/*
 * Write the readable form of name (length bytes, no terminator needed) to output, which holds
 * DEMANGLE_OUTPUT_MAX bytes, and return its length. 0: name is not mangled, is malformed, or is too
 * deep to be worth the time (libiberty's limits: more than 1024 bytes of C++, or 1024 levels); the
 * caller then shows it as it is. Takes up to 512 KiB of stack.
 */
size_t demangle(const char *name, size_t length, char output[static DEMANGLE_OUTPUT_MAX]);

#endif
