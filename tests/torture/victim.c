/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program to be killed at any moment: TRUTH SEED CALLS WHAT... allocates, frees and reallocates at random, in as many
 * threads and processes as WHAT says, until CALLS are done (0: for ever), keeping the account that truth.h describes.
 *
 *   threads=N   so many threads that share their blocks
 *   births=N    a thread is born and ends in every N-th round
 *   forks=N     a child is forked in every N-th round, works a little, and ends in one of many ways
 *   execs=N     a child in N executes this program again
 *   loads=N     a library is loaded and unloaded in every N-th round
 *   depth=N     how many forks below the first may fork themselves
 */
#include "truth.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PLACES	      512
#define IMAGES_AT_MOST 400 /* a tree that grows for ever would not be killed but suffocate */

extern char **environ;

static struct {
	uint64_t seed, calls, threads, births, forks, execs, loads, depth;
	char **argv;
} want = {.threads = 1};

static void *places[PLACES];
static uint64_t depth; /* forks above this process */
static int loader_locked;

static void *newborn(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	for (int i = 0; i < 5; i++)
		churn(places, PLACES, &state);
	return NULL;
}

static void thread_bear(uint64_t random)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, newborn, (void *)(uintptr_t)random) != 0)
		return;
	if (random & 1)
		pthread_join(thread, NULL);
	else
		pthread_detach(thread);
}

static void library_load(uint64_t random)
{
	static const char *const names[] = {"libanl.so.1", "libm.so.6", "libutil.so.1", "libBrokenLocale.so.1"};
	void *handle = dlopen(names[random % 4], RTLD_NOW);

	if (handle)
		dlclose(handle);
}

static char **again(uint64_t random, char *seed, char *calls)
{
	static char *arguments[32];
	int count = 0;

	for (; want.argv[count] && count < 30; count++)
		arguments[count] = want.argv[count];
	sprintf(seed, "%llu", (unsigned long long)(random | 1));
	sprintf(calls, "%llu", (unsigned long long)(random % 60 + 1));
	arguments[2] = seed;
	arguments[3] = calls;
	arguments[count] = NULL;
	return arguments;
}

static void child_end(uint64_t random)
{
	static char seed[32], calls[32];

	if (want.execs && random % want.execs == 0 && truth->image_count < IMAGES_AT_MOST)
		execv("/proc/self/exe", again(random >> 9, seed, calls));
	switch (random >> 5 & 7) {
	case 0:
		if (loader_locked) /* exit takes that lock */
			_exit(3);
		exit(3);
	case 1:
		syscall(SYS_exit_group, 4);
		break;
	case 2:
		raise(SIGKILL);
		break;
	case 3:
		if (loader_locked) /* quick_exit takes that of exit handlers, which a thread in dlclose may have held */
			_exit(5);
		quick_exit(5);
	default:
		_exit(6);
	}
}

static void process_bear(uint64_t random);

static void *worker(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	for (uint64_t i = 0; !want.calls || i < want.calls; i++) {
		uint64_t random = random_next(&state) >> 7;

		churn(places, PLACES, &state);
		if (want.births && random % want.births == 0)
			thread_bear(random >> 16 | 1 << 20);
		if (want.loads && random % want.loads == 1)
			library_load(random >> 16);
		if (want.forks && random % want.forks == 2)
			process_bear(random >> 16 | 1 << 20);
		while (want.forks && waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return NULL;
}

static void process_bear(uint64_t random)
{
	static char seed[32], calls[32];
	uint64_t state = random | 1;
	pid_t pid;

	if (truth->image_count >= IMAGES_AT_MOST)
		return;
	if (random % 16 == 3) {
		posix_spawn(&pid, "/proc/self/exe", NULL, NULL, again(random >> 4, seed, calls), environ);
		return;
	}
	pid = fork();
	if (pid != 0) {
		if (pid > 0 && random % 3)
			waitpid(pid, NULL, 0);
		return;
	}
	truth_begin();
	if (want.loads) { /* ld.so's lock may be that of a thread which does not exist here: the bare program would hang */
		want.loads = 0;
		loader_locked = 1;
	}
	for (uint64_t i = 0; i < random % 100; i++)
		churn(places, PLACES, &state);
	if (++depth < want.depth) {
		want.calls = random % 200 + 1;
		worker((void *)(uintptr_t)random);
	}
	child_end(random >> 8);
}

static void option_take(const char *text)
{
	const struct {
		const char *name;
		uint64_t *value;
	} rows[] = {{"threads=", &want.threads}, {"births=", &want.births}, {"forks=", &want.forks},
		    {"execs=", &want.execs},     {"loads=", &want.loads},   {"depth=", &want.depth}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strncmp(text, rows[i].name, strlen(rows[i].name)) == 0)
			*rows[i].value = strtoull(text + strlen(rows[i].name), NULL, 10);
	}
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	uint64_t started = 0;

	if (argc < 4)
		return 2;
	want.argv = argv;
	want.seed = strtoull(argv[2], NULL, 10);
	want.calls = strtoull(argv[3], NULL, 10);
	for (int i = 4; i < argc; i++)
		option_take(argv[i]);
	truth_open(argv[1]);
	truth_begin();
	for (; started + 1 < want.threads && started < 64; started++) {
		if (pthread_create(&threads[started], NULL, worker,
				   (void *)(uintptr_t)(want.seed * 2654435761u + started * 7919)) != 0)
			break;
	}
	worker((void *)(uintptr_t)(want.seed * 40503 + 1));
	for (uint64_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	printf("done\n");
	return 42;
}
