/* SPDX-License-Identifier: Apache-2.0 */
/* Generated code's names; see profile_generated.h. */
#include "profile_generated.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

static void list_is_missing(struct pp_profile *profile, int32_t pid)
{
	const char *executable = NULL, *advice, *slash;

	for (uint32_t i = 0; i < profile->process_count; i++)
		if (profile->processes[i].pid == pid)
			executable = profile->processes[i].executable; /* the last that it executed */
	advice = symbolize_map_advice(executable);
	if (!advice)
		return;
	slash = strrchr(executable, '/');
	profile_note_add(profile, arena_format(profile->arena,
				       "functions that %s (pid %d) made at run time have no names without %s",
				       slash ? slash + 1 : executable, (int)pid, advice));
}

static int name_compare(const void *left, const void *right)
{
	const struct pp_map_name *a = left, *b = right;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* One process's generated code. */
static void module_name(struct pp_profile *profile, uint32_t module, const struct pp_map_name **found)
{
	struct pp_map_name *names;
	uint32_t count = 0;

	for (uint32_t i = 0; i < profile->address_count; i++)
		count += profile->addresses[i].module == module;
	names = arena_array(profile->arena, count, sizeof(*names));
	count = 0;
	for (uint32_t i = 0; i < profile->address_count; i++)
		if (profile->addresses[i].module == module)
			names[count++].address = profile->addresses[i].offset;
	qsort(names, count, sizeof(*names), name_compare);
	if (!symbolize_map(profile->modules[module].pid, profile->modules[module].root_pid, names, count, profile->arena)) {
		list_is_missing(profile, profile->modules[module].pid);
		return;
	}
	for (uint32_t i = 0; i < profile->address_count; i++) {
		const struct pp_map_name key = {.address = profile->addresses[i].offset};

		if (profile->addresses[i].module == module)
			found[i] = bsearch(&key, names, count, sizeof(*names), name_compare);
	}
}

const struct pp_map_name **profile_generated_names(struct pp_profile *profile)
{
	const struct pp_map_name **found = NULL;

	for (uint32_t i = 0; i < profile->module_count; i++) {
		if (!profile->modules[i].pid)
			continue;
		if (!found)
			found = arena_array(profile->arena, profile->address_count, sizeof(*found));
		module_name(profile, i, found);
	}
	return found;
}
