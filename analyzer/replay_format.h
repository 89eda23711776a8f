/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a saved stream: a head, then entries, each padded to 8 bytes. Little endian, natural alignment.
 * docs/wire-format.md says the same in prose. Numbers once given are not reused.
 */
#ifndef PREPROF_REPLAY_FORMAT_H
#define PREPROF_REPLAY_FORMAT_H

#include "preprof/wire.h"

#define PP_REPLAY_MAGIC	  UINT64_C(0x3157415246525050) /* "PPRFRAW1" in the file */
#define PP_REPLAY_VERSION 1

struct pp_replay_head {
	uint64_t magic;
	uint32_t version;
	uint32_t byte_order;
};
_Static_assert(sizeof(struct pp_replay_head) == 16, "format");

enum pp_replay_type {
	PP_REPLAY_IMAGE = 1,	 /* struct pp_replay_image, struct pp_wire_header, executable, command, host */
	PP_REPLAY_PIPE = 2,	 /* bytes of the pipe */
	PP_REPLAY_TAIL = 3,	 /* struct pp_replay_tail, struct pp_wire_frame, bytes [from, to) of the frame */
	PP_REPLAY_WATERMARK = 4, /* uint64_t: events up to this stamp are put in order now */
	PP_REPLAY_SHARED = 5,	 /* uint64_t offset in the shared memory, bytes */
	PP_REPLAY_END = 6,	 /* struct pp_replay_end */
};

struct pp_replay_entry {
	uint32_t type;
	uint32_t image; /* from 0, in the order of the IMAGE entries */
	uint64_t size;	/* of what follows, padding not included */
};
_Static_assert(sizeof(struct pp_replay_entry) == 16, "format");

struct pp_replay_image {
	struct pp_wire_hello hello;
	uint64_t shared_size;
};
_Static_assert(sizeof(struct pp_replay_image) == 80, "format");

struct pp_replay_tail {
	uint32_t from, to;
};
_Static_assert(sizeof(struct pp_replay_tail) == 8, "format");

struct pp_replay_end {
	uint32_t known;
	int32_t code;
	int32_t signal;
	uint32_t reserved;
	uint64_t end_ns;
};
_Static_assert(sizeof(struct pp_replay_end) == 24, "format");

#endif
