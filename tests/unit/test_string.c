/* SPDX-License-Identifier: Apache-2.0 */
/* The library's own string functions against libc's, over short random texts; compiled under other names. */
#include "test.h"

#include <string.h>

#define memcpy own_memcpy
#define memmove own_memmove
#define memset own_memset
#define memcmp own_memcmp
#define memchr own_memchr
#define memmem own_memmem
#define strlen own_strlen
#define strnlen own_strnlen
#define strcmp own_strcmp
#define strncmp own_strncmp
#define strchr own_strchr
#define strrchr own_strrchr
#define strspn own_strspn
#define strcspn own_strcspn
#define strpbrk own_strpbrk
#define strstr own_strstr
#define stpcpy own_stpcpy
#define strcpy own_strcpy
#define strncpy own_strncpy
#define strcat own_strcat
#define strncat own_strncat
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "../../preload/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef memmem
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strspn
#undef strcspn
#undef strpbrk
#undef strstr
#undef stpcpy
#undef strcpy
#undef strncpy
#undef strcat
#undef strncat

static uint64_t state = 88172645463325252u;

static uint32_t number(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % limit;
}

/* Few letters, so that matches happen. */
static void text_make(char *text)
{
	uint32_t size = number(12);

	for (uint32_t i = 0; i < size; i++)
		text[i] = (char)('a' + number(3));
	text[size] = '\0';
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

PP_TEST(searching)
{
	for (int i = 0; i < 100000; i++) {
		char a[16], b[16];
		uint32_t n = number(14);

		text_make(a);
		text_make(b);
		PP_CHECK_EQ(own_strlen(a), strlen(a));
		PP_CHECK_EQ(own_strnlen(a, n), strnlen(a, n));
		PP_CHECK_EQ(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
		PP_CHECK_EQ(sign(own_strncmp(a, b, n)), sign(strncmp(a, b, n)));
		PP_CHECK(own_strchr(a, 'b') == strchr(a, 'b') && own_strchr(a, 0) == strchr(a, 0));
		PP_CHECK(own_strrchr(a, 'b') == strrchr(a, 'b') && own_strrchr(a, 0) == strrchr(a, 0));
		PP_CHECK_EQ(own_strspn(a, b), strspn(a, b));
		PP_CHECK_EQ(own_strcspn(a, b), strcspn(a, b));
		PP_CHECK(own_strpbrk(a, b) == strpbrk(a, b));
		PP_CHECK(own_strstr(a, b) == strstr(a, b));
		n = (uint32_t)strlen(a);
		if (strlen(b) >= n)
			PP_CHECK_EQ(sign(own_memcmp(a, b, n)), sign(memcmp(a, b, n)));
		PP_CHECK(own_memchr(a, 'c', n) == memchr(a, 'c', n));
		PP_CHECK(own_memmem(a, n, b, strlen(b)) == memmem(a, n, b, strlen(b)));
	}
}

PP_TEST(copying)
{
	for (int i = 0; i < 100000; i++) {
		char a[16], first[64], second[64];
		uint32_t from = number(20), to = number(20), size = number(20);

		text_make(a);
		for (uint32_t k = 0; k < sizeof(first); k++)
			first[k] = second[k] = (char)number(256);
		PP_CHECK(own_memmove(first + to, first + from, size) == first + to);
		memmove(second + to, second + from, size);
		own_memset(first + 50, (int)size, size % 10);
		memset(second + 50, (int)size, size % 10);
		PP_CHECK(own_stpcpy(first, a) == first + strlen(a));
		strcpy(second, a);
		own_strcat(first, a);
		strcat(second, a);
		own_strncat(first, a, size % 5);
		strncat(second, a, size % 5);
		PP_CHECK_EQ(memcmp(first, second, sizeof(first)), 0);
		PP_CHECK(own_strncpy(first, a, 14) == first && own_memcpy(first + 30, a, 8) == first + 30);
		memset(second, 0, 14);
		memcpy(second, a, strlen(a));
		memcpy(second + 30, a, 8);
		PP_CHECK(own_strcpy(first + 40, a) == first + 40);
		strcpy(second + 40, a);
		PP_CHECK_EQ(memcmp(first, second, sizeof(first)), 0);
	}
}

