/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that comes and goes. dlopen is looked at in passing only: the real one goes by its caller (RUNPATH, namespace),
 * so the hook must not be its caller and jumps there; a processor without such a jump here has no hook. dlclose may
 * have a frame of ours. Not in handlers.
 */
#include "life.h"
#include "loader.h"
#include "object.h"
#include "python.h"
#include "raw.h"
#include "resolve.h"
#include "sql.h"
#include "stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#define OBJECTS_MAX 4096

static struct {
	int (*dlclose)(void *);
	void *dlopen;
	void *(*dlsym)(void *, const char *);
} real;
static uint32_t opened; /* 1: dlopen has been called: there may be more objects than at the start */

void hook_dl_init(void)
{
	real.dlclose = resolve_next("dlclose");
	real.dlopen = resolve_next("dlopen");
}

/* --- dlopen --------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

/* Where to jump. Errors of the look-up must not become the program's dlerror: it was made at the start. */
__attribute__((used)) static void *dlopen_pass(const char *file, int flags)
{
	(void)file;
	life_init();
	if (flags & RTLD_DEEPBIND && pp_session.header)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_DEEPBIND, __ATOMIC_RELAXED);
	opened = 1;
	return real.dlopen;
}

PP_EXPORT __attribute__((naked)) void *dlopen(const char *file __attribute__((unused)),
					      int flags __attribute__((unused)))
{
	__asm__("push %rdi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %rsi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"sub $8, %rsp\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"call dlopen_pass\n\t"
		"add $8, %rsp\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rsi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rdi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"jmp *%rax");
}

/* --- dlsym ---------------------------------------------------------------------------------------------------------- */

/* A look-up by handle does not depend on who asks. */
static void *sql_function_find(void *handle, const char *name)
{
	void *found = real.dlsym(handle, name);

	return found ? sql_libraries_hook(found, name) : NULL;
}

/* Where to jump. After a dlopen a program looks something up in what it has opened, before any of it runs but its
 * constructors: the moment to look at the new objects. */
__attribute__((used)) static void *dlsym_pass(void *handle, const char *name)
{
	int error = errno;

	if (pp_unlikely(!real.dlsym)) {
		real.dlsym = (void *(*)(void *, const char *))resolve_next("dlsym");
	}
	if (opened && pp_session.header) {
		guard_library_begin();
		sql_libraries_look();
		guard_library_end();
	}
	errno = error;
	if (handle != RTLD_NEXT && handle != RTLD_DEFAULT && pp_session.settings.sql &&
	    strncmp(name, "sqlite3_", 8) == 0)
		return (void *)sql_function_find;
	return (void *)real.dlsym;
}

PP_EXPORT __attribute__((naked)) void *dlsym(void *handle __attribute__((unused)),
					     const char *name __attribute__((unused)))
{
	__asm__("push %rdi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"push %rsi\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"sub $8, %rsp\n\t"
		".cfi_adjust_cfa_offset 8\n\t"
		"call dlsym_pass\n\t"
		"add $8, %rsp\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rsi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"pop %rdi\n\t"
		".cfi_adjust_cfa_offset -8\n\t"
		"jmp *%rax");
}

#endif

/* --- dlclose -------------------------------------------------------------------------------------------------------- */

struct span {
	uint64_t start, end;
};

/* The objects before a dlclose, and how many have ever been removed. */
struct objects {
	unsigned long long removed;
	size_t count;
	struct span spans[OBJECTS_MAX];
};

static int objects_add(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct objects *objects = argument;
	struct span span = {UINT64_MAX, 0};

	(void)size;
	objects->removed = info->dlpi_subs;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		uint64_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		uint64_t end = start + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		span.start = start < span.start ? start : span.start;
		span.end = end > span.end ? end : span.end;
	}
	if (span.end && objects->count < OBJECTS_MAX)
		objects->spans[objects->count++] = span;
	return 0;
}

static int removed_read(struct dl_phdr_info *info, size_t size, void *argument)
{
	(void)size;
	*(unsigned long long *)argument = info->dlpi_subs;
	return 1;
}

/* Any of them but those that never go. */
static void objects_doubt(const struct objects *objects)
{
	struct span hull = {UINT64_MAX, 0};

	for (size_t i = 0; i < objects->count; i++) {
		const struct span *span = &objects->spans[i];

		if (object_lasts(span->start & ~UINT64_C(4095)))
			continue;
		hull.start = span->start < hull.start ? span->start : hull.start;
		hull.end = span->end > hull.end ? span->end : hull.end;
	}
	if (objects->count == OBJECTS_MAX)
		hull = (struct span){0, UINT64_MAX};
	if (hull.end)
		stack_forget_rules(hull.start, hull.end);
}

static void objects_forget(const struct objects *before)
{
	unsigned long long removed = before->removed;
	struct pp_object object;

	dl_iterate_phdr(removed_read, &removed);
	if (removed == before->removed)
		return;
	loader_unloaded();
	sql_libraries_unloaded();
	if (before->count == OBJECTS_MAX) {
		stack_forget_code(0, UINT64_MAX);
		return;
	}
	for (size_t i = 0; i < before->count; i++) {
		if (!object_find(before->spans[i].start, &object))
			stack_forget_code(before->spans[i].start, before->spans[i].end);
	}
}

PP_HOOK int dlclose(void *handle)
{
	struct objects *before = NULL;
	int result, error;

	/* In the child of a raw fork nobody is who would let go of what others held. */
	life_own();
	if (pp_session.state == PP_STATE_OFF || !(before = raw_map(sizeof(*before))))
		return real.dlclose(handle);
	guard_library_begin();
	dl_iterate_phdr(objects_add, before);
	guard_library_end();
	life_unload_begin();
	python_unload_begin();
	objects_doubt(before);
	result = real.dlclose(handle);
	error = errno;
	/* Before anybody makes rules again, or lets libunwind use what it remembers. */
	guard_library_begin();
	objects_forget(before);
	guard_library_end();
	python_unload_end();
	life_unload_end();
	raw_unmap(before, sizeof(*before));
	errno = error;
	return result;
}
