/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits, told like I/O calls (io.h), but with their stacks taken before: of a wait that never ends it is known where it
 * is. A hook is
 *
 *	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
 *	struct pp_wait wait = wait_begin(operation, &registers);
 *	result = the real function
 *	wait_tell(&wait, operation, error);
 *
 * Nothing is held while the real function runs: it may be left by a cancellation, by a jump out of a handler, or never.
 * What it was doing stays in the thread's slot then, until its next call or sample. errno is kept by both. Any thread,
 * handlers too.
 */
#ifndef PREPROF_WAIT_H
#define PREPROF_WAIT_H

#include "io.h"

struct pp_wait {
	uint64_t began; /* 0: it is not recorded */
	uint32_t stack; /* 0: not taken */
	struct pp_registers registers;
};

struct pp_wait wait_begin_slowly(uint64_t began, enum pp_wire_io_operation operation, const struct pp_registers *registers);
/* The same with a stack that was taken before; 0: unknown, and it stays so. */
struct pp_wait wait_begin_at(enum pp_wire_io_operation operation, uint32_t stack, const struct pp_registers *registers);
void wait_tell_slowly(const struct pp_wait *wait, enum pp_wire_io_operation operation, int error);

static inline __attribute__((always_inline)) struct pp_wait wait_begin(enum pp_wire_io_operation operation,
									const struct pp_registers *registers)
{
	uint64_t began = io_begin();

	if (pp_unlikely(!began))
		return (struct pp_wait){0};
	return wait_begin_slowly(began, operation, registers);
}

/* error: an errno, 0: it succeeded. */
static inline __attribute__((always_inline)) void wait_tell(const struct pp_wait *wait, enum pp_wire_io_operation operation,
							    int error)
{
	if (pp_likely(wait->began != 0))
		wait_tell_slowly(wait, operation, error);
}

/* A hook of a function that waits. `error` is an expression of `result`. */
#define WAIT_HOOK(type, name, parameters, arguments, operation, error)                                                 \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct pp_wait began = wait_begin(operation, &registers);                                              \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		wait_tell(&began, operation, error);                                                                   \
		return result;                                                                                         \
	}

/* What went wrong, of a function that returns -1, and of one that returns it. */
#define ERROR_OF_ERRNO (result < 0 ? errno : 0)
#define ERROR_RETURNED result

#endif
