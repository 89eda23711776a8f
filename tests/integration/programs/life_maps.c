/* SPDX-License-Identifier: Apache-2.0 */
/* Address space asked for by hand: 7 mappings made, all but one given back. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEGABYTE ((size_t)1 << 20)

int main(void)
{
	char *maps[5], *moved;
	void *before, *after;

	for (int i = 0; i < 5; i++)
		maps[i] = mmap(NULL, (size_t)(i + 1) * MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	maps[4][0] = 5;
	moved = mremap(maps[4], 5 * MEGABYTE, 9 * MEGABYTE, MREMAP_MAYMOVE);
	printf("moved %d\n", moved[0]);
	printf("fixed %d\n",
	       mmap(maps[3], MEGABYTE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == maps[3]);
	errno = 0;
	printf("refused %d", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	printf(" %d\n", errno);
	errno = 0;
	printf("unaligned %d", munmap(maps[0] + 1, 4096));
	printf(" %d\n", errno);
	printf("none %d", munmap(maps[0], 0));
	printf(" %d\n", errno);
	errno = 0;
	printf("elsewhere %d", mremap(maps[0], MEGABYTE, MEGABYTE, MREMAP_FIXED, maps[0]) == MAP_FAILED);
	printf(" %d\n", errno);
	before = sbrk(0);
	printf("sbrk %d\n", sbrk(65536) == before);
	after = sbrk(0);
	printf("break %ld\n", (long)((char *)after - (char *)before));
	printf("brk %d\n", brk(before));
	printf("back %d\n", sbrk(0) == before);
	for (int i = 1; i < 4; i++)
		munmap(maps[i], (size_t)(i + 1) * MEGABYTE);
	munmap(moved, 9 * MEGABYTE);
	return 0;
}
