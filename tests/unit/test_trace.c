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
	thread_extended(&thread, PP_EXT_ALLOC_FAILED, PP_OP_REALLOC, (uint64_t[]){1 << 30, 0}, 2, false);
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

PP_TEST(wide_records)
{
	const uint64_t huge = (UINT64_C(1) << 36) - 1;
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_totals *mem;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), huge, 0); /* fits the record, not the map's field */
	thread_alloc(&thread, BLOCK(2), huge * 1000, 0);
	thread_alloc(&thread, BLOCK(3) + 8, 5, 0);
	PP_CHECK_EQ(thread.slot->event_count, 3);
	thread_extended(&thread, PP_EXT_FREE_WIDE, 0, (uint64_t[]){BLOCK(3) + 8}, 1, false);
	thread_free(&thread, BLOCK(2));
	thread_extended(&thread, PP_EXT_REALLOC_WIDE, 0, (uint64_t[]){BLOCK(1), BLOCK(4) + 8, 7, 0, 0}, 5, false);
	profile = check_profile(&maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->allocation_count, 4);
	PP_CHECK_EQ(mem->peak_bytes, huge * 1001 + 5);
	PP_CHECK_EQ(mem->freed_bytes, huge * 1001 + 5);
	PP_CHECK_EQ(mem->live_bytes, 7);
	PP_CHECK_EQ(mem->realloc_moved_count, 1);
	PP_CHECK_EQ(mem->unknown_free_count, 0);
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(an_address_given_twice_is_freed_by_nobody)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_totals *mem;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), UINT64_C(1) << 40, 0);
	thread_alloc(&thread, BLOCK(1), 5, 0);
	thread_alloc(&thread, BLOCK(2), 9, 0);
	thread_free(&thread, BLOCK(1));
	profile = check_profile(&maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->allocation_count, 3);
	PP_CHECK_EQ(mem->free_count, 2);
	PP_CHECK_EQ(mem->live_bytes, 9);
	PP_CHECK_EQ(mem->live_count, 1);
	PP_CHECK_EQ(profile->threads[0].free_count, 1);
	PP_CHECK_EQ(profile->threads[0].live_bytes, 9);
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(mappings)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_totals *mem;

	maker_init(&maker, 1);
	maker_node(&maker, 0, 0x5001, 0, 0);
	thread_start(&thread, &maker, 0, "main");
	thread_extended(&thread, PP_EXT_MAP, PP_OP_MMAP, (uint64_t[]){0x100000, 0x5000, 1}, 3, false);
	/* a hole in the middle, then a fixed mapping over one end of it */
	thread_extended(&thread, PP_EXT_UNMAP, 0, (uint64_t[]){0x101000, 0x1000}, 2, false);
	thread_extended(&thread, PP_EXT_MAP, PP_OP_MMAP, (uint64_t[]){0x101000, 0x1800, 1}, 3, false);
	/* 5 pages now; one of them moves and grows to 3 */
	thread_extended(&thread, PP_EXT_REMAP, 0, (uint64_t[]){0x104000, 0x1000, 0x200000, 0x3000, 1}, 5, false);
	thread_extended(&thread, PP_EXT_BREAK, PP_OP_BRK, (uint64_t[]){0x800000, 0x802000, 1}, 3, false);
	thread_extended(&thread, PP_EXT_BREAK, PP_OP_BRK, (uint64_t[]){0x802000, 0x801000, 1}, 3, false);
	thread_extended(&thread, PP_EXT_UNMAP, 0, (uint64_t[]){0, 0x7fff00000000}, 2, false);
	thread_extended(&thread, PP_EXT_MAP, PP_OP_MMAP, (uint64_t[]){0x100000, 1, 1}, 3, false);
	profile = check_profile(&maker);
	mem = &profile->processes[0].mem;
	PP_CHECK_EQ(mem->mapping_count, 5);
	PP_CHECK_EQ(mem->mapped_bytes, (5 + 2 + 3 + 2 + 1) * 4096);
	PP_CHECK_EQ(mem->mapping_peak_bytes, 9 * 4096);
	PP_CHECK_EQ(mem->allocation_count, 0);
	PP_CHECK_EQ(profile->mem_site_count, 1);
	PP_CHECK_EQ(profile->mem_sites[0].mapping_count, 5);
	PP_CHECK_EQ(profile->mem_sites[0].mapped_bytes, 13 * 4096);
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(samples_by_thread_and_stack)
{
	struct maker maker;
	struct maker_thread thread, other, silent;
	struct pp_profile *profile;

	maker_init(&maker, 1);
	maker_node(&maker, 0, 0x5000, PP_NODE_EXACT, 0);
	maker_node(&maker, 0, 0x6000, PP_NODE_EXACT, 0);
	thread_start(&thread, &maker, 0, "main");
	thread_start(&other, &maker, 1, "other");
	thread_start(&silent, &maker, 2, "silent");
	thread_sample(&thread, 1, 3, MAKER_START_NS);
	thread_sample(&thread, 1, 1, MAKER_START_NS + 35000000);
	thread_sample(&thread, 2, 1, MAKER_START_NS + 5);
	thread_sample(&other, 1, 7, MAKER_START_NS + 10000000);
	maker.now_ns += 40000000;
	thread_end(&other, 28000001);
	thread.slot->cpu_ns = 20000002; /* the main thread's tail stays in its slot */
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->thread_count, 3);
	PP_CHECK_EQ(profile->processes[0].sample_count, 12);
	PP_CHECK_EQ(profile->processes[0].sampled_ns, 48000000);
	PP_CHECK_EQ(profile->cpu_site_count, 3);
	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		const struct pp_cpu_site *site = &profile->cpu_sites[i];
		uint64_t offset = profile->addresses[profile->nodes[site->node].address].offset;
		bool of_main = strcmp(profile->threads[site->thread].name, "main") == 0;

		PP_CHECK_EQ(site->sample_count, offset == 0x6000 ? 1 : of_main ? 4 : 7);
		PP_CHECK_EQ(site->sampled_ns, site->sample_count * 4000000);
		PP_CHECK_EQ(site->bin_count, offset == 0x5000 && of_main ? 2 : 1);
	}
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct pp_thread *seen = &profile->threads[i];

		if (strcmp(seen->name, "main") == 0) {
			PP_CHECK_EQ(seen->sample_count, 5);
			PP_CHECK_EQ(seen->cpu_ns, 20000002);
		} else if (strcmp(seen->name, "other") == 0) {
			PP_CHECK_EQ(seen->sample_count, 7);
			PP_CHECK_EQ(seen->cpu_ns, 28000001);
			PP_CHECK_EQ(seen->end_ns, 40000000);
		} else {
			PP_CHECK_STR(seen->name, "silent");
			PP_CHECK_EQ(seen->sample_count, 0);
			PP_CHECK(seen->cpu_ns == PP_UNKNOWN);
		}
	}
	profile_destroy(profile);
	maker_finish(&maker);
}

/* The whole path from a node to module and offset. */
PP_TEST(addresses_by_module_and_epoch)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	static const struct {
		const char *path, *build_id;
		uint64_t offset;
	} expected[] = {
		{"/bin/program", "0a0b", 0x10ff}, /* a return address: the call before it */
		{"/bin/program", "0a0b", 0x1100},	 {"/lib/old.so", "", 0x200 - 1},
		{"/lib/new.so", "ff", 0x200 - 1 + 0x40}, {NULL, NULL, 0x99999 - 1},
	};

	maker_init(&maker, 1);
	maker_module(&maker, 0x401000, 0x405000, 0x400000, 0, "", "\x0a\x0b", 2);
	maker_module(&maker, 0x700000, 0x701000, 0x700000, 1, "/lib/old.so", "", 0);
	maker_module(&maker, 0x6fffc0, 0x702000, 0x6fffc0, 3, "/lib/new.so", "\xff", 1);
	maker_node(&maker, 0, 0x401100, 0, 5);
	maker_node(&maker, 0, 0x401100, PP_NODE_EXACT, 5);
	maker_node(&maker, 0, 0x700200, 0, 2);
	maker_node(&maker, 0, 0x700200, 0, 3);
	maker_node(&maker, 0, 0x99999, PP_NODE_TRUNCATED, 3);
	thread_start(&thread, &maker, 0, "main");
	for (uint32_t i = 1; i <= 5; i++)
		thread_alloc(&thread, BLOCK(i), i, i);
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->mem_site_count, 5);
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_node *node = &profile->nodes[profile->mem_sites[i].node];
		const struct pp_address *address = &profile->addresses[node->address];
		uint64_t which = profile->mem_sites[i].allocated_bytes - 1;

		PP_CHECK_EQ(address->offset, expected[which].offset);
		PP_CHECK_EQ(node->truncated, which == 4);
		if (!expected[which].path) {
			PP_CHECK_EQ(address->module, PP_NONE);
			continue;
		}
		PP_CHECK_STR(profile->modules[address->module].path, expected[which].path);
		PP_CHECK_STR(profile->modules[address->module].build_id, expected[which].build_id);
	}
	PP_CHECK_EQ(profile->module_count, 3);
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(circles_of_parents_end)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	struct pp_wire_node *nodes;

	maker_init(&maker, 1);
	nodes = (struct pp_wire_node *)(maker.shared + PP_WIRE_NODES);
	maker_node(&maker, 2, 0x1000, 0, 0);
	maker_node(&maker, 1, 0x2000, 0, 0);
	maker_node(&maker, 3, 0x3000, 0, 0); /* its own parent */
	maker_node(&maker, 0xfffffff, 0x4000, 0, 0);
	maker_node(&maker, 0, 0, 0, 0);
	nodes[5].word = 0; /* not there yet */
	thread_start(&thread, &maker, 0, "main");
	for (uint32_t i = 1; i <= 6; i++)
		thread_alloc(&thread, BLOCK(i), 1, i);
	thread_alloc(&thread, BLOCK(8), 1, 0xfffffff);
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 7);
	for (uint32_t i = 1; i < profile->node_count; i++)
		PP_CHECK(profile->nodes[i].parent < i);
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		if (profile->mem_sites[i].node == 0)
			PP_CHECK_EQ(profile->mem_sites[i].allocation_count, 4);
	}
	profile_destroy(profile);
	maker_finish(&maker);
}

PP_TEST(lost_and_missing)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 1, 0);
	thread_flush(&thread);
	thread.drop = true;
	thread_alloc(&thread, BLOCK(2), 1, 0);
	thread_alloc(&thread, BLOCK(3), 1, 0);
	thread_flush(&thread);
	thread.drop = false;
	thread_alloc(&thread, BLOCK(4), 1, 0);
	thread_flush(&thread);
	thread.slot->event_count += 5; /* as if five had been overwritten */
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->processes[0].event_count, 2);
	PP_CHECK_EQ(profile->processes[0].lost_count, 2 + 5);
	PP_CHECK(!profile->processes[0].complete);
	PP_CHECK(!profile->complete);
	PP_CHECK(profile->notes[0] == NULL);
	profile_destroy(profile);
	maker_finish(&maker);
}

/* Bins: their width doubles and nothing is lost by that. */
PP_TEST(bins_double)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	const struct pp_mem_site *site;
	uint64_t allocations = 0, frees = 0;

	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	for (int i = 0; i < 3000; i++) {
		thread_alloc(&thread, BLOCK(i), 10, 0);
		maker.now_ns += 10000000;
		thread_free(&thread, BLOCK(i));
	}
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->bin_ns, 40000000);
	PP_CHECK_EQ(profile->mem_site_count, 1);
	site = &profile->mem_sites[0];
	PP_CHECK_EQ(site->bin_count, 751);
	for (uint32_t i = 0; i < site->bin_count; i++) {
		PP_CHECK_EQ(site->bins[i].bin, i);
		PP_CHECK_EQ(site->bins[i].allocation_count, i == 750 ? 0 : 4);
		PP_CHECK_EQ(site->bins[i].free_count, i == 0 ? 3 : i == 750 ? 1 : 4);
		allocations += site->bins[i].allocated_bytes;
		frees += site->bins[i].freed_bytes;
	}
	PP_CHECK_EQ(allocations, 30000);
	PP_CHECK_EQ(frees, 30000);
	profile_destroy(profile);
	maker_finish(&maker);
}

/* HEAP=sampled: totals count every allocation, a site's numbers are estimates from those that have a stack. */
PP_TEST(sampled_heap)
{
	struct maker maker;
	struct maker_thread thread;
	struct pp_profile *profile;
	uint64_t random = 1, taken = 0;

	maker_init(&maker, 1);
	maker.header->heap_sample_bytes = 10000;
	maker_node(&maker, 0, 0x5000, PP_NODE_EXACT, 0);
	thread_start(&thread, &maker, 0, "main");
	for (uint32_t i = 0; i < 100000; i++) {
		bool sampled;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		/* 1 - exp(-500 / 10000) */
		sampled = (random >> 11) * 0x1p-53 < 0.048770575499286;
		taken += sampled;
		thread_alloc(&thread, BLOCK(32 * i), 500, sampled ? 1 : PP_REC_STACK_UNSAMPLED);
		if (i % 2)
			thread_free(&thread, BLOCK(32 * i));
	}
	profile = check_profile(&maker);
	PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 100000);
	PP_CHECK_EQ(profile->processes[0].mem.live_bytes, 50000 * 500);
	PP_CHECK_EQ(profile->mem_site_count, 1);
	if (profile->mem_site_count == 1) {
		const struct pp_mem_site *site = &profile->mem_sites[0];

		/* within three standard deviations of so many samples */
		PP_CHECK(taken > 4600 && taken < 5150);
		PP_CHECK(site->allocation_count > 95800 && site->allocation_count < 104200);
		PP_CHECK(site->allocated_bytes > 95800 * 500 && site->allocated_bytes < 104200 * 500);
		PP_CHECK(site->live_bytes > 47000 * 500 && site->live_bytes < 53000 * 500);
		PP_CHECK(site->live_count > 47000 && site->live_count < 53000);
	}
	profile_destroy(profile);
	maker_finish(&maker);
}

/* How many are there, of so many said. */
static uint32_t notes_make(struct pp_trace *trace, int said, int (*number)(int), struct pp_profile **profile)
{
	uint32_t count = 0;
	char text[32];

	for (int i = 0; i < said; i++) {
		snprintf(text, sizeof(text), "note %d", number(i));
		trace_note(trace, text);
	}
	*profile = trace_snapshot(trace, MAKER_START_NS, false);
	while ((*profile)->notes[count])
		count++;
	return count;
}

static int all_again(int i)
{
	return i % 255;
}

static int each_twice(int i)
{
	return i / 2;
}

/* The last one of those that find room says that more would come only if more came. */
PP_TEST(a_note_that_is_there_is_not_one_more)
{
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;

	PP_CHECK_EQ(notes_make(trace, 510, all_again, &profile), 255);
	PP_CHECK_STR(profile->notes[254], "note 254");
	profile_destroy(profile);
	trace_destroy(trace);
}

PP_TEST(notes_have_an_end)
{
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;

	PP_CHECK_EQ(notes_make(trace, 2000, each_twice, &profile), 256);
	PP_CHECK_STR(profile->notes[0], "note 0");
	PP_CHECK_STR(profile->notes[254], "note 254");
	PP_CHECK_STR(profile->notes[255], "more was noted than is kept");
	profile_destroy(profile);
	trace_destroy(trace);
}
