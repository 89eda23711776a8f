/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line tables against the interpreters themselves (test_python.py writes the input). Each line of it is a code object:
 * version, first line, table in hexadecimal ("-": empty), then UNIT:LINE for each instruction that has a line. Prints the
 * number of instructions that were compared; status 1 with the first that differs.
 */
#include "python_lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t table[1 << 20];

static uint32_t table_parse(const char *hex)
{
	uint32_t size = 0;

	for (; hex[0] && hex[1] && size < sizeof(table); hex += 2) {
		char pair[3] = {hex[0], hex[1], '\0'};

		table[size++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return size;
}

int main(void)
{
	char *line = NULL;
	uint64_t compared = 0;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		uint16_t version = (uint16_t)strtoul(strtok(line, " \n"), NULL, 16);
		uint32_t first = (uint32_t)strtoul(strtok(NULL, " \n"), NULL, 10);
		uint32_t size = table_parse(strtok(NULL, " \n"));

		for (char *pair = strtok(NULL, " \n"); pair; pair = strtok(NULL, " \n")) {
			uint32_t unit = (uint32_t)strtoul(pair, &pair, 10);
			uint32_t expected = (uint32_t)strtoul(pair + 1, NULL, 10);
			uint32_t got = python_line(version, table, size, first, unit);

			if (got != expected) {
				printf("version %x, code at line %" PRIu32 ", unit %" PRIu32 ": %" PRIu32 " expected, %" PRIu32
				       " found\n", version, first, unit, expected, got);
				return 1;
			}
			compared++;
		}
	}
	free(line);
	printf("%" PRIu64 "\n", compared);
	return compared == 0;
}
