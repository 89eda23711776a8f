/* SPDX-License-Identifier: Apache-2.0 */
/* From a kept stream to a recording; see replay_publish.h. */
#include "replay_publish.h"

#include "output_name.h"
#include "publish.h"
#include "replay.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* The end of the last process: a stream has no clock of its own. */
static uint64_t last_end_ns(const struct pp_profile *profile)
{
	uint64_t last_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		if (profile->processes[i].end_ns != PP_UNKNOWN && profile->processes[i].end_ns > last_ns)
			last_ns = profile->processes[i].end_ns;
	}
	return last_ns;
}

static bool profile_publish(struct pp_profile *profile, const char *pattern, const char *folder, struct pp_error *error)
{
	struct pp_publication job = { .profile = profile, .wants_summary = true };
	struct pp_output_facts facts = { .executable = "replay" };
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
		profile = trace_snapshot(trace, 0, false);
		profile->wall_ns = last_end_ns(profile);
		ok = profile_publish(profile, pattern, folder, error);
	}
	trace_destroy(trace);
	replay_free(replay);
	return ok;
}
