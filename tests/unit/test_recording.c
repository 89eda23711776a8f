/* SPDX-License-Identifier: Apache-2.0 */
/* The recording: what is written is what is read, the file is replaced as a whole or not at all, and no file that
 * someone made up can do harm. */
#include "recording_folder.h"

#include "recording_publish.h"
#include "report.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- round trip ---- */

static void texts_check(const char *const *actual, const char *const *expected)
{
	int i = 0;

	for (; expected && expected[i]; i++)
		PP_CHECK_STR(actual[i], expected[i]);
	PP_CHECK(actual && actual[i] == NULL);
}

static void string_check(const char **actual, const char **expected)
{
	PP_CHECK_STR(*actual, *expected);
	*actual = *expected = NULL;
}

/* Whole structs are compared, pointers put aside: a field that the schema forgets is found. */
#define REST_CHECK(actual, expected) PP_CHECK(memcmp(&(actual), &(expected), sizeof(actual)) == 0)

static void processes_check(const struct pp_profile *read, const struct pp_profile *made)
{
	PP_CHECK_EQ(read->process_count, made->process_count);
	for (uint32_t i = 0; i < made->process_count; i++) {
		struct pp_process actual = read->processes[i], expected = made->processes[i];

		string_check(&actual.executable, &expected.executable);
		string_check(&actual.stop_reason, &expected.stop_reason);
		texts_check(actual.command, expected.command);
		actual.command = expected.command = NULL;
		REST_CHECK(actual, expected);
	}
}

static void code_check(const struct pp_profile *read, const struct pp_profile *made)
{
	PP_CHECK_EQ(read->module_count, made->module_count);
	for (uint32_t i = 0; i < made->module_count; i++) {
		PP_CHECK_STR(read->modules[i].path, made->modules[i].path);
		PP_CHECK_STR(read->modules[i].build_id, made->modules[i].build_id);
	}
	PP_CHECK_EQ(read->frame_count, made->frame_count);
	for (uint32_t i = 0; i < made->frame_count; i++) {
		struct pp_frame actual = read->frames[i], expected = made->frames[i];

		string_check(&actual.function, &expected.function);
		string_check(&actual.file, &expected.file);
		PP_CHECK_EQ(actual.line, expected.line);
		PP_CHECK_EQ(actual.module, expected.module);
		PP_CHECK_EQ(actual.offset, expected.offset);
		PP_CHECK_EQ(actual.language, expected.language);
		PP_CHECK_EQ(actual.inlined, expected.inlined);
	}
	PP_CHECK_EQ(read->address_count, made->address_count);
	for (uint32_t i = 0; i < made->address_count; i++)
		REST_CHECK(read->addresses[i], made->addresses[i]);
	PP_CHECK_EQ(read->node_count, made->node_count);
	for (uint32_t i = 0; i < made->node_count; i++) {
		PP_CHECK_EQ(read->nodes[i].parent, made->nodes[i].parent);
		PP_CHECK_EQ(read->nodes[i].address, made->nodes[i].address);
		PP_CHECK_EQ(read->nodes[i].truncated, made->nodes[i].truncated);
	}
}

static void sites_check(const struct pp_profile *read, const struct pp_profile *made)
{
	PP_CHECK_EQ(read->mem_site_count, made->mem_site_count);
	for (uint32_t i = 0; i < made->mem_site_count; i++) {
		struct pp_mem_site actual = read->mem_sites[i], expected = made->mem_sites[i];

		PP_CHECK_EQ(actual.bin_count, expected.bin_count);
		for (uint32_t j = 0; j < expected.bin_count; j++) {
			PP_CHECK_EQ(actual.bins[j].bin, expected.bins[j].bin);
			PP_CHECK_EQ(actual.bins[j].allocation_count, expected.bins[j].allocation_count);
			PP_CHECK_EQ(actual.bins[j].allocated_bytes, expected.bins[j].allocated_bytes);
			PP_CHECK_EQ(actual.bins[j].free_count, expected.bins[j].free_count);
			PP_CHECK_EQ(actual.bins[j].freed_bytes, expected.bins[j].freed_bytes);
		}
		actual.bins = expected.bins = NULL;
		REST_CHECK(actual, expected);
	}
	PP_CHECK_EQ(read->cpu_site_count, made->cpu_site_count);
	for (uint32_t i = 0; i < made->cpu_site_count; i++) {
		struct pp_cpu_site actual = read->cpu_sites[i], expected = made->cpu_sites[i];

		PP_CHECK_EQ(actual.bin_count, expected.bin_count);
		for (uint32_t j = 0; j < expected.bin_count; j++) {
			PP_CHECK_EQ(actual.bins[j].bin, expected.bins[j].bin);
			PP_CHECK_EQ(actual.bins[j].sample_count, expected.bins[j].sample_count);
		}
		actual.bins = expected.bins = NULL;
		REST_CHECK(actual, expected);
	}
}

static void io_check(const struct pp_profile *read, const struct pp_profile *made)
{
	PP_CHECK_EQ(read->io_file_count, made->io_file_count);
	for (uint32_t i = 0; i < made->io_file_count; i++) {
		struct pp_io_file actual = read->io_files[i], expected = made->io_files[i];

		string_check(&actual.path, &expected.path);
		PP_CHECK_EQ(actual.kind, expected.kind);
	}
	PP_CHECK_EQ(read->io_site_count, made->io_site_count);
	for (uint32_t i = 0; i < made->io_site_count; i++) {
		struct pp_io_site actual = read->io_sites[i], expected = made->io_sites[i];

		PP_CHECK_EQ(actual.size_count, expected.size_count);
		for (uint32_t j = 0; j < expected.size_count; j++)
			PP_CHECK(actual.sizes[j].bucket == expected.sizes[j].bucket &&
				 actual.sizes[j].count == expected.sizes[j].count);
		PP_CHECK_EQ(actual.latency_count, expected.latency_count);
		for (uint32_t j = 0; j < expected.latency_count; j++)
			PP_CHECK(actual.latencies[j].bucket == expected.latencies[j].bucket &&
				 actual.latencies[j].count == expected.latencies[j].count);
		PP_CHECK_EQ(actual.bin_count, expected.bin_count);
		for (uint32_t j = 0; j < expected.bin_count; j++)
			REST_CHECK(actual.bins[j], expected.bins[j]);
		actual.sizes = expected.sizes = actual.latencies = expected.latencies = NULL;
		actual.bins = expected.bins = NULL;
		REST_CHECK(actual, expected);
	}
	PP_CHECK_EQ(read->gil_site_count, made->gil_site_count);
	for (uint32_t i = 0; i < made->gil_site_count; i++)
		REST_CHECK(read->gil_sites[i], made->gil_sites[i]);
	PP_CHECK_EQ(read->io_slow_count, made->io_slow_count);
	for (uint32_t i = 0; i < made->io_slow_count; i++)
		REST_CHECK(read->io_slows[i], made->io_slows[i]);
	PP_CHECK_EQ(read->io_descriptors_left_out, made->io_descriptors_left_out);
	PP_CHECK_EQ(read->io_descriptor_count, made->io_descriptor_count);
	for (uint32_t i = 0; i < made->io_descriptor_count; i++)
		REST_CHECK(read->io_descriptors[i], made->io_descriptors[i]);
}

static void profile_check(const struct pp_profile *read, const struct pp_profile *made)
{
	PP_CHECK_STR(read->preprof_version, made->preprof_version);
	PP_CHECK_STR(read->host, made->host);
	PP_CHECK_EQ(read->start_unix_ns, made->start_unix_ns);
	PP_CHECK_EQ(read->wall_ns, made->wall_ns);
	PP_CHECK_EQ(read->running, made->running);
	PP_CHECK_EQ(read->complete, made->complete);
	PP_CHECK_EQ(read->analyzer_cpu_ns, made->analyzer_cpu_ns);
	PP_CHECK_EQ(read->analyzer_max_rss_bytes, made->analyzer_max_rss_bytes);
	PP_CHECK_EQ(read->bin_ns, made->bin_ns);
	texts_check(read->notes, made->notes);
	processes_check(read, made);
	PP_CHECK_EQ(read->thread_count, made->thread_count);
	for (uint32_t i = 0; i < made->thread_count; i++) {
		struct pp_thread actual = read->threads[i], expected = made->threads[i];

		string_check(&actual.name, &expected.name);
		REST_CHECK(actual, expected);
	}
	code_check(read, made);
	sites_check(read, made);
	io_check(read, made);
}

static void round_trip(struct pp_profile *made, size_t size_limit)
{
	struct pp_error error = {""};
	struct pp_profile *read;
	struct stat status;

	folder_make();
	PP_CHECK(recording_write(made, path_of("a.pprf"), &error));
	PP_CHECK_STR(error.text, "");
	PP_CHECK(stat(path_of("a.pprf"), &status) == 0);
	PP_CHECK_EQ(status.st_mode & 07777, 0600);
	if ((size_t)status.st_size > size_limit)
		PP_CHECK_EQ(status.st_size, size_limit);
	PP_CHECK_EQ(entry_count(), 1);
	read = recording_read(path_of("a.pprf"), &error);
	PP_CHECK_STR(error.text, "");
	if (read)
		profile_check(read, made);
	profile_destroy(read);
	profile_destroy(made);
	folder_remove();
}

PP_TEST(small_profile_survives)
{
	round_trip(profile_make_small(), 96 << 10);
}

PP_TEST(empty_profile_survives)
{
	round_trip(profile_make_empty(), 96 << 10);
}

PP_TEST(large_profile_survives)
{
	round_trip(profile_make_large(40000, 8300, 6000), 2 << 20);
}

static int view_asked(void *database, int count, char **values, char **names)
{
	char *sql = sqlite3_mprintf("SELECT count(*) FROM (SELECT * FROM %s)", values[0]), *wrong = NULL;

	(void)count;
	(void)names;
	PP_CHECK(sqlite3_exec(database, sql, NULL, NULL, &wrong) == SQLITE_OK);
	PP_CHECK_STR(wrong ? wrong : "", "");
	sqlite3_free(wrong);
	sqlite3_free(sql);
	return 0;
}

/* They are written as text, which nobody has parsed. */
PP_TEST(each_view_can_be_asked)
{
	struct pp_profile *made = profile_make_small();
	struct pp_error error = {""};
	sqlite3_stmt *statement;
	sqlite3 *db;

	folder_make();
	PP_CHECK(recording_write(made, path_of("a.pprf"), &error));
	profile_destroy(made);
	PP_CHECK(sqlite3_open(path_of("a.pprf"), &db) == SQLITE_OK);
	PP_CHECK(sqlite3_exec(db, "SELECT name FROM sqlite_master WHERE type = 'view'", view_asked, db, NULL) == SQLITE_OK);
	PP_CHECK(sqlite3_prepare_v2(db, "SELECT count(*), (SELECT * FROM pragma_integrity_check) FROM sqlite_master"
				    " WHERE type = 'view' AND sql LIKE 'CREATE VIEW ' || name || ' AS %' AND tbl_name = name", -1,
				    &statement, NULL) == SQLITE_OK);
	PP_CHECK(sqlite3_step(statement) == SQLITE_ROW);
	PP_CHECK(sqlite3_column_int(statement, 0) > 20);
	PP_CHECK_STR((const char *)sqlite3_column_text(statement, 1), "ok");
	sqlite3_finalize(statement);
	PP_CHECK(sqlite3_close(db) == SQLITE_OK);
	folder_remove();
}

PP_TEST(compiler_sized_profile_is_small)
{
	round_trip(profile_make_large(400000, 83000, 40000), 12000000);
}

/* ---- hostile files ---- */

static void read_fails(const char *path, const char *words)
{
	struct pp_error error = {""};
	struct pp_profile *profile = recording_read(path, &error);

	if (profile)
		fprintf(stderr, "%s was read, expected: %s\n", path, words);
	PP_CHECK(profile == NULL);
	if (!strstr(error.text, words))
		fprintf(stderr, "\"%s\" lacks \"%s\"\n", error.text, words);
	PP_CHECK(strstr(error.text, words));
	PP_CHECK(!strchr(error.text, '\n'));
	profile_destroy(profile);
}

PP_TEST(foreign_files_get_one_clear_line)
{
	struct pp_error error = {""};
	char sql[256];
	sqlite3 *db;

	folder_make();
	read_fails(path_of("missing"), "No such file or directory");
	read_fails(folder, "a folder");
	read_fails("/dev/null", "not an ordinary file");
	file_put(path_of("empty"), "", 0);
	read_fails(path_of("empty"), "is empty");
	file_put(path_of("short"), "SQLite", 6);
	read_fails(path_of("short"), "not a recording of preprof");
	file_put(path_of("text"),
		 "#!/bin/sh\necho hello; exit 1; # more than a hundred bytes of something that is not a database, as "
		 "anyone can see who looks at it",
		 125);
	read_fails(path_of("text"), "not a recording of preprof");
	PP_CHECK(sqlite3_open(path_of("other.db"), &db) == SQLITE_OK);
	PP_CHECK(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	read_fails(path_of("other.db"), "is an SQLite database, but not");
	PP_CHECK(write_small(path_of("newer.pprf"), false, &error));
	PP_CHECK(sqlite3_open(path_of("newer.pprf"), &db) == SQLITE_OK);
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", PP_RECORDING_VERSION + 1);
	PP_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	read_fails(path_of("newer.pprf"), "newer preprof");
	PP_CHECK(sqlite3_open(path_of("newer.pprf"), &db) == SQLITE_OK);
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", PP_RECORDING_VERSION - 1);
	PP_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	read_fails(path_of("newer.pprf"), "older preprof");
	folder_remove();
}

PP_TEST(locks_survive)
{
	struct pp_profile *made = profile_make_small(), *read;
	struct pp_sql_hold hold = {.process = 1,
				   .thread = 1,
				   .node = 2,
				   .end_node = 1,
				   .database = PP_NONE,
				   .lock = 2,
				   .statement = PP_NONE,
				   .long_node = 1,
				   .connection = 7,
				   .ns = 5,
				   .end_ns = 9,
				   .inside_ns = 3,
				   .long_ns = 2};
	struct pp_sql_wait wait = {.process = 1,
				   .thread = 1,
				   .node = 2,
				   .statement = PP_NONE,
				   .database = PP_NONE,
				   .operation = 11,
				   .result = 5,
				   .flags = 1,
				   .connection = 8,
				   .ns = 4,
				   .end_ns = 8};
	struct pp_error error = {""};
	sqlite3 *db;

	folder_make();
	made->sql_holds = &hold;
	made->sql_waits = &wait;
	made->sql_hold_count = made->sql_wait_count = 1;
	PP_CHECK(recording_write(made, path_of("a.pprf"), &error));
	read = recording_read(path_of("a.pprf"), &error);
	PP_CHECK_STR(error.text, "");
	PP_CHECK(read && read->sql_hold_count == 1 && memcmp(read->sql_holds, &hold, sizeof(hold)) == 0);
	PP_CHECK(read && read->sql_wait_count == 1 && memcmp(read->sql_waits, &wait, sizeof(wait)) == 0);
	profile_destroy(read);
	profile_destroy(made);
	/* one that was made before there were such tables; and no other table in their place */
	PP_CHECK(sqlite3_open(path_of("a.pprf"), &db) == SQLITE_OK);
	PP_CHECK(sqlite3_exec(db, "DROP TABLE sql_hold; DROP TABLE sql_wait; VACUUM", NULL, NULL, NULL) == SQLITE_OK);
	PP_CHECK(sqlite3_close(db) == SQLITE_OK);
	read = recording_read(path_of("a.pprf"), &error);
	PP_CHECK_STR(error.text, "");
	PP_CHECK(read && read->sql_hold_count == 0 && read->sql_wait_count == 0);
	profile_destroy(read);
	PP_CHECK(sqlite3_open(path_of("a.pprf"), &db) == SQLITE_OK);
	PP_CHECK(sqlite3_exec(db, "CREATE VIEW sql_hold AS SELECT 1", NULL, NULL, NULL) == SQLITE_OK);
	PP_CHECK(sqlite3_close(db) == SQLITE_OK);
	read_fails(path_of("a.pprf"), "damaged");
	folder_remove();
}

static const char *const damages[] = {
	"DELETE FROM process",
	"DELETE FROM recording",
	"INSERT INTO recording SELECT 1, preprof_version, host, start_unix_ns, wall_ns, running, complete, "
	"analyzer_cpu_ns,"
	" analyzer_max_rss_bytes, bin_ns, sql_planner, 0 FROM recording",
	"UPDATE process SET parent = 2 WHERE id = 2",
	"UPDATE process SET parent = -1 WHERE id = 1",
	"UPDATE process SET executable = 100000",
	"UPDATE process SET pid = 'one'",
	"UPDATE process SET complete = 2",
	"UPDATE process SET event_count = 1.5",
	"UPDATE process SET event_count = x'01'",
	"UPDATE process SET id = 7 WHERE id = 2",
	"UPDATE thread SET process = 3",
	"UPDATE thread SET process = NULL",
	"UPDATE frame SET module = 4",
	"UPDATE frame SET language = 256",
	"UPDATE address SET first_frame = 9",
	"UPDATE address SET frame_count = 4294967295",
	"UPDATE address SET first_frame = 4294967295",
	"UPDATE tree SET link = link + (3 << 33) WHERE id = 3",
	"UPDATE tree SET link = -1 WHERE id = 3",
	"UPDATE tree SET link = NULL WHERE id = 3",
	"UPDATE tree SET link = 2 WHERE id = 0",
	"UPDATE tree SET link = 9223372036854775807 WHERE id = 3",
	"UPDATE tree SET link = 'x' WHERE id = 3",
	"UPDATE tree SET link = 8 WHERE id = 3",
	"DELETE FROM tree WHERE id = 4",
	"UPDATE mem_site SET node = 10",
	"UPDATE mem_site SET node = NULL",
	"UPDATE mem_site SET process = NULL",
	"UPDATE mem_site SET bins = x'80'",
	"UPDATE mem_site SET bins = x'0301010101ff'",
	"UPDATE mem_site SET bins = x'03010101'",
	"UPDATE mem_site SET bins = x'030101010103010101'",
	"UPDATE mem_site SET bins = x'80200101'",
	"UPDATE mem_site SET bins = x'03ffffffffffffffffff7f010101'",
	"UPDATE mem_site SET bins = zeroblob(1000000)",
	"UPDATE mem_site SET bins = 5",
	"UPDATE cpu_site SET thread = 4",
	"UPDATE cpu_site SET thread = NULL",
	"UPDATE cpu_site SET node = 4294967296",
	"UPDATE cpu_site SET bins = x'000100'",
	"UPDATE gil_site SET process = NULL",
	"UPDATE gil_site SET node = 4294967296",
	"UPDATE io_site SET file = 3",
	"UPDATE io_site SET node = NULL",
	"UPDATE io_site SET sizes = x'41'",
	"UPDATE io_site SET sizes = x'4101'",
	"UPDATE io_site SET sizes = x'04010001'",
	"UPDATE io_site SET latencies = x'800f01'",
	"UPDATE io_site SET latencies = zeroblob(1000000)",
	"UPDATE io_site SET bins = x'00010203'||x'00010203'",
	"UPDATE io_site SET bins = x'000102'",
	"UPDATE io_slow SET thread = 4",
	"UPDATE io_slow SET process = NULL",
	"UPDATE io_descriptor SET process = NULL",
	"UPDATE io_descriptor SET node = 4294967296",
	"UPDATE string SET text = NULL WHERE id = 1",
	"UPDATE string SET text = x'00' WHERE id = 1",
	"UPDATE string SET text = 'a' || char(0) || 'b' WHERE id = 1",
	"UPDATE string SET id = 100000 WHERE id = 1",
	"DELETE FROM string",
	"UPDATE argument SET process = 3 WHERE process = 1",
	"UPDATE argument SET position = 2 WHERE process = 1 AND position = 1",
	"UPDATE argument SET text = NULL",
	"INSERT INTO argument VALUES(-1, 0, 'x')",
	"UPDATE skip SET cause = 24 WHERE cause = 23",
	"UPDATE skip SET process = 3 WHERE process = 1",
	"UPDATE skip SET count = 'many'",
	"UPDATE histogram SET bucket = 65 WHERE bucket = 64",
	"UPDATE histogram SET kind = 2 WHERE kind = 1",
	"UPDATE histogram SET process = -1 WHERE process = 1",
	"INSERT INTO note VALUES(-1, 'x')",
	"DROP TABLE note",
	"ALTER TABLE tree ADD COLUMN more INTEGER",
	/* a table that never ends */
	"DROP TABLE tree; CREATE VIEW tree AS WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n)"
	" SELECT id, 0 AS link FROM n",
	"DROP TABLE note; CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT AS (hex(zeroblob(100000000))))",
};

PP_TEST(damaged_recordings_get_one_clear_line)
{
	struct pp_error error = {""};
	sqlite3 *db;

	folder_make();
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		PP_CHECK(write_small(path_of("a.pprf"), false, &error));
		PP_CHECK(sqlite3_open(path_of("a.pprf"), &db) == SQLITE_OK);
		if (sqlite3_exec(db, damages[i], NULL, NULL, NULL) != SQLITE_OK)
			pp_test_fail(__FILE__, __LINE__, "%s: %s", damages[i], sqlite3_errmsg(db));
		PP_CHECK(sqlite3_close(db) == SQLITE_OK);
		if (readable(path_of("a.pprf")))
			pp_test_fail(__FILE__, __LINE__, "read in spite of: %s", damages[i]);
		read_fails(path_of("a.pprf"), "damaged recording");
		unlink(path_of("a.pprf"));
	}
	folder_remove();
}

/* Whatever is accepted can be shown. */
static void read_and_show(const char *path)
{
	struct pp_report_options options = {.top = 20, .columns = 100};
	struct pp_error error = {""};
	struct pp_profile *profile = recording_read(path, &error);
	FILE *null = fopen("/dev/null", "w");
	size_t count;
	const struct pp_report_format *formats = report_formats(&count);

	PP_CHECK(profile || error.text[0]);
	for (size_t i = 0; profile && i < count; i++)
		formats[i].write(profile, &options, null, &error);
	if (profile)
		report_summary(profile, &options, null, &error);
	fclose(null);
	profile_destroy(profile);
}

PP_TEST(truncated_recordings_are_refused)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_error error = {""};
	size_t size;
	unsigned char *bytes = recording_serialize(profile, &size, &error);

	folder_make();
	for (size_t length = 0; length < size; length += length < 200 ? 1 : 509) {
		file_put(path_of("a.pprf"), bytes, length);
		PP_CHECK(!readable(path_of("a.pprf")));
	}
	sqlite3_free(bytes);
	profile_destroy(profile);
	folder_remove();
}

PP_TEST(flipped_bytes_do_no_harm)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_error error = {""};
	uint64_t random = 0x9e3779b97f4a7c15u;
	size_t size;
	unsigned char *bytes = recording_serialize(profile, &size, &error);
	unsigned char *copy = malloc(size);

	folder_make();
	for (int round = 0; round < 400; round++) {
		memcpy(copy, bytes, size);
		for (uint64_t flips = 1 + maker_random(&random) % 4; flips; flips--)
			copy[100 + maker_random(&random) % (size - 100)] = (unsigned char)maker_random(&random);
		file_put(path_of("a.pprf"), copy, size);
		read_and_show(path_of("a.pprf"));
	}
	free(copy);
	sqlite3_free(bytes);
	profile_destroy(profile);
	folder_remove();
}
