/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gil lens: one process's waits for the Python interpreter's lock, by stack. Order does not matter to it. One owner;
 * not thread-safe.
 */
#ifndef PREPROF_LENS_GIL_H
#define PREPROF_LENS_GIL_H

#include "table.h"

struct pp_gil_site_state {
	uint32_t stack;
	uint64_t count, ns, max_ns;
};

#define PP_GIL_SITE_LIMIT (1U << 20) /* further stacks are counted with the first */

struct pp_gil_lens {
	struct pp_gil_site_state *sites;
	uint32_t count, capacity;
	struct pp_table site_of; /* by stack */
};

void gil_lens_finish(struct pp_gil_lens *lens); /* one of zeroes is an empty one */
void gil_lens_wait(struct pp_gil_lens *lens, uint32_t stack, uint64_t ns);
void gil_lens_close(struct pp_gil_lens *lens); /* no more waits will come */

#endif
