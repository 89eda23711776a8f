/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mem family, its other half: address space that the program asks the kernel for. Recorded as mappings of their own
 * kind, apart from the heap: mmap, munmap, mremap, brk, sbrk that succeeded, called from anywhere but the object that
 * supplies malloc (what an allocator maps is its blocks' room, counted there; libc's own does not pass here either).
 * A mapping that covers others (MAP_FIXED) ends them. Order as in hook_mem.c: told after the real mmap, before munmap.
 */
#include "io.h"
#include "life.h"
#include "emit.h"
#include "object.h"
#include "raw.h"
#include "resolve.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*brk)(void *);
	void *(*sbrk)(intptr_t);
} real;

/* The object that malloc comes from, as a range of addresses. */
static uint64_t allocator_start, allocator_size;

void hook_map_init(void)
{
	struct pp_object object;
	void *allocator = resolve_next("malloc");

	if (allocator && object_find((uintptr_t)allocator, &object)) {
		allocator_size = object.end - object.start;
		allocator_start = object.start;
	}
	real.munmap = resolve_next("munmap");
	real.mremap = resolve_next("mremap");
	real.brk = resolve_next("brk");
	real.sbrk = resolve_next("sbrk");
	__atomic_store_n(&real.mmap, (void *(*)(void *, size_t, int, int, int, off_t))resolve_next("mmap"),
			 __ATOMIC_RELEASE);
}

/* false: a call from within our own look-ups. */
static inline bool ready(void)
{
	if (pp_likely(__atomic_load_n(&real.mmap, __ATOMIC_ACQUIRE) != NULL))
		return true;
	life_init();
	return __atomic_load_n(&real.mmap, __ATOMIC_ACQUIRE) != NULL;
}

static long plain_result(long result)
{
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static inline bool wanted(const void *caller)
{
	return (uint64_t)caller - allocator_start >= allocator_size;
}

/* errno is the real call's: nothing between hook_enter and hook_leave changes it but a first start. */
static void tell(uint32_t kind, uint32_t operation, uint64_t *payload, uint32_t count,
		 const struct pp_registers *registers)
{
	int error = errno;
	struct pp_thread *thread = wanted((void *)registers->pc) ? hook_enter() : NULL;

	if (!thread)
		return;
	if (pp_session.settings.heap) {
		if (kind != PP_EXT_UNMAP)
			payload[count++] = stack_capture(thread->memo, registers);
		emit_clock(thread);
		emit_extended(thread, kind, operation, payload, count);
	}
	hook_leave(thread);
	errno = error;
}

static inline __attribute__((always_inline)) void *map(void *address, size_t length, int protection, int flags, int fd,
						       off_t offset, struct pp_registers registers)
{
	void *result;

	if (!ready())
		return (void *)plain_result(RAW_CALL(SYS_mmap, address, length, protection, flags, fd, offset));
	result = real.mmap(address, length, protection, flags, fd, offset);
	if (result == MAP_FAILED)
		return result;
	tell(PP_EXT_MAP, PP_OP_MMAP, (uint64_t[3]){(uint64_t)result, length}, 2, &registers);
	if (!(flags & MAP_ANONYMOUS))
		io_fd_mapped(fd);
	return result;
}

PP_HOOK void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return map(address, length, protection, flags, fd, offset, PP_REGISTERS_OF_CALLER);
}

PP_HOOK void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return map(address, length, protection, flags, fd, offset, PP_REGISTERS_OF_CALLER);
}

/* What munmap refuses is known beforehand: an unaligned address, no length. */
PP_HOOK int munmap(void *address, size_t length)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	uint64_t page = pp_session.header ? pp_session.header->page_size : 4096;

	if (!ready())
		return (int)plain_result(RAW_CALL(SYS_munmap, address, length));
	if (length && !((uint64_t)address & (page - 1)))
		tell(PP_EXT_UNMAP, 0, (uint64_t[3]){(uint64_t)address, length}, 2, &registers);
	return real.munmap(address, length);
}

PP_HOOK void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	void *wanted_at = NULL, *result;
	va_list list;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(list, flags);
		wanted_at = va_arg(list, void *);
		va_end(list);
	}
	if (!ready())
		return (void *)plain_result(RAW_CALL(SYS_mremap, old, old_length, length, flags, wanted_at));
	result = real.mremap(old, old_length, length, flags, wanted_at);
	if (result == MAP_FAILED)
		return result;
	if (flags & MREMAP_DONTUNMAP || !old_length) /* the old one stays */
		tell(PP_EXT_MAP, PP_OP_MREMAP, (uint64_t[3]){(uint64_t)result, length}, 2, &registers);
	else
		tell(PP_EXT_REMAP, PP_OP_MREMAP, (uint64_t[5]){(uint64_t)old, old_length, (uint64_t)result, length}, 4,
		     &registers);
	return result;
}

PP_HOOK int brk(void *address)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	uint64_t before = (uint64_t)RAW_CALL(SYS_brk, 0);
	int result;

	if (!ready())
		return RAW_CALL(SYS_brk, address) == (long)address ? 0 : (int)plain_result(-ENOMEM);
	result = real.brk(address);
	if (result == 0 && before != (uint64_t)address)
		tell(PP_EXT_BREAK, PP_OP_BRK, (uint64_t[3]){before, (uint64_t)address}, 2, &registers);
	return result;
}

PP_HOOK void *sbrk(intptr_t increment)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	void *before;

	if (!ready()) { /* our own look-ups do not move the break */
		errno = ENOMEM;
		return (void *)-1;
	}
	before = real.sbrk(increment);
	if (before != (void *)-1 && increment)
		tell(PP_EXT_BREAK, PP_OP_BRK, (uint64_t[3]){(uint64_t)before, (uint64_t)before + (uint64_t)increment},
		     2, &registers);
	return before;
}
