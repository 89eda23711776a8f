/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mem family: every way to get and to give back heap memory. Each hook calls the next object's function, then tells
 * (allocations), or tells and then calls (frees): so events of one address are causally ordered over all threads.
 *
 * operator new and delete are in hook_new.c.
 */
#include "boot.h"
#include "emit.h"
#include "hook_mem.h"
#include "object.h"
#include "resolve.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define LOAD(pointer) __atomic_load_n(&(pointer), __ATOMIC_RELAXED)

/* The real functions. malloc's is stored last: when it is there, all of them are. */
static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	void *(*memalign)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	size_t (*malloc_usable_size)(void *);
	int (*malloc_trim)(size_t);
	bool passing; /* malloc is not ours to see: hooks jump on, and leave no frame of ours in a sanitizer's reports */
} real;
static enum pp_allocator allocator;

static __thread int resolving __attribute__((tls_model("initial-exec")));

static bool is_sanitizer(void *function)
{
	static const char *const names[] = {"/libasan.", "/libtsan.", "/liblsan.", "/libhwasan.", "/libclang_rt."};
	Dl_info info;

	if (!function || !dladdr(function, &info) || !info.dli_fname)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strstr(info.dli_fname, names[i]))
			return true;
	}
	return false;
}

/* AddressSanitizer refuses to start behind another preloaded library unless it is told that this is meant. It is: ours
 * only passes on what is the runtime's. The program's own definition comes before this one. */
PP_HOOK const char *__asan_default_options(void);
PP_HOOK const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}

/* The name `malloc` itself would be bound to whatever comes first in the process. */
static void *own_malloc(size_t size) __attribute__((alias("malloc"), copy(malloc)));

static bool same_object(const void *first, const void *second)
{
	struct pp_object object;

	return object_find((uintptr_t)first, &object) && (uintptr_t)second >= object.start &&
	       (uintptr_t)second < object.end;
}

/* The program's first definition of a name that this library defines too; NULL: it is ours. An executable that is not
 * position-independent and takes malloc's address, as python3's does, is found first with the address of its own PLT
 * entry, which leads here: its symbol is undefined. */
static void *first_find(const char *name)
{
	void *first = resolve_in(RTLD_DEFAULT, name);
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	if (!first || same_object(first, (void *)own_malloc))
		return NULL;
	if (dladdr1(first, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF)
		return NULL;
	return first;
}

/* Before the look-ups of the other functions. */
static void allocator_look(void)
{
	void *first = first_find("malloc");

	if (is_sanitizer(first) || is_sanitizer(resolve_next("malloc")))
		allocator = PP_ALLOCATOR_SANITIZER;
	else if (!first)
		allocator = PP_ALLOCATOR_AFTER;
	else
		allocator =
			same_object(first, (void *)getauxval(AT_PHDR)) ? PP_ALLOCATOR_EXECUTABLE : PP_ALLOCATOR_BEFORE;
	real.passing = allocator != PP_ALLOCATOR_AFTER;
}

/* Only for names that libc has: a look-up that fails allocates, and the allocator may be at its own beginning.
 * Behind another allocator we are asked for what it does not have (reallocarray), which libc makes of the others: of
 * that allocator's, not of libc's. */
static void *function_find(const char *name)
{
	void *first = allocator == PP_ALLOCATOR_AFTER ? NULL : first_find(name);

	return first ? first : resolve_next(name);
}

/* false: a call from within the look-up itself; the caller serves it from the boot arena. */
static __attribute__((noinline)) bool mem_resolve(void)
{
	int error = errno;
	void *(*found)(size_t);

	if (resolving)
		return false;
	resolving = 1;
	guard_library_begin();
	allocator_look();
	real.calloc = function_find("calloc");
	real.realloc = function_find("realloc");
	real.free = function_find("free");
	real.memalign = function_find("memalign");
	real.posix_memalign = function_find("posix_memalign");
	real.aligned_alloc = function_find("aligned_alloc");
	real.valloc = function_find("valloc");
	real.pvalloc = function_find("pvalloc");
	real.malloc_usable_size = function_find("malloc_usable_size");
	real.malloc_trim = function_find("malloc_trim");
	found = function_find("malloc");
	__atomic_store_n(&real.malloc, found, __ATOMIC_RELEASE);
	guard_library_end();
	resolving = 0;
	errno = error;
	return found != NULL;
}

static inline bool mem_ready(void)
{
	return pp_likely(__atomic_load_n(&real.malloc, __ATOMIC_ACQUIRE) != NULL) || mem_resolve();
}

/* --- what is told ------------------------------------------------------------------------------------------------- */

/* Bytes to the next sampled one, exponentially distributed (a Poisson process over bytes); log2 of the mantissa by a
 * cubic good to 0.001, which is far below the sampling error. */
static uint64_t sample_distance(struct pp_thread *thread)
{
	uint64_t bits;
	double uniform, mantissa, log2;

	thread->random = thread->random * 6364136223846793005u + 1442695040888963407u;
	uniform = (double)((thread->random >> 11) + 1) * 0x1p-53;
	memcpy(&bits, &uniform, sizeof(bits));
	log2 = (double)((int)(bits >> 52) - 1023);
	bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
	memcpy(&mantissa, &bits, sizeof(mantissa));
	log2 += -2.153620718 + mantissa * (3.047884161 + mantissa * (-1.051875031 + mantissa * 0.1582487046));
	return log2 >= 0 ? 1
			 : (uint64_t)(-log2 * 0.6931471805599453 * (double)pp_session.settings.heap_sample_bytes) + 1;
}

static __attribute__((noinline)) uint32_t sampled_stack(struct pp_thread *thread, size_t size,
							const struct pp_registers *registers)
{
	if (!thread->heap_countdown)
		thread->heap_countdown = sample_distance(thread);
	if (thread->heap_countdown > size) {
		thread->heap_countdown -= size;
		return PP_REC_STACK_UNSAMPLED;
	}
	thread->heap_countdown = sample_distance(thread);
	return stack_capture(thread->memo, registers);
}

static inline __attribute__((always_inline)) uint32_t stack_of(struct pp_thread *thread, size_t size,
							       const struct pp_registers *registers)
{
	if (pp_likely(pp_session.settings.heap == PP_HEAP_EXACT))
		return stack_capture(thread->memo, registers);
	return sampled_stack(thread, size, registers);
}

static __attribute__((noinline)) void tell_failed(struct pp_thread *thread, size_t size,
						  enum pp_wire_operation operation,
						  const struct pp_registers *registers)
{
	uint64_t payload[2] = {size, stack_capture(thread->memo, registers)};

	emit_extended(thread, PP_EXT_ALLOC_FAILED, operation, payload, 2);
}

/* An event that is not recorded, because it is of a signal handler that came while a hook recorded another. */
static __attribute__((noinline)) void skip_interrupting(void)
{
	if (hook_interrupts() && pp_session.settings.heap)
		pp_skip(PP_SKIP_HEAP_BUSY);
}

static inline __attribute__((always_inline)) void
tell_alloc(void *result, size_t size, enum pp_wire_operation operation, struct pp_registers registers)
{
	struct pp_thread *thread = hook_enter();

	if (pp_unlikely(!thread)) {
		skip_interrupting();
		return;
	}
	if (pp_likely(pp_session.settings.heap)) {
		if (pp_likely(result != NULL)) {
			thread->last_alloc = (uint64_t)result;
			emit_alloc(thread, (uint64_t)result, size, stack_of(thread, size, &registers));
		} else {
			tell_failed(thread, size, operation, &registers);
		}
	}
	hook_leave(thread);
}

static inline __attribute__((always_inline)) void tell_free(void *address)
{
	struct pp_thread *thread;

	if (!address || pp_unlikely(real.passing))
		return;
	thread = hook_enter();
	if (pp_unlikely(!thread)) {
		skip_interrupting();
		return;
	}
	if (pp_likely(pp_session.settings.heap))
		emit_free(thread, (uint64_t)address);
	hook_leave(thread);
}

/* --- for other allocators ---------------------------------------------------------------------------------------- */

void mem_record_alloc(struct pp_thread *thread, void *result, size_t size, enum pp_wire_operation operation,
		      const struct pp_registers *registers)
{
	if (!pp_session.settings.heap)
		return;
	if (result)
		emit_alloc(thread, (uint64_t)result, size, stack_of(thread, size, registers));
	else
		tell_failed(thread, size, operation, registers);
}

void mem_record_free(struct pp_thread *thread, void *block)
{
	if (pp_session.settings.heap)
		emit_free(thread, (uint64_t)block);
}

uint64_t mem_record_realloc_begin(struct pp_thread *thread)
{
	return pp_session.settings.heap ? emit_realloc_begin(thread) : 0;
}

void mem_record_realloc(struct pp_thread *thread, uint64_t began, void *old, void *result, size_t size,
			const struct pp_registers *registers)
{
	if (!pp_session.settings.heap)
		return;
	if (result) {
		emit_realloc(thread, began, (uint64_t)old, (uint64_t)result, size, stack_of(thread, size, registers));
		return;
	}
	emit_realloc_cancel(thread);
	tell_failed(thread, size, PP_OP_REALLOC, registers);
}

/* --- C ------------------------------------------------------------------------------------------------------------- */

PP_HOOK void *malloc(size_t size)
{
	void *result;

	if (!mem_ready())
		return boot_alloc(size, 16);
	if (pp_unlikely(real.passing))
		return real.malloc(size);
	result = real.malloc(size);
	tell_alloc(result, size, PP_OP_MALLOC, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK void *calloc(size_t count, size_t size)
{
	size_t bytes;
	void *result;

	if (__builtin_mul_overflow(count, size, &bytes))
		bytes = SIZE_MAX;
	if (!mem_ready())
		return boot_alloc(bytes, 16);
	if (pp_unlikely(real.passing))
		return real.calloc(count, size);
	result = real.calloc(count, size);
	tell_alloc(result, bytes, PP_OP_CALLOC, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK void free(void *address)
{
	if (pp_unlikely(boot_owns(address)) || !mem_ready())
		return;
	tell_free(address);
	real.free(address);
}

/* Where the old block is not the real allocator's. */
static void *realloc_from_boot(void *old, size_t size, struct pp_registers registers)
{
	size_t had = boot_size(old);
	void *result = mem_ready() ? real.malloc(size) : boot_alloc(size, 16);

	if (!result)
		return NULL;
	memcpy(result, old, had < size ? had : size);
	if (!boot_owns(result))
		tell_alloc(result, size, PP_OP_REALLOC, registers);
	return result;
}

static inline __attribute__((always_inline)) void *realloc_tell(void *old, size_t size, struct pp_registers registers)
{
	struct pp_thread *thread;
	uint64_t began;
	void *result;

	if (pp_unlikely(boot_owns(old)))
		return realloc_from_boot(old, size, registers);
	if (!mem_ready())
		return old ? NULL : boot_alloc(size, 16);
	if (!old) {
		result = real.realloc(NULL, size);
		tell_alloc(result, size, PP_OP_REALLOC, registers);
		return result;
	}
	if (!size) { /* frees, or (other allocators) gives a block of no bytes: told as what it is */
		tell_free(old);
		result = real.realloc(old, 0);
		if (result)
			tell_alloc(result, 0, PP_OP_REALLOC, registers);
		return result;
	}
	thread = hook_enter();
	if (pp_unlikely(!thread || !pp_session.settings.heap)) {
		if (thread)
			hook_leave(thread);
		else
			skip_interrupting();
		return real.realloc(old, size);
	}
	began = emit_realloc_begin(thread);
	hook_pass_begin();
	result = real.realloc(old, size);
	hook_pass_end();
	if (pp_likely(result != NULL)) {
		thread->last_alloc = (uint64_t)result;
		emit_realloc(thread, began, (uint64_t)old, (uint64_t)result, size, stack_of(thread, size, &registers));
	} else {
		emit_realloc_cancel(thread);
		tell_failed(thread, size, PP_OP_REALLOC, &registers);
	}
	hook_leave(thread);
	return result;
}

PP_HOOK void *realloc(void *old, size_t size)
{
	if (pp_unlikely(real.passing && !boot_owns(old)))
		return real.realloc(old, size);
	return realloc_tell(old, size, PP_REGISTERS_OF_CALLER);
}

PP_HOOK void *reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		tell_alloc(NULL, SIZE_MAX, PP_OP_REALLOC, PP_REGISTERS_OF_CALLER);
		errno = ENOMEM;
		return NULL;
	}
	if (pp_unlikely(real.passing && !boot_owns(old)))
		return real.realloc(old, bytes);
	return realloc_tell(old, bytes, PP_REGISTERS_OF_CALLER);
}

PP_HOOK void cfree(void *address);
PP_HOOK void cfree(void *address)
{
	if (pp_unlikely(boot_owns(address)) || !mem_ready())
		return;
	tell_free(address);
	real.free(address);
}

/* C23's, which few have yet: looked up when somebody calls them. */
static void *sized_find(const char *name, void **found)
{
	static char none;
	void *function = LOAD(*found);

	if (!function) {
		guard_library_begin();
		function = function_find(name);
		__atomic_store_n(found, function ? function : &none, __ATOMIC_RELAXED);
		guard_library_end();
	}
	return function == &none ? NULL : function;
}

PP_HOOK void free_sized(void *address, size_t size);
PP_HOOK void free_sized(void *address, size_t size)
{
	static void *found;
	void (*function)(void *, size_t);

	if (pp_unlikely(boot_owns(address)) || !mem_ready())
		return;
	tell_free(address);
	function = (void (*)(void *, size_t))sized_find("free_sized", &found);
	if (function)
		function(address, size);
	else
		real.free(address);
}

PP_HOOK void free_aligned_sized(void *address, size_t alignment, size_t size);
PP_HOOK void free_aligned_sized(void *address, size_t alignment, size_t size)
{
	static void *found;
	void (*function)(void *, size_t, size_t);

	if (pp_unlikely(boot_owns(address)) || !mem_ready())
		return;
	tell_free(address);
	function = (void (*)(void *, size_t, size_t))sized_find("free_aligned_sized", &found);
	if (function)
		function(address, alignment, size);
	else
		real.free(address);
}

PP_HOOK void *memalign(size_t alignment, size_t size)
{
	void *result;

	if (!mem_ready())
		return boot_alloc(size, alignment);
	if (pp_unlikely(real.passing))
		return real.memalign(alignment, size);
	result = real.memalign(alignment, size);
	tell_alloc(result, size, PP_OP_ALIGNED, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK void *aligned_alloc(size_t alignment, size_t size)
{
	void *result;

	if (!mem_ready())
		return boot_alloc(size, alignment);
	if (pp_unlikely(real.passing))
		return real.aligned_alloc(alignment, size);
	result = real.aligned_alloc(alignment, size);
	tell_alloc(result, size, PP_OP_ALIGNED, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK int posix_memalign(void **result, size_t alignment, size_t size)
{
	int error;

	if (!mem_ready()) {
		*result = boot_alloc(size, alignment);
		return *result ? 0 : ENOMEM;
	}
	if (pp_unlikely(real.passing))
		return real.posix_memalign(result, alignment, size);
	error = real.posix_memalign(result, alignment, size);
	tell_alloc(error ? NULL : *result, size, PP_OP_ALIGNED, PP_REGISTERS_OF_CALLER);
	return error;
}

PP_HOOK void *valloc(size_t size)
{
	void *result;

	if (!mem_ready())
		return boot_alloc(size, 4096);
	if (pp_unlikely(real.passing))
		return real.valloc(size);
	result = real.valloc(size);
	tell_alloc(result, size, PP_OP_ALIGNED, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK void *pvalloc(size_t size)
{
	void *result;

	if (!mem_ready())
		return boot_alloc(size, 4096);
	if (pp_unlikely(real.passing))
		return real.pvalloc(size);
	result = real.pvalloc(size);
	tell_alloc(result, size, PP_OP_ALIGNED, PP_REGISTERS_OF_CALLER);
	return result;
}

PP_HOOK size_t malloc_usable_size(void *address)
{
	if (pp_unlikely(boot_owns(address)))
		return boot_size(address);
	if (!mem_ready() || !real.malloc_usable_size)
		return 0;
	return real.malloc_usable_size(address);
}

PP_HOOK int malloc_trim(size_t keep)
{
	return mem_ready() && real.malloc_trim ? real.malloc_trim(keep) : 0;
}

/* --- for others ------------------------------------------------------------------------------------------------------ */

bool mem_allocates(const void *function)
{
	Dl_info ours, theirs;

	return mem_ready() && !real.passing && dladdr(function, &theirs) && dladdr((void *)real.malloc, &ours) &&
	       theirs.dli_fbase == ours.dli_fbase;
}

enum pp_allocator mem_allocator(void)
{
	mem_ready();
	return allocator;
}
