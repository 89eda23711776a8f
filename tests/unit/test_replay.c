/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved streams: the golden ones give what their .txt says, and what is saved while a trace is fed gives the same
 * profile when it is played. PREPROF_SOURCE names the source folder. With PREPROF_GOLDEN_WRITE set, the .txt files are
 * written instead: look at the difference before keeping it.
 */
#include "image.h"
#include "profile_dump.h"
#include "replay.h"
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#include <sys/stat.h>

static char *play_dump(const char *path)
{
	struct pp_trace *trace = trace_create();
	struct pp_error error = {""};
	struct pp_replay *replay = replay_load(trace, path, &error);
	char *text = NULL;

	if (replay) {
		struct pp_profile *profile = trace_snapshot(trace, MAKER_START_NS, false);

		text = profile_dump(profile);
		profile_destroy(profile);
	} else {
		pp_test_fail(__FILE__, __LINE__, "%s", error.text);
	}
	trace_destroy(trace);
	replay_free(replay);
	return text;
}

static void golden(const char *name)
{
	const char *source = getenv("PREPROF_SOURCE");
	char raw[4096], txt[4096], expected[65536] = "";
	char *text;
	FILE *file;

	snprintf(raw, sizeof(raw), "%s/tests/golden/%s.raw", source ? source : ".", name);
	snprintf(txt, sizeof(txt), "%s/tests/golden/%s.txt", source ? source : ".", name);
	text = play_dump(raw);
	if (!text)
		return;
	if (getenv("PREPROF_GOLDEN_WRITE")) {
		file = fopen(txt, "w");
		fputs(text, file);
		fclose(file);
	}
	file = fopen(txt, "r");
	PP_CHECK(file != NULL);
	if (file) {
		expected[fread(expected, 1, sizeof(expected) - 1, file)] = '\0';
		fclose(file);
	}
	PP_CHECK_STR(text, expected);
	free(text);
}

PP_TEST(golden_records)
{
	golden("records");
}

PP_TEST(golden_threads)
{
	golden("threads");
}

PP_TEST(golden_fork)
{
	golden("fork");
}

/* Two threads, fed and looked at in small steps while saving. */
PP_TEST(saved_and_played)
{
	char path[] = "/tmp/preprof-replay-XXXXXX";
	struct pp_trace *trace = trace_create();
	struct pp_error error = {""};
	struct maker_thread threads[2];
	struct pp_profile *profile;
	struct pp_image *image;
	struct maker maker;
	char *live, *played;

	close(mkstemp(path));
	PP_CHECK(replay_save_start(trace, path, &error));
	maker_init(&maker, 1);
	maker_module(&maker, 0x1000, 0x9000, 0, 0, "/lib/one.so", "\x01", 1);
	for (uint64_t i = 1; i <= 5; i++)
		maker_node(&maker, (uint32_t)i - 1, 0x1000 + 16 * i, 0, 0);
	maker.stamp = UINT64_C(1) << 58;
	thread_start(&threads[0], &maker, 0, "main");
	thread_start(&threads[1], &maker, 1, "other");
	image = check_image(trace, &maker);
	for (uint32_t i = 0; i < 3000; i++) {
		uint64_t address = UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i / 2 % 40);

		maker.stamp += 9;
		maker.now_ns += 100000;
		if (i % 2 == 0)
			thread_alloc(&threads[i % 3 % 2], address, i, 1 + i % 5);
		else
			thread_free(&threads[i % 5 % 2], address);
		thread_sample(&threads[i % 2], 1 + i % 3, 1, maker.now_ns);
		if (i % 97 == 0)
			check_feed(image, &maker, 777);
		if (i % 211 == 0)
			reader_look(image, maker.stamp + (4000000 >> 3));
	}
	profile = check_end(trace, image, &maker);
	PP_CHECK(replay_save_finish(trace, &error));
	PP_CHECK_EQ(profile->processes[0].mem.free_count, 1500);
	PP_CHECK(profile->complete);
	live = profile_dump(profile);
	played = play_dump(path);
	PP_CHECK_STR(played, live);
	PP_CHECK(strstr(live, "/lib/one.so+0x101f") != NULL);
	free(live);
	free(played);
	profile_destroy(profile);
	trace_destroy(trace);
	maker_finish(&maker);
	unlink(path);
}

PP_TEST(files_that_are_none)
{
	struct pp_trace *trace = trace_create();
	struct pp_error error = {""};

	PP_CHECK(!replay_load(trace, "/nonexistent/stream", &error));
	PP_CHECK(strstr(error.text, "/nonexistent/stream") != NULL);
	PP_CHECK(!replay_load(trace, "/proc/self/exe", &error));
	PP_CHECK(strstr(error.text, "not a saved stream") != NULL);
	PP_CHECK(!replay_load_bytes(trace, "", 0, &error));
	PP_CHECK(!replay_save_start(trace, "/nonexistent/stream", &error));
	trace_destroy(trace);
}

static bool save_tries(const char *path)
{
	struct pp_trace *trace = trace_create();
	struct pp_error error = {""};
	bool good = replay_save_start(trace, path, &error);

	if (good)
		PP_CHECK(replay_save_finish(trace, &error));
	else
		PP_CHECK(strstr(error.text, path) != NULL);
	trace_destroy(trace);
	return good;
}

static uint64_t file_size(const char *path)
{
	struct stat status;

	PP_CHECK(stat(path, &status) == 0);
	return (uint64_t)status.st_size;
}

/* Only an older stream is replaced; no link is followed and nobody's pipe is waited for. */
PP_TEST(saving_takes_a_name_of_its_own)
{
	char folder[] = "/tmp/preprof-save-XXXXXX", path[64], other[64];
	struct stat status;
	FILE *file;

	umask(0);
	PP_CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/stream", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	PP_CHECK(save_tries(path));
	PP_CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
	PP_CHECK(link(path, other) == 0);
	PP_CHECK(save_tries(path));
	PP_CHECK(stat(other, &status) == 0 && status.st_nlink == 1); /* a new file, not the old one written over */
	unlink(path);
	unlink(other);
	file = fopen(other, "w");
	fputs("precious", file);
	fclose(file);
	PP_CHECK(!save_tries(other));
	PP_CHECK(symlink(other, path) == 0);
	PP_CHECK(!save_tries(path));
	PP_CHECK_EQ(file_size(other), 8);
	unlink(path);
	unlink(other);
	PP_CHECK(symlink(other, path) == 0); /* to nothing */
	PP_CHECK(!save_tries(path));
	PP_CHECK(access(other, F_OK) != 0);
	unlink(path);
	PP_CHECK(mkfifo(path, 0600) == 0);
	PP_CHECK(!save_tries(path));
	unlink(path);
	PP_CHECK(rmdir(folder) == 0);
}
