/* SPDX-License-Identifier: Apache-2.0 */
/* atfork_io FILE: handlers of fork that write, between the fork and all that hooks of it can do, by the line that has written before. Each
 * byte of the file counts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;

static __attribute__((noinline)) void write_one(char byte)
{
	if (write(file, &byte, 1) != 1)
		abort();
}

static void prepare(void)
{
	write_one('p');
}

static void parent(void)
{
	write_one('a');
}

static void child(void)
{
	for (int i = 0; i < 5; i++)
		write_one('c');
}

int main(int argc, char **argv)
{
	file = open(argv[argc - 1], O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	if (file < 0 || pthread_atfork(prepare, parent, child) != 0)
		return 1;
	for (int turn = 0; turn < 20; turn++) {
		pid_t made;
		int status;

		for (int i = 0; i < 100; i++)
			write_one('m');
		made = turn % 2 ? fork() : _Fork();
		if (!made) {
			for (int i = 0; i < 10; i++)
				write_one('n');
			_exit(7);
		}
		if (made < 0 || waitpid(made, &status, 0) != made || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			return 2;
	}
	return 0;
}
