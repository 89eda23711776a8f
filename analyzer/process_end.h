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

/* What the kernel counts of a thread (tid 0: of the process with its ended threads and reaped children), or of a process
 * that is dead and not waited for: bytes read and written by system calls. false: it may not be read, or is not there. */
bool process_io_read(pid_t pid, pid_t tid, uint64_t *read_bytes, uint64_t *written_bytes);

/* Has it an io_uring open? Of the first thousand descriptors or so. */
bool process_has_io_uring(pid_t pid);

/* A thread's CPU time, and for how long it was ready without a processor. */
bool process_schedule_read(pid_t pid, pid_t tid, uint64_t *cpu_ns, uint64_t *run_delay_ns);

#endif
