/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two small look-up structures of the data path.
 *
 * pp_table: 64-bit keys to 64-bit values, open addressing with linear probing, for what is counted in thousands
 * (threads, modules, tree nodes). Key 0 is legal. Keys come from profiled programs, so the hash is seeded.
 *
 * pp_pages: dense 32-bit keys to 32-bit values, 0 where nothing was set, in pages made on demand: one load more than
 * an array, no pause when it grows.
 *
 * One owner; not thread-safe. Zeroed storage is a valid empty table.
 */
#ifndef PREPROF_TABLE_H
#define PREPROF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_table_entry {
	uint64_t key, value;
};

struct pp_table {
	struct pp_table_entry *entries;
	uint8_t *used;
	uint32_t count, capacity; /* capacity: a power of two or 0 */
};

/* NULL: not there. The pointer holds until the next table_set or table_remove. */
uint64_t *table_find(const struct pp_table *table, uint64_t key);
void table_set(struct pp_table *table, uint64_t key, uint64_t value);
bool table_remove(struct pp_table *table, uint64_t key, uint64_t *value);
void table_finish(struct pp_table *table);

/* A 64-bit mix that differs from run to run. */
uint64_t table_hash(uint64_t key);
/* The key of a text (NULL: as an empty one) behind what `before` stands for: of a first text 0. */
uint64_t table_hash_text(uint64_t before, const char *text);
extern uint64_t table_seed; /* odd */
void table_seed_init(void); /* idempotent; called by whoever creates a trace */

#define PP_PAGE_BITS 10

struct pp_pages {
	uint32_t **pages;
	uint32_t count;
};

static inline uint32_t pages_get(const struct pp_pages *pages, uint32_t key)
{
	uint32_t page = key >> PP_PAGE_BITS;

	if (page >= pages->count || !pages->pages[page])
		return 0;
	return pages->pages[page][key & ((1U << PP_PAGE_BITS) - 1)];
}

void pages_set(struct pp_pages *pages, uint32_t key, uint32_t value);
void pages_finish(struct pp_pages *pages);

#endif
