/* SPDX-License-Identifier: Apache-2.0 */
/* Waits, as tracers and init programs do, until it has no child of any kind left. With an argument it adopts orphans. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int flags = argc > 1 ? 0 : __WALL, waited = 0;

	(void)argv;
	if (fork() == 0)
		_exit(5);
	free(malloc(100));
	while (waitpid(-1, NULL, flags) > 0)
		waited++;
	printf("waited %d %d\n", waited, errno == ECHILD);
	return 0;
}
