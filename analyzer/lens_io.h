/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io lens: one process's I/O calls by stack, file, operation and errno. They come summed up, in records and from
 * the entries in the shared memory; order does not matter to it. What an entry holds is taken at any time, and what its
 * record says later is counted less what was taken of it: `taken` keeps that for each thread.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_LENS_IO_H
#define PREPROF_LENS_IO_H

#include "bins.h"
#include "io_descriptors.h"
#include "longest.h"
#include "table.h"

#include "preprof/wire.h"

/* Counts by bucket, sorted. */
struct pp_io_cells {
	struct pp_io_cell *cells;
	uint32_t count, capacity;
};

struct pp_io_site_state {
	uint64_t file; /* as in the stream */
	uint32_t stack;
	uint32_t operation, error;
	uint64_t call_count, asked_bytes, got_bytes, ns, max_ns;
	uint64_t sequential_count, strided_count;
	uint64_t reread_bytes, aligned512_count, aligned4096_count;
	struct pp_io_cells sizes, latencies;
	struct pp_sum_series series; /* calls, bytes, ns */
};

/* `ns` comes first: see longest.h. */
struct pp_io_slow_state {
	uint64_t ns, file, asked_bytes, got_bytes, end_ns;
	uint32_t thread, stack, operation, error;
};

/* What was taken of a thread's entries. */
struct pp_io_taken {
	struct pp_wire_io_entry *entries[PP_WIRE_IO_ENTRIES]; /* NULL: nothing, of that fill */
	uint32_t fills[PP_WIRE_IO_ENTRIES]; /* of what was taken last, or will be next: what came before it is told */
};

/* Of a thread: its totals, and what was taken of its entries. */
struct pp_io_thread {
	uint64_t call_count, read_bytes, written_bytes, ns;
	uint64_t stdio_call_count, stdio_read_bytes, stdio_written_bytes, stdio_ns;
	uint64_t kind_ns[PP_WAIT_KINDS];
	/* The call that it was in at the last look, and for how long; nothing of it is in the figures above. */
	uint32_t open_operation, open_stack;
	uint64_t open_ns; /* 0: in none */
	struct pp_io_taken *taken; /* NULL: nothing was taken or told */
};

#define PP_IO_SITE_LIMIT (1U << 22) /* further ones are counted with the first */
#define PP_IO_SLOW_LIMIT 1000

struct pp_io_lens {
	struct pp_io_site_state *sites;
	uint32_t site_count, site_capacity;
	struct pp_table site_of; /* hash of the four to index + 1 of the first; then by probing */
	struct pp_io_thread *threads;
	uint32_t thread_count, thread_capacity;
	struct pp_longest slow; /* struct pp_io_slow_state, up to PP_IO_SLOW_LIMIT */
	struct pp_io_lives lives;
	struct pp_bin_clock *clock;
};

/* Counts `count` more in a bucket. */
void io_cells_add(struct pp_io_cells *cells, uint32_t bucket, uint64_t count);
void io_cells_fit(struct pp_io_cells *cells); /* no more will be counted */

void io_lens_init(struct pp_io_lens *lens, struct pp_bin_clock *clock);
void io_lens_finish(struct pp_io_lens *lens);

/* What a record says, as an entry: index is its number in the thread's page, PP_IO_NO_ENTRY where it has none.
 * false: it makes no sense. */
bool io_lens_told(struct pp_io_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_io_entry *entry,
		  uint64_t time_ns);
/* What an entry in the shared memory holds, copied whole. */
bool io_lens_take(struct pp_io_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_io_entry *entry,
		  uint64_t time_ns);
/* A thread is in this call, since so long; 0: in none. */
void io_lens_open(struct pp_io_lens *lens, uint32_t thread, uint32_t operation, uint32_t stack, uint64_t ns);
void io_lens_thread_end(struct pp_io_lens *lens, uint32_t thread); /* all that it did is told */
/* Before all that are in a call are told anew: who was in one at the look before may have ended since. */
void io_lens_open_none(struct pp_io_lens *lens);
void io_lens_slow(struct pp_io_lens *lens, const struct pp_io_slow_state *call);
/* No more calls will come: what sites and threads do not need is given back. The slowest and the lives stay. */
void io_lens_close(struct pp_io_lens *lens);
void io_lens_fold(struct pp_io_lens *lens); /* the bin width has doubled */

#endif
