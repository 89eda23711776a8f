/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of several threads into one order. Each thread's events are held in a queue; a flush merges the queues by
 * stamp up to the watermark, below which no event can come any more, and hands them on in batches. A thread's own order
 * is always kept. While a process has had one thread nothing passes here.
 *
 * When more is held than the limit (a thread that hangs in the middle of a hook holds the watermark), the older half
 * goes on in the best order known, and that is counted.
 *
 * One owner; not thread-safe.
 */
#ifndef PREPROF_ORDER_H
#define PREPROF_ORDER_H

#include "event.h"

#include <stdbool.h>
#include <stddef.h>

#define PP_ORDER_LIMIT_BYTES  ((size_t)64 << 20)
#define PP_ORDER_CHUNK_EVENTS 84

struct pp_order_chunk {
	struct pp_order_chunk *next;
	uint32_t first, end; /* events[first .. end) are held */
	struct pp_event events[PP_ORDER_CHUNK_EVENTS];
};

struct pp_order_queue {
	struct pp_order_chunk *head, *tail;
	bool active; /* in the list of those that hold something */
};

struct pp_order {
	bool merging;		       /* false: events do not come here */
	struct pp_order_queue *queues; /* by thread index */
	uint32_t queue_count, queue_capacity;
	uint32_t *active; /* queues that hold something; a heap by first stamp while flushing */
	uint32_t active_count, active_capacity;
	struct pp_order_chunk *spare;
	size_t chunk_count;    /* holding something */
	uint64_t held;	       /* events */
	uint64_t watermark;    /* all up to here has gone on */
	uint64_t late_count;   /* events that came below it */
	uint64_t forced_count; /* flushes that the limit forced */
	void (*sink)(void *owner, const struct pp_event *events, size_t count);
	void *owner;
	struct pp_event *batch; /* PP_EVENT_BATCH; NULL: nothing was ever held */
	size_t batch_count;
};

void order_init(struct pp_order *order, void (*sink)(void *owner, const struct pp_event *events, size_t count),
		void *owner);
void order_finish(struct pp_order *order);

/* Makes room in the thread's queue: the next event, to be filled in. */
struct pp_event *order_push_slow(struct pp_order *order, uint32_t thread);

static inline struct pp_event *order_push(struct pp_order *order, uint32_t thread)
{
	if (__builtin_expect(thread < order->queue_count, 1)) {
		struct pp_order_chunk *tail = order->queues[thread].tail;

		if (__builtin_expect(tail && tail->end < PP_ORDER_CHUNK_EVENTS && order->queues[thread].active, 1)) {
			order->held++;
			return &tail->events[tail->end++];
		}
	}
	return order_push_slow(order, thread);
}

/* Hands on everything with a stamp up to the watermark. */
void order_flush(struct pp_order *order, uint64_t watermark);

/* Everything: the process has ended. */
void order_flush_all(struct pp_order *order);

/* Hands on the older half if more than the limit is held. */
void order_trim(struct pp_order *order);

#endif
