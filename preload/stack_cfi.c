/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information compiled into a rule (stack_tiers.h): .eh_frame_hdr to the FDE of one address, its CFA
 * program run up to that address, and what it says about CFA, rbp and the return address.
 *
 * Any thread and signal handlers: no lock (object_find takes none), no allocation, about 1 KiB of stack.
 * The tables are those of the program and may be wrong: every read stays inside the object that the address
 * belongs to, every loop ends. What is unusual is left to libunwind (PP_RULE_FALLBACK).
 *
 * The format: System V ABI for x86-64, "DWARF 4" 6.4, and the Linux Standard Base for .eh_frame_hdr.
 */
#include <stddef.h>
#include <string.h>

#include "object.h"
#include "stack_cfi.h"

#if PP_HAVE_RULES

#define REGISTER_LAST 15 /* r15 */

#define RULE(type)	((uint32_t)(type))
#define RULE_END_BROKEN (RULE(PP_RULE_END) | PP_RULE_END_BROKEN)
#define RULE_FALLBACK	RULE(PP_RULE_FALLBACK)

/* ---------------------------------------------------------------------------------------------------------
 * From an address to its FDE. */

/* What may be read. */
struct object {
	const uint8_t *start;
	const uint8_t *end;
};

struct frame_description {
	struct cursor initial; /* instructions of the CIE */
	struct cursor program; /* instructions of the FDE */
	uint64_t start;
	uint64_t size;
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t encoding;
	bool signal_frame;
};

enum lookup { LOOKUP_FOUND, LOOKUP_ABSENT, LOOKUP_UNUSUAL };

/* The content of a CIE or FDE at `at`, its length field read. */
static bool entry_open(struct cursor *cursor, const struct object *object, const uint8_t *at)
{
	uint64_t size;

	if (at < object->start || at >= object->end)
		return false;
	*cursor = (struct cursor){at, object->end, false};
	size = cursor_fixed(cursor, 4);
	if (size == 0xffffffff)
		size = cursor_fixed(cursor, 8);
	if (cursor->bad || !size || size > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->end = cursor->at + size;
	return true;
}

/* The binary search table of .eh_frame_hdr: rows {address, FDE}, both relative to the header, sorted. */
static enum lookup table_search(const struct object *object, const uint8_t *header, uint64_t key, const uint8_t **fde)
{
	struct cursor cursor = {header, object->end, false};
	uint8_t version, pointer_encoding, count_encoding, table_encoding;
	int64_t relative = (int64_t)(key - (uint64_t)header);
	uint64_t count, low = 0, high;
	int32_t row[2];

	if (header < object->start || header >= object->end)
		return LOOKUP_ABSENT;
	version = (uint8_t)cursor_fixed(&cursor, 1);
	pointer_encoding = (uint8_t)cursor_fixed(&cursor, 1);
	count_encoding = (uint8_t)cursor_fixed(&cursor, 1);
	table_encoding = (uint8_t)cursor_fixed(&cursor, 1);
	if (version != 1 || table_encoding != 0x3b || count_encoding == 0xff)
		return LOOKUP_UNUSUAL;
	cursor_pointer(&cursor, pointer_encoding, (uint64_t)header);
	count = cursor_pointer(&cursor, count_encoding, (uint64_t)header);
	if (cursor.bad || count > (uint64_t)(cursor.end - cursor.at) / sizeof(row))
		return LOOKUP_UNUSUAL;
	high = count;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		memcpy(row, cursor.at + middle * sizeof(row), sizeof(row));
		if (row[0] <= relative)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return LOOKUP_ABSENT;
	memcpy(row, cursor.at + (low - 1) * sizeof(row), sizeof(row));
	*fde = header + row[1];
	return LOOKUP_FOUND;
}

/* The CIE: factors, the encoding of addresses, the initial instructions. */
static bool cie_read(const struct object *object, const uint8_t *at, struct frame_description *description,
		     bool *has_augmentation)
{
	struct cursor cursor, data;
	char augmentation[8];
	unsigned count = 0;
	uint8_t version;

	if (!entry_open(&cursor, object, at) || cursor_fixed(&cursor, 4) != 0)
		return false;
	version = (uint8_t)cursor_fixed(&cursor, 1);
	do {
		if (count == sizeof(augmentation))
			return false;
		augmentation[count] = (char)cursor_fixed(&cursor, 1);
	} while (augmentation[count++]);
	if (version == 4) /* address and segment selector size */
		cursor_skip(&cursor, 2);
	else if (version != 1 && version != 3)
		return false;
	description->code_factor = cursor_uleb(&cursor);
	description->data_factor = cursor_sleb(&cursor);
	if ((version == 1 ? cursor_fixed(&cursor, 1) : cursor_uleb(&cursor)) != REGISTER_RIP)
		return false;
	*has_augmentation = augmentation[0] == 'z';
	if (!*has_augmentation && augmentation[0])
		return false;
	data = cursor;
	if (*has_augmentation) {
		uint64_t size = cursor_uleb(&cursor);

		data = cursor;
		cursor_skip(&cursor, size);
	}
	for (const char *letter = augmentation + *has_augmentation; *letter; letter++) {
		if (*letter == 'R')
			description->encoding = (uint8_t)cursor_fixed(&data, 1);
		else if (*letter == 'S')
			description->signal_frame = true;
		else if (*letter == 'L')
			cursor_skip(&data, 1);
		else if (*letter == 'P')
			cursor_pointer(&data, (uint8_t)cursor_fixed(&data, 1) & 0x0f, 0);
		else if (*letter != 'B')
			return false;
	}
	description->initial = cursor;
	return !cursor.bad && !data.bad;
}

static enum lookup fde_read(const struct object *object, const uint8_t *at, uint64_t key,
			    struct frame_description *description)
{
	struct cursor cursor;
	const uint8_t *back;
	bool has_augmentation;
	uint64_t distance;

	if (!entry_open(&cursor, object, at))
		return LOOKUP_UNUSUAL;
	back = cursor.at;
	distance = cursor_fixed(&cursor, 4);
	if (!distance || distance > (uint64_t)(back - object->start))
		return LOOKUP_UNUSUAL;
	if (!cie_read(object, back - distance, description, &has_augmentation))
		return LOOKUP_UNUSUAL;
	description->start = cursor_pointer(&cursor, description->encoding, 0);
	description->size = cursor_pointer(&cursor, description->encoding & 0x0f, 0);
	if (has_augmentation)
		cursor_skip(&cursor, cursor_uleb(&cursor));
	if (cursor.bad)
		return LOOKUP_UNUSUAL;
	description->program = cursor;
	return key - description->start < description->size ? LOOKUP_FOUND : LOOKUP_ABSENT;
}

/* ---------------------------------------------------------------------------------------------------------
 * The CFA program. Only CFA, rbp and the return address are followed. */

#define REMEMBERED_MAX 8

struct program {
	const struct frame_description *description;
	struct row row;
	struct row initial;
	struct row remembered[REMEMBERED_MAX];
	unsigned remembered_count;
	uint64_t location;
};

static void place_set(struct row *row, uint64_t reg, enum saved how, int64_t offset)
{
	if (reg == REGISTER_RBP)
		row->rbp = (struct place){how, offset};
	else if (reg == REGISTER_RIP)
		row->rip = (struct place){how, offset};
}

static void place_restore(struct program *program, uint64_t reg)
{
	if (reg == REGISTER_RBP)
		program->row.rbp = program->initial.rbp;
	else if (reg == REGISTER_RIP)
		program->row.rip = program->initial.rip;
}

/* DW_CFA_expression: only "at the address in rbp" is understood, which gcc writes for realigned stacks. */
static void place_set_expression(struct row *row, struct cursor *cursor)
{
	uint64_t reg = cursor_uleb(cursor);
	uint64_t size = cursor_uleb(cursor);
	const uint8_t *expression = cursor->at;

	cursor_skip(cursor, size);
	if (!cursor->bad && size == 2 && expression[0] == 0x70 + REGISTER_RBP && expression[1] == 0)
		place_set(row, reg, SAVED_AT_RBP, 0);
	else
		place_set(row, reg, SAVED_OTHERWISE, 0);
}

enum {
	OP_SET_LOC = 0x01,
	OP_ADVANCE_1,
	OP_ADVANCE_2,
	OP_ADVANCE_4,
	OP_OFFSET_EXTENDED,
	OP_RESTORE_EXTENDED,
	OP_UNDEFINED,
	OP_SAME_VALUE,
	OP_REGISTER,
	OP_REMEMBER,
	OP_RESTORE_STATE,
	OP_DEF_CFA,
	OP_DEF_CFA_REGISTER,
	OP_DEF_CFA_OFFSET,
	OP_DEF_CFA_EXPRESSION,
	OP_EXPRESSION,
	OP_OFFSET_EXTENDED_SF,
	OP_DEF_CFA_SF,
	OP_DEF_CFA_OFFSET_SF,
	OP_VAL_OFFSET,
	OP_VAL_OFFSET_SF,
	OP_VAL_EXPRESSION,
	OP_GNU_ARGS_SIZE = 0x2e,
	OP_GNU_NEGATIVE_OFFSET = 0x2f
};

static bool cfa_instruction_run(struct program *program, struct cursor *cursor, uint8_t op)
{
	int64_t factor = program->description->data_factor;
	struct row *row = &program->row;
	uint64_t reg;

	switch (op) {
	case OP_DEF_CFA:
		row->cfa_register = cursor_uleb(cursor);
		row->cfa_offset = (int64_t)cursor_uleb(cursor);
		break;
	case OP_DEF_CFA_SF:
		row->cfa_register = cursor_uleb(cursor);
		row->cfa_offset = cursor_sleb(cursor) * factor;
		break;
	case OP_DEF_CFA_REGISTER:
		row->cfa_register = cursor_uleb(cursor);
		break;
	case OP_DEF_CFA_OFFSET:
		row->cfa_offset = (int64_t)cursor_uleb(cursor);
		return true; /* an expression, if any, stays */
	case OP_DEF_CFA_OFFSET_SF:
		row->cfa_offset = cursor_sleb(cursor) * factor;
		return true;
	case OP_DEF_CFA_EXPRESSION:
		reg = cursor_uleb(cursor);
		row->cfa_expression = (struct cursor){cursor->at, cursor->at, false};
		cursor_skip(cursor, reg);
		row->cfa_expression.end = cursor->at;
		return true;
	case OP_REMEMBER:
		if (program->remembered_count == REMEMBERED_MAX)
			return false;
		program->remembered[program->remembered_count++] = *row;
		return true;
	case OP_RESTORE_STATE:
		if (!program->remembered_count)
			return false;
		*row = program->remembered[--program->remembered_count];
		return true;
	default:
		return false;
	}
	row->cfa_expression.at = NULL;
	return true;
}

static bool instruction_run(struct program *program, struct cursor *cursor, uint8_t op)
{
	int64_t factor = program->description->data_factor;
	struct row *row = &program->row;
	uint64_t reg;

	switch (op) {
	case 0x00:
		return true;
	case OP_OFFSET_EXTENDED:
		reg = cursor_uleb(cursor);
		place_set(row, reg, SAVED_AT_OFFSET, (int64_t)cursor_uleb(cursor) * factor);
		return true;
	case OP_OFFSET_EXTENDED_SF:
		reg = cursor_uleb(cursor);
		place_set(row, reg, SAVED_AT_OFFSET, cursor_sleb(cursor) * factor);
		return true;
	case OP_GNU_NEGATIVE_OFFSET:
		reg = cursor_uleb(cursor);
		place_set(row, reg, SAVED_AT_OFFSET, -(int64_t)cursor_uleb(cursor) * factor);
		return true;
	case OP_RESTORE_EXTENDED:
		place_restore(program, cursor_uleb(cursor));
		return true;
	case OP_UNDEFINED:
		place_set(row, cursor_uleb(cursor), SAVED_UNDEFINED, 0);
		return true;
	case OP_SAME_VALUE:
		place_set(row, cursor_uleb(cursor), SAVED_SAME, 0);
		return true;
	case OP_REGISTER:
	case OP_VAL_OFFSET:
	case OP_VAL_OFFSET_SF:
		place_set(row, cursor_uleb(cursor), SAVED_OTHERWISE, 0);
		cursor_uleb(cursor);
		return true;
	case OP_EXPRESSION:
		place_set_expression(row, cursor);
		return true;
	case OP_VAL_EXPRESSION:
		place_set(row, cursor_uleb(cursor), SAVED_OTHERWISE, 0);
		cursor_skip(cursor, cursor_uleb(cursor));
		return true;
	case OP_GNU_ARGS_SIZE:
		cursor_uleb(cursor);
		return true;
	default:
		return cfa_instruction_run(program, cursor, op);
	}
}

/* Runs until the row that covers `key` is complete. Every instruction consumes a byte, so that this ends. */
static bool program_run(struct program *program, struct cursor cursor, uint64_t key)
{
	const struct frame_description *description = program->description;

	while (cursor.at < cursor.end) {
		uint8_t op = (uint8_t)cursor_fixed(&cursor, 1);
		uint64_t next = program->location;
		unsigned low = op & 0x3f;

		switch (op >> 6) {
		case 1:
			next += low * description->code_factor;
			break;
		case 2:
			place_set(&program->row, low, SAVED_AT_OFFSET,
				  (int64_t)cursor_uleb(&cursor) * description->data_factor);
			continue;
		case 3:
			place_restore(program, low);
			continue;
		default:
			if (op == OP_SET_LOC)
				next = cursor_pointer(&cursor, description->encoding, 0);
			else if (op >= OP_ADVANCE_1 && op <= OP_ADVANCE_4)
				next += cursor_fixed(&cursor, 1U << (op - OP_ADVANCE_1)) * description->code_factor;
			else if (!instruction_run(program, &cursor, op))
				return false;
		}
		if (cursor.bad)
			return false;
		if (next > key)
			return true;
		program->location = next;
	}
	return !cursor.bad;
}

/*
 * Signal frames are believed when the code is the kernel's way back: mov $15, %rax; syscall. The frame's pc is
 * the first byte of it and `key` the byte before; an interrupted trampoline has its own pc as key.
 */
static uint32_t signal_frame_pack(const struct object *object, uint64_t key)
{
	static const uint8_t trampoline[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
	const uint8_t *code = (const uint8_t *)key;

	for (const uint8_t *at = code + 1; at > code - 8; at--)
		if (at >= object->start && at + sizeof(trampoline) <= object->end &&
		    !memcmp(at, trampoline, sizeof(trampoline)))
			return RULE(PP_RULE_SIGNAL);
	return RULE_FALLBACK;
}

/* The row that covers an address of an object. False: there is none to be had, *rule says what that means. */
static bool row_find(const struct pp_object *found, uint64_t key, struct row *row, uint32_t *rule)
{
	const struct object object = {found->frames_start, found->frames_end};
	struct frame_description description = {0};
	struct program program;
	const uint8_t *fde;
	enum lookup lookup;

	*rule = RULE_END_BROKEN;
	if (!found->frame_header)
		return false;
	lookup = table_search(&object, found->frame_header, key, &fde);
	if (lookup == LOOKUP_FOUND)
		lookup = fde_read(&object, fde, key, &description);
	if (lookup == LOOKUP_ABSENT)
		return false;
	*rule = RULE_FALLBACK;
	if (lookup != LOOKUP_FOUND)
		return false;
	if (description.signal_frame) {
		*rule = signal_frame_pack(&object, key);
		return false;
	}
	/* Not all of it: the remembered rows need no initial value. */
	memset(&program, 0, offsetof(struct program, remembered));
	program.row.cfa_register = UINT64_MAX;
	program.description = &description;
	program.remembered_count = 0;
	program.location = description.start;
	if (!program_run(&program, description.initial, key))
		return false;
	program.initial = program.row;
	if (!program_run(&program, description.program, key))
		return false;
	*row = program.row;
	return true;
}

uint32_t stack_cfi_compile(const struct pp_object *found, uint64_t address)
{
	uint32_t rule, next_rule;
	struct row row;

	if (row_find(found, address, &row, &rule))
		return stack_rule_pack(&row, address);
	/* A return address with a function right behind it and no code before it: nobody called from there, it was
	 * made up to end a new stack (makecontext's __start_context). */
	if (rule == RULE_END_BROKEN &&
	    (row_find(found, address + 1, &row, &next_rule) || next_rule != RULE_END_BROKEN))
		return RULE(PP_RULE_END);
	return rule;
}

bool stack_cfi_range(uint64_t address, uint64_t *start, uint64_t *size)
{
	struct frame_description description = {0};
	struct pp_object found;
	const uint8_t *fde;
	bool known;

	if (object_hold(address, &found) != PP_OBJECT_HELD)
		return false;
	const struct object object = {found.frames_start, found.frames_end};

	known = found.frame_header && table_search(&object, found.frame_header, address, &fde) == LOOKUP_FOUND &&
		fde_read(&object, fde, address, &description) == LOOKUP_FOUND;
	object_release(&found);
	*start = description.start;
	*size = description.size;
	return known;
}

bool stack_cfi_leaf(uint64_t address, unsigned *cfa_register, int64_t *cfa, int64_t *rbp)
{
	struct pp_object found;
	uint32_t rule;
	struct row row;
	bool known;

	if (object_hold(address, &found) != PP_OBJECT_HELD)
		return false;
	known = row_find(&found, address, &row, &rule);
	object_release(&found);
	if (!known)
		return false;
	if (row.cfa_expression.at || row.cfa_register > REGISTER_LAST || row.rip.how != SAVED_AT_OFFSET ||
	    row.rip.offset != -8 || row.rbp.how == SAVED_AT_RBP || row.rbp.how == SAVED_OTHERWISE)
		return false;
	*cfa_register = (unsigned)row.cfa_register;
	*cfa = row.cfa_offset;
	*rbp = row.rbp.how == SAVED_AT_OFFSET ? row.rbp.offset : 0;
	return true;
}

#endif
