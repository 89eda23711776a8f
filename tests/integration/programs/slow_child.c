/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves at once, survived by a child that spends its first second in a fork handler, where no other code runs. With
 * an argument there is a grandchild in between. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static int armed;

static void child_hold(void)
{
	if (armed)
		usleep(1000000);
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
	usleep(1000000);
	return 0;
}
