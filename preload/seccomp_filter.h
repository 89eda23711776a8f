/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a seccomp filter would answer: the classic BPF program that a process is about to install, run on calls that
 * have not been made. Pure computation; any context.
 */
#ifndef PREPROF_SECCOMP_FILTER_H
#define PREPROF_SECCOMP_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The filter's SECCOMP_RET_* value for a call; SECCOMP_RET_KILL_PROCESS for a program that the kernel would refuse. */
uint32_t filter_run(const struct sock_filter *program, size_t count, const struct seccomp_data *call);

#endif
