/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was taken of the shared memory by snapshots, and what records tell later of the same executions, counts once: in
 * every order in which the two can come.
 */
#include "lens_sql.h"
#include "test.h"

#include <stdlib.h>

static struct pp_bin_clock clock_of_bins;

static struct pp_sql_lens *lens_make(void)
{
	struct pp_sql_lens *lens = calloc(1, sizeof(*lens));

	bin_clock_init(&clock_of_bins, 0, NULL, NULL);
	sql_lens_init(lens, &clock_of_bins);
	return lens;
}

static struct pp_wire_sql_entry entry_of(uint32_t count, uint32_t fill)
{
	struct pp_wire_sql_entry entry = {.operation = PP_SQL_EXECUTE, .count = count, .fill = fill, .max_ns = 500};

	entry.rows = 2 * (uint64_t)count;
	entry.steps = 3 * (uint64_t)count;
	entry.ns = 500 * (uint64_t)count;
	return entry;
}

static void check_executions(const struct pp_sql_lens *lens, uint64_t count)
{
	PP_CHECK_EQ(lens->site_count, 1);
	if (lens->site_count != 1)
		return;
	PP_CHECK_EQ(lens->sites[0].count, count);
	PP_CHECK_EQ(lens->sites[0].row_count, 2 * count);
	PP_CHECK_EQ(lens->sites[0].step_count, 3 * count);
	PP_CHECK_EQ(lens->sites[0].ns, 500 * count);
}

static void told(struct pp_sql_lens *lens, uint32_t count, uint32_t fill, uint64_t total)
{
	struct pp_wire_sql_entry entry = entry_of(count, fill);

	PP_CHECK(sql_lens_told(lens, 0, 5, &entry, 0));
	check_executions(lens, total);
}

static void taken(struct pp_sql_lens *lens, uint32_t count, uint32_t fill, uint64_t total)
{
	struct pp_wire_sql_entry entry = entry_of(count, fill);

	PP_CHECK(sql_lens_take(lens, 0, 5, &entry, 0));
	check_executions(lens, total);
}

static void lens_end(struct pp_sql_lens *lens)
{
	sql_lens_close(lens);
	sql_lens_finish(lens);
	free(lens);
}

PP_TEST(taken_then_told)
{
	struct pp_sql_lens *lens = lens_make();

	taken(lens, 40, 1, 40);
	taken(lens, 60, 1, 60);
	told(lens, 100, 1, 100);
	taken(lens, 100, 1, 100); /* not emptied yet */
	taken(lens, 3, 2, 103);
	told(lens, 3, 2, 103);
	lens_end(lens);
}

PP_TEST(taken_of_the_next_fill_first)
{
	struct pp_sql_lens *lens = lens_make();

	taken(lens, 3, 2, 3); /* the record of the first is on its way */
	told(lens, 100, 1, 103);
	taken(lens, 6, 2, 106);
	told(lens, 8, 2, 108);
	told(lens, 1, 3, 109);
	lens_end(lens);
}

PP_TEST(taken_of_two_fills_before_the_record)
{
	struct pp_sql_lens *lens = lens_make();

	taken(lens, 40, 1, 40);
	taken(lens, 3, 2, 40); /* met again when the record of the first has come */
	told(lens, 100, 1, 100);
	taken(lens, 4, 2, 104);
	told(lens, 4, 2, 104);
	lens_end(lens);
}
