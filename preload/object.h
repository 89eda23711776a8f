/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object that an address belongs to, as the loader mapped it: glibc's _dl_find_object, made whole. Where pages lie
 * between an executable's segments that belong to none of them (cc1, make and node are linked so), that function knows
 * nothing but the segment with the code; the executable's program headers, which the kernel names, tell the rest.
 */
#ifndef PREPROF_OBJECT_H
#define PREPROF_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_object {
	uintptr_t start, end; /* from its first segment to the end of its last */
	const struct link_map *map;
	const uint8_t *frame_header;		   /* .eh_frame_hdr; NULL: none */
	const uint8_t *frames_start, *frames_end; /* what can be read around it without a hole */
	/* By object_segments_read: */
	uintptr_t bias; /* from the addresses in the file to those in memory */
	const ElfW(Phdr) *segments;
	size_t segment_count;
};

/* false: no object is there (code made at run time), or none is any more. Reads nothing of the object itself, which
 * another thread may be unloading. Any context; takes no lock. */
bool object_find(uintptr_t address, struct pp_object *object);
/* Its bias and program headers; false: no headers are to be had. Reads the object: whoever calls this keeps it loaded, or holds an address of
 * it that is in use. Any context. */
bool object_segments_read(struct pp_object *object);

#endif
