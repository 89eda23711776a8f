/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second tier: walking by compact rules (stack_tiers.h). The table of rules, the steps that are not common,
 * and the walk. Any thread and signal handlers: no lock, no allocation, little stack.
 *
 * A walk reads what an unwinder would read. Where something does not add up (a frame that is not above the one
 * before it, a frame that was guessed by its frame pointer) a word is read only after the kernel said that it can be, and what
 * may be gone at any moment by the kernel alone.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "object.h"
#include "peek.h"
#include "raw.h"
#include "stack_tiers.h"

#if PP_HAVE_RULES

#define PAGE_MASK	    (~UINT64_C(4095))
#define ADDRESS_BITS	    47
#define KERNEL_SIGSET_BYTES 8

/* One word a rule, two places for each address (the slot and its neighbour in the same cache line). */
uint64_t pp_rule_table[UINT32_C(1) << PP_RULE_TABLE_BITS] __attribute__((aligned(64)));

/* Parts of the table that have ever held a rule of an object that may go: to forget one, no others are looked through. */
#define PART_BITS 7
static uint8_t part_may_go[UINT32_C(1) << (PP_RULE_TABLE_BITS - PART_BITS)];

/* valgrind looks itself at what system calls are given, and says on the program's standard error what it thinks of ours:
 * nothing is asked in it. It names itself to whoever runs this sequence, of no effect elsewhere (valgrind.h). */
static bool in_valgrind;

void stack_rules_init(void)
{
	volatile uint64_t request[6] = {0x1001}; /* RUNNING_ON_VALGRIND */
	uint64_t result = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi; rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(result)
			 : "a"(request)
			 : "cc", "memory");
	in_valgrind = result != 0;
}

uint32_t stack_rule_miss(uint64_t key)
{
	uint32_t slot = stack_rule_slot(key);
	uint64_t first = __atomic_load_n(&pp_rule_table[slot], __ATOMIC_RELAXED);
	uint64_t second = __atomic_load_n(&pp_rule_table[slot ^ 1], __ATOMIC_RELAXED);
	struct pp_object object;
	uint32_t rule;
	bool lasts;

	if (second >> PP_RULE_BITS == key)
		return (uint32_t)second & PP_RULE_MASK;
	if (key >> ADDRESS_BITS)
		return PP_RULE_END | PP_RULE_END_BROKEN;
	switch (object_hold(key - 1, &object)) {
	case PP_OBJECT_NONE:
		return PP_RULE_POINTER;
	case PP_OBJECT_LEAVING:
		return PP_RULE_FALLBACK;
	default:
		break;
	}
	rule = stack_cfi_compile(&object, key - 1);
	if (first && !second)
		slot ^= 1;
	/* Still held: who unloads it forgets its rules, and finds this one. A destructor that runs in an unload comes too late. */
	lasts = object_lasts(object.start);
	if (likely(!objects_unloads()) || lasts) {
		if (!lasts)
			__atomic_store_n(&part_may_go[slot >> PART_BITS], 1, __ATOMIC_RELAXED);
		__atomic_store_n(&pp_rule_table[slot], key << PP_RULE_BITS | rule, __ATOMIC_RELEASE);
	}
	object_release(&object);
	return rule;
}

void stack_rules_forget(uint64_t start, uint64_t end)
{
	for (size_t part = 0; part < sizeof(part_may_go); part++) {
		uint64_t *slots = &pp_rule_table[part << PART_BITS];

		if (!__atomic_load_n(&part_may_go[part], __ATOMIC_RELAXED))
			continue;
		for (size_t i = 0; i < 1 << PART_BITS; i++) {
			uint64_t word = __atomic_load_n(&slots[i], __ATOMIC_RELAXED);

			if (word && word >> PP_RULE_BITS >= start && word >> PP_RULE_BITS <= end)
				__atomic_store_n(&slots[i], 0, __ATOMIC_RELAXED);
		}
	}
}

/*
 * Can the page be read? rt_sigprocmask with an operation that does not exist: the kernel copies the set first
 * (EFAULT) and then refuses (EINVAL). It changes nothing, and no sandbox forbids it.
 */
static bool page_readable(struct pp_walk *walk, uint64_t address)
{
	uint64_t page = address & PAGE_MASK;

	if (unlikely(in_valgrind))
		return page != 0;
	if (walk->probed_page == (page | 1))
		return true;
	if (!page) /* of a set that is NULL nothing is copied, and nothing said */
		return false;
	if (RAW_CALL(SYS_rt_sigprocmask, -1, page, NULL, KERNEL_SIGSET_BYTES) == -EFAULT)
		return false;
	walk->probed_page = page | 1;
	return true;
}

/* On the stack that the walk goes along, if that is the thread's own: what can be read there stays so while the walk goes on.
 * Not all can: a program may have put a guard into it, above a part that serves as another stack. */
static bool on_own_stack(struct pp_walk *walk, uint64_t address)
{
	if (!walk->stack_end) {
		walk->stack_start = walk->sp;
		walk->stack_end = pp_stack_end(walk->sp) | 1;
	}
	return address >= walk->stack_start && address + 8 < walk->stack_end;
}

static bool word_read(struct pp_walk *walk, uint64_t address, bool probe, uint64_t *word)
{
	if (unlikely(probe)) {
		if (address % 8 || address >> ADDRESS_BITS)
			return false;
		if (!page_readable(walk, address))
			return false;
	}
	*word = *(uint64_t *)address;
	return true;
}

static bool walk_to_cfa(struct pp_walk *walk, uint64_t cfa, bool restored, uint64_t rbp_address, bool probe)
{
	uint64_t pc, fp = walk->fp;

	probe |= cfa - walk->sp - 1 >= PP_RULE_FRAME_MAX;
	if (!word_read(walk, cfa - 8, probe, &pc))
		return false;
	if (restored && !word_read(walk, rbp_address, probe, &fp))
		return false;
	walk->pc = pc;
	walk->fp = fp;
	walk->sp = cfa;
	walk->exact = false;
	return true;
}

static bool step_extended(struct pp_walk *walk, uint32_t rule)
{
	struct pp_rule_extended extended = stack_rule_extended(rule);
	bool probe = !walk->simple;
	uint64_t base = extended.from_rbp ? walk->fp : walk->sp;
	uint64_t cfa = base + (uint64_t)(int64_t)extended.cfa;

	if (extended.realigned) {
		probe |= cfa - walk->sp >= PP_RULE_FRAME_MAX;
		if (!word_read(walk, cfa, probe, &cfa))
			return false;
		return walk_to_cfa(walk, cfa, true, walk->fp, probe);
	}
	return walk_to_cfa(walk, cfa, extended.rbp != 0, cfa + (uint64_t)(int64_t)extended.rbp, probe);
}

static bool step_signal(struct pp_walk *walk)
{
	const uint64_t context = walk->sp;
	const uint64_t registers = context + offsetof(ucontext_t, uc_mcontext.gregs);
	const bool probe = !walk->simple;
	uint64_t pc, sp, fp;

	if (!word_read(walk, registers + REG_RIP * 8, probe, &pc) ||
	    !word_read(walk, registers + REG_RSP * 8, probe, &sp) ||
	    !word_read(walk, registers + REG_RBP * 8, probe, &fp))
		return false;
	walk->pc = pc;
	walk->sp = sp;
	walk->fp = fp;
	walk->exact = true;
	walk->stack_end = 0; /* the handler may have had another */
	return true;
}

/*
 * What code says that no rule covers. Whoever unwinds by guesses may ask for code that is gone, or goes at this moment: the
 * kernel copies it. What return addresses say is remembered for a while, in one word each:
 *
 *   63..17 the address   16..6 when   5 calls   4..0 cfa in words
 *
 * When is the time stamp counter in steps of some 10 ms: code that is made at run time is also replaced.
 */
#define LOOK_BEFORE	  7
#define LOOK_AFTER	  11
#define LOOK_TABLE_BITS	  10
#define LOOK_STAMP_SHIFT  25
#define LOOK_STAMP_MASK	  2047u
#define LOOK_WHEN_SHIFT	  6
#define LOOK_CALLS	  32u
#define LOOK_CFA_MASK	  31u

static uint64_t looks[1u << LOOK_TABLE_BITS] __attribute__((aligned(64)));

/* Does the instruction before a return address call? */
static bool code_calls(const uint8_t *code)
{
	if (code[-5] == 0xe8)
		return true;
	/* ff /2: call through a register or memory, 2 to 7 bytes long */
	for (int size = 2; size <= 7; size++)
		if (code[-size] == 0xff && (code[-size + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/*
 * The distance from the stack pointer to the CFA where the code itself says it: what follows the return address takes the
 * frame down and returns. Python's trampolines for perf (-X perf) are such, and keep no frame pointer; so is an
 * interrupted `ret`. 0: it does not. At most 128.
 */
static uint32_t code_cfa(const uint8_t *code, bool exact)
{
	static const uint8_t trampoline[LOOK_AFTER] = {0x48, 0x83, 0xec, 0x08,	/* sub $8, %rsp */
						       0xff, 0xd1,		/* call *%rcx */
						       0x48, 0x83, 0xc4, 0x08,	/* add $8, %rsp */
						       0xc3};			/* ret */

	if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xc4 && code[3] < 0x80 && code[3] % 8 == 0 && code[4] == 0xc3)
		return code[3] + 8u;
	if (!exact)
		return 0;
	if (code[0] == 0xc3 || !memcmp(code, trampoline, sizeof(trampoline)))
		return 8;
	return memcmp(code, trampoline + 4, sizeof(trampoline) - 4) ? 0 : 16;
}

/* Around a return address: LOOK_CALLS if a call precedes it, and code_cfa in words. */
static uint32_t code_look(struct pp_walk *walk, uint64_t pc)
{
	uint64_t *place = &looks[pc * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LOOK_TABLE_BITS)];
	uint64_t word = __atomic_load_n(place, __ATOMIC_RELAXED);
	uint8_t code[LOOK_BEFORE + LOOK_AFTER] = {0};
	const uint64_t page = (pc - 1) & PAGE_MASK;
	uint32_t missing = 0, look = 0;

	if (!walk->now)
		walk->now = ((uint32_t)(__builtin_ia32_rdtsc() >> LOOK_STAMP_SHIFT) & LOOK_STAMP_MASK) << LOOK_WHEN_SHIFT | 1;
	if (word >> PP_RULE_BITS == pc && !((word ^ walk->now) >> LOOK_WHEN_SHIFT & LOOK_STAMP_MASK))
		return (uint32_t)word & (LOOK_CALLS | LOOK_CFA_MASK);
	/* What lies on a page that is not there is 0, and says nothing: before the page of the call, or behind it. */
	if (!peek(code, pc - LOOK_BEFORE, sizeof(code)) && pc - LOOK_BEFORE < page)
		missing = (uint32_t)(page - (pc - LOOK_BEFORE));
	if (!missing || peek(code + missing, page, sizeof(code) - missing))
		look = (code_calls(code + LOOK_BEFORE) ? LOOK_CALLS : 0) | code_cfa(code + LOOK_BEFORE, false) / 8;
	__atomic_store_n(place, pc << PP_RULE_BITS | (walk->now & LOOK_STAMP_MASK << LOOK_WHEN_SHIFT) | look, __ATOMIC_RELAXED);
	return look;
}

static uint32_t cfa_by_code(struct pp_walk *walk)
{
	uint8_t code[LOOK_AFTER] = {0};

	if (!walk->exact)
		return (code_look(walk, walk->pc) & LOOK_CFA_MASK) * 8;
	return peek(code, walk->pc, sizeof(code)) ? code_cfa(code, true) : 0;
}

/* A frame pointer may be one of nothing. */
static bool frame_read(struct pp_walk *walk, uint64_t fp, uint64_t frame[2])
{
	if (!on_own_stack(walk, fp) || !on_own_stack(walk, fp + 8))
		return peek(frame, fp, 16) == 16;
	if (!page_readable(walk, fp) || !page_readable(walk, fp + 8))
		return false;
	memcpy(frame, (const void *)fp, 16);
	return true;
}

/*
 * Code that no table covers: made at run time, or by an assembler (in an object; V8 has its built-in functions there, Java
 * none). It may keep a frame pointer, or use rbp for something else. Takes nothing on trust, here and from here on: what is
 * found must be a place that somebody has called from.
 */
static bool step_pointer(struct pp_walk *walk, bool in_object)
{
	uint64_t fp = walk->fp, caller_pc;
	uint64_t frame[2]; /* the caller's frame pointer, the return address */
	uint32_t caller_rule;

	walk->simple = 0;
	if (fp % 8 || fp < walk->sp || fp - walk->sp >= PP_RULE_FRAME_MAX)
		return false;
	if (!frame_read(walk, fp, frame))
		return false;
	caller_pc = frame[1];
	if (caller_pc >> ADDRESS_BITS)
		return false;
	if (caller_pc >= PP_PC_MIN) {
		caller_rule = stack_rule_find(caller_pc);
		if ((caller_rule != PP_RULE_POINTER || in_object) && !(code_look(walk, caller_pc) & LOOK_CALLS))
			return false;
	}
	walk->pc = caller_pc;
	walk->sp = fp + 16;
	walk->fp = frame[0];
	walk->exact = false;
	return true;
}

bool stack_rules_step_leaf(struct pp_walk *walk, const long long *registers)
{
	static const uint8_t numbers[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
					  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	unsigned cfa_register;
	int64_t offset, rbp;
	uint64_t cfa;

	if (!stack_cfi_leaf(walk->pc, &cfa_register, &offset, &rbp))
		return false;
	cfa = (uint64_t)registers[numbers[cfa_register]] + (uint64_t)offset;
	return walk_to_cfa(walk, cfa, rbp != 0, cfa + (uint64_t)rbp, true) && walk->pc >= PP_PC_MIN;
}

bool stack_rules_step(struct pp_walk *walk, uint32_t rule, enum pp_walk_end *end)
{
	bool stepped;
	uint64_t cfa;

	*end = PP_WALK_BROKEN;
	switch (rule & PP_RULE_TYPE) {
	case PP_RULE_END:
		/* A frame pointer of 0 marks the outermost frame, says the ABI. */
		if (!(rule & PP_RULE_END_BROKEN) || !walk->fp) {
			*end = PP_WALK_COMPLETE;
			return false;
		}
		stepped = step_pointer(walk, true);
		break;
	case PP_RULE_RSP:
	case PP_RULE_RBP:
		cfa = ((rule & PP_RULE_TYPE) == PP_RULE_RSP ? walk->sp : walk->fp) + (rule & PP_RULE_OFFSET);
		stepped = walk_to_cfa(walk, cfa, rule >> PP_RULE_SAVED_SHIFT,
				      cfa - 8 * (uint64_t)(rule >> PP_RULE_SAVED_SHIFT), !walk->simple);
		break;
	case PP_RULE_SIGNAL:
		stepped = step_signal(walk);
		break;
	case PP_RULE_EXTENDED:
		stepped = step_extended(walk, rule);
		break;
	case PP_RULE_POINTER:
		cfa = cfa_by_code(walk);
		stepped = cfa ? walk_to_cfa(walk, walk->sp + cfa, false, 0, true) : step_pointer(walk, false);
		break;
	default:
		*end = PP_WALK_FALLBACK;
		return false;
	}
	if (stepped && walk->pc < PP_PC_MIN) {
		*end = PP_WALK_COMPLETE;
		return false;
	}
	return stepped;
}

/* The frame that the walk stands at, into the list and the sum. */
#define FRAME_ADD(word)                              \
	do {                                         \
		words[n++] = (word);                 \
		sum += stack_hash_mix(word) * power; \
		power *= PP_HASH_MULTIPLIER;         \
	} while (0)

static enum pp_walk_end walk_along(struct pp_walk *walk, uint64_t *words, uint32_t max, uint32_t *count, uint64_t *hash)
{
	enum pp_walk_end end = PP_WALK_DEEP;
	uint64_t sum = 0, power = 1;
	uint32_t n = 0;

	while (n < max) {
		uint64_t pc = walk->pc, sp = walk->sp, fp = walk->fp;
		const uint32_t simple = walk->simple;
		uint32_t rule = stack_rule_find(pc + walk->exact);

		/* Interrupted frames stay out of the loop: what is rare must not lengthen it. */
		if (unlikely(walk->exact)) {
			FRAME_ADD((pc & PP_NODE_ADDRESS_MASK) | PP_NODE_VALID | PP_NODE_EXACT);
			if (!stack_rules_step(walk, rule, &end))
				break;
			continue;
		}
		for (;;) {
			FRAME_ADD((pc & PP_NODE_ADDRESS_MASK) | PP_NODE_VALID);
			if (unlikely(!stack_rules_step_fast(rule, simple, &pc, &sp, &fp)))
				break;
			if (unlikely(pc < PP_PC_MIN)) {
				end = PP_WALK_COMPLETE;
				goto done;
			}
			if (unlikely(n == max))
				goto done;
			rule = stack_rule_find(pc);
		}
		walk->pc = pc;
		walk->sp = sp;
		walk->fp = fp;
		walk->exact = false;
		if (!stack_rules_step(walk, rule, &end))
			break;
		end = PP_WALK_DEEP;
	}
done:
	if (unlikely(end != PP_WALK_COMPLETE))
		words[n - 1] |= PP_NODE_TRUNCATED;
	*count = n;
	*hash = sum + power * PP_HASH_SEED;
	return end;
}

enum pp_walk_end stack_rules_walk(struct pp_walk *walk, uint64_t *words, uint32_t *count, uint64_t *hash)
{
	return walk_along(walk, words, PP_STACK_DEPTH, count, hash);
}

enum pp_walk_end stack_rules_walk_on(struct pp_walk *walk, uint64_t *words, uint32_t *count)
{
	uint32_t before = *count, more;
	enum pp_walk_end end;
	uint64_t hash;

	end = walk_along(walk, words + before, PP_STACK_DEPTH - before, &more, &hash);
	*count = before + more;
	return end;
}

enum pp_walk_end stack_rules_walk_places(struct pp_walk *walk, const long long *leaf, uint64_t *words, uint64_t *places,
					 uint32_t *count)
{
	enum pp_walk_end end = PP_WALK_DEEP;
	uint32_t n = 0;

	while (n < PP_STACK_DEPTH) {
		uint32_t rule = stack_rule_find(walk->pc + walk->exact);

		words[n] = (walk->pc & PP_NODE_ADDRESS_MASK) | PP_NODE_VALID | (walk->exact ? PP_NODE_EXACT : 0);
		places[n++] = walk->sp;
		if (likely(stack_rules_step(walk, rule, &end)))
			continue;
		if (end != PP_WALK_FALLBACK || n != 1 || !leaf || !stack_rules_step_leaf(walk, leaf))
			goto done;
	}
	end = PP_WALK_DEEP;
done:
	if (end != PP_WALK_COMPLETE)
		words[n - 1] |= PP_NODE_TRUNCATED;
	*count = n;
	return end;
}

#endif
