/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a recording's tables, hostile as they are; see recording_cells.h. Any one thread. */
#include "recording_cells.h"

#include "arena.h"

#include <string.h>

bool cell_integer(sqlite3_stmt *statement, int at, int64_t low, int64_t high, int64_t *value)
{
	*value = sqlite3_column_int64(statement, at);
	return sqlite3_column_type(statement, at) == SQLITE_INTEGER && *value >= low && *value <= high;
}

bool cell_u64(sqlite3_stmt *statement, int at, uint64_t *value)
{
	if (sqlite3_column_type(statement, at) == SQLITE_NULL) {
		*value = PP_UNKNOWN;
		return true;
	}
	*value = (uint64_t)sqlite3_column_int64(statement, at);
	return sqlite3_column_type(statement, at) == SQLITE_INTEGER;
}

/* An index below limit, or NULL. */
static bool cell_index(sqlite3_stmt *statement, int at, uint32_t limit, uint32_t *index)
{
	int64_t value;

	*index = PP_NONE;
	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!cell_integer(statement, at, 0, (int64_t)limit - 1, &value))
		return false;
	*index = (uint32_t)value;
	return true;
}

bool cell_text(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, const char **text)
{
	const char *found = (const char *)sqlite3_column_text(statement, at);
	int size = sqlite3_column_bytes(statement, at);

	if (!found || sqlite3_column_type(statement, at) != SQLITE_TEXT || memchr(found, '\0', (size_t)size))
		return false;
	*text = arena_string_sized(reader->profile->arena, found, (size_t)size);
	return true;
}

static bool get_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		unsigned char byte = *(*at)++;

		if (shift == 63 && byte > 1)
			return false;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* Numbers in a blob: every one ends with a byte below 0x80. */
static uint32_t varint_count(const unsigned char *at, const unsigned char *end)
{
	uint32_t count = 0;

	for (; at < end; at++)
		count += *at < 0x80;
	return count;
}

/* Bin numbers rise and stay below the limit. */
static bool bin_move(uint64_t step, bool first, uint32_t *bin)
{
	if (step >= PP_BIN_LIMIT || (step == 0 && !first))
		return false;
	*bin += (uint32_t)step;
	return *bin < PP_BIN_LIMIT;
}

static bool get_mem_bin(const unsigned char **at, const unsigned char *end, bool first, uint32_t number,
			struct pp_mem_bin *bin)
{
	uint64_t word;
	unsigned shape;

	if (!get_varint(at, end, &word) || !bin_move(word >> 2, first, &number))
		return false;
	bin->bin = number;
	shape = word & 3;
	if (shape != PP_BIN_FREED_ONLY &&
	    (!get_varint(at, end, &bin->allocation_count) || !get_varint(at, end, &bin->allocated_bytes)))
		return false;
	if (shape == PP_BIN_EQUAL) {
		bin->free_count = bin->allocation_count;
		bin->freed_bytes = bin->allocated_bytes;
	} else if (shape != PP_BIN_ALLOCATED_ONLY) {
		return get_varint(at, end, &bin->free_count) && get_varint(at, end, &bin->freed_bytes);
	}
	return true;
}

static bool cell_mem_bins(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, struct pp_mem_site *site)
{
	const unsigned char *from = sqlite3_column_blob(statement, at), *end;
	struct pp_mem_bin *bins = reader->bins;
	uint32_t count = 0;

	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!from || sqlite3_column_type(statement, at) != SQLITE_BLOB)
		return false;
	end = from + sqlite3_column_bytes(statement, at);
	memset(bins, 0, sizeof(reader->bins));
	for (; from < end && count < PP_BIN_LIMIT; count++)
		if (!get_mem_bin(&from, end, count == 0, count ? bins[count - 1].bin : 0, &bins[count]))
			return false;
	site->bin_count = count;
	site->bins = memcpy(arena_array(reader->profile->arena, count, sizeof(*bins)), bins, count * sizeof(*bins));
	return from == end;
}

static bool cell_cpu_bins(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, struct pp_cpu_site *site)
{
	const unsigned char *from = sqlite3_column_blob(statement, at), *end;
	struct pp_cpu_bin *bins;
	uint32_t bin = 0;

	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!from || sqlite3_column_type(statement, at) != SQLITE_BLOB)
		return false;
	end = from + sqlite3_column_bytes(statement, at);
	site->bin_count = varint_count(from, end) / 2;
	if (site->bin_count > PP_BIN_LIMIT)
		return false;
	site->bins = bins = arena_array(reader->profile->arena, site->bin_count, sizeof(*bins));
	for (uint32_t i = 0; i < site->bin_count; i++) {
		uint64_t step;

		if (!get_varint(&from, end, &step) || !bin_move(step, i == 0, &bin) ||
		    !get_varint(&from, end, &bins[i].sample_count))
			return false;
		bins[i].bin = bin;
	}
	return from == end;
}

/* Counts by bucket; NULL: none. *count is set last. */
static bool cell_io_cells(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, uint32_t limit,
			  const struct pp_io_cell **result, uint32_t *result_count)
{
	const unsigned char *from = sqlite3_column_blob(statement, at), *end;
	struct pp_io_cell *cells;
	uint64_t step, bucket = 0;
	uint32_t count;

	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!from || sqlite3_column_type(statement, at) != SQLITE_BLOB)
		return false;
	end = from + sqlite3_column_bytes(statement, at);
	count = varint_count(from, end) / 2;
	if (count > limit)
		return false;
	*result = cells = arena_array(reader->profile->arena, count, sizeof(*cells));
	for (uint32_t i = 0; i < count; i++) {
		if (!get_varint(&from, end, &step) || step >= limit || (i && step == 0) || (bucket += step) >= limit ||
		    !get_varint(&from, end, &cells[i].count))
			return false;
		cells[i].bucket = (uint32_t)bucket;
	}
	*result_count = count;
	return from == end;
}

/* Sums by bin of time; NULL: none. */
static bool cell_sum_bins(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at,
			  const struct pp_sum_bin **result, uint32_t *result_count)
{
	const unsigned char *from = sqlite3_column_blob(statement, at), *end;
	struct pp_sum_bin *bins;
	uint32_t bin = 0, count;

	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!from || sqlite3_column_type(statement, at) != SQLITE_BLOB)
		return false;
	end = from + sqlite3_column_bytes(statement, at);
	count = varint_count(from, end) / 4;
	if (count > PP_BIN_LIMIT)
		return false;
	*result = bins = arena_array(reader->profile->arena, count, sizeof(*bins));
	*result_count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t step;

		if (!get_varint(&from, end, &step) || !bin_move(step, i == 0, &bin))
			return false;
		for (int k = 0; k < 3; k++)
			if (!get_varint(&from, end, &bins[i].sums[k]))
				return false;
		bins[i].bin = bin;
	}
	return from == end;
}

static bool cell_link(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, struct pp_node *node, uint32_t id)
{
	int64_t link, up;

	node->parent = node->address = PP_NONE;
	if (sqlite3_column_type(statement, at) == SQLITE_NULL)
		return true;
	if (!cell_integer(statement, at, 0, INT64_MAX, &link))
		return false;
	up = (link >> PP_LINK_UP_SHIFT) + 1;
	if (up > id)
		return false;
	node->parent = id - (uint32_t)up;
	node->truncated = link & PP_LINK_TRUNCATED;
	node->address = (uint32_t)(link & PP_LINK_ADDRESS);
	return node->address < reader->profile->address_count || node->address == PP_NONE;
}

bool cell_column(struct pp_recording_reader *reader, sqlite3_stmt *statement, int at, const struct pp_column *column,
			char *row, uint32_t id)
{
	void *field = row + column->offset;
	uint32_t index;
	int64_t value;

	switch ((enum pp_column_kind)column->kind) {
	case PP_COLUMN_U64:
		return cell_u64(statement, at, field);
	case PP_COLUMN_U32:
		if (!cell_integer(statement, at, 0, UINT32_MAX, &value))
			return false;
		*(uint32_t *)field = (uint32_t)value;
		return true;
	case PP_COLUMN_I32:
		if (!cell_integer(statement, at, INT32_MIN, INT32_MAX, &value))
			return false;
		*(int32_t *)field = (int32_t)value;
		return true;
	case PP_COLUMN_U8:
		if (!cell_integer(statement, at, 0, UINT8_MAX, &value))
			return false;
		*(uint8_t *)field = (uint8_t)value;
		return true;
	case PP_COLUMN_BOOL:
		if (!cell_integer(statement, at, 0, 1, &value))
			return false;
		*(bool *)field = value;
		return true;
	case PP_COLUMN_STRING:
		if (!cell_index(statement, at, reader->string_count, &index))
			return false;
		*(const char **)field = index == PP_NONE ? NULL : reader->strings[index];
		return true;
	case PP_COLUMN_INDEX:
		return cell_index(statement, at, table_row_count(&pp_tables[column->refers], reader->profile), field);
	case PP_COLUMN_PARENT:
		return cell_index(statement, at, id, field);
	case PP_COLUMN_LINK:
		return cell_link(reader, statement, at, (struct pp_node *)row, id);
	case PP_COLUMN_MEM_BINS:
		return cell_mem_bins(reader, statement, at, (struct pp_mem_site *)row);
	case PP_COLUMN_CPU_BINS:
		return cell_cpu_bins(reader, statement, at, (struct pp_cpu_site *)row);
	case PP_COLUMN_IO_SIZES:
		return cell_io_cells(reader, statement, at, PP_HISTOGRAM_BUCKETS, &((struct pp_io_site *)row)->sizes,
				     &((struct pp_io_site *)row)->size_count);
	case PP_COLUMN_IO_LATENCIES:
		return cell_io_cells(reader, statement, at, PP_IO_LATENCY_BUCKETS,
				     &((struct pp_io_site *)row)->latencies,
				     &((struct pp_io_site *)row)->latency_count);
	case PP_COLUMN_IO_BINS:
		return cell_sum_bins(reader, statement, at, &((struct pp_io_site *)row)->bins,
				     &((struct pp_io_site *)row)->bin_count);
	case PP_COLUMN_SQL_LATENCIES:
		return cell_io_cells(reader, statement, at, PP_IO_LATENCY_BUCKETS,
				     &((struct pp_sql_site *)row)->latencies,
				     &((struct pp_sql_site *)row)->latency_count);
	case PP_COLUMN_SQL_BINS:
		return cell_sum_bins(reader, statement, at, &((struct pp_sql_site *)row)->bins,
				     &((struct pp_sql_site *)row)->bin_count);
	}
	return false;
}
