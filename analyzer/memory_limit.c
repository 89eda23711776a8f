/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the control group's files; see memory_limit.h. */
#include "memory_limit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Version 2's, and version 1's where the memory controller is of that. */
struct group {
	const char *root, *maximum, *current, *events;
	char folder[PATH_MAX];
};

static bool text_read(const char *path, char *text, size_t space)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, space - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

static bool file_read(const struct group *group, const char *name, char *text, size_t space)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", group->folder, name);
	return text_read(path, text, space);
}

static bool number_read(const struct group *group, const char *name, uint64_t *number)
{
	char text[64], *end;

	if (!file_read(group, name, text, sizeof(text)))
		return false;
	*number = strtoull(text, &end, 10);
	return end != text; /* "max" is no number */
}

/* false: there are none here. */
static bool group_find(struct group *group)
{
	char lines[8192], *line, *path;

	*group = (struct group){"/sys/fs/cgroup", "memory.max", "memory.current", "memory.events", ""};
	text_read("/proc/self/cgroup", lines, sizeof(lines));
	line = strstr(lines, "0::/");
	if (strstr(lines, ":memory:")) {
		line = strstr(lines, ":memory:") + 6;
		*group = (struct group){"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
					"memory.oom_control", ""};
	}
	path = line ? strchr(line, '/') : NULL;
	if (!path)
		return false;
	path[strcspn(path, "\n")] = '\0';
	snprintf(group->folder, sizeof(group->folder), "%s%s", group->root, path);
	return true;
}

uint64_t memory_limit_of_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
}

uint64_t memory_limit_of_group(uint64_t *used)
{
	uint64_t limit = UINT64_MAX, here, here_used;
	struct group group;

	if (!group_find(&group))
		return limit;
	while (strlen(group.folder) >= strlen(group.root)) {
		if (number_read(&group, group.maximum, &here) && here < UINT64_C(1) << 60 && here < limit &&
		    number_read(&group, group.current, &here_used)) {
			limit = here;
			if (used)
				*used = here_used;
		}
		*strrchr(group.folder, '/') = '\0';
	}
	return limit;
}

uint64_t memory_kills_of_group(void)
{
	char text[1024], *line;
	struct group group;

	if (!group_find(&group) || !file_read(&group, group.events, text, sizeof(text)))
		return 0;
	line = strstr(text, "oom_kill ");
	return line ? strtoull(line + strlen("oom_kill "), NULL, 10) : 0;
}
