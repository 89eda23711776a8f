/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may still come: children that were announced before they were started, and whether the tree has ended.
 *
 * A forked child needs no announcement: it holds its parent's connection open until it has its own. What starts with
 * exec or posix_spawn does not (our descriptors are close-on-exec), so its parent says beforehand that it will come.
 * An announcement is settled by a HELLO that names the parent, by RETRACT, by the death of the child where its
 * process is known, or PP_ANNOUNCE_WAIT_NS after its parent was last heard of. Called by the server's thread.
 */
#include "server_internal.h"

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

static struct pp_expected *expected_find(struct pp_server *server, uint64_t parent)
{
	struct pp_expected *expected;

	TAILQ_FOREACH(expected, &server->expected, link)
	{
		if (expected->parent == parent)
			return expected;
	}
	return NULL;
}

void tree_expect(struct pp_server *server, uint64_t parent, uint64_t count, int process_fd)
{
	struct pp_source *source = source_find(server, parent);
	bool orphan = !source || !source->image;

	for (; count > 0 && server->expected_count < EXPECTED_MAX; count--) {
		struct pp_expected *expected = calloc(1, sizeof(*expected));

		if (!expected)
			break;
		expected->parent = parent;
		expected->process = (struct pp_watch){PP_WATCH_CHILD, process_fd, expected};
		TAILQ_INSERT_TAIL(&server->expected, expected, link);
		server->expected_count++;
		if (process_fd >= 0 && !server_watch_add(server, &expected->process))
			server_watch_close(server, &expected->process);
		if (orphan && expected->process.fd < 0)
			expected->until_ns = clock_now_ns() + PP_ANNOUNCE_WAIT_NS;
		process_fd = -1;
	}
	if (process_fd >= 0)
		close(process_fd);
}

void tree_retract(struct pp_server *server, uint64_t parent, uint64_t count)
{
	struct pp_expected *expected;

	for (; count > 0 && (expected = expected_find(server, parent)); count--)
		expected_bury(server, expected);
}

void tree_arrived(struct pp_server *server, uint64_t parent)
{
	tree_retract(server, parent, 1);
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
	return TAILQ_EMPTY(&server->sources) && TAILQ_EMPTY(&server->connections) && TAILQ_EMPTY(&server->expected) &&
	       !server->controller_awaited;
}
