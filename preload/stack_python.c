/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stack of Python and native frames. A Python frame belongs outside the native frame of the evaluation that runs it:
 * the one whose piece of the C stack holds the address that the interpreter's own chain gives (its place). Names of
 * functions do not matter, so neither does it how the interpreter was compiled.
 *
 * In a hook the native stack is taken first, by the memo and all, and has an id that says everything about it but the
 * sizes of its frames. That id, the Python frames and their distances from the stack pointer make the key under which
 * the stack that was put together is found again; putting together, which needs a place for each native frame, is for
 * those that come for the first time. The memo knows nothing of Python, and stays right.
 *
 * In the handler each stack is put together. Hooks and the handler, any thread; see stack.h.
 */
#include "host.h"
#include "python.h"
#include "raw.h"
#include "stack_tiers.h"

#include <ucontext.h>

#if PP_HAVE_RULES

#define MERGED_MAX (2 * PP_STACK_DEPTH)

/* A thread's own. The hook's other lists lie in the memo's room for a capture that is over. */
struct pp_python_area {
	uint64_t hook_merged[MERGED_MAX];
	uint64_t words[PP_STACK_DEPTH]; /* the handler's, from here on */
	uint64_t places[PP_STACK_DEPTH];
	uint64_t native[PP_STACK_DEPTH];
	uint64_t native_places[PP_STACK_DEPTH];
	uint64_t merged[MERGED_MAX - 8];
	uint32_t sample_flags;
};
_Static_assert(sizeof(struct pp_python_area) <= 65536, "what a thread may take");

static struct pp_python_area *area_get(struct pp_thread *thread)
{
	struct pp_python_area *area;

	if (likely(thread->python != NULL))
		return thread->python;
	area = raw_map(sizeof(*area));
	if (area) /* the handler may come in between, and map one of its own: then that one is lost */
		thread->python = area;
	return area;
}

void python_area_release(struct pp_thread *thread)
{
	if (!thread->python)
		return;
	raw_unmap(thread->python, sizeof(*thread->python));
	thread->python = NULL;
}

uint32_t python_sample_flags(const struct pp_thread *thread)
{
	return thread->python ? thread->python->sample_flags : 0;
}

/* --- putting together -------------------------------------------------------------------------------------------------- */

struct native {
	uint64_t *words, *places;
	uint32_t count;
	bool complete; /* to the outermost frame */
};

struct merge {
	const struct native *native;
	const struct pp_python_frames *python;
	uint64_t *out;
	uint32_t count, taken; /* words written; Python frames done with */
	uint32_t max;
	bool astray; /* some Python frame did not find its place */
};

static bool is_evaluation(uint64_t word)
{
	uint64_t pc = word & PP_NODE_ADDRESS_MASK;

	/* A return address may lie right behind its function. */
	pc -= !(word & PP_NODE_EXACT);
	return pc - pp_python.evaluator < pp_python.evaluator_size || pc - pp_python.cold < pp_python.cold_size;
}

/* 3.8 and 3.9 give no places: there one frame is one evaluation, in the same order, from the outermost inwards. An
 * evaluation that has just begun, or is all but over, has no frame. */
static void places_by_order(const struct native *native, struct pp_python_frames *python)
{
	uint32_t evaluations = 0, at = 0;

	for (uint32_t i = 0; i < native->count; i++)
		evaluations += is_evaluation(native->words[i]);
	/* Where the outermost frames are missing the innermost ones are counted from. */
	uint32_t skipped = native->complete && evaluations > python->count ? evaluations - python->count : 0;
	uint32_t lacking = native->complete && evaluations < python->count ? python->count - evaluations : 0;

	for (uint32_t i = 0; i < python->count; i++)
		python->places[i] = i < lacking ? UINT64_MAX : 0;
	for (uint32_t i = 0; i < native->count && lacking + at < python->count; i++) {
		if (!is_evaluation(native->words[i]))
			continue;
		if (skipped) {
			skipped--;
			continue;
		}
		python->places[lacking + at++] = native->places[i];
	}
	for (uint32_t i = lacking + at; i < python->count; i++)
		python->places[i] = UINT64_MAX; /* outside of what was walked */
}

static void put(struct merge *merge, uint64_t word)
{
	if (merge->count < merge->max)
		merge->out[merge->count++] = word;
	else
		merge->out[merge->max - 1] |= PP_NODE_TRUNCATED;
}

static bool frame_holds(const struct native *native, uint32_t i, uint64_t place)
{
	uint64_t low = native->places[i];
	uint64_t high = i + 1 < native->count ? native->places[i + 1] : low + PP_RULE_FRAME_MAX;

	return low <= place && place < high;
}

static bool held_further_out(const struct native *native, uint32_t from, uint64_t place)
{
	for (uint32_t i = from; i < native->count; i++) {
		if (frame_holds(native, i, place))
			return true;
	}
	return false;
}

/* The last frame of the evaluation that begins with Python frame `first`; python->count: none is known. */
static uint32_t evaluation_end(const struct pp_python_frames *python, uint32_t first)
{
	while (first < python->count && !python->places[first])
		first++;
	return first;
}

/* The Python frames that belong outside native frame i. */
static void put_python(struct merge *merge, uint32_t i)
{
	const struct pp_python_frames *python = merge->python;
	const struct native *native = merge->native;

	while (merge->taken < python->count) {
		uint32_t end = evaluation_end(python, merge->taken);
		bool held;

		if (end == python->count)
			return;
		held = frame_holds(native, i, python->places[end]);
		if (!held && (python->places[end] >= native->places[i] || held_further_out(native, i, python->places[end])))
			return;
		/* Below the stack: what was there has returned. */
		if (!held) {
			merge->astray = true;
			merge->taken = end + 1;
			continue;
		}
		while (merge->taken <= end)
			put(merge, python->words[merge->taken++]);
	}
}

/* The number of words in `out`. */
static uint32_t stack_merge(const struct native *native, struct pp_python_frames *python, uint64_t *out, uint32_t max)
{
	struct merge merge = {.native = native, .python = python, .out = out, .max = max};
	struct pp_wire_header *header = pp_session.header;

	if (python->count && python->places[0] == 1)
		places_by_order(native, python);
	for (uint32_t i = 0; i < native->count; i++) {
		put(&merge, native->words[i]);
		put_python(&merge, i);
	}
	/* What is left belongs further out than could be walked, or nowhere. */
	if (merge.taken < python->count && !native->complete && merge.count) {
		out[merge.count - 1] &= ~PP_NODE_TRUNCATED;
		while (merge.taken < python->count)
			put(&merge, python->words[merge.taken++]);
		out[merge.count - 1] |= PP_NODE_TRUNCATED;
	} else if (merge.taken < python->count) {
		merge.astray = true;
	}
	__atomic_add_fetch(&header->python_merge_count, 1, __ATOMIC_RELAXED);
	if (python->flags & (PP_PYTHON_TORN | PP_PYTHON_OPEN) || merge.astray)
		pp_skip(PP_SKIP_PYTHON_TORN);
	else
		__atomic_add_fetch(&header->python_matched_count, 1, __ATOMIC_RELAXED);
	return merge.count;
}

/* --- in a hook ------------------------------------------------------------------------------------------------------------ */

static uint32_t merge_and_remember(const struct pp_registers *registers, struct pp_python_frames *python,
				   uint64_t *native_words, uint64_t *merged, uint64_t key, uint32_t native_id)
{
	struct native native = {.words = native_words, .places = native_words + PP_STACK_DEPTH};
	uint32_t id;

	if (pp_session.settings.python_heap != PP_PYTHON_HEAP_ARENAS && (python->flags & PP_PYTHON_GIL))
		python_heap_look_again();
	native.complete = stack_walk_places(registers, NULL, native.words, native.places, &native.count) ==
			  PP_WALK_COMPLETE;
	if (!native.count)
		return native_id;
	id = stack_table_intern(merged, stack_merge(&native, python, merged, MERGED_MAX));
	if (id)
		stack_table_alias(key, id);
	return id;
}

/* Not in the handler, and not while another thread may be on its way into the interpreter's allocator: the pointers to it
 * and to its context are two loads. */
static __attribute__((noinline)) void heap_begin(const struct pp_python_frames *python)
{
	if (pp_session.multi && !(python->flags & PP_PYTHON_GIL))
		return;
	pp_python.heap_is_due = false;
	python_heap_begin(pp_python.get_allocator, pp_python.set_allocator);
}

static uint32_t capture(struct pp_memo *memo, const struct pp_registers *registers)
{
	uint32_t native_id = stack_capture_native(memo, registers), id;
	struct pp_thread *thread = pp_tls.thread;
	struct pp_python_frames python;
	struct pp_python_area *area;
	uint64_t key = PP_HASH_SEED ^ UINT64_C(0x3c6ef372fe94f82b);
	uint64_t *room;

	if (unlikely(!native_id || !thread || !python_ready()))
		return native_id;
	room = stack_memo_scratch(memo); /* 4 * PP_STACK_DEPTH words */
	python.words = room;
	python.places = room + PP_STACK_DEPTH;
	python_walk(&python, stack_memo_interrupted(memo) || thread->python_careful ||
				     pp_stack_state.unwinder == PP_UNWINDER_LIBUNWIND);
	if (unlikely(pp_python.heap_is_due))
		heap_begin(&python);
	if (!python.count)
		return native_id;
	for (uint32_t i = 0; i < python.count; i++) {
		key = stack_hash_extend(key, python.words[i]);
		if (python.places[i])
			key = stack_hash_extend(key, python.places[i] - registers->sp);
	}
	key = stack_hash_extend(key, native_id);
	id = stack_table_find(key);
	if (likely(id))
		return id;
	area = area_get(thread);
	return area ? merge_and_remember(registers, &python, room + 2 * PP_STACK_DEPTH, area->hook_merged, key, native_id)
		    : native_id;
}

/* --- in the handler --------------------------------------------------------------------------------------------------------- */

static uint32_t capture_in_handler(const void *ucontext, uint64_t *scratch, bool *truncated)
{
	const greg_t *leaf = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
	const struct pp_registers registers = {.pc = (uint64_t)leaf[REG_RIP],
					       .sp = (uint64_t)leaf[REG_RSP],
					       .fp = (uint64_t)leaf[REG_RBP],
					       .exact = true};
	struct pp_thread *thread = pp_tls.thread;
	struct pp_python_area *area = thread ? area_get(thread) : NULL;
	struct native native = {.words = scratch};
	struct pp_python_frames python;
	enum pp_walk_end end;

	if (!area) {
		*truncated = true;
		return 0;
	}
	native.words = area->native;
	native.places = area->native_places;
	end = stack_walk_places(&registers, leaf, native.words, native.places, &native.count);
	native.complete = end == PP_WALK_COMPLETE;
	*truncated = !native.complete;
	python.words = area->words;
	python.places = area->places;
	python.count = python.flags = 0;
	if (python_ready())
		python_walk(&python, true);
	area->sample_flags = (python.flags & PP_PYTHON_THREAD ? PP_SAMPLE_PYTHON : 0) |
			     (python.flags & PP_PYTHON_GIL ? PP_SAMPLE_GIL : 0);
	if (!python.count)
		return stack_table_intern(native.words, native.count);
	return stack_table_intern(area->merged, stack_merge(&native, &python, area->merged, MERGED_MAX - 8));
}

const struct pp_stack_overlay pp_python_overlay = {capture, capture_in_handler};

#else

const struct pp_stack_overlay pp_python_overlay;

#endif
