/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory that a hostile process fills as it likes and changes while it is read. The input places bytes in the
 * regions of the memory; then come looks, snapshots and the end, as the server makes them.
 *
 * The changes are what matters: in libFuzzer's build (trace-loads) every load that the reading code makes from the
 * shared memory is seen before it happens, and the input says at which of them a word changes. So a value that is checked
 * by one load and used by another is found at the first try, not by luck. Elsewhere the input is replayed with the changes
 * between the steps.
 */
#include "image.h"
#include "snapshot.h"

#include <stddef.h>

#include "../unit/stream_maker.h"

#define CHANGES_MAX 64
#define STEPS_MAX   16

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct change {
	uint32_t load; /* before the how many-th load */
	uint64_t offset;
	uint64_t word;
};

static struct maker maker;
static struct change changes[CHANGES_MAX];
static uint32_t change_count, change_next, load_count;
static bool watching;

#if defined(__clang__)
#define UNSEEN __attribute__((no_sanitize("coverage", "address", "undefined")))
#else
#define UNSEEN
#endif

UNSEEN static void change_make(const struct change *change)
{
	memcpy(maker.shared + change->offset, &change->word, sizeof(change->word));
}

/* Words that the reader keeps apart are more interesting than what lies between them. */
static uint64_t place_of(uint64_t raw)
{
	static const uint32_t header[] = {
		offsetof(struct pp_wire_header, node_count), offsetof(struct pp_wire_header, def_bytes),
		offsetof(struct pp_wire_header, slot_count), offsetof(struct pp_wire_header, stamp_shift),
		offsetof(struct pp_wire_header, not_observed), offsetof(struct pp_wire_header, stop_reason) + 96,
		offsetof(struct pp_wire_header, heap_sample_bytes), offsetof(struct pp_wire_header, skipped),
		offsetof(struct pp_wire_header, descriptor_count),
	};
	uint64_t inside = raw >> 3;

	switch (raw & 7) {
	case 0:
	case 1:
		return header[inside % (sizeof(header) / sizeof(header[0]))];
	case 2: /* a slot's words */
		return PP_WIRE_SLOTS + (inside % 4) * sizeof(struct pp_wire_slot) + (inside >> 2) % 12 * 8;
	case 3: /* the header of its frame of events */
	case 4:
		return PP_WIRE_SLOTS + (inside % 4) * sizeof(struct pp_wire_slot) +
		       ((inside >> 2) & 1 ? offsetof(struct pp_wire_slot, samples)
					  : offsetof(struct pp_wire_slot, events)) +
		       (inside >> 3) % 24 * 8;
	case 5:
		return PP_WIRE_DEFS + inside % 64 * 8;
	case 6:
		return PP_WIRE_DESCRIPTORS + inside % 64 * 8;
	default:
		return PP_WIRE_NODES + inside % 128 * 8;
	}
}

#if defined(__clang__) && defined(PREPROF_FUZZ_LOADS)
UNSEEN static void load_seen(const void *at)
{
	uint64_t offset = (uint64_t)((const uint8_t *)at - maker.shared);

	if (!watching || (const uint8_t *)at < maker.shared || offset >= MAKER_SPACE)
		return;
	load_count++;
	while (change_next < change_count && changes[change_next].load <= load_count)
		change_make(&changes[change_next++]);
}

void __sanitizer_cov_load1(uint8_t *at);
void __sanitizer_cov_load2(uint16_t *at);
void __sanitizer_cov_load4(uint32_t *at);
void __sanitizer_cov_load8(uint64_t *at);
void __sanitizer_cov_load16(__int128 *at);

UNSEEN void __sanitizer_cov_load1(uint8_t *at)
{
	load_seen(at);
}
UNSEEN void __sanitizer_cov_load2(uint16_t *at)
{
	load_seen(at);
}
UNSEEN void __sanitizer_cov_load4(uint32_t *at)
{
	load_seen(at);
}
UNSEEN void __sanitizer_cov_load8(uint64_t *at)
{
	load_seen(at);
}
UNSEEN void __sanitizer_cov_load16(__int128 *at)
{
	load_seen(at);
}
#endif

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *input, size_t bytes)
{
	uint64_t value = 0;

	if ((size_t)(input->end - input->at) < bytes)
		bytes = (size_t)(input->end - input->at);
	memcpy(&value, input->at, bytes);
	input->at += bytes;
	return value;
}

/* Threads, records, stacks and modules that make sense, for the input to spoil. */
static void memory_prepare(void)
{
	static struct maker_thread threads[4];

	maker_init(&maker, 1);
	maker_module(&maker, 0x400000, 0x500000, 0, 1, "/bin/program", "\1\2\3\4", 4);
	maker_module(&maker, 0x700000, 0x800000, 0x700000, 2, "/lib/x", "", 0);
	for (uint32_t i = 1; i < 40; i++)
		maker_node(&maker, i - 1, 0x400000 + i * 0x10000, i % 5 ? 0 : PP_NODE_EXACT, 1 + i % 2);
	for (uint32_t i = 0; i < 4; i++) {
		thread_start(&threads[i], &maker, i, "thread");
		maker.stamp = UINT64_C(1) << 50;
		thread_alloc(&threads[i], 0x10000 + i * 64, 100, 1 + i);
		thread_alloc(&threads[i], 0x20000 + i * 64, UINT64_C(1) << 40, 30 + i);
		thread_free(&threads[i], 0x10000 + i * 64);
		thread_extended(&threads[i], PP_EXT_FORK, 0, (uint64_t[]){i}, 1, false);
		thread_sample(&threads[i], 5 + i, 3, maker.now_ns);
	}
}

static void change_take(struct input *input)
{
	struct change change;

	change.load = change_count ? changes[change_count - 1].load : 0;
	change.load += (uint32_t)take(input, 1);
	change.offset = place_of(take(input, 2));
	change.word = take(input, 1 + (take(input, 1) & 7));
	changes[change_count++] = change;
}

static void snapshot_make(struct pp_trace *trace)
{
	profile_destroy(trace_snapshot(trace, maker.now_ns + UINT64_C(1000000), true));
}

static void steps_take(struct pp_trace *trace, struct pp_image *image, struct input *input)
{
	for (int i = 0; i < STEPS_MAX && input->at < input->end; i++) {
		uint64_t kind = take(input, 1);

#if !defined(PREPROF_FUZZ_LOADS)
		if (change_next < change_count)
			change_make(&changes[change_next++]);
#endif
		maker.now_ns += UINT64_C(200000000);
		switch (kind % 4) {
		case 0:
			image_heartbeat(image, maker.now_ns);
			break;
		case 1:
			snapshot_make(trace);
			break;
		case 2: /* a frame of the pipe, as it lies there now */
			image_feed(image, maker.shared + PP_WIRE_SLOTS + offsetof(struct pp_wire_slot, events) +
					  kind / 4 % 4 * sizeof(struct pp_wire_slot), 256);
			break;
		default:
			change_make(&(struct change){0, place_of(take(input, 2)), take(input, 8)});
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, bytes + size};
	struct pp_trace *trace = trace_create();
	struct pp_image *image;

	memory_prepare();
	change_count = change_next = load_count = 0;
	for (uint64_t count = take(&input, 1) % CHANGES_MAX; count > 0; count--)
		change_take(&input);
	watching = true;
	image = trace_image_add(trace, &maker.hello, "/bin/program", "program", 8, "host", maker.shared, MAKER_SPACE, NULL);
	if (image) {
		steps_take(trace, image, &input);
		snapshot_make(trace);
		image_end(image, NULL, maker.now_ns);
		watching = false;
		snapshot_make(trace);
	}
	watching = false;
	trace_destroy(trace);
	maker_finish(&maker);
	return 0;
}
