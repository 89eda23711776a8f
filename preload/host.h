/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's state in the host and the verbs that a hook is written in. A hook knows no buffer and no file:
 *
 *	struct pp_thread *thread = hook_enter();
 *	result = the real function
 *	if (thread) {
 *		record_...(thread, ...);
 *		hook_leave(thread);
 *	}
 *
 * hook_enter gives NULL when nothing is to be recorded: profiling is off, or this call comes from within another hook
 * or from the library itself. Nothing here touches errno, allocates by malloc or takes a lock.
 */
#ifndef PREPROF_HOST_H
#define PREPROF_HOST_H

#include "preprof/settings.h"
#include "preprof/wire.h"
#include "stack.h"

#include <stdbool.h>
#include <stdint.h>

#define PP_EXPORT __attribute__((visibility("default")))
/* A hook is compiled with a frame pointer (the whole library is): a walk begins at its frame. */
#define PP_HOOK PP_EXPORT
#define pp_likely(x) __builtin_expect(!!(x), 1)
#define pp_unlikely(x) __builtin_expect(!!(x), 0)

/* Depth limit of a stack, and of the handler's scratch space. */
#define PP_DEPTH_LIMIT 1024

/* What a thread is inside of: calls of SQLite, the innermost last. See sql_context.h. */
#define PP_SQL_DEPTH 8
enum pp_sql_context_kind {
	PP_SQL_IN_CALL = 0,
	PP_SQL_IN_SCRIPT = 1, /* sqlite3_exec, whose inner calls are the program's */
	PP_SQL_IN_STEP = 2,
};
struct pp_sql_context {
	uint64_t frame; /* of the hook */
	uint32_t kind; /* enum pp_sql_context_kind */
	uint32_t touched; /* 0: what follows means nothing yet, and stands for zeroes */
	uint32_t syncs, busy_waits;
	uint64_t nested_ticks, read_bytes, written_bytes, sync_ns, busy_ticks;
	uint64_t busy_until; /* in ticks: the end of the last wait */
};

struct pp_sql_thread {
	struct pp_wire_sql_page *page; /* NULL: none yet, or none left */
	uint64_t old_ticks;	       /* an entry's age at which it is told */
	uint64_t refused_ticks;	       /* when a refusal was told last */
	uint64_t since[PP_WIRE_SQL_ENTRIES];
	uint32_t state; /* 1: it has its page, or will get none */
	uint32_t depth;
	const uintptr_t *recent_key; /* the statement that this thread stepped last: see sql_again.h; NULL: none */
	struct sql_statement *recent;
	struct pp_sql_context contexts[PP_SQL_DEPTH];
};

/* What the library keeps for one thread: one private mapping, wiped by the kernel in a forked child, so that `live`
 * is 0 there and the first hook finds out. Owned by its thread; the signal handler of that thread may read it. */
#define PP_FOREIGN_FDS 8 /* more: all are */

struct pp_thread {
	uint32_t live;
	uint32_t serial;
	int32_t tid;
	uint32_t slot_index;
	struct pp_wire_slot *slot;
	uint64_t *cursor; /* next free word of slot->events */
	uint64_t *limit;
	uint64_t time_ns; /* as last told to the analyzer */
	uint64_t stamp;	  /* likewise */
	uint64_t frame_first; /* slot->event_count at the frame's beginning */
	uint64_t last_alloc; /* address of the last allocation recorded */
	uint64_t new_size; /* of the operator new under way, and who called it: see preprof_operator_new */
	struct pp_registers new_registers;
	uint64_t heap_countdown; /* HEAP=sampled */
	uint64_t random;
	uint32_t lost;	      /* records dropped since the last frame */
	uint32_t sample_lost;
	int32_t timer;	      /* kernel timer id, -1: none */
	uint32_t sampling;    /* 1 while the timer is armed */
	struct pp_memo *memo;
	uint64_t *scratch;    /* PP_DEPTH_LIMIT words for the handler */
	uint8_t *handler_stack; /* alternate stack lent to the handler, NULL: none */
	uint32_t stack_is_small; /* the thread's own: it keeps ours even where the program has alternate stacks */
	size_t mapped_bytes;
	struct pp_thread *next_ended; /* see thread_finish */
	struct pp_wire_io_page *io;   /* NULL: none yet, or none left */
	uint64_t io_old_ticks;	      /* an entry's age at which it is told */
	uint64_t io_since[PP_WIRE_IO_ENTRIES]; /* ticks at the first call of each entry's fill */
	uint64_t io_clock;		       /* the analyzer's coarse clock when entries' ages were last looked at */
	uint32_t io_last;		       /* the entry of the last call */
	uint8_t io_again_at[PP_WIRE_IO_ENTRIES]; /* 1 + the number of the repeated call that adds to the entry (io_again.h); 0: none */
	uint64_t stdio_read_bytes; /* that stdio has read in this thread: see stdio.c */
	uint64_t stdio_write_count; /* writes that it has made */
	uint64_t wait_sp;		       /* the stack at the call in slot->wait_since; above it the call is over */
	uint32_t io_state;		       /* 1: it has its page, or will get none */
	struct pp_sql_thread sql;
	uint32_t signals_seen;	      /* see signals_settle */
	struct pp_python_area *python; /* see stack_python.c; NULL: none yet */
	uint32_t foreign_count;	 /* numbers that a child sharing our memory has given another meaning: see io_files.c */
	int32_t foreign[PP_FOREIGN_FDS];
	uint64_t foreign_state[20]; /* room for what one of them means there: struct pp_io_fd */
	uint32_t leaving; /* forks under way of handlers that interrupted a hook of this thread's: see life.c */
	/* How far a hook had come that a handler jumped out of: see thread_jumped. */
	uint64_t events_sent, samples_sent; /* frame being written, or that was: the next one may not be begun yet */
	uint64_t io_told, sql_told; /* the entry that was told and is not yet empty: [fill:32 | 1 + its place:32]; 0: none */
	uint32_t unwinding;		    /* in libunwind */
	uint64_t stack_bytes; /* of a thread that pthread_create or thrd_create made; 0: not known */
	uint32_t python_careful; /* 1: the interpreter may be about to end, and its memory with it; see hook_gil.c */
};

/* Values of pp_tls.guard. While a hook records, only a signal handler can call another: what it does then is counted as
 * skipped. Within the library's own calls, and those whose events this hook tells itself, others are called by design. */
#define PP_GUARD_HOOK	 1u
#define PP_GUARD_LIBRARY 2u /* added; PP_GUARD_HOOK is not looked at */
#define PP_GUARD_PASS	 5u /* see hook_pass_begin; with the bit of PP_GUARD_HOOK: see guard_raise */

/* 24 bytes of initial-exec thread-local storage; object.c, sampler.c and stack_libunwind.c take 20 more. */
struct pp_tls {
	struct pp_thread *thread;
	uint32_t guard; /* > 0: inside a hook or the library */
	uint32_t ended; /* 1: this thread has said good-bye; 2: it found no slot */
	uint64_t guard_sp; /* of PP_GUARD_HOOK and PP_GUARD_PASS: who jumps further up has left the hook (hook_jump.c) */
};
extern __thread struct pp_tls pp_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

enum pp_state {
	PP_STATE_NEW = 0,      /* not started: the first hook or the constructor will */
	PP_STATE_STARTING = 1,
	PP_STATE_ON = 2,
	PP_STATE_WAITING = 3,  /* DELAY or START_SIGNAL: everything is ready, nothing is recorded yet */
	PP_STATE_OFF = 4,      /* for good: every hook is a pass-through */
};

/* What a descriptor of ours refers to: its number may become the program's behind our back. */
struct pp_identity {
	uint64_t device, inode;
};

/* Of the process image. Read by every hook; written at start, in a forked child and by stop. */
struct pp_session {
	uint32_t state; /* enum pp_state */
	uint32_t multi; /* 1: more than one thread exists, records carry stamps */
	uint32_t stamp_shift;
	uint32_t stamp_is_tsc;
	uint64_t tick_ns; /* nanoseconds a tick, in units of 2^-32 */
	struct pp_wire_header *header;
	int pid;
	int parent_pid;
	int pipe_write, pipe_read, memory, control; /* ours, high and CLOEXEC; -1: none */
	struct pp_identity pipe_identity, memory_identity, control_identity;
	uint32_t writers; /* threads between proving a descriptor of ours and the end of their write to it */
	uint64_t memory_space;
	uint64_t image; /* random id of this image */
	uint64_t parent_image;
	uint64_t fork_serial;
	uint64_t progress_seen; /* header->progress when `outstanding` was 0 */
	uint32_t outstanding;	/* frames written since */
	uint32_t stalled; /* the analyzer made no progress for 2 s: drop at once until it does */
	uint32_t control_full; /* it did not read its messages for a second: none waits until one gets through */
	uint32_t io_blind;	/* a filter forbids asking what descriptors are: calls are recorded, files are unknown */
	uint32_t sealed;	/* not one system call of ours may be made any more; the state is OFF */
	uint32_t children_bare; /* children could not join: they are not followed */
	uint64_t stall_progress; /* where it stood then */
	uint32_t forking; /* a fork is under way: captures wait or are skipped */
	char token[PP_WIRE_TOKEN_SIZE + 1];
	struct pp_settings settings;
	uint64_t stderr_device, stderr_inode; /* descriptor 2 at the start */
	uint64_t tree_start_ns; /* what DELAY and DURATION count from: when its first process started */
	int first_pid;	 /* the tree's first process, which prints the summary; 0: `preprof run` does */
};
extern struct pp_session pp_session __attribute__((visibility("hidden")));

/* --- session.c: start, stop, forked child ------------------------------------------------------------------------ */

/* Starts the session if it was not; any thread, not in a handler. */
void session_start(void);
/* After fork, in the child: a stream of its own. Not in a handler. descriptors_shared: its parent's are not its to close. */
void session_restart_in_child(bool descriptors_shared);
/* For good: one line on stderr (the reason) unless that is another file by now, every hook becomes a pass-through. Any context. */
void session_stop(const char *reason);
/* Descriptor 2 is the file that it was at the start: what we say is not written into one of the program's. Any context. */
bool session_stderr_is_the_same(void);
/* For good, before the program forbids itself system calls: without a line, and nothing of ours follows. Not in a handler. */
void session_seal(const char *reason);
/* What is started from now on runs without us. */
void session_children_bare(void);
/* false: the analyzer's end of the connection is closed. Any context. */
bool session_analyzer_lives(void);
/* It does not: nothing is recorded any more, here (unless this is a vfork child) and in what is started from now on, of which
 * each would begin a recording of its own. Any context. */
void session_orphaned(void);
/* Maps a part of the shared memory; NULL when there is none left. Any context. */
void *session_shared(uint64_t offset);
bool session_owns_descriptor(int fd);
/* `fd` still refers to what it did when it became ours. Any context. */
bool session_proves_descriptor(int fd, const struct pp_identity *identity);
/* Moves our descriptor `fd` elsewhere: the program wants this number, and takes it by dup2, which closes what is there.
 * When it returns no thread uses the number. false: could not, profiling has been stopped. */
bool session_move_descriptor(int fd);
/* Tells the analyzer; false: it is not there. Any context that may block shortly. */
bool session_send(uint32_t type, uint64_t value, int pid, int fd);
/* The exit path: hands over what is in the buffers, waits (bounded) until it is safe, prints the summary. Once. */
void session_finish(int exit_code);
/* PREPROF_SESSION's value for a child that will be executed; writes at most 96 bytes. */
void session_name_for_child(char *text);

/* --- thread.c ----------------------------------------------------------------------------------------------------- */

/* The slow way in: starts the session, makes this thread's state, notices a fork. NULL: do not record. */
struct pp_thread *thread_enter_slow(void);
void thread_finish(void); /* the calling thread ends: hands over its buffers; what it still frees is recorded */
void thread_reap(void); /* gives back what threads held that are dead by now; not in a handler */
void thread_mark_multi(void); /* a second thread is about to exist */
struct pp_thread *thread_current(void); /* NULL: none yet; signal handlers too */

/* --- pipe.c ------------------------------------------------------------------------------------------------------- */

void pipe_flush_events(struct pp_thread *thread);
void pipe_jumped(struct pp_thread *thread); /* see thread_jumped */
void pipe_flush_samples(struct pp_thread *thread); /* in the handler, or with the sampling signal blocked */

/* --- clock.c ------------------------------------------------------------------------------------------------------ */

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC; any context */
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);

/* --- settings.c --------------------------------------------------------------------------------------------------- */

/* From PREPROF_*; false: a wrong value, said on stderr. first: of a tree: a variable that is none is said there as well. */
bool settings_load(struct pp_settings *settings, bool first);
const char *environment_get(const char *name); /* no lock, no allocation; the host's environ */

/* --- say.c -------------------------------------------------------------------------------------------------------- */

/* The only line that the library prints by itself: "preprof: TEXT\n" to descriptor 2, written directly. */
void say(const char *text);
void say3(const char *first, const char *second, const char *third);

/* --- the inline way in and out ------------------------------------------------------------------------------------- */

/*
 * PP_GUARD_HOOK, with the frame that a jump must pass to leave the hook. The thread's state is looked at after it only. false: it
 * is up, though the caller found it down: the handler in between was that of a scheduler, which went on with another of its
 * stacks, and left that in the middle of a hook. So this looks and raises in one instruction (of 4 operations, and none more
 * than a store to be seen in a call); where the guard is up it changes nothing.
 */
static inline __attribute__((always_inline)) bool guard_raise(void)
{
	bool raised;

	pp_tls.guard_sp = (uint64_t)__builtin_frame_address(0);
#if defined(__x86_64__)
	__asm__ volatile("btsl $0, %1" : "=@ccnc"(raised), "+m"(pp_tls.guard) : : "memory");
#else
	__asm__ volatile("" ::: "memory");
	raised = !pp_tls.guard;
	if (raised)
		pp_tls.guard = PP_GUARD_HOOK;
	__asm__ volatile("" ::: "memory");
#endif
	if (pp_unlikely(!raised))
		return false;
	pp_tls.guard_sp = (uint64_t)__builtin_frame_address(0); /* the hooks of a handler in between have moved it */
	__asm__ volatile("" ::: "memory");
	return true;
}

/*
 * Around the library's own calls. Each changes the guard in one instruction: another of the program's stacks may go on in between.
 * A hook on that may also have come to its end since guard_library_begin, with the guard down: then there is nothing to take
 * back, and below 0 it would be up for ever.
 */
static inline void guard_library_begin(void)
{
	__atomic_add_fetch(&pp_tls.guard, PP_GUARD_LIBRARY, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
}

static inline void guard_library_end(void)
{
	uint32_t guard = pp_tls.guard;

	__asm__ volatile("" ::: "memory");
	while (guard >= PP_GUARD_LIBRARY && !__atomic_compare_exchange_n(&pp_tls.guard, &guard, guard - PP_GUARD_LIBRARY, false,
									 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static inline __attribute__((always_inline)) struct pp_thread *hook_enter(void)
{
	struct pp_thread *thread;

	if (pp_unlikely(pp_tls.guard))
		return NULL;
	/* The guard first: a handler in between may fork, and what was read before is not the child's. */
	if (pp_unlikely(!guard_raise()))
		return NULL;
	thread = pp_tls.thread;
	if (pp_likely(thread != NULL && thread->live && pp_session.state == PP_STATE_ON))
		return thread;
	pp_tls.guard = 0;
	if (pp_session.state == PP_STATE_OFF)
		return NULL;
	return thread_enter_slow();
}

/* Around a call within a hook that has been entered, where that call's own events are told by this hook. */
static inline __attribute__((always_inline)) void hook_pass_begin(void)
{
	pp_tls.guard = PP_GUARD_PASS;
	__asm__ volatile("" ::: "memory");
}

static inline __attribute__((always_inline)) void hook_pass_end(void)
{
	__asm__ volatile("" ::: "memory");
	pp_tls.guard = PP_GUARD_HOOK;
}

/* Whether hook_enter gave NULL because the caller interrupted a hook that was recording. */
static inline bool hook_interrupts(void)
{
	return pp_tls.guard == PP_GUARD_HOOK && pp_session.state == PP_STATE_ON;
}

static inline __attribute__((always_inline)) void hook_leave(struct pp_thread *thread)
{
	(void)thread;
	__asm__ volatile("" ::: "memory");
	pp_tls.guard = 0;
}

#endif
