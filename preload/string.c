/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The string functions that this library uses, its own: hidden, so that they are bound within it. libc's may be
 * interposed in the host (AddressSanitizer checks their arguments before it is ready, and another profiler may count
 * them), and libc's own are chosen by IFUNC resolvers that need not have run yet. None of these is on a hot path; small
 * copies of known size are compiled in place. Any context.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* No loop below may be recognized as the very function that it implements, nor a call as another one's equal: what they
 * share has names that the compiler does not know. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

static inline void copy(void *target, const void *source, size_t size)
{
	unsigned char *to = target;
	const unsigned char *from = source;

#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
	while (size--)
		*to++ = *from++;
#endif
}

static inline size_t length_of(const char *text, size_t limit)
{
	size_t size = 0;

	while (size < limit && text[size])
		size++;
	return size;
}

static inline int compare(const unsigned char *first, const unsigned char *second, size_t size, int stop_at_nul)
{
	for (; size; size--, first++, second++) {
		if (*first != *second || (stop_at_nul && !*first))
			return *first - *second;
	}
	return 0;
}

static inline char *find(const char *text, int wanted)
{
	for (;; text++) {
		if (*text == (char)wanted)
			return (char *)(uintptr_t)text;
		if (!*text)
			return NULL;
	}
}

/* Characters at the beginning that are (accept) or are not among `set`. */
static inline size_t span(const char *text, const char *set, int accept)
{
	size_t size = 0;

	while (text[size] && (find(set, text[size]) != NULL) == accept)
		size++;
	return size;
}

static inline void *find_bytes(const unsigned char *bytes, size_t size, const unsigned char *wanted, size_t wanted_size)
{
	for (; size >= wanted_size; size--, bytes++) {
		if (compare(bytes, wanted, wanted_size, 0) == 0)
			return (void *)(uintptr_t)bytes;
	}
	return NULL;
}

void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
	copy(target, source, size);
	return target;
}

void *memmove(void *target, const void *source, size_t size)
{
	unsigned char *to = target;
	const unsigned char *from = source;

	if (to <= from || to >= from + size) {
		copy(target, source, size);
	} else {
		while (size--)
			to[size] = from[size];
	}
	return target;
}

void *memset(void *target, int value, size_t size)
{
	unsigned char *to = target;

#if defined(__x86_64__)
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
#else
	while (size--)
		*to++ = (unsigned char)value;
#endif
	return target;
}

int memcmp(const void *first, const void *second, size_t size)
{
	return compare(first, second, size, 0);
}

void *memchr(const void *bytes, int value, size_t size)
{
	const unsigned char *at = bytes;

	for (; size; size--, at++) {
		if (*at == (unsigned char)value)
			return (void *)(uintptr_t)at;
	}
	return NULL;
}

void *memmem(const void *bytes, size_t size, const void *wanted, size_t wanted_size)
{
	return find_bytes(bytes, size, wanted, wanted_size);
}

size_t strlen(const char *text)
{
	return length_of(text, SIZE_MAX);
}

size_t strnlen(const char *text, size_t limit)
{
	return length_of(text, limit);
}

int strncmp(const char *first, const char *second, size_t limit)
{
	return compare((const unsigned char *)first, (const unsigned char *)second, limit, 1);
}

int strcmp(const char *first, const char *second)
{
	return compare((const unsigned char *)first, (const unsigned char *)second, SIZE_MAX, 1);
}

char *strchr(const char *text, int wanted)
{
	return find(text, wanted);
}

char *strrchr(const char *text, int wanted)
{
	const char *last = NULL;

	for (;; text++) {
		if (*text == (char)wanted)
			last = text;
		if (!*text)
			return (char *)(uintptr_t)last;
	}
}

size_t strspn(const char *text, const char *accepted)
{
	return span(text, accepted, 1);
}

size_t strcspn(const char *text, const char *rejected)
{
	return span(text, rejected, 0);
}

char *strpbrk(const char *text, const char *wanted)
{
	text += span(text, wanted, 0);
	return *text ? (char *)(uintptr_t)text : NULL;
}

char *strstr(const char *text, const char *wanted)
{
	return find_bytes((const unsigned char *)text, length_of(text, SIZE_MAX), (const unsigned char *)wanted,
			  length_of(wanted, SIZE_MAX));
}

char *stpcpy(char *restrict target, const char *restrict source)
{
	size_t size = length_of(source, SIZE_MAX);

	copy(target, source, size + 1);
	return target + size;
}

char *strcpy(char *restrict target, const char *restrict source)
{
	copy(target, source, length_of(source, SIZE_MAX) + 1);
	return target;
}

char *strncpy(char *restrict target, const char *restrict source, size_t size)
{
	size_t length = length_of(source, size);

	copy(target, source, length);
	for (; length < size; length++)
		target[length] = '\0';
	return target;
}

char *strcat(char *restrict target, const char *restrict source)
{
	copy(target + length_of(target, SIZE_MAX), source, length_of(source, SIZE_MAX) + 1);
	return target;
}

char *strncat(char *restrict target, const char *restrict source, size_t limit)
{
	size_t had = length_of(target, SIZE_MAX), length = length_of(source, limit);

	copy(target + had, source, length);
	target[had + length] = '\0';
	return target;
}
