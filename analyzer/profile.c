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
