/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile of one process tree: plain structs, the only thing that recording, rules and reports see.
 * Nothing here knows how a record was made or how a stack was taken.
 *
 * Lists are arrays with a count; they refer to one another by index, PP_NONE where there is nothing. All that a
 * profile points to belongs to its arena and lives as long as it. Times are nanoseconds of CLOCK_MONOTONIC since
 * the start of the tree's first process, unless the name says otherwise. A metric that was not measured is
 * PP_UNKNOWN, never 0.
 */
#ifndef PREPROF_PROFILE_H
#define PREPROF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PP_NONE	   UINT32_MAX
#define PP_UNKNOWN UINT64_MAX

#define PP_HISTOGRAM_BUCKETS 65
/* Powers of two: bucket 0 holds the value 0, bucket i the values [2^(i-1), 2^i). */
struct pp_histogram {
	uint64_t counts[PP_HISTOGRAM_BUCKETS];
};

struct pp_exit {
	bool known;
	int32_t code;	/* -1 when ended by a signal */
	int32_t signal; /* 0 when ended by itself */
};

/* Totals of the mem family, of one process. */
struct pp_mem_totals {
	uint64_t allocation_count, free_count;
	uint64_t allocated_bytes, freed_bytes;
	uint64_t live_bytes, live_count;
	uint64_t peak_bytes, peak_at_ns;
	uint64_t temporary_count;
	uint64_t realloc_count, realloc_moved_count;
	uint64_t failed_count, unknown_free_count, inherited_free_count;
	uint64_t mapping_count, mapped_bytes, mapping_peak_bytes; /* mmap, brk and their like */
	struct pp_histogram sizes;				  /* bytes asked for */
	struct pp_histogram lifetimes;				  /* nanoseconds, of freed blocks */
};

_Static_assert(sizeof(struct pp_mem_totals) % sizeof(uint64_t) == 0, "words that can be packed");

/* Why something is missing: counts by cause, index enum pp_wire_skip; the names are in coverage.c. */
#define PP_PROFILE_SKIPS 24

struct pp_process {
	uint32_t id; /* unique in the recording, from 1 */
	int32_t pid;
	uint32_t parent; /* index, PP_NONE for the first */
	uint32_t origin; /* enum pp_wire_image_origin */
	const char *executable;
	const char *const *command; /* NULL-terminated */
	uint64_t start_ns, end_ns;  /* end_ns PP_UNKNOWN while running */
	struct pp_exit exit;
	uint64_t user_ns, system_ns, max_rss_bytes;
	uint64_t cpu_ns; /* the process's own CPU clock, as far as it was recorded: not before a DELAY, after a stop and so on */
	uint64_t sample_period_ns;
	uint64_t sample_count, sampled_ns; /* weights included */
	uint64_t event_count, lost_count;
	uint64_t dropped_frames;
	uint64_t overhead_bytes;
	uint64_t skipped[PP_PROFILE_SKIPS];
	uint32_t not_observed;	 /* enum pp_wire_not_observed */
	const char *stop_reason; /* NULL: profiled to its end */
	bool complete;		 /* every event up to the end was received */
	uint32_t python_version; /* PY_VERSION_HEX; 0: no interpreter was met. Before 3.11 without its last digit */
	uint64_t python_merge_count, python_matched_count; /* stacks put together with Python frames; those without a doubt */
	struct pp_mem_totals mem;
	bool io_recorded; /* I/O calls were recorded, whether or not there was one */
	bool sql_recorded; /* likewise of SQLite's calls */
	/* What the kernel counts of the read and write families of calls, less what was preprof's own; not of children. */
	uint64_t kernel_read_bytes, kernel_write_bytes;
	bool kernel_sampled; /* by the last look of the analyzer's at a process that runs, or was killed: it may have done more */
	uint32_t descriptor_limit; /* RLIMIT_NOFILE, soft; 0: not known; UINT32_MAX: so many or more */
	uint64_t kernel_sampled_ns; /* when that was; PP_UNKNOWN where not so */
};

/* What a thread may be doing while it does not compute. */
enum pp_wait_kind {
	PP_WAIT_READ_WRITE,
	PP_WAIT_SOCKET, /* send, recv, accept, connect */
	PP_WAIT_FILE,	/* everything else about files: open, close, sync, metadata */
	PP_WAIT_POLL,
	PP_WAIT_SLEEP,
	PP_WAIT_LOCK,
	PP_WAIT_CONDITION, /* conditions, semaphores, barriers, futexes, queues */
	PP_WAIT_JOIN,
	PP_WAIT_CHILD,
	PP_WAIT_SIGNAL,
	PP_WAIT_INTERPRETER_LOCK,
	PP_WAIT_KINDS,
};

struct pp_thread {
	uint32_t process; /* index */
	int32_t tid;
	uint32_t serial; /* in its process, from 1 */
	const char *name;
	uint64_t start_ns, end_ns;
	uint64_t sample_count, sampled_ns; /* sample_count: weights included */
	uint64_t cpu_ns;		   /* the thread's own CPU clock; PP_UNKNOWN where it was never read */
	uint64_t event_count;
	uint64_t allocation_count, allocated_bytes, free_count, freed_bytes;
	uint64_t live_bytes, live_count; /* of blocks that this thread allocated, whoever freed them */
	uint64_t temporary_count;
	uint64_t python_ns, gil_ns; /* sampled as a thread of Python's, and with the interpreter's lock */
	uint64_t gil_wait_ns, gil_wait_count; /* waits for that lock */
	uint64_t io_call_count, io_read_bytes, io_written_bytes, io_ns; /* recv and send included, stdio's own too */
	uint64_t stdio_call_count, stdio_read_bytes, stdio_written_bytes, stdio_ns; /* what was asked of stdio */
	uint64_t blocked_ns[PP_WAIT_KINDS]; /* in such calls, less the CPU time sampled in them; the one it is in included */
	uint64_t run_delay_ns; /* ready to run, without a processor: the kernel's count. PP_UNKNOWN: not known */
};

struct pp_module {
	const char *path;
	const char *build_id; /* hexadecimal; "" where there is none */
	bool interpreter;     /* a Python interpreter lies in it */
	bool own;	      /* its user may have written it: see module_is_own() */
	int32_t pid;	      /* of the process that made this code at run time; 0: it is a file. Not recorded. */
	int32_t root_pid;     /* the same process as /proc has it here. Not recorded. */
};

enum pp_language { PP_LANGUAGE_NATIVE = 0, PP_LANGUAGE_PYTHON = 1 };

/* One line of a stack as shown. function NULL: unknown, then module + offset is all there is. */
struct pp_frame {
	const char *function;
	const char *file;
	uint32_t line;
	uint32_t module; /* index or PP_NONE */
	uint64_t offset; /* ELF virtual address in the module, of the call or instruction; of Python the function's first line */
	uint8_t language;
	bool inlined;
	uint64_t entry; /* as offset, of the first instruction of a function without a name; 0: not known */
	bool interpreter; /* Python's own: shown where it is asked for */
};

/* A distinct code address; its frames[first_frame .. + frame_count) are innermost first. */
struct pp_address {
	uint32_t module;
	uint32_t first_frame;
	uint32_t frame_count;
	uint64_t offset; /* where `python`: index of profile.places */
	bool python;	 /* a place in Python source */
};

/* Until symbols are filled in; not recorded. */
struct pp_source_place {
	const char *function, *file;
	uint32_t line, first_line;
};

/* The call tree of the whole recording: node 0 is the root (address PP_NONE), every other node has a parent with a
 * smaller index. A stack is named by its innermost node. */
struct pp_node {
	uint32_t parent;
	uint32_t address;
	bool truncated; /* frames outside this one are missing */
};

/* Metrics by time: bin * profile.bin_ns is its start. Sorted, only bins in which something happened. */
struct pp_mem_bin {
	uint32_t bin;
	uint64_t allocation_count, allocated_bytes, free_count, freed_bytes; /* by the time of the event */
};
struct pp_cpu_bin {
	uint32_t bin;
	uint64_t sample_count;
};

struct pp_mem_site {
	uint32_t process;
	uint32_t node; /* 0: stack unknown */
	uint64_t allocation_count, allocated_bytes;
	uint64_t live_count, live_bytes;
	uint64_t peak_bytes, peak_count; /* at the process's peak */
	uint64_t max_live_bytes;	 /* the site's own maximum */
	uint64_t temporary_count;
	uint64_t failed_count;
	uint64_t mapping_count, mapped_bytes; /* mmap and its like at this stack: apart from the above */
	uint64_t
		allocated_error_bytes; /* HEAP=sampled: standard error of allocated_bytes; PP_UNKNOWN: they are exact */
	uint32_t bin_count;
	const struct pp_mem_bin *bins;
};

struct pp_cpu_site {
	uint32_t process;
	uint32_t thread; /* index */
	uint32_t node;
	uint64_t sample_count; /* weights included */
	uint64_t sampled_ns;
	uint32_t bin_count;
	const struct pp_cpu_bin *bins;
};

/* Waits for the Python interpreter's lock from one stack. */
struct pp_gil_site {
	uint32_t process;
	uint32_t node; /* 0: stack unknown */
	uint64_t wait_count, wait_ns, max_ns;
};

/* How often a bucket was met; sorted, only those that were. Sizes: those of struct pp_histogram. Latencies: those of
 * io_operation.h, at most 3.2 % wide. */
#define PP_IO_LATENCY_BUCKETS 1920
struct pp_io_cell {
	uint32_t bucket;
	uint64_t count;
};

/* Three sums of what was told in one bin of time, at most 20 ms after it was over; of what, its owner knows. */
struct pp_sum_bin {
	uint32_t bin;
	uint64_t sums[3];
};

/* What descriptors led to. */
struct pp_io_file {
	const char *path; /* as the kernel names it; of a socket its address. NULL: unknown */
	uint32_t kind;	  /* enum pp_wire_io_kind, 0: unknown */
	uint64_t readable_bytes; /* so many different ones it has had to offer, before what the tree wrote; PP_UNKNOWN */
};

#define PP_IO_DESCRIPTOR_LIMIT 8192

/* A descriptor from its making to its end. */
struct pp_io_descriptor {
	uint32_t process, thread; /* thread: that made it, or met it first; PP_NONE: not known */
	uint32_t node; /* that made it; 0: not known */
	uint32_t file; /* PP_NONE: it was never used */
	int32_t number, from; /* from: the number that it was duplicated from, or -1 */
	uint32_t serial; /* in its process, in the order of their making */
	uint32_t origin; /* enum pp_wire_io_origin */
	uint32_t end;	 /* enum pp_wire_io_end; 0: it was open at the last look */
	uint32_t flags;	 /* open's, as F_GETFL gives them */
	bool deleted;	 /* its file had no name any more when it was closed, or first used */
	uint64_t opened_ns, ended_ns; /* ended_ns PP_UNKNOWN: it was open at the last look */
	uint64_t read_calls, read_bytes, write_calls, write_bytes; /* that succeeded, of any group that moves bytes */
	uint64_t reread_bytes; /* as a site's */
	uint32_t used_serial; /* of the process's newest descriptor when bytes last passed through this one; 0: none have */
};

/* One operation on one file from one stack, with one outcome. */
struct pp_io_site {
	uint32_t process;
	uint32_t node;	/* 0: stack unknown */
	uint32_t file;	/* index, PP_NONE: not known */
	uint32_t operation; /* enum pp_wire_io_operation */
	uint32_t error; /* errno, 0: success */
	uint64_t call_count, asked_bytes, got_bytes;
	uint64_t ns, max_ns;
	uint64_t sequential_count; /* where the call before on the descriptor ended; of seeks: that left the position where it was */
	uint64_t strided_count;	   /* not that, but as far from the one before as that from its own */
	uint64_t reread_bytes;	   /* at places that the process had read before, and not written since: at least */
	uint64_t aligned512_count, aligned4096_count; /* offset and asked size are multiples of these */
	uint32_t size_count, latency_count, bin_count;
	const struct pp_io_cell *sizes, *latencies;
	const struct pp_sum_bin *bins; /* calls, bytes, ns */
};

/* One of the calls that took longest. */
struct pp_io_slow {
	uint32_t process, thread;
	uint32_t node, file, operation, error;
	uint64_t asked_bytes, got_bytes;
	uint64_t ns, end_ns;
};

/* A database as a connection opened it, or that was attached to one. */
struct pp_sql_database {
	const char *path; /* "" in memory or temporary; NULL: unknown */
	uint64_t cache_hits, cache_misses, cache_writes, cache_spills; /* of SQLite's page cache; PP_UNKNOWN: never read */
	const char *journal_mode, *synchronous; /* NULL: not known */
	uint32_t library_version; /* of the SQLite that opened it: 3040001 is 3.40.1; 0: not known. For planning, not recorded */
};

/* A database that was attached to a connection's. Of snapshots, to find out which one a statement is about: not recorded. */
struct pp_sql_attached {
	uint32_t set; /* what was attached together; from 1 */
	uint32_t database;
	const char *name;
};

/* SQL in its normal form: without literals, unless SQL_LITERALS=on. */
struct pp_sql_statement {
	const char *text; /* NULL: it could not be had */
	bool cut;	  /* it was longer than what is kept */
	const char *raw; /* one of the texts of which this is the normal form, as the program wrote it; NULL: not kept. For
			  * planning. Never recorded. */
	/* A hash of the words in it of which only the schema says whether they are names; 0: there are none, or they are not
	 * known. Not recorded. */
	uint64_t doubt;
};

/* How SQLite goes about a statement in a database: of those that read, sort or index much. Made on a copy of the
 * schema, by the analyzer's SQLite. */
struct pp_sql_planned {
	uint32_t statement, database; /* indices */
	const char *plan;    /* lines as EXPLAIN QUERY PLAN's, inner ones indented; NULL: there is none */
	const char *problem; /* why there is none; NULL */
	bool guessed;	     /* functions or collations of the program's were stood in for */
};

enum pp_sql_index_gain { PP_SQL_INDEX_SEARCH = 1, PP_SQL_INDEX_AUTOMATIC = 2, PP_SQL_INDEX_SORT = 3 };

/* An index that was tried on that copy, and changes the plan: each on top of those of the same plan before it. */
struct pp_sql_index {
	uint32_t planned; /* index of sql_planned */
	uint32_t gain;	  /* enum pp_sql_index_gain: a scan becomes a search, SQLite need not make it, a sort goes */
	const char *index; /* CREATE INDEX ... */
	const char *plan;  /* with it */
};

/* Executions of one statement in one database from one stack, with one outcome; or calls of another kind. */
struct pp_sql_site {
	uint32_t process;
	uint32_t node;	    /* 0: stack unknown. Of the first step, or the call */
	uint32_t statement; /* index, PP_NONE: none, or not known */
	uint32_t database;  /* index, PP_NONE: not known */
	uint32_t operation; /* enum pp_wire_sql_operation */
	uint32_t result;    /* SQLite's primary result code; PP_SQL_LEFT */
	uint32_t flags;	    /* enum pp_wire_sql_flag */
	uint64_t execution_count; /* or calls */
	uint64_t row_count, step_count; /* rows: of blob calls bytes, of backup steps pages */
	uint64_t ns, max_ns;	  /* inside the steps; all that follows is of the same time */
	uint64_t nested_ns;	  /* of ns: in steps of statements that this one's functions ran */
	uint64_t prepare_count, prepare_ns, reprepare_count; /* prepare_ns is beside ns */
	uint64_t fullscan_steps, vm_steps, sort_count, autoindex_rows;
	uint64_t read_bytes, written_bytes; /* of files; PP_UNKNOWN where I/O was not recorded, syncs too */
	uint64_t sync_count, sync_ns;
	uint64_t busy_count; /* steps or calls that returned SQLITE_BUSY or SQLITE_LOCKED */
	uint64_t busy_wait_count, busy_ns; /* waits for another's lock, inside ns */
	uint32_t latency_count, bin_count;
	const struct pp_io_cell *latencies; /* of ns, buckets as those of I/O calls */
	const struct pp_sum_bin *bins; /* executions, rows, ns */
	uint32_t attached; /* a set; 0: nothing was. Not recorded */
};

/* Transactions begun by BEGIN or SAVEPOINT, by where they began and ended. */
struct pp_sql_transaction {
	uint32_t process;
	uint32_t node, end_node;
	uint32_t database;
	uint32_t outcome; /* enum pp_wire_sql_outcome */
	uint64_t count;
	uint64_t statement_count, write_count; /* BEGIN and COMMIT not counted */
	uint64_t max_statement_count;
	uint64_t sync_count, sync_ns, read_bytes, written_bytes;
	uint64_t ns, max_ns; /* from the end of BEGIN to the end of COMMIT */
	uint64_t begin_ns, end_ns; /* of the first one the beginning, of the last one the end */
};

/* One of the executions or calls that took longest. */
struct pp_sql_slow {
	uint32_t process, thread;
	uint32_t node, statement, database, operation, result, flags;
	uint64_t row_count, fullscan_steps;
	uint64_t ns, busy_ns, sync_ns, end_ns;
	uint32_t attached; /* as of a site */
};

/* A lock that a connection held on a database for 1 ms and more: one of the longest of its process. */
struct pp_sql_hold {
	uint32_t process, thread; /* that let it go */
	uint32_t node, end_node;  /* where its transaction, or the one statement, began; and ended, 0: not known */
	uint32_t database;
	uint32_t lock; /* enum pp_wire_sql_lock */
	uint32_t statement, long_node; /* the longest of its statements, and where that was; PP_NONE and 0: none */
	uint32_t connection; /* a number, of its process */
	uint64_t ns, end_ns;
	uint64_t inside_ns; /* of its transaction: in steps */
	uint64_t long_ns;
};

/* A wait for another's lock, or (0 ns) a refusal: one of the longest of its process. */
struct pp_sql_wait {
	uint32_t process, thread;
	uint32_t node, statement, database, operation, result, flags;
	uint32_t connection;
	uint32_t attached; /* as of a site */
	uint64_t ns, end_ns; /* of the waiting */
};

#define PP_BIN_LIMIT 1024

struct pp_profile {
	struct pp_arena *arena;
	const char *preprof_version;
	const char *host;
	uint64_t start_unix_ns; /* of the first process */
	uint64_t wall_ns;
	bool running; /* the tree had not ended when this was written */
	bool complete;
	const char *const
		*notes; /* plain sentences of the analyzer's own (refused images, stopped, ...); NULL-terminated */
	uint64_t analyzer_cpu_ns, analyzer_max_rss_bytes;
	uint64_t bin_ns;

	const int *module_files; /* by module, an open descriptor of the trace's or -1; NULL: none. Not recorded. */
	const struct pp_source_place *places; /* of addresses in Python; NULL: none. Not recorded. */
	struct pp_process *processes; /* [0] is the tree's first */
	struct pp_thread *threads;
	struct pp_module *modules;
	struct pp_frame *frames;
	struct pp_address *addresses;
	struct pp_node *nodes;
	struct pp_mem_site *mem_sites;
	struct pp_cpu_site *cpu_sites;
	struct pp_gil_site *gil_sites;
	struct pp_io_file *io_files;
	struct pp_io_site *io_sites;
	struct pp_io_slow *io_slows; /* the slowest first */
	struct pp_io_descriptor *io_descriptors; /* what moved most first */
	uint64_t io_descriptors_left_out; /* lives that are in no row */
	uint32_t io_file_count, io_site_count, io_slow_count, io_descriptor_count;
	struct pp_sql_database *sql_databases;
	struct pp_sql_statement *sql_statements;
	struct pp_sql_site *sql_sites;
	struct pp_sql_transaction *sql_transactions;
	struct pp_sql_slow *sql_slows; /* the slowest first */
	struct pp_sql_hold *sql_holds; /* the longest first */
	struct pp_sql_wait *sql_waits; /* the longest first */
	uint32_t sql_hold_count, sql_wait_count;
	struct pp_sql_attached *sql_attached;
	uint32_t sql_attached_count;
	uint32_t sql_database_count, sql_statement_count, sql_site_count, sql_transaction_count, sql_slow_count;
	struct pp_sql_planned *sql_planned;
	struct pp_sql_index *sql_indexes;
	uint32_t sql_planned_count, sql_index_count;
	const char *sql_planner; /* the version of SQLite that made them; NULL: there are none */
	uint32_t process_count, thread_count, module_count, frame_count, address_count, node_count;
	uint32_t mem_site_count, cpu_site_count, gil_site_count;
};

/* The one frame that stands for all of the library's code where a stack ends in it. */
#define PP_OWN_FRAME "[preprof]"

/* The library itself, wherever it lies. Any thread. */
static inline bool profile_module_is_own(const char *path)
{
	const char *base = path ? strrchr(path, '/') : NULL;

	return path && strcmp(base ? base + 1 : path, "libpreprof.so") == 0;
}

struct pp_profile *profile_create(void);
void profile_destroy(struct pp_profile *profile); /* NULL is legal */
/* One more sentence among its notes, unless it is there; `text` is of the profile's arena, or constant. */
void profile_note_add(struct pp_profile *profile, const char *text);

#endif
