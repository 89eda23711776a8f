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

/* A slip of the pen must not pass for a setting; but the program is profiled, whatever else has variables of that name. */
static void unknown_say(void)
{
	const char *nearest = NULL, *entry = settings_unknown(environ, &nearest);
	char name[192] = "";
	size_t size = entry ? strcspn(entry, "=") : 0;

	if (!entry)
		return;
	strncat(name, entry, size < 100 ? size : 100);
	if (nearest) {
		strcat(name, " is no setting; did you mean PREPROF_");
		strcat(name, nearest);
	}
	say3(name, nearest ? "? It is ignored" : " is no setting and is ignored", "");
}

bool settings_load(struct pp_settings *settings, bool first)
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
	if (first)
		unknown_say();
	return true;
}
