/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof run`. */
#ifndef PREPROF_CMD_RUN_H
#define PREPROF_CMD_RUN_H

/* argv[0] is not looked at: options and the command follow. Returns the exit status. */
int cmd_run(int argc, char **argv);

#endif
