/* SPDX-License-Identifier: Apache-2.0 */
/* Perf's lists of generated code; see symbolize_map.h. */
#include "symbolize_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_LIMIT  (UINT64_C(1) << 30)
#define NAME_LIMIT  1000

static int file_open(int pid, const char *root)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/tmp/perf-%d.map", root, pid);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

static bool hex_read(const char **at, const char *end, uint64_t *value)
{
	unsigned digits = 0;

	*value = 0;
	if (end - *at > 2 && (*at)[0] == '0' && (*at)[1] == 'x')
		*at += 2;
	for (; *at < end && digits < 16; ++*at, digits++) {
		char c = **at;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*value = *value << 4 | (uint64_t)(c - 'A' + 10);
		else
			break;
	}
	return digits > 0;
}

/* The first of the names at or after an address. */
static size_t names_from(const struct pp_map_name *names, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* "JS:*work /home/user/a.js:3:14" and its like: kind, tier, name, where the function begins. */
static bool javascript_split(const char *name, struct pp_map_name *to, struct pp_arena *arena)
{
	static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
	const char *at = NULL, *space, *colon;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			at = name + strlen(kinds[i]);
	if (!at)
		return false;
	at += strspn(at, "*~^+");
	space = strchr(at, ' ');
	if (!space)
		return false;
	to->function = space == at ? "(anonymous)" : arena_string_sized(arena, at, (size_t)(space - at));
	colon = strrchr(space, ':'); /* the column */
	while (colon && colon > space + 1 && *--colon != ':')
		;
	if (!colon || *colon != ':' || colon == space + 1) {
		to->file = space[1] ? arena_string(arena, space + 1) : NULL;
		return true;
	}
	to->file = arena_string_sized(arena, space + 1, (size_t)(colon - space - 1));
	to->line = (uint32_t)strtoul(colon + 1, NULL, 10);
	return true;
}

static void name_set(struct pp_map_name *to, const char *text, size_t size, struct pp_arena *arena)
{
	char *name = arena_string_sized(arena, text, size < NAME_LIMIT ? size : NAME_LIMIT);

	for (char *at = name; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	to->file = NULL;
	to->line = 0;
	if (!javascript_split(name, to, arena))
		to->function = name;
}

/* Names are looked at once all lines are known: `last` holds for each address the line that covers it. */
void symbolize_map_text(const char *text, size_t size, struct pp_map_name *names, size_t count, struct pp_arena *arena)
{
	const char *end = text + size;
	struct last {
		const char *text;
		size_t size;
	} *last = arena_array(arena, count, sizeof(*last));

	for (const char *at = text, *next; at < end; at = next) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		uint64_t start, length;

		next = line_end ? line_end + 1 : end;
		line_end = line_end ? line_end : end;
		if (!hex_read(&at, line_end, &start) || at == line_end || *at++ != ' ' ||
		    !hex_read(&at, line_end, &length) || at == line_end || *at++ != ' ' || start + length < start)
			continue;
		for (size_t i = names_from(names, count, start); i < count && names[i].address < start + length; i++)
			last[i] = (struct last){at, (size_t)(line_end - at)};
	}
	for (size_t i = 0; i < count; i++) {
		if (i && last[i].text && last[i].text == last[i - 1].text) {
			names[i].function = names[i - 1].function;
			names[i].file = names[i - 1].file;
			names[i].line = names[i - 1].line;
		} else if (last[i].text) {
			name_set(&names[i], last[i].text, last[i].size, arena);
		}
	}
}

bool symbolize_map(int pid, int root_pid, struct pp_map_name *names, size_t count, struct pp_arena *arena)
{
	char root[64];
	struct stat status;
	void *text;
	int file;

	snprintf(root, sizeof(root), "/proc/%d/root", root_pid);
	file = file_open(pid, root);
	if (file < 0)
		file = file_open(pid, "");
	if (file < 0)
		return false;
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
	    (uint64_t)status.st_size > SIZE_LIMIT || (status.st_uid != geteuid() && status.st_uid != 0)) {
		close(file);
		return false;
	}
	/* Read, not mapped: the program may cut it short while we look. */
	text = malloc((size_t)status.st_size);
	if (text) {
		ssize_t got, used = 0;

		while (used < status.st_size &&
		       (got = pread(file, (char *)text + used, (size_t)(status.st_size - used), used)) > 0)
			used += got;
		symbolize_map_text(text, (size_t)used, names, count, arena);
		free(text);
	}
	close(file);
	return text;
}

const char *symbolize_map_advice(const char *executable)
{
	static const struct {
		const char *name;
		const char *advice;
	} rows[] = {
		{"node", "NODE_OPTIONS=\"--perf-basic-prof --interpreted-frames-native-stack\""},
		{"java", "-XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit"},
		{"dotnet", "DOTNET_PerfMapEnabled=1"},
		{"ruby", "--yjit-perf (from Ruby 3.3 on)"},
		{"julia", "ENABLE_JITPROFILING=1"},
	};
	const char *slash = executable ? strrchr(executable, '/') : NULL;
	const char *name = slash ? slash + 1 : executable;

	for (size_t i = 0; name && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(name, rows[i].name, strlen(rows[i].name)) == 0)
			return rows[i].advice;
	return NULL;
}
