/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX's asynchronous I/O. libc makes these calls in threads of its own; a request is counted where the program takes its
 * result (aio_return), with what it moved, and no time: nobody waited there. What it was is in the block, where libc has put
 * it. A request whose result is never taken is not counted, lio_listio's as little as others. aio_suspend is a wait, and so is lio_listio that
 * is to wait (LIO_WAIT); one that is not asks for work, and takes none of its results.
 */
#include "life.h"
#include "resolve.h"
#include "wait.h"

#include <aio.h>
#include <errno.h>

#define OPERATION_BITS 127 /* glibc marks the 64-bit form above */

#define FUNCTIONS(X) X(aio_return) X(aio_return64) X(aio_suspend) X(aio_suspend64) X(lio_listio)         \
	X(lio_listio64)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_aio_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* All were found at the start; for a constructor that comes before ours they are found one by one. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

static enum pp_wire_io_operation operation_of(int opcode)
{
	switch (opcode & OPERATION_BITS) {
	case LIO_READ:
		return PP_IO_PREAD;
	case LIO_WRITE:
		return PP_IO_PWRITE;
	default:
		return PP_IO_FSYNC;
	}
}

/* The block is the program's again: it is read before. */
#define RETURN_HOOK(name, type)                                                                                        \
	PP_HOOK ssize_t name(struct type *block)                                                                       \
	{                                                                                                              \
		struct type request = *block;                                                                          \
		ssize_t result = REAL(name)(block);                                                                    \
		uint64_t began = io_begin();                                                                           \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			enum pp_wire_io_operation operation = operation_of(request.aio_lio_opcode);                    \
			int error = errno;                                                                             \
                                                                                                                       \
			errno = request.__error_code;                                                                  \
			io_tell(began, operation, request.aio_fildes, request.aio_nbytes, result,                      \
				operation == PP_IO_FSYNC ? IO_NO_OFFSET : request.aio_offset, &registers);             \
			errno = error;                                                                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}

RETURN_HOOK(aio_return, aiocb)
RETURN_HOOK(aio_return64, aiocb64)

WAIT_HOOK(int, aio_suspend, (const struct aiocb *const list[], int count, const struct timespec *restrict timeout),
	  (list, count, timeout), PP_IO_ASYNC, ERROR_OF_ERRNO)
WAIT_HOOK(int, aio_suspend64, (const struct aiocb64 *const list[], int count, const struct timespec *restrict timeout),
	  (list, count, timeout), PP_IO_ASYNC, ERROR_OF_ERRNO)

#define LIST_HOOK(name, type)                                                                                          \
	PP_HOOK int name(int mode, struct type *const list[restrict], int count, struct sigevent *restrict event)      \
	{                                                                                                              \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		struct pp_wait began = {0};                                                                            \
		int result;                                                                                            \
                                                                                                                       \
		if (mode == LIO_WAIT)                                                                                  \
			began = wait_begin(PP_IO_ASYNC, &registers);                                                   \
		result = REAL(name)(mode, list, count, event);                                                         \
		wait_tell(&began, PP_IO_ASYNC, ERROR_OF_ERRNO);                                                        \
		return result;                                                                                         \
	}

LIST_HOOK(lio_listio, aiocb)
LIST_HOOK(lio_listio64, aiocb64)
