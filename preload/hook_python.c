/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's objects one by one (PYTHON_HEAP=sampled, exact). The interpreter serves small blocks from arenas of its own,
 * which no hook of malloc sees; but it lets an allocator be put in front of each of its domains. Ours tells of each
 * block and hands the call on, so the interpreter's own allocator goes on serving it, with its layout and its footprint.
 * While it does, the hooks of malloc are silent: a block that it takes from there is told once.
 *
 * Installed when the interpreter is found, which is before it has made an object. PYTHONMALLOC and -X dev set other
 * allocators later, so it is looked once more when the first Python frame is seen; what was allocated in between is then
 * not known, and freed as unknown.
 */
#include "emit.h"
#include "hook_mem.h"
#include "python.h"

#define DOMAINS 2 /* of PyMem_SetAllocator: 1 memory, 2 objects; 0 is malloc's own */
#define LAYERS	2

/* PyMemAllocatorEx: a part of Python's stable interface. */
struct python_allocator {
	void *context;
	void *(*malloc)(void *, size_t);
	void *(*calloc)(void *, size_t, size_t);
	void *(*realloc)(void *, void *, size_t);
	void (*free)(void *, void *);
};

static struct {
	void (*get)(int, struct python_allocator *); /* PyMem_GetAllocator */
	void (*set)(int, struct python_allocator *);
} real;

/* What was there before us; a layer is never changed once it is in use. */
static struct python_allocator before[LAYERS][DOMAINS];
static uint32_t layers;

static void *python_malloc(void *context, size_t size)
{
	const struct python_allocator *next = context;
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_thread *thread = hook_enter();
	void *result;

	if (thread)
		hook_pass_begin();
	result = next->malloc(next->context, size);
	if (thread) {
		hook_pass_end();
		mem_record_alloc(thread, result, size, PP_OP_MALLOC, &registers);
		hook_leave(thread);
	}
	return result;
}

static void *python_calloc(void *context, size_t count, size_t size)
{
	const struct python_allocator *next = context;
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_thread *thread = hook_enter();
	void *result;

	if (thread)
		hook_pass_begin();
	result = next->calloc(next->context, count, size);
	if (thread) {
		hook_pass_end();
		mem_record_alloc(thread, result, count * size, PP_OP_CALLOC, &registers);
		hook_leave(thread);
	}
	return result;
}

static void python_free(void *context, void *block)
{
	const struct python_allocator *next = context;
	struct pp_thread *thread = block ? hook_enter() : NULL;

	if (thread) {
		mem_record_free(thread, block);
		hook_pass_begin();
	}
	next->free(next->context, block);
	if (thread)
		hook_leave(thread);
}

/* realloc(block, 0) gives a block here, of no bytes. */
static void *python_realloc(void *context, void *block, size_t size)
{
	const struct python_allocator *next = context;
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_thread *thread = hook_enter();
	uint64_t began;
	void *result;

	if (!thread)
		return next->realloc(next->context, block, size);
	if (!block) {
		hook_pass_begin();
		result = next->realloc(next->context, block, size);
		hook_pass_end();
		mem_record_alloc(thread, result, size, PP_OP_REALLOC, &registers);
	} else {
		began = mem_record_realloc_begin(thread);
		hook_pass_begin();
		result = next->realloc(next->context, block, size);
		hook_pass_end();
		mem_record_realloc(thread, began, block, result, size, &registers);
	}
	hook_leave(thread);
	return result;
}

/* With nothing else going on in the interpreter: at its start, or with its lock. */
static void layer_add(void)
{
	uint32_t layer = layers;

	if (layer == LAYERS)
		return;
	for (int domain = 0; domain < DOMAINS; domain++) {
		struct python_allocator ours = {&before[layer][domain], python_malloc, python_calloc, python_realloc,
						python_free};

		real.get(domain + 1, &before[layer][domain]);
		real.set(domain + 1, &ours);
	}
	layers = layer + 1;
}

void python_heap_begin(uint64_t get, uint64_t set)
{
	layers = 0;
	real.get = (void (*)(int, struct python_allocator *))get;
	real.set = (void (*)(int, struct python_allocator *))set;
	if (get && set)
		layer_add();
}

void python_heap_look_again(void)
{
	struct python_allocator found;

	if (!real.get || layers != 1)
		return;
	real.get(2, &found);
	if (found.malloc != python_malloc)
		layer_add();
	else
		layers = LAYERS; /* it has stayed: enough looked */
}
