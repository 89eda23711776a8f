/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the stream fuzzer: small saved streams that together reach every record, definition and entry.
 * Usage: make_stream_seeds FOLDER. The files are kept in tests/fuzz/corpus/stream; made anew when the format grows.
 */
#include "image.h"
#include "replay.h"
#include "../unit/stream_maker.h"

#include <stdio.h>

#define BLOCK(i) (UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i))

struct seed {
	struct pp_trace *trace;
	struct maker maker;
	struct pp_image *image;
};

static void seed_start(struct seed *seed, const char *folder, const char *name)
{
	struct pp_error error = {""};
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	seed->trace = trace_create();
	if (!replay_save_start(seed->trace, path, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	maker_init(&seed->maker, 1);
	seed->maker.header->stamp_is_tsc = 0; /* no look of the analyzer's moves on */
	maker_module(&seed->maker, 0x1000, 0x9000, 0, 0, "", "\x01\x02\x03\x04", 4);
	maker_module(&seed->maker, 0x10000, 0x20000, 0x10000, 1, "/lib/one.so", "", 0);
	maker_module(&seed->maker, 0x18000, 0x28000, 0x18000, 2, "/lib/two.so", "\xff", 1);
	maker_node(&seed->maker, 0, 0x1100, 0, 0);
	maker_node(&seed->maker, 1, 0x18200, 0, 1);
	maker_node(&seed->maker, 1, 0x18200, PP_NODE_EXACT, 2);
	maker_node(&seed->maker, 0, 0x7000, PP_NODE_TRUNCATED, 2);
}

static void seed_add(struct seed *seed)
{
	seed->image = trace_image_add(seed->trace, &seed->maker.hello, "/bin/program", "program\0x", 9, "host",
				      seed->maker.shared, MAKER_SPACE, NULL);
}

static void seed_feed(struct seed *seed)
{
	image_feed(seed->image, seed->maker.pipe.bytes, seed->maker.pipe.size);
	seed->maker.pipe.size = 0;
}

static void seed_finish(struct seed *seed)
{
	struct pp_error error = {""};

	seed_feed(seed);
	image_end(seed->image, &(struct pp_exit){.known = true}, seed->maker.now_ns);
	if (!replay_save_finish(seed->trace, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	trace_destroy(seed->trace);
	maker_finish(&seed->maker);
}

/* Every record of the mem family, one thread, samples too. */
static void seed_records(const char *folder)
{
	struct seed seed;
	struct maker_thread thread;

	seed_start(&seed, folder, "records");
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 100, 1);
	thread_alloc(&thread, BLOCK(2) + 8, UINT64_C(1) << 40, 2);
	thread_realloc(&thread, BLOCK(1), BLOCK(3), 200, 3, 0);
	thread_free(&thread, BLOCK(3));
	seed.maker.now_ns += 20000000;
	thread_free(&thread, BLOCK(9));
	thread_extended(&thread, PP_EXT_FREE_WIDE, 0, (uint64_t[]){BLOCK(2) + 8}, 1, false);
	thread_extended(&thread, PP_EXT_REALLOC_WIDE, 0, (uint64_t[]){8, 24, 5, 4, 0}, 5, false);
	thread_extended(&thread, PP_EXT_ALLOC_FAILED, PP_OP_NEW, (uint64_t[]){9, 1}, 2, false);
	thread_extended(&thread, PP_EXT_MAP, PP_OP_MMAP, (uint64_t[]){0x10000, 0x5000, 1}, 3, false);
	thread_extended(&thread, PP_EXT_UNMAP, 0, (uint64_t[]){0x11000, 0x1000}, 2, false);
	thread_extended(&thread, PP_EXT_REMAP, PP_OP_MREMAP, (uint64_t[]){0x12000, 0x1000, 0x90000, 0x3000, 2}, 5,
			false);
	thread_extended(&thread, PP_EXT_BREAK, PP_OP_BRK, (uint64_t[]){0x800000, 0x900000, 2}, 3, false);
	thread_extended(&thread, PP_EXT_CONTROL, PP_CONTROL_SNAPSHOT, (uint64_t[]){5}, 1, false);
	thread_extended(&thread, 77, 1, (uint64_t[]){5, 6}, 2, false);
	thread_sample(&thread, 3, 2, seed.maker.now_ns);
	samples_flush(&thread);
	thread_flush(&thread);
	thread_sample(&thread, 4, 1, seed.maker.now_ns);
	thread_alloc(&thread, BLOCK(5), 1, 4);
	seed_finish(&seed);
}

/* Three threads whose blocks cross, looks in between, a slot used again. */
static void seed_threads(const char *folder)
{
	struct seed seed;
	struct maker_thread threads[3];

	seed_start(&seed, folder, "threads");
	seed_add(&seed);
	thread_start(&threads[0], &seed.maker, 0, "main");
	thread_alloc(&threads[0], BLOCK(1), 10, 1);
	seed.maker.stamp = UINT64_C(1) << 58;
	thread_start(&threads[1], &seed.maker, 1, "one");
	thread_start(&threads[2], &seed.maker, 2, "two");
	for (uint32_t i = 0; i < 60; i++) {
		seed.maker.stamp += 7;
		thread_alloc(&threads[i % 3], BLOCK(10 + i), i, 1 + i % 4);
		seed.maker.stamp += i == 30 ? 100000 : 7;
		thread_free(&threads[(i + 1) % 3], BLOCK(10 + i));
		if (i % 20 == 5)
			thread_flush(&threads[i % 3]);
		if (i % 20 == 10) {
			seed_feed(&seed);
			reader_look(seed.image, seed.maker.stamp + 2000000);
		}
	}
	thread_end(&threads[2], 1000);
	thread_start(&threads[2], &seed.maker, 2, "again");
	thread_realloc(&threads[2], BLOCK(1), BLOCK(2), 5, 2, 3);
	seed_finish(&seed);
}

/* A fork whose child's stream comes first. */
static void seed_fork(const char *folder)
{
	struct seed seed;
	struct maker child;
	struct maker_thread thread, forked;
	struct pp_image *image;

	seed_start(&seed, folder, "fork");
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 10, 1);
	thread_alloc(&thread, BLOCK(2), 10, 2);
	thread_extended(&thread, PP_EXT_FORK, 0, (uint64_t[]){42}, 1, false);
	thread_flush(&thread);
	maker_init(&child, 2);
	child.header->stamp_is_tsc = 0;
	child.hello.origin = PP_ORIGIN_FORK;
	child.hello.parent_image = 1;
	child.hello.fork_id = 42;
	thread_start(&forked, &child, 0, "main");
	thread_free(&forked, BLOCK(1));
	thread_free(&forked, BLOCK(3));
	thread_flush(&forked);
	image = trace_image_add(seed.trace, &child.hello, "/bin/program", NULL, 0, "host", child.shared, MAKER_SPACE,
				NULL);
	image_feed(image, child.pipe.bytes, child.pipe.size);
	seed_feed(&seed);
	image_end(image, NULL, child.now_ns);
	seed_finish(&seed);
	maker_finish(&child);
}

int main(int count, char **arguments)
{
	if (count != 2) {
		fprintf(stderr, "usage: make_stream_seeds FOLDER\n");
		return 2;
	}
	seed_records(arguments[1]);
	seed_threads(arguments[1]);
	seed_fork(arguments[1]);
	return 0;
}
