/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: which tier serves a capture, the self-check, the walk of the signal handler. Contexts: see stack.h.
 */
#include <stddef.h>
#include <ucontext.h>

#include "object.h"
#include "stack_tiers.h"

struct pp_stack_state pp_stack_state = {.generation = 1, .slow = !PP_HAVE_RULES};
uint32_t pp_stack_fast_generation;

/* From here on every memo is dead. */
static void generation_advance(void)
{
	uint32_t generation = __atomic_add_fetch(&pp_stack_state.generation, 1, __ATOMIC_RELEASE);

	__atomic_store_n(&pp_stack_fast_generation, pp_stack_state.slow ? 0 : generation, __ATOMIC_RELEASE);
}

void stack_init(enum pp_unwinder unwinder, uint32_t check_every)
{
	pp_stack_state.unwinder = unwinder;
	pp_stack_state.check_every = check_every;
	pp_stack_state.slow = !PP_HAVE_RULES || unwinder != PP_UNWINDER_AUTO || check_every || pp_stack_state.overlay;
	generation_advance();
#if PP_HAVE_RULES
	stack_rules_init();
#endif
	stack_table_reset();
	stack_libunwind_init();
}

/* fast_generation is not advanced but shut: a memo that is right stays right. */
void stack_set_overlay(const struct pp_stack_overlay *overlay)
{
	__atomic_store_n(&pp_stack_state.overlay, overlay, __ATOMIC_RELEASE);
	__atomic_store_n(&pp_stack_state.slow, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&pp_stack_fast_generation, 0, __ATOMIC_RELEASE);
}

void stack_forget_rules(uint64_t start, uint64_t end)
{
	(void)start, (void)end;
#if PP_HAVE_RULES
	stack_rules_forget(start, end);
#endif
	generation_advance();
}

void stack_forget_code(uint64_t start, uint64_t end)
{
	uint64_t old_start = pp_stack_state.unmapped_start;
	uint64_t old_end = old_start + pp_stack_state.unmapped_size;

#if PP_HAVE_RULES
	stack_rules_forget(start, end);
#endif
	if (pp_stack_state.unmapped_size) {
		start = start < old_start ? start : old_start;
		end = end > old_end ? end : old_end;
	}
	/* A reader between the two stores hashes as if more, or less, had been unmapped: at worst it defines
	 * a stack once more, and its memo is killed below. */
	__atomic_store_n(&pp_stack_state.unmapped_size, end - start, __ATOMIC_RELAXED);
	__atomic_store_n(&pp_stack_state.unmapped_start, start, __ATOMIC_RELAXED);
	generation_advance();
	stack_libunwind_forget_code();
}

/* The whole stack by libunwind. */
static uint32_t capture_by_libunwind(struct pp_memo *memo, const struct pp_registers *registers)
{
	uint64_t *words = stack_memo_scratch(memo);
	enum pp_walk_end end;
	uint32_t count;

	end = stack_libunwind_walk(registers, words, NULL, &count);
	if (end != PP_WALK_COMPLETE)
		pp_skip(end == PP_WALK_DEEP ? PP_SKIP_STACK_TRUNCATED : PP_SKIP_UNWIND);
	return count ? stack_table_intern(words, count) : 0;
}

#if PP_HAVE_RULES

/* Is it libunwind's stack, frame by frame, as the analyzer will read it? `expected` receives that; BROKEN: libunwind
 * does not know either. */
static enum pp_walk_end stack_compare(const struct pp_registers *registers, uint32_t id, uint64_t *expected,
				      uint32_t *expected_count, bool *equal)
{
	uint64_t *actual = expected + PP_STACK_DEPTH;
	enum pp_walk_end end = stack_libunwind_walk(registers, expected, NULL, expected_count);
	uint32_t actual_count = stack_table_read(id, actual, PP_STACK_DEPTH);
	uint32_t same = 0;

	/* Where code without unwind information ends the stack libunwind does not call it truncated. */
	while (same < *expected_count && same < actual_count && !((expected[same] ^ actual[same]) & ~PP_NODE_TRUNCATED))
		same++;
	*equal = same == *expected_count && same == actual_count;
	return end;
}

/* The self-check: the id of the right stack. */
static uint32_t capture_check(struct pp_memo *memo, const struct pp_registers *registers, uint32_t id)
{
	uint64_t *expected = stack_memo_scratch(memo);
	uint32_t count;
	bool equal;

	if (!id || stack_compare(registers, id, expected, &count, &equal) == PP_WALK_BROKEN)
		return id;
	if (!equal) {
		enum pp_walk_end end;

		stack_libunwind_forget_code();
		end = stack_compare(registers, id, expected, &count, &equal);
		if (end == PP_WALK_BROKEN)
			return id;
	}
	pp_skip(PP_SKIP_CHECKED);
	if (equal)
		return id;
	pp_skip(PP_SKIP_CHECK_FAILED);
	return stack_table_intern(expected, count);
}

uint32_t stack_capture_slowly(struct pp_memo *memo, const struct pp_registers *registers)
{
	const struct pp_stack_overlay *overlay = __atomic_load_n(&pp_stack_state.overlay, __ATOMIC_ACQUIRE);

	return overlay ? overlay->capture(memo, registers) : stack_capture_native(memo, registers);
}

uint32_t stack_capture_native(struct pp_memo *memo, const struct pp_registers *registers)
{
	uint32_t *countdown = stack_memo_countdown(memo);
	uint32_t refused = objects_refused();
	uint32_t id;

	if (pp_stack_state.unwinder == PP_UNWINDER_AUTO && !pp_stack_state.check_every &&
	    stack_memo_repeats(memo, registers, &id))
		return id;
	if (pp_stack_state.unwinder == PP_UNWINDER_LIBUNWIND)
		return capture_by_libunwind(memo, registers);
	if (pp_stack_state.unwinder == PP_UNWINDER_RULES)
		id = stack_capture_by_rules(memo, registers);
	else
		id = stack_capture_by_memo(memo, registers);
	if (likely(!pp_stack_state.check_every))
		return id;
	if (*countdown > 1) {
		--*countdown;
		return id;
	}
	/* Cut short by an unload, which may be over when libunwind looks: the next one, then. */
	if (objects_refused() != refused)
		return id;
	*countdown = pp_stack_state.check_every;
	return capture_check(memo, registers, id);
}

enum pp_walk_end stack_walk_places(const struct pp_registers *registers, const long long *leaf, uint64_t *words,
				   uint64_t *places, uint32_t *count)
{
	enum pp_walk_end end = PP_WALK_FALLBACK;
	struct pp_walk walk;

	/* In the handler nothing is taken on trust: see stack_capture_in_handler. */
	stack_walk_begin(&walk, registers->pc, registers->sp, registers->fp, registers->exact, leaf ? 0 : 2);
	if (pp_stack_state.unwinder != PP_UNWINDER_LIBUNWIND || leaf)
		end = stack_rules_walk_places(&walk, leaf, words, places, count);
	if (end == PP_WALK_FALLBACK && !leaf && pp_stack_state.unwinder != PP_UNWINDER_RULES) {
		uint32_t by_libunwind;
		enum pp_walk_end other = stack_libunwind_walk(registers, words, places, &by_libunwind);

		if (by_libunwind) {
			*count = by_libunwind;
			return other;
		}
		/* It may not run now, and has written nothing. */
	}
	return end;
}

/* A program may be stopped while its stack is no stack: one that greenlet or a checkpoint is just copying back holds words
 * of another, and its frames may seem to end above its last page. Page by page is asked for before it is read. */
uint32_t stack_capture_in_handler(const void *ucontext, uint64_t *scratch, bool *truncated)
{
	const struct pp_stack_overlay *overlay = __atomic_load_n(&pp_stack_state.overlay, __ATOMIC_ACQUIRE);
	const greg_t *registers = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
	struct pp_walk walk;
	enum pp_walk_end end;
	uint64_t hash;
	uint32_t count;

	if (unlikely(overlay != NULL))
		return overlay->capture_in_handler(ucontext, scratch, truncated);
	stack_walk_begin(&walk, (uint64_t)registers[REG_RIP], (uint64_t)registers[REG_RSP], (uint64_t)registers[REG_RBP], true, 0);
	end = stack_rules_walk(&walk, scratch, &count, &hash);
	/* A large frame being probed, a function being bound: the CFA is in another register, which is known here. */
	if (unlikely(end == PP_WALK_FALLBACK && count == 1 && stack_rules_step_leaf(&walk, registers))) {
		scratch[0] &= ~PP_NODE_TRUNCATED;
		end = stack_rules_walk_on(&walk, scratch, &count);
		*truncated = end != PP_WALK_COMPLETE;
		return stack_table_intern(scratch, count);
	}
	*truncated = end != PP_WALK_COMPLETE;
	return *truncated ? stack_table_intern(scratch, count) : stack_table_intern_hashed(scratch, count, hash);
}

#else

/* No memo without rules: room for the frame words only. */
struct pp_memo {
	uint64_t words[PP_STACK_DEPTH];
};

size_t stack_memo_size(void)
{
	return sizeof(struct pp_memo);
}

uint64_t *stack_memo_scratch(struct pp_memo *memo)
{
	return memo->words;
}

uint32_t stack_capture(struct pp_memo *memo, const struct pp_registers *registers)
{
	return capture_by_libunwind(memo, registers);
}

/* libunwind takes locks: nothing but the interrupted instruction can be said here. */
uint32_t stack_capture_in_handler(const void *ucontext, uint64_t *scratch, bool *truncated)
{
	(void)ucontext;
	(void)scratch;
	*truncated = true;
	return 0;
}

#endif
