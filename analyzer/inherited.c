/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inheritance over forks; see inherited.h. A view is a chain of layers, newest first, each an immutable set and a
 * bitmap (made at the first free) of what this process took from it. The chain is flattened when it gets long.
 */
#include "inherited.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define LAYER_LIMIT 6

struct pp_inherited_set {
	uint32_t references;
	uint64_t capacity; /* entries, at least one of them empty */
	uint64_t count;
	uint64_t *addresses;
};

struct pp_inherited_layer {
	struct pp_inherited_set *set;
	uint64_t *taken; /* one bit an entry; NULL: none */
};

struct pp_inherited {
	uint32_t layer_count;
	uint64_t version;
	struct pp_inherited_layer layers[LAYER_LIMIT + 1];
};

static struct pp_inherited_set *set_create(uint64_t count)
{
	struct pp_inherited_set *set = memory_array(1, sizeof(*set));

	set->references = 1;
	set->capacity = count + count / 9 + 8;
	set->addresses = memory_pages(set->capacity * sizeof(uint64_t));
	return set;
}

static void set_release(struct pp_inherited_set *set)
{
	if (--set->references)
		return;
	memory_pages_free(set->addresses, set->capacity * sizeof(uint64_t));
	free(set);
}

static uint64_t address_hash(uint64_t address)
{
	uint64_t hash = address * table_seed;

	hash ^= hash >> 32;
	return hash * UINT64_C(0xd6e8feb86659fd93);
}

static uint64_t set_place(const struct pp_inherited_set *set, uint64_t address)
{
	return (uint64_t)(((unsigned __int128)address_hash(address) * set->capacity) >> 64);
}

/* Index of the address, or of the empty entry where it would be. */
static uint64_t set_seek(const struct pp_inherited_set *set, uint64_t address)
{
	uint64_t at = set_place(set, address);

	while (set->addresses[at] && set->addresses[at] != address) {
		if (++at == set->capacity)
			at = 0;
	}
	return at;
}

static void set_add(struct pp_inherited_set *set, uint64_t address)
{
	uint64_t at = set_seek(set, address);

	if (!set->addresses[at]) {
		set->addresses[at] = address;
		set->count++;
	}
}

static bool layer_taken(const struct pp_inherited_layer *layer, uint64_t at)
{
	return layer->taken && (layer->taken[at / 64] >> (at % 64) & 1);
}

static size_t layer_words(const struct pp_inherited_layer *layer)
{
	return (size_t)((layer->set->capacity + 63) / 64);
}

static void layer_copy(struct pp_inherited_layer *to, const struct pp_inherited_layer *from)
{
	to->set = from->set;
	to->set->references++;
	if (from->taken) {
		to->taken = memory_array(layer_words(from), sizeof(uint64_t));
		memcpy(to->taken, from->taken, layer_words(from) * sizeof(uint64_t));
	}
}

static void block_add(void *set, uint64_t address)
{
	set_add(set, address);
}

static void set_add_layer(struct pp_inherited_set *set, const struct pp_inherited_layer *layer)
{
	for (uint64_t at = 0; at < layer->set->capacity; at++) {
		if (layer->set->addresses[at] && !layer_taken(layer, at))
			set_add(set, layer->set->addresses[at]);
	}
}

struct pp_inherited *inherited_create(const struct pp_blocks *blocks, const struct pp_inherited *parent)
{
	struct pp_inherited *inherited = memory_array(1, sizeof(*inherited));
	uint32_t layers = parent ? parent->layer_count : 0;
	bool flatten = layers >= LAYER_LIMIT;
	uint64_t count = blocks->count;

	for (uint32_t i = 0; flatten && i < layers; i++)
		count += parent->layers[i].set->count;
	inherited->layers[0].set = set_create(count);
	inherited->layer_count = 1;
	blocks_each(blocks, block_add, inherited->layers[0].set);
	for (uint32_t i = 0; i < layers; i++) {
		if (flatten)
			set_add_layer(inherited->layers[0].set, &parent->layers[i]);
		else
			layer_copy(&inherited->layers[inherited->layer_count++], &parent->layers[i]);
	}
	return inherited;
}

struct pp_inherited *inherited_copy(const struct pp_inherited *inherited)
{
	struct pp_inherited *copy = memory_array(1, sizeof(*copy));

	copy->layer_count = inherited->layer_count;
	for (uint32_t i = 0; i < copy->layer_count; i++)
		layer_copy(&copy->layers[i], &inherited->layers[i]);
	return copy;
}

static bool view_holds(const struct pp_inherited *view, uint64_t address)
{
	for (uint32_t i = 0; i < view->layer_count; i++) {
		uint64_t at = set_seek(view->layers[i].set, address);

		if (view->layers[i].set->addresses[at] && !layer_taken(&view->layers[i], at))
			return true;
	}
	return false;
}

struct pp_inherited *inherited_update(const struct pp_inherited *base, const struct pp_blocks *blocks,
				      const uint64_t *changed, size_t changed_count)
{
	struct pp_inherited *view = inherited_copy(base);
	struct pp_inherited_set *come = NULL;
	struct pp_block block;

	for (size_t i = 0; i < changed_count; i++) {
		if (!blocks_find(blocks, changed[i], &block)) {
			inherited_take(view, changed[i]);
		} else if (!view_holds(view, changed[i])) {
			come = come ? come : set_create(changed_count);
			set_add(come, changed[i]);
		}
	}
	if (come) {
		memmove(&view->layers[1], &view->layers[0], view->layer_count++ * sizeof(view->layers[0]));
		view->layers[0] = (struct pp_inherited_layer){.set = come};
	}
	return view;
}

void inherited_destroy(struct pp_inherited *inherited)
{
	if (!inherited)
		return;
	for (uint32_t i = 0; i < inherited->layer_count; i++) {
		set_release(inherited->layers[i].set);
		free(inherited->layers[i].taken);
	}
	free(inherited);
}

bool inherited_take(struct pp_inherited *inherited, uint64_t address)
{
	if (!inherited || !address)
		return false;
	for (uint32_t i = 0; i < inherited->layer_count; i++) {
		struct pp_inherited_layer *layer = &inherited->layers[i];
		uint64_t at = set_seek(layer->set, address);

		if (!layer->set->addresses[at] || layer_taken(layer, at))
			continue;
		if (!layer->taken)
			layer->taken = memory_array(layer_words(layer), sizeof(uint64_t));
		layer->taken[at / 64] |= UINT64_C(1) << (at % 64);
		inherited->version++;
		return true;
	}
	return false;
}

uint64_t inherited_version(const struct pp_inherited *inherited)
{
	return inherited ? inherited->version : 0;
}

uint64_t inherited_bytes(const struct pp_inherited *inherited)
{
	return inherited->layers[0].set->capacity * sizeof(uint64_t);
}

uint64_t inherited_own_bytes(const struct pp_inherited *inherited)
{
	uint64_t bytes = sizeof(*inherited);

	for (uint32_t i = 0; i < inherited->layer_count; i++) {
		const struct pp_inherited_layer *layer = &inherited->layers[i];

		bytes += layer->taken ? layer_words(layer) * sizeof(uint64_t) : 0;
		bytes += layer->set->references == 1 ? layer->set->capacity * sizeof(uint64_t) : 0;
	}
	return bytes;
}
