/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a command line by the rows of its command; see command.h. */
#include "command.h"

#include <string.h>

static int option_find(const struct pp_command *command, const char *argument, const char **value)
{
	size_t length;

	*value = NULL;
	if (argument[1] != '-') {
		for (size_t i = 0; i < command->option_count; i++) {
			if (!command->options[i].letter || command->options[i].letter != argument[1])
				continue;
			if (argument[2])
				*value = argument + 2;
			return (int)i;
		}
		return -1;
	}
	length = strcspn(argument + 2, "=");
	for (size_t i = 0; i < command->option_count; i++) {
		const char *name = command->options[i].name;

		if (strlen(name) != length || memcmp(name, argument + 2, length) != 0)
			continue;
		if (argument[2 + length])
			*value = argument + 2 + length + 1;
		return (int)i;
	}
	return -1;
}

/* One option at argv[*index], with its value; moves *index past them. */
static bool option_take(const struct pp_command *command, int argc, char **argv, int *index, struct pp_parsed *parsed,
			struct pp_error *error)
{
	const char *argument = argv[*index], *value;
	int option = option_find(command, argument, &value);
	const struct pp_option_row *row;

	if (option < 0)
		return error_set(error, "%s: no option %.100s", command->name, argument);
	row = &command->options[option];
	++*index;
	if (row->kind == PP_VALUE_NONE) {
		parsed->values[option] = "";
		return !value || error_set(error, "%s: --%s takes no value", command->name, row->name);
	}
	if (!value && *index < argc)
		value = argv[(*index)++];
	if (!value)
		return error_set(error, "%s: --%s needs a value: %s", command->name, row->name, row->value);
	parsed->values[option] = value;
	return true;
}

bool command_parse(const struct pp_command *command, int argc, char **argv, struct pp_parsed *parsed,
		   struct pp_error *error)
{
	bool only_operands = false;
	int index = 1;

	memset(parsed, 0, sizeof(*parsed));
	while (index < argc) {
		const char *argument = argv[index];

		if (only_operands || argument[0] != '-' || argument[1] == '\0') {
			if (!command->operand.name || parsed->operand)
				return error_set(error, "%s: one argument too many: \"%.100s\"", command->name,
						 argument);
			parsed->operand = argument;
			if (command->operand.with_rest)
				break;
			index++;
		} else if (strcmp(argument, "--") == 0) {
			only_operands = true;
			index++;
		} else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
			parsed->help = true;
			return true;
		} else if (!option_take(command, argc, argv, &index, parsed, error)) {
			return false;
		}
	}
	if (command->operand.required && !parsed->operand)
		return error_set(error, "%s: no %s given", command->name, command->operand.name);
	return true;
}

int usage_failed(const struct pp_command *command, const struct pp_error *error)
{
	fprintf(stderr, "preprof: %s (see preprof %s%s--help)\n", error->text, command ? command->name : "",
		command ? " " : "");
	return PP_STATUS_USAGE;
}
