/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the schema and the SQL that follows from them; see recording_schema.h. Any thread: constants. */
#include "recording_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLUMN(type, field, kind)                                         \
	{                                                                 \
#field, offsetof(struct type, field), PP_COLUMN_##kind, 0 \
	}
#define NAMED(type, name, field, kind)                                  \
	{                                                               \
		name, offsetof(struct type, field), PP_COLUMN_##kind, 0 \
	}
#define INDEX(type, field, table)                                                       \
	{                                                                               \
#field, offsetof(struct type, field), PP_COLUMN_INDEX, PP_TABLE_##table \
	}

static const struct pp_column recording_columns[] = {
	COLUMN(pp_profile, preprof_version, STRING),
	COLUMN(pp_profile, host, STRING),
	COLUMN(pp_profile, start_unix_ns, U64),
	COLUMN(pp_profile, wall_ns, U64),
	COLUMN(pp_profile, running, BOOL),
	COLUMN(pp_profile, complete, BOOL),
	COLUMN(pp_profile, analyzer_cpu_ns, U64),
	COLUMN(pp_profile, analyzer_max_rss_bytes, U64),
	COLUMN(pp_profile, bin_ns, U64),
	COLUMN(pp_profile, sql_planner, STRING),
	COLUMN(pp_profile, io_descriptors_left_out, U64),
};

#define MEM(name) NAMED(pp_process, #name, mem.name, U64)
static const struct pp_column process_columns[] = {
	NAMED(pp_process, "identity", id, U32),
	COLUMN(pp_process, pid, I32),
	COLUMN(pp_process, parent, PARENT),
	COLUMN(pp_process, origin, U32),
	COLUMN(pp_process, executable, STRING),
	COLUMN(pp_process, start_ns, U64),
	COLUMN(pp_process, end_ns, U64),
	NAMED(pp_process, "exit_known", exit.known, BOOL),
	NAMED(pp_process, "exit_code", exit.code, I32),
	NAMED(pp_process, "exit_signal", exit.signal, I32),
	COLUMN(pp_process, user_ns, U64),
	COLUMN(pp_process, system_ns, U64),
	COLUMN(pp_process, max_rss_bytes, U64),
	COLUMN(pp_process, cpu_ns, U64),
	COLUMN(pp_process, sample_period_ns, U64),
	COLUMN(pp_process, sample_count, U64),
	COLUMN(pp_process, sampled_ns, U64),
	COLUMN(pp_process, event_count, U64),
	COLUMN(pp_process, lost_count, U64),
	COLUMN(pp_process, dropped_frames, U64),
	COLUMN(pp_process, overhead_bytes, U64),
	COLUMN(pp_process, not_observed, U32),
	COLUMN(pp_process, stop_reason, STRING),
	COLUMN(pp_process, complete, BOOL),
	COLUMN(pp_process, python_version, U32),
	COLUMN(pp_process, python_merge_count, U64),
	COLUMN(pp_process, python_matched_count, U64),
	MEM(allocation_count),
	MEM(free_count),
	MEM(allocated_bytes),
	MEM(freed_bytes),
	MEM(live_bytes),
	MEM(live_count),
	MEM(peak_bytes),
	MEM(peak_at_ns),
	MEM(temporary_count),
	MEM(realloc_count),
	MEM(realloc_moved_count),
	MEM(failed_count),
	MEM(unknown_free_count),
	MEM(inherited_free_count),
	MEM(mapping_count),
	MEM(mapped_bytes),
	MEM(mapping_peak_bytes),
	COLUMN(pp_process, io_recorded, BOOL),
	COLUMN(pp_process, sql_recorded, BOOL),
	COLUMN(pp_process, kernel_read_bytes, U64),
	COLUMN(pp_process, kernel_write_bytes, U64),
	COLUMN(pp_process, kernel_sampled, BOOL),
	COLUMN(pp_process, kernel_sampled_ns, U64),
	COLUMN(pp_process, descriptor_limit, U32),
};

#define BLOCKED(name, kind) NAMED(pp_thread, "blocked_" name "_ns", blocked_ns[PP_WAIT_##kind], U64)
static const struct pp_column thread_columns[] = {
	INDEX(pp_thread, process, PROCESS),	  COLUMN(pp_thread, tid, I32),
	COLUMN(pp_thread, serial, U32),		  COLUMN(pp_thread, name, STRING),
	COLUMN(pp_thread, start_ns, U64),	  COLUMN(pp_thread, end_ns, U64),
	COLUMN(pp_thread, sample_count, U64),	  COLUMN(pp_thread, sampled_ns, U64),
	COLUMN(pp_thread, cpu_ns, U64),		  COLUMN(pp_thread, event_count, U64),
	COLUMN(pp_thread, allocation_count, U64), COLUMN(pp_thread, allocated_bytes, U64),
	COLUMN(pp_thread, free_count, U64),	  COLUMN(pp_thread, freed_bytes, U64),
	COLUMN(pp_thread, live_bytes, U64),	  COLUMN(pp_thread, live_count, U64),
	COLUMN(pp_thread, temporary_count, U64),  COLUMN(pp_thread, python_ns, U64),
	COLUMN(pp_thread, gil_ns, U64),		  COLUMN(pp_thread, gil_wait_ns, U64),
	COLUMN(pp_thread, gil_wait_count, U64),
	COLUMN(pp_thread, io_call_count, U64),	  COLUMN(pp_thread, io_read_bytes, U64),
	COLUMN(pp_thread, io_written_bytes, U64), COLUMN(pp_thread, io_ns, U64),
	COLUMN(pp_thread, stdio_call_count, U64), COLUMN(pp_thread, stdio_read_bytes, U64),
	COLUMN(pp_thread, stdio_written_bytes, U64), COLUMN(pp_thread, stdio_ns, U64),
	BLOCKED("read_write", READ_WRITE),	  BLOCKED("socket", SOCKET),
	BLOCKED("file", FILE),			  BLOCKED("poll", POLL),
	BLOCKED("sleep", SLEEP),		  BLOCKED("lock", LOCK),
	BLOCKED("condition", CONDITION),	  BLOCKED("join", JOIN),
	BLOCKED("child", CHILD),		  BLOCKED("signal", SIGNAL),
	BLOCKED("interpreter_lock", INTERPRETER_LOCK),
	COLUMN(pp_thread, run_delay_ns, U64),
};

static const struct pp_column module_columns[] = {
	COLUMN(pp_module, path, STRING),
	COLUMN(pp_module, build_id, STRING),
	COLUMN(pp_module, interpreter, BOOL),
	COLUMN(pp_module, own, BOOL),
};

static const struct pp_column frame_columns[] = {
	COLUMN(pp_frame, function, STRING), COLUMN(pp_frame, file, STRING),  COLUMN(pp_frame, line, U32),
	INDEX(pp_frame, module, MODULE),    COLUMN(pp_frame, offset, U64),   COLUMN(pp_frame, entry, U64),
	COLUMN(pp_frame, language, U8),	    COLUMN(pp_frame, inlined, BOOL),
	COLUMN(pp_frame, interpreter, BOOL),
};

static const struct pp_column address_columns[] = {
	INDEX(pp_address, module, MODULE),
	COLUMN(pp_address, first_frame, U32),
	COLUMN(pp_address, frame_count, U32),
	COLUMN(pp_address, offset, U64),
};

static const struct pp_column node_columns[] = {
	{"link", 0, PP_COLUMN_LINK, 0},
};

static const struct pp_column mem_site_columns[] = {
	INDEX(pp_mem_site, process, PROCESS),	    INDEX(pp_mem_site, node, NODE),
	COLUMN(pp_mem_site, allocation_count, U64), COLUMN(pp_mem_site, allocated_bytes, U64),
	COLUMN(pp_mem_site, live_count, U64),	    COLUMN(pp_mem_site, live_bytes, U64),
	COLUMN(pp_mem_site, peak_bytes, U64),	    COLUMN(pp_mem_site, peak_count, U64),
	COLUMN(pp_mem_site, max_live_bytes, U64),   COLUMN(pp_mem_site, temporary_count, U64),
	COLUMN(pp_mem_site, failed_count, U64),	    COLUMN(pp_mem_site, mapping_count, U64),
	COLUMN(pp_mem_site, mapped_bytes, U64),	    COLUMN(pp_mem_site, allocated_error_bytes, U64),
	NAMED(pp_mem_site, "bins", bins, MEM_BINS),
};

static const struct pp_column cpu_site_columns[] = {
	INDEX(pp_cpu_site, process, PROCESS), INDEX(pp_cpu_site, thread, THREAD),
	INDEX(pp_cpu_site, node, NODE),	      COLUMN(pp_cpu_site, sample_count, U64),
	COLUMN(pp_cpu_site, sampled_ns, U64), NAMED(pp_cpu_site, "bins", bins, CPU_BINS),
};

static const struct pp_column gil_site_columns[] = {
	INDEX(pp_gil_site, process, PROCESS),	INDEX(pp_gil_site, node, NODE), COLUMN(pp_gil_site, wait_count, U64),
	COLUMN(pp_gil_site, wait_ns, U64), COLUMN(pp_gil_site, max_ns, U64),
};

static const struct pp_column io_file_columns[] = {
	COLUMN(pp_io_file, path, STRING),
	COLUMN(pp_io_file, kind, U32),
	COLUMN(pp_io_file, readable_bytes, U64),
};

static const struct pp_column io_site_columns[] = {
	INDEX(pp_io_site, process, PROCESS),
	INDEX(pp_io_site, node, NODE),
	INDEX(pp_io_site, file, IO_FILE),
	COLUMN(pp_io_site, operation, U32),
	COLUMN(pp_io_site, error, U32),
	COLUMN(pp_io_site, call_count, U64),
	COLUMN(pp_io_site, asked_bytes, U64),
	COLUMN(pp_io_site, got_bytes, U64),
	COLUMN(pp_io_site, ns, U64),
	COLUMN(pp_io_site, max_ns, U64),
	COLUMN(pp_io_site, sequential_count, U64),
	COLUMN(pp_io_site, strided_count, U64),
	COLUMN(pp_io_site, reread_bytes, U64),
	COLUMN(pp_io_site, aligned512_count, U64),
	COLUMN(pp_io_site, aligned4096_count, U64),
	NAMED(pp_io_site, "sizes", sizes, IO_SIZES),
	NAMED(pp_io_site, "latencies", latencies, IO_LATENCIES),
	NAMED(pp_io_site, "bins", bins, IO_BINS),
};

static const struct pp_column io_descriptor_columns[] = {
	INDEX(pp_io_descriptor, process, PROCESS),
	INDEX(pp_io_descriptor, thread, THREAD),
	INDEX(pp_io_descriptor, node, NODE),
	INDEX(pp_io_descriptor, file, IO_FILE),
	COLUMN(pp_io_descriptor, number, I32),
	NAMED(pp_io_descriptor, "duplicate_of", from, I32),
	COLUMN(pp_io_descriptor, serial, U32),
	COLUMN(pp_io_descriptor, origin, U32),
	NAMED(pp_io_descriptor, "ended", end, U32),
	COLUMN(pp_io_descriptor, flags, U32),
	COLUMN(pp_io_descriptor, deleted, BOOL),
	COLUMN(pp_io_descriptor, opened_ns, U64),
	COLUMN(pp_io_descriptor, ended_ns, U64),
	COLUMN(pp_io_descriptor, read_calls, U64),
	COLUMN(pp_io_descriptor, read_bytes, U64),
	COLUMN(pp_io_descriptor, write_calls, U64),
	COLUMN(pp_io_descriptor, write_bytes, U64),
	COLUMN(pp_io_descriptor, reread_bytes, U64),
	COLUMN(pp_io_descriptor, used_serial, U32),
};

static const struct pp_column io_slow_columns[] = {
	INDEX(pp_io_slow, process, PROCESS),
	INDEX(pp_io_slow, thread, THREAD),
	INDEX(pp_io_slow, node, NODE),
	INDEX(pp_io_slow, file, IO_FILE),
	COLUMN(pp_io_slow, operation, U32),
	COLUMN(pp_io_slow, error, U32),
	COLUMN(pp_io_slow, asked_bytes, U64),
	COLUMN(pp_io_slow, got_bytes, U64),
	COLUMN(pp_io_slow, ns, U64),
	COLUMN(pp_io_slow, end_ns, U64),
};

static const struct pp_column sql_database_columns[] = {
	COLUMN(pp_sql_database, path, STRING),
	COLUMN(pp_sql_database, cache_hits, U64),
	COLUMN(pp_sql_database, cache_misses, U64),
	COLUMN(pp_sql_database, cache_writes, U64),
	COLUMN(pp_sql_database, cache_spills, U64),
	COLUMN(pp_sql_database, journal_mode, STRING),
	COLUMN(pp_sql_database, synchronous, STRING),
};

static const struct pp_column sql_statement_columns[] = {
	COLUMN(pp_sql_statement, text, STRING),
	COLUMN(pp_sql_statement, cut, BOOL),
};

static const struct pp_column sql_site_columns[] = {
	INDEX(pp_sql_site, process, PROCESS),
	INDEX(pp_sql_site, node, NODE),
	INDEX(pp_sql_site, statement, SQL_STATEMENT),
	INDEX(pp_sql_site, database, SQL_DATABASE),
	COLUMN(pp_sql_site, operation, U32),
	COLUMN(pp_sql_site, result, U32),
	COLUMN(pp_sql_site, flags, U32),
	COLUMN(pp_sql_site, execution_count, U64),
	COLUMN(pp_sql_site, row_count, U64),
	COLUMN(pp_sql_site, step_count, U64),
	COLUMN(pp_sql_site, ns, U64),
	COLUMN(pp_sql_site, max_ns, U64),
	COLUMN(pp_sql_site, nested_ns, U64),
	COLUMN(pp_sql_site, prepare_count, U64),
	COLUMN(pp_sql_site, prepare_ns, U64),
	COLUMN(pp_sql_site, reprepare_count, U64),
	COLUMN(pp_sql_site, fullscan_steps, U64),
	COLUMN(pp_sql_site, vm_steps, U64),
	COLUMN(pp_sql_site, sort_count, U64),
	COLUMN(pp_sql_site, autoindex_rows, U64),
	COLUMN(pp_sql_site, read_bytes, U64),
	COLUMN(pp_sql_site, written_bytes, U64),
	COLUMN(pp_sql_site, sync_count, U64),
	COLUMN(pp_sql_site, sync_ns, U64),
	COLUMN(pp_sql_site, busy_count, U64),
	COLUMN(pp_sql_site, busy_wait_count, U64),
	COLUMN(pp_sql_site, busy_ns, U64),
	NAMED(pp_sql_site, "latencies", latencies, SQL_LATENCIES),
	NAMED(pp_sql_site, "bins", bins, SQL_BINS),
};

static const struct pp_column sql_transaction_columns[] = {
	INDEX(pp_sql_transaction, process, PROCESS),
	INDEX(pp_sql_transaction, node, NODE),
	INDEX(pp_sql_transaction, end_node, NODE),
	INDEX(pp_sql_transaction, database, SQL_DATABASE),
	COLUMN(pp_sql_transaction, outcome, U32),
	COLUMN(pp_sql_transaction, count, U64),
	COLUMN(pp_sql_transaction, statement_count, U64),
	COLUMN(pp_sql_transaction, write_count, U64),
	COLUMN(pp_sql_transaction, max_statement_count, U64),
	COLUMN(pp_sql_transaction, sync_count, U64),
	COLUMN(pp_sql_transaction, sync_ns, U64),
	COLUMN(pp_sql_transaction, read_bytes, U64),
	COLUMN(pp_sql_transaction, written_bytes, U64),
	COLUMN(pp_sql_transaction, ns, U64),
	COLUMN(pp_sql_transaction, max_ns, U64),
	COLUMN(pp_sql_transaction, begin_ns, U64),
	COLUMN(pp_sql_transaction, end_ns, U64),
};

static const struct pp_column sql_planned_columns[] = {
	INDEX(pp_sql_planned, statement, SQL_STATEMENT),
	INDEX(pp_sql_planned, database, SQL_DATABASE),
	COLUMN(pp_sql_planned, plan, STRING),
	COLUMN(pp_sql_planned, problem, STRING),
	COLUMN(pp_sql_planned, guessed, BOOL),
};

static const struct pp_column sql_index_columns[] = {
	INDEX(pp_sql_index, planned, SQL_PLANNED),
	COLUMN(pp_sql_index, gain, U32),
	NAMED(pp_sql_index, "create_sql", index, STRING),
	COLUMN(pp_sql_index, plan, STRING),
};

static const struct pp_column sql_slow_columns[] = {
	INDEX(pp_sql_slow, process, PROCESS),
	INDEX(pp_sql_slow, thread, THREAD),
	INDEX(pp_sql_slow, node, NODE),
	INDEX(pp_sql_slow, statement, SQL_STATEMENT),
	INDEX(pp_sql_slow, database, SQL_DATABASE),
	COLUMN(pp_sql_slow, operation, U32),
	COLUMN(pp_sql_slow, result, U32),
	COLUMN(pp_sql_slow, flags, U32),
	COLUMN(pp_sql_slow, row_count, U64),
	COLUMN(pp_sql_slow, fullscan_steps, U64),
	COLUMN(pp_sql_slow, ns, U64),
	COLUMN(pp_sql_slow, busy_ns, U64),
	COLUMN(pp_sql_slow, sync_ns, U64),
	COLUMN(pp_sql_slow, end_ns, U64),
};

static const struct pp_column sql_hold_columns[] = {
	INDEX(pp_sql_hold, process, PROCESS),
	INDEX(pp_sql_hold, thread, THREAD),
	INDEX(pp_sql_hold, node, NODE),
	INDEX(pp_sql_hold, end_node, NODE),
	INDEX(pp_sql_hold, database, SQL_DATABASE),
	COLUMN(pp_sql_hold, lock, U32),
	INDEX(pp_sql_hold, statement, SQL_STATEMENT),
	INDEX(pp_sql_hold, long_node, NODE),
	COLUMN(pp_sql_hold, connection, U32),
	COLUMN(pp_sql_hold, ns, U64),
	COLUMN(pp_sql_hold, end_ns, U64),
	COLUMN(pp_sql_hold, inside_ns, U64),
	COLUMN(pp_sql_hold, long_ns, U64),
};

static const struct pp_column sql_wait_columns[] = {
	INDEX(pp_sql_wait, process, PROCESS),
	INDEX(pp_sql_wait, thread, THREAD),
	INDEX(pp_sql_wait, node, NODE),
	INDEX(pp_sql_wait, statement, SQL_STATEMENT),
	INDEX(pp_sql_wait, database, SQL_DATABASE),
	COLUMN(pp_sql_wait, operation, U32),
	COLUMN(pp_sql_wait, result, U32),
	COLUMN(pp_sql_wait, flags, U32),
	COLUMN(pp_sql_wait, connection, U32),
	COLUMN(pp_sql_wait, ns, U64),
	COLUMN(pp_sql_wait, end_ns, U64),
};

#define TABLE(NAME, table, type, field)                                  \
	[PP_TABLE_##NAME] = {#table,                                     \
			     offsetof(struct pp_profile, field),         \
			     offsetof(struct pp_profile, table##_count), \
			     sizeof(struct type),                        \
			     table##_columns,                            \
			     sizeof(table##_columns) / sizeof(table##_columns[0]),                     \
			     false}

const struct pp_table pp_tables[PP_TABLE_COUNT] = {
	[PP_TABLE_RECORDING] = {"recording", SIZE_MAX, 0, sizeof(struct pp_profile), recording_columns,
				sizeof(recording_columns) / sizeof(recording_columns[0]), false},
	TABLE(PROCESS, process, pp_process, processes),
	TABLE(THREAD, thread, pp_thread, threads),
	TABLE(MODULE, module, pp_module, modules),
	TABLE(FRAME, frame, pp_frame, frames),
	TABLE(ADDRESS, address, pp_address, addresses),
	[PP_TABLE_NODE] = {"tree", offsetof(struct pp_profile, nodes), offsetof(struct pp_profile, node_count),
			   sizeof(struct pp_node), node_columns, 1, false},
	TABLE(MEM_SITE, mem_site, pp_mem_site, mem_sites),
	TABLE(CPU_SITE, cpu_site, pp_cpu_site, cpu_sites),
	TABLE(GIL_SITE, gil_site, pp_gil_site, gil_sites),
	TABLE(IO_FILE, io_file, pp_io_file, io_files),
	TABLE(IO_SITE, io_site, pp_io_site, io_sites),
	TABLE(IO_SLOW, io_slow, pp_io_slow, io_slows),
	TABLE(IO_DESCRIPTOR, io_descriptor, pp_io_descriptor, io_descriptors),
	TABLE(SQL_DATABASE, sql_database, pp_sql_database, sql_databases),
	TABLE(SQL_STATEMENT, sql_statement, pp_sql_statement, sql_statements),
	TABLE(SQL_SITE, sql_site, pp_sql_site, sql_sites),
	TABLE(SQL_TRANSACTION, sql_transaction, pp_sql_transaction, sql_transactions),
	TABLE(SQL_SLOW, sql_slow, pp_sql_slow, sql_slows),
	[PP_TABLE_SQL_PLANNED] = {"sql_planned", offsetof(struct pp_profile, sql_planned),
				  offsetof(struct pp_profile, sql_planned_count), sizeof(struct pp_sql_planned),
				  sql_planned_columns, sizeof(sql_planned_columns) / sizeof(sql_planned_columns[0]),
				  false},
	[PP_TABLE_SQL_INDEX] = {"sql_index", offsetof(struct pp_profile, sql_indexes),
				offsetof(struct pp_profile, sql_index_count), sizeof(struct pp_sql_index),
				sql_index_columns, sizeof(sql_index_columns) / sizeof(sql_index_columns[0]), false},
	[PP_TABLE_SQL_HOLD] = {"sql_hold", offsetof(struct pp_profile, sql_holds),
			       offsetof(struct pp_profile, sql_hold_count), sizeof(struct pp_sql_hold), sql_hold_columns,
			       sizeof(sql_hold_columns) / sizeof(sql_hold_columns[0]), true},
	[PP_TABLE_SQL_WAIT] = {"sql_wait", offsetof(struct pp_profile, sql_waits),
			       offsetof(struct pp_profile, sql_wait_count), sizeof(struct pp_sql_wait), sql_wait_columns,
			       sizeof(sql_wait_columns) / sizeof(sql_wait_columns[0]), true},
};

const struct pp_plain_table pp_plain_tables[] = {
	{"string", "CREATE TABLE string(id INTEGER PRIMARY KEY, text TEXT)"},
	{"argument", "CREATE TABLE argument(process INTEGER, position INTEGER, text TEXT,"
		     " PRIMARY KEY(process, position)) WITHOUT ROWID"},
	{"note", "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT)"},
	{"skip", "CREATE TABLE skip(process INTEGER, cause INTEGER, name TEXT, count INTEGER,"
		 " PRIMARY KEY(process, cause)) WITHOUT ROWID"},
	{"histogram", "CREATE TABLE histogram(process INTEGER, kind INTEGER, bucket INTEGER, count INTEGER,"
		      " PRIMARY KEY(process, kind, bucket)) WITHOUT ROWID"},
	{NULL, NULL},
};

const struct pp_histogram_row pp_histogram_rows[PP_HISTOGRAM_ROWS] = {
	{"size_bytes", offsetof(struct pp_process, mem.sizes)},
	{"lifetime_ns", offsetof(struct pp_process, mem.lifetimes)},
};

/* Appends to text at *used; false when it does not fit. */
__attribute__((format(printf, 4, 5))) static bool append(char *text, size_t size, size_t *used, const char *format, ...)
{
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(text + *used, size - *used, format, list);
	va_end(list);
	if (length < 0 || (size_t)length >= size - *used)
		return false;
	*used += (size_t)length;
	return true;
}

bool table_sql_create(const struct pp_table *table, char *text, size_t size)
{
	size_t used = 0;
	bool fits = append(text, size, &used, "CREATE TABLE %s(id INTEGER PRIMARY KEY", table->name);

	for (uint32_t i = 0; i < table->column_count; i++) {
		bool blob = column_is_blob((enum pp_column_kind)table->columns[i].kind);

		fits = fits && append(text, size, &used, ", %s %s", table->columns[i].name, blob ? "BLOB" : "INTEGER");
	}
	return fits && append(text, size, &used, ")");
}

bool table_sql_select(const struct pp_table *table, char *text, size_t size)
{
	size_t used = 0;
	bool fits = append(text, size, &used, "SELECT id");

	for (uint32_t i = 0; i < table->column_count; i++)
		fits = fits && append(text, size, &used, ", %s", table->columns[i].name);
	return fits && append(text, size, &used, " FROM %s ORDER BY id", table->name);
}
