/* SPDX-License-Identifier: Apache-2.0 */
/* Completions for bash, zsh and fish from the tables. */
#include "generate.h"

#include "command.h"

#include "preprof/settings.h"

/* Values that a setting's row can name: those of its text that are single words. "" where any value goes. */
static const char *setting_choices(const struct pp_setting_row *row)
{
	switch (row->kind) {
	case PP_KIND_SWITCH:
		return "on off";
	case PP_KIND_HEAP:
		return "exact sampled= off";
	case PP_KIND_PYTHON:
		return "auto off";
	case PP_KIND_PYTHON_HEAP:
		return "arenas sampled exact";
	case PP_KIND_FULL_PIPE:
		return "block drop";
	case PP_KIND_CHILDREN:
		return "follow ignore";
	case PP_KIND_UNWINDER:
		return "auto rules libunwind";
	case PP_KIND_RATE:
		return "off";
	case PP_KIND_SIGNAL:
		return "none USR1 USR2";
	default:
		return "";
	}
}

/* "text|json" as "text json". */
static const char *choice_words(const struct pp_option_row *row)
{
	static char words[128];
	size_t used = 0;

	for (; row->value && row->value[used] && used + 1 < sizeof(words); used++)
		words[used] = row->value[used] == '|' ? ' ' : row->value[used];
	words[used] = '\0';
	return row->kind == PP_VALUE_CHOICE ? words : "";
}

/* ---- bash ---- */

static void bash_values(FILE *file, const char *option, char letter, const char *words, bool is_file)
{
	if (letter)
		fprintf(file, "\t\t-%c | --%s)", letter, option);
	else
		fprintf(file, "\t\t--%s)", option);
	if (is_file)
		fputs(" COMPREPLY=($(compgen -f -- \"$word\")) ;;\n", file);
	else
		fprintf(file, " COMPREPLY=($(compgen -W '%s' -- \"$word\")) ;;\n", words);
}

static void bash_command(FILE *file, const struct pp_command *command)
{
	fprintf(file, "_preprof_%s()\n{\n\tlocal word=$1 before=$2\n\tcase $before in\n", command->name);
	for (size_t i = 0; command->settings && i < PP_SETTING_COUNT; i++)
		bash_values(file, setting_option(pp_setting_rows[i].name), i == 0 ? 'o' : 0,
			    setting_choices(&pp_setting_rows[i]), i == 0);
	for (size_t i = 0; i < command->option_count; i++)
		if (command->options[i].kind != PP_VALUE_NONE)
			bash_values(file, command->options[i].name, command->options[i].letter,
				    choice_words(&command->options[i]), command->options[i].kind == PP_VALUE_FILE);
	fputs("\t\t*)\n\t\t\tif [[ $word == -* ]]; then\n\t\t\t\tCOMPREPLY=($(compgen -W '--help", file);
	for (size_t i = 0; command->settings && i < PP_SETTING_COUNT; i++)
		fprintf(file, " --%s", setting_option(pp_setting_rows[i].name));
	for (size_t i = 0; i < command->option_count; i++)
		fprintf(file, " --%s", command->options[i].name);
	fputs("' -- \"$word\"))\n\t\t\telse\n\t\t\t\t", file);
	if (command->operand.with_rest)
		fputs("COMPREPLY=($(compgen -c -- \"$word\") $(compgen -d -- \"$word\"))\n", file);
	else if (command->operand.kind == PP_VALUE_FILE)
		fputs("COMPREPLY=($(compgen -f -- \"$word\"))\n", file);
	else
		fputs("COMPREPLY=()\n", file);
	fputs("\t\t\tfi ;;\n\tesac\n}\n\n", file);
}

/* After the profiled command, completion is that command's own. */
void bash_generate(FILE *file)
{
	fputs("# Completion for bash. Made by docs/generate_completion.c.\n\n", file);
	for (size_t i = 0; i < pp_command_count; i++)
		bash_command(file, &pp_commands[i]);
	fputs("_preprof()\n{\n\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} "
	      "command=${COMP_WORDS[1]}\n"
	      "\tlocal commands='",
	      file);
	for (size_t i = 0; i < pp_command_count; i++)
		fprintf(file, "%s%s", i ? " " : "", pp_commands[i].name);
	fputs("'\n\tif ((COMP_CWORD == 1)) && [[ $word != -* ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$commands\" -- \"$word\") $(compgen -c -- \"$word\"))\n"
	      "\telif [[ $command == help ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$commands\" -- \"$word\"))\n"
	      "\telif [[ \" $commands \" == *\" $command \"* ]]; then\n\t\t\"_preprof_$command\" \"$word\" "
	      "\"$before\"\n"
	      "\telse\n\t\t_preprof_run \"$word\" \"$before\"\n"
	      "\t\t((COMP_CWORD > 1)) || COMPREPLY+=($(compgen -W --version -- \"$word\"))\n\tfi\n}\n\n"
	      "complete -o filenames -F _preprof preprof\n",
	      file);
}

/* ---- zsh ---- */

/* Inside single quotes and _arguments' brackets. */
static void zsh_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", file);
		else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else
			putc(*text, file);
	}
}

static void zsh_option(FILE *file, const char *name, char letter, const char *help, const char *words,
		       enum pp_value_kind kind)
{
	if (letter)
		fprintf(file, "\t\t\t'(-%c --%s)'{-%c,--%s}'[", letter, name, letter, name);
	else
		fprintf(file, "\t\t\t'--%s[", name);
	zsh_text(file, help);
	fputs("]", file);
	if (kind == PP_VALUE_FILE)
		fputs(":file:_files", file);
	else if (*words)
		fprintf(file, ":value:(%s)", words);
	else if (kind != PP_VALUE_NONE)
		fputs(":value: ", file);
	fputs("' \\\n", file);
}

static void zsh_command(FILE *file, const struct pp_command *command)
{
	fprintf(file, "\t%s)\n\t\t_arguments -S \\\n", command->name);
	for (size_t i = 0; command->settings && i < PP_SETTING_COUNT; i++) {
		const struct pp_setting_row *row = &pp_setting_rows[i];

		zsh_option(file, setting_option(row->name), i == 0 ? 'o' : 0, row->help, setting_choices(row),
			   i == 0 ? PP_VALUE_FILE : PP_VALUE_ANY);
	}
	for (size_t i = 0; i < command->option_count; i++) {
		const struct pp_option_row *row = &command->options[i];

		zsh_option(file, row->name, row->letter, row->help, choice_words(row), row->kind);
	}
	fputs("\t\t\t'(-h --help)'{-h,--help}'[print help]'", file);
	if (command->operand.with_rest)
		fputs(" \\\n\t\t\t'(-):command: _command_names -e' '*::arguments: _normal'", file);
	else if (command->operand.name && command->operand.kind == PP_VALUE_FILE)
		fputs(" \\\n\t\t\t'1:recording:_files -g \"*.pprf*\"'", file);
	else if (command->operand.name)
		fputs(" \\\n\t\t\t'1:command:($names)'", file);
	fputs("\n\t\t;;\n", file);
}

void zsh_generate(FILE *file)
{
	fputs("#compdef preprof\n# Completion for zsh. Made by docs/generate_completion.c.\n\n_preprof() {\n\tlocal -a "
	      "commands names\n"
	      "\tcommands=(\n",
	      file);
	for (size_t i = 0; i < pp_command_count; i++) {
		fprintf(file, "\t\t'%s:", pp_commands[i].name);
		zsh_text(file, pp_commands[i].summary);
		fputs("'\n", file);
	}
	fputs("\t)\n\tnames=(${commands%%:*})\n\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe -t commands command commands\n\t\t_command_names -e\n\t\treturn\n\tfi\n"
	      "\tlocal command=$words[2]\n\tif ((${names[(I)$command]})); then\n\t\tshift words\n\t\t((CURRENT--))\n"
	      "\telse\n\t\tcommand=run\n\tfi\n\tcase $command in\n",
	      file);
	for (size_t i = 0; i < pp_command_count; i++)
		zsh_command(file, &pp_commands[i]);
	fputs("\tesac\n}\n\n_preprof \"$@\"\n", file);
}

/* ---- fish ---- */

static void fish_text(FILE *file, const char *text)
{
	putc('\'', file);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putc('\\', file);
		putc(*text, file);
	}
	putc('\'', file);
}

static void fish_option(FILE *file, const char *command, const char *name, char letter, const char *help,
			const char *words, enum pp_value_kind kind)
{
	fprintf(file, "complete -c preprof -n '__fish_seen_subcommand_from %s' -l %s", command, name);
	if (letter)
		fprintf(file, " -s %c", letter);
	if (kind == PP_VALUE_FILE)
		fputs(" -r -F", file);
	else if (*words)
		fprintf(file, " -x -a '%s'", words);
	else if (kind != PP_VALUE_NONE)
		fputs(" -x", file);
	fputs(" -d ", file);
	fish_text(file, help);
	putc('\n', file);
}

void fish_generate(FILE *file)
{
	fputs("# Completion for fish. Made by docs/generate_completion.c.\n\n", file);
	for (size_t i = 0; i < pp_command_count; i++) {
		const struct pp_command *command = &pp_commands[i];

		fprintf(file, "complete -c preprof -n __fish_use_subcommand -a %s -d ", command->name);
		fish_text(file, command->summary);
		putc('\n', file);
		for (size_t j = 0; command->settings && j < PP_SETTING_COUNT; j++)
			fish_option(file, command->name, setting_option(pp_setting_rows[j].name), j == 0 ? 'o' : 0,
				    pp_setting_rows[j].help, setting_choices(&pp_setting_rows[j]),
				    j == 0 ? PP_VALUE_FILE : PP_VALUE_ANY);
		for (size_t j = 0; j < command->option_count; j++)
			fish_option(file, command->name, command->options[j].name, command->options[j].letter,
				    command->options[j].help, choice_words(&command->options[j]),
				    command->options[j].kind);
		if (command->operand.with_rest)
			fprintf(file,
				"complete -c preprof -n '__fish_seen_subcommand_from %s' -x -a "
				"'(__fish_complete_subcommand)'\n",
				command->name);
	}
	fputs("complete -c preprof -s h -l help -d 'print help'\n", file);
	fputs("complete -c preprof -n __fish_use_subcommand -s V -l version -d 'print the version'\n", file);
}
