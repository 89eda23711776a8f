/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbolizer against addr2line of binutils, another reader of the same DWARF, at addresses spread over all functions
 * of a C++ program; and its speed on that program, with a bound far above what a quiet machine needs.
 */
#include "symbols/fixture.h"

#include <time.h>

enum { ADDRESSES_MAX = 20000, LINE_MAX_BYTES = 64 * 1024 };

/* Addresses inside functions: between them is padding, which each reader gives to another neighbour. */
static size_t addresses_read(uint64_t *addresses, size_t per_function)
{
	char command[256];
	unsigned long start, size;
	size_t count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "nm -S %s/names | awk 'NF == 4 && $3 ~ /[tTwW]/ { print \"0x\" $1, \"0x\" $2 }' | sort -u",
		 fixture_path());
	pipe = popen(command, "r");
	while (pipe && fscanf(pipe, "%lx %lx", &start, &size) == 2)
		for (size_t i = 0; i < per_function && i < size && count < ADDRESSES_MAX; i++)
			addresses[count++] = start + i * size / per_function;
	if (pipe)
		pclose(pipe);
	return count;
}

/* addr2line's frames: a line with the address, then two lines a frame. */
static FILE *reference_start(const uint64_t *addresses, size_t count)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/addresses", fixture_path());
	file = fopen(path, "w");
	for (size_t i = 0; file && i < count; i++)
		fprintf(file, "0x%lx\n", (unsigned long)addresses[i]);
	if (file)
		fclose(file);
	fixture_run("addr2line -a -i -f -e names < addresses > reference");
	snprintf(path, sizeof(path), "%s/reference", fixture_path());
	return fopen(path, "r");
}

/* "FILE:LINE", "FILE:?", with " (discriminator N)" behind. */
static bool place_agrees(const struct pp_symbol_frame *frame, char *place)
{
	char *colon, own[PATH_MAX + 16];

	place[strcspn(place, " \n")] = 0;
	colon = strrchr(place, ':');
	if (colon && !strcmp(colon, ":?"))
		strcpy(colon, ":0");
	snprintf(own, sizeof(own), "%s:%u", frame->file ? frame->file : "??", frame->line);
	if (!strcmp(own, place))
		return true;
	if (place[0] == '/' && colon) {
		/* The reference does not resolve "..". */
		char real[PATH_MAX];

		*colon = 0;
		if (realpath(place, real)) {
			snprintf(own, sizeof(own), "%s:%u", real, (unsigned)atoi(colon + 1));
			return frame->file && !strncmp(own, frame->file, strlen(frame->file)) &&
			       (unsigned)atoi(colon + 1) == frame->line;
		}
	}
	return false;
}

/* Compare the frames of one address; the reader stands behind its address line. Returns whether all agree. */
static bool chain_agrees(const struct pp_symbol_frame *frames, size_t count, FILE *reference, char *line)
{
	size_t seen = 0;
	bool agrees = true;

	/* Each frame: a name, which other tests check, and a place. */
	while (fgets(line, LINE_MAX_BYTES, reference) && strncmp(line, "0x", 2)) {
		if (!fgets(line, LINE_MAX_BYTES, reference))
			return false;
		agrees = agrees && seen < count && place_agrees(&frames[seen], line);
		seen++;
	}
	return agrees && seen == count;
}

PP_TEST(frames_agree_with_addr2line)
{
	static uint64_t addresses[ADDRESSES_MAX];
	static char line[LINE_MAX_BYTES];
	struct pp_symbolizer *symbolizer;
	size_t count, differing = 0, inlined = 0;
	const struct pp_symbol_frame *frames;
	uint32_t module;
	FILE *reference;

	if (!fixture_has("g++ addr2line"))
		return;
	symbolizer = fixture_symbolizer();
	fixture_run("g++ -O2 -g $S/names.cpp -o names");
	count = addresses_read(addresses, 100);
	PP_CHECK(count > 300);
	reference = reference_start(addresses, count);
	PP_CHECK(reference && fgets(line, sizeof(line), reference));
	module = fixture_module(symbolizer, "names");
	for (size_t i = 0; reference && i < count; i++) {
		size_t frame_count = symbolizer_lookup(symbolizer, module, addresses[i], &frames);

		inlined += frame_count - 1;
		if (!chain_agrees(frames, frame_count, reference, line)) {
			if (differing++ < 5)
				fprintf(stderr, "differs at 0x%lx\n", (unsigned long)addresses[i]);
		}
	}
	if (reference)
		fclose(reference);
	fprintf(stderr, "%zu addresses, %zu inlined frames, %zu differ\n", count, inlined, differing);
	PP_CHECK(inlined > count / 4);
	/* The start-up code, which has no DWARF, and rows of which the readers choose different ones. */
	PP_CHECK(differing * 100 <= count);
	symbolizer_destroy(symbolizer);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

PP_TEST(many_addresses_take_a_moment)
{
	static uint64_t addresses[ADDRESSES_MAX];
	struct pp_symbolizer *symbolizer;
	uint32_t module;
	double start;
	size_t count;

	if (!fixture_has("g++"))
		return;
	symbolizer = fixture_symbolizer();
	fixture_run("g++ -O2 -g $S/names.cpp -o names");
	count = addresses_read(addresses, 1000);
	PP_CHECK(count > 5000);
	module = fixture_module(symbolizer, "names");
	start = seconds_now();
	symbolizer_prefetch(symbolizer, module, addresses, count);
	start = seconds_now() - start;
	fprintf(stderr, "%zu addresses in %.1f ms\n", count, start * 1e3);
	PP_CHECK(start < 3);
	symbolizer_destroy(symbolizer);
}
