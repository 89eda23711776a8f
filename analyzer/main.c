/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprof: finds the command and hands it the rest of the line. A first word that is no command of preprof's is the
 * program to profile: `preprof ./simulation` is `preprof run ./simulation`.
 */
#include "command.h"

#include "cmd_run.h"

#include <errno.h>
#include <string.h>

/* What went to standard output must have arrived before a status of 0 says so. */
static int output_checked(int status)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status)
		return status;
	if (errno != EPIPE)
		fprintf(stderr, "preprof: cannot write to standard output: %s\n", strerror(errno));
	return PP_STATUS_FAILED;
}

int main(int argc, char **argv)
{
	const struct pp_command *command;

	if (argc < 2) {
		command_help(stderr, NULL);
		return PP_STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		command_help(stdout, NULL);
		return output_checked(0);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return output_checked(cmd_version(argc, argv));
	command = command_find(argv[1]);
	if (!command)
		return cmd_run(argc, argv);
	if (argc > 2 && strcmp(argv[2], "--help") == 0) {
		command_help(stdout, command);
		return output_checked(0);
	}
	return command->run == cmd_run ? cmd_run(argc - 1, argv + 1) : output_checked(command->run(argc - 1, argv + 1));
}
