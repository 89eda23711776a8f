/* SPDX-License-Identifier: Apache-2.0 */
/* I/O calls through the data path: from records and from the pages in the shared memory, each call once, whenever the
 * process died and whenever a snapshot was taken; names of files; what makes no sense. */
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#include "io_operation.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_ONE UINT64_C(0xabcdef0123456789)

struct fixture {
	struct maker maker;
	struct maker_thread thread;
	struct pp_trace *trace;
	struct pp_image *image;
	struct pp_wire_io_page *page;
};

static void fixture_init(struct fixture *fixture)
{
	maker_init(&fixture->maker, 1);
	fixture->maker.header->families = 1 << PP_FAMILY_IO | 1 << PP_FAMILY_MEM;
	thread_start(&fixture->thread, &fixture->maker, 0, "main");
	fixture->trace = trace_create();
	fixture->image = check_image(fixture->trace, &fixture->maker);
	fixture->page = (struct pp_wire_io_page *)(fixture->maker.shared + PP_WIRE_IO) + 3;
	fixture->page->thread = fixture->thread.serial;
	fixture->thread.slot->io_page = 4;
}

static void fixture_finish(struct fixture *fixture)
{
	trace_destroy(fixture->trace);
	maker_finish(&fixture->maker);
}

/* So many writes of 10 bytes, each of 500 ns, as an entry. */
static struct pp_wire_io_entry entry_of(uint32_t count, uint32_t fill)
{
	struct pp_wire_io_entry entry = {.file = FILE_ONE,
					 .operation = PP_IO_WRITE,
					 .size_class = 4,
					 .fill = fill,
					 .count = count,
					 .sequential = count,
					 .asked_bytes = 10 * count,
					 .got_bytes = 10 * count,
					 .ns = 500 * count,
					 .max_ns = 501,
					 .reread_bytes = 3 * count,
					 .aligned512 = count,
					 .aligned4096 = count};
	uint32_t bucket = pp_wire_io_bucket(500);

	entry.cells[bucket % PP_WIRE_IO_CELLS] = (struct pp_wire_io_cell){(uint16_t)bucket, (uint16_t)count};
	return entry;
}

static void tell(struct fixture *fixture, const struct pp_wire_io_entry *entry, uint32_t index)
{
	uint64_t words[11] = {entry->file,
			     (uint64_t)entry->error << 48 | (uint64_t)entry->size_class << 40 |
				     (uint64_t)entry->operation << 32 | entry->stack,
			     (uint64_t)entry->count << 32 | entry->fill,
			     (uint64_t)entry->strided << 32 | entry->sequential,
			     entry->asked_bytes,
			     entry->got_bytes,
			     entry->ns,
			     entry->max_ns,
			     entry->reread_bytes,
			     (uint64_t)entry->aligned4096 << 32 | entry->aligned512};
	uint32_t bucket = pp_wire_io_bucket(500);

	words[10] = (uint64_t)entry->cells[bucket % PP_WIRE_IO_CELLS].count << 16 | bucket;
	thread_extended(&fixture->thread, PP_EXT_IO, index, words, 11, false);
}

static void check_calls(const struct pp_profile *profile, uint64_t count)
{
	PP_CHECK_EQ(profile->io_site_count, count ? 1 : 0);
	if (profile->io_site_count != 1)
		return;
	PP_CHECK_EQ(profile->io_sites[0].call_count, count);
	PP_CHECK_EQ(profile->io_sites[0].got_bytes, 10 * count);
	PP_CHECK_EQ(profile->io_sites[0].ns, 500 * count);
	PP_CHECK_EQ(profile->io_sites[0].sequential_count, count);
	PP_CHECK_EQ(profile->io_sites[0].reread_bytes, 3 * count);
	PP_CHECK_EQ(profile->io_sites[0].aligned512_count, count);
	PP_CHECK_EQ(profile->io_sites[0].aligned4096_count, count);
	PP_CHECK_EQ(profile->io_sites[0].size_count, 1);
	PP_CHECK_EQ(profile->io_sites[0].sizes[0].bucket, 4);
	PP_CHECK_EQ(profile->io_sites[0].sizes[0].count, count);
	PP_CHECK_EQ(profile->io_sites[0].latency_count, 1);
	PP_CHECK_EQ(profile->io_sites[0].latencies[0].count, count);
	PP_CHECK_EQ(profile->threads[0].io_call_count, count);
	PP_CHECK_EQ(profile->threads[0].io_written_bytes, 10 * count);
}

/* Ends the process and checks what it has come to. */
static void check_total(struct fixture *fixture, uint64_t count, bool complete)
{
	struct pp_profile *profile;

	thread_flush(&fixture->thread);
	profile = check_end(fixture->trace, fixture->image, &fixture->maker);
	check_calls(profile, count);
	PP_CHECK_EQ(profile->processes[0].complete, complete);
	profile_destroy(profile);
	fixture_finish(fixture);
}

static void check_snapshot(struct fixture *fixture, uint64_t count)
{
	struct pp_profile *profile = trace_snapshot(fixture->trace, fixture->maker.now_ns, true);

	check_calls(profile, count);
	profile_destroy(profile);
}

static void feed(struct fixture *fixture)
{
	thread_flush(&fixture->thread);
	check_feed(fixture->image, &fixture->maker, SIZE_MAX / 2);
}

PP_TEST(told_and_left_count_together)
{
	struct pp_wire_io_entry entry = entry_of(100, 1);
	struct fixture fixture;

	fixture_init(&fixture);
	tell(&fixture, &entry, 5);
	tell(&fixture, &entry, PP_IO_NO_ENTRY);
	fixture.page->entries[5] = entry_of(7, 2);
	fixture.page->entries[9] = entry_of(1, 1);
	check_total(&fixture, 208, true);
}

PP_TEST(told_and_not_emptied_counts_once)
{
	struct pp_wire_io_entry entry = entry_of(100, 1);
	struct fixture fixture;

	fixture_init(&fixture);
	tell(&fixture, &entry, 5);
	fixture.page->entries[5] = entry;
	check_total(&fixture, 100, true);
}

PP_TEST(taken_by_snapshots_and_told_later_counts_once)
{
	struct pp_wire_io_entry entry = entry_of(100, 1);
	struct fixture fixture;

	fixture_init(&fixture);
	feed(&fixture);
	fixture.page->entries[5] = entry_of(40, 1);
	check_snapshot(&fixture, 40);
	check_snapshot(&fixture, 40);
	fixture.page->entries[5] = entry_of(60, 1);
	check_snapshot(&fixture, 60);
	tell(&fixture, &entry, 5);
	feed(&fixture);
	fixture.page->entries[5] = entry_of(0, 2);
	check_snapshot(&fixture, 100);
	fixture.page->entries[5] = entry_of(3, 2);
	check_snapshot(&fixture, 103);
	check_total(&fixture, 103, true);
}

/* The record is still in the pipe when the entry has been filled anew. */
PP_TEST(taken_while_the_record_is_on_its_way)
{
	struct pp_wire_io_entry entry = entry_of(100, 1);
	struct fixture fixture;

	fixture_init(&fixture);
	feed(&fixture);
	fixture.page->entries[5] = entry_of(40, 1);
	check_snapshot(&fixture, 40);
	tell(&fixture, &entry, 5);
	fixture.page->entries[5] = entry_of(3, 2);
	check_snapshot(&fixture, 40);
	check_total(&fixture, 103, true);
}

/* The same where nothing had been taken of the fill that the record tells, but something of the next. */
PP_TEST(taken_of_the_next_fill_while_the_record_is_on_its_way)
{
	struct pp_wire_io_entry first = entry_of(100, 1), second = entry_of(8, 2);
	struct fixture fixture;

	fixture_init(&fixture);
	feed(&fixture);
	tell(&fixture, &first, 5);
	fixture.page->entries[5] = entry_of(3, 2);
	check_snapshot(&fixture, 3);
	feed(&fixture);
	check_snapshot(&fixture, 103);
	fixture.page->entries[5] = entry_of(6, 2);
	check_snapshot(&fixture, 106);
	tell(&fixture, &second, 5);
	fixture.page->entries[5] = entry_of(1, 3);
	check_total(&fixture, 109, true);
}

/* An entry that is being changed is left for the next look; of a dead process it is taken as it is. */
PP_TEST(an_entry_under_change_is_not_read)
{
	struct fixture fixture;

	fixture_init(&fixture);
	feed(&fixture);
	fixture.page->entries[0] = entry_of(40, 1);
	fixture.page->entries[0].sequence = 7;
	check_snapshot(&fixture, 0);
	check_total(&fixture, 40, true);
}

/* In the middle of a look the page becomes another thread's: from the first touch of its last 4096 bytes on. */
static struct pp_wire_io_page *changing;
static uint32_t changing_to;

static void owner_change(int number, siginfo_t *info, void *context)
{
	char *last = (char *)changing + sizeof(*changing) - 4096;

	(void)context;
	if ((char *)info->si_addr < last || (char *)info->si_addr >= last + 4096) {
		signal(number, SIG_DFL);
		return;
	}
	mprotect(last, 4096, PROT_READ | PROT_WRITE);
	changing->thread = changing_to;
	changing->entries[PP_WIRE_IO_ENTRIES - 1].count = 40;
}

PP_TEST(a_page_that_changes_hands_during_a_look)
{
	struct sigaction action = {.sa_sigaction = owner_change, .sa_flags = SA_SIGINFO}, before;
	struct pp_wire_io_entry entry = entry_of(40, 1);
	struct fixture fixture;

	if (sysconf(_SC_PAGESIZE) != 4096)
		return;
	fixture_init(&fixture);
	feed(&fixture);
	changing = fixture.page;
	changing_to = fixture.thread.serial + 1; /* it has told nothing yet */
	changing->entries[PP_WIRE_IO_ENTRIES - 1] = entry_of(40, 1);
	changing->entries[PP_WIRE_IO_ENTRIES - 1].count = 0;
	sigaction(SIGSEGV, &action, &before);
	mprotect((char *)changing + sizeof(*changing) - 4096, 4096, PROT_NONE);
	check_snapshot(&fixture, 0);
	sigaction(SIGSEGV, &before, NULL);
	PP_CHECK_EQ(changing->thread, changing_to);
	memset(changing->entries, 0, sizeof(changing->entries));
	tell(&fixture, &entry, PP_IO_NO_ENTRY);
	check_total(&fixture, 40, true);
}

/* The last call of a line that repeats is in its entry but for its duration, which lies beside. */
static void last_one_beside(struct fixture *fixture, uint32_t index, uint32_t place)
{
	struct pp_wire_io_entry *entry = &fixture->page->entries[index];

	entry->ns -= 500;
	entry->cells[pp_wire_io_bucket(500) % PP_WIRE_IO_CELLS].count--;
	fixture->page->again[place] = (uint64_t)(index + 1) << 32 | 250; /* ticks of 2 ns */
}

PP_TEST(a_duration_that_lies_beside)
{
	struct fixture fixture;
	struct pp_wire_io_entry entry = entry_of(50, 1);

	fixture_init(&fixture);
	fixture.maker.header->tick_ns = UINT64_C(2) << 32;
	feed(&fixture);
	fixture.page->entries[5] = entry_of(40, 1);
	last_one_beside(&fixture, 5, 3);
	fixture.page->again[4] = UINT64_C(7) << 32 | 250; /* of an entry that is empty */
	fixture.page->again[5] = (uint64_t)UINT32_MAX << 32 | 250;
	check_snapshot(&fixture, 40);
	tell(&fixture, &entry, 5);
	fixture.page->entries[5] = entry_of(1, 2);
	last_one_beside(&fixture, 5, 3);
	feed(&fixture);
	check_snapshot(&fixture, 51);
	fixture.page->entries[5] = entry_of(3, 2);
	last_one_beside(&fixture, 5, 3);
	check_total(&fixture, 53, true);
}

/* Where the cell is another bucket's, the next one has it. */
PP_TEST(a_duration_that_lies_beside_and_has_no_cell)
{
	struct fixture fixture;
	struct pp_profile *profile;
	uint32_t bucket = pp_wire_io_bucket(500);

	fixture_init(&fixture);
	fixture.maker.header->tick_ns = UINT64_C(2) << 32;
	fixture.page->entries[5] = entry_of(2, 1);
	last_one_beside(&fixture, 5, 0);
	fixture.page->entries[5].cells[bucket % PP_WIRE_IO_CELLS].bucket = (uint16_t)(bucket + PP_WIRE_IO_CELLS);
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_sites[0].ns, 1000);
	PP_CHECK_EQ(profile->io_sites[0].latency_count, 2);
	PP_CHECK_EQ(profile->io_sites[0].latencies[0].bucket, bucket + 1);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

PP_TEST(what_makes_no_sense_is_left_out)
{
	struct pp_wire_io_entry entry = entry_of(100, 1), wrong = entry_of(10, 1);
	struct fixture fixture;

	fixture_init(&fixture);
	tell(&fixture, &entry, 5);
	tell(&fixture, &entry, PP_WIRE_IO_ENTRIES);
	wrong.operation = 200;
	tell(&fixture, &wrong, 6);
	wrong = entry_of(10, 1);
	wrong.size_class = 99;
	tell(&fixture, &wrong, 6);
	wrong = entry_of(10, 1);
	wrong.sequential = 11;
	fixture.page->entries[7] = wrong;
	wrong = entry_of(10, 1);
	wrong.cells[0] = (struct pp_wire_io_cell){PP_WIRE_IO_SIZES + PP_HISTOGRAM_BUCKETS, 1};
	fixture.page->entries[8] = wrong;
	thread_extended(&fixture.thread, PP_EXT_IO_FILE, 0, (uint64_t[]){FILE_ONE, UINT64_C(1000) << 32 | 1, 0}, 3, true);
	check_total(&fixture, 100, false);
}

PP_TEST(a_page_that_is_not_there)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture.thread.slot->io_page = UINT32_MAX;
	check_total(&fixture, 0, true);
}

static void define(struct fixture *fixture, uint64_t file, uint32_t kind, uint32_t flags, const void *bytes, size_t size)
{
	uint64_t words[40] = {file, (uint64_t)size << 32 | flags << 16 | kind};

	memcpy(&words[2], bytes, size);
	thread_extended(&fixture->thread, PP_EXT_IO_FILE, 0, words, 2 + (uint32_t)(size + 7) / 8, true);
}

PP_TEST(names_of_files_and_sockets)
{
	struct {
		uint32_t type;
		struct sockaddr_in address;
	} ip4 = {SOCK_STREAM, {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(INADDR_LOOPBACK)}}};
	struct {
		uint32_t type;
		struct sockaddr_in6 address;
	} ip6 = {SOCK_DGRAM, {.sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
	static const char local[] = "\1\0\0\0\1\0/run/x.sock", abstract[] = "\1\0\0\0\1\0\0name";
	static const char *const expected[] = {
		"/tmp/a b", "tcp 127.0.0.1:80", "tcp 127.0.0.1:80 (accepted)", "udp [::1]:53 (local)",
		"unix /run/x.sock", "unix @name", "socket", "socket of family 77",
	};
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	define(&fixture, 1, PP_IO_KIND_FILE, 0, "/tmp/a b", 8);
	define(&fixture, 2, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, &ip4, sizeof(ip4));
	define(&fixture, 3, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS | PP_IO_FILE_ACCEPTED, &ip4, sizeof(ip4));
	define(&fixture, 4, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS | PP_IO_FILE_LOCAL, &ip6, sizeof(ip6));
	define(&fixture, 5, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, local, sizeof(local) - 1);
	define(&fixture, 6, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, abstract, sizeof(abstract) - 1);
	define(&fixture, 7, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, "abc", 3);
	define(&fixture, 8, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, "\1\0\0\0M\0", 6);
	define(&fixture, 1, PP_IO_KIND_FILE, 0, "/tmp/other", 10); /* the first one counts */
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_file_count, 8);
	for (uint32_t i = 0; i < profile->io_file_count && i < 8; i++)
		PP_CHECK_STR(profile->io_files[i].path, expected[i]);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

PP_TEST(the_slowest_thousand_are_kept)
{
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	for (uint64_t i = 0; i < 3000; i++)
		thread_extended(&fixture.thread, PP_EXT_IO_SLOW, 0,
				(uint64_t[]){FILE_ONE, (uint64_t)PP_IO_READ << 32, 10, 5, 1000000 + i * 7919 % 3000,
					     MAKER_START_NS + i},
				6, true);
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_slow_count, 1000);
	for (uint32_t i = 0; i < profile->io_slow_count; i++)
		PP_CHECK_EQ(profile->io_slows[i].ns, 1000000 + 2999 - i);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

static struct pp_wire_io_descriptor row_of(uint32_t serial, uint64_t bytes)
{
	return (struct pp_wire_io_descriptor){.file = FILE_ONE,
					      .serial = serial,
					      .thread = 1,
					      .flags = 2,
					      .from = -1,
					      .origin = PP_IO_OPENED,
					      .kind = PP_IO_KIND_FILE,
					      .owner = 1,
					      .own = {{2, bytes}, {1, 7}},
					      .others = {{1, 5}, {0, 0}},
					      .reread_bytes = 5};
}

static void tell_life(struct fixture *fixture, uint32_t number, const struct pp_wire_io_descriptor *row, uint32_t end)
{
	uint64_t words[2 + sizeof(*row) / 8] = {number, fixture->maker.header->start_tick};

	memcpy(&words[2], row, sizeof(*row));
	thread_extended(&fixture->thread, PP_EXT_IO_DESCRIPTOR, end, words, sizeof(words) / sizeof(words[0]), true);
}

/* Told: it has ended. In the table: it is open. Both, with the serial that was told: the process died before it could empty the
 * row. */
PP_TEST(lives_that_ended_and_those_that_did_not)
{
	struct pp_wire_io_descriptor *rows, first = row_of(1, 100), second = row_of(3, 50);
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	rows = (struct pp_wire_io_descriptor *)(fixture.maker.shared + PP_WIRE_DESCRIPTORS);
	fixture.maker.header->descriptor_count = 6;
	tell_life(&fixture, 3, &first, PP_IO_END_CLOSED);
	tell_life(&fixture, 4, &second, PP_IO_END_REPLACED);
	rows[3] = row_of(2, 30); /* the number came back */
	rows[4] = second;
	rows[6] = row_of(9, 1); /* beyond what the header says */
	thread_flush(&fixture.thread);
	for (int last = 0; last < 2; last++) {
		if (last) {
			profile = check_end(fixture.trace, fixture.image, &fixture.maker);
		} else {
			check_feed(fixture.image, &fixture.maker, SIZE_MAX / 2);
			profile = trace_snapshot(fixture.trace, fixture.maker.now_ns, true);
		}
		PP_CHECK_EQ(profile->io_descriptor_count, 3);
		if (profile->io_descriptor_count == 3) {
			const struct pp_io_descriptor *lives = profile->io_descriptors;

			PP_CHECK(lives[0].number == 3 && lives[0].end == PP_IO_END_CLOSED && lives[0].serial == 1);
			PP_CHECK_EQ(lives[0].read_bytes, 105);
			PP_CHECK_EQ(lives[0].read_calls, 3);
			PP_CHECK_EQ(lives[0].write_bytes, 7);
			PP_CHECK_EQ(lives[0].reread_bytes, 5);
			PP_CHECK(lives[1].number == 4 && lives[1].end == PP_IO_END_REPLACED);
			PP_CHECK(lives[2].number == 3 && lives[2].end == 0 && lives[2].ended_ns == PP_UNKNOWN);
		}
		profile_destroy(profile);
	}
	fixture_finish(&fixture);
}

PP_TEST(lives_are_bounded_and_those_left_out_counted)
{
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	for (uint32_t i = 0; i < 6000; i++) {
		struct pp_wire_io_descriptor row = row_of(i + 1, 100 + i * 7919 % 6000);

		tell_life(&fixture, 3, &row, PP_IO_END_CLOSED);
	}
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_descriptor_count, 4096);
	PP_CHECK_EQ(profile->io_descriptors_left_out, 1904);
	for (uint32_t i = 0; i < profile->io_descriptor_count; i++)
		PP_CHECK_EQ(profile->io_descriptors[i].read_bytes, 105 + 5999 - i);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

PP_TEST(lives_that_make_no_sense)
{
	struct pp_wire_io_descriptor rows[5];
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	for (int i = 0; i < 5; i++)
		rows[i] = row_of((uint32_t)i + 1, 10);
	rows[0].serial = 0;
	rows[1].origin = PP_IO_ORIGINS;
	rows[2].own[0].bytes = UINT64_MAX;
	rows[3].reread_bytes = 1000;
	rows[4].from = -2;
	for (int i = 0; i < 5; i++)
		tell_life(&fixture, 3, &rows[i], PP_IO_END_CLOSED);
	rows[0] = row_of(1, 10);
	tell_life(&fixture, 3, &rows[0], 0);
	tell_life(&fixture, PP_WIRE_DESCRIPTOR_COUNT, &rows[0], PP_IO_END_CLOSED);
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_descriptor_count, 0);
	PP_CHECK(!profile->processes[0].complete);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

/* What a file has had to offer: its size once for each change, however many processes say so, or as far as it was read. */
PP_TEST(sizes_of_files)
{
	struct pp_wire_io_descriptor row = row_of(1, 100);
	struct fixture fixture;
	struct pp_profile *profile;

	fixture_init(&fixture);
	for (uint64_t file = FILE_ONE; file < FILE_ONE + 3; file++)
		thread_extended(&fixture.thread, PP_EXT_IO_FILE, 0,
				(uint64_t[]){file, UINT64_C(2) << 32 | PP_IO_KIND_FILE, 'a' + (file - FILE_ONE)}, 3, true);
	for (int i = 0; i < 3; i++)
		thread_extended(&fixture.thread, PP_EXT_IO_SIZE, 0, (uint64_t[]){FILE_ONE, 1000, 77}, 3, true);
	thread_extended(&fixture.thread, PP_EXT_IO_SIZE, 0, (uint64_t[]){FILE_ONE, 300, 78}, 3, true);
	thread_extended(&fixture.thread, PP_EXT_IO_SIZE, 0, (uint64_t[]){FILE_ONE + 1, 10, 77}, 3, true);
	row.file = FILE_ONE + 1;
	row.read_to = 5000;
	tell_life(&fixture, 3, &row, PP_IO_END_CLOSED);
	thread_flush(&fixture.thread);
	profile = check_end(fixture.trace, fixture.image, &fixture.maker);
	PP_CHECK_EQ(profile->io_file_count, 3);
	PP_CHECK_EQ(profile->io_files[0].readable_bytes, 1300);
	PP_CHECK_EQ(profile->io_files[1].readable_bytes, 5000);
	PP_CHECK_EQ(profile->io_files[2].readable_bytes, PP_UNKNOWN);
	profile_destroy(profile);
	fixture_finish(&fixture);
}

PP_TEST(buckets_are_narrow_and_without_gaps)
{
	for (uint32_t bucket = 0; bucket + 1 < PP_WIRE_IO_BUCKETS; bucket++) {
		uint64_t low = pp_wire_io_bucket_low(bucket), next = pp_wire_io_bucket_low(bucket + 1);

		PP_CHECK(next > low);
		PP_CHECK_EQ(pp_wire_io_bucket(low), bucket);
		PP_CHECK_EQ(pp_wire_io_bucket(next - 1), bucket);
		PP_CHECK(bucket < 64 || (next - low) * 20 <= low);
	}
	PP_CHECK_EQ(pp_wire_io_bucket(UINT64_MAX), PP_WIRE_IO_BUCKETS - 1);
}

PP_TEST(percentiles)
{
	const struct pp_io_cell cells[] = {{64, 50}, {128, 49}, {700, 1}};

	PP_CHECK_EQ(io_latency_percentile(cells, 0, 50, 0), PP_UNKNOWN);
	PP_CHECK_EQ(io_latency_percentile(cells, 3, 50, 1 << 30), io_latency_low(65));
	PP_CHECK_EQ(io_latency_percentile(cells, 3, 99, 1 << 30), io_latency_low(129));
	PP_CHECK_EQ(io_latency_percentile(cells, 3, 100, 100), 100);
}
