/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forked process got from its parent: the addresses that were live at the fork, 8 bytes each at a load of
 * 0.9, shared by all children between which nothing changed, and chained to what the parent had inherited itself.
 * Reference-counted; one owner thread.
 */
#ifndef PREPROF_INHERITED_H
#define PREPROF_INHERITED_H

#include "blocks.h"

struct pp_inherited_set; /* immutable addresses */

/* One process's view of a set: which of its addresses it has freed. */
struct pp_inherited;

/* The live blocks of `blocks`, and what remains of the parent's own inheritance (NULL: none). */
struct pp_inherited *inherited_create(const struct pp_blocks *blocks, const struct pp_inherited *parent);

/* An independent view of the same addresses. */
struct pp_inherited *inherited_copy(const struct pp_inherited *inherited);

/* A view of `blocks` as they are now: `base` is one of some time ago (made by inherited_create), `changed` every address
 * that has come or gone since. Costs what has changed, and a bit for each address of the base. */
struct pp_inherited *inherited_update(const struct pp_inherited *base, const struct pp_blocks *blocks,
				      const uint64_t *changed, size_t changed_count);
void inherited_destroy(struct pp_inherited *inherited); /* NULL is legal */

/* True once for every address that is in it. NULL is legal. */
bool inherited_take(struct pp_inherited *inherited, uint64_t address);

uint64_t inherited_version(const struct pp_inherited *inherited); /* changes of it so far */
uint64_t inherited_bytes(const struct pp_inherited *inherited);	  /* of the newest set, for budgets */
uint64_t inherited_own_bytes(const struct pp_inherited *inherited); /* of what it shares with nobody */

#endif
