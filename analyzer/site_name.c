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

bool function_is_start(const char *name)
{
	return strcmp(name, "_start") == 0 || strncmp(name, "__libc_start_", 13) == 0 ||
	       strcmp(name, "start_thread") == 0 || strcmp(name, "clone3") == 0;
}

bool function_is_template(const char *name)
{
	return strncmp(name, "std::", 5) == 0 || strncmp(name, "void std::", 10) == 0 ||
	       strncmp(name, "__gnu_cxx::", 11) == 0;
}

bool module_is_runtime(const char *path)
{
	static const char *const names[] = {"libc.so",	   "libc-2.",  "libstdc++.so", "libc++.so",  "libc++abi.so",
					    "libgcc_s.so", "ld-linux", "ld-2.",	       "libpthread", "libm.so",
					    "libdl.so",	   "librt.so", "[vdso]"};
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool source_is_installed(const char *file)
{
	return strncmp(file, "/usr/include/", 13) == 0 || strncmp(file, "/usr/lib/gcc/", 13) == 0 ||
	       strncmp(file, "/rustc/", 7) == 0;
}

bool source_is_own(const char *file)
{
	if (file[0] == '<')
		return strcmp(file, "<string>") == 0 || strcmp(file, "<stdin>") == 0;
	return !strstr(file, "/lib/python") && !strstr(file, "-packages/") && strncmp(file, "/usr/lib/", 9) != 0 &&
	       strncmp(file, "/usr/share/", 11) != 0;
}
