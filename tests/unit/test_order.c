/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of several threads: random programs whose threads share blocks are played in one known order, their frames
 * cut and delivered in many others. What comes out must be what the one order says.
 */
#include "image.h"
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#define THREADS	 4
#define BLOCKS	 60
#define STACKS	 7
#define PATIENCE (4000000 >> 3) /* what a look takes off the present stamp */

/* The truth, kept step by step. */
struct truth_site {
	uint64_t allocation_count, allocated_bytes, live_bytes, live_count;
	uint64_t peak_bytes, peak_count, max_live_bytes, temporary_count;
};

struct truth_thread {
	uint64_t allocation_count, free_count, freed_bytes, live_bytes, temporary_count;
	uint64_t last; /* address of its last allocation */
};

struct truth {
	struct {
		bool live;
		uint64_t size;
		uint32_t stack, serial;
	} blocks[BLOCKS];
	struct truth_site sites[STACKS + 1];
	struct truth_thread threads[4000]; /* by serial */
	uint64_t allocation_count, free_count, live_bytes, peak_bytes, temporary_count, unknown;
	uint64_t realloc_count, steps;
};

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33) % limit;
}

static uint64_t address_of(uint32_t block)
{
	return UINT64_C(0x7f0000001000) + 48 * (uint64_t)block;
}

static void truth_alloc(struct truth *truth, uint32_t block, uint64_t size, uint32_t stack, uint32_t serial)
{
	struct truth_site *site = &truth->sites[stack];

	truth->blocks[block].live = true;
	truth->blocks[block].size = size;
	truth->blocks[block].stack = stack;
	truth->blocks[block].serial = serial;
	truth->allocation_count++;
	truth->live_bytes += size;
	truth->threads[serial].allocation_count++;
	truth->threads[serial].live_bytes += size;
	truth->threads[serial].last = address_of(block);
	site->allocation_count++;
	site->allocated_bytes += size;
	site->live_bytes += size;
	site->live_count++;
	if (site->live_bytes > site->max_live_bytes)
		site->max_live_bytes = site->live_bytes;
	if (truth->live_bytes > truth->peak_bytes) {
		truth->peak_bytes = truth->live_bytes;
		for (int i = 0; i <= STACKS; i++) {
			truth->sites[i].peak_bytes = truth->sites[i].live_bytes;
			truth->sites[i].peak_count = truth->sites[i].live_count;
		}
	}
}

static void truth_free(struct truth *truth, uint32_t block, uint32_t serial)
{
	struct truth_site *site = &truth->sites[truth->blocks[block].stack];
	uint64_t size = truth->blocks[block].size;

	if (!truth->blocks[block].live) {
		truth->unknown++;
		return;
	}
	truth->blocks[block].live = false;
	truth->free_count++;
	truth->live_bytes -= size;
	truth->threads[serial].free_count++;
	truth->threads[serial].freed_bytes += size;
	truth->threads[truth->blocks[block].serial].live_bytes -= size;
	site->live_bytes -= size;
	site->live_count--;
	if (truth->blocks[block].serial == serial && truth->threads[serial].last == address_of(block)) {
		truth->temporary_count++;
		truth->threads[serial].temporary_count++;
		site->temporary_count++;
	}
}

static void compare(const struct truth *truth, const struct pp_profile *profile)
{
	const struct pp_mem_totals *mem = &profile->processes[0].mem;

	PP_CHECK_EQ(mem->allocation_count, truth->allocation_count);
	PP_CHECK_EQ(mem->free_count, truth->free_count);
	PP_CHECK_EQ(mem->live_bytes, truth->live_bytes);
	PP_CHECK_EQ(mem->peak_bytes, truth->peak_bytes);
	PP_CHECK_EQ(mem->temporary_count, truth->temporary_count);
	PP_CHECK_EQ(mem->unknown_free_count, truth->unknown);
	PP_CHECK_EQ(mem->realloc_count, truth->realloc_count);
	PP_CHECK_EQ(profile->processes[0].lost_count, 0);
	PP_CHECK_EQ(profile->processes[0].event_count, truth->steps);
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct pp_thread *thread = &profile->threads[i];
		const struct truth_thread *right = &truth->threads[thread->serial];

		PP_CHECK_EQ(thread->allocation_count, right->allocation_count);
		PP_CHECK_EQ(thread->free_count, right->free_count);
		PP_CHECK_EQ(thread->freed_bytes, right->freed_bytes);
		PP_CHECK_EQ(thread->live_bytes, right->live_bytes);
		PP_CHECK_EQ(thread->temporary_count, right->temporary_count);
	}
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_mem_site *site = &profile->mem_sites[i];
		uint32_t module_offset = (uint32_t)profile->addresses[profile->nodes[site->node].address].offset;
		const struct truth_site *right = &truth->sites[module_offset / 16];

		PP_CHECK_EQ(site->allocation_count, right->allocation_count);
		PP_CHECK_EQ(site->allocated_bytes, right->allocated_bytes);
		PP_CHECK_EQ(site->live_bytes, right->live_bytes);
		PP_CHECK_EQ(site->live_count, right->live_count);
		PP_CHECK_EQ(site->peak_bytes, right->peak_bytes);
		PP_CHECK_EQ(site->peak_count, right->peak_count);
		PP_CHECK_EQ(site->max_live_bytes, right->max_live_bytes);
		PP_CHECK_EQ(site->temporary_count, right->temporary_count);
	}
}

struct play {
	struct maker maker;
	struct maker_thread threads[THREADS];
	bool alive[THREADS];
	struct truth truth;
	struct pp_trace *trace;
	struct pp_image *image;
	bool looks;
};

static void step(struct play *play)
{
	struct maker_thread *thread;
	uint32_t index = random_below(THREADS), block = random_below(BLOCKS);
	uint32_t stack = 1 + random_below(STACKS), other = random_below(BLOCKS);
	uint64_t size = random_below(3) ? random_below(500) : random_below(100000);
	struct truth *truth = &play->truth;

	play->maker.stamp += 1 + (random_below(50) ? random_below(30) : random_below(200000));
	thread = &play->threads[index];
	if (!play->alive[index]) {
		thread_start(thread, &play->maker, index, "worker");
		thread->frame_limit = sizeof(struct pp_wire_frame) + 80 + 8 * random_below(200);
		play->alive[index] = true;
	}
	truth->steps++;
	if (!truth->blocks[block].live) {
		thread_alloc(thread, address_of(block), size, stack);
		truth_alloc(truth, block, size, stack, thread->serial);
	} else if (random_below(4) == 0 && (!truth->blocks[other].live || other == block)) {
		thread_realloc(thread, address_of(block), address_of(other), size, stack, 1 + random_below(5));
		truth->realloc_count++;
		truth_free(truth, block, thread->serial);
		truth_alloc(truth, other, size, stack, thread->serial);
	} else {
		thread_free(thread, address_of(block));
		truth_free(truth, block, thread->serial);
	}
	if (index > 0 && random_below(400) == 0) {
		thread_end(thread, 5);
		play->alive[index] = false;
	}
}

/* Delivers some of what is in the pipe, in pieces, and looks now and then. */
static void deliver(struct play *play)
{
	if (random_below(3) == 0)
		check_feed(play->image, &play->maker, 1 + random_below(5000));
	if (play->looks && random_below(3) == 0)
		reader_look(play->image, play->maker.stamp + PATIENCE);
}

static void play_program(uint64_t seed, bool looks)
{
	static struct play play;
	struct pp_profile *profile;

	memset(&play, 0, sizeof(play));
	random_state = seed;
	play.looks = looks;
	maker_init(&play.maker, seed);
	for (uint32_t i = 1; i <= STACKS; i++)
		maker_node(&play.maker, 0, 16 * i, PP_NODE_EXACT, 0);
	/* The analyzer's own looks see a clock that lies far behind: only the test's move the watermark. */
	play.maker.stamp = UINT64_C(1) << 58;
	play.trace = trace_create();
	play.image = check_image(play.trace, &play.maker);
	for (int i = 0; i < 6000; i++) {
		step(&play);
		if (random_below(40) == 0)
			deliver(&play);
		if (looks && i % 1500 == 1499) {
			check_feed(play.image, &play.maker, 4096);
			reader_look(play.image, play.maker.stamp + PATIENCE);
			profile = trace_snapshot(play.trace, play.maker.now_ns, true);
			compare(&play.truth, profile);
			profile_destroy(profile);
		}
	}
	profile = check_end(play.trace, play.image, &play.maker);
	compare(&play.truth, profile);
	PP_CHECK(profile->complete);
	profile_destroy(profile);
	trace_destroy(play.trace);
	maker_finish(&play.maker);
}

PP_TEST(random_programs_with_looks)
{
	for (uint64_t seed = 1; seed <= 60 && !pp_test_failures; seed++)
		play_program(seed, true);
}

PP_TEST(random_programs_at_their_end)
{
	for (uint64_t seed = 1000; seed <= 1060 && !pp_test_failures; seed++)
		play_program(seed, false);
}

/*
 * Stamps that are not exact: as when the processor reads its counter early, each event's stamp is a little before its
 * moment, so that an allocation may seem to come before the free that made room for it, and a free before its
 * allocation: neighbours may change places. What each block's story must be is still known.
 */
static void play_inexact(uint64_t seed)
{
	static struct play play;
	const struct pp_mem_totals *mem;
	struct pp_profile *profile;
	uint64_t exact = UINT64_C(1) << 58;

	memset(&play, 0, sizeof(play));
	random_state = seed;
	maker_init(&play.maker, seed);
	play.maker.stamp = exact;
	play.trace = trace_create();
	play.image = check_image(play.trace, &play.maker);
	for (int i = 0; i < THREADS; i++)
		thread_start(&play.threads[i], &play.maker, (uint32_t)i, "worker");
	for (int i = 0; i < 6000; i++) {
		struct maker_thread *thread = &play.threads[random_below(THREADS)];
		uint32_t block = random_below(12);

		exact += 8 + random_below(20);
		play.maker.stamp = exact - random_below(13);
		if (play.maker.stamp < thread->stamp)
			play.maker.stamp = thread->stamp; /* a thread's own stamps never fall */
		if (play.truth.blocks[block].live) {
			thread_free(thread, address_of(block));
			truth_free(&play.truth, block, thread->serial);
		} else {
			thread_alloc(thread, address_of(block), 100 + block, 0);
			truth_alloc(&play.truth, block, 100 + block, 0, thread->serial);
		}
		if (random_below(100) == 0) {
			check_feed(play.image, &play.maker, 4096);
			reader_look(play.image, exact - 20 + PATIENCE);
		}
	}
	profile = check_end(play.trace, play.image, &play.maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->allocation_count, play.truth.allocation_count);
	PP_CHECK_EQ(mem->free_count, play.truth.free_count);
	PP_CHECK_EQ(mem->live_bytes, play.truth.live_bytes);
	PP_CHECK_EQ(mem->unknown_free_count, 0);
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct pp_thread *thread = &profile->threads[i];

		PP_CHECK_EQ(thread->free_count, play.truth.threads[thread->serial].free_count);
		PP_CHECK_EQ(thread->freed_bytes, play.truth.threads[thread->serial].freed_bytes);
		PP_CHECK_EQ(thread->live_bytes, play.truth.threads[thread->serial].live_bytes);
	}
	profile_destroy(profile);
	trace_destroy(play.trace);
	maker_finish(&play.maker);
}

PP_TEST(inexact_stamps)
{
	for (uint64_t seed = 1; seed <= 50 && !pp_test_failures; seed++)
		play_inexact(seed);
}

/*
 * A thread that has written its frame and is stopped while it begins the next: the sequence is still the written one's,
 * the header is not, and the frame is in the pipe. It must not be taken for a thread that has said all.
 */
PP_TEST(frame_begun_but_not_told)
{
	struct maker_thread first, second;
	struct pp_mem_totals *mem;
	struct pp_profile *profile;
	struct pp_trace *trace;
	struct pp_image *image;
	struct maker maker;

	maker_init(&maker, 1);
	maker.stamp = UINT64_C(1) << 58;
	trace = trace_create();
	image = check_image(trace, &maker);
	thread_start(&first, &maker, 0, "first");
	thread_start(&second, &maker, 1, "second");
	thread_alloc(&first, address_of(1), 100, 0);
	thread_alloc(&second, address_of(2), 1, 0);
	check_feed(image, &maker, 4096);
	reader_look(image, maker.stamp + PATIENCE);
	maker.stamp += 10;
	thread_free(&first, address_of(1));
	thread_flush(&first);
	first.slot->events_sequence--;
	maker.stamp += 10;
	thread_alloc(&second, address_of(1), 7, 0);
	maker.stamp += 10;
	reader_look(image, maker.stamp + PATIENCE);
	PP_CHECK(image->order.watermark < maker.stamp - 20);
	first.slot->events_sequence++;
	profile = check_end(trace, image, &maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->free_count, 1);
	PP_CHECK_EQ(mem->freed_bytes, 100);
	PP_CHECK_EQ(mem->live_bytes, 8);
	PP_CHECK_EQ(mem->peak_bytes, 101);
	PP_CHECK_EQ(mem->unknown_free_count, 0);
	profile_destroy(profile);
	trace_destroy(trace);
	maker_finish(&maker);
}
