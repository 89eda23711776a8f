/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the functions behind the hooks. dlsym may allocate (its error path does), and in C++ programs the very first
 * call of malloc comes before our constructor: hook_mem.c serves calls that arrive in the meantime from a small arena.
 */
#include "resolve.h"
#include "host.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>

void *resolve_next(const char *name)
{
	int error = errno;
	void *found = dlsym(RTLD_NEXT, name);

	errno = error;
	return found;
}

int real_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	static int (*real)(int, const struct sigaction *, struct sigaction *);

	if (!real)
		real = (int (*)(int, const struct sigaction *, struct sigaction *))resolve_next("sigaction");
	return real(number, action, old);
}
