/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether code is Go's. Its runtime orders its handlers through libc's sigaction where there is cgo, but asks for and
 * sets alternate stacks by system calls of its own, and ends the program when a handler runs on any other stack.
 */
#ifndef PREPROF_MODULE_GO_H
#define PREPROF_MODULE_GO_H

#include <stdbool.h>

/* The executable. Any context. */
bool executable_is_go(void);
/* The loaded object that holds `address`. Any context; reads its headers, takes no lock. */
bool module_is_go(const void *address);

#endif
