/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules as data; rules.c applies them. To add one: a row in rules_table.c, a section in docs/findings.md, a golden
 * file in tests/golden/report. A test says which of them is missing.
 */
#ifndef PREPROF_RULES_TABLE_H
#define PREPROF_RULES_TABLE_H

#include "rules.h"

#include <stddef.h>

/* What a rule looks at, one after the other. */
enum pp_subject_kind {
	PP_SUBJECT_FUNCTION,
	PP_SUBJECT_HEAP_SITE,
	PP_SUBJECT_PROCESS,
	PP_SUBJECT_IO_SITE, /* a stack that makes I/O calls */
	PP_SUBJECT_IO_FILE,
	PP_SUBJECT_SQL_STATEMENT, /* a statement in a database */
	PP_SUBJECT_SQL_STACK,	  /* the same from one stack */
	PP_SUBJECT_SQL_SPAN,	  /* transactions that begin and end at the same places */
	PP_SUBJECT_SQL_KEEPER,	  /* locks on a database that were taken at the same place */
	PP_SUBJECT_THREAD,
	PP_SUBJECT_LEFT_OPEN, /* descriptors of one process that were made at one place and not closed */
};

enum pp_unit { PP_UNIT_COUNT, PP_UNIT_BYTES, PP_UNIT_NS, PP_UNIT_PERCENT, PP_UNIT_FACTOR };

/* One number about a subject. NaN where it does not apply: no condition on it then holds. */
enum pp_metric {
	PP_METRIC_NONE,
	PP_METRIC_SELF_PERCENT,
	PP_METRIC_TOTAL_PERCENT,
	PP_METRIC_SELF_NS,
	PP_METRIC_SELF_SAMPLES,
	PP_METRIC_ALLOCATION_COUNT,
	PP_METRIC_ALLOCATED_BYTES,
	PP_METRIC_ALLOCATION_RANK,    /* 1: no site makes more allocations */
	PP_METRIC_ALLOCATION_PERCENT, /* of the tree's allocations */
	PP_METRIC_TEMPORARY_COUNT,
	PP_METRIC_TEMPORARY_PERCENT, /* of the site's allocations */
	PP_METRIC_LIVE_BYTES,
	PP_METRIC_LIVE_COUNT,
	PP_METRIC_LIVE_PERCENT,	   /* of all that is live at the end */
	PP_METRIC_GROWING_PERCENT, /* slices of the run, its first fifth left out, in which live bytes rose */
	PP_METRIC_GROWTH_FACTOR,   /* live bytes at the end to those after the first fifth of the run */
	PP_METRIC_LOST_COUNT,
	PP_METRIC_LOST_PERCENT,
	PP_METRIC_CPU_NS,
	PP_METRIC_UNSAMPLED_PERCENT, /* CPU time that no sample stands for */
	PP_METRIC_SMALL_COUNT,	     /* reads and writes of 1 to 511 bytes */
	PP_METRIC_SMALL_PERCENT,     /* of the site's reads and writes */
	PP_METRIC_MOVE_NS,	     /* wall time in reads and writes */
	PP_METRIC_MOVE_WALL_PERCENT, /* of the run's wall time */
	PP_METRIC_STDIO_SMALL_COUNT, /* reads and writes of 1 to 511 bytes that stdio made */
	PP_METRIC_STDIO_SMALL_PERCENT, /* of the reads and writes that stdio made at the site */
	PP_METRIC_STDIO_ASKED_COUNT, /* what stdio was asked to read and write there */
	PP_METRIC_STDIO_NS,	     /* wall time in the reads and writes that it made */
	PP_METRIC_STDIO_WALL_PERCENT,
	PP_METRIC_SYNC_COUNT,
	PP_METRIC_SYNC_NS,
	PP_METRIC_SYNC_WALL_PERCENT,
	PP_METRIC_OPEN_COUNT, /* of a file: successful ones */
	PP_METRIC_OPEN_NS,
	PP_METRIC_OPEN_WALL_PERCENT,
	PP_METRIC_PLACED_COUNT,	  /* reads and writes at a place in the file */
	PP_METRIC_RANDOM_PERCENT, /* of them neither sequential nor strided */
	PP_METRIC_MEAN_BYTES,	  /* that a read or write of the file moved */
	PP_METRIC_WAIT_COUNT,	  /* calls of the file that move bytes, sockets' included */
	PP_METRIC_WAIT_NS,
	PP_METRIC_WAIT_MEAN_NS,
	PP_METRIC_WAIT_WALL_PERCENT,
	PP_METRIC_FILE_WALL_PERCENT, /* reads and writes of the file */
	PP_METRIC_AGAIN_BYTES,	     /* of the bytes read, those that had been read before */
	PP_METRIC_AGAIN_PERCENT,
	PP_METRIC_READ_BYTES,
	PP_METRIC_READ_NS,
	PP_METRIC_READ_WALL_PERCENT,
	PP_METRIC_AGAIN_WALL_PERCENT, /* of the reads' time the same part as of their bytes */
	PP_METRIC_SQL_SEARCH_INDEXES,	 /* indexes that make searches of scans, as was tried */
	PP_METRIC_SQL_AUTOMATIC_INDEXES, /* that SQLite then need not make each time */
	PP_METRIC_SQL_SORT_INDEXES,	 /* that spare a sort */
	PP_METRIC_SQL_FULLSCAN_STEPS,
	PP_METRIC_SQL_ROWS_READ_PER_ROW, /* by full scans, for each row returned */
	PP_METRIC_SQL_AUTOINDEX_ROWS,
	PP_METRIC_SQL_SORT_COUNT,
	PP_METRIC_SQL_STATEMENT_COUNT,
	PP_METRIC_SQL_STATEMENT_NS,
	PP_METRIC_SQL_STATEMENT_PERCENT, /* of the run's wall time */
	PP_METRIC_SQL_SAVED_PERCENT,	 /* of it, the part spent on rows that a search would not read */
	PP_METRIC_SQL_EXECUTION_COUNT,
	PP_METRIC_SQL_QUERY_COUNT, /* executions of a statement that writes nothing */
	PP_METRIC_SQL_ROWS_PER_EXECUTION,
	PP_METRIC_SQL_NS, /* steps and preparing */
	PP_METRIC_SQL_PERCENT,
	PP_METRIC_SQL_LOOP_ROWS,	 /* rows of another query that come to as many as these executions */
	PP_METRIC_SQL_LOOP_WITHOUT_ROWS, /* executions, where there is no such query */
	PP_METRIC_SQL_PREPARE_COUNT,
	PP_METRIC_SQL_PREPARE_NS,
	PP_METRIC_SQL_PREPARE_SHARE, /* of the time that the statement takes here */
	PP_METRIC_SQL_PREPARE_PERCENT,
	PP_METRIC_SQL_COMMIT_COUNT, /* executions that are transactions by themselves */
	PP_METRIC_SQL_COMMIT_NS,
	PP_METRIC_SQL_COMMIT_PERCENT,
	PP_METRIC_SQL_COMMIT_SYNC_SHARE, /* of commit_ns */
	PP_METRIC_SQL_LEFT_COUNT,	 /* executions that sorted, and were left before their last row */
	PP_METRIC_SQL_LEFT_STEPS_PER_ROW,
	PP_METRIC_SQL_LEFT_ROWS, /* fetched from each */
	PP_METRIC_SQL_LEFT_PERCENT,
	PP_METRIC_SQL_REFUSED_COUNT, /* executions that failed at once, for another held the lock */
	PP_METRIC_SQL_BUSY_COUNT,
	PP_METRIC_SQL_BUSY_NS,
	PP_METRIC_SQL_BUSY_PERCENT,
	PP_METRIC_SQL_TRANSACTION_COUNT,
	PP_METRIC_SQL_WRITES_PER_TRANSACTION,
	PP_METRIC_SQL_END_NS, /* inside the calls that end them */
	PP_METRIC_SQL_END_PERCENT,
	PP_METRIC_SQL_END_SYNC_PERCENT, /* waited for the disk, of the run's wall time */
	PP_METRIC_SQL_LONGEST_NS, /* that one of these locks was held */
	PP_METRIC_SQL_WRITE_NS,	  /* the same, of those that keep others from beginning to write */
	PP_METRIC_SQL_READ_NS,	  /* and of readers' */
	PP_METRIC_SQL_HOLD_COUNT,
	PP_METRIC_SQL_INSIDE_PERCENT, /* of the longest's time in statements */
	PP_METRIC_SQL_BLOCKED_COUNT,
	PP_METRIC_SQL_BLOCKED_NS, /* that other connections waited for them */
	PP_METRIC_SQL_BLOCKED_PERCENT,
	PP_METRIC_NAMES_COUNT,	      /* metadata calls of a file */
	PP_METRIC_NAMES_NS,
	PP_METRIC_NAMES_WALL_PERCENT,
	PP_METRIC_MISSING_COUNT,      /* opens and metadata calls of a site, of names that are not there */
	PP_METRIC_MISSING_PERCENT,    /* of the site's */
	PP_METRIC_LOOKUP_NS,	      /* wall time in these, of names that are there, too */
	PP_METRIC_LOOKUP_WALL_PERCENT,
	PP_METRIC_THREAD_CPU_NS,
	PP_METRIC_THREAD_CPU_PERCENT, /* of the thread's time */
	PP_METRIC_THREAD_IO_NS,	      /* blocked in calls on files and sockets */
	PP_METRIC_THREAD_IO_PERCENT,
	PP_METRIC_SEEK_COUNT, /* of a file */
	PP_METRIC_SEEK_NS,
	PP_METRIC_SEEK_WALL_PERCENT,
	PP_METRIC_SEEK_SHARE,	       /* of its reads and writes */
	PP_METRIC_SEEK_MOVE_COUNT,     /* its reads and writes */
	PP_METRIC_IN_PLACE_COUNT,      /* seeks that left the position where it was */
	PP_METRIC_IN_PLACE_PERCENT,    /* of the seeks */
	PP_METRIC_IN_PLACE_WALL_PERCENT, /* of the seeks' time the same part */
	PP_METRIC_LEFT_OPEN_COUNT,
	PP_METRIC_LEFT_FILE_COUNT, /* of these */
	PP_METRIC_LEFT_SOCKET_COUNT,
	PP_METRIC_LEFT_PIPE_COUNT, /* ends of pipes */
	PP_METRIC_LEFT_OTHER_COUNT,
	PP_METRIC_LEFT_LIMIT_PERCENT,  /* of RLIMIT_NOFILE */
	PP_METRIC_LEFT_OLDEST_NS,      /* since the oldest was made */
	PP_METRIC_LEFT_GROWING_PERCENT, /* tenths of that time in which one was made */
	PP_METRIC_LEFT_ABANDONED_PERCENT, /* not used any more when a few more had been made */
	PP_METRIC_COUNT,
};

struct pp_metric_row {
	const char *name; /* as in evidence{} */
	enum pp_subject_kind subject;
	enum pp_unit unit;
};
extern const struct pp_metric_row pp_metric_rows[PP_METRIC_COUNT];

enum pp_comparison { PP_AT_LEAST = 1, PP_AT_MOST };

struct pp_condition {
	enum pp_metric metric;
	enum pp_comparison comparison; /* 0 ends a list */
	double threshold;
};

#define PP_CONDITIONS_MAX 5
#define PP_EVIDENCE_MAX	  8

struct pp_rule {
	const char *code;
	const char *family;
	enum pp_severity severity;
	enum pp_subject_kind subject;
	struct pp_condition conditions[PP_CONDITIONS_MAX]; /* all must hold; checked in this order, cheap ones first */
	struct pp_condition raise;			   /* one severity higher where this holds */
	enum pp_metric ranking;				   /* the subjects with the largest come first */
	uint32_t limit;					   /* how many findings at most */
	enum pp_metric potential;		  /* what could be gained, a percentage; PP_METRIC_NONE: not known */
	enum pp_metric evidence[PP_EVIDENCE_MAX]; /* PP_METRIC_NONE ends the list */
	const char *title;			  /* {subject} and {metric_name} are replaced */
	const char *advice;
	const char *example; /* code or a situation in which this is found */
};

extern const struct pp_rule pp_rules[];
extern const size_t pp_rule_count;

#endif
