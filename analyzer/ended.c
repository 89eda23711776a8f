/* SPDX-License-Identifier: Apache-2.0 */
/* What of ended images is the whole tree's; see ended.h. */
#include "ended.h"

#include "image.h"

#include <stdlib.h>

#define RANK_OPEN (UINT64_C(1) << 63)

static void take_io_slow(struct pp_ended *ended, struct pp_image *image)
{
	const struct pp_io_slow_state *rows = image->io.slow.rows;

	for (uint32_t i = 0; i < image->io.slow.count; i++)
		longest_add(&ended->io_slow, &(struct pp_ended_io_slow){rows[i].ns, image->index, rows[i]},
			    sizeof(struct pp_ended_io_slow), PP_IO_SLOW_LIMIT);
	longest_finish(&image->io.slow);
}

static void take_sql(struct pp_ended *ended, struct pp_image *image)
{
	const struct pp_sql_slow_state *slow = image->sql.slow.rows;
	const struct pp_sql_hold_state *holds = image->sql.holds.rows;
	const struct pp_sql_wait_state *waits = image->sql.waits.rows;

	for (uint32_t i = 0; i < image->sql.slow.count; i++)
		longest_add(&ended->sql_slow, &(struct pp_ended_sql_slow){slow[i].ns, image->index, slow[i]},
			    sizeof(struct pp_ended_sql_slow), PP_SQL_SLOW_LIMIT);
	for (uint32_t i = 0; i < image->sql.holds.count; i++)
		longest_add(&ended->sql_holds, &(struct pp_ended_sql_hold){holds[i].ns, image->index, holds[i]},
			    sizeof(struct pp_ended_sql_hold), PP_SQL_SLOW_LIMIT);
	for (uint32_t i = 0; i < image->sql.waits.count; i++)
		longest_add(&ended->sql_waits, &(struct pp_ended_sql_wait){waits[i].ns, image->index, waits[i]},
			    sizeof(struct pp_ended_sql_wait), PP_SQL_SLOW_LIMIT);
	longest_finish(&image->sql.slow);
	longest_finish(&image->sql.holds);
	longest_finish(&image->sql.waits);
}

static uint64_t life_rank(const struct pp_io_life *life)
{
	uint64_t moved = life->bytes[0] + life->bytes[1];

	return (moved < RANK_OPEN ? moved : RANK_OPEN - 1) | (life->end ? 0 : RANK_OPEN);
}

static void take_lives(struct pp_ended *ended, const struct pp_image *image, const struct pp_io_life *lives,
		       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *thread = table_find(&image->thread_of, lives[i].thread);
		struct pp_ended_life life = {.rank = life_rank(&lives[i]),
					     .image = image->index,
					     .thread = thread ? (uint32_t)*thread : PP_NONE,
					     .life = lives[i]};

		if (!longest_add(&ended->lives, &life, sizeof(life), PP_IO_DESCRIPTOR_LIMIT))
			ended->lives_left_out_count++;
	}
}

void ended_take(struct pp_ended *ended, struct pp_image *image)
{
	struct pp_io_lives *lives = &image->io.lives;
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;

	take_io_slow(ended, image);
	take_sql(ended, image);
	take_lives(ended, image, lives->ended, lives->ended_count);
	take_lives(ended, image, lives->open, lives->open_count);
	ended->lives_left_out_count +=
		lives->left_out_count + __atomic_load_n(&header->descriptors_untold, __ATOMIC_RELAXED);
	io_lives_finish(lives);
}

void ended_finish(struct pp_ended *ended)
{
	longest_finish(&ended->io_slow);
	longest_finish(&ended->sql_slow);
	longest_finish(&ended->sql_holds);
	longest_finish(&ended->sql_waits);
	longest_finish(&ended->lives);
}
