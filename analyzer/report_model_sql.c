/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite as reports show it: totals, statements by database and stack, other calls; see report_model.h. One thread. */
#include "report_model.h"

#include "sql_names.h"

#include <stdlib.h>
#include <string.h>

static void totals_add(struct pp_sql_totals *totals, const struct pp_sql_site *site)
{
	bool executed = !sql_operation_is_preparation(site->operation);

	totals->execution_count += executed ? site->execution_count : 0;
	totals->prepare_count += site->prepare_count;
	totals->prepare_ns += executed ? site->prepare_ns : site->ns;
	totals->reprepare_count += site->reprepare_count;
	totals->row_count += site->row_count;
	totals->step_count += site->step_count;
	totals->ns += executed ? site->ns : 0;
	if (executed && site->max_ns > totals->max_ns)
		totals->max_ns = site->max_ns;
	totals->nested_ns += site->nested_ns;
	totals->fullscan_steps += site->fullscan_steps;
	totals->vm_steps += site->vm_steps;
	totals->sort_count += site->sort_count;
	totals->autoindex_rows += site->autoindex_rows;
	totals->read_bytes = metric_add(totals->read_bytes, site->read_bytes);
	totals->written_bytes = metric_add(totals->written_bytes, site->written_bytes);
	totals->sync_count = metric_add(totals->sync_count, site->sync_count);
	totals->sync_ns = metric_add(totals->sync_ns, site->sync_ns);
	totals->busy_count += site->busy_count;
	totals->busy_wait_count += site->busy_wait_count;
	totals->busy_ns += site->busy_ns;
	if (sql_result_is_error(site->result))
		totals->error_count += site->execution_count;
	if (executed && sql_result_is_left(site->result))
		totals->left_count += site->execution_count;
	if (sql_flags_autocommit(site->flags))
		totals->autocommit_count += site->execution_count;
	if (sql_flags_nested(site->flags))
		totals->nested_count += site->execution_count;
}

static void totals_init(struct pp_sql_totals *totals)
{
	memset(totals, 0, sizeof(*totals));
	totals->read_bytes = totals->written_bytes = totals->sync_count = totals->sync_ns = PP_UNKNOWN;
}

/* Rows of one entry compare as equal. */
static int row_compare(const void *left, const void *right, void *profile)
{
	const struct pp_sql_site *sites = ((const struct pp_profile *)profile)->sql_sites;
	const struct pp_sql_site *a = &sites[*(const uint32_t *)left], *b = &sites[*(const uint32_t *)right];
	uint32_t a_kind = sql_operation_is_statement(a->operation) ? 0 : a->operation;
	uint32_t b_kind = sql_operation_is_statement(b->operation) ? 0 : b->operation;

	if (a_kind != b_kind)
		return a_kind < b_kind ? -1 : 1;
	if (a->statement != b->statement)
		return a->statement < b->statement ? -1 : 1;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static int entry_compare(const void *left, const void *right)
{
	const struct pp_sql_entry *a = left, *b = right;

	if (a->totals.ns != b->totals.ns)
		return a->totals.ns < b->totals.ns ? 1 : -1;
	if (a->totals.execution_count != b->totals.execution_count)
		return a->totals.execution_count < b->totals.execution_count ? 1 : -1;
	return a->rows[0] < b->rows[0] ? -1 : a->rows[0] > b->rows[0];
}

static bool frame_is_sqlite(const struct pp_profile *profile, uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number);
	const char *path = frame.module == PP_NONE ? NULL : profile->modules[frame.module].path;
	const char *base = path ? strrchr(path, '/') : NULL;

	return (frame.function && strncmp(frame.function, "sqlite3_", 8) == 0) ||
	       (path && strncmp(base ? base + 1 : path, "libsqlite3.", 11) == 0);
}

/* Names of the amalgamation's functions that ask the system, where it is linked into a program with symbols. */
static bool function_is_sqlites(const char *function)
{
	static const char *const names[] = {"seekAndRead",	    "seekAndWrite",
					    "full_fsync",	    "robust_",
					    "findReusableFd",	    "posixFstat",
					    "findCreateFileMode",   "openDirectory",
					    "appendOnePathElement", "fileHasMoved",
					    "appendAllPathElements"};

	if (strncmp(function, "sqlite3", 7) == 0)
		return true;
	if (strncmp(function, "unix", 4) == 0)
		return function[4] >= 'A' && function[4] <= 'Z';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(function, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool frame_is_libcs(const struct pp_profile *profile, const struct pp_frame *frame)
{
	const char *path = frame->module == PP_NONE ? NULL : profile->modules[frame->module].path;
	const char *slash = path ? strrchr(path, '/') : NULL, *base = slash ? slash + 1 : path;

	return base && (strncmp(base, "libc.so", 7) == 0 || strncmp(base, "libc-2.", 7) == 0 ||
			strncmp(base, "libpthread", 10) == 0);
}

/* A function of the program's that SQLite calls (of SQL, a busy handler, a file system) lies further in, and is not SQLite. */
bool stack_is_sqlites(const struct pp_profile *profile, uint32_t node)
{
	struct pp_stack_walk walk;
	struct pp_frame frame;
	uint32_t number;

	stack_walk_init(&walk, node);
	while (stack_walk_next(profile, &walk, &number)) {
		frame = profile_frame(profile, number);
		if (frame.language == PP_LANGUAGE_PYTHON)
			return false;
		if (frame_is_sqlite(profile, number) || (frame.function && function_is_sqlites(frame.function)))
			return true;
		if (!frame_is_libcs(profile, &frame))
			return false;
	}
	return false;
}

/* Modules through which languages call SQLite: where nobody's own code is on the stack, they say more than what is around
 * them, and where it is, nothing. */
static bool frame_is_binding(const struct pp_profile *profile, uint32_t number)
{
	static const char *const names[] = {
		"_sqlite3.", "better_sqlite3.node", "node_sqlite3.node", "SQLite.so", "DBI.so", "pdo_sqlite.so",
		"pdo.so",    "sqlite3_native.so"};
	struct pp_frame frame = profile_frame(profile, number);
	const char *path = frame.module == PP_NONE ? NULL : profile->modules[frame.module].path;
	const char *slash = path ? strrchr(path, '/') : NULL, *base = slash ? slash + 1 : path;

	for (size_t i = 0; base && i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool frame_is_text(const struct pp_profile *profile, uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number);

	return frame.language == PP_LANGUAGE_PYTHON && frame.file && frame.file[0] == '<';
}

uint32_t sql_naming_frame(const struct pp_profile *profile, uint32_t node)
{
	uint32_t frame, text = PP_NONE, python = PP_NONE, other = PP_NONE;
	struct pp_stack_walk walk;

	stack_walk_init(&walk, node);
	while (stack_walk_next(profile, &walk, &frame)) {
		if (frame_is_sqlite(profile, frame))
			continue;
		if (!frame_is_binding(profile, frame) && frame_is_users(profile, frame)) {
			/* "<string>" may be the program itself, or what a library made in between */
			if (!frame_is_text(profile, frame))
				return frame;
			text = text == PP_NONE ? frame : text;
		}
		if (python == PP_NONE && profile_frame(profile, frame).language == PP_LANGUAGE_PYTHON)
			python = frame;
		if (other == PP_NONE)
			other = frame;
	}
	if (text != PP_NONE)
		return text;
	return python != PP_NONE ? python : other != PP_NONE ? other : stack_naming_frame(profile, node);
}

static int transaction_compare(const void *left, const void *right)
{
	const struct pp_sql_transaction *a = left, *b = right;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->end_node != b->end_node)
		return a->end_node < b->end_node ? -1 : 1;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return a->outcome < b->outcome ? -1 : a->outcome > b->outcome;
}

static int transaction_time_compare(const void *left, const void *right)
{
	const struct pp_sql_transaction *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return transaction_compare(left, right);
}

/* Those of all processes that began and ended at the same stacks. */
static void transactions_merge(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	struct pp_sql_transaction *rows = arena_array(model->arena, profile->sql_transaction_count, sizeof(*rows));
	uint32_t count = 0;

	if (profile->sql_transaction_count)
		memcpy(rows, profile->sql_transactions, profile->sql_transaction_count * sizeof(*rows));
	qsort(rows, profile->sql_transaction_count, sizeof(*rows), transaction_compare);
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++) {
		struct pp_sql_transaction *into = count ? &rows[count - 1] : NULL, one = rows[i];

		if (!into || transaction_compare(into, &one) != 0) {
			rows[count++] = one;
			continue;
		}
		into->count += one.count;
		into->statement_count += one.statement_count;
		into->write_count += one.write_count;
		into->sync_count += one.sync_count;
		into->sync_ns += one.sync_ns;
		into->read_bytes += one.read_bytes;
		into->written_bytes += one.written_bytes;
		into->ns += one.ns;
		if (one.begin_ns < into->begin_ns)
			into->begin_ns = one.begin_ns;
		if (one.end_ns > into->end_ns)
			into->end_ns = one.end_ns;
		if (one.max_ns > into->max_ns)
			into->max_ns = one.max_ns;
		if (one.max_statement_count > into->max_statement_count)
			into->max_statement_count = one.max_statement_count;
	}
	qsort(rows, count, sizeof(*rows), transaction_time_compare);
	model->sql_transactions = rows;
	model->sql_transaction_count = count;
}

void model_sql(struct pp_report_model *model)
{
	const struct pp_profile *profile = model->profile;
	uint32_t *rows = arena_array(model->arena, profile->sql_site_count, sizeof(*rows));
	struct pp_sql_entry *entries =
		arena_array(model->arena, profile->sql_site_count, sizeof(*entries)), *entry = NULL;

	for (uint32_t i = 0; i < profile->process_count; i++)
		model->has_sql = model->has_sql || profile->processes[i].sql_recorded;
	for (uint32_t i = 0; i < profile->sql_site_count; i++)
		rows[i] = i;
	qsort_r(rows, profile->sql_site_count, sizeof(*rows), row_compare, (void *)(uintptr_t)profile);
	totals_init(&model->sql);
	model->sql_statements = entries;
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[rows[i]];
		bool statement = sql_operation_is_statement(site->operation);

		if (!entry || row_compare(&rows[i - 1], &rows[i], (void *)(uintptr_t)profile) != 0) {
			entry = entry ? entry + 1 : entries;
			*entry = (struct pp_sql_entry){.operation = statement ? 0 : site->operation,
						       .statement = site->statement,
						       .database = site->database,
						       .node = site->node,
						       .frame = sql_naming_frame(profile, site->node),
						       .rows = rows + i};
			totals_init(&entry->totals);
			if (statement)
				model->sql_statement_count++;
			else
				model->sql_call_count++;
		}
		entry->row_count++;
		totals_add(&entry->totals, site);
		if (statement)
			totals_add(&model->sql, site);
	}
	model->sql_calls = entries + model->sql_statement_count; /* statements sort before them */
	qsort(model->sql_statements, model->sql_statement_count, sizeof(*entries), entry_compare);
	qsort(model->sql_calls, model->sql_call_count, sizeof(*entries), entry_compare);
	transactions_merge(model);
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++) {
		const struct pp_sql_transaction *row = &profile->sql_transactions[i];

		model->sql_commit_count += sql_outcome_is_commit(row->outcome) ? row->count : 0;
		model->sql_rollback_count += sql_outcome_is_commit(row->outcome) ? 0 : row->count;
		if (row->max_ns > model->sql_longest_ns)
			model->sql_longest_ns = row->max_ns;
	}
}

const struct pp_io_cell *sql_entry_latencies(const struct pp_report_model *model, const struct pp_sql_entry *entry,
					     uint32_t *count)
{
	uint64_t sums[PP_IO_LATENCY_BUCKETS] = {0};
	struct pp_io_cell *cells;

	*count = 0;
	for (uint32_t i = 0; i < entry->row_count; i++) {
		const struct pp_sql_site *site = &model->profile->sql_sites[entry->rows[i]];

		for (uint32_t j = 0; !sql_operation_is_preparation(site->operation) && j < site->latency_count; j++) {
			*count += sums[site->latencies[j].bucket] == 0;
			sums[site->latencies[j].bucket] += site->latencies[j].count;
		}
	}
	cells = arena_array(model->arena, *count, sizeof(*cells));
	*count = 0;
	for (uint32_t bucket = 0; bucket < PP_IO_LATENCY_BUCKETS; bucket++)
		if (sums[bucket])
			cells[(*count)++] = (struct pp_io_cell){bucket, sums[bucket]};
	return cells;
}
