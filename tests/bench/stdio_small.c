/* SPDX-License-Identifier: Apache-2.0 */
/* Short calls of stdio: KIND (fgetc, fputc, fread, fprintf, fgets, fputs) COUNT. Prints the user CPU time of a call, in ns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static double user_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec * 1e9 + (double)usage.ru_utime.tv_usec * 1e3;
}

/* One mebibyte of lines of 32 bytes, read over and over. */
static FILE *lines_make(void)
{
	FILE *file = tmpfile();

	for (int i = 0; file && i < 32768; i++)
		fputs("a line of thirty-two bytes, so.\n", file);
	if (file)
		rewind(file);
	return file;
}

int main(int count, char **arguments)
{
	const char *kind = count > 1 ? arguments[1] : "";
	long calls = count > 2 ? atol(arguments[2]) : 1000000;
	FILE *in = strcmp(kind, "fgets") == 0 ? lines_make() : fopen("/dev/zero", "r"), *out = fopen("/dev/null", "w");
	char text[64];
	double began;

	if (!in || !out)
		return 1;
	fputc('x', out); /* their buffers are there */
	if (fgetc(in) == EOF)
		return 1;
	began = user_ns();
	if (strcmp(kind, "fgetc") == 0)
		for (long i = 0; i < calls; i++)
			fgetc(in);
	else if (strcmp(kind, "fputc") == 0)
		for (long i = 0; i < calls; i++)
			fputc('x', out);
	else if (strcmp(kind, "fread") == 0)
		for (long i = 0; i < calls; i++)
			fread(text, 1, 16, in);
	else if (strcmp(kind, "fprintf") == 0)
		for (long i = 0; i < calls; i++)
			fprintf(out, "%ld %s\n", i, "text");
	else if (strcmp(kind, "fgets") == 0)
		for (long i = 0; i < calls; i++) {
			if (!fgets(text, sizeof(text), in))
				rewind(in);
		}
	else if (strcmp(kind, "fputs") == 0) {
		char line[402];

		memset(line, 'x', sizeof(line));
		line[401] = '\0';
		for (long i = 0; i < calls; i++)
			fputs(line + 1 + (unsigned long)i * 2654435761 % 400, out); /* of any length, in no order */
	} else
		return 1;
	printf("%.2f ns per call\n", (user_ns() - began) / (double)calls);
	return 0;
}
