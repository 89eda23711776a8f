/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs of 64-bit counts of which most are zero, for those that stay by the thousand: a bit for each word, then the words
 * that are not zero. Any thread; no state.
 */
#ifndef PREPROF_WORDS_H
#define PREPROF_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* From malloc, the caller's. bytes: a multiple of 8, the same for both. */
uint64_t *words_pack(const void *words, size_t bytes);
void words_unpack(const uint64_t *packed, void *words, size_t bytes);

#endif
