/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module definitions: which object lay where in an image, from which epoch on. Used by stacks.c alone.
 */
#ifndef PREPROF_MODULES_H
#define PREPROF_MODULES_H

#include "stacks.h"

/* The range that held `address` for a node of this epoch: of those that cover it the one with the greatest epoch not
 * above; NULL: none. */
const struct pp_module_range *module_map_find(const struct pp_module_map *map, uint64_t address, uint32_t epoch);

#endif
