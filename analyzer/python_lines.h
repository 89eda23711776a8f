/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an instruction of Python code to its line, by the line table of the code object, in the three formats that
 * CPython has had. The table is hostile input. Pure: any thread.
 */
#ifndef PREPROF_PYTHON_LINES_H
#define PREPROF_PYTHON_LINES_H

#include <stdint.h>

/* version: major << 8 | minor; unit: 1 + the instruction's number, 2 bytes each, 0: the code has not begun. The line, which
 * for an instruction without one is that of those before it. */
uint32_t python_line(uint16_t version, const uint8_t *table, uint32_t size, uint32_t first_line, uint32_t unit);

#endif
