/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server against processes that speak its protocol but are no real hosts: how images begin and end, who is waited
 * for, what a hostile peer can do (nothing), what an idle tree costs. The analyzer is the built executable.
 */
#include "fake_host.h"
#include "recording.h"
#include "test.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static char folder[64]; /* of this test */
static char output[128];

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void analyzer_begin(struct pp_fake_analyzer *analyzer, const char *const *extra)
{
	snprintf(folder, sizeof(folder), "/tmp/preprof-test-XXXXXX");
	if (!mkdtemp(folder))
		pp_test_fail(__FILE__, __LINE__, "mkdtemp");
	snprintf(output, sizeof(output), "%s/out.pprf", folder);
	fake_analyzer_start(analyzer, output, extra);
}

static void folder_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		pp_test_fail(__FILE__, __LINE__, "rm");
}

static struct pp_profile *recording_get(const char *path)
{
	struct pp_error error = { "" };
	struct pp_profile *profile = recording_read(path, &error);

	if (!profile)
		pp_test_fail(__FILE__, __LINE__, "%s: %s", path, error.text);
	return profile;
}

/* Waits for the analyzer and reads what it left. */
static struct pp_profile *analyzer_finish(struct pp_fake_analyzer *analyzer)
{
	PP_CHECK_EQ(fake_analyzer_wait(analyzer), 0);
	return recording_get(output);
}

static pid_t host_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

static bool analyzer_lives(const struct pp_fake_analyzer *analyzer)
{
	int status;

	return waitpid(analyzer->pid, &status, WNOHANG) == 0;
}

/* A whole life: `count` allocations, half of them freed, the exit said and the answers awaited. */
static void host_live(struct pp_fake_host *host, uint64_t count, int code, char *summary, size_t size)
{
	struct pp_wire_message message;

	for (uint64_t i = 0; i < count; i++)
		fake_host_alloc(host, 0x10000 + i * 64, 48);
	for (uint64_t i = 0; i < count / 2; i++)
		fake_host_free(host, 0x10000 + i * 64);
	fake_host_flush(host);
	host->header->ended = 1;
	host->header->exit_code = code;
	fake_host_send(host, PP_MSG_END, 0, -1);
	PP_CHECK(fake_receive(host->control, &message, NULL, 0, 3000));
	PP_CHECK_EQ(message.type, PP_MSG_SAFE);
	PP_CHECK(fake_receive(host->control, &message, summary, size, 10000));
	PP_CHECK_EQ(message.type, PP_MSG_SUMMARY);
}

/* In a process of its own, so that there is a death to be seen. */
static int host_run(const char *token, uint64_t count, int code, bool summary_expected)
{
	pid_t pid = host_fork();

	if (pid == 0) {
		static char summary[PP_WIRE_MESSAGE_MAX];
		struct pp_fake_host host;

		fake_host_start(&host, token, PP_ORIGIN_FIRST, 0);
		host_live(&host, count, code, summary, sizeof(summary));
		PP_CHECK_EQ(summary[0] != '\0', summary_expected);
		_exit(pp_test_failures ? 99 : code);
	}
	return wait_for(pid);
}

PP_TEST(end_answers_and_publishes)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;

	analyzer_begin(&analyzer, NULL);
	PP_CHECK_EQ(WEXITSTATUS(host_run(analyzer.token, 1000, 7, true)), 7);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->running, false);
		PP_CHECK_EQ(profile->process_count, 1);
		PP_CHECK_EQ(profile->processes[0].event_count, 1500);
		PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 1000);
		PP_CHECK_EQ(profile->processes[0].mem.free_count, 500);
		PP_CHECK_EQ(profile->processes[0].mem.live_bytes, 500 * 48);
		PP_CHECK_EQ(profile->processes[0].exit.known, true);
		PP_CHECK_EQ(profile->processes[0].exit.code, 7);
		PP_CHECK_STR(profile->processes[0].executable, "/usr/bin/fake host");
		PP_CHECK(profile->processes[0].end_ns != PP_UNKNOWN);
		PP_CHECK(profile->processes[0].complete);
	}
	profile_destroy(profile);
	folder_remove();
}

PP_TEST(summary_can_be_silenced)
{
	static const char *const extra[] = { "--summary", "off", NULL };
	struct pp_fake_analyzer analyzer;

	analyzer_begin(&analyzer, extra);
	PP_CHECK_EQ(WEXITSTATUS(host_run(analyzer.token, 10, 3, false)), 3);
	profile_destroy(analyzer_finish(&analyzer));
	folder_remove();
}

/* What lies in shared memory alone is not lost, and the signal is known although nobody tells it. */
PP_TEST(killed_with_unwritten_tail)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		for (uint64_t i = 0; i < 1000; i++)
			fake_host_alloc(&host, 0x10000 + i * 64, 100);
		PP_CHECK(host.slot->events_used > sizeof(struct pp_wire_frame));
		kill(getpid(), SIGKILL);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 1000);
		PP_CHECK_EQ(profile->processes[0].exit.known, true);
		PP_CHECK_EQ(profile->processes[0].exit.signal, SIGKILL);
	}
	profile_destroy(profile);
	folder_remove();
}

/* As fork does it: the child holds its parent's connection until it has its own. */
PP_TEST(forked_child_is_waited_for)
{
	struct pp_fake_analyzer analyzer;
	struct pp_fake_host host;
	struct pp_profile *profile;
	int tell[2];
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	PP_CHECK_EQ(pipe(tell), 0);
	pid = host_fork();
	if (pid == 0) {
		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_alloc(&host, 0x1000, 10);
		if (fork() == 0) {
			struct pp_fake_host own;
			uint64_t parent = host.image;

			usleep(400000);
			fake_host_start(&own, analyzer.token, PP_ORIGIN_FORK, parent);
			fake_host_forget(&host);
			fake_host_alloc(&own, 0x2000, 20);
			usleep(100000);
			_exit(5);
		}
		_exit(0);
	}
	wait_for(pid);
	close(tell[1]);
	usleep(200000);
	PP_CHECK(analyzer_lives(&analyzer));
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 2);
		PP_CHECK_EQ(profile->processes[1].parent, 0);
		PP_CHECK_EQ(profile->processes[1].origin, PP_ORIGIN_FORK);
		PP_CHECK_EQ(profile->processes[1].exit.code, 5);
	}
	profile_destroy(profile);
	folder_remove();
}

/* exec and posix_spawn close our descriptors: the announcement bridges the gap. */
static pid_t announcer_run(const struct pp_fake_analyzer *analyzer, uint64_t retract, uint64_t *image)
{
	int tell[2];
	pid_t pid;

	PP_CHECK_EQ(pipe(tell), 0);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer->token, PP_ORIGIN_FIRST, 0);
		fake_host_send(&host, PP_MSG_ANNOUNCE, 1, -1);
		if (retract)
			fake_host_send(&host, PP_MSG_RETRACT, retract, -1);
		_exit(write(tell[1], &host.image, sizeof(host.image)) != (ssize_t)sizeof(host.image));
	}
	PP_CHECK_EQ(read(tell[0], image, sizeof(*image)), (ssize_t)sizeof(*image));
	close(tell[0]);
	close(tell[1]);
	PP_CHECK_EQ(wait_for(pid), 0);
	return pid;
}

PP_TEST(announced_child_is_waited_for)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	uint64_t image;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	announcer_run(&analyzer, 0, &image);
	usleep(500000);
	PP_CHECK(analyzer_lives(&analyzer));
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_EXEC, image);
		_exit(0);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 2);
		PP_CHECK_EQ(profile->processes[1].parent, 0);
	}
	profile_destroy(profile);
	folder_remove();
}

PP_TEST(announced_child_that_never_comes)
{
	struct pp_fake_analyzer analyzer;
	uint64_t image;
	double start;

	analyzer_begin(&analyzer, NULL);
	announcer_run(&analyzer, 0, &image);
	start = seconds();
	profile_destroy(analyzer_finish(&analyzer));
	PP_CHECK(seconds() - start > 1.5);
	PP_CHECK(seconds() - start < 6);
	folder_remove();
}

PP_TEST(retracted_child_is_not_waited_for)
{
	struct pp_fake_analyzer analyzer;
	uint64_t image;
	double start;

	analyzer_begin(&analyzer, NULL);
	announcer_run(&analyzer, 1, &image);
	start = seconds();
	profile_destroy(analyzer_finish(&analyzer));
	PP_CHECK(seconds() - start < 1.5);
	folder_remove();
}

/* Where the child's process is known, its death settles it, however late. */
PP_TEST(announced_process_is_watched)
{
	struct pp_fake_analyzer analyzer;
	pid_t pid, child;
	double start;

	analyzer_begin(&analyzer, NULL);
	child = host_fork();
	if (child == 0) {
		usleep(3000000);
		_exit(0);
	}
	start = seconds();
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_send(&host, PP_MSG_ANNOUNCE, 1, (int)syscall(SYS_pidfd_open, child, 0));
		_exit(0);
	}
	wait_for(pid);
	profile_destroy(analyzer_finish(&analyzer));
	PP_CHECK(seconds() - start > 2.5);
	wait_for(child);
	folder_remove();
}

/* exec: the same process comes again. */
PP_TEST(exec_is_an_image_of_its_own)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host, next;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_alloc(&host, 0x1000, 10);
		fake_host_send(&host, PP_MSG_ANNOUNCE, 1, -1);
		fake_host_forget(&host);
		usleep(200000);
		fake_host_start(&next, analyzer.token, PP_ORIGIN_EXEC, host.image);
		fake_host_alloc(&next, 0x1000, 20);
		_exit(9);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 2);
		PP_CHECK_EQ(profile->processes[0].pid, pid);
		PP_CHECK_EQ(profile->processes[1].pid, pid);
		PP_CHECK_EQ(profile->processes[0].exit.known, false);
		PP_CHECK(profile->processes[0].end_ns != PP_UNKNOWN);
		PP_CHECK_EQ(profile->processes[0].mem.allocated_bytes, 10);
		PP_CHECK_EQ(profile->processes[1].exit.code, 9);
		PP_CHECK_EQ(profile->processes[1].mem.allocated_bytes, 20);
	}
	profile_destroy(profile);
	folder_remove();
}

/* A process that executed something unprofiled still belongs to the tree: what it starts may join. */
PP_TEST(ghost_keeps_the_tree)
{
	struct pp_fake_analyzer analyzer;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_forget(&host);
		usleep(1000000);
		_exit(0);
	}
	usleep(500000);
	PP_CHECK(analyzer_lives(&analyzer));
	wait_for(pid);
	profile_destroy(analyzer_finish(&analyzer));
	folder_remove();
}

static bool is_refused(int control)
{
	struct pp_wire_message message;
	char text[512];

	return fake_receive(control, &message, text, sizeof(text), 3000) && message.type == PP_MSG_REFUSED && text[0];
}

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
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ null_fd, host.memory, host.process }, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ host.pipe_write, host.memory, host.process }, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ host.pipe_read, unsealed, host.process }, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ host.pipe_read, host.memory, null_fd }, 3);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ host.pipe_read, host.memory }, 2);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ 0, 1, 2, 0, 1, 2 }, 6);
	PP_CHECK(is_refused(host.control));
	fake_host_make(&host, analyzer.token);
	host.header->magic = 0;
	fake_host_hello(&host, PP_ORIGIN_FIRST, 0, (int[]){ host.pipe_read, host.memory, host.process }, 3);
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
	PP_CHECK(stale < 20);
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
	snprintf(expected, sizeof(expected), "%s/fake host-%s-12-100%%-[0-9]*-20[0-9][0-9][01][0-9][0-3][0-9]T*", folder,
		 host);
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

/* ---- as `preprof run` speaks ---- */

static void control_send(int control, uint32_t type, uint64_t value, pid_t pid)
{
	struct pp_wire_message message = { type, sizeof(message), value, pid, 0 };

	PP_CHECK_EQ(send(control, &message, sizeof(message), MSG_NOSIGNAL), (ssize_t)sizeof(message));
}

static void controller_begin(struct pp_fake_analyzer *analyzer, int *control)
{
	static const char *const extra[] = { "--controller", NULL };
	struct pp_wire_message message;

	analyzer_begin(analyzer, extra);
	*control = fake_connect(analyzer->token);
	control_send(*control, PP_MSG_RUN, 0, getpid());
	PP_CHECK(fake_receive(*control, &message, NULL, 0, 5000));
	PP_CHECK_EQ(message.type, PP_MSG_SAFE);
}

PP_TEST(controller_learns_of_an_empty_profile)
{
	struct pp_fake_analyzer analyzer;
	struct pp_wire_message message;
	struct stat status;
	int control;

	controller_begin(&analyzer, &control);
	control_send(control, PP_MSG_RUN_EXIT, 0, getpid());
	PP_CHECK(fake_receive(control, &message, NULL, 0, 5000));
	PP_CHECK_EQ(message.type, PP_MSG_SUMMARY);
	PP_CHECK_EQ(message.value, 1);
	close(control);
	PP_CHECK_EQ(fake_analyzer_wait(&analyzer), 0);
	PP_CHECK(stat(output, &status) != 0);
	folder_remove();
}

/* The controller's answer comes to it, with everything that its command had done; survivors still count. */
PP_TEST(controller_gets_the_summary)
{
	static char summary[PP_WIRE_MESSAGE_MAX];
	struct pp_fake_analyzer analyzer;
	struct pp_wire_message message;
	struct pp_profile *profile;
	pid_t pid, survivor;
	int control, hold[2];

	controller_begin(&analyzer, &control);
	PP_CHECK_EQ(pipe(hold), 0);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		host_live(&host, 100, 4, summary, sizeof(summary));
		_exit(summary[0] ? 98 : pp_test_failures ? 99 : 4);
	}
	PP_CHECK_EQ(WEXITSTATUS(wait_for(pid)), 4);
	survivor = host_fork();
	if (survivor == 0) {
		struct pp_fake_host host;
		char byte;

		close(hold[1]);
		fake_host_start(&host, analyzer.token, PP_ORIGIN_FORK, 0);
		if (read(hold[0], &byte, 1) != 0)
			_exit(1);
		fake_host_alloc(&host, 0x1000, 5);
		_exit(0);
	}
	usleep(100000);
	control_send(control, PP_MSG_RUN_EXIT, 4 << 8, pid);
	PP_CHECK(fake_receive(control, &message, summary, sizeof(summary), 5000));
	PP_CHECK_EQ(message.type, PP_MSG_SUMMARY);
	PP_CHECK_EQ(message.value, 0);
	PP_CHECK(summary[0] != '\0');
	profile = recording_get(output);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 2);
		PP_CHECK_EQ(profile->running, true);
		PP_CHECK_EQ(profile->processes[0].exit.code, 4);
		PP_CHECK_EQ(profile->processes[0].mem.allocation_count, 100);
	}
	profile_destroy(profile);
	close(control);
	PP_CHECK(analyzer_lives(&analyzer));
	close(hold[1]);
	wait_for(survivor);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->running, false);
		PP_CHECK_EQ(profile->processes[1].mem.allocated_bytes, 5);
	}
	profile_destroy(profile);
	folder_remove();
}
