/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: from the pipe, split anywhere, and from the buffers that threads have not written yet. Each record is taken
 * once, whichever way it came first; what makes no sense is counted and skipped. Records are decoded in records.c.
 */
#include "records.h"
#include "replay.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* A frame further ahead than this was not lost but is nonsense. */
#define SEQUENCE_REACH (UINT64_C(1) << 32)

/* How long the shared memory may stay ahead of the pipe, and over how many looks (we may have slept ourselves), before
 * its thread holds the watermark no longer: a dropped frame never comes. */
#define GAP_PATIENCE_NS UINT64_C(1000000000)
#define GAP_LOOKS	8

/* A record's stamp may be this old while its thread does not look busy yet: the store is still on its way. */
#define IDLE_TICKS UINT64_C(4000000)
#define IDLE_NS	   UINT64_C(1000000)

/* Events held before reader_feed looks at the shared memory by itself. */
#define LOOK_EVENTS	     2048
#define LOOK_EVENTS_PER_SLOT 16

uint64_t image_stamp_now(const struct pp_image *image)
{
	struct timespec now;

#if defined(__x86_64__)
	if (image->stamp_is_tsc)
		return __rdtsc() >> image->stamp_shift;
#endif
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) >> image->stamp_shift;
}

static struct pp_slot_state *slot_state(struct pp_image *image, uint32_t slot)
{
	if (slot >= image->slot_count) {
		image->slots =
			memory_grow(image->slots, &image->slot_capacity, (size_t)slot + 1, sizeof(*image->slots));
		for (uint32_t i = image->slot_count; i <= slot; i++)
			image->slots[i].events.next = image->slots[i].samples.next = 1;
		image->slot_count = slot + 1;
	}
	return &image->slots[slot];
}

static void lane_begin(struct pp_image *image, struct pp_lane *lane, const struct pp_wire_frame *frame)
{
	uint32_t thread = image_thread(image, frame->thread, frame->tid);

	if (lane->cursor.thread != thread) {
		lane->cursor.thread = thread;
		lane->cursor.stamp = 0;
	}
	lane->cursor.time_ns = frame->time_ns;
	if (frame->stamp > lane->cursor.stamp)
		lane->cursor.stamp = frame->stamp;
}

/* Told once, when the whole frame has come. */
static void lane_lost(struct pp_image *image, const struct pp_lane *lane, const struct pp_wire_frame *frame)
{
	image->lost_count += frame->lost;
	if (frame->kind == PP_FRAME_EVENTS)
		image->threads[lane->cursor.thread].lost_count += frame->lost;
}

/* The lane goes over frames that did not come. Where the slot changed hands some are no loss: the old thread's last
 * frame stayed empty, and threads that were never sampled had none but empty ones. */
static void lane_skip(struct pp_image *image, struct pp_lane *lane, const struct pp_wire_frame *frame)
{
	uint64_t gap = frame->sequence - lane->next;
	const struct pp_image_thread *thread = &image->threads[lane->cursor.thread];

	if (thread->serial != frame->thread && gap > 0)
		gap = frame->kind == PP_FRAME_SAMPLES ? 0 : gap - 1;
	image->gap_count += gap;
	lane->next = frame->sequence;
	lane->consumed = 0;
}

/* A whole frame from the pipe. */
static void frame_arrive(struct pp_image *image, const uint8_t *bytes, const struct pp_wire_frame *frame)
{
	struct pp_slot_state *slot = slot_state(image, frame->slot);
	struct pp_lane *lane = frame->kind == PP_FRAME_EVENTS ? &slot->events : &slot->samples;
	uint32_t from = sizeof(*frame);

	if (frame->sequence < lane->next)
		return; /* the same again */
	if (frame->sequence - lane->next > SEQUENCE_REACH) {
		image->damaged_count++;
		return;
	}
	if (frame->sequence > lane->next)
		lane_skip(image, lane, frame);
	if (lane->consumed)
		from = lane->consumed;
	else
		lane_begin(image, lane, frame);
	lane_lost(image, lane, frame);
	if (from < frame->size)
		records_decode(image, &lane->cursor, bytes + from, bytes + frame->size);
	lane->next = frame->sequence + 1;
	lane->consumed = 0;
	lane->gap_looks = 0;
}

static bool frame_valid(const struct pp_wire_frame *frame)
{
	uint32_t space = frame->kind == PP_FRAME_SAMPLES ? PP_WIRE_SAMPLE_SPACE : PP_WIRE_FRAME_SPACE;

	return frame->size >= sizeof(*frame) && frame->size <= space && frame->size % 8 == 0 &&
	       (frame->kind == PP_FRAME_EVENTS || frame->kind == PP_FRAME_SAMPLES) &&
	       frame->slot < PP_WIRE_SLOT_COUNT && frame->sequence != 0 && frame->reserved == 0 &&
	       frame->reserved2 == 0;
}

static void look_if_due(struct pp_image *image)
{
	uint64_t due = LOOK_EVENTS;

	if (!image->order.merging || image->trace->replaying)
		return;
	if (image->slot_count * LOOK_EVENTS_PER_SLOT > due)
		due = image->slot_count * LOOK_EVENTS_PER_SLOT;
	if (image->order.held >= image->looked_held + due)
		reader_look(image, image_stamp_now(image));
}

/* Frames straight from the caller's bytes. Returns how many bytes were used: all but an incomplete frame, or up to
 * where nothing makes sense. */
static size_t frames_direct(struct pp_image *image, const uint8_t *bytes, size_t size)
{
	struct pp_wire_frame frame;
	size_t used = 0;

	while (size - used >= sizeof(frame)) {
		memcpy(&frame, bytes + used, sizeof(frame));
		if (!frame_valid(&frame) || frame.size > size - used)
			break;
		frame_arrive(image, bytes + used, &frame);
		used += frame.size;
		look_if_due(image);
	}
	return used;
}

/* The partial frame grows to what it needs. Returns how many bytes it took. */
static size_t partial_fill(struct pp_image *image, const uint8_t *bytes, size_t size)
{
	size_t need = sizeof(struct pp_wire_frame), took;

	if (!image->partial)
		image->partial = memory_array(1, PP_WIRE_FRAME_SPACE);
	if (image->partial_size >= need)
		need = ((const struct pp_wire_frame *)image->partial)->size;
	took = need - image->partial_size < size ? need - image->partial_size : size;
	memcpy(image->partial + image->partial_size, bytes, took);
	image->partial_size += took;
	return took;
}

/* Takes the partial frame if it is whole; drops its first bytes up to where a header may begin if it makes no sense. */
static void partial_take(struct pp_image *image)
{
	struct pp_wire_frame frame;
	size_t skip = 0;

	if (image->partial_size < sizeof(frame))
		return;
	memcpy(&frame, image->partial, sizeof(frame));
	if (frame_valid(&frame)) {
		image->resyncing = false;
		if (image->partial_size < frame.size)
			return;
		image->partial_size = 0;
		frame_arrive(image, image->partial, &frame);
		look_if_due(image);
		return;
	}
	if (!image->resyncing)
		image->damaged_count++;
	image->resyncing = true;
	do
		memcpy(&frame, image->partial + ++skip, sizeof(frame));
	while (skip + sizeof(frame) < image->partial_size && !frame_valid(&frame));
	image->partial_size -= skip;
	memmove(image->partial, image->partial + skip, image->partial_size);
}

void reader_feed(struct pp_image *image, const uint8_t *bytes, size_t size)
{
	while (size) {
		size_t used = 0;

		if (image->partial_size == 0)
			used = frames_direct(image, bytes, size);
		if (used < size) {
			used += partial_fill(image, bytes + used, size - used);
			partial_take(image);
		}
		bytes += used;
		size -= used;
	}
}

void reader_take(struct pp_image *image, const uint8_t *bytes, uint32_t from, uint32_t to)
{
	struct pp_wire_frame frame;
	struct pp_slot_state *slot;
	struct pp_lane *lane;

	memcpy(&frame, bytes, sizeof(frame));
	slot = slot_state(image, frame.slot);
	lane = frame.kind == PP_FRAME_EVENTS ? &slot->events : &slot->samples;
	if (frame.sequence < lane->next || from > to || to > PP_WIRE_FRAME_SPACE)
		return;
	if (frame.sequence > lane->next)
		lane_skip(image, lane, &frame);
	if (!lane->consumed) {
		lane_begin(image, lane, &frame);
		from = sizeof(frame);
	} else if (from != lane->consumed) {
		image->damaged_count++;
		return;
	}
	records_decode(image, &lane->cursor, bytes + from, bytes + to);
	lane->consumed = to;
	lane->gap_looks = 0;
}

/* ---- the shared memory ---- */

struct pp_buffer {
	const uint8_t *bytes;
	uint32_t space;
	const uint64_t *sequence;
	const uint32_t *used;
	uint32_t slot;
	uint8_t kind;
};

/* May the lane go on to a frame that is not the awaited one? While the pipe may still hold frames, no. */
static bool lane_may_skip(const struct pp_image *image, const struct pp_lane *lane, uint64_t sequence, uint32_t serial,
			  bool last)
{
	const struct pp_image_thread *thread = &image->threads[lane->cursor.thread];

	if (last)
		return true;
	/* A lane that nothing came from has no thread yet, and awaits its first frame. */
	if (lane->next == 1)
		return false;
	/* An ended thread's last frame was empty and never written. */
	return sequence == lane->next + 1 && thread->serial != serial && thread->ended;
}

/* Has the lane waited so long for its frame that it was dropped? It is not skipped for that, only not waited for. */
static bool lane_hopeless(const struct pp_image *image, struct pp_lane *lane)
{
	if (!lane->gap_looks++)
		lane->gap_since_ns = image->now_ns;
	return lane->gap_looks > GAP_LOOKS && image->now_ns > lane->gap_since_ns + GAP_PATIENCE_NS;
}

/* Copies what is new in a thread's buffer and takes it. The owner writes meanwhile: it begins a frame by the header,
 * then `used`, then the sequence, so a copy is good if the sequence was the same before and after it and the header
 * agrees. false: the pipe still has something that comes before, or the copy failed and is worth another look. */
static bool lane_look(struct pp_image *image, struct pp_lane *lane, const struct pp_buffer *buffer, bool last)
{
	uint64_t sequence = __atomic_load_n(buffer->sequence, __ATOMIC_ACQUIRE);
	uint32_t used = __atomic_load_n(buffer->used, __ATOMIC_ACQUIRE), from;
	uint8_t copy[PP_WIRE_FRAME_SPACE];
	struct pp_wire_frame frame, again;

	from = sequence == lane->next && lane->consumed ? lane->consumed : sizeof(frame);
	if (sequence == 0 || sequence < lane->next)
		return true;
	if (used < sizeof(frame) || used > buffer->space || used % 8)
		return !last;
	memcpy(&frame, buffer->bytes, sizeof(frame));
	/* With the next frame's number in the header, the rest of this one is in the pipe. */
	if (used <= from && sequence == lane->next && !last)
		return frame.sequence == sequence;
	if (used > from)
		memcpy(copy + from, buffer->bytes + from, used - from);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(&again, buffer->bytes, sizeof(again));
	if (__atomic_load_n(buffer->sequence, __ATOMIC_ACQUIRE) != sequence ||
	    __atomic_load_n(buffer->used, __ATOMIC_RELAXED) < used || frame.sequence != sequence ||
	    memcmp((const char *)&frame + 2, (const char *)&again + 2, sizeof(frame) - 2) != 0 ||
	    frame.kind != buffer->kind || frame.slot != buffer->slot)
		return false;
	if (sequence > lane->next &&
	    (sequence - lane->next > SEQUENCE_REACH || !lane_may_skip(image, lane, sequence, frame.thread, last)))
		return false;
	if (used <= from && !last)
		return true;
	frame.size = (uint16_t)used;
	memcpy(copy, &frame, sizeof(frame));
	if (image->trace->save && !last)
		replay_save_tail(image->trace->save, image, copy, from, used);
	reader_take(image, copy, from, used);
	if (last)
		lane_lost(image, lane, &frame);
	return true;
}

static void thread_look(struct pp_image *image, const struct pp_wire_slot *slot, uint32_t serial)
{
	struct pp_image_thread *thread;
	uint64_t cpu_ns;
	uint32_t index;

	if (serial == 0)
		return;
	index = image_thread(image, serial, slot->tid); /* may move the threads */
	thread = &image->threads[index];
	if (thread->ended)
		return;
	memcpy(thread->name, slot->name, sizeof(thread->name) - 1);
	cpu_ns = __atomic_load_n(&slot->cpu_ns, __ATOMIC_RELAXED);
	if (cpu_ns && (thread->cpu_ns == PP_UNKNOWN || cpu_ns > thread->cpu_ns))
		thread->cpu_ns = cpu_ns;
	if (slot->run_delay_ns)
		thread->run_delay_ns = slot->run_delay_ns;
	if (thread->start_ns == PP_UNKNOWN)
		thread->start_ns = __atomic_load_n(&slot->start_ns, __ATOMIC_RELAXED);
}

/* Takes what is new in a slot. Returns a stamp below which its thread can say nothing more. */
static uint64_t slot_look(struct pp_image *image, uint32_t index, uint64_t stamp_idle, bool last)
{
	const struct pp_wire_slot *slot = (const struct pp_wire_slot *)(image->shared + PP_WIRE_SLOTS) + index;
	uint32_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
	uint32_t busy = __atomic_load_n(&slot->busy, __ATOMIC_ACQUIRE);
	uint32_t serial = __atomic_load_n(&slot->thread, __ATOMIC_RELAXED);
	struct pp_buffer events = {slot->events, sizeof(slot->events), &slot->events_sequence, &slot->events_used,
				   index,	 PP_FRAME_EVENTS};
	struct pp_buffer samples = {slot->samples, sizeof(slot->samples), &slot->samples_sequence, &slot->samples_used,
				    index,	   PP_FRAME_SAMPLES};
	struct pp_lane *lane;
	bool level;

	if (state == PP_SLOT_FREE && index >= image->slot_count)
		return UINT64_MAX;
	lane = &slot_state(image, index)->events;
	level = lane_look(image, lane, &events, last);
	if (!lane_look(image, &image->slots[index].samples, &samples, last) && last)
		image->damaged_count++;
	if (!level && last)
		image->damaged_count++;
	thread_look(image, slot, serial);
	lane = &image->slots[index].events;
	if (level && state != PP_SLOT_LIVE)
		return UINT64_MAX;
	if (level)
		lane->gap_looks = 0;
	if ((level ? !busy : lane_hopeless(image, lane)) && stamp_idle > lane->cursor.stamp)
		return stamp_idle;
	return lane->cursor.stamp;
}

static uint32_t shared_slot_count(const struct pp_image *image)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	uint64_t count = __atomic_load_n(&header->slot_count, __ATOMIC_ACQUIRE), room = 0;

	if (image->shared_size > PP_WIRE_SLOTS)
		room = (image->shared_size - PP_WIRE_SLOTS) / sizeof(struct pp_wire_slot);
	if (count > room)
		count = room;
	return count < PP_WIRE_SLOT_COUNT ? (uint32_t)count : PP_WIRE_SLOT_COUNT;
}

void reader_look(struct pp_image *image, uint64_t stamp_now)
{
	uint64_t patience = (image->stamp_is_tsc ? IDLE_TICKS : IDLE_NS) >> image->stamp_shift;
	uint64_t watermark = stamp_now > patience ? stamp_now - patience : 0;
	uint64_t stamp_idle = watermark;
	uint32_t count = shared_slot_count(image);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t bound = slot_look(image, i, stamp_idle, false);

		if (bound < watermark)
			watermark = bound;
	}
	image_watermark(image, watermark);
}

void reader_look_last(struct pp_image *image)
{
	uint32_t count = shared_slot_count(image);

	for (uint32_t i = 0; i < count; i++)
		slot_look(image, i, UINT64_MAX, true);
	if (image->partial_size)
		image->damaged_count++;
	image->partial_size = 0;
}
