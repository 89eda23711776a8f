/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a profile as cells of a recording's tables; see recording_cells.h. Any one thread. */
#include "recording_cells.h"

#include <stdlib.h>
#include <string.h>

static uint64_t text_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static bool intern_grow(struct pp_intern *intern)
{
	uint32_t space = intern->space ? intern->space * 2 : 512, slot_count = space * 2;
	const char **texts = realloc(intern->texts, space * sizeof(*texts));
	uint64_t *hashes;
	uint32_t *slots;

	if (!texts)
		return false;
	intern->texts = texts;
	hashes = realloc(intern->hashes, space * sizeof(*hashes));
	if (!hashes)
		return false;
	intern->hashes = hashes;
	slots = calloc(slot_count, sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < intern->count; i++) {
		uint32_t at = (uint32_t)hashes[i] & (slot_count - 1);

		while (slots[at])
			at = (at + 1) & (slot_count - 1);
		slots[at] = i + 1;
	}
	free(intern->slots);
	intern->slots = slots;
	intern->slot_count = slot_count;
	intern->space = space;
	return true;
}

static bool intern_text(struct pp_intern *intern, const char *text, uint32_t *id)
{
	uint64_t hash = text_hash(text);
	uint32_t at;

	if (intern->count == intern->space && !intern_grow(intern))
		return false;
	for (at = (uint32_t)hash & (intern->slot_count - 1); intern->slots[at];
	     at = (at + 1) & (intern->slot_count - 1)) {
		*id = intern->slots[at] - 1;
		if (intern->hashes[*id] == hash && strcmp(intern->texts[*id], text) == 0)
			return true;
	}
	*id = intern->count++;
	intern->texts[*id] = text;
	intern->hashes[*id] = hash;
	intern->slots[at] = *id + 1;
	return true;
}

void intern_finish(struct pp_intern *intern)
{
	free(intern->texts);
	free(intern->hashes);
	free(intern->slots);
}

static void result_u64(sqlite3_context *context, uint64_t value)
{
	if (value == PP_UNKNOWN)
		sqlite3_result_null(context);
	else
		sqlite3_result_int64(context, (sqlite3_int64)value);
}

static void result_index(sqlite3_context *context, uint32_t value)
{
	if (value == PP_NONE)
		sqlite3_result_null(context);
	else
		sqlite3_result_int64(context, value);
}

/* LEB128: seven bits a byte, the lowest first. */
static unsigned char *put_varint(unsigned char *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}

#define VARINT_MAX 10

static bool writer_bins_reserve(struct pp_recording_writer *writer, uint32_t count, size_t fields)
{
	size_t needed = (size_t)count * fields * VARINT_MAX;
	unsigned char *bins;

	if (needed <= writer->bins_space)
		return true;
	bins = realloc(writer->bins, needed);
	if (!bins)
		return false;
	writer->bins = bins;
	writer->bins_space = needed;
	return true;
}

static unsigned char *put_mem_bin(unsigned char *at, const struct pp_mem_bin *bin, uint32_t step)
{
	bool allocated = bin->allocation_count || bin->allocated_bytes, freed = bin->free_count || bin->freed_bytes;
	enum pp_bin_shape shape = allocated && freed ? PP_BIN_BOTH
				  : allocated	     ? PP_BIN_ALLOCATED_ONLY
						     : PP_BIN_FREED_ONLY;

	if (bin->allocation_count == bin->free_count && bin->allocated_bytes == bin->freed_bytes)
		shape = PP_BIN_EQUAL;
	at = put_varint(at, (uint64_t)step << 2 | shape);
	if (shape != PP_BIN_FREED_ONLY) {
		at = put_varint(at, bin->allocation_count);
		at = put_varint(at, bin->allocated_bytes);
	}
	if (shape == PP_BIN_BOTH || shape == PP_BIN_FREED_ONLY) {
		at = put_varint(at, bin->free_count);
		at = put_varint(at, bin->freed_bytes);
	}
	return at;
}

static int result_mem_bins(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_mem_site *site)
{
	unsigned char *end;
	uint32_t before = 0;

	if (site->bin_count == 0)
		return SQLITE_OK;
	if (!writer_bins_reserve(writer, site->bin_count, 5))
		return SQLITE_NOMEM;
	end = writer->bins;
	for (uint32_t i = 0; i < site->bin_count; i++) {
		end = put_mem_bin(end, &site->bins[i], site->bins[i].bin - before);
		before = site->bins[i].bin;
	}
	sqlite3_result_blob(context, writer->bins, (int)(end - writer->bins), SQLITE_TRANSIENT);
	return SQLITE_OK;
}

static int result_cpu_bins(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_cpu_site *site)
{
	unsigned char *end;
	uint32_t before = 0;

	if (site->bin_count == 0)
		return SQLITE_OK;
	if (!writer_bins_reserve(writer, site->bin_count, 2))
		return SQLITE_NOMEM;
	end = writer->bins;
	for (uint32_t i = 0; i < site->bin_count; i++) {
		end = put_varint(end, site->bins[i].bin - before);
		end = put_varint(end, site->bins[i].sample_count);
		before = site->bins[i].bin;
	}
	sqlite3_result_blob(context, writer->bins, (int)(end - writer->bins), SQLITE_TRANSIENT);
	return SQLITE_OK;
}

static int result_io_cells(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_io_cell *cells,
			   uint32_t count)
{
	unsigned char *end;
	uint32_t before = 0;

	if (count == 0)
		return SQLITE_OK;
	if (!writer_bins_reserve(writer, count, 2))
		return SQLITE_NOMEM;
	end = writer->bins;
	for (uint32_t i = 0; i < count; i++) {
		end = put_varint(end, cells[i].bucket - before);
		end = put_varint(end, cells[i].count);
		before = cells[i].bucket;
	}
	sqlite3_result_blob(context, writer->bins, (int)(end - writer->bins), SQLITE_TRANSIENT);
	return SQLITE_OK;
}

static int result_sum_bins(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_sum_bin *bins,
			   uint32_t count)
{
	unsigned char *end;
	uint32_t before = 0;

	if (count == 0)
		return SQLITE_OK;
	if (!writer_bins_reserve(writer, count, 4))
		return SQLITE_NOMEM;
	end = writer->bins;
	for (uint32_t i = 0; i < count; i++) {
		end = put_varint(end, bins[i].bin - before);
		for (int k = 0; k < 3; k++)
			end = put_varint(end, bins[i].sums[k]);
		before = bins[i].bin;
	}
	sqlite3_result_blob(context, writer->bins, (int)(end - writer->bins), SQLITE_TRANSIENT);
	return SQLITE_OK;
}

static int result_link(sqlite3_context *context, const struct pp_node *node, uint32_t id)
{
	if (node->parent == PP_NONE)
		return SQLITE_OK;
	sqlite3_result_int64(context, (sqlite3_int64)(id - node->parent - 1) << PP_LINK_UP_SHIFT |
					      (node->truncated ? PP_LINK_TRUNCATED : 0) | node->address);
	return SQLITE_OK;
}

int result_column(struct pp_recording_writer *writer, sqlite3_context *context, const struct pp_column *column,
		  const char *row, uint32_t id)
{
	const void *field = row + column->offset;
	const char *text;
	uint32_t number;

	switch ((enum pp_column_kind)column->kind) {
	case PP_COLUMN_U64:
		result_u64(context, *(const uint64_t *)field);
		break;
	case PP_COLUMN_U32:
		sqlite3_result_int64(context, *(const uint32_t *)field);
		break;
	case PP_COLUMN_I32:
		sqlite3_result_int(context, *(const int32_t *)field);
		break;
	case PP_COLUMN_U8:
		sqlite3_result_int(context, *(const uint8_t *)field);
		break;
	case PP_COLUMN_BOOL:
		sqlite3_result_int(context, *(const bool *)field);
		break;
	case PP_COLUMN_STRING:
		text = *(const char *const *)field;
		number = PP_NONE;
		if (text && !intern_text(&writer->strings, text, &number))
			return SQLITE_NOMEM;
		result_index(context, number);
		break;
	case PP_COLUMN_INDEX:
	case PP_COLUMN_PARENT:
		result_index(context, *(const uint32_t *)field);
		break;
	case PP_COLUMN_LINK:
		return result_link(context, (const struct pp_node *)row, id);
	case PP_COLUMN_MEM_BINS:
		return result_mem_bins(writer, context, (const struct pp_mem_site *)row);
	case PP_COLUMN_CPU_BINS:
		return result_cpu_bins(writer, context, (const struct pp_cpu_site *)row);
	case PP_COLUMN_IO_SIZES:
		return result_io_cells(writer, context, ((const struct pp_io_site *)row)->sizes,
				       ((const struct pp_io_site *)row)->size_count);
	case PP_COLUMN_IO_LATENCIES:
		return result_io_cells(writer, context, ((const struct pp_io_site *)row)->latencies,
				       ((const struct pp_io_site *)row)->latency_count);
	case PP_COLUMN_IO_BINS:
		return result_sum_bins(writer, context, ((const struct pp_io_site *)row)->bins,
				       ((const struct pp_io_site *)row)->bin_count);
	case PP_COLUMN_SQL_LATENCIES:
		return result_io_cells(writer, context, ((const struct pp_sql_site *)row)->latencies,
				       ((const struct pp_sql_site *)row)->latency_count);
	case PP_COLUMN_SQL_BINS:
		return result_sum_bins(writer, context, ((const struct pp_sql_site *)row)->bins,
				       ((const struct pp_sql_site *)row)->bin_count);
	}
	return SQLITE_OK;
}
