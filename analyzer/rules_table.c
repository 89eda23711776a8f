/* SPDX-License-Identifier: Apache-2.0 */
/* The rows: metrics and rules; see rules_table.h. Constants. */
#include "rules_table.h"

const struct pp_metric_row pp_metric_rows[PP_METRIC_COUNT] = {
	[PP_METRIC_NONE] = {"", PP_SUBJECT_PROCESS, PP_UNIT_COUNT},
	[PP_METRIC_SELF_PERCENT] = {"self_percent", PP_SUBJECT_FUNCTION, PP_UNIT_PERCENT},
	[PP_METRIC_TOTAL_PERCENT] = {"total_percent", PP_SUBJECT_FUNCTION, PP_UNIT_PERCENT},
	[PP_METRIC_SELF_NS] = {"self_ns", PP_SUBJECT_FUNCTION, PP_UNIT_NS},
	[PP_METRIC_SELF_SAMPLES] = {"sample_count", PP_SUBJECT_FUNCTION, PP_UNIT_COUNT},
	[PP_METRIC_ALLOCATION_COUNT] = {"allocation_count", PP_SUBJECT_HEAP_SITE, PP_UNIT_COUNT},
	[PP_METRIC_ALLOCATED_BYTES] = {"allocated_bytes", PP_SUBJECT_HEAP_SITE, PP_UNIT_BYTES},
	[PP_METRIC_ALLOCATION_RANK] = {"allocation_rank", PP_SUBJECT_HEAP_SITE, PP_UNIT_COUNT},
	[PP_METRIC_ALLOCATION_PERCENT] = {"allocation_percent", PP_SUBJECT_HEAP_SITE, PP_UNIT_PERCENT},
	[PP_METRIC_TEMPORARY_COUNT] = {"temporary_count", PP_SUBJECT_HEAP_SITE, PP_UNIT_COUNT},
	[PP_METRIC_TEMPORARY_PERCENT] = {"temporary_percent", PP_SUBJECT_HEAP_SITE, PP_UNIT_PERCENT},
	[PP_METRIC_LIVE_BYTES] = {"live_bytes", PP_SUBJECT_HEAP_SITE, PP_UNIT_BYTES},
	[PP_METRIC_LIVE_COUNT] = {"live_count", PP_SUBJECT_HEAP_SITE, PP_UNIT_COUNT},
	[PP_METRIC_LIVE_PERCENT] = {"live_percent", PP_SUBJECT_HEAP_SITE, PP_UNIT_PERCENT},
	[PP_METRIC_GROWING_PERCENT] = {"growing_percent", PP_SUBJECT_HEAP_SITE, PP_UNIT_PERCENT},
	[PP_METRIC_GROWTH_FACTOR] = {"growth_factor", PP_SUBJECT_HEAP_SITE, PP_UNIT_FACTOR},
	[PP_METRIC_LOST_COUNT] = {"lost_count", PP_SUBJECT_PROCESS, PP_UNIT_COUNT},
	[PP_METRIC_LOST_PERCENT] = {"lost_percent", PP_SUBJECT_PROCESS, PP_UNIT_PERCENT},
	[PP_METRIC_CPU_NS] = {"cpu_ns", PP_SUBJECT_PROCESS, PP_UNIT_NS},
	[PP_METRIC_UNSAMPLED_PERCENT] = {"unsampled_percent", PP_SUBJECT_PROCESS, PP_UNIT_PERCENT},
};

const struct pp_rule pp_rules[] = {
	{
		.code = "cpu-dominant-function",
		.family = "cpu",
		.severity = PP_SEVERITY_MEDIUM,
		.subject = PP_SUBJECT_FUNCTION,
		/* Fifty samples: below that a share of 30 % may be 20 % by chance. */
		.conditions = {{PP_METRIC_SELF_PERCENT, PP_AT_LEAST, 30}, {PP_METRIC_SELF_SAMPLES, PP_AT_LEAST, 50}},
		.raise = {PP_METRIC_SELF_PERCENT, PP_AT_LEAST, 60},
		.ranking = PP_METRIC_SELF_PERCENT,
		.limit = 2,
		.potential = PP_METRIC_SELF_PERCENT,
		.evidence = {PP_METRIC_SELF_PERCENT, PP_METRIC_TOTAL_PERCENT, PP_METRIC_SELF_NS,
			     PP_METRIC_SELF_SAMPLES},
		.title = "{self_percent} of the CPU time is spent in {subject} itself",
		.advice = "Look at its hottest lines first: fewer calls, a better algorithm or data that lie closer "
			  "together pay here and hardly anywhere else.",
		.example = "A simulation whose inner loop computes every distance anew: one function holds 70 % of the "
			   "samples.",
	},
	{
		.code = "heap-temporary-allocations",
		.family = "heap",
		.severity = PP_SEVERITY_MEDIUM,
		.subject = PP_SUBJECT_HEAP_SITE,
		.conditions = {{PP_METRIC_ALLOCATION_RANK, PP_AT_MOST, 1},
			       {PP_METRIC_TEMPORARY_COUNT, PP_AT_LEAST, 1000},
			       {PP_METRIC_TEMPORARY_PERCENT, PP_AT_LEAST, 50},
			       {PP_METRIC_ALLOCATION_PERCENT, PP_AT_LEAST, 10}},
		.raise = {PP_METRIC_TEMPORARY_COUNT, PP_AT_LEAST, 1000000},
		.ranking = PP_METRIC_TEMPORARY_COUNT,
		.limit = 1,
		.potential = PP_METRIC_NONE,
		.evidence = {PP_METRIC_TEMPORARY_COUNT, PP_METRIC_TEMPORARY_PERCENT, PP_METRIC_ALLOCATION_COUNT,
			     PP_METRIC_ALLOCATION_PERCENT, PP_METRIC_ALLOCATED_BYTES},
		.title = "{temporary_percent} of the {allocation_count} allocations at {subject} are temporary",
		.advice =
			"No site allocates more often, and what it allocates is freed at once: reserve the space once, "
			"reuse a buffer, or keep the value on the stack.",
		.example = "for (...) { std::string key = prefix + name; total += table[key]; } builds and drops a "
			   "string in every turn.",
	},
	{
		.code = "heap-unfreed-growth",
		.family = "heap",
		.severity = PP_SEVERITY_MEDIUM,
		.subject = PP_SUBJECT_HEAP_SITE,
		.conditions = {{PP_METRIC_LIVE_BYTES, PP_AT_LEAST, 65536},
			       {PP_METRIC_LIVE_PERCENT, PP_AT_LEAST, 5},
			       {PP_METRIC_GROWING_PERCENT, PP_AT_LEAST, 75},
			       {PP_METRIC_GROWTH_FACTOR, PP_AT_LEAST, 1.5}},
		.raise = {PP_METRIC_LIVE_PERCENT, PP_AT_LEAST, 50},
		.ranking = PP_METRIC_LIVE_BYTES,
		.limit = 3,
		.potential = PP_METRIC_LIVE_PERCENT,
		.evidence = {PP_METRIC_LIVE_BYTES, PP_METRIC_LIVE_COUNT, PP_METRIC_LIVE_PERCENT,
			     PP_METRIC_GROWING_PERCENT, PP_METRIC_GROWTH_FACTOR},
		.title = "memory from {subject} grows through the whole run: {live_bytes} never freed",
		.advice = "Memory that rises as long as the program runs is a leak, or a cache without a bound: find "
			  "who should free these blocks, or limit how many are kept.",
		.example = "A server that appends every request to a history that nothing ever shortens.",
	},
	{
		.code = "coverage-events-lost",
		.family = "coverage",
		.severity = PP_SEVERITY_LOW,
		.subject = PP_SUBJECT_PROCESS,
		.conditions = {{PP_METRIC_LOST_COUNT, PP_AT_LEAST, 1}},
		.raise = {PP_METRIC_LOST_PERCENT, PP_AT_LEAST, 1},
		.ranking = PP_METRIC_LOST_COUNT,
		.limit = 1,
		.potential = PP_METRIC_NONE,
		.evidence = {PP_METRIC_LOST_COUNT, PP_METRIC_LOST_PERCENT},
		.title = "{lost_count} events of {subject} were lost: its counts are too low",
		.advice =
			"Record again with FULL_PIPE=block (the default), or give the analyzer a processor of its own.",
		.example = "PREPROF_FULL_PIPE=drop with several threads that allocate without pause on one processor.",
	},
	{
		.code = "coverage-cpu-unsampled",
		.family = "coverage",
		.severity = PP_SEVERITY_LOW,
		.subject = PP_SUBJECT_PROCESS,
		.conditions = {{PP_METRIC_CPU_NS, PP_AT_LEAST, 5e8}, {PP_METRIC_UNSAMPLED_PERCENT, PP_AT_LEAST, 15}},
		.raise = {PP_METRIC_UNSAMPLED_PERCENT, PP_AT_LEAST, 50},
		.ranking = PP_METRIC_CPU_NS,
		.limit = 1,
		.potential = PP_METRIC_NONE,
		.evidence = {PP_METRIC_UNSAMPLED_PERCENT, PP_METRIC_CPU_NS},
		.title = "no sample stands for {unsampled_percent} of the CPU time of {subject}",
		.advice = "The shares of functions may mislead: the coverage lines say which threads could not be "
			  "sampled and why.",
		.example = "A program whose threads block every signal, as some runtimes' workers do.",
	},
};

const size_t pp_rule_count = sizeof(pp_rules) / sizeof(pp_rules[0]);
