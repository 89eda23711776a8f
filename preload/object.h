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
	uintptr_t bias;	      /* from the addresses in the file to those in memory */
	const struct link_map *map;
	const ElfW(Phdr) *segments; /* NULL: not to be had */
	size_t segment_count;
	const uint8_t *frame_header;		   /* .eh_frame_hdr; NULL: none */
	const uint8_t *frames_start, *frames_end; /* what can be read around it without a hole */
};

/* false: no object is there (code made at run time), or none is any more. An object that another thread unloads may be
 * gone before it is read, as with any look at the loader's objects without its lock. Any context; takes no lock. */
bool object_find(uintptr_t address, struct pp_object *object);

#endif
