/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where our descriptors lie: above what the program can open, so that it gets the numbers, and as many of them, as
 * without us. The kernel gives numbers below RLIMIT_NOFILE only but keeps those that it has given: the limit is lifted
 * for the moment. By raw system calls; any thread, not in a handler.
 */
#ifndef PREPROF_DESCRIPTORS_H
#define PREPROF_DESCRIPTORS_H

#include <stdbool.h>
#include <sys/resource.h>

/* Around everything that opens descriptors of ours. */
struct pp_descriptor_limit {
	struct rlimit before;
	bool lifted;
};
/* false: the program's hard limit is so small that ours would be in its way. */
bool descriptors_begin(struct pp_descriptor_limit *limit);
void descriptors_end(const struct pp_descriptor_limit *limit);

/* Moves fd to a high number, CLOEXEC: that number, or -errno; fd is closed in any case. A negative fd is passed on. */
int descriptor_high(int fd);

/* By what a descriptor of ours is known again: see session_proves_descriptor. */
struct pp_identity;
void identity_take(int fd, struct pp_identity *identity);

/* Closes all of ours. */
void descriptors_close(void);

#endif
