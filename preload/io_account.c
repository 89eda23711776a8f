/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts beside us: rchar and wchar of /proc/PID/task/TID/io, bytes of the read and write families of
 * system calls (send and recv are in none). By thread, since the process's own sum takes in the children that it has
 * waited for. Kept in the shared header: the first thread's at the start (exec does not reset them), each thread's at its
 * end, those that live at the process's end then. What was ours of them is counted where it happens.
 *
 * Beside it, what the scheduler counts: each thread's CPU time, and for how long it was ready without a processor.
 *
 * Context: guard held, by any thread. errno untouched.
 */
#include "io.h"
#include "raw.h"

#include <string.h>

#define THREADS_LIMIT 256 /* at the end: more would take longer than the figure is worth */

/* The number after `name` in the file's text; 0: it is not there. */
static uint64_t figure(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	uint64_t value = 0;

	if (!at)
		return 0;
	for (at += strlen(name); *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

/* Bytes of the file itself; 0: it cannot be read. */
static uint64_t account_read(const char *path, uint64_t *read, uint64_t *written)
{
	char text[256];
	long size = pp_session.io_blind ? 0 : raw_read_file(path, text, sizeof(text) - 1);

	if (size <= 0)
		return 0;
	text[size] = '\0';
	*read = figure(text, "rchar: ");
	*written = figure(text, "wchar: ");
	return (uint64_t)size;
}

/* CPU time and delay, in /proc/.../schedstat. Bytes of the file; 0: it cannot be read. */
static uint64_t schedule_read(const char *path, uint64_t *cpu_ns, uint64_t *delay_ns)
{
	char text[80];
	long size = pp_session.io_blind ? 0 : raw_read_file(path, text, sizeof(text) - 1);

	if (size <= 0)
		return 0;
	text[size] = '\0';
	*cpu_ns = figure(text, "");
	*delay_ns = figure(text, " ");
	*delay_ns += *delay_ns == 0; /* 0 would say that it is not known */
	return (uint64_t)size;
}

void io_account_schedule(struct pp_wire_slot *slot)
{
	uint64_t cpu_ns, size;

	if (!pp_session.settings.io)
		return;
	size = schedule_read("/proc/thread-self/schedstat", &cpu_ns, &slot->run_delay_ns);
	__atomic_add_fetch(&pp_session.header->io_own_read, size, __ATOMIC_RELAXED);
}

void io_account_begin(void)
{
	struct pp_wire_header *header = pp_session.header;
	uint64_t size;

	if (!pp_session.settings.io)
		return;
	size = account_read("/proc/thread-self/io", &header->io_base_read, &header->io_base_write);
	if (!size)
		return;
	header->io_own_read += size; /* the kernel counts a read when it is over: this one is not in the base yet */
	header->io_known = 1;
}

void io_account_thread_end(void)
{
	struct pp_wire_header *header = pp_session.header;
	uint64_t read, written;

	if (!pp_session.settings.io || !account_read("/proc/thread-self/io", &read, &written))
		return;
	__atomic_add_fetch(&header->io_ended_read, read, __ATOMIC_RELAXED);
	__atomic_add_fetch(&header->io_ended_write, written, __ATOMIC_RELAXED);
}

static void thread_path(char *path, uint32_t tid, const char *file)
{
	char digits[12];
	int count = 0;

	strcpy(path, "/proc/self/task/");
	path += 16;
	do
		digits[count++] = (char)('0' + tid % 10);
	while ((tid /= 10) > 0);
	while (count)
		*path++ = digits[--count];
	strcpy(path, file);
}

void io_account_finish(void)
{
	struct pp_wire_header *header = pp_session.header;
	uint32_t count = header->slot_count;
	char path[64];

	if (!pp_session.settings.io || header->io_known != 1 || count > THREADS_LIMIT || pp_session.io_blind)
		return;
	if (thread_current())
		io_account_schedule(thread_current()->slot);
	io_account_thread_end(); /* this one first: what the reads of the others' come to is not in it */
	for (uint32_t i = 0; i < count; i++) {
		struct pp_wire_slot *slot = session_shared(PP_WIRE_SLOTS + (uint64_t)i * sizeof(*slot));
		uint64_t read = 0, written = 0;

		if (!slot || slot->state != PP_SLOT_LIVE || slot->end_ns || (int)slot->tid == raw_gettid())
			continue;
		thread_path(path, slot->tid, "/io");
		account_read(path, &read, &written);
		thread_path(path, slot->tid, "/schedstat");
		schedule_read(path, &slot->cpu_ns, &slot->run_delay_ns);
		header->io_ended_read += read;
		header->io_ended_write += written;
	}
	__atomic_store_n(&header->io_known, 2, __ATOMIC_RELEASE);
}
