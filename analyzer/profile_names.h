/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words in double quotes of which SQL's grammar does not say whether they are columns' names or strings. SQLite knows: it
 * looks at the schema, and so does this, at a copy of it. A word is shown where SQLite takes it for a column there, and
 * stays a value everywhere else; so nothing is shown that is not in the schema.
 *
 * One thread at a time: the publisher's, before it plans.
 */
#ifndef PREPROF_PROFILE_NAMES_H
#define PREPROF_PROFILE_NAMES_H

#include "profile.h"

struct pp_names_cache; /* what was found out before, for the next snapshot of the same tree */

struct pp_names_cache *names_cache_create(void);
void names_cache_destroy(struct pp_names_cache *cache); /* NULL is legal */

/* Statements get their texts; those that look the same then are one. */
void profile_names(struct pp_profile *profile, struct pp_names_cache *cache);

#endif
