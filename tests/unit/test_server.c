/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server lets no peer do, what it costs, and where its recordings go. The analyzer is the built executable;
 * its peers are made up.
 */
#include "publish.h"
#include "server_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* One greeting each that is wrong in one way; none may be taken, none may disturb what follows. */
PP_TEST(garbage_is_refused)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	struct pp_fake_host host, keeper;
	int null_fd = open("/dev/null", O_RDWR), unsealed = memfd_create("fake", 0), keep;
	unsigned char noise[4096];

	analyzer_begin(&analyzer, NULL);
	keep = fake_connect(analyzer.token); /* the tree does not end meanwhile */
	PP_CHECK_EQ(ftruncate(unsealed, PP_WIRE_SPACE), 0);
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){null_fd, host.memory, host.process}, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){host.pipe_write, host.memory, host.process}, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){host.pipe_read, unsealed, host.process}, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){host.pipe_read, host.memory, null_fd}, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){host.pipe_read}, 1);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){0, 1, 2, 0, 1, 2}, 6);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	host.header->magic = 0;
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){host.pipe_read, host.memory, host.process}, 3);
	PP_CHECK(is_refused(host.control));
	srand(1);
	for (size_t i = 0; i < 2000; i++) {
		int control = fake_connect(analyzer.token);

		for (size_t j = 0; j < sizeof(noise); j++)
			noise[j] = (unsigned char)rand();
		noise[0] = (unsigned char)(i % 12);
		memset(noise + 1, 0, 3);
		noise[4] = (unsigned char)(i % 4096);
		noise[5] = (unsigned char)((i % 4096) >> 8);
		memset(noise + 6, 0, 2);
		if (send(control, noise, i % 4096, MSG_NOSIGNAL) < 0)
			pp_test_fail(__FILE__, __LINE__, "send");
		close(control);
	}
	fake_host_start(&keeper, analyzer.token, PP_ORIGIN_FIRST, 0);
	close(keep);
	host_live(&keeper, 10, 0, NULL, 0);
	fake_host_forget(&keeper);
	/* The process is this one, and it lives on: only its descriptors are gone. */
	kill(analyzer.pid, SIGTERM);
	PP_CHECK(analyzer_lives(&analyzer));
	profile = recording_get(output);
	if (profile)
		PP_CHECK_EQ(profile->process_count, 1);
	profile_destroy(profile);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

PP_TEST(other_user_is_refused)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	pid_t pid;

	if (geteuid() != 0)
		return; /* there is no other user to become */
	analyzer_begin(&analyzer, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	pid = host_fork();
	if (pid == 0) {
		int control;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		control = fake_connect(analyzer.token);
		_exit(control >= 0 && is_refused(control) ? 0 : 1);
	}
	PP_CHECK_EQ(wait_for(pid), 0);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

/* Everyone can read the socket's name. Who has no business there neither ends the wait for the program nor fills the
 * recording's notes. */
PP_TEST(strangers_change_nothing)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	struct pp_profile *profile;
	uint32_t notes = 0;
	pid_t pid;

	if (geteuid() != 0)
		return; /* there is no other user to become */
	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		for (int i = 0; i < 300; i++) {
			int control = fake_connect(analyzer.token);

			if (control < 0)
				_exit(1);
			close(control);
		}
		_exit(0);
	}
	PP_CHECK_EQ(wait_for(pid), 0);
	usleep(200000);
	PP_CHECK(analyzer_lives(&analyzer));
	pid = host_fork();
	if (pid == 0) {
		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_alloc(&host, 0x1000, 10);
		_exit(0);
	}
	PP_CHECK_EQ(wait_for(pid), 0);
	profile = analyzer_finish(&analyzer);
	PP_CHECK_EQ(profile->process_count, 1);
	PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 1);
	while (profile->notes[notes])
		notes++;
	PP_CHECK(notes <= 4);
	profile_destroy(profile);
	folder_remove();
}

static uint64_t proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64], text[4096];
	const char *at;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	at = *key ? strstr(text, key) : text;
	return at ? strtoull(at + strlen(key), NULL, 10) : UINT64_MAX;
}

/* A program that sleeps is not woken, and neither is its analyzer. */
PP_TEST(idle_costs_nothing)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	uint64_t wakes, cpu_ns;

	analyzer_begin(&analyzer, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	fake_host_alloc(&host, 0x1000, 10);
	fake_host_flush(&host);
	usleep(2700000); /* the first publication is behind us */
	wakes = proc_number(analyzer.pid, "status", "\nvoluntary_ctxt_switches:");
	cpu_ns = proc_number(analyzer.pid, "schedstat", "");
	usleep(2000000);
	PP_CHECK_EQ(proc_number(analyzer.pid, "status", "\nvoluntary_ctxt_switches:") - wakes, 0);
	PP_CHECK_EQ(proc_number(analyzer.pid, "schedstat", "") - cpu_ns, 0);
	PP_CHECK_EQ(host.header->clock_ns, 0);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

/* While data flow the hooks' clock is kept: never older than a few milliseconds, and taken back afterwards. */
PP_TEST(clock_is_kept_while_data_flow)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	uint64_t progress, kept = 0, stale = 0;

	analyzer_begin(&analyzer, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	PP_CHECK_EQ(host.header->clock_ns, 0);
	progress = host.header->progress;
	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t clock_ns;

		for (uint64_t j = 0; j < 200; j++)
			fake_host_alloc(&host, 0x10000 + (i * 200 + j) * 64, 10);
		usleep(200);
		clock_ns = *(volatile uint64_t *)&host.header->clock_ns;
		kept += clock_ns != 0;
		stale += clock_ns != 0 && seconds() - (double)clock_ns * 1e-9 > 0.02;
	}
	PP_CHECK(kept > 1500);
	PP_CHECK(stale < kept / 2); /* now and then on a loaded machine: nobody promised us the processor */
	PP_CHECK(host.header->progress > progress + 100);
	usleep(400000);
	PP_CHECK_EQ(host.header->clock_ns, 0);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

/* A writer that blocks on a full pipe gets on: everything arrives. */
PP_TEST(fast_writer_loses_nothing)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		for (uint64_t i = 0; i < 1000000; i++) {
			fake_host_alloc(&host, 0x10000 + (i % 1000) * 64, 10);
			fake_host_free(&host, 0x10000 + (i % 1000) * 64);
		}
		_exit(0);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->processes[0].event_count, 2000000);
		PP_CHECK_EQ(profile->processes[0].lost_count, 0);
		PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 1000000);
		PP_CHECK_EQ(profile->processes[0].mem.live_count, 0);
	}
	profile_destroy(profile);
	folder_remove();
}

PP_TEST(snapshot_is_published_at_once)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	struct pp_profile *profile;
	struct stat status;
	int waited = 0;

	analyzer_begin(&analyzer, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	fake_host_alloc(&host, 0x1000, 77); /* not flushed */
	fake_host_send(&host, PP_MSG_SNAPSHOT, 0, -1);
	while (stat(output, &status) != 0 && waited++ < 150)
		usleep(10000);
	PP_CHECK(waited < 150);
	profile = recording_get(output);
	if (profile) {
		PP_CHECK_EQ(profile->running, true);
		PP_CHECK_EQ(profile->processes[0].mem.allocated_bytes, 77);
	}
	profile_destroy(profile);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

/* Killed itself, the analyzer leaves what was published 2 s after the start. */
PP_TEST(recording_survives_the_analyzer)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	struct pp_profile *profile;

	analyzer_begin(&analyzer, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	fake_host_alloc(&host, 0x1000, 77);
	fake_host_flush(&host);
	usleep(2600000);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	profile = recording_get(output);
	if (profile)
		PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 1);
	profile_destroy(profile);
	folder_remove();
}

static void file_expect(const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		pp_test_fail(__FILE__, __LINE__, "no file %s", pattern);
	else
		globfree(&found);
}

PP_TEST(output_pattern_is_expanded)
{
	struct pp_fake_analyzer analyzer;
	char pattern[256], expected[256], host[128];

	snprintf(folder, sizeof(folder), "/tmp/preprof-test-XXXXXX");
	PP_CHECK(mkdtemp(folder) != NULL);
	setenv("PMI_RANK", "12", 1);
	snprintf(pattern, sizeof(pattern), "%s/%%n-%%h-%%r-100%%%%-%%p-%%t", folder);
	fake_analyzer_start(&analyzer, pattern, NULL);
	host_run(analyzer.token, 1, 0, true);
	PP_CHECK_EQ(fake_analyzer_wait(&analyzer), 0);
	gethostname(host, sizeof(host));
	snprintf(expected, sizeof(expected), "%s/fake host-%s-12-100%%-[0-9]*-20[0-9][0-9][01][0-9][0-3][0-9]T*",
		 folder, host);
	file_expect(expected);
	folder_remove();
}

/* A folder that does not exist: the data land in $TMPDIR, and the summary says where. */
PP_TEST(output_falls_back)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	static char summary[PP_WIRE_MESSAGE_MAX];
	char expected[256];
	struct stat status;

	snprintf(folder, sizeof(folder), "/tmp/preprof-test-XXXXXX");
	PP_CHECK(mkdtemp(folder) != NULL);
	setenv("TMPDIR", folder, 1);
	fake_analyzer_start(&analyzer, "/nonexistent folder/out.pprf", NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	host_live(&host, 10, 0, summary, sizeof(summary));
	snprintf(expected, sizeof(expected), "%s/out.pprf", folder);
	PP_CHECK(strstr(summary, expected) != NULL);
	PP_CHECK(strstr(summary, "/nonexistent folder") != NULL);
	PP_CHECK_EQ(stat(expected, &status), 0);
	kill(analyzer.pid, SIGKILL);
	fake_analyzer_wait(&analyzer);
	folder_remove();
}

PP_TEST(wrong_pattern_is_refused)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;

	snprintf(folder, sizeof(folder), "/tmp/preprof-test-XXXXXX");
	PP_CHECK(mkdtemp(folder) != NULL);
	snprintf(output, sizeof(output), "%s/%%q", folder);
	fake_analyzer_start(&analyzer, output, NULL);
	fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
	PP_CHECK(is_refused(host.control));
	fake_host_forget(&host);
	PP_CHECK_EQ(fake_analyzer_wait(&analyzer), 0);
	folder_remove();
}

/* Often while it is cheap, every half minute when it is not, and never more than a tenth of the time. */
PP_TEST(publications_have_their_share_of_the_time)
{
	const uint64_t ms = 1000000, s = 1000 * ms;

	PP_CHECK_EQ(publication_interval_ns(1 * ms, 2 * s), 2 * s);
	PP_CHECK_EQ(publication_interval_ns(1 * ms, 40 * s), 30 * s);
	PP_CHECK_EQ(publication_interval_ns(100 * ms, 2 * s), 5 * s);
	PP_CHECK_EQ(publication_interval_ns(1 * s, 2 * s), 30 * s);
	PP_CHECK_EQ(publication_interval_ns(3 * s, 2 * s), 30 * s);
	PP_CHECK_EQ(publication_interval_ns(20 * s, 2 * s), 30 * s);
	PP_CHECK_EQ(publication_interval_ns(200 * s, 2 * s), 200 * s);
}
