/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `preprof run`; see cmd_run_options.h. */
#include "cmd_run_options.h"

#include "output_name.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void run_option_name(const struct pp_setting_row *row, char *result)
{
	size_t used = 2;

	memcpy(result, "--", 3);
	for (const char *at = row->name; *at && used < 63; at++)
		result[used++] = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
	result[used] = '\0';
}

/* The row that `argument` names, alone or as NAME=VALUE (then *value points into it). -1: none. */
static int row_find(const char *argument, const char **value)
{
	size_t length = strcspn(argument, "=");
	char name[64];

	*value = argument[length] ? argument + length + 1 : NULL;
	for (size_t row = 0; row < PP_SETTING_COUNT; row++) {
		run_option_name(&pp_setting_rows[row], name);
		if (strlen(name) == length && strncmp(name, argument, length) == 0)
			return (int)row;
	}
	if (strncmp(argument, "-o", 2) == 0) {
		*value = argument[2] ? argument + 2 : NULL;
		return 0; /* OUTPUT is the first row */
	}
	return -1;
}

/* One option at argv[*index]; moves *index past it and its value. */
static bool option_take(struct pp_run_options *options, char **argv, int *index, struct pp_error *error)
{
	const char *argument = argv[*index], *value;
	int row = row_find(argument, &value);

	if (row < 0)
		return error_set(error, "run: '%s' is not an option; `preprof run --help` lists them", argument);
	if (!value) {
		value = argv[*index + 1];
		(*index)++;
	}
	if (!value)
		return error_set(error, "run: %s needs a value: %s", argument, pp_setting_rows[row].allowed);
	options->given[row] = value;
	(*index)++;
	return true;
}

static bool setting_take(struct pp_run_options *options, size_t index, struct pp_error *error)
{
	const struct pp_setting_row *row = &pp_setting_rows[index];
	const char *value = options->given[index];
	char name[64], variable[80];

	snprintf(variable, sizeof(variable), "PREPROF_%s", row->name);
	run_option_name(row, name);
	if (!value) {
		value = getenv(variable);
		snprintf(name, sizeof(name), "%.60s", variable);
	}
	if (!value || settings_parse(&options->settings, row, value))
		return true;
	return error_set(error, "%s: '%.200s' is not allowed; allowed: %s", name, value, row->allowed);
}

/* As an option that there is not. */
static bool variables_check(struct pp_error *error)
{
	const char *nearest = NULL, *entry = settings_unknown(environ, &nearest);
	size_t size = entry ? strcspn(entry, "=") : 0;

	if (!entry)
		return true;
	return error_set(error, "%.*s is no setting%s%s; `preprof run --help` lists them", size < 100 ? (int)size : 100,
			 entry, nearest ? "; did you mean PREPROF_" : "", nearest ? nearest : "");
}

bool run_options_parse(struct pp_run_options *options, int argc, char **argv, struct pp_error *error)
{
	int index = 1;

	memset(options, 0, sizeof(*options));
	settings_defaults(&options->settings);
	while (index < argc && argv[index][0] == '-' && argv[index][1] != '\0') {
		if (strcmp(argv[index], "--") == 0) {
			index++;
			break;
		}
		if (strcmp(argv[index], "--help") == 0 || strcmp(argv[index], "-h") == 0) {
			options->help = true;
			return true;
		}
		if (!option_take(options, argv, &index, error))
			return false;
	}
	if (index >= argc)
		return error_set(error, "run: no command given; usage: preprof run [options] [--] COMMAND [ARG...]");
	options->command = argv + index;
	for (size_t row = 0; row < PP_SETTING_COUNT; row++) {
		if (!setting_take(options, row, error))
			return false;
	}
	if (!variables_check(error))
		return false;
	return output_pattern_check(options->settings.output, error);
}
