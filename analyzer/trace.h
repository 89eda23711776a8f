/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace of a process tree while it is being received: images (executed programs), their threads, modules and
 * stacks, and the lenses' running totals. The server feeds it bytes; a snapshot of it is a profile.
 *
 * One thread owns a trace. What comes from an image (pipe bytes, shared memory) is hostile input: nothing in it
 * may crash, hang or exhaust the analyzer; damage is counted and said.
 */
#ifndef PREPROF_TRACE_H
#define PREPROF_TRACE_H

#include "error.h"
#include "profile.h"

#include "preprof/wire.h"

struct pp_trace;
struct pp_image;

struct pp_trace *trace_create(void);
void trace_destroy(struct pp_trace *trace);

/* A new image. `shared` is the mapping of its memfd (read only is enough for all but the clock), of `shared_size`
 * bytes, and stays mapped until image_end has returned. Strings are copied. NULL on a hello that makes no sense. */
struct pp_image *trace_image_add(struct pp_trace *trace, const struct pp_wire_hello *hello, const char *executable,
				 const char *command, size_t command_size, const char *host, const void *shared,
				 size_t shared_size, struct pp_error *error);

/* Bytes of the image's pipe, in order, split anywhere. */
void image_feed(struct pp_image *image, const void *bytes, size_t size);

/* Looks at the buffers in shared memory: what idle threads have not written yet is taken over, and events up to
 * the watermark are put in order. now_ns: CLOCK_MONOTONIC. Called now and then while data flows, and before a
 * snapshot. */
void image_heartbeat(struct pp_image *image, uint64_t now_ns);

/* The image is dead (or exec'd) and its pipe is drained: takes the unwritten tails and closes its account. The exit
 * is unknown unless exit->known. end_ns: CLOCK_MONOTONIC. */
void image_end(struct pp_image *image, const struct pp_exit *exit, uint64_t end_ns);

/* A profile that says who was profiled and that nothing else is known of it, for when memory ends. */
struct pp_profile *trace_stub(struct pp_trace *trace, uint64_t now_ns);

/* What the process is called in our own pid namespace: its files are looked for below /proc/PID/root. */
void image_set_root_pid(struct pp_image *image, int32_t pid);

/* What exists of the memory that it shares with us. */
void image_set_shared_bytes(struct pp_image *image, uint64_t bytes);
/* user, system: of the process, where the caller could find out; PP_UNKNOWN otherwise. */
void image_set_usage(struct pp_image *image, uint64_t user_ns, uint64_t system_ns, uint64_t max_rss_bytes);
void image_set_exit(struct pp_image *image, const struct pp_exit *exit);

/* What the kernel has counted so far of the image's threads, preprof's own and what was before the start left out. Where the
 * process itself tells it at its end, that counts. */
struct pp_kernel_io {
	uint64_t read_bytes, written_bytes;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	bool known;
};
void image_set_kernel_io(struct pp_image *image, const struct pp_kernel_io *io);
void image_set_io_uring(struct pp_image *image); /* it uses one */
bool image_has_io_uring(const struct pp_image *image);
/* The same of a living thread, by its serial. */
void image_set_schedule(struct pp_image *image, uint32_t serial, uint64_t cpu_ns, uint64_t run_delay_ns);

/* Of an image that has ended: what its header (hostile, still mapped by the caller) says by now of a stop. */
void image_set_stopped(struct pp_image *image, const struct pp_wire_header *header);

/* True if the image told of a fork whose child has not come. It may have died, or have been killed, before it could. */
bool image_forks_open(const struct pp_image *image);

/* A sentence for the report's not_observed list (an image that was refused, an analyzer that had to stop, ...). */
void trace_note(struct pp_trace *trace, const char *sentence);

/* A profile of everything so far, on an arena of its own, not yet symbolized: frames are empty. Cheap enough to be
 * made on the thread that drains the pipe: plain copies. The caller destroys it. */
struct pp_profile *trace_snapshot(struct pp_trace *trace, uint64_t now_ns, bool running);

/* Fills frames and addresses' frames of a snapshot. Any one thread. cache keeps symbols from one publication to the
 * next and belongs to the caller. */
struct pp_symbol_cache;
struct pp_symbol_cache *symbol_cache_create(void);
void symbol_cache_destroy(struct pp_symbol_cache *cache);
bool profile_symbolize(struct pp_profile *profile, struct pp_symbol_cache *cache, struct pp_error *error);
/* Instead of that, what takes no file: names of Python's functions and of preprof's own. A note says so. */
void profile_name_places(struct pp_profile *profile);

#endif
