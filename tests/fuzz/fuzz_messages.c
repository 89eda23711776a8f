/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: connections come and go, say what they like with whatever descriptors, write into pipes that they
 * handed over, die, and time passes. The server's own files are part of this program, so that its rounds are made here,
 * one by one and without waiting. Nothing is published but names: that a recording is written is another fuzzer's matter.
 */
#include "../../analyzer/server.c"

#include "../unit/stream_maker.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PEERS	    6
#define STEPS_MAX   64
#define MESSAGE_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum thing { THING_PIPE, THING_WRITE_END, THING_MEMORY, THING_UNSEALED, THING_SMALL, THING_OWN, THING_DEAD, THING_NULL };
#define THINGS 8

static struct pp_server server;
static struct sockaddr_un address;
static socklen_t address_size;
static int things[THINGS], listening, pipe_out = -1;
static int peers[PEERS];
static struct maker maker;
static uint8_t frame[PP_WIRE_FRAME_SPACE]; /* that is right */
static uint64_t passed_ns; /* time, beside the clock's */

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *input, size_t bytes)
{
	uint64_t value = 0;

	if ((size_t)(input->end - input->at) < bytes)
		bytes = (size_t)(input->end - input->at);
	memcpy(&value, input->at, bytes);
	input->at += bytes;
	return value;
}

#define must(good) must_at(good, __LINE__)
static void must_at(bool good, int line)
{
	if (good)
		return;
	fprintf(stderr, "line %d: %s\n", line, strerror(errno));
	abort();
}

static int memory_make(bool sealed, size_t size)
{
	int fd = memfd_create("shared", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	size_t used = PP_WIRE_SLOTS + 4 * sizeof(struct pp_wire_slot);

	must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	must(pwrite(fd, maker.shared, size < used ? size : used, 0) > 0);
	must(!sealed || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	return fd;
}

/* Once: what the peers can hand over. */
static void world_make(void)
{
	struct maker_thread thread;
	pid_t child;

	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "preprof-fuzz-%d", (int)getpid());
	address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(bind(listening, (struct sockaddr *)&address, address_size) == 0 && listen(listening, 64) == 0);
	maker_init(&maker, 1);
	thread_start(&thread, &maker, 0, "main");
	thread_alloc(&thread, 0x1000, 10, 0);
	memcpy(frame, thread.slot->events, thread.slot->events_used);
	((struct pp_wire_frame *)frame)->size = (uint16_t)thread.slot->events_used;
	things[THING_MEMORY] = memory_make(true, PP_WIRE_NODES + 4096);
	things[THING_UNSEALED] = memory_make(false, PP_WIRE_NODES + 4096);
	things[THING_SMALL] = memory_make(true, 4096);
	things[THING_OWN] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	child = fork();
	if (child == 0)
		_exit(3);
	things[THING_DEAD] = (int)syscall(SYS_pidfd_open, child, 0);
	waitpid(child, NULL, 0);
	things[THING_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < PEERS; i++)
		peers[i] = -1;
	must(things[THING_OWN] >= 0 && things[THING_DEAD] >= 0 && things[THING_NULL] >= 0);
}

static void pipe_make(void)
{
	int ends[2];

	if (pipe_out >= 0) {
		close(pipe_out);
		close(things[THING_PIPE]);
	}
	must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	things[THING_PIPE] = ends[0];
	things[THING_WRITE_END] = pipe_out = ends[1];
}

/* ---- what peers do ---- */

static void peer_connect(int *peer)
{
	if (*peer >= 0)
		close(*peer);
	*peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(*peer >= 0);
	if (connect(*peer, (struct sockaddr *)&address, address_size) != 0) {
		close(*peer);
		*peer = -1;
	}
}

/* Each descriptor a thing's number in four bits. */
static void peer_send(int peer, const void *bytes, size_t size, uint32_t count, uint32_t kinds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} control;
	struct iovec part = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
		for (uint32_t i = 0; i < count; i++) {
			int fd = things[kinds >> (i * 4) & (THINGS - 1)];

			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &fd, sizeof(fd));
		}
	}
	sendmsg(peer, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A greeting that is right but for what the input changes. */
static size_t hello_make(struct input *input, uint8_t *bytes)
{
	struct pp_wire_message *message = (struct pp_wire_message *)bytes;
	struct pp_wire_hello *hello = (struct pp_wire_hello *)(message + 1);
	uint64_t wrong = take(input, 1);

	memset(bytes, 0, sizeof(*message) + sizeof(*hello));
	message->type = PP_MSG_HELLO;
	message->size = sizeof(*message) + sizeof(*hello) + 8;
	hello->version = PP_WIRE_VERSION;
	hello->origin = (uint32_t)(1 + take(input, 1) % 4);
	hello->image = take(input, 1) % 8;
	hello->parent_image = take(input, 1) % 8;
	hello->fork_id = take(input, 1) % 4;
	hello->pid = (int32_t)take(input, 1);
	hello->executable_size = 3;
	hello->command_size = 3;
	hello->host_size = 2;
	memcpy(hello + 1, "/xyab\0ho", 8);
	if (wrong & 1)
		hello->command_size = (uint32_t)take(input, 4);
	if (wrong & 2)
		hello->executable_size = (uint32_t)take(input, 4);
	if (wrong & 4)
		hello->host_size = (uint32_t)take(input, 4);
	if (wrong & 8)
		message->size = (uint32_t)take(input, 4);
	if (wrong & 16)
		hello->version = (uint32_t)take(input, 1);
	return sizeof(*message) + sizeof(*hello) + (wrong & 32 ? take(input, 1) : 8);
}

static void peer_speak(struct input *input, int peer, uint64_t how)
{
	_Alignas(8) uint8_t bytes[MESSAGE_MAX] = {0};
	struct pp_wire_message *message = (struct pp_wire_message *)bytes;
	uint64_t kinds = take(input, 4);
	size_t size;

	if (how & 1) {
		size = hello_make(input, bytes);
		if (how & 2) /* pipe, memory, pidfd */
			kinds = THING_PIPE | THING_MEMORY << 4 | (how & 4 ? THING_DEAD : THING_OWN) << 8 | 3 << 12;
	} else {
		message->type = (uint32_t)take(input, 1) % 14;
		message->size = sizeof(*message);
		message->value = take(input, how & 2 ? 8 : 1);
		message->pid = (int32_t)take(input, 2);
		size = sizeof(*message);
		if (how & 4) {
			size = take(input, 1);
			message->size = (uint32_t)take(input, 4);
		}
	}
	peer_send(peer, bytes, size, (uint32_t)(kinds >> 12 & 7), (uint32_t)kinds);
}

static void pipe_write(struct input *input)
{
	uint8_t bytes[512];
	size_t size = take(input, 1);

	if (pipe_out < 0)
		return;
	if ((size & 1) && write(pipe_out, frame, ((struct pp_wire_frame *)frame)->size) < 0)
		must(errno == EAGAIN || errno == EPIPE);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)take(input, 1);
	if (write(pipe_out, bytes, size) < 0)
		must(errno == EAGAIN || errno == EPIPE);
}

/* ---- the server ---- */

/* As server_loop does, without waiting. */
static void round_make(void)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now_ns = clock_now_ns() + passed_ns;
	int count = epoll_wait(server.epoll_fd, events, EVENTS_MAX, 0);

	clocks_set(&server, now_ns);
	for (int i = 0; i < count; i++)
		event_take(&server, events[i].data.ptr);
	pipes_read(&server);
	pace_update(&server.pace, 1, now_ns);
	heartbeats_give(&server, now_ns);
	tree_expire(&server, now_ns);
	listen_again(&server, now_ns);
	tree_changed(&server);
	if (server.summary_due) {
		server.summary_due = false;
		first_is_last(&server);
		summaries_send(&server, "a summary", 0);
	}
	deadline_find(&server, now_ns);
	tree_ended(&server);
	graves_empty(&server);
}

static void server_end(void)
{
	struct pp_source *source;

	for (int i = 0; i < PEERS; i++) {
		if (peers[i] >= 0)
			close(peers[i]);
		peers[i] = -1;
	}
	round_make();
	passed_ns += UINT64_C(10000000000);
	round_make();
	while ((source = TAILQ_FIRST(&server.sources)))
		source_end(&server, source);
	passed_ns += UINT64_C(10000000000);
	round_make();
	must(TAILQ_EMPTY(&server.connections) && TAILQ_EMPTY(&server.sources) && server.source_count == 0);
	while (!TAILQ_EMPTY(&server.expected))
		tree_child_dead(&server, TAILQ_FIRST(&server.expected));
	must(server.expected_count == 0);
	graves_empty(&server);
	publisher_destroy(server.publisher);
	trace_destroy(server.trace);
	close(server.pipes.fd);
	close(server.epoll_fd);
}

/* Those that can be handed over: the sanitizers open others, when they like. */
static uint32_t descriptor_count(void)
{
	struct stat status, ours;
	uint32_t count = 0;

	must(fstat(pipe_out, &ours) == 0);
	for (int fd = 3; fd < 256; fd++) {
		if (fstat(fd, &status) != 0)
			continue;
		/* This round's pipe, or no pipe at all: /memfd, pidfds, sockets. */
		count += !S_ISFIFO(status.st_mode) || status.st_ino == ours.st_ino;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint32_t descriptors;
	struct input input = {bytes, bytes + size};
	struct pp_server_options options = {.output = "/nonexistent/fuzz.pprf", .folder = "/", .summary = true};
	struct pp_error error = {""};

	if (!listening)
		world_make();
	pipe_make();
	memset(&server, 0, sizeof(server));
	passed_ns = 0;
	options.listen_fd = listening;
	options.controller = take(&input, 1) & 1;
	must(server_init(&server, &options, &error));
	for (int i = 0; i < STEPS_MAX && input.at < input.end; i++) {
		uint64_t step = take(&input, 1);
		int *peer = &peers[(step >> 4) % PEERS];

		switch (step & 15) {
		case 0:
		case 1:
			peer_connect(peer);
			break;
		case 2:
			if (*peer >= 0)
				close(*peer);
			*peer = -1;
			break;
		case 3:
			pipe_write(&input);
			break;
		case 4:
			pipe_make();
			break;
		case 5:
			passed_ns += take(&input, 1) * UINT64_C(50000000);
			break;
		case 6:
		case 7:
			round_make();
			break;
		default:
			if (*peer < 0)
				peer_connect(peer);
			peer_speak(&input, *peer, step & 7);
		}
	}
	round_make();
	server_end();
	/* Whatever was handed over was closed again. */
	if (!descriptors)
		descriptors = descriptor_count();
	must(descriptor_count() == descriptors);
	return 0;
}
