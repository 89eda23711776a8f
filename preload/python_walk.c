/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of the calling thread, innermost first, read where the interpreter keeps them. Any context.
 *
 * The chain goes by three forms: frames in the heap, each with an evaluation of its own (3.8 to 3.10); frames of which
 * the outermost of an evaluation is marked, and a chain of C frames' structs beside them (3.11); an extra frame on the C
 * stack outside the outermost of an evaluation (from 3.12 on). What each yields of the C stack is the place by which its
 * frames find theirs among the native ones.
 *
 * Torn chains: the thread was stopped by a signal between two of the interpreter's stores. Then a pointer may be stale.
 * It is read only after the kernel has said that it can be, and must name a code object.
 */
#include "python.h"
#include "host.h"
#include "raw.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define PAGE_BYTES	    UINT64_C(4096)
#define ADDRESS_BITS	    47
#define KERNEL_SIGSET_BYTES 8
#define DOUBTS_MAX	    100

bool python_readable(struct pp_python_pages *pages, uint64_t address, uint64_t size)
{
	uint64_t last = (address + (size ? size - 1 : 0)) & ~(PAGE_BYTES - 1);

	if (address < PAGE_BYTES || address >> ADDRESS_BITS || size >> ADDRESS_BITS || last >> ADDRESS_BITS)
		return false;
	for (uint64_t page = address & ~(PAGE_BYTES - 1); page <= last; page += PAGE_BYTES) {
		bool known = false;

		for (unsigned i = 0; i < sizeof(pages->known) / sizeof(pages->known[0]); i++)
			known |= pages->known[i] == (page | 1);
		if (known)
			continue;
		/* An operation that does not exist: the set is copied first. See stack_rules.c. */
		if (RAW_CALL(SYS_rt_sigprocmask, -1, page, NULL, KERNEL_SIGSET_BYTES) == -EFAULT)
			return false;
		pages->known[pages->next++ % (sizeof(pages->known) / sizeof(pages->known[0]))] = page | 1;
	}
	return true;
}

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* `bytes` at an address; false: they cannot be read. */
ALWAYS_INLINE bool read_bytes(struct pp_python_frames *frames, uint64_t address, void *to, size_t bytes, bool careful)
{
	if (careful ? !python_readable(&frames->pages, address, bytes)
		    : address < PAGE_BYTES || address >> ADDRESS_BITS)
		return false;
	memcpy(to, (const void *)address, bytes);
	return true;
}

ALWAYS_INLINE bool read_word(struct pp_python_frames *frames, uint64_t address, uint64_t *word, bool careful)
{
	return address % 8 == 0 && read_bytes(frames, address, word, sizeof(*word), careful);
}

/* --- which thread state ---------------------------------------------------------------------------------------------- */

/* Before 3.12 the interpreter knows only who holds the lock. That one is ours if it is the state that this thread
 * registered, or, in a sub-interpreter, one that was made for this thread. */
static uint64_t thread_of_holder(struct pp_python_frames *frames, uint64_t registered)
{
	uint64_t holder = (uint64_t)pp_python.thread_current(), owner;

	if (holder == registered ||
	    (holder && read_word(frames, holder + pp_python.layout->thread_id, &owner, true) &&
	     owner == (uint64_t)pthread_self())) {
		frames->flags |= PP_PYTHON_GIL;
		return holder;
	}
	return registered;
}

static uint64_t thread_find(struct pp_python_frames *frames)
{
	uint64_t registered = (uint64_t)pp_python.thread_of_gil(), current;

	if (!registered)
		return 0;
	frames->flags |= PP_PYTHON_THREAD;
	if (pp_python.layout->minor < 12)
		return thread_of_holder(frames, registered);
	/* Thread-local there: only after the thread has used it, or reading it may allocate. */
	current = (uint64_t)pp_python.thread_current();
	if (!current)
		return registered;
	frames->flags |= PP_PYTHON_GIL;
	return current;
}

/* --- the chain ---------------------------------------------------------------------------------------------------------- */

/* false: it is no Python frame, or there is no room. */
ALWAYS_INLINE bool frame_add(struct pp_python_frames *frames, uint64_t code, int64_t units, uint64_t place, bool careful)
{
	uint32_t id;

	if (frames->count == PP_STACK_DEPTH)
		return false;
	id = python_code_id(code, &frames->pages, careful);
	if (id == PP_PYTHON_NO_CODE)
		return false;
	if (units < 0 || units >= (int64_t)PP_NODE_PYTHON_UNIT)
		units = -1;
	frames->words[frames->count] = PP_NODE_VALID | PP_NODE_PYTHON | (uint64_t)id << PP_NODE_PYTHON_CODE_SHIFT |
				       (uint64_t)(units + 1);
	frames->places[frames->count++] = place;
	return true;
}

/* 3.8 to 3.10: an evaluation for each frame. */
ALWAYS_INLINE void walk_heap(struct pp_python_frames *frames, uint64_t thread, const struct pp_python_layout *layout,
			     bool careful)
{
	uint64_t frame, code, cframe = 0;
	int32_t last;

	if (!read_word(frames, thread + layout->thread_top, &frame, careful) ||
	    (layout->thread_cframe && !read_word(frames, thread + layout->thread_cframe, &cframe, careful)))
		goto torn;
	while (frame) {
		if (frame % 8 || !read_word(frames, frame + layout->frame_code, &code, careful) ||
		    !read_bytes(frames, frame + layout->frame_instruction, &last, sizeof(last), careful) ||
		    !frame_add(frames, code, layout->minor < 10 && last > 0 ? last / 2 : last,
			       layout->thread_cframe ? cframe : 1, careful) ||
		    !read_word(frames, frame + layout->frame_previous, &frame, careful))
			goto torn;
		if (layout->thread_cframe && frame && !read_word(frames, cframe + layout->cframe_previous, &cframe, careful))
			goto torn;
	}
	return;
torn:
	frames->flags |= PP_PYTHON_TORN;
}

ALWAYS_INLINE bool frame_read(struct pp_python_frames *frames, uint64_t frame, const struct pp_python_layout *layout,
			      uint64_t place, bool careful)
{
	uint64_t code, instruction;

	return read_word(frames, frame + layout->frame_code, &code, careful) &&
	       read_word(frames, frame + layout->frame_instruction, &instruction, careful) &&
	       frame_add(frames, code, (int64_t)(instruction - code - layout->code_bytes) / 2, place, careful);
}

/* 3.11: the outermost frame of an evaluation is marked, its C frame is the next of the other chain. */
ALWAYS_INLINE void walk_marked(struct pp_python_frames *frames, uint64_t frame, uint64_t cframe,
			       const struct pp_python_layout *layout, bool careful)
{
	bool open = false, retried = false;
	uint8_t outermost;

	while (frame) {
		if (!read_bytes(frames, frame + layout->frame_mark, &outermost, 1, careful) ||
		    !frame_read(frames, frame, layout, outermost ? cframe : 0, careful)) {
			frames->flags |= PP_PYTHON_TORN;
			/* A new evaluation has hung itself in, and not yet said which frame is its. */
			if (frames->count || retried || !read_word(frames, cframe + layout->cframe_previous, &cframe, careful) ||
			    !read_word(frames, cframe + layout->cframe_current, &frame, careful))
				return;
			retried = true;
			continue;
		}
		open = !outermost;
		if (!read_word(frames, frame + layout->frame_previous, &frame, careful))
			break;
		if (outermost && frame && !read_word(frames, cframe + layout->cframe_previous, &cframe, careful))
			break;
	}
	if (frame)
		frames->flags |= PP_PYTHON_TORN;
	if (open)
		frames->flags |= PP_PYTHON_OPEN;
}

/* From 3.12 on: outside the outermost frame of an evaluation is one on the C stack, which is its place. */
ALWAYS_INLINE void walk_owned(struct pp_python_frames *frames, uint64_t frame, uint64_t cframe,
			      const struct pp_python_layout *layout, bool careful)
{
	bool open = false, retried = false;
	uint8_t owner;

	while (frame) {
		if (frame % 8 || !read_bytes(frames, frame + layout->frame_mark, &owner, 1, careful))
			goto torn;
		if (owner == PP_PYTHON_OWNER_C) {
			if (open)
				frames->places[frames->count - 1] = frame;
			open = false;
		} else if (frame_read(frames, frame, layout, 0, careful)) {
			open = true;
		} else {
			goto torn;
		}
		if (read_word(frames, frame + layout->frame_previous, &frame, careful))
			continue;
torn:
		frames->flags |= PP_PYTHON_TORN;
		if (frames->count || retried || !cframe ||
		    !read_word(frames, cframe + layout->cframe_previous, &cframe, careful) ||
		    !read_word(frames, cframe + layout->cframe_current, &frame, careful))
			break;
		retried = true;
	}
	if (open)
		frames->flags |= PP_PYTHON_OPEN;
}

ALWAYS_INLINE void walk(struct pp_python_frames *frames, uint64_t thread, const struct pp_python_layout *layout,
			bool careful)
{
	uint64_t frame, cframe = 0;

	if (layout->minor < 11) {
		walk_heap(frames, thread, layout, careful);
		return;
	}
	if (layout->thread_cframe ? !read_word(frames, thread + layout->thread_cframe, &cframe, careful) ||
					    !read_word(frames, cframe + layout->cframe_current, &frame, careful)
				  : !read_word(frames, thread + layout->thread_top, &frame, careful)) {
		frames->flags |= PP_PYTHON_TORN;
		return;
	}
	if (layout->minor == 11)
		walk_marked(frames, frame, cframe, layout, careful);
	else
		walk_owned(frames, frame, cframe, layout, careful);
}

static __attribute__((noinline)) void walk_carefully(struct pp_python_frames *frames, uint64_t thread)
{
	walk(frames, thread, pp_python.layout, true);
}

/* An interpreter that is not what its version says (built in an unusual way) gives nothing but torn chains: then it is
 * left alone. A single walk that finds code objects where they should be settles it. */
static void layout_judge(const struct pp_python_frames *frames)
{
	static uint32_t proved, doubts;

	if (pp_likely(__atomic_load_n(&proved, __ATOMIC_RELAXED)))
		return;
	if (frames->count)
		__atomic_store_n(&proved, 1, __ATOMIC_RELAXED);
	else if ((frames->flags & PP_PYTHON_TORN) && __atomic_add_fetch(&doubts, 1, __ATOMIC_RELAXED) == DOUBTS_MAX)
		python_give_up();
}

void python_walk(struct pp_python_frames *frames, bool careful)
{
	uint64_t thread;

	frames->count = 0;
	frames->flags = 0;
	memset(&frames->pages, 0, sizeof(frames->pages));
	thread = thread_find(frames);
	if (!thread)
		return;
	if (pp_unlikely(careful))
		walk_carefully(frames, thread);
	else
		walk(frames, thread, pp_python.layout, false);
	layout_judge(frames);
}
