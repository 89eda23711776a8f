/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: split anywhere, twice, damaged, missing, and half read from the shared memory before they come. */
#include "image.h"
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#define BLOCK(i) (UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i))
#define EVENTS	 2000

struct stream {
	struct maker maker;
	struct maker_thread thread;
	struct pp_trace *trace;
	struct pp_image *image;
};

static void stream_start(struct stream *stream)
{
	memset(stream, 0, sizeof(*stream));
	maker_init(&stream->maker, 1);
	thread_start(&stream->thread, &stream->maker, 0, "main");
	stream->trace = trace_create();
	stream->image = check_image(stream->trace, &stream->maker);
}

static void stream_allocs(struct stream *stream, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		stream->maker.now_ns += i % 50 == 0 ? 1000 : 0;
		thread_alloc(&stream->thread, BLOCK(i), i, 0);
	}
}

/* Ends the stream. Returns the process, whose pointers are no longer good. */
static struct pp_process stream_end(struct stream *stream, bool *noted)
{
	struct pp_profile *profile = check_end(stream->trace, stream->image, &stream->maker);
	struct pp_process process = profile->processes[0];

	if (noted)
		*noted = profile->notes[0] != NULL;
	profile_destroy(profile);
	trace_destroy(stream->trace);
	maker_finish(&stream->maker);
	return process;
}

PP_TEST(any_split)
{
	static const size_t pieces[] = {1, 2, 7, 47, 48, 49, 4095, 4096, 4097, 65536};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct stream stream;
		struct pp_process process;

		stream_start(&stream);
		stream_allocs(&stream, 0, EVENTS);
		check_feed(stream.image, &stream.maker, pieces[i]);
		process = stream_end(&stream, NULL);
		PP_CHECK_EQ(process.mem.allocation_count, EVENTS);
		PP_CHECK_EQ(process.mem.allocated_bytes, EVENTS * (EVENTS - 1) / 2);
		PP_CHECK(process.complete);
	}
}

PP_TEST(the_same_again)
{
	struct stream stream;
	struct pp_process process;
	struct maker_bytes *pipe = &stream.maker.pipe;
	size_t size;

	stream_start(&stream);
	stream_allocs(&stream, 0, EVENTS);
	size = pipe->size;
	check_feed(stream.image, &stream.maker, 4096);
	pipe->size = size; /* the bytes are still there */
	process = stream_end(&stream, NULL);
	PP_CHECK_EQ(process.mem.allocation_count, EVENTS);
	PP_CHECK_EQ(process.event_count, EVENTS);
	PP_CHECK(process.complete);
}

/* Looks at a buffer that is being filled, then gets the same frame by the pipe. */
PP_TEST(looks_and_pipe)
{
	struct stream stream;
	struct pp_process process;

	stream_start(&stream);
	for (uint32_t i = 0; i < EVENTS; i += 10) {
		stream_allocs(&stream, i, i + 10);
		if (i % 30 == 0) {
			check_feed(stream.image, &stream.maker, 1000);
			reader_look(stream.image, 0);
			image_flush(stream.image);
			PP_CHECK_EQ(stream.image->mem.totals->allocation_count, i + 10);
		}
		if (i % 70 == 0)
			reader_look(stream.image, 0); /* ahead of the pipe: must wait */
	}
	process = stream_end(&stream, NULL);
	PP_CHECK_EQ(process.event_count, EVENTS);
	PP_CHECK_EQ(process.mem.allocation_count, EVENTS);
	PP_CHECK_EQ(process.mem.unknown_free_count, 0);
	PP_CHECK(process.complete);
}

/* The first frame of a slot is still in the pipe while its second is being filled, and the first thread that was heard of
 * has ended: that one says nothing of this slot. */
PP_TEST(first_frame_is_awaited)
{
	struct maker_thread other;
	struct stream stream;
	struct pp_process process;

	stream_start(&stream);
	thread_end(&stream.thread, 1);
	check_feed(stream.image, &stream.maker, 1000);
	thread_start(&other, &stream.maker, 1, "other");
	thread_alloc(&other, BLOCK(1), 10, 0);
	thread_flush(&other);
	thread_alloc(&other, BLOCK(2), 20, 0);
	reader_look(stream.image, 0);
	process = stream_end(&stream, NULL);
	PP_CHECK_EQ(process.mem.allocation_count, 2);
	PP_CHECK_EQ(process.lost_count, 0);
	PP_CHECK(process.complete);
}

/* Samples are taken from the tail of their own buffer. */
PP_TEST(sample_tails)
{
	struct stream stream;
	struct pp_process process;

	stream_start(&stream);
	for (int i = 0; i < 500; i++) {
		thread_sample(&stream.thread, 0, 2, MAKER_START_NS + 1000 * (uint64_t)i);
		if (i % 100 == 50)
			reader_look(stream.image, 0);
	}
	process = stream_end(&stream, NULL);
	PP_CHECK_EQ(process.sample_count, 1000);
	PP_CHECK(process.complete);
}

/* Rubbish between frames: the frames after it are found again. */
PP_TEST(finds_the_next_frame)
{
	struct stream stream;
	struct pp_process process;
	bool noted;

	stream_start(&stream);
	stream_allocs(&stream, 0, 1000);
	for (int i = 0; i < 333; i++)
		bytes_put(&stream.maker.pipe, "\xa5", 1);
	check_feed(stream.image, &stream.maker, 100);
	stream_allocs(&stream, 1000, EVENTS);
	process = stream_end(&stream, &noted);
	PP_CHECK_EQ(process.mem.allocation_count, EVENTS);
	PP_CHECK(!process.complete);
	PP_CHECK(noted);
}

/* A frame that never comes: what it said is missing, the rest is not. */
PP_TEST(a_gap)
{
	struct stream stream;
	struct pp_process process;
	struct pp_wire_frame frame;

	stream_start(&stream);
	stream_allocs(&stream, 0, EVENTS);
	memcpy(&frame, stream.maker.pipe.bytes, sizeof(frame));
	memmove(stream.maker.pipe.bytes, stream.maker.pipe.bytes + frame.size, stream.maker.pipe.size - frame.size);
	stream.maker.pipe.size -= frame.size;
	process = stream_end(&stream, NULL);
	PP_CHECK(process.mem.allocation_count < EVENTS);
	PP_CHECK(process.mem.allocation_count > EVENTS - 300);
	PP_CHECK_EQ(process.lost_count, EVENTS - process.mem.allocation_count);
	PP_CHECK(!process.complete);
}

/* Records that this version does not know are skipped by the sizes that the header tells. */
PP_TEST(unknown_records)
{
	struct stream stream;
	struct pp_process process;
	uint64_t words[3] = {UINT64_C(9) << 60, UINT64_MAX, 1};

	memset(&stream, 0, sizeof(stream));
	maker_init(&stream.maker, 1);
	stream.maker.header->types[9] = (struct pp_wire_record_type){9, 3, 7, 0, "later"};
	thread_start(&stream.thread, &stream.maker, 0, "main");
	stream.trace = trace_create();
	stream.image = check_image(stream.trace, &stream.maker);
	for (uint32_t i = 0; i < 100; i++) {
		thread_alloc(&stream.thread, BLOCK(i), 1, 0);
		thread_put(&stream.thread, words, 3, true);
		thread_extended(&stream.thread, 999, 0, words, 3, false);
	}
	process = stream_end(&stream, NULL);
	PP_CHECK_EQ(process.mem.allocation_count, 100);
	PP_CHECK_EQ(process.event_count, 200);
	PP_CHECK(process.complete);
}

/* A type that nobody has told the size of: the rest of its frame is left out, and that is said. */
PP_TEST(untold_records)
{
	struct stream stream;
	struct pp_process process;
	uint64_t word = UINT64_C(12) << 60;
	bool noted;

	stream_start(&stream);
	stream_allocs(&stream, 0, 10);
	thread_put(&stream.thread, &word, 1, true);
	stream_allocs(&stream, 10, 20);
	thread_flush(&stream.thread);
	stream_allocs(&stream, 20, 30);
	process = stream_end(&stream, &noted);
	PP_CHECK_EQ(process.mem.allocation_count, 20);
	PP_CHECK_EQ(process.lost_count, 10);
	PP_CHECK(noted);
}

PP_TEST(headers_of_strangers)
{
	struct pp_trace *trace = trace_create();
	struct maker maker;
	struct pp_error error = {""};

	maker_init(&maker, 1);
	maker.header->version = 99;
	PP_CHECK(!trace_image_add(trace, &maker.hello, "", NULL, 0, "", maker.shared, MAKER_SPACE, &error));
	PP_CHECK(strstr(error.text, "99") != NULL);
	maker.header->version = PP_WIRE_VERSION;
	maker.header->magic = 0;
	PP_CHECK(!trace_image_add(trace, &maker.hello, "", NULL, 0, "", maker.shared, MAKER_SPACE, &error));
	maker.header->magic = PP_WIRE_MAGIC;
	PP_CHECK(!trace_image_add(trace, &maker.hello, "", NULL, 0, "", maker.shared, 100, &error));
	PP_CHECK(trace_image_add(trace, &maker.hello, "", NULL, 0, "", maker.shared, MAKER_SPACE, &error) != NULL);
	PP_CHECK(!trace_image_add(trace, &maker.hello, "", NULL, 0, "", maker.shared, MAKER_SPACE, &error));
	trace_destroy(trace);
	maker_finish(&maker);
}
