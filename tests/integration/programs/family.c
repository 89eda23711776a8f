/* SPDX-License-Identifier: Apache-2.0 */
/* Every C function of the mem family, each from a function of its own, with known counts and bytes. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 100
#define SITE(name) static __attribute__((noinline)) void name(void)
#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

static void *kept[N];
static volatile size_t huge = SIZE_MAX / 2;

SITE(site_malloc)
{
	for (int i = 0; i < N; i++) {
		void *p = malloc(100); /* malloc */
		KEEP(p);
		free(p);
	}
}

SITE(site_calloc)
{
	for (int i = 0; i < N; i++)
		kept[i] = calloc(3, 7);
	for (int i = 0; i < N; i++)
		free(kept[i]);
}

SITE(site_realloc)
{
	void *p = NULL;

	for (int i = 1; i <= N; i++)
		p = realloc(p, (size_t)i * 64); /* one allocation, then N - 1 reallocs */
	free(p);
}

SITE(site_realloc_free)
{
	void *p = malloc(40);

	KEEP(p);
	p = realloc(p, 0);
	KEEP(p);
}

SITE(site_reallocarray)
{
	void *p = reallocarray(NULL, 10, 10);

	KEEP(p);
	p = reallocarray(p, 20, 10);
	KEEP(p);
	free(p);
}

SITE(site_aligned)
{
	void *p;

	KEEP(p = memalign(256, 1000));
	free(p);
	KEEP(p = aligned_alloc(128, 1024));
	free(p);
	if (posix_memalign(&p, 64, 999) == 0)
		free(p);
	KEEP(p = valloc(10));
	free(p);
	KEEP(p = pvalloc(10));
	free(p);
}

SITE(site_failed)
{
	void *p = malloc(huge);
	int first = errno;
	void *q = calloc(huge, 16);
	int second = errno;
	void *r = realloc(malloc(8), huge);
	int third = errno;
	void *s = (void *)0x10;
	int fourth = posix_memalign(&s, 3, 10);

	printf("failed %d %d %d %d %d %d %d %d %d\n", p == NULL, first == ENOMEM, q == NULL, second == ENOMEM,
	       r == NULL, third == ENOMEM, fourth == EINVAL, s == (void *)0x10, reallocarray(NULL, huge, 16) == NULL);
}

SITE(site_zero)
{
	void *p = malloc(0);

	KEEP(p);
	free(p);
	free(NULL);
}

SITE(site_leak)
{
	for (int i = 0; i < 7; i++) {
		char *p = malloc(1000 + (size_t)i); /* leak */
		KEEP(p);
	}
}

SITE(site_usable)
{
	void *p = malloc(24);

	printf("usable %d trim %d\n", malloc_usable_size(p) >= 24, malloc_trim(0) >= 0);
	free(p);
}

int main(void)
{
	errno = 77;
	free(malloc(10));
	printf("errno %d\n", errno);
	site_malloc();
	site_calloc();
	site_realloc();
	site_realloc_free();
	site_reallocarray();
	site_aligned();
	site_failed();
	site_zero();
	site_leak();
	site_usable();
	return 0;
}
