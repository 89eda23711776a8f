/* SPDX-License-Identifier: Apache-2.0 */
/* From a kept stream to a recording; see replay_publish.h. */
#include "replay_publish.h"

#include "output_name.h"
#include "publish.h"
#include "replay.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static bool profile_publish(struct pp_profile *profile, const char *pattern, const char *folder, struct pp_error *error)
{
	struct pp_publication job = {.profile = profile, .wants_summary = true};
	struct pp_output_facts facts = {.executable = "replay"};
	struct pp_publisher *publisher = NULL;
	char path[PATH_MAX];
	bool ok;

	if (profile->process_count > 0) {
		facts.executable = profile->processes[0].executable;
		facts.pid = profile->processes[0].pid;
	}
	ok = output_name_expand(pattern, folder, &facts, path, sizeof(path), error) &&
	     (publisher = publisher_create(path, error));
	if (!ok) {
		profile_destroy(profile);
		return false;
	}
	publisher_submit(publisher, &job);
	publisher_wait(publisher);
	ok = publisher_collect(publisher, &job) && job.written;
	if (job.summary)
		fputs(job.summary, stdout);
	free(job.summary);
	if (!ok)
		error_set(error, "%s", publisher_trouble(publisher));
	publisher_destroy(publisher);
	return ok;
}

bool replay_publish(const char *stream, const char *pattern, const char *folder, struct pp_error *error)
{
	struct pp_trace *trace = trace_create();
	struct pp_replay *replay = replay_load(trace, stream, error);
	struct pp_profile *profile;
	bool ok = false;

	if (replay) {
		/* The end of the last process ends it: a stream has no clock of its own. */
		profile = trace_snapshot(trace, 0, false);
		if (profile->process_count > 0) {
			ok = profile_publish(profile, pattern, folder, error);
		} else {
			profile_destroy(profile);
			error_set(error,
				  "\"%s\" holds no process that can be read: was it kept by another version of "
				  "preprof? (This one speaks version %d of the protocol.)",
				  stream, PP_WIRE_VERSION);
		}
	}
	trace_destroy(trace);
	replay_free(replay);
	return ok;
}
