/* SPDX-License-Identifier: Apache-2.0 */
/* Names for code that a program made at run time, of all processes of a profile; see symbolize_map.h. Any one thread. */
#ifndef PREPROF_PROFILE_GENERATED_H
#define PREPROF_PROFILE_GENERATED_H

#include "profile.h"
#include "symbolize_map.h"

/* By address of the profile its name, or NULL; NULL: there is no such code. On the profile's arena. Where a runtime has
 * left no list of its code, a note says how to make it. */
const struct pp_map_name **profile_generated_names(struct pp_profile *profile);

#endif
