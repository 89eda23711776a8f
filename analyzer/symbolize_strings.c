/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbolizer's strings: kept once each, names demangled, paths normalised. Belongs to the thread that uses the symbolizer.
 */
#include "demangle.h"
#include "symbolize_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static uint64_t word_mix(uint64_t word)
{
	word ^= word >> 32;
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 29;
}

static uint64_t text_hash(const char *text, size_t length)
{
	uint64_t hash = length, word;

	for (; length >= sizeof(word); text += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = word_mix(hash ^ word);
	}
	word = 0;
	memcpy(&word, text, length);
	return word_mix(hash ^ word);
}

static bool strings_grow(struct pp_strings *strings)
{
	size_t capacity = strings->capacity ? strings->capacity * 2 : 1024;
	struct pp_string_slot *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < strings->capacity; i++) {
		size_t at = strings->slots[i].hash & (capacity - 1);

		if (!strings->slots[i].text)
			continue;
		while (slots[at].text)
			at = (at + 1) & (capacity - 1);
		slots[at] = strings->slots[i];
	}
	free(strings->slots);
	strings->slots = slots;
	strings->capacity = capacity;
	return true;
}

const char *strings_intern(struct pp_strings *strings, const char *text, size_t length)
{
	uint64_t hash = text_hash(text, length);
	struct pp_string_slot *slot;
	char *copy;

	if (strings->count * 2 >= strings->capacity && !strings_grow(strings))
		return NULL;
	for (size_t at = hash;; at++) {
		slot = &strings->slots[at & (strings->capacity - 1)];
		if (!slot->text)
			break;
		if (slot->hash == hash && !strncmp(slot->text, text, length) && !slot->text[length])
			return slot->text;
	}
	copy = arena_string_sized(strings->arena, text, length);
	slot->hash = hash;
	slot->text = copy;
	strings->count++;
	return copy;
}

const char *strings_intern_name(struct pp_strings *strings, const char *name, size_t length, bool *mangled)
{
	char readable[DEMANGLE_OUTPUT_MAX];
	size_t readable_length = demangle(name, length, readable);

	*mangled = readable_length;
	if (readable_length)
		return strings_intern(strings, readable, readable_length);
	return strings_intern(strings, name, length < DEMANGLE_OUTPUT_MAX ? length : DEMANGLE_OUTPUT_MAX - 1);
}

/*
 * Append the components of path to text (length bytes so far), each with a slash before it, dropping
 * "." and resolving "..".
 */
static size_t path_append(char text[static PATH_MAX], size_t length, const char *path, bool absolute)
{
	while (*path) {
		size_t size = strcspn(path, "/");
		bool up = size == 2 && path[0] == '.' && path[1] == '.';
		const char *last = memrchr(text, '/', length);

		if (up && last && strcmp(last, "/..")) {
			length = last - text;
		} else if (size && !(up && absolute) && !(size == 1 && path[0] == '.')) {
			if (length + size + 2 > PATH_MAX)
				break;
			text[length++] = '/';
			memcpy(text + length, path, size);
			length += size;
		}
		text[length] = 0;
		path += size;
		path += strspn(path, "/");
	}
	return length;
}

static bool path_is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && (path[length] == '/' || directory[length - 1] == '/');
}

const char *strings_intern_path(struct pp_strings *strings, const char *directory, const char *path)
{
	char text[PATH_MAX] = "";
	size_t length = 0;
	bool absolute = path[0] == '/';

	if (!absolute && directory && directory[0] && !path_is_below(path, directory)) {
		absolute = directory[0] == '/';
		length = path_append(text, length, directory, absolute);
	}
	length = path_append(text, length, path, absolute);
	if (absolute)
		return length ? strings_intern(strings, text, length) : strings_intern(strings, "/", 1);
	/* A relative path loses the slash before its first component. */
	return length ? strings_intern(strings, text + 1, length - 1) : NULL;
}

void strings_finish(struct pp_strings *strings)
{
	arena_destroy(strings->arena);
	free(strings->slots);
	*strings = (struct pp_strings){0};
}
