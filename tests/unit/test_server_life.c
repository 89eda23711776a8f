/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How images begin and end for the server, and who is waited for: against processes that speak its protocol but are no
 * real hosts, and as `preprof run` speaks. The analyzer is the built executable.
 */
#include "server_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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
	static const char *const extra[] = {"--summary", "off", NULL};
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

/* What ended such a process is told of the last image that was seen of it. */
PP_TEST(ghost_tells_how_it_ended)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		fake_host_forget(&host);
		usleep(500000);
		_exit(33);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 1);
		PP_CHECK_EQ(profile->processes[0].exit.known, true);
		PP_CHECK_EQ(profile->processes[0].exit.code, 33);
	}
	profile_destroy(profile);
	folder_remove();
}

/* An image that was followed by another in the same process did not end as the process did, even where the analyzer
 * learns of the process's death before it has read the second image's greeting. */
PP_TEST(exec_and_death_at_once)
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
		usleep(200000);
		kill(analyzer.pid, SIGSTOP);
		fake_host_send(&host, PP_MSG_ANNOUNCE, 1, (int)syscall(SYS_pidfd_open, getpid(), 0));
		fake_host_forget(&host);
		fake_host_start(&next, analyzer.token, PP_ORIGIN_EXEC, host.image);
		fake_host_alloc(&next, 0x1000, 20);
		_exit(9);
	}
	wait_for(pid);
	kill(analyzer.pid, SIGCONT);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 2);
		PP_CHECK_EQ(profile->processes[0].exit.known, false);
		PP_CHECK_EQ(profile->processes[0].mem.allocated_bytes, 10);
		PP_CHECK_EQ(profile->processes[1].exit.code, 9);
		PP_CHECK_EQ(profile->processes[1].mem.allocated_bytes, 20);
	}
	profile_destroy(profile);
	folder_remove();
}

static pid_t announced_child(const struct pp_fake_analyzer *analyzer, struct pp_fake_host *parent, unsigned int after_us)
{
	pid_t pid = fork();
	struct pp_fake_host host;

	if (pid == 0) {
		fake_host_forget(parent);
		usleep(after_us);
		fake_host_start(&host, analyzer->token, PP_ORIGIN_EXEC, parent->image);
		fake_host_alloc(&host, 0x1000, after_us);
		_exit(0);
	}
	fake_host_send(parent, PP_MSG_ANNOUNCE, 1, (int)syscall(SYS_pidfd_open, pid, 0));
	return pid;
}

/* The second of two announced children comes first: the first one is still expected. */
PP_TEST(announcements_are_of_processes)
{
	struct pp_fake_analyzer analyzer;
	struct pp_profile *profile;
	pid_t pid;

	analyzer_begin(&analyzer, NULL);
	pid = host_fork();
	if (pid == 0) {
		struct pp_fake_host host;

		fake_host_start(&host, analyzer.token, PP_ORIGIN_FIRST, 0);
		announced_child(&analyzer, &host, 700000);
		announced_child(&analyzer, &host, 100000);
		_exit(0);
	}
	wait_for(pid);
	profile = analyzer_finish(&analyzer);
	if (profile) {
		PP_CHECK_EQ(profile->process_count, 3);
		PP_CHECK_EQ(profile->processes[1].mem.allocated_bytes, 100000);
		PP_CHECK_EQ(profile->processes[2].mem.allocated_bytes, 700000);
	}
	profile_destroy(profile);
	folder_remove();
}

/* ---- as `preprof run` speaks ---- */

static void control_send(int control, uint32_t type, uint64_t value, pid_t pid)
{
	struct pp_wire_message message = {type, sizeof(message), value, pid, 0};

	PP_CHECK_EQ(send(control, &message, sizeof(message), MSG_NOSIGNAL), (ssize_t)sizeof(message));
}

static void controller_begin(struct pp_fake_analyzer *analyzer, int *control)
{
	static const char *const extra[] = {"--controller", NULL};
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
