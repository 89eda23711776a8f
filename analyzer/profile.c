/* SPDX-License-Identifier: Apache-2.0 */
/* Making and giving back a profile; see profile.h. */
#include "profile.h"

#include "arena.h"

struct pp_profile *profile_create(void)
{
	struct pp_arena *arena = arena_create();
	struct pp_profile *profile = arena_alloc(arena, sizeof(*profile));

	profile->arena = arena;
	return profile;
}

void profile_destroy(struct pp_profile *profile)
{
	if (profile)
		arena_destroy(profile->arena);
}

void profile_note_add(struct pp_profile *profile, const char *text)
{
	uint32_t count = 0;
	const char **notes;

	while (profile->notes && profile->notes[count])
		if (strcmp(profile->notes[count++], text) == 0)
			return;
	notes = arena_array(profile->arena, (size_t)count + 2, sizeof(*notes));
	if (count)
		memcpy(notes, profile->notes, count * sizeof(*notes));
	notes[count] = text;
	profile->notes = notes;
}
