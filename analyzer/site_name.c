/* SPDX-License-Identifier: Apache-2.0 */
/* The allocators by name; see site_name.h. */
#include "site_name.h"

#include <stddef.h>
#include <string.h>

const char *const pp_allocator_names[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"memalign",
	"posix_memalign",
	"aligned_alloc",
	"valloc",
	"pvalloc",
	"__libc_malloc",
	"__libc_calloc",
	"__libc_realloc",
	"__libc_memalign",
	"__libc_valloc",
	"__libc_pvalloc",
	"mmap",
	"mmap64",
	"mremap",
	"brk",
	"sbrk",
	"_Znwm",
	"_Znam",
	"preprof_operator_new", /* inlined into our hooks of operator new */
	NULL,
};

bool function_is_allocator(const char *function)
{
	if (!function)
		return false;
	for (const char *const *name = pp_allocator_names; *name; name++)
		if (function[0] == **name && strcmp(function, *name) == 0)
			return true;
	return strncmp(function, "operator new", 12) == 0;
}

bool module_is_own(const char *path)
{
	static const char *const installed[] = {"/site-packages/", "/dist-packages/", "/lib-dynload/"};
	static const char *const system[] = {"/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/opt/"};
	const char *slash;

	if (!path || path[0] != '/')
		return false;
	for (size_t i = 0; i < sizeof(installed) / sizeof(installed[0]); i++)
		if (strstr(path, installed[i]))
			return false;
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
		if (strncmp(path, system[i], strlen(system[i])) == 0)
			return strncmp(path, "/usr/local/", 11) == 0 && !strstr(path, "/lib/python");
	slash = strrchr(path, '/');
	return strncmp(slash + 1, "libpython", 9) != 0 && strncmp(slash + 1, "python", 6) != 0;
}
