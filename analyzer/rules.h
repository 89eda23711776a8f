/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings: rows of rules_table.c applied to a profile. A rule is data: code, family, severity, conditions (metric,
 * comparison, threshold), ranking, advice. A new family adds rows and, for a new kind of subject, one row of metrics.
 */
#ifndef PREPROF_RULES_H
#define PREPROF_RULES_H

#include "arena.h"
#include "profile.h"

enum pp_severity { PP_SEVERITY_LOW = 1, PP_SEVERITY_MEDIUM = 2, PP_SEVERITY_HIGH = 3 };

struct pp_evidence {
	const char *name; /* a metric, as in the JSON */
	double value;
};

struct pp_finding {
	const char *id;	      /* the rule's code: stable */
	const char *category; /* the family */
	enum pp_severity severity;
	char *title;
	const struct pp_evidence *evidence;
	uint32_t evidence_count;
	uint32_t node;	/* a stack that shows where, or PP_NONE */
	uint32_t frame; /* a frame (function) that shows where, or PP_NONE */
	char *recommendation;
	const char *sql; /* the statement that it is about; NULL */
	double potential_percent; /* of the run's time or memory; NaN: not known */
};

const char *severity_name(enum pp_severity severity); /* "low", "medium", "high" */

/* Findings, the most severe first, on `arena`. */
struct pp_finding *rules_apply(const struct pp_profile *profile, struct pp_arena *arena, uint32_t *count);

/* The same where a model of the profile is at hand; report_model.h. */
struct pp_report_model;
struct pp_finding *rules_apply_model(struct pp_report_model *model, struct pp_arena *arena, uint32_t *count);

#endif
