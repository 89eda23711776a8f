/* SPDX-License-Identifier: Apache-2.0 */
/* vfork_numbers ROUNDS: three threads have a child of vfork each, again and again, that gives a number a meaning of its own and reads
 * and writes 20 times through it. Prints how many of them ended otherwise than they should. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3

static int rounds, wrong;

static __attribute__((noinline)) void child(int number)
{
	int fd = open("/dev/zero", O_RDWR);
	char bytes[7];

	dup2(fd, number);
	for (int i = 0; i < 20; i++)
		if (read(number, bytes, 7) != 7 || write(number, bytes, 5) != 5)
			_exit(3);
	_exit(7);
}

static void *run(void *argument)
{
	int number = 100 + (int)(long)argument;

	for (int i = 0; i < rounds; i++) {
		pid_t made = vfork();
		int status;

		if (made == 0)
			child(number);
		if (made < 0 || waitpid(made, &status, 0) != made || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 2)
		return 1;
	rounds = atoi(argv[1]);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%d\n", wrong);
	return 0;
}
