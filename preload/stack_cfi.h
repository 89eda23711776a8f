/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two halves of the compiler of call-frame information: stack_cfi.c finds and runs the CFA program of
 * an address, stack_rule_pack.c puts what came out of it into 17 bits. Contexts: see stack_cfi.c.
 */
#ifndef PREPROF_STACK_CFI_H
#define PREPROF_STACK_CFI_H

#include "stack_tiers.h"

#define REGISTER_RBP 6
#define REGISTER_RSP 7
#define REGISTER_RIP 16

/* Bytes that may be read from `at` to `end`. A read past the end gives 0 and sets `bad`. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

uint64_t cursor_fixed(struct cursor *cursor, unsigned size);
uint64_t cursor_uleb(struct cursor *cursor);
int64_t cursor_sleb(struct cursor *cursor);
void cursor_skip(struct cursor *cursor, uint64_t size);
/* A pointer in one of the encodings DW_EH_PE_*; `section`: what data-relative ones count from. Indirect and text- or
 * function-relative ones do not occur where this is used and are bad. */
uint64_t cursor_pointer(struct cursor *cursor, uint8_t encoding, uint64_t section);

/* One row of the table that a CFA program stands for. */
enum saved { SAVED_SAME, SAVED_AT_OFFSET, SAVED_AT_RBP, SAVED_UNDEFINED, SAVED_OTHERWISE };

struct place {
	enum saved how;
	int64_t offset;
};

struct row {
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct cursor cfa_expression; /* used when .at */
	struct place rbp;
	struct place rip;
};

/* The rule of a row; `address` is that of the row's look-up. */
uint32_t stack_rule_pack(const struct row *row, uint64_t address);

#endif
