/* SPDX-License-Identifier: Apache-2.0 */
/* The merge; see order.h. */
#include "order.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

void order_init(struct pp_order *order, void (*sink)(void *owner, const struct pp_event *events, size_t count),
		void *owner)
{
	memset(order, 0, sizeof(*order));
	order->sink = sink;
	order->owner = owner;
}

static void chunks_free(struct pp_order_chunk *chunk)
{
	struct pp_order_chunk *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

void order_finish(struct pp_order *order)
{
	for (uint32_t i = 0; i < order->queue_count; i++)
		chunks_free(order->queues[i].head);
	chunks_free(order->spare);
	free(order->queues);
	free(order->active);
	free(order->batch);
	memset(order, 0, sizeof(*order));
}

struct pp_event *order_push_slow(struct pp_order *order, uint32_t thread)
{
	struct pp_order_queue *queue;
	struct pp_order_chunk *chunk;

	if (!order->batch)
		order->batch = memory_array(PP_EVENT_BATCH, sizeof(*order->batch));
	if (thread >= order->queue_count) {
		order->queues =
			memory_grow(order->queues, &order->queue_capacity, (size_t)thread + 1, sizeof(*order->queues));
		order->queue_count = thread + 1;
	}
	queue = &order->queues[thread];
	if (!queue->active) {
		queue->active = true;
		order->active = memory_grow(order->active, &order->active_capacity, (size_t)order->active_count + 1,
					    sizeof(*order->active));
		order->active[order->active_count++] = thread;
	}
	chunk = order->spare;
	if (chunk)
		order->spare = chunk->next;
	else
		chunk = memory_array(1, sizeof(*chunk));
	chunk->next = NULL;
	chunk->first = 0;
	chunk->end = 1;
	if (queue->tail)
		queue->tail->next = chunk;
	else
		queue->head = chunk;
	queue->tail = chunk;
	order->chunk_count++;
	order->held++;
	return &chunk->events[0];
}

static inline uint64_t queue_stamp(const struct pp_order *order, uint32_t thread)
{
	const struct pp_order_chunk *head = order->queues[thread].head;

	return head->events[head->first].stamp;
}

static void heap_sink(const struct pp_order *order, uint32_t *heap, uint32_t count, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1, moved = heap[at];

		if (child >= count)
			return;
		if (child + 1 < count && queue_stamp(order, heap[child + 1]) < queue_stamp(order, heap[child]))
			child++;
		if (queue_stamp(order, heap[child]) >= queue_stamp(order, moved))
			return;
		heap[at] = heap[child];
		heap[child] = moved;
		at = child;
	}
}

static void batch_send(struct pp_order *order)
{
	size_t count = order->batch_count;

	order->batch_count = 0;
	if (count)
		order->sink(order->owner, order->batch, count);
}

/* The first chunk is used up: it goes to the spare ones. false: the queue holds nothing now. */
static bool queue_advance(struct pp_order *order, struct pp_order_queue *queue)
{
	struct pp_order_chunk *used = queue->head;

	queue->head = used->next;
	if (!queue->head)
		queue->tail = NULL;
	used->next = order->spare;
	order->spare = used;
	order->chunk_count--;
	return queue->head != NULL;
}

/* Takes from one queue all up to `limit`. false: it holds nothing now. */
static bool queue_take(struct pp_order *order, struct pp_order_queue *queue, uint64_t limit)
{
	for (;;) {
		struct pp_order_chunk *chunk = queue->head;

		while (chunk->first < chunk->end) {
			const struct pp_event *event = &chunk->events[chunk->first];

			if (event->stamp > limit)
				return true;
			order->batch[order->batch_count++] = *event;
			chunk->first++;
			order->held--;
			if (order->batch_count == PP_EVENT_BATCH)
				batch_send(order);
		}
		if (!queue_advance(order, queue))
			return false;
	}
}

/* The second smallest first stamp of the heap. */
static uint64_t heap_second(const struct pp_order *order)
{
	uint64_t second = UINT64_MAX;

	for (uint32_t i = 1; i < 3 && i < order->active_count; i++) {
		uint64_t stamp = queue_stamp(order, order->active[i]);

		if (stamp < second)
			second = stamp;
	}
	return second;
}

void order_flush(struct pp_order *order, uint64_t watermark)
{
	for (uint32_t i = order->active_count / 2; i-- > 0;)
		heap_sink(order, order->active, order->active_count, i);
	while (order->active_count) {
		uint32_t thread = order->active[0];
		uint64_t limit = heap_second(order);

		if (queue_stamp(order, thread) > watermark)
			break;
		if (limit > watermark)
			limit = watermark;
		if (!queue_take(order, &order->queues[thread], limit)) {
			order->queues[thread].active = false;
			order->active[0] = order->active[--order->active_count];
		}
		heap_sink(order, order->active, order->active_count, 0);
	}
	batch_send(order);
	if (watermark > order->watermark)
		order->watermark = watermark;
}

void order_flush_all(struct pp_order *order)
{
	uint64_t watermark = order->watermark;

	order_flush(order, UINT64_MAX);
	order->watermark = watermark;
	chunks_free(order->spare);
	order->spare = NULL;
}

/* A stamp about in the middle of what is held: the median of the queues' middle chunks is good enough. */
static uint64_t order_middle(const struct pp_order *order)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t i = 0; i < order->active_count; i++) {
		const struct pp_order_queue *queue = &order->queues[order->active[i]];
		uint64_t first = queue_stamp(order, order->active[i]);
		uint64_t last = queue->tail->events[queue->tail->end - 1].stamp;

		low = first < low ? first : low;
		high = last > high ? last : high;
	}
	return low + (high - low) / 2;
}

void order_trim(struct pp_order *order)
{
	size_t limit = PP_ORDER_LIMIT_BYTES / sizeof(struct pp_order_chunk);

	if (order->chunk_count <= limit)
		return;
	order->forced_count++;
	order_flush(order, order_middle(order));
	/* Stamps need not be spread evenly: what is not halved by that goes whole. */
	if (order->chunk_count > limit / 4 * 3)
		order_flush(order, UINT64_MAX - 1);
}
