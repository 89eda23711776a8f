/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof-analyzer --replay`: a recording made from a stream that was kept. One thread. */
#ifndef PREPROF_REPLAY_PUBLISH_H
#define PREPROF_REPLAY_PUBLISH_H

#include "error.h"

/* Writes the recording of `stream` to what `pattern` stands for (relative to `folder`) and its summary to stdout. */
bool replay_publish(const char *stream, const char *pattern, const char *folder, struct pp_error *error);

#endif
