/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator new and delete. Where they are libstdc++'s or libc++'s they end in malloc and free, which hook_mem.c sees with
 * operator new as the innermost frame (reports name the site by the frame outside it). Where they come from the same
 * object as malloc itself (jemalloc, tcmalloc, mimalloc) they do not pass malloc, so they are told here. Either way each
 * counts once. An exception thrown by operator new passes through these functions: nothing is held across the call, and
 * where the operator does not pass malloc the unwinder tells us of it (new_unwound).
 */
#include "boot.h"
#include "emit.h"
#include "hook_mem.h"
#include "resolve.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

/* One operator: the function behind it, and whether it bypasses malloc and free. */
struct operator_real {
	void *function;
	bool tells_itself; /* true: its allocation is not seen by the C hooks */
};

/* RTLD_NEXT finds nothing where the C++ library came with a module loaded RTLD_LOCAL: then the caller's own
 * dependencies are searched. */
static __attribute__((noinline)) void operator_resolve(struct operator_real *entry, const char *name, void *caller)
{
	Dl_info ours, theirs;
	void *found, *handle;
	int error = errno;

	guard_library_begin();
	found = resolve_next(name);
	if (!found && dladdr(caller, &theirs) && (handle = dlopen(theirs.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) != NULL) {
		found = resolve_in(handle, name);
		dlclose(handle);
		if (found && dladdr(found, &theirs) && dladdr((void *)operator_resolve, &ours) &&
		    theirs.dli_fbase == ours.dli_fbase)
			found = NULL;
	}
	entry->tells_itself = found && mem_allocates(found);
	__atomic_store_n(&entry->function, found, __ATOMIC_RELEASE);
	guard_library_end();
	errno = error;
}

static inline void *operator_function(struct operator_real *entry, const char *name, void *caller)
{
	if (pp_unlikely(!__atomic_load_n(&entry->function, __ATOMIC_ACQUIRE)))
		operator_resolve(entry, name, caller);
	return entry->function;
}

/* Operators have up to three arguments, all of them of a register's kind; those that one does not have do no harm. */
typedef void *operator_new(size_t, uintptr_t, uintptr_t);

/* Called by the unwinder as an exception passes preprof_operator_new: the failure of an operator that does not pass
 * malloc. It is not a handler, so the frame has nothing that this library would need a C++ runtime for: see the Itanium
 * C++ ABI, level II, "personality routine". */
__attribute__((used)) static int new_unwound(int version, int actions, uint64_t class, void *exception, void *context)
{
	enum { CLEANUP_PHASE = 2, FORCED = 8, CONTINUE_UNWIND = 8 };
	struct pp_thread *thread;
	int error = errno;

	(void)version, (void)class, (void)exception, (void)context;
	if ((actions & CLEANUP_PHASE) && !(actions & FORCED) && (thread = hook_enter()) != NULL) {
		mem_record_alloc(thread, NULL, thread->new_size, PP_OP_NEW, &thread->new_registers);
		hook_leave(thread);
	}
	errno = error;
	return CONTINUE_UNWIND;
}

/* Calls an operator that tells itself. One that does fall into malloc after all (an allocator's slow path) has been told
 * already. What a failure is told with lies in the thread's state, for the unwinder gives no way to this frame. */
static inline __attribute__((always_inline)) void *preprof_operator_new(operator_new *function, size_t size,
									uintptr_t second, uintptr_t third,
									struct pp_registers registers)
{
	struct pp_thread *thread = thread_current(), *entered;
	struct pp_registers outer;
	size_t outer_size = 0;
	void *result;

	if (pp_likely(thread != NULL)) {
		outer = thread->new_registers;
		outer_size = thread->new_size;
		thread->new_registers = registers;
		thread->new_size = size;
		thread->last_alloc = 0;
	}
	/* Of the function, or of that part of it that the compiler puts this call into; pc-relative, 4 bytes. */
	__asm__ volatile(".cfi_personality 0x1b, new_unwound");
	result = function(size, second, third);
	thread = thread_current();
	if (!(result && thread && thread->last_alloc == (uint64_t)result) && (entered = hook_enter()) != NULL) {
		if (result)
			entered->last_alloc = (uint64_t)result;
		mem_record_alloc(entered, result, size, PP_OP_NEW, &registers);
		hook_leave(entered);
	}
	if (pp_likely(thread != NULL && outer_size)) { /* a new handler may allocate */
		thread->new_registers = outer;
		thread->new_size = outer_size;
	}
	return result;
}

/* Tells the free and stays entered, for hook_leave after the real operator: some of an allocator's operators end in
 * free, where it would be told again. No operator delete throws. */
static struct pp_thread *delete_begin(void *address)
{
	struct pp_thread *thread = address ? hook_enter() : NULL;

	if (thread) {
		mem_record_free(thread, address);
		hook_pass_begin();
	}
	return thread;
}

#define ARGUMENTS(...) __VA_ARGS__

/* operator new: SYMBOL(size, ...). Without a C++ library at all nobody can call it; malloc then does. */
#define OPERATOR_NEW(symbol, parameters, arguments, second, third)                                       \
	PP_HOOK void *symbol(size_t size parameters);                                                    \
	PP_HOOK void *symbol(size_t size parameters)                                                     \
	{                                                                                                \
		static struct operator_real entry;                                                       \
		void *(*function)(size_t parameters) =                                                   \
			operator_function(&entry, #symbol, __builtin_return_address(0));                 \
                                                                                                         \
		if (pp_unlikely(!function))                                                              \
			return malloc(size);                                                             \
		if (pp_likely(!entry.tells_itself))                                                      \
			return function(size arguments);                                                 \
		return preprof_operator_new((operator_new *)(void *)function, size, (uintptr_t)(second), \
					    (uintptr_t)(third), PP_REGISTERS_OF_CALLER);                 \
	}

/* operator delete: SYMBOL(address, ...). */
#define OPERATOR_DELETE(symbol, parameters, arguments)                                                                \
	PP_HOOK void symbol(void *address parameters);                                                                \
	PP_HOOK void symbol(void *address parameters)                                                                 \
	{                                                                                                             \
		static struct operator_real entry;                                                                    \
		void (*function)(void *parameters) = operator_function(&entry, #symbol, __builtin_return_address(0)); \
		struct pp_thread *thread = NULL;                                                                      \
                                                                                                                      \
		if (pp_unlikely(!function || boot_owns(address))) {                                                   \
			free(address);                                                                                \
			return;                                                                                       \
		}                                                                                                     \
		if (pp_unlikely(entry.tells_itself))                                                                  \
			thread = delete_begin(address);                                                               \
		function(address arguments);                                                                          \
		if (thread)                                                                                           \
			hook_leave(thread);                                                                           \
	}

#define NOTHING
#define SIZE	      ARGUMENTS(, size_t size)
#define ALIGN	      ARGUMENTS(, size_t alignment)
#define NOTHROW	      ARGUMENTS(, const void *nothrow)
#define ALIGN_NOTHROW ARGUMENTS(, size_t alignment, const void *nothrow)
#define SIZE_ALIGN    ARGUMENTS(, size_t size, size_t alignment)

OPERATOR_NEW(_Znwm, NOTHING, NOTHING, 0, 0)
OPERATOR_NEW(_Znam, NOTHING, NOTHING, 0, 0)
OPERATOR_NEW(_ZnwmRKSt9nothrow_t, NOTHROW, ARGUMENTS(, nothrow), nothrow, 0)
OPERATOR_NEW(_ZnamRKSt9nothrow_t, NOTHROW, ARGUMENTS(, nothrow), nothrow, 0)
OPERATOR_NEW(_ZnwmSt11align_val_t, ALIGN, ARGUMENTS(, alignment), alignment, 0)
OPERATOR_NEW(_ZnamSt11align_val_t, ALIGN, ARGUMENTS(, alignment), alignment, 0)
OPERATOR_NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, ALIGN_NOTHROW, ARGUMENTS(, alignment, nothrow), alignment, nothrow)
OPERATOR_NEW(_ZnamSt11align_val_tRKSt9nothrow_t, ALIGN_NOTHROW, ARGUMENTS(, alignment, nothrow), alignment, nothrow)

OPERATOR_DELETE(_ZdlPv, NOTHING, NOTHING)
OPERATOR_DELETE(_ZdaPv, NOTHING, NOTHING)
OPERATOR_DELETE(_ZdlPvm, SIZE, ARGUMENTS(, size))
OPERATOR_DELETE(_ZdaPvm, SIZE, ARGUMENTS(, size))
OPERATOR_DELETE(_ZdlPvRKSt9nothrow_t, NOTHROW, ARGUMENTS(, nothrow))
OPERATOR_DELETE(_ZdaPvRKSt9nothrow_t, NOTHROW, ARGUMENTS(, nothrow))
OPERATOR_DELETE(_ZdlPvSt11align_val_t, ALIGN, ARGUMENTS(, alignment))
OPERATOR_DELETE(_ZdaPvSt11align_val_t, ALIGN, ARGUMENTS(, alignment))
OPERATOR_DELETE(_ZdlPvmSt11align_val_t, SIZE_ALIGN, ARGUMENTS(, size, alignment))
OPERATOR_DELETE(_ZdaPvmSt11align_val_t, SIZE_ALIGN, ARGUMENTS(, size, alignment))
OPERATOR_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, ALIGN_NOTHROW, ARGUMENTS(, alignment, nothrow))
OPERATOR_DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, ALIGN_NOTHROW, ARGUMENTS(, alignment, nothrow))
