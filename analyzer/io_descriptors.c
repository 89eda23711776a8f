/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors' lives; see io_descriptors.h. */
#include "io_descriptors.h"

#include "memory.h"
#include "profile.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_LIMIT (UINT64_C(1) << 62)

void io_lives_finish(struct pp_io_lives *lives)
{
	free(lives->ended);
	free(lives->open);
	free(lives->told);
	memset(lives, 0, sizeof(*lives));
}

bool io_life_decode(struct pp_io_life *life, const struct pp_wire_io_descriptor *row, uint32_t number)
{
	*life = (struct pp_io_life){.file = row->file,
				    .reread_bytes = row->reread_bytes,
				    .read_to = row->read_to,
				    .serial = row->serial,
				    .stack = row->stack,
				    .thread = row->thread,
				    .flags = row->flags,
				    .used = row->used,
				    .number = (int32_t)number,
				    .from = row->from,
				    .origin = row->origin,
				    .kind = row->kind,
				    .deleted = row->deleted != 0,
				    .ended_ns = PP_UNKNOWN};
	for (int i = 0; i < 2; i++) {
		if (row->own[i].calls >= BYTES_LIMIT || row->own[i].bytes >= BYTES_LIMIT ||
		    row->others[i].calls >= BYTES_LIMIT || row->others[i].bytes >= BYTES_LIMIT)
			return false;
		life->calls[i] = row->own[i].calls + row->others[i].calls;
		life->bytes[i] = row->own[i].bytes + row->others[i].bytes;
	}
	return number < PP_WIRE_DESCRIPTOR_COUNT && row->serial && row->origin < PP_IO_ORIGINS &&
	       row->reread_bytes <= life->bytes[0] && row->read_to < BYTES_LIMIT && row->from >= -1;
}

static uint64_t moved(const struct pp_io_life *life)
{
	return life->bytes[0] + life->bytes[1];
}

static void ended_sink(struct pp_io_lives *lives, uint32_t at)
{
	struct pp_io_life sinking = lives->ended[at];

	for (uint32_t child = 2 * at + 1; child < lives->ended_count; child = 2 * at + 1) {
		if (child + 1 < lives->ended_count && moved(&lives->ended[child + 1]) < moved(&lives->ended[child]))
			child++;
		if (moved(&lives->ended[child]) >= moved(&sinking))
			break;
		lives->ended[at] = lives->ended[child];
		at = child;
	}
	lives->ended[at] = sinking;
}

void io_lives_add(struct pp_io_lives *lives, const struct pp_io_life *life)
{
	uint32_t at = lives->ended_count;

	lives->told =
		memory_grow(lives->told, &lives->told_count, (size_t)life->number + 1, sizeof(*lives->told));
	lives->told[life->number] = life->serial;
	if (at == PP_IO_LIVES_KEPT) {
		lives->left_out_count++;
		if (moved(life) <= moved(&lives->ended[0]))
			return;
		lives->ended[0] = *life;
		ended_sink(lives, 0);
		return;
	}
	lives->ended = memory_grow(lives->ended, &lives->ended_capacity, (size_t)at + 1, sizeof(*lives->ended));
	lives->ended_count++;
	for (; at > 0 && moved(&lives->ended[(at - 1) / 2]) > moved(life); at = (at - 1) / 2)
		lives->ended[at] = lives->ended[(at - 1) / 2];
	lives->ended[at] = *life;
}

void io_lives_look(struct pp_io_lives *lives)
{
	lives->open_count = 0;
}

void io_lives_see(struct pp_io_lives *lives, const struct pp_io_life *life)
{
	/* Told already, and not emptied: the process died in between. */
	if ((uint32_t)life->number < lives->told_count && lives->told[life->number] >= life->serial)
		return;
	lives->open =
		memory_grow(lives->open, &lives->open_capacity, (size_t)lives->open_count + 1, sizeof(*lives->open));
	lives->open[lives->open_count++] = *life;
}
