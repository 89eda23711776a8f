/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recording: a profile as an SQLite file. Its schema is described in docs/recording.md; views named v_* are
 * public, tables are not.
 */
#ifndef PREPROF_RECORDING_H
#define PREPROF_RECORDING_H

#include "error.h"
#include "profile.h"

#define PP_RECORDING_APPLICATION_ID 0x50505246 /* "PPRF" */
#define PP_RECORDING_VERSION	    4

/* Before anything else of SQLite in this process. */
void recording_prepare(void);

/* Chooses the file that this tree's recording goes to: `path` unless something is there that is not a finished
 * recording of preprof, then path.2, path.3 ... Fails with a clear line when the folder cannot be written. result has
 * room for PATH_MAX bytes and gets an absolute path. */
bool recording_choose(const char *path, char *result, struct pp_error *error);

/* The same, but never the name of a file that is there. */
bool recording_choose_free(const char *path, char *result, struct pp_error *error);

/* Which file lies at a path; inode 0: none. */
struct pp_file_identity {
	uint64_t device, inode;
};
void recording_identify(const char *path, struct pp_file_identity *identity);

/* Publishes the profile under `path` as a whole: built in memory, written to a new 0600 file beside it, renamed over
 * it. Never follows a planted link. A full disk leaves the former recording as it was. */
bool recording_write(const struct pp_profile *profile, const char *path, struct pp_error *error);

/* The same where no file is; where one has come to lie meanwhile, fails with *taken (as far as the file system can). */
bool recording_write_new(const struct pp_profile *profile, const char *path, bool *taken, struct pp_error *error);

/* Reads a recording; the caller destroys it. NULL and one clear line for a file that is missing, foreign, damaged,
 * empty or newer than this program. */
struct pp_profile *recording_read(const char *path, struct pp_error *error);

#endif
