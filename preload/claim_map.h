/* SPDX-License-Identifier: Apache-2.0 */
/* Which places of an array are taken: a bit each. Any context, any thread; no lock. */
#ifndef PREPROF_CLAIM_MAP_H
#define PREPROF_CLAIM_MAP_H

#include <stdint.h>

/* The number of a place that is now the caller's; UINT32_MAX: all of the 64 * words are taken. */
static inline uint32_t claim_map_take(uint64_t *map, uint32_t words)
{
	for (uint32_t word = 0; word < words; word++) {
		uint64_t seen = __atomic_load_n(&map[word], __ATOMIC_RELAXED);

		while (~seen) {
			uint32_t bit = (uint32_t)__builtin_ctzll(~seen);

			if (__atomic_compare_exchange_n(&map[word], &seen, seen | UINT64_C(1) << bit, 0, __ATOMIC_ACQ_REL,
							__ATOMIC_RELAXED))
				return word * 64 + bit;
		}
	}
	return UINT32_MAX;
}

static inline void claim_map_give(uint64_t *map, uint32_t index)
{
	__atomic_and_fetch(&map[index / 64], ~(UINT64_C(1) << index % 64), __ATOMIC_RELEASE);
}

#endif
