/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `preprof run`: profiles a command. Everything that can be wrong is found before the command starts (status 125);
 * from then on its own status is ours, and what we have to say goes to stderr when it has ended.
 */
#include "cmd_run.h"

#include "launch_program.h"
#include "launch_controller.h"
#include "launch.h"
#include "launch_obstacle.h"
#include "cmd_run_options.h"
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_BROKEN 125

struct run {
	struct pp_run_options options;
	struct pp_parts parts;
	struct pp_analyzer analyzer;
	struct pp_program program;
	char path[PATH_MAX]; /* of the command's file */
};

static void say(const char *text)
{
	fprintf(stderr, "preprof: %s\n", text);
}

static uint32_t terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static bool colour_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static bool variable_set(const char *name, const char *value, struct pp_error *error)
{
	return setenv(name, value, 1) == 0 ||
	       error_set(error, "the environment cannot be extended: %s", strerror(errno));
}

/* What the command inherits: its environment and our own are the same from here on. */
static bool environment_set(const struct run *run, struct pp_error *error)
{
	char name[80], runtime[128], reason[512];

	for (size_t row = 0; row < PP_SETTING_COUNT; row++) {
		snprintf(name, sizeof(name), "PREPROF_%s", pp_setting_rows[row].name);
		if (run->options.given[row] && !variable_set(name, run->options.given[row], error))
			return false;
	}
	if (!variable_set("PREPROF_SESSION", run->analyzer.token, error) ||
	    !variable_set("PREPROF_ANALYZER", run->parts.analyzer, error))
		return false;
	if (obstacle_find(run->path, reason, sizeof(reason)) == PP_OBSTACLE_LOADER)
		return true; /* it runs as always; the reason is given at its end */
	first_library_find(run->path, runtime, sizeof(runtime));
	return preload_set(run->parts.library, runtime[0] ? runtime : NULL, error);
}

static bool analyzer_prepare(struct run *run, struct pp_error *error)
{
	struct pp_analyzer_settings settings = {run->options.settings.output, run->options.settings.summary, NULL};
	char reason[512], note[PATH_MAX + 600];

	/* What it starts may be in the recording; that the command is not must be there, too. */
	if (obstacle_find(run->path, reason, sizeof(reason))) {
		snprintf(note, sizeof(note), "the command, %s, was not profiled: %s", run->path, reason);
		settings.note = note;
	}
	if (!parts_find(&run->parts, error))
		return false;
	if (!analyzer_start(&run->analyzer, &run->parts, &settings, error)) {
		parts_link_remove(&run->parts);
		return false;
	}
	return controller_join(&run->analyzer, colour_wanted(), terminal_columns(), error);
}

static void empty_explain(const struct run *run)
{
	char reason[512];

	if (obstacle_find(run->path, reason, sizeof(reason)))
		fprintf(stderr, "preprof: nothing was profiled: %s: %s\n", run->path, reason);
	else
		fprintf(stderr,
			"preprof: nothing was profiled: %s never loaded %s, or could not reach its analyzer\n"
			"preprof: (lines of ld.so or preprof above may say why; a program that clears its environment "
			"or closes every descriptor first cannot be followed)\n",
			run->path, run->parts.library);
}

/* A descriptor that becomes readable when the user wants to wait no longer. Every signal is blocked. */
static int impatience_open(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* Prints the summary. false: there is no profile. */
static bool summary_print(const struct run *run, int wait_status)
{
	struct pp_answer answer;
	struct pp_error error;

	if (!controller_finish(&run->analyzer, run->program.pid, wait_status, impatience_open(), &answer, &error)) {
		say(error.text);
		return false;
	}
	if (answer.empty)
		empty_explain(run);
	else
		fputs(answer.text, stderr);
	free(answer.text);
	return !answer.empty;
}

/* What we open must not become a standard descriptor that our caller had closed: the summary would be written to a
 * socket. Closed on exec, so that the command finds it closed as well. */
static void standard_descriptors_fill(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
}

int cmd_run(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct pp_error error = {""};
	int status = STATUS_BROKEN, wait_status;
	bool profiled;

	if (!run || !run_options_parse(&run->options, argc, argv, &error))
		goto failed;
	if (run->options.help) {
		command_help(stdout, command_find("run"));
		free(run);
		return 0;
	}
	standard_descriptors_fill();
	if (!program_find(run->options.command[0], run->path, &status, &error))
		goto failed;
	status = STATUS_BROKEN;
	if (!analyzer_prepare(run, &error) || !environment_set(run, &error) ||
	    !program_start(&run->program, run->path, run->options.command, &status, &error))
		goto failed;
	wait_status = program_wait(&run->program);
	profiled = summary_print(run, wait_status);
	program_forget(&run->program);
	status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
	free(run);
	return status == 0 && !profiled ? STATUS_BROKEN : status;

failed:
	say(run ? error.text : "out of memory");
	free(run);
	return status;
}
