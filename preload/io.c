/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O calls: from what a hook saw to what is added (io_call.h). Descriptors' part in it is io_files.c's, io_lives.c's and
 * io_places.c's.
 *
 * Context: any thread, from within a hook, nothing held; errno is the real call's, and kept.
 */
#include "io_again.h"
#include "stream.h"

#include <errno.h>

uint64_t io_begin_slowly(void)
{
	uint32_t state = pp_session.state;

	/* Not started: nobody has read the settings yet. Paused: the clock may have to be looked at. */
	if (state == PP_STATE_NEW || (state == PP_STATE_WAITING && pp_session.settings.io))
		return io_ticks() | 1;
	return 0;
}

static inline __attribute__((always_inline)) void tell(uint64_t began, enum pp_wire_io_operation operation, int fd,
						       uint64_t asked, int64_t result, int64_t offset,
						       const struct pp_registers *registers, bool repeats)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct io_call call;

	if (!thread) {
		errno = error;
		return;
	}
	tell_over(thread);
	state = pp_unlikely(result < 0 && error == EBADF) ? NULL : io_fd_get(thread, fd);
	call_make(&call, state ? state->file : 0, operation, asked, result, error, ticks_to_ns(now - began),
		  stack_capture(thread->memo, registers));
	if (pp_likely(operation <= PP_IO_SEND && result >= 0 && state)) {
		if (offset != IO_NO_OFFSET)
			call_judge(&call, state, fd, operation, offset);
		call_pass(thread, &call, state, is_out(operation));
	} else if (operation == PP_IO_SEEK && result >= 0 && state) {
		seek_judge(&call, state, result, offset == IO_IN_PLACE);
	}
	call_add_here(thread, &call, now);
	if (repeats)
		io_again_consider(thread, &call, state, again_what(operation, fd), asked, result, offset, registers);
	hook_leave(thread);
	errno = error;
}

void io_tell(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
	     int64_t offset, const struct pp_registers *registers)
{
	tell(began, operation, fd, asked, result, offset, registers, false);
}

void io_tell_repeating(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
		       int64_t offset, const struct pp_registers *registers)
{
	tell(began, operation, fd, asked, result, offset, registers, true);
}

void io_tell_open(uint64_t began, enum pp_wire_io_operation operation, int fd, const struct pp_io_opened *how,
		  const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct io_call call;
	uint32_t stack;

	if (thread) {
		tell_over(thread);
		stack = stack_capture(thread->memo, registers);
		state = io_life_begin(thread, fd, PP_IO_OPENED, -1, stack, began) ? io_fd_opened(thread, fd, how)
										  : io_fd_get(thread, fd);
		call_make(&call, state ? state->file : 0, operation, 0, 0, 0, ticks_to_ns(now - began), stack);
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_made(uint64_t began, enum pp_wire_io_operation operation, int fd, const int *made, uint32_t count,
		  enum pp_wire_io_origin origin, int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state = NULL;
	struct io_call call;
	uint32_t stack;

	if (thread) {
		tell_over(thread);
		stack = stack_capture(thread->memo, registers);
		if (fd >= 0 && !(result < 0 && error == EBADF))
			state = io_fd_get(thread, fd);
		for (uint32_t i = 0; result >= 0 && i < count; i++)
			io_life_begin(thread, made[i], origin, origin == PP_IO_DUPLICATED ? fd : -1, stack, began);
		call_make(&call, state ? state->file : 0, operation, 0, result, error, ticks_to_ns(now - began), stack);
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_life(uint64_t began, enum pp_wire_io_origin origin, int fd, const struct pp_registers *registers)
{
	int error = errno;
	struct pp_thread *thread = tell_enter();

	if (thread) {
		io_life_begin(thread, fd, origin, -1, stack_capture(thread->memo, registers), began);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_file(uint64_t began, enum pp_wire_io_operation operation, uint64_t file, int64_t result,
		  const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct io_call call;

	if (thread) {
		tell_over(thread);
		call_make(&call, file, operation, 0, result, error, ticks_to_ns(now - began),
			  stack_capture(thread->memo, registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_pair(uint64_t began, enum pp_wire_io_operation in, int from, enum pp_wire_io_operation out, int to,
		  uint64_t asked, int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	bool known = !(result < 0 && error == EBADF);
	struct pp_io_fd *state;
	struct io_call call;
	uint32_t stack;

	if (!thread) {
		errno = error;
		return;
	}
	tell_over(thread);
	stack = stack_capture(thread->memo, registers);
	state = known ? io_fd_get(thread, from) : NULL;
	call_make(&call, state ? state->file : 0, in, asked, result, error, 0, stack);
	if (state && result >= 0)
		call_pass(thread, &call, state, false);
	call_add(thread, &call, now);
	state = known ? io_fd_get(thread, to) : NULL;
	call_make(&call, state ? state->file : 0, out, asked, result, error, ticks_to_ns(now - began), stack);
	if (state && result >= 0)
		call_pass(thread, &call, state, true);
	call_add(thread, &call, now);
	hook_leave(thread);
	errno = error;
}

/* --- streams --------------------------------------------------------------------------------------------------------- */

void io_tell_stream(uint64_t began, enum pp_wire_io_operation operation, int fd, const char *name, uint64_t asked,
		    int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks(), file = 0;
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct io_call call;

	if (thread) {
		if (pp_likely(fd >= 0)) {
			struct pp_io_fd *state;

			if (operation == PP_IO_STDIO_SYS_OPEN || operation == PP_IO_STDIO_POPEN)
				io_life_begin(thread, fd, PP_IO_STREAM, -1, stack_capture(thread->memo, registers),
					      began);
			state = io_fd_get(thread, fd);
			file = state ? state->file : 0;
		} else if (name) {
			file = io_file_named(thread, name);
		}
		call_make(&call, file, operation, asked, result, error, ticks_to_ns(now - began),
			  stack_capture(thread->memo, registers));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

/* Nothing of ours changes errno: it is not even looked at. */
void io_count_stream(enum pp_wire_io_operation operation, int fd, uint64_t bytes, const struct pp_registers *registers)
{
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct io_call call;

	if (pp_unlikely(!thread))
		return;
	state = io_fd_get(thread, fd);
	call_make(&call, state ? state->file : 0, operation, bytes, (int64_t)bytes, 0, 0,
		  stack_capture(thread->memo, registers));
	call_add_untimed(thread, &call);
	hook_leave(thread);
}

void io_count_file(enum pp_wire_io_operation operation, uint64_t file, const struct pp_registers *registers)
{
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct io_call call;

	if (thread) {
		call_make(&call, file, operation, 0, 0, 0, 0, stack_capture(thread->memo, registers));
		call_add_untimed(thread, &call);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_stdio(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
		   const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct pp_io_fd *state;
	struct io_call call;

	if (thread) {
		tell_over(thread);
		state = pp_unlikely(result < 0 && error == EBADF) ? NULL : io_fd_get(thread, fd);
		call_make(&call, state ? state->file : 0, operation, asked, result, error, ticks_to_ns(now - began),
			  stream_stack(stack_capture(thread->memo, registers)));
		if (state && result >= 0 && is_data(operation)) {
			call_judge(&call, state, fd, operation, IO_AT_POSITION);
			call_pass(thread, &call, state, is_write(operation));
		}
		if (state && result >= 0 && operation == PP_IO_STDIO_SYS_SEEK)
			seek_judge(&call, state, result, false);
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}

void io_tell_stdio_close(uint64_t began, uint64_t file, int64_t result, const struct pp_registers *registers)
{
	uint64_t now = io_ticks();
	int error = errno;
	struct pp_thread *thread = tell_enter();
	struct io_call call;

	if (thread) {
		call_make(&call, file, PP_IO_STDIO_SYS_CLOSE, 0, result, error, ticks_to_ns(now - began),
			  stream_stack(stack_capture(thread->memo, registers)));
		call_add(thread, &call, now);
		hook_leave(thread);
	}
	errno = error;
}
