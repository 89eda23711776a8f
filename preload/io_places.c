/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which places of a regular file this process has read: so that a read of the same bytes is known to be one. Of each of
 * the last FILES files a sorted list of spans is kept, by device, inode and time of change; a file that was changed between
 * two openings begins anew, and what the process writes itself leaves the list. Where there is no room (a file's list
 * is SPANS_MOST long, or the pool of long lists is used up) the shortest span is forgotten. So what is counted as read
 * again was read again, but by threads that race for one descriptor; what is not counted may have been.
 *
 * A descriptor that reads on and on keeps its run to itself: from run_start to run_end, and as far as run_limit nothing
 * was read before. It is the file's `reader` meanwhile, and whoever looks at the list puts that run into it first. The
 * fast way (io_call.h) moves run_end, and that is all.
 *
 * Lists are changed under a lock that is tried once: a thread that does not get it leaves its read out. Handlers never
 * wait, and a descriptor's state stays true whatever happens between.
 */
#include "io.h"
#include "raw.h"

#include <string.h>
#include <sys/stat.h>

#define FILES	   2048
#define WAYS	   4
#define SPANS_FEW  4
#define SPANS_MOST 128
#define LONG_LISTS 64

struct span {
	int64_t from, to;
};

struct pp_io_places {
	struct pp_io_places_head head; /* known: there is a span, or a reader */
	uint32_t lock;
	uint64_t key;		 /* of device, inode and change; 0: nobody's */
	uint64_t identity;	 /* of device and inode */
	struct pp_io_fd *reader; /* NULL: none */
	struct span *spans;
	uint32_t count, version; /* version: changes where something has left the list */
	uint32_t list;		 /* 1 + the number of its long list; 0: `few` */
	uint32_t reserved;
	struct span few[SPANS_FEW];
};

static struct pp_io_places *table;
static struct span *lists; /* LONG_LISTS of SPANS_MOST each */
static uint32_t list_count, turn;

void io_places_reset(void)
{
	if (table)
		memset(table, 0, FILES * sizeof(*table));
	list_count = 0;
}

static bool places_lock(struct pp_io_places *places)
{
	return !__atomic_exchange_n(&places->lock, 1, __ATOMIC_ACQUIRE);
}

static void places_unlock(struct pp_io_places *places)
{
	places->head.known = places->count || places->reader;
	__atomic_store_n(&places->lock, 0, __ATOMIC_RELEASE);
}

/* --- spans ------------------------------------------------------------------------------------------------------------- */

/* The first one that ends behind `place`. */
static uint32_t span_find(const struct pp_io_places *places, int64_t place)
{
	uint32_t low = 0, high = places->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (places->spans[middle].to <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void span_remove(struct pp_io_places *places, uint32_t at, uint32_t count)
{
	memmove(&places->spans[at], &places->spans[at + count], (places->count - at - count) * sizeof(*places->spans));
	places->count -= count;
}

/* A long list in place of the short one; false: none is left. */
static bool list_take(struct pp_io_places *places)
{
	uint32_t number;

	if (places->list)
		return false;
	if (!__atomic_load_n(&lists, __ATOMIC_ACQUIRE)) {
		struct span *none = NULL, *made = raw_map(LONG_LISTS * SPANS_MOST * sizeof(*made));

		if (!made)
			return false;
		if (!__atomic_compare_exchange_n(&lists, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			raw_unmap(made, LONG_LISTS * SPANS_MOST * sizeof(*made));
	}
	number = __atomic_load_n(&list_count, __ATOMIC_RELAXED);
	if (number >= LONG_LISTS ||
	    !__atomic_compare_exchange_n(&list_count, &number, number + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	memcpy(&lists[number * SPANS_MOST], places->spans, places->count * sizeof(*places->spans));
	places->spans = &lists[number * SPANS_MOST];
	places->list = number + 1;
	return true;
}

/* Room for one more; the place of what goes in at `at` may move down by one. */
static uint32_t span_room(struct pp_io_places *places, uint32_t at)
{
	uint32_t shortest = 0;

	if (places->count < (places->list ? SPANS_MOST : SPANS_FEW) || list_take(places))
		return at;
	for (uint32_t i = 1; i < places->count; i++)
		if (places->spans[i].to - places->spans[i].from <
		    places->spans[shortest].to - places->spans[shortest].from)
			shortest = i;
	span_remove(places, shortest, 1);
	places->version++;
	return shortest < at ? at - 1 : at;
}

static void span_insert(struct pp_io_places *places, uint32_t at, int64_t from, int64_t to)
{
	at = span_room(places, at);
	memmove(&places->spans[at + 1], &places->spans[at], (places->count - at) * sizeof(*places->spans));
	places->spans[at] = (struct span){from, to};
	places->count++;
}

/* [from, to) is in the list from now on; how much of it was. */
static uint64_t spans_add(struct pp_io_places *places, int64_t from, int64_t to)
{
	uint32_t first = span_find(places, from - 1), last = first; /* one that ends at `from` is joined */
	uint64_t known = 0;

	for (; last < places->count && places->spans[last].from <= to; last++) {
		const struct span *span = &places->spans[last];
		int64_t low = span->from > from ? span->from : from, high = span->to < to ? span->to : to;

		if (high > low)
			known += (uint64_t)(high - low);
	}
	if (first == last) {
		span_insert(places, first, from, to);
		return 0;
	}
	if (places->spans[first].from < from)
		from = places->spans[first].from;
	if (places->spans[last - 1].to > to)
		to = places->spans[last - 1].to;
	places->spans[first] = (struct span){from, to};
	span_remove(places, first + 1, last - first - 1);
	return known;
}

static void spans_cut(struct pp_io_places *places, int64_t from, int64_t to)
{
	uint32_t at = span_find(places, from);

	while (at < places->count && places->spans[at].from < to) {
		struct span *span = &places->spans[at], old = *span;

		places->version++;
		if (old.from < from && old.to > to) {
			span->to = from;
			span_insert(places, at + 1, to, old.to);
			return;
		}
		if (old.from < from) {
			span->to = from;
			at++;
		} else if (old.to > to) {
			span->from = to;
			return;
		} else {
			span_remove(places, at, 1);
		}
	}
}

/* --- descriptors ------------------------------------------------------------------------------------------------------- */

/* Never 0. */
static uint64_t hash_of(uint64_t a, uint64_t b)
{
	uint64_t hash = (a + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);

	hash = (hash ^ hash >> 32 ^ b) * UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

/* The run of the descriptor that reads goes into the list. Locked. */
static void run_take(struct pp_io_places *places)
{
	struct pp_io_fd *reader = places->reader;

	if (!reader)
		return;
	if (reader->places == places && reader->places_key == places->key && reader->run_end > reader->run_start)
		spans_add(places, reader->run_start, reader->run_end);
	reader->run_limit = 0;
	places->reader = NULL;
}

/* The file's place in the table, found or taken from another. */
static struct pp_io_places *place_of(uint64_t identity)
{
	struct pp_io_places *set, *places;

	if (!__atomic_load_n(&table, __ATOMIC_ACQUIRE)) {
		struct pp_io_places *none = NULL, *made = raw_map(FILES * sizeof(*made));

		if (!made)
			return NULL;
		if (!__atomic_compare_exchange_n(&table, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			raw_unmap(made, FILES * sizeof(*made));
	}
	set = &table[identity % (FILES / WAYS) * WAYS];
	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].identity == identity)
			return &set[i];
	for (uint32_t i = 0; i < WAYS; i++)
		if (!set[i].identity)
			return &set[i];
	places = &set[__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % WAYS];
	return places;
}

static void size_tell(struct pp_thread *thread, uint64_t file, const struct stat *status)
{
	uint64_t payload[3] = {file, (uint64_t)status->st_size,
			       (uint64_t)status->st_ctim.tv_sec * 1000000000 + (uint64_t)status->st_ctim.tv_nsec};

	emit_notice(thread, PP_EXT_IO_SIZE, 0, payload, 3);
}

void io_places_open(struct pp_thread *thread, struct pp_io_fd *state, const struct stat *status)
{
	uint64_t identity = hash_of(status->st_dev, status->st_ino);
	uint64_t key =
		hash_of(identity, (uint64_t)status->st_ctim.tv_sec * 1000000000 + (uint64_t)status->st_ctim.tv_nsec);
	struct pp_io_places *places = place_of(identity);

	if (!places || !places_lock(places))
		return;
	if (places->key != key) {
		places->identity = identity;
		places->key = key;
		places->reader = NULL;
		places->count = 0;
		places->version++;
		if (!places->list)
			places->spans = places->few;
		size_tell(thread, state->file, status);
	}
	state->places = places;
	state->places_key = key;
	if (places->count) { /* read from its beginning, as likely as not */
		state->inside_from = places->spans[0].from;
		state->inside_to = places->spans[0].to;
		state->inside_version = places->version;
	}
	places_unlock(places);
}

void io_places_close(struct pp_io_fd *state)
{
	struct pp_io_places *places = state->places;

	if (!places)
		return;
	if (places->reader == state && places_lock(places)) {
		if (places->reader == state)
			run_take(places);
		places_unlock(places);
	}
	state->run_limit = 0;
}

/* Locked, and still of the file that the descriptor leads to. */
static struct pp_io_places *places_enter(struct pp_io_fd *state)
{
	struct pp_io_places *places = state->places;

	if (!places || !places_lock(places))
		return NULL;
	if (places->key == state->places_key)
		return places;
	places_unlock(places);
	state->places = NULL;
	return NULL;
}

static void run_begin(struct pp_io_places *places, struct pp_io_fd *state, int64_t start, int64_t end)
{
	uint32_t next = span_find(places, end);

	state->run_start = start;
	state->run_end = end;
	state->run_limit = next == places->count	    ? INT64_MAX
			   : places->spans[next].from > end ? places->spans[next].from
							    : end;
	places->reader = state;
	state->inside_to = 0;
	if (next < places->count && places->spans[next].from <= end) {
		state->inside_from = places->spans[next].from;
		state->inside_to = places->spans[next].to;
		state->inside_version = places->version;
	}
}

uint64_t io_places_read(struct pp_io_fd *state, int64_t start, int64_t end)
{
	struct pp_io_places *places = state->places;
	uint64_t again = 0;

	if (!places) {
		/* No file, or one that is not kept: what follows goes the fast way. */
		state->run_end = end;
		state->run_limit = INT64_MAX;
		return 0;
	}
	if (end == start)
		return 0;
	if (start >= state->inside_from && end <= state->inside_to && places->version == state->inside_version &&
	    places->key == state->places_key)
		return (uint64_t)(end - start);
	places = places_enter(state);
	if (!places)
		return 0;
	run_take(places);
	again = spans_add(places, start, end);
	run_begin(places, state, start, end);
	places_unlock(places);
	return again;
}

void io_places_write(struct pp_io_fd *state, int64_t start, int64_t end)
{
	struct pp_io_places *places = end > start ? places_enter(state) : NULL;

	if (!places)
		return;
	run_take(places);
	spans_cut(places, start, end);
	places_unlock(places);
}
