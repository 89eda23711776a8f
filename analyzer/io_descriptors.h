/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lives of one process's descriptors: those that have ended, as they were told, and those that lie in the shared
 * memory, as they were at the last look. Of the ended ones those that moved most are kept, the others are counted.
 *
 * One owner; not thread-safe. Zeroed storage is valid, and empty.
 */
#ifndef PREPROF_IO_DESCRIPTORS_H
#define PREPROF_IO_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "preprof/wire.h"

#define PP_IO_LIVES_KEPT 4096

struct pp_io_life {
	uint64_t file;		      /* as in the stream */
	uint64_t opened_ns, ended_ns; /* CLOCK_MONOTONIC; ended_ns PP_UNKNOWN: it has not */
	uint64_t calls[2], bytes[2], reread_bytes, read_to;
	uint32_t serial, stack, thread, flags, used; /* thread: serial; used: as in the row */
	int32_t number, from;
	uint8_t origin, end, kind; /* end 0: it has not ended */
	bool deleted;
};

struct pp_io_lives {
	struct pp_io_life *ended, *open; /* ended: a heap, what moved least first */
	uint32_t ended_count, ended_capacity, open_count, open_capacity;
	uint64_t left_out_count;
	uint32_t *told; /* by number, the serial that was told last; 0: none was */
	uint32_t told_count;
};

void io_lives_finish(struct pp_io_lives *lives);

/* A row's life, copied from hostile memory. false: it makes no sense. */
bool io_life_decode(struct pp_io_life *life, const struct pp_wire_io_descriptor *row, uint32_t number);
/* One that was told: it has ended. */
void io_lives_add(struct pp_io_lives *lives, const struct pp_io_life *life);
/* Before a look at the shared memory, and for each row there: what has not ended. */
void io_lives_look(struct pp_io_lives *lives);
void io_lives_see(struct pp_io_lives *lives, const struct pp_io_life *life);

#endif
