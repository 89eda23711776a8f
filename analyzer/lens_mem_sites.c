/* SPDX-License-Identifier: Apache-2.0 */
/* Room for the mem lens's sites: chunks that never move but for the first, which grows. Used by lens_mem.c alone. */
#include "lens_mem.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

static struct pp_mem_site_state *states_alloc(size_t count)
{
	struct pp_mem_site_state *states = aligned_alloc(64, count * sizeof(*states));

	while (!states && memory_failed())
		states = aligned_alloc(64, count * sizeof(*states));
	return memset(states, 0, count * sizeof(*states));
}

/* Chunks are made whole, but for the first: most processes are small. */
static void chunk_make(struct pp_mem_lens *lens, uint32_t index)
{
	const uint32_t whole = 1U << PP_MEM_SITE_CHUNK_BITS, least = whole >> 4;
	uint32_t chunk = index >> PP_MEM_SITE_CHUNK_BITS;
	struct pp_mem_site_state *states;

	if (index & (whole - 1) && (index > whole / 2 || index < least || index & (index - 1)))
		return;
	lens->chunks = memory_grow(lens->chunks, &lens->chunk_capacity, (size_t)chunk + 1, sizeof(*lens->chunks));
	states = states_alloc(chunk ? whole : index ? 2 * index : least);
	if (lens->chunks[chunk])
		memcpy(states, lens->chunks[chunk], index * sizeof(*states));
	free(lens->chunks[chunk]);
	lens->chunks[chunk] = states;
}

uint32_t mem_lens_site_create(struct pp_mem_lens *lens, uint32_t stack)
{
	uint32_t index = lens->site_count;

	if (index >= PP_MEM_SITE_LIMIT && stack)
		return pages_get(&lens->site_of, 0) ? pages_get(&lens->site_of, 0) - 1 : 0;
	chunk_make(lens, index);
	lens->site_count++;
	mem_lens_site(lens, index)->stack = stack;
	mem_lens_site(lens, index)->epoch = lens->epoch; /* it was nothing at the peak */
	pages_set(&lens->site_of, stack, index + 1);
	return index;
}

void mem_lens_sites_fit(struct pp_mem_lens *lens)
{
	uint32_t chunk = lens->site_count >> PP_MEM_SITE_CHUNK_BITS;
	size_t used = lens->site_count & ((1U << PP_MEM_SITE_CHUNK_BITS) - 1);

	if (used) {
		struct pp_mem_site_state *states = states_alloc(used);

		memcpy(states, lens->chunks[chunk], used * sizeof(*states));
		free(lens->chunks[chunk]);
		lens->chunks[chunk++] = states;
	}
	lens->chunks = memory_fit(lens->chunks, &lens->chunk_capacity, chunk, sizeof(*lens->chunks));
	for (uint32_t i = 0; i < lens->site_count; i++)
		mem_series_fit(&mem_lens_site(lens, i)->series);
}
