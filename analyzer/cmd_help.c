/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof help` and --help: the table of commands as text for a terminal. The manual pages come from the same rows. */
#include "command.h"

#include "text.h"

#include "preprof/settings.h"

#include <ctype.h>
#include <string.h>

#define COLUMNS 80
#define INDENT	8

static void paragraphs(FILE *file, uint32_t indent, const char *words)
{
	struct pp_text text = {.file = file, .columns = COLUMNS};
	char paragraph[2048];

	while (*words) {
		const char *end = strstr(words, "\n\n");
		size_t length = end ? (size_t)(end - words) : strlen(words);

		snprintf(paragraph, sizeof(paragraph), "%.*s", (int)length, words);
		fprintf(file, "%*s", (int)indent, "");
		text_wrap(&text, indent, indent, paragraph);
		words += length;
		if (end) {
			putc('\n', file);
			words += 2;
		}
	}
}

static void settings_help(FILE *file)
{
	char name[64], words[512];

	for (size_t row = 0; row < PP_SETTING_COUNT; row++) {
		const struct pp_setting_row *setting = &pp_setting_rows[row];
		size_t length = 0;

		for (; setting->name[length] && length + 1 < sizeof(name); length++)
			name[length] = setting->name[length] == '_' ? '-' : (char)tolower(setting->name[length]);
		name[length] = '\0';
		fprintf(file, "  %s--%s VALUE\n", row == 0 ? "-o, " : "", name);
		snprintf(words, sizeof(words), "%s: %s (default: %s)", setting->help, setting->allowed,
			 setting->initial);
		paragraphs(file, INDENT, words);
	}
}

static void options_help(FILE *file, const struct pp_command *command)
{
	fputs("\nOptions:\n", file);
	if (command->settings)
		settings_help(file);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct pp_option_row *option = &command->options[i];

		fputs("  ", file);
		if (option->letter)
			fprintf(file, "-%c, ", option->letter);
		fprintf(file, "--%s%s%s\n", option->name, option->value ? " " : "", option->value ? option->value : "");
		paragraphs(file, INDENT, option->help);
	}
	fputs("  -h, --help\n", file);
	paragraphs(file, INDENT, "print this and do nothing else");
}

/* Pairs of lines: a command, and what it does. */
static void examples_help(FILE *file, const char *examples)
{
	fputs("\nExamples:\n", file);
	for (bool command = true; *examples; command = !command) {
		int length = (int)strcspn(examples, "\n");

		fprintf(file, command ? "  %.*s\n" : "        %.*s\n", length, examples);
		examples += length + (examples[length] == '\n');
	}
}

void command_help(FILE *file, const struct pp_command *command)
{
	if (!command) {
		fputs("Usage: preprof [run] [options] [--] COMMAND [ARG...]\n"
		      "       preprof COMMAND-OF-PREPROF ...\n\n"
		      "Profiles a program, whole and unchanged: where its CPU time and its memory go.\n\nCommands:\n",
		      file);
		for (size_t i = 0; i < pp_command_count; i++)
			fprintf(file, "  %-10s %s\n", pp_commands[i].name, pp_commands[i].summary);
		fputs("\npreprof COMMAND --help explains one; man preprof has all of it.\n", file);
		return;
	}
	fprintf(file, "Usage: preprof %s\n\n", command->usage);
	paragraphs(file, 0, command->description);
	options_help(file, command);
	fputs("\nExit status:\n", file);
	paragraphs(file, 2, command->statuses);
	if (command->examples)
		examples_help(file, command->examples);
}

int cmd_help(int argc, char **argv)
{
	const struct pp_command *self = command_find("help"), *command = NULL;
	struct pp_parsed parsed;
	struct pp_error error;

	if (!command_parse(self, argc, argv, &parsed, &error))
		return usage_failed(self, &error);
	if (parsed.help)
		command = self;
	else if (parsed.operand)
		command = command_find(parsed.operand);
	if (parsed.operand && !command) {
		error_set(&error, "no command \"%.100s\"", parsed.operand);
		return usage_failed(NULL, &error);
	}
	command_help(stdout, command);
	return 0;
}
