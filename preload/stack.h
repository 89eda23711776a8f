/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: from registers to a 32-bit id, in three tiers, each falling back to the next.
 *
 *   memo       the thread's last stack, verified word by word (stack_memo.c)
 *   rules      call-frame information compiled on demand into a lock-free table (stack_rules.c)
 *   libunwind  the reference, and whatever the rules cannot say (stack_libunwind.c)
 *
 * A processor without rules (anything but x86-64) starts at the third tier. The id names a node of the
 * stack table (stack_table.c), which lies in the memory shared with the analyzer. Id 0 means unknown.
 * Nothing here allocates by malloc, takes a lock that a signal handler could meet, or changes errno.
 */
#ifndef PREPROF_STACK_H
#define PREPROF_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a walk begins: `pc` is a return address unless `exact`. `fp` is the caller's frame pointer register. */
struct pp_registers {
	uint64_t pc;
	uint64_t sp;
	uint64_t fp;
	bool exact;
};

/* The caller of the hook in whose body this stands. The hook must be compiled with -fno-omit-frame-pointer. */
#define PP_FRAME_OF_CALLER ((uint64_t)__builtin_frame_address(0) + 16)
#define PP_REGISTERS_OF_CALLER                                                  \
	((struct pp_registers){.pc = (uint64_t)__builtin_return_address(0),     \
			       .sp = (uint64_t)__builtin_frame_address(0) + 16, \
			       .fp = *(uint64_t *)__builtin_frame_address(0),   \
			       .exact = false})

enum pp_unwinder { PP_UNWINDER_AUTO, PP_UNWINDER_RULES, PP_UNWINDER_LIBUNWIND };

/* A thread's memo; opaque, on memory that the caller mapped zeroed. */
struct pp_memo;
size_t stack_memo_size(void);

/* Once per image, before any capture, and again in a forked child (whose shared memory is new: forgets all
 * ids). Constructor context. check_every: compare every Nth capture with libunwind, 0 never. */
void stack_init(enum pp_unwinder unwinder, uint32_t check_every);

/* The id of the stack that begins at `registers`. Any thread, not in a signal handler; memo belongs to the
 * calling thread. Reads only words of this thread's stack that an unwinder would read. */
uint32_t stack_capture(struct pp_memo *memo, const struct pp_registers *registers);

/*
 * What shows that a stack is one that was captured before: the words that its walk read, innermost first (stack_memo.c says
 * why that is enough). For a caller that keeps stacks of its own. Zeroed memory proves nothing.
 */
#define PP_STACK_PROOF_WORDS 40
struct pp_stack_proof {
	uint64_t pc, sp, fp; /* pc 0: of no stack */
	uint64_t fp_mask;    /* 0: fp is of no consequence */
	uint32_t generation; /* of the code that was walked */
	uint32_t count;
	struct {
		const uint64_t *at;
		uint64_t value;
	} words[PP_STACK_PROOF_WORDS];
};
extern uint32_t pp_stack_fast_generation __attribute__((visibility("hidden"))); /* 0 while captures take the slow way */

/* That of the stack which stack_capture has just found at `registers`. Same contexts. false: there is none for it. */
bool stack_proof_take(const struct pp_memo *memo, const struct pp_registers *registers, struct pp_stack_proof *proof);

/* Is it the same stack? Reads what an unwinder would read. Same contexts as stack_capture. The registers one by one: together
 * they would be in memory. */
static inline __attribute__((always_inline)) bool stack_proof_holds(const struct pp_stack_proof *proof, uint64_t pc,
								    uint64_t sp, uint64_t fp)
{
	if (__builtin_expect(((proof->pc ^ pc) | (proof->sp ^ sp) | ((proof->fp ^ fp) & proof->fp_mask) |
			      (proof->generation ^ pp_stack_fast_generation)) != 0, 0))
		return false;
	for (uint32_t i = 0, count = proof->count; i < count; i++)
		if (__builtin_expect(*proof->words[i].at != proof->words[i].value, 0))
			return false;
	return true;
}

/* Code, as addresses. */
struct pp_code_range {
	uint64_t start, size;
};
/* Of a stack whose innermost frames lie in `inner`: if the next one outwards lies in `between`, the stack outside of that;
 * else the same stack. Any context. */
uint32_t stack_outside(uint32_t id, const struct pp_code_range *inner, const struct pp_code_range *between);

/* Do the frames of `outer`, from the outermost on, begin the stack `id`? Any context. */
bool stack_begins_with(uint32_t id, uint32_t outer);

/* The same as stack_capture for a signal handler: rules only, no memo, no lock. `scratch` has room for PP_STACK_DEPTH words, of
 * this thread and of handlers alone. *truncated is set when the walk stopped before the outermost frame. */
#define PP_STACK_DEPTH 1024
uint32_t stack_capture_in_handler(const void *ucontext, uint64_t *scratch, bool *truncated);

/*
 * A second language whose frames belong between the native ones: it takes over captures from the moment that it is set
 * (any context), for good. What it gives back instead of a native stack's id is the id of a stack that it has put
 * together (stack_tiers.h).
 */
struct pp_stack_overlay {
	uint32_t (*capture)(struct pp_memo *memo, const struct pp_registers *registers);
	uint32_t (*capture_in_handler)(const void *ucontext, uint64_t *scratch, bool *truncated);
};
void stack_set_overlay(const struct pp_stack_overlay *overlay);

/* Objects between `start` and `end` may be unmapped, and others mapped there, before stack_forget_code is called: kills every
 * rule there and every memo. Until the unload ends (object.h) no new rule is made. Any thread, not in a handler. */
void stack_forget_rules(uint64_t start, uint64_t end);
/* Objects between `start` and `end` were unmapped (dlclose): kills every rule and memo, and gives stacks through
 * that range new ids from now on, for other code may come to lie there. 0 and UINT64_MAX where the range is not
 * known. Any thread, not in a handler. */
void stack_forget_code(uint64_t start, uint64_t end);

/* What stack_*.c asks of the rest of the library; unit tests supply their own. */
struct pp_wire_node;
struct pp_wire_node *pp_shared_nodes(uint32_t first); /* mapped segment of 65536 nodes that holds `first`; NULL: none */
uint32_t pp_shared_node_claim(void);		      /* id of one new node; 0: table full */
uint32_t pp_loader_epoch_of(uint64_t address);	      /* epoch for a node; defines the module on first sight */
void pp_skip(int cause);			      /* enum pp_wire_skip */
uint64_t pp_stack_end(uint64_t sp); /* of the stack that the calling thread was made with, if sp lies in it; 0: not, or not known */
bool pp_libunwind_enter(void);			      /* false in fork or dlclose: the third tier must not run */
void pp_libunwind_leave(void);			      /* after it ran */

#endif
