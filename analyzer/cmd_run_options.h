/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `preprof run`: one option per row of settings.def, then the command. */
#ifndef PREPROF_CMD_RUN_OPTIONS_H
#define PREPROF_CMD_RUN_OPTIONS_H

#include "error.h"

#include "preprof/settings.h"

struct pp_run_options {
	const char *given[PP_SETTING_COUNT]; /* by row; NULL: not on the command line */
	struct pp_settings settings;	     /* of options, PREPROF_* variables and defaults, in this order */
	char **command;			     /* NULL-terminated, at least one */
	bool help;			     /* --help: nothing else is valid */
};

/* argv[0] is skipped. false: one clear line; nothing may be started. */
bool run_options_parse(struct pp_run_options *options, int argc, char **argv, struct pp_error *error);

/* "--start-signal" for a row; result has room for 64 bytes. */
void run_option_name(const struct pp_setting_row *row, char *result);

#endif
