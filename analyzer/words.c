/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of which most is zero; see words.h. */
#include "words.h"

#include "memory.h"

#include <string.h>

static size_t map_words(size_t count)
{
	return (count + 63) / 64;
}

uint64_t *words_pack(const void *words, size_t bytes)
{
	size_t count = bytes / sizeof(uint64_t), used = map_words(count);
	uint64_t word, *packed;

	for (size_t i = 0; i < count; i++) {
		memcpy(&word, (const char *)words + i * sizeof(word), sizeof(word));
		used += word != 0;
	}
	packed = memory_array(used, sizeof(*packed));
	used = map_words(count);
	for (size_t i = 0; i < count; i++) {
		memcpy(&word, (const char *)words + i * sizeof(word), sizeof(word));
		if (!word)
			continue;
		packed[i / 64] |= UINT64_C(1) << (i % 64);
		packed[used++] = word;
	}
	return packed;
}

void words_unpack(const uint64_t *packed, void *words, size_t bytes)
{
	size_t count = bytes / sizeof(uint64_t), next = map_words(count);

	memset(words, 0, bytes);
	for (size_t i = 0; i < count; i++) {
		if (packed[i / 64] >> (i % 64) & 1)
			memcpy((char *)words + i * sizeof(uint64_t), &packed[next++], sizeof(uint64_t));
	}
}
