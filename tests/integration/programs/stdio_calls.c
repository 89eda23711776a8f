/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes every call of stdio a known number of times, each kind on a file of its own in FOLDER, and keeps its own account,
 * which it writes by system calls to FOLDER/account: "FILE CALLS READ WRITTEN", calls and bytes as it asked and got them.
 *
 * stdio_calls FOLDER [kill]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);
size_t __fread_unlocked_chk(void *, size_t, size_t, size_t, FILE *);
char *__fgets_chk(char *, size_t, int, FILE *);
char *__fgets_unlocked_chk(char *, size_t, int, FILE *);
wchar_t *__fgetws_chk(wchar_t *, size_t, int, FILE *);
int __fprintf_chk(FILE *, int, const char *, ...);
int __vfprintf_chk(FILE *, int, const char *, va_list);
int __fwprintf_chk(FILE *, int, const wchar_t *, ...);
int __dprintf_chk(int, int, const char *, ...);
int __uflow(FILE *);
int __underflow(FILE *);
int __overflow(FILE *, int);
int _IO_getc(FILE *);
int _IO_putc(int, FILE *);
ssize_t __getdelim(char **, size_t *, int, FILE *);
int __isoc99_fscanf(FILE *, const char *, ...);
#define WIDE ((long)sizeof(wchar_t))

static int account;
static char name[4096];
static const char *folder;

static const char *path(const char *file)
{
	snprintf(name, sizeof(name), "%s/%s", folder, file);
	return name;
}

static void told(const char *file, long calls, long got, long given)
{
	char line[256];
	int size = snprintf(line, sizeof(line), "%s %ld %ld %ld\n", file, calls, got, given);

	if (write(account, line, (size_t)size) != size)
		abort();
}

static long fails;

static void expect(int holds, const char *what)
{
	if (!holds) {
		fails++;
		write(2, what, strlen(what));
		write(2, "\n", 1);
	}
}
#define EXPECT(condition) expect(condition, #condition)

/* `bytes` of lines of ten bytes. */
static void prepare(const char *file, long bytes)
{
	int fd = open(path(file), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (long i = 0; i < bytes; i += 10)
		EXPECT(write(fd, "12345 789\n", 10) == 10);
	close(fd);
}

/* --- blocks and characters -------------------------------------------------------------------------------------------- */

static void blocks(void)
{
	static char buffer[100000];
	FILE *file = fopen(path("blocks"), "w+");
	long got = 0, calls = 0;

	for (int i = 0; i < 1000; i++)
		calls += fwrite(buffer, 4, 4, file) == 4;
	EXPECT(fwrite_unlocked(buffer, 1, 50000, file) == 50000);
	EXPECT(fwrite(buffer, 0, 10, file) == 0); /* nothing is asked for: no call */
	EXPECT(calls == 1000 && fflush(file) == 0);
	told("blocks", calls + 1 + 1, 0, 16000 + 50000); /* the flush too; no fopen: that is another's call */
	rewind(file);
	calls = 0;
	for (int i = 0; i < 100; i++, calls++)
		got += (long)fread(buffer, 1, 16, file);
	got += (long)fread_unlocked(buffer, 1, 20000, file);
	got += (long)__fread_chk(buffer, sizeof(buffer), 10, 100, file) * 10;
	got += (long)__fread_unlocked_chk(buffer, sizeof(buffer), 10, 100, file) * 10;
	got += (long)fread(buffer, 1, sizeof(buffer), file);
	got += (long)fread(buffer, 1, 1, file);
	told("blocks", 1 + calls + 5, got, 0);
	EXPECT(got == 66000 && feof(file) && fclose(file) == 0);
}

static void characters(void)
{
	int (*get[])(FILE *) = {fgetc, getc, fgetc_unlocked, getc_unlocked, _IO_getc};
	int (*put[])(int, FILE *) = {fputc, putc, fputc_unlocked, putc_unlocked, _IO_putc};
	FILE *file = fopen(path("characters"), "w+");
	long calls = 0;

	for (int i = 0; i < 10000; i++, calls++)
		put[i % 5]('a' + i % 26, file);
	EXPECT(putw(7, file) == 0);
	rewind(file);
	told("characters", calls + 2, 0, 10000 + (long)sizeof(int));
	for (int i = 0; i < 10000; i++)
		EXPECT(get[i % 5](file) == 'a' + i % 26);
	EXPECT(ungetc('z', file) == 'z' && fgetc(file) == 'z');
	EXPECT(getw(file) == 7 && fgetc(file) == EOF);
	told("characters", 10000 + 4, 10001 + (long)sizeof(int), 0);
	EXPECT(fclose(file) == 0);
}

/* What getc_unlocked and putc_unlocked are in a program: only the ends of the buffer are calls. */
static void in_lines(void)
{
	FILE *file = fopen(path("inlined"), "w+");
	long over = 0, under = 0;

	for (int i = 0; i < 20000; i++) {
		if (file->_IO_write_ptr >= file->_IO_write_end) {
			over++;
			__overflow(file, 'x');
		} else {
			*file->_IO_write_ptr++ = 'x';
		}
	}
	rewind(file);
	told("inlined", over + 1, 0, over);
	for (int i = 0; i < 20000; i++) {
		if (file->_IO_read_ptr >= file->_IO_read_end) {
			under++;
			EXPECT(__uflow(file) == 'x');
		} else {
			file->_IO_read_ptr++;
		}
	}
	EXPECT(__underflow(file) == EOF);
	told("inlined", under + 1, under, 0);
	EXPECT(over == 5 && under == 5 && fclose(file) == 0);
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

static void lines(void)
{
	char line[64], *grown = NULL;
	long calls = 0, got = 0;
	size_t space = 0;
	FILE *file;

	prepare("lines", 20000);
	file = fopen(path("lines"), "r");
	while (calls < 500) {
		char *(*get[])(char *, int, FILE *) = {fgets, fgets_unlocked};

		EXPECT(get[calls++ % 2](line, sizeof(line), file) == line);
		got += (long)strlen(line);
	}
	EXPECT(__fgets_chk(line, sizeof(line), 5, file) && __fgets_unlocked_chk(line, sizeof(line), 7, file));
	calls += 2;
	got += 4 + 6;
	for (; getline(&grown, &space, file) > 0; calls++)
		got += (long)strlen(grown);
	told("lines", calls + 1, got, 0); /* and the one that met the end */
	EXPECT(got == 20000 && fclose(file) == 0);

	file = fopen(path("lines"), "r");
	got = getdelim(&grown, &space, ' ', file);
	got += __getdelim(&grown, &space, ' ', file);
	EXPECT(got == 6 + 10);
	told("lines", 2, got, 0);
	EXPECT(fclose(file) == 0);
	free(grown);
}

/* With NULs in them, and none at the end. */
static void odd_lines(void)
{
	FILE *file = fopen(path("odd"), "w+");
	char line[64];

	EXPECT(fwrite("ab\0cd\nef\0", 1, 9, file) == 9);
	rewind(file);
	EXPECT(fgets(line, sizeof(line), file) && fgets(line, sizeof(line), file) && !fgets(line, sizeof(line), file));
	told("odd", 1 + 1 + 3, 9, 9);
	EXPECT(fclose(file) == 0);
}

static void texts(void)
{
	FILE *file = fopen(path("texts"), "w");

	for (int i = 0; i < 300; i++)
		EXPECT(fputs("a line of text\n", file) >= 0);
	EXPECT(fputs_unlocked("", file) >= 0 && fputs_unlocked("four", file) >= 0);
	told("texts", 302, 0, 300 * 15 + 4);
	EXPECT(fclose(file) == 0);
}

/* --- formats ---------------------------------------------------------------------------------------------------------- */

static int listed(FILE *file, int checked, const char *format, ...)
{
	va_list list;
	int result;

	va_start(list, format);
	result = checked ? __vfprintf_chk(file, 1, format, list) : vfprintf(file, format, list);
	va_end(list);
	return result;
}

static void prints(void)
{
	FILE *file = fopen(path("prints"), "w");
	long given = 0;

	for (int i = 0; i < 400; i++)
		given += fprintf(file, "%d and %s, %.3f\n", i, "more", i / 7.0);
	given += __fprintf_chk(file, 1, "%d\n", 5);
	given += listed(file, 0, "%*d|%-5s|", 7, 3, "ab");
	given += listed(file, 1, "%lld %Lf\n", 1LL << 60, 2.0L);
	given += fprintf(file, "%10000d", 1);
	told("prints", 404, 0, given);
	EXPECT(fclose(file) == 0);
}

static void scans(void)
{
	int number, more, count = 0;
	FILE *file;

	prepare("scans", 9000);
	file = fopen(path("scans"), "r");
	while (__isoc99_fscanf(file, "%d %d\n", &number, &more) == 2)
		count++;
	EXPECT(count == 900);
	EXPECT(fseek(file, 0, SEEK_SET) == 0);
	EXPECT(fscanf(file, "%d", &number) == 1 && number == 12345);
	EXPECT(fscanf(file, "%d", &number) == 1 && number == 789);
	told("scans", 901 + 1 + 2, 9000 + 5 + 4, 0);
	EXPECT(fclose(file) == 0);
}

static void descriptors(void)
{
	int fd = open(path("descriptors"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	long given = 0;

	for (int i = 0; i < 50; i++)
		given += dprintf(fd, "%d\n", i);
	given += __dprintf_chk(fd, 1, "%s", "checked");
	given += dprintf(fd, "%20000d", 1); /* larger than any buffer */
	EXPECT(dprintf(fd, "%s", "") == 0);
	told("descriptors", 53, 0, given);
	close(fd);
}

static void wide(void)
{
	FILE *file = fopen(path("wide"), "w+");
	wchar_t line[64];

	for (int i = 0; i < 100; i++)
		EXPECT(fputwc(L'\u00e4', file) == L'\u00e4');
	EXPECT(putwc(L'\n', file) == L'\n' && fputws(L"\u20ac uro\n", file) >= 0);
	EXPECT(fwprintf(file, L"%d\n", 42) == 3 && __fwprintf_chk(file, 1, L"%ls", L"ab") == 2);
	rewind(file);
	told("wide", 105, 0, (101 + 6 + 3 + 2) * WIDE);
	for (int i = 0; i < 100; i++)
		EXPECT(fgetwc(file) == L'\u00e4');
	EXPECT(getwc(file) == L'\n' && fgetws(line, 64, file) && __fgetws_chk(line, 64, 64, file));
	EXPECT(fgetwc(file) == L'a' && ungetwc(L'a', file) == L'a' && fgetwc(file) == L'a' && fgetwc(file) == L'b');
	EXPECT(fgetwc(file) == WEOF);
	told("wide", 101 + 2 + 4 + 1, (101 + 6 + 3 + 3) * WIDE, 0);
	EXPECT(fclose(file) == 0);
}

/* --- how they are buffered and placed ---------------------------------------------------------------------------------- */

static void unbuffered(void)
{
	FILE *file = fopen(path("unbuffered"), "w");

	EXPECT(setvbuf(file, NULL, _IONBF, 0) == 0);
	for (int i = 0; i < 200; i++)
		EXPECT(fputs("seven.\n", file) >= 0); /* each a write */
	told("unbuffered", 201, 0, 1400);
	EXPECT(fclose(file) == 0);
	file = fopen(path("unbuffered"), "r");
	setbuf(file, NULL);
	for (int i = 0; i < 100; i++)
		EXPECT(fgetc(file) != EOF); /* each a read */
	told("unbuffered", 101, 100, 0);
	EXPECT(fclose(file) == 0);
}

static void by_lines(void)
{
	static char small[64];
	FILE *file = fopen(path("by-lines"), "w");

	setlinebuf(file);
	for (int i = 0; i < 100; i++)
		EXPECT(fprintf(file, "%d\n", i % 10) == 2); /* each a write */
	setbuffer(file, small, sizeof(small));
	for (int i = 0; i < 640; i++)
		fputc('x', file);
	told("by-lines", 102 + 640, 0, 840);
	EXPECT(fclose(file) == 0);
}

static void places(void)
{
	fpos_t place;
	fpos64_t place64;
	FILE *file;

	prepare("places", 50000);
	file = fopen64(path("places"), "r+");
	for (int i = 0; i < 100; i++) {
		EXPECT(fseek(file, (i * 7919) % 50000, SEEK_SET) == 0);
		EXPECT(fgetc(file) != EOF);
		EXPECT(ftell(file) == (i * 7919) % 50000 + 1);
	}
	EXPECT(fseeko(file, 100, SEEK_SET) == 0 && fseeko64(file, 100, SEEK_CUR) == 0 && ftello(file) == 200);
	EXPECT(fgetpos(file, &place) == 0 && fsetpos(file, &place) == 0 && fgetpos64(file, &place64) == 0);
	EXPECT(fsetpos64(file, &place64) == 0 && ftello64(file) == 200);
	EXPECT(fputs("over", file) >= 0 && fflush_unlocked(file) == 0 && fseek(file, -10, SEEK_END) == 0);
	EXPECT(fputc('!', file) == '!');
	rewind(file);
	told("places", 300 + 8 + 5, 100, 5);
	EXPECT(fclose(file) == 0);
}

static void reopened(void)
{
	FILE *file = fopen(path("first"), "w");

	EXPECT(fputs("to the first", file) >= 0);
	EXPECT((file = freopen(path("second"), "w", file)) != NULL); /* writes the first, and closes it */
	EXPECT(fputs("to the second", file) >= 0);
	EXPECT(freopen("/no/such/file", "r", fopen(path("second"), "r")) == NULL);
	told("first", 1, 0, 12);
	told("second", 1, 0, 13);
	EXPECT(fclose(file) == 0);
	file = fdopen(open(path("third"), O_RDWR | O_CREAT | O_TRUNC, 0600), "a+");
	EXPECT(fprintf(file, "%s", "appended") == 8);
	told("third", 1, 0, 8);
	EXPECT(fclose(file) == 0);
}

/* --- without a descriptor of theirs ------------------------------------------------------------------------------------- */

static ssize_t cookie_read(void *cookie, char *buffer, size_t size)
{
	return read(*(int *)cookie, buffer, size < 100 ? size : 100);
}

static void streams(void)
{
	int fd;
	char *text = NULL, line[64];
	size_t size;
	FILE *file = open_memstream(&text, &size);

	EXPECT(fprintf(file, "%d", 1234) == 4 && fputc('5', file) == '5' && fclose(file) == 0 && size == 5);
	free(text);
	prepare("cookie", 1000);
	fd = open(path("cookie"), O_RDONLY);
	file = fopencookie(&fd, "r", (cookie_io_functions_t){.read = cookie_read});
	for (int i = 0; i < 100; i++)
		EXPECT(fgets(line, sizeof(line), file) == line); /* by ten reads, which are the program's own */
	EXPECT(fclose(file) == 0 && close(fd) == 0);
	file = fmemopen(line, sizeof(line), "w");
	EXPECT(fputs("memory", file) >= 0 && fclose(file) == 0 && strcmp(line, "memory") == 0);
	file = tmpfile();
	EXPECT(fputs("temporary", file) >= 0 && fclose(file) == 0);
	file = popen("cat > /dev/null", "w");
	EXPECT(fputs("to a program", file) >= 0 && pclose(file) == 0);
	EXPECT(fopen("/no/such/file", "r") == NULL && fopen("/dev/null", "q") == NULL);
}

/* One stream, two threads: each call is counted once, each byte too. */
#define SHARED_CALLS 20000

static void *shared_write(void *file)
{
	for (int i = 0; i < SHARED_CALLS; i++)
		fputs("eight...", file);
	return NULL;
}

static void *shared_read(void *file)
{
	for (int i = 0; i < SHARED_CALLS; i++)
		fgetc(file);
	return NULL;
}

static void threads(void)
{
	FILE *file = fopen(path("shared"), "w+");
	pthread_t first, second;

	pthread_create(&first, NULL, shared_write, file);
	pthread_create(&second, NULL, shared_write, file);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	rewind(file);
	told("shared", 2 * SHARED_CALLS + 1, 0, 16 * SHARED_CALLS);
	pthread_create(&first, NULL, shared_read, file);
	pthread_create(&second, NULL, shared_read, file);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	told("shared", 2 * SHARED_CALLS, 2 * SHARED_CALLS, 0);
	EXPECT(fclose(file) == 0);
}

int main(int count, char **arguments)
{
	FILE *left;

	folder = arguments[1];
	setlocale(LC_CTYPE, "C.UTF-8");
	account = open(path("account"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	blocks();
	characters();
	in_lines();
	lines();
	odd_lines();
	texts();
	prints();
	scans();
	descriptors();
	wide();
	unbuffered();
	by_lines();
	places();
	reopened();
	streams();
	threads();
	left = fopen(path("left-open"), "w"); /* flushed by exit, after everything else */
	EXPECT(fputs("written at the very end", left) >= 0);
	told("left-open", 1, 0, 23);
	EXPECT(printf("done %ld", fails) > 0);
	if (count > 2 && strcmp(arguments[2], "kill") == 0)
		raise(SIGKILL);
	return fails > 0;
}
