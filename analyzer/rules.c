/* SPDX-License-Identifier: Apache-2.0 */
/* Applying the rules of rules_table.c to a profile; see rules.h. One thread; the profile is only read. */
#include "rules_table.h"

#include "report_model.h"
#include "report_text.h"
#include "rules_descriptors.h"
#include "rules_io.h"
#include "rules_sql.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct subject {
	enum pp_subject_kind kind;
	uint32_t index; /* of model->functions, model->places, profile->processes */
};

struct engine {
	const struct pp_profile *profile;
	struct pp_report_model *model;
	struct pp_arena *arena;	   /* of the findings */
	uint64_t most_allocations; /* of one place */
	struct pp_sql_subjects sql;
	struct pp_left_open *left_open;
	uint32_t left_open_count;
};

const char *severity_name(enum pp_severity severity)
{
	return severity == PP_SEVERITY_HIGH ? "high" : severity == PP_SEVERITY_MEDIUM ? "medium" : "low";
}

/* ---- metrics ---- */

static double function_metric(const struct engine *engine, const struct pp_cpu_entry *entry, enum pp_metric metric)
{
	if (profile_frame_is_own(engine->profile, entry->frame)) /* nothing that the user could mend */
		return NAN;
	switch (metric) {
	case PP_METRIC_SELF_PERCENT:
		return metric_share(entry->self_ns, engine->model->cpu.total_ns);
	case PP_METRIC_TOTAL_PERCENT:
		return metric_share(entry->total_ns, engine->model->cpu.total_ns);
	case PP_METRIC_SELF_NS:
		return metric_number(entry->self_ns);
	case PP_METRIC_SELF_SAMPLES:
		return metric_number(entry->self_count);
	default:
		return NAN;
	}
}

#define GROWTH_SLICES 15

/* Bins of the whole run, the quiet ones at its end included. */
static uint32_t run_bins(const struct engine *engine)
{
	uint64_t bin_ns = engine->profile->bin_ns, bins = engine->model->bin_count;

	if (bin_ns && bin_ns != PP_UNKNOWN && engine->profile->wall_ns != PP_UNKNOWN &&
	    engine->profile->wall_ns / bin_ns > bins)
		bins = engine->profile->wall_ns / bin_ns;
	return bins < PP_BIN_LIMIT ? (uint32_t)bins : PP_BIN_LIMIT;
}

/* Bytes of a site that are live at the end of each of GROWTH_SLICES equal parts of the run, its first fifth left out;
 * live[0] is at the end of that. False when the run is too short to tell. */
static bool growth_slices(const struct engine *engine, const struct pp_heap_site *site, int64_t live[GROWTH_SLICES + 1])
{
	const struct pp_profile *profile = engine->profile;
	uint64_t bins = run_bins(engine), warm_up = bins / 5;

	memset(live, 0, (GROWTH_SLICES + 1) * sizeof(*live));
	if (bins < 10)
		return false;
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_mem_site *part = &profile->mem_sites[i];

		if (engine->model->place_of[part->node] != site->place)
			continue;
		for (uint32_t j = 0; j < part->bin_count; j++) {
			const struct pp_mem_bin *bin = &part->bins[j];
			uint64_t slice =
				bin->bin < warm_up ? 0 : 1 + (bin->bin - warm_up) * GROWTH_SLICES / (bins - warm_up);

			if (slice <= GROWTH_SLICES)
				live[slice] += (int64_t)(bin->allocated_bytes - bin->freed_bytes);
		}
	}
	for (int i = 1; i <= GROWTH_SLICES; i++)
		live[i] += live[i - 1];
	return true;
}

static double growth_metric(const struct engine *engine, const struct pp_heap_site *site, enum pp_metric metric)
{
	int64_t live[GROWTH_SLICES + 1];
	/* Fewer bins than slices leave some slices empty: they can't rise. */
	uint32_t bins = run_bins(engine) - run_bins(engine) / 5;
	uint32_t slices = bins < GROWTH_SLICES ? bins : GROWTH_SLICES, rising = 0;

	if (!growth_slices(engine, site, live))
		return NAN;
	for (int i = 1; i <= GROWTH_SLICES; i++)
		rising += live[i] > live[i - 1];
	if (metric == PP_METRIC_GROWING_PERCENT)
		return percent_of(rising, slices);
	return live[0] > 0 ? (double)live[GROWTH_SLICES] / (double)live[0] : live[GROWTH_SLICES] > 0 ? 1e6 : NAN;
}

static double site_metric(const struct engine *engine, const struct pp_heap_site *site, enum pp_metric metric)
{
	const struct pp_mem_totals *heap = &engine->model->heap;

	switch (metric) {
	case PP_METRIC_ALLOCATION_COUNT:
		return metric_number(site->allocation_count);
	case PP_METRIC_ALLOCATED_BYTES:
		return metric_number(site->allocated_bytes);
	case PP_METRIC_ALLOCATION_RANK:
		return site->allocation_count >= engine->most_allocations ? 1 : NAN;
	case PP_METRIC_ALLOCATION_PERCENT:
		return metric_share(site->allocation_count, heap->allocation_count);
	case PP_METRIC_TEMPORARY_COUNT:
		return metric_number(site->temporary_count);
	case PP_METRIC_TEMPORARY_PERCENT:
		return metric_share(site->temporary_count, site->allocation_count);
	case PP_METRIC_LIVE_BYTES:
		return metric_number(site->live_bytes);
	case PP_METRIC_LIVE_COUNT:
		return metric_number(site->live_count);
	case PP_METRIC_LIVE_PERCENT:
		return metric_share(site->live_bytes, heap->live_bytes);
	case PP_METRIC_GROWING_PERCENT:
	case PP_METRIC_GROWTH_FACTOR:
		return growth_metric(engine, site, metric);
	default:
		return NAN;
	}
}

static double process_metric(const struct pp_process *process, enum pp_metric metric)
{
	switch (metric) {
	case PP_METRIC_LOST_COUNT:
		return metric_number(process->lost_count);
	case PP_METRIC_LOST_PERCENT:
		return metric_share(process->lost_count, metric_add(process->event_count, process->lost_count));
	case PP_METRIC_CPU_NS:
		return metric_number(process->cpu_ns);
	case PP_METRIC_UNSAMPLED_PERCENT:
		if (process->sample_period_ns == 0 || process->sample_period_ns == PP_UNKNOWN)
			return NAN;
		return 100 - metric_share(process->sampled_ns, process->cpu_ns);
	default:
		return NAN;
	}
}

/* What of a row the finding is about: by the metric that ranks it. */
static uint64_t row_weight(const struct pp_io_site *site, enum pp_metric ranking)
{
	enum pp_io_group group = io_operation_group(site->operation);

	switch (ranking) {
	case PP_METRIC_AGAIN_WALL_PERCENT:
		/* Of what only the whole tree has read again no stack has any: then who reads longest. */
		if (site->reread_bytes && site->reread_bytes != PP_UNKNOWN)
			return site->reread_bytes | UINT64_C(1) << 62;
		return group == PP_IO_GROUP_READ ? site->ns + 1 : 0;
	case PP_METRIC_SEEK_NS:
		return group == PP_IO_GROUP_SEEK ? site->ns + 1 : 0;
	case PP_METRIC_OPEN_NS:
		return group == PP_IO_GROUP_OPEN ? site->ns + 1 : 0;
	case PP_METRIC_NAMES_NS:
		return io_operation_asks(site->operation) ? site->ns + 1 : 0;
	default:
		return io_group_moves(group) ? site->ns + 1 : 0;
	}
}

/* The stack that has most of it; where no row has any, the one that spends most time. */
static uint32_t io_entry_node(const struct engine *engine, const struct pp_io_entry *entry, enum pp_metric ranking)
{
	uint64_t most = 0, longest = 0;
	uint32_t node = entry->node, long_node = PP_NONE;

	if (entry->node != PP_NONE)
		return entry->node;
	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_io_site *site = &engine->profile->io_sites[entry->rows[i]];
		uint64_t weight = row_weight(site, ranking);

		if (engine->model->io_by_sqlite[entry->rows[i]])
			continue;
		if (weight > most) {
			most = weight;
			node = site->node;
		}
		if (long_node == PP_NONE || site->ns > longest) {
			longest = site->ns;
			long_node = site->node;
		}
	}
	return node == PP_NONE ? long_node : node;
}

/* What nobody knows is nothing to mend, and a terminal waits for its user. */
static bool io_file_counts(const struct engine *engine, const struct pp_io_entry *entry)
{
	return entry->file != PP_NONE &&
	       strcmp(io_kind_name(engine->profile->io_files[entry->file].kind), "tty") != 0;
}

static const char *io_file_name(const struct engine *engine, const struct pp_io_entry *entry)
{
	const char *path = entry->file == PP_NONE ? NULL : engine->profile->io_files[entry->file].path;

	return path ? path : "an unknown file";
}

static double subject_metric(const struct engine *engine, struct subject subject, enum pp_metric metric)
{
	switch (subject.kind) {
	case PP_SUBJECT_FUNCTION:
		return function_metric(engine, &engine->model->functions[subject.index], metric);
	case PP_SUBJECT_HEAP_SITE:
		return site_metric(engine, &engine->model->places[subject.index], metric);
	case PP_SUBJECT_PROCESS:
		return process_metric(&engine->profile->processes[subject.index], metric);
	case PP_SUBJECT_IO_SITE:
		return io_site_metric(engine->profile, engine->model, &engine->model->io_places[subject.index].judged,
				      metric);
	case PP_SUBJECT_IO_FILE:
		if (!io_file_counts(engine, &engine->model->io_files[subject.index]))
			return NAN;
		return io_file_metric(engine->profile, &engine->model->io_files[subject.index].judged, metric);
	case PP_SUBJECT_SQL_STATEMENT:
		return sql_statement_metric(engine->profile, &engine->sql.statements[subject.index], metric);
	case PP_SUBJECT_SQL_STACK:
		return sql_stack_metric(engine->profile, &engine->sql.stacks[subject.index], metric);
	case PP_SUBJECT_SQL_SPAN:
		return sql_span_metric(engine->profile, &engine->sql.spans[subject.index], metric);
	case PP_SUBJECT_SQL_KEEPER:
		return sql_keeper_metric(engine->profile, &engine->sql.keepers[subject.index], metric);
	case PP_SUBJECT_THREAD:
		return thread_metric(engine->profile, engine->model, &engine->profile->threads[subject.index], metric);
	case PP_SUBJECT_LEFT_OPEN:
		return left_open_metric(engine->profile, &engine->left_open[subject.index], metric);
	}
	return NAN;
}

static uint32_t subject_count(const struct engine *engine, enum pp_subject_kind kind)
{
	switch (kind) {
	case PP_SUBJECT_FUNCTION:
		return engine->model->has_cpu ? engine->model->function_count : 0;
	case PP_SUBJECT_HEAP_SITE:
		return engine->model->has_heap ? engine->model->place_site_count : 0;
	case PP_SUBJECT_PROCESS:
		return engine->profile->process_count;
	case PP_SUBJECT_IO_SITE:
		return engine->model->io_place_count;
	case PP_SUBJECT_IO_FILE:
		return engine->model->io_file_count;
	case PP_SUBJECT_SQL_STATEMENT:
		return engine->sql.statement_count;
	case PP_SUBJECT_SQL_STACK:
		return engine->sql.stack_count;
	case PP_SUBJECT_SQL_SPAN:
		return engine->sql.span_count;
	case PP_SUBJECT_SQL_KEEPER:
		return engine->sql.keeper_count;
	case PP_SUBJECT_THREAD:
		return engine->model->has_io ? engine->profile->thread_count : 0;
	case PP_SUBJECT_LEFT_OPEN:
		return engine->left_open_count;
	}
	return 0;
}

/* ---- from a subject to a finding ---- */

static bool condition_holds(const struct engine *engine, struct subject subject, const struct pp_condition *condition)
{
	double value = subject_metric(engine, subject, condition->metric);

	/* NaN compares false */
	return condition->comparison == PP_AT_LEAST  ? value >= condition->threshold
	       : condition->comparison == PP_AT_MOST ? value <= condition->threshold
						     : false;
}

static bool rule_holds(const struct engine *engine, const struct pp_rule *rule, struct subject subject)
{
	for (int i = 0; i < PP_CONDITIONS_MAX && rule->conditions[i].comparison; i++)
		if (!condition_holds(engine, subject, &rule->conditions[i]))
			return false;
	return true;
}

/* So that a title fits one line of the summary. */
#define PP_SUBJECT_COLUMNS 34

static const char *sql_text(const struct engine *engine, uint32_t statement)
{
	const char *text = engine->profile->sql_statements[statement].text;

	return text ? text : "an unknown statement";
}

/* "__strcmp_evex for parse": nobody can mend a library's function, but the line that calls it. */
static const char *function_name(const struct engine *engine, const struct pp_cpu_entry *entry, char *buffer)
{
	char name[PP_TEXT_LINE], fitted[PP_TEXT_LINE], user[PP_TEXT_LINE];

	if (entry->user_frame == PP_NONE)
		return text_fit_function(buffer, frame_name(engine->profile, entry->frame, name), PP_SUBJECT_COLUMNS);
	text_fit_function(fitted, frame_name(engine->profile, entry->frame, name), PP_SUBJECT_COLUMNS / 2 + 2);
	text_fit_function(user, frame_name(engine->profile, entry->user_frame, name), PP_SUBJECT_COLUMNS / 2 + 2);
	snprintf(buffer, PP_TEXT_LINE, "%.200s for %.200s", fitted, user);
	return buffer;
}

static uint32_t subject_node(const struct engine *engine, struct subject subject, enum pp_metric ranking)
{
	switch (subject.kind) {
	case PP_SUBJECT_HEAP_SITE:
		return engine->model->places[subject.index].node;
	case PP_SUBJECT_IO_SITE:
		return engine->model->io_places[subject.index].node;
	case PP_SUBJECT_IO_FILE:
		return io_entry_node(engine, &engine->model->io_files[subject.index], ranking);
	case PP_SUBJECT_SQL_STATEMENT:
		return engine->sql.statements[subject.index].node;
	case PP_SUBJECT_SQL_STACK:
		return engine->sql.stacks[subject.index].node;
	case PP_SUBJECT_SQL_SPAN:
		return engine->sql.spans[subject.index].end_node;
	case PP_SUBJECT_SQL_KEEPER:
		return sql_keeper_node(engine->profile, &engine->sql.keepers[subject.index]);
	case PP_SUBJECT_LEFT_OPEN:
		return engine->left_open[subject.index].node;
	default:
		return PP_NONE;
	}
}

static const char *subject_name(const struct engine *engine, struct subject subject, char *buffer)
{
	char name[PP_TEXT_LINE];
	const struct pp_process *process;

	switch (subject.kind) {
	case PP_SUBJECT_FUNCTION:
		return function_name(engine, &engine->model->functions[subject.index], buffer);
	case PP_SUBJECT_HEAP_SITE:
		return text_fit_function(buffer,
					 frame_name(engine->profile, engine->model->places[subject.index].frame, name),
					 PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_PROCESS:
		process = &engine->profile->processes[subject.index];
		snprintf(name, sizeof(name), "%.200s (pid %d)",
			 process->executable ? path_base(process->executable) : "a process", process->pid);
		return text_fit(buffer, name, PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_IO_SITE:
		return text_fit_function(buffer,
					 frame_name(engine->profile, engine->model->io_places[subject.index].frame,
						    name),
					 PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_LEFT_OPEN:
		return text_fit_function(buffer,
					 frame_name(engine->profile,
						    engine->model->user_of[engine->left_open[subject.index].node],
						    name),
					 PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_THREAD:
		snprintf(name, sizeof(name), "thread %s (%d)", engine->profile->threads[subject.index].name,
			 engine->profile->threads[subject.index].tid);
		return text_fit(buffer, name, PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_IO_FILE:
		return text_fit(buffer, io_file_name(engine, &engine->model->io_files[subject.index]),
				PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_SQL_STATEMENT:
		return text_fit(buffer, sql_text(engine, engine->sql.statements[subject.index].statement),
				PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_SQL_STACK:
		return text_fit(buffer, sql_text(engine, engine->sql.stacks[subject.index].statement),
				PP_SUBJECT_COLUMNS);
	case PP_SUBJECT_SQL_SPAN:
	case PP_SUBJECT_SQL_KEEPER:
		return text_fit_function(buffer,
					 frame_name(engine->profile,
						    sql_naming_frame(engine->profile,
								     subject_node(engine, subject, PP_METRIC_NONE)),
						    name),
					 PP_SUBJECT_COLUMNS);
	}
	return "";
}

static const char *metric_text(const struct pp_metric_row *row, double value, char *buffer)
{
	uint64_t whole = isfinite(value) && value >= 0 && value < 1e19 ? (uint64_t)value : PP_UNKNOWN;

	switch (row->unit) {
	case PP_UNIT_COUNT:
		return text_count(buffer, whole);
	case PP_UNIT_BYTES:
		return text_bytes(buffer, whole);
	case PP_UNIT_NS:
		return text_duration(buffer, whole);
	case PP_UNIT_PERCENT:
		snprintf(buffer, PP_TEXT_NUMBER, value < 9.95 || (value >= 99.5 && value < 100) ? "%.1f%%" : "%.0f%%",
			 value);
		return buffer;
	case PP_UNIT_FACTOR:
		snprintf(buffer, PP_TEXT_NUMBER, value < 100 ? "%.1f" : "%.0f", value);
		return buffer;
	}
	return "";
}

/* What {name} stands for: "subject" or a metric. NULL: neither, a fault of the table that a test finds. */
static const char *placeholder_text(const struct engine *engine, struct subject subject, const char *name,
				    size_t length, char *buffer)
{
	if (length == 7 && memcmp(name, "subject", 7) == 0)
		return subject_name(engine, subject, buffer);
	if (length == 4 && memcmp(name, "fate", 4) == 0) /* of live blocks */
		return engine->model->coverage->saw_the_end ? "never freed" : "live when the recording ended";
	if (subject.kind == PP_SUBJECT_SQL_STATEMENT) {
		const char *words = sql_statement_words(engine->profile, &engine->sql.statements[subject.index], name,
							length, buffer, PP_TEXT_LINE);

		if (words)
			return words;
	}
	if (subject.kind == PP_SUBJECT_SQL_STACK || subject.kind == PP_SUBJECT_SQL_KEEPER) {
		const char *words =
			subject.kind == PP_SUBJECT_SQL_STACK
				? sql_stack_words(engine->profile, &engine->sql, &engine->sql.stacks[subject.index],
						  name, length, buffer, PP_TEXT_LINE)
				: sql_keeper_words(engine->profile, &engine->sql.keepers[subject.index], name, length,
						   buffer, PP_TEXT_LINE);

		if (words)
			return words;
	}
	for (int metric = 1; metric < PP_METRIC_COUNT; metric++) {
		const struct pp_metric_row *row = &pp_metric_rows[metric];

		if (row->subject == subject.kind && strlen(row->name) == length && memcmp(row->name, name, length) == 0)
			return metric_text(row, subject_metric(engine, subject, (enum pp_metric)metric), buffer);
	}
	return NULL;
}

static char *template_fill(const struct engine *engine, struct subject subject, const char *template)
{
	char text[4 * PP_TEXT_LINE], buffer[PP_TEXT_LINE];
	size_t used = 0;

	while (*template && used + 1 < sizeof(text)) {
		const char *end = *template == '{' ? strchr(template, '}') : NULL;
		const char *value =
			end ? placeholder_text(engine, subject, template + 1, (size_t)(end - template - 1), buffer)
			    : NULL;
		int length;

		if (!value) {
			text[used++] = *template ++;
			continue;
		}
		length = snprintf(text + used, sizeof(text) - used, "%s", value);
		used += (size_t)length < sizeof(text) - used ? (size_t)length : sizeof(text) - used - 1;
		template = end + 1;
	}
	return arena_string_sized(engine->arena, text, used);
}

static const char *subject_sql(const struct engine *engine, struct subject subject)
{
	switch (subject.kind) {
	case PP_SUBJECT_SQL_STATEMENT:
		return sql_text(engine, engine->sql.statements[subject.index].statement);
	case PP_SUBJECT_SQL_STACK:
		return sql_text(engine, engine->sql.stacks[subject.index].statement);
	default:
		return NULL;
	}
}

static struct pp_finding finding_make(const struct engine *engine, const struct pp_rule *rule, struct subject subject)
{
	struct pp_evidence *evidence = arena_array(engine->arena, PP_EVIDENCE_MAX, sizeof(*evidence));
	struct pp_finding finding = {
		.id = rule->code,
		.category = rule->family,
		.severity = rule->severity,
		.title = template_fill(engine, subject, rule->title),
		.evidence = evidence,
		.node = subject_node(engine, subject, rule->ranking),
		.frame = subject.kind == PP_SUBJECT_FUNCTION ? engine->model->functions[subject.index].frame : PP_NONE,
		.recommendation = template_fill(engine, subject, rule->advice),
		.sql = subject_sql(engine, subject),
		.potential_percent = rule->potential ? subject_metric(engine, subject, rule->potential) : NAN,
	};

	if (rule->severity < PP_SEVERITY_HIGH && condition_holds(engine, subject, &rule->raise))
		finding.severity = (enum pp_severity)(rule->severity + 1);
	for (int i = 0; i < PP_EVIDENCE_MAX && rule->evidence[i]; i++)
		evidence[finding.evidence_count++] =
			(struct pp_evidence){pp_metric_rows[rule->evidence[i]].name,
					     subject_metric(engine, subject, rule->evidence[i])};
	return finding;
}

/* ---- the rules, one after the other ---- */

struct candidate {
	struct subject subject;
	double rank;
};

static int candidate_compare(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? 1 : -1;
	return a->subject.index < b->subject.index ? -1 : a->subject.index > b->subject.index;
}

static uint32_t rule_apply(const struct engine *engine, const struct pp_rule *rule, struct pp_finding *findings)
{
	uint32_t count = subject_count(engine, rule->subject), held = 0;
	struct candidate *candidates = arena_array(engine->model->arena, count, sizeof(*candidates));

	for (uint32_t i = 0; i < count; i++) {
		struct subject subject = {rule->subject, i};

		if (rule_holds(engine, rule, subject))
			candidates[held++] =
				(struct candidate){subject, subject_metric(engine, subject, rule->ranking)};
	}
	qsort(candidates, held, sizeof(*candidates), candidate_compare);
	if (held > rule->limit)
		held = rule->limit;
	for (uint32_t i = 0; i < held; i++)
		findings[i] = finding_make(engine, rule, candidates[i].subject);
	return held;
}

/* Insertion keeps the order of the rules among equals; there are few. */
static void findings_sort(struct pp_finding *findings, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct pp_finding moved = findings[i];
		uint32_t at = i;

		for (; at > 0 && findings[at - 1].severity < moved.severity; at--)
			findings[at] = findings[at - 1];
		findings[at] = moved;
	}
}

struct pp_finding *rules_apply_model(struct pp_report_model *model, struct pp_arena *arena, uint32_t *count)
{
	struct engine engine = {.profile = model->profile, .model = model, .arena = arena};
	struct pp_finding *findings;
	uint32_t limit = 0;

	for (uint32_t i = 0; i < model->place_site_count; i++)
		if (model->places[i].allocation_count > engine.most_allocations)
			engine.most_allocations = model->places[i].allocation_count;
	for (size_t i = 0; i < pp_rule_count; i++)
		limit += pp_rules[i].limit;
	findings = arena_array(arena, limit, sizeof(*findings));
	engine.left_open = left_open_make(model, &engine.left_open_count);
	sql_subjects_make(model->profile, model->arena, &engine.sql);
	*count = 0;
	for (size_t i = 0; i < pp_rule_count; i++)
		*count += rule_apply(&engine, &pp_rules[i], findings + *count);
	findings_sort(findings, *count);
	return findings;
}

struct pp_finding *rules_apply(const struct pp_profile *profile, struct pp_arena *arena, uint32_t *count)
{
	struct pp_report_model *model = report_model_create(profile);
	struct pp_finding *findings = rules_apply_model(model, arena, count);

	report_model_destroy(model);
	return findings;
}
