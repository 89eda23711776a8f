/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reports and rules show of a profile: totals over the processes, functions, lines and modules with their self
 * and total time, heap sites merged over the processes. Computed once, then only read.
 *
 * A tree's totals are sums over its processes, its peak is that of its largest process. A function that is on a stack
 * more than once counts once for that stack's total.
 */
#ifndef PREPROF_REPORT_MODEL_H
#define PREPROF_REPORT_MODEL_H

#include "arena.h"
#include "coverage.h"
#include "io_operation.h"
#include "profile.h"

/* Something that CPU time is spent in: a function, a line or a module. */
struct pp_cpu_entry {
	uint32_t frame; /* as profile_frame() takes it: one that stands for all of them */
	uint64_t self_ns, total_ns;
	uint64_t self_count, total_count; /* samples */
	/* Of a function: the frame with the line that takes most of its self time (of its total where it has none), and, where it is
	 * not the user's, the frame of the user's for which it works most of its self time; PP_NONE. */
	uint32_t hot_frame, user_frame;
};

struct pp_node_time {
	uint64_t ns, samples;
};

struct pp_heap_site {
	uint32_t node;	/* of a place: that of the part that allocates most; PP_NONE: of a line */
	uint32_t place; /* of a place */
	uint32_t frame; /* the naming frame, of a place the user's; PP_NONE: the stack is unknown */
	uint64_t allocation_count, allocated_bytes;
	uint64_t live_count, live_bytes;
	uint64_t peak_count, peak_bytes; /* at the tree's peak: of the largest process alone */
	uint64_t max_live_bytes;
	uint64_t temporary_count;
	uint64_t failed_count;
	uint64_t mapping_count, mapped_bytes;
	uint64_t allocated_error_bytes; /* standard error of allocated_bytes; 0 where they are exact */
};

struct pp_cpu_totals {
	uint64_t sample_count, total_ns, period_ns;
	uint64_t own_ns; /* of total_ns: in the library itself */
};

/* Calls and bytes of one group of operations, failed calls included. */
struct pp_io_flow {
	uint64_t call_count, bytes, ns;
};

struct pp_io_totals {
	uint64_t call_count, ns, error_count, max_ns;
	struct pp_io_flow flows[PP_IO_GROUPS];
	uint64_t placed_count, sequential_count, strided_count; /* reads and writes of files that succeeded, and of these */
	uint64_t reread_bytes; /* of the bytes read, at places of a file that had been read before: at least */
	uint64_t aligned512_count, aligned4096_count; /* of placed_count */
	uint64_t opened_count;  /* opens that succeeded */
	uint64_t asked_count, asked_ns; /* metadata calls that only ask: stat, access and their like */
	uint64_t in_place_count; /* seeks that left the position where it was */
	uint64_t missing_count; /* opens and metadata calls of names that are not there */
	uint64_t small_count; /* reads and writes that moved fewer than 512 bytes, failed and empty ones left out */
	/* Of these, the system calls that stdio made. */
	struct pp_io_flow stdios_read, stdios_write;
	uint64_t stdios_small_count;
	/* What was asked of stdio, in none of the above but its own flows. */
	uint64_t stdio_call_count, stdio_ns, stdio_error_count, stdio_max_ns;
	uint64_t stdio_untimed_count; /* of these, calls that the buffer served, which are counted without a clock */
	uint64_t sqlite_count, sqlite_ns; /* of call_count and ns: SQLite's own calls, made inside what was asked of it */
};

/* A file or a stack with all its rows of profile->io_sites. */
struct pp_io_entry {
	uint32_t file;	/* of a file: index, PP_NONE: the unknown ones */
	uint32_t node;	/* of a stack, of a place the stack that takes most time; PP_NONE: of a file or line */
	uint32_t frame; /* of a stack: the naming frame, of a place the user's; PP_NONE: unknown */
	struct pp_io_totals totals;
	struct pp_io_totals judged; /* without SQLite's own: rules of I/O have nothing to say about how it keeps its files */
	const uint32_t *rows; /* indices */
	uint32_t row_count;
};

/* Waits for the Python interpreter's lock from one stack, or at one line. */
struct pp_gil_entry {
	uint32_t node;	/* PP_NONE: of a line */
	uint32_t frame; /* the naming frame; PP_NONE: unknown */
	uint64_t wait_count, wait_ns, max_ns;
};

struct pp_sql_totals {
	uint64_t execution_count, row_count, step_count, ns, max_ns, nested_ns;
	uint64_t prepare_count, prepare_ns, reprepare_count;
	uint64_t fullscan_steps, vm_steps, sort_count, autoindex_rows;
	uint64_t read_bytes, written_bytes, sync_count, sync_ns; /* PP_UNKNOWN: I/O was not recorded */
	uint64_t busy_count, busy_wait_count, busy_ns;
	uint64_t error_count; /* failed preparations included */
	uint64_t left_count, autocommit_count, nested_count; /* of the executions */
};

/* A statement, or another call, by database and stack, with all its rows of profile->sql_sites. */
struct pp_sql_entry {
	uint32_t operation; /* 0: all that is about a statement */
	uint32_t statement, database, node;
	uint32_t frame; /* the naming frame; PP_NONE: unknown */
	struct pp_sql_totals totals;
	const uint32_t *rows; /* indices */
	uint32_t row_count;
};

#define PP_BIN_SERIES 5

struct pp_report_model {
	const struct pp_profile *profile;
	struct pp_arena *arena;
	struct pp_coverage *coverage;

	bool has_cpu; /* CPU time was sampled, whether or not a sample came */
	struct pp_cpu_totals cpu;
	struct pp_cpu_entry *functions, *lines, *modules, *languages; /* the largest self time first */
	uint32_t function_count, line_count, module_count, language_count;

	bool has_heap; /* allocations were recorded, whether or not there was one */
	struct pp_mem_totals heap;
	uint32_t peak_process;	    /* index, PP_NONE without a peak */
	uint32_t last_image;	    /* index: what the first process had executed when it ended */
	struct pp_heap_site *sites; /* the largest allocated bytes first */
	uint32_t site_count;
	/* The same stacks by what their reader sees of them (report_model_places.c), and by their innermost Python line. */
	struct pp_heap_site *places, *python_lines;
	uint32_t place_site_count, python_line_count;
	uint32_t *place_of, place_count;    /* by node, where a stack of heap or I/O ends there */
	uint32_t *naming_of;		    /* likewise: stack_naming_frame */
	uint32_t *user_of;		    /* likewise: stack_user_frame, by which places are named */
	uint32_t *python_line_of;	    /* by node; PP_NONE: no Python in it */
	const uint32_t *python_line_frames; /* by such a number: one of its frames */
	uint32_t python_line_key_count;

	bool has_io; /* I/O calls were recorded, whether or not there was one */
	bool io_knows_asked;  /* what was asked of stdio is in it, in every process */
	bool io_knows_stdios; /* ... those that stdio makes too, in every process */
	struct pp_io_totals io;
	bool *io_by_sqlite; /* by row of profile->io_sites */
	uint64_t *sqlite_io_ns; /* by process, in these */
	struct pp_io_entry *io_files, *io_sites; /* the longest time first */
	uint32_t io_file_count, io_site_count;
	struct pp_io_entry *io_places, *io_python_lines;
	uint32_t io_place_count, io_python_line_count;
	struct pp_io_totals waits; /* of what is no I/O */
	struct pp_io_entry *wait_sites, *wait_places; /* the longest time first */
	uint32_t wait_site_count, wait_place_count;

	struct pp_gil_entry *gil_sites, *gil_lines; /* the longest time first */
	uint32_t gil_site_count, gil_line_count;

	bool has_sql; /* likewise of SQLite's calls */
	struct pp_sql_totals sql; /* of the statements */
	struct pp_sql_entry *sql_statements, *sql_calls; /* the longest time first */
	uint32_t sql_statement_count, sql_call_count;
	struct pp_sql_transaction *sql_transactions; /* by where they began and ended; the longest time first */
	uint32_t sql_transaction_count;
	uint64_t sql_commit_count, sql_rollback_count, sql_longest_ns; /* of transactions begun by BEGIN or SAVEPOINT */

	uint64_t user_ns, system_ns, max_rss_bytes; /* PP_UNKNOWN where no process says */
	uint64_t least_cpu_ns; /* where some do not say: what is known of them all; else PP_UNKNOWN */
	uint64_t (*bins)[PP_BIN_SERIES];	    /* [bin][enum pp_bin_series] */
	uint32_t bin_count;
};

/* model->bins: the whole tree by time. Live bytes are those at the end of the bin. */
enum pp_bin_series { PP_BIN_SAMPLES, PP_BIN_ALLOCATIONS, PP_BIN_ALLOCATED, PP_BIN_FREED, PP_BIN_LIVE };

struct pp_report_model *report_model_create(const struct pp_profile *profile);
void report_model_destroy(struct pp_report_model *model);

/* Frames by number: those of the profile first, then one for each address that has none (not symbolized). */
struct pp_frame profile_frame(const struct pp_profile *profile, uint32_t frame);
/* What a function without a name is called by. */
static inline uint64_t frame_entry(const struct pp_frame *frame)
{
	return frame->entry ? frame->entry : frame->offset;
}

bool profile_frame_is_own(const struct pp_profile *profile, uint32_t frame); /* PP_OWN_FRAME */

/* Walks a stack, innermost frame first: start with node, then call until false. */
struct pp_stack_walk {
	uint32_t node;
	uint32_t next; /* frame of this node's address */
};
void stack_walk_init(struct pp_stack_walk *walk, uint32_t node);
bool stack_walk_next(const struct pp_profile *profile, struct pp_stack_walk *walk, uint32_t *frame);
bool stack_is_truncated(const struct pp_profile *profile, uint32_t node);

/* The frame that names a heap site with this stack; PP_NONE for the unknown stack. */
uint32_t stack_naming_frame(const struct pp_profile *profile, uint32_t node);
/* The same of a stack that is known to have no Python frame: it need not be walked to its end. */
uint32_t stack_naming_frame_native(const struct pp_profile *profile, uint32_t node);

bool frame_is_users(const struct pp_profile *profile, uint32_t frame); /* who reads the report may have written it */
/* The innermost frame that the user may have written; where there is none, the innermost Python one, else the innermost outside
 * libc and its like, else stack_naming_frame's. *called: what was called there, allocators left out; PP_NONE: nothing. */
uint32_t stack_own_frame(const struct pp_profile *profile, uint32_t node); /* the first of these, or PP_NONE */
uint32_t stack_user_frame(const struct pp_profile *profile, uint32_t node, uint32_t *called);

/* Rows show so many of the functions that called their line, and say nothing of what every stack begins with. */
#define PP_CALLERS_SHOWN 2
bool frame_is_shown(const struct pp_frame *frame);

static inline double percent_of(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

/* The sum of two metrics of which either may be unknown. */
static inline uint64_t metric_add(uint64_t a, uint64_t b)
{
	if (a == PP_UNKNOWN || b == PP_UNKNOWN)
		return a == PP_UNKNOWN ? b : a;
	return a + b;
}

/* The numbers of those of `count` rows that are among the `top` largest by any of the metrics (offsets of uint64_t in
 * a row), in the order of the rows; top 0: all. On the arena. */
uint32_t *top_rows(struct pp_arena *arena, const void *rows, size_t row_size, uint32_t count, uint32_t top,
		   const size_t *metrics, size_t metric_count, uint32_t *result_count);

/* The sites in which one metric is present (known and not 0), the largest by another first; both are offsets of
 * uint64_t in struct pp_heap_site. On the model's arena. The same of places. */
const struct pp_heap_site **model_sites_by(const struct pp_report_model *model, size_t present, size_t metric,
					   uint32_t *count);
const struct pp_heap_site **model_places_by(const struct pp_report_model *model, size_t present, size_t metric,
					    uint32_t *count);
#define PP_SITE(metric) offsetof(struct pp_heap_site, metric)

/* report_model_heap.c: what profile->mem_sites add up to. */
void model_heap(struct pp_report_model *model);
/* report_model_hot.c: of functions, hot_frame and user_frame. group_of: by frame, the entry or PP_NONE. times: by node. */
void model_hot(const struct pp_report_model *model, const uint32_t *group_of, struct pp_cpu_entry *entries, uint32_t count,
	       const struct pp_node_time *times);
/* report_model_places.c: place_of and python_line_of, before what is counted by them. */
void model_places(struct pp_report_model *model);
/* report_model_gil.c */
void model_gil(struct pp_report_model *model);
/* A thread's time: from its start to its end, or to that of the recording; in all its blocked_ns; and what is left when
 * its CPU time and these are taken off, PP_UNKNOWN where its CPU time is. */
uint64_t thread_wall_ns(const struct pp_profile *profile, const struct pp_thread *thread);
uint64_t thread_blocked_ns(const struct pp_thread *thread);
uint64_t thread_rest_ns(const struct pp_profile *profile, const struct pp_thread *thread);

/* report_model_io.c: what profile->io_sites add up to; and of an entry, on the arena: */
void model_io(struct pp_report_model *model);
/* Latencies as cells: of what was asked of stdio, or of all its other calls. */
const struct pp_io_cell *io_entry_latencies(const struct pp_report_model *model, const struct pp_io_entry *entry,
					    bool stdio, uint32_t *count);
/* Sizes of the calls that succeeded, of one group. */
struct pp_histogram io_entry_sizes(const struct pp_report_model *model, const struct pp_io_entry *entry,
				   enum pp_io_group group);

/* report_model_sql.c: what profile->sql_sites add up to; and of an entry, on the arena: */
void model_sql(struct pp_report_model *model);
/* Times of its executions, as cells. */
const struct pp_io_cell *sql_entry_latencies(const struct pp_report_model *model, const struct pp_sql_entry *entry,
					     uint32_t *count);
/* The frame that names a statement: the user's, outside of SQLite and of what the language calls it through; where there is
 * none, the innermost Python one, else the innermost outside of SQLite. */
uint32_t sql_naming_frame(const struct pp_profile *profile, uint32_t node);
/* Is a call with this stack one that SQLite makes for itself? */
bool stack_is_sqlites(const struct pp_profile *profile, uint32_t node);

#endif
