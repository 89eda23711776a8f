/* SPDX-License-Identifier: Apache-2.0 */
/* Waits; see wait.h. They are summed up as I/O calls are (io_call.h). */
#include "io_call.h"
#include "wait.h"

#include <errno.h>

struct pp_wait wait_begin_slowly(uint64_t began, enum pp_wire_io_operation operation,
				 const struct pp_registers *registers)
{
	struct pp_wait wait = {.began = began, .registers = *registers};
	struct pp_thread *thread;
	int error = errno;

	if (pp_tls.guard) /* a lock of the program's allocator, in a call that we are in the middle of */
		return (struct pp_wait){0};
	thread = tell_enter();
	if (thread) {
		wait.stack = stack_capture(thread->memo, registers);
		call_open(thread, began, operation, wait.stack, registers->sp);
		hook_leave(thread);
	}
	errno = error;
	return wait;
}

struct pp_wait wait_begin_at(enum pp_wire_io_operation operation, uint32_t stack, const struct pp_registers *registers)
{
	return (struct pp_wait){.began = io_opened(io_begin(), operation, stack, registers->sp), .stack = stack};
}

void wait_tell_slowly(const struct pp_wait *wait, enum pp_wire_io_operation operation, int error)
{
	uint64_t now = io_ticks();
	int kept = errno;
	struct pp_thread *thread = tell_enter();
	struct io_call call;

	if (thread) {
		tell_over(thread);
		if (operation == PP_IO_WAIT_CHILD && !error)
			io_fds_unsettle();
		call_make(&call, 0, operation, 0, error ? -1 : 0, error, ticks_to_ns(now - wait->began),
			  wait->stack || !wait->registers.pc ? wait->stack
							     : stack_capture(thread->memo, &wait->registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = kept;
}
