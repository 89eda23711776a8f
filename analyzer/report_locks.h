/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who kept whom waiting: waits for SQLite's locks matched with the locks that other connections of the recording held then.
 * Computed once from a profile, then only read; on the arena. One thread.
 */
#ifndef PREPROF_REPORT_LOCKS_H
#define PREPROF_REPORT_LOCKS_H

#include "arena.h"
#include "profile.h"

/* By wait, the index of the hold that it was for; PP_NONE: nobody in the recording is known to have held it. Of several in
 * turn the one that took most of the time. */
uint32_t *sql_locks_match(const struct pp_profile *profile, struct pp_arena *arena);
/* For how long this wait was for that hold. 0 for a refusal, and for what has nothing to do with it; *may: it can have. */
uint64_t sql_locks_overlap(const struct pp_profile *profile, const struct pp_sql_wait *wait,
			   const struct pp_sql_hold *hold, bool *may);

/* Locks as `hold` that were held while this wait went on, one after the other: 1 and more. */
uint32_t sql_locks_in_turn(const struct pp_profile *profile, const struct pp_sql_wait *wait,
			   const struct pp_sql_hold *hold);

/* "a write transaction of 400 ms", and where it began: "hold (job.py:8), in another thread". */
const char *sql_hold_words(const struct pp_profile *profile, const struct pp_sql_hold *hold, char *buffer, size_t size);
const char *sql_hold_place(const struct pp_profile *profile, const struct pp_sql_hold *hold,
			   const struct pp_sql_wait *wait, char *buffer, size_t size);
/* "hold (job.py:8)" */
const char *sql_node_words(const struct pp_profile *profile, uint32_t node, char *buffer, size_t size);

#endif
