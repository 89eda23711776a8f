/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer map: every live block of one process, found by its address.
 *
 * It is laid out as the heap itself is. Blocks that lie beside each other in the program are allocated and freed
 * together, so their entries lie beside each other here: a hash table over single addresses met one cache miss an
 * event, which was most of what an event cost once a program had more than some ten thousand live blocks.
 *
 *   root     open addressing over 256 KiB pieces of the address space, to
 *   leaf     64 regions of 4 KiB, each with
 *   entries  an array of 16 bytes a block, just large enough (4, 6, 8, 12, ... entries), in the order of the addresses
 *            except where linear probing moved one on.
 *
 * A block that is freed leaves its entry behind, marked dead: allocators give the same addresses again and again, and
 * such an address then finds its old place, with nothing to move at either end. A region that is four fifths full is
 * rebuilt without its dead, larger if it has to be: a pause of one region. Leaves and arrays come from a pool with a
 * free list a size. When more than half of the pool is free or belongs to regions without a live block, the whole map
 * is copied to a new one, so memory follows the live blocks (about 24 bytes each; below 40 at any density above four
 * blocks a region).
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

/* A block as it is handed out. */
struct pp_block {
	uint64_t address;
	uint64_t packed; /* site:28 | size:36 */
	uint32_t time;	 /* of the allocation, in units of 2^16 ns; wraps after 78 hours */
	uint16_t thread;
};

#define PP_BLOCK_REGION_BITS 12
#define PP_BLOCK_LEAF_BITS   18
#define PP_BLOCK_REGIONS     (1U << (PP_BLOCK_LEAF_BITS - PP_BLOCK_REGION_BITS))
#define PP_BLOCK_CLASSES     22

/* A block as it is kept: mark:16 | thread:16 | time:32 in the second word. */
struct pp_block_entry {
	uint64_t packed;
	uint64_t birth; /* mark: 0 empty; else PP_BLOCK_USED, PP_BLOCK_DEAD, offset in the region */
};
_Static_assert(sizeof(struct pp_block_entry) == 16, "what a live block costs, at best");

#define PP_BLOCK_MARK_SHIFT 48
#define PP_BLOCK_USED	    (UINT64_C(1) << 63)
#define PP_BLOCK_DEAD	    (UINT64_C(1) << 62)

struct pp_block_region {
	struct pp_block_entry *entries; /* NULL: none yet */
	uint16_t capacity;
	uint16_t used; /* live and dead */
	uint16_t live;
	uint8_t class; /* of the capacity */
};
_Static_assert(sizeof(struct pp_block_region) == 16, "64 to a leaf");

struct pp_block_leaf {
	struct pp_block_region regions[PP_BLOCK_REGIONS];
};

struct pp_block_root {
	uint64_t key; /* address >> PP_BLOCK_LEAF_BITS, + 1; 0: empty */
	struct pp_block_leaf *leaf;
};

struct pp_block_chunk;

/* Where leaves and arrays come from. */
struct pp_block_pool {
	struct pp_block_chunk *chunks;
	char *next, *end;	       /* of the newest chunk, what is left of it */
	void *spare[PP_BLOCK_CLASSES]; /* arrays by class */
	uint64_t chunk_bytes;	       /* of all chunks */
	uint64_t used_bytes;	       /* of what was taken and not given back */
};

struct pp_blocks {
	struct pp_block_root *root;
	uint32_t root_capacity; /* a power of two or 0 */
	uint32_t root_shift;	/* 64 - log2 of it */
	uint32_t leaf_count;
	struct pp_block_pool pool;
	uint64_t idle_bytes;  /* of arrays without a live block */
	uint64_t count;	      /* live */
	uint64_t bytes;	      /* of the whole map */
	uint64_t version;     /* grows with every change of the set of addresses */
	uint64_t *journal;    /* addresses that came or went since blocks_journal_begin; NULL: none is kept */
	uint32_t journal_count, journal_limit;
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

/* Is there a block; *found: what it is. */
bool blocks_find(const struct pp_blocks *blocks, uint64_t address, struct pp_block *found);

/* Every live address once, in no particular order. */
void blocks_each(const struct pp_blocks *blocks, void (*each)(void *context, uint64_t address), void *context);

/* From now on every address that comes or goes is noted, until `limit` are: then the journal is given back. */
void blocks_journal_begin(struct pp_blocks *blocks, uint32_t limit);

/* The two halves of `packed`. A wide size is kept in the side table from block_pack until block_size_take. */
uint64_t block_pack(struct pp_blocks *blocks, uint64_t address, uint32_t site, uint64_t size);
uint64_t block_wide_size(struct pp_blocks *blocks, uint64_t address);

/* `time` and `thread` of a live block in one word, as they lie in memory. */
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

/* NULL: there is none. */
static inline struct pp_block_region *blocks_region(const struct pp_blocks *blocks, uint64_t address)
{
	uint64_t key = (address >> PP_BLOCK_LEAF_BITS) + 1;
	uint32_t at = (uint32_t)(key * table_seed >> (blocks->root_shift & 63));

	if (!blocks->root)
		return NULL;
	while (blocks->root[at].key != key) {
		if (!blocks->root[at].key)
			return NULL;
		at = (at + 1) & (blocks->root_capacity - 1);
	}
	return &blocks->root[at].leaf->regions[address >> PP_BLOCK_REGION_BITS & (PP_BLOCK_REGIONS - 1)];
}

/* Where in its region's array an address belongs. */
static inline uint32_t blocks_home(uint64_t address, uint32_t capacity)
{
	return (uint32_t)(address & ((1U << PP_BLOCK_REGION_BITS) - 1)) * capacity >> PP_BLOCK_REGION_BITS;
}

/* Two steps, for all events of a batch each: first where the region is described, then where the entry should be.
 * Inlined by force: GCC takes a function that only prefetches for one without effects and drops the calls. */
static inline __attribute__((always_inline)) struct pp_block_region *
blocks_prefetch_region(const struct pp_blocks *blocks, uint64_t address)
{
	struct pp_block_region *region = blocks_region(blocks, address);

	__builtin_prefetch(region);
	return region;
}

static inline __attribute__((always_inline)) void blocks_prefetch_entry(const struct pp_block_region *region,
									uint64_t address)
{
	const struct pp_block_entry *entry;

	if (!region || !region->entries)
		return;
	entry = &region->entries[blocks_home(address, region->capacity)];
	__builtin_prefetch(entry, 1);
	__builtin_prefetch(entry + 3, 1);
}

#endif
