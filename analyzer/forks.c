/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What forked children inherit: at a fork record the parent's live addresses are kept for the child of that fork id,
 * and a child's stream waits until its parent's has reached that record, or for a second.
 */
#include "image.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define FORK_BUDGET_BYTES (UINT64_C(128) << 20) /* of sets that no child has claimed */
#define HELD_LIMIT_BYTES  ((size_t)16 << 20)
/* Changes between two forks, of which each costs a look at its address. */
#define JOURNAL_LEAST 1024
#define JOURNAL_PART  64
#define JOURNAL_LIMIT 65536

static void point_forget(struct pp_trace *trace, struct pp_fork_point *point)
{
	if (!point->inherited)
		return;
	trace->fork_bytes -= point->bytes;
	inherited_destroy(point->inherited);
	point->inherited = NULL;
}

static void base_drop(struct pp_image *image)
{
	inherited_destroy(image->fork_base);
	image->fork_base = NULL;
}

void image_forks_trim(struct pp_image *image)
{
	if (image->fork_base && !image->mem.blocks.journal)
		base_drop(image);
}

/* The live blocks are read as a whole for the first of a row of forks, and what has changed since for the others, as long as
 * that is little. *bytes: what it adds to those before it. */
static struct pp_inherited *live_addresses(struct pp_image *image, uint64_t *bytes)
{
	struct pp_blocks *blocks = &image->mem.blocks;
	struct pp_inherited *live;

	if (image->fork_base && blocks->journal &&
	    image->fork_base_version == inherited_version(image->mem.inherited)) {
		live = inherited_update(image->fork_base, blocks, blocks->journal, blocks->journal_count);
		*bytes = inherited_own_bytes(live);
		return live;
	}
	base_drop(image);
	image->fork_base = inherited_create(blocks, image->mem.inherited);
	image->fork_base_version = inherited_version(image->mem.inherited);
	blocks_journal_begin(blocks,
			     (uint32_t)(blocks->count / JOURNAL_PART < JOURNAL_LIMIT ? blocks->count / JOURNAL_PART
										     : JOURNAL_LIMIT) +
				     JOURNAL_LEAST);
	*bytes = inherited_bytes(image->fork_base);
	return inherited_copy(image->fork_base);
}

void image_fork(void *owner, uint64_t fork_id)
{
	struct pp_image *image = owner;
	struct pp_trace *trace = image->trace;
	struct pp_inherited *inherited;
	uint64_t bytes;

	inherited = live_addresses(image, &bytes);
	for (; image->fork_forgotten < image->fork_count && trace->fork_bytes > FORK_BUDGET_BYTES; image->fork_forgotten++)
		point_forget(trace, &image->forks[image->fork_forgotten]);
	image->forks =
		memory_grow(image->forks, &image->fork_capacity, (size_t)image->fork_count + 1, sizeof(*image->forks));
	image->forks[image->fork_count++] =
		(struct pp_fork_point){.fork_id = fork_id, .inherited = inherited, .bytes = bytes};
	trace->fork_bytes += bytes;
	trace->forks_moved = true;
}

bool image_forks_open(const struct pp_image *image)
{
	return image->fork_told_count > image->fork_come_count;
}

void image_forks_finish(struct pp_image *image)
{
	for (uint32_t i = 0; i < image->fork_count; i++)
		point_forget(image->trace, &image->forks[i]);
	base_drop(image);
	free(image->forks);
	image->forks = NULL;
	image->fork_count = image->fork_capacity = image->fork_forgotten = 0;
	free(image->held);
	image->held = NULL;
}

void image_hold(struct pp_image *image, const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return;
	if (image->held_size + size > image->held_capacity) {
		size_t capacity = (image->held_size + size) * 2;
		uint8_t *held = memory_array(capacity, 1);

		if (image->held_size)
			memcpy(held, image->held, image->held_size);
		free(image->held);
		image->held = held;
		image->held_capacity = capacity;
	}
	memcpy(image->held + image->held_size, bytes, size);
	image->held_size += size;
	if (image->held_size > HELD_LIMIT_BYTES)
		trace_inherit(image->trace, image);
}

/* Its child has come. Of many forks the last ones are spoken of most. */
static void point_remove(struct pp_image *parent, struct pp_fork_point *point)
{
	uint32_t at = (uint32_t)(point - parent->forks);

	point_forget(parent->trace, point);
	parent->fork_count--;
	if (at < parent->fork_forgotten)
		parent->fork_forgotten--;
	memmove(point, point + 1, (parent->fork_count - at) * sizeof(*point));
	if (!parent->fork_count)
		parent->forks = memory_fit(parent->forks, &parent->fork_capacity, 0, sizeof(*point));
}

static struct pp_fork_point *point_find(struct pp_image *parent, uint64_t fork_id)
{
	for (uint32_t i = parent->fork_count; i-- > 0;) {
		if (parent->forks[i].fork_id == fork_id)
			return &parent->forks[i];
	}
	return NULL;
}

static void waiting_remove(struct pp_trace *trace, struct pp_image *image)
{
	uint32_t at = 0;

	while (trace->waiting[at] != image)
		at++;
	trace->waiting_count--;
	memmove(&trace->waiting[at], &trace->waiting[at + 1], (trace->waiting_count - at) * sizeof(image));
	image->waiting = false;
}

/* false: it has to wait on. */
static bool image_inherit(struct pp_image *image, bool give_up)
{
	struct pp_trace *trace = image->trace;
	uint64_t *index = table_find(&trace->image_of, image->hello.parent_image);
	struct pp_image *parent = index ? trace->images[*index] : NULL;
	struct pp_fork_point *point = parent ? point_find(parent, image->hello.fork_id) : NULL;

	if (point && point->inherited) {
		trace->fork_bytes -= point->bytes;
		image->mem.inherited = point->inherited;
		point->inherited = NULL;
		point_remove(parent, point);
	} else if (point || give_up || !parent || parent->ended) {
		image->mem.inherited_unknown = true;
	} else {
		return false;
	}
	/* What other threads allocated between the record of the fork and the copy of each page, which no moment tells, is
	 * inherited as well; so is what the parent did but could not tell, and what it inherited unseen. */
	if (parent && (parent->thread_count > 1 || parent->lost_count || parent->gap_count || parent->mem.inherited_unknown))
		image->mem.inherited_unknown = true;
	waiting_remove(trace, image);
	if (image->held_size) {
		reader_feed(image, image->held, image->held_size);
		image->held_size = image->held_capacity = 0;
		free(image->held);
		image->held = NULL;
	}
	if (!image->order.merging)
		image_flush(image);
	return true;
}

void trace_inherit(struct pp_trace *trace, struct pp_image *give_up)
{
	if (give_up && give_up->waiting)
		image_inherit(give_up, true);
	while (trace->forks_moved) {
		trace->forks_moved = false;
		for (uint32_t i = 0; i < trace->waiting_count;)
			i += !image_inherit(trace->waiting[i], false);
	}
}
