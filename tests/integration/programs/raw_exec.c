/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command as a runtime without libc does: no function of libc's forks or executes, and the environment is the one
 * that the kernel gave. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long system_call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

int main(int argc, char **argv)
{
	char **environment = argv + argc + 1;
	void *volatile block = malloc(100);
	int status = 1;
	long pid;

	pid = system_call(SYS_fork, 0, 0, 0);
	if (pid == 0) {
		system_call(SYS_execve, (long)argv[1], (long)(argv + 1), (long)environment);
		system_call(SYS_exit, 127, 0, 0);
	}
	waitpid((pid_t)pid, &status, 0);
	free(block);
	return WEXITSTATUS(status);
}
