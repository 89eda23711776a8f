/* SPDX-License-Identifier: Apache-2.0 */
/* For test_rules.c: a profile for each rule, in which it alone holds. The caller destroys it. */
#ifndef PREPROF_RULE_PROFILES_H
#define PREPROF_RULE_PROFILES_H

#include "profile_maker.h"

/* The small profile without what it would be found for. */
static struct pp_profile *profile_make_quiet(void)
{
	struct pp_profile *profile = profile_make_small();

	profile->cpu_sites[0].node = NODE_MAIN;
	profile->cpu_sites[0].sampled_ns = 400 * MAKER_MS;
	profile->cpu_sites[1].node = NODE_START;
	profile->cpu_sites[1].sampled_ns = 400 * MAKER_MS;
	profile->mem_sites[1].temporary_count = 0;
	profile->mem_sites[4].allocation_count = 0;
	for (uint32_t i = 0; i < profile->process_count; i++)
		profile->processes[i].lost_count = 0;
	/* all of it in the first bin: live, but flat */
	profile->mem_sites[0].bin_count = 1;
	return profile;
}

static struct pp_profile *dominant_function(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->cpu_sites[0].sampled_ns = 1012 * MAKER_MS;
	profile->cpu_sites[0].node = NODE_STEP;
	return profile;
}

static struct pp_profile *temporary_allocations(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->mem_sites[1].temporary_count = 40000;
	return profile;
}

static struct pp_profile *unfreed_growth(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->mem_sites[0].bin_count = 20;
	return profile;
}

static struct pp_profile *events_lost(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->processes[1].lost_count = 12;
	return profile;
}

static struct pp_profile *cpu_unsampled(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->processes[0].cpu_ns = 2500 * MAKER_MS;
	return profile;
}

static struct pp_profile *small_calls(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[0].ns = 100 * MAKER_MS;
	return profile;
}

static struct pp_profile *unbuffered_stdio(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[0].operation = PP_IO_STDIO_SYS_WRITE;
	profile->io_sites[0].ns = 100 * MAKER_MS;
	return profile;
}

static struct pp_profile *sync_often(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[1].call_count = 150;
	profile->io_sites[1].ns = 400 * MAKER_MS;
	return profile;
}

static struct pp_profile *random_access(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[0].size_count = 0;
	profile->io_sites[0].sequential_count = 100;
	profile->io_sites[0].ns = 100 * MAKER_MS;
	return profile;
}

static struct pp_profile *read_again(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[0].operation = PP_IO_READ;
	profile->io_sites[0].call_count = 1000;
	profile->io_sites[0].got_bytes = profile->io_sites[0].asked_bytes = 4 << 20;
	profile->io_sites[0].sequential_count = 1000;
	profile->io_sites[0].size_count = 0;
	profile->io_sites[0].ns = 100 * MAKER_MS;
	profile->io_sites[0].reread_bytes = 3 << 20;
	profile->io_files[0].readable_bytes = 1 << 19; /* more than the process itself has noticed */
	return profile;
}

static struct pp_profile *reopened(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[3].file = 0;
	profile->io_sites[3].error = 0;
	profile->io_sites[3].node = NODE_CHILD;
	profile->io_sites[3].call_count = 2000;
	profile->io_sites[3].ns = 50 * MAKER_MS;
	return profile;
}

/* io_sites[1] are 9000 seeks of the file that io_sites[0] writes 20 000 times. */
static struct pp_profile *seek_each_call(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[1].operation = PP_IO_SEEK;
	profile->io_sites[1].call_count = 9000;
	profile->io_sites[1].sequential_count = 100;
	profile->io_sites[1].ns = 30 * MAKER_MS;
	return profile;
}

static struct pp_profile *seek_in_place(void)
{
	struct pp_profile *profile = seek_each_call();

	profile->io_sites[1].sequential_count = 7000;
	return profile;
}

static struct pp_profile *missing_names(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[7].call_count = 3000;
	profile->io_sites[7].ns = 60 * MAKER_MS;
	return profile;
}

static struct pp_profile *asked_again(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[7].file = 0;
	profile->io_sites[7].error = 0;
	profile->io_sites[7].call_count = 3000;
	profile->io_sites[7].ns = 60 * MAKER_MS;
	return profile;
}

/* A file, a socket and an end of a pipe each, sixty times in 600 ms. */
static struct pp_profile *left_open(void)
{
	struct pp_profile *profile = profile_make_quiet();
	struct pp_io_descriptor *lives = arena_array(profile->arena, 180, sizeof(*lives));

	for (uint32_t i = 0; i < 180; i++)
		lives[i] = (struct pp_io_descriptor){.node = NODE_STEP,
						     .file = i % 3 ? PP_NONE : 0,
						     .number = (int32_t)i + 3,
						     .from = -1,
						     .serial = i + 1,
						     .used_serial = i % 3 ? 0 : i + 1,
						     .origin = i % 3 == 0   ? PP_IO_OPENED
							       : i % 3 == 1 ? PP_IO_ACCEPTED
									    : PP_IO_MADE_PIPE,
						     .opened_ns = (1400 + i / 3 * 10) * MAKER_MS,
						     .ended_ns = PP_UNKNOWN};
	profile->io_descriptors = lives;
	profile->io_descriptor_count = 180;
	return profile;
}

static struct pp_profile *blocks_computing(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->threads[0].blocked_ns[PP_WAIT_READ_WRITE] = 200 * MAKER_MS;
	return profile;
}

static struct pp_profile *slow_target(void)
{
	struct pp_profile *profile = profile_make_quiet();

	profile->io_sites[2].ns = 1000 * MAKER_MS;
	return profile;
}

/* ---- SQL ---- */

/* One statement, executed once by main, and one that it reads rows of; quiet. */
static struct pp_profile *sql_profile(void)
{
	static const char *const texts[] = {"SELECT * FROM orders WHERE user_id = ?", "SELECT id FROM users"};
	struct pp_profile *profile = profile_make_quiet();
	struct pp_sql_statement *statements = arena_array(profile->arena, 2, sizeof(*statements));
	struct pp_sql_site *sites = arena_array(profile->arena, 4, sizeof(*sites));

	for (uint32_t i = 0; i < 2; i++) {
		statements[i].text = texts[i];
		sites[i] = (struct pp_sql_site){.node = NODE_MAIN,
						.statement = i,
						.operation = PP_SQL_EXECUTE,
						.result = 101,
						.execution_count = 1,
						.row_count = 10,
						.ns = MAKER_MS};
	}
	profile->sql_statements = statements;
	profile->sql_statement_count = 2;
	profile->sql_databases = arena_array(profile->arena, 1, sizeof(*profile->sql_databases));
	profile->sql_database_count = 1;
	profile->sql_databases[0].path = "/var/lib/shop.db";
	profile->sql_sites = sites;
	profile->sql_site_count = 2;
	profile->sql_transactions = arena_array(profile->arena, 2, sizeof(*profile->sql_transactions));
	return profile;
}

static struct pp_profile *sql_with_index(enum pp_sql_index_gain gain, const char *plan, const char *new_plan)
{
	static struct pp_sql_planned planned;
	static struct pp_sql_index index;
	struct pp_profile *profile = sql_profile();

	planned = (struct pp_sql_planned){.plan = plan};
	index = (struct pp_sql_index){.gain = gain,
				      .index = "CREATE INDEX orders_user_id ON orders(user_id)",
				      .plan = new_plan};
	profile->sql_planned = &planned;
	profile->sql_planned_count = 1;
	profile->sql_indexes = &index;
	profile->sql_index_count = 1;
	profile->sql_sites[0].ns = 300 * MAKER_MS;
	profile->sql_sites[0].execution_count = 20;
	profile->sql_sites[0].row_count = 100;
	return profile;
}

static struct pp_profile *missing_index(void)
{
	struct pp_profile *profile = sql_with_index(PP_SQL_INDEX_SEARCH, "SCAN orders\nUSE TEMP B-TREE FOR ORDER BY",
						    "SEARCH orders USING INDEX orders_user_id (user_id=?)");

	profile->sql_sites[0].fullscan_steps = 200000;
	return profile;
}

static struct pp_profile *automatic_index(void)
{
	struct pp_profile *profile =
		sql_with_index(PP_SQL_INDEX_AUTOMATIC, "SCAN u\nSEARCH w USING AUTOMATIC COVERING INDEX (k=?)",
			       "SCAN u\nSEARCH w USING INDEX w_k (k=?)");

	profile->sql_sites[0].autoindex_rows = 20000;
	return profile;
}

static struct pp_profile *spared_sort(void)
{
	struct pp_profile *profile = sql_with_index(PP_SQL_INDEX_SORT, "SCAN orders\nUSE TEMP B-TREE FOR ORDER BY",
						    "SCAN orders USING INDEX orders_user_id");

	profile->sql_sites[0].sort_count = 20;
	return profile;
}

static struct pp_profile *commit_per_statement(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].flags = PP_SQL_WRITES | PP_SQL_AUTOCOMMIT;
	profile->sql_sites[0].execution_count = 500;
	profile->sql_sites[0].ns = 400 * MAKER_MS;
	profile->sql_sites[0].sync_ns = 300 * MAKER_MS;
	return profile;
}

static struct pp_profile *small_transactions(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].flags = PP_SQL_WRITES;
	profile->sql_sites[0].execution_count = 400;
	profile->sql_sites[0].ns = 200 * MAKER_MS;
	profile->sql_sites[1].node = NODE_START;
	profile->sql_transactions[0] = (struct pp_sql_transaction){.node = NODE_STEP,
								   .end_node = NODE_MAIN,
								   .count = 400,
								   .statement_count = 400,
								   .write_count = 400,
								   .ns = 220 * MAKER_MS,
								   .max_ns = MAKER_MS,
								   .sync_ns = 150 * MAKER_MS};
	profile->sql_transaction_count = 1;
	return profile;
}

static struct pp_profile *n_plus_one(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].execution_count = 800;
	profile->sql_sites[0].row_count = 800;
	profile->sql_sites[0].ns = 50 * MAKER_MS;
	profile->sql_sites[1].row_count = 810;
	return profile;
}

static struct pp_profile *query_in_loop(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].execution_count = 8000;
	profile->sql_sites[0].row_count = 7000;
	profile->sql_sites[0].ns = 500 * MAKER_MS;
	return profile;
}

static struct pp_profile *prepared_again(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].execution_count = profile->sql_sites[0].prepare_count = 900;
	profile->sql_sites[0].row_count = 900;
	profile->sql_sites[0].ns = 20 * MAKER_MS;
	profile->sql_sites[0].prepare_ns = 90 * MAKER_MS;
	return profile;
}

static struct pp_profile *few_rows_fetched(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].result = PP_SQL_LEFT;
	profile->sql_sites[0].execution_count = 4;
	profile->sql_sites[0].row_count = 4;
	profile->sql_sites[0].sort_count = 4;
	profile->sql_sites[0].vm_steps = 4000000;
	profile->sql_sites[0].ns = 200 * MAKER_MS;
	return profile;
}

static struct pp_profile *busy_wait(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].busy_wait_count = 3;
	profile->sql_sites[0].busy_ns = 500 * MAKER_MS;
	profile->sql_sites[0].ns = 501 * MAKER_MS;
	return profile;
}

static struct pp_profile *busy_refused(void)
{
	struct pp_profile *profile = sql_profile();

	profile->sql_sites[0].result = 5;
	profile->sql_sites[0].busy_count = profile->sql_sites[0].execution_count = 40;
	return profile;
}

/* Many short waits, none of them a finding of its own, for the second of three locks: the first was let go before, the third
 * is of who waits. */
static struct pp_profile *waits_for(uint32_t lock)
{
	struct pp_profile *profile = sql_profile();
	struct pp_sql_wait *waits = arena_array(profile->arena, 30, sizeof(*waits));
	struct pp_sql_hold *holds = arena_array(profile->arena, 3, sizeof(*holds));

	for (uint32_t i = 0; i < 30; i++)
		waits[i] = (struct pp_sql_wait){.node = i % 2 ? NODE_STEP : NODE_GROW,
						.operation = PP_SQL_EXECUTE,
						.flags = PP_SQL_WRITES,
						.connection = 2,
						.ns = 2 * MAKER_MS,
						.end_ns = (920 + 10 * i) * MAKER_MS};
	holds[0] = (struct pp_sql_hold){.node = NODE_JIT,
					.statement = PP_NONE,
					.lock = lock,
					.connection = 1,
					.ns = 800 * MAKER_MS,
					.end_ns = 900 * MAKER_MS};
	holds[1] = (struct pp_sql_hold){.node = NODE_CHILD,
					.end_node = NODE_MAIN,
					.lock = lock,
					.statement = 1,
					.long_node = NODE_STEP,
					.long_ns = 5 * MAKER_MS,
					.inside_ns = 30 * MAKER_MS,
					.connection = 3,
					.ns = 600 * MAKER_MS,
					.end_ns = 1510 * MAKER_MS};
	holds[2] = (struct pp_sql_hold){.node = NODE_GROW,
					.lock = lock,
					.statement = PP_NONE,
					.connection = 2,
					.ns = 500 * MAKER_MS,
					.end_ns = 1500 * MAKER_MS};
	profile->sql_waits = waits;
	profile->sql_wait_count = 30;
	profile->sql_holds = holds;
	profile->sql_hold_count = 3;
	return profile;
}

static struct pp_profile *long_write_transaction(void)
{
	return waits_for(PP_SQL_LOCK_WRITE);
}

static struct pp_profile *long_read(void)
{
	return waits_for(PP_SQL_LOCK_READ);
}

#endif
