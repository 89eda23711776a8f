/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit path. Destructors and stdio's own flush run after atexit handlers, and they free: so the pipe stays open
 * and recording until death, and the wait for the analyzer comes as late as the program lets us. Our destructor runs
 * somewhere among those of the other objects; what it registers then (without a DSO handle) runs when all of them
 * are done. Only the first image of a tree without a controller waits: for every other one the data are safe in
 * the analyzer's own mapping and pipe.
 */
#include "finish.h"
#include "emit.h"
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

extern int __cxa_atexit(void (*function)(void *), void *argument, void *dso);

static int exit_code_seen = -1;
static uint32_t finished;

static bool stderr_is_the_same(void)
{
	struct stat status;

#if defined(__x86_64__)
	if (RAW_CALL(SYS_fstat, 2, &status) < 0)
#else
	if (RAW_CALL(SYS_newfstatat, 2, "", &status, 0x1000) < 0)
#endif
		return false;
	return status.st_dev == pp_session.stderr_device && status.st_ino == pp_session.stderr_inode;
}

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

/* The answers to END: SAFE, then the summary's text. */
static void summary_await(void)
{
	static struct {
		struct pp_wire_message message;
		char text[PP_WIRE_MESSAGE_MAX - sizeof(struct pp_wire_message)];
	} answer;
	uint64_t began = clock_now_ns();
	uint64_t deadline = began + SAFE_NS;
	size_t size;

	while ((size = message_receive(&answer.message, sizeof(answer), deadline)) != 0) {
		if (answer.message.type == PP_MSG_SAFE)
			deadline = began + SUMMARY_NS;
		if (answer.message.type != PP_MSG_SUMMARY)
			continue;
		size -= sizeof(answer.message);
		if (size && stderr_is_the_same())
			write_all(2, answer.text, size);
		return;
	}
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
	tls->guard = 1;
	thread = thread_current();
	if (thread) {
		thread->slot->cpu_ns = clock_thread_cpu_ns();
		pipe_flush_events(thread);
	}
	usage_store(pp_session.header, exit_code);
	if (session_send(PP_MSG_END, 0, pp_session.pid, -1) && !pp_session.parent_image && !pp_session.controlled)
		summary_await();
	tls->guard = guard;
}

void finish_reset(void)
{
	finished = 0;
	exit_code_seen = -1;
}

static void at_the_very_end(void *unused)
{
	(void)unused;
	session_finish(exit_code_seen);
}

static void exit_code_note(int status, void *unused)
{
	(void)unused;
	exit_code_seen = status & 0xff;
}

void finish_init(void)
{
	on_exit(exit_code_note, NULL);
}

__attribute__((destructor)) static void among_the_destructors(void)
{
	pp_tls.guard++;
	if (__cxa_atexit(at_the_very_end, NULL, NULL) != 0)
		session_finish(exit_code_seen);
	pp_tls.guard--;
}
