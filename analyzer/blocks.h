/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer map: every live block of one process, found by its address.
 *
 * Open addressing with linear probing in 128 shards. A block that is freed leaves its address behind, marked dead:
 * allocators give the same addresses again and again, and such an address then finds its old place, with nothing to
 * move at either end. When four fifths of a shard are used, it is rebuilt alone: in its size when enough of it is dead,
 * else a little larger (in whole pages once it fills one). So memory stays below 40 bytes a live block at any size, and
 * a pause is that of 1/128 of the map. The place is hash * capacity / 2^32 instead of a mask, which allows such
 * capacities and keeps a shard in hash order, so that rebuilding reads and writes in sequence. A look-up in a map
 * larger than the caches is one miss, hidden by blocks_prefetch some events ahead.
 *
 * Address 0 is never a block. One owner; not thread-safe.
 */
#ifndef PREPROF_BLOCKS_H
#define PREPROF_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "table.h"

#define PP_BLOCK_SIZE_BITS    36
#define PP_BLOCK_SIZE_WIDE    ((UINT64_C(1) << PP_BLOCK_SIZE_BITS) - 1) /* the size is in the side table */
#define PP_BLOCK_SITE_LIMIT   (1U << 28)
#define PP_BLOCK_THREAD_OTHER UINT16_MAX /* threads beyond what 16 bits count */
#define PP_BLOCK_TIME_SHIFT   16

struct pp_block {
	uint64_t address; /* 0: empty */
	uint64_t packed;  /* site:28 | size:36 */
	uint32_t time;	  /* of the allocation, in units of 2^16 ns; wraps after 78 hours */
	uint16_t thread;
	uint16_t dead; /* 1: freed, only the address still counts */
};
_Static_assert(sizeof(struct pp_block) == 24, "an entry is what a live block costs");

#define PP_BLOCK_SHARDS 128

struct pp_block_shard {
	struct pp_block *entries;
	uint32_t capacity;
	uint32_t live;
	uint32_t used;	/* live and dead */
	uint32_t limit; /* of used */
};

struct pp_blocks {
	struct pp_block_shard shards[PP_BLOCK_SHARDS];
	uint64_t count;	      /* live */
	uint64_t bytes;	      /* of all shards */
	uint64_t version;     /* grows with every change of the set of addresses */
	struct pp_table wide; /* address to size, for sizes that 36 bits do not hold */
};

/* Zeroed storage is a valid empty map. */
void blocks_finish(struct pp_blocks *blocks);

/* Puts a block in. Where its address is taken already, replaces it, sets *old and returns false. packed is made from a
 * size below PP_BLOCK_SIZE_WIDE, or by block_pack; birth by block_birth.
 *
 * The parts come in registers: a struct would be written in pieces and read back in one, and that read has to wait for
 * all stores before it, cache misses included. It made an insertion three times as slow. */
bool blocks_insert(struct pp_blocks *blocks, uint64_t address, uint64_t packed, uint64_t birth, struct pp_block *old);

/* Takes the block out; false: not there. */
bool blocks_remove(struct pp_blocks *blocks, uint64_t address, struct pp_block *old);

const struct pp_block *blocks_find(const struct pp_blocks *blocks, uint64_t address);

/* The two halves of `packed`. A wide size is kept in the side table from block_pack until block_size_take. */
uint64_t block_pack(struct pp_blocks *blocks, uint64_t address, uint32_t site, uint64_t size);
uint64_t block_wide_size(struct pp_blocks *blocks, uint64_t address);

/* `time`, `thread` and `dead` of a live block in one word, as they lie in memory. */
static inline uint64_t block_birth(uint64_t time_ns, uint32_t thread)
{
	if (thread > PP_BLOCK_THREAD_OTHER)
		thread = PP_BLOCK_THREAD_OTHER;
	return (uint32_t)(time_ns >> PP_BLOCK_TIME_SHIFT) | (uint64_t)thread << 32;
}

static inline uint32_t block_site(const struct pp_block *block)
{
	return (uint32_t)(block->packed >> PP_BLOCK_SIZE_BITS);
}

static inline uint64_t blocks_hash(uint64_t address)
{
	uint64_t hash = address * table_seed;

	hash ^= hash >> 32;
	return hash * UINT64_C(0xd6e8feb86659fd93);
}

static inline uint32_t blocks_place(uint64_t hash, uint32_t capacity)
{
	return (uint32_t)(((hash << 7 >> 32) * capacity) >> 32);
}

/* Inlined by force: GCC takes a function that only prefetches for one without effects and drops the calls. */
static inline __attribute__((always_inline)) void blocks_prefetch(const struct pp_blocks *blocks, uint64_t address)
{
	uint64_t hash = blocks_hash(address);
	const struct pp_block_shard *shard = &blocks->shards[hash >> 57];
	const struct pp_block *entry = &shard->entries[blocks_place(hash, shard->capacity)];

	__builtin_prefetch(entry, 1);
	__builtin_prefetch(entry + 2, 1);
}

#endif
