/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands; see command.h. Constants. */
#include "command.h"

#include "cmd_run.h"

#include <string.h>

static const struct pp_option_row report_options[] = {
	{"format", 'f', PP_VALUE_CHOICE, "text|json",
	 "text: for reading (the default); json: everything, for programs"},
	{"output", 'o', PP_VALUE_FILE, "FILE",
	 "write to this file, as a whole or not at all, instead of to standard output"},
	{"top", 'n', PP_VALUE_ANY, "N",
	 "how many entries of a list are shown, by each of its metrics; 0: all (default: 20 for text, 100 for json)"},
	{"native", 0, PP_VALUE_NONE, NULL, "show the Python interpreter's own frames between those of Python functions"},
};

static const struct pp_option_row doctor_options[] = {
	{"format", 'f', PP_VALUE_CHOICE, "text|json", "text: one screen (the default); json: the same, for programs"},
};

const struct pp_command pp_commands[] = {
	{
		.name = "doctor",
		.usage = "doctor [-f text|json] [--] [COMMAND [ARG...]]",
		.summary = "say whether this machine and a program can be profiled, and how to mend what is in the way",
		.description = "Tries what profiling needs: timers, memory, sockets and clocks of the kernel, the limits of "
			       "this process and its container, preprof's own parts in a trial run, and whether the "
			       "recording can be written where it would go. With COMMAND it looks at that program, too, "
			       "which is not executed: scripts are followed to their interpreter; whether anything can be "
			       "preloaded into it, whose malloc it calls, what its language hides, and which names and "
			       "lines its files and libc have.\n\n"
			       "Each line begins with ok, limited (there will be a profile, and something is missing in "
			       "it), or no (there will be none), and says after an arrow how to mend that.",
		.statuses = "0 if a profile can be had, 1 if not, 2 for a wrong command line.",
		.examples = "preprof doctor\nthis machine\n"
			    "preprof doctor ./simulation --steps 1000\nthis machine and a program\n"
			    "preprof doctor -f json -- redis-server\nfor a program to read\n",
		.options = doctor_options,
		.option_count = sizeof(doctor_options) / sizeof(doctor_options[0]),
		.operand = {"COMMAND", PP_VALUE_FILE, false, true},
		.run = cmd_doctor,
	},
	{
		.name = "help",
		.usage = "help [COMMAND]",
		.summary = "explain preprof or one of its commands",
		.description = "Prints what --help prints. The manual pages say more: preprof(1), preprof-COMMAND(1).",
		.statuses = "0, or 2 if there is no such command.",
		.operand = {"COMMAND", PP_VALUE_ANY, false},
		.run = cmd_help,
	},
	{
		.name = "report",
		.usage = "report [-f text|json] [-o FILE] [-n N] [--native] RECORDING",
		.summary = "show what a recording holds",
		.description = "Reads a recording and prints where CPU time and memory went, what was never freed, "
			       "what that suggests, "
			       "and how complete all of it is. The program that was profiled is not needed, and a "
			       "recording can be "
			       "read while its program still runs.\n\n"
			       "Times are CPU time by samples: self is spent in the function itself, total in it and "
			       "in what it calls; "
			       "a function that calls itself is counted once. Memory is what the program asked for "
			       "with malloc, new "
			       "and their like. The peak of several processes is that of the largest.",
		.statuses = "0; 1 if the recording cannot be read or the report not be written, or if the recording is "
			    "empty (the "
			    "reason is given); 2 for a wrong command line.",
		.examples = "preprof report preprof.sort.4711.pprf\nthe report, for reading\n"
			    "preprof report -f json -o sort.json preprof.sort.4711.pprf\neverything, for a program\n"
			    "preprof report --top 0 preprof.sort.4711.pprf | less\nlists in full length\n",
		.options = report_options,
		.option_count = sizeof(report_options) / sizeof(report_options[0]),
		.operand = {"RECORDING", PP_VALUE_FILE, true},
		.run = cmd_report,
	},
	{
		.name = "run",
		.usage = "[run] [options] [--] COMMAND [ARG...]",
		.summary = "profile a command and print a summary when it has ended",
		.description = "Runs COMMAND, never through a shell, with libpreprof.so preloaded, and profiles it and "
			       "every process "
			       "that it starts. One recording is written for all of them, and renewed while they run; "
			       "at the end a "
			       "summary goes to standard error. Input, output, signals and exit status are the "
			       "command's own.\n\n"
			       "The word run may be left out. Each option is also an environment variable, PREPROF_ "
			       "and its name in "
			       "capitals with _ for -, so that LD_PRELOAD=libpreprof.so COMMAND has all of them; the "
			       "option wins.",
		.statuses = "That of COMMAND, 128+N if signal N ended it; 125 if preprof itself failed, 126 if COMMAND "
			    "cannot be "
			    "executed, 127 if it was not found.",
		.examples = "preprof ./simulation --steps 1000\nprofile it, with every default\n"
			    "preprof run -o new.pprf --heap off -- ./simulation\nCPU time alone, into new.pprf\n"
			    "preprof run --start-signal USR1 -- ./server\nbegin when the server gets SIGUSR1\n"
			    "LD_PRELOAD=libpreprof.so ./simulation\nthe same without the command preprof\n",
		.settings = true,
		.operand = {"COMMAND", PP_VALUE_FILE, true, true},
		.run = cmd_run,
	},
	{
		.name = "version",
		.usage = "version",
		.summary = "print the version",
		.description = "Prints preprof's name and version.",
		.statuses = "0.",
		.run = cmd_version,
	},
};

const size_t pp_command_count = sizeof(pp_commands) / sizeof(pp_commands[0]);

const struct pp_command *command_find(const char *name)
{
	for (size_t i = 0; i < pp_command_count; i++)
		if (strcmp(pp_commands[i].name, name) == 0)
			return &pp_commands[i];
	return NULL;
}
