/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol between a profiled process and its analyzer, whole: what travels through the pipe, what lies
 * in the shared memory, what is said over the control socket. docs/wire-format.md describes the same bytes in
 * prose and changes in the same commit.
 *
 * Rules: fixed widths, little endian, natural alignment, every struct asserted. A number once given is never
 * reused, only retired. A reader skips what it does not know: extended records and definitions by their own
 * length, compact records by the table of sizes in the shared header, messages by their size.
 *
 * Everything here is read from another process's memory and is hostile input to the analyzer.
 */
#ifndef PREPROF_WIRE_H
#define PREPROF_WIRE_H

#include <stdint.h>

#define PP_WIRE_VERSION 4
#define PP_WIRE_MAGIC UINT64_C(0x46505250444d4853) /* "SHMDPRPF" in memory */
#define PP_WIRE_BYTE_ORDER UINT32_C(0x01020304)

/* ---------------------------------------------------------------------------------------------------------
 * Shared memory: one sealed memfd per process image, sparse, with fixed regions.
 *
 *   0                 struct pp_wire_header       (PP_WIRE_HEADER_SPACE bytes)
 *   PP_WIRE_SLOTS     struct pp_wire_slot[]       one per live thread, reused after a thread's end
 *   PP_WIRE_DESCRIPTORS struct pp_wire_io_descriptor[]  one per number, up to PP_WIRE_DESCRIPTOR_COUNT
 *   PP_WIRE_DEFS      definition records          append only
 *   PP_WIRE_SQL       struct pp_wire_sql_page[]   one per thread that uses SQLite, reused after its end
 *   PP_WIRE_IO        struct pp_wire_io_page[]    one per thread that does I/O, reused after its end
 *   PP_WIRE_NODES     struct pp_wire_node[]       append only; node 0 is never used
 *
 * Pages that were never touched cost nothing. The file may be smaller than PP_WIRE_SPACE where RLIMIT_FSIZE
 * says so: `space` in the header is the truth. */
#define PP_WIRE_HEADER_SPACE UINT64_C(0x10000)
#define PP_WIRE_SLOTS UINT64_C(0x10000)
#define PP_WIRE_SLOT_COUNT 8192
#define PP_WIRE_DESCRIPTORS UINT64_C(0x4010000)
#define PP_WIRE_DESCRIPTOR_COUNT 7680
#define PP_WIRE_DEFS UINT64_C(0x4100000)
#define PP_WIRE_DEFS_SPACE UINT64_C(0x1300000)
#define PP_WIRE_SQL UINT64_C(0x5400000)
#define PP_WIRE_SQL_PAGES 256
#define PP_WIRE_IO UINT64_C(0x5800000)
#define PP_WIRE_IO_PAGES 512
#define PP_WIRE_NODES UINT64_C(0x6000000)
#define PP_WIRE_SPACE UINT64_C(0x40000000)

/* One compact record type of the stream: its size in 8-byte words and what it means. */
struct pp_wire_record_type {
	uint8_t type;
	uint8_t words;
	uint8_t family;
	uint8_t reserved;
	char name[12];
};
_Static_assert(sizeof(struct pp_wire_record_type) == 16, "wire");

/* Why something was not recorded; counted in pp_wire_header.skipped. */
enum pp_wire_skip {
	PP_SKIP_FORKING = 0,	    /* a capture while this process was in fork */
	PP_SKIP_BUSY = 1,	    /* a sample that interrupted our own hook */
	PP_SKIP_STACK_TABLE = 2,    /* the stack table was full: event kept, stack unknown */
	PP_SKIP_STACK_TRUNCATED = 3, /* deeper than the limit: innermost frames kept */
	PP_SKIP_UNWIND = 4,	    /* the walk stopped before the outermost frame */
	PP_SKIP_THREADS = 5,	    /* events of threads that found no slot */
	PP_SKIP_TIMERS = 6,	    /* threads that could not be sampled: timer_create failed */
	PP_SKIP_SIGNAL = 7,	    /* samples not taken because the program owns the signal */
	PP_SKIP_DEFS = 8,	    /* definitions that found no room */
	PP_SKIP_CHECK_FAILED = 9,   /* stacks that differed from libunwind's (CHECK_STACKS) */
	PP_SKIP_CHECKED = 10,	    /* stacks that were compared (CHECK_STACKS) */
	PP_SKIP_FALLBACK = 11,	    /* stacks taken by libunwind because the rules could not */
	PP_SKIP_BLOCKED = 12,	    /* threads that block every signal and were never sampled */
	PP_SKIP_PYTHON_TORN = 16,   /* stacks taken while the interpreter changed its frames: some may be missing */
	PP_SKIP_PYTHON_CODE = 17,   /* Python functions that found no room to be defined: nameless */
	PP_SKIP_IO_BUSY = 18,	    /* I/O calls of a signal handler that interrupted one of our hooks */
	PP_SKIP_SQL_STATEMENTS = 20, /* steps of statements that found no room to be known */
	PP_SKIP_SQL_BUSY = 21,	    /* calls of SQLite from within one of our hooks */
	PP_SKIP_HEAP_BUSY = 22,	    /* allocations and frees of a signal handler that interrupted one of our hooks */
	PP_SKIP_IO_DESCRIPTORS = 23, /* descriptors whose lives could not be told */
	PP_SKIP_COUNT = 24,
};

/* What this process could not observe, bits of pp_wire_header.not_observed. */
enum pp_wire_not_observed {
	PP_NOT_MALLOC_IN_EXE = 1 << 0,	/* the executable defines malloc itself */
	PP_NOT_CPU_SIGNAL = 1 << 1,	/* no signal was free for sampling */
	PP_NOT_CPU_TIMERS = 1 << 2,	/* some thread's timer could not be made */
	PP_NOT_DEEPBIND = 1 << 3,	/* a library was loaded with RTLD_DEEPBIND */
	PP_NOT_CHILD_SETUID = 1 << 4,	/* a set-uid program was executed */
	PP_NOT_CHILD_STATIC = 1 << 5,	/* a static program was executed */
	PP_NOT_UNWIND_TABLES = 1 << 6,	/* code without unwind tables was on a stack */
	PP_NOT_FRAMES_LATE = 1 << 7,	/* profiling started after the program did (DELAY, START_SIGNAL) */
	PP_NOT_STOPPED = 1 << 8,	/* profiling stopped, and the program went on */
	PP_NOT_PAUSES = 1 << 15,	/* profiling stopped and was started again */
	PP_NOT_EXACT_SITES = 1 << 10,	/* HEAP=sampled */
	PP_NOT_CHILD_BARRED = 1 << 11,	/* a program was executed where the library cannot be opened */
	PP_NOT_CHILD_SECCOMP = 1 << 12, /* a seccomp filter keeps its children from joining */
	PP_NOT_MALLOC_BEFORE = 1 << 13, /* a library preloaded before ours defines malloc */
	PP_NOT_MALLOC_SANITIZER = 1 << 14,
	PP_NOT_CHILD_FOREIGN = 1 << 9,	/* a program for another processor or another libc was executed */
	PP_NOT_PYTHON = 1 << 16,	/* a Python interpreter whose frames this version cannot read */
	PP_NOT_STDIO_CALLS = 1 << 21,	/* the system calls of stdio: this libc's tables are not as they are known */
	PP_NOT_IO_URING = 1 << 18,	/* io_uring was used */
	PP_NOT_IO_MAPPED = 1 << 19,	/* files were mapped */
	PP_NOT_PYTHON_OBJECTS = 1 << 17, /* PYTHON_HEAP=arenas, and there was a Python interpreter */
	PP_NOT_STDIO_ASKED = 1 << 22,	/* STDIO=off */
	PP_NOT_SQL_CALLS = 1 << 20, /* an SQLite whose calls could not be led past us */
};

enum pp_wire_switch { PP_SWITCH_SQL_LITERALS = 1 << 0 /* SQL_LITERALS=on */ };

struct pp_wire_header {
	uint64_t magic;
	uint32_t version;
	uint32_t byte_order;
	uint64_t space; /* size of the memfd */
	uint32_t header_size; /* sizeof this struct: a newer writer's is larger */
	uint32_t slot_size;
	uint64_t start_ns;	/* CLOCK_MONOTONIC when this image was first seen by us */
	uint64_t start_unix_ns; /* CLOCK_REALTIME at the same moment */
	uint64_t start_stamp;	/* stamp (in the records' units) at the same moment */
	uint32_t stamp_shift;	/* records' stamps count in units of 2^stamp_shift ticks of the counter */
	uint32_t stamp_is_tsc;	/* 1: rdtsc; 0: CLOCK_MONOTONIC nanoseconds */
	uint32_t sample_period_ns; /* 0: not sampling */
	uint32_t page_size;
	uint32_t families; /* what is recorded: bit 1 << enum pp_wire_family */
	uint32_t switches; /* enum pp_wire_switch */
	uint64_t heap_sample_bytes; /* HEAP=sampled: mean bytes between sampled allocations; 0: every one has its stack */
	struct pp_wire_record_type types[16];

	/* written by the host, read by the analyzer */
	_Alignas(64) uint64_t node_count; /* nodes claimed so far, including node 0; one is valid once its word is not 0 */
	uint64_t def_bytes;  /* bytes of definitions claimed so far; one is valid once its size is not 0 */
	uint32_t slot_count; /* slots ever claimed */
	uint32_t multi;	     /* 1 from the moment a second thread exists: records carry stamps */
	uint32_t stopped;    /* 1: profiling was stopped for good; stop_reason says why */
	uint32_t ended;	     /* 1: the exit path was reached (destructors may still follow) */
	int32_t exit_code;   /* what exit, _exit or quick_exit was given; valid when ended */
	uint32_t not_observed;
	char stop_reason[104];
	uint64_t cpu_ns;       /* CLOCK_PROCESS_CPUTIME_ID at the last sample or at the end */
	uint64_t user_ns;      /* getrusage at the end, 0 before */
	uint64_t system_ns;
	uint64_t max_rss_bytes;
	uint64_t overhead_bytes; /* private memory mapped by us in the host; what is shared is the analyzer's to measure */
	uint64_t dropped_frames; /* frames that the pipe did not take (FULL_PIPE) */
	uint64_t dropped_events; /* records in them */
	uint64_t skipped[PP_SKIP_COUNT];
	uint32_t python_version; /* PY_VERSION_HEX of the interpreter found; 0: none. Exact from 3.11 on, else x.y.0 */
	uint32_t descriptor_limit; /* RLIMIT_NOFILE, soft, when it was last looked at; 0: not known; saturates */
	uint64_t python_merge_count;   /* stacks of Python and native frames that were put together, one by one */
	uint64_t python_matched_count; /* of these, with every Python frame at its place */
	uint64_t io_base_read;	/* rchar and wchar of the first thread's /proc/PID/task/TID/io when this image was first seen */
	uint64_t io_base_write;
	uint64_t io_ended_read; /* the same of threads that have ended, at their ends; of every thread once `ended` is set */
	uint64_t io_ended_write;
	uint64_t io_own_read; /* bytes of those that were ours: files in /proc, frames */
	uint64_t io_own_write;
	uint32_t io_known; /* 1: the base was read; 2: the counts of all threads at the end are in io_ended */
	uint32_t descriptor_count; /* 1 + the highest number that has had a row at PP_WIRE_DESCRIPTORS */
	uint64_t tick_ns; /* nanoseconds a tick of the slots' wait_since, in units of 2^-32 */
	uint64_t start_tick; /* such a tick at start_ns */
	uint64_t descriptors_untold; /* lives that have ended and were not told: see PP_WIRE_LIVES_TOLD */
	uint64_t paused_cpu_ns; /* CLOCK_PROCESS_CPUTIME_ID since which nothing is recorded (DELAY, STOP_SIGNAL, ...); 0: it is */
	uint64_t unrecorded_cpu_ns; /* CPU time of earlier such pauses, and of what the process was before this image */

	/* written by the analyzer, read by the host's hooks */
	_Alignas(64) uint64_t clock_ns; /* coarse CLOCK_MONOTONIC; 0: nobody keeps it now, look yourself */
	uint64_t progress;		/* grows while the analyzer reads */
	uint64_t reserved[6];
};
_Static_assert(sizeof(struct pp_wire_header) <= PP_WIRE_HEADER_SPACE, "wire");
_Static_assert(sizeof(struct pp_wire_header) % 64 == 0, "wire");

/* ---------------------------------------------------------------------------------------------------------
 * Frames: what one write() to the pipe carries, never more than PIPE_BUF, so that it is whole and never torn.
 * The buffer of each thread lies in its slot and begins with this header: what was not written when the
 * process died is read there. */
#define PP_WIRE_FRAME_SPACE 4096
#define PP_WIRE_SAMPLE_SPACE 3840

enum pp_wire_frame_kind {
	PP_FRAME_EVENTS = 1, /* the hooks' records of one thread, in their order */
	PP_FRAME_SAMPLES = 2, /* the signal handler's records of one thread */
};

struct pp_wire_frame {
	uint16_t size; /* bytes, this header included */
	uint8_t kind;
	uint8_t reserved;
	uint32_t slot;
	uint32_t tid;
	uint32_t thread;   /* serial of the thread in its process, from 1; never reused, unlike tid and slot */
	uint64_t sequence; /* per slot and kind, from 1, never reset */
	uint64_t time_ns;  /* coarse clock at the first record */
	uint64_t stamp;	   /* the stamp that the first record's delta adds to; 0 while single-threaded */
	uint32_t lost;	   /* records of this thread dropped since its previous frame */
	uint32_t reserved2;
};
_Static_assert(sizeof(struct pp_wire_frame) == 48, "wire");

enum pp_wire_slot_state { PP_SLOT_FREE = 0, PP_SLOT_LIVE = 1, PP_SLOT_ENDED = 2 };

/* A thread's corner of the shared memory. `events` and `samples` begin with a struct pp_wire_frame whose
 * `size` is not kept current: `events_used` is (header included), stored with release after the record's words.
 * `busy` is 1 from before a record's stamp is taken until the record is published. */
struct pp_wire_slot {
	uint32_t state;
	uint32_t tid;
	uint32_t thread;
	uint32_t busy;
	uint64_t event_count; /* records written by this slot's current thread, dropped ones included */
	uint64_t events_sequence; /* sequence of the frame being filled */
	uint32_t events_used;
	uint32_t samples_used;
	uint64_t samples_sequence;
	uint64_t sample_count;
	char name[16];
	uint64_t cpu_ns; /* thread CPU time at its last sample or end */
	uint64_t start_ns;
	uint64_t end_ns; /* 0 while alive */
	uint32_t io_page; /* index + 1 of its page of I/O calls; 0: none */
	uint32_t sql_page; /* likewise of its page of SQLite calls */
	/* The call that it is in: its entry tells of it when it is over. A call that is left by a jump may leave this set. */
	uint64_t wait_since; /* tick at its beginning; 0: in none */
	uint64_t wait_call;  /* [0:24 | operation:8 | stack:32]; stack 0: not taken yet */
	uint64_t run_delay_ns; /* time that it was ready and had no processor, at the end; 0: not known */
	uint8_t reserved[256 - 128];
	uint8_t events[PP_WIRE_FRAME_SPACE];
	uint8_t samples[PP_WIRE_SAMPLE_SPACE];
};
_Static_assert(sizeof(struct pp_wire_slot) == 8192, "wire");
_Static_assert(PP_WIRE_SLOTS + PP_WIRE_SLOT_COUNT * sizeof(struct pp_wire_slot) <= PP_WIRE_DESCRIPTORS, "wire");
_Static_assert(PP_WIRE_DEFS + PP_WIRE_DEFS_SPACE <= PP_WIRE_SQL, "wire");

/* ---------------------------------------------------------------------------------------------------------
 * I/O calls, summed up: a thread keeps one entry for each combination of stack, file, operation, errno and size
 * class that it is at, and tells it (PP_EXT_IO) when another needs its place, when it has grown old, and at the
 * thread's end. What was not told lies here: the analyzer reads it when the process is dead, and while it runs.
 *
 * `sequence` is odd while the owner changes the entry. `fill` counts what was told of this place: a record carries
 * the fill that it empties, so that nothing counts twice whenever the process dies. count 0: empty. */
#define PP_WIRE_IO_ENTRIES 48
#define PP_WIRE_IO_CELLS   64
#define PP_WIRE_IO_AGAIN   16

/* How often a latency was met: bucket as pp_wire_io_bucket has it, at cell bucket % PP_WIRE_IO_CELLS. */
struct pp_wire_io_cell {
	uint16_t bucket;
	uint16_t count; /* 0: empty */
};

struct pp_wire_io_entry {
	uint64_t file; /* as in PP_EXT_IO_FILE; 0: unknown */
	uint32_t stack;
	uint8_t operation; /* enum pp_wire_io_operation */
	uint8_t size_class; /* of the bytes got: 0, else 1 + floor(log2) */
	uint16_t error; /* errno; 0: it succeeded */
	uint32_t sequence;
	uint32_t fill; /* from 1 */
	uint32_t count;
	uint32_t sequential; /* of them: where the call before on this descriptor ended */
	uint64_t asked_bytes;
	uint64_t got_bytes;
	uint64_t ns;
	uint32_t strided; /* of them: at the same distance from the one before as that from its own */
	uint32_t max_ns; /* saturates at 2^32 - 1 */
	struct pp_wire_io_cell cells[PP_WIRE_IO_CELLS];
	uint64_t reread_bytes; /* of got_bytes: at places of the file that this process had read, and not written since */
	uint32_t aligned512, aligned4096; /* of the calls: offset and asked size are multiples */
};
_Static_assert(sizeof(struct pp_wire_io_entry) == 336, "wire");

struct pp_wire_io_page {
	uint32_t thread; /* serial of the owner; 0: none */
	uint32_t reserved[31];
	/* The last call of a line that makes the same call again and again: [1 + its entry:32 | ticks:32], 0: none. Its entry has it
	 * but for its duration: ns, max_ns and the cell. Changes while the entry's sequence is odd, but for going to 0 when it is added. */
	uint64_t again[PP_WIRE_IO_AGAIN];
	struct pp_wire_io_entry entries[PP_WIRE_IO_ENTRIES];
};
_Static_assert(sizeof(struct pp_wire_io_page) == 16384, "wire");
_Static_assert(PP_WIRE_IO + PP_WIRE_IO_PAGES * sizeof(struct pp_wire_io_page) <= PP_WIRE_NODES, "wire");

/* ---------------------------------------------------------------------------------------------------------
 * Descriptors: what a number means now, since when, and what has passed through it. A row's life ends when the number is
 * closed or taken for something else: it is told (PP_EXT_IO_DESCRIPTOR), then emptied (serial 0). Lives that have not ended
 * lie here. Serials rise in a process: a row whose serial was told already is of a process that died in between.
 *
 * The thread that moves data first counts in its own fields without a lock; others, if there are any, in theirs. */
struct pp_wire_io_flow {
	uint64_t calls, bytes; /* that succeeded */
};

struct pp_wire_io_descriptor {
	uint64_t file; /* as in PP_EXT_IO_FILE; 0: it was never looked at */
	uint64_t opened; /* tick (see the header's start_tick) */
	uint32_t serial; /* from 1; 0: nothing is known of the number */
	uint32_t stack;	 /* that made it; of one that was found, 0 */
	uint32_t thread; /* serial of the thread that made or found it */
	uint32_t flags;	 /* F_GETFL when it was first looked at */
	int32_t from;	 /* number that it was duplicated from; -1: of none */
	uint8_t origin;	 /* enum pp_wire_io_origin */
	uint8_t kind;	 /* enum pp_wire_io_kind; 0: it was never looked at */
	uint8_t deleted; /* 1: its file had no name any more when it was last looked at */
	uint8_t reserved;
	uint32_t owner;	 /* serial of the thread that counts without a lock; 0: nobody has moved data yet */
	uint32_t used;	 /* the highest serial of the process when bytes last passed through it; 0: none have */
	struct pp_wire_io_flow own[2], others[2]; /* reads, writes */
	uint64_t reread_bytes; /* as in struct pp_wire_io_entry */
	uint64_t read_to;      /* the furthest place in the file that was read */
};
_Static_assert(sizeof(struct pp_wire_io_descriptor) == 128, "wire");
_Static_assert(PP_WIRE_DESCRIPTORS + PP_WIRE_DESCRIPTOR_COUNT * sizeof(struct pp_wire_io_descriptor) <= PP_WIRE_DEFS, "wire");

enum pp_wire_io_origin {
	PP_IO_FOUND = 0, /* open when it was first met: inherited, or made by what is not hooked */
	PP_IO_OPENED = 1,
	PP_IO_DUPLICATED = 2,
	PP_IO_ACCEPTED = 3,
	PP_IO_MADE_SOCKET = 4,
	PP_IO_MADE_PIPE = 5,
	PP_IO_RECEIVED = 6, /* over a socket (SCM_RIGHTS) */
	PP_IO_STREAM = 7, /* by stdio */
	PP_IO_MADE_OTHER = 8, /* by eventfd, epoll_create, memfd_create and their like */
	PP_IO_ORIGINS = 9,
};

/* How a life ended: argument of PP_EXT_IO_DESCRIPTOR. */
enum pp_wire_io_end {
	PP_IO_END_CLOSED = 1,
	PP_IO_END_UNSEEN = 2, /* the number came back as something else: it was closed by what is not hooked */
	PP_IO_END_REPLACED = 3, /* dup2, dup3 */
};

/* Buckets of a duration, at most 3.2 % wide: below 64 ns each is one, above there are 32 to an octave. */
#define PP_WIRE_IO_BUCKETS 1920
/* Of what stdio is asked the size class is not in the entry's key, lines from one place being of any length: these cells,
 * numbered from here by class, count the calls beside the cells of those that were timed. */
#define PP_WIRE_IO_SIZES 1920
static inline uint32_t pp_wire_io_bucket(uint64_t ns)
{
	double exact;
	uint64_t bits;
	uint32_t octave;

	if (ns < 64)
		return (uint32_t)ns;
	/* A double's exponent and its next five bits are what is wanted. To search for the first bit (bsr) is microcode on
	 * some processors, Zen 4 among them. Up to there the conversion is exact: it raises no exception, whatever fenv is. */
	if (__builtin_expect(ns < UINT64_C(1) << 53, 1)) {
		exact = (double)(int64_t)ns;
		__builtin_memcpy(&bits, &exact, sizeof(bits));
		return (uint32_t)(bits >> 47) - ((1023 + 6) * 32 - 64);
	}
	octave = 63 - (uint32_t)__builtin_clzll(ns);
	return 64 + (octave - 6) * 32 + (uint32_t)(ns >> (octave - 5) & 31);
}
/* Where a cell has another bucket: the next one that has none, or the same; each is 3 % longer. (If there were none, the last.) */
static inline struct pp_wire_io_cell *pp_wire_io_cell_beside(struct pp_wire_io_entry *entry, uint32_t bucket)
{
	struct pp_wire_io_cell *cell = &entry->cells[bucket % PP_WIRE_IO_CELLS];

	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS && cell->count && cell->bucket != bucket; i++)
		cell = &entry->cells[++bucket % PP_WIRE_IO_CELLS];
	if (!cell->count)
		cell->bucket = (uint16_t)bucket;
	return cell;
}
/* The smallest duration of a bucket. */
static inline uint64_t pp_wire_io_bucket_low(uint32_t bucket)
{
	if (bucket < 64)
		return bucket;
	return (UINT64_C(32) + (bucket - 64) % 32) << ((bucket - 64) / 32 + 1);
}

/* ---------------------------------------------------------------------------------------------------------
 * Calls of SQLite, summed up as I/O calls are: `sequence`, `fill`, `count` and cells as there.
 *
 * An execution of a statement is from its first sqlite3_step to the one that returned neither a row nor another chance
 * (SQLITE_DONE, an error), or to the reset or finalize that came before. Its time is that inside its steps, and in
 * the reset or finalize that commits it where it was left. */
#define PP_WIRE_SQL_ENTRIES 38
#define PP_WIRE_SQL_CELLS   64
#define PP_WIRE_SQL_WORDS   20 /* of an entry without its cells */

struct pp_wire_sql_entry {
	uint32_t statement; /* as in PP_EXT_SQL_TEXT; 0: none, or unknown */
	uint32_t database;  /* as in PP_EXT_SQL_DATABASE; 0: unknown */
	uint32_t stack;	    /* at the first step of an execution */
	uint8_t operation;  /* enum pp_wire_sql_operation */
	uint8_t result;	    /* SQLite's primary result code of the last step or of the call; PP_SQL_LEFT */
	uint16_t flags;	    /* enum pp_wire_sql_flag */
	uint32_t sequence;
	uint32_t fill;	    /* from 1 */
	uint32_t count;	    /* executions or calls */
	uint32_t prepares;  /* of the executions: the first after so many statements were prepared */
	uint64_t rows;	    /* of a blob call: bytes; of a backup step: pages */
	uint64_t steps;
	uint64_t ns;	    /* inside the steps, or the calls; all below is of the same time */
	uint64_t max_ns;
	uint64_t nested_ns; /* of it: in steps of other statements, which functions called by this one ran */
	uint64_t prepare_ns; /* of `prepares`, beside ns */
	uint64_t fullscan_steps;
	uint64_t vm_steps;
	uint64_t sorts;
	uint64_t autoindex_rows;
	uint64_t read_bytes; /* by read calls of any file; 0 where IO is off */
	uint64_t written_bytes;
	uint64_t busy_ns; /* waited by SQLite for another's lock, the program's busy handler included */
	uint64_t sync_ns;
	uint32_t busy_count; /* steps or calls that returned SQLITE_BUSY or SQLITE_LOCKED */
	uint32_t busy_waits; /* such waits */
	uint32_t syncs;
	uint32_t reprepares; /* made by SQLite itself, for the schema had changed */
	struct pp_wire_io_cell cells[PP_WIRE_SQL_CELLS]; /* of ns */
};
_Static_assert(sizeof(struct pp_wire_sql_entry) == 8 * PP_WIRE_SQL_WORDS + 256, "wire");

struct pp_wire_sql_page {
	uint32_t thread; /* serial of the owner; 0: none */
	uint32_t reserved[143];
	struct pp_wire_sql_entry entries[PP_WIRE_SQL_ENTRIES];
};
_Static_assert(sizeof(struct pp_wire_sql_page) == 16384, "wire");
_Static_assert(PP_WIRE_SQL + PP_WIRE_SQL_PAGES * sizeof(struct pp_wire_sql_page) <= PP_WIRE_IO, "wire");

enum pp_wire_sql_operation {
	PP_SQL_EXECUTE = 1, /* executions of a statement */
	PP_SQL_PREPARE = 2, /* statements that were prepared and never executed, or could not be prepared */
	PP_SQL_SCRIPT = 3,  /* sqlite3_exec as a whole, of a library whose inner calls cannot be seen: steps unknown */
	PP_SQL_OPEN = 4,
	PP_SQL_CLOSE = 5,
	PP_SQL_BACKUP = 6, /* sqlite3_backup_step */
	PP_SQL_BLOB_OPEN = 7,
	PP_SQL_BLOB_READ = 8,
	PP_SQL_BLOB_WRITE = 9,
	PP_SQL_BLOB_REOPEN = 10,
	PP_SQL_CHECKPOINT = 11,
	PP_SQL_BLOB_CLOSE = 12,
	PP_SQL_OPERATIONS = 13,
};

enum pp_wire_sql_flag {
	PP_SQL_WRITES = 1 << 0, /* sqlite3_stmt_readonly says no */
	PP_SQL_AUTOCOMMIT = 1 << 1, /* writes, and a transaction by itself */
	PP_SQL_NESTED = 1 << 2, /* inside a step of another statement */
	PP_SQL_BY_EXEC = 1 << 3, /* by sqlite3_exec or sqlite3_get_table */
	PP_SQL_UNFINISHED = 1 << 4, /* neither done nor reset when the process ended */
};

/* In place of a result code: reset or finalized while there may have been more rows. It is SQLITE_ROW. */
#define PP_SQL_LEFT 100

enum pp_wire_sql_outcome { PP_SQL_COMMITTED = 1, PP_SQL_ROLLED_BACK = 2, PP_SQL_ABANDONED = 3 /* closed meanwhile */ };

/* ---------------------------------------------------------------------------------------------------------
 * Records: whole 8-byte words; bits 63..60 of the first are the compact type.
 *
 * A stamped record's `dt` is the difference to the stamp of the record before it in the frame (or the frame's
 * own), in stamp units. While one thread exists there are no stamps and dt is 0. A difference that does not
 * fit 16 bits is preceded by PP_REC_STAMP. Addresses are stored without their low 4 bits.
 *
 *   ALLOC    [1:4 | address>>4:44 | dt:16] [stack:28 | size:36]
 *   FREE     [2:4 | address>>4:44 | dt:16]                           stamped before the real free
 *   REALLOC  [3:4 | old>>4:44 | dt:16] [dt2:16 | 0:4 | new>>4:44] [stack:28 | size:36]
 *            dt is that of the free (before the real realloc), dt2 that of the allocation, from the free's
 *   TIME     [4:4 | nanoseconds:60]    CLOCK_MONOTONIC of the records that follow
 *   STAMP    [5:4 | stamp:60]          absolute stamp (units of stamp_shift) that the next dt adds to
 *   SAMPLE   [6:4 | flags:8 | weight:20 | stack:32] [time_ns:64]
 *   EXTENDED [15:4 | kind:12 | words:16 | dt:16 | argument:16] [payload ...]     words counts all of it */
enum pp_wire_record {
	PP_REC_ALLOC = 1,
	PP_REC_FREE = 2,
	PP_REC_REALLOC = 3,
	PP_REC_TIME = 4,
	PP_REC_STAMP = 5,
	PP_REC_SAMPLE = 6,
	PP_REC_EXTENDED = 15,
};

#define PP_REC_SIZE_BITS 36
#define PP_REC_STACK_BITS 28
#define PP_REC_STACK_UNSAMPLED UINT32_C(0x0fffffff) /* in place of a stack: not one of the sampled (HEAP=sampled) */

enum pp_wire_sample_flag {
	PP_SAMPLE_TRUNCATED = 1 << 0, /* the walk did not reach the outermost frame */
	PP_SAMPLE_IN_HOOK = 1 << 1,   /* the signal came while the thread was in one of our hooks */
	PP_SAMPLE_PYTHON = 1 << 2,    /* the thread has a Python thread state */
	PP_SAMPLE_GIL = 1 << 3,	      /* ... and held the interpreter's lock */
};

/* Extended kinds; payload words in brackets. */
enum pp_wire_extended {
	PP_EXT_ALLOC_WIDE = 1,	/* [address] [size] [stack]      where ALLOC's fields do not hold it */
	PP_EXT_FREE_WIDE = 2,	/* [address] */
	PP_EXT_REALLOC_WIDE = 3, /* [old] [new] [size] [stack] [dt2] */
	PP_EXT_ALLOC_FAILED = 4, /* [size] [stack]               argument: enum pp_wire_operation */
	PP_EXT_MAP = 5,		/* [address] [length] [stack]    argument: operation */
	PP_EXT_UNMAP = 6,	/* [address] [length] */
	PP_EXT_REMAP = 7,	/* [old] [old length] [new] [new length] [stack] */
	PP_EXT_BREAK = 8,	/* [old break] [new break] [stack]  argument: operation */
	PP_EXT_THREAD_START = 9, /* [start_ns] [name: 16 bytes] */
	PP_EXT_THREAD_END = 10, /* [end_ns] [cpu_ns] [name: 16 bytes] [run_delay_ns] */
	PP_EXT_FORK = 11,	/* [fork id]      events of this thread before it precede the fork */
	PP_EXT_CONTROL = 12,	/* [time_ns]      argument: enum pp_wire_control */
	/* 13 to 15 are given to other families */
	PP_EXT_IO = 16,	     /* [file] [error:16 | size class:8 | operation:8 | stack:32] [count:32 | fill:32]
			      * [strided:32 | sequential:32] [asked] [got] [ns] [max_ns] [reread]
			      * [aligned4096:32 | aligned512:32] then cells, two a word, the first in the low half:
			      * [count:16 | bucket:16]    argument: the entry's number in its page, PP_IO_NO_ENTRY: of
			      * none */
	PP_EXT_IO_FILE = 17, /* [file] [size:32 | flags:16 | kind:16] then so many bytes: a path, or what the flags say */
	PP_EXT_IO_SLOW = 18, /* [file] [error:16 | 0:8 | operation:8 | stack:32] [asked] [got] [ns] [end_ns]: one call that
			      * took long; counted in its entry too */
	PP_EXT_IO_DESCRIPTOR = 32, /* [number] [tick of its end] then the words of a struct pp_wire_io_descriptor
				    * argument: enum pp_wire_io_end */
	PP_EXT_IO_SIZE = 33, /* [file] [size] [time of its last change] of a regular file when this process first met it,
			      * and again when it has changed since */
	/* 40 was a wait for the interpreter's lock without a stack */
	PP_EXT_GIL_WAIT = 41,	/* [ns] [stack]   a wait for the Python interpreter's lock, whether it was had in the end or not */
	PP_EXT_SQL = 48,      /* an entry's PP_WIRE_SQL_WORDS words (its sequence means nothing), then cells as in PP_EXT_IO
			       * argument: the entry's number in its page, PP_SQL_NO_ENTRY: of none */
	PP_EXT_SQL_TEXT = 49, /* [statement] [kept:32 | size:32] [piece:32 | offset:32] then `piece` bytes: a part of the
			       * text of `size` bytes, of which the first `kept` are told, in order */
	PP_EXT_SQL_DATABASE = 50, /* [database] [size] then so many bytes: a path; none of a database in memory, or of a
				   * temporary one */
	PP_EXT_SQL_TRANSACTION = 51, /* [outcome:32 | database:32] [stack of its end:32 | of its begin:32] [ns] [end_ns]
				      * [of them writes:32 | statements:32] [syncs] [sync_ns] [read bytes]
				      * [written bytes]: one that was begun by BEGIN or SAVEPOINT */
	PP_EXT_SQL_CACHE = 52, /* [database] [hits] [misses] [pages written] [pages spilled] since it was told last */
	PP_EXT_SQL_LIBRARY = 64, /* [database] [sqlite3_libversion_number()] of the library that opened it */
	PP_EXT_SQL_SLOW = 53,  /* [database:32 | statement:32] [flags:16 | result:8 | operation:8 | stack:32] [ns] [end_ns]
				* [rows] [fullscan steps] [busy_ns] [sync_ns]: one that took long; its entry has it too */
	PP_EXT_SQL_HOLD = 54,  /* [lock:32 | database:32] [stack of its end:32 | of its begin:32] [stack of the longest
				* statement in it:32 | that statement:32] [ns] [end_ns] [ns inside SQLite] [ns of the longest]
				* [connection]: a lock that was held for PP_SQL_SLOW_NS or longer; enum pp_wire_sql_lock */
	PP_EXT_SQL_WAIT = 55,  /* [database:32 | statement:32] [flags:16 | result:8 | operation:8 | stack:32] [ns waited]
				* [end_ns of the waiting] [connection]: for another's lock; refused at once: 0 ns, and told at
				* most once in PP_SQL_SLOW_NS by a thread */
	PP_EXT_SQL_ATTACHED = 56, /* [database] [size of a path:32 | of a name:32] then the name and the path: what connections of
				   * this number had attached by ATTACH path AS name */
};

/* READ keeps others from writing the file (of a log: from emptying it), WRITE from beginning to write. */
enum pp_wire_sql_lock { PP_SQL_LOCK_READ = 1, PP_SQL_LOCK_WRITE = 2 };

enum pp_wire_control { PP_CONTROL_START = 1, PP_CONTROL_STOP = 2, PP_CONTROL_SNAPSHOT = 3 };

enum pp_wire_operation {
	PP_OP_MALLOC = 1,
	PP_OP_CALLOC = 2,
	PP_OP_REALLOC = 3,
	PP_OP_ALIGNED = 4,
	PP_OP_NEW = 5,
	PP_OP_MMAP = 6,
	PP_OP_MREMAP = 7,
	PP_OP_BRK = 8,
};

#define PP_IO_NO_ENTRY 0xff
/* So many lives of a process's descriptors are told whatever they were; further ones that moved so many bytes, or that have not been
 * used since so many more descriptors were made. */
#define PP_WIRE_LIVES_TOLD 1000
#define PP_WIRE_LIFE_LARGE UINT64_C(65536)
#define PP_WIRE_LIFE_IDLE  2
#define PP_IO_SLOW_NS  UINT32_C(1000000)
#define PP_SQL_NO_ENTRY 0xff
#define PP_SQL_SLOW_NS	UINT32_C(1000000)
#define PP_SQL_TEXT_KEPT UINT32_C(65536)

/* What an I/O call did. What each moves and is counted as is said in docs/wire-format.md. */
enum pp_wire_io_operation {
	PP_IO_READ = 1,
	PP_IO_PREAD = 2,
	PP_IO_READV = 3,
	PP_IO_PREADV = 4,
	PP_IO_WRITE = 5,
	PP_IO_PWRITE = 6,
	PP_IO_WRITEV = 7,
	PP_IO_PWRITEV = 8,
	PP_IO_SENDFILE_IN = 9, /* the half of sendfile, copy_file_range, splice, tee that reads: bytes, no time */
	PP_IO_SENDFILE = 10,   /* the half that writes */
	PP_IO_COPY_RANGE_IN = 11,
	PP_IO_COPY_RANGE = 12,
	PP_IO_SPLICE_IN = 13,
	PP_IO_SPLICE = 14,
	PP_IO_TEE_IN = 15,
	PP_IO_TEE = 16,
	PP_IO_VMSPLICE = 17,
	PP_IO_RECV = 18, /* recv, recvfrom, recvmsg, recvmmsg */
	PP_IO_SEND = 19,
	PP_IO_OPEN = 20,
	PP_IO_CLOSE = 21,
	PP_IO_SEEK = 22,
	PP_IO_FSYNC = 23,
	PP_IO_FDATASYNC = 24,
	PP_IO_SYNC_RANGE = 25,
	PP_IO_SYNC = 26, /* sync, syncfs */
	PP_IO_MSYNC = 27,
	PP_IO_ALLOCATE = 28, /* fallocate, posix_fallocate */
	PP_IO_TRUNCATE = 29,
	PP_IO_ADVISE = 30,
	PP_IO_DUP = 31,
	PP_IO_FCNTL = 32,
	PP_IO_ACCEPT = 33,
	PP_IO_CONNECT = 34,
	PP_IO_SOCKET = 35, /* socket, socketpair */
	PP_IO_PIPE = 36,
	/* What programs ask of stdio; the bytes are those that came to the program or from it. */
	PP_IO_STDIO_FREAD = 64,
	PP_IO_STDIO_FGETC = 65, /* and its like: one character */
	PP_IO_STDIO_FGETS = 66,
	PP_IO_STDIO_GETLINE = 67, /* getdelim */
	PP_IO_STDIO_SCANF = 68,
	PP_IO_STDIO_UFLOW = 69, /* __uflow, __underflow: an inlined getc_unlocked that found the buffer empty */
	PP_IO_STDIO_FWRITE = 70,
	PP_IO_STDIO_FPUTC = 71,
	PP_IO_STDIO_FPUTS = 72,
	PP_IO_STDIO_PRINTF = 73,
	PP_IO_STDIO_OVERFLOW = 74, /* __overflow: an inlined putc_unlocked that found the buffer full */
	PP_IO_STDIO_DPRINTF = 75,
	PP_IO_STDIO_UNGETC = 76,
	PP_IO_STDIO_FOPEN = 77,
	PP_IO_STDIO_FDOPEN = 78,
	PP_IO_STDIO_FREOPEN = 79,
	PP_IO_STDIO_TMPFILE = 80,
	PP_IO_STDIO_POPEN = 81,
	PP_IO_STDIO_MEMSTREAM = 82, /* open_memstream, open_wmemstream */
	PP_IO_STDIO_COOKIE = 83,    /* fopencookie */
	PP_IO_STDIO_FCLOSE = 84,
	PP_IO_STDIO_PCLOSE = 85,
	PP_IO_STDIO_FFLUSH = 86,
	PP_IO_STDIO_FSEEK = 87, /* fseek, fsetpos, rewind */
	PP_IO_STDIO_FTELL = 88, /* ftell, fgetpos */
	PP_IO_STDIO_SETVBUF = 89,
	/* The system calls that stdio makes of it. */
	PP_IO_STDIO_SYS_READ = 96,
	PP_IO_STDIO_SYS_WRITE = 97,
	PP_IO_STDIO_SYS_SEEK = 98,
	PP_IO_STDIO_SYS_OPEN = 99,
	PP_IO_STDIO_SYS_CLOSE = 100,
	/* metadata */
	PP_IO_STAT = 40,
	PP_IO_STATFS = 41,
	PP_IO_ACCESS = 42,
	PP_IO_UNLINK = 43, /* remove too */
	PP_IO_RENAME = 44,
	PP_IO_LINK = 45, /* symlink too */
	PP_IO_READLINK = 46,
	PP_IO_REALPATH = 47,
	PP_IO_MKDIR = 48,
	PP_IO_RMDIR = 49,
	PP_IO_MKNOD = 50,
	PP_IO_CHMOD = 51,
	PP_IO_CHOWN = 52,
	PP_IO_UTIME = 53,
	PP_IO_XATTR = 54,
	PP_IO_CHDIR = 55,
	PP_IO_OPENDIR = 56,
	PP_IO_READDIR = 57,
	PP_IO_CLOSEDIR = 58,
	PP_IO_SCANDIR = 59,
	PP_IO_WATCH = 60, /* inotify */
	PP_IO_FILE_LOCK = 61, /* flock, lockf, F_SETLKW */
	PP_IO_GETCWD = 62,
	PP_IO_GLOB = 104, /* wordexp is a child's life */
	PP_IO_TREE_WALK = 105, /* ftw, nftw: without a time, which is that of the calls that their callbacks make */
	PP_IO_FTS = 106, /* fts_open, fts_read, fts_children, fts_close */
	/* waits: they move nothing and have no file */
	PP_IO_POLL = 160,
	PP_IO_SELECT = 161,
	PP_IO_EPOLL = 162,
	PP_IO_SLEEP = 163,
	PP_IO_PAUSE = 164, /* sigsuspend too */
	PP_IO_SIGWAIT = 165,
	PP_IO_WAIT_CHILD = 166,
	PP_IO_MUTEX = 167,
	PP_IO_RWLOCK = 168,
	PP_IO_CONDITION = 169,
	PP_IO_SEMAPHORE = 170,
	PP_IO_BARRIER = 171,
	PP_IO_JOIN = 172,
	PP_IO_INTERPRETER_LOCK = 173, /* Python's */
	PP_IO_FUTEX = 174,	      /* by syscall() */
	PP_IO_MESSAGE = 175,	      /* queues and semaphores of System V, queues of POSIX */
	PP_IO_ASYNC = 176,	      /* aio_suspend and lio_listio that waits */
	PP_IO_OPERATIONS = 177,
};

#define PP_IO_FIRST_WAIT PP_IO_POLL

enum pp_wire_io_kind {
	PP_IO_KIND_FILE = 1,
	PP_IO_KIND_DIRECTORY = 2,
	PP_IO_KIND_PIPE = 3,
	PP_IO_KIND_SOCKET = 4,
	PP_IO_KIND_TTY = 5,
	PP_IO_KIND_DEVICE = 6,
	PP_IO_KIND_OTHER = 7, /* eventfd, epoll and their like */
};

enum pp_wire_io_file_flag {
	PP_IO_FILE_ACCEPTED = 1 << 0, /* a socket that was accepted: its own address names it, not its peer's */
	PP_IO_FILE_LOCAL = 1 << 2,    /* a socket without a peer: its own address names it */
	PP_IO_FILE_NAMED = 1 << 3,    /* a path that the program gave: nothing else is known of it */
	PP_IO_FILE_ADDRESS = 1 << 1,  /* a socket's type (4 bytes) and struct sockaddr, in place of a path */
};

enum pp_wire_family { PP_FAMILY_NONE = 0, PP_FAMILY_MEM = 1, PP_FAMILY_CPU = 2, PP_FAMILY_IO = 3, PP_FAMILY_SQL = 4 };

/* ---------------------------------------------------------------------------------------------------------
 * Stacks: a trie from the outermost frame inwards. A stack is named by its innermost node; parent 0 is the
 * root. `word` is stored last, with release: a node whose word is 0 is not there yet. */
#define PP_NODE_ADDRESS_MASK UINT64_C(0x0000ffffffffffff)
#define PP_NODE_EXACT (UINT64_C(1) << 63)     /* address is the instruction itself (interrupted), not a return address */
#define PP_NODE_TRUNCATED (UINT64_C(1) << 62) /* frames outside this one are missing */
#define PP_NODE_VALID (UINT64_C(1) << 61)     /* always set */
#define PP_NODE_PYTHON (UINT64_C(1) << 60)    /* no address, but a Python frame: */
#define PP_NODE_PYTHON_UNIT UINT64_C(0xffffff) /* 1 + the instruction's number in its code (2 bytes each); 0: not begun */
#define PP_NODE_PYTHON_CODE_SHIFT 24	      /* from here 28 bits: the code's id; 0: it could not be defined */
#define PP_NODE_PYTHON_CODE_LIMIT (UINT32_C(1) << 28)

struct pp_wire_node {
	uint64_t word;	 /* address | flags */
	uint32_t parent;
	uint32_t epoch;	 /* of the module map when the address was seen */
};
_Static_assert(sizeof(struct pp_wire_node) == 16, "wire");

/* ---------------------------------------------------------------------------------------------------------
 * Definitions: appended to the shared memory, 8-byte aligned, each with its own length. */
enum pp_wire_definition { PP_DEF_MODULE = 1, PP_DEF_PYTHON_CODE = 2, PP_DEF_PYTHON = 3 };

struct pp_wire_def {
	uint32_t type;
	uint32_t size; /* bytes, this header and padding included; 0 ends the valid part */
};

/* A mapped object as first met on a stack. Valid for nodes whose epoch is >= `epoch` until another module
 * with a later epoch covers the same addresses. */
struct pp_wire_module {
	struct pp_wire_def def;
	uint64_t start;
	uint64_t end;
	uint64_t bias; /* run-time address less ELF virtual address */
	uint32_t epoch;
	uint16_t build_id_size;
	uint16_t path_size; /* bytes, without a terminator; 0: the executable */
	/* build id, then path */
};
_Static_assert(sizeof(struct pp_wire_module) == 40, "wire");

/* A Python code object, when a frame of it was first met. Two with equal contents are one. Text is as CPython keeps it:
 * 1, 2 or 4 bytes a character (0: ASCII). The line table is in the format of its version. */
struct pp_wire_python_code {
	struct pp_wire_def def;
	uint32_t id; /* from 1 */
	uint32_t first_line;
	uint16_t version; /* major << 8 | minor */
	uint8_t file_kind, name_kind;
	uint32_t file_size, name_size, lines_size; /* bytes */
	uint32_t reserved[2];
	/* file, name (qualified from 3.11 on), line table */
};
_Static_assert(sizeof(struct pp_wire_python_code) == 40, "wire");

/* The interpreter: the object that it lies in. Frames of that object are the interpreter's own. */
struct pp_wire_python {
	struct pp_wire_def def;
	uint32_t version; /* PY_VERSION_HEX, see the header */
	uint32_t reserved;
	uint64_t evaluator; /* an address in the interpreter's object */
};
_Static_assert(sizeof(struct pp_wire_python) == 24, "wire");

/* ---------------------------------------------------------------------------------------------------------
 * The control socket: AF_UNIX, SOCK_SEQPACKET, abstract name "\0preprof-" + token; peers must have the
 * analyzer's effective uid. One connection per process image, kept open until its end, and inherited by a
 * forked child until that has its own: the analyzer sees the end of it only when no child can be on its way. */
#define PP_WIRE_SOCKET_PREFIX "preprof-"
#define PP_WIRE_TOKEN_SIZE 32
#define PP_WIRE_MESSAGE_MAX 65536

enum pp_wire_message_type {
	PP_MSG_HELLO = 1,   /* host: a new image; carries [pipe read end, memfd, pidfd] */
	PP_MSG_ANNOUNCE = 2, /* host: `value` images will be started outside fork (posix_spawn, exec); `pid` and pidfd where
			      * known, 0: not known, negative: not known, a number by which this one is retracted */
	PP_MSG_RETRACT = 3, /* host: `value` announced images will not come */
	PP_MSG_END = 4,	    /* host: the exit path has been reached; answer SAFE, then SUMMARY (maybe empty) */
	PP_MSG_SNAPSHOT = 5, /* host: publish the recording now */
	PP_MSG_SAFE = 6,    /* analyzer: all that was written is read */
	PP_MSG_SUMMARY = 7, /* analyzer: text follows the struct; empty: nothing to print; `value` 1: no image ever came */
	PP_MSG_RUN = 8,	    /* `preprof run`: I am the controller: answer SAFE when ready, then SUMMARY after RUN_EXIT;
			     * `value`: bit 0 a summary in colour, bits 16..31 columns of the terminal, 0: unknown */
	PP_MSG_RUN_EXIT = 9, /* `preprof run`: the command, `pid`, ended; `value` is its wait status */
	PP_MSG_REFUSED = 10, /* analyzer: text says why this image will not be recorded */
	PP_MSG_WAKE = 11,   /* host: the pipe is filling up while the analyzer naps: read now */
	PP_MSG_UNABLE = 12, /* host, in place of HELLO: this image will not be recorded, text says why */
	PP_MSG_MEMORY = 13, /* host, before HELLO: make me a memfd of `value` bytes, my RLIMIT_FSIZE forbids it; the
			     * answer has the same type and carries it, or nothing */
};

/* In ANNOUNCE's `value`, beside a count of 1: the host will name the process, or retract this, as soon as it runs again.
 * No image that comes settles it as long as the host lives. */
#define PP_ANNOUNCE_TO_BE_NAMED (UINT64_C(1) << 32)

struct pp_wire_message {
	uint32_t type;
	uint32_t size; /* bytes, this struct included */
	uint64_t value;
	int32_t pid;
	uint32_t reserved;
};
_Static_assert(sizeof(struct pp_wire_message) == 24, "wire");

enum pp_wire_image_origin {
	PP_ORIGIN_FIRST = 1, /* nobody before it in this tree */
	PP_ORIGIN_FORK = 2,
	PP_ORIGIN_EXEC = 3, /* exec, posix_spawn and their like */
};

/* Follows struct pp_wire_message in HELLO; then executable path, command line (NUL-separated, as in
 * /proc/PID/cmdline) and host name, of the given sizes. */
struct pp_wire_hello {
	uint32_t version;
	uint32_t origin;
	uint64_t image;	       /* random, unique per image */
	uint64_t parent_image; /* the image that forked or executed this one; 0: none known */
	uint64_t fork_id;      /* origin FORK: as in PP_EXT_FORK, else 0 */
	uint64_t start_ns;
	int32_t pid;
	int32_t parent_pid;
	uint32_t uid;
	uint32_t reserved;
	uint32_t executable_size;
	uint32_t command_size;
	uint32_t host_size;
	uint32_t reserved2;
};
_Static_assert(sizeof(struct pp_wire_hello) == 72, "wire");

#endif
