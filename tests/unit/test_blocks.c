/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer map against a plain list, its memory, and the small tables beside it. */
#include "blocks.h"
#include "mappings.h"
#include "test.h"

#define POOL 50000

static uint64_t random_state = 12345;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(random_state >> 33) % limit;
}

/* The size is kept as the time too. */
static bool block_put(struct pp_blocks *blocks, uint64_t address, uint64_t size, struct pp_block *old)
{
	return blocks_insert(blocks, address, block_pack(blocks, address, (uint32_t)(size % 1000), size),
			     block_birth(size << PP_BLOCK_TIME_SHIFT, 7), old);
}

PP_TEST(like_a_list)
{
	static uint64_t sizes[POOL]; /* 0: not live */
	struct pp_blocks blocks = {0};
	struct pp_block old;
	uint64_t live = 0;

	table_seed_init();
	for (int i = 0; i < 2000000; i++) {
		uint32_t at = random_below(POOL);
		uint64_t address = UINT64_C(0x7f1200000010) + 32 * (uint64_t)at;

		/* the first half grows, the second shrinks */
		if (!sizes[at] && random_below(10) < (i < 1000000 ? 8 : 3)) {
			sizes[at] = 1 + random_below(1 << 30);
			PP_CHECK(block_put(&blocks, address, sizes[at], &old));
			live++;
		} else if (sizes[at]) {
			PP_CHECK(blocks_remove(&blocks, address, &old));
			PP_CHECK_EQ(old.packed & PP_BLOCK_SIZE_WIDE, sizes[at]);
			PP_CHECK_EQ(block_site(&old), sizes[at] % 1000);
			PP_CHECK(!blocks_remove(&blocks, address, &old));
			sizes[at] = 0;
			live--;
		} else {
			PP_CHECK(!blocks_remove(&blocks, address, &old));
		}
		if (pp_test_failures)
			break;
	}
	PP_CHECK_EQ(blocks.count, live);
	for (uint32_t at = 0; at < POOL; at++) {
		bool found = blocks_find(&blocks, UINT64_C(0x7f1200000010) + 32 * (uint64_t)at, &old);

		PP_CHECK_EQ(found, sizes[at] != 0);
		if (found)
			PP_CHECK_EQ(old.time, sizes[at]);
	}
	blocks_finish(&blocks);
}

PP_TEST(replaces_and_keeps_wide_sizes)
{
	struct pp_blocks blocks = {0};
	struct pp_block old;

	PP_CHECK(block_put(&blocks, 16, UINT64_C(1) << 50, &old));
	PP_CHECK(blocks_remove(&blocks, 16, &old));
	PP_CHECK_EQ(old.packed & PP_BLOCK_SIZE_WIDE, PP_BLOCK_SIZE_WIDE);
	PP_CHECK_EQ(block_wide_size(&blocks, 16), UINT64_C(1) << 50);
	PP_CHECK(block_put(&blocks, 16, 5, &old));
	PP_CHECK(!block_put(&blocks, 16, 6, &old));
	PP_CHECK_EQ(old.time, 5);
	PP_CHECK_EQ(old.thread, 7);
	PP_CHECK_EQ(blocks.count, 1);
	PP_CHECK(!blocks_remove(&blocks, 0, &old));
	blocks_finish(&blocks);
}

static double bytes_above_fixed(const struct pp_blocks *blocks)
{
	return ((double)blocks->bytes - 22e6) / (double)blocks->count;
}

/* At most 40 bytes a live block beside a fixed 22 MB (small maps double), also where addresses never come again. */
PP_TEST(memory_follows_live_blocks)
{
	struct pp_blocks blocks = {0};
	struct pp_block old;
	uint64_t first = 1;
	double worst = 0;

	for (uint64_t i = 1; i <= 1500000; i++) {
		blocks_insert(&blocks, 16 * i, 1, 0, &old);
		/* every third one is freed again, oldest first */
		if (i % 3 == 0)
			PP_CHECK(blocks_remove(&blocks, 16 * first++, &old));
		if (blocks.count >= 100000 && bytes_above_fixed(&blocks) > worst)
			worst = bytes_above_fixed(&blocks);
	}
	PP_CHECK(worst > 0); /* it was looked at */
	PP_CHECK(worst <= 40);
	for (uint64_t i = 1500001; i <= 2500000; i++) {
		blocks_insert(&blocks, 16 * i, 1, 0, &old);
		PP_CHECK(blocks_remove(&blocks, 16 * first++, &old));
		if (bytes_above_fixed(&blocks) > worst)
			worst = bytes_above_fixed(&blocks);
	}
	PP_CHECK(worst <= 40);
	PP_CHECK_EQ(blocks.count, 1000000);
	blocks_finish(&blocks);
}

/* Odd addresses, all of one region, several allocators' spacings, and the far ends of the address space. */
PP_TEST(any_address)
{
	static const uint64_t starts[] = {1,
					  4095,
					  4096,
					  UINT64_C(1) << 18,
					  UINT64_C(0x7fffffffe000),
					  UINT64_C(0xffffffffff600000),
					  UINT64_MAX - 3000};
	struct pp_blocks blocks = {0};
	struct pp_block old;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (uint64_t step = 0; step < 3000; step++)
			blocks_insert(&blocks, starts[i] + step, step, block_birth(0, 3), &old);
	}
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (uint64_t step = 0; step < 3000; step += 7)
			blocks_remove(&blocks, starts[i] + step, &old);
	}
	PP_CHECK(blocks_find(&blocks, UINT64_MAX - 3000 + 2999, &old));
	PP_CHECK_EQ(old.packed, 2999);
	PP_CHECK_EQ(old.thread, 3);
	PP_CHECK(!blocks_find(&blocks, UINT64_MAX - 3000 + 2996, &old)); /* 428 * 7 */
	blocks_finish(&blocks);
}

struct seen {
	uint64_t count, sum;
};

static void address_count(void *context, uint64_t address)
{
	struct seen *seen = context;

	seen->count++;
	seen->sum += address;
}

/* A heap that moves through the address space and changes its density: memory is given back, and nothing is lost when
 * the map is copied. */
PP_TEST(memory_moves_along)
{
	struct pp_blocks blocks = {0};
	struct pp_block old;
	uint64_t most = 0;

	for (uint64_t round = 0; round < 40; round++) {
		uint64_t start = (round + 1) << 32, step = 16 << round % 5;
		struct seen seen = {0};
		uint64_t sum = 0;

		for (uint64_t i = 0; i < 100000; i++) {
			PP_CHECK(blocks_insert(&blocks, start + i * step, i, 0, &old));
			sum += start + i * step;
		}
		blocks_each(&blocks, address_count, &seen);
		PP_CHECK_EQ(seen.count, 100000);
		PP_CHECK_EQ(seen.sum, sum);
		for (uint64_t i = 0; i < 100000; i++) {
			PP_CHECK(blocks_remove(&blocks, start + i * step, &old));
			PP_CHECK_EQ(old.packed, i);
		}
		if (blocks.bytes > most)
			most = blocks.bytes;
	}
	PP_CHECK_EQ(blocks.count, 0);
	PP_CHECK(most < 100000 * 40 + (UINT64_C(22) << 20));
	blocks_finish(&blocks);
}

PP_TEST(table_like_an_array)
{
	struct pp_table table = {0};
	struct pp_pages pages = {0};
	static uint64_t values[5000];

	for (int i = 0; i < 200000; i++) {
		uint32_t key = random_below(5000);

		if (random_below(2)) {
			values[key] = 1 + random_below(1000);
			table_set(&table, key, values[key]);
		} else {
			PP_CHECK_EQ(table_remove(&table, key, NULL), values[key] != 0);
			values[key] = 0;
		}
		pages_set(&pages, key * 77, (uint32_t)values[key]);
	}
	for (uint32_t key = 0; key < 5000; key++) {
		uint64_t *found = table_find(&table, key);

		PP_CHECK_EQ(found ? *found : 0, values[key]);
		PP_CHECK_EQ(pages_get(&pages, key * 77), values[key]);
		PP_CHECK_EQ(pages_get(&pages, key * 77 + 1), 0);
	}
	table_finish(&table);
	pages_finish(&pages);
}

/* Ranges against a map of pages. */
PP_TEST(mappings_like_pages)
{
	enum { PAGES = 200 };
	struct pp_mappings mappings = {0};
	bool mapped[PAGES] = {false};
	uint64_t live = 0, peak = 0;

	for (int i = 0; i < 20000; i++) {
		uint32_t start = random_below(PAGES), size = random_below(20);
		bool add = random_below(2);

		if (start + size > PAGES)
			size = PAGES - start;
		for (uint32_t page = start; page < start + size; page++) {
			live += (uint64_t)add - mapped[page];
			mapped[page] = add;
		}
		peak = live > peak ? live : peak;
		if (add)
			mappings_add(&mappings, start, start + size);
		else
			mappings_remove(&mappings, start, start + size);
		PP_CHECK_EQ(mappings.live_bytes, live);
		for (uint32_t j = 1; j < mappings.count; j++)
			PP_CHECK(mappings.ranges[j].start >= mappings.ranges[j - 1].end);
	}
	PP_CHECK_EQ(mappings.peak_bytes, peak);
	mappings_finish(&mappings);
}
