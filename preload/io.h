/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io family's verbs. A hook of an I/O call is
 *
 *	uint64_t began = io_begin();
 *	result = the real function
 *	if (began)
 *		io_tell(began, operation, fd, asked, result, offset, &registers);
 *
 * Nothing is held across the real call: it may block, be interrupted by a handler that does I/O of its own, be left by
 * a cancellation or by siglongjmp. errno is the real call's afterwards. Any thread; a call from a handler that
 * interrupted one of our hooks is counted as skipped.
 */
#ifndef PREPROF_IO_H
#define PREPROF_IO_H

#include "emit.h"

/* In place of an offset: that of the descriptor itself; of a call that has none. */
#define IO_AT_POSITION (-1)
#define IO_NO_OFFSET   (-2)
#define IO_IN_PLACE    (-3) /* of a seek that can only say where the descriptor is */

/* --- io.c: calls --------------------------------------------------------------------------------------------------- */

static inline uint64_t io_ticks(void)
{
#if defined(__x86_64__)
	if (pp_likely(pp_session.stamp_is_tsc))
		return __rdtsc();
#endif
	return clock_now_ns();
}

uint64_t io_begin_slowly(void);

/* The moment before the real call; 0: this call is not recorded. */
static inline __attribute__((always_inline)) uint64_t io_begin(void)
{
	if (pp_likely(pp_session.state == PP_STATE_ON && pp_session.settings.io))
		return io_ticks();
	return io_begin_slowly();
}

/* What the thread is in from now on: whoever looks at its slot sees it. */
static inline __attribute__((always_inline)) void call_open(struct pp_thread *thread, uint64_t began, uint32_t operation,
							    uint32_t stack, uint64_t sp)
{
	thread->wait_sp = sp;
	thread->slot->wait_call = (uint64_t)operation << 32 | stack;
	__atomic_store_n(&thread->slot->wait_since, began, __ATOMIC_RELEASE);
}

/* The thread is in the call from `began` on, unless that is 0. Gives it back. stack: 0 where it is not known yet. */
static inline __attribute__((always_inline)) uint64_t io_opened(uint64_t began, uint32_t operation,
								uint32_t stack, uint64_t sp)
{
	struct pp_thread *thread;

	if (pp_unlikely(began == 0 || pp_tls.guard))
		return began;
	if (pp_unlikely(!guard_raise())) /* a handler that forks: see hook_enter */
		return began;
	thread = pp_tls.thread;
	if (pp_likely(thread != NULL && thread->live))
		call_open(thread, began, operation, stack, sp);
	__asm__ volatile("" ::: "memory");
	pp_tls.guard = 0;
	return began;
}

/* The same as io_begin, of a call that may take for ever. */
static inline __attribute__((always_inline)) uint64_t io_begin_open(uint32_t operation, const void *frame)
{
	return io_opened(io_begin(), operation, 0, (uint64_t)frame);
}

/* After it. `result`: what the call returned; below 0 it failed, with errno. asked: bytes; 0 where it moves none. */
void io_tell(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
	     int64_t offset, const struct pp_registers *registers);
/* The same of a call that may be one of many alike from its line: see io_again.h. */
void io_tell_repeating(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
		       int64_t offset, const struct pp_registers *registers);
/* Behind a thread's state lies, so aligned and zeroed with it, what is known of its calls that repeat. */
#define PP_IO_AGAIN_ALIGN 1024
#define PP_IO_AGAIN_AT	  ((sizeof(struct pp_thread) + PP_IO_AGAIN_ALIGN - 1) / PP_IO_AGAIN_ALIGN * PP_IO_AGAIN_ALIGN)
size_t io_again_size(void);
/* The same of one that has opened a file or a folder: `fd` is what it gave. how: NULL where it is not known. */
struct pp_io_opened {
	int folder;
	int flags;	  /* below 0: not known */
	const char *path; /* NULL: not known. The kernel has just read it */
};
void io_tell_open(uint64_t began, enum pp_wire_io_operation operation, int fd, const struct pp_io_opened *how,
		  const struct pp_registers *registers);
/* One that makes descriptors otherwise: `count` in `made`, where it succeeded. fd: the one that it was asked of, or -1. */
void io_tell_made(uint64_t began, enum pp_wire_io_operation operation, int fd, const int *made, uint32_t count,
		  enum pp_wire_io_origin origin, int64_t result, const struct pp_registers *registers);
/* A descriptor that came over a socket, or by a call that is not told itself. */
void io_tell_life(uint64_t began, enum pp_wire_io_origin origin, int fd, const struct pp_registers *registers);
/* The same where the descriptor is gone, or never was one. */
void io_tell_file(uint64_t began, enum pp_wire_io_operation operation, uint64_t file, int64_t result,
		  const struct pp_registers *registers);
/* One that moves bytes from a descriptor to another: two operations, of which the second takes the time. */
void io_tell_pair(uint64_t began, enum pp_wire_io_operation in, int from, enum pp_wire_io_operation out, int to,
		  uint64_t asked, int64_t result, const struct pp_registers *registers);

/* sql_call.c: the call was made by SQLite on behalf of what the thread is inside of. */
void sql_passed_io(struct pp_thread *thread, uint32_t operation, uint64_t bytes, uint64_t ns);

/* The thread ends: what its entries hold is told, its page given back. Guard held. */
void io_jumped(struct pp_thread *thread); /* see thread_jumped */
void io_thread_finish(struct pp_thread *thread);
/* A forked child: no thread has a page yet. */
void io_reset(void);

/* The same for streams (stream.h). Of a call of stdio's: fd below 0: the stream has none, `name` says what it is. */
void io_tell_stream(uint64_t began, enum pp_wire_io_operation operation, int fd, const char *name, uint64_t asked,
		    int64_t result, const struct pp_registers *registers);
/* One that succeeded, and that nobody has timed. */
void io_count_stream(enum pp_wire_io_operation operation, int fd, uint64_t bytes, const struct pp_registers *registers);
void io_count_file(enum pp_wire_io_operation operation, uint64_t file, const struct pp_registers *registers);
/* A system call that stdio makes of it: registers are those of libc's function. */
void io_tell_stdio(uint64_t began, enum pp_wire_io_operation operation, int fd, uint64_t asked, int64_t result,
		   const struct pp_registers *registers);
void io_tell_stdio_close(uint64_t began, uint64_t file, int64_t result, const struct pp_registers *registers);

/* --- io_files.c: descriptors --------------------------------------------------------------------------------------- */

struct pp_io_places;

/* Where a descriptor is, and the pattern in which it got there. Duplicates move one: their calls are judged together. */
struct pp_io_position {
	int64_t now; /* below 0: to be asked for */
	struct {
		int64_t end, last, stride;
	} stream[2]; /* reads, writes */
	uint32_t users; /* of one that is shared; 0: it is free */
};

/* What is known of a descriptor. Threads may share one: a torn or lost update misjudges a pattern, nothing else. */
struct pp_io_fd {
	uint64_t file; /* 0: not known yet */
	struct pp_io_position *at; /* its own, or a shared one; never NULL where `file` is known */
	struct pp_wire_io_descriptor *row; /* see io_fd_row */
	struct pp_io_position own;
	/* What has been read without a gap, see io_places.c: as far as run_limit nothing of it was read before. */
	int64_t run_end, run_limit, run_start;
	struct pp_io_places *places; /* of the file; NULL: not kept */
	uint64_t places_key;
	int64_t size; /* of the file when it was looked at */
	int64_t inside_from, inside_to; /* read before, as long as the file's places are of this version */
	uint32_t inside_version;
	uint8_t kind; /* enum pp_wire_io_kind */
	uint8_t accepted;
	uint8_t append;
	uint8_t fresh; /* nothing has been read or written yet */
};

#define PP_IO_CHUNK_BITS 8
#define PP_IO_FD_LIMIT	 (1U << 20)
extern struct pp_io_fd *pp_io_chunks[PP_IO_FD_LIMIT >> PP_IO_CHUNK_BITS] __attribute__((visibility("hidden")));

extern struct pp_wire_io_descriptor pp_io_row_unkept __attribute__((visibility("hidden")));
/* Never NULL: where the number has no life, and another thread may end it at any moment, one of serial 0 that nobody reads. */
static inline __attribute__((always_inline)) struct pp_wire_io_descriptor *io_fd_row(const struct pp_io_fd *state)
{
	struct pp_wire_io_descriptor *row = __atomic_load_n(&state->row, __ATOMIC_RELAXED);

	return pp_likely(row != NULL) ? row : &pp_io_row_unkept;
}

/* NULL: nothing is kept of it. */
static inline struct pp_io_fd *io_fd_known(int fd)
{
	struct pp_io_fd *chunk;

	if ((unsigned int)fd >= PP_IO_FD_LIMIT)
		return NULL;
	chunk = __atomic_load_n(&pp_io_chunks[fd >> PP_IO_CHUNK_BITS], __ATOMIC_ACQUIRE);
	return chunk ? &chunk[fd & ((1 << PP_IO_CHUNK_BITS) - 1)] : NULL;
}

struct pp_io_fd *io_fd_look_up(struct pp_thread *thread, int fd);
struct pp_io_fd *io_fd_make(int fd); /* NULL: nothing is kept of it */
void io_fd_renew(struct pp_thread *thread, int fd); /* as io_fd_forget, guard held: it came back as something new */

/* A child of vfork has changed the number in a table of its own. Any context in which it may be. */
void io_fd_foreign_note(int fd);
bool io_fd_foreign(struct pp_thread *thread, int fd); /* ... and this is that child, still. Only where there is a foreign_count */
struct pp_io_fd *io_fd_foreign_get(struct pp_thread *thread, int fd);

/* NULL: no descriptor, or one beyond those that are kept. With names looked up and told. Guard held. */
static inline struct pp_io_fd *io_fd_get(struct pp_thread *thread, int fd)
{
	struct pp_io_fd *state = io_fd_known(fd);

	if (pp_unlikely(thread->foreign_count) && io_fd_foreign(thread, fd))
		return io_fd_foreign_get(thread, fd);
	return pp_likely(state != NULL && state->file) ? state : io_fd_look_up(thread, fd);
}

/* The same of one whose life has just begun. */
struct pp_io_fd *io_fd_opened(struct pp_thread *thread, int fd, const struct pp_io_opened *how);
/* A file without a descriptor, by what it is called in brackets. Guard held. */
uint64_t io_file_named(struct pp_thread *thread, const char *name);
/* The number is about to mean, or means from now on, something else. Any context, vfork children too. */
void io_fd_forget(int fd, enum pp_wire_io_end end);
void io_fd_forget_range(unsigned int first, unsigned int last);
/* The same, and what it was until now; 0: not known. */
uint64_t io_fd_take(int fd, enum pp_wire_io_end end);
void io_fd_changed(int fd); /* it is the same descriptor, but has another name or other flags from now on */
void io_fd_duplicated(int from, int to); /* `to` means what `from` does. Guard held */
/* Where a call of `got` bytes began, by the position that the kernel has after it. */
int64_t io_fd_ask(struct pp_io_fd *state, int fd, int64_t got);
void io_fds_unsettle(void); /* other processes may have moved positions */
uint64_t io_fd_file(int fd); /* what it is, if it was looked up; else 0 */
void io_fd_moved(int fd, int64_t position); /* lseek's result */
void io_fd_mapped(int fd); /* what is done with its contents is no call from now on */
void io_files_reset(void); /* a forked child: descriptors are as they were, but nobody has been told of their names */

/* A definition's contents and their size. */
#define PP_IO_NAME_BYTES 1024
struct pp_io_name {
	uint32_t size;
	_Alignas(8) uint8_t bytes[PP_IO_NAME_BYTES];
};
uint64_t io_name_hash(uint64_t seed, const void *bytes, size_t size); /* never 0 */
void io_name_tell(struct pp_thread *thread, uint64_t file, uint32_t kind, uint32_t flags, const struct pp_io_name *name);
size_t io_fd_path(struct pp_io_name *name, int fd); /* as the kernel names it; 0: it does not */

/* --- io_lives.c: a descriptor from its making to its end ----------------------------------------------------------------- */

extern uint32_t pp_io_serials __attribute__((visibility("hidden"))); /* the highest that was given */
/* The number means something new. Guard held. from: as in the row. began: tick. */
bool io_life_begin(struct pp_thread *thread, int fd, enum pp_wire_io_origin origin, int from, uint32_t stack,
		   uint64_t began); /* false: it has none, or is another process's */
/* One that is met, whoever made it: its row, now that it was looked at. Guard held. */
void io_life_seen(struct pp_thread *thread, struct pp_io_fd *state, int fd, uint32_t flags, bool deleted);
/* Its last moment; what it was is told. thread: NULL where the guard is not held. false: this is a child that shares our memory, and nothing has ended. */
bool io_life_end(struct pp_thread *thread, struct pp_io_fd *state, int fd, enum pp_wire_io_end end);
/* `bytes` more, by a thread that may not be the row's. */
void io_life_pass(const struct pp_thread *thread, struct pp_wire_io_descriptor *row, bool write, uint64_t bytes);
void io_lives_name(struct pp_thread *thread); /* the process ends: what is open and was never used gets its name. Guard held. */
void io_lives_reset(void); /* a forked child */

/* --- io_places.c: what was read before -------------------------------------------------------------------------------- */

/* The file that the descriptor was found to lead to. Guard held. */
struct stat;
void io_places_open(struct pp_thread *thread, struct pp_io_fd *state, const struct stat *status);
void io_places_close(struct pp_io_fd *state);
/* A call's bytes; of a read: how many of them had been read before. */
uint64_t io_places_read(struct pp_io_fd *state, int64_t start, int64_t end);
void io_places_write(struct pp_io_fd *state, int64_t start, int64_t end);
void io_places_reset(void); /* a forked child */

/* Is there anything that was read? */
struct pp_io_places_head {
	uint32_t known;
};
static inline bool io_places_known(const struct pp_io_places *places)
{
	return ((const struct pp_io_places_head *)(const void *)places)->known != 0;
}

/* Is there anything of the descriptor's file? Another thread may close it meanwhile. */
static inline __attribute__((always_inline)) bool io_fd_was_read(const struct pp_io_fd *state)
{
	const struct pp_io_places *places = __atomic_load_n(&state->places, __ATOMIC_RELAXED);

	return places && io_places_known(places);
}

/* --- io_paths.c: paths ----------------------------------------------------------------------------------------------- */

/* The file at a path that was read by the real call just now; 0: not known. Guard held. */
uint64_t io_path_file(struct pp_thread *thread, int folder, const char *path);
/* The path with the folder that it begins at, as a number; 0: not known. It is not looked at whether there is such a file. */
uint64_t io_path_key(struct pp_thread *thread, int folder, const char *path);
/* As io_tell, of a call that names its file so. folder: a descriptor or AT_FDCWD. path NULL: it names none. */
void io_tell_path(uint64_t began, enum pp_wire_io_operation operation, int folder, const char *path, int64_t result,
		  const struct pp_registers *registers);
void io_names_moved(void); /* a path that led to a file may be another one's: renamed, linked. Any context */
void io_paths_moved(void); /* the working folder is another one, perhaps */
void io_paths_reset(void); /* a forked child */

/* --- io_account.c: what the kernel counts ------------------------------------------------------------------------------ */

void io_account_begin(void);	  /* the session begins in this thread */
void io_account_thread_end(void); /* this thread ends */
void io_account_schedule(struct pp_wire_slot *slot); /* before that: how long it was ready without a processor */
void io_account_finish(void);	  /* the process ends: all threads */

#endif
