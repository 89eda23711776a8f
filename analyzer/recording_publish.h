/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two halves of writing: the database's bytes, and their way to the disk. Only recording_*.c. */
#ifndef PREPROF_RECORDING_PUBLISH_H
#define PREPROF_RECORDING_PUBLISH_H

#include "recording.h"

/* The recording as the bytes of an SQLite file; sqlite3_free releases them. NULL: error is set. */
unsigned char *recording_serialize(const struct pp_profile *profile, size_t *size, struct pp_error *error);

/* Where a file's first bytes say what it is: 0 no SQLite file, 1 someone else's database, 2 ours. */
enum pp_recording_header { PP_HEADER_FOREIGN, PP_HEADER_DATABASE, PP_HEADER_RECORDING };
#define PP_RECORDING_HEADER_BYTES 100
enum pp_recording_header recording_header(const unsigned char bytes[PP_RECORDING_HEADER_BYTES], uint32_t *version);

/* Is this the size of file that the header speaks of? */
bool recording_is_whole(const unsigned char header[PP_RECORDING_HEADER_BYTES], size_t size);

#endif
