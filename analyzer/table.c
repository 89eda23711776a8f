/* SPDX-License-Identifier: Apache-2.0 */
/* Look-up structures; see table.h. */
#include "table.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t table_seed = UINT64_C(0x9e3779b97f4a7c15);

void table_seed_init(void)
{
	static bool done;
	uint64_t seed;

	if (done)
		return;
	done = true;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		table_seed = (table_seed ^ (seed << 8)) | 1;
}

uint64_t table_hash(uint64_t key)
{
	key = (key + 1) * table_seed;
	key ^= key >> 32;
	key *= UINT64_C(0xd6e8feb86659fd93);
	return key ^ (key >> 32);
}

uint64_t table_hash_text(uint64_t before, const char *text)
{
	for (; text && *text; text++)
		before = table_hash(before ^ (unsigned char)*text);
	return table_hash(before + 1); /* "ab" and "c" are not "a" and "bc" */
}

static uint32_t table_slot(const struct pp_table *table, uint64_t key)
{
	uint32_t mask = table->capacity - 1;
	uint32_t slot = (uint32_t)table_hash(key) & mask;

	while (table->used[slot] && table->entries[slot].key != key)
		slot = (slot + 1) & mask;
	return slot;
}

uint64_t *table_find(const struct pp_table *table, uint64_t key)
{
	uint32_t slot;

	if (!table->count)
		return NULL;
	slot = table_slot(table, key);
	return table->used[slot] ? &table->entries[slot].value : NULL;
}

static void table_resize(struct pp_table *table)
{
	struct pp_table old = *table;

	table->capacity = old.capacity ? old.capacity * 2 : 16;
	table->entries = memory_array(table->capacity, sizeof(*table->entries));
	table->used = memory_array(table->capacity, 1);
	for (uint32_t i = 0; i < old.capacity; i++) {
		if (old.used[i]) {
			uint32_t slot = table_slot(table, old.entries[i].key);

			table->used[slot] = 1;
			table->entries[slot] = old.entries[i];
		}
	}
	free(old.entries);
	free(old.used);
}

void table_set(struct pp_table *table, uint64_t key, uint64_t value)
{
	uint32_t slot;

	if ((uint64_t)(table->count + 1) * 4 > (uint64_t)table->capacity * 3)
		table_resize(table);
	slot = table_slot(table, key);
	if (!table->used[slot]) {
		table->used[slot] = 1;
		table->entries[slot].key = key;
		table->count++;
	}
	table->entries[slot].value = value;
}

bool table_remove(struct pp_table *table, uint64_t key, uint64_t *value)
{
	uint32_t mask = table->capacity - 1, slot, next;

	if (!table->count)
		return false;
	slot = table_slot(table, key);
	if (!table->used[slot])
		return false;
	if (value)
		*value = table->entries[slot].value;
	for (next = (slot + 1) & mask; table->used[next]; next = (next + 1) & mask) {
		uint32_t home = (uint32_t)table_hash(table->entries[next].key) & mask;

		if (((next - home) & mask) >= ((next - slot) & mask)) {
			table->entries[slot] = table->entries[next];
			slot = next;
		}
	}
	table->used[slot] = 0;
	table->count--;
	return true;
}

void table_finish(struct pp_table *table)
{
	free(table->entries);
	free(table->used);
	memset(table, 0, sizeof(*table));
}

void pages_set(struct pp_pages *pages, uint32_t key, uint32_t value)
{
	uint32_t page = key >> PP_PAGE_BITS;

	if (page >= pages->count)
		pages->pages = memory_grow(pages->pages, &pages->count, (size_t)page + 1, sizeof(*pages->pages));
	if (!pages->pages[page])
		pages->pages[page] = memory_array((size_t)1 << PP_PAGE_BITS, sizeof(uint32_t));
	pages->pages[page][key & ((1U << PP_PAGE_BITS) - 1)] = value;
}

void pages_finish(struct pp_pages *pages)
{
	for (uint32_t i = 0; i < pages->count; i++)
		free(pages->pages[i]);
	free(pages->pages);
	memset(pages, 0, sizeof(*pages));
}
