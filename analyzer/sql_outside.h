/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a program say of its use of SQLite, beyond what its calls said: whether one of its modules holds a
 * copy of SQLite whose calls could not be seen, and how databases keep their journal. Reads files; any one thread.
 */
#ifndef PREPROF_SQL_OUTSIDE_H
#define PREPROF_SQL_OUTSIDE_H

#include "profile.h"

/* Fills journal modes and synchronous settings, and adds notes. `modules`: look into these too, which takes a millisecond
 * for each 5 MB. Modules that were looked into are remembered between calls in *seen; the caller destroys it. */
struct pp_sql_outside;
struct pp_sql_outside *sql_outside_create(void);
void sql_outside_destroy(struct pp_sql_outside *seen);
void sql_outside_fill(struct pp_profile *profile, struct pp_sql_outside *seen, bool modules);

#endif
