/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack table: from the hash of a stack to its id, which is the number of its innermost node in the memory
 * shared with the analyzer. Any thread and signal handlers: lock-free, and every loop ends.
 *
 * Open addressing over single words {tag: 38, id: 26}; 0 is free. A table is never moved: when it is half full
 * the next one, 8 times its size, takes what is new. Looked up from the smallest, where the stacks lie that
 * the program met first. Nothing is ever removed.
 *
 * The word of a node is published by the compare-and-swap that puts its id into the table, so that two threads
 * that define the same frame at once get the same id and one claimed node is wasted. Only while a table
 * gives way to the next may a frame get two ids: both name the same stack, node for node.
 *
 * The tables hold every node, most of which no capture asks for again, as it ends in an inner one. Once the smallest is
 * full, the words that captures did find are kept in a cache of 128 KiB beside them: a compiler's 80 000 stacks are
 * found there more often than not, without a miss in tables of 40 MB.
 */
#include <stddef.h>
#include <sys/mman.h>

#include "raw.h"
#include "stack_tiers.h"

#define ID_BITS	      26
#define ID_MASK	      ((UINT64_C(1) << ID_BITS) - 1)
#define FIRST_BITS    13
#define GROWTH_BITS   3
#define TABLE_COUNT   5
#define PROBES_MAX    256
#define HUGE_BYTES    ((size_t)2 << 20)
#define RECENT_BITS   14
#define SEGMENT_NODES 65536
#define OUTSIDE_DEPTH 64

struct table {
	uint64_t *words;
	uint32_t used; /* approximate: counted after the fact */
};

static struct table tables[TABLE_COUNT];

/* The memory of 65536 nodes each, as far as it was asked for. */
static struct pp_wire_node *segments[(ID_MASK + 1) / SEGMENT_NODES];

static unsigned table_bits(unsigned index)
{
	return FIRST_BITS + index * GROWTH_BITS;
}

static uint64_t tag_of(uint64_t hash)
{
	return hash << ID_BITS;
}

/* {tag, id} as in the tables, at the hash's upper bits; NULL: none yet. A hint that any thread overwrites. */
static uint64_t *recent;

static void *memory_map_plain(size_t size)
{
	long address = RAW_CALL(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return address < 0 && address > -4096 ? NULL : (void *)address;
}

/* In a handler too, and past the hooks. Large tables lie on huge pages where the system gives them: a look-up then
 * misses the cache, but not the TLB, too. */
static void *memory_map(size_t size)
{
	char *pages, *start;

	if (size < HUGE_BYTES)
		return memory_map_plain(size);
	pages = memory_map_plain(size + HUGE_BYTES);
	if (!pages)
		return NULL;
	start = (char *)(((uintptr_t)pages + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	if (start > pages)
		RAW_CALL(SYS_munmap, pages, start - pages);
	if (start < pages + HUGE_BYTES)
		RAW_CALL(SYS_munmap, start + size, pages + HUGE_BYTES - start);
	RAW_CALL(SYS_madvise, start, size, MADV_HUGEPAGE);
	return start;
}

static struct pp_wire_node *node_of(uint32_t id)
{
	uint32_t segment = id / SEGMENT_NODES;
	struct pp_wire_node *nodes = __atomic_load_n(&segments[segment], __ATOMIC_ACQUIRE);

	if (unlikely(!nodes)) {
		nodes = pp_shared_nodes(segment * SEGMENT_NODES);
		if (!nodes)
			return NULL;
		__atomic_store_n(&segments[segment], nodes, __ATOMIC_RELEASE);
	}
	return &nodes[id % SEGMENT_NODES];
}

/* The table's words, mapped on first use; two threads may map, one wins. */
static uint64_t *table_open(unsigned index)
{
	uint64_t *words = __atomic_load_n(&tables[index].words, __ATOMIC_ACQUIRE);
	size_t size = sizeof(uint64_t) << table_bits(index);
	uint64_t *none = NULL;

	if (likely(words != NULL))
		return words;
	words = memory_map(size);
	if (!words)
		return NULL;
	if (!__atomic_compare_exchange_n(&tables[index].words, &none, words, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		RAW_CALL(SYS_munmap, words, size);
		return none;
	}
	return words;
}

/* One table's answer. */
static inline uint32_t table_find(const uint64_t *words, unsigned bits, uint64_t hash)
{
	const uint64_t tag = tag_of(hash);
	uint64_t slot = hash >> (64 - bits);

	for (unsigned probe = 0; probe < PROBES_MAX; probe++) {
		uint64_t word = __atomic_load_n(&words[slot], __ATOMIC_ACQUIRE);

		if (!word)
			return 0;
		if (likely(((word ^ tag) & ~ID_MASK) == 0))
			return (uint32_t)(word & ID_MASK);
		slot = (slot + 1) & ((1U << bits) - 1);
	}
	return 0;
}

void stack_table_prefetch(uint64_t hash)
{
	for (unsigned index = 0; index < TABLE_COUNT; index++) {
		const uint64_t *words = __atomic_load_n(&tables[index].words, __ATOMIC_ACQUIRE);

		if (!words)
			return;
		__builtin_prefetch(&words[hash >> (64 - table_bits(index))]);
	}
}

static __attribute__((noinline)) uint32_t tables_find(uint64_t hash)
{
	for (unsigned index = 0; index < TABLE_COUNT; index++) {
		const uint64_t *words = __atomic_load_n(&tables[index].words, __ATOMIC_ACQUIRE);
		uint32_t id;

		if (!words)
			return 0;
		id = table_find(words, table_bits(index), hash);
		if (id)
			return id;
	}
	return 0;
}

/* Past the smallest table. */
static __attribute__((noinline)) uint32_t find_among_many(uint64_t hash)
{
	uint64_t *cache = __atomic_load_n(&recent, __ATOMIC_ACQUIRE);
	uint64_t *place, *none = NULL, word;
	uint32_t id;

	if (unlikely(!cache)) {
		cache = memory_map_plain(sizeof(*cache) << RECENT_BITS);
		if (cache &&
		    !__atomic_compare_exchange_n(&recent, &none, cache, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			RAW_CALL(SYS_munmap, cache, sizeof(*cache) << RECENT_BITS);
			cache = none;
		}
		if (!cache)
			return tables_find(hash);
	}
	place = &cache[hash >> (64 - RECENT_BITS)];
	word = __atomic_load_n(place, __ATOMIC_RELAXED);
	if (((word ^ tag_of(hash)) & ~ID_MASK) == 0 && likely(word & ID_MASK))
		return (uint32_t)(word & ID_MASK);
	/* The places in the larger tables are seldom in the processor's cache: fetched side by side. */
	stack_table_prefetch(hash);
	id = tables_find(hash);
	if (id)
		__atomic_store_n(place, tag_of(hash) | id, __ATOMIC_RELAXED);
	return id;
}

uint32_t stack_table_find(uint64_t hash)
{
	if (unlikely(__atomic_load_n(&tables[1].words, __ATOMIC_RELAXED) != NULL))
		return find_among_many(hash);
	return tables_find(hash);
}

/* The table that takes new stacks. */
static int table_current(void)
{
	for (unsigned index = 0; index < TABLE_COUNT; index++)
		if (__atomic_load_n(&tables[index].used, __ATOMIC_RELAXED) < 1U << (table_bits(index) - 1))
			return (int)index;
	return -1;
}

static uint32_t node_define(uint64_t word, uint32_t parent)
{
	uint32_t id = pp_shared_node_claim();
	struct pp_wire_node *node;

	if (!id || id > ID_MASK)
		return 0;
	node = node_of(id);
	if (!node)
		return 0;
	node->parent = parent;
	node->epoch = word & PP_NODE_PYTHON ? 0 : pp_loader_epoch_of(word & PP_NODE_ADDRESS_MASK);
	__atomic_store_n(&node->word, word, __ATOMIC_RELEASE);
	return id;
}

/* The table that takes new stacks, opened; NULL: there is no room. */
static uint64_t *table_for_new(int *index)
{
	*index = table_current();
	return *index < 0 ? NULL : table_open((unsigned)*index);
}

/* The id that the hash has from now on, which is another's who came first, or 0 where there is no room. */
static uint32_t table_put(int index, uint64_t *words, uint64_t hash, uint32_t id)
{
	unsigned bits = table_bits((unsigned)index);
	uint64_t tag = tag_of(hash);
	uint64_t slot = hash >> (64 - bits);

	for (unsigned probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & ((1U << bits) - 1)) {
		uint64_t found = __atomic_load_n(&words[slot], __ATOMIC_ACQUIRE);

		if (!found && __atomic_compare_exchange_n(&words[slot], &found, tag | id, false, __ATOMIC_ACQ_REL,
							  __ATOMIC_ACQUIRE)) {
			__atomic_fetch_add(&tables[index].used, 1, __ATOMIC_RELAXED);
			return id;
		}
		if (((found ^ tag) & ~ID_MASK) == 0)
			return (uint32_t)(found & ID_MASK);
	}
	return 0;
}

uint32_t stack_table_add(uint64_t hash, uint64_t word, uint32_t parent)
{
	uint32_t id = stack_table_find(hash);
	uint64_t *words;
	int index;

	if (id)
		return id;
	words = table_for_new(&index);
	if (!words)
		return 0;
	id = node_define(word, parent);
	return id ? table_put(index, words, hash, id) : 0;
}

void stack_table_alias(uint64_t hash, uint32_t id)
{
	int index;
	uint64_t *words = table_for_new(&index);

	if (words)
		table_put(index, words, hash, id);
}

static __attribute__((noinline)) uint32_t stack_define(const uint64_t *words, uint32_t count)
{
	uint64_t hash = PP_HASH_SEED;
	uint32_t id = 0;

	while (count-- > 0) {
		hash = stack_hash_extend(hash, words[count]);
		id = stack_table_add(hash, words[count], id);
		if (!id) {
			pp_skip(PP_SKIP_STACK_TABLE);
			return 0;
		}
	}
	return id;
}

uint32_t stack_table_intern_hashed(const uint64_t *words, uint32_t count, uint64_t hash)
{
	uint32_t id = stack_table_find(hash);

	return likely(id) ? id : stack_define(words, count);
}

uint32_t stack_table_intern(const uint64_t *words, uint32_t count)
{
	uint64_t hash = PP_HASH_SEED;

	for (uint32_t i = count; i-- > 0;)
		hash = stack_hash_extend(hash, words[i]);
	return stack_table_intern_hashed(words, count, hash);
}

uint32_t stack_table_read(uint32_t id, uint64_t *words, uint32_t max)
{
	uint32_t count = 0;

	while (id && id <= ID_MASK && count < max) {
		const struct pp_wire_node *node = node_of(id);

		if (!node)
			break;
		words[count++] = __atomic_load_n(&node->word, __ATOMIC_ACQUIRE);
		id = node->parent;
	}
	return count;
}

uint32_t stack_outside(uint32_t id, const struct pp_code_range *inner, const struct pp_code_range *between)
{
	uint32_t outer = id;

	for (uint32_t depth = 0; outer && outer <= ID_MASK && depth < OUTSIDE_DEPTH; depth++) {
		const struct pp_wire_node *node = node_of(outer);
		uint64_t word;

		if (!node)
			break;
		word = __atomic_load_n(&node->word, __ATOMIC_ACQUIRE);
		outer = node->parent;
		if (word & PP_NODE_PYTHON)
			break;
		word &= PP_NODE_ADDRESS_MASK;
		if (word - between->start < between->size)
			return outer ? outer : id;
		if (word - inner->start >= inner->size)
			break;
	}
	return id;
}

bool stack_begins_with(uint32_t id, uint32_t outer)
{
	const struct pp_wire_node *node;

	while (id && id != outer && id <= ID_MASK && (node = node_of(id)) != NULL)
		id = node->parent;
	return id == outer;
}

/* The constructor, and a forked child: no other thread is here yet. */
void stack_table_reset(void)
{
	for (unsigned index = 0; index < TABLE_COUNT; index++) {
		if (tables[index].words)
			RAW_CALL(SYS_munmap, tables[index].words, sizeof(uint64_t) << table_bits(index));
		tables[index] = (struct table){NULL, 0};
	}
	if (recent)
		RAW_CALL(SYS_munmap, recent, sizeof(*recent) << RECENT_BITS);
	recent = NULL;
	for (size_t segment = 0; segment < sizeof(segments) / sizeof(segments[0]); segment++)
		if (segments[segment])
			segments[segment] = NULL;
}
