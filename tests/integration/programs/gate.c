/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that holds a program up at a gate: it makes the file $GATE.reached and waits for $GATE.open. With
 * GATE_AT=start a program of the name $GATE_NAME is held before its main, and before libpreprof.so starts (which is
 * preloaded before this one), with GATE_AT=rename where a file is to get its name. Raw system calls: ours see nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

static int gate_is(const char *where)
{
	const char *at = getenv("GATE_AT");

	return getenv("GATE") && at && strcmp(at, where) == 0;
}

static void gate_pass(void)
{
	struct timespec nap = {0, 1000000};
	char path[4096];
	long fd;

	snprintf(path, sizeof(path), "%s.reached", getenv("GATE"));
	fd = RAW_CALL(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0666);
	if (fd >= 0)
		RAW_CALL(SYS_close, fd);
	snprintf(path, sizeof(path), "%s.open", getenv("GATE"));
	while (RAW_CALL(SYS_faccessat, AT_FDCWD, path, F_OK) != 0)
		RAW_CALL(SYS_nanosleep, &nap, 0);
}

__attribute__((constructor)) static void program_hold(void)
{
	const char *name = getenv("GATE_NAME");

	if (gate_is("start") && name && strcmp(program_invocation_short_name, name) == 0)
		gate_pass();
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
	int result;

	if (gate_is("rename"))
		gate_pass();
	result = (int)RAW_CALL(SYS_renameat2, from_folder, from, to_folder, to, flags);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	return renameat2(from_folder, from, to_folder, to, 0);
}
