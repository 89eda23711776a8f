/* SPDX-License-Identifier: Apache-2.0 */
/* What is said over the control socket (message.c); session_send is declared in host.h. */
#ifndef PREPROF_MESSAGE_H
#define PREPROF_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_wire_message;

/* The first message of an image, with its pipe, memory and pidfd. Once per image, in session_make. */
bool message_hello(uint32_t origin, uint64_t fork_id);

/* In place of the greeting, in a process that cannot take part: the recording shall say so. false: not told. */
bool message_unable(const char *reason);

/* Asks the analyzer for shared memory that this process may not make; a descriptor, -errno: there is none. */
int message_ask_memory(uint64_t space);

/* Waits until `deadline_ns` for a message; its size (struct and text), 0: none came, the analyzer is gone. */
size_t message_receive(struct pp_wire_message *message, size_t space, uint64_t deadline_ns);

#endif
