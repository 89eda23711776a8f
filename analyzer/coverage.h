/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How complete a profile is, in figures and in plain sentences. The only place that knows the names of skip causes
 * and the words for what could not be observed. Any thread.
 */
#ifndef PREPROF_COVERAGE_H
#define PREPROF_COVERAGE_H

#include "profile.h"

/* "busy", "unwind", ...: never NULL; causes unknown to this program have a numbered name. Index enum pp_wire_skip. */
const char *coverage_skip_name(uint32_t cause);

/* What a count of this cause means for the reader, as the words after the number: "samples ..."; NULL for those that
 * take nothing away (stacks that were compared). */
const char *coverage_skip_sentence(uint32_t cause);

struct pp_coverage {
	uint64_t event_count, lost_count; /* of all processes */
	uint64_t skipped[PP_PROFILE_SKIPS];
	uint64_t sampled_ns, measured_ns; /* of the processes that were sampled; PP_UNKNOWN: none was */
	uint64_t overhead_bytes;
	bool complete;		/* nothing lost, every process to its end */
	bool saw_the_end;	/* what was freed and closed was seen up to each process's end: what is left was left */
	/* A row of the profile's is an image. exec keeps the process and its thread, fork the program. */
	uint32_t process_count, program_count, thread_count;
	const char **sentences; /* NULL-terminated, each once: what is missing from this profile */
	uint32_t sentence_count;
};

/* On the arena given. */
struct pp_coverage *coverage_create(const struct pp_profile *profile, struct pp_arena *arena);

/* The system calls that stdio makes were seen in this process. */
bool coverage_sees_stdios(const struct pp_process *process);
/* ... each call of stdio by the process (STDIO=on)? */
bool coverage_sees_asked(const struct pp_process *process);

#endif
