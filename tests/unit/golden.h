/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files of tests/golden: text that is compared whole. PREPROF_UPDATE_GOLDEN=1 writes them anew instead; look at
 * the difference before you keep it.
 */
#ifndef PREPROF_GOLDEN_H
#define PREPROF_GOLDEN_H

#include "test.h"

#include <limits.h>

static inline char *golden_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t space = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &space, '\0', file) < 0 && text)
		text[0] = '\0';
	fclose(file);
	return text;
}

static inline void golden_path(char *path, const char *relative)
{
	const char *source = getenv("PREPROF_SOURCE");

	snprintf(path, PATH_MAX, "%s/%s", source ? source : ".", relative);
}

/* name is below tests/golden. */
static inline void golden_check(const char *name, const char *actual)
{
	char relative[PATH_MAX / 2], path[PATH_MAX];
	char *expected;
	FILE *file;

	snprintf(relative, sizeof(relative), "tests/golden/%s", name);
	golden_path(path, relative);
	if (getenv("PREPROF_UPDATE_GOLDEN")) {
		file = fopen(path, "w");
		PP_CHECK(file && fputs(actual, file) >= 0 && fclose(file) == 0);
		return;
	}
	expected = golden_read(path);
	if (!expected)
		pp_test_fail(__FILE__, __LINE__, "no golden file %s", path);
	else if (strcmp(actual, expected) != 0)
		pp_test_fail(__FILE__, __LINE__, "differs from %s:\n%s", relative, actual);
	free(expected);
}

#endif
