/* SPDX-License-Identifier: Apache-2.0 */
/* Who keeps others from a database, as rules see it; see rules_sql.h. One thread; the profile is only read. */
#include "rules_sql.h"

#include "report_locks.h"
#include "report_model.h"
#include "report_text.h"
#include "rules_io.h"
#include "sql_names.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct pp_sql_keeper *keeper_of(struct pp_sql_subjects *subjects, const struct pp_profile *profile,
				       uint32_t index)
{
	const struct pp_sql_hold *hold = &profile->sql_holds[index];
	struct pp_sql_keeper *keeper;

	for (uint32_t i = 0; i < subjects->keeper_count; i++) {
		keeper = &subjects->keepers[i];
		if (keeper->node == hold->node && keeper->database == hold->database && keeper->lock == hold->lock)
			return keeper;
	}
	keeper = &subjects->keepers[subjects->keeper_count++];
	*keeper = (struct pp_sql_keeper){.database = hold->database,
					 .node = hold->node,
					 .lock = hold->lock,
					 .longest = index, /* they come in that order */
					 .wait = PP_NONE};
	return keeper;
}

static void wait_add(const struct pp_profile *profile, struct pp_sql_keeper *keeper, uint32_t index,
		     const struct pp_sql_hold *hold, bool strongest)
{
	bool may;
	uint64_t ns = sql_locks_overlap(profile, &profile->sql_waits[index], hold, &may);

	if (!may || !strongest)
		return;
	keeper->blocked_count++;
	keeper->blocked_ns += ns;
	if (keeper->wait != PP_NONE && ns <= keeper->wait_ns)
		return;
	keeper->wait = index;
	keeper->wait_ns = ns;
}

void sql_keepers_make(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects)
{
	subjects->holder_of = sql_locks_match(profile, arena);
	subjects->keepers = arena_array(arena, profile->sql_hold_count, sizeof(*subjects->keepers));
	for (uint32_t i = 0; i < profile->sql_hold_count; i++) {
		const struct pp_sql_hold *hold = &profile->sql_holds[i];
		struct pp_sql_keeper *keeper = keeper_of(subjects, profile, i);

		keeper->count++;
		for (uint32_t j = 0; j < profile->sql_wait_count; j++) {
			uint32_t holder = subjects->holder_of[j];

			/* A reader has nothing to do with a wait for who wrote. */
			if (holder != PP_NONE)
				wait_add(profile, keeper, j, hold, profile->sql_holds[holder].lock == hold->lock);
		}
	}
}

double sql_keeper_metric(const struct pp_profile *profile, const struct pp_sql_keeper *keeper, enum pp_metric metric)
{
	const struct pp_sql_hold *longest = &profile->sql_holds[keeper->longest];
	double percent;

	switch (metric) {
	case PP_METRIC_SQL_LONGEST_NS:
		return (double)longest->ns;
	case PP_METRIC_SQL_WRITE_NS:
		return sql_lock_writes(keeper->lock) ? (double)longest->ns : NAN;
	case PP_METRIC_SQL_READ_NS:
		return sql_lock_writes(keeper->lock) ? NAN : (double)longest->ns;
	case PP_METRIC_SQL_HOLD_COUNT:
		return (double)keeper->count;
	case PP_METRIC_SQL_INSIDE_PERCENT:
		percent = percent_of(longest->inside_ns, longest->ns);
		return percent > 100 ? 100 : percent; /* it may have read long before it wrote */
	case PP_METRIC_SQL_BLOCKED_COUNT:
		return (double)keeper->blocked_count;
	case PP_METRIC_SQL_BLOCKED_NS:
		return (double)keeper->blocked_ns;
	case PP_METRIC_SQL_BLOCKED_PERCENT:
		percent = metric_share(keeper->blocked_ns, profile->wall_ns);
		return percent > 100 ? 100 : percent; /* of several threads */
	default:
		return NAN;
	}
}

/* Was it one statement that took most of the time? */
static bool keeper_is_slow_statement(const struct pp_sql_hold *longest)
{
	return longest->long_node && longest->long_ns >= longest->ns / 2;
}

/* Where its time went, or else where it began. */
uint32_t sql_keeper_node(const struct pp_profile *profile, const struct pp_sql_keeper *keeper)
{
	const struct pp_sql_hold *longest = &profile->sql_holds[keeper->longest];

	return keeper_is_slow_statement(longest) || !keeper->node ? longest->long_node : keeper->node;
}

static const char *statement_words(const struct pp_profile *profile, uint32_t statement, char *buffer)
{
	const char *text = statement == PP_NONE ? NULL : profile->sql_statements[statement].text;

	return text_fit(buffer, text ? text : "a call of SQLite", 80);
}

static void spent_words(const struct pp_profile *profile, const struct pp_sql_hold *longest, char *buffer, size_t size)
{
	char place[PP_TEXT_LINE], end[PP_TEXT_LINE], text[PP_TEXT_LINE], time[PP_TEXT_NUMBER];
	double outside = longest->inside_ns < longest->ns ? 100 - percent_of(longest->inside_ns, longest->ns) : 0;

	sql_node_words(profile, longest->node, place, sizeof(place));
	if (keeper_is_slow_statement(longest))
		snprintf(buffer, size, "Most of it is one statement of %s: %s.", text_duration(time, longest->long_ns),
			 statement_words(profile, longest->statement, text));
	else if (longest->end_node)
		snprintf(buffer, size, "It begins at %s and ends at %s; %.0f%% of its time passes outside of SQLite.",
			 longest->node ? place : "an unknown place",
			 sql_node_words(profile, longest->end_node, end, sizeof(end)), outside);
	else
		snprintf(buffer, size, "It begins at %s; %.0f%% of its time passes outside of SQLite.",
			 longest->node ? place : "an unknown place", outside);
}

static void waiter_words(const struct pp_profile *profile, const struct pp_sql_keeper *keeper, char *buffer,
			 size_t size)
{
	const struct pp_sql_wait *wait;
	char place[PP_TEXT_LINE], text[PP_TEXT_LINE], time[PP_TEXT_NUMBER];

	buffer[0] = '\0';
	if (keeper->wait == PP_NONE)
		return;
	wait = &profile->sql_waits[keeper->wait];
	snprintf(buffer, size, "%" PRIu64 " call%s waited for it, one of them %s: %s at %s.", keeper->blocked_count,
		 keeper->blocked_count == 1 ? "" : "s", text_duration(time, wait->ns),
		 statement_words(profile, sql_operation_is_statement(wait->operation) ? wait->statement : PP_NONE,
				 text),
		 wait->node ? sql_node_words(profile, wait->node, place, sizeof(place)) : "an unknown place");
}

const char *sql_keeper_words(const struct pp_profile *profile, const struct pp_sql_keeper *keeper, const char *name,
			     size_t length, char *buffer, size_t size)
{
	if (length == 5 && memcmp(name, "spent", 5) == 0)
		spent_words(profile, &profile->sql_holds[keeper->longest], buffer, size);
	else if (length == 7 && memcmp(name, "waiters", 7) == 0)
		waiter_words(profile, keeper, buffer, size);
	else
		return NULL;
	return buffer;
}

static const char *in_turn_words(const struct pp_profile *profile, const struct pp_sql_wait *wait,
				 const struct pp_sql_hold *hold, char *buffer, size_t size)
{
	uint32_t count = sql_locks_in_turn(profile, wait, hold);

	snprintf(buffer, size, "%" PRIu32 " in turn, for the longest time by ", count);
	return count > 1 ? buffer : "";
}

const char *sql_stack_words(const struct pp_profile *profile, const struct pp_sql_subjects *subjects,
			    const struct pp_sql_subject *subject, const char *name, size_t length, char *buffer,
			    size_t size)
{
	char words[PP_TEXT_LINE], place[2 * PP_TEXT_LINE], turn[64];
	uint32_t holder = PP_NONE, found = PP_NONE;

	if (length != 6 || memcmp(name, "holder", 6) != 0)
		return NULL;
	for (uint32_t i = 0; i < profile->sql_wait_count && holder == PP_NONE; i++) {
		const struct pp_sql_wait *wait = &profile->sql_waits[i];

		if (wait->statement != subject->statement || wait->database != subject->database ||
		    wait->node != subject->node)
			continue;
		found = i;
		holder = subjects->holder_of[i];
	}
	if (holder == PP_NONE)
		snprintf(buffer, size,
			 "Who held the lock is not in this recording: another program, or a connection that "
			 "has attached the file, was killed meanwhile or has not let go yet.");
	else
		snprintf(buffer, size, "The lock was held by %s%s, which began at %s.",
			 in_turn_words(profile, &profile->sql_waits[found], &profile->sql_holds[holder], turn,
				       sizeof(turn)),
			 sql_hold_words(profile, &profile->sql_holds[holder], words, sizeof(words)),
			 sql_hold_place(profile, &profile->sql_holds[holder], &profile->sql_waits[found], place,
					sizeof(place)));
	return buffer;
}
