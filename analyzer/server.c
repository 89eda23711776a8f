/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's loop, and when the recording is published; see server.h and server_internal.h.
 *
 * Two epoll sets: the inner one holds all pipes, the outer one everything else and the inner one, which is armed
 * (EPOLLONESHOT) only before we block. So control messages and deaths wake us at once, pipes only when we were idle.
 * An idle tree wakes us every PP_LOOK_NS, to see whether anything has gathered in shared memory, and not otherwise.
 */
#include "server_internal.h"

#include "memory.h"
#include "memory_limit.h"
#include "output_name.h"
#include "process_end.h"
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX	     64
#define PP_EARLY_NS	     UINT64_C(100000000) /* the first recording */
#define PP_EARLY_GROWTH	     4 /* the next when the program is so many times as old, and so on */
#define PP_INTERVAL_FIRST_NS UINT64_C(2000000000) /* and then, with names, so often */
#define PP_LOOK_NS	     UINT64_C(30000000000)
#define NOTES_MAX	     32
#define SETTLE_ROUNDS	     1000
#define FIRST_WAIT_NS	     UINT64_C(10000000000) /* a target that died before it connected */

static int set_of(const struct pp_server *server, const struct pp_watch *watch)
{
	return watch->kind == PP_WATCH_PIPE ? server->pipes.fd : server->epoll_fd;
}

bool server_watch_add(struct pp_server *server, struct pp_watch *watch)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

	return epoll_ctl(set_of(server, watch), EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void server_watch_close(struct pp_server *server, struct pp_watch *watch)
{
	if (watch->fd < 0)
		return;
	/* close alone would not do it: descriptors that were handed to us are open elsewhere, too, and epoll watches
	 * what they refer to. */
	epoll_ctl(set_of(server, watch), EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
}

void server_note(struct pp_server *server, const char *format, ...)
{
	char text[640];
	va_list list;

	if (++server->note_count > NOTES_MAX)
		return;
	server->changed = true;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	trace_note(server->trace, server->note_count < NOTES_MAX ? text : "more was noted than is kept");
}

bool server_publisher_start(struct pp_server *server, const char *executable, pid_t pid, struct pp_error *error)
{
	struct pp_output_facts facts = {.executable = executable, .pid = pid};
	char path[PATH_MAX];

	if (!output_name_expand(server->options->output, server->options->folder, &facts, path, sizeof(path), error))
		return false;
	server->publisher = publisher_create(path, error);
	if (!server->publisher)
		return false;
	server->published = (struct pp_watch){PP_WATCH_PUBLISHER, publisher_descriptor(server->publisher), NULL};
	server->early_from_ns = clock_now_ns();
	server->publish_ns = server->early_from_ns + PP_EARLY_NS;
	server->look_ns = server->early_from_ns + PP_INTERVAL_FIRST_NS;
	return server_watch_add(server, &server->published);
}

/* ---- publications ---- */

static bool tree_changed(struct pp_server *server)
{
	struct pp_source *source;

	TAILQ_FOREACH(source, &server->sources, link)
	{
		if (source->image && source_changed(source))
			server->changed = true;
	}
	return server->changed;
}

/* bare: without names. */
static void snapshot_submit(struct pp_server *server, bool running, bool summary, bool bare)
{
	struct pp_publication job = {
		.wants_summary = summary, .brief = !server->options->summary, .bare = bare};
	struct pp_connection *connection;
	struct pp_source *source;
	uint64_t now_ns;

	tree_changed(server); /* remembers what is published now */
	TAILQ_FOREACH(source, &server->sources, link)
	{
		if (!source->image)
			continue;
		while (source_drain(server, source) >= PP_PIPE_BYTES)
			;
		if (source->image)
			image_heartbeat(source->image, clock_now_ns());
		source_measure(source);
		source_account(source);
	}
	TAILQ_FOREACH(connection, &server->connections, link)
	{
		if (connection->controller) {
			job.colour = connection->colour;
			job.columns = connection->columns;
		}
	}
	now_ns = clock_now_ns();
	job.profile = trace_snapshot(server->trace, now_ns, running);
	server->snapshot_cost_ns = clock_now_ns() - now_ns;
	server->changed = false;
	server->concluded = !running;
	server->names_due = bare;
	server->snapshot_due = false;
	publisher_submit(server->publisher, &job);
}

static void first_exit_set(struct pp_server *server)
{
	struct pp_exit exit;

	if (!server->command_ended || !server->first_image || server->first_pid != server->command_pid)
		return;
	exit_from_wait_status(server->command_status, &exit);
	image_set_exit(server->first_image, &exit);
}

/* A connection of none of the present images is one that a forked child has inherited and holds until it has its own. */
static bool connections_are_of(const struct pp_server *server, const struct pp_source *source)
{
	const struct pp_connection *connection;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		if (connection->controller)
			continue;
		if (!source || !connection->greeted || connection->source_id != source->id)
			return false;
	}
	return true;
}

/* The summary is wanted because the first process ends: true if nothing else of the tree is left. */
static bool first_is_last(struct pp_server *server)
{
	struct pp_source *source = TAILQ_FIRST(&server->sources);
	struct pp_exit exit = {.known = true};

	first_exit_set(server);
	if (!TAILQ_EMPTY(&server->expected) || server->source_count > 1 || !connections_are_of(server, source))
		return false;
	if (!source)
		return true;
	if (!source->image || source->image != server->first_image || !source->header->ended ||
	    image_forks_open(source->image))
		return false;
	exit.code = source->header->exit_code & 0xff;
	if (source->header->exit_code >= 0)
		image_set_exit(source->image, &exit);
	image_set_usage(source->image, source->header->user_ns, source->header->system_ns,
			source->header->max_rss_bytes);
	return true;
}

/* To everyone who waits for it. value 1: nothing was profiled. */
static void summaries_send(struct pp_server *server, const char *text, uint64_t value)
{
	struct pp_connection *connection;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		if (!connection->wants_summary)
			continue;
		connection->wants_summary = false;
		/* `preprof run` has a terminal of its own to say what went wrong; a program's is silenced altogether. */
		connection_send(connection, PP_MSG_SUMMARY, value,
				server->options->summary || server->options->controller ? text : NULL);
	}
}

/* A program that is killed with its analyzer in its first seconds leaves a recording as well. Most programs live no longer,
 * and reading symbols costs them more than all else: so what is published that early has no names, unless it is the last. */
static uint64_t names_ns(const struct pp_server *server)
{
	return server->early_from_ns + PP_INTERVAL_FIRST_NS;
}

/* When the recording is to be published next as things are. UINT64_MAX: only when something has changed. */
static uint64_t publication_due_ns(const struct pp_server *server)
{
	uint64_t due_ns = server->changed ? server->publish_ns : UINT64_MAX;

	return server->names_due && names_ns(server) < due_ns ? names_ns(server) : due_ns;
}

static uint64_t publication_next_ns(const struct pp_server *server, const struct pp_publication *done, uint64_t now_ns)
{
	uint64_t shortest_ns = done->bare ? (PP_EARLY_GROWTH - 1) * (now_ns - server->early_from_ns) : PP_INTERVAL_FIRST_NS;

	return now_ns + publication_interval_ns(server->snapshot_cost_ns + done->cost_ns, shortest_ns);
}

static void publication_take(struct pp_server *server)
{
	struct pp_publication done;
	uint64_t now_ns = clock_now_ns();

	if (!publisher_collect(server->publisher, &done))
		return;
	if (!done.written)
		server->changed = true;
	server->publish_ns = publication_next_ns(server, &done, now_ns);
	server->look_ns = now_ns + PP_LOOK_NS;
	if (done.wants_summary)
		summaries_send(server, done.summary, 0);
	free(done.summary);
}

/* `settled`: every message that had been sent before now has been read. */
static void publications_do(struct pp_server *server, bool settled, uint64_t now_ns)
{
	bool due;

	if (server->publisher)
		publication_take(server);
	if (server->summary_due && settled && !server->publisher) {
		server->summary_due = false;
		summaries_send(server, NULL, 1);
	}
	if (!server->publisher || publisher_busy(server->publisher))
		return;
	if (server->summary_due && settled) {
		server->summary_due = false;
		snapshot_submit(server, !first_is_last(server), true, false);
		return;
	}
	due = server->snapshot_due || now_ns >= publication_due_ns(server);
	if (!due && now_ns >= server->look_ns) {
		server->look_ns = now_ns + PP_LOOK_NS;
		due = tree_changed(server);
	}
	if (due)
		snapshot_submit(server, true, false, !server->snapshot_due && now_ns < names_ns(server));
}

static void publish_last(struct pp_server *server)
{
	struct pp_publication done;

	if (!server->publisher)
		return;
	publisher_wait(server->publisher);
	publication_take(server);
	/* The summary's may have been the last already. */
	if (server->concluded && !server->changed)
		return;
	first_exit_set(server);
	snapshot_submit(server, false, false, false);
	publisher_wait(server->publisher);
	if (publisher_collect(server->publisher, &done))
		free(done.summary);
}

/* ---- the loop ---- */

static void event_take(struct pp_server *server, struct pp_watch *watch)
{
	if (watch->fd < 0)
		return;
	switch (watch->kind) {
	case PP_WATCH_LISTEN:
		connections_accept(server);
		break;
	case PP_WATCH_CONNECTION:
		connection_read(server, watch->owner);
		break;
	case PP_WATCH_PIPES:
		server->pipes_armed = false;
		break;
	case PP_WATCH_PROCESS:
		source_end(server, watch->owner);
		break;
	case PP_WATCH_CHILD:
		tree_child_dead(server, watch->owner);
		break;
	case PP_WATCH_PIPE:
	case PP_WATCH_PUBLISHER:
		break;
	}
}

static void graves_empty(struct pp_server *server)
{
	struct pp_connection *connection;
	struct pp_expected *expected;
	struct pp_source *source;

	while ((source = TAILQ_FIRST(&server->buried_sources))) {
		TAILQ_REMOVE(&server->buried_sources, source, link);
		free(source);
	}
	while ((connection = TAILQ_FIRST(&server->buried_connections))) {
		TAILQ_REMOVE(&server->buried_connections, connection, link);
		free(connection);
	}
	while ((expected = TAILQ_FIRST(&server->buried_expected))) {
		TAILQ_REMOVE(&server->buried_expected, expected, link);
		free(expected);
	}
}

/* Reads what the pipes hold; returns what the fullest one gave. */
static size_t pipes_read(struct pp_server *server)
{
	struct pp_source *only = TAILQ_FIRST(&server->sources);
	struct epoll_event events[EVENTS_MAX];
	size_t fullest = 0, got;
	int count;

	if (server->source_count == 1)
		return source_drain(server, only);
	count = epoll_wait(server->pipes.fd, events, EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		struct pp_watch *watch = events[i].data.ptr;

		got = watch->fd >= 0 ? source_drain(server, watch->owner) : 0;
		if (got > fullest)
			fullest = got;
	}
	/* More than one look can take are ready: come again at once. */
	return count == EVENTS_MAX ? PP_PIPE_BYTES : fullest;
}

/* Tells hooks the time, or that nobody keeps it. */
static void clocks_set(struct pp_server *server, uint64_t now_ns)
{
	struct pp_source *source;

	TAILQ_FOREACH(source, &server->lively, lively_link)
	{
		__atomic_store_n(&source->header->clock_ns, now_ns, __ATOMIC_RELAXED);
		if (now_ns)
			__atomic_store_n(&source->header->progress, source->header->progress + 1, __ATOMIC_RELAXED);
	}
}

/* Returns when the next heartbeat is due. */
static uint64_t heartbeats_give(struct pp_server *server, uint64_t now_ns)
{
	uint64_t due_ns = UINT64_MAX, next_ns;
	struct pp_source *source, *next;

	for (source = TAILQ_FIRST(&server->lively); source; source = next) {
		next = TAILQ_NEXT(source, lively_link);
		next_ns = source_beat(server, source, now_ns);
		if (next_ns < due_ns)
			due_ns = next_ns;
	}
	return due_ns;
}

static void listen_again(struct pp_server *server, uint64_t now_ns)
{
	if (server->listen_again_ns && now_ns >= server->listen_again_ns && server_watch_add(server, &server->listen))
		server->listen_again_ns = 0;
}

/* Blocking: wakes for data, too. */
static void pipes_arm(struct pp_server *server)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &server->pipes};

	if (!server->pipes_armed && epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->pipes.fd, &event) == 0)
		server->pipes_armed = true;
}

static uint64_t deadline_find(const struct pp_server *server, uint64_t heartbeat_ns)
{
	uint64_t deadline_ns = tree_deadline_ns(server);

	if (heartbeat_ns < deadline_ns)
		deadline_ns = heartbeat_ns;
	if (server->listen_again_ns && server->listen_again_ns < deadline_ns)
		deadline_ns = server->listen_again_ns;
	if (server->publisher && !publisher_busy(server->publisher)) {
		if (publication_due_ns(server) < deadline_ns)
			deadline_ns = publication_due_ns(server);
		if (server->look_ns < deadline_ns && !TAILQ_EMPTY(&server->sources))
			deadline_ns = server->look_ns;
	}
	return deadline_ns;
}

/* epoll_wait counts in milliseconds, which would make naps twice or thrice as long; Linux before 5.11 knows no better. */
static int events_wait_coarse(struct pp_server *server, struct epoll_event *events, uint64_t wait_ns)
{
	uint64_t wait_ms = (wait_ns + 999999) / 1000000;

	return epoll_wait(server->epoll_fd, events, EVENTS_MAX, wait_ms > INT_MAX ? -1 : (int)wait_ms);
}

static int events_wait(struct pp_server *server, struct epoll_event *events, uint64_t heartbeat_ns, uint64_t now_ns)
{
	uint64_t deadline_ns = deadline_find(server, heartbeat_ns), wait_ns;
	struct timespec timeout;
	int count;

	wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	if (server->pace.nap_ns && server->pace.nap_ns < wait_ns)
		wait_ns = server->pace.nap_ns;
	if (!server->pace.nap_ns)
		pipes_arm(server);
	if (!server->connected && server->give_up_ns - now_ns < wait_ns)
		wait_ns = server->give_up_ns > now_ns ? server->give_up_ns - now_ns : 0;
	if ((server->summary_due && !(server->publisher && publisher_busy(server->publisher))) ||
	    (server->connected && tree_ended(server)))
		wait_ns = 0;
	timeout = (struct timespec){(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
	count = epoll_pwait2(server->epoll_fd, events, EVENTS_MAX, wait_ns < (UINT64_MAX >> 2) ? &timeout : NULL, NULL);
	return count < 0 && errno == ENOSYS ? events_wait_coarse(server, events, wait_ns) : count;
}

/* What was received so far is published, and that is all: the program goes on alone. */
static bool server_give_up(struct pp_server *server)
{
	struct pp_publication done;

	server_note(server, "the analyzer has used up its memory of %" PRIu64 " MiB: what came after that was not recorded",
		    memory_budget_bytes() >> 20);
	if (!server->publisher)
		return true;
	publisher_wait(server->publisher);
	publication_take(server);
	snapshot_submit(server, true, false, false);
	publisher_wait(server->publisher);
	if (publisher_collect(server->publisher, &done))
		free(done.summary);
	return true;
}

static bool server_loop(struct pp_server *server, struct pp_error *error)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t heartbeat_ns = UINT64_MAX, now_ns = clock_now_ns();
	uint32_t unsettled = 0;
	size_t fullest;
	int count = -1;

	server->give_up_ns = now_ns + FIRST_WAIT_NS;
	/* Ended, and no message on its way: nothing came in this round. */
	while (count != 0 || !tree_ended(server) || (!server->connected && now_ns < server->give_up_ns)) {
		count = events_wait(server, events, heartbeat_ns, now_ns);
		if (count < 0 && errno != EINTR)
			return error_set(error, "epoll: %s", strerror(errno));
		now_ns = clock_now_ns();
		clocks_set(server, server->pace.nap_ns ? now_ns : 0);
		for (int i = 0; i < count; i++)
			event_take(server, events[i].data.ptr);
		fullest = pipes_read(server);
		for (int i = 0; i < 4 && fullest >= PP_PIPE_BYTES; i++)
			fullest = pipes_read(server);
		now_ns = clock_now_ns();
		pace_update(&server->pace, fullest, now_ns);
		heartbeat_ns = heartbeats_give(server, now_ns);
		tree_expire(server, now_ns);
		listen_again(server, now_ns);
		unsettled = count > 0 && server->summary_due ? unsettled + 1 : 0;
		publications_do(server, count <= 0 || unsettled > SETTLE_ROUNDS, now_ns);
		if (!server->pace.nap_ns)
			clocks_set(server, 0);
		graves_empty(server);
		if (memory_is_exhausted())
			return server_give_up(server);
	}
	return true;
}

static bool server_init(struct pp_server *server, const struct pp_server_options *options, struct pp_error *error)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &server->pipes};

	server->options = options;
	server->controller_awaited = options->controller;
	TAILQ_INIT(&server->sources);
	TAILQ_INIT(&server->lively);
	TAILQ_INIT(&server->connections);
	TAILQ_INIT(&server->expected);
	TAILQ_INIT(&server->buried_sources);
	TAILQ_INIT(&server->buried_connections);
	TAILQ_INIT(&server->buried_expected);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->pipes = (struct pp_watch){PP_WATCH_PIPES, epoll_create1(EPOLL_CLOEXEC), NULL};
	server->listen = (struct pp_watch){PP_WATCH_LISTEN, options->listen_fd, NULL};
	if (server->epoll_fd < 0 || server->pipes.fd < 0 || !server_watch_add(server, &server->listen) ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->pipes.fd, &event) != 0)
		return error_set(error, "cannot wait for events: %s", strerror(errno));
	server->trace = trace_create();
	server->memory_kills = memory_kills_of_group();
	if (options->note)
		server_note(server, "%s", options->note);
	return true;
}

/* The stream is kept for whoever asked for it; that it cannot be is no reason not to profile. */
static void save_start(struct pp_server *server)
{
	const struct pp_server_options *options = server->options;
	struct pp_error error = {""};
	char path[PATH_MAX];

	if (!options->save)
		return;
	snprintf(path, sizeof(path), "%s%s%s", *options->save == '/' || !options->folder ? "" : options->folder,
		 *options->save == '/' ? "" : "/", options->save);
	if (!replay_save_start(server->trace, path, &error))
		server_note(server, "the stream is not kept: %s", error.text);
}

/* What is wrong with it is said in the recording: before the last one is written. */
static void save_flush(struct pp_server *server)
{
	struct pp_error error = {""};

	if (!replay_save_flush(server->trace, &error))
		server_note(server, "the stream was not kept whole: %s", error.text);
}

/* Who came while the last recording was being written, started by one that was killed before it could say so, is let in:
 * true. Else the door is shut first, so that nobody waits before it who will never be heard: whoever comes later is
 * refused and makes a recording of its own. Who came in between is let in as well; what it starts is refused. */
static bool stragglers_admit(struct pp_server *server)
{
	connections_accept(server);
	if (!tree_ended(server))
		return true;
	shutdown(server->listen.fd, SHUT_RDWR);
	connections_accept(server);
	server_watch_close(server, &server->listen);
	return !tree_ended(server);
}

bool server_run(const struct pp_server_options *options, struct pp_error *error)
{
	struct pp_server *server = calloc(1, sizeof(*server));
	bool ok;

	if (!server)
		return error_set(error, "out of memory");
	/* Naps are meant: 50 us of slack would be a third of the shortest. */
	prctl(PR_SET_TIMERSLACK, 5000UL);
	ok = server_init(server, options, error);
	if (ok) {
		save_start(server);
		do {
			ok = server_loop(server, error);
			save_flush(server);
			if (!memory_is_exhausted())
				publish_last(server);
		} while (ok && !memory_is_exhausted() && stragglers_admit(server));
		replay_save_finish(server->trace, NULL);
	}
	graves_empty(server);
	publisher_destroy(server->publisher);
	trace_destroy(server->trace);
	server_watch_close(server, &server->pipes);
	close(server->epoll_fd);
	free(server);
	return ok;
}
