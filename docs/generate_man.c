/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages in man(7) from the tables; the words that no table has are here. */
#include "generate.h"

#include "command.h"

#include "preprof/settings.h"
#include "preprof/version.h"

/* Text as roff shows it: no escapes, no request at the start of a line, dashes that can be typed. */
static void roff(FILE *file, const char *text)
{
	bool fresh = true;

	for (; *text; text++) {
		if (fresh && (*text == '.' || *text == '\''))
			fputs("\\&", file);
		fresh = *text == '\n';
		if (*text == '\\')
			fputs("\\e", file);
		else if (*text == '-')
			fputs("\\-", file);
		else if (*text == '~')
			fputs("\\(ti", file);
		else
			putc(*text, file);
	}
}

static void section(FILE *file, const char *title)
{
	fprintf(file, ".SH %s\n", title);
}

static void paragraphs(FILE *file, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		char paragraph[2048];

		snprintf(paragraph, sizeof(paragraph), "%.*s", end ? (int)(end - text) : (int)strlen(text), text);
		fputs(".PP\n", file);
		roff(file, paragraph);
		putc('\n', file);
		text = end ? end + 2 : text + strlen(text);
	}
}

/* A tagged paragraph: bold tag, argument in italics, text. */
static void tagged(FILE *file, const char *tag, const char *argument, const char *text)
{
	fputs(".TP\n\\fB", file);
	roff(file, tag);
	fputs("\\fR", file);
	if (argument) {
		fputs(" \\fI", file);
		roff(file, argument);
		fputs("\\fR", file);
	}
	putc('\n', file);
	roff(file, text);
	putc('\n', file);
}

static void setting_text(const struct pp_setting_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s: %s. Default: %s.", row->help, row->allowed, row->initial);
}

static void settings_options(FILE *file)
{
	char tag[96], text[512];

	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		const struct pp_setting_row *row = &pp_setting_rows[i];

		snprintf(tag, sizeof(tag), "%s--%s", i == 0 ? "-o, " : "", setting_option(row->name));
		setting_text(row, text, sizeof(text));
		tagged(file, tag, "VALUE", text);
	}
}

static void settings_variables(FILE *file)
{
	char tag[96], text[512];

	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		snprintf(tag, sizeof(tag), "PREPROF_%s", pp_setting_rows[i].name);
		setting_text(&pp_setting_rows[i], text, sizeof(text));
		tagged(file, tag, NULL, text);
	}
	tagged(file, "NO_COLOR", NULL, "If set and not empty, nothing is coloured.");
}

static void options(FILE *file, const struct pp_command *command)
{
	char tag[64];

	section(file, "OPTIONS");
	if (command->settings)
		settings_options(file);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct pp_option_row *row = &command->options[i];

		snprintf(tag, sizeof(tag), row->letter ? "-%2$c, --%1$s" : "--%1$s", row->name, row->letter);
		tagged(file, tag, row->value, row->help);
	}
	tagged(file, "-h, --help", NULL, "print a short form of this page");
}

/* Pairs of lines: command, words. */
static void examples(FILE *file, const char *lines)
{
	section(file, "EXAMPLES");
	while (*lines) {
		const char *words = strchr(lines, '\n') + 1;
		const char *end = strchr(words, '\n');
		char text[512];

		fputs(".PP\n", file);
		snprintf(text, sizeof(text), "%.*s:", (int)(end - words), words);
		roff(file, text);
		fputs("\n.PP\n.nf\n.RS\n", file);
		snprintf(text, sizeof(text), "%.*s", (int)(words - 1 - lines), lines);
		roff(file, text);
		fputs("\n.RE\n.fi\n", file);
		lines = end + 1;
	}
}

static void page_begin(FILE *file, const char *name, const char *summary)
{
	fprintf(file, ".TH %s 1 \"\" \"preprof %s\" \"User Commands\"\n", name, PP_VERSION);
	section(file, "NAME");
	roff(file, name);
	fputs(" \\- ", file);
	roff(file, summary);
	putc('\n', file);
}

static void synopsis(FILE *file, const char *usage)
{
	fputs(".PP\n\\fBpreprof\\fR ", file);
	roff(file, usage);
	putc('\n', file);
}

static void see_also(FILE *file, const char *but)
{
	const char *separator = "";

	section(file, "SEE ALSO");
	if (strcmp(but, "preprof") != 0) {
		fputs("\\fBpreprof\\fR(1)", file);
		separator = ", ";
	}
	for (size_t i = 0; i < pp_command_count; i++) {
		if (strcmp(pp_commands[i].name, but) == 0 || pp_commands[i].option_count + pp_commands[i].settings == 0)
			continue;
		fprintf(file, "%s\\fBpreprof\\-%s\\fR(1)", separator, pp_commands[i].name);
		separator = ", ";
	}
	if (strcmp(but, "preprof-analyzer") != 0)
		fprintf(file, "%s\\fBpreprof\\-analyzer\\fR(1)", separator);
	putc('\n', file);
}

static void command_page(FILE *file, const struct pp_command *command)
{
	char name[64];

	snprintf(name, sizeof(name), "preprof-%s", command->name);
	page_begin(file, name, command->summary);
	section(file, "SYNOPSIS");
	synopsis(file, command->usage);
	section(file, "DESCRIPTION");
	paragraphs(file, command->description);
	options(file, command);
	section(file, "EXIT STATUS");
	paragraphs(file, command->statuses);
	if (command->settings) {
		section(file, "ENVIRONMENT");
		settings_variables(file);
	}
	if (command->examples)
		examples(file, command->examples);
	see_also(file, command->name);
}

static void overview_page(FILE *file)
{
	char tag[64];

	page_begin(file, "preprof", "profile a program's CPU time and memory through LD_PRELOAD");
	section(file, "SYNOPSIS");
	for (size_t i = 0; i < pp_command_count; i++)
		synopsis(file, pp_commands[i].usage);
	fputs(".PP\n\\fBLD_PRELOAD=libpreprof.so\\fR COMMAND [ARG...]\n", file);
	section(file, "DESCRIPTION");
	paragraphs(file, "preprof profiles programs as they are, without recompiling or changing them: every "
			 "allocation with its "
			 "whole stack, CPU time by samples, in all threads and in every process that the program "
			 "starts. What it finds "
			 "goes into one file, the recording, an SQLite database that is renewed while the program runs "
			 "and can be "
			 "read at any moment.\n\n"
			 "A first word that is no command of preprof's is the program to profile. With LD_PRELOAD the "
			 "command preprof "
			 "is not needed at all: the library starts the analyzer itself, and the same summary is "
			 "printed at the end.");
	section(file, "COMMANDS");
	for (size_t i = 0; i < pp_command_count; i++)
		tagged(file, pp_commands[i].name, NULL, pp_commands[i].summary);
	section(file, "OPTIONS");
	tagged(file, "-h, --help", NULL, "print an overview");
	tagged(file, "-V, --version", NULL, "print the version");
	section(file, "ENVIRONMENT");
	settings_variables(file);
	section(file, "FILES");
	snprintf(tag, sizeof(tag), "*.pprf");
	tagged(file, tag, NULL,
	       "Recordings: SQLite databases. Their views, named v_*, are for everyone's use; docs/recording.md "
	       "describes them.");
	examples(file, command_find("run")->examples);
	see_also(file, "preprof");
}

static void analyzer_page(FILE *file)
{
	page_begin(file, "preprof-analyzer", "receives what libpreprof.so sends and writes the recording");
	section(file, "SYNOPSIS");
	fputs(".PP\n\\fBpreprof\\-analyzer\\fR \\fB\\-\\-replay\\fR \\fIFILE\\fR \\fB\\-\\-output\\fR \\fIFILE\\fR\n",
	      file);
	section(file, "DESCRIPTION");
	paragraphs(file, "The library, or preprof run, starts one analyzer for each process tree; nobody else needs "
			 "to. It reads what "
			 "the profiled processes send, finds the names of functions, writes the recording, prints the "
			 "summary, and "
			 "ends with the last process. It ignores the signals that end a terminal's programs, so that "
			 "the data of a "
			 "killed program are kept.\n\n"
			 "By hand it replays a stream that was saved, for tests and for reports of faults.");
	section(file, "OPTIONS");
	tagged(file, "--replay", "FILE", "analyze a saved stream instead of a running program");
	tagged(file, "-o, --output", "FILE", "where the recording goes; the patterns of PREPROF_OUTPUT are replaced");
	tagged(file, "--save", "FILE", "keep the stream that is received");
	section(file, "EXIT STATUS");
	paragraphs(file, "0; not 0 if the stream could not be read or the recording not be written.");
	see_also(file, "preprof-analyzer");
}

void man_generate(FILE *file, const char *name)
{
	const struct pp_command *command = strncmp(name, "preprof-", 8) == 0 ? command_find(name + 8) : NULL;

	fputs(".\\\" Made by docs/generate_man.c.\n", file);
	if (command)
		command_page(file, command);
	else if (strcmp(name, "preprof-analyzer") == 0)
		analyzer_page(file);
	else
		overview_page(file);
}
