/* SPDX-License-Identifier: Apache-2.0 */
/* The controller's messages; see launch_controller.h and PP_MSG_RUN in wire.h. */
#include "launch_controller.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_MS 20000
/* timeout(1) tells run, which passes it on, and then the whole group: the second is no sign of impatience. */
#define GRACE_MS 500

static bool message_send(int fd, uint32_t type, uint64_t value, pid_t pid)
{
	struct pp_wire_message message = {.type = type, .size = sizeof(message), .value = value, .pid = pid};

	return send(fd, &message, sizeof(message), MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

/* The next message of `type`; others are skipped. NULL: the analyzer is gone, it took too long, or somebody gave up. */
static struct pp_wire_message *message_await(int fd, uint32_t type, int timeout_ms, int give_up_fd, size_t *size)
{
	static union {
		struct pp_wire_message message;
		char bytes[PP_WIRE_MESSAGE_MAX];
	} received;

	for (;;) {
		struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = give_up_fd, .events = POLLIN}};
		ssize_t got;
		int ready = poll(polled, 2, timeout_ms);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || !polled[0].revents)
			return NULL;
		got = recv(fd, &received, sizeof(received), 0);
		if (got < (ssize_t)sizeof(received.message))
			return NULL;
		*size = (size_t)got;
		if (received.message.type == type)
			return &received.message;
	}
}

bool controller_join(const struct pp_analyzer *analyzer, bool colour, uint32_t columns, struct pp_error *error)
{
	size_t size;

	if (message_send(analyzer->control, PP_MSG_RUN, (colour ? 1 : 0) | (uint64_t)columns << 16, getpid()) &&
	    message_await(analyzer->control, PP_MSG_SAFE, READY_MS, -1, &size))
		return true;
	return error_set(error,
			 "preprof-analyzer was started but did not answer: run it by hand to see what it misses");
}

static void signals_forget(int fd)
{
	struct pollfd polled = {fd, POLLIN, 0};
	char room[1024];

	while (fd >= 0 && poll(&polled, 1, 0) > 0 && read(fd, room, sizeof(room)) > 0)
		;
}

bool controller_finish(const struct pp_analyzer *analyzer, pid_t command, int status, int give_up_fd,
		       struct pp_answer *answer, struct pp_error *error)
{
	struct pp_wire_message *message = NULL;
	size_t size;

	answer->empty = false;
	answer->text = NULL;
	if (message_send(analyzer->control, PP_MSG_RUN_EXIT, (uint64_t)status, command))
		message = message_await(analyzer->control, PP_MSG_SUMMARY, GRACE_MS, -1, &size);
	if (!message) {
		signals_forget(give_up_fd);
		message = message_await(analyzer->control, PP_MSG_SUMMARY, -1, give_up_fd, &size);
	}
	if (!message)
		return error_set(error,
				 "the analyzer gave no summary; the recording is as it was last published, if it was");
	answer->empty = message->value & 1;
	answer->text = strndup((const char *)(message + 1), size - sizeof(*message));
	return answer->text || error_set(error, "out of memory");
}
