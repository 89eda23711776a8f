/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over the control socket, by raw system calls. Any thread; session_send in handlers too. */
#include "message.h"
#include "host.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define EXECUTABLE_LIMIT 4096
#define COMMAND_LIMIT 32768
#define ANSWER_NS UINT64_C(1000000000)

struct descriptors {
	_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(3 * sizeof(int))];
};

static bool send_with(const void *first, size_t first_size, const void *second, size_t second_size, const int *fds,
		      size_t fd_count)
{
	struct iovec parts[2] = { { (void *)first, first_size }, { (void *)second, second_size } };
	struct descriptors room;
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = second_size ? 2 : 1 };
	long sent;

	if (pp_session.sealed)
		return false;
	if (fd_count) {
		struct cmsghdr *header = (struct cmsghdr *)room.bytes;

		memset(&room, 0, sizeof(room));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
		message.msg_control = room.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	do {
		int fd;

		__atomic_add_fetch(&pp_session.writers, 1, __ATOMIC_SEQ_CST);
		fd = __atomic_load_n(&pp_session.control, __ATOMIC_SEQ_CST);
		sent = -EBADF;
		if (session_proves_descriptor(fd, &pp_session.control_identity))
			sent = RAW_CALL(SYS_sendmsg, fd, &message,
					MSG_NOSIGNAL | (__atomic_load_n(&pp_session.control_full, __ATOMIC_RELAXED) ? MSG_DONTWAIT : 0));
		__atomic_sub_fetch(&pp_session.writers, 1, __ATOMIC_SEQ_CST);
	} while (sent == -EINTR);
	__atomic_store_n(&pp_session.control_full, sent == -EAGAIN, __ATOMIC_RELAXED);
	return sent >= 0;
}

bool session_send(uint32_t type, uint64_t value, int pid, int fd)
{
	struct pp_wire_message message = { .type = type, .size = sizeof(message), .value = value, .pid = pid };

	return send_with(&message, sizeof(message), NULL, 0, &fd, fd >= 0 ? 1 : 0);
}

/* Ours, for the analyzer to see our end; -1: it opens one by our pid. valgrind does not know the call, and says so at
 * length on the program's stderr. */
static int process_open(void)
{
	const char *preloads = environment_get("LD_PRELOAD");

	if (preloads && strstr(preloads, "/vgpreload_"))
		return -1;
	return (int)RAW_CALL(SYS_pidfd_open, pp_session.pid, 0);
}

bool message_hello(uint32_t origin, uint64_t fork_id)
{
	static struct {
		struct pp_wire_message message;
		struct pp_wire_hello hello;
		char text[EXECUTABLE_LIMIT + COMMAND_LIMIT + 128];
	} all;
	struct utsname system;
	char *at = all.text;
	int pidfd = process_open();
	int fds[3] = { pp_session.pipe_read, pp_session.memory, pidfd };
	long size;
	bool sent;

	memset(&all.hello, 0, sizeof(all.hello));
	all.hello.version = PP_WIRE_VERSION;
	all.hello.origin = origin;
	all.hello.image = pp_session.image;
	all.hello.parent_image = pp_session.parent_image;
	all.hello.fork_id = fork_id;
	all.hello.start_ns = pp_session.header->start_ns;
	all.hello.pid = pp_session.pid;
	all.hello.parent_pid = pp_session.parent_pid;
	all.hello.uid = (uint32_t)RAW_CALL(SYS_geteuid);
	size = RAW_CALL(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", at, EXECUTABLE_LIMIT);
	all.hello.executable_size = size > 0 ? (uint32_t)size : 0;
	at += all.hello.executable_size;
	size = raw_read_file("/proc/self/cmdline", at, COMMAND_LIMIT);
	all.hello.command_size = size > 0 ? (uint32_t)size : 0;
	at += all.hello.command_size;
	if (RAW_CALL(SYS_uname, &system) == 0) {
		all.hello.host_size = (uint32_t)strlen(system.nodename);
		memcpy(at, system.nodename, all.hello.host_size);
		at += all.hello.host_size;
	}
	all.message = (struct pp_wire_message){ .type = PP_MSG_HELLO, .pid = pp_session.pid };
	all.message.size = (uint32_t)(at - (char *)&all);
	sent = send_with(&all, all.message.size, NULL, 0, fds, pidfd >= 0 ? 3 : 2);
	if (pidfd >= 0)
		raw_close(pidfd);
	return sent;
}

bool message_unable(const char *reason)
{
	size_t size = strlen(reason);
	struct pp_wire_message message = { .type = PP_MSG_UNABLE, .pid = raw_getpid() };

	message.size = (uint32_t)(sizeof(message) + size);
	return send_with(&message, sizeof(message), reason, size, NULL, 0);
}

/* false: nothing comes before the deadline. */
static bool control_await(uint64_t deadline_ns)
{
	struct pollfd set = { pp_session.control, POLLIN, 0 };
	uint64_t now;

	while ((now = clock_now_ns()) < deadline_ns) {
		struct timespec wait = { (time_t)((deadline_ns - now) / 1000000000),
					 (long)((deadline_ns - now) % 1000000000) };
		long result = RAW_CALL(SYS_ppoll, &set, 1, &wait, 0, 0);

		if (result != -EINTR)
			return result > 0;
	}
	return false;
}

int message_ask_memory(uint64_t space)
{
	struct pp_wire_message answer;
	struct iovec part = { &answer, sizeof(answer) };
	struct descriptors room;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes };
	struct cmsghdr *header = (struct cmsghdr *)room.bytes;
	uint64_t deadline = clock_now_ns() + ANSWER_NS;
	long got;
	int fd;

	if (!session_send(PP_MSG_MEMORY, space, pp_session.pid, -1))
		return -ENOTCONN;
	do {
		if (!control_await(deadline))
			return -ETIMEDOUT;
		message.msg_controllen = sizeof(room.bytes);
		got = RAW_CALL(SYS_recvmsg, pp_session.control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got == -EINTR || got == -EAGAIN);
	if (got != sizeof(answer) || answer.type != PP_MSG_MEMORY || message.msg_controllen < CMSG_LEN(sizeof(fd)) ||
	    header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

size_t message_receive(struct pp_wire_message *message, size_t space, uint64_t deadline_ns)
{
	long result;

	do {
		if (!control_await(deadline_ns))
			return 0;
		if (!session_proves_descriptor(pp_session.control, &pp_session.control_identity))
			return 0;
		result = RAW_CALL(SYS_recvfrom, pp_session.control, message, space, MSG_DONTWAIT, 0, 0);
	} while (result == -EINTR || result == -EAGAIN);
	if (result < (long)sizeof(*message) || message->size > (uint64_t)result)
		return 0;
	return (size_t)result;
}
