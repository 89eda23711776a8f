/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: each row of the table finds what it is for and nothing else, has words, an example, a section in
 * docs/findings.md and a golden file. */
#include "test.h"

#include "golden.h"
#include "profile_maker.h"
#include "rules_table.h"

#include <math.h>

/* ---- a profile for each rule, in which it alone holds ---- */

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

static const struct {
	const char *code;
	struct pp_profile *(*make)(void);
} makers[] = {
	{"sql-missing-index", missing_index},
	{"sql-automatic-index", automatic_index},
	{"sql-commit-per-statement", commit_per_statement},
	{"sql-small-transactions", small_transactions},
	{"sql-n-plus-one", n_plus_one},
	{"sql-query-in-loop", query_in_loop},
	{"sql-prepared-again", prepared_again},
	{"sql-few-rows-fetched", few_rows_fetched},
	{"sql-busy-wait", busy_wait},
	{"sql-busy-refused", busy_refused},
	{"sql-long-write-transaction", long_write_transaction},
	{"sql-long-read", long_read},
	{"sql-sort", spared_sort},
	{"io-small-calls", small_calls},
	{"io-unbuffered-stdio", unbuffered_stdio},
	{"io-sync-often", sync_often},
	{"io-random-access", random_access},
	{"io-read-again", read_again},
	{"io-reopened", reopened},
	{"io-seek-each-call", seek_each_call},
	{"io-seek-in-place", seek_in_place},
	{"io-slow-target", slow_target},
	{"cpu-dominant-function", dominant_function},
	{"heap-temporary-allocations", temporary_allocations},
	{"heap-unfreed-growth", unfreed_growth},
	{"coverage-events-lost", events_lost},
	{"io-missing-names", missing_names},
	{"io-asked-again", asked_again},
	{"io-blocks-computing", blocks_computing},
	{"io-descriptors-left-open", left_open},
	{"cpu-dominant-function", dominant_function},
	{"heap-temporary-allocations", temporary_allocations},
	{"heap-unfreed-growth", unfreed_growth},
	{"coverage-events-lost", events_lost},
	{"coverage-cpu-unsampled", cpu_unsampled},
};

static struct pp_profile *(*maker_find(const char *code))(void)
{
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (strcmp(makers[i].code, code) == 0)
			return makers[i].make;
	return NULL;
}

static void finding_print(FILE *file, const struct pp_profile *profile, const struct pp_finding *finding)
{
	fprintf(file, "id: %s\ncategory: %s\nseverity: %s\ntitle: %s\n", finding->id, finding->category,
		severity_name(finding->severity), finding->title);
	for (uint32_t i = 0; i < finding->evidence_count; i++)
		fprintf(file, "evidence: %s %.6g\n", finding->evidence[i].name, finding->evidence[i].value);
	if (finding->frame != PP_NONE)
		fprintf(file, "frame: %s\n", profile->frames[finding->frame].function);
	if (finding->node != PP_NONE)
		fprintf(file, "node: %u\n", finding->node);
	fprintf(file, "recommendation: %s\npotential: %.4g\n", finding->recommendation, finding->potential_percent);
}

static void rule_check(const struct pp_rule *rule)
{
	struct pp_profile *(*make)(void) = maker_find(rule->code);
	struct pp_arena *arena = arena_create();
	struct pp_finding *findings;
	struct pp_profile *profile;
	char name[128], *text = NULL;
	uint32_t count;
	size_t size;
	FILE *file;

	if (!make) {
		pp_test_fail(__FILE__, __LINE__, "no profile in which %s holds", rule->code);
		return;
	}
	profile = make();
	findings = rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 1);
	if (count)
		PP_CHECK_STR(findings[0].id, rule->code);
	file = open_memstream(&text, &size);
	if (count)
		finding_print(file, profile, &findings[0]);
	fclose(file);
	snprintf(name, sizeof(name), "report/finding-%s.txt", rule->code);
	golden_check(name, text);
	PP_CHECK(!strchr(text, '{'));
	free(text);
	arena_destroy(arena);
	profile_destroy(profile);
}

PP_TEST(each_rule_finds_what_it_is_for)
{
	for (size_t i = 0; i < pp_rule_count; i++)
		rule_check(&pp_rules[i]);
}

PP_TEST(a_quiet_profile_has_no_findings)
{
	struct pp_profile *profile = profile_make_quiet();
	struct pp_arena *arena = arena_create();
	uint32_t count;

	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	arena_destroy(arena);
	profile_destroy(profile);
	profile = profile_make_empty();
	arena = arena_create();
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	arena_destroy(arena);
	profile_destroy(profile);
}

static uint32_t finding_count(const struct pp_profile *profile)
{
	struct pp_arena *arena = arena_create();
	uint32_t count;

	rules_apply(profile, arena, &count);
	arena_destroy(arena);
	return count;
}

PP_TEST(descriptors_that_are_held_on_purpose_are_no_finding)
{
	struct pp_profile *profile = left_open();

	PP_CHECK_EQ(finding_count(profile), 1);
	/* a pool that was filled at once, then used by nobody */
	for (uint32_t i = 0; i < 180; i++)
		profile->io_descriptors[i].opened_ns = (100 + i / 60) * MAKER_MS;
	PP_CHECK_EQ(finding_count(profile), 0);
	profile_destroy(profile);
	/* connections that came one after the other, and are all in use */
	profile = left_open();
	for (uint32_t i = 0; i < 180; i++)
		profile->io_descriptors[i].used_serial = 180;
	PP_CHECK_EQ(finding_count(profile), 0);
	profile_destroy(profile);
	/* closed in the end, or inherited */
	profile = left_open();
	for (uint32_t i = 0; i < 180; i++) {
		profile->io_descriptors[i].end = i % 2 ? PP_IO_END_CLOSED : 0;
		profile->io_descriptors[i].origin = i % 2 ? PP_IO_OPENED : PP_IO_FOUND;
	}
	PP_CHECK_EQ(finding_count(profile), 0);
	profile_destroy(profile);
	/* what an interpreter closes when it ends was left open; what is closed each time was not, even at the end of a run */
	profile = left_open();
	for (uint32_t i = 0; i < 180; i++) {
		profile->io_descriptors[i].end = PP_IO_END_CLOSED;
		profile->io_descriptors[i].ended_ns = 1996 * MAKER_MS + i;
	}
	PP_CHECK_EQ(finding_count(profile), 1);
	for (uint32_t i = 0; i < 180; i++) {
		profile->io_descriptors[i].opened_ns = 1960 * MAKER_MS + i * 1000;
		profile->io_descriptors[i].ended_ns = profile->io_descriptors[i].opened_ns + 500;
	}
	PP_CHECK_EQ(finding_count(profile), 0);
	profile_destroy(profile);
	/* a few, by each of several processes */
	profile = left_open();
	for (uint32_t i = 0; i < 180; i++)
		profile->io_descriptors[i].process = i % 2;
	profile->io_descriptor_count = 98;
	PP_CHECK_EQ(finding_count(profile), 0);
	profile_destroy(profile);
	/* short and quick: what follows the last one is not held against it */
	profile = left_open();
	for (uint32_t i = 0; i < 180; i++)
		profile->io_descriptors[i].opened_ns = 1960 * MAKER_MS + i * 1000;
	PP_CHECK_EQ(finding_count(profile), 1);
	profile_destroy(profile);
}

/* What is as large, but in order. */
PP_TEST(quiet_sql_has_no_findings)
{
	struct pp_profile *(*const makers_of[])(void) = {missing_index, automatic_index, spared_sort};
	struct pp_arena *arena = arena_create();
	struct pp_profile *profile = sql_profile();
	uint32_t count;

	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	/* a transaction around all of them */
	profile->sql_sites[0] = (struct pp_sql_site){.statement = 0,
						     .node = NODE_MAIN,
						     .operation = PP_SQL_EXECUTE,
						     .result = 101,
						     .flags = PP_SQL_WRITES,
						     .execution_count = 100000,
						     .ns = 400 * MAKER_MS,
						     .prepare_count = 1,
						     .prepare_ns = MAKER_MS};
	profile->sql_transactions[0] = (struct pp_sql_transaction){.node = NODE_STEP,
								   .end_node = NODE_CHILD,
								   .count = 1,
								   .write_count = 100000,
								   .ns = 800 * MAKER_MS,
								   .max_ns = 800 * MAKER_MS};
	profile->sql_transaction_count = 1;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile_destroy(profile);
	/* readers of a log keep nobody waiting, nor do they elsewhere keep readers */
	profile = long_read();
	profile->sql_databases[0].journal_mode = "wal";
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile->sql_databases[0].journal_mode = "delete";
	for (uint32_t i = 0; i < profile->sql_wait_count; i++)
		profile->sql_waits[i].flags = 0;
	profile->sql_statements[0].text = "SELECT 1";
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile_destroy(profile);
	/* nobody waits for another file's lock, or for that of a database in another process's memory */
	profile = long_write_transaction();
	profile->sql_databases[0].path = "";
	profile->sql_holds[1].process = 1;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile->sql_databases[0].path = "/var/lib/shop.db";
	profile->sql_holds[1].database = PP_NONE;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile_destroy(profile);
	/* what asks for nothing is no query, however often */
	profile = n_plus_one();
	profile->sql_statements[0].text = "COMMIT";
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile_destroy(profile);
	/* no index helps, or it does not matter */
	for (size_t i = 0; i < sizeof(makers_of) / sizeof(makers_of[0]); i++) {
		profile = makers_of[i]();
		profile->sql_index_count = 0;
		rules_apply(profile, arena, &count);
		PP_CHECK_EQ(count, 0);
		profile->sql_index_count = 1;
		profile->sql_sites[0].ns = MAKER_MS;
		rules_apply(profile, arena, &count);
		PP_CHECK_EQ(count, 0);
		profile_destroy(profile);
	}
	/* a scan of which every row is wanted */
	profile = missing_index();
	profile->sql_sites[0].row_count = profile->sql_sites[0].fullscan_steps / 2;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile_destroy(profile);
	arena_destroy(arena);
}

PP_TEST(findings_come_by_severity)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_arena *arena = arena_create();
	uint32_t count;
	const struct pp_finding *findings;

	profile->mem_sites[4].allocation_count = 0;
	findings = rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 4);
	for (uint32_t i = 1; i < count; i++)
		PP_CHECK(findings[i - 1].severity >= findings[i].severity);
	arena_destroy(arena);
	profile_destroy(profile);
}

/* Growth: a start-up that allocates much and then nothing is none; nor is a saw-tooth. */
PP_TEST(flat_and_saw_toothed_memory_does_not_grow)
{
	static struct pp_mem_bin start_up[4], teeth[20];
	struct pp_profile *profile = profile_make_quiet();
	struct pp_arena *arena = arena_create();
	uint32_t count;

	for (uint32_t i = 0; i < 4; i++)
		start_up[i] = (struct pp_mem_bin){i, 10, 1 << 20, 0, 0};
	for (uint32_t i = 0; i < 20; i++)
		teeth[i] = (struct pp_mem_bin){i, 10, 1 << 20, i % 2 * 9, i % 2 ? 2 << 20 : 0};
	profile->mem_sites[0].bins = start_up;
	profile->mem_sites[0].bin_count = 4;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	profile->mem_sites[0].bins = teeth;
	profile->mem_sites[0].bin_count = 20;
	rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 0);
	arena_destroy(arena);
	profile_destroy(profile);
}

/* One wait that many short transactions outlasted, one after the other. */
PP_TEST(those_who_held_a_lock_in_turn_are_counted)
{
	struct pp_arena *arena = arena_create();
	struct pp_profile *profile = sql_profile();
	struct pp_sql_hold holds[3];
	struct pp_sql_wait wait = {.node = profile->sql_sites[0].node,
				   .operation = PP_SQL_EXECUTE,
				   .flags = PP_SQL_WRITES,
				   .connection = 9,
				   .ns = 500 * MAKER_MS,
				   .end_ns = 1000 * MAKER_MS};
	struct pp_finding *findings;
	uint32_t count;

	profile->sql_sites[0].busy_wait_count = 1;
	profile->sql_sites[0].busy_ns = 500 * MAKER_MS;
	for (uint32_t i = 0; i < 3; i++)
		holds[i] = (struct pp_sql_hold){.node = NODE_CHILD,
						.lock = PP_SQL_LOCK_WRITE,
						.statement = PP_NONE,
						.connection = i,
						.ns = (40 - i) * MAKER_MS,
						.end_ns = (700 + 100 * i) * MAKER_MS};
	profile->sql_holds = holds;
	profile->sql_waits = &wait;
	profile->sql_hold_count = 3;
	profile->sql_wait_count = 1;
	findings = rules_apply(profile, arena, &count);
	PP_CHECK_EQ(count, 1);
	PP_CHECK(count && strstr(findings[0].recommendation,
				 "held by 3 in turn, for the longest time by a write transaction of 40"));
	arena_destroy(arena);
	profile_destroy(profile);
}

/* ---- the table itself ---- */

PP_TEST(rows_are_complete)
{
	for (size_t i = 0; i < pp_rule_count; i++) {
		const struct pp_rule *rule = &pp_rules[i];

		PP_CHECK(rule->code && rule->family && rule->title && rule->advice && rule->example);
		PP_CHECK(strncmp(rule->code, rule->family, strlen(rule->family)) == 0);
		PP_CHECK(rule->conditions[0].comparison && rule->limit && rule->ranking && rule->evidence[0]);
		PP_CHECK(pp_metric_rows[rule->ranking].subject == rule->subject);
		for (int j = 0; j < PP_CONDITIONS_MAX && rule->conditions[j].comparison; j++)
			PP_CHECK(pp_metric_rows[rule->conditions[j].metric].subject == rule->subject);
		for (size_t j = 0; j < i; j++)
			PP_CHECK(strcmp(rule->code, pp_rules[j].code) != 0);
	}
	for (int metric = 1; metric < PP_METRIC_COUNT; metric++)
		PP_CHECK(pp_metric_rows[metric].name && *pp_metric_rows[metric].name);
}

PP_TEST(rules_are_documented)
{
	char path[4096], heading[128];
	char *text;

	golden_path(path, "docs/findings.md");
	text = golden_read(path);
	PP_CHECK(text != NULL);
	for (size_t i = 0; text && i < pp_rule_count; i++) {
		const char *section;

		snprintf(heading, sizeof(heading), "\n## %s\n", pp_rules[i].code);
		section = strstr(text, heading);
		if (!section)
			pp_test_fail(__FILE__, __LINE__, "docs/findings.md has no section \"%s\"", pp_rules[i].code);
		else if (!strstr(section, pp_rules[i].advice) || !strstr(section, pp_rules[i].example))
			pp_test_fail(__FILE__, __LINE__,
				     "docs/findings.md: %s lacks the advice or the example of the table",
				     pp_rules[i].code);
	}
	free(text);
}
