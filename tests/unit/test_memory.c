/* SPDX-License-Identifier: Apache-2.0 */
/* The two steps in which memory ends: what is held back for the first, and what is done once at the second. */
#include "test.h"

#include "arena.h"
#include "memory.h"
#include "publish.h"
#include "profile_maker.h"
#include "recording.h"

#include <sys/resource.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20)

static int told[2];

static void tell(void *argument)
{
	/* There is some memory again. */
	void *room = malloc(4 * BLOCK_BYTES);

	if (write(told[1], room ? argument : "-", 1) != 1)
		_exit(99);
}

/* Address space for `bytes` more than there is now. */
static void limit_set(size_t bytes)
{
	struct rlimit limit;
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	PP_CHECK(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	limit.rlim_cur = limit.rlim_max = pages * 4096 + bytes;
	PP_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static bool has_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return true; /* it cannot live under a limit of address space */
#else
	return false;
#endif
}

PP_TEST(memory_ends_in_two_steps)
{
	size_t count = 0, warned = 0;
	int status;
	char said[8];
	pid_t pid;

	if (has_sanitizer())
		return;
	PP_CHECK(pipe(told) == 0);
	pid = fork();
	if (pid == 0) {
		limit_set(200 * BLOCK_BYTES);
		memory_budget_begin();
		memory_at_the_end(tell, (char[]){"x"});
		PP_CHECK(!memory_is_exhausted());
		for (;; count++) {
			memset(memory_array(1, BLOCK_BYTES), 1, BLOCK_BYTES);
			if (memory_is_exhausted() && !warned) {
				warned = count;
				if (warned < 50 || write(told[1], "w", 1) != 1)
					_exit(98);
			}
			if (warned && count == warned + 8 && write(told[1], "8", 1) != 1) /* blocks out of the reserve */
				_exit(97);
		}
	}
	PP_CHECK(waitpid(pid, &status, 0) == pid);
	PP_CHECK(WIFEXITED(status));
	PP_CHECK_EQ(WEXITSTATUS(status), 125);
	close(told[1]);
	PP_CHECK_EQ(read(told[0], said, sizeof(said)), 3);
	PP_CHECK(memcmp(said, "w8x", 3) == 0);
}

/* An arena's and an array's failures are the same as pages'. */
PP_TEST(pages_and_arenas_end_alike)
{
	int status;

	for (int kind = 0; kind < 3 && !has_sanitizer(); kind++) {
		pid_t pid = fork();

		if (pid == 0) {
			struct pp_arena *arena = arena_create();
			void *array = NULL;
			uint32_t capacity = 0;

			limit_set(200 * BLOCK_BYTES);
			memory_budget_begin();
			for (;;) {
				if (kind == 0)
					memory_pages(BLOCK_BYTES);
				else if (kind == 1)
					arena_alloc(arena, BLOCK_BYTES);
				else
					array = memory_grow(array, &capacity, (size_t)capacity + 1, 4096);
			}
		}
		PP_CHECK(waitpid(pid, &status, 0) == pid);
		PP_CHECK(WIFEXITED(status));
		PP_CHECK_EQ(WEXITSTATUS(status), 125);
	}
}

/* What the publisher keeps for the end is written at it, unless something has been published. */
PP_TEST(the_last_of_memory_writes_what_was_kept)
{
	char path[64];
	struct pp_error error;
	struct pp_profile *read_back;
	int status;
	pid_t pid;

	if (has_sanitizer())
		return;
	snprintf(path, sizeof(path), "/tmp/preprof-test-kept-%d.pprf", (int)getpid());
	pid = fork();
	if (pid == 0) {
		struct pp_publisher *publisher = publisher_create(path, &error);

		PP_CHECK(publisher != NULL);
		publisher_keep(publisher, profile_make_small());
		limit_set(200 * BLOCK_BYTES);
		memory_budget_begin();
		for (;;)
			memory_array(1, BLOCK_BYTES);
	}
	PP_CHECK(waitpid(pid, &status, 0) == pid);
	PP_CHECK(WIFEXITED(status));
	PP_CHECK_EQ(WEXITSTATUS(status), 125);
	read_back = recording_read(path, &error);
	PP_CHECK(read_back != NULL);
	PP_CHECK_EQ(read_back->process_count, profile_make_small()->process_count);
	unlink(path);
}
