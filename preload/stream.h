/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of stdio, from the two sides on which they are seen.
 *
 * Above: what the program asks of stdio. A hook of such a call is
 *
 *	struct pp_stream_call call;
 *	bool seen = stream_begin(&call, stream);
 *	result = the real function
 *	if (seen)
 *		stream_tell(&call, operation, stream, asked, got, &registers);
 *
 * and where the stream's pointers say beforehand that its buffer alone will serve the call (a character that is there, 16
 * bytes for which there is room), without a clock: stream_count. A call that was foretold wrongly, because another thread
 * was faster, is counted right all the same; only its time is not known.
 *
 * Below: the system calls that stdio makes of it. libc makes them by a table of functions that each stream has (its
 * vtable), and those of files end in four functions that libc exports: read, write, seek and close. stream_watch puts ours in
 * front of these in libc's tables. That is the one way to see them exactly, the flush at exit and what getpwnam reads
 * included: from a stream's pointers before and after a call follow bytes, but not into how many calls they went.
 *
 * Nothing is held across a real call: all of them may block, be cancelled or be jumped out of, and run the program's own
 * functions (fopencookie), whose calls are counted as what they are. Any thread. errno is the real call's.
 */
#ifndef PREPROF_STREAM_H
#define PREPROF_STREAM_H

#include "io.h"

#include <bits/types/FILE.h>
#include <bits/types/struct_FILE.h>

/* Of _flags; not in a public header, and the same since glibc 2.1. */
#define STREAM_END	 0x0010
#define STREAM_ERROR	 0x0020
#define STREAM_IN_BACKUP 0x0100
#define STREAM_IS_FILE	 0x2000

extern FILE *stdin, *stdout;

/* A call from before it on. */
struct pp_stream_call {
	uint64_t began;
	uint64_t available;  /* bytes in the stream's buffer, pushed back ones included */
	uint64_t read_bytes; /* that stdio had read in this thread */
};

/* The system calls of stdio in this process, from now on. Once; guard held. */
void stream_watch(void);
/* The stack of a system call that stdio made: that of its hook's caller, where libc was called by a hook. */
uint32_t stream_stack(uint32_t stack);
/* A close of this stream passes by us below. */
bool stream_close_is_seen(const FILE *stream);

static inline int stream_fd(const FILE *stream)
{
	return stream && stream->_flags & STREAM_IS_FILE ? stream->_fileno : -1;
}

static inline uint64_t stream_available(const FILE *stream)
{
	uint64_t bytes = (uint64_t)(stream->_IO_read_end - stream->_IO_read_ptr);

	if (stream->_flags & STREAM_IN_BACKUP) /* the buffer itself waits behind what was pushed back */
		bytes += (uint64_t)(stream->_IO_save_end - stream->_IO_save_base);
	return bytes;
}

/* Does the session record, and is it a stream of a descriptor? Then its pointers may be relied on. */
static inline bool stream_is_quick(const FILE *stream)
{
	return pp_session.state == PP_STATE_ON && pp_session.settings.io && pp_session.settings.stdio && stream && stream->_flags & STREAM_IS_FILE &&
	       stream->_fileno >= 0;
}

static inline bool stream_holds(const FILE *stream, uint64_t bytes)
{
	return (uint64_t)(stream->_IO_read_end - stream->_IO_read_ptr) >= bytes &&
	       stream->_IO_read_end >= stream->_IO_read_ptr;
}

/* Of a stream that is flushed at line ends, or not buffered, the end is where the pointer is. */
static inline bool stream_has_room(const FILE *stream, uint64_t bytes)
{
	return stream->_IO_write_end > stream->_IO_write_ptr &&
	       (uint64_t)(stream->_IO_write_end - stream->_IO_write_ptr) >= bytes;
}

/* false: this call is not recorded. */
static inline bool stream_begin(struct pp_stream_call *call, const FILE *stream)
{
	const struct pp_thread *thread = pp_tls.thread;

	if (pp_likely(!pp_session.settings.stdio))
		return false;
	call->began = io_begin();
	if (!call->began || pp_unlikely(!stream))
		return false;
	call->available = stream_available(stream);
	call->read_bytes = thread ? thread->stdio_read_bytes : 0;
	return true;
}

/* After the call. got: bytes; below 0: it failed, with errno. */
void stream_tell(const struct pp_stream_call *call, enum pp_wire_io_operation operation, const FILE *stream,
		 uint64_t asked, int64_t got, const struct pp_registers *registers);

static inline void stream_count(enum pp_wire_io_operation operation, const FILE *stream, uint64_t bytes,
				const struct pp_registers *registers)
{
	io_count_stream(operation, stream->_fileno, bytes, registers);
}

/* What a reading call without a result has got: nothing at the end of the file, or it failed. */
static inline int64_t stream_nothing(const FILE *stream)
{
	return stream->_flags & STREAM_ERROR ? -1 : 0;
}

static inline bool stream_ended(const FILE *stream)
{
	return stream->_flags & (STREAM_END | STREAM_ERROR);
}

/* Bytes that were taken out of the buffer and of what came into it meanwhile; UINT64_MAX: another thread was at it, or
 * nobody can say (no file: what its functions brought has not passed by us). */
uint64_t stream_consumed(const struct pp_stream_call *call, const FILE *stream);

#endif
