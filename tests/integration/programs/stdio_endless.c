/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that takes whatever it is given is given more than a double can count, while inexact results end the program. */
#define _GNU_SOURCE
#include <fenv.h>
#include <stdio.h>

static ssize_t take(void *cookie, const char *bytes, size_t size)
{
	(void)cookie;
	(void)bytes;
	return (ssize_t)size;
}

int main(void)
{
	cookie_io_functions_t functions = {.write = take};
	FILE *stream = fopencookie(NULL, "w", functions);
	static char byte;
	size_t taken;

	setvbuf(stream, NULL, _IONBF, 0);
	feenableexcept(FE_INEXACT);
	taken = fwrite(&byte, 1, ((size_t)1 << 53) + 1, stream);
	fedisableexcept(FE_INEXACT);
	printf("%zu %d\n", taken, fetestexcept(FE_INEXACT));
	return 0;
}
