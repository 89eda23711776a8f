/* SPDX-License-Identifier: Apache-2.0 */
/* The one line that the library may print; see host.h. Any context; one write, so that it is not torn. */
#include "host.h"
#include "raw.h"

#include <string.h>

static size_t append(char *line, size_t used, size_t space, const char *text)
{
	for (; *text && used < space; text++)
		line[used++] = *text;
	return used;
}

void say3(const char *first, const char *second, const char *third)
{
	char line[512];
	size_t used = append(line, 0, sizeof(line) - 1, "preprof: ");

	used = append(line, used, sizeof(line) - 1, first);
	used = append(line, used, sizeof(line) - 1, second);
	used = append(line, used, sizeof(line) - 1, third);
	line[used++] = '\n';
	RAW_CALL(SYS_write, 2, line, used);
}

void say(const char *text)
{
	say3(text, "", "");
}
