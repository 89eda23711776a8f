/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CFA program says of one address, as a rule of 17 bits (stack_tiers.h), and the set of extended rules for what
 * does not fit. Any thread and signal handlers: no lock, no allocation. What is unusual is left to libunwind.
 */
#include <stddef.h>

#include "stack_cfi.h"

#if PP_HAVE_RULES

#define RULE(type)    ((uint32_t)(type))
#define RULE_FALLBACK RULE(PP_RULE_FALLBACK)

/* ---------------------------------------------------------------------------------------------------------
 * CFA expressions: those of the PLT, rsp + f(rip), are a number once the address is known. */

#define EXPRESSION_DEPTH 8

/* A number, or rsp plus a number. */
struct term {
	uint64_t value;
	bool from_rsp;
};

static bool term_combine(uint8_t op, struct term *left, const struct term *right)
{
	if (op == 0x22) { /* plus */
		if (left->from_rsp && right->from_rsp)
			return false;
		left->from_rsp |= right->from_rsp;
		left->value += right->value;
		return true;
	}
	if (left->from_rsp || right->from_rsp)
		return false;
	switch (op) {
	case 0x1a: /* and */
		left->value &= right->value;
		return true;
	case 0x1c: /* minus */
		left->value -= right->value;
		return true;
	case 0x24: /* shl */
		left->value = right->value < 64 ? left->value << right->value : 0;
		return true;
	case 0x2a: /* ge */
		left->value = (int64_t)left->value >= (int64_t)right->value;
		return true;
	default:
		return false;
	}
}

static bool expression_evaluate(struct cursor cursor, uint64_t pc, struct term *result)
{
	struct term stack[EXPRESSION_DEPTH];
	unsigned depth = 0;

	while (cursor.at < cursor.end) {
		uint8_t op = (uint8_t)cursor_fixed(&cursor, 1);
		struct term term = {0, false};

		if (op >= 0x30 && op <= 0x4f) { /* lit0..31 */
			term.value = op - 0x30U;
		} else if (op == 0x08 || op == 0x0a || op == 0x0c) { /* const1u, 2u, 4u */
			term.value = cursor_fixed(&cursor, 1U << ((op - 0x08) / 2));
		} else if (op == 0x70 + REGISTER_RSP) {
			term = (struct term){(uint64_t)cursor_sleb(&cursor), true};
		} else if (op == 0x70 + REGISTER_RIP) {
			term.value = pc + (uint64_t)cursor_sleb(&cursor);
		} else if (op == 0x23) { /* plus_uconst */
			if (!depth)
				return false;
			stack[depth - 1].value += cursor_uleb(&cursor);
			continue;
		} else {
			if (depth < 2 || !term_combine(op, &stack[depth - 2], &stack[depth - 1]))
				return false;
			depth--;
			continue;
		}
		if (depth == EXPRESSION_DEPTH)
			return false;
		stack[depth++] = term;
	}
	if (cursor.bad || depth != 1)
		return false;
	*result = stack[0];
	return true;
}

/* ---------------------------------------------------------------------------------------------------------
 * Packing. */

/*
 * Extended rules: an open-addressing set of words, filled for good and never cleared: a word says all of it
 * and is true for any code. 63: used, 62: realigned, 61: from rbp, 60..30 cfa, 29..0 rbp (both signed).
 */
#define EXTENDED_COUNT	4096
#define EXTENDED_PROBES 64
static uint64_t extended[EXTENDED_COUNT];

static uint32_t rule_pack_extended(bool realigned, bool from_rbp, int64_t cfa, int64_t rbp)
{
	uint64_t word = UINT64_C(1) << 63 | (uint64_t)realigned << 62 | (uint64_t)from_rbp << 61;
	uint32_t slot;

	if (cfa < -(1 << 29) || cfa >= 1 << 29 || rbp < -(1 << 28) || rbp >= 1 << 28)
		return RULE_FALLBACK;
	word |= ((uint64_t)cfa & 0x7fffffff) << 30 | ((uint64_t)rbp & 0x3fffffff);
	slot = (uint32_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> 52);
	for (unsigned probe = 0; probe < EXTENDED_PROBES; probe++, slot = (slot + 1) % EXTENDED_COUNT) {
		uint64_t found = __atomic_load_n(&extended[slot], __ATOMIC_RELAXED);

		if (!found && __atomic_compare_exchange_n(&extended[slot], &found, word, false, __ATOMIC_RELAXED,
							  __ATOMIC_RELAXED))
			found = word;
		if (found == word)
			return RULE(PP_RULE_EXTENDED) | slot << PP_RULE_NUMBER_SHIFT;
	}
	return RULE_FALLBACK;
}

struct pp_rule_extended stack_rule_extended(uint32_t rule)
{
	uint64_t word = __atomic_load_n(&extended[(rule >> PP_RULE_NUMBER_SHIFT) % EXTENDED_COUNT], __ATOMIC_RELAXED);

	return (struct pp_rule_extended){
		.realigned = word >> 62 & 1,
		.from_rbp = word >> 61 & 1,
		.cfa = (int32_t)((int64_t)(word << 3) >> 33),
		.rbp = (int32_t)((int64_t)(word << 34) >> 34),
	};
}

static uint32_t rule_pack(bool from_rbp, int64_t cfa, int64_t rbp)
{
	if (cfa >= 0 && cfa < 8192 && cfa % 8 == 0 && rbp <= 0 && rbp > -128 && rbp % 8 == 0)
		return RULE(from_rbp ? PP_RULE_RBP : PP_RULE_RSP) | (uint32_t)(-rbp / 8) << PP_RULE_SAVED_SHIFT |
		       (uint32_t)cfa;
	return rule_pack_extended(false, from_rbp, cfa, rbp);
}

/* gcc's realigned stack: CFA = *(rbp + n), the caller's rbp at rbp. */
static uint32_t rule_pack_expression(const struct row *row, uint64_t address)
{
	struct cursor cursor = row->cfa_expression;
	struct term term;
	int64_t offset;

	if (cursor.at < cursor.end && *cursor.at == 0x70 + REGISTER_RBP) {
		cursor.at++;
		offset = cursor_sleb(&cursor);
		if (cursor_fixed(&cursor, 1) != 0x06 || cursor.bad || cursor.at != cursor.end ||
		    row->rbp.how != SAVED_AT_RBP)
			return RULE_FALLBACK;
		return rule_pack_extended(true, true, offset, 0);
	}
	if (!expression_evaluate(cursor, address, &term) || !term.from_rsp || row->rbp.how == SAVED_AT_RBP)
		return RULE_FALLBACK;
	return rule_pack(false, (int64_t)term.value, row->rbp.how == SAVED_AT_OFFSET ? row->rbp.offset : 0);
}

uint32_t stack_rule_pack(const struct row *row, uint64_t address)
{
	if (row->rip.how == SAVED_UNDEFINED)
		return RULE(PP_RULE_END);
	if (row->rip.how != SAVED_AT_OFFSET || row->rip.offset != -8)
		return RULE_FALLBACK;
	if (row->rbp.how == SAVED_OTHERWISE)
		return RULE_FALLBACK;
	if (row->cfa_expression.at)
		return rule_pack_expression(row, address);
	if (row->rbp.how == SAVED_AT_RBP || (row->rbp.how == SAVED_AT_OFFSET && !row->rbp.offset))
		return RULE_FALLBACK;
	if (row->cfa_register != REGISTER_RSP && row->cfa_register != REGISTER_RBP)
		return RULE_FALLBACK;
	return rule_pack(row->cfa_register == REGISTER_RBP, row->cfa_offset,
			 row->rbp.how == SAVED_AT_OFFSET ? row->rbp.offset : 0);
}

#endif
