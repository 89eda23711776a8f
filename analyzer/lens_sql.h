/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sql lens: one process's executions of statements by stack, statement, database and outcome, its other calls of
 * SQLite, and its transactions. They come summed up as I/O calls do (lens_io.h): in records, and from entries in the
 * shared memory, of which `taken` keeps what was counted already.
 *
 * A site keeps the stream's number of its text while that is all that is known of it, and its statement from the moment
 * that the text has come: texts that differ only in literals are then one site.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_LENS_SQL_H
#define PREPROF_LENS_SQL_H

#include "bins.h"
#include "lens_io.h"
#include "sql_texts.h"
#include "table.h"

#include "preprof/wire.h"

/* What names a site. */
struct pp_sql_key {
	uint32_t statement; /* index; PP_SQL_BY_NUMBER | number: its text has not come yet; PP_NONE: none */
	uint32_t database;  /* as in the stream */
	uint32_t stack;
	uint8_t operation, result;
	uint16_t flags;
};
_Static_assert(sizeof(struct pp_sql_key) == 16, "hashed as two words");
#define PP_SQL_BY_NUMBER (UINT32_C(1) << 31)

struct pp_sql_site_state {
	struct pp_sql_key key;
	uint64_t count, prepare_count, row_count, step_count;
	uint64_t ns, max_ns, nested_ns, prepare_ns;
	uint64_t fullscan_steps, vm_steps, sort_count, autoindex_rows;
	uint64_t read_bytes, written_bytes, busy_ns, sync_ns;
	uint64_t busy_count, busy_wait_count, sync_count, reprepare_count;
	struct pp_io_cells latencies;
	struct pp_sum_series series; /* executions, rows, ns */
};

struct pp_sql_transaction_state {
	uint32_t database, outcome, begin_stack, end_stack;
	uint64_t count, statement_count, write_count, max_statement_count;
	uint64_t sync_count, sync_ns, read_bytes, written_bytes;
	uint64_t ns, max_ns;
	uint64_t begin_ns, end_ns; /* of the stream's clock; of the first one and the last one */
};

/* Of this and the next two the longest are kept: `ns` comes first, see longest.h. */
struct pp_sql_slow_state {
	uint64_t ns;
	struct pp_sql_key key;
	uint32_t thread;
	uint64_t end_ns, row_count, fullscan_steps, busy_ns, sync_ns;
};

/* A lock that was held for long, and a wait for one. */
struct pp_sql_hold_state {
	uint64_t ns;
	uint32_t database, lock, stack, end_stack;
	uint32_t long_statement, long_stack; /* the longest statement meanwhile, as in pp_sql_key */
	uint32_t connection, thread;
	uint64_t end_ns, inside_ns, long_ns;
};

struct pp_sql_wait_state {
	uint64_t ns;
	struct pp_sql_key key;
	uint32_t connection, thread;
	uint64_t end_ns;
};

/* Of a database, by the stream's number. */
struct pp_sql_cache_state {
	bool known;
	uint64_t hits, misses, writes, spills;
};

/* What was taken of a thread's entries: as struct pp_io_taken. */
struct pp_sql_taken {
	struct pp_wire_sql_entry *entries[PP_WIRE_SQL_ENTRIES];
	uint32_t fills[PP_WIRE_SQL_ENTRIES];
};

#define PP_SQL_SITE_LIMIT	 (1U << 20) /* further ones are counted with the first */
#define PP_SQL_TRANSACTION_LIMIT (1U << 16) /* likewise */
#define PP_SQL_SLOW_LIMIT	 1000

struct pp_sql_lens {
	struct pp_sql_site_state *sites;
	uint32_t site_count, site_capacity;
	struct pp_table site_of; /* hash of the key to index; then by probing */
	struct pp_sql_transaction_state *transactions;
	uint32_t transaction_count, transaction_capacity;
	struct pp_table transaction_of;
	struct pp_sql_taken **taken; /* by thread; NULL: nothing was taken or told */
	uint32_t taken_count, taken_capacity;
	struct pp_sql_cache_state *caches;
	uint32_t cache_count, cache_capacity;
	struct pp_longest slow, holds, waits; /* struct pp_sql_slow_state and so on, up to PP_SQL_SLOW_LIMIT each */
	struct pp_sql_numbers numbers;
	struct pp_bin_clock *clock;
};

void sql_lens_init(struct pp_sql_lens *lens, struct pp_bin_clock *clock);
void sql_lens_finish(struct pp_sql_lens *lens);

/* The index of what a site or one of the longest names: what has come of its number by now. PP_NONE: nothing has. */
uint32_t sql_lens_statement(const struct pp_sql_lens *lens, uint32_t statement);

/* What a record says, as an entry: index is its number in the thread's page, PP_SQL_NO_ENTRY where it has none.
 * false: it makes no sense. */
bool sql_lens_told(struct pp_sql_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_sql_entry *entry,
		   uint64_t time_ns);
/* What an entry in the shared memory holds, copied whole. */
bool sql_lens_take(struct pp_sql_lens *lens, uint32_t thread, uint32_t index, const struct pp_wire_sql_entry *entry,
		   uint64_t time_ns);
void sql_lens_thread_end(struct pp_sql_lens *lens, uint32_t thread); /* all that it did is told */
/* One transaction: its counts are those of one. */
void sql_lens_transaction(struct pp_sql_lens *lens, const struct pp_sql_transaction_state *transaction);
void sql_lens_cache(struct pp_sql_lens *lens, uint32_t database, const struct pp_sql_cache_state *since);
void sql_lens_slow(struct pp_sql_lens *lens, const struct pp_sql_slow_state *execution);
void sql_lens_hold(struct pp_sql_lens *lens, const struct pp_sql_hold_state *hold);
void sql_lens_wait(struct pp_sql_lens *lens, const struct pp_sql_wait_state *wait);
/* No more will come: whatever names a statement by its number names it by its index now, and what only the numbers' coming
 * needed is given back. */
void sql_lens_close(struct pp_sql_lens *lens);
void sql_lens_fold(struct pp_sql_lens *lens); /* the bin width has doubled */

#endif
