/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may still come: children that were announced before they were started, and whether the tree has ended.
 *
 * A forked child needs no announcement: it holds its parent's connection open until it has its own. What starts with
 * exec or posix_spawn does not (our descriptors are close-on-exec), so its parent says beforehand that it will come.
 * An announcement is settled by a HELLO of that process, by RETRACT, by the death of the child where its process is known,
 * or PP_ANNOUNCE_WAIT_NS after its parent was last heard of. Of children whose process nobody could tell (popen's), one is
 * as good as another. One that posix_spawn is starting stays announced until its parent has named it: who is killed before
 * that leaves a child of which nothing else is known. Called by the server's thread.
 */
#include "server_internal.h"

#include "process_end.h"

#include <stdlib.h>
#include <unistd.h>

/* More than this from one tree is no program's doing. */
#define EXPECTED_MAX 65536

static void expected_bury(struct pp_server *server, struct pp_expected *expected)
{
	server_watch_close(server, &expected->process);
	TAILQ_REMOVE(&server->expected, expected, link);
	TAILQ_INSERT_TAIL(&server->buried_expected, expected, link);
	server->expected_count--;
}

/* pid 0: one of those that are not known. told: the pid is what the parent calls it, which in another pid namespace is
 * not what we do. */
static struct pp_expected *expected_find(struct pp_server *server, uint64_t parent, pid_t pid, bool told)
{
	struct pp_expected *expected;

	TAILQ_FOREACH(expected, &server->expected, link)
	{
		if (expected->parent == parent && pid == (told ? expected->told_pid : expected->pid) &&
		    (pid || expected->process.fd < 0) && (told || !expected->to_be_named || expected->until_ns))
			return expected;
	}
	return NULL;
}

void tree_expect(struct pp_server *server, uint64_t parent, uint64_t value, pid_t pid, int process_fd)
{
	struct pp_source *source = source_find(server, parent);
	bool orphan = !source || !source->image;

	for (uint32_t count = (uint32_t)value; count > 0 && server->expected_count < EXPECTED_MAX; count--) {
		struct pp_expected *expected = calloc(1, sizeof(*expected));

		if (!expected)
			break;
		expected->parent = parent;
		expected->told_pid = pid;
		expected->to_be_named = (value & PP_ANNOUNCE_TO_BE_NAMED) && process_fd < 0;
		expected->pid = process_fd >= 0 ? process_pid_read(process_fd) : 0;
		expected->process = (struct pp_watch){PP_WATCH_CHILD, process_fd, expected};
		TAILQ_INSERT_TAIL(&server->expected, expected, link);
		server->expected_count++;
		if (process_fd >= 0 && !server_watch_add(server, &expected->process))
			server_watch_close(server, &expected->process);
		if (orphan && expected->process.fd < 0)
			expected->until_ns = clock_now_ns() + PP_ANNOUNCE_WAIT_NS;
		process_fd = -1;
		pid = 0;
	}
	if (process_fd >= 0)
		close(process_fd);
}

void tree_retract(struct pp_server *server, uint64_t parent, uint64_t count, pid_t pid)
{
	struct pp_expected *expected;

	for (; count > 0 && (expected = expected_find(server, parent, pid, true)); count--)
		expected_bury(server, expected);
}

void tree_arrived(struct pp_server *server, uint64_t parent, pid_t pid)
{
	struct pp_expected *expected = pid > 0 ? expected_find(server, parent, pid, false) : NULL;

	if (!expected)
		expected = expected_find(server, parent, 0, false);
	if (expected)
		expected_bury(server, expected);
}

void tree_child_dead(struct pp_server *server, struct pp_expected *expected)
{
	expected_bury(server, expected);
}

void tree_parent_gone(struct pp_server *server, uint64_t parent, uint64_t now_ns)
{
	struct pp_expected *expected;

	TAILQ_FOREACH(expected, &server->expected, link)
	{
		if (expected->parent == parent && expected->process.fd < 0 && expected->until_ns == 0)
			expected->until_ns = now_ns + PP_ANNOUNCE_WAIT_NS;
	}
}

void tree_expire(struct pp_server *server, uint64_t now_ns)
{
	struct pp_expected *expected, *next;

	for (expected = TAILQ_FIRST(&server->expected); expected; expected = next) {
		next = TAILQ_NEXT(expected, link);
		if (expected->until_ns && now_ns >= expected->until_ns)
			expected_bury(server, expected);
	}
}

uint64_t tree_deadline_ns(const struct pp_server *server)
{
	const struct pp_expected *expected;
	uint64_t deadline_ns = UINT64_MAX;

	TAILQ_FOREACH(expected, &server->expected, link)
	{
		if (expected->until_ns && expected->until_ns < deadline_ns)
			deadline_ns = expected->until_ns;
	}
	return deadline_ns;
}

bool tree_ended(const struct pp_server *server)
{
	/* While nobody is accepted for want of descriptors, somebody may wait at the door. */
	return TAILQ_EMPTY(&server->sources) && TAILQ_EMPTY(&server->connections) && TAILQ_EMPTY(&server->expected) &&
	       !server->controller_awaited && !server->listen_again_ns;
}
