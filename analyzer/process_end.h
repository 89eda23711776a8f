/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows about a process that was handed to us as a pidfd. Any thread; never blocks. */
#ifndef PREPROF_PROCESS_END_H
#define PREPROF_PROCESS_END_H

#include "profile.h"

#include <sys/types.h>

struct pp_process_usage {
	uint64_t user_ns, system_ns, max_rss_bytes; /* PP_UNKNOWN where nobody knows */
};

void exit_from_wait_status(int status, struct pp_exit *exit);

/* The exit status of a dead process, whoever its parent is. false: nobody knows any more. */
bool process_exit_read(int pid_fd, pid_t pid, struct pp_exit *exit);

/* The process's id in our own pid namespace; 0: it has none here, or has been waited for. */
pid_t process_pid_read(int pid_fd);

/* Times and memory so far, of a living process or of one that nobody waited for yet. */
void process_usage_read(int pid_fd, pid_t pid, struct pp_process_usage *usage);

#endif
