/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that give up system calls (hook_seccomp.c); the hook of prctl is in hook_thread.c. */
#ifndef PREPROF_HOOK_SECCOMP_H
#define PREPROF_HOOK_SECCOMP_H

/* Before prctl(option, first, second): prepares for what it forbids. Not in handlers; errno is kept. */
void seccomp_prctl(int option, unsigned long first, unsigned long second);

#endif
