/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite in the text report and in the summary. One thread. */
#include "report_text.h"

#include "report_locks.h"
#include "sql_names.h"

#include <inttypes.h>
#include <string.h>

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void sql_headline(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	const struct pp_sql_totals *sql = &model->sql;
	uint64_t transactions = model->sql_commit_count + model->sql_rollback_count + sql->autocommit_count;
	char runs[PP_TEXT_NUMBER], rows[PP_TEXT_NUMBER], time[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER];
	char syncs[96] = "", busy[96] = "", failed[64] = "", wrote[96] = "";

	if (sql->sync_count != PP_UNKNOWN && sql->sync_count)
		snprintf(syncs, sizeof(syncs), ", synced %s time%s in %s", text_count(count, sql->sync_count),
			 plural(sql->sync_count), text_duration(time, sql->sync_ns));
	if (sql->busy_ns)
		snprintf(busy, sizeof(busy), ", waited %s for locks", text_duration(time, sql->busy_ns));
	if (sql->error_count)
		snprintf(failed, sizeof(failed), ", %s failed", text_count(count, sql->error_count));
	if (transactions)
		snprintf(wrote, sizeof(wrote), "; %s transaction%s%s%s", text_count(count, transactions),
			 plural(transactions), syncs, busy);
	text_headline(report, "SQL", "%s execution%s, %s row%s in %s%s%s",
		      text_count(runs, sql->execution_count), plural(sql->execution_count),
		      text_count(rows, sql->row_count), plural(sql->row_count), text_duration(time, sql->ns), failed,
		      transactions ? wrote : busy);
}

static const char *statement_text(const struct pp_text_report *report, uint32_t statement)
{
	const char *text = statement == PP_NONE ? NULL : report->profile->sql_statements[statement].text;

	return text ? text : "(text unknown)";
}

static const char *database_path(const struct pp_text_report *report, uint32_t database)
{
	const char *path = database == PP_NONE ? NULL : report->profile->sql_databases[database].path;

	return !path ? "(unknown)" : path[0] ? path : "(in memory)";
}

static void faint(const struct pp_text_report *report, const char *words)
{
	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "%s\n", words);
	text_style(&report->text, PP_STYLE_PLAIN);
}

#define SQL_ROW_COLUMNS 40

/* "SCAN orders" below the statement. */
static void plan_lines(const struct pp_text_report *report, const struct pp_sql_planned *planned)
{
	char fitted[PP_TEXT_LINE];

	for (const char *at = planned->plan; at && *at;) {
		size_t size = strcspn(at, "\n");
		char *line = arena_string_sized(report->model->arena, at, size);

		fprintf(report->text.file, "    %s\n", text_fit(fitted, line, report->text.columns - 4));
		at += size + (at[size] == '\n');
	}
	if (planned->problem)
		fprintf(report->text.file, "    no plan: %s\n", planned->problem);
}

static void plan_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_profile *profile = report->profile;
	char fitted[PP_TEXT_LINE], version[64] = "";

	snprintf(version, sizeof(version), "  on copies of the schemas, by SQLite %s",
		 profile->sql_planner ? profile->sql_planner : "of unknown version");
	faint(report, version);
	for (uint32_t i = 0; i < profile->sql_planned_count && i < rows; i++) {
		const struct pp_sql_planned *planned = &profile->sql_planned[i];

		fprintf(report->text.file, "  %s\n",
			text_fit(fitted, statement_text(report, planned->statement), report->text.columns - 2));
		plan_lines(report, planned);
		for (uint32_t j = 0; j < profile->sql_index_count; j++)
			if (profile->sql_indexes[j].planned == i)
				fprintf(report->text.file, "    with %s\n",
					text_fit(fitted, profile->sql_indexes[j].index, report->text.columns - 9));
	}
}

static void site_line(const struct pp_text_report *report, const struct pp_sql_entry *entry)
{
	const struct pp_heap_site site = {.node = entry->node, .frame = entry->frame};

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "%*s", SQL_ROW_COLUMNS + 2, "");
	text_site(report, &site, report->text.columns - SQL_ROW_COLUMNS - 2);
	text_style(&report->text, PP_STYLE_PLAIN);
}

static void statement_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char time[PP_TEXT_NUMBER], runs[PP_TEXT_NUMBER], got[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	faint(report, "       time         runs         rows  statement");
	for (uint32_t i = 0; i < model->sql_statement_count && i < rows; i++) {
		const struct pp_sql_entry *entry = &model->sql_statements[i];

		fprintf(report->text.file, "  %9s  %11s  %11s  %s\n", text_duration(time, entry->totals.ns),
			text_count(runs, entry->totals.execution_count), text_count(got, entry->totals.row_count),
			text_fit(fitted, statement_text(report, entry->statement),
				 report->text.columns - SQL_ROW_COLUMNS));
		site_line(report, entry);
	}
}

static void cost_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char p50[PP_TEXT_NUMBER], p99[PP_TEXT_NUMBER], max[PP_TEXT_NUMBER], prepares[PP_TEXT_NUMBER],
		scanned[PP_TEXT_NUMBER], sorts[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	faint(report, "     median       99 %    longest   prepared      scanned       sorts  statement");
	for (uint32_t i = 0; i < model->sql_statement_count && i < rows; i++) {
		const struct pp_sql_entry *entry = &model->sql_statements[i];
		uint32_t count;
		const struct pp_io_cell *cells = sql_entry_latencies(model, entry, &count);
		const struct pp_sql_totals *totals = &entry->totals;

		fprintf(report->text.file, "  %9s  %9s  %9s  %9s  %11s  %10s  %s\n",
			text_duration(p50, io_latency_percentile(cells, count, 50, totals->max_ns)),
			text_duration(p99, io_latency_percentile(cells, count, 99, totals->max_ns)),
			text_duration(max, totals->max_ns), text_count(prepares, totals->prepare_count),
			text_count(scanned, totals->fullscan_steps), text_count(sorts, totals->sort_count),
			text_fit(fitted, statement_text(report, entry->statement), report->text.columns - 73));
	}
}

static void transaction_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char time[PP_TEXT_NUMBER], longest[PP_TEXT_NUMBER], count[PP_TEXT_NUMBER], statements[PP_TEXT_NUMBER],
		syncs[PP_TEXT_NUMBER];

	faint(report, "       time    longest        count   statements       syncs  outcome      begun at");
	for (uint32_t i = 0; i < model->sql_transaction_count && i < rows; i++) {
		const struct pp_sql_transaction *row = &model->sql_transactions[i];
		const struct pp_heap_site site = {.node = row->node,
						  .frame = sql_naming_frame(report->profile, row->node)};

		fprintf(report->text.file, "  %9s  %9s  %11s  %11s  %10s  %-11s  ", text_duration(time, row->ns),
			text_duration(longest, row->max_ns), text_count(count, row->count),
			text_count(statements, row->statement_count), text_count(syncs, row->sync_count),
			sql_outcome_name(row->outcome));
		text_site(report, &site, report->text.columns - 74);
	}
}

static void database_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_profile *profile = report->profile;
	char hits[16], spilled[PP_TEXT_NUMBER], written[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	faint(report, "  cache hits  pages written   spilled  database");
	for (uint32_t i = 0; i < profile->sql_database_count && i < rows; i++) {
		const struct pp_sql_database *row = &profile->sql_databases[i];

		snprintf(hits, sizeof(hits), "-");
		if (row->cache_hits != PP_UNKNOWN && row->cache_hits + row->cache_misses)
			snprintf(hits, sizeof(hits), "%.1f%%",
				 percent_of(row->cache_hits, row->cache_hits + row->cache_misses));
		fprintf(report->text.file, "  %10s  %13s  %8s  %s\n", hits, text_count(written, row->cache_writes),
			text_count(spilled, row->cache_spills),
			text_fit(fitted, database_path(report, i), report->text.columns - 39));
	}
}

static void call_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char time[PP_TEXT_NUMBER], calls[PP_TEXT_NUMBER];

	faint(report, "       time        calls  operation    call site");
	for (uint32_t i = 0; i < model->sql_call_count && i < rows; i++) {
		const struct pp_sql_entry *entry = &model->sql_calls[i];
		const struct pp_heap_site site = {.node = entry->node, .frame = entry->frame};

		fprintf(report->text.file, "  %9s  %11s  %-11s  ", text_duration(time, entry->totals.ns),
			text_count(calls, entry->totals.execution_count), sql_operation_name(entry->operation));
		text_site(report, &site, report->text.columns - 39);
	}
}

static void slow_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_profile *profile = report->profile;
	char time[PP_TEXT_NUMBER], end[PP_TEXT_NUMBER], got[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	faint(report, "       took      ended         rows  statement");
	for (uint32_t i = 0; i < profile->sql_slow_count && i < rows; i++) {
		const struct pp_sql_slow *slow = &profile->sql_slows[i];

		fprintf(report->text.file, "  %9s  %9s  %11s  %s\n", text_duration(time, slow->ns),
			text_duration(end, slow->end_ns), text_count(got, slow->row_count),
			text_fit(fitted,
				 sql_operation_is_statement(slow->operation)
					 ? statement_text(report, slow->statement)
					 : sql_operation_name(slow->operation),
				 report->text.columns - 38));
	}
}

static void wait_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_profile *profile = report->profile;
	const uint32_t *holder_of = sql_locks_match(profile, report->model->arena);
	char time[PP_TEXT_NUMBER], end[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE], words[PP_TEXT_LINE],
		place[2 * PP_TEXT_LINE], line[4 * PP_TEXT_LINE];

	faint(report, "     waited      ended  statement, and who held the lock");
	for (uint32_t i = 0; i < profile->sql_wait_count && i < rows; i++) {
		const struct pp_sql_wait *wait = &profile->sql_waits[i];
		const struct pp_sql_hold *hold = holder_of[i] == PP_NONE ? NULL : &profile->sql_holds[holder_of[i]];

		fprintf(report->text.file, "  %9s  %9s  %s\n", wait->ns ? text_duration(time, wait->ns) : "refused",
			text_duration(end, wait->end_ns),
			text_fit(fitted,
				 sql_operation_is_statement(wait->operation) ? statement_text(report, wait->statement)
									     : sql_operation_name(wait->operation),
				 report->text.columns - 25));
		if (hold)
			snprintf(line, sizeof(line),
				 sql_locks_in_turn(profile, wait, hold) > 1 ? "several, longest %s: %s" : "%s: %s",
				 sql_hold_words(profile, hold, words, sizeof(words)),
				 sql_hold_place(profile, hold, wait, place, sizeof(place)));
		text_style(&report->text, PP_STYLE_FAINT);
		fprintf(report->text.file, "%25s%s\n", "",
			text_fit(fitted, hold ? line : "somebody who is not in this recording",
				 report->text.columns - 25));
		text_style(&report->text, PP_STYLE_PLAIN);
	}
}

void text_sql(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;

	if (!model->has_sql || (!model->sql_statement_count && !model->sql_call_count))
		return; /* most programs use no SQLite */
	sql_headline(report);
	if (rows)
		statement_rows(report, rows);
}

static void section(const struct pp_text_report *report, const char *title, uint32_t count,
		    void (*print)(const struct pp_text_report *, uint32_t))
{
	if (count == 0)
		return;
	putc('\n', report->text.file);
	text_style(&report->text, PP_STYLE_TITLE);
	fprintf(report->text.file, "%s\n", title);
	text_style(&report->text, PP_STYLE_PLAIN);
	print(report, report->top);
	if (report->top < count)
		fprintf(report->text.file, "  ... and %" PRIu32 " more (--top 0 shows all)\n", count - report->top);
}

void text_sql_details(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	const struct pp_profile *profile = report->profile;

	if (!model->has_sql || (!model->sql_statement_count && !model->sql_call_count))
		return;
	section(report, "SQL statements by call site", model->sql_statement_count, statement_rows);
	section(report, "SQL statements: times of one run, work", model->sql_statement_count, cost_rows);
	section(report, "SQL plans, of statements that scan, sort or make indexes much", profile->sql_planned_count,
		plan_rows);
	section(report, "SQL transactions by where they began", model->sql_transaction_count, transaction_rows);
	section(report, "SQL databases", profile->sql_database_count, database_rows);
	section(report, "Other calls of SQLite", model->sql_call_count, call_rows);
	section(report, "SQL waits for locks", profile->sql_wait_count, wait_rows);
	section(report, "Slowest runs of SQL statements (1 ms and more)", profile->sql_slow_count, slow_rows);
}
