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

/* `dlsym` itself is a hook of ours: it looks for what a program has just opened, and asks us for functions to do so. */
void *resolve_in(void *handle, const char *name)
{
#if defined(__x86_64__)
	static void *(*look_up)(void *, const char *);
	void *(*found)(void *, const char *) = __atomic_load_n(&look_up, __ATOMIC_RELAXED);

	if (!found) {
		found = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
		if (!found)
			found = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
		if (!found)
			return NULL;
		__atomic_store_n(&look_up, found, __ATOMIC_RELAXED);
	}
	return found(handle, name);
#else
	return dlsym(handle, name); /* no hook there */
#endif
}

void *resolve_next(const char *name)
{
	int error = errno;
	void *found = resolve_in(RTLD_NEXT, name);

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
