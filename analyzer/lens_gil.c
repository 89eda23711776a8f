/* SPDX-License-Identifier: Apache-2.0 */
/* The gil lens; see lens_gil.h. */
#include "lens_gil.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

void gil_lens_finish(struct pp_gil_lens *lens)
{
	free(lens->sites);
	table_finish(&lens->site_of);
	memset(lens, 0, sizeof(*lens));
}

static struct pp_gil_site_state *gil_site(struct pp_gil_lens *lens, uint32_t stack)
{
	uint64_t *found = table_find(&lens->site_of, stack);

	if (found)
		return &lens->sites[*found];
	if (lens->count >= PP_GIL_SITE_LIMIT)
		return &lens->sites[0];
	lens->sites = memory_grow(lens->sites, &lens->capacity, (size_t)lens->count + 1, sizeof(*lens->sites));
	lens->sites[lens->count].stack = stack;
	table_set(&lens->site_of, stack, lens->count);
	return &lens->sites[lens->count++];
}

void gil_lens_wait(struct pp_gil_lens *lens, uint32_t stack, uint64_t ns)
{
	struct pp_gil_site_state *site = gil_site(lens, stack);

	site->count++;
	site->ns += ns;
	if (ns > site->max_ns)
		site->max_ns = ns;
}

void gil_lens_close(struct pp_gil_lens *lens)
{
	table_finish(&lens->site_of);
	lens->sites = memory_fit(lens->sites, &lens->capacity, lens->count, sizeof(*lens->sites));
}
