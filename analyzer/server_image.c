/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process image as the server holds it: its pipe, shared memory and pidfd, from HELLO until nothing more can come.
 * All three were made by another process and are checked before they are used. Called by the server's thread.
 */
#include "server_internal.h"

#include "memory_limit.h"
#include "process_end.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Quiet images are looked at this often for what was held back, and then no more until something comes. */
#define QUIET_BEAT_NS	UINT64_C(100000000)
#define QUIET_BEATS	3
#define FLOWING_BEAT_NS UINT64_C(4000000)
/* Descriptors are closed before a process is dead: how long its death may follow the end of its pipe. */
#define DEATH_WAIT_NS UINT64_C(100000000)

static bool descriptors_check(const int fds[3], size_t *shared_size, struct pp_error *error)
{
	struct stat status;
	int flags, seals;

	flags = fcntl(fds[0], F_GETFL);
	if (fstat(fds[0], &status) != 0 || !S_ISFIFO(status.st_mode) || flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return error_set(error, "its pipe is none");
	seals = fcntl(fds[1], F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fds[1], &status) != 0)
		return error_set(error, "its shared memory is not sealed");
	if (status.st_size < (off_t)PP_WIRE_DEFS || (uint64_t)status.st_size > PP_WIRE_SPACE)
		return error_set(error, "its shared memory has a size of %lld bytes", (long long)status.st_size);
	if (syscall(SYS_pidfd_send_signal, fds[2], 0, NULL, 0) != 0 && errno == EBADF)
		return error_set(error, "its process descriptor is none");
	*shared_size = (size_t)status.st_size & ~(size_t)4095;
	return true;
}

/* The header is written by both sides, the rest only read here. */
static struct pp_wire_header *shared_map(int fd, size_t size, struct pp_error *error)
{
	void *shared = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (shared == MAP_FAILED) {
		error_set(error, "its shared memory cannot be mapped: %s", strerror(errno));
		return NULL;
	}
	if (mprotect(shared, PP_WIRE_HEADER_SPACE, PROT_READ | PROT_WRITE) != 0) {
		error_set(error, "its shared memory cannot be written: %s", strerror(errno));
		munmap(shared, size);
		return NULL;
	}
	return shared;
}

struct pp_source *source_find(struct pp_server *server, uint64_t id)
{
	struct pp_source *source;

	TAILQ_FOREACH(source, &server->sources, link)
	{
		if (source->id == id)
			return source;
	}
	return NULL;
}

static void lively_set(struct pp_server *server, struct pp_source *source, bool lively)
{
	if (source->lively == lively)
		return;
	source->lively = lively;
	if (lively)
		TAILQ_INSERT_TAIL(&server->lively, source, lively_link);
	else
		TAILQ_REMOVE(&server->lively, source, lively_link);
	if (!lively && source->header)
		__atomic_store_n(&source->header->clock_ns, 0, __ATOMIC_RELAXED);
}

/* All that can be in the pipe of a process that has ended. A descendant that still holds it open must not keep us. */
static void source_drain_last(struct pp_server *server, struct pp_source *source)
{
	int capacity = fcntl(source->pipe.fd, F_GETPIPE_SZ);
	size_t total = 0;

	while (source->pipe.fd >= 0 && total <= (size_t)(capacity > 0 ? capacity : PP_PIPE_BYTES)) {
		ssize_t got = read(source->pipe.fd, server->buffer, sizeof(server->buffer));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		image_feed(source->image, server->buffer, (size_t)got);
		total += (size_t)got;
	}
}

static void usage_set(struct pp_source *source)
{
	struct pp_process_usage usage;

	if (source->header->user_ns || source->header->system_ns) {
		image_set_usage(source->image, source->header->user_ns, source->header->system_ns,
				source->header->max_rss_bytes);
		return;
	}
	process_usage_read(source->process.fd, source->pid, &usage);
	image_set_usage(source->image, usage.user_ns, usage.system_ns, usage.max_rss_bytes);
}

void source_measure(struct pp_source *source)
{
	struct stat status;

	if (source->image && fstat(source->memory_fd, &status) == 0)
		image_set_shared_bytes(source->image, (uint64_t)status.st_blocks * 512);
}

static void image_close(struct pp_server *server, struct pp_source *source, const struct pp_exit *exit, uint64_t end_ns)
{
	source_account(source); /* a dead process's, as long as nobody has waited for it */
	source_drain_last(server, source);
	source->ended_image = source->image;
	usage_set(source);
	source_measure(source);
	lively_set(server, source, false);
	image_end(source->image, exit, end_ns);
	source->image = NULL;
	server_watch_close(server, &source->pipe);
	server->changed = true;
	tree_parent_gone(server, source->id, clock_now_ns());
}

/* Not dead: it executed another program, or closed our descriptors behind our back. */
static void image_close_alive(struct pp_server *server, struct pp_source *source, uint64_t end_ns)
{
	if (source->image)
		image_close(server, source, &(struct pp_exit){.known = false}, end_ns);
}

/* exec keeps the pid: what was there under it has ended. */
static void predecessor_end(struct pp_server *server, pid_t pid)
{
	struct pp_source *source, *next;

	for (source = TAILQ_FIRST(&server->sources); source; source = next) {
		next = TAILQ_NEXT(source, link);
		if (source->pid != pid || pid <= 0)
			continue;
		image_close_alive(server, source, source->closed_ns ? source->closed_ns : clock_now_ns());
		source_bury(server, source);
	}
}

/* A child's account starts from what its parent had done before: read that first. */
static void parent_catch_up(struct pp_server *server, uint64_t id)
{
	struct pp_source *parent = source_find(server, id);

	if (!parent || !parent->image)
		return;
	source_drain(server, parent);
	if (parent->image)
		image_heartbeat(parent->image, clock_now_ns());
}

static bool image_add(struct pp_server *server, struct pp_source *source, const struct pp_wire_hello *hello,
		      const char *strings, struct pp_error *error)
{
	char executable[PATH_MAX] = "", host[256] = "";
	const char *command = strings + hello->executable_size;

	snprintf(executable, sizeof(executable), "%.*s", (int)hello->executable_size, strings);
	snprintf(host, sizeof(host), "%.*s", (int)hello->host_size, command + hello->command_size);
	if (!server->publisher && !server_publisher_start(server, executable, source->pid, error))
		return false;
	source->image = trace_image_add(server->trace, hello, executable, command, hello->command_size, host,
					source->header, source->shared_size, error);
	if (source->image)
		image_set_root_pid(source->image, source->pid);
	if (source->image && !server->kept) {
		server->kept = true;
		publisher_keep(server->publisher, trace_stub(server->trace, clock_now_ns()));
	}
	return source->image != NULL;
}

static void first_follow(struct pp_server *server, const struct pp_source *source)
{
	if (server->started && (server->first_gone || source->pid != server->first_pid))
		return;
	server->started = true;
	server->first_image = source->image;
	server->first_pid = source->pid;
}

static void source_free(struct pp_server *server, struct pp_source *source)
{
	server_watch_close(server, &source->pipe);
	server_watch_close(server, &source->process);
	close(source->memory_fd);
	if (source->header)
		munmap(source->header, source->shared_size);
	free(source);
}

bool source_add(struct pp_server *server, const struct pp_wire_hello *hello, const char *strings, pid_t pid, int fds[3],
		struct pp_error *error)
{
	struct pp_source *source = calloc(1, sizeof(*source));
	bool ok;

	if (!source) {
		for (int i = 0; i < 3; i++)
			close(fds[i]);
		return error_set(error, "out of memory");
	}
	source->id = hello->image;
	source->pid = pid;
	source->pipe = (struct pp_watch){PP_WATCH_PIPE, fds[0], source};
	source->process = (struct pp_watch){PP_WATCH_PROCESS, fds[2], source};
	source->memory_fd = fds[1];
	ok = descriptors_check(fds, &source->shared_size, error) &&
	     (source->header = shared_map(fds[1], source->shared_size, error));
	if (ok && source_find(server, hello->image))
		ok = error_set(error, "its number is taken");
	if (!ok || fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
		source_free(server, source);
		return false;
	}
	predecessor_end(server, pid);
	parent_catch_up(server, hello->parent_image);
	if (!server->started && hello->parent_image)
		server_note(server, "process %d was started by a profiled program whose recording had ended, or was out of its reach: this is one of its own",
			    (int)pid);
	if (!image_add(server, source, hello, strings, error)) {
		source_free(server, source);
		return false;
	}
	if (!server_watch_add(server, &source->pipe) || !server_watch_add(server, &source->process)) {
		error_set(error, "it cannot be watched: %s", strerror(errno));
		image_end(source->image, &(struct pp_exit){.known = false}, clock_now_ns());
		source_free(server, source);
		return false;
	}
	first_follow(server, source);
	TAILQ_INSERT_TAIL(&server->sources, source, link);
	server->source_count++;
	server->changed = true;
	return true;
}

size_t source_drain(struct pp_server *server, struct pp_source *source)
{
	size_t total = 0;

	/* A short read emptied the pipe. More than one pipe full at a time would starve the other images. */
	while (source->pipe.fd >= 0 && total < PP_PIPE_BYTES) {
		ssize_t got = read(source->pipe.fd, server->buffer, sizeof(server->buffer));

		if (got > 0) {
			image_feed(source->image, server->buffer, (size_t)got);
			total += (size_t)got;
			if ((size_t)got < sizeof(server->buffer))
				break;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		server_watch_close(server, &source->pipe);
		source->closed_ns = clock_now_ns();
		lively_set(server, source, true);
	}
	if (total > 0) {
		server->changed = true;
		source->read_now = true;
		lively_set(server, source, true);
	}
	return total;
}

/* A process that was killed, where the kernel has killed one more of our control group for want of memory. */
static void kill_explain(struct pp_server *server, const struct pp_source *source, const struct pp_exit *exit)
{
	uint64_t kills;

	if (exit->known ? exit->signal != SIGKILL : source->header && source->header->ended)
		return;
	kills = memory_kills_of_group();
	if (kills <= server->memory_kills)
		return;
	server->memory_kills++;
	server_note(server, "process %d was killed by the kernel for want of memory (the machine's, or its control group's limit)",
		    (int)source->pid);
}

void source_end(struct pp_server *server, struct pp_source *source)
{
	struct pp_exit exit;

	/* It may have executed another program meanwhile, whose greeting lies unread: then the end is not this image's. */
	connections_read_of(server, source->pid);
	if (source->process.fd < 0)
		return;
	if (!process_exit_read(source->process.fd, source->pid, &exit) && source->header && source->header->ended &&
	    source->header->exit_code >= 0) {
		exit.known = true;
		exit.code = source->header->exit_code & 0xff;
	}
	kill_explain(server, source, &exit);
	if (source->image)
		image_close(server, source, &exit, clock_now_ns());
	else if (source->ended_image) {
		/* Its pipe was closed long before: by the program, perhaps, and the library noticed later than we. */
		image_set_stopped(source->ended_image, source->header);
		image_set_exit(source->ended_image, &exit);
		server->changed = true;
	}
	if (source->pid == server->first_pid)
		server->first_gone = true;
	source_bury(server, source);
}

void source_bury(struct pp_server *server, struct pp_source *source)
{
	server_watch_close(server, &source->pipe);
	server_watch_close(server, &source->process);
	close(source->memory_fd);
	munmap(source->header, source->shared_size);
	source->header = NULL;
	TAILQ_REMOVE(&server->sources, source, link);
	TAILQ_INSERT_TAIL(&server->buried_sources, source, link);
	server->source_count--;
}

/* While data flow, the threads of an image are looked at often enough to put their events in order; a single thread's
 * are. Once quiet, a few more times for what was held back. */
uint64_t source_beat(struct pp_server *server, struct pp_source *source, uint64_t now_ns)
{
	uint64_t due_ns;

	if (source->closed_ns) {
		due_ns = source->closed_ns + DEATH_WAIT_NS;
		if (now_ns < due_ns)
			return due_ns;
		image_close_alive(server, source, source->closed_ns);
		return UINT64_MAX;
	}
	if (source->read_now) {
		source->read_now = false;
		source->quiet_ns = now_ns;
		source->quiet_beats = 0;
		due_ns = source->heartbeat_ns + FLOWING_BEAT_NS;
		if (!source->header->multi)
			return now_ns + FLOWING_BEAT_NS;
		if (now_ns < due_ns)
			return due_ns;
	} else {
		due_ns = source->quiet_ns + source->quiet_beats * QUIET_BEAT_NS;
		if (due_ns < source->heartbeat_ns + FLOWING_BEAT_NS)
			due_ns = source->heartbeat_ns + FLOWING_BEAT_NS;
		if (now_ns < due_ns)
			return due_ns;
		source->quiet_beats++;
	}
	source->heartbeat_ns = now_ns;
	image_heartbeat(source->image, now_ns);
	if (source->quiet_beats < QUIET_BEATS)
		return now_ns + QUIET_BEAT_NS;
	lively_set(server, source, false);
	return UINT64_MAX;
}

/* True if something lies in shared memory that the last call did not see. */
bool source_changed(struct pp_source *source)
{
	const struct pp_wire_header *header = source->header;
	const struct pp_wire_slot *slots = (const void *)((const char *)header + PP_WIRE_SLOTS);
	uint64_t mark, count;

	if (!source->image)
		return false;
	count = *(const volatile uint32_t *)&header->slot_count;
	if (count > PP_WIRE_SLOT_COUNT)
		count = PP_WIRE_SLOT_COUNT;
	mark = count;
	for (uint64_t i = 0; i < count; i++) {
		mark += slots[i].events_sequence * 4099 + slots[i].events_used;
		mark += slots[i].samples_sequence * 8209 + slots[i].samples_used;
	}
	if (mark == source->published_mark)
		return false;
	source->published_mark = mark;
	return true;
}
