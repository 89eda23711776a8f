/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of call-frame information, read within bounds: fixed sizes, LEB128, encoded pointers. Contexts: see
 * stack_cfi.c. The format: "DWARF 4" 7.6, and the Linux Standard Base 10.5 for the encodings of pointers.
 */
#include <stddef.h>
#include <string.h>

#include "stack_cfi.h"

#if PP_HAVE_RULES

uint64_t cursor_fixed(struct cursor *cursor, unsigned size)
{
	uint64_t value = 0;

	if ((size_t)(cursor->end - cursor->at) < size) {
		cursor->bad = true;
		cursor->at = cursor->end;
		return 0;
	}
	memcpy(&value, cursor->at, size); /* little endian */
	cursor->at += size;
	return value;
}

/* The bits of a LEB128 number, and in *shift how many it has; true in *negative: its sign bit is set. */
static uint64_t cursor_leb(struct cursor *cursor, unsigned *shift, bool *negative)
{
	uint64_t value = 0;
	uint8_t byte;

	*shift = 0;
	do {
		byte = (uint8_t)cursor_fixed(cursor, 1);
		if (*shift < 64)
			value |= (uint64_t)(byte & 0x7f) << *shift;
		*shift += 7;
	} while (byte & 0x80);
	*negative = byte & 0x40;
	return value;
}

uint64_t cursor_uleb(struct cursor *cursor)
{
	unsigned shift;
	bool negative;

	return cursor_leb(cursor, &shift, &negative);
}

int64_t cursor_sleb(struct cursor *cursor)
{
	unsigned shift;
	bool negative;
	uint64_t value = cursor_leb(cursor, &shift, &negative);

	if (shift < 64 && negative)
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

void cursor_skip(struct cursor *cursor, uint64_t size)
{
	if (size > (uint64_t)(cursor->end - cursor->at)) {
		cursor->bad = true;
		cursor->at = cursor->end;
		return;
	}
	cursor->at += size;
}

uint64_t cursor_pointer(struct cursor *cursor, uint8_t encoding, uint64_t section)
{
	uint64_t base = (uint64_t)cursor->at;
	uint64_t value;

	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		value = cursor_fixed(cursor, 8);
		break;
	case 0x01:
		value = cursor_uleb(cursor);
		break;
	case 0x02:
		value = cursor_fixed(cursor, 2);
		break;
	case 0x03:
		value = cursor_fixed(cursor, 4);
		break;
	case 0x09:
		value = (uint64_t)cursor_sleb(cursor);
		break;
	case 0x0a:
		value = (uint64_t)(int64_t)(int16_t)cursor_fixed(cursor, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int64_t)(int32_t)cursor_fixed(cursor, 4);
		break;
	default:
		cursor->bad = true;
		return 0;
	}
	switch (encoding & 0xf0) {
	case 0x00:
		return value;
	case 0x10:
		return value ? value + base : 0;
	case 0x30:
		return value ? value + section : 0;
	default:
		cursor->bad = true;
		return 0;
	}
}

#endif
