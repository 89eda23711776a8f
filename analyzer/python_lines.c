/* SPDX-License-Identifier: Apache-2.0 */
/* The three formats of line tables; see python_lines.h. */
#include "python_lines.h"

#include <stddef.h>

/* 3.8 and 3.9, co_lnotab: pairs of bytes and lines to advance. An entry holds for what comes after it. */
static int64_t line_by_lnotab(const uint8_t *table, uint32_t size, int64_t line, uint64_t offset)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i + 1 < size; i += 2) {
		at += table[i];
		if (at > offset)
			break;
		line += (int8_t)table[i + 1];
	}
	return line;
}

/* 3.10, PEP 626: pairs of bytes that a range is long and lines to advance at its start; -128: without a line. */
static int64_t line_by_ranges(const uint8_t *table, uint32_t size, int64_t line, uint64_t offset)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i + 1 < size; i += 2) {
		int8_t step = (int8_t)table[i + 1];

		end += table[i];
		if (step != -128)
			line += step;
		if (end > offset)
			break;
	}
	return line;
}

/* 3.11 on, the location table: entries of a first byte (1, kind: 4, units - 1: 3) and what the kind says. */
enum location_kind {
	LOCATION_ONE_LINE_0 = 10, /* 10 to 12: so many lines on, two bytes of columns; below: one byte of columns */
	LOCATION_NO_COLUMNS = 13,
	LOCATION_LONG = 14,
	LOCATION_NONE = 15,
};

struct table_cursor {
	const uint8_t *at, *end;
};

static uint32_t varint_read(struct table_cursor *cursor)
{
	uint32_t value = 0;

	for (unsigned shift = 0; cursor->at < cursor->end; shift += 6) {
		uint8_t byte = *cursor->at++;

		if (shift < 32)
			value |= (uint32_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return value;
}

static int64_t signed_read(struct table_cursor *cursor)
{
	uint32_t value = varint_read(cursor);

	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t line_by_locations(const uint8_t *table, uint32_t size, int64_t line, uint64_t offset)
{
	struct table_cursor cursor = {table, table + size};
	uint64_t end = 0;

	while (cursor.at < cursor.end) {
		uint8_t first = *cursor.at++;
		unsigned kind = first >> 3 & 15;

		end += ((first & 7) + UINT64_C(1)) * 2;
		if (kind == LOCATION_LONG) {
			line += signed_read(&cursor);
			varint_read(&cursor);
			varint_read(&cursor);
			varint_read(&cursor);
		} else if (kind == LOCATION_NO_COLUMNS) {
			line += signed_read(&cursor);
		} else if (kind >= LOCATION_ONE_LINE_0 && kind < LOCATION_NO_COLUMNS) {
			line += kind - LOCATION_ONE_LINE_0;
			cursor.at += cursor.end - cursor.at < 2 ? cursor.end - cursor.at : 2;
		} else if (kind != LOCATION_NONE && cursor.at < cursor.end) {
			cursor.at++;
		}
		if (end > offset)
			break;
	}
	return line;
}

uint32_t python_line(uint16_t version, const uint8_t *table, uint32_t size, uint32_t first_line, uint32_t unit)
{
	int64_t line = first_line;
	uint64_t offset;

	if (unit == 0)
		return first_line;
	offset = (uint64_t)(unit - 1) * 2;
	if (version < 0x030a)
		line = line_by_lnotab(table, size, line, offset);
	else if (version == 0x030a)
		line = line_by_ranges(table, size, line, offset);
	else
		line = line_by_locations(table, size, line, offset);
	return line > 0 && line <= UINT32_MAX ? (uint32_t)line : first_line;
}
