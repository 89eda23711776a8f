/* SPDX-License-Identifier: Apache-2.0 */
/* OUTPUT's pattern and what it stands for; see output_name.h. */
#include "output_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool output_pattern_check(const char *pattern, struct pp_error *error)
{
	if (*pattern == '\0')
		return error_set(error, "OUTPUT is empty: give a file name");
	for (const char *at = pattern; (at = strchr(at, '%')); at += 2) {
		if (at[1] == '\0' || !strchr("nphtr%", at[1]))
			return error_set(error,
					 "OUTPUT '%s': '%%%.1s' is not known; allowed are %%n name, %%p pid, %%h host, "
					 "%%t time, %%r rank and %%%% for a percent sign",
					 pattern, at + 1);
	}
	return true;
}

/* The rank that a launcher of parallel programs gave to this process, "0" without one. */
static const char *rank_find(void)
{
	static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value && strspn(value, "0123456789") == strlen(value) && strlen(value) < 10)
			return value;
	}
	return "0";
}

static void fact_write(char letter, const struct pp_output_facts *facts, char *text, size_t size)
{
	const char *slash = strrchr(facts->executable, '/');
	const char *name = slash ? slash + 1 : facts->executable;
	time_t now = time(NULL);
	struct tm utc;

	switch (letter) {
	case 'n':
		snprintf(text, size, "%.100s", *name ? name : "unknown");
		break;
	case 'p':
		snprintf(text, size, "%d", (int)facts->pid);
		break;
	case 'h':
		if (gethostname(text, size) != 0)
			snprintf(text, size, "localhost");
		text[size - 1] = '\0';
		break;
	case 't':
		gmtime_r(&now, &utc);
		strftime(text, size, "%Y%m%dT%H%M%S", &utc);
		break;
	case 'r':
		snprintf(text, size, "%s", rank_find());
		break;
	default:
		snprintf(text, size, "%%");
	}
	for (char *at = text; *at; at++) {
		if (*at == '/')
			*at = '_';
	}
}

bool output_name_expand(const char *pattern, const char *folder, const struct pp_output_facts *facts, char *result,
			size_t size, struct pp_error *error)
{
	size_t used = 0;

	if (!output_pattern_check(pattern, error))
		return false;
	if (*pattern != '/') {
		if (!folder)
			return error_set(error, "OUTPUT '%s': the working directory is gone, give an absolute name",
					 pattern);
		used = (size_t)snprintf(result, size, "%s/", strcmp(folder, "/") == 0 ? "" : folder);
	}
	for (const char *at = pattern; *at && used < size; at++) {
		char text[256] = {*at};

		if (*at == '%')
			fact_write(*++at, facts, text, sizeof(text));
		used += (size_t)snprintf(result + used, size - used, "%s", text);
	}
	if (used >= size)
		return error_set(error, "OUTPUT '%.100s': the file name is too long", pattern);
	return true;
}
