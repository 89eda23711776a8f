/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stack_*.c files share and nobody else needs: the tiers, the compact rules, the stack table.
 *
 * A stack is a list of *frame words*, innermost first: address | PP_NODE_* flags. Its identity is a rolling
 * hash from the outermost frame inwards, so that the hash of a frame covers everything outside it.
 */
#ifndef PREPROF_STACK_TIERS_H
#define PREPROF_STACK_TIERS_H

#include "preprof/wire.h"
#include "stack.h"

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* ---- state of the whole (stack.c) ---- */

enum pp_walk_end {
	PP_WALK_COMPLETE, /* the outermost frame was reached */
	PP_WALK_BROKEN,	  /* nobody can say what comes next */
	PP_WALK_DEEP,	  /* no room for more frames */
	PP_WALK_FALLBACK, /* the rules cannot say, libunwind may */
};

struct pp_stack_state {
	uint32_t generation;	  /* grows when code is unmapped, and in a forked child: older memos are dead */
	uint32_t slow;		  /* not 0: captures go through stack_capture_slowly() */
	uint32_t check_every;
	uint32_t unwinder; /* enum pp_unwinder */
	const struct pp_stack_overlay *overlay;
	/* Hull of all code that was ever unmapped: frames in it are hashed with the generation, for other
	 * code may come to lie at the same address. */
	uint64_t unmapped_start;
	uint64_t unmapped_size;
};
extern struct pp_stack_state pp_stack_state;

uint32_t stack_capture_slowly(struct pp_memo *memo, const struct pp_registers *registers);

/* For an overlay: the native stack alone; the same once more with a place (sp) for each frame word, so that other frames
 * can be put between them. Both lists have room for PP_STACK_DEPTH. The handler gives its own registers (gregset_t). */
uint32_t stack_capture_native(struct pp_memo *memo, const struct pp_registers *registers);
enum pp_walk_end stack_walk_places(const struct pp_registers *registers, const long long *leaf, uint64_t *words,
				   uint64_t *places, uint32_t *count);
/* The last capture's stack has a signal frame on it: what it interrupted may be half done. */
bool stack_memo_interrupted(const struct pp_memo *memo);

/* By the memo alone (stack_memo.c), and by a plain walk along the rules. */
uint32_t stack_capture_by_memo(struct pp_memo *memo, const struct pp_registers *registers);
uint32_t stack_capture_by_rules(struct pp_memo *memo, const struct pp_registers *registers);
bool stack_memo_repeats(struct pp_memo *memo, const struct pp_registers *registers, uint32_t *id); /* the very last one? */
/* Room for PP_STACK_DEPTH frame words, for whoever captures on this thread. */
uint64_t *stack_memo_scratch(struct pp_memo *memo);
uint32_t *stack_memo_countdown(struct pp_memo *memo); /* captures until the next one that is checked */

/* ---- identity ---- */

#define PP_HASH_SEED	   UINT64_C(0x6a09e667f3bcc909)
#define PP_HASH_MULTIPLIER UINT64_C(0xd1342543de82ef95) /* 5 mod 8: a repeated frame has no short cycle */

/* A frame's own part of the hash. */
static inline uint64_t stack_hash_mix(uint64_t word)
{
	if (unlikely((word & PP_NODE_ADDRESS_MASK) - pp_stack_state.unmapped_start < pp_stack_state.unmapped_size))
		word += (uint64_t)pp_stack_state.generation * UINT64_C(0xbf58476d1ce4e5b9);
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 32;
}

/*
 * The next hash inwards. The frame's part is mixed apart, so that only one multiplication and one addition
 * depend on the hash outside it. Two different stacks get the same hash with a probability of 2^-64, of which
 * the table keeps about 55 bits. (A polynomial: a walk, which meets the innermost frame first, sums the same up
 * from the other end, stack_rules_walk().)
 */
static inline uint64_t stack_hash_extend(uint64_t hash, uint64_t word)
{
	return hash * PP_HASH_MULTIPLIER + stack_hash_mix(word);
}

/* ---- the table (stack_table.c) ---- */

/* Any thread, signal handlers too. 0: not there. */
uint32_t stack_table_find(uint64_t hash);
void stack_table_prefetch(uint64_t hash); /* will be looked for soon */
/* Finds or defines; 0: full. `parent` is the id that `outer hash` has, 0 at the root. */
uint32_t stack_table_add(uint64_t hash, uint64_t word, uint32_t parent);
/* The id of a whole stack, defined if need be. */
uint32_t stack_table_intern(const uint64_t *words, uint32_t count);
uint32_t stack_table_intern_hashed(const uint64_t *words, uint32_t count, uint64_t hash);
/* Another hash by which an id, not 0, is found from now on; where there is no room for it, it is not. */
void stack_table_alias(uint64_t hash, uint32_t id);
/* The frame words of an id, innermost first, at most `max`; their count. */
uint32_t stack_table_read(uint32_t id, uint64_t *words, uint32_t max);
void stack_table_reset(void);

/* ---- the third tier (stack_libunwind.c) ---- */

/* The stack outwards from the frame whose pc is registers->pc, which must be a caller of this function. Not in
 * a signal handler. No frame at all where libunwind may not run now (fork, dlclose). `places`, if given,
 * receives each frame's sp. */
enum pp_walk_end stack_libunwind_walk(const struct pp_registers *registers, uint64_t *words, uint64_t *places,
				      uint32_t *count);
void stack_libunwind_init(void);
/* From the next walk on. Also where its cache may be wrong: it takes a function's first instruction, interrupted, for the
 * return address of a call that ends the function before it, and the other way round. */
void stack_libunwind_forget_code(void);

/* ---- the second tier (stack_rules.c) ---- */

#ifndef PP_HAVE_RULES /* a build without them shows how other processors fare */
#if defined(__x86_64__)
#define PP_HAVE_RULES 1
#else
#define PP_HAVE_RULES 0
#endif
#endif

/*
 * A rule says in 17 bits how to get from a frame to its caller, given pc, rsp and rbp:
 *
 *   16..13 word below the CFA, from 1, where the caller's rbp is saved; 0: rbp is unchanged
 *   12..3  RSP, RBP: offset of the CFA in words, so that these bits in place are the offset in bytes;
 *          EXTENDED: 14..3 number of the extended rule; END: bit 3 is PP_RULE_END_BROKEN
 *    2..0  enum pp_rule
 *
 * The return address is always at CFA - 8. Rules are cached in one array of single words `key << 17 | rule`,
 * which need no lock and are never torn. A key is a return address, or for an interrupted instruction its
 * address + 1: the rule is that of the byte before.
 *
 * A walk is one chain of dependent loads (pc, rule, pc, ...): what stands between them is kept to single
 * instructions. Therefore the low bits of the key choose the place: addresses are scattered well enough.
 */
enum pp_rule {
	PP_RULE_END = 0,      /* the outermost frame; PP_RULE_END_BROKEN: code without unwind information */
	PP_RULE_RSP = 1,      /* CFA = rsp + offset */
	PP_RULE_RBP = 2,      /* CFA = rbp + offset */
	PP_RULE_SIGNAL = 3,   /* the interrupted registers are in the ucontext at rsp */
	PP_RULE_EXTENDED = 4, /* numbers too large, or CFA = *(rbp + offset), rbp = *rbp (realigned stack) */
	PP_RULE_FALLBACK = 5, /* libunwind may know */
	PP_RULE_POINTER = 6,  /* code of no object, made at run time: try the frame pointer. Never cached */
};
#define PP_RULE_BITS	     17
#define PP_RULE_MASK	     ((UINT32_C(1) << PP_RULE_BITS) - 1)
#define PP_RULE_TYPE	     UINT32_C(7)
#define PP_RULE_OFFSET	     UINT32_C(0x1ff8)
#define PP_RULE_NUMBER_SHIFT 3
#define PP_RULE_SAVED_SHIFT  13
#define PP_RULE_END_BROKEN   (UINT32_C(1) << PP_RULE_NUMBER_SHIFT)

/* A frame larger than this, or a CFA that is not above the stack pointer, takes the slow and careful way. */
#define PP_RULE_FRAME_MAX UINT64_C(65536)

#define PP_RULE_TABLE_BITS 16
extern uint64_t pp_rule_table[UINT32_C(1) << PP_RULE_TABLE_BITS];

/* The extended form, on demand. */
struct pp_rule_extended {
	bool realigned; /* CFA = *(rbp + cfa) */
	bool from_rbp;
	int32_t cfa;
	int32_t rbp; /* from the CFA; 0: unchanged */
};
struct pp_rule_extended stack_rule_extended(uint32_t rule);

/* Compiles the rule that covers one byte of code of an object that is held (stack_cfi.c). */
struct pp_object;
uint32_t stack_cfi_compile(const struct pp_object *object, uint64_t address);
/* The rule for a key that is not in the table; it is from then on, if its object is known to stay. */
uint32_t stack_rule_miss(uint64_t key);
/* For an interrupted frame, of which all registers are known, where the rules cannot say: the DWARF number of the CFA's
 * register, the offset from it, and where from the CFA rbp is saved (0: it is not). */
bool stack_cfi_leaf(uint64_t address, unsigned *cfa_register, int64_t *cfa, int64_t *rbp);

static inline uint32_t stack_rule_slot(uint64_t key)
{
	return (uint32_t)key & ((UINT32_C(1) << PP_RULE_TABLE_BITS) - 1);
}

static inline uint32_t stack_rule_find(uint64_t key)
{
	uint64_t word = __atomic_load_n(&pp_rule_table[stack_rule_slot(key)], __ATOMIC_RELAXED);

	if (likely(word >> PP_RULE_BITS == key))
		return (uint32_t)word & PP_RULE_MASK;
	return stack_rule_miss(key);
}

/* Before any other. */
void stack_rules_init(void);
/* Rules for code of objects that may go, between `start` and `end`. */
void stack_rules_forget(uint64_t start, uint64_t end);

#define PP_PC_MIN 4096 /* a smaller return address ends the stack */

/*
 * A walk: the registers, and how far they can be trusted. In a signal handler, and after a guess (frame pointer), every
 * word is probed before it is read, page by page; `simple` is then 0 so that no rule takes the fast way.
 */
struct pp_walk {
	uint64_t pc;
	uint64_t sp;
	uint64_t fp;
	uint32_t simple; /* count of rule types, from PP_RULE_RSP, that the fast way may take: 2 or 0 */
	bool exact;
	uint32_t now;	      /* see code_look in stack_rules.c; 0: not asked yet */
	uint64_t probed_page; /* last page that was found readable, | 1 */
	uint64_t stack_end;   /* of the thread's own stack; 0: not asked yet; 1: the walk is not on it */
	uint64_t stack_start; /* where the walk met it */
};

/* Field by field: what is not said here is written before it is read. */
static inline void stack_walk_begin(struct pp_walk *walk, uint64_t pc, uint64_t sp, uint64_t fp, bool exact, uint32_t simple)
{
	walk->pc = pc;
	walk->sp = sp;
	walk->fp = fp;
	walk->simple = simple;
	walk->exact = exact;
	walk->now = 0;
	walk->probed_page = 0;
	walk->stack_end = 0;
}

/* From an interrupted frame to its caller by all of its registers (gregset_t), once the rules gave up. */
bool stack_rules_step_leaf(struct pp_walk *walk, const long long *registers);
/* One step along any rule. False: the walk ended, *end says how. */
bool stack_rules_step(struct pp_walk *walk, uint32_t rule, enum pp_walk_end *end);

/*
 * The common step, in the caller's code, on the caller's own variables: in a struct they would be kept in memory.
 * False: nothing happened, take stack_rules_step().
 */
static inline bool stack_rules_step_fast(uint32_t rule, uint32_t simple, uint64_t *pc, uint64_t *sp, uint64_t *fp)
{
	uint32_t type = rule & PP_RULE_TYPE;
	uint32_t saved = rule >> PP_RULE_SAVED_SHIFT;
	uint64_t cfa = rule & PP_RULE_OFFSET;

	if (unlikely(type - PP_RULE_RSP >= simple))
		return false;
	if (type == PP_RULE_RSP)
		cfa += *sp;
	else
		cfa += *fp;
	if (unlikely(cfa - *sp - 1 >= PP_RULE_FRAME_MAX))
		return false;
	*pc = *(uint64_t *)(cfa - 8);
	if (saved)
		*fp = *(uint64_t *)(cfa - 8 * (uint64_t)saved);
	*sp = cfa;
	return true;
}

/* From `walk` outwards: frame words, at most PP_STACK_DEPTH, and the hash of them all. The outermost is marked
 * truncated, and part of no hash, unless the walk was complete. */
enum pp_walk_end stack_rules_walk(struct pp_walk *walk, uint64_t *words, uint32_t *count, uint64_t *hash);
/* The same, behind the *count words that are there. */
enum pp_walk_end stack_rules_walk_on(struct pp_walk *walk, uint64_t *words, uint32_t *count);
/* Step by step, with each frame's sp, and by all registers (gregset_t, or NULL) from a leaf that needs them. */
enum pp_walk_end stack_rules_walk_places(struct pp_walk *walk, const long long *leaf, uint64_t *words, uint64_t *places,
					 uint32_t *count);
/* The bounds of the piece of code with unwind information that holds `address`; false: there is none. Any context. */
bool stack_cfi_range(uint64_t address, uint64_t *start, uint64_t *size);

#endif
