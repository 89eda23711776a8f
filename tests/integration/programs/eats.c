/* SPDX-License-Identifier: Apache-2.0 */
/* eats BLOCKS BYTES: says "ready", waits for a line, then makes and fills so many blocks, and says a byte for each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile keep;

__attribute__((noinline)) static void eat(size_t bytes)
{
	keep = malloc(bytes);
	memset(keep, 1, bytes);
}

int main(int argc, char **argv)
{
	long blocks = argc > 1 ? atol(argv[1]) : 0;
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	char line[16];

	if (write(1, "ready\n", 6) != 6 || read(0, line, sizeof(line)) <= 0)
		return 2;
	for (long i = 0; i < blocks; i++) {
		eat(bytes);
		if (bytes > 1000 && write(1, ".", 1) != 1)
			return 3;
	}
	return 6;
}
