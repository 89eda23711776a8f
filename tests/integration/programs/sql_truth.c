/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQLite itself says about a program: preloaded (without preprof), it sets sqlite3_trace_v2 on every connection and
 * writes at the end, to the file that SQL_TRUTH names, a line for each text: executions, rows, text in hexadecimal.
 * Only texts of the program itself: those of SQLite's extensions are told apart by running inside another's step.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS 20000

static struct {
	char *text;
	long executions, rows;
} texts[TEXTS];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int text_of(const char *text)
{
	int i;

	for (i = 0; i < count; i++)
		if (strcmp(texts[i].text, text) == 0)
			return i;
	if (count < TEXTS - 1)
		texts[count++].text = strdup(text);
	return i;
}

static int event(unsigned kind, void *context, void *statement, void *detail)
{
	const char *text = sqlite3_sql(statement);

	(void)context;
	/* a trigger's statements come as comments */
	if (!text || (kind == SQLITE_TRACE_STMT && strncmp(detail, "--", 2) == 0 && strncmp(text, "--", 2) != 0))
		return 0;
	pthread_mutex_lock(&lock);
	if (kind == SQLITE_TRACE_STMT)
		texts[text_of(text)].executions++;
	else
		texts[text_of(text)].rows++;
	pthread_mutex_unlock(&lock);
	return 0;
}

static void watch(int result, sqlite3 **db)
{
	if (result == SQLITE_OK)
		sqlite3_trace_v2(*db, SQLITE_TRACE_STMT | SQLITE_TRACE_ROW, event, NULL);
}

int sqlite3_open(const char *name, sqlite3 **db)
{
	int (*real)(const char *, sqlite3 **) = dlsym(RTLD_NEXT, "sqlite3_open");
	int result = real(name, db);

	watch(result, db);
	return result;
}

int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
	int (*real)(const char *, sqlite3 **, int, const char *) = dlsym(RTLD_NEXT, "sqlite3_open_v2");
	int result = real(name, db, flags, vfs);

	watch(result, db);
	return result;
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("SQL_TRUTH");
	FILE *file = path && count ? fopen(path, "a") : NULL;

	for (int i = 0; file && i < count; i++) {
		fprintf(file, "%ld %ld ", texts[i].executions, texts[i].rows);
		for (const char *at = texts[i].text; *at; at++)
			fprintf(file, "%02x", (unsigned char)*at);
		fputc('\n', file);
	}
	if (file)
		fclose(file);
}
