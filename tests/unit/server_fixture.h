/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the server share: a folder, an analyzer that writes there, hosts that live and die. */
#ifndef PREPROF_SERVER_FIXTURE_H
#define PREPROF_SERVER_FIXTURE_H

#include "fake_host.h"
#include "recording.h"
#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#pragma GCC diagnostic ignored "-Wunused-function"

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
	struct pp_error error = {""};
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

static bool is_refused(int control)
{
	struct pp_wire_message message;
	char text[512];

	return fake_receive(control, &message, text, sizeof(text), 3000) && message.type == PP_MSG_REFUSED && text[0];
}

#endif
