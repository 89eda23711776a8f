/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder; bits as drawn in preprof/wire.h. */
#include "records.h"

#include <string.h>

#define ADDRESS_MASK ((UINT64_C(1) << 44) - 1)
#define SIZE_MASK    ((UINT64_C(1) << PP_REC_SIZE_BITS) - 1)
#define VALUE_MASK   (UINT64_MAX >> 4)
#define SIZE_LIMIT   (UINT64_C(1) << 56) /* no block is larger */
#define WEIGHT_MASK  ((UINT64_C(1) << 20) - 1)

static const uint8_t known_words[16] = {
	[PP_REC_ALLOC] = 2, [PP_REC_FREE] = 1,	[PP_REC_REALLOC] = 3,
	[PP_REC_TIME] = 1,  [PP_REC_STAMP] = 1, [PP_REC_SAMPLE] = 2,
};

void records_learn(struct pp_image *image, const struct pp_wire_record_type *types)
{
	memcpy(image->words, known_words, sizeof(known_words));
	for (size_t i = 0; i < 16; i++) {
		if (types[i].type < PP_REC_EXTENDED && types[i].words)
			image->words[types[i].type] = types[i].words;
	}
	image->words[0] = 0;
	for (uint8_t type = 0; type < 16; type++)
		image->action[type] = image->words[type] == known_words[type] ? type : 0;
	image->action[PP_REC_EXTENDED] = PP_REC_EXTENDED;
}

static inline uint64_t word_at(const uint8_t *at, size_t index)
{
	uint64_t word;

	memcpy(&word, at + 8 * index, sizeof(word));
	return word;
}

/* From now on records carry stamps, or come from several threads. */
static void merge_begin(struct pp_image *image)
{
	image_flush(image);
	image->order.merging = true;
}

static inline struct pp_event *event_make(struct pp_image *image, const struct pp_cursor *cursor, uint16_t type)
{
	struct pp_event *event;

	if (image->order.merging) {
		event = order_push(&image->order, cursor->thread);
	} else {
		if (image->batch_count == PP_EVENT_BATCH)
			image_flush(image);
		event = &image->batch[image->batch_count++];
	}
	event->stamp = cursor->stamp;
	event->time_ns = cursor->time_ns;
	event->thread = cursor->thread;
	event->type = type;
	event->flags = 0;
	return event;
}

static inline void alloc_make(struct pp_image *image, const struct pp_cursor *cursor, uint64_t address, uint64_t size,
			      uint64_t stack)
{
	struct pp_event *event = event_make(image, cursor, PP_EVENT_ALLOC);

	event->address = address;
	event->size = size;
	event->stack = stack < image->stack_limit				    ? (uint32_t)stack
		       : stack == PP_REC_STACK_UNSAMPLED && image->mem.sample_bytes ? PP_REC_STACK_UNSAMPLED
										    : 0;
}

static inline void free_make(struct pp_image *image, const struct pp_cursor *cursor, uint64_t address, uint16_t flags)
{
	struct pp_event *event = event_make(image, cursor, PP_EVENT_FREE);

	event->address = address;
	event->flags = flags;
}

static void realloc_make(struct pp_image *image, struct pp_cursor *cursor, uint64_t old, uint64_t address,
			 uint64_t size, uint64_t stack, uint64_t dt2)
{
	free_make(image, cursor, old, PP_EVENT_REALLOC | (old != address ? PP_EVENT_MOVED : 0));
	if (cursor->stamp)
		cursor->stamp += dt2;
	alloc_make(image, cursor, address, size, stack);
}

static void range_make(struct pp_image *image, const struct pp_cursor *cursor, uint16_t type, uint64_t address,
		       uint64_t size, uint64_t stack)
{
	struct pp_event *event = event_make(image, cursor, type);

	event->address = address;
	event->size = size;
	event->stack = stack < image->stack_limit ? (uint32_t)stack : 0;
}

static void thread_record(struct pp_image *image, const struct pp_cursor *cursor, uint32_t kind, const uint8_t *payload,
			  size_t words)
{
	struct pp_image_thread *thread = &image->threads[cursor->thread];

	if (kind == PP_EXT_THREAD_START) {
		thread->start_ns = word_at(payload, 0);
		memcpy(thread->name, payload + 8, 16);
		return;
	}
	thread->end_ns = word_at(payload, 0);
	thread->cpu_ns = word_at(payload, 1);
	thread->ended = true;
	if (words > 4 && word_at(payload, 4))
		thread->run_delay_ns = word_at(payload, 4);
	memcpy(thread->name, payload + 16, 16);
	io_lens_thread_end(&image->io, cursor->thread);
	sql_lens_thread_end(&image->sql, cursor->thread);
}

#define IO_WORDS 10 /* of PP_EXT_IO, before its cells */

/* Payload words that each extended kind must have. */
static const uint8_t extended_words[] = {
	[PP_EXT_ALLOC_WIDE] = 3,   [PP_EXT_FREE_WIDE] = 1,  [PP_EXT_REALLOC_WIDE] = 5, [PP_EXT_ALLOC_FAILED] = 2,
	[PP_EXT_MAP] = 3,	   [PP_EXT_UNMAP] = 2,	    [PP_EXT_REMAP] = 5,	       [PP_EXT_BREAK] = 3,
	[PP_EXT_THREAD_START] = 3, [PP_EXT_THREAD_END] = 4, [PP_EXT_FORK] = 1,	       [PP_EXT_CONTROL] = 1,
	[PP_EXT_GIL_WAIT] = 2,
	[PP_EXT_IO] = IO_WORDS,	   [PP_EXT_IO_FILE] = 2,    [PP_EXT_IO_SLOW] = 6,
	[PP_EXT_IO_DESCRIPTOR] = 2 + sizeof(struct pp_wire_io_descriptor) / 8, [PP_EXT_IO_SIZE] = 3,
	[PP_EXT_SQL] = PP_WIRE_SQL_WORDS, [PP_EXT_SQL_TEXT] = 3,  [PP_EXT_SQL_DATABASE] = 2,
	[PP_EXT_SQL_TRANSACTION] = 9, [PP_EXT_SQL_CACHE] = 5, [PP_EXT_SQL_SLOW] = 8,
	[PP_EXT_SQL_LIBRARY] = 2,	  [PP_EXT_SQL_HOLD] = 8,  [PP_EXT_SQL_WAIT] = 5,
	[PP_EXT_SQL_ATTACHED] = 2,
};
#define EXTENDED_KINDS (sizeof(extended_words) / sizeof(extended_words[0]))

static void break_make(struct pp_image *image, const struct pp_cursor *cursor, uint64_t old, uint64_t new,
		       uint64_t stack)
{
	if (new > old)
		range_make(image, cursor, PP_EVENT_MAP, old, new - old, stack);
	else if (new < old)
		range_make(image, cursor, PP_EVENT_UNMAP, new, old - new, 0);
}

/* The record as the entry that it was made from. */
static bool io_entry_decode(const struct pp_image *image, const uint8_t *payload, size_t words,
			    struct pp_wire_io_entry *entry)
{
	uint64_t key = word_at(payload, 1);

	memset(entry, 0, sizeof(*entry));
	entry->file = word_at(payload, 0);
	entry->stack = (uint32_t)key < image->stack_limit ? (uint32_t)key : 0;
	entry->operation = (uint8_t)(key >> 32);
	entry->size_class = (uint8_t)(key >> 40);
	entry->error = (uint16_t)(key >> 48);
	entry->fill = (uint32_t)word_at(payload, 2);
	entry->count = (uint32_t)(word_at(payload, 2) >> 32);
	entry->sequential = (uint32_t)word_at(payload, 3);
	entry->strided = (uint32_t)(word_at(payload, 3) >> 32);
	entry->asked_bytes = word_at(payload, 4);
	entry->got_bytes = word_at(payload, 5);
	entry->ns = word_at(payload, 6);
	entry->max_ns = word_at(payload, 7) < UINT32_MAX ? (uint32_t)word_at(payload, 7) : UINT32_MAX;
	entry->reread_bytes = word_at(payload, 8);
	entry->aligned512 = (uint32_t)word_at(payload, 9);
	entry->aligned4096 = (uint32_t)(word_at(payload, 9) >> 32);
	for (size_t i = IO_WORDS; i < words; i++) {
		for (int half = 0; half < 2; half++) {
			uint32_t cell = (uint32_t)(word_at(payload, i) >> (32 * half));
			struct pp_wire_io_cell *at = &entry->cells[cell % PP_WIRE_IO_CELLS];

			if (!(cell >> 16))
				continue;
			if (at->count)
				return false;
			*at = (struct pp_wire_io_cell){.bucket = (uint16_t)cell, .count = (uint16_t)(cell >> 16)};
		}
	}
	return true;
}

static void io_slow_record(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *payload)
{
	uint64_t key = word_at(payload, 1);
	struct pp_io_slow_state call = {.file = word_at(payload, 0),
					.thread = cursor->thread,
					.stack = (uint32_t)key < image->stack_limit ? (uint32_t)key : 0,
					.operation = key >> 32 & 0xff,
					.error = (uint32_t)(key >> 48),
					.asked_bytes = word_at(payload, 2),
					.got_bytes = word_at(payload, 3),
					.ns = word_at(payload, 4),
					.end_ns = word_at(payload, 5)};

	io_lens_slow(&image->io, &call);
}

static void io_life_record(struct pp_image *image, uint32_t end, const uint8_t *payload)
{
	struct pp_wire_io_descriptor row;
	struct pp_io_life life;

	memcpy(&row, payload + 16, sizeof(row));
	if (word_at(payload, 0) > UINT32_MAX || end < PP_IO_END_CLOSED || end > PP_IO_END_REPLACED ||
	    !io_life_decode(&life, &row, (uint32_t)word_at(payload, 0))) {
		image->damaged_count++;
		return;
	}
	if (life.stack >= image->stack_limit)
		life.stack = 0;
	life.end = (uint8_t)end;
	life.opened_ns = image_tick_time(image, row.opened);
	life.ended_ns = image_tick_time(image, word_at(payload, 1));
	if (life.ended_ns < life.opened_ns)
		life.ended_ns = life.opened_ns;
	io_files_read_to(&image->trace->files, life.file, life.read_to);
	io_lives_add(&image->io.lives, &life);
}

/* Those of the io family. Returns whether it is an event of the program's. */
static bool io_record(struct pp_image *image, const struct pp_cursor *cursor, uint32_t kind, uint32_t argument,
		      const uint8_t *payload, size_t words)
{
	struct pp_wire_io_entry entry;
	uint64_t size;

	switch (kind) {
	case PP_EXT_IO:
		if (!io_entry_decode(image, payload, words, &entry) ||
		    !io_lens_told(&image->io, cursor->thread, argument, &entry, cursor->time_ns))
			image->damaged_count++;
		return true;
	case PP_EXT_IO_FILE:
		size = word_at(payload, 1) >> 32;
		if (size > (words - 2) * 8)
			image->damaged_count++;
		else
			io_files_define(&image->trace->files, image->trace->arena, word_at(payload, 0),
					word_at(payload, 1) & 0xffff, word_at(payload, 1) >> 16 & 0xffff, payload + 16,
					(size_t)size);
		return false;
	case PP_EXT_IO_DESCRIPTOR:
		io_life_record(image, argument, payload);
		return false;
	case PP_EXT_IO_SIZE:
		io_files_size(&image->trace->files, word_at(payload, 0), word_at(payload, 1), word_at(payload, 2));
		return false;
	default:
		io_slow_record(image, cursor, payload);
		return false;
	}
}

/* Returns whether it is an event of the program's. */
static bool extended_record(struct pp_image *image, struct pp_cursor *cursor, uint32_t kind, const uint8_t *payload,
			    size_t words)
{
	uint64_t w[5] = {0};

	for (unsigned i = 0; i < extended_words[kind] && i < 5; i++)
		w[i] = word_at(payload, i);
	switch (kind) {
	case PP_EXT_ALLOC_WIDE:
		if (w[0] && w[1] < SIZE_LIMIT)
			alloc_make(image, cursor, w[0], w[1], w[2]);
		else
			image->damaged_count++;
		return true;
	case PP_EXT_FREE_WIDE:
		free_make(image, cursor, w[0], 0);
		return true;
	case PP_EXT_REALLOC_WIDE:
		if (w[1] && w[2] < SIZE_LIMIT)
			realloc_make(image, cursor, w[0], w[1], w[2], w[3], w[4]);
		else
			image->damaged_count++;
		return true;
	case PP_EXT_ALLOC_FAILED:
		range_make(image, cursor, PP_EVENT_FAILED, 0, w[0], w[1]);
		return true;
	case PP_EXT_MAP:
		range_make(image, cursor, PP_EVENT_MAP, w[0], w[1], w[2]);
		return true;
	case PP_EXT_UNMAP:
		range_make(image, cursor, PP_EVENT_UNMAP, w[0], w[1], 0);
		return true;
	case PP_EXT_REMAP:
		range_make(image, cursor, PP_EVENT_UNMAP, w[0], w[1], 0);
		range_make(image, cursor, PP_EVENT_MAP, w[2], w[3], w[4]);
		return true;
	case PP_EXT_BREAK:
		break_make(image, cursor, w[0], w[1], w[2]);
		return true;
	case PP_EXT_FORK:
		image->fork_told_count++;
		range_make(image, cursor, PP_EVENT_FORK, 0, w[0], 0);
		return false; /* ours: the program's thread does not count it either */
	case PP_EXT_CONTROL:
		return true;
	case PP_EXT_GIL_WAIT:
		image->threads[cursor->thread].gil_wait_ns += w[0];
		image->threads[cursor->thread].gil_wait_count++;
		gil_lens_wait(&image->gil, w[1] < image->stack_limit ? (uint32_t)w[1] : 0, w[0]);
		return false;
	default:
		thread_record(image, cursor, kind, payload, words);
		return false;
	}
}

/* The words of the record at `at`; 0: it makes no sense. */
static size_t extended_decode(struct pp_image *image, struct pp_cursor *cursor, const uint8_t *at, size_t room,
			      uint64_t *events)
{
	uint64_t word = word_at(at, 0);
	uint32_t kind = word >> 48 & 0xfff;
	size_t words = word >> 32 & 0xffff;

	if (words == 0 || words > room)
		return 0;
	if (cursor->stamp)
		cursor->stamp += word >> 16 & 0xffff;
	if (kind >= EXTENDED_KINDS || !extended_words[kind])
		++*events; /* a kind of a later version: it was an event, what of is not known */
	else if (words - 1 < extended_words[kind])
		image->damaged_count++;
	else if ((kind >= PP_EXT_IO && kind <= PP_EXT_IO_SLOW) || kind == PP_EXT_IO_DESCRIPTOR || kind == PP_EXT_IO_SIZE)
		*events += io_record(image, cursor, kind, (uint32_t)word & 0xffff, at + 8, words - 1);
	else if ((kind >= PP_EXT_SQL && kind <= PP_EXT_SQL_ATTACHED) || kind == PP_EXT_SQL_LIBRARY)
		*events += records_sql(image, cursor, kind, (uint32_t)word & 0xffff, at + 8, words - 1);
	else
		*events += extended_record(image, cursor, kind, at + 8, words - 1);
	return words;
}

static void sample_decode(struct pp_image *image, const struct pp_cursor *cursor, const uint8_t *at)
{
	uint64_t word = word_at(at, 0);
	uint32_t weight = word >> 32 & WEIGHT_MASK;
	uint32_t stack = (uint32_t)word;

	if (stack >= image->stack_limit)
		stack = 0;
	image->threads[cursor->thread].sample_count += weight;
	if (word >> 52 & PP_SAMPLE_PYTHON)
		image->threads[cursor->thread].python_count += weight;
	if (word >> 52 & PP_SAMPLE_GIL)
		image->threads[cursor->thread].gil_count += weight;
	if (word >> 52 & PP_SAMPLE_TRUNCATED)
		image->cpu.truncated_count += weight;
	if (word >> 52 & PP_SAMPLE_IN_HOOK)
		image->cpu.in_hook_count += weight;
	cpu_lens_sample(&image->cpu, cursor->thread, stack, weight, word_at(at, 1));
}

static void stamp_decode(struct pp_image *image, struct pp_cursor *cursor, uint64_t stamp)
{
	if (!image->order.merging)
		merge_begin(image);
	if (stamp > cursor->stamp)
		cursor->stamp = stamp;
}

static void decode_finish(struct pp_image *image, struct pp_cursor *cursor, const struct pp_cursor *now,
			  uint64_t events)
{
	*cursor = *now;
	image->threads[now->thread].event_count += events;
	image->event_count += events;
	if (now->time_ns > image->last_time_ns)
		image->last_time_ns = now->time_ns;
}

void records_decode(struct pp_image *image, struct pp_cursor *cursor, const uint8_t *at, const uint8_t *end)
{
	struct pp_cursor now = *cursor; /* a copy that the compiler may keep in registers */
	uint64_t events = 0;

	if (!image->order.merging && (now.stamp || image->thread_count > 1))
		merge_begin(image);
	while (at < end) {
		uint64_t word = word_at(at, 0);
		size_t room = (size_t)(end - at) / 8, words = image->words[word >> 60];

		if (words > room)
			break;
		switch (image->action[word >> 60]) {
		case PP_REC_ALLOC:
			if (now.stamp)
				now.stamp += word & 0xffff;
			if (word >> 16 & ADDRESS_MASK)
				alloc_make(image, &now, (word >> 16 & ADDRESS_MASK) << 4, word_at(at, 1) & SIZE_MASK,
					   word_at(at, 1) >> PP_REC_SIZE_BITS);
			events++;
			break;
		case PP_REC_FREE:
			if (now.stamp)
				now.stamp += word & 0xffff;
			free_make(image, &now, (word >> 16 & ADDRESS_MASK) << 4, 0);
			events++;
			break;
		case PP_REC_REALLOC:
			if (now.stamp)
				now.stamp += word & 0xffff;
			if (word_at(at, 1) & ADDRESS_MASK)
				realloc_make(image, &now, (word >> 16 & ADDRESS_MASK) << 4,
					     (word_at(at, 1) & ADDRESS_MASK) << 4, word_at(at, 2) & SIZE_MASK,
					     word_at(at, 2) >> PP_REC_SIZE_BITS, word_at(at, 1) >> 48);
			events++;
			break;
		case PP_REC_TIME:
			now.time_ns = word & VALUE_MASK;
			break;
		case PP_REC_STAMP:
			stamp_decode(image, &now, word & VALUE_MASK);
			break;
		case PP_REC_SAMPLE:
			sample_decode(image, &now, at);
			break;
		case PP_REC_EXTENDED:
			words = extended_decode(image, &now, at, room, &events);
			break;
		default: /* a type of a later version: the table told its size */
			break;
		}
		if (words == 0)
			break;
		at += words * 8;
	}
	if (at < end)
		image->damaged_count++; /* the rest of the frame has no meaning */
	decode_finish(image, cursor, &now, events);
}
