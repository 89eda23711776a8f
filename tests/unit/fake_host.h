/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process image that speaks the protocol without the library: what the analyzer is tested with. It keeps the slot,
 * frame and node layout of wire.h for one thread. Failures end the test process.
 */
#ifndef PREPROF_FAKE_HOST_H
#define PREPROF_FAKE_HOST_H

#include "preprof/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pp_fake_analyzer {
	pid_t pid;
	char token[PP_WIRE_TOKEN_SIZE + 1];
};

struct pp_fake_host {
	int control, pipe_read, pipe_write, memory, process;
	struct pp_wire_header *header;
	struct pp_wire_slot *slot;
	struct pp_wire_node *nodes;
	uint64_t image;
	uint64_t written; /* records so far */
};

/* $PREPROF_BUILD/preprof-analyzer on a socket of its own; `extra`: NULL-terminated further arguments, or NULL. */
void fake_analyzer_start(struct pp_fake_analyzer *analyzer, const char *output, const char *const *extra);
/* Waits for its end; its wait status, or -1 after 20 s (then it is killed). */
int fake_analyzer_wait(struct pp_fake_analyzer *analyzer);
int fake_connect(const char *token); /* -1: refused */

/* Connects, makes pipe, memory and pidfd and says HELLO, for the calling process. */
void fake_host_start(struct pp_fake_host *host, const char *token, uint32_t origin, uint64_t parent_image);
void fake_host_make(struct pp_fake_host *host, const char *token); /* without the HELLO */
void fake_host_hello(struct pp_fake_host *host, uint32_t origin, uint64_t parent_image, const int *fds, int fd_count);
void fake_host_forget(struct pp_fake_host *host); /* closes everything */

void fake_host_alloc(struct pp_fake_host *host, uint64_t address, uint64_t size);
void fake_host_free(struct pp_fake_host *host, uint64_t address);
void fake_host_flush(struct pp_fake_host *host);
void fake_host_send(struct pp_fake_host *host, uint32_t type, uint64_t value, int fd);

/* The next message; false: none within timeout_ms, or the connection is over. text may be NULL. */
bool fake_receive(int control, struct pp_wire_message *message, char *text, size_t text_size, int timeout_ms);

#endif
