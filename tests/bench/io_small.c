/* SPDX-License-Identifier: Apache-2.0 */
/* Small reads and writes, half of them on a file and half through a pipe; argument: how many. Prints ns a call. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char block[16];

static void moved(ssize_t bytes)
{
	if (bytes != sizeof(block))
		exit(1);
}

int main(int argc, char **argv)
{
	long quarter = (argc > 1 ? atol(argv[1]) : 2000000) / 4;
	char name[] = "/tmp/preprof-io-small-XXXXXX";
	int fd = mkstemp(name), ends[2];
	struct timespec began, ended;

	if (fd < 0 || unlink(name) != 0 || pipe(ends) != 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (long i = 0; i < quarter; i++)
		moved(write(fd, block, sizeof(block)));
	if (lseek(fd, 0, SEEK_SET) != 0)
		return 1;
	for (long i = 0; i < quarter; i++)
		moved(read(fd, block, sizeof(block)));
	for (long i = 0; i < quarter; i++) {
		moved(write(ends[1], block, sizeof(block)));
		moved(read(ends[0], block, sizeof(block)));
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%.1f ns per call\n", ((double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec)) /
					     (double)(4 * quarter));
	return 0;
}
