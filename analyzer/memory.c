/* SPDX-License-Identifier: Apache-2.0 */
/* Checked allocation; see memory.h. */
#include "memory.h"

#include "memory_limit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RESERVE_BYTES	  ((size_t)32 << 20) /* not touched: costs address space only */
#define LAST_BYTES	  ((size_t)16 << 20)
#define SMALLEST_BUDGET	  (UINT64_C(128) << 20)
#define MAPPED_BYTES	  (256 << 10)
#define TRIMMED_BYTES	  (1 << 20)
#define LARGE_BYTES	  ((size_t)4 << 20)

static void *reserve, *last_reserve;
static uint64_t budget_bytes;
static int exhausted;
static void (*at_the_end)(void *);
static void *at_the_end_argument;

static void *pages_hold(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static void pages_release(void **pages, size_t bytes)
{
	void *held = __atomic_exchange_n(pages, NULL, __ATOMIC_SEQ_CST);

	if (held)
		munmap(held, bytes);
}

/* RLIMIT_DATA counts private writable memory: what is shared with the targets is theirs. AddressSanitizer's shadow is no
 * data of ours, and counted. */
static void data_limit_set(uint64_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
	(void)bytes;
#else
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) != 0)
		return;
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	setrlimit(RLIMIT_DATA, &limit);
#endif
}

void memory_budget_begin(void)
{
	struct rlimit limit;
	uint64_t group_bytes = memory_limit_of_group(NULL), machine_bytes = memory_limit_of_machine();

	/* The target lives in the same group, and is the one for whom it was made. */
	budget_bytes = group_bytes < machine_bytes ? group_bytes / 4 : machine_bytes / 2;
	if (budget_bytes < SMALLEST_BUDGET)
		budget_bytes = SMALLEST_BUDGET;
	/* An arena for each thread takes 64 MiB of address space, or else whole pages for each block. */
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		mallopt(M_ARENA_MAX, 1);
	/* What a publication takes goes back at its end. glibc would learn from the first large block that is freed to take the
	 * like from the heap, where a small one that stays keeps all of it. */
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIMMED_BYTES);
	reserve = pages_hold(RESERVE_BYTES);
	last_reserve = pages_hold(LAST_BYTES);
	data_limit_set(budget_bytes + RESERVE_BYTES + LAST_BYTES);
}

uint64_t memory_budget_bytes(void)
{
	return budget_bytes;
}

bool memory_is_exhausted(void)
{
	return __atomic_load_n(&exhausted, __ATOMIC_RELAXED);
}

bool memory_has_room(size_t bytes)
{
	void *room = pages_hold(bytes);
	bool had = room != NULL;

	pages_release(&room, bytes);
	return had;
}

void memory_at_the_end(void (*last)(void *), void *argument)
{
	at_the_end_argument = argument;
	__atomic_store_n(&at_the_end, last, __ATOMIC_RELEASE);
}

bool memory_failed(void)
{
	void (*last)(void *);

	if (!__atomic_exchange_n(&exhausted, 1, __ATOMIC_SEQ_CST)) {
		data_limit_set(UINT64_MAX);
		pages_release(&reserve, RESERVE_BYTES);
		return true;
	}
	pages_release(&last_reserve, LAST_BYTES);
	last = __atomic_exchange_n(&at_the_end, NULL, __ATOMIC_SEQ_CST);
	if (last)
		last(at_the_end_argument);
	fprintf(stderr, "preprof: out of memory\n");
	exit(125);
}

void *memory_array(size_t count, size_t size)
{
	void *array = calloc(count ? count : 1, size);

	while (!array && memory_failed())
		array = calloc(count ? count : 1, size);
	return array;
}

void *memory_grow(void *array, uint32_t *capacity, size_t need, size_t size)
{
	size_t room = *capacity, bytes;
	void *grown;

	if (need <= room)
		return array;
	/* Large ones are moved by page tables, not copied: they need not be ahead of what is asked for by much. */
	room += room * size < LARGE_BYTES ? room / 2 : room / 16;
	if (room < need)
		room = need;
	if (room < 8)
		room = 8;
	while (room > UINT32_MAX || __builtin_mul_overflow(room, size, &bytes))
		memory_failed();
	grown = realloc(array, bytes);
	while (!grown && memory_failed())
		grown = realloc(array, bytes);
	memset((char *)grown + *capacity * size, 0, (room - *capacity) * size);
	*capacity = (uint32_t)room;
	return grown;
}

void *memory_fit(void *array, uint32_t *capacity, uint32_t count, size_t size)
{
	void *fitting;

	if (*capacity == count)
		return array;
	*capacity = count;
	if (count == 0) {
		free(array);
		return NULL;
	}
	/* Cut in place it would leave a hole that the next one of its kind does not fit into. */
	fitting = malloc(count * size);
	if (!fitting)
		return array;
	memcpy(fitting, array, count * size);
	free(array);
	return fitting;
}

void *memory_pages(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	while (pages == MAP_FAILED && memory_failed())
		pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages;
}

void *memory_pages_grow(void *pages, size_t old_bytes, size_t bytes)
{
	void *grown = mremap(pages, old_bytes, bytes, MREMAP_MAYMOVE);

	while (grown == MAP_FAILED && memory_failed())
		grown = mremap(pages, old_bytes, bytes, MREMAP_MAYMOVE);
	return grown;
}

void memory_pages_free(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}

