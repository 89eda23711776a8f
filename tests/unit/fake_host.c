/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of the analyzer's protocol, for tests; see fake_host.h. */
#include "fake_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			_exit(3);                                                                            \
		}                                                                                            \
	} while (0)

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static socklen_t address_make(const char *token, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "%s%s", PP_WIRE_SOCKET_PREFIX, token);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address->sun_path + 1));
}

static void analyzer_exec(int listening, const char *output, const char *const *extra)
{
	const char *argv[32] = {"preprof-analyzer", "--listen", "3", "--output", output};
	const char *build = getenv("PREPROF_BUILD");
	char path[PATH_MAX];
	int count = 5;

	for (; extra && *extra && count < 31; extra++)
		argv[count++] = *extra;
	snprintf(path, sizeof(path), "%s/preprof-analyzer", build ? build : ".");
	dup2(listening, 3);
	if (listening == 3)
		fcntl(3, F_SETFD, 0);
	execv(path, (char **)argv);
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

void fake_analyzer_start(struct pp_fake_analyzer *analyzer, const char *output, const char *const *extra)
{
	struct sockaddr_un address;
	unsigned char bytes[PP_WIRE_TOKEN_SIZE / 2];
	socklen_t size;
	int listening;

	REQUIRE(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(analyzer->token + 2 * i, 3, "%02x", bytes[i]);
	size = address_make(analyzer->token, &address);
	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	REQUIRE(listening >= 0 && bind(listening, (struct sockaddr *)&address, size) == 0 &&
		listen(listening, 64) == 0);
	analyzer->pid = fork();
	REQUIRE(analyzer->pid >= 0);
	if (analyzer->pid == 0)
		analyzer_exec(listening, output, extra);
	close(listening);
}

int fake_analyzer_wait(struct pp_fake_analyzer *analyzer)
{
	int status;

	for (int i = 0; i < 2000; i++) {
		if (waitpid(analyzer->pid, &status, WNOHANG) == analyzer->pid)
			return status;
		usleep(10000);
	}
	kill(analyzer->pid, SIGKILL);
	waitpid(analyzer->pid, &status, 0);
	return -1;
}

int fake_connect(const char *token)
{
	struct sockaddr_un address;
	socklen_t size = address_make(token, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	close(fd);
	return -1;
}

static void header_fill(struct pp_wire_header *header)
{
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	header->version = PP_WIRE_VERSION;
	header->byte_order = PP_WIRE_BYTE_ORDER;
	header->space = PP_WIRE_SPACE;
	header->header_size = sizeof(*header);
	header->slot_size = sizeof(struct pp_wire_slot);
	header->start_ns = now_ns();
	header->start_unix_ns = (uint64_t)real.tv_sec * 1000000000 + (uint64_t)real.tv_nsec;
	header->page_size = 4096;
	header->types[1] = (struct pp_wire_record_type){PP_REC_ALLOC, 2, PP_FAMILY_MEM, 0, "alloc"};
	header->types[2] = (struct pp_wire_record_type){PP_REC_FREE, 1, PP_FAMILY_MEM, 0, "free"};
	header->types[3] = (struct pp_wire_record_type){PP_REC_REALLOC, 3, PP_FAMILY_MEM, 0, "realloc"};
	header->types[4] = (struct pp_wire_record_type){PP_REC_TIME, 1, PP_FAMILY_NONE, 0, "time"};
	header->types[5] = (struct pp_wire_record_type){PP_REC_STAMP, 1, PP_FAMILY_NONE, 0, "stamp"};
	header->types[6] = (struct pp_wire_record_type){PP_REC_SAMPLE, 2, PP_FAMILY_CPU, 0, "sample"};
	header->node_count = 2;
	header->slot_count = 1;
	header->exit_code = -1;
	header->magic = PP_WIRE_MAGIC;
}

/* The header of the frame that is being filled: its sequence says which it is. */
static void frame_begin(struct pp_fake_host *host)
{
	struct pp_wire_slot *slot = host->slot;

	*(struct pp_wire_frame *)(void *)slot->events = (struct pp_wire_frame){
		.kind = PP_FRAME_EVENTS,
		.tid = slot->tid,
		.thread = slot->thread,
		.sequence = slot->events_sequence,
		.time_ns = now_ns(),
	};
}

void fake_host_make(struct pp_fake_host *host, const char *token)
{
	int ends[2];
	void *shared;

	memset(host, 0, sizeof(*host));
	host->control = fake_connect(token);
	REQUIRE(host->control >= 0);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	host->pipe_read = ends[0];
	host->pipe_write = ends[1];
	host->memory = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(host->memory >= 0 && ftruncate(host->memory, PP_WIRE_SPACE) == 0);
	REQUIRE(fcntl(host->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	host->process = (int)syscall(SYS_pidfd_open, getpid(), 0);
	REQUIRE(host->process >= 0);
	shared = mmap(NULL, PP_WIRE_SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, host->memory, 0);
	REQUIRE(shared != MAP_FAILED);
	host->header = shared;
	host->slot = (void *)((char *)shared + PP_WIRE_SLOTS);
	host->nodes = (void *)((char *)shared + PP_WIRE_NODES);
	header_fill(host->header);
	host->nodes[1] = (struct pp_wire_node){PP_NODE_VALID | 0x401000, 0, 0};
	host->slot->tid = (uint32_t)getpid();
	host->slot->thread = 1;
	host->slot->start_ns = now_ns();
	host->slot->events_used = sizeof(struct pp_wire_frame);
	host->slot->events_sequence = 1;
	host->slot->samples_used = sizeof(struct pp_wire_frame);
	host->slot->samples_sequence = 1;
	frame_begin(host);
	*(struct pp_wire_frame *)(void *)host->slot->samples = (struct pp_wire_frame){
		.kind = PP_FRAME_SAMPLES,
		.tid = host->slot->tid,
		.thread = 1,
		.sequence = 1,
		.time_ns = now_ns(),
	};
	host->slot->state = PP_SLOT_LIVE;
	REQUIRE(getrandom(&host->image, sizeof(host->image), 0) == (ssize_t)sizeof(host->image));
}

static void message_send(int control, const void *bytes, size_t size, const int *fds, int fd_count)
{
	struct iovec part = {(void *)bytes, size};
	union {
		struct cmsghdr alignment;
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
	} rights;
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *control_part;

		memset(&rights, 0, sizeof(rights));
		header.msg_control = &rights;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		control_part = CMSG_FIRSTHDR(&header);
		control_part->cmsg_level = SOL_SOCKET;
		control_part->cmsg_type = SCM_RIGHTS;
		control_part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(control_part), fds, sizeof(int) * (size_t)fd_count);
	}
	REQUIRE(sendmsg(control, &header, MSG_NOSIGNAL) == (ssize_t)size);
}

void fake_host_hello(struct pp_fake_host *host, uint32_t origin, uint64_t parent_image, const int *fds, int fd_count)
{
	static const char executable[] = "/usr/bin/fake host", command[] = "fake\0host", name[] = "testhost";
	struct {
		struct pp_wire_message message;
		struct pp_wire_hello hello;
		char strings[256];
	} greeting;
	size_t used = 0;

	memset(&greeting, 0, sizeof(greeting));
	greeting.hello = (struct pp_wire_hello){
		.version = PP_WIRE_VERSION,
		.origin = origin,
		.image = host->image,
		.parent_image = parent_image,
		.start_ns = host->header->start_ns,
		.pid = getpid(),
		.parent_pid = getppid(),
		.uid = geteuid(),
		.executable_size = sizeof(executable) - 1,
		.command_size = sizeof(command),
		.host_size = sizeof(name) - 1,
	};
	memcpy(greeting.strings, executable, sizeof(executable) - 1);
	used += sizeof(executable) - 1;
	memcpy(greeting.strings + used, command, sizeof(command));
	used += sizeof(command);
	memcpy(greeting.strings + used, name, sizeof(name) - 1);
	used += sizeof(name) - 1;
	used += offsetof(__typeof__(greeting), strings);
	greeting.message = (struct pp_wire_message){PP_MSG_HELLO, (uint32_t)used, 0, getpid(), 0};
	message_send(host->control, &greeting, used, fds, fd_count);
}

void fake_host_start(struct pp_fake_host *host, const char *token, uint32_t origin, uint64_t parent_image)
{
	fake_host_make(host, token);
	fake_host_hello(host, origin, parent_image, (int[]){host->pipe_read, host->memory, host->process}, 3);
}

void fake_host_forget(struct pp_fake_host *host)
{
	close(host->control);
	close(host->pipe_read);
	close(host->pipe_write);
	close(host->memory);
	close(host->process);
	munmap(host->header, PP_WIRE_SPACE);
}

void fake_host_flush(struct pp_fake_host *host)
{
	struct pp_wire_slot *slot = host->slot;
	struct pp_wire_frame *frame = (void *)slot->events;

	if (slot->events_used <= sizeof(*frame))
		return;
	frame->size = (uint16_t)slot->events_used;
	REQUIRE(write(host->pipe_write, slot->events, slot->events_used) == (ssize_t)slot->events_used);
	slot->events_used = sizeof(*frame);
	slot->events_sequence++;
	frame_begin(host);
}

static void record_write(struct pp_fake_host *host, const uint64_t *words, size_t count)
{
	struct pp_wire_slot *slot = host->slot;
	struct pp_wire_frame *frame = (void *)slot->events;

	if (slot->events_used + count * 8 > PP_WIRE_FRAME_SPACE)
		fake_host_flush(host);
	frame->time_ns = slot->events_used == sizeof(*frame) ? now_ns() : frame->time_ns;
	memcpy(slot->events + slot->events_used, words, count * 8);
	slot->event_count++;
	host->written++;
	__atomic_store_n(&slot->events_used, slot->events_used + (uint32_t)count * 8, __ATOMIC_RELEASE);
}

void fake_host_alloc(struct pp_fake_host *host, uint64_t address, uint64_t size)
{
	record_write(host,
		     (uint64_t[]){(uint64_t)PP_REC_ALLOC << 60 | address >> 4 << 16,
				  UINT64_C(1) << PP_REC_SIZE_BITS | size},
		     2);
}

void fake_host_free(struct pp_fake_host *host, uint64_t address)
{
	record_write(host, (uint64_t[]){(uint64_t)PP_REC_FREE << 60 | address >> 4 << 16}, 1);
}

void fake_host_send(struct pp_fake_host *host, uint32_t type, uint64_t value, int fd)
{
	struct pp_wire_message message = {type, sizeof(message), value, getpid(), 0};

	message_send(host->control, &message, sizeof(message), &fd, fd >= 0);
}

bool fake_receive(int control, struct pp_wire_message *message, char *text, size_t text_size, int timeout_ms)
{
	struct pollfd polled = {.fd = control, .events = POLLIN};
	static union {
		struct pp_wire_message message;
		char bytes[PP_WIRE_MESSAGE_MAX];
	} received;
	ssize_t got;

	if (poll(&polled, 1, timeout_ms) <= 0)
		return false;
	got = recv(control, &received, sizeof(received), 0);
	if (got < (ssize_t)sizeof(*message))
		return false;
	*message = received.message;
	if (text)
		snprintf(text, text_size, "%.*s", (int)(got - (ssize_t)sizeof(*message)),
			 received.bytes + sizeof(*message));
	return true;
}
