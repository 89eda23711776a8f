/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process costs the analyzer: little while it runs, once it has ended what its rows in the recording need. And
 * that what the whole tree has only so many of, the slowest calls and descriptors, is the same however many processes it
 * came from.
 */
#include "image.h"
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#include <malloc.h>

#define FILE_ONE     UINT64_C(0xabcdef0123456789)
#define BLOCK(i)     (UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i))
#define STACKS	     8
#define PLAIN_BYTES  8000  /* of an ended process that did nothing special */
#define BUSY_BYTES   10000 /* of one with two threads and a little of everything */
#define THREAD_BYTES 1000  /* of an ended thread of a process that runs */
#define ALIVE_BYTES  40000 /* of one that runs, its map of blocks apart */

struct process {
	struct maker maker;
	struct maker_thread thread;
	struct pp_image *image;
};

/* What malloc has given out and not got back. */
static int64_t held_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__)
	extern size_t __sanitizer_get_current_allocated_bytes(void);

	return (int64_t)__sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 info = mallinfo2();

	return (int64_t)(info.uordblks + info.hblkhd);
#endif
}

/* parent 0: it is the first. */
static void process_start(struct process *process, struct pp_trace *trace, uint64_t number, uint64_t parent)
{
	memset(process, 0, sizeof(*process));
	maker_init(&process->maker, number);
	process->maker.header->families = 1 << PP_FAMILY_IO | 1 << PP_FAMILY_MEM | 1 << PP_FAMILY_SQL;
	if (parent) {
		process->maker.hello.origin = PP_ORIGIN_FORK;
		process->maker.hello.parent_image = parent;
		process->maker.hello.fork_id = number;
	}
	for (uint32_t i = 0; i < STACKS; i++)
		maker_node(&process->maker, i, 0x5000 + 64 * i, 0, 0);
	thread_start(&process->thread, &process->maker, 0, "main");
	process->image = check_image(trace, &process->maker);
}

static void process_send(struct process *process)
{
	thread_flush(&process->thread);
	check_feed(process->image, &process->maker, 1000);
}

static void process_end(struct process *process)
{
	process_send(process);
	image_end(process->image, &(struct pp_exit){.known = true}, process->maker.now_ns);
	maker_finish(&process->maker);
}

static void tell_calls(struct maker_thread *thread, uint32_t index, uint32_t operation, uint32_t stack)
{
	thread_extended(thread, PP_EXT_IO, index,
			(uint64_t[]){FILE_ONE, UINT64_C(4) << 40 | (uint64_t)operation << 32 | stack, UINT64_C(1) << 32,
				     1, 10, 10, 500, 500, 0, 0, UINT64_C(1) << 16 | pp_wire_io_bucket(500)},
			11, false);
}

static void tell_slow(struct maker_thread *thread, uint64_t ns)
{
	thread_extended(thread, PP_EXT_IO_SLOW, 0,
			(uint64_t[]){FILE_ONE, (uint64_t)PP_IO_READ << 32 | 1, 10, 5, ns, MAKER_START_NS + ns}, 6,
			true);
}

/* It moved so many bytes; closed in order. */
static void tell_life(struct maker_thread *thread, uint32_t number, uint32_t serial, uint64_t bytes)
{
	struct pp_wire_io_descriptor row = {.file = FILE_ONE,
					    .serial = serial,
					    .thread = thread->serial,
					    .from = -1,
					    .origin = PP_IO_OPENED,
					    .kind = PP_IO_KIND_FILE,
					    .stack = 2};
	uint64_t words[2 + sizeof(row) / 8] = {number, 1000};

	row.own[0].calls = 1;
	row.own[0].bytes = bytes;
	memcpy(words + 2, &row, sizeof(row));
	thread_extended(thread, PP_EXT_IO_DESCRIPTOR, PP_IO_END_CLOSED, words, 2 + sizeof(row) / 8, true);
}

static void plain_program(struct process *process)
{
	for (uint32_t i = 0; i < 40; i++)
		thread_alloc(&process->thread, BLOCK(i), 100 + i, 1 + i % 4);
	for (uint32_t i = 0; i < 40; i++)
		thread_free(&process->thread, BLOCK(i));
	tell_calls(&process->thread, 3, PP_IO_WRITE, 1);
	tell_calls(&process->thread, 4, PP_IO_READ, 2);
	tell_life(&process->thread, 3, 1, 10);
}

/* Another thread frees what the first has allocated, before it was; a text of which half comes; slow calls. */
static void busy_program(struct process *process, uint64_t number)
{
	char text[] = "SELECT 1, ";
	struct pp_sql_piece piece = {.number = 1, .kept = 20, .size = 20, .have = 10, .bytes = text};
	struct pp_wire_sql_entry entry = {.operation = PP_SQL_EXECUTE, .count = 1, .fill = 1, .statement = 1};
	struct pp_trace *trace = process->image->trace;
	struct maker_thread other;

	process->maker.stamp = 1000;
	process->maker.header->multi = 1;
	thread_start(&other, &process->maker, 1, "other");
	plain_program(process);
	for (uint32_t i = 0; i < 200; i++) {
		process->maker.stamp += 2;
		thread_free(&other, BLOCK(1000 + i));
		process->maker.stamp++;
		thread_alloc(&process->thread, BLOCK(1000 + i), 10, 5);
	}
	for (uint32_t i = 0; i < 30; i++) {
		tell_slow(&other, 1000000 + 1000 * number + i);
		tell_life(&process->thread, 4, 2 + i, i);
	}
	thread_flush(&other);
	process_send(process);
	PP_CHECK(sql_texts_told(&trace->sql, trace->arena, &process->image->sql.numbers, 0, &piece, 0, false));
	PP_CHECK(sql_lens_told(&process->image->sql, 0, 5, &entry, process->maker.now_ns));
	sql_lens_slow(&process->image->sql, &(struct pp_sql_slow_state){.ns = 1000 + number, .key.statement = 1});
	sql_lens_wait(&process->image->sql, &(struct pp_sql_wait_state){.ns = 1000 + number, .key.statement = 1});
}

/* So many processes from number `first` on, children of 1, one after the other. Returns what they have left. */
static int64_t processes_run(struct pp_trace *trace, struct process *parent, uint64_t first, uint64_t count, bool busy)
{
	int64_t before = held_bytes();

	for (uint64_t number = first; number < first + count; number++) {
		struct process child;

		thread_extended(&parent->thread, PP_EXT_FORK, 0, (uint64_t[]){number}, 1, true);
		process_send(parent);
		process_start(&child, trace, number, 1);
		if (busy)
			busy_program(&child, number);
		else
			plain_program(&child);
		process_end(&child);
	}
	return held_bytes() - before;
}

static void check_ended(bool busy, int64_t limit)
{
	enum { COUNT = 256 };
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process parent;
	int64_t bytes;

	process_start(&parent, trace, 1, 0);
	/* What the tree has only once, and its tables to their size, come with the first ones. */
	processes_run(trace, &parent, 2, 2 * COUNT, busy);
	bytes = processes_run(trace, &parent, 2 + 2 * COUNT, COUNT, busy) / COUNT;
	printf("an ended process keeps %" PRId64 " bytes\n", bytes);
	PP_CHECK(bytes < limit);
	process_end(&parent);
	profile = trace_snapshot(trace, MAKER_START_NS, false);
	PP_CHECK_EQ(profile->process_count, 1 + 3 * COUNT);
	for (uint32_t i = 1; i < profile->process_count; i++) {
		PP_CHECK_EQ(profile->processes[i].mem.allocation_count, busy ? 240 : 40);
		PP_CHECK_EQ(profile->processes[i].mem.live_count, 0);
		PP_CHECK_EQ(profile->processes[i].mem.unknown_free_count, 0);
	}
	PP_CHECK_EQ(profile->mem_site_count, 3 * COUNT * (busy ? 5 : 4));
	PP_CHECK_EQ(profile->io_site_count, 3 * COUNT * 2);
	PP_CHECK_EQ(profile->sql_site_count, busy ? 3 * COUNT : 0);
	profile_destroy(profile);
	trace_destroy(trace);
}

PP_TEST(an_ended_process_keeps_its_rows)
{
	check_ended(false, PLAIN_BYTES);
}

PP_TEST(an_ended_process_that_did_much_keeps_its_rows)
{
	check_ended(true, BUSY_BYTES);
}

PP_TEST(a_process_that_runs_costs_what_it_uses)
{
	enum { COUNT = 64 };
	static struct process processes[COUNT];
	struct pp_trace *trace = trace_create();
	int64_t bytes = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		int64_t before = held_bytes(), maker_bytes;

		process_start(&processes[i], trace, i + 1, 0);
		plain_program(&processes[i]);
		process_send(&processes[i]);
		maker_bytes = (int64_t)processes[i].maker.pipe.capacity;
		bytes += held_bytes() - before - maker_bytes;
	}
	bytes /= COUNT;
	printf("a process that runs costs %" PRId64 " bytes\n", bytes);
	PP_CHECK(bytes < ALIVE_BYTES);
	for (uint32_t i = 0; i < COUNT; i++)
		process_end(&processes[i]);
	trace_destroy(trace);
}

/* Threads that come and go, one slot after the other, each with calls of its own. */
PP_TEST(an_ended_thread_keeps_its_row)
{
	enum { COUNT = 4096, FIRST = 512 };
	struct pp_wire_sql_entry entry = {.operation = PP_SQL_EXECUTE, .count = 1, .fill = 1, .statement = 1};
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process process;
	uint64_t name[2] = {0};
	int64_t before = 0;

	memcpy(name, "worker", 6);
	process_start(&process, trace, 1, 0);
	process.maker.stamp = 1000;
	process.maker.header->multi = 1;
	for (uint32_t i = 0; i < COUNT; i++) {
		struct maker_thread thread;

		if (i == FIRST)
			before = held_bytes();
		process.maker.stamp += 1 << 20;
		thread_start(&thread, &process.maker, 1, "worker");
		thread_alloc(&thread, BLOCK(1), 10, 1);
		thread_free(&thread, BLOCK(1));
		tell_calls(&thread, 3, PP_IO_WRITE, 1);
		thread_flush(&thread);
		process_send(&process);
		PP_CHECK(sql_lens_told(&process.image->sql, i + 1, 5, &entry, process.maker.now_ns));
		thread_extended(&thread, PP_EXT_THREAD_END, 0, (uint64_t[]){process.maker.now_ns, 5, name[0], name[1]},
				4, true);
		thread_flush(&thread);
		process_send(&process);
		reader_look(process.image, process.maker.stamp + (1 << 20) - 1);
	}
	before = (held_bytes() - before) / (COUNT - FIRST);
	printf("an ended thread keeps %" PRId64 " bytes\n", before);
	PP_CHECK(before < THREAD_BYTES);
	process_end(&process);
	profile = trace_snapshot(trace, MAKER_START_NS, false);
	PP_CHECK_EQ(profile->thread_count, 1 + COUNT);
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		uint64_t count = strcmp(profile->threads[i].name, "worker") == 0;

		PP_CHECK_EQ(profile->threads[i].io_call_count, count);
		PP_CHECK_EQ(profile->threads[i].allocation_count, count);
		PP_CHECK_EQ(profile->threads[i].free_count, count);
	}
	PP_CHECK_EQ(profile->sql_site_count, 1);
	PP_CHECK_EQ(profile->sql_sites[0].execution_count, COUNT);
	profile_destroy(profile);
	trace_destroy(trace);
}

/* Sites move while they are few; each keeps what it has counted. */
PP_TEST(sites_keep_their_counts_as_they_become_more)
{
	enum { COUNT = 600 };
	struct pp_trace *trace = trace_create();
	struct process process;
	uint32_t stacks[COUNT];

	process_start(&process, trace, 1, 0);
	for (uint32_t i = 0; i < COUNT; i++)
		stacks[i] = maker_node(&process.maker, 0, 0x10000 + 64 * i, 0, 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		for (uint32_t old = i < 3 ? 0 : i - 3; old <= i; old++)
			thread_alloc(&process.thread, BLOCK(4 * i + i - old), 1 + old, stacks[old]);
	}
	process_send(&process);
	for (int ended = 0; ended < 2; ended++) {
		struct pp_profile *profile = trace_snapshot(trace, MAKER_START_NS, !ended);

		PP_CHECK_EQ(profile->mem_site_count, COUNT);
		for (uint32_t i = 0; i < profile->mem_site_count; i++) {
			uint64_t count = COUNT - i < 4 ? COUNT - i : 4;

			PP_CHECK_EQ(profile->mem_sites[i].allocation_count, count);
			PP_CHECK_EQ(profile->mem_sites[i].live_bytes, count * (1 + i));
			PP_CHECK_EQ(profile->mem_sites[i].peak_bytes, count * (1 + i));
			PP_CHECK_EQ(profile->addresses[profile->nodes[profile->mem_sites[i].node].address].offset,
				    0x10000 + 64 * i - 1);
		}
		profile_destroy(profile);
		if (!ended)
			process_end(&process);
	}
	trace_destroy(trace);
}

/* A look at what threads are in is no call of theirs. */
PP_TEST(threads_without_calls_have_no_account_of_them)
{
	struct pp_trace *trace = trace_create();
	struct process process;

	process_start(&process, trace, 1, 0);
	process.maker.header->tick_ns = UINT64_C(1) << 32;
	thread_alloc(&process.thread, BLOCK(1), 10, 1);
	process_send(&process);
	profile_destroy(trace_snapshot(trace, MAKER_START_NS, true));
	PP_CHECK_EQ(process.image->io.thread_count, 0);
	process.thread.slot->wait_since = 1;
	process.thread.slot->wait_call = (uint64_t)PP_IO_READ << 32;
	profile_destroy(trace_snapshot(trace, MAKER_START_NS, true));
	PP_CHECK_EQ(process.image->io.thread_count, 1);
	process_end(&process);
	trace_destroy(trace);
}

/* Each process has its share of the longest and of the shortest, and the last of them runs. */
PP_TEST(the_slowest_calls_are_those_of_all_processes)
{
	enum { COUNT = 30, CALLS = 100, ALL = COUNT * CALLS };
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process processes[COUNT];

	for (uint32_t i = 0; i < COUNT; i++) {
		struct maker_thread other;

		process_start(&processes[i], trace, i + 1, 0);
		thread_start(&other, &processes[i].maker, 1, "other");
		for (uint64_t call = 0; call < CALLS; call++)
			tell_slow(call % 2 ? &other : &processes[i].thread, 1000 + (call * COUNT + i) * 7919 % ALL);
		thread_flush(&other);
		process_send(&processes[i]);
		if (i + 1 < COUNT)
			process_end(&processes[i]);
	}
	profile = trace_snapshot(trace, MAKER_START_NS, true);
	PP_CHECK_EQ(profile->io_slow_count, 1000);
	for (uint32_t i = 0; i < profile->io_slow_count; i++) {
		const struct pp_io_slow *slow = &profile->io_slows[i];
		uint64_t number = slow->ns - 1000, call = 0;

		PP_CHECK_EQ(slow->ns, 1000 + ALL - 1 - i);
		while (call < ALL && call * 7919 % ALL != number)
			call++;
		PP_CHECK_EQ(slow->process, call % COUNT);
		PP_CHECK_EQ(profile->threads[slow->thread].process, slow->process);
		PP_CHECK_STR(profile->threads[slow->thread].name, call / COUNT % 2 ? "other" : "main");
		PP_CHECK(slow->node != 0);
	}
	profile_destroy(profile);
	process_end(&processes[COUNT - 1]);
	trace_destroy(trace);
}

/* More descriptors than are kept: what is open comes first, of the others what moved most; the rest is counted. */
PP_TEST(descriptors_are_those_of_all_processes)
{
	enum { COUNT = 30, LIVES = 400, ALL = COUNT * LIVES, OPEN = 3 };
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	uint32_t open = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct process process;

		process_start(&process, trace, i + 1, 0);
		for (uint64_t life = 0; life < LIVES; life++)
			tell_life(&process.thread, 3, (uint32_t)life + 1, 1 + (life * COUNT + i) * 7919 % ALL);
		for (uint32_t at = 0; at < OPEN; at++) {
			struct pp_wire_io_descriptor *row =
				(struct pp_wire_io_descriptor *)(process.maker.shared + PP_WIRE_DESCRIPTORS) + 10 + at;

			*row = (struct pp_wire_io_descriptor){.serial = LIVES + 1 + at,
							      .thread = 1,
							      .from = -1,
							      .origin = PP_IO_OPENED};
			process.maker.header->descriptor_count = 11 + at;
		}
		process.maker.header->descriptors_untold = 2;
		process_end(&process);
	}
	profile = trace_snapshot(trace, MAKER_START_NS, false);
	PP_CHECK_EQ(profile->io_descriptor_count, PP_IO_DESCRIPTOR_LIMIT);
	PP_CHECK_EQ(profile->io_descriptors_left_out, ALL + COUNT * (OPEN + 2) - PP_IO_DESCRIPTOR_LIMIT);
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++) {
		const struct pp_io_descriptor *life = &profile->io_descriptors[i];

		open += life->end == 0;
		PP_CHECK_EQ(profile->threads[life->thread].process, life->process);
		if (life->end)
			PP_CHECK_EQ(life->read_bytes, ALL - i);
	}
	PP_CHECK_EQ(open, COUNT * OPEN);
	profile_destroy(profile);
	trace_destroy(trace);
}

/* A text that comes after what speaks of it names statements of every list, though the process has ended since. */
PP_TEST(statements_are_known_after_the_end)
{
	static const char text[] = "SELECT a FROM t";
	struct pp_sql_piece piece = {.number = 7, .kept = 15, .size = 15, .have = 15, .bytes = (char *)text};
	struct pp_wire_sql_entry entry = {.operation = PP_SQL_EXECUTE, .count = 1, .fill = 1, .statement = 7};
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process process;

	process_start(&process, trace, 1, 0);
	process_send(&process);
	PP_CHECK(sql_lens_told(&process.image->sql, 0, 5, &entry, MAKER_START_NS));
	sql_lens_slow(&process.image->sql, &(struct pp_sql_slow_state){.ns = 3, .key.statement = 7});
	sql_lens_hold(&process.image->sql, &(struct pp_sql_hold_state){.ns = 2, .long_statement = 7});
	sql_lens_wait(&process.image->sql, &(struct pp_sql_wait_state){.ns = 1, .key.statement = 7});
	PP_CHECK(sql_texts_told(&trace->sql, trace->arena, &process.image->sql.numbers, 0, &piece, 0, false));
	process_end(&process);
	profile = trace_snapshot(trace, MAKER_START_NS, false);
	PP_CHECK_EQ(profile->sql_statement_count, 1);
	PP_CHECK_EQ(profile->sql_site_count, 1);
	PP_CHECK_EQ(profile->sql_sites[0].statement, 0);
	PP_CHECK_EQ(profile->sql_slow_count, 1);
	PP_CHECK_EQ(profile->sql_slows[0].statement, 0);
	PP_CHECK_EQ(profile->sql_slows[0].ns, 3);
	PP_CHECK_EQ(profile->sql_hold_count, 1);
	PP_CHECK_EQ(profile->sql_holds[0].statement, 0);
	PP_CHECK_EQ(profile->sql_wait_count, 1);
	PP_CHECK_EQ(profile->sql_waits[0].statement, 0);
	profile_destroy(profile);
	trace_destroy(trace);
}
