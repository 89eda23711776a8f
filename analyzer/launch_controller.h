/* SPDX-License-Identifier: Apache-2.0 */
/* What `preprof run` and its analyzer say to one another. One thread. */
#ifndef PREPROF_LAUNCH_CONTROLLER_H
#define PREPROF_LAUNCH_CONTROLLER_H

#include "error.h"
#include "launch.h"

struct pp_answer {
	bool empty; /* no image of the tree ever came: nothing was profiled */
	char *text; /* malloc'ed, maybe "" */
};

/* Says that we are the controller; returns when the analyzer is ready. */
bool controller_join(const struct pp_analyzer *analyzer, bool colour, uint32_t columns, struct pp_error *error);

/* Says that the command has ended and waits for the summary. give_up_fd: the wait ends when it is readable. */
bool controller_finish(const struct pp_analyzer *analyzer, pid_t command, int status, int give_up_fd,
		       struct pp_answer *answer, struct pp_error *error);

#endif
