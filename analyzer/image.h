/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a trace, shared by the files that make it up (trace, reader, snapshot, replay) and by nothing else.
 * What the rest of the analyzer may use is in trace.h. One owner thread.
 */
#ifndef PREPROF_IMAGE_H
#define PREPROF_IMAGE_H

#include "ended.h"
#include "lens_cpu.h"
#include "lens_gil.h"
#include "lens_io.h"
#include "lens_mem.h"
#include "lens_sql.h"
#include "io_files.h"
#include "order.h"
#include "stacks.h"
#include "trace.h"

struct pp_replay_writer;

/* Where the decoding of a stream stands. */
struct pp_cursor {
	uint64_t time_ns;
	uint64_t stamp;	 /* never falls for one thread */
	uint32_t thread; /* index in the image */
};

/* One of a slot's two streams of frames. */
struct pp_lane {
	uint64_t next;	   /* the sequence awaited */
	uint32_t consumed; /* bytes of it taken from the shared memory, header included; 0: none */
	struct pp_cursor cursor;
	uint64_t gap_since_ns; /* the shared memory has been ahead of the pipe since */
	uint32_t gap_looks;    /* and in so many looks; 0: it is not */
};

struct pp_slot_state {
	struct pp_lane events, samples;
};

struct pp_image_thread {
	uint32_t serial;
	int32_t tid;
	char name[17];
	bool ended;
	uint64_t start_ns, end_ns; /* PP_UNKNOWN: not known, not ended */
	uint64_t cpu_ns;	   /* PP_UNKNOWN: never read */
	uint64_t sample_count;	   /* weights included */
	uint64_t event_count, lost_count;
	uint64_t python_count, gil_count; /* samples with a Python thread state, and with the interpreter's lock */
	uint64_t gil_wait_ns, gil_wait_count;
	uint64_t run_delay_ns; /* PP_UNKNOWN: not known */
};

struct pp_fork_point {
	uint64_t fork_id;
	struct pp_inherited *inherited; /* NULL: given back for want of room */
	uint64_t bytes;			/* that it adds */
};

/* What a profile tells of what the process says of itself in its header. */
struct pp_said {
	const char *stop_reason; /* NULL: it was not stopped */
	bool ended;
	int32_t exit_code;
	uint32_t families, not_observed, python_version, descriptor_limit, io_known;
	uint64_t cpu_ns, paused_cpu_ns, unrecorded_cpu_ns, user_ns, system_ns, max_rss_bytes, overhead_bytes;
	uint64_t dropped_frames, dropped_events, python_merge_count, python_matched_count;
	uint64_t io_base_read, io_base_write, io_ended_read, io_ended_write, io_own_read, io_own_write;
	uint64_t skipped[PP_SKIP_COUNT];
};

struct pp_image {
	struct pp_trace *trace;
	uint32_t index;
	struct pp_wire_hello hello;
	const char *executable, *host;
	const char *const *command;
	const uint8_t *shared;
	size_t shared_size;
	uint32_t stack_limit;

	/* facts of the header, copied when the image came */
	uint64_t start_ns, start_unix_ns;
	uint32_t stamp_shift;
	bool stamp_is_tsc;
	uint32_t sample_period_ns;
	uint8_t words[16];  /* size of each compact record; 0: unknown */
	uint8_t action[16]; /* the type where it is known and of the size known, else 0 */

	/* the stream */
	uint8_t *partial; /* a frame that has come in part; NULL: none ever has. PP_WIRE_FRAME_SPACE bytes */
	size_t partial_size;
	bool resyncing;		/* looking for where a frame begins */
	uint64_t damaged_count; /* places in the stream, frames and records that made no sense */
	uint64_t gap_count;	/* frames that never came */
	bool damage_noted;
	struct pp_slot_state *slots;
	uint32_t slot_count, slot_capacity;
	struct pp_image_thread *threads;
	uint32_t thread_count, thread_capacity;
	struct pp_table thread_of; /* serial to index; empty once it has ended */
	uint64_t event_count, lost_count;
	uint64_t looked_held; /* events held after the last look */
	uint64_t now_ns;      /* of the last heartbeat */
	uint64_t last_time_ns; /* the latest that a record told */

	struct pp_order order;
	struct pp_event *batch; /* PP_EVENT_BATCH; NULL: ended */
	size_t batch_count;
	struct pp_mem_lens mem;
	struct pp_cpu_lens cpu;
	struct pp_gil_lens gil;
	struct pp_io_lens io;
	struct pp_sql_lens sql;
	struct pp_image_stacks stacks;

	/* forks */
	uint32_t fork_told_count; /* records of a fork */
	uint32_t fork_come_count; /* children of ours that said HELLO */
	struct pp_fork_point *forks; /* of children that have not come */
	uint32_t fork_count, fork_capacity;
	uint32_t fork_forgotten; /* of them: the first ones, to keep within the budget */
	struct pp_inherited *fork_base; /* the live addresses of some time ago; what changed since is in the journal of mem.blocks */
	uint64_t fork_base_version;	/* of what the image itself had inherited, then */
	bool waiting;		 /* for the parent's stream to reach our fork */
	uint64_t waiting_since_ns;
	uint8_t *held; /* bytes of the pipe meanwhile */
	size_t held_size, held_capacity;

	bool ended; /* sites and threads are final, stacks are nodes of the trace */
	uint64_t end_ns;
	uint64_t missing_count; /* events that the slots count and nobody has seen */
	struct pp_exit exit;
	uint64_t user_ns, system_ns, max_rss_bytes;
	uint64_t shared_bytes; /* of its shared memory that exist; 0: not known (a replay) */
	struct pp_kernel_io kernel_io; /* at the last look */
	bool io_uring;
	struct pp_said said; /* at the end */
};

struct pp_trace {
	struct pp_image **images;
	uint32_t image_count, image_capacity;
	struct pp_table image_of; /* hello.image to index */
	struct pp_stacks stacks;
	struct pp_io_files files;
	struct pp_sql_texts sql;
	struct pp_ended ended;
	struct pp_bin_clock clock;
	struct pp_arena *arena; /* strings */
	const char **notes;
	uint32_t note_count, note_capacity;
	uint64_t start_ns, start_unix_ns;
	uint64_t fork_bytes;	       /* of sets that no child has claimed */
	struct pp_image **waiting;     /* images that wait for their parents, in the order of their coming */
	uint32_t waiting_count, waiting_capacity;
	bool forks_moved;	       /* fork points were added, or an image with some has ended */
	struct pp_replay_writer *save; /* NULL: not saving */
	bool replaying;		       /* shared memory stands still, order comes from the file */
};

/* reader.c */
void reader_feed(struct pp_image *image, const uint8_t *bytes, size_t size);
/* Takes what the buffers in shared memory hold beyond what came by the pipe, and puts events in order up to the
 * watermark. stamp_now: of the image's own clock, before the call. */
void reader_look(struct pp_image *image, uint64_t stamp_now);
/* The same when the process is dead and the pipe drained: everything. */
void reader_look_last(struct pp_image *image);
/* A piece of a buffer, as a look took it; `bytes` holds the frame up to `to`. For replays. */
void reader_take(struct pp_image *image, const uint8_t *bytes, uint32_t from, uint32_t to);
void image_flush(struct pp_image *image); /* the batch, while there is one thread */
uint64_t image_stamp_now(const struct pp_image *image);

/* reader_io.c: takes what the pages of I/O calls in the shared memory hold. `last`: the process is dead. */
void image_take_io(struct pp_image *image, bool last);
uint64_t image_tick_time(const struct pp_image *image, uint64_t tick); /* CLOCK_MONOTONIC */
void image_take_sql(struct pp_image *image, bool last); /* reader_sql.c: the same of SQLite's calls */

/* trace.c */
/* A copy of the header as it stands; a string goes to the arena. */
void said_read(struct pp_said *said, struct pp_arena *arena, const struct pp_wire_header *header);
uint32_t image_thread(struct pp_image *image, uint32_t serial, uint32_t tid);
void image_watermark(struct pp_image *image, uint64_t watermark);

/* forks.c */
void image_fork(void *image, uint64_t fork_id);
/* Gives back what was kept for the next fork, once too much has changed for it to be of use. Now and then. */
void image_forks_trim(struct pp_image *image);
/* Starts children whose fork the parents' streams have reached; give_up: this one however that is. */
void trace_inherit(struct pp_trace *trace, struct pp_image *give_up);
void image_hold(struct pp_image *image, const uint8_t *bytes, size_t size);
void image_forks_finish(struct pp_image *image);

/* snapshot.c */
void image_resolve_stacks(struct pp_image *image); /* the shared memory goes away: sites name trace nodes now */

#endif
