/* SPDX-License-Identifier: Apache-2.0 */
/* The mem lens; see lens_mem.h. */
#include "lens_mem.h"

#include "memory.h"
#include "words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preprof/wire.h"

#define SAMPLED_SHIFT 8 /* of sites' counts where allocations are sampled */

/* Stamps this far apart may be in the wrong order. A processor reads its counter ahead of earlier instructions that have
 * not finished: a free's stamp was seen 290 ns before that of its allocation, when the atomic exchange that had passed
 * the block on waited for its cache line. Not much more than that: in a forked child a free of an inherited block that is
 * not known yet, and the next allocation there by another thread, look the same (seen at 2.7 us). */
#define STAMP_SLACK_TICKS 4096

/* Below this many bytes the map stays in the caches, and prefetching costs more than it brings. */
#define PREFETCH_BYTES ((uint64_t)256 << 10)

void mem_lens_init(struct pp_mem_lens *lens, struct pp_bin_clock *clock, uint32_t stamp_shift, uint32_t page_size)
{
	memset(lens, 0, sizeof(*lens));
	lens->totals = memory_array(1, sizeof(*lens->totals));
	lens->clock = clock;
	lens->stamp_slack = stamp_shift < 13 ? STAMP_SLACK_TICKS >> stamp_shift : 1;
	lens->page_mask = page_size && !(page_size & (page_size - 1)) ? page_size - 1 : 4095;
	mem_lens_threads(lens, 1);
}

static void unsettled_free(struct pp_mem_lens *lens)
{
	free(lens->pending);
	free(lens->recent);
	lens->pending = NULL;
	lens->recent = NULL;
}

void mem_lens_finish(struct pp_mem_lens *lens)
{
	unsettled_free(lens);
	free(lens->totals);
	free(lens->packed);
	for (uint32_t i = 0; i < lens->site_count; i++)
		mem_series_finish(&mem_lens_site(lens, i)->series);
	for (uint32_t i = 0; i < lens->chunk_capacity; i++)
		free(lens->chunks[i]);
	free(lens->chunks);
	free(lens->rare);
	free(lens->threads);
	pages_finish(&lens->site_of);
	blocks_finish(&lens->blocks);
	mappings_finish(&lens->mappings);
	inherited_destroy(lens->inherited);
	memset(lens, 0, sizeof(*lens));
}

void mem_lens_threads(struct pp_mem_lens *lens, uint32_t count)
{
	lens->threads = memory_grow(lens->threads, &lens->thread_capacity, count, sizeof(*lens->threads));
	if (count > lens->thread_count)
		lens->thread_count = count;
}

static unsigned histogram_bucket(uint64_t value)
{
	return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* ---- sites ---- */

static inline uint32_t site_of_stack(struct pp_mem_lens *lens, uint32_t stack)
{
	uint32_t site = pages_get(&lens->site_of, stack);

	return __builtin_expect(site != 0, 1) ? site - 1 : mem_lens_site_create(lens, stack);
}

/* Before every change of a site's live numbers. */
static inline void site_keep(const struct pp_mem_lens *lens, struct pp_mem_site_state *site)
{
	if (site->epoch != lens->epoch) {
		site->epoch = lens->epoch;
		site->kept_bytes = site->live_bytes;
		site->kept_count = site->live_count;
	}
}

static struct pp_mem_site_rare *site_rare(struct pp_mem_lens *lens, struct pp_mem_site_state *site)
{
	if (!site->rare) {
		lens->rare = memory_grow(lens->rare, &lens->rare_capacity, (size_t)lens->rare_count + 1,
					 sizeof(*lens->rare));
		site->rare = ++lens->rare_count;
	}
	return &lens->rare[site->rare - 1];
}

/* What one allocation counts at its site. */
struct share {
	uint64_t bytes;
	uint64_t count; /* in 256ths where allocations are sampled */
};

static struct share share_sampled(const struct pp_mem_lens *lens, const struct pp_mem_site_state *site, uint64_t size)
{
	double taken;

	if (site->stack == PP_REC_STACK_UNSAMPLED)
		return (struct share){size, (uint64_t)1 << SAMPLED_SHIFT};
	/* one of 0 bytes is never taken; that a stream has one all the same must not divide by 0 */
	taken = -expm1(-(double)(size ? size : 1) / (double)lens->sample_bytes);
	return (struct share){(uint64_t)((double)size / taken + 0.5),
			      (uint64_t)((double)(1 << SAMPLED_SHIFT) / taken + 0.5)};
}

static inline struct share share_of(const struct pp_mem_lens *lens, const struct pp_mem_site_state *site, uint64_t size)
{
	if (__builtin_expect(lens->sample_bytes != 0, 0))
		return share_sampled(lens, site, size);
	return (struct share){size, 1};
}

static inline uint32_t share_whole(const struct pp_mem_lens *lens, struct share share)
{
	if (__builtin_expect(lens->sample_bytes != 0, 0))
		return (uint32_t)((share.count + (1 << (SAMPLED_SHIFT - 1))) >> SAMPLED_SHIFT);
	return 1;
}

/* ---- frees ---- */

static inline uint64_t block_size(struct pp_mem_lens *lens, const struct pp_block *block)
{
	uint64_t size = block->packed & PP_BLOCK_SIZE_WIDE;

	if (__builtin_expect(size == PP_BLOCK_SIZE_WIDE, 0))
		return block_wide_size(&lens->blocks, block->address);
	return size;
}

/* The block leaves the live ones: totals, site, bins, the thread that had allocated it. */
static inline void block_detach(struct pp_mem_lens *lens, const struct pp_block *block, uint64_t size, uint64_t time_ns)
{
	struct pp_mem_site_state *site = mem_lens_site(lens, block_site(block));
	uint32_t bin = bin_of(lens->clock, time_ns);
	struct share share = share_of(lens, site, size);
	struct pp_mem_totals *totals = lens->totals;

	site_keep(lens, site);
	site->live_bytes -= share.bytes;
	site->live_count -= share.count;
	mem_series_freed(&site->series, lens->clock, bin, share.bytes, share_whole(lens, share));
	totals->free_count++;
	totals->freed_bytes += size;
	totals->live_bytes -= size;
	totals->live_count--;
	if (block->thread != PP_BLOCK_THREAD_OTHER) {
		lens->threads[block->thread].live_bytes -= size;
		lens->threads[block->thread].live_count--;
	}
}

/* What is known only with the free itself: who freed it, whether it was temporary, how old it was. */
static inline void block_credit(struct pp_mem_lens *lens, const struct pp_block *block, uint64_t size, uint32_t thread,
				uint64_t time_ns)
{
	struct pp_mem_thread *freer = &lens->threads[thread];
	uint32_t age = (uint32_t)(time_ns >> PP_BLOCK_TIME_SHIFT) - block->time;
	struct pp_mem_totals *totals = lens->totals;

	freer->free_count++;
	freer->freed_bytes += size;
	if (freer->last_address == block->address && block->thread == thread) {
		struct pp_mem_site_state *site = mem_lens_site(lens, block_site(block));

		freer->temporary_count++;
		totals->temporary_count++;
		site->temporary_count += share_of(lens, site, size).count;
	}
	if ((int32_t)age < 0 && age > UINT32_MAX - (1U << 20))
		age = 0; /* coarse clocks of two threads */
	totals->lifetimes.counts[histogram_bucket((uint64_t)age << PP_BLOCK_TIME_SHIFT)]++;
}

static void unmatched_free(struct pp_mem_lens *lens, uint64_t address)
{
	if (inherited_take(lens->inherited, address) || lens->inherited_unknown)
		lens->totals->inherited_free_count++;
	else
		lens->totals->unknown_free_count++;
}

/* ---- pending ---- */

static void pending_drop(struct pp_mem_lens *lens, uint32_t index)
{
	lens->pending_count--;
	memmove(&lens->pending[index], &lens->pending[index + 1],
		(lens->pending_count - index) * sizeof(lens->pending[0]));
}

/* The oldest one's partner did not come. */
static void pending_expire(struct pp_mem_lens *lens)
{
	if (lens->pending[0].inherited)
		; /* its free was never seen */
	else if (lens->pending[0].owed)
		lens->replaced_count++;
	else
		unmatched_free(lens, lens->pending[0].address);
	pending_drop(lens, 0);
}

static void pending_age(struct pp_mem_lens *lens, uint64_t stamp)
{
	while (lens->pending_count && lens->pending[0].stamp + lens->stamp_slack < stamp)
		pending_expire(lens);
}

static struct pp_mem_pending *pending_add(struct pp_mem_lens *lens, const struct pp_event *event)
{
	struct pp_mem_pending *pending;

	if (!lens->pending)
		lens->pending = memory_array(PP_MEM_PENDING_LIMIT, sizeof(*lens->pending));
	if (lens->pending_count == PP_MEM_PENDING_LIMIT)
		pending_expire(lens);
	pending = &lens->pending[lens->pending_count++];
	memset(pending, 0, sizeof(*pending));
	pending->stamp = event->stamp;
	pending->time_ns = event->time_ns;
	pending->address = event->address;
	pending->thread = event->thread;
	return pending;
}

/* A free whose block has left already, for its successor on the same address. The thread that allocated the successor
 * is not taken for the one that freed the block, unless there is nothing else that it can have freed. */
static bool pending_settle_free(struct pp_mem_lens *lens, const struct pp_event *event, bool any_thread)
{
	for (uint32_t i = 0; i < lens->pending_count; i++) {
		struct pp_mem_pending *pending = &lens->pending[i];

		if (!pending->owed || pending->address != event->address ||
		    (pending->thread == event->thread && !any_thread))
			continue;
		if (pending->inherited)
			lens->totals->inherited_free_count++;
		else
			block_credit(lens, &pending->block, pending->size, event->thread, event->time_ns);
		pending_drop(lens, i);
		return true;
	}
	return false;
}

static inline void recent_note(struct pp_mem_lens *lens, const struct pp_event *event)
{
	if (__builtin_expect(!lens->recent, 0))
		lens->recent = memory_array(PP_MEM_RECENT, sizeof(*lens->recent));
	lens->recent[lens->recent_next++ % PP_MEM_RECENT] =
		(struct pp_mem_recent){event->address, event->stamp, event->thread};
}

/* Has another thread freed this address just before? Then the two frees may have taken each other's block. */
static bool recently_freed(const struct pp_mem_lens *lens, uint64_t address, uint32_t but_thread, uint64_t stamp)
{
	for (size_t i = 0; lens->recent && i < PP_MEM_RECENT; i++) {
		const struct pp_mem_recent *recent = &lens->recent[i];

		if (recent->address == address && recent->thread != but_thread &&
		    recent->stamp + lens->stamp_slack >= stamp)
			return true;
	}
	return false;
}

/* The free that came before this allocation, if there is one; *freed is what it said. A thread's own order is sure: what
 * it freed before it cannot be what it allocates now, unless that free belonged to another block. */
static bool pending_settle_alloc(struct pp_mem_lens *lens, const struct pp_event *event, struct pp_mem_pending *freed)
{
	for (uint32_t i = lens->pending_count; i-- > 0;) {
		const struct pp_mem_pending *pending = &lens->pending[i];

		if (pending->owed || pending->address != event->address)
			continue;
		if (pending->thread == event->thread &&
		    !recently_freed(lens, pending->address, pending->thread, pending->stamp))
			continue;
		*freed = *pending;
		pending_drop(lens, i);
		return true;
	}
	return false;
}

void mem_lens_settle(struct pp_mem_lens *lens)
{
	while (lens->pending_count)
		pending_expire(lens);
}

/* ---- events ---- */

static inline void apply_free(struct pp_mem_lens *lens, const struct pp_event *event)
{
	struct pp_block block;
	uint64_t size;

	if (event->flags) {
		lens->totals->realloc_count++;
		lens->totals->realloc_moved_count += (event->flags & PP_EVENT_MOVED) != 0;
	}
	if (__builtin_expect(lens->pending_count != 0, 0)) {
		pending_age(lens, event->stamp);
		if (pending_settle_free(lens, event, false))
			return;
	}
	if (__builtin_expect(!blocks_remove(&lens->blocks, event->address, &block), 0)) {
		/* An inherited block waits for no allocation: the next one at its address is another's. */
		if (inherited_take(lens->inherited, event->address))
			lens->totals->inherited_free_count++;
		else if (!event->stamp)
			unmatched_free(lens, event->address);
		else if (!pending_settle_free(lens, event, true))
			pending_add(lens, event);
		return;
	}
	size = block_size(lens, &block);
	block_detach(lens, &block, size, event->time_ns);
	block_credit(lens, &block, size, event->thread, event->time_ns);
	if (event->stamp)
		recent_note(lens, event);
}

/* An inherited block's address, given out again: its free is late, or was never seen. */
static __attribute__((noinline)) void alloc_replaces_inherited(struct pp_mem_lens *lens, const struct pp_event *event)
{
	struct pp_mem_pending *pending;

	if (!inherited_take(lens->inherited, event->address))
		return;
	pending = pending_add(lens, event);
	pending->owed = pending->inherited = true;
}

/* The address was live: its free is late or was never seen. */
static void alloc_replaces(struct pp_mem_lens *lens, const struct pp_block *old, const struct pp_event *event)
{
	uint64_t size = block_size(lens, old);

	block_detach(lens, old, size, event->time_ns);
	if (event->stamp) {
		struct pp_mem_pending *pending = pending_add(lens, event);

		pending->owed = true;
		pending->block = *old;
		pending->size = size;
	} else {
		lens->replaced_count++;
	}
}

/* An allocation of s bytes is taken with probability p and then counts s/p: the Horvitz-Thompson estimate, whose variance
 * is the sum of s^2 (1-p)/p^2 over what was taken. */
static void share_doubt(struct pp_mem_lens *lens, struct pp_mem_site_state *site, uint64_t size)
{
	double taken = -expm1(-(double)(size ? size : 1) / (double)lens->sample_bytes);

	if (site->stack != PP_REC_STACK_UNSAMPLED)
		site_rare(lens, site)->variance += (double)size * (double)size * (1 - taken) / (taken * taken);
}

static inline void alloc_count(struct pp_mem_lens *lens, const struct pp_event *event, struct pp_mem_site_state *site)
{
	struct pp_mem_thread *thread = &lens->threads[event->thread];
	uint64_t size = event->size;
	uint32_t bin = bin_of(lens->clock, event->time_ns);
	struct share share = share_of(lens, site, size);
	struct pp_mem_totals *totals = lens->totals;

	site_keep(lens, site);
	site->allocation_count += share.count;
	site->allocated_bytes += share.bytes;
	site->live_count += share.count;
	site->live_bytes += share.bytes;
	if (site->live_bytes > site->max_live_bytes)
		site->max_live_bytes = site->live_bytes;
	mem_series_allocated(&site->series, lens->clock, bin, share.bytes, share_whole(lens, share));
	if (__builtin_expect(lens->sample_bytes != 0, 0))
		share_doubt(lens, site, size);

	thread->last_address = event->address;
	thread->allocation_count++;
	thread->allocated_bytes += size;
	if (event->thread < PP_BLOCK_THREAD_OTHER) {
		thread->live_bytes += size;
		thread->live_count++;
	}

	totals->allocation_count++;
	totals->allocated_bytes += size;
	totals->live_count++;
	totals->live_bytes += size;
	totals->sizes.counts[histogram_bucket(size)]++;
	if (totals->live_bytes > totals->peak_bytes) {
		totals->peak_bytes = totals->live_bytes;
		totals->peak_at_ns = event->time_ns;
		lens->epoch++;
	}
}

/* The allocation's free has come already, and the address may even be another block's by now: the map stays as it is. */
static void apply_alloc_freed(struct pp_mem_lens *lens, const struct pp_event *event, uint32_t site,
			      const struct pp_mem_pending *freed)
{
	struct pp_block block = {.address = event->address, .packed = (uint64_t)site << PP_BLOCK_SIZE_BITS};
	uint64_t birth = block_birth(event->time_ns, event->thread);

	memcpy(&block.time, &birth, sizeof(birth));
	alloc_count(lens, event, mem_lens_site(lens, site));
	block_detach(lens, &block, event->size, freed->time_ns);
	block_credit(lens, &block, event->size, freed->thread, freed->time_ns);
}

static uint64_t pack_wide(struct pp_mem_lens *lens, const struct pp_event *event, uint32_t site)
{
	struct pp_block old;

	/* before the side table has the new size */
	if (blocks_remove(&lens->blocks, event->address, &old))
		alloc_replaces(lens, &old, event);
	return block_pack(&lens->blocks, event->address, site, event->size);
}

static inline void apply_alloc(struct pp_mem_lens *lens, const struct pp_event *event)
{
	uint32_t site = site_of_stack(lens, event->stack);
	uint64_t packed = (uint64_t)site << PP_BLOCK_SIZE_BITS | event->size;
	struct pp_mem_pending freed;
	struct pp_block old;

	if (__builtin_expect(lens->pending_count != 0, 0)) {
		pending_age(lens, event->stamp);
		if (pending_settle_alloc(lens, event, &freed)) {
			apply_alloc_freed(lens, event, site, &freed);
			return;
		}
	}
	if (__builtin_expect(lens->inherited && event->stamp, 0))
		alloc_replaces_inherited(lens, event);
	if (__builtin_expect(event->size >= PP_BLOCK_SIZE_WIDE, 0))
		packed = pack_wide(lens, event, site);
	if (__builtin_expect(!blocks_insert(&lens->blocks, event->address, packed,
					    block_birth(event->time_ns, event->thread), &old),
			     0))
		alloc_replaces(lens, &old, event);
	alloc_count(lens, event, mem_lens_site(lens, site));
}

static void apply_rare(struct pp_mem_lens *lens, const struct pp_event *event)
{
	uint64_t start = event->address & ~lens->page_mask, end;
	struct pp_mem_site_rare *rare;

	if (event->type == PP_EVENT_FORK) {
		if (lens->fork)
			lens->fork(lens->owner, event->size);
		return;
	}
	if (event->type == PP_EVENT_FAILED) {
		lens->totals->failed_count++;
		site_rare(lens, mem_lens_site(lens, site_of_stack(lens, event->stack)))->failed_count++;
		return;
	}
	if (__builtin_add_overflow(event->address, event->size, &end) || end > UINT64_MAX - lens->page_mask)
		return;
	end = (end + lens->page_mask) & ~lens->page_mask;
	if (event->type == PP_EVENT_UNMAP) {
		mappings_remove(&lens->mappings, start, end);
		return;
	}
	mappings_add(&lens->mappings, start, end);
	rare = site_rare(lens, mem_lens_site(lens, site_of_stack(lens, event->stack)));
	rare->mapping_count++;
	rare->mapped_bytes += end - start;
}

static void events_prefetch(const struct pp_mem_lens *lens, const struct pp_event *events, size_t count)
{
	const struct pp_block_region *regions[PP_EVENT_BATCH];

	for (size_t i = 0; i < count; i++) {
		regions[i] = events[i].type <= PP_EVENT_FREE ? blocks_prefetch_region(&lens->blocks, events[i].address)
							     : NULL;
	}
	for (size_t i = 0; i < count; i++)
		blocks_prefetch_entry(regions[i], events[i].address);
}

void mem_lens_apply(struct pp_mem_lens *lens, const struct pp_event *events, size_t count)
{
	if (lens->blocks.bytes > PREFETCH_BYTES)
		events_prefetch(lens, events, count);
	for (size_t i = 0; i < count; i++) {
		if (events[i].type == PP_EVENT_ALLOC)
			apply_alloc(lens, &events[i]);
		else if (events[i].type == PP_EVENT_FREE)
			apply_free(lens, &events[i]);
		else
			apply_rare(lens, &events[i]);
	}
}

void mem_lens_close(struct pp_mem_lens *lens)
{
	mem_lens_settle(lens);
	unsettled_free(lens);
	lens->packed = words_pack(lens->totals, sizeof(*lens->totals));
	free(lens->totals);
	lens->totals = NULL;
	mem_lens_sites_fit(lens);
	lens->rare = memory_fit(lens->rare, &lens->rare_capacity, lens->rare_count, sizeof(*lens->rare));
	lens->threads = memory_fit(lens->threads, &lens->thread_capacity, lens->thread_count, sizeof(*lens->threads));
	blocks_finish(&lens->blocks);
	pages_finish(&lens->site_of);
	mappings_forget(&lens->mappings);
	inherited_destroy(lens->inherited);
	lens->inherited = NULL;
}

void mem_lens_fold(struct pp_mem_lens *lens)
{
	for (uint32_t i = 0; i < lens->site_count; i++)
		mem_series_fold(&mem_lens_site(lens, i)->series, lens->clock);
}

bool mem_lens_read_site(const struct pp_mem_lens *lens, uint32_t index, struct pp_mem_site *site)
{
	const struct pp_mem_site_state *state = mem_lens_site(lens, index);
	bool kept = state->epoch == lens->epoch;
	unsigned shift = lens->sample_bytes ? SAMPLED_SHIFT : 0;

	memset(site, 0, sizeof(*site));
	if (state->stack == PP_REC_STACK_UNSAMPLED && lens->sample_bytes)
		return false;
	site->allocation_count = state->allocation_count >> shift;
	site->allocated_bytes = state->allocated_bytes;
	site->live_count = state->live_count >> shift;
	site->live_bytes = state->live_bytes;
	site->peak_bytes = kept ? state->kept_bytes : state->live_bytes;
	site->peak_count = (kept ? state->kept_count : state->live_count) >> shift;
	site->max_live_bytes = state->max_live_bytes;
	site->temporary_count = state->temporary_count >> shift;
	site->allocated_error_bytes = lens->sample_bytes ? 0 : PP_UNKNOWN;
	if (state->rare) {
		const struct pp_mem_site_rare *rare = &lens->rare[state->rare - 1];

		site->failed_count = rare->failed_count;
		site->mapping_count = rare->mapping_count;
		site->mapped_bytes = rare->mapped_bytes;
		if (lens->sample_bytes)
			site->allocated_error_bytes = (uint64_t)(sqrt(rare->variance) + 0.5);
	}
	return true;
}

void mem_lens_read_totals(const struct pp_mem_lens *lens, struct pp_mem_totals *totals)
{
	if (lens->totals)
		*totals = *lens->totals;
	else
		words_unpack(lens->packed, totals, sizeof(*totals));
	totals->mapping_count = lens->mappings.total_count;
	totals->mapped_bytes = lens->mappings.total_bytes;
	totals->mapping_peak_bytes = lens->mappings.peak_bytes;
}
