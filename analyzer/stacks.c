/* SPDX-License-Identifier: Apache-2.0 */
/* The trace's tree; see stacks.h. Modules are in modules.c. */
#include "stacks.h"

#include "memory.h"
#include "modules.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deeper than any walk of the host's; also what ends a circle of parents. */
#define DEPTH_LIMIT 65536

void stacks_init(struct pp_stacks *stacks)
{
	memset(stacks, 0, sizeof(*stacks));
	stacks->arena = arena_create();
	stacks->nodes = memory_grow(NULL, &stacks->node_capacity, 64, sizeof(*stacks->nodes));
	stacks->nodes[0] = (struct pp_node){.parent = PP_NONE, .address = PP_NONE};
	stacks->node_count = 1;
}

void stacks_finish(struct pp_stacks *stacks)
{
	for (uint32_t i = 0; i < stacks->module_count; i++) {
		table_finish(&stacks->modules[i].addresses);
		if (stacks->modules[i].file >= 0)
			close(stacks->modules[i].file);
	}
	free(stacks->modules);
	free(stacks->addresses);
	free(stacks->nodes);
	table_finish(&stacks->module_table);
	table_finish(&stacks->bare);
	table_finish(&stacks->python);
	python_places_finish(&stacks->places);
	table_finish(&stacks->node_table);
	arena_destroy(stacks->arena);
	memset(stacks, 0, sizeof(*stacks));
}

void image_stacks_finish(struct pp_image_stacks *image)
{
	free(image->map.ranges);
	memset(&image->map, 0, sizeof(image->map));
	python_codes_finish(&image->codes);
	pages_finish(&image->node_of);
}

uint32_t image_stacks_limit(size_t shared_size)
{
	uint64_t nodes;

	if (shared_size <= PP_WIRE_NODES)
		return 0;
	nodes = (shared_size - PP_WIRE_NODES) / sizeof(struct pp_wire_node);
	return nodes < UINT64_C(1) << PP_REC_STACK_BITS ? (uint32_t)nodes : 1U << PP_REC_STACK_BITS;
}

/* offset: of a place where `python`. */
static uint32_t address_intern(struct pp_stacks *stacks, uint32_t module, uint64_t offset, bool python)
{
	struct pp_table *table = python		     ? &stacks->python
				 : module == PP_NONE ? &stacks->bare
						     : &stacks->modules[module].addresses;
	uint64_t *found = table_find(table, offset);

	if (found)
		return (uint32_t)*found;
	stacks->addresses = memory_grow(stacks->addresses, &stacks->address_capacity, (size_t)stacks->address_count + 1,
					sizeof(*stacks->addresses));
	stacks->addresses[stacks->address_count] =
		(struct pp_address){.module = module, .offset = offset, .python = python};
	table_set(table, offset, stacks->address_count);
	return stacks->address_count++;
}

static uint32_t node_intern(struct pp_stacks *stacks, uint32_t parent, uint32_t address, bool truncated)
{
	uint64_t key = (uint64_t)parent << 33 | (uint64_t)address << 1 | truncated;
	uint64_t *found = table_find(&stacks->node_table, key);

	if (found)
		return (uint32_t)*found;
	if (stacks->node_count >= UINT32_C(1) << 31)
		return parent;
	stacks->nodes = memory_grow(stacks->nodes, &stacks->node_capacity, (size_t)stacks->node_count + 1,
				    sizeof(*stacks->nodes));
	stacks->nodes[stacks->node_count] =
		(struct pp_node){.parent = parent, .address = address, .truncated = truncated};
	table_set(&stacks->node_table, key, stacks->node_count);
	return stacks->node_count++;
}

/* A copy that the target can no longer change. false: not there (yet). */
static bool wire_node_copy(const struct pp_image_stacks *image, uint32_t id, struct pp_wire_node *node)
{
	const struct pp_wire_node *wire;

	if (id >= image_stacks_limit(image->shared_size))
		return false;
	wire = (const struct pp_wire_node *)(image->shared + PP_WIRE_NODES) + id;
	node->word = __atomic_load_n(&wire->word, __ATOMIC_ACQUIRE);
	node->parent = __atomic_load_n(&wire->parent, __ATOMIC_RELAXED);
	node->epoch = __atomic_load_n(&wire->epoch, __ATOMIC_RELAXED);
	return (node->word & PP_NODE_VALID) != 0;
}

/* Its Python code is not defined yet: another thread is in the middle of a definition before it. Not at the end, when
 * nobody is. */
static bool node_is_early(const struct pp_image_stacks *image, const struct pp_wire_node *node)
{
	return (node->word & PP_NODE_PYTHON) && !image->last && !python_code_is_defined(&image->codes, node->word);
}

static bool node_is_own(const struct pp_stacks *stacks, uint32_t node)
{
	uint32_t address = stacks->nodes[node].address;
	uint32_t module = address == PP_NONE ? PP_NONE : stacks->addresses[address].module;

	return module != PP_NONE && stacks->modules[module].own;
}

static uint32_t node_bring(struct pp_stacks *stacks, struct pp_image_stacks *image, uint32_t parent,
			   const struct pp_wire_node *wire, bool cut)
{
	uint64_t pc = wire->word & PP_NODE_ADDRESS_MASK;
	const struct pp_module_range *range;
	uint32_t module = PP_NONE;
	bool truncated = cut || (parent == 0 && (wire->word & PP_NODE_TRUNCATED));
	uint32_t place;

	if (wire->word & PP_NODE_PYTHON) {
		if (node_is_own(stacks, parent))
			parent = stacks->nodes[parent].parent;
		place = python_place(&stacks->places, stacks->arena, &image->codes, image->shared, wire->word);
		return node_intern(stacks, parent, address_intern(stacks, PP_NONE, place, true), truncated);
	}
	/* A return address may be the first byte of the next function: the call lies before it. */
	if (!(wire->word & PP_NODE_EXACT) && pc)
		pc--;
	range = module_map_find(&image->map, pc, wire->epoch);
	if (range) {
		module = range->module;
		pc -= range->bias;
	}
	/* Our own frames: one, without a place, where a stack ends in them, none where the program's go on. */
	if (module != PP_NONE && stacks->modules[module].own) {
		if (node_is_own(stacks, parent))
			return parent;
		pc = 0;
	} else if (node_is_own(stacks, parent)) {
		parent = stacks->nodes[parent].parent;
	}
	return node_intern(stacks, parent, address_intern(stacks, module, pc, false), truncated);
}

struct pp_walk {
	uint32_t id;
	struct pp_wire_node node;
};

uint32_t image_stacks_node(struct pp_stacks *stacks, struct pp_image_stacks *image, uint32_t stack)
{
	uint32_t result = pages_get(&image->node_of, stack), id = stack;
	uint32_t depth = 0, capacity = 0;
	struct pp_walk *walk = NULL;
	bool cut = false;

	if (!stack || result)
		return result;
	/* inwards out, to the root or to a node that the trace has already */
	while (id && !(result = pages_get(&image->node_of, id))) {
		if (depth == DEPTH_LIMIT) {
			cut = true;
			break;
		}
		walk = memory_grow(walk, &capacity, (size_t)depth + 1, sizeof(*walk));
		walk[depth].id = id;
		if (!wire_node_copy(image, id, &walk[depth].node) || node_is_early(image, &walk[depth].node)) {
			free(walk);
			return 0;
		}
		id = walk[depth++].node.parent;
	}
	while (depth--) {
		result = node_bring(stacks, image, result, &walk[depth].node, cut);
		cut = false;
		pages_set(&image->node_of, walk[depth].id, result);
	}
	free(walk);
	return result;
}
