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

/* No loop below may be recognized as the very function that it implements. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

#undef stpcpy

void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
	unsigned char *to = target;
	const unsigned char *from = source;

#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
	while (size--)
		*to++ = *from++;
#endif
	return target;
}

void *memmove(void *target, const void *source, size_t size)
{
	unsigned char *to = target;
	const unsigned char *from = source;

	if (to <= from || to >= from + size)
		return memcpy(target, source, size);
	while (size--)
		to[size] = from[size];
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
	const unsigned char *a = first, *b = second;

	for (; size; size--, a++, b++) {
		if (*a != *b)
			return *a - *b;
	}
	return 0;
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
	const unsigned char *at = bytes;

	for (; size >= wanted_size; size--, at++) {
		if (memcmp(at, wanted, wanted_size) == 0)
			return (void *)(uintptr_t)at;
	}
	return NULL;
}

size_t strlen(const char *text)
{
	const char *at = text;

	while (*at)
		at++;
	return (size_t)(at - text);
}

size_t strnlen(const char *text, size_t limit)
{
	size_t size = 0;

	while (size < limit && text[size])
		size++;
	return size;
}

int strncmp(const char *first, const char *second, size_t limit)
{
	for (; limit; limit--, first++, second++) {
		if (*first != *second || !*first)
			return (unsigned char)*first - (unsigned char)*second;
	}
	return 0;
}

int strcmp(const char *first, const char *second)
{
	return strncmp(first, second, SIZE_MAX);
}

char *strchr(const char *text, int wanted)
{
	for (;; text++) {
		if (*text == (char)wanted)
			return (char *)(uintptr_t)text;
		if (!*text)
			return NULL;
	}
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
	size_t size = 0;

	while (text[size] && strchr(accepted, text[size]))
		size++;
	return size;
}

size_t strcspn(const char *text, const char *rejected)
{
	size_t size = 0;

	while (text[size] && !strchr(rejected, text[size]))
		size++;
	return size;
}

char *strpbrk(const char *text, const char *wanted)
{
	text += strcspn(text, wanted);
	return *text ? (char *)(uintptr_t)text : NULL;
}

char *strstr(const char *text, const char *wanted)
{
	return memmem(text, strlen(text), wanted, strlen(wanted));
}

char *stpcpy(char *restrict target, const char *restrict source)
{
	size_t size = strlen(source);

	memcpy(target, source, size + 1);
	return target + size;
}

char *strcpy(char *restrict target, const char *restrict source)
{
	stpcpy(target, source);
	return target;
}

char *strncpy(char *restrict target, const char *restrict source, size_t size)
{
	size_t length = strnlen(source, size);

	memcpy(target, source, length);
	memset(target + length, 0, size - length);
	return target;
}

char *strcat(char *restrict target, const char *restrict source)
{
	stpcpy(target + strlen(target), source);
	return target;
}

char *strncat(char *restrict target, const char *restrict source, size_t limit)
{
	size_t had = strlen(target), length = strnlen(source, limit);

	memcpy(target + had, source, length);
	target[had + length] = '\0';
	return target;
}
