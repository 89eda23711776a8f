/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who kept whom waiting; see report_locks.h. What keeps whom is SQLite's locking as documented: beginning to write waits for
 * who has written; writing a file (not a log) and emptying a log also wait for who reads.
 */
#include "report_locks.h"

#include "report_model.h"
#include "report_text.h"
#include "sql_names.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SLACK_NS UINT64_C(100000) /* between a lock's end and our word of it */

static bool text_begins(const char *text, const char *const *words)
{
	for (; text && *words; words++)
		if (strncasecmp(text, *words, strlen(*words)) == 0)
			return true;
	return false;
}

static const char *statement_of(const struct pp_profile *profile, uint32_t statement)
{
	return statement == PP_NONE ? NULL : profile->sql_statements[statement].text;
}

/* Does this call only read? COMMIT is no statement that writes, and does. */
static bool wait_reads(const struct pp_profile *profile, const struct pp_sql_wait *wait)
{
	static const char *const words[] = {"select", "with", "values", "explain", NULL};

	return !sql_flags_write(wait->flags) && sql_operation_is_statement(wait->operation) &&
	       text_begins(statement_of(profile, wait->statement), words);
}

/* Does it empty a log, or change how a journal is kept? */
static bool wait_empties(const struct pp_profile *profile, const struct pp_sql_wait *wait)
{
	static const char *const words[] = {"pragma", "vacuum", NULL};

	return !sql_operation_is_statement(wait->operation) ||
	       text_begins(statement_of(profile, wait->statement), words);
}

static bool keeps(const struct pp_profile *profile, const struct pp_sql_wait *wait, const struct pp_sql_hold *hold)
{
	const struct pp_sql_database *database = &profile->sql_databases[hold->database];
	bool log = database->journal_mode && strcmp(database->journal_mode, "wal") == 0;

	if (sql_result_is_locked(wait->result)) /* a shared cache: of one process, table by table */
		return wait->process == hold->process && (sql_lock_writes(hold->lock) || !wait_reads(profile, wait));
	if (sql_lock_writes(hold->lock))
		return !log || !wait_reads(profile, wait);
	return !wait_reads(profile, wait) && (!log || wait_empties(profile, wait));
}

uint64_t sql_locks_overlap(const struct pp_profile *profile, const struct pp_sql_wait *wait,
			   const struct pp_sql_hold *hold, bool *may)
{
	uint64_t wait_began = wait->end_ns > wait->ns ? wait->end_ns - wait->ns : 0;
	uint64_t hold_began = hold->end_ns > hold->ns ? hold->end_ns - hold->ns : 0;
	uint64_t from = wait_began > hold_began ? wait_began : hold_began;
	uint64_t to = wait->end_ns < hold->end_ns ? wait->end_ns : hold->end_ns;

	*may = false;
	if (wait->database == PP_NONE || wait->database != hold->database || from > to + SLACK_NS)
		return 0;
	if (wait->process == hold->process && wait->connection == hold->connection)
		return 0;
	/* Databases in memory have one name, and none of them but a shared one has locks. */
	if (!profile->sql_databases[hold->database].path || !*profile->sql_databases[hold->database].path)
		if (wait->process != hold->process)
			return 0;
	*may = keeps(profile, wait, hold);
	return *may && to > from ? to - from : 0;
}

uint32_t *sql_locks_match(const struct pp_profile *profile, struct pp_arena *arena)
{
	uint32_t *holder_of = arena_array(arena, profile->sql_wait_count, sizeof(*holder_of));

	for (uint32_t i = 0; i < profile->sql_wait_count; i++) {
		const struct pp_sql_wait *wait = &profile->sql_waits[i];
		uint64_t longest = 0;
		uint32_t strongest = 0;

		holder_of[i] = PP_NONE;
		for (uint32_t j = 0; j < profile->sql_hold_count; j++) {
			const struct pp_sql_hold *hold = &profile->sql_holds[j];
			bool may;
			uint64_t ns = sql_locks_overlap(profile, wait, hold, &may);

			if (!may || hold->lock < strongest || (hold->lock == strongest && ns <= longest))
				continue;
			strongest = hold->lock;
			longest = ns;
			holder_of[i] = j;
		}
	}
	return holder_of;
}

uint32_t sql_locks_in_turn(const struct pp_profile *profile, const struct pp_sql_wait *wait,
			   const struct pp_sql_hold *hold)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < profile->sql_hold_count; i++) {
		bool may;

		if (profile->sql_holds[i].lock == hold->lock)
			count += sql_locks_overlap(profile, wait, &profile->sql_holds[i], &may) > 0;
	}
	return count ? count : 1;
}

/* ---- words ---- */

const char *sql_node_words(const struct pp_profile *profile, uint32_t node, char *buffer, size_t size)
{
	uint32_t number = node ? sql_naming_frame(profile, node) : PP_NONE;
	char name[PP_TEXT_LINE], fitted[PP_TEXT_LINE];
	struct pp_frame frame;

	if (number == PP_NONE)
		return "an unknown place";
	frame = profile_frame(profile, number);
	text_fit_function(fitted, frame_name(profile, number, name), 60);
	if (frame.file && frame.line)
		snprintf(buffer, size, "%s (%s:%u)", fitted, path_base(frame.file), frame.line);
	else
		snprintf(buffer, size, "%s", fitted);
	return buffer;
}

const char *sql_hold_words(const struct pp_profile *profile, const struct pp_sql_hold *hold, char *buffer, size_t size)
{
	char time[PP_TEXT_NUMBER];

	(void)profile;
	snprintf(buffer, size, "a %s of %s", sql_lock_writes(hold->lock) ? "write transaction" : "reader",
		 text_duration(time, hold->ns));
	return buffer;
}

const char *sql_hold_place(const struct pp_profile *profile, const struct pp_sql_hold *hold,
			   const struct pp_sql_wait *wait, char *buffer, size_t size)
{
	char place[PP_TEXT_LINE], process[64];

	snprintf(process, sizeof(process), "in process %d", profile->processes[hold->process].pid);
	snprintf(buffer, size, "%s, %s", sql_node_words(profile, hold->node, place, sizeof(place)),
		 hold->process != wait->process ? process
		 : hold->thread != wait->thread
			 ? "in another thread"
			 : "on another connection of the same thread, which cannot end it meanwhile");
	return buffer;
}
