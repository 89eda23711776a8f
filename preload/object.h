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
	uint64_t signals; /* while it is held: blocked before */
};

/* false: no object is there (code made at run time), or none is any more. Reads nothing of the object itself, which
 * another thread may be unloading. Any context; takes no lock. */
bool object_find(uintptr_t address, struct pp_object *object);
/* Its bias and program headers; false: no headers are to be had. Reads the object: whoever calls this keeps it loaded, or
 * holds it. Any context. */
bool object_segments_read(struct pp_object *object);

/* For who reads what is in an object. An address on a stack does not keep its object loaded: a thread that will not go back
 * there stands in a library that another one closes, and a stack that is misread leads anywhere. HELD: no unload begins
 * before object_release, and no handler runs on this thread. LEAVING: another thread is unloading objects and this may be one
 * of them, nothing of it may be read. Neither for LEAVING nor for NONE object_release is called. Any context, handlers too;
 * takes no lock. */
enum pp_object_hold { PP_OBJECT_NONE, PP_OBJECT_HELD, PP_OBJECT_LEAVING };
enum pp_object_hold object_hold(uintptr_t address, struct pp_object *object);
void object_release(const struct pp_object *object);
/* How many times LEAVING was the answer: what was learnt meanwhile is less than what was there. Any context. */
uint32_t objects_refused(void);
/* Whether the object that starts there is one that never goes. Any context. */
bool object_lasts(uintptr_t start);

/* Around whatever may unload. begin waits until nobody holds an object; the calling thread may hold on. Not in handlers. */
void objects_unload_begin(void);
void objects_unload_end(void);
/* How many unloads the calling thread is in. */
uint32_t objects_unloads(void);
/* In a forked child: other threads, which do not exist here, hold and unload nothing. */
void objects_settle_in_child(void);
/* What is loaded now is never unloaded. Once, at the start. */
void objects_remember_lasting(void);

#endif
