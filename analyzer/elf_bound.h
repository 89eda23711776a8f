/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that libpreprof.so comes before in every program, and that a library has to itself: it defines them, and its own
 * calls of them lead there whatever is preloaded. Any thread.
 */
#ifndef PREPROF_ELF_BOUND_H
#define PREPROF_ELF_BOUND_H

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	PP_ELF_BOUND_MALLOC = 1, /* malloc and its like */
	PP_ELF_BOUND_IO = 2,	 /* read, write and their like */
};

/* Bits of the above. What is found: a library that is linked with -Bsymbolic, and on x86-64 direct calls, as -Bsymbolic-functions,
 * protected symbols and -fno-semantic-interposition make them. What is not: functions that were inlined, calls through
 * pointers, and hidden functions, which the file does not name. 0 for a program, which has its own functions by right. */
uint32_t elf_bound_functions(Elf *elf);

#endif
