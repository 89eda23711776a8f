/* SPDX-License-Identifier: Apache-2.0 */
/* I/O operations and files in words, and which operations belong together. Constants: any thread. */
#ifndef PREPROF_IO_OPERATION_H
#define PREPROF_IO_OPERATION_H

#include "profile.h"

/* What reports add up. The first four move bytes. */
enum pp_io_group {
	PP_IO_GROUP_NONE, /* no operation that this version knows */
	PP_IO_GROUP_READ,
	PP_IO_GROUP_WRITE,
	PP_IO_GROUP_RECV,
	PP_IO_GROUP_SEND,
	PP_IO_GROUP_OPEN,
	PP_IO_GROUP_CLOSE,
	PP_IO_GROUP_SEEK,
	PP_IO_GROUP_SYNC,
	PP_IO_GROUP_CONNECT, /* accept, connect */
	PP_IO_GROUP_OTHER,
	/* What programs ask of stdio: apart from the above, which have the system calls that come of it. */
	PP_IO_GROUP_STDIO_READ,
	PP_IO_GROUP_STDIO_WRITE,
	PP_IO_GROUP_STDIO_OPEN,
	PP_IO_GROUP_STDIO_CLOSE,
	PP_IO_GROUP_STDIO_SEEK,
	PP_IO_GROUP_STDIO_FLUSH,
	PP_IO_GROUP_STDIO_OTHER,
	PP_IO_GROUP_METADATA,
	PP_IO_GROUP_WAIT, /* no I/O: reports show it apart */
	PP_IO_GROUPS,
};

#define PP_IO_NUMBERS 256 /* operations and kinds have numbers below */

enum pp_io_group io_operation_group(uint32_t operation);
bool io_operation_is_half(uint32_t operation);	/* of a call that moves bytes: the other half is the call */
bool io_operation_is_stdios(uint32_t operation);	/* a system call that stdio makes of what it is asked */
bool io_operation_has_place(uint32_t operation); /* its place in the file is judged: sequential or not */
bool io_operation_asks(uint32_t operation); /* about what a name stands for, and changes nothing */
const char *io_operation_name(uint32_t operation); /* "read"; "operation 77" is "unknown" */
const char *io_group_name(enum pp_io_group group);  /* "read" */
/* How a descriptor came to be, and to its end; numbers of wire.h. */
const char *io_origin_name(uint32_t origin);
const char *io_end_name(uint32_t end);
bool io_origin_makes(uint32_t origin); /* not one that was found open */
bool io_end_is_closing(uint32_t end);
const char *io_life_kind_name(uint32_t kind, uint32_t origin); /* of one that was never looked at (kind 0), by what made it */
const char *io_kind_name(uint32_t kind);	   /* file pipe socket tty device other */
bool io_kind_has_offsets(uint32_t kind);	   /* can be read out of order */

static inline bool io_group_moves(enum pp_io_group group)
{
	return (group >= PP_IO_GROUP_READ && group <= PP_IO_GROUP_SEND) || group == PP_IO_GROUP_STDIO_READ ||
	       group == PP_IO_GROUP_STDIO_WRITE;
}

static inline bool io_group_is_stdio(enum pp_io_group group)
{
	return group >= PP_IO_GROUP_STDIO_READ && group <= PP_IO_GROUP_STDIO_OTHER;
}

/* Its time is time in which the thread may be blocked: what is asked of stdio has system calls of its own for that, but where
 * it waits for a child. */
bool io_operation_blocks(uint32_t operation);
uint32_t io_first_wait(void); /* operations from this number on are waits */
/* What a thread does in a call of this operation, as far as it does not compute. */
enum pp_wait_kind io_operation_kind(uint32_t operation);
const char *wait_kind_name(enum pp_wait_kind kind); /* "condition" */

/* A latency's bucket, as profile's cells have it: its least duration, and the first that is above it. */
uint64_t io_latency_low(uint32_t bucket);

/* The duration below which `percent` of the calls in the cells lie, interpolated in its bucket, and not above `max_ns`;
 * PP_UNKNOWN: no calls. */
uint64_t io_latency_percentile(const struct pp_io_cell *cells, uint32_t count, double percent, uint64_t max_ns);

#endif
