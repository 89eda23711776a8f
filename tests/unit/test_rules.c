/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: each row of the table finds what it is for and nothing else, has words, an example, a section in
 * docs/findings.md and a golden file. */
#include "test.h"

#include "golden.h"
#include "rule_profiles.h"
#include "rules_table.h"

#include <math.h>

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
