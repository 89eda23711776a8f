/* SPDX-License-Identifier: Apache-2.0 */
/* Uses the processor for some milliseconds, then executes itself (or argv[2]) with one less than argv[1]. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0;
	char next[16];

	for (volatile unsigned long i = 0; i < 3000000; i++)
		;
	if (count == 0) {
		puts("end");
		return 0;
	}
	snprintf(next, sizeof(next), "%d", count - 1);
	execl(argc > 2 ? argv[2] : "/proc/self/exe", "life_chain", next, NULL);
	perror("execl");
	return 1;
}
