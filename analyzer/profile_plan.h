/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans for a profile's suspicious statements: those that read many rows of whole tables, that sort, or for which SQLite
 * makes indexes again and again. Each is planned once, from its database's file if that can be read and else from the
 * statements that the program was seen to make its schema with, and indexes are tried for it. The program and its files
 * do not notice.
 *
 * The planner is the analyzer's SQLite: where the program's is another version, a note says so. What ANALYZE left in the
 * database's sqlite_stat1 is taken over, and PRAGMAs that set what SQLite plans by, where the connections agree; sqlite_stat4 (which
 * Debian's SQLite neither makes nor reads) and run time limits are not.
 *
 * One thread at a time: the publisher's.
 */
#ifndef PREPROF_PROFILE_PLAN_H
#define PREPROF_PROFILE_PLAN_H

#include "profile.h"

struct pp_plan_cache; /* what was planned before, for the next snapshot of the same tree */

struct pp_plan_cache *plan_cache_create(void);
void plan_cache_destroy(struct pp_plan_cache *cache); /* NULL is legal */

/* A copy of a database's schema, as far as it is known, with those of a set that was attached (0: of the first that was); NULL: no memory. sql_schema_destroy gives it back. */
struct pp_sql_schema *profile_schema_make(const struct pp_profile *profile, uint32_t database, uint32_t set);

/* Fills sql_planned and sql_indexes. What cannot be planned has its reason there. */
void profile_plan(struct pp_profile *profile, struct pp_plan_cache *cache);

#endif
