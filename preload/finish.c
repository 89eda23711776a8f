/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit path. Destructors and stdio's own flush run after atexit handlers, and they free: so the pipe stays open
 * and recording until death, and the wait for the analyzer comes as late as the program lets us. Exit handlers run in
 * the reverse order of their registration. libc registers the loader's (which runs every destructor) when it is about
 * to call main, after the constructors: so what our constructor registers runs when all destructors are done, and it is
 * told the status. Only the first process of a tree without a controller waits: for every other one the data are safe in
 * the analyzer's own mapping and pipe. With pid 1 of a container everything else in it dies, the analyzer included: it
 * waits until the recording is published.
 */
#include "finish.h"
#include "emit.h"
#include "io.h"
#include "sql.h"
#include "message.h"
#include "raw.h"
#include "sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SAFE_NS UINT64_C(300000000)
#define SUMMARY_NS UINT64_C(3000000000)

static uint32_t finished;

static void write_all(int fd, const char *text, size_t size)
{
	while (size) {
		long written = RAW_CALL(SYS_write, fd, text, size);

		if (written == -EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		size -= (size_t)written;
	}
}

static void usage_store(struct pp_wire_header *header, int exit_code)
{
	struct rusage usage;

	if (RAW_CALL(SYS_getrusage, RUSAGE_SELF, &usage) == 0) {
		header->user_ns = (uint64_t)usage.ru_utime.tv_sec * 1000000000 + (uint64_t)usage.ru_utime.tv_usec * 1000;
		header->system_ns =
			(uint64_t)usage.ru_stime.tv_sec * 1000000000 + (uint64_t)usage.ru_stime.tv_usec * 1000;
		header->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
		header->cpu_ns = header->user_ns + header->system_ns;
	}
	header->exit_code = exit_code;
	__atomic_store_n(&header->ended, 1, __ATOMIC_RELEASE);
}

/* The answers to END: SAFE, then the summary's text. false: there is nobody to give them. */
static bool summary_await(void)
{
	static struct {
		struct pp_wire_message message;
		char text[PP_WIRE_MESSAGE_MAX - sizeof(struct pp_wire_message)];
	} answer;
	uint64_t began = clock_now_ns();
	uint64_t deadline = began + SAFE_NS;
	size_t size;

	while ((size = message_receive(&answer.message, sizeof(answer), deadline)) != 0) {
		if (answer.message.type == PP_MSG_SAFE) {
			if (!pp_session.settings.summary && pp_session.pid != 1)
				return true;
			deadline = began + SUMMARY_NS;
		}
		if (answer.message.type != PP_MSG_SUMMARY)
			continue;
		size -= sizeof(answer.message);
		if (size && session_stderr_is_the_same())
			write_all(2, answer.text, size);
		return true;
	}
	return clock_now_ns() >= deadline;
}

void session_finish(int exit_code)
{
	struct pp_tls *tls = &pp_tls;
	struct pp_thread *thread;
	uint32_t guard;

	if (pp_session.header == NULL || pp_session.state == PP_STATE_OFF || raw_getpid() != pp_session.pid ||
	    __atomic_exchange_n(&finished, 1, __ATOMIC_SEQ_CST))
		return;
	guard = tls->guard;
	tls->guard = PP_GUARD_LIBRARY;
	thread = thread_current();
	if (thread) {
		sql_finish();
		if (pp_session.settings.io && !pp_session.io_blind)
			io_lives_name(thread);
		thread->slot->cpu_ns = clock_thread_cpu_ns();
		pipe_flush_events(thread);
	}
	io_account_finish();
	usage_store(pp_session.header, exit_code);
	if (pp_session.pid == pp_session.first_pid || pp_session.pid == 1) {
		if (!(session_send(PP_MSG_END, 0, pp_session.pid, -1) && summary_await()) && session_stderr_is_the_same())
			session_stop("the analyzer has died");
	} else {
		session_send(PP_MSG_END, 0, pp_session.pid, -1);
	}
	tls->guard = guard;
}

void finish_reset(void)
{
	finished = 0;
}

static void at_the_very_end(int status, void *unused)
{
	(void)unused;
	session_finish(status & 0xff);
}

void finish_init(void)
{
	on_exit(at_the_very_end, NULL);
}
