/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rules look at of SQL: statements by database, the stacks they come from, and transactions, each summed over
 * processes and outcomes. Computed once, then only read; all of it lies on the arena. One thread.
 */
#ifndef PREPROF_RULES_SQL_H
#define PREPROF_RULES_SQL_H

#include "rules_table.h"

/* A statement in a database: as a whole, or from one stack. */
struct pp_sql_subject {
	uint32_t statement, database;
	uint32_t node; /* of a whole: the stack that spends most of its time */
	uint64_t execution_count, row_count, ns;
	uint64_t fullscan_steps, sort_count, autoindex_rows;
	uint64_t prepare_count, prepare_ns;
	uint64_t commit_count, commit_ns, commit_sync_ns;	/* of executions that are transactions by themselves */
	uint64_t left_count, left_rows, left_ns, left_vm_steps; /* that sorted, and were left before their end */
	uint64_t busy_wait_count, busy_ns, refused_count;
	bool writes, asks; /* of a stack: asks for rows and writes nothing */
	uint64_t loop_rows; /* of a stack: rows of another query, for each of which this one seems to run; 0: of none */
	uint64_t node_ns;   /* of a whole: the most time of one stack */
	uint32_t first_index, index_count; /* in profile->sql_indexes */
	uint32_t planned;		   /* index, PP_NONE */
};

/* Transactions with the same beginning, end and database. */
struct pp_sql_span {
	uint32_t database, node, end_node;
	uint64_t count, statement_count, write_count;
	uint64_t ns, max_ns, sync_ns;
	uint64_t commit_ns;  /* inside the calls that ended them */
};

/* Locks on a database that were taken at the same place. */
struct pp_sql_keeper {
	uint32_t database, node, lock;
	uint64_t count, blocked_count, blocked_ns;
	uint32_t longest; /* index of profile->sql_holds */
	uint32_t wait;	  /* the wait that was longest for one of them: index of profile->sql_waits; PP_NONE */
	uint64_t wait_ns;
};

struct pp_sql_subjects {
	struct pp_sql_subject *statements, *stacks;
	struct pp_sql_span *spans;
	struct pp_sql_keeper *keepers;
	uint32_t statement_count, stack_count, span_count, keeper_count;
	uint32_t *holder_of; /* by wait; sql_locks_match */
};

void sql_subjects_make(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects);

/* wall_ns: of the run. */
double sql_statement_metric(const struct pp_profile *profile, const struct pp_sql_subject *subject,
			    enum pp_metric metric);
double sql_stack_metric(const struct pp_profile *profile, const struct pp_sql_subject *subject, enum pp_metric metric);
double sql_span_metric(const struct pp_profile *profile, const struct pp_sql_span *span, enum pp_metric metric);

/* rules_locks.c */
void sql_keepers_make(const struct pp_profile *profile, struct pp_arena *arena, struct pp_sql_subjects *subjects);
double sql_keeper_metric(const struct pp_profile *profile, const struct pp_sql_keeper *keeper, enum pp_metric metric);
uint32_t sql_keeper_node(const struct pp_profile *profile, const struct pp_sql_keeper *keeper);
/* What {spent} and {waiters} stand for, and of a stack {holder}; NULL: the name is neither. */
const char *sql_keeper_words(const struct pp_profile *profile, const struct pp_sql_keeper *keeper, const char *name,
			     size_t length, char *buffer, size_t size);
const char *sql_stack_words(const struct pp_profile *profile, const struct pp_sql_subjects *subjects,
			    const struct pp_sql_subject *subject, const char *name, size_t length, char *buffer,
			    size_t size);

/* What {index}, {plan} and {new_plan} stand for in a rule's words, on one line; NULL: the name is none of them. */
const char *sql_statement_words(const struct pp_profile *profile, const struct pp_sql_subject *subject,
				const char *name, size_t length, char *buffer, size_t size);

#endif
