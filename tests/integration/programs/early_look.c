/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is initialized before all others (-z initfirst, as libGLdispatch is), opens objects and looks functions up
 * then; and, without LIBRARY, a program that is linked with it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

extern int found;

#ifdef LIBRARY
int found;

__attribute__((constructor)) static void look(void)
{
	void *handle = dlopen(NULL, RTLD_NOW);

	found = handle && dlsym(handle, "malloc") && dlsym(RTLD_DEFAULT, "free") && dlsym(RTLD_NEXT, "calloc");
	free(malloc(100));
}
#else
int main(void)
{
	free(malloc(1000));
	printf("found %d\n", found);
	return found ? 0 : 1;
}
#endif
