/* SPDX-License-Identifier: Apache-2.0 */
/* Reads PREPROF_* once, at start. Constructor or first hook; no allocation. */
#include "host.h"

#include <string.h>
#include <unistd.h>

const char *environment_get(const char *name)
{
	size_t length = strlen(name);

	if (!environ)
		return NULL;
	for (char **entry = environ; *entry; entry++) {
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return *entry + length + 1;
	}
	return NULL;
}

bool settings_load(struct pp_settings *settings)
{
	char variable[64] = "PREPROF_";

	settings_defaults(settings);
	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		const struct pp_setting_row *row = &pp_setting_rows[i];
		const char *value;

		strcpy(variable + 8, row->name);
		value = environment_get(variable);
		if (value && !settings_parse(settings, row, value)) {
			char text[384] = "";

			strcat(text, variable);
			strcat(text, " is '");
			strncat(text, value, 64);
			strcat(text, "'; allowed: ");
			strcat(text, row->allowed);
			say3(text, "; the program runs unprofiled", "");
			return false;
		}
	}
	return true;
}
