/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's side of the wire, small: shared memory, threads that emit records into their slots' frames, and a pipe that
 * is a list of bytes. Written from docs/wire-format.md, apart from preload/emit.c, so that each checks the other.
 *
 * Time and stamps stand still unless the test moves them. All of a maker's memory is freed by maker_finish.
 */
#ifndef PREPROF_STREAM_MAKER_H
#define PREPROF_STREAM_MAKER_H

#include "preprof/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAKER_SPACE    (PP_WIRE_NODES + (UINT64_C(1) << 20))
#define MAKER_START_NS UINT64_C(1000000000000)

struct maker_bytes {
	uint8_t *bytes;
	size_t size, capacity;
};

struct maker {
	uint8_t *shared;
	struct pp_wire_header *header;
	struct pp_wire_hello hello;
	struct maker_bytes pipe;
	uint32_t serial; /* threads so far */
	uint64_t now_ns;
	uint64_t stamp; /* 0: one thread */
};

struct maker_thread {
	struct maker *maker;
	struct pp_wire_slot *slot;
	uint32_t index, serial;
	uint64_t stamp, time_ns;
	uint32_t frame_limit; /* bytes; smaller frames than necessary for tests of boundaries */
	uint32_t lost;
	bool drop; /* frames get lost */
};

static inline void bytes_put(struct maker_bytes *to, const void *bytes, size_t size)
{
	if (to->size + size > to->capacity) {
		to->capacity = (to->size + size) * 2;
		to->bytes = realloc(to->bytes, to->capacity);
	}
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static inline void maker_init(struct maker *maker, uint64_t image)
{
	static const struct pp_wire_record_type types[] = {
		{PP_REC_ALLOC, 2, PP_FAMILY_MEM, 0, "alloc"},	  {PP_REC_FREE, 1, PP_FAMILY_MEM, 0, "free"},
		{PP_REC_REALLOC, 3, PP_FAMILY_MEM, 0, "realloc"}, {PP_REC_TIME, 1, PP_FAMILY_NONE, 0, "time"},
		{PP_REC_STAMP, 1, PP_FAMILY_NONE, 0, "stamp"},	  {PP_REC_SAMPLE, 2, PP_FAMILY_CPU, 0, "sample"},
	};
	struct pp_wire_header *header;

	memset(maker, 0, sizeof(*maker));
	maker->shared =
		mmap(NULL, MAKER_SPACE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	maker->header = header = (struct pp_wire_header *)maker->shared;
	maker->now_ns = MAKER_START_NS;
	header->magic = PP_WIRE_MAGIC;
	header->version = PP_WIRE_VERSION;
	header->byte_order = PP_WIRE_BYTE_ORDER;
	header->space = MAKER_SPACE;
	header->header_size = sizeof(*header);
	header->slot_size = sizeof(struct pp_wire_slot);
	header->start_ns = MAKER_START_NS;
	header->start_unix_ns = UINT64_C(1700000000000000000);
	header->stamp_is_tsc = 1;
	header->stamp_shift = 3;
	header->sample_period_ns = 4000000;
	header->page_size = 4096;
	header->node_count = 1;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		header->types[types[i].type] = types[i];
	maker->hello.version = PP_WIRE_VERSION;
	maker->hello.origin = PP_ORIGIN_FIRST;
	maker->hello.image = image;
	maker->hello.start_ns = MAKER_START_NS;
	maker->hello.pid = 100 + (int32_t)image;
}

static inline void maker_finish(struct maker *maker)
{
	munmap(maker->shared, MAKER_SPACE);
	free(maker->pipe.bytes);
}

/* ---- stacks and modules ---- */

static inline uint32_t maker_node(struct maker *maker, uint32_t parent, uint64_t address, uint64_t flags,
				  uint32_t epoch)
{
	struct pp_wire_node *node;
	uint32_t id = (uint32_t)maker->header->node_count++;

	node = (struct pp_wire_node *)(maker->shared + PP_WIRE_NODES) + id;
	node->parent = parent;
	node->epoch = epoch;
	node->word = address | flags | PP_NODE_VALID;
	return id;
}

static inline void maker_module(struct maker *maker, uint64_t start, uint64_t end, uint64_t bias, uint32_t epoch,
				const char *path, const void *build_id, uint16_t build_id_size)
{
	struct pp_wire_module module = {.start = start, .end = end, .bias = bias, .epoch = epoch};
	uint8_t *at = maker->shared + PP_WIRE_DEFS + maker->header->def_bytes;

	module.def.type = PP_DEF_MODULE;
	module.build_id_size = build_id_size;
	module.path_size = (uint16_t)strlen(path);
	module.def.size = (uint32_t)((sizeof(module) + build_id_size + strlen(path) + 7) & ~7UL);
	memcpy(at, &module, sizeof(module));
	memcpy(at + sizeof(module), build_id, build_id_size);
	memcpy(at + sizeof(module) + build_id_size, path, strlen(path));
	maker->header->def_bytes += module.def.size;
}

/* ---- frames ---- */

static inline void thread_frame_begin(struct maker_thread *thread, uint64_t sequence)
{
	struct pp_wire_slot *slot = thread->slot;
	struct pp_wire_frame frame = {.kind = PP_FRAME_EVENTS,
				      .slot = thread->index,
				      .tid = slot->tid,
				      .thread = thread->serial,
				      .sequence = sequence,
				      .time_ns = thread->time_ns,
				      .stamp = thread->stamp,
				      .lost = thread->lost};

	memcpy(slot->events, &frame, sizeof(frame));
	slot->events_used = sizeof(frame);
	slot->events_sequence = sequence;
}

static inline void thread_flush(struct maker_thread *thread)
{
	struct pp_wire_slot *slot = thread->slot;
	struct pp_wire_frame *frame = (struct pp_wire_frame *)slot->events;

	if (slot->events_used <= sizeof(*frame))
		return;
	frame->size = (uint16_t)slot->events_used;
	if (!thread->drop) {
		bytes_put(&thread->maker->pipe, slot->events, frame->size);
		thread->lost = 0;
	}
	thread_frame_begin(thread, frame->sequence + 1);
}

static inline void samples_begin(struct maker_thread *thread, uint64_t sequence)
{
	struct pp_wire_frame frame = {.kind = PP_FRAME_SAMPLES,
				      .slot = thread->index,
				      .tid = thread->slot->tid,
				      .thread = thread->serial,
				      .sequence = sequence};

	memcpy(thread->slot->samples, &frame, sizeof(frame));
	thread->slot->samples_used = sizeof(frame);
	thread->slot->samples_sequence = sequence;
}

static inline void samples_flush(struct maker_thread *thread)
{
	struct pp_wire_frame *frame = (struct pp_wire_frame *)thread->slot->samples;

	if (thread->slot->samples_used <= sizeof(*frame))
		return;
	frame->size = (uint16_t)thread->slot->samples_used;
	bytes_put(&thread->maker->pipe, frame, frame->size);
	samples_begin(thread, frame->sequence + 1);
}

/* The record's words; counted as an event of the program's unless `own`. */
static inline void thread_put(struct maker_thread *thread, const uint64_t *words, uint32_t count, bool own)
{
	struct pp_wire_slot *slot = thread->slot;

	if (slot->events_used + count * 8 > thread->frame_limit)
		thread_flush(thread);
	memcpy(slot->events + slot->events_used, words, count * 8);
	slot->events_used += count * 8;
	if (!own) {
		slot->event_count++;
		if (thread->drop)
			thread->lost++;
	}
}

/* Takes over a slot, as a new thread does. */
static inline void thread_start(struct maker_thread *thread, struct maker *maker, uint32_t index, const char *name)
{
	struct pp_wire_slot *slot = (struct pp_wire_slot *)(maker->shared + PP_WIRE_SLOTS) + index;
	uint64_t words[4];

	memset(thread, 0, sizeof(*thread));
	thread->maker = maker;
	thread->slot = slot;
	thread->index = index;
	thread->serial = ++maker->serial;
	thread->stamp = maker->stamp;
	thread->time_ns = maker->now_ns;
	thread->frame_limit = PP_WIRE_FRAME_SPACE;
	slot->tid = 1000 + thread->serial;
	slot->thread = thread->serial;
	slot->event_count = slot->sample_count = slot->cpu_ns = slot->end_ns = 0;
	slot->start_ns = maker->now_ns;
	memset(slot->name, 0, sizeof(slot->name));
	memcpy(slot->name, name, strnlen(name, sizeof(slot->name) - 1));
	thread_frame_begin(thread, slot->events_sequence + 1);
	samples_begin(thread, slot->samples_sequence + 1);
	slot->state = PP_SLOT_LIVE;
	if (maker->header->slot_count <= index)
		maker->header->slot_count = index + 1;
	words[0] = UINT64_C(15) << 60 | (uint64_t)PP_EXT_THREAD_START << 48 | UINT64_C(4) << 32;
	words[1] = slot->start_ns;
	memcpy(&words[2], slot->name, 16);
	thread_put(thread, words, 4, true);
}

/* What comes before every record: the time if it moved, the stamp if it jumped. Returns dt. */
static inline uint64_t thread_tick(struct maker_thread *thread)
{
	struct maker *maker = thread->maker;
	uint64_t dt = 0, word;

	/* room for the longest record after these two, so that all lie in one frame */
	if (thread->slot->events_used + 9 * 8 > thread->frame_limit)
		thread_flush(thread);
	if (maker->now_ns != thread->time_ns) {
		thread->time_ns = maker->now_ns;
		word = UINT64_C(4) << 60 | thread->time_ns;
		thread_put(thread, &word, 1, true);
	}
	if (maker->stamp) {
		dt = maker->stamp - thread->stamp;
		if (dt > 0xffff) {
			word = UINT64_C(5) << 60 | maker->stamp;
			thread_put(thread, &word, 1, true);
			dt = 0;
		}
		thread->stamp = maker->stamp;
	}
	return dt;
}

static inline void thread_extended(struct maker_thread *thread, uint32_t kind, uint32_t argument,
				   const uint64_t *payload, uint32_t count, bool own)
{
	uint64_t words[64], dt = thread_tick(thread);

	words[0] = UINT64_C(15) << 60 | (uint64_t)kind << 48 | (uint64_t)(count + 1) << 32 | dt << 16 | argument;
	memcpy(words + 1, payload, count * 8);
	thread_put(thread, words, count + 1, own);
}

static inline void thread_alloc(struct maker_thread *thread, uint64_t address, uint64_t size, uint32_t stack)
{
	uint64_t words[2], dt;

	if (address % 16 || size >> 36 || address >> 48) {
		thread_extended(thread, PP_EXT_ALLOC_WIDE, 0, (uint64_t[]){address, size, stack}, 3, false);
		return;
	}
	dt = thread_tick(thread);
	words[0] = UINT64_C(1) << 60 | address >> 4 << 16 | dt;
	words[1] = (uint64_t)stack << 36 | size;
	thread_put(thread, words, 2, false);
}

static inline void thread_free(struct maker_thread *thread, uint64_t address)
{
	uint64_t word = UINT64_C(2) << 60 | address >> 4 << 16 | thread_tick(thread);

	thread_put(thread, &word, 1, false);
}

/* The allocation's stamp lies dt2 after the free's. */
static inline void thread_realloc(struct maker_thread *thread, uint64_t old, uint64_t address, uint64_t size,
				  uint32_t stack, uint64_t dt2)
{
	uint64_t words[3], dt = thread_tick(thread);

	words[0] = UINT64_C(3) << 60 | old >> 4 << 16 | dt;
	words[1] = dt2 << 48 | address >> 4;
	words[2] = (uint64_t)stack << 36 | size;
	if (thread->maker->stamp) {
		thread->maker->stamp += dt2;
		thread->stamp += dt2;
	}
	thread_put(thread, words, 3, false);
}

static inline void thread_sample(struct maker_thread *thread, uint32_t stack, uint32_t weight, uint64_t time_ns)
{
	struct pp_wire_slot *slot = thread->slot;
	uint64_t words[2];

	if (slot->samples_used + 16 > PP_WIRE_SAMPLE_SPACE)
		samples_flush(thread);
	words[0] = UINT64_C(6) << 60 | (uint64_t)weight << 32 | stack;
	words[1] = time_ns;
	memcpy(slot->samples + slot->samples_used, words, sizeof(words));
	slot->samples_used += sizeof(words);
	slot->sample_count++;
}

static inline void thread_end(struct maker_thread *thread, uint64_t cpu_ns)
{
	uint64_t payload[4] = {thread->maker->now_ns, cpu_ns};

	memcpy(payload + 2, thread->slot->name, 16);
	thread_extended(thread, PP_EXT_THREAD_END, 0, payload, 4, true);
	samples_flush(thread);
	thread_flush(thread);
	thread->slot->end_ns = thread->maker->now_ns;
	thread->slot->cpu_ns = cpu_ns;
	thread->slot->state = PP_SLOT_ENDED;
}

#endif
