/* SPDX-License-Identifier: Apache-2.0 */
/* The call tree without the interpreter; see report_interpreter.h. */
#include "report_interpreter.h"

#include "arena.h"
#include "memory.h"
#include "table.h"

#include <stdlib.h>

enum {
	NODE_PYTHON = 1 << 0,  /* has a Python frame */
	NODE_OWN = 1 << 1,     /* nothing but the interpreter's frames */
	NODE_OUTSIDE = 1 << 2, /* a Python frame lies outside it */
	NODE_INSIDE = 1 << 3,  /* ... inside it */
	NODE_COUNTED = 1 << 4, /* a site's stack ends here */
};

static uint8_t address_kind(const struct pp_profile *profile, uint32_t address)
{
	const struct pp_address *at = &profile->addresses[address];
	uint8_t kind = at->frame_count ? NODE_OWN : 0;

	for (uint32_t i = 0; i < at->frame_count; i++) {
		const struct pp_frame *frame = &profile->frames[at->first_frame + i];

		if (frame->language == PP_LANGUAGE_PYTHON)
			kind |= NODE_PYTHON;
		if (!frame->interpreter)
			kind &= (uint8_t)~NODE_OWN;
	}
	return kind;
}

/* Parents come before their children. false: there is no Python in it. */
static bool nodes_mark(const struct pp_profile *profile, uint8_t *marks)
{
	bool python = false;

	for (uint32_t i = 1; i < profile->node_count; i++) {
		uint32_t parent = profile->nodes[i].parent;

		if (profile->nodes[i].address != PP_NONE)
			marks[i] |= address_kind(profile, profile->nodes[i].address);
		if (marks[parent] & (NODE_PYTHON | NODE_OUTSIDE))
			marks[i] |= NODE_OUTSIDE;
		python |= marks[i] & NODE_PYTHON;
	}
	for (uint32_t i = profile->node_count; i-- > 1;) {
		if (marks[i] & (NODE_PYTHON | NODE_INSIDE))
			marks[profile->nodes[i].parent] |= NODE_INSIDE;
	}
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		marks[profile->mem_sites[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->cpu_site_count; i++)
		marks[profile->cpu_sites[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->gil_site_count; i++)
		marks[profile->gil_sites[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		marks[profile->io_sites[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->io_slow_count; i++)
		marks[profile->io_slows[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		marks[profile->io_descriptors[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->sql_site_count; i++)
		marks[profile->sql_sites[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++) {
		marks[profile->sql_transactions[i].node] |= NODE_COUNTED;
		marks[profile->sql_transactions[i].end_node] |= NODE_COUNTED;
	}
	for (uint32_t i = 0; i < profile->sql_slow_count; i++)
		marks[profile->sql_slows[i].node] |= NODE_COUNTED;
	for (uint32_t i = 0; i < profile->sql_hold_count; i++) {
		marks[profile->sql_holds[i].node] |= NODE_COUNTED;
		marks[profile->sql_holds[i].end_node] |= NODE_COUNTED;
		marks[profile->sql_holds[i].long_node] |= NODE_COUNTED;
	}
	for (uint32_t i = 0; i < profile->sql_wait_count; i++)
		marks[profile->sql_waits[i].node] |= NODE_COUNTED;
	return python;
}

static bool is_hidden(uint8_t marks)
{
	return (marks & NODE_OWN) &&
	       ((marks & NODE_OUTSIDE) || ((marks & NODE_INSIDE) && !(marks & NODE_COUNTED)));
}

/* Stacks that differed by hidden frames only become one. */
static uint32_t node_intern(struct pp_node *nodes, uint32_t *count, struct pp_table *known, struct pp_node node)
{
	uint64_t key = (uint64_t)node.parent << 33 | (uint64_t)node.address << 1 | node.truncated;
	uint64_t *found = table_find(known, key);

	if (found)
		return (uint32_t)*found;
	nodes[*count] = node;
	table_set(known, key, *count);
	return (*count)++;
}

void profile_hide_interpreter(struct pp_profile *profile)
{
	uint8_t *marks = memory_array(profile->node_count, sizeof(*marks));
	struct pp_table known = {0};
	struct pp_node *nodes;
	uint32_t *shown_as, count = 1;
	bool *cut;

	table_seed_init();
	if (!profile->node_count || !nodes_mark(profile, marks)) {
		free(marks);
		return;
	}
	nodes = arena_array(profile->arena, profile->node_count, sizeof(*nodes));
	shown_as = memory_array(profile->node_count, sizeof(*shown_as));
	cut = memory_array(profile->node_count, sizeof(*cut)); /* frames outside a hidden one are missing */
	nodes[0] = profile->nodes[0];
	for (uint32_t i = 1; i < profile->node_count; i++) {
		struct pp_node node = profile->nodes[i];

		node.truncated |= cut[node.parent];
		if (is_hidden(marks[i])) {
			cut[i] = node.truncated;
			shown_as[i] = shown_as[node.parent];
			continue;
		}
		node.parent = shown_as[node.parent];
		shown_as[i] = node_intern(nodes, &count, &known, node);
	}
	for (uint32_t i = 0; i < profile->mem_site_count; i++)
		profile->mem_sites[i].node = shown_as[profile->mem_sites[i].node];
	for (uint32_t i = 0; i < profile->cpu_site_count; i++)
		profile->cpu_sites[i].node = shown_as[profile->cpu_sites[i].node];
	for (uint32_t i = 0; i < profile->gil_site_count; i++)
		profile->gil_sites[i].node = shown_as[profile->gil_sites[i].node];
	for (uint32_t i = 0; i < profile->io_site_count; i++)
		profile->io_sites[i].node = shown_as[profile->io_sites[i].node];
	for (uint32_t i = 0; i < profile->io_slow_count; i++)
		profile->io_slows[i].node = shown_as[profile->io_slows[i].node];
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		profile->io_descriptors[i].node = shown_as[profile->io_descriptors[i].node];
	for (uint32_t i = 0; i < profile->sql_site_count; i++)
		profile->sql_sites[i].node = shown_as[profile->sql_sites[i].node];
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++) {
		profile->sql_transactions[i].node = shown_as[profile->sql_transactions[i].node];
		profile->sql_transactions[i].end_node = shown_as[profile->sql_transactions[i].end_node];
	}
	for (uint32_t i = 0; i < profile->sql_slow_count; i++)
		profile->sql_slows[i].node = shown_as[profile->sql_slows[i].node];
	for (uint32_t i = 0; i < profile->sql_hold_count; i++) {
		struct pp_sql_hold *hold = &profile->sql_holds[i];

		hold->node = shown_as[hold->node];
		hold->end_node = shown_as[hold->end_node];
		hold->long_node = shown_as[hold->long_node];
	}
	for (uint32_t i = 0; i < profile->sql_wait_count; i++)
		profile->sql_waits[i].node = shown_as[profile->sql_waits[i].node];
	profile->nodes = nodes;
	profile->node_count = count;
	table_finish(&known);
	free(marks);
	free(shown_as);
	free(cut);
}
