/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs write through stdio in odd circumstances, one for each argument: see main. What comes out, by which calls,
 * and how the process ends is for the test to compare.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

static void fork_with_text(void)
{
	int status;

	printf("buffered before the fork;");
	if (fork() == 0) {
		printf("child\n");
		exit(3);
	}
	wait(&status);
	printf("parent %d\n", WEXITSTATUS(status));
}

static void vfork_child(void)
{
	printf("before;");
	if (vfork() == 0)
		_exit(0); /* nothing may come out twice */
	wait(NULL);
	printf("after\n");
}

static void at_exit(void)
{
	printf(" from a handler");
}

static void closed_output(void)
{
	close(1);
	printf("to nowhere\n");
	fprintf(stderr, "%d %d %d\n", fflush(stdout), errno, ferror(stdout) != 0);
}

static void broken_pipe(void)
{
	int ends[2];
	FILE *file;

	signal(SIGPIPE, SIG_IGN);
	pipe(ends);
	close(ends[0]);
	file = fdopen(ends[1], "w");
	fputs("text", file);
	printf("%d", fflush(file));
	printf(" %d", errno);
	printf(" %d\n", fclose(file));
	signal(SIGPIPE, SIG_DFL);
	pipe(ends);
	close(ends[0]);
	file = fdopen(ends[1], "w");
	fputs("text", file);
	fflush(stdout);
	fflush(file); /* ends the process */
}

/* A pipe that takes a part and then no more, and one from which nothing comes yet. */
static void would_block(void)
{
	static char large[200000];
	int ends[2];
	FILE *file;
	size_t wrote;

	pipe2(ends, O_NONBLOCK);
	file = fdopen(ends[0], "r");
	printf("%d", fgetc(file));
	printf(" %d", errno);
	printf(" %d\n", ferror(file) != 0);
	file = fdopen(ends[1], "w");
	errno = 0;
	wrote = fwrite(large, 1, sizeof(large), file);
	printf("%zu", wrote);
	printf(" %d\n", errno);
}

static sigjmp_buf out;

static void jump(int number)
{
	siglongjmp(out, number);
}

static void nothing(int number)
{
	(void)number;
}

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = nothing};
	int ends[2];
	FILE *file;

	pipe(ends);
	file = fdopen(ends[0], "r");
	setvbuf(file, NULL, _IONBF, 0);
	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	printf("%d", fgetc(file));
	printf(" %d\n", errno);
}

/* The stream stays locked by this thread, as it would. */
static void jumped(void)
{
	int ends[2];
	FILE *file;
	char line[16];

	pipe(ends);
	file = fdopen(ends[0], "r");
	signal(SIGALRM, jump);
	if (sigsetjmp(out, 1) == 0) {
		alarm(1);
		printf("%p", (void *)fgets(line, sizeof(line), file));
	}
	write(ends[1], "a line\n", 7);
	clearerr(file);
	printf("jumped, %s", fgets(line, sizeof(line), file));
	fprintf(stdout, "%d\n", getpwuid(0) != NULL); /* libc's own streams, from another depth */
}

static void *cancelled_read(void *file)
{
	fgetc(file);
	return NULL;
}

static void cancelled(void)
{
	int ends[2];
	pthread_t thread;
	void *result;
	FILE *file;

	pipe(ends);
	file = fdopen(ends[0], "r");
	pthread_create(&thread, NULL, cancelled_read, file);
	usleep(50000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	write(ends[1], "x", 1);
	printf("%d", result == PTHREAD_CANCELED);
	printf(" %c\n", fgetc(file)); /* its lock was given up */
}

/* Functions of the program's own that use streams themselves. */
static ssize_t upper(void *cookie, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fputc(text[i] - ('a' <= text[i] && text[i] <= 'z' ? 32 : 0), cookie);
	fflush(cookie);
	return (ssize_t)size;
}

static void nested(void)
{
	FILE *file = fopencookie(stdout, "w", (cookie_io_functions_t){.write = upper});

	setvbuf(file, NULL, _IOLBF, 0);
	fprintf(file, "nested %s %d\n", "calls", 3);
	fprintf(file, "and more");
	fclose(file);
}

static void wide(void)
{
	wprintf(L"%ls %d\n", L"wide", fwide(stdout, 0) > 0);
	printf("narrow is refused\n");
	fwprintf(stderr, L"%d\n", fwide(stdout, 0) > 0);
}

int main(int count, char **arguments)
{
	const char *what = arguments[count > 1];

	if (strcmp(what, "fork") == 0)
		fork_with_text();
	else if (strcmp(what, "vfork") == 0)
		vfork_child();
	else if (strcmp(what, "partial") == 0)
		printf("no line end");
	else if (strcmp(what, "_exit") == 0)
		printf("lost"), _exit(4);
	else if (strcmp(what, "quick_exit") == 0)
		printf("lost"), quick_exit(5);
	else if (strcmp(what, "abort") == 0)
		printf("lost"), abort();
	else if (strcmp(what, "handler") == 0)
		atexit(at_exit), printf("text");
	else if (strcmp(what, "thread") == 0)
		printf("main is gone"), pthread_exit(NULL);
	else if (strcmp(what, "closed") == 0)
		closed_output();
	else if (strcmp(what, "broken") == 0)
		broken_pipe();
	else if (strcmp(what, "block") == 0)
		would_block();
	else if (strcmp(what, "interrupted") == 0)
		interrupted();
	else if (strcmp(what, "jumped") == 0)
		jumped();
	else if (strcmp(what, "cancelled") == 0)
		cancelled();
	else if (strcmp(what, "nested") == 0)
		nested();
	else if (strcmp(what, "wide") == 0)
		wide();
	else if (strcmp(what, "exec") == 0)
		printf("lost"), execlp("echo", "echo", "executed", NULL);
	else if (strcmp(what, "popen") == 0)
		printf("before;"), fflush(stdout), pclose(popen("echo in between", "w")), printf("after\n");
	return 0;
}
