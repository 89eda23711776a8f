/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer map; see blocks.h. */
#include "blocks.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES     ((size_t)4096)
#define PAGE_CAPACITY  (PAGE_BYTES / sizeof(struct pp_block))
#define DOUBLING_PAGES 128
#define SMALL_CAPACITY 8

static size_t shard_bytes(uint32_t capacity)
{
	size_t bytes = (size_t)capacity * sizeof(struct pp_block);

	if (capacity < PAGE_CAPACITY)
		return bytes;
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Below a page: 8, 16, 32 ... entries from the heap; then 1, 2, 4 ... 128 pages, 64 MB for all shards, where speed is
 * worth more than memory: a heap that only grows was seen to spend more on quarter steps than on all else. Then a
 * quarter more each time, or an eighth when much of the shard is dead, which would leave the larger one too empty. */
static uint32_t shard_next_capacity(const struct pp_block_shard *shard)
{
	uint32_t capacity = shard->capacity, parts;
	size_t pages;

	if (capacity == 0)
		return SMALL_CAPACITY;
	if (shard->live < (uint64_t)capacity * 7 / 10)
		return capacity;
	if (capacity < PAGE_CAPACITY)
		return capacity * 2 < PAGE_CAPACITY ? capacity * 2 : (uint32_t)PAGE_CAPACITY;
	parts = shard->live < (uint64_t)capacity * 78 / 100 ? 8 : 4;
	pages = shard_bytes(capacity) / PAGE_BYTES;
	if (pages < 4 || (parts == 4 && pages < DOUBLING_PAGES))
		pages *= 2;
	else
		pages += pages / parts ? pages / parts : 1;
	return (uint32_t)(pages * PAGE_BYTES / sizeof(struct pp_block));
}

static struct pp_block *shard_entries(uint32_t capacity)
{
	size_t bytes = shard_bytes(capacity);

	return bytes < PAGE_BYTES ? memory_array(capacity, sizeof(struct pp_block)) : memory_pages(bytes);
}

static void shard_free(struct pp_block *entries, uint32_t capacity)
{
	size_t bytes = shard_bytes(capacity);

	if (bytes < PAGE_BYTES)
		free(entries);
	else
		memory_pages_free(entries, bytes);
}

/* The entry of this address, or the empty one where it belongs. The shard has at least one empty entry. */
static struct pp_block *shard_seek(const struct pp_block_shard *shard, uint64_t hash, uint64_t address)
{
	struct pp_block *entry = &shard->entries[blocks_place(hash, shard->capacity)];
	struct pp_block *end = shard->entries + shard->capacity;

	while (entry->address != address && entry->address) {
		if (++entry == end)
			entry = shard->entries;
	}
	return entry;
}

/* Into new memory: a shard that is small, or becomes paged. */
static void shard_copy(struct pp_block_shard *shard, const struct pp_block_shard *old)
{
	shard->entries = shard_entries(shard->capacity);
	for (uint32_t i = 0; i < old->capacity; i++) {
		uint64_t address = old->entries[i].address;

		if (address && !old->entries[i].dead)
			*shard_seek(shard, blocks_hash(address), address) = old->entries[i];
	}
	if (old->entries)
		shard_free(old->entries, old->capacity);
}

/* An entry on its way, with its new home: found ahead, so that the search does not wait for it. */
struct mover {
	struct pp_block block;
	uint32_t home;
};

/* Takes the live entries of [start, end) out, all together, and puts them in again. */
static void run_spread(struct pp_block_shard *shard, uint32_t start, uint32_t end, struct mover **movers,
		       uint32_t *room)
{
	uint32_t count = 0, capacity = shard->capacity, at;

	*movers = memory_grow(*movers, room, end - start, sizeof(**movers));
	for (uint32_t i = start; i < end; i++) {
		struct mover *mover = &(*movers)[count];

		mover->block = shard->entries[i];
		mover->home = blocks_place(blocks_hash(shard->entries[i].address), capacity);
		count += !shard->entries[i].dead;
		shard->entries[i].address = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		for (at = (*movers)[i].home; shard->entries[at].address;)
			at = at + 1 == capacity ? 0 : at + 1;
		shard->entries[at] = (*movers)[i].block;
	}
}

/* In place, for fresh memory costs more than the work itself. Run by run of used entries from the end down: with a
 * capacity at least as large an entry's new home is never below its old one, so never below its run, and what lies
 * above has its place already. Entries that wrapped around are in the run at 0, which comes last. */
static void shard_spread(struct pp_block_shard *shard, uint32_t old_capacity)
{
	struct mover *movers = NULL;
	uint32_t room = 0, end = old_capacity, start;

	while (end > 0) {
		if (!shard->entries[end - 1].address) {
			end--;
			continue;
		}
		for (start = end - 1; start > 0 && shard->entries[start - 1].address; start--)
			;
		run_spread(shard, start, end, &movers, &room);
		end = start;
	}
	free(movers);
}

/* Without the dead, and larger if it has to be. */
static void shard_rebuild(struct pp_blocks *blocks, struct pp_block_shard *shard)
{
	struct pp_block_shard old = *shard;

	shard->capacity = shard_next_capacity(&old);
	if (old.capacity < PAGE_CAPACITY) {
		shard_copy(shard, &old);
	} else {
		if (shard->capacity != old.capacity)
			shard->entries =
				memory_pages_grow(old.entries, shard_bytes(old.capacity), shard_bytes(shard->capacity));
		shard_spread(shard, old.capacity);
	}
	shard->used = shard->live;
	shard->limit = (uint32_t)((uint64_t)shard->capacity * 4 / 5);
	blocks->bytes += shard_bytes(shard->capacity) - (old.capacity ? shard_bytes(old.capacity) : 0);
}

void blocks_finish(struct pp_blocks *blocks)
{
	for (size_t i = 0; i < PP_BLOCK_SHARDS; i++) {
		if (blocks->shards[i].entries)
			shard_free(blocks->shards[i].entries, blocks->shards[i].capacity);
	}
	table_finish(&blocks->wide);
	memset(blocks, 0, sizeof(*blocks));
}

/* Where a block that is not there yet goes: the first dead entry on its way, else the empty one at the end of it. */
static struct pp_block *shard_seek_free(struct pp_block_shard *shard, uint64_t hash)
{
	struct pp_block *entry = &shard->entries[blocks_place(hash, shard->capacity)];
	struct pp_block *end = shard->entries + shard->capacity;

	while (entry->address && !entry->dead) {
		if (++entry == end)
			entry = shard->entries;
	}
	if (!entry->address)
		shard->used++;
	return entry;
}

/* Three words, each stored on its own; the last holds time, thread and dead. */
static inline void entry_fill(struct pp_block *entry, uint64_t address, uint64_t packed, uint64_t birth)
{
	entry->address = address;
	entry->packed = packed;
	memcpy(&entry->time, &birth, sizeof(birth));
}

bool blocks_insert(struct pp_blocks *blocks, uint64_t address, uint64_t packed, uint64_t birth, struct pp_block *old)
{
	uint64_t hash = blocks_hash(address);
	struct pp_block_shard *shard = &blocks->shards[hash >> 57];
	struct pp_block *entry;

	if (__builtin_expect(shard->used >= shard->limit, 0))
		shard_rebuild(blocks, shard);
	entry = shard_seek(shard, hash, address);
	if (entry->address && !entry->dead) {
		*old = *entry;
		entry_fill(entry, address, packed, birth);
		return false;
	}
	if (!entry->address)
		entry = shard_seek_free(shard, hash);
	entry_fill(entry, address, packed, birth);
	shard->live++;
	blocks->count++;
	blocks->version++;
	return true;
}

bool blocks_remove(struct pp_blocks *blocks, uint64_t address, struct pp_block *old)
{
	uint64_t hash = blocks_hash(address);
	struct pp_block_shard *shard = &blocks->shards[hash >> 57];
	struct pp_block *entry;

	if (!shard->live || !address)
		return false;
	entry = shard_seek(shard, hash, address);
	if (!entry->address || entry->dead)
		return false;
	old->address = address;
	old->packed = entry->packed;
	old->time = entry->time;
	old->thread = entry->thread;
	old->dead = 0;
	entry->dead = 1;
	shard->live--;
	blocks->count--;
	blocks->version++;
	return true;
}

const struct pp_block *blocks_find(const struct pp_blocks *blocks, uint64_t address)
{
	uint64_t hash = blocks_hash(address);
	const struct pp_block_shard *shard = &blocks->shards[hash >> 57];
	const struct pp_block *entry;

	if (!shard->live || !address)
		return NULL;
	entry = shard_seek(shard, hash, address);
	return entry->address && !entry->dead ? entry : NULL;
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
