/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event costs the analyzer: streams of frees and allocations over N live blocks and 200 sites, fed from memory
 * as they would come by the pipe. Prints nanoseconds an event and bytes a live block for each N.
 *
 * Usage: bench_data_path [THREADS [LIVE ...]]
 */
#include "image.h"
#include "../unit/stream_maker.h"

#include <stdio.h>
#include <time.h>

#define SITES  200
#define EVENTS 4000000

static uint64_t random_state = 88172645463325252;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * limit >> 32);
}

/* CPU seconds: other load on the machine does not count. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t address_of(uint32_t block)
{
	return UINT64_C(0x555500000000) + 48 * (uint64_t)block;
}

struct bench {
	struct maker maker;
	struct maker_thread threads[64];
	uint32_t thread_count;
	struct pp_trace *trace;
	struct pp_image *image;
	double spent; /* in the data path */
};

static void feed(struct bench *bench)
{
	double began = seconds();

	for (size_t at = 0; at < bench->maker.pipe.size; at += 65536) {
		size_t size = bench->maker.pipe.size - at;

		image_feed(bench->image, bench->maker.pipe.bytes + at, size < 65536 ? size : 65536);
	}
	if (bench->maker.stamp)
		reader_look(bench->image, bench->maker.stamp + 500000);
	bench->spent += seconds() - began;
	bench->maker.pipe.size = 0;
}

static struct maker_thread *any_thread(struct bench *bench)
{
	if (bench->thread_count == 1)
		return &bench->threads[0];
	bench->maker.stamp += 5;
	return &bench->threads[random_below(bench->thread_count)];
}

static uint32_t any_stack(void)
{
	return 1 + random_below(SITES);
}

static void bench_live(uint32_t thread_count, uint32_t live)
{
	struct bench bench = {.thread_count = thread_count};
	uint64_t events = 0;

	maker_init(&bench.maker, 1);
	for (int i = 0; i < SITES; i++)
		maker_node(&bench.maker, 0, 4096 + 16 * (uint64_t)i, 0, 0);
	if (thread_count > 1)
		bench.maker.stamp = UINT64_C(1) << 58;
	for (uint32_t i = 0; i < thread_count; i++)
		thread_start(&bench.threads[i], &bench.maker, i, "bench");
	bench.trace = trace_create();
	bench.image = trace_image_add(bench.trace, &bench.maker.hello, "/bench", NULL, 0, "", bench.maker.shared,
				      MAKER_SPACE, NULL);
	for (uint32_t i = 0; i < live; i++) {
		thread_alloc(any_thread(&bench), address_of(i), 32, any_stack());
		if (bench.maker.pipe.size > 1 << 20)
			feed(&bench);
	}
	feed(&bench);
	printf("%8u threads %9u live: fill %6.1f ns an event,", thread_count, live, bench.spent * 1e9 / live);
	bench.spent = 0;
	while (events < EVENTS) {
		struct maker_thread *thread = any_thread(&bench);
		uint32_t block = random_below(live);

		thread_free(thread, address_of(block));
		bench.maker.stamp += bench.maker.stamp ? 5 : 0;
		thread_alloc(thread, address_of(block), 32, any_stack());
		events += 2;
		if (events % 64 == 0)
			bench.maker.now_ns += 1000;
		if (bench.maker.pipe.size > 1 << 20)
			feed(&bench);
	}
	feed(&bench);
	printf(" churn %6.1f ns, %5.1f bytes a block\n", bench.spent * 1e9 / (double)events,
	       (double)bench.image->mem.blocks.bytes / live);
	fflush(stdout);
	trace_destroy(bench.trace);
	maker_finish(&bench.maker);
}

int main(int count, char **arguments)
{
	static const uint32_t usual[] = {64, 100000, 1000000, 10000000};
	uint32_t threads = count > 1 ? (uint32_t)atoi(arguments[1]) : 1;

	if (count > 2) {
		for (int i = 2; i < count; i++)
			bench_live(threads, (uint32_t)atoi(arguments[i]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		bench_live(threads, usual[i]);
	return 0;
}
