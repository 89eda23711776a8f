/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program under torture really did, in a file that outlives it: for each process image and each site, calls that
 * were begun and calls that returned, so that whoever is killed at any instruction leaves the truth to within the call in
 * flight of each thread. The counters are read by truth.py, which knows their layout.
 *
 * A block carries its site and size in its first 16 bytes, so that any thread may free it and tell whose it was.
 */
#ifndef TORTURE_TRUTH_H
#define TORTURE_TRUTH_H

#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRUTH_IMAGES 65536
#define TRUTH_SITES  6

enum truth_site { SITE_MALLOC, SITE_CALLOC, SITE_REALLOC, SITE_ALIGNED, SITE_LARGE, SITE_HANDLER };

struct truth_counts {
	uint64_t begun, begun_bytes, done, done_bytes;			   /* allocations */
	uint64_t freeing, freeing_bytes, freed, freed_bytes; /* of blocks that this site allocated */
};

struct truth_image {
	uint32_t pid, used;
	uint64_t reserved[7];
	struct truth_counts sites[TRUTH_SITES + 2];
};

struct truth {
	uint64_t image_count;
	uint64_t reserved[7];
	struct truth_image images[TRUTH_IMAGES];
};

static struct truth *truth;
static struct truth_image *truth_own;

static void truth_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*truth)) != 0)
		exit(99);
	truth = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (truth == MAP_FAILED)
		exit(98);
}

/* This process image's own counters: at its start, and again in a forked child. */
static void truth_begin(void)
{
	uint64_t index = __atomic_fetch_add(&truth->image_count, 1, __ATOMIC_SEQ_CST);

	if (index >= TRUTH_IMAGES)
		_exit(97);
	truth_own = &truth->images[index];
	truth_own->pid = (uint32_t)getpid();
	__atomic_store_n(&truth_own->used, 1, __ATOMIC_SEQ_CST);
}

struct block {
	uint32_t site;
	uint32_t image; /* in which it was allocated */
	uint64_t size;
};

#define ADD(counter, amount) __atomic_fetch_add(&(counter), (amount), __ATOMIC_SEQ_CST)

static uint32_t truth_index(void)
{
	return (uint32_t)(truth_own - truth->images);
}

static void truth_allocating(enum truth_site site, uint64_t size)
{
	ADD(truth_own->sites[site].begun, 1);
	ADD(truth_own->sites[site].begun_bytes, size);
}

static void *truth_allocated(void *address, enum truth_site site, uint64_t size)
{
	struct block *block = address;

	if (!address)
		_exit(96);
	block->site = site;
	block->image = truth_index();
	block->size = size;
	ADD(truth_own->sites[site].done, 1);
	ADD(truth_own->sites[site].done_bytes, size);
	return address;
}

static void truth_freeing(const struct block *block)
{
	if (block->image != truth_index()) /* inherited by fork: another account */
		return;
	ADD(truth_own->sites[block->site].freeing, 1);
	ADD(truth_own->sites[block->site].freeing_bytes, block->size);
}

static void truth_freed(struct block block)
{
	if (block.image != truth_index())
		return;
	ADD(truth_own->sites[block.site].freed, 1);
	ADD(truth_own->sites[block.site].freed_bytes, block.size);
}

/* The sites: each allocation's innermost frame, and known by these names to truth.py. */
#define SITE __attribute__((noinline, noclone, unused)) static

SITE void *site_malloc(uint64_t size)
{
	truth_allocating(SITE_MALLOC, size);
	return truth_allocated(malloc(size), SITE_MALLOC, size);
}

SITE void *site_calloc(uint64_t size)
{
	truth_allocating(SITE_CALLOC, size);
	return truth_allocated(calloc(1, size), SITE_CALLOC, size);
}

SITE void *site_aligned(uint64_t size, uint64_t random)
{
	size_t alignment = (size_t)16 << (random & 7);
	void *address = NULL;

	truth_allocating(SITE_ALIGNED, size);
	if (random & 8)
		address = memalign(alignment, size);
	else if (posix_memalign(&address, alignment, size) != 0)
		address = NULL;
	return truth_allocated(address, SITE_ALIGNED, size);
}

SITE void *site_large(uint64_t size)
{
	truth_allocating(SITE_LARGE, size);
	return truth_allocated(malloc(size), SITE_LARGE, size);
}

SITE void *site_handler(uint64_t size)
{
	truth_allocating(SITE_HANDLER, size);
	return truth_allocated(malloc(size), SITE_HANDLER, size);
}

SITE void *site_realloc(void *address, uint64_t size)
{
	struct block old = *(struct block *)address;

	truth_freeing(&old);
	truth_allocating(SITE_REALLOC, size);
	address = realloc(address, size);
	truth_freed(old);
	return truth_allocated(address, SITE_REALLOC, size);
}

SITE void truth_free(void *address)
{
	struct block block;

	if (!address)
		return;
	block = *(struct block *)address;
	truth_freeing(&block);
	free(address);
	truth_freed(block);
}

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One random change to one of `count` places that hold blocks. Places are taken and given by exchange, so that threads
 * may share them and free what another allocated. */
static inline void churn(void **places, uint64_t count, uint64_t *state)
{
	uint64_t random = random_next(state);
	void **place = &places[(random >> 32) % count];
	uint64_t size = 16 + (random >> 8) % ((random & 0xf00000) ? 200 : 5000);
	void *block = __atomic_exchange_n(place, NULL, __ATOMIC_SEQ_CST);

	if (block && (random & 7) < 5) {
		truth_free(block);
		return;
	}
	if (block)
		block = site_realloc(block, size);
	else if ((random & 0x3ff0) == 0)
		block = site_large(200000 + size * 10);
	else if ((random & 7) < 4)
		block = site_malloc(size);
	else if ((random & 7) < 6)
		block = site_calloc(size);
	else
		block = site_aligned(size, random >> 3);
	truth_free(__atomic_exchange_n(place, block, __ATOMIC_SEQ_CST));
}

#endif
