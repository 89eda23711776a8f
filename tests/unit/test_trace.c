/* SPDX-License-Identifier: Apache-2.0 */
/* Streams with known answers through the whole data path: what each number of a profile means. */
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#define BLOCK(i) (UINT64_C(0x10000) + 16 * (uint64_t)(i))

PP_TEST(counts_of_one_thread)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_totals *mem;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 100, 0);
	thread_alloc(&thread, BLOCK(2), 0, 0);
	thread_alloc(&thread, BLOCK(3), 5000, 0);
	thread_free(&thread, BLOCK(1));
	thread_free(&thread, BLOCK(77));
	maker.now_ns += 3000000;
	thread_free(&thread, BLOCK(3));
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->process_count, 1);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->allocation_count, 3);
	PP_CHECK_EQ(mem->allocated_bytes, 5100);
	PP_CHECK_EQ(mem->free_count, 2);
	PP_CHECK_EQ(mem->freed_bytes, 5100);
	PP_CHECK_EQ(mem->live_count, 1);
	PP_CHECK_EQ(mem->live_bytes, 0);
	PP_CHECK_EQ(mem->peak_bytes, 5100);
	PP_CHECK_EQ(mem->peak_at_ns, 0);
	PP_CHECK_EQ(mem->unknown_free_count, 1);
	PP_CHECK_EQ(mem->temporary_count, 1); /* block 3 */
	PP_CHECK_EQ(mem->sizes.counts[0], 1);
	PP_CHECK_EQ(mem->sizes.counts[7], 1);
	PP_CHECK_EQ(mem->sizes.counts[13], 1);
	PP_CHECK_EQ(mem->lifetimes.counts[0], 1);
	PP_CHECK_EQ(mem->lifetimes.counts[22], 1); /* 3 ms, in steps of 65 us */
	PP_CHECK_EQ(profile->processes[0].event_count, 6);
	PP_CHECK_EQ(profile->processes[0].lost_count, 0);
	PP_CHECK(profile->processes[0].complete);
	PP_CHECK(profile->complete);
	PP_CHECK_EQ(profile->thread_count, 1);
	PP_CHECK_STR(profile->threads[0].name, "main");
	PP_CHECK_EQ(profile->threads[0].allocation_count, 3);
	PP_CHECK_EQ(profile->threads[0].free_count, 2);
	PP_CHECK_EQ(profile->threads[0].live_count, 1);
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(realloc_is_a_free_and_an_allocation)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_totals *mem;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 100, 0);
	thread_realloc(&thread, BLOCK(1), BLOCK(1), 200, 0, 0);
	thread_alloc(&thread, BLOCK(9), 1, 0);
	thread_realloc(&thread, BLOCK(1), BLOCK(5), 50, 0, 0);
	thread_extended(&thread, PP_EXT_ALLOC_FAILED, PP_OP_REALLOC, (uint64_t[]){ 1 << 30, 0 }, 2,
			false);
	profile = check_profile(&maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->allocation_count, 4);
	PP_CHECK_EQ(mem->allocated_bytes, 351);
	PP_CHECK_EQ(mem->free_count, 2);
	PP_CHECK_EQ(mem->live_bytes, 51);
	PP_CHECK_EQ(mem->peak_bytes, 201);
	PP_CHECK_EQ(mem->realloc_count, 2);
	PP_CHECK_EQ(mem->realloc_moved_count, 1);
	PP_CHECK_EQ(mem->failed_count, 1);
	PP_CHECK_EQ(mem->temporary_count, 1); /* of 100 bytes; the one of 200 saw another between */
	profile_destroy(profile);
	maker_finish(&maker);
}
