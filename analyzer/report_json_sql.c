/* SPDX-License-Identifier: Apache-2.0 */
/* The "sql" object of report -f json. One thread. */
#include "report_json.h"

#include "report_locks.h"
#include "sql_names.h"

#include <string.h>

static void totals(struct pp_json *json, const struct pp_sql_totals *sql)
{
	json_unsigned(json, "executions", sql->execution_count);
	json_unsigned(json, "rows", sql->row_count);
	json_unsigned(json, "steps", sql->step_count);
	json_unsigned(json, "total_ns", sql->ns);
	json_unsigned(json, "max_ns", sql->max_ns);
	json_unsigned(json, "nested_ns", sql->nested_ns);
	json_unsigned(json, "nested_count", sql->nested_count);
	json_unsigned(json, "prepare_count", sql->prepare_count);
	json_unsigned(json, "prepare_ns", sql->prepare_ns);
	json_unsigned(json, "reprepare_count", sql->reprepare_count);
	json_unsigned(json, "fullscan_steps", sql->fullscan_steps);
	json_unsigned(json, "vm_steps", sql->vm_steps);
	json_unsigned(json, "sorts", sql->sort_count);
	json_unsigned(json, "autoindexes", sql->autoindex_rows);
	json_metric(json, "read_bytes", sql->read_bytes);
	json_metric(json, "written_bytes", sql->written_bytes);
	json_metric(json, "syncs", sql->sync_count);
	json_metric(json, "sync_ns", sql->sync_ns);
	json_unsigned(json, "busy_count", sql->busy_count);
	json_unsigned(json, "busy_wait_count", sql->busy_wait_count);
	json_unsigned(json, "busy_ns", sql->busy_ns);
	json_unsigned(json, "error_count", sql->error_count);
	json_unsigned(json, "left_count", sql->left_count);
	json_unsigned(json, "autocommits", sql->autocommit_count);
}

static void percentiles(struct pp_json_report *report, const struct pp_sql_entry *entry)
{
	uint32_t count;
	const struct pp_io_cell *cells = sql_entry_latencies(report->model, entry, &count);

	json_metric(&report->json, "p50_ns", io_latency_percentile(cells, count, 50, entry->totals.max_ns));
	json_metric(&report->json, "p99_ns", io_latency_percentile(cells, count, 99, entry->totals.max_ns));
}

/* {"SQLITE_BUSY": 12} */
static void errors(struct pp_json_report *report, const struct pp_sql_entry *entry)
{
	struct pp_json *json = &report->json;
	uint64_t counts[PP_SQL_NAMES] = {0};

	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_sql_site *site = &report->profile->sql_sites[entry->rows[i]];

		if (sql_result_is_error(site->result) && site->result < PP_SQL_NAMES)
			counts[site->result] += site->execution_count;
	}
	json_flat_begin(json, "errors", false);
	for (uint32_t result = 0; result < PP_SQL_NAMES; result++)
		if (counts[result])
			json_unsigned(json, sql_result_name(result), counts[result]);
	json_flat_end(json, false);
}

static const char *database_path(const struct pp_json_report *report, uint32_t database)
{
	const char *path = database == PP_NONE ? NULL : report->profile->sql_databases[database].path;

	return path && !path[0] ? ":memory:" : path;
}

static const char *statement_text(const struct pp_json_report *report, uint32_t statement)
{
	return statement == PP_NONE ? NULL : report->profile->sql_statements[statement].text;
}

/* "a\nb" as ["a", "b"] */
static void lines(struct pp_json_report *report, const char *key, const char *text)
{
	struct pp_json *json = &report->json;

	json_list_begin(json, key);
	while (text && *text) {
		size_t size = strcspn(text, "\n");

		json_text(json, NULL, arena_string_sized(report->model->arena, text, size));
		text += size + (text[size] == '\n');
	}
	json_list_end(json);
}

static const char *gain_name(uint32_t gain)
{
	return gain == PP_SQL_INDEX_SEARCH ? "search" : gain == PP_SQL_INDEX_AUTOMATIC ? "automatic index" : "sort";
}

static void plan(struct pp_json_report *report, const struct pp_sql_entry *entry)
{
	const struct pp_profile *profile = report->profile;
	const struct pp_sql_planned *planned = NULL;
	struct pp_json *json = &report->json;
	uint32_t number;

	for (number = 0; number < profile->sql_planned_count && !planned; number++)
		if (entry->statement != PP_NONE && profile->sql_planned[number].statement == entry->statement &&
		    profile->sql_planned[number].database == entry->database)
			planned = &profile->sql_planned[number];
	lines(report, "plan", planned ? planned->plan : NULL);
	if (!planned)
		return;
	json_text(json, "plan_problem", planned->problem);
	json_bool(json, "plan_guessed", planned->guessed);
	json_list_begin(json, "indexes");
	for (uint32_t i = 0; i < profile->sql_index_count; i++) {
		const struct pp_sql_index *index = &profile->sql_indexes[i];

		if (index->planned + 1 != number)
			continue;
		json_object_begin(json, NULL);
		json_text(json, "index", index->index);
		json_text(json, "gain", gain_name(index->gain));
		lines(report, "plan", index->plan);
		json_object_end(json);
	}
	json_list_end(json);
}

static void statement_object(struct pp_json_report *report, const struct pp_sql_entry *entry)
{
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	json_text(json, "sql", statement_text(report, entry->statement));
	json_text(json, "database", database_path(report, entry->database));
	report_json_frame(report, entry->frame);
	totals(json, &entry->totals);
	percentiles(report, entry);
	errors(report, entry);
	plan(report, entry);
	report_json_stack(report, "stack", entry->node);
	json_object_end(json);
}

static void call_object(struct pp_json_report *report, const struct pp_sql_entry *entry)
{
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	json_text(json, "operation", sql_operation_name(entry->operation));
	json_text(json, "database", database_path(report, entry->database));
	report_json_frame(report, entry->frame);
	json_unsigned(json, "call_count", entry->totals.execution_count);
	json_unsigned(json, "amount", entry->totals.row_count);
	json_unsigned(json, "total_ns", entry->totals.ns);
	json_unsigned(json, "max_ns", entry->totals.max_ns);
	json_metric(json, "read_bytes", entry->totals.read_bytes);
	json_metric(json, "written_bytes", entry->totals.written_bytes);
	json_metric(json, "syncs", entry->totals.sync_count);
	json_metric(json, "sync_ns", entry->totals.sync_ns);
	json_unsigned(json, "busy_count", entry->totals.busy_count);
	json_unsigned(json, "busy_ns", entry->totals.busy_ns);
	errors(report, entry);
	report_json_stack(report, "stack", entry->node);
	json_object_end(json);
}

static const size_t metrics[] = {
	offsetof(struct pp_sql_entry, totals.ns),
	offsetof(struct pp_sql_entry, totals.execution_count),
	offsetof(struct pp_sql_entry, totals.row_count),
	offsetof(struct pp_sql_entry, totals.max_ns),
	offsetof(struct pp_sql_entry, totals.prepare_count),
	offsetof(struct pp_sql_entry, totals.fullscan_steps),
	offsetof(struct pp_sql_entry, totals.sync_ns),
	offsetof(struct pp_sql_entry, totals.busy_ns),
	offsetof(struct pp_sql_entry, totals.error_count),
};

static void entries_list(struct pp_json_report *report, const char *key, const struct pp_sql_entry *entries,
			 uint32_t count, void (*object)(struct pp_json_report *, const struct pp_sql_entry *))
{
	uint32_t shown, *rows = top_rows(report->model->arena, entries, sizeof(*entries), count, report->top, metrics,
					 sizeof(metrics) / sizeof(metrics[0]), &shown);

	json_list_begin(&report->json, key);
	for (uint32_t i = 0; i < shown; i++)
		object(report, &entries[rows[i]]);
	json_list_end(&report->json);
}

static void transaction_object(struct pp_json_report *report, const struct pp_sql_transaction *row)
{
	struct pp_json *json = &report->json;

	json_object_begin(json, NULL);
	json_text(json, "outcome", sql_outcome_name(row->outcome));
	json_text(json, "database", database_path(report, row->database));
	report_json_frame(report, sql_naming_frame(report->profile, row->node));
	json_unsigned(json, "count", row->count);
	json_unsigned(json, "total_ns", row->ns);
	json_unsigned(json, "max_ns", row->max_ns);
	json_unsigned(json, "begin_ns", row->begin_ns);
	json_unsigned(json, "end_ns", row->end_ns);
	json_unsigned(json, "statement_count", row->statement_count);
	json_unsigned(json, "write_count", row->write_count);
	json_unsigned(json, "max_statement_count", row->max_statement_count);
	json_unsigned(json, "syncs", row->sync_count);
	json_unsigned(json, "sync_ns", row->sync_ns);
	json_unsigned(json, "read_bytes", row->read_bytes);
	json_unsigned(json, "written_bytes", row->written_bytes);
	report_json_stack(report, "stack", row->node);
	report_json_stack(report, "end_stack", row->end_node);
	json_object_end(json);
}

static void transactions(struct pp_json_report *report)
{
	static const size_t by[] = {offsetof(struct pp_sql_transaction, ns), offsetof(struct pp_sql_transaction, count),
				    offsetof(struct pp_sql_transaction, max_ns),
				    offsetof(struct pp_sql_transaction, sync_ns)};
	const struct pp_report_model *model = report->model;
	uint32_t shown, *rows = top_rows(model->arena, model->sql_transactions, sizeof(*model->sql_transactions),
					 model->sql_transaction_count, report->top, by, 4, &shown);
	struct pp_json *json = &report->json;

	json_object_begin(json, "transactions");
	json_unsigned(json, "commits", model->sql_commit_count);
	json_unsigned(json, "rollbacks", model->sql_rollback_count);
	json_unsigned(json, "autocommits", model->sql.autocommit_count);
	json_unsigned(json, "longest_ns", model->sql_longest_ns);
	json_list_begin(json, "sites");
	for (uint32_t i = 0; i < shown; i++)
		transaction_object(report, &model->sql_transactions[rows[i]]);
	json_list_end(json);
	json_object_end(json);
}

static void databases(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;

	json_list_begin(json, "databases");
	for (uint32_t i = 0; i < report->profile->sql_database_count && (!report->top || i < report->top); i++) {
		const struct pp_sql_database *row = &report->profile->sql_databases[i];

		json_object_begin(json, NULL);
		json_text(json, "path", database_path(report, i));
		json_metric(json, "cache_hits", row->cache_hits);
		json_metric(json, "cache_misses", row->cache_misses);
		json_metric(json, "cache_writes", row->cache_writes);
		json_metric(json, "cache_spills", row->cache_spills);
		if (row->cache_hits != PP_UNKNOWN && row->cache_hits + row->cache_misses)
			json_number(json, "cache_hit_percent",
				    percent_of(row->cache_hits, row->cache_hits + row->cache_misses));
		else
			json_null(json, "cache_hit_percent");
		json_text(json, "journal_mode", row->journal_mode);
		json_text(json, "synchronous", row->synchronous);
		json_object_end(json);
	}
	json_list_end(json);
}

static void slowest(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_list_begin(json, "slowest");
	for (uint32_t i = 0; i < profile->sql_slow_count && (report->top == 0 || i < report->top); i++) {
		const struct pp_sql_slow *slow = &profile->sql_slows[i];

		json_object_begin(json, NULL);
		json_text(json, "operation", sql_operation_name(slow->operation));
		json_text(json, "sql", statement_text(report, slow->statement));
		json_text(json, "database", database_path(report, slow->database));
		json_text(json, "result", sql_result_name(slow->result));
		json_unsigned(json, "rows", slow->row_count);
		json_unsigned(json, "fullscan_steps", slow->fullscan_steps);
		json_unsigned(json, "ns", slow->ns);
		json_unsigned(json, "busy_ns", slow->busy_ns);
		json_unsigned(json, "sync_ns", slow->sync_ns);
		json_unsigned(json, "end_ns", slow->end_ns);
		json_unsigned(json, "process_id", profile->processes[slow->process].id);
		json_integer(json, "tid", profile->threads[slow->thread].tid);
		report_json_stack(report, "stack", slow->node);
		json_object_end(json);
	}
	json_list_end(json);
}

static void holder_object(struct pp_json_report *report, const struct pp_sql_hold *hold)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;

	json_object_begin(json, "holder");
	json_text(json, "lock", sql_lock_writes(hold->lock) ? "write" : "read");
	json_unsigned(json, "ns", hold->ns);
	json_unsigned(json, "end_ns", hold->end_ns);
	json_unsigned(json, "inside_ns", hold->inside_ns);
	json_unsigned(json, "process_id", profile->processes[hold->process].id);
	json_integer(json, "tid", profile->threads[hold->thread].tid);
	json_unsigned(json, "connection", hold->connection);
	json_text(json, "longest_sql", statement_text(report, hold->statement));
	json_unsigned(json, "longest_ns", hold->long_ns);
	report_json_stack(report, "stack", hold->node);
	report_json_stack(report, "end_stack", hold->end_node);
	report_json_stack(report, "longest_stack", hold->long_node);
	json_object_end(json);
}

/* Waits for locks, each with who is known to have held it. */
static void waits(struct pp_json_report *report)
{
	const struct pp_profile *profile = report->profile;
	struct pp_json *json = &report->json;
	const uint32_t *holder_of = sql_locks_match(profile, report->model->arena);

	json_list_begin(json, "waits");
	for (uint32_t i = 0; i < profile->sql_wait_count && (report->top == 0 || i < report->top); i++) {
		const struct pp_sql_wait *wait = &profile->sql_waits[i];

		json_object_begin(json, NULL);
		json_text(json, "operation", sql_operation_name(wait->operation));
		json_text(json, "sql", statement_text(report, wait->statement));
		json_text(json, "database", database_path(report, wait->database));
		json_text(json, "result", sql_result_name(wait->result));
		json_unsigned(json, "ns", wait->ns);
		json_unsigned(json, "end_ns", wait->end_ns);
		json_unsigned(json, "process_id", profile->processes[wait->process].id);
		json_integer(json, "tid", profile->threads[wait->thread].tid);
		json_unsigned(json, "connection", wait->connection);
		report_json_stack(report, "stack", wait->node);
		if (holder_of[i] == PP_NONE)
			json_null(json, "holder");
		else
			holder_object(report, &profile->sql_holds[holder_of[i]]);
		json_object_end(json);
	}
	json_list_end(json);
}

void report_json_sql(struct pp_json_report *report)
{
	struct pp_json *json = &report->json;

	if (!report->model->has_sql) {
		json_null(json, "sql");
		return;
	}
	json_object_begin(json, "sql");
	totals(json, &report->model->sql);
	json_text(json, "planner", report->profile->sql_planner);
	entries_list(report, "statements", report->model->sql_statements, report->model->sql_statement_count,
		     statement_object);
	transactions(report);
	databases(report);
	entries_list(report, "calls", report->model->sql_calls, report->model->sql_call_count, call_object);
	slowest(report);
	waits(report);
	json_object_end(json);
}
