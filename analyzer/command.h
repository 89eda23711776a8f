/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of preprof and their options as one table: what main dispatches on, what --help and the manual pages
 * say, what the shells complete. Adding a command is a row in commands.c and a file cmd_NAME.c.
 */
#ifndef PREPROF_COMMAND_H
#define PREPROF_COMMAND_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a value may be, for completion. */
enum pp_value_kind { PP_VALUE_NONE, PP_VALUE_ANY, PP_VALUE_FILE, PP_VALUE_CHOICE };

struct pp_option_row {
	const char *name; /* long, without dashes */
	char letter;	  /* 0: none */
	enum pp_value_kind kind;
	const char *value; /* as shown: "FILE"; of a choice "text|json" */
	const char *help;
};

struct pp_operand {
	const char *name; /* "RECORDING", "COMMAND"; NULL: none */
	enum pp_value_kind kind;
	bool required;
	bool with_rest; /* a command: what follows it is its own */
};

struct pp_command {
	const char *name;
	const char *usage;	 /* without "preprof" */
	const char *summary;	 /* one line, no full stop */
	const char *description; /* paragraphs, separated by empty lines */
	const char *statuses;	 /* what the exit status means */
	const char *examples;	 /* lines "command  what it does"; may be NULL */
	bool settings;		 /* has an option for each row of settings.def, too */
	const struct pp_option_row *options;
	size_t option_count;
	struct pp_operand operand;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

#define PP_STATUS_FAILED 1
#define PP_STATUS_USAGE	 2

extern const struct pp_command pp_commands[]; /* sorted by name */
extern const size_t pp_command_count;
const struct pp_command *command_find(const char *name); /* NULL: no such command */

/* --help of one command; NULL: of preprof itself. */
void command_help(FILE *file, const struct pp_command *command);

#define PP_OPTIONS_MAX 16
struct pp_parsed {
	const char
		*values[PP_OPTIONS_MAX]; /* by row of command->options; "" for one without a value; NULL: not given */
	const char *operand;
	bool help;
};

/* argv[0] is skipped. Options may come after the operand; the last of equal ones counts. */
bool command_parse(const struct pp_command *command, int argc, char **argv, struct pp_parsed *parsed,
		   struct pp_error *error);

/* A usage error: one line and where to read on; returns PP_STATUS_USAGE. */
int usage_failed(const struct pp_command *command, const struct pp_error *error);

int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
