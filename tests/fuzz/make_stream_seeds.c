/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the stream fuzzer: small saved streams that together reach every record, definition and entry.
 * Usage: make_stream_seeds FOLDER. The files are kept in tests/fuzz/corpus/stream; made anew when the format grows.
 */
#include "image.h"
#include "replay.h"
#include "../unit/stream_maker.h"

#include <stdio.h>

#define BLOCK(i) (UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i))

struct seed {
	struct pp_trace *trace;
	struct maker maker;
	struct pp_image *image;
};

static void seed_start(struct seed *seed, const char *folder, const char *name)
{
	struct pp_error error = {""};
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	seed->trace = trace_create();
	if (!replay_save_start(seed->trace, path, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	maker_init(&seed->maker, 1);
	seed->maker.header->stamp_is_tsc = 0; /* no look of the analyzer's moves on */
	maker_module(&seed->maker, 0x1000, 0x9000, 0, 0, "", "\x01\x02\x03\x04", 4);
	maker_module(&seed->maker, 0x10000, 0x20000, 0x10000, 1, "/lib/one.so", "", 0);
	maker_module(&seed->maker, 0x18000, 0x28000, 0x18000, 2, "/lib/two.so", "\xff", 1);
	maker_node(&seed->maker, 0, 0x1100, 0, 0);
	maker_node(&seed->maker, 1, 0x18200, 0, 1);
	maker_node(&seed->maker, 1, 0x18200, PP_NODE_EXACT, 2);
	maker_node(&seed->maker, 0, 0x7000, PP_NODE_TRUNCATED, 2);
}

static void seed_add(struct seed *seed)
{
	seed->image = trace_image_add(seed->trace, &seed->maker.hello, "/bin/program", "program\0x", 9, "host",
				      seed->maker.shared, MAKER_SPACE, NULL);
}

static void seed_feed(struct seed *seed)
{
	image_feed(seed->image, seed->maker.pipe.bytes, seed->maker.pipe.size);
	seed->maker.pipe.size = 0;
}

static void seed_finish(struct seed *seed)
{
	struct pp_error error = {""};

	seed_feed(seed);
	image_end(seed->image, &(struct pp_exit){.known = true}, seed->maker.now_ns);
	if (!replay_save_finish(seed->trace, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	trace_destroy(seed->trace);
	maker_finish(&seed->maker);
}

/* Every record of the mem family, one thread, samples too. */
static void seed_records(const char *folder)
{
	struct seed seed;
	struct maker_thread thread;

	seed_start(&seed, folder, "records");
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 100, 1);
	thread_alloc(&thread, BLOCK(2) + 8, UINT64_C(1) << 40, 2);
	thread_realloc(&thread, BLOCK(1), BLOCK(3), 200, 3, 0);
	thread_free(&thread, BLOCK(3));
	seed.maker.now_ns += 20000000;
	thread_free(&thread, BLOCK(9));
	thread_extended(&thread, PP_EXT_FREE_WIDE, 0, (uint64_t[]){BLOCK(2) + 8}, 1, false);
	thread_extended(&thread, PP_EXT_REALLOC_WIDE, 0, (uint64_t[]){8, 24, 5, 4, 0}, 5, false);
	thread_extended(&thread, PP_EXT_ALLOC_FAILED, PP_OP_NEW, (uint64_t[]){9, 1}, 2, false);
	thread_extended(&thread, PP_EXT_MAP, PP_OP_MMAP, (uint64_t[]){0x10000, 0x5000, 1}, 3, false);
	thread_extended(&thread, PP_EXT_UNMAP, 0, (uint64_t[]){0x11000, 0x1000}, 2, false);
	thread_extended(&thread, PP_EXT_REMAP, PP_OP_MREMAP, (uint64_t[]){0x12000, 0x1000, 0x90000, 0x3000, 2}, 5,
			false);
	thread_extended(&thread, PP_EXT_BREAK, PP_OP_BRK, (uint64_t[]){0x800000, 0x900000, 2}, 3, false);
	thread_extended(&thread, PP_EXT_CONTROL, PP_CONTROL_SNAPSHOT, (uint64_t[]){5}, 1, false);
	thread_extended(&thread, 77, 1, (uint64_t[]){5, 6}, 2, false);
	thread_sample(&thread, 3, 2, seed.maker.now_ns);
	samples_flush(&thread);
	thread_flush(&thread);
	thread_sample(&thread, 4, 1, seed.maker.now_ns);
	thread_alloc(&thread, BLOCK(5), 1, 4);
	seed_finish(&seed);
}

/* Three threads whose blocks cross, looks in between, a slot used again. */
static void seed_threads(const char *folder)
{
	struct seed seed;
	struct maker_thread threads[3];

	seed_start(&seed, folder, "threads");
	seed_add(&seed);
	thread_start(&threads[0], &seed.maker, 0, "main");
	thread_alloc(&threads[0], BLOCK(1), 10, 1);
	seed.maker.stamp = UINT64_C(1) << 58;
	thread_start(&threads[1], &seed.maker, 1, "one");
	thread_start(&threads[2], &seed.maker, 2, "two");
	for (uint32_t i = 0; i < 60; i++) {
		seed.maker.stamp += 7;
		thread_alloc(&threads[i % 3], BLOCK(10 + i), i, 1 + i % 4);
		seed.maker.stamp += i == 30 ? 100000 : 7;
		thread_free(&threads[(i + 1) % 3], BLOCK(10 + i));
		if (i % 20 == 5)
			thread_flush(&threads[i % 3]);
		if (i % 20 == 10) {
			seed_feed(&seed);
			reader_look(seed.image, seed.maker.stamp + 2000000);
		}
	}
	thread_end(&threads[2], 1000);
	thread_start(&threads[2], &seed.maker, 2, "again");
	thread_realloc(&threads[2], BLOCK(1), BLOCK(2), 5, 2, 3);
	seed_finish(&seed);
}

/* A fork whose child's stream comes first. */
static void seed_fork(const char *folder)
{
	struct seed seed;
	struct maker child;
	struct maker_thread thread, forked;
	struct pp_image *image;

	seed_start(&seed, folder, "fork");
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_alloc(&thread, BLOCK(1), 10, 1);
	thread_alloc(&thread, BLOCK(2), 10, 2);
	thread_extended(&thread, PP_EXT_FORK, 0, (uint64_t[]){42}, 1, false);
	thread_flush(&thread);
	maker_init(&child, 2);
	child.header->stamp_is_tsc = 0;
	child.hello.origin = PP_ORIGIN_FORK;
	child.hello.parent_image = 1;
	child.hello.fork_id = 42;
	thread_start(&forked, &child, 0, "main");
	thread_free(&forked, BLOCK(1));
	thread_free(&forked, BLOCK(3));
	thread_flush(&forked);
	image = trace_image_add(seed.trace, &child.hello, "/bin/program", NULL, 0, "host", child.shared, MAKER_SPACE,
				NULL);
	image_feed(image, child.pipe.bytes, child.pipe.size);
	seed_feed(&seed);
	image_end(image, NULL, child.now_ns);
	seed_finish(&seed);
	maker_finish(&child);
}

/* Cells of an entry, two a word. */
#define CELL(bucket, count) ((uint64_t)(bucket) | (uint64_t)(count) << 16)

static void thread_io(struct maker_thread *thread, uint64_t file, uint32_t operation, uint64_t error, uint32_t count,
		      uint32_t entry, uint32_t fill)
{
	uint64_t words[11] = {file,
			     error << 48 | UINT64_C(3) << 40 | (uint64_t)operation << 32 | 2,
			     (uint64_t)count << 32 | fill,
			     0,
			     UINT64_C(8) * count,
			     UINT64_C(4) * count,
			     UINT64_C(1000) * count,
			     1500,
			     count,
			     (uint64_t)count << 32 | count,
			     CELL(pp_wire_io_bucket(1000), count)};

	thread_extended(thread, PP_EXT_IO, entry, words, 11, false);
}

static void thread_file(struct maker_thread *thread, uint64_t file, uint32_t kind, uint32_t flags, const void *bytes,
			size_t size)
{
	uint64_t words[8] = {file, (uint64_t)size << 32 | flags << 16 | kind};

	memcpy(words + 2, bytes, size);
	thread_extended(thread, PP_EXT_IO_FILE, 0, words, 2 + (uint32_t)(size + 7) / 8, true);
}

/* A descriptor's life that is over, and one that is not. */
static void thread_lives(struct maker_thread *thread)
{
	struct pp_wire_io_descriptor *rows = (struct pp_wire_io_descriptor *)(thread->maker->shared + PP_WIRE_DESCRIPTORS);
	struct pp_wire_io_descriptor row = {.file = 1,
					    .serial = 1,
					    .stack = 2,
					    .thread = 1,
					    .from = -1,
					    .origin = PP_IO_OPENED,
					    .kind = PP_IO_KIND_FILE,
					    .owner = 1,
					    .own = {{3, 300}, {1, 10}},
					    .reread_bytes = 5,
					    .read_to = 295};
	uint64_t words[2 + sizeof(row) / 8] = {3, 50};

	memcpy(words + 2, &row, sizeof(row));
	thread_extended(thread, PP_EXT_IO_DESCRIPTOR, PP_IO_END_CLOSED, words, sizeof(words) / 8, true);
	thread_extended(thread, PP_EXT_IO_SIZE, 0, (uint64_t[]){1, 290, 77}, 3, true);
	row.serial = 2;
	row.origin = PP_IO_DUPLICATED;
	row.from = 3;
	rows[4] = row;
	thread->maker->header->descriptor_count = 5;
}

/* What a slot's thread has summed up and not told. */
static struct pp_wire_io_entry *page_of(struct maker_thread *thread, uint32_t page)
{
	struct pp_wire_io_page *all = (struct pp_wire_io_page *)(thread->maker->shared + PP_WIRE_IO);

	thread->slot->io_page = page + 1;
	all[page].thread = thread->serial;
	return all[page].entries;
}

/* Calls, those of stdio, of metadata and waits, sockets too; told, untold and under way. */
static void seed_io(const char *folder)
{
	static const uint8_t ip4[12] = {1, 0, 0, 0, 2, 0, 0, 80, 127, 0, 0, 1};
	static const uint8_t local[12] = {1, 0, 0, 0, 1, 0, '/', 's', 'o', 'c', 'k', 0};
	static const uint8_t ip6[32] = {2, 0, 0, 0, 10, 0, 0, 53, 0, 0, 0, 0, 0xfe, 0x80};
	struct seed seed;
	struct maker_thread thread, waiting;
	struct pp_wire_io_entry *entries;

	seed_start(&seed, folder, "io");
	seed.maker.header->families = 1u << PP_FAMILY_IO | 1u << PP_FAMILY_MEM;
	seed.maker.header->tick_ns = UINT64_C(1) << 32;
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_file(&thread, 1, PP_IO_KIND_FILE, 0, "/tmp/file", 9);
	thread_lives(&thread);
	thread_file(&thread, 2, 0, PP_IO_FILE_NAMED, "/tmp/file", 9);
	thread_file(&thread, 3, PP_IO_KIND_PIPE, 0, "pipe:[7]", 8);
	thread_file(&thread, 4, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS, ip4, sizeof(ip4));
	thread_file(&thread, 5, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS | PP_IO_FILE_ACCEPTED, ip6, sizeof(ip6));
	thread_file(&thread, 6, PP_IO_KIND_SOCKET, PP_IO_FILE_ADDRESS | PP_IO_FILE_LOCAL, local, sizeof(local));
	thread_io(&thread, 1, PP_IO_READ, 0, 3, 0, 1);
	seed.maker.now_ns += 20000000;
	thread_io(&thread, 1, PP_IO_READ, 0, 2, 0, 2);
	thread_io(&thread, 4, PP_IO_RECV, 11, 1, 1, 1);
	thread_io(&thread, 3, PP_IO_STDIO_FPUTS, 0, 7, PP_IO_NO_ENTRY, 0);
	thread_io(&thread, 3, PP_IO_STDIO_SYS_WRITE, 0, 1, 2, 1);
	thread_io(&thread, 2, PP_IO_STAT, 2, 5, 3, 1);
	thread_io(&thread, 1, PP_IO_SENDFILE_IN, 0, 1, 4, 1);
	thread_io(&thread, 0, PP_IO_POLL, 0, 1, 5, 1);
	thread_extended(&thread, PP_EXT_IO_SLOW, 0,
			(uint64_t[]){1, (uint64_t)PP_IO_FSYNC << 32 | 2, 0, 0, 5000000, seed.maker.now_ns}, 6, true);
	thread_extended(&thread, PP_EXT_GIL_WAIT, 0, (uint64_t[]){70000, 3}, 2, true);
	entries = page_of(&thread, 0);
	entries[0] = (struct pp_wire_io_entry){.file = 1,
					       .stack = 3,
					       .operation = PP_IO_WRITE,
					       .size_class = 4,
					       .fill = 3,
					       .count = 2,
					       .sequential = 1,
					       .strided = 1,
					       .asked_bytes = 20,
					       .got_bytes = 20,
					       .ns = 300,
					       .max_ns = 200,
					       .sequence = 2};
	entries[0].cells[pp_wire_io_bucket(150) % PP_WIRE_IO_CELLS] =
		(struct pp_wire_io_cell){(uint16_t)pp_wire_io_bucket(150), 2};
	entries[7] = entries[0];
	entries[7].operation = PP_IO_SELECT;
	thread_start(&waiting, &seed.maker, 1, "waiting");
	waiting.slot->wait_since = 1;
	waiting.slot->wait_call = (uint64_t)PP_IO_POLL << 32 | 3;
	page_of(&waiting, 1)[5] = entries[0];
	seed_feed(&seed);
	image_take_io(seed.image, false);
	entries[0].count++;
	thread_flush(&thread);
	thread_flush(&waiting);
	seed_finish(&seed);
}

static void thread_sql_text(struct maker_thread *thread, uint32_t number, const char *text, uint32_t size,
			    uint32_t kept, uint32_t offset, uint32_t piece)
{
	uint64_t words[16] = {number, (uint64_t)kept << 32 | size, (uint64_t)piece << 32 | offset};

	memcpy(words + 3, text + offset, piece);
	thread_extended(thread, PP_EXT_SQL_TEXT, 0, words, 3 + (piece + 7) / 8, true);
}

static struct pp_wire_sql_entry sql_entry(uint32_t statement, uint8_t operation, uint32_t count)
{
	struct pp_wire_sql_entry entry = {.statement = statement,
					  .database = 1,
					  .stack = 2,
					  .operation = operation,
					  .result = 101,
					  .flags = PP_SQL_WRITES,
					  .fill = 1,
					  .count = count,
					  .prepares = 1,
					  .rows = 5,
					  .steps = 6,
					  .ns = 9000,
					  .max_ns = 5000,
					  .prepare_ns = 100,
					  .fullscan_steps = 3,
					  .vm_steps = 90,
					  .sorts = 1,
					  .busy_ns = 10,
					  .sync_ns = 20,
					  .busy_count = 1,
					  .busy_waits = 1,
					  .syncs = 1};

	entry.cells[0] = (struct pp_wire_io_cell){(uint16_t)pp_wire_io_bucket(4500), (uint16_t)count};
	return entry;
}

static void thread_sql(struct maker_thread *thread, uint32_t place, const struct pp_wire_sql_entry *entry)
{
	uint64_t words[PP_WIRE_SQL_WORDS + 1];

	memcpy(words, entry, 8 * PP_WIRE_SQL_WORDS);
	words[PP_WIRE_SQL_WORDS] = CELL(entry->cells[0].bucket, entry->cells[0].count);
	thread_extended(thread, PP_EXT_SQL, place, words, PP_WIRE_SQL_WORDS + 1, false);
}

static void seed_sql(const char *folder)
{
	static const char select[] = "select a, 'b' from t where c in (1, 2) order by d";
	struct seed seed;
	struct maker_thread thread;
	struct pp_wire_sql_page *page;
	struct pp_wire_sql_entry entry;

	seed_start(&seed, folder, "sql");
	seed.maker.header->families = 1u << PP_FAMILY_SQL | 1u << PP_FAMILY_MEM;
	seed_add(&seed);
	thread_start(&thread, &seed.maker, 0, "main");
	thread_extended(&thread, PP_EXT_SQL_DATABASE, 0, (uint64_t[]){1, 8, 0x62642e6161612f2f}, 3, true);
	thread_extended(&thread, PP_EXT_SQL_DATABASE, 0, (uint64_t[]){2, 0}, 2, true);
	thread_sql_text(&thread, 1, select, sizeof(select) - 1, sizeof(select) - 1, 0, sizeof(select) - 1);
	thread_sql_text(&thread, 2, select, 40, 30, 0, 16);
	thread_sql_text(&thread, 2, select, 40, 30, 16, 14);
	for (uint8_t operation = PP_SQL_EXECUTE; operation < PP_SQL_OPERATIONS; operation++) {
		entry = sql_entry(operation % 3, operation, 2);
		thread_sql(&thread, operation, &entry);
	}
	entry = sql_entry(1, PP_SQL_EXECUTE, 4);
	thread_sql(&thread, PP_SQL_NO_ENTRY, &entry);
	thread_extended(&thread, PP_EXT_SQL_TRANSACTION, 0,
			(uint64_t[]){(uint64_t)PP_SQL_ROLLED_BACK << 32 | 1, UINT64_C(3) << 32 | 2, 4000,
				     seed.maker.now_ns, UINT64_C(1) << 32 | 2, 1, 30, 4096, 8192},
			9, true);
	thread_extended(&thread, PP_EXT_SQL_CACHE, 0, (uint64_t[]){1, 10, 2, 3, 4}, 5, true);
	thread_extended(&thread, PP_EXT_SQL_SLOW, 0,
			(uint64_t[]){UINT64_C(1) << 32 | 1, UINT64_C(1) << 32 | 2, 7000000, seed.maker.now_ns, 5, 3, 1,
				     2},
			8, true);
	thread_extended(&thread, PP_EXT_SQL_HOLD, 0,
			(uint64_t[]){(uint64_t)PP_SQL_LOCK_WRITE << 32 | 1, UINT64_C(3) << 32 | 2, UINT64_C(2) << 32 | 1,
				     7000000, seed.maker.now_ns, 5000, 4000, 1},
			8, true);
	thread_extended(&thread, PP_EXT_SQL_ATTACHED, 0, (uint64_t[]){2, UINT64_C(4) << 32 | 1, 0x612f2f746f}, 3, true);
	thread_extended(&thread, PP_EXT_SQL_WAIT, 0,
			(uint64_t[]){UINT64_C(1) << 32 | 1, UINT64_C(1) << 32 | 2, 6000000, seed.maker.now_ns, 2}, 5,
			true);
	thread.slot->sql_page = 1;
	page = (struct pp_wire_sql_page *)(seed.maker.shared + PP_WIRE_SQL);
	page->thread = thread.serial;
	page->entries[1] = sql_entry(1, PP_SQL_EXECUTE, 3);
	page->entries[1].fill = 2;
	page->entries[20] = sql_entry(2, PP_SQL_PREPARE, 1);
	thread_flush(&thread);
	seed_finish(&seed);
}

int main(int count, char **arguments)
{
	if (count != 2) {
		fprintf(stderr, "usage: make_stream_seeds FOLDER\n");
		return 2;
	}
	seed_records(arguments[1]);
	seed_threads(arguments[1]);
	seed_fork(arguments[1]);
	seed_io(arguments[1]);
	seed_sql(arguments[1]);
	return 0;
}
