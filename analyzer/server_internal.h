/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server's files share. server.c: the loop and publications; server_connection.c: the control socket;
 * server_image.c: an image's descriptors, from HELLO to its end; server_tree.c: announced children and the tree's
 * end. All on the server's thread.
 *
 * An image lives as a pp_source while anything can still come from it. Its process may outlive it: after exec of
 * something that is not profiled, the source stays as a ghost (no pipe, image ended) until the process is dead, for
 * what a ghost starts belongs to the tree.
 */
#ifndef PREPROF_SERVER_INTERNAL_H
#define PREPROF_SERVER_INTERNAL_H

#include "clock.h"
#include "publish.h"
#include "server.h"
#include "trace.h"

#include <limits.h>
#include <sys/queue.h>
#include <sys/types.h>

#define PP_PIPE_BYTES	    65536
#define PP_ANNOUNCE_WAIT_NS UINT64_C(2000000000) /* for an announced child whose process is not known */

enum pp_watch_kind {
	PP_WATCH_LISTEN,
	PP_WATCH_CONNECTION,
	PP_WATCH_PIPE,
	PP_WATCH_PIPES, /* the set of all pipes: some of them has data */
	PP_WATCH_PROCESS,
	PP_WATCH_CHILD,
	PP_WATCH_PUBLISHER,
};

/* What an epoll event points to; the first member of its owner or a member that names it. */
struct pp_watch {
	enum pp_watch_kind kind;
	int fd; /* -1: closed, a late event of the same batch is ignored */
	void *owner;
};

struct pp_source {
	TAILQ_ENTRY(pp_source) link, lively_link;
	struct pp_watch pipe, process;
	int memory_fd; /* its shared memory's, mapped below */
	struct pp_image *image; /* NULL: ended, this is a ghost */
	struct pp_image *ended_image; /* a ghost's: how its process ends is told of the last image that was seen of it */
	struct pp_wire_header *header; /* until it is buried */
	size_t shared_size;
	uint64_t id;
	pid_t pid;	       /* as the kernel tells us, in our pid namespace */
	bool lively;	       /* data came lately: on the list of those whose clock is kept and that get heartbeats */
	bool read_now;	       /* in this round */
	uint64_t closed_ns;    /* when the pipe came to its end; 0: open */
	uint64_t heartbeat_ns; /* when the last one was */
	uint64_t quiet_ns;     /* since when nothing came */
	uint32_t quiet_beats;  /* heartbeats since then */
	uint64_t published_mark; /* what was in shared memory at the last publication */
};

struct pp_connection {
	TAILQ_ENTRY(pp_connection) link;
	struct pp_watch watch;
	pid_t pid;
	uint64_t source_id; /* image that said HELLO here; valid with `greeted` */
	bool greeted;
	bool refused;
	bool controller;
	bool wants_summary;
	bool colour;
	uint32_t columns;
};

/* A child that was announced and has not come. */
struct pp_expected {
	TAILQ_ENTRY(pp_expected) link;
	struct pp_watch process; /* fd -1: not known */
	pid_t pid;		 /* of the process in our pid namespace; 0: not known */
	pid_t told_pid;		 /* as its parent calls it; 0: not known; negative: its parent's number for it */
	uint64_t parent;	 /* image */
	uint64_t until_ns;	 /* 0: as long as the parent or the process lives */
	bool to_be_named;	 /* by its parent, unless that is killed before: then until_ns is set */
};

TAILQ_HEAD(pp_source_list, pp_source);
TAILQ_HEAD(pp_connection_list, pp_connection);
TAILQ_HEAD(pp_expected_list, pp_expected);

struct pp_server {
	const struct pp_server_options *options;
	struct pp_trace *trace;
	struct pp_publisher *publisher; /* NULL before the first image */
	struct pp_pace pace;
	struct pp_watch listen, pipes, published;
	int epoll_fd;
	bool pipes_armed;
	uint64_t listen_again_ns; /* 0: listening; else out of descriptors until then */

	struct pp_source_list sources, lively, buried_sources;
	struct pp_connection_list connections, buried_connections;
	struct pp_expected_list expected, buried_expected;
	uint32_t source_count;
	uint32_t expected_count;
	uint32_t note_count;
	uint32_t stranger_count; /* connections of other users */

	/* the first process: the summary is its, whatever it executes */
	struct pp_image *first_image;
	pid_t first_pid;
	bool first_gone;
	bool started;		 /* some image came */
	bool connected;		 /* someone did */
	uint64_t give_up_ns;	 /* unless connected */
	bool controller_awaited; /* announced on the command line and not yet gone */
	bool command_ended;	 /* RUN_EXIT: command_status holds */
	int command_status;
	pid_t command_pid;

	bool changed; /* since the last publication */
	bool summary_due, snapshot_due;
	uint64_t memory_kills; /* of our control group, as far as they are told */
	bool kept; /* the publisher has what to write when memory ends */
	bool names_due; /* the last publication was one without names */
	bool concluded; /* the last publication was of a tree that was not running any more */
	uint64_t early_from_ns, publish_ns, look_ns, snapshot_cost_ns;

	unsigned char buffer[PP_PIPE_BYTES];
};

/* server.c */
bool server_watch_add(struct pp_server *server, struct pp_watch *watch);
void server_watch_close(struct pp_server *server, struct pp_watch *watch);
void server_note(struct pp_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Chooses the file name when the first image has come. */
bool server_publisher_start(struct pp_server *server, const char *executable, pid_t pid, struct pp_error *error);

/* server_connection.c */
void connections_accept(struct pp_server *server);
void connection_read(struct pp_server *server, struct pp_connection *connection);
void connection_send(struct pp_connection *connection, uint32_t type, uint64_t value, const char *text);
void connection_bury(struct pp_server *server, struct pp_connection *connection);
/* Reads what a process has said before it died, connections that were not accepted yet included. */
void connections_read_of(struct pp_server *server, pid_t pid);

/* server_image.c. fds: pipe, memfd, pidfd; taken over whether it succeeds or not. */
bool source_add(struct pp_server *server, const struct pp_wire_hello *hello, const char *strings, pid_t pid, int fds[3],
		struct pp_error *error);
struct pp_source *source_find(struct pp_server *server, uint64_t id);
size_t source_drain(struct pp_server *server, struct pp_source *source); /* what is there now; at most one pipe full */
void source_end(struct pp_server *server, struct pp_source *source);	 /* the process is dead */
/* For lively sources: keeps the clock, gives heartbeats. Returns when the next is due, UINT64_MAX when it is no longer
 * lively. */
uint64_t source_beat(struct pp_server *server, struct pp_source *source, uint64_t now_ns);
void source_bury(struct pp_server *server, struct pp_source *source);
/* True if something lies in shared memory that the last call did not see. */
bool source_changed(struct pp_source *source);
/* How much of its shared memory exists by now, for its image. */
void source_measure(struct pp_source *source);

/* server_tree.c */
/* value, pid: as in ANNOUNCE. */
void tree_expect(struct pp_server *server, uint64_t parent, uint64_t value, pid_t pid, int process_fd);
void tree_retract(struct pp_server *server, uint64_t parent, uint64_t count, pid_t pid);
void tree_arrived(struct pp_server *server, uint64_t parent, pid_t pid);
void tree_parent_gone(struct pp_server *server, uint64_t parent, uint64_t now_ns);
void tree_expire(struct pp_server *server, uint64_t now_ns);
void tree_child_dead(struct pp_server *server, struct pp_expected *expected);
uint64_t tree_deadline_ns(const struct pp_server *server); /* UINT64_MAX: none */
bool tree_ended(const struct pp_server *server);

/* server_account.c: asks the kernel what the process's threads have read, written and computed. */
void source_account(struct pp_source *source);

#endif
