/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that repeat (preload/io_again.h), without a host (io_host.h). Whatever way a call goes, records and page together
 * have each once, to the nanosecond; and what differs in anything does not go the short way.
 */
#include "io_host.h"

PP_TEST(the_third_call_goes_the_short_way)
{
	begin();
	PP_CHECK_EQ(warm(&usual), 3);
	pp_io_serials = 9;
	for (int i = 0; i < 997; i++)
		PP_CHECK(made_call(&usual));
	PP_CHECK_EQ(rows[3].own[1].calls, 1000);
	PP_CHECK_EQ(rows[3].own[1].bytes, 10000);
	PP_CHECK_EQ(rows[3].used, 9);
	PP_CHECK_EQ(fds[3].own.now, 10000);
	PP_CHECK_EQ(fds[3].own.stream[1].end, 10000);
	PP_CHECK_EQ(sums_now().sequential, 1000);
	PP_CHECK_EQ(slot.wait_since, 0);
	PP_CHECK_EQ(record_count, 0);
	check_finish();
}

PP_TEST(reads_move_their_run)
{
	struct how how = usual;

	begin();
	how.operation = PP_IO_READ;
	fds[3].places = (struct pp_io_places *)calloc(1, 256);
	warm(&how);
	for (int i = 0; i < 100; i++)
		PP_CHECK(made_call(&how));
	PP_CHECK_EQ(fds[3].run_end, 1030);
	PP_CHECK_EQ(rows[3].read_to, 1030);
	fds[3].run_limit = 1035; /* what follows was read before */
	PP_CHECK(!made_call(&how));
	warm(&how);
	fds[3].run_end = 7; /* the place was moved by reads of a duplicate */
	PP_CHECK(!made_call(&how));
	check_finish();
}

PP_TEST(what_was_read_and_is_written)
{
	begin();
	fds[3].places = (struct pp_io_places *)calloc(1, 256);
	warm(&usual);
	PP_CHECK(made_call(&usual));
	((struct pp_io_places_head *)(void *)fds[3].places)->known = 1;
	PP_CHECK(!made_call(&usual));
	fds[3].append = 1; /* behind what can have been read */
	PP_CHECK(made_call(&usual));
	check_finish();
}

/* One thing is another way: it is seen, and all is told. */
#define DIFFERS(name, change, back)                 \
	PP_TEST(name)                               \
	{                                           \
		struct how how = usual;             \
                                                    \
		begin();                            \
		warm(&how);                         \
		PP_CHECK(made_call(&how));          \
		{                                   \
			change;                     \
			PP_CHECK(!made_call(&how)); \
			back;                       \
		}                                   \
		check_finish();                     \
	}

DIFFERS(another_descriptor, how.fd = 4, )
DIFFERS(another_result, how.result = 9, )
DIFFERS(a_failure, how.result = -1, )
DIFFERS(another_size, how.asked = 11, )
DIFFERS(another_line, how.pc = 0x5001, )
DIFFERS(another_operation, how.operation = PP_IO_SEND, )
DIFFERS(another_frame, how.frame = 2, )
DIFFERS(another_frame_pointer, how.fp = 78, )
DIFFERS(another_caller, stack_words[1] = 23, )
DIFFERS(other_code, pp_stack_fast_generation = 2, )
DIFFERS(the_slow_way_for_stacks, pp_stack_fast_generation = 0, )
DIFFERS(another_file, fds[3].file = 333, )
DIFFERS(another_life, rows[3].serial = 99, )
DIFFERS(another_place, fds[3].own.now = 5000, )
DIFFERS(a_place_to_be_asked_for, fds[3].own.now = -1, )
DIFFERS(inside_sqlite, room.thread.sql.depth = 1, room.thread.sql.depth = 0)
DIFFERS(a_child_with_our_memory, room.thread.foreign_count = 1, room.thread.foreign_count = 0)
DIFFERS(as_long_as_a_slow_one, how.ns = PP_IO_SLOW_NS, PP_CHECK_EQ(slow_count, 1))

PP_TEST(a_frame_pointer_of_no_consequence)
{
	struct how how = usual;

	begin();
	how.pc = 0x4002;
	warm(&how);
	for (int i = 0; i < 10; i++) {
		how.fp++;
		PP_CHECK(made_call(&how));
	}
	check_finish();
}

PP_TEST(aligned_calls_are_counted)
{
	struct how how = usual;

	begin();
	how.asked = 512;
	how.result = 512;
	PP_CHECK_EQ(warm(&how), 100);
	PP_CHECK_EQ(page.entries[room.thread.io_last].aligned512, 100);
	how.asked = how.result = 511;
	how.pc = 0x5001;
	warm(&how);
	check_finish();
}

/* As when the session is paused or ended, or a handler of the program's interrupted a hook. */
PP_TEST(nothing_is_recorded_then)
{
	struct sums before;

	begin();
	warm(&usual);
	before = made;
	pp_session.state = PP_STATE_OFF;
	PP_CHECK(!made_call(&usual));
	pp_session.state = PP_STATE_ON;
	pp_tls.guard = PP_GUARD_HOOK;
	PP_CHECK(!made_call(&usual));
	pp_tls.guard = 0;
	made = before;
	check_finish();
}

static const struct how inner = {.operation = PP_IO_WRITE,
				 .fd = 3,
				 .asked = 11,
				 .pc = 0x4001 ^ 0x1000,
				 .fp = 77,
				 .result = 10,
				 .offset = IO_AT_POSITION,
				 .ns = 50,
				 .frame = 8};

static void handler(void)
{
	made_call(&inner);
}

/* Takes the place of the call that it interrupts, which is as long as those of the handler then. */
static void handler_that_takes(void)
{
	struct how how = inner;

	how.ns = 10;
	made_call(&how);
	how.ns = 90;
	made_call(&how);
}

static void handler_that_pauses(void)
{
	pp_session.state = PP_STATE_OFF;
}

static void handler_that_ends_the_thread(void)
{
	pp_tls.thread = NULL;
}

static struct pp_thread other_thread;

/* It goes on in another thread, and the one that it was in has ended: its state is gone. */
static void handler_that_moves(void)
{
	pp_tls.thread = &other_thread;
	PP_CHECK_EQ(mprotect(&room, sizeof(room), PROT_NONE), 0);
}

PP_TEST(a_call_returns_in_another_thread)
{
	struct how how = usual;
	struct sums before;

	begin();
	warm(&how);
	before = made;
	how.meanwhile = handler_that_moves;
	PP_CHECK(!made_call(&how));
	made = before;
	PP_CHECK_EQ(mprotect(&room, sizeof(room), PROT_READ | PROT_WRITE), 0);
	pp_tls.thread = &room.thread;
	slot.wait_since = 0;
	check_finish();
}

PP_TEST(handlers_in_the_call)
{
	struct how how = usual;

	begin();
	PP_CHECK(again_at(&room.thread, inner.pc) == again_at(&room.thread, how.pc));
	warm(&how);
	how.meanwhile = handler;
	made_call(&how);
	made_call(&how);
	warm(&usual);
	how.meanwhile = handler_that_takes;
	how.ns = 0;
	PP_CHECK(!made_call(&how));
	PP_CHECK_EQ(again_at(&room.thread, inner.pc)->asked, inner.asked);
	check_sums();
	made_call(&how);
	how.meanwhile = NULL;
	how.ns = 100;
	for (int i = 0; i < 10; i++)
		made_call(&how);
	check_sums();
	how.meanwhile = handler_that_pauses;
	warm(&usual);
	PP_CHECK(!made_call(&how));
	made.count--, made.asked -= 10, made.got -= 10, made.ns -= 100;
	pp_session.state = PP_STATE_ON;
	how.meanwhile = handler_that_ends_the_thread;
	PP_CHECK(!made_call(&how));
	made.count--, made.asked -= 10, made.got -= 10, made.ns -= 100;
	pp_tls.thread = &room.thread;
	slot.wait_since = 0;
	check_finish();
}

PP_TEST(long_calls_among_short_ones)
{
	struct how how = usual, longer = usual;
	uint32_t fast = 0;

	begin();
	warm(&how);
	for (int i = 0; i < 5000; i++) {
		longer.ns = 150 + (uint64_t)i * 7919 % 900000;
		if (i % 100 == 0)
			made_call(&longer);
		else
			fast += made_call(&how);
	}
	PP_CHECK(fast > 4500);
	/* They share an entry; what has no cell there any more is told, and that is not each of them. */
	PP_CHECK(record_count < 25);
	check_finish();
}

/* Remembered at one that took long: the usual ones are shorter than its window. */
PP_TEST(remembered_at_a_long_one)
{
	struct how how = usual;
	uint32_t fast = 0;

	begin();
	how.ns = 100000;
	warm(&how);
	how.ns = 100;
	for (int i = 0; i < 100; i++)
		fast += made_call(&how);
	PP_CHECK(fast > 90);
	check_finish();
}

PP_TEST(as_long_as_the_bucket_of_another)
{
	struct how how = usual;

	begin();
	warm(&how);
	/* A cell of the window that another bucket has: the next one. */
	page.entries[room.thread.io_last].cells[pp_wire_io_bucket(120) % PP_WIRE_IO_CELLS] =
		(struct pp_wire_io_cell){(uint16_t)(pp_wire_io_bucket(120) + PP_WIRE_IO_CELLS), 1};
	page.entries[room.thread.io_last].count++;
	made.count++;
	how.ns = 120;
	for (int i = 0; i < 10; i++)
		PP_CHECK(made_call(&how));
	PP_CHECK_EQ(page.entries[room.thread.io_last].cells[(pp_wire_io_bucket(120) + 1) % PP_WIRE_IO_CELLS].count, 9);
	check_finish();
}

PP_TEST(a_hundred_thousand)
{
	struct how how = usual;
	uint32_t fast = 0;

	begin();
	how.ns = 64;
	for (int i = 0; i < 100000; i++)
		fast += made_call(&how);
	PP_CHECK(fast > 99900);
	PP_CHECK_EQ(record_count, 1);
	check_finish();
}

PP_TEST(an_entry_grows_old)
{
	struct how how = usual;
	uint32_t fast = 0;

	begin();
	for (int i = 0; i < 1000; i++) {
		now_ns += 1000000;
		fast += made_call(&how);
	}
	PP_CHECK(fast > 900);
	PP_CHECK(record_count >= 40 && record_count <= 60);
	check_finish();
}

/* Two lines that share a place do not drive each other out. */
PP_TEST(two_lines_of_one_place)
{
	struct how one = usual, other = usual;
	uint32_t fast = 0;

	begin();
	other.pc ^= 0x1000;
	other.fd = 4;
	PP_CHECK(again_at(&room.thread, one.pc) == again_at(&room.thread, other.pc));
	warm(&one);
	for (int i = 0; i < 1000; i++) {
		fast += made_call(&one);
		PP_CHECK(!made_call(&other));
	}
	PP_CHECK_EQ(fast, 1000);
	/* The one that is left has it. */
	PP_CHECK(warm(&other) < 5);
	check_finish();
}

/* What others want of the page takes an entry away under what is remembered. */
PP_TEST(entries_are_taken_over)
{
	struct how how = usual, other = usual;

	begin();
	watched_stack = (uint32_t)how.pc + (uint32_t)stack_words[1] * 1000;
	for (uint32_t i = 0; i < 20000; i++) {
		other.pc = 0x10000 + i * 2654435761U % 100000;
		other.frame = i % 8;
		made_call(&other);
		made_call(&how);
	}
	PP_CHECK_EQ(sums_now().watched, 20000);
	check_finish();
}

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((seed >> 33) % below);
}

static void handler_by_chance(void)
{
	struct how how = inner;

	how.fd = 3 + (int)chance(3);
	how.pc = 0x4000 + chance(40);
	how.frame = 8 + chance(3);
	how.ns = chance(300);
	for (uint32_t i = chance(6); i > 0; i--)
		made_call(&how);
}

PP_TEST(any_order_of_any_calls)
{
	for (uint64_t number = 1; number <= 40; number++) {
		memset(&room.thread, 0, sizeof(room.thread));
		memset(&page, 0, sizeof(page));
		memset(rows, 0, sizeof(rows));
		told = made = (struct sums){0};
		begin();
		seed = number;
		for (int i = 0; i < 2000; i++) {
			static const enum pp_wire_io_operation operations[] = {PP_IO_READ, PP_IO_WRITE, PP_IO_SEND,
									       PP_IO_RECV};
			struct how how = {.operation = operations[chance(4)],
					  .fd = 3 + (int)chance(3),
					  .asked = chance(600),
					  .pc = 0x4000 + chance(40),
					  .fp = 7,
					  .frame = chance(8)};
			uint32_t repeats = 1 + chance(20), usual_ns = 30 + chance(2000);

			how.result = chance(10) ? (int64_t)how.asked : (int64_t)chance((uint32_t)how.asked + 1);
			how.offset = how.operation >= PP_IO_SEND || how.operation == PP_IO_RECV ? IO_NO_OFFSET
												: IO_AT_POSITION;
			while (repeats-- > 0) {
				how.ns = chance(30) ? usual_ns + chance(20) : chance(2000000);
				how.meanwhile = chance(50) ? NULL : handler_by_chance;
				made_call(&how);
			}
			switch (chance(12)) {
			case 0:
				fds[3 + chance(3)].own.now = chance(10000);
				break;
			case 1:
				rows[3 + chance(3)].serial = ++pp_io_serials;
				break;
			case 2:
				pp_stack_fast_generation++;
				break;
			case 3:
				stack_words[chance(2)] = chance(3);
				break;
			case 4:
				now_ns += chance(30000000);
				break;
			}
		}
		check_finish();
	}
}
