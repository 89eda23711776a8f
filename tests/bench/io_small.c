/* SPDX-License-Identifier: Apache-2.0 */
/* Small reads and writes, half of them on a file and half through a pipe; arguments: how many, and "vary": of 16 to 23 bytes, by turns,
 * instead of 16 each. Prints ns a call. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char block[32];

static void moved(ssize_t bytes, size_t size)
{
	if (bytes != (ssize_t)size)
		exit(1);
}

int main(int argc, char **argv)
{
	long quarter = (argc > 1 ? atol(argv[1]) : 2000000) / 4;
	char name[] = "/tmp/preprof-io-small-XXXXXX";
	size_t mask = argc > 2 ? 7 : 0;
	int fd = mkstemp(name), ends[2];
	struct timespec began, ended;

	if (fd < 0 || unlink(name) != 0 || pipe(ends) != 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (size_t i = 0; i < (size_t)quarter; i++)
		moved(write(fd, block, 16 + (i & mask)), 16 + (i & mask));
	if (lseek(fd, 0, SEEK_SET) != 0)
		return 1;
	for (size_t i = 0; i < (size_t)quarter; i++)
		moved(read(fd, block, 16 + (i & mask)), 16 + (i & mask));
	for (size_t i = 0; i < (size_t)quarter; i++) {
		moved(write(ends[1], block, 16 + (i & mask)), 16 + (i & mask));
		moved(read(ends[0], block, 16 + (i & mask)), 16 + (i & mask));
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%.1f ns per call\n", ((double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec)) /
					     (double)(4 * quarter));
	return 0;
}
