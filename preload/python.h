/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python frames: what the python_*.c files share, and the few verbs that the rest of the library calls.
 *
 *   python_find.c   knows an interpreter when its object is first met on a stack, and where its structs keep what
 *   python_code.c   code objects: their ids, their definitions for the analyzer, and when they are freed
 *   python_walk.c   the frames of the calling thread, innermost first
 *   stack_python.c  puts them between the native frames: the overlay of stack.h
 *
 * The interpreter is never asked for anything that takes its lock, counts a reference or allocates. Only the calling
 * thread's own frames are read, in place. A hook finds them as the interpreter left them when it called out; a signal
 * handler may come while they change, so there every page is looked at before it is read (careful), and what does not
 * add up is dropped and counted. Nothing is ever caught: the program's handlers for faults are not touched.
 */
#ifndef PREPROF_PYTHON_H
#define PREPROF_PYTHON_H

#include "stack.h"

#include <stdbool.h>
#include <stdint.h>

struct link_map;
struct pp_thread;

/* --- for the library ------------------------------------------------------------------------------------------------ */

/* An object was met on a stack for the first time: is it an interpreter? Any context, lock-free. */
void python_look(const struct link_map *object);
/* The session of this image begins, or that of a forked child, whose shared memory knows nothing yet. */
void python_start(void);
/* The object between these addresses has been unmapped (dlclose). Before it is, captures are kept out of it. */
void python_unload_begin(void);
void python_unload_end(void);
/* A thread's memory for Python frames; NULL is legal. */
struct pp_python_area;
void python_area_release(struct pp_thread *thread);
/* PP_SAMPLE_PYTHON and PP_SAMPLE_GIL as the handler's last capture on this thread found them. In the handler. */
uint32_t python_sample_flags(const struct pp_thread *thread);

/* hook_python.c: the addresses of PyMem_GetAllocator and PyMem_SetAllocator. */
void python_heap_begin(uint64_t get, uint64_t set);
/* In a hook, with Python frames on the stack and the interpreter's lock held. */
void python_heap_look_again(void);

/* --- among the python files ----------------------------------------------------------------------------------------- */

/* Where an interpreter of one minor version keeps things: offsets in bytes, in its structs. */
struct pp_python_layout {
	uint8_t minor;
	uint16_t thread_top;	 /* of the thread state: the innermost frame; 0: by way of the C frame */
	uint16_t thread_cframe;	 /* the innermost C frame's struct; 0: there is none */
	uint16_t thread_id;	 /* pthread_t */
	uint16_t cframe_current; /* its innermost frame */
	uint16_t cframe_previous;
	uint16_t frame_code, frame_previous, frame_instruction;
	uint16_t frame_mark; /* 3.11: 1 on the outermost frame of an evaluation; later: the owner; 0: none */
	uint16_t code_first_line, code_file, code_name, code_lines, code_bytes;
	uint16_t text_ascii, text_compact; /* where a string's characters begin */
};

#define PP_PYTHON_OWNER_C	3  /* frame_mark from 3.12 on: no Python frame, but the evaluation's own, on the C stack */
#define PP_PYTHON_TYPE		8  /* of an object: its type */
#define PP_PYTHON_TEXT_LENGTH	16
#define PP_PYTHON_TEXT_STATE	32
#define PP_PYTHON_BYTES_LENGTH	16
#define PP_PYTHON_BYTES_CONTENT 32
#define PP_PYTHON_TYPE_DEALLOC	48

enum pp_python_state {
	PP_PYTHON_NONE = 0,
	PP_PYTHON_FOUND = 1, /* symbols are known, nothing has been changed yet */
	PP_PYTHON_ON = 2,
	PP_PYTHON_OFF = 3, /* an interpreter that cannot be read */
	PP_PYTHON_BEGINNING = 4,
};

struct pp_python {
	uint32_t state; /* enum pp_python_state */
	uint32_t paused; /* not 0: dlclose is under way */
	uint32_t version; /* PY_VERSION_HEX */
	const struct pp_python_layout *layout;
	void *(*thread_of_gil)(void);  /* PyGILState_GetThisThreadState */
	void *(*thread_current)(void); /* from 3.12 on this thread's, before that the lock's holder */
	uint64_t code_type, text_type, bytes_type;
	uint64_t get_allocator, set_allocator; /* PyMem_... */
	uint64_t evaluator, evaluator_size; /* _PyEval_EvalFrameDefault */
	uint64_t cold, cold_size;	    /* its part that the compiler put elsewhere, where frames have no address */
	uint64_t object_start, object_size;
	uint64_t runtime, runtime_size; /* _PyRuntime, in which the main interpreter's lock lies */
	bool alone; /* the object is nothing but an interpreter */
	bool heap_is_due; /* allocators are still to be put in front of the interpreter's */
};
extern struct pp_python pp_python __attribute__((visibility("hidden")));

/* Is this the interpreter, about to wait for its lock? (hook_gil.c) In an object of its own it waits for nothing else by
 * this call; linked into another program it is told by where the lock's condition lies. */
static inline bool python_waits_for_lock(const void *caller, const void *condition)
{
	return __builtin_expect(pp_python.state == PP_PYTHON_ON, 0) &&
	       (uint64_t)caller - pp_python.object_start < pp_python.object_size &&
	       (pp_python.alone || (uint64_t)condition - pp_python.runtime < pp_python.runtime_size);
}

/* stack_python.c */
extern const struct pp_stack_overlay pp_python_overlay __attribute__((visibility("hidden")));

/* false: there is nothing to be walked. Completes what python_look found. Any context. */
bool python_ready(void);

/* A page that was read once in this walk need not be asked about again. */
struct pp_python_pages {
	uint64_t known[4]; /* page | 1 */
	uint32_t next;
};
/* Can these bytes be read? Asks the kernel, page by page. */
bool python_readable(struct pp_python_pages *pages, uint64_t address, uint64_t size);

enum pp_python_flag {
	PP_PYTHON_THREAD = 1 << 0, /* the thread has a thread state */
	PP_PYTHON_GIL = 1 << 1,	   /* ... and the lock */
	PP_PYTHON_TORN = 1 << 2,   /* something did not add up: frames are missing */
	PP_PYTHON_OPEN = 1 << 3,   /* the outermost frame is no evaluation's first: frames outside it are missing */
};

struct pp_python_frames {
	uint32_t count;
	uint32_t flags;	  /* enum pp_python_flag */
	uint64_t *words;  /* frame words (wire.h), innermost first; room for PP_STACK_DEPTH */
	uint64_t *places; /* of the outermost frame of each evaluation an address in that one's C frame, or 1; else 0 */
	struct pp_python_pages pages;
};

/* The calling thread's frames. Careful: in a signal handler, or where one is on the stack. */
void python_walk(struct pp_python_frames *frames, bool careful);

/* A code object's id: 0: it could not be defined, PP_PYTHON_NO_CODE: it is none. Careful as above: what is not known to
 * be alive may have been freed, so what is learnt of it is looked at again when it is next met. */
#define PP_PYTHON_NO_CODE UINT32_MAX
uint32_t python_code_id_slowly(uint64_t code, struct pp_python_pages *pages, bool careful);

/* The table of code objects: open addressing over their addresses; see python_code.c. */
#define PP_PYTHON_CODES_BITS 18
struct pp_python_code_entry {
	uint64_t code;	/* 0: free, 1: was freed, 2: being written */
	uint64_t value; /* check:32 | unproved:1 | id:31 */
};
#define PP_PYTHON_CODE_UNPROVED (UINT64_C(1) << 31)
extern struct pp_python_code_entry *pp_python_codes __attribute__((visibility("hidden"))); /* NULL: not mapped yet */

static inline uint32_t python_code_slot(uint64_t code)
{
	return (uint32_t)(code >> 4) * UINT32_C(0x9e3779b1) >> (32 - PP_PYTHON_CODES_BITS);
}

/* The common case: known, and known to be alive. */
static inline uint32_t python_code_id(uint64_t code, struct pp_python_pages *pages, bool careful)
{
	const struct pp_python_code_entry *codes = __atomic_load_n(&pp_python_codes, __ATOMIC_ACQUIRE);

	if (__builtin_expect(codes != NULL, 1)) {
		const struct pp_python_code_entry *entry = &codes[python_code_slot(code)];

		if (__builtin_expect(__atomic_load_n(&entry->code, __ATOMIC_ACQUIRE) == code, 1) &&
		    __builtin_expect(!(entry->value & PP_PYTHON_CODE_UNPROVED), 1))
			return (uint32_t)entry->value;
	}
	return python_code_id_slowly(code, pages, careful);
}

void python_give_up(void); /* its frames are not where they should be: no more walks. Any context */
void python_code_reset(void); /* no ids: the constructor, a forked child */
void python_code_watch(void); /* from now on learns of code objects that are freed */
void python_code_unwatch(void); /* the interpreter is no more */

#endif
