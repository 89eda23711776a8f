/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public views of a recording, described in docs/recording.md. Their names and columns are kept; columns may be
 * added at the end. Constants: any thread.
 */
#include "recording_schema.h"

#include "io_operation.h"
#include "site_name.h"
#include "sql_names.h"

#include <stdio.h>
#include <string.h>

static const char views_plain[] =
	/* Private: the call tree, see PP_LINK_UP_SHIFT. */
	"CREATE VIEW node AS SELECT id, id - 1 - (link >> 33) AS parent, link & 4294967295 AS address,"
	" link >> 32 & 1 AS truncated FROM tree;"

	"CREATE VIEW v_recording AS SELECT p.text AS preprof_version, h.text AS host,"
	" strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', start_unix_ns / 1000000000, 'unixepoch') AS start_time, start_unix_ns,"
	" wall_ns, running, complete, analyzer_cpu_ns, analyzer_max_rss_bytes, bin_ns"
	" FROM recording r LEFT JOIN string p ON p.id = r.preprof_version LEFT JOIN string h ON h.id = r.host;"

	"CREATE VIEW v_processes AS SELECT c.identity AS id, c.pid, p.identity AS parent_id, p.pid AS parent_pid,"
	" e.text AS executable,"
	" (SELECT group_concat(text, ' ') FROM (SELECT text FROM argument a WHERE a.process = c.id"
	" ORDER BY position)) AS command, c.start_ns, c.end_ns, iif(c.exit_known AND c.exit_signal = 0, c.exit_code,"
	" NULL) AS exit_code, iif(c.exit_known AND c.exit_signal <> 0, c.exit_signal, NULL) AS exit_signal,"
	" c.user_ns, c.system_ns, c.max_rss_bytes, c.cpu_ns, c.sample_count, c.sampled_ns, c.event_count AS events,"
	" c.lost_count AS lost, c.complete, c.allocation_count, c.free_count, c.allocated_bytes, c.freed_bytes,"
	" c.live_count, c.live_bytes, c.peak_bytes, c.peak_at_ns, c.temporary_count, c.realloc_count,"
	" c.realloc_moved_count, c.failed_count, c.unknown_free_count, c.inherited_free_count, c.mapping_count,"
	" c.mapped_bytes, c.mapping_peak_bytes, iif(c.python_version, printf('%%d.%%d', c.python_version >> 24,"
	" c.python_version >> 16 & 255) || iif(c.python_version >> 16 < 779, '', '.' || (c.python_version >> 8 & 255)),"
	" NULL) AS python_version, c.python_merge_count,"
	" c.python_matched_count, c.kernel_read_bytes, c.kernel_write_bytes, c.kernel_sampled, c.kernel_sampled_ns,"
	" iif(c.descriptor_limit, c.descriptor_limit, NULL) AS descriptor_limit"
	" FROM process c LEFT JOIN process p ON p.id = c.parent LEFT JOIN string e ON e.id = c.executable;"

	"CREATE VIEW v_threads AS SELECT p.identity AS process, p.pid, t.tid, n.text AS name, t.start_ns, t.end_ns,"
	" t.sample_count, t.sampled_ns, t.cpu_ns, t.allocation_count, t.allocated_bytes, t.free_count, t.freed_bytes,"
	" t.live_count, t.live_bytes, t.temporary_count, t.python_ns, t.gil_ns, t.gil_wait_ns, t.gil_wait_count"
	", t.io_call_count, t.io_read_bytes, t.io_written_bytes, t.io_ns, t.stdio_call_count, t.stdio_read_bytes,"
	" t.stdio_written_bytes, t.stdio_ns, t.blocked_read_write_ns, t.blocked_socket_ns,"
	" t.blocked_file_ns, t.blocked_poll_ns, t.blocked_sleep_ns, t.blocked_lock_ns, t.blocked_condition_ns,"
	" t.blocked_join_ns, t.blocked_child_ns, t.blocked_signal_ns, t.blocked_interpreter_lock_ns, t.run_delay_ns"
	" FROM thread t JOIN process p ON p.id = t.process LEFT JOIN string n ON n.id = t.name;"

	"CREATE VIEW v_modules AS SELECT m.id, p.text AS path, b.text AS build_id"
	" FROM module m LEFT JOIN string p ON p.id = m.path LEFT JOIN string b ON b.id = m.build_id;"

	"CREATE VIEW v_frames AS SELECT f.id, coalesce(n.text, printf('%%s+0x%%x', coalesce(m.path, '?'), iif(f.entry, f.entry, f.offset))) AS"
	" name, n.text AS function, s.text AS file, iif(f.line = 0, NULL, f.line) AS line, m.path AS module, f.offset,"
	" iif(f.language = 1, 'python', 'native') AS language, f.inlined,"
	" f.interpreter FROM frame f LEFT JOIN string n ON n.id ="
	" f.function LEFT JOIN string s ON s.id = f.file LEFT JOIN v_modules m ON m.id = f.module;"

	/* Position 0 is the innermost frame. */
	"CREATE VIEW v_stack_frames AS WITH RECURSIVE"
	" leaf(stack) AS (SELECT node FROM mem_site UNION SELECT node FROM cpu_site"
	" UNION SELECT node FROM gil_site UNION SELECT node FROM io_site UNION SELECT node FROM io_slow"
	" UNION SELECT node FROM io_descriptor"
	" UNION SELECT node FROM sql_site UNION SELECT node FROM sql_slow UNION SELECT node FROM sql_transaction"
	" UNION SELECT end_node FROM sql_transaction UNION SELECT node FROM sql_hold UNION SELECT end_node FROM sql_hold"
	" UNION SELECT long_node FROM sql_hold UNION SELECT node FROM sql_wait),"
	" walk(stack, node, depth) AS (SELECT stack, stack, 0 FROM leaf WHERE stack <> 0"
	" UNION ALL SELECT stack, n.parent, depth + 1 FROM walk JOIN node n ON n.id = walk.node"
	" WHERE n.parent <> 0)"
	" SELECT w.stack, row_number() OVER (PARTITION BY w.stack ORDER BY w.depth, f.id) - 1 AS position,"
	" f.name, f.function, f.file, f.line, f.module, f.offset, f.language, f.inlined, f.interpreter"
	" FROM walk w JOIN node n ON n.id = w.node JOIN address a ON a.id = n.address"
	" JOIN v_frames f ON f.id >= a.first_frame AND f.id < a.first_frame + a.frame_count;"

	/* One text for each stack, innermost frame first. */
	"CREATE VIEW v_stacks AS SELECT s.node AS stack, (WITH RECURSIVE walk(node, depth) AS (SELECT s.node, 0"
	" UNION ALL SELECT n.parent, depth + 1 FROM walk JOIN node n ON n.id = walk.node WHERE n.parent <> 0)"
	" SELECT group_concat(name, ' < ') FROM (SELECT f.name FROM walk w JOIN node n ON n.id = w.node"
	" JOIN address a ON a.id = n.address"
	" JOIN v_frames f ON f.id >= a.first_frame AND f.id < a.first_frame + a.frame_count ORDER BY w.depth, f.id))"
	" AS frames FROM (SELECT node FROM mem_site UNION SELECT node FROM cpu_site UNION SELECT node FROM gil_site"
	" UNION SELECT node FROM io_site UNION SELECT node FROM io_slow UNION SELECT node FROM io_descriptor"
	" UNION SELECT node FROM sql_site"
	" UNION SELECT node FROM sql_slow UNION SELECT node FROM sql_transaction"
	" UNION SELECT end_node FROM sql_transaction UNION SELECT node FROM sql_hold UNION SELECT end_node FROM sql_hold"
	" UNION SELECT long_node FROM sql_hold UNION SELECT node FROM sql_wait) s;"

	"CREATE VIEW v_functions_cpu AS WITH RECURSIVE"
	" sampled(node, ns, samples) AS MATERIALIZED (SELECT node, sum(sampled_ns), sum(sample_count) FROM cpu_site"
	" GROUP BY node),"
	" walk(leaf, node, ns, samples) AS (SELECT node, node, ns, samples FROM sampled WHERE node <> 0 UNION ALL"
	" SELECT leaf, n.parent, ns, samples FROM walk JOIN node n ON n.id = walk.node WHERE n.parent <> 0),"
	" hit(leaf, frame, ns, samples, self) AS (SELECT leaf, f.id, ns, samples, walk.leaf = walk.node AND"
	" f.id = a.first_frame FROM walk JOIN node n ON n.id = walk.node JOIN address a ON a.id = n.address"
	" JOIN frame f ON f.id >= a.first_frame AND f.id < a.first_frame + a.frame_count),"
	" once(leaf, name, file, module, ns, samples, self) AS (SELECT leaf, f.name, f.file, f.module, ns, samples,"
	" max(self) FROM hit JOIN v_frames f ON f.id = hit.frame GROUP BY leaf, f.name, f.file, f.module)"
	" SELECT name AS function, file, module, sum(iif(self, ns, 0)) AS self_ns, sum(ns) AS total_ns,"
	" sum(iif(self, samples, 0)) AS self_samples, sum(samples) AS total_samples"
	" FROM once GROUP BY name, file, module;"

	"CREATE VIEW v_histograms AS SELECT p.identity AS process, p.pid,"
	" CASE h.kind WHEN 0 THEN 'size_bytes' ELSE 'lifetime_ns' END AS kind,"
	" iif(h.bucket = 0, 0, 1 << (h.bucket - 1)) AS low, iif(h.bucket = 0, 1, 1 << h.bucket) AS high, h.count"
	" FROM histogram h JOIN process p ON p.id = h.process;"

	"CREATE VIEW v_coverage AS SELECT p.identity AS process, p.pid, s.name AS skipped, s.count"
	" FROM skip s JOIN process p ON p.id = s.process;"

	"CREATE VIEW v_io AS SELECT p.identity AS process, p.pid, s.node AS stack, n.text AS path, %s AS kind,"
	" %s AS operation, %s AS \"group\", s.error AS errno, s.call_count, s.asked_bytes, s.got_bytes, s.ns, s.max_ns,"
	" s.sequential_count, s.strided_count, s.reread_bytes, s.aligned512_count, s.aligned4096_count"
	" FROM io_site s JOIN process p ON p.id = s.process"
	" LEFT JOIN io_file f ON f.id = s.file LEFT JOIN string n ON n.id = f.path WHERE s.operation < %u;"

	"CREATE VIEW v_waits AS SELECT p.identity AS process, p.pid, s.node AS stack, %s AS operation, s.error AS errno,"
	" s.call_count, s.ns, s.max_ns FROM io_site s JOIN process p ON p.id = s.process WHERE s.operation >= %u;"

	"CREATE VIEW v_files AS SELECT path, kind, sum(iif(\"group\" = 'open' AND errno = 0, call_count, 0)) AS open_count,"
	" sum(iif(\"group\" LIKE 'stdio %%', 0, call_count)) AS call_count,"
	" sum(iif(\"group\" = 'read', call_count, 0)) AS read_calls,"
	" sum(iif(\"group\" = 'read', got_bytes, 0)) AS read_bytes, sum(iif(\"group\" = 'read', ns, 0)) AS read_ns,"
	" sum(iif(\"group\" = 'write', call_count, 0)) AS write_calls,"
	" sum(iif(\"group\" = 'write', got_bytes, 0)) AS write_bytes, sum(iif(\"group\" = 'write', ns, 0)) AS write_ns,"
	" sum(iif(\"group\" = 'recv', got_bytes, 0)) AS recv_bytes, sum(iif(\"group\" = 'send', got_bytes, 0)) AS"
	" send_bytes, sum(iif(\"group\" = 'sync', call_count, 0)) AS sync_calls,"
	" sum(iif(\"group\" = 'sync', ns, 0)) AS sync_ns, sum(iif(\"group\" = 'seek', call_count, 0)) AS seek_calls,"
	" sum(iif(\"group\" = 'seek', sequential_count, 0)) AS seek_in_place_calls,"
	" sum(iif(errno <> 0 AND \"group\" NOT LIKE 'stdio %%', call_count, 0)) AS error_count,"
	" sum(iif(\"group\" LIKE 'stdio %%', 0, ns)) AS ns, max(iif(\"group\" LIKE 'stdio %%', 0, max_ns)) AS max_ns,"
	" sum(iif(\"group\" LIKE 'stdio %%', call_count, 0)) AS stdio_calls,"
	" sum(iif(\"group\" LIKE 'stdio %%', ns, 0)) AS stdio_ns,"
	" sum(iif(\"group\" = 'stdio read', call_count, 0)) AS stdio_read_calls,"
	" sum(iif(\"group\" = 'stdio read', got_bytes, 0)) AS stdio_read_bytes,"
	" sum(iif(\"group\" = 'stdio write', call_count, 0)) AS stdio_write_calls,"
	" sum(iif(\"group\" = 'stdio write', got_bytes, 0)) AS stdio_write_bytes"
	" FROM v_io GROUP BY path, kind;"

	"CREATE VIEW v_slow_calls AS SELECT p.identity AS process, p.pid, t.tid, s.node AS stack, n.text AS path,"
	" %s AS operation, s.error AS errno, s.asked_bytes, s.got_bytes, s.ns, s.end_ns FROM io_slow s"
	" JOIN process p ON p.id = s.process JOIN thread t ON t.id = s.thread LEFT JOIN io_file f ON f.id = s.file"
	" LEFT JOIN string n ON n.id = f.path;"

	"CREATE VIEW v_descriptors AS SELECT p.identity AS process, p.pid, t.tid, s.node AS stack, s.number, s.serial,"
	" %s AS origin, iif(s.duplicate_of < 0, NULL, s.duplicate_of) AS duplicate_of, %s AS \"end\", s.flags, n.text AS path,"
	" iif(f.id IS NULL, %s, %s) AS kind, s.deleted, s.opened_ns, s.ended_ns, s.read_calls, s.read_bytes, s.write_calls, s.write_bytes,"
	" s.reread_bytes, iif(s.used_serial, s.used_serial, NULL) AS used_serial FROM io_descriptor s JOIN process p ON p.id = s.process LEFT JOIN thread t ON t.id = s.thread"
	" LEFT JOIN io_file f ON f.id = s.file LEFT JOIN string n ON n.id = f.path;"

	"CREATE VIEW v_gil_waits AS SELECT p.identity AS process, p.pid, s.node AS stack, s.wait_count, s.wait_ns,"
	" s.max_ns FROM gil_site s JOIN process p ON p.id = s.process;"

	"CREATE VIEW v_notes AS SELECT text AS note FROM note;";

static const char views_sql[] =
	"CREATE VIEW v_sql AS SELECT p.identity AS process, p.pid, s.node AS stack, x.text AS sql, n.text AS database,"
	" %s AS operation, %s AS result, s.flags & 1 AS writes, s.flags >> 1 & 1 AS autocommit, s.flags >> 2 & 1 AS nested,"
	" s.flags >> 3 & 1 AS by_exec, s.flags >> 4 & 1 AS unfinished, s.execution_count, s.row_count, s.step_count, s.ns,"
	" s.max_ns, s.nested_ns, s.prepare_count, s.prepare_ns, s.reprepare_count, s.fullscan_steps, s.vm_steps,"
	" s.sort_count, s.autoindex_rows, s.read_bytes, s.written_bytes, s.sync_count, s.sync_ns, s.busy_count,"
	" s.busy_wait_count, s.busy_ns FROM sql_site s JOIN process p ON p.id = s.process"
	" LEFT JOIN sql_statement t ON t.id = s.statement LEFT JOIN string x ON x.id = t.text"
	" LEFT JOIN sql_database d ON d.id = s.database LEFT JOIN string n ON n.id = d.path;"

	"CREATE VIEW v_sql_statements AS SELECT sql, database, sum(iif(operation = 'prepare', 0, execution_count)) AS"
	" execution_count, sum(row_count) AS row_count, sum(step_count) AS step_count,"
	" sum(iif(operation = 'prepare', 0, ns)) AS ns, max(iif(operation = 'prepare', 0, max_ns)) AS max_ns,"
	" sum(prepare_count) AS prepare_count, sum(iif(operation = 'prepare', ns, prepare_ns)) AS prepare_ns,"
	" sum(fullscan_steps) AS fullscan_steps, sum(vm_steps) AS vm_steps, sum(sort_count) AS sort_count,"
	" sum(autoindex_rows) AS autoindex_rows, sum(written_bytes) AS written_bytes, sum(sync_count) AS sync_count,"
	" sum(sync_ns) AS sync_ns, sum(busy_count) AS busy_count, sum(busy_ns) AS busy_ns FROM v_sql"
	" WHERE operation IN ('execute', 'prepare', 'script') GROUP BY sql, database;"

	"CREATE VIEW v_sql_transactions AS SELECT p.identity AS process, p.pid, s.node AS stack, s.end_node AS end_stack,"
	" n.text AS database, %s AS outcome, s.count, s.statement_count, s.write_count, s.max_statement_count, s.sync_count,"
	" s.sync_ns, s.read_bytes, s.written_bytes, s.ns, s.max_ns, s.begin_ns, s.end_ns FROM sql_transaction s"
	" JOIN process p ON p.id = s.process LEFT JOIN sql_database d ON d.id = s.database"
	" LEFT JOIN string n ON n.id = d.path;"

	"CREATE VIEW v_sql_databases AS SELECT n.text AS path, d.cache_hits, d.cache_misses, d.cache_writes, d.cache_spills,"
	" j.text AS journal_mode, y.text AS synchronous FROM sql_database d LEFT JOIN string n ON n.id = d.path"
	" LEFT JOIN string j ON j.id = d.journal_mode LEFT JOIN string y ON y.id = d.synchronous;"

	"CREATE VIEW v_sql_plans AS SELECT x.text AS sql, n.text AS database, p.text AS plan, w.text AS problem, s.guessed,"
	" v.text AS planner FROM sql_planned s LEFT JOIN sql_statement t ON t.id = s.statement"
	" LEFT JOIN string x ON x.id = t.text LEFT JOIN sql_database d ON d.id = s.database"
	" LEFT JOIN string n ON n.id = d.path LEFT JOIN string p ON p.id = s.plan LEFT JOIN string w ON w.id = s.problem"
	" LEFT JOIN recording r LEFT JOIN string v ON v.id = r.sql_planner;"

	"CREATE VIEW v_sql_indexes AS SELECT x.text AS sql, n.text AS database, c.text AS create_sql,"
	" CASE i.gain WHEN 1 THEN 'search' WHEN 2 THEN 'automatic index' WHEN 3 THEN 'sort' END AS gain,"
	" b.text AS plan, a.text AS new_plan FROM sql_index i JOIN sql_planned s ON s.id = i.planned"
	" LEFT JOIN sql_statement t ON t.id = s.statement LEFT JOIN string x ON x.id = t.text"
	" LEFT JOIN sql_database d ON d.id = s.database LEFT JOIN string n ON n.id = d.path"
	" LEFT JOIN string c ON c.id = i.create_sql LEFT JOIN string b ON b.id = s.plan"
	" LEFT JOIN string a ON a.id = i.plan;"

	"CREATE VIEW v_sql_holds AS SELECT p.identity AS process, p.pid, t.tid, s.connection, n.text AS database,"
	" CASE s.lock WHEN 1 THEN 'read' WHEN 2 THEN 'write' END AS lock, s.node AS stack, s.end_node AS end_stack, s.ns,"
	" s.end_ns, s.inside_ns, x.text AS longest_sql, s.long_node AS longest_stack, s.long_ns AS longest_ns"
	" FROM sql_hold s JOIN process p ON p.id = s.process JOIN thread t ON t.id = s.thread"
	" LEFT JOIN sql_statement q ON q.id = s.statement LEFT JOIN string x ON x.id = q.text"
	" LEFT JOIN sql_database d ON d.id = s.database LEFT JOIN string n ON n.id = d.path;"

	"CREATE VIEW v_sql_waits AS SELECT p.identity AS process, p.pid, t.tid, s.connection, s.node AS stack, x.text AS sql,"
	" n.text AS database, %s AS operation, %s AS result, s.ns, s.end_ns FROM sql_wait s JOIN process p ON p.id = s.process"
	" JOIN thread t ON t.id = s.thread LEFT JOIN sql_statement q ON q.id = s.statement"
	" LEFT JOIN string x ON x.id = q.text LEFT JOIN sql_database d ON d.id = s.database"
	" LEFT JOIN string n ON n.id = d.path;"

	"CREATE VIEW v_slow_statements AS SELECT p.identity AS process, p.pid, t.tid, s.node AS stack, x.text AS sql,"
	" n.text AS database, %s AS operation, %s AS result, s.row_count, s.fullscan_steps, s.ns, s.busy_ns, s.sync_ns,"
	" s.end_ns FROM sql_slow s JOIN process p ON p.id = s.process JOIN thread t ON t.id = s.thread"
	" LEFT JOIN sql_statement q ON q.id = s.statement LEFT JOIN string x ON x.id = q.text"
	" LEFT JOIN sql_database d ON d.id = s.database LEFT JOIN string n ON n.id = d.path;";

/* A site is named by its innermost frame outside the allocators (the list is site_name.h's); where Python is on the stack,
 * by the innermost one that is Python or the user's own. */
static const char view_heap_sites[] =
	"CREATE VIEW v_heap_sites AS SELECT p.identity AS process, p.pid, s.node AS stack, f.name AS function, f.file,"
	" f.line, f.module, s.allocation_count, s.allocated_bytes, s.live_count, s.live_bytes, s.peak_bytes,"
	" s.peak_count, s.max_live_bytes, s.temporary_count, s.failed_count, s.mapping_count, s.mapped_bytes"
	" FROM mem_site s JOIN process p ON p.id = s.process LEFT JOIN v_frames f ON f.id ="
	" (WITH RECURSIVE walk(node, depth) AS (SELECT s.node, 0 UNION ALL SELECT n.parent, depth + 1 FROM walk"
	" JOIN node n ON n.id = walk.node WHERE n.parent <> 0)"
	" SELECT id FROM (SELECT g.id AS id, w.depth AS depth, max(g.language = 1) OVER () AS python,"
	" g.language = 1 OR (coalesce(l.own, 0) AND NOT g.interpreter) AS own"
	" FROM walk w JOIN node n ON n.id = w.node JOIN address a ON a.id = n.address"
	" JOIN frame g ON g.id >= a.first_frame AND g.id < a.first_frame + a.frame_count"
	" LEFT JOIN string t ON t.id = g.function LEFT JOIN module l ON l.id = g.module"
	" WHERE g.language = 1 OR t.text IS NULL OR NOT (t.text IN (%s) OR t.text LIKE 'operator new%%'))"
	" ORDER BY NOT (python AND own), depth, id LIMIT 1);";

static const char *group_name(uint32_t operation)
{
	return io_group_name(io_operation_group(operation));
}

/* "CASE column WHEN 1 THEN 'read' ... ELSE 'unknown' END": numbers into words, where the word is not that of 0. */
static char *case_sql(const char *column, const char *(*name)(uint32_t))
{
	char *sql = sqlite3_mprintf("CASE %s", column);

	for (uint32_t number = 1; sql && number < PP_IO_NUMBERS; number++)
		if (strcmp(name(number), name(0)) != 0)
			sql = sqlite3_mprintf("%z WHEN %u THEN %Q", sql, number, name(number));
	return sql ? sqlite3_mprintf("%z ELSE %Q END", sql, name(0)) : NULL;
}

static const char *kind_by_origin(uint32_t origin)
{
	return io_life_kind_name(0, origin);
}

static char *plain_sql(void)
{
	char *kinds = case_sql("f.kind", io_kind_name), *operations = case_sql("s.operation", io_operation_name);
	char *groups = case_sql("s.operation", group_name), *result = NULL;
	char *origins = case_sql("s.origin", io_origin_name), *ends = case_sql("s.ended", io_end_name);
	char *made = case_sql("s.origin", kind_by_origin);

	if (kinds && operations && groups && origins && ends && made)
		result = sqlite3_mprintf(views_plain, kinds, operations, groups, io_first_wait(), operations,
					 io_first_wait(), operations, origins, ends, made, kinds);
	sqlite3_free(kinds);
	sqlite3_free(operations);
	sqlite3_free(groups);
	sqlite3_free(origins);
	sqlite3_free(ends);
	sqlite3_free(made);
	return result;
}

static char *sql_sql(void)
{
	char *operations = case_sql("s.operation", sql_operation_name), *results = case_sql("s.result", sql_result_name);
	char *outcomes = case_sql("s.outcome", sql_outcome_name), *result = NULL;

	if (operations && results && outcomes)
		result = sqlite3_mprintf(views_sql, operations, results, outcomes, operations, results, operations,
					 results);
	sqlite3_free(operations);
	sqlite3_free(results);
	sqlite3_free(outcomes);
	return result;
}

char *recording_views_sql(void)
{
	char *plain = plain_sql(), *sql = sql_sql();
	char *names = NULL, *sites = NULL, *result = NULL;

	for (const char *const *name = pp_allocator_names; *name; name++) {
		char *longer = sqlite3_mprintf("%z%s%Q", names, names ? ", " : "", *name);

		if (!longer)
			goto out;
		names = longer;
	}
	sites = sqlite3_mprintf(view_heap_sites, names);
	if (plain && sql && sites)
		result = sqlite3_mprintf("%s%s%s", plain, sql, sites);
out:
	sqlite3_free(names);
	sqlite3_free(plain);
	sqlite3_free(sql);
	sqlite3_free(sites);
	return result;
}
