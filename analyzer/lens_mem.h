/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mem lens: one process's heap and mappings, from its events in order.
 *
 * What is counted how (docs: "What the words mean"):
 *   - free_count and freed_bytes are of blocks that this process allocated, so that allocations less frees is what
 *     lives; frees of inherited and of unknown pointers are counted apart.
 *   - A block whose address is allocated again without a free seen in between is freed then, by nobody.
 *   - mapping_count and mapped_bytes are of all calls; mapping_peak_bytes is the most that was mapped at once.
 *
 * The peak by site, exactly and in O(1) an event: `epoch` counts new peaks; a site that changes for the first time
 * since the last peak keeps its values of before the change. At any time a site's value at the peak is the kept one
 * if it has changed since, else its present one.
 *
 * Where only a sample of the allocations has stacks (HEAP=sampled), totals, threads and histograms stay exact, and each
 * sampled allocation stands at its site for those that were not: an allocation of s bytes was taken with probability
 * p = 1 - exp(-s / mean), so it counts 1/p times. Counts of sites are then kept in 256ths.
 *
 * Order between threads comes from stamps, which are exact to within the tick's unit and the processor's reordering.
 * So an allocation may come just before the free that made room for it, or a free just before its allocation: the
 * `pending` list settles both within a few microseconds.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_LENS_MEM_H
#define PREPROF_LENS_MEM_H

#include "bins.h"
#include "blocks.h"
#include "event.h"
#include "inherited.h"
#include "mappings.h"
#include "profile.h"
#include "table.h"

/* Rare numbers of a site, made when first needed. */
struct pp_mem_site_rare {
	uint64_t failed_count;
	uint64_t mapping_count, mapped_bytes;
	double variance; /* of allocated_bytes, where allocations are sampled */
};

/* Two cache lines; an event touches both. */
struct pp_mem_site_state {
	uint64_t allocation_count, allocated_bytes;
	uint64_t live_count, live_bytes;
	uint64_t max_live_bytes;
	uint64_t temporary_count;
	uint64_t epoch; /* of the kept values */
	uint64_t kept_bytes;
	uint64_t kept_count;
	struct pp_mem_series series;
	uint32_t stack;
	uint32_t rare; /* index + 1 in the lens's list, 0: none */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct pp_mem_site_state) == 128, "two cache lines");

struct pp_mem_thread {
	uint64_t last_address; /* of this thread's last allocation */
	uint64_t allocation_count, allocated_bytes, free_count, freed_bytes;
	uint64_t live_bytes, live_count; /* of blocks it allocated */
	uint64_t temporary_count;
};

/* A free that waits for its allocation, or a block that left before its free came. */
struct pp_mem_pending {
	uint64_t stamp;
	uint64_t time_ns;
	uint64_t address;
	uint32_t thread; /* that freed, or that allocated the block's successor */
	bool owed;	 /* the block has left, its free is to come */
	bool inherited;	 /* it was one from before the fork */
	uint8_t flags;
	struct pp_block block;
	uint64_t size;
};

/* One of the last frees, while there are several threads. */
struct pp_mem_recent {
	uint64_t address;
	uint64_t stamp;
	uint32_t thread;
};

#define PP_MEM_PENDING_LIMIT   128
#define PP_MEM_RECENT	       64
#define PP_MEM_SITE_CHUNK_BITS 8
#define PP_MEM_SITE_LIMIT      (1U << 24) /* further stacks are counted as unknown */

struct pp_mem_lens {
	struct pp_blocks blocks;
	struct pp_mem_totals *totals; /* live, peak and mapping numbers included; peak_at_ns absolute. NULL: closed */
	uint64_t *packed;	      /* then, by words_pack: most of it are buckets that nothing fell into */
	uint64_t epoch;
	uint64_t sample_bytes; /* the mean between sampled allocations; 0: every one has its stack */
	uint64_t stamp_slack;
	uint64_t page_mask;

	struct pp_pages site_of; /* stack to site + 1 */
	struct pp_mem_site_state **chunks;
	uint32_t site_count, chunk_capacity;
	struct pp_mem_site_rare *rare;
	uint32_t rare_count, rare_capacity;

	struct pp_mem_thread *threads;
	uint32_t thread_count, thread_capacity;

	struct pp_mem_pending *pending; /* PP_MEM_PENDING_LIMIT, oldest first; NULL: there never was one */
	uint32_t pending_count;
	uint32_t recent_next;
	struct pp_mem_recent *recent; /* PP_MEM_RECENT, a ring; NULL: no free had a stamp */
	uint64_t replaced_count;      /* blocks allocated over without a free */

	struct pp_mappings mappings;
	struct pp_inherited *inherited; /* owned; NULL: nothing */
	bool inherited_unknown; /* forked, and not all that was inherited is known: every unknown free is of it */

	struct pp_bin_clock *clock;
	void (*fork)(void *owner, uint64_t fork_id); /* called where the process forks */
	void *owner;
};

/* clock outlives the lens. stamp_shift and page_size: of the wire header. */
void mem_lens_init(struct pp_mem_lens *lens, struct pp_bin_clock *clock, uint32_t stamp_shift, uint32_t page_size);
void mem_lens_finish(struct pp_mem_lens *lens);

/* Room for the numbers of `count` threads; events name threads below it. */
void mem_lens_threads(struct pp_mem_lens *lens, uint32_t count);

void mem_lens_apply(struct pp_mem_lens *lens, const struct pp_event *events, size_t count);

/* No more events will come: settles what is pending, gives the pointer map back and all else that totals, sites and threads
 * do not need. */
void mem_lens_close(struct pp_mem_lens *lens);

/* The same settling alone, at a moment when every event until now has been applied. */
void mem_lens_settle(struct pp_mem_lens *lens);

void mem_lens_fold(struct pp_mem_lens *lens); /* the bin width has doubled */

/* lens_mem_sites.c: a new site for a stack, or where further ones are counted. It may move the others. */
uint32_t mem_lens_site_create(struct pp_mem_lens *lens, uint32_t stack);
/* No site will be added: what the last chunk has to spare goes back, for a tree may have thousands of images. */
void mem_lens_sites_fit(struct pp_mem_lens *lens);

static inline struct pp_mem_site_state *mem_lens_site(const struct pp_mem_lens *lens, uint32_t index)
{
	return &lens->chunks[index >> PP_MEM_SITE_CHUNK_BITS][index & ((1U << PP_MEM_SITE_CHUNK_BITS) - 1)];
}

/* Everything of a site but process, node and bins. false: it is not a site but where unsampled allocations are. */
bool mem_lens_read_site(const struct pp_mem_lens *lens, uint32_t index, struct pp_mem_site *site);

/* mapping_* filled in; peak_at_ns stays absolute. */
void mem_lens_read_totals(const struct pp_mem_lens *lens, struct pp_mem_totals *totals);

#endif
