/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which database a statement is about, where others were attached to the connection's: SQLite says it on a copy of the schemas,
 * as it resolves the statement's tables. What is about one attached database alone is counted to that one's file; what is about
 * several, or none, stays with the file that the connection was opened with.
 *
 * One thread at a time: the publisher's, after it has planned.
 */
#ifndef PREPROF_PROFILE_ATTACHED_H
#define PREPROF_PROFILE_ATTACHED_H

#include "profile.h"

struct pp_attached_cache; /* what was found out before, for the next snapshot of the same tree */

struct pp_attached_cache *attached_cache_create(void);
void attached_cache_destroy(struct pp_attached_cache *cache); /* NULL is legal */

/* Sites, the slowest, waits and plans get their databases. */
void profile_attached(struct pp_profile *profile, struct pp_attached_cache *cache);

#endif
