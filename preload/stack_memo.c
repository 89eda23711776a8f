/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first tier: a thread's last stack, remembered and verified. Called by the owning thread only, outside of
 * signal handlers. No lock, no allocation.
 *
 * Why it is right. With compact rules the caller of a frame is a function of (pc, sp, rbp) and of the words
 * that the rule reads. A capture walks from the innermost frame until a frame equals a remembered one (pc and sp, and
 * rbp where a rule further out uses it before it is restored), then reads again every word that the remembered walk
 * read from there on. If all have their remembered values the real walk would give the remembered frames,
 * by induction. They are read in the order in which a walk would read them, each only after those before it were
 * proved, so that nothing is read that an unwinder would not have read.
 *
 * Not remembered is what is no such function or may change by itself: a signal frame and the interrupted
 * frame outside it, code made at run time, a step that does not go up the stack, and everything inside those;
 * stacks that libunwind walked; stacks beyond the depth limit. Unmapped code kills every memo (generation).
 */
#include <string.h>

#include "stack_tiers.h"

#if PP_HAVE_RULES

/* Frames at the depth limit, and room for some saved rbps that matter. */
#define WORDS_MAX	    (PP_STACK_DEPTH + 64)
#define WORDS_PER_FRAME_MAX 3
#define RBP_DEAD	    1 /* no address of a frame */

/* The fuzz builds this file once without either check, to prove that it would notice. */
#ifndef PP_MEMO_CHECKS_RBP
#define PP_MEMO_CHECKS_RBP 1
#endif
#ifndef PP_MEMO_CHECKS_WORDS
#define PP_MEMO_CHECKS_WORDS 1
#endif

/* What was read, outermost first. The word of a frame is its return address in its callee's frame: the slot is
 * its sp - 8, the value its pc. Between two frames lie the other words that the step from the inner to the outer
 * one read, in reverse order. Kept apart from what is known of the frame: verifying reads these only. */
struct word {
	uint64_t slot;
	uint64_t value;
};

struct frame {
	uint64_t hash; /* 0: the word is no frame's */
	uint64_t rbp;  /* RBP_DEAD: of no consequence */
};

/* A frame of the walk under way, innermost first. */
struct fresh {
	uint64_t word; /* pc | rule << PC_BITS; later the frame word */
	uint64_t sp;
	uint64_t rbp;
	uint64_t hash;
};
#define PC_BITS 47
#define PC_MASK ((UINT64_C(1) << PC_BITS) - 1)

/* When less than a third repeats, verifying costs more than it saves: then plain walks for a while. The balance goes
 * up by twice a word that was verified and down by a frame that was walked. */
#define BALANCE_MAX    4096
#define BALANCE_MIN    (-8192)
#define PLAIN_CAPTURES 4096

/* A remembered stack that can be asked for at once: its innermost frame. value 0: none. */
struct top {
	uint64_t slot;
	uint64_t value;
	uint64_t rbp;
	uint32_t count; /* words of it */
	uint32_t id;
};

struct pp_memo {
	/* All that is remembered, if its id is known and nothing about it needs counting; and the last stack that was found
	 * to be a part of it. What lies further in than that part is kept: a call that is recorded and what is allocated in it
	 * come by turns, and words are proved before they are believed, however old they are. */
	struct top whole, part;
	uint32_t generation;
	uint32_t count; /* words */
	uint32_t plain; /* captures still to be made without the memo */
	int32_t balance;
	uint32_t countdown;
	uint32_t incomplete; /* the remembered stack ends in code without unwind information */
	uint32_t interrupted; /* the last capture's stack has a signal frame on it, or may have; kept for overlays */
	struct word words[WORDS_MAX];
	struct frame frames[WORDS_MAX];
	struct fresh fresh[PP_STACK_DEPTH];
};

size_t stack_memo_size(void)
{
	return sizeof(struct pp_memo);
}

uint64_t *stack_memo_scratch(struct pp_memo *memo)
{
	return &memo->fresh[0].word;
}

bool stack_memo_interrupted(const struct pp_memo *memo)
{
	return memo->interrupted;
}

uint32_t *stack_memo_countdown(struct pp_memo *memo)
{
	return &memo->countdown;
}

/* 0: words[0..count) are unchanged; else 1 + the number of the innermost that is not. */
static inline uint32_t words_verify(const struct word *words, uint32_t count)
{
	const struct word *word = words + count;

	if (!PP_MEMO_CHECKS_WORDS)
		return 0;
#pragma GCC unroll 4
	while (word != words) {
		word--;
		if (unlikely(*(const uint64_t *)word->slot != word->value))
			return (uint32_t)(word - words) + 1;
	}
	return 0;
}

static inline void word_add(struct pp_memo *memo, uint64_t slot, uint64_t value)
{
	memo->words[memo->count] = (struct word){slot, value};
	memo->frames[memo->count] = (struct frame){0, 0};
	memo->count++;
}

/* What the step from `inner` to its caller read besides the return address; whether rbp matters in `inner`. */
static bool step_remember(struct pp_memo *memo, const struct fresh *inner, uint32_t rule, uint64_t outer_sp,
			  uint64_t outer_rbp, bool outer_live)
{
	uint32_t type = rule & PP_RULE_TYPE;
	uint32_t saved = rule >> PP_RULE_SAVED_SHIFT;
	struct pp_rule_extended extended;

	if (likely(type == PP_RULE_RSP || type == PP_RULE_RBP)) {
		if (saved && outer_live)
			word_add(memo, outer_sp - 8 * (uint64_t)saved, outer_rbp);
		if (!PP_MEMO_CHECKS_RBP)
			return false;
		return type == PP_RULE_RBP || (outer_live && !saved);
	}
	extended = stack_rule_extended(rule);
	if (extended.realigned) {
		if (outer_live)
			word_add(memo, inner->rbp, outer_rbp);
		word_add(memo, inner->rbp + (uint64_t)(int64_t)extended.cfa, outer_sp);
		return true;
	}
	if (extended.rbp && outer_live)
		word_add(memo, outer_sp + (uint64_t)(int64_t)extended.rbp, outer_rbp);
	return extended.from_rbp || (outer_live && !extended.rbp);
}

/* What a walk found out, besides the fresh frames. */
struct outcome {
	uint32_t met; /* words of the memo that still hold; 0: walked to the end */
	uint32_t fresh_count;
	uint32_t remember_from; /* fresh frames inside this one cannot be remembered */
	bool exact;		/* some fresh frame is exact */
	bool leaf_exact;
	enum pp_walk_end end;
	struct pp_walk walk; /* where it met, or ended */
};

/* Defines what is new of a stack, from the nearest frame outwards that is known. */
static __attribute__((noinline)) uint32_t stack_define(struct pp_memo *memo, const struct outcome *outcome)
{
	const struct fresh *fresh = memo->fresh;
	uint32_t known; /* fresh frames from here on have ids; the innermost has none */
	uint32_t met = outcome->met;
	uint32_t outer;
	uint32_t id = 0;

	for (known = 1; known < outcome->fresh_count && known < 16; known++)
		stack_table_prefetch(fresh[known].hash);
	for (known = !!outcome->fresh_count; known < outcome->fresh_count; known++) {
		id = stack_table_find(fresh[known].hash);
		if (id)
			break;
	}
	if (!id && met) {
		for (outer = met; outer-- > 0;) {
			if (memo->frames[outer].hash)
				id = stack_table_find(memo->frames[outer].hash);
			if (id)
				break;
		}
		outer = id ? outer + 1 : 0;
		for (bool root = !id; outer < met; outer++) {
			if (!memo->frames[outer].hash)
				continue;
			id = stack_table_add(memo->frames[outer].hash,
					     memo->words[outer].value | PP_NODE_VALID |
						     (root && memo->incomplete ? PP_NODE_TRUNCATED : 0),
					     id);
			if (!id)
				goto full;
			root = false;
		}
	}
	while (known-- > 0) {
		id = stack_table_add(fresh[known].hash, fresh[known].word, id);
		if (!id)
			goto full;
	}
	return id;
full:
	pp_skip(PP_SKIP_STACK_TABLE);
	return 0;
}

static inline uint32_t stack_identify(struct pp_memo *memo, const struct outcome *outcome, uint64_t hash)
{
	uint32_t id = stack_table_find(hash);

	return likely(id) ? id : stack_define(memo, outcome);
}

/* Hashes the fresh frames and remembers those that can be, onto the words that still hold. */
static inline uint64_t fresh_settle(struct pp_memo *memo, const struct outcome *outcome)
{
	struct fresh *fresh = memo->fresh;
	uint32_t i = outcome->fresh_count;
	uint32_t remember_from = outcome->remember_from;
	const uint32_t met = outcome->met;
	uint64_t hash = met ? memo->frames[met - 1].hash : PP_HASH_SEED;
	uint64_t outer_sp = outcome->walk.sp, outer_rbp = outcome->walk.fp;
	bool live = met && memo->frames[met - 1].rbp != RBP_DEAD;
	uint64_t truncated = !met && outcome->end != PP_WALK_COMPLETE ? PP_NODE_TRUNCATED : 0;

	memo->count = met;
	if (!met && (fresh[i - 1].word >> PC_BITS & PP_RULE_TYPE) != PP_RULE_END && i - 1 >= remember_from)
		word_add(memo, outcome->walk.sp - 8, outcome->walk.pc); /* the return address that ended it */
	while (i-- > 0) {
		uint64_t pc = fresh[i].word & PC_MASK;
		uint32_t rule = (uint32_t)(fresh[i].word >> PC_BITS);
		uint64_t word = pc | PP_NODE_VALID | truncated;

		truncated = 0;
		if (unlikely(outcome->exact) &&
		    (i ? (fresh[i - 1].word >> PC_BITS & PP_RULE_TYPE) == PP_RULE_SIGNAL : outcome->leaf_exact))
			word |= PP_NODE_EXACT;
		hash = stack_hash_extend(hash, word);
		fresh[i].word = word;
		fresh[i].hash = hash;
		if (unlikely(i < remember_from))
			continue;
		if (unlikely(memo->count + WORDS_PER_FRAME_MAX > WORDS_MAX)) {
			memo->count = 0;
			remember_from = UINT32_MAX;
			continue;
		}
		if ((rule & PP_RULE_TYPE) == PP_RULE_END)
			live = rule & PP_RULE_END_BROKEN;
		else
			live = step_remember(memo, &fresh[i], rule, outer_sp, outer_rbp, live);
		outer_sp = fresh[i].sp;
		outer_rbp = fresh[i].rbp;
		memo->words[memo->count] = (struct word){outer_sp - 8, pc};
		memo->frames[memo->count] = (struct frame){hash, live ? outer_rbp : RBP_DEAD};
		memo->count++;
	}
	return hash;
}

/* Whatever is not the common step; false: the walk ended. */
static __attribute__((noinline)) bool step_otherwise(struct outcome *outcome, uint32_t rule)
{
	struct pp_walk *walk = &outcome->walk;
	uint32_t type = rule & PP_RULE_TYPE;
	uint64_t sp = walk->sp;

	if (!stack_rules_step(walk, rule, &outcome->end)) {
		if (outcome->end == PP_WALK_COMPLETE ? type == PP_RULE_SIGNAL || type == PP_RULE_POINTER
						     : type != PP_RULE_END)
			outcome->remember_from = outcome->fresh_count;
		return false;
	}
	if (walk->exact) {
		outcome->exact = true;
		outcome->remember_from = outcome->fresh_count + 1;
	} else if (type == PP_RULE_POINTER || type == PP_RULE_END || walk->sp <= sp) {
		outcome->remember_from = outcome->fresh_count;
	}
	return true;
}

/* From outcome->walk to a frame that is remembered and still holds, or to the end. */
static inline void walk_to_memo(struct pp_memo *memo, struct outcome *outcome)
{
	uint64_t pc = outcome->walk.pc, sp = outcome->walk.sp, fp = outcome->walk.fp;
	uint32_t m = memo->count, n = 0;
	uint32_t simple = 2;
	bool exact = outcome->leaf_exact;

	for (;;) {
		const struct word *word;
		struct fresh *fresh;
		uint32_t rule;

		while (m && memo->words[m - 1].slot < sp - 8)
			m--;
		word = memo->words + m; /* the one before it is meant: there may be none */
		if (m && word[-1].slot == sp - 8 && word[-1].value == pc && likely(!exact) &&
		    (memo->frames[m - 1].rbp == RBP_DEAD || memo->frames[m - 1].rbp == fp)) {
			uint32_t changed = words_verify(memo->words, m - 1);

			if (likely(!changed))
				break;
			m = changed - 1;
		}
		if (unlikely(n == PP_STACK_DEPTH)) {
			outcome->end = PP_WALK_DEEP;
			outcome->remember_from = n;
			m = 0;
			break;
		}
		rule = stack_rule_find(pc + exact);
		fresh = &memo->fresh[n++];
		fresh->word = (pc & PC_MASK) | (uint64_t)rule << PC_BITS;
		fresh->sp = sp;
		fresh->rbp = fp;
		if (likely(stack_rules_step_fast(rule, simple, &pc, &sp, &fp))) {
			exact = false;
			if (likely(pc >= PP_PC_MIN))
				continue;
			outcome->end = PP_WALK_COMPLETE;
			m = 0;
			break;
		}
		outcome->walk.pc = pc;
		outcome->walk.sp = sp;
		outcome->walk.fp = fp;
		outcome->walk.simple = simple;
		outcome->walk.exact = exact;
		outcome->fresh_count = n;
		if (!step_otherwise(outcome, rule)) {
			pc = outcome->walk.pc;
			sp = outcome->walk.sp;
			m = 0;
			break;
		}
		pc = outcome->walk.pc;
		sp = outcome->walk.sp;
		fp = outcome->walk.fp;
		simple = outcome->walk.simple;
		exact = outcome->walk.exact;
	}
	outcome->walk.pc = pc;
	outcome->walk.sp = sp;
	outcome->walk.fp = fp;
	outcome->fresh_count = n;
	outcome->met = m;
}

/* Whether the next capture may ask for the whole of the remembered stack at once. */
static inline void top_settle(const struct pp_memo *memo, struct top *top, uint32_t count, uint32_t id)
{
	if (unlikely(!id || memo->incomplete || memo->plain)) {
		top->value = 0;
		return;
	}
	top->slot = memo->words[count - 1].slot;
	top->value = memo->words[count - 1].value;
	top->rbp = memo->frames[count - 1].rbp;
	top->count = count;
	top->id = id;
}

static void memo_forget(struct pp_memo *memo)
{
	memo->count = 0;
	memo->incomplete = 0;
	memo->whole.value = memo->part.value = 0;
}

static bool words_interrupted(const uint64_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (words[i] & PP_NODE_EXACT)
			return true;
	}
	return false;
}

/* The walk ended where the rules do not know on: libunwind, or what there is. */
static __attribute__((noinline)) uint32_t capture_incomplete(struct pp_memo *memo, const struct pp_registers *registers,
							     enum pp_walk_end end, bool *taken)
{
	uint64_t *words = stack_memo_scratch(memo);
	uint32_t count;

	*taken = false;
	if (end == PP_WALK_FALLBACK && pp_stack_state.unwinder == PP_UNWINDER_AUTO) {
		end = stack_libunwind_walk(registers, words, NULL, &count);
		if (count) {
			pp_skip(PP_SKIP_FALLBACK);
			memo_forget(memo);
			memo->interrupted = words_interrupted(words, count);
			*taken = true;
			if (end == PP_WALK_BROKEN)
				pp_skip(PP_SKIP_UNWIND);
			return stack_table_intern(words, count);
		}
	}
	pp_skip(end == PP_WALK_DEEP ? PP_SKIP_STACK_TRUNCATED : PP_SKIP_UNWIND);
	return 0;
}

static void balance_shift(struct pp_memo *memo, const struct outcome *outcome)
{
	int32_t balance = memo->balance + 2 * (int32_t)outcome->met - (int32_t)outcome->fresh_count;

	if (balance > BALANCE_MAX)
		balance = BALANCE_MAX;
	if (unlikely(balance < BALANCE_MIN)) {
		balance = 0;
		memo->plain = PLAIN_CAPTURES;
	}
	memo->balance = balance;
}

/* A memo of another generation, or told to rest. */
static __attribute__((noinline)) bool memo_prepare(struct pp_memo *memo)
{
	if (memo->generation != pp_stack_state.generation) {
		memo->generation = pp_stack_state.generation;
		memo_forget(memo);
	}
	if (!memo->plain)
		return true;
	memo->plain--;
	return false;
}

uint32_t stack_capture_by_memo(struct pp_memo *memo, const struct pp_registers *registers)
{
	struct outcome outcome;
	uint64_t hash;
	uint32_t id;

	if (unlikely(memo->generation != pp_stack_state.generation || memo->plain) && !memo_prepare(memo))
		return stack_capture_by_rules(memo, registers);
	outcome.remember_from = 0;
	outcome.exact = outcome.leaf_exact = registers->exact;
	outcome.end = PP_WALK_COMPLETE;
	stack_walk_begin(&outcome.walk, registers->pc, registers->sp, registers->fp, registers->exact, 2);
	if (unlikely(registers->exact))
		outcome.remember_from = 1;
	walk_to_memo(memo, &outcome);
	/* Nothing inside a signal frame is remembered: what was met has none. */
	memo->interrupted = outcome.exact;
	if (!outcome.fresh_count) {
		id = stack_identify(memo, &outcome, memo->frames[outcome.met - 1].hash);
		if (unlikely(memo->incomplete))
			pp_skip(PP_SKIP_UNWIND);
		top_settle(memo, outcome.met < memo->count ? &memo->part : &memo->whole, outcome.met, id);
		return id;
	}
	if (outcome.met < memo->part.count)
		memo->part.value = 0;
	if (unlikely(outcome.met + outcome.fresh_count > PP_STACK_DEPTH)) {
		/* Perhaps too deep: to be cut where a walk would cut it, not where the memo grew to. */
		memo_forget(memo);
		return stack_capture_by_rules(memo, registers);
	}
	if (!outcome.met) {
		memo->incomplete = outcome.end == PP_WALK_BROKEN;
		if (unlikely(outcome.end != PP_WALK_COMPLETE)) {
			bool taken;

			id = capture_incomplete(memo, registers, outcome.end, &taken);
			if (taken)
				return id;
		}
	} else if (unlikely(memo->incomplete)) {
		pp_skip(PP_SKIP_UNWIND);
	}
	balance_shift(memo, &outcome);
	hash = fresh_settle(memo, &outcome);
	id = stack_identify(memo, &outcome, hash);
	top_settle(memo, &memo->whole, memo->count, outcome.remember_from || !memo->count ? 0 : id);
	return id;
}

uint32_t stack_capture_by_rules(struct pp_memo *memo, const struct pp_registers *registers)
{
	uint64_t *words = stack_memo_scratch(memo);
	struct pp_walk walk;
	enum pp_walk_end end;
	uint64_t hash;
	uint32_t count;

	stack_walk_begin(&walk, registers->pc, registers->sp, registers->fp, registers->exact, 2);
	end = stack_rules_walk(&walk, words, &count, &hash);

	if (unlikely(pp_stack_state.overlay != NULL))
		memo->interrupted = words_interrupted(words, count);
	if (unlikely(end != PP_WALK_COMPLETE)) {
		bool taken;
		uint32_t id = capture_incomplete(memo, registers, end, &taken);

		return taken ? id : stack_table_intern(words, count);
	}
	return stack_table_intern_hashed(words, count, hash);
}

static inline bool top_repeats(const struct pp_memo *memo, const struct top *top, const struct pp_registers *registers)
{
	return top->value == registers->pc && top->slot == registers->sp - 8 && !registers->exact &&
	       (top->rbp == RBP_DEAD || top->rbp == registers->fp) &&
	       likely(!words_verify(memo->words, top->count - 1));
}

/* The id of the stack if it can be asked for at once, else 0. `generation`: what the memo's must be. */
static inline uint32_t memo_repeats(const struct pp_memo *memo, const struct pp_registers *registers, uint32_t generation)
{
	if (unlikely(memo->generation != generation))
		return 0;
	if (likely(top_repeats(memo, &memo->whole, registers)))
		return memo->whole.id;
	return top_repeats(memo, &memo->part, registers) ? memo->part.id : 0;
}

bool stack_memo_repeats(struct pp_memo *memo, const struct pp_registers *registers, uint32_t *id)
{
	*id = memo_repeats(memo, registers, pp_stack_state.generation);
	if (!*id)
		return false;
	memo->interrupted = 0;
	return true;
}

bool stack_proof_take(const struct pp_memo *memo, const struct pp_registers *registers, struct pp_stack_proof *proof)
{
	uint32_t generation = pp_stack_fast_generation;
	const struct top *top = &memo->whole;

	if (memo->generation != generation)
		return false;
	if (!top_repeats(memo, top, registers)) {
		top = &memo->part;
		if (!top_repeats(memo, top, registers))
			return false;
	}
	if (top->count - 1 > PP_STACK_PROOF_WORDS)
		return false;
	proof->pc = registers->pc;
	proof->sp = registers->sp;
	proof->fp = registers->fp;
	proof->fp_mask = top->rbp == RBP_DEAD ? 0 : UINT64_MAX;
	proof->generation = generation;
	proof->count = top->count - 1;
	for (uint32_t i = 0; i < proof->count; i++) {
		const struct word *word = &memo->words[proof->count - 1 - i];

		proof->words[i].at = (const uint64_t *)word->slot;
		proof->words[i].value = word->value;
	}
	return true;
}

uint32_t stack_capture(struct pp_memo *memo, const struct pp_registers *registers)
{
	uint32_t id = memo_repeats(memo, registers, pp_stack_fast_generation);

	if (likely(id))
		return id;
	if (unlikely(pp_stack_state.slow))
		return stack_capture_slowly(memo, registers);
	return stack_capture_by_memo(memo, registers);
}

#endif
