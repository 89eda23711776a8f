/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the symbolizer's tests share: a folder that goes away, programs compiled from tests/unit/symbols, addresses of
 * their labels, and lines of their marks. The compiler, nm and the like are needed; a test says what it lacks.
 */
#ifndef PREPROF_SYMBOLS_FIXTURE_H
#define PREPROF_SYMBOLS_FIXTURE_H

#include "symbolize.h"
#include "test.h"

#include <limits.h>
#include <stdarg.h>

static char fixture_folder[64];

static void fixture_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", fixture_folder);
	if (fixture_folder[0] && system(command))
		fprintf(stderr, "%s is left behind\n", fixture_folder);
}

/* The folder of the running test, made at the first call. */
static const char *fixture_path(void)
{
	if (!fixture_folder[0]) {
		strcpy(fixture_folder, "/tmp/pp-symbols.XXXXXX");
		if (!mkdtemp(fixture_folder))
			exit(1);
		atexit(fixture_remove);
	}
	return fixture_folder;
}

/* The folder with the sources, by a link that has no space in its name whatever the clone's is. */
static const char *fixture_sources(void)
{
	static char path[128];
	char target[PATH_MAX], real[PATH_MAX];
	const char *root = getenv("PREPROF_SOURCE");

	if (path[0])
		return path;
	snprintf(path, sizeof(path), "%s/S", fixture_path());
	snprintf(target, sizeof(target), "%s/tests/unit/symbols", root ? root : ".");
	if (!realpath(target, real) || symlink(real, path) != 0) {
		perror(target);
		exit(1);
	}
	return path;
}

/* Run a shell command in the test's folder, with $S for the sources. */
__attribute__((format(printf, 1, 2))) static bool fixture_try(const char *format, ...)
{
	char command[4096];
	int length = snprintf(command, sizeof(command), "cd '%s' && S='%s' && ", fixture_path(), fixture_sources());
	va_list list;

	va_start(list, format);
	vsnprintf(command + length, sizeof(command) - length, format, list);
	va_end(list);
	fflush(NULL);
	return system(command) == 0;
}

#define fixture_run(...) PP_CHECK(fixture_try(__VA_ARGS__))

/* Whether the tools are there; says which is not. */
static bool fixture_has(const char *tools)
{
	if (fixture_try("for t in %s; do command -v $t >/dev/null || { echo \"skipped: no $t\" >&2; exit 1; }; done",
			tools))
		return true;
	return false;
}

/* The address of a symbol in a file of the test's folder; 0: none. */
static uint64_t fixture_address(const char *file, const char *symbol)
{
	char command[512];
	uint64_t address = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "nm '%s/%s' | awk '$3 == \"%s\" { print \"0x\" $1 }'", fixture_path(), file,
		 symbol);
	pipe = popen(command, "r");
	if (pipe && fscanf(pipe, "%" SCNx64, &address) != 1)
		pp_test_fail(__FILE__, __LINE__, "no symbol %s in %s", symbol, file);
	if (pipe)
		pclose(pipe);
	return address;
}

/* The number of the line that has the comment "at NAME". */
static uint32_t fixture_line(const char *source, const char *name)
{
	char path[2 * PATH_MAX], mark[128], line[1024];
	uint32_t number = 0, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture_sources(), source);
	snprintf(mark, sizeof(mark), "/* at %s */", name);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		number++;
		if (strstr(line, mark))
			found = number;
	}
	if (file)
		fclose(file);
	if (!found)
		pp_test_fail(__FILE__, __LINE__, "no mark %s in %s", name, source);
	return found;
}

/* A module in the test's folder, with separate debug files below `roots` there. */
static uint32_t fixture_module(struct pp_symbolizer *symbolizer, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture_path(), file);
	return symbolizer_module(symbolizer, path, NULL, 0, -1);
}

/* A symbolizer that searches debug files below `root` in the test's folder only. */
static struct pp_symbolizer *fixture_symbolizer(void)
{
	struct pp_symbolizer *symbolizer = symbolizer_create();
	char root[PATH_MAX];

	snprintf(root, sizeof(root), "%s/root", fixture_path());
	PP_CHECK(symbolizer && symbolizer_set_debug_roots(symbolizer, root));
	return symbolizer;
}

static void fixture_check_frame(const struct pp_symbol_frame *frame, const char *function, const char *source,
				bool inlined)
{
	char path[2 * PATH_MAX];

	PP_CHECK_STR(frame->function, function);
	PP_CHECK_EQ(frame->inlined, inlined);
	snprintf(path, sizeof(path), "%s/%s", fixture_sources(), source);
	PP_CHECK_STR(frame->file, path);
	PP_CHECK_EQ(frame->line, fixture_line(source, function));
}

/* The three functions at mark_leaf, and the two that are not inlined; addresses come from `labels`. */
static void fixture_check_chain(struct pp_symbolizer *symbolizer, const char *file, const char *labels)
{
	uint32_t module = fixture_module(symbolizer, file);
	const struct pp_symbol_frame *frames;
	size_t count = symbolizer_lookup(symbolizer, module, fixture_address(labels, "mark_leaf"), &frames);

	PP_CHECK_EQ(symbolizer_module_state(symbolizer, module), SYMBOLIZER_MODULE_LINES);
	PP_CHECK_EQ(count, 3);
	if (count == 3) {
		fixture_check_frame(&frames[0], "leaf", "chain.h", true);
		fixture_check_frame(&frames[1], "middle", "chain.c", true);
		fixture_check_frame(&frames[2], "outer", "chain.c", false);
	}
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, fixture_address(labels, "mark_hidden"), &frames), 1);
	fixture_check_frame(&frames[0], "hidden", "chain.c", false);
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, fixture_address(labels, "mark_plain"), &frames), 1);
	fixture_check_frame(&frames[0], "plain", "chain.c", false);
}

/* One function without lines; NULL: not even that. */
static void fixture_check_symbol(struct pp_symbolizer *symbolizer, const char *file, uint64_t address,
				 const char *function)
{
	const struct pp_symbol_frame *frames;
	uint32_t module = fixture_module(symbolizer, file);

	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, address, &frames), 1);
	PP_CHECK_STR(frames[0].function, function);
	PP_CHECK_STR(frames[0].file, NULL);
	PP_CHECK_EQ(frames[0].line, 0);
	PP_CHECK(!frames[0].inlined);
}

#endif
