/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw stream of a trace in a file: what the analyzer was given, in the order it came, so that a trace can be made
 * again without the programs. Layout: docs/wire-format.md. A file is hostile input like a stream.
 */
#ifndef PREPROF_REPLAY_H
#define PREPROF_REPLAY_H

#include "error.h"
#include "trace.h"

struct pp_replay_writer;

/* Everything that the trace is given from now on goes to the file too; before its first image. Trouble while writing
 * is kept and told by the other two. */
bool replay_save_start(struct pp_trace *trace, const char *path, struct pp_error *error);
bool replay_save_flush(struct pp_trace *trace, struct pp_error *error);
bool replay_save_finish(struct pp_trace *trace, struct pp_error *error);

/* Plays a file into a trace that has no image yet; its images are ended. What follows damage is left out, and that is
 * noted. The shared memories are made up and live until replay_free. */
struct pp_replay;
struct pp_replay *replay_load(struct pp_trace *trace, const char *path, struct pp_error *error);
struct pp_replay *replay_load_bytes(struct pp_trace *trace, const void *bytes, size_t size, struct pp_error *error);
void replay_free(struct pp_replay *replay); /* NULL is legal; before the trace is destroyed or after */

/* Called by the trace. */
struct pp_image;
void replay_save_image(struct pp_replay_writer *writer, const struct pp_image *image, const char *command,
		       size_t command_size);
void replay_save_pipe(struct pp_replay_writer *writer, const struct pp_image *image, const void *bytes, size_t size);
void replay_save_tail(struct pp_replay_writer *writer, const struct pp_image *image, const uint8_t *frame,
		      uint32_t from, uint32_t to);
void replay_save_watermark(struct pp_replay_writer *writer, const struct pp_image *image, uint64_t watermark);
void replay_save_end(struct pp_replay_writer *writer, const struct pp_image *image, const struct pp_exit *exit,
		     uint64_t end_ns);

#endif
