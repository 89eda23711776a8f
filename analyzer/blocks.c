/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer map; see blocks.h. */
#include "blocks.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROOT_CAPACITY_FIRST 16
#define CHUNK_BYTES_FIRST   ((size_t)64 << 10)
#define CHUNK_BYTES_LAST    ((size_t)4 << 20)
#define HUGE_BYTES	    ((size_t)2 << 20)
#define WASTE_FLOOR	    ((uint64_t)2 << 20) /* not worth a copy of the map below this */

#define OFFSET_MASK ((UINT64_C(1) << PP_BLOCK_REGION_BITS) - 1)
#define BIRTH_MASK  ((UINT64_C(1) << PP_BLOCK_MARK_SHIFT) - 1)

/* Half again and a third again by turns; the last holds every address of a region. Each is a multiple of two entries:
 * leaves and arrays then stay aligned to half a cache line. */
static const uint16_t capacity_of[PP_BLOCK_CLASSES] = {
	4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 5200,
};

/* ---- the pool ---- */

/* At the start of each chunk. */
struct pp_block_chunk {
	struct pp_block_chunk *next;
	size_t bytes;
	char padding[48];
};
_Static_assert(sizeof(struct pp_block_chunk) == 64, "what follows is aligned");

/* Large ones lie on huge pages where the system gives them: random accesses to a large map else miss the TLB, too. */
static void *chunk_map(size_t bytes)
{
	char *pages, *aligned;

	if (bytes < HUGE_BYTES)
		return memory_pages(bytes);
	pages = memory_pages(bytes + HUGE_BYTES);
	aligned = (char *)(((uintptr_t)pages + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	if (aligned > pages)
		memory_pages_free(pages, (size_t)(aligned - pages));
	if (pages + HUGE_BYTES > aligned)
		memory_pages_free(aligned + bytes, (size_t)(pages + HUGE_BYTES - aligned));
	madvise(aligned, bytes, MADV_HUGEPAGE);
	return aligned;
}

static void chunk_add(struct pp_block_pool *pool, size_t need)
{
	size_t bytes = CHUNK_BYTES_FIRST;
	struct pp_block_chunk *chunk;

	while (bytes < CHUNK_BYTES_LAST && bytes < pool->chunk_bytes)
		bytes *= 2;
	while (bytes < need + sizeof(*chunk))
		bytes *= 2;
	chunk = chunk_map(bytes);
	chunk->next = pool->chunks;
	chunk->bytes = bytes;
	pool->chunks = chunk;
	pool->next = (char *)(chunk + 1);
	pool->end = (char *)chunk + bytes;
	pool->chunk_bytes += bytes;
}

/* Zeroed. */
static void *pool_take(struct pp_block_pool *pool, void **spare, size_t bytes)
{
	void *piece = *spare;

	pool->used_bytes += bytes;
	if (piece) {
		*spare = *(void **)piece;
		memset(piece, 0, bytes);
		return piece;
	}
	if ((size_t)(pool->end - pool->next) < bytes)
		chunk_add(pool, bytes);
	piece = pool->next;
	pool->next += bytes;
	return piece;
}

static void pool_finish(struct pp_block_pool *pool)
{
	struct pp_block_chunk *chunk, *next;

	for (chunk = pool->chunks; chunk; chunk = next) {
		next = chunk->next;
		memory_pages_free(chunk, chunk->bytes);
	}
	memset(pool, 0, sizeof(*pool));
}

static size_t class_bytes(unsigned class)
{
	return capacity_of[class] * sizeof(struct pp_block_entry);
}

static struct pp_block_entry *array_take(struct pp_block_pool *pool, unsigned class)
{
	return pool_take(pool, &pool->spare[class], class_bytes(class));
}

static void array_give(struct pp_block_pool *pool, struct pp_block_entry *entries, unsigned class)
{
	*(void **)entries = pool->spare[class];
	pool->spare[class] = entries;
	pool->used_bytes -= class_bytes(class);
}

/* ---- root and leaves ---- */

static void root_put(struct pp_blocks *blocks, uint64_t key, struct pp_block_leaf *leaf)
{
	uint32_t at = (uint32_t)(key * table_seed >> blocks->root_shift);

	while (blocks->root[at].key)
		at = (at + 1) & (blocks->root_capacity - 1);
	blocks->root[at] = (struct pp_block_root){key, leaf};
}

static void root_resize(struct pp_blocks *blocks, uint32_t capacity)
{
	struct pp_block_root *old = blocks->root;
	uint32_t old_capacity = blocks->root_capacity;

	blocks->root = memory_array(capacity, sizeof(*blocks->root));
	blocks->root_capacity = capacity;
	blocks->root_shift = 64 - (uint32_t)__builtin_ctz(capacity);
	for (uint32_t i = 0; i < old_capacity; i++) {
		if (old[i].key)
			root_put(blocks, old[i].key, old[i].leaf);
	}
	free(old);
}

static void bytes_count(struct pp_blocks *blocks)
{
	blocks->bytes = blocks->pool.chunk_bytes + blocks->root_capacity * sizeof(*blocks->root);
}

/* Leaves are never given back singly: no free list. */
static struct pp_block_leaf *leaf_take(struct pp_blocks *blocks)
{
	void *none = NULL;

	return pool_take(&blocks->pool, &none, sizeof(struct pp_block_leaf));
}

static struct pp_block_region *region_create(struct pp_blocks *blocks, uint64_t address)
{
	uint64_t key = (address >> PP_BLOCK_LEAF_BITS) + 1;
	struct pp_block_leaf *leaf;

	if (blocks->leaf_count >= blocks->root_capacity / 2)
		root_resize(blocks, blocks->root_capacity ? blocks->root_capacity * 2 : ROOT_CAPACITY_FIRST);
	leaf = leaf_take(blocks);
	root_put(blocks, key, leaf);
	blocks->leaf_count++;
	bytes_count(blocks);
	return &leaf->regions[address >> PP_BLOCK_REGION_BITS & (PP_BLOCK_REGIONS - 1)];
}

/* ---- the whole map anew ---- */

static void leaf_copy(struct pp_blocks *blocks, const struct pp_block_root *old)
{
	struct pp_block_leaf *leaf = NULL;

	for (uint32_t i = 0; i < PP_BLOCK_REGIONS; i++) {
		const struct pp_block_region *from = &old->leaf->regions[i];

		if (!from->live)
			continue;
		if (!leaf) {
			leaf = leaf_take(blocks);
			root_put(blocks, old->key, leaf);
			blocks->leaf_count++;
		}
		leaf->regions[i] = *from;
		leaf->regions[i].entries = array_take(&blocks->pool, from->class);
		memcpy(leaf->regions[i].entries, from->entries, class_bytes(from->class));
	}
}

/* Nothing but what is live is taken along. */
static void blocks_copy(struct pp_blocks *blocks)
{
	struct pp_block_root *root = blocks->root;
	struct pp_block_pool pool = blocks->pool;

	memset(&blocks->pool, 0, sizeof(blocks->pool));
	blocks->root = memory_array(blocks->root_capacity, sizeof(*root));
	blocks->leaf_count = 0;
	blocks->idle_bytes = 0;
	for (uint32_t i = 0; i < blocks->root_capacity; i++) {
		if (root[i].key)
			leaf_copy(blocks, &root[i]);
	}
	free(root);
	pool_finish(&pool);
	bytes_count(blocks);
}

/* Asked when the pool would grow. */
static bool blocks_wasteful(const struct pp_blocks *blocks, size_t need)
{
	const struct pp_block_pool *pool = &blocks->pool;
	uint64_t waste = pool->chunk_bytes - pool->used_bytes + blocks->idle_bytes;

	return (size_t)(pool->end - pool->next) < need && waste > WASTE_FLOOR && waste > pool->chunk_bytes / 2;
}

/* ---- regions ---- */

static uint32_t region_limit(uint32_t capacity)
{
	return capacity < 8 ? capacity - 1 : capacity - capacity / 5;
}

static void entries_put(struct pp_block_region *region, struct pp_block_entry entry)
{
	uint32_t at = blocks_home(entry.birth >> PP_BLOCK_MARK_SHIFT, region->capacity);

	while (region->entries[at].birth)
		at = at + 1 == region->capacity ? 0 : at + 1;
	region->entries[at] = entry;
}

/* Without the dead; larger where less than a quarter of it was. */
static void region_rebuild(struct pp_blocks *blocks, struct pp_block_region *region)
{
	struct pp_block_region old = *region;

	if (old.live >= region_limit(old.capacity) * 3 / 4)
		region->class ++;
	region->capacity = capacity_of[region->class];
	region->entries = array_take(&blocks->pool, region->class);
	for (uint32_t i = 0; i < old.capacity; i++) {
		if (old.entries[i].birth && !(old.entries[i].birth & PP_BLOCK_DEAD))
			entries_put(region, old.entries[i]);
	}
	region->used = region->live;
	array_give(&blocks->pool, old.entries, old.class);
	bytes_count(blocks);
}

/* A heap that grows will fill the next region as it filled the last. */
static void region_begin(struct pp_blocks *blocks, struct pp_block_region *region, uint64_t address)
{
	unsigned class = 0;

	if (address >> PP_BLOCK_REGION_BITS & (PP_BLOCK_REGIONS - 1) && region[-1].live > 8 && region[-1].class > 1)
		class = region[-1].class - 1U;
	region->class = (uint8_t) class;
	region->capacity = capacity_of[class];
	region->entries = array_take(&blocks->pool, class);
	blocks->idle_bytes += class_bytes(class);
	bytes_count(blocks);
}

/* Makes room in the region of this address, which may not exist yet; returns it. */
static __attribute__((noinline)) struct pp_block_region *region_ready(struct pp_blocks *blocks, uint64_t address)
{
	struct pp_block_region *region;

	/* the largest that can be asked for now */
	if (blocks_wasteful(blocks, class_bytes(PP_BLOCK_CLASSES - 1)))
		blocks_copy(blocks);
	region = blocks_region(blocks, address);
	if (!region)
		region = region_create(blocks, address);
	if (!region->entries)
		region_begin(blocks, region, address);
	else if (region->used >= region_limit(region->capacity))
		region_rebuild(blocks, region);
	return region;
}

/* The entry of this address, or the empty one where it belongs. The array has at least one empty entry. */
static inline struct pp_block_entry *region_seek(const struct pp_block_region *region, uint64_t address)
{
	uint64_t offset = address & OFFSET_MASK;
	struct pp_block_entry *entry = &region->entries[blocks_home(address, region->capacity)];
	struct pp_block_entry *end = region->entries + region->capacity;

	while (entry->birth && (entry->birth >> PP_BLOCK_MARK_SHIFT & OFFSET_MASK) != offset) {
		if (++entry == end)
			entry = region->entries;
	}
	return entry;
}

static inline bool entry_live(const struct pp_block_entry *entry)
{
	return (entry->birth & (PP_BLOCK_USED | PP_BLOCK_DEAD)) == PP_BLOCK_USED;
}

static inline void block_read(struct pp_block *block, const struct pp_block_entry *entry, uint64_t address)
{
	block->address = address;
	block->packed = entry->packed;
	block->time = (uint32_t)entry->birth;
	block->thread = (uint16_t)(entry->birth >> 32);
}

/* ---- the map ---- */

void blocks_finish(struct pp_blocks *blocks)
{
	pool_finish(&blocks->pool);
	free(blocks->root);
	free(blocks->journal);
	table_finish(&blocks->wide);
	memset(blocks, 0, sizeof(*blocks));
}

void blocks_journal_begin(struct pp_blocks *blocks, uint32_t limit)
{
	free(blocks->journal);
	blocks->journal = memory_array(limit, sizeof(*blocks->journal));
	blocks->journal_count = 0;
	blocks->journal_limit = limit;
}

static __attribute__((noinline)) void journal_note(struct pp_blocks *blocks, uint64_t address)
{
	if (blocks->journal_count < blocks->journal_limit) {
		blocks->journal[blocks->journal_count++] = address;
		return;
	}
	free(blocks->journal);
	blocks->journal = NULL;
}

bool blocks_insert(struct pp_blocks *blocks, uint64_t address, uint64_t packed, uint64_t birth, struct pp_block *old)
{
	struct pp_block_region *region = blocks_region(blocks, address);
	uint64_t mark = PP_BLOCK_USED | (address & OFFSET_MASK) << PP_BLOCK_MARK_SHIFT;
	struct pp_block_entry *entry;

	if (__builtin_expect(!region || !region->entries || region->used >= region_limit(region->capacity), 0))
		region = region_ready(blocks, address);
	entry = region_seek(region, address);
	if (entry_live(entry)) {
		block_read(old, entry, address);
		entry->packed = packed;
		entry->birth = birth | mark;
		return false;
	}
	region->used += !entry->birth;
	entry->packed = packed;
	entry->birth = birth | mark;
	if (region->live++ == 0)
		blocks->idle_bytes -= class_bytes(region->class);
	blocks->count++;
	blocks->version++;
	if (__builtin_expect(blocks->journal != NULL, 0))
		journal_note(blocks, address);
	return true;
}

bool blocks_remove(struct pp_blocks *blocks, uint64_t address, struct pp_block *old)
{
	struct pp_block_region *region = blocks_region(blocks, address);
	struct pp_block_entry *entry;

	if (!region || !region->live)
		return false;
	entry = region_seek(region, address);
	if (!entry_live(entry))
		return false;
	block_read(old, entry, address);
	entry->birth |= PP_BLOCK_DEAD;
	if (--region->live == 0)
		blocks->idle_bytes += class_bytes(region->class);
	blocks->count--;
	blocks->version++;
	if (__builtin_expect(blocks->journal != NULL, 0))
		journal_note(blocks, address);
	return true;
}

bool blocks_find(const struct pp_blocks *blocks, uint64_t address, struct pp_block *found)
{
	const struct pp_block_region *region = blocks_region(blocks, address);
	const struct pp_block_entry *entry;

	if (!region || !region->live)
		return false;
	entry = region_seek(region, address);
	if (!entry_live(entry))
		return false;
	block_read(found, entry, address);
	return true;
}

static void region_each(const struct pp_block_region *region, uint64_t start,
			void (*each)(void *context, uint64_t address), void *context)
{
	for (uint32_t i = 0; region->live && i < region->capacity; i++) {
		const struct pp_block_entry *entry = &region->entries[i];

		if (entry_live(entry))
			each(context, start + (entry->birth >> PP_BLOCK_MARK_SHIFT & OFFSET_MASK));
	}
}

void blocks_each(const struct pp_blocks *blocks, void (*each)(void *context, uint64_t address), void *context)
{
	for (uint32_t i = 0; i < blocks->root_capacity; i++) {
		const struct pp_block_root *root = &blocks->root[i];

		for (uint64_t j = 0; root->key && j < PP_BLOCK_REGIONS; j++)
			region_each(&root->leaf->regions[j],
				    (root->key - 1) << PP_BLOCK_LEAF_BITS | j << PP_BLOCK_REGION_BITS, each, context);
	}
}

uint64_t block_pack(struct pp_blocks *blocks, uint64_t address, uint32_t site, uint64_t size)
{
	if (size >= PP_BLOCK_SIZE_WIDE) {
		table_set(&blocks->wide, address, size);
		size = PP_BLOCK_SIZE_WIDE;
	}
	return (uint64_t)site << PP_BLOCK_SIZE_BITS | size;
}

uint64_t block_wide_size(struct pp_blocks *blocks, uint64_t address)
{
	uint64_t size = 0;

	table_remove(&blocks->wide, address, &size);
	return size;
}
