/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's side of the server: who may connect, and what is said there. What arrives is hostile: a message
 * that makes no sense closes its connection, descriptors that nobody asked for are closed. Called by the server's
 * thread.
 */
#include "server_internal.h"

#include "output_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 3
#define ACCEPTS_MAX	64
#define STRANGER_NOTES	4
#define LISTEN_PAUSE_NS UINT64_C(200000000)

struct received {
	union {
		struct pp_wire_message message;
		unsigned char bytes[PP_WIRE_MESSAGE_MAX];
	};
	size_t size;
	int fds[DESCRIPTORS_MAX];
	int fd_count;
};

void connection_send(struct pp_connection *connection, uint32_t type, uint64_t value, const char *text)
{
	size_t text_size = text ? strlen(text) : 0;
	struct pp_wire_message message;
	struct iovec parts[2] = {{&message, sizeof(message)}, {(void *)text, 0}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};

	if (text_size > PP_WIRE_MESSAGE_MAX - sizeof(message))
		text_size = PP_WIRE_MESSAGE_MAX - sizeof(message);
	parts[1].iov_len = text_size;
	message = (struct pp_wire_message){
		.type = type,
		.size = (uint32_t)(sizeof(message) + text_size),
		.value = value,
		.pid = getpid(),
	};
	/* A peer that does not read has to do without. */
	sendmsg(connection->watch.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void connection_bury(struct pp_server *server, struct pp_connection *connection)
{
	if (connection->controller)
		server->controller_awaited = false;
	else if (!connection->greeted && !connection->refused)
		server_note(server, "process %d could not be profiled: it connected and said nothing", (int)connection->pid);
	server_watch_close(server, &connection->watch);
	TAILQ_REMOVE(&server->connections, connection, link);
	TAILQ_INSERT_TAIL(&server->buried_connections, connection, link);
}

static void connection_refuse(struct pp_server *server, struct pp_connection *connection, const char *reason)
{
	connection->refused = true;
	server_note(server, "process %d could not join this recording: %s", (int)connection->pid, reason);
	connection_send(connection, PP_MSG_REFUSED, 0, reason);
}

static bool link_read(pid_t pid, const char *name, char *target, size_t size)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	got = readlink(path, target, size - 1);
	target[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* The socket's name is no secret: /proc/net/unix shows it to everyone. What other users do there must neither end the
 * server's waiting for its own program, nor fill the room for notes.
 *
 * A process of another user's may not write here: it makes a recording of its own, which its library names after ours
 * (output_rename in preload/session.c). Where that is is said here, for who would look for it elsewhere? */
static void stranger_refuse(struct pp_server *server, struct pp_connection *connection)
{
	const char *given = server->options->output, *each = strstr(given, "%p") ? "" : ".%p.pprf";
	size_t size = strlen(given);
	char pattern[PATH_MAX], path[PATH_MAX], executable[PATH_MAX], folder[PATH_MAX], reason[512];
	struct pp_output_facts facts = {.executable = executable, .pid = connection->pid};
	struct pp_error error;

	if (server->stranger_count++ >= STRANGER_NOTES) {
		connection->refused = true;
		connection_send(connection, PP_MSG_REFUSED, 0, "it runs as another user");
		connection_bury(server, connection);
		return;
	}
	if (*each && size > 5 && strcmp(given + size - 5, ".pprf") == 0)
		size -= 5;
	snprintf(pattern, sizeof(pattern), "%.*s%s", (int)size, given, each);
	if (link_read(connection->pid, "exe", executable, sizeof(executable)) &&
	    link_read(connection->pid, "cwd", folder, sizeof(folder)) &&
	    output_name_expand(pattern, folder, &facts, path, sizeof(path), &error))
		snprintf(reason, sizeof(reason),
			 "it runs as another user; its own, if it can make one, is %.300s (under /tmp if that cannot be written)", path);
	else
		snprintf(reason, sizeof(reason), "it runs as another user, and makes one of its own if it can");
	connection_refuse(server, connection, reason);
	connection_bury(server, connection);
}

static void connection_add(struct pp_server *server, int fd)
{
	struct pp_connection *connection = calloc(1, sizeof(*connection));
	struct ucred peer = {.pid = 0, .uid = (uid_t)-1};
	socklen_t size = sizeof(peer);

	if (!connection) {
		close(fd);
		return;
	}
	connection->watch = (struct pp_watch){PP_WATCH_CONNECTION, fd, connection};
	TAILQ_INSERT_TAIL(&server->connections, connection, link);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		connection->pid = peer.pid;
	if (peer.uid != geteuid()) {
		stranger_refuse(server, connection);
		return;
	}
	server->connected = true;
	if (!server_watch_add(server, &connection->watch))
		connection_bury(server, connection);
}

void connections_accept(struct pp_server *server)
{
	/* The rest in the next round: who connects again and again must not hold the loop. */
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(server->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			connection_add(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* The socket stays readable: do not spin on it. */
			epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, server->listen.fd, NULL);
			server->listen_again_ns = clock_now_ns() + LISTEN_PAUSE_NS;
			server_note(server, "processes had to wait to join: %s", strerror(errno));
		}
		return;
	}
}

static void descriptors_take(struct received *received, struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		size_t count;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
			if (received->fd_count < DESCRIPTORS_MAX)
				received->fds[received->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static void descriptors_drop(struct received *received)
{
	for (int i = 0; i < received->fd_count; i++)
		close(received->fds[i]);
	received->fd_count = 0;
}

/* 1: a message; 0: nothing there now; -1: the connection is over, or broken. */
static int message_receive(struct pp_connection *connection, struct received *received)
{
	union {
		struct cmsghdr alignment;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct iovec part = {received->bytes, sizeof(received->bytes)};
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;

	received->fd_count = 0;
	do {
		got = recvmsg(connection->watch.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -1;
	descriptors_take(received, &header);
	received->size = (size_t)got;
	if (received->size >= sizeof(received->message) && received->message.size == received->size &&
	    !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	descriptors_drop(received);
	return -1;
}

static bool hello_check(const struct received *received, struct pp_wire_hello *hello, struct pp_error *error)
{
	uint64_t size = sizeof(struct pp_wire_message) + sizeof(*hello);

	if (received->size < size)
		return error_set(error, "its greeting is too short");
	memcpy(hello, received->bytes + sizeof(struct pp_wire_message), sizeof(*hello));
	if (hello->version != PP_WIRE_VERSION)
		return error_set(error,
				 "its library speaks version %u of the protocol, this analyzer %u: are two "
				 "versions of preprof installed?",
				 hello->version, PP_WIRE_VERSION);
	size += (uint64_t)hello->executable_size + hello->command_size + hello->host_size;
	if (size != received->size || received->fd_count != 3)
		return error_set(error, "its greeting does not add up");
	return true;
}

static bool hello_take(struct pp_server *server, struct pp_connection *connection, struct received *received)
{
	const char *strings =
		(const char *)received->bytes + sizeof(struct pp_wire_message) + sizeof(struct pp_wire_hello);
	struct pp_error error = {""};
	struct pp_wire_hello hello;

	if (connection->greeted || connection->controller)
		return false;
	/* A process that cannot open its pidfd (valgrind does not know the call): it still lives, as its pid does. */
	if (received->fd_count == 2) {
		received->fds[2] = (int)syscall(SYS_pidfd_open, connection->pid, 0);
		received->fd_count += received->fds[2] >= 0;
	}
	if (hello_check(received, &hello, &error)) {
		received->fd_count = 0;
		if (source_add(server, &hello, strings, connection->pid, received->fds, &error)) {
			connection->greeted = true;
			connection->source_id = hello.image;
			if (hello.origin == PP_ORIGIN_EXEC)
				tree_arrived(server, hello.parent_image, connection->pid);
			return true;
		}
	}
	connection_refuse(server, connection, error.text);
	return false;
}

/* init: it calls itself pid 1, and takes us with it when it goes: the recording must lie there before. */
static void end_take(struct pp_server *server, struct pp_connection *connection, bool init)
{
	struct pp_source *source = connection->greeted ? source_find(server, connection->source_id) : NULL;

	if (source && source->image)
		while (source_drain(server, source) >= PP_PIPE_BYTES)
			;
	connection_send(connection, PP_MSG_SAFE, 0, NULL);
	if (source && source->image &&
	    (init || (source->image == server->first_image && server->options->summary && !server->options->controller))) {
		connection->wants_summary = true;
		server->summary_due = true;
	} else {
		connection_send(connection, PP_MSG_SUMMARY, 0, NULL);
	}
}

static bool run_take(struct pp_server *server, struct pp_connection *connection, uint64_t value)
{
	if (!server->options->controller || connection->greeted || connection->controller)
		return false;
	connection->controller = true;
	connection->colour = value & 1;
	connection->columns = (uint32_t)(value >> 16 & 0xffff);
	connection_send(connection, PP_MSG_SAFE, 0, NULL);
	return true;
}

static bool run_exit_take(struct pp_server *server, struct pp_connection *connection,
			  const struct pp_wire_message *message)
{
	if (!connection->controller)
		return false;
	server->command_ended = true;
	server->command_status = (int)message->value;
	server->command_pid = message->pid;
	connection->wants_summary = true;
	server->summary_due = true;
	return true;
}

/* What a process says of itself is shown to people: printable, and not much of it. */
static void unable_take(struct pp_server *server, struct pp_connection *connection, const struct received *received)
{
	char reason[200];
	size_t size = received->size - sizeof(received->message);

	if (size >= sizeof(reason))
		size = sizeof(reason) - 1;
	memcpy(reason, received->bytes + sizeof(received->message), size);
	reason[size] = '\0';
	for (size_t i = 0; i < size; i++) {
		if (reason[i] < ' ' || reason[i] > '~')
			reason[i] = '?';
	}
	connection->refused = true; /* all is said: it goes without a greeting */
	server_note(server, "process %d is not in this recording: %s", (int)connection->pid, reason);
}

/* For a process whose RLIMIT_FSIZE forbids it; here the limit may be another. */
static int memory_make(uint64_t space)
{
	int fd;

	if (space > PP_WIRE_SPACE)
		return -1;
	fd = memfd_create("preprof", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && ftruncate(fd, (off_t)space) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool memory_take(struct pp_connection *connection, uint64_t space)
{
	union {
		struct cmsghdr alignment;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = ""};
	struct pp_wire_message answer = {.type = PP_MSG_MEMORY, .size = sizeof(answer), .pid = getpid()};
	struct iovec part = {&answer, sizeof(answer)};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = connection->greeted || connection->controller ? -1 : memory_make(space);

	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		control.alignment.cmsg_level = SOL_SOCKET;
		control.alignment.cmsg_type = SCM_RIGHTS;
		control.alignment.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.alignment), &fd, sizeof(fd));
	}
	sendmsg(connection->watch.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
	return !connection->greeted && !connection->controller;
}

/* false: the connection is to be closed. */
static bool message_take(struct pp_server *server, struct pp_connection *connection, struct received *received)
{
	const struct pp_wire_message *message = &received->message;
	int process_fd = -1;

	switch (message->type) {
	case PP_MSG_HELLO:
		return hello_take(server, connection, received);
	case PP_MSG_ANNOUNCE:
		if (!connection->greeted)
			return false;
		if (received->fd_count > 0) {
			process_fd = received->fds[0];
			received->fds[0] = received->fds[--received->fd_count];
		}
		tree_expect(server, connection->source_id, message->value, message->pid, process_fd);
		return true;
	case PP_MSG_RETRACT:
		if (connection->greeted)
			tree_retract(server, connection->source_id, message->value, message->pid);
		return connection->greeted;
	case PP_MSG_END:
		end_take(server, connection, message->pid == 1);
		return true;
	case PP_MSG_SNAPSHOT:
		server->snapshot_due = true;
		return true;
	case PP_MSG_UNABLE:
		unable_take(server, connection, received);
		return false;
	case PP_MSG_MEMORY:
		return memory_take(connection, message->value);
	case PP_MSG_RUN:
		return run_take(server, connection, message->value);
	case PP_MSG_RUN_EXIT:
		return run_exit_take(server, connection, message);
	default: /* of a newer version */
		return true;
	}
}

void connection_read(struct pp_server *server, struct pp_connection *connection)
{
	static struct received received; /* large; the server has one thread */
	int result;

	while ((result = message_receive(connection, &received)) > 0) {
		bool keep = message_take(server, connection, &received);

		descriptors_drop(&received);
		if (!keep) {
			result = -1;
			break;
		}
	}
	if (result < 0)
		connection_bury(server, connection);
}

void connections_read_of(struct pp_server *server, pid_t pid)
{
	struct pp_connection *connection, *next;

	if (!server->listen_again_ns)
		connections_accept(server);
	for (connection = TAILQ_FIRST(&server->connections); connection; connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (connection->pid == pid && !connection->controller)
			connection_read(server, connection);
	}
}
