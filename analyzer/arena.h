/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once: the owner of a profile, of interned strings, of what was read. Not
 * thread-safe; one owner. Exhaustion ends the process with one line (the analyzer is not the host).
 */
#ifndef PREPROF_ARENA_H
#define PREPROF_ARENA_H

#include <stddef.h>

struct pp_arena;

struct pp_arena *arena_create(void);
void arena_destroy(struct pp_arena *arena); /* NULL is legal */

/* Zeroed, aligned to 16. size 0 gives a valid pointer. */
void *arena_alloc(struct pp_arena *arena, size_t size);
void *arena_array(struct pp_arena *arena, size_t count, size_t size); /* checked multiplication */
char *arena_string(struct pp_arena *arena, const char *text);	      /* a copy */
char *arena_string_sized(struct pp_arena *arena, const char *text, size_t size); /* a terminated copy */
char *arena_format(struct pp_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct pp_arena *arena); /* mapped for it */

#endif
