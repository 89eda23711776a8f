/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the slowest calls and of descriptors a profile has so many for the whole tree, however many processes there were. What
 * an ended image has of them is taken over here, where there is as much room and no more. What was left out is counted.
 *
 * Stacks are nodes of the trace by then, statements indices. One owner: the trace. Zeroed storage is valid, and empty.
 */
#ifndef PREPROF_ENDED_H
#define PREPROF_ENDED_H

#include "lens_io.h"
#include "lens_sql.h"
#include "longest.h"

struct pp_image;

/* Each begins with what it is compared by; see longest.h. */
struct pp_ended_io_slow {
	uint64_t ns;
	uint32_t image;
	struct pp_io_slow_state state;
};

struct pp_ended_sql_slow {
	uint64_t ns;
	uint32_t image;
	struct pp_sql_slow_state state;
};

struct pp_ended_sql_hold {
	uint64_t ns;
	uint32_t image;
	struct pp_sql_hold_state state;
};

struct pp_ended_sql_wait {
	uint64_t ns;
	uint32_t image;
	struct pp_sql_wait_state state;
};

/* Those that were never closed come before all others, and of each the one that moved more: a leak is many that move
 * nothing. */
struct pp_ended_life {
	uint64_t rank;
	uint32_t image;
	uint32_t thread; /* index; PP_NONE: not known */
	struct pp_io_life life;
};

struct pp_ended {
	struct pp_longest io_slow, sql_slow, sql_holds, sql_waits, lives;
	uint64_t lives_left_out_count;
};

/* The image's lenses are closed, its shared memory is still there. */
void ended_take(struct pp_ended *ended, struct pp_image *image);
void ended_finish(struct pp_ended *ended);

#endif
