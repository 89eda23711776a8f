/* SPDX-License-Identifier: Apache-2.0 */
/* SQL as rules see it; see rules_sql.h. */
#include "rules_sql.h"

#include "memory.h"
#include "report_model.h"
#include "sql_names.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- sums ---- */

static void subject_add(struct pp_sql_subject *subject, const struct pp_sql_site *site)
{
	subject->busy_wait_count += site->busy_wait_count;
	subject->busy_ns += site->busy_ns;
	if (!site->busy_wait_count)
		subject->refused_count += site->busy_count;
	if (!sql_operation_is_execution(site->operation))
		return; /* it could not be prepared, for another held the schema */
	subject->execution_count += site->execution_count;
	subject->row_count += site->row_count;
	subject->ns += site->ns;
	subject->fullscan_steps += site->fullscan_steps;
	subject->sort_count += site->sort_count;
	subject->autoindex_rows += site->autoindex_rows;
	subject->prepare_count += site->prepare_count;
	subject->prepare_ns += site->prepare_ns;
	subject->writes |= sql_flags_write(site->flags);
	if (sql_flags_autocommit(site->flags)) {
		subject->commit_count += site->execution_count;
		subject->commit_ns += site->ns;
		subject->commit_sync_ns = metric_add(subject->commit_sync_ns, site->sync_ns);
	}
	if (sql_result_is_left(site->result) && site->sort_count) {
		subject->left_count += site->execution_count;
		subject->left_rows += site->row_count;
		subject->left_ns += site->ns;
		subject->left_vm_steps += site->vm_steps;
	}
}

/* Statements and databases as one number; PP_NONE is one of each. */
static uint64_t statement_key(const struct pp_profile *profile, const struct pp_sql_site *site)
{
	uint64_t databases = (uint64_t)profile->sql_database_count + 1;
	uint64_t database = site->database == PP_NONE ? profile->sql_database_count : site->database;

	return site->statement * databases + database;
}

static struct pp_sql_subject *subject_of(struct pp_table *index_of, uint64_t key, struct pp_sql_subject *subjects,
					 uint32_t *count, const struct pp_sql_site *site)
{
	uint64_t *found = table_find(index_of, key);

	if (found)
		return &subjects[*found];
	table_set(index_of, key, *count);
	subjects[*count] = (struct pp_sql_subject){.statement = site->statement,
						   .database = site->database,
						   .node = site->node,
						   .planned = PP_NONE};
	return &subjects[(*count)++];
}

/* Sites by statement and database, and these by stack. */
static void subjects_sum(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects)
{
	struct pp_table statement_of = {0}, stack_of = {0};

	table_seed_init();
	subjects->statements = arena_array(arena, profile->sql_site_count, sizeof(*subjects->statements));
	subjects->stacks = arena_array(arena, profile->sql_site_count, sizeof(*subjects->stacks));
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];
		struct pp_sql_subject *statement;

		if (site->statement == PP_NONE || sql_flags_nested(site->flags) ||
		    !(sql_operation_is_execution(site->operation) || site->busy_count || site->busy_wait_count))
			continue;
		statement = subject_of(&statement_of, statement_key(profile, site), subjects->statements,
				       &subjects->statement_count, site);
		subject_add(statement, site);
		subject_add(subject_of(&stack_of, (uint64_t)(statement - subjects->statements) << 32 | site->node,
				       subjects->stacks, &subjects->stack_count, site),
			    site);
	}
	for (uint32_t i = 0; i < subjects->stack_count; i++) {
		struct pp_sql_subject *stack = &subjects->stacks[i], *statement;
		const struct pp_sql_site site = {.statement = stack->statement, .database = stack->database};

		statement = &subjects->statements[*table_find(&statement_of, statement_key(profile, &site))];
		if (stack->ns < statement->node_ns)
			continue;
		statement->node_ns = stack->ns;
		statement->node = stack->node;
	}
	table_finish(&statement_of);
	table_finish(&stack_of);
}

static void plans_join(const struct pp_profile *profile, struct pp_sql_subjects *subjects)
{
	for (uint32_t i = 0; i < profile->sql_planned_count; i++)
		for (uint32_t j = 0; j < subjects->statement_count; j++)
			if (subjects->statements[j].statement == profile->sql_planned[i].statement &&
			    subjects->statements[j].database == profile->sql_planned[i].database)
				subjects->statements[j].planned = i;
	for (uint32_t j = 0; j < subjects->statement_count; j++)
		for (uint32_t i = profile->sql_index_count; i-- > 0;)
			if (subjects->statements[j].planned != PP_NONE &&
			    profile->sql_indexes[i].planned == subjects->statements[j].planned) {
				subjects->statements[j].first_index = i;
				subjects->statements[j].index_count++;
			}
}

/* ---- loops ---- */

#define LOOP_MIN 50 /* executions that are a loop */

/* One query gave about as many rows as this one was executed, and was itself executed far less often. */
static uint64_t loop_rows_find(const struct pp_sql_subjects *subjects, const struct pp_sql_subject *inner)
{
	uint64_t count = inner->execution_count;

	for (uint32_t i = 0; i < subjects->stack_count; i++) {
		const struct pp_sql_subject *outer = &subjects->stacks[i];

		if (outer != inner && !outer->writes && outer->execution_count <= count / 10 &&
		    outer->row_count >= count - count / 10 && outer->row_count <= count + count / 10)
			return outer->row_count;
	}
	return 0;
}

/* BEGIN, COMMIT and PRAGMA write nothing and ask for nothing. */
static bool statement_asks(const struct pp_profile *profile, uint32_t statement)
{
	static const char *const words[] = {"select", "with", "values"};
	const char *text = profile->sql_statements[statement].text;

	for (size_t i = 0; text && i < sizeof(words) / sizeof(words[0]); i++)
		if (strncasecmp(text, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

static void loops_find(struct pp_sql_subjects *subjects)
{
	for (uint32_t i = 0; i < subjects->stack_count; i++)
		if (subjects->stacks[i].asks && subjects->stacks[i].execution_count >= LOOP_MIN)
			subjects->stacks[i].loop_rows = loop_rows_find(subjects, &subjects->stacks[i]);
}

/* ---- transactions ---- */

static struct pp_sql_span *span_of(struct pp_sql_subjects *subjects, const struct pp_sql_transaction *transaction)
{
	for (uint32_t i = 0; i < subjects->span_count; i++) {
		struct pp_sql_span *span = &subjects->spans[i];

		if (span->node == transaction->node && span->end_node == transaction->end_node &&
		    span->database == transaction->database)
			return span;
	}
	subjects->spans[subjects->span_count] = (struct pp_sql_span){.database = transaction->database,
								     .node = transaction->node,
								     .end_node = transaction->end_node};
	return &subjects->spans[subjects->span_count++];
}

static void span_add(struct pp_sql_span *span, const struct pp_sql_transaction *transaction)
{
	span->count += transaction->count;
	span->statement_count += transaction->statement_count;
	span->write_count += transaction->write_count;
	span->ns += transaction->ns;
	span->sync_ns = metric_add(span->sync_ns, transaction->sync_ns);
	if (transaction->max_ns > span->max_ns)
		span->max_ns = transaction->max_ns;
}

static void spans_make(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects)
{
	subjects->spans = arena_array(arena, profile->sql_transaction_count, sizeof(*subjects->spans));
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++)
		span_add(span_of(subjects, &profile->sql_transactions[i]), &profile->sql_transactions[i]);
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		for (uint32_t j = 0; j < subjects->span_count; j++) {
			struct pp_sql_span *span = &subjects->spans[j];

			if (site->database != span->database)
				continue;
			if (site->node == span->end_node && sql_operation_is_execution(site->operation))
				span->commit_ns += site->ns;
		}
	}
}

void sql_subjects_make(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects)
{
	*subjects = (struct pp_sql_subjects){0};
	subjects_sum(profile, arena, subjects);
	plans_join(profile, subjects);
	for (uint32_t i = 0; i < subjects->stack_count; i++)
		subjects->stacks[i].asks =
			!subjects->stacks[i].writes && statement_asks(profile, subjects->stacks[i].statement);
	loops_find(subjects);
	spans_make(profile, arena, subjects);
	sql_keepers_make(profile, arena, subjects);
}

/* ---- metrics ---- */

static double number(uint64_t metric)
{
	return metric == PP_UNKNOWN ? NAN : (double)metric;
}

static double wall_percent(const struct pp_profile *profile, uint64_t ns)
{
	double percent;

	if (profile->wall_ns == 0 || profile->wall_ns == PP_UNKNOWN || ns == PP_UNKNOWN)
		return NAN;
	percent = percent_of(ns, profile->wall_ns);
	return percent > 100 ? 100 : percent; /* of several threads */
}

static double ratio(uint64_t part, uint64_t whole)
{
	return (double)part / (double)(whole ? whole : 1);
}

/* How many indexes are known, if the first has this gain. */
static double index_count(const struct pp_profile *profile, const struct pp_sql_subject *subject,
			  enum pp_sql_index_gain gain)
{
	if (subject->index_count == 0 || profile->sql_indexes[subject->first_index].gain != gain)
		return NAN;
	return subject->index_count;
}

/* A search reads little more than what it returns, a statement that changes rows little more than these: the rest of
 * the rows read is what an index spares, with the time they took. */
static double saved_percent(const struct pp_profile *profile, const struct pp_sql_subject *subject)
{
	double needed = ratio(subject->row_count + subject->execution_count, subject->fullscan_steps);

	return needed < 1 ? wall_percent(profile, subject->ns) * (1 - needed) : 0;
}

double sql_statement_metric(const struct pp_profile *profile, const struct pp_sql_subject *subject,
			    enum pp_metric metric)
{
	switch (metric) {
	case PP_METRIC_SQL_SEARCH_INDEXES:
		return index_count(profile, subject, PP_SQL_INDEX_SEARCH);
	case PP_METRIC_SQL_AUTOMATIC_INDEXES:
		return index_count(profile, subject, PP_SQL_INDEX_AUTOMATIC);
	case PP_METRIC_SQL_SORT_INDEXES:
		return index_count(profile, subject, PP_SQL_INDEX_SORT);
	case PP_METRIC_SQL_FULLSCAN_STEPS:
		return number(subject->fullscan_steps);
	case PP_METRIC_SQL_ROWS_READ_PER_ROW:
		return ratio(subject->fullscan_steps, subject->row_count);
	case PP_METRIC_SQL_AUTOINDEX_ROWS:
		return number(subject->autoindex_rows);
	case PP_METRIC_SQL_SORT_COUNT:
		return number(subject->sort_count);
	case PP_METRIC_SQL_STATEMENT_COUNT:
		return number(subject->execution_count);
	case PP_METRIC_SQL_STATEMENT_NS:
		return number(subject->ns);
	case PP_METRIC_SQL_STATEMENT_PERCENT:
		return wall_percent(profile, subject->ns);
	case PP_METRIC_SQL_SAVED_PERCENT:
		return saved_percent(profile, subject);
	default:
		return NAN;
	}
}

double sql_stack_metric(const struct pp_profile *profile, const struct pp_sql_subject *subject, enum pp_metric metric)
{
	switch (metric) {
	case PP_METRIC_SQL_EXECUTION_COUNT:
		return number(subject->execution_count);
	case PP_METRIC_SQL_QUERY_COUNT:
		return subject->asks ? number(subject->execution_count) : NAN;
	case PP_METRIC_SQL_ROWS_PER_EXECUTION:
		return ratio(subject->row_count, subject->execution_count);
	case PP_METRIC_SQL_NS:
		return number(subject->ns + subject->prepare_ns);
	case PP_METRIC_SQL_PERCENT:
		return wall_percent(profile, subject->ns + subject->prepare_ns);
	case PP_METRIC_SQL_LOOP_ROWS:
		return subject->loop_rows ? number(subject->loop_rows) : NAN;
	case PP_METRIC_SQL_LOOP_WITHOUT_ROWS:
		return subject->loop_rows ? NAN : number(subject->execution_count);
	case PP_METRIC_SQL_PREPARE_COUNT:
		return number(subject->prepare_count);
	case PP_METRIC_SQL_PREPARE_NS:
		return number(subject->prepare_ns);
	case PP_METRIC_SQL_PREPARE_SHARE:
		return percent_of(subject->prepare_ns, subject->ns + subject->prepare_ns);
	case PP_METRIC_SQL_PREPARE_PERCENT:
		return wall_percent(profile, subject->prepare_ns);
	case PP_METRIC_SQL_COMMIT_COUNT:
		return number(subject->commit_count);
	case PP_METRIC_SQL_COMMIT_NS:
		return number(subject->commit_ns);
	case PP_METRIC_SQL_COMMIT_PERCENT:
		return wall_percent(profile, subject->commit_ns);
	case PP_METRIC_SQL_COMMIT_SYNC_SHARE:
		return subject->commit_sync_ns == PP_UNKNOWN ? NAN
							     : percent_of(subject->commit_sync_ns, subject->commit_ns);
	case PP_METRIC_SQL_LEFT_COUNT:
		return number(subject->left_count);
	case PP_METRIC_SQL_LEFT_STEPS_PER_ROW:
		return ratio(subject->left_vm_steps, subject->left_rows);
	case PP_METRIC_SQL_LEFT_ROWS:
		return ratio(subject->left_rows, subject->left_count);
	case PP_METRIC_SQL_LEFT_PERCENT:
		return wall_percent(profile, subject->left_ns);
	case PP_METRIC_SQL_REFUSED_COUNT:
		return number(subject->refused_count);
	case PP_METRIC_SQL_BUSY_COUNT:
		return number(subject->busy_wait_count);
	case PP_METRIC_SQL_BUSY_NS:
		return number(subject->busy_ns);
	case PP_METRIC_SQL_BUSY_PERCENT:
		return wall_percent(profile, subject->busy_ns);
	default:
		return NAN;
	}
}

double sql_span_metric(const struct pp_profile *profile, const struct pp_sql_span *span, enum pp_metric metric)
{
	switch (metric) {
	case PP_METRIC_SQL_TRANSACTION_COUNT:
		return number(span->count);
	case PP_METRIC_SQL_WRITES_PER_TRANSACTION:
		return span->write_count ? ratio(span->write_count, span->count) : NAN;
	case PP_METRIC_SQL_END_NS:
		return number(span->commit_ns);
	case PP_METRIC_SQL_END_PERCENT:
		return wall_percent(profile, span->commit_ns);
	case PP_METRIC_SQL_END_SYNC_PERCENT:
		return wall_percent(profile, span->sync_ns);
	default:
		return NAN;
	}
}

/* ---- words ---- */

/* A plan's lines on one: "SCAN orders; USE TEMP B-TREE FOR ORDER BY". */
static void plan_flatten(const char *plan, char *buffer, size_t size)
{
	size_t used = 0;

	for (; plan && *plan && used + 3 < size; plan++) {
		if (*plan != '\n') {
			buffer[used++] = *plan;
			continue;
		}
		buffer[used++] = ';';
		buffer[used++] = ' ';
		plan += strspn(plan + 1, " ");
	}
	buffer[used] = '\0';
}

const char *sql_statement_words(const struct pp_profile *profile, const struct pp_sql_subject *subject,
				const char *name, size_t length, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	if (length == 4 && memcmp(name, "plan", 4) == 0) {
		if (subject->planned != PP_NONE)
			plan_flatten(profile->sql_planned[subject->planned].plan, buffer, size);
		return buffer;
	}
	if (length == 8 && memcmp(name, "new_plan", 8) == 0) {
		if (subject->index_count)
			plan_flatten(profile->sql_indexes[subject->first_index + subject->index_count - 1].plan, buffer,
				     size);
		return buffer;
	}
	if (length != 5 || memcmp(name, "index", 5) != 0)
		return NULL;
	for (uint32_t i = 0; i < subject->index_count && used < size; i++)
		used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? "; " : "",
					 profile->sql_indexes[subject->first_index + i].index);
	return buffer;
}
