/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves at once, survived by a child that stays in a fork handler, where no other code runs, until its standard input
 * ends. With an argument there is a grandchild in between. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int armed;

/* By the instruction: a call of libc's would be the child's first that preprof sees. */
static long raw_read(int fd, char *byte)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_read), "D"(fd), "S"(byte), "d"(1)
			 : "rcx", "r11", "memory");
	return result;
}

static void child_hold(void)
{
	char byte;

	while (armed && raw_read(0, &byte) > 0)
		;
}

int main(int argc, char **argv)
{
	(void)argv;
	pthread_atfork(NULL, NULL, child_hold);
	if (argc > 1 && fork() != 0)
		exit(6);
	armed = 1;
	if (fork() != 0)
		exit(6);
	free(malloc(1000));
	return 0;
}
