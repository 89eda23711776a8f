/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SECONDS SEED FOLDER WHAT...: calls of many families, in threads that are cancelled and jump, in libraries that come and go,
 * until the time is up.
 *
 *   sqlite   SQLite is loaded (FOLDER/sqlite0.so ... sqlite3.so), a database is filled and asked, all is closed, it is unloaded
 *   leaves   ... and a library is unloaded while another thread is in a call that it made: that jumps out over it
 *   streams  files are written and read by stdio, one stream by several threads
 *   polls    threads wait by poll, select, epoll_wait, for locks and conditions, interrupted by signals, and are cancelled
 *   forks    children amid all that write what their parent had buffered, or not, and end
 *
 * It checks what it gets, as storm.c does. Status 42 and "storm: ok" if all was as it should be.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DATABASES 4

static const char *folder;
static uint64_t deadline_ns;
static _Atomic uint64_t done[5], serial;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int going(void)
{
	return now_ns() < deadline_ns;
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fail(const char *what, long value)
{
	char text[300];
	int size = snprintf(text, sizeof(text), "storm: %s (%ld)\n", what, value);

	if (write(1, text, (size_t)size) < 0)
		abort();
	_exit(1);
}

/* --- SQLite ------------------------------------------------------------------------------------------------------- */

struct sqlite {
	int (*open)(const char *, void **);
	int (*close)(void *);
	int (*prepare)(void *, const char *, int, void **, const char **);
	int (*step)(void *);
	int (*column)(void *, int);
	int (*finalize)(void *);
	int (*exec)(void *, const char *, void *, void *, char **);
};

static void *sqlite_load(struct sqlite *api, uint64_t number)
{
	char path[4096];
	void *handle;

	snprintf(path, sizeof(path), "%s/sqlite%d.so", folder, (int)(number % DATABASES));
	handle = dlopen(path, number & 64 ? RTLD_NOW : RTLD_LAZY);
	if (!handle)
		fail(dlerror(), 0);
	*(void **)&api->open = dlsym(handle, "sqlite3_open");
	*(void **)&api->close = dlsym(handle, "sqlite3_close");
	*(void **)&api->prepare = dlsym(handle, "sqlite3_prepare_v2");
	*(void **)&api->step = dlsym(handle, "sqlite3_step");
	*(void **)&api->column = dlsym(handle, "sqlite3_column_int");
	*(void **)&api->finalize = dlsym(handle, "sqlite3_finalize");
	*(void **)&api->exec = dlsym(handle, "sqlite3_exec");
	return handle;
}

static void database_use(const struct sqlite *api, void *database, int rows)
{
	void *statement;
	int seen = 0, result;

	for (int i = 0; i < rows; i++) {
		if (api->exec(database, "insert into t values (1, 'some text')", NULL, NULL, NULL) != 0)
			fail("insert", i);
	}
	if (api->prepare(database, "select a from t where b = 'some text' order by b", -1, &statement, NULL) != 0)
		fail("prepare", rows);
	while ((result = api->step(statement)) == 100)
		seen += api->column(statement, 0);
	if (result != 101 || seen != rows)
		fail("rows of a query", seen);
	if (api->finalize(statement) != 0)
		fail("finalize", result);
}

static void *sqlite(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		uint64_t random = random_next(&state);
		struct sqlite api;
		void *handle = sqlite_load(&api, random), *database;

		if (api.open(":memory:", &database) != 0)
			fail("open", 0);
		if (api.exec(database, "create table t (a, b)", NULL, NULL, NULL) != 0)
			fail("create", 0);
		database_use(&api, database, (int)(random >> 8 & 31));
		if (api.close(database) != 0)
			fail("close", 0);
		if (dlclose(handle) != 0)
			fail("dlclose", 0);
		done[0]++;
	}
	return NULL;
}

/* --- a library that goes while a thread is in a call of its --------------------------------------------------------- */

static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t may_jump;

static void jump(int number)
{
	(void)number;
	if (may_jump)
		siglongjmp(back, 1);
}

struct waiter {
	int (*wait)(int, volatile int *);
	pthread_t thread;
	volatile int tid, here;
	uint64_t random;
};

/* Samples by the wall clock end poll, select and sleep, which then return into the library that is gone. */
static int how_to_wait(uint64_t random)
{
	const char *clock = getenv("PREPROF_SAMPLE_CLOCK");

	return clock && strcmp(clock, "wall") == 0 ? 2 : (int)(random >> 16 & 3);
}

static void *leave(void *argument)
{
	struct waiter *waiter = argument;

	if (sigsetjmp(back, 1) == 0) {
		may_jump = 1;
		waiter->tid = gettid();
		waiter->wait(how_to_wait(waiter->random), &waiter->here);
		fail("a wait without an end had one", 0);
	}
	may_jump = 0;
	return NULL;
}

/* In the library's call, and asleep: it does not come back to the library's code. */
static void waiter_await(const struct waiter *waiter)
{
	char path[64], text[256];
	int asleep = 0;

	while (!waiter->here)
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", waiter->tid);
	while (asleep < 2) {
		FILE *stream = fopen(path, "r");
		const char *end;

		if (!stream || !fgets(text, sizeof(text), stream) || !(end = strrchr(text, ')')))
			fail("stat of a thread", errno);
		fclose(stream);
		asleep = end[2] == 'S' ? asleep + 1 : 0;
		usleep(100);
	}
}

static void *leaves(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;
	struct waiter waiter;
	char path[4096];

	while (going()) {
		void *handle;

		waiter.here = 0;
		waiter.random = random_next(&state);
		snprintf(path, sizeof(path), "%s/storm%d.so", folder, (int)(waiter.random % 8));
		handle = dlopen(path, RTLD_NOW);
		if (!handle)
			fail(dlerror(), 0);
		waiter.wait = (int (*)(int, volatile int *))dlsym(handle, "storm_wait");
		if (!waiter.wait || pthread_create(&waiter.thread, NULL, leave, &waiter) != 0)
			fail("no waiter", errno);
		waiter_await(&waiter);
		if (dlclose(handle) != 0)
			fail("dlclose", 0);
		usleep((useconds_t)(waiter.random >> 32 & 2047));
		pthread_kill(waiter.thread, SIGUSR1);
		pthread_join(waiter.thread, NULL);
		done[1]++;
	}
	return NULL;
}

/* --- stdio -------------------------------------------------------------------------------------------------------- */

static void *writes(void *stream)
{
	for (int i = 0; i < 50; i++)
		fprintf(stream, "%s\n", "a line of some length");
	return NULL;
}

static void *streams(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		uint64_t random = random_next(&state);
		char path[4096], *line = NULL;
		pthread_t other;
		size_t room = 0;
		FILE *stream;
		int lines = 0;

		snprintf(path, sizeof(path), "%s/file%llu", folder, (unsigned long long)serial++);
		stream = fopen(path, "w+");
		if (!stream)
			fail("fopen", errno);
		if (random & 1)
			setvbuf(stream, NULL, _IOFBF, 1 + (random >> 8 & 1023));
		if (pthread_create(&other, NULL, writes, stream) != 0)
			fail("thread", errno);
		writes(stream);
		pthread_join(other, NULL);
		rewind(stream);
		while (getline(&line, &room, stream) > 0)
			lines += strcmp(line, "a line of some length\n") == 0;
		if (lines != 100)
			fail("lines of a file", lines);
		free(line);
		if (fclose(stream) != 0)
			fail("fclose", errno);
		unlink(path);
		done[2]++;
	}
	return NULL;
}

/* --- waits -------------------------------------------------------------------------------------------------------- */

static void nothing(int number)
{
	(void)number;
}

static void mutex_unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

static void polls_end(void *fds)
{
	close(((int *)fds)[0]);
	close(((int *)fds)[1]);
	close(((int *)fds)[2]);
}

static void *poller(void *argument)
{
	uint64_t random = (uint64_t)(uintptr_t)argument;
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	struct timespec until;
	struct epoll_event event = {.events = EPOLLIN};
	int fds[3];
	fd_set set;

	if (pipe(fds) != 0)
		return NULL;
	fds[2] = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(fds[2], EPOLL_CTL_ADD, fds[0], &event);
	pthread_cleanup_push(polls_end, fds);
	for (volatile int i = 0; i < 20; i++) {
		struct pollfd one = {fds[0], POLLIN, 0};
		struct timeval soon = {0, 300};
		volatile int result = 0;

		switch (random >> (2 * i) & 3) {
		case 0:
			result = poll(&one, 1, 1);
			break;
		case 1:
			FD_ZERO(&set);
			FD_SET(fds[0], &set);
			result = select(fds[0] + 1, &set, NULL, NULL, &soon);
			break;
		case 2:
			result = epoll_wait(fds[2], &event, 1, 1);
			break;
		default:
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 300000;
			until.tv_sec += until.tv_nsec / 1000000000;
			until.tv_nsec %= 1000000000;
			pthread_mutex_lock(&mutex);
			pthread_cleanup_push(mutex_unlock, &mutex);
			if (pthread_cond_timedwait(&condition, &mutex, &until) != ETIMEDOUT)
				i--; /* a spurious one */
			pthread_cleanup_pop(1);
		}
		if (result > 0 || (result < 0 && errno != EINTR))
			fail("a wait for nothing", result < 0 ? -errno : result);
	}
	pthread_cleanup_pop(1);
	return NULL;
}

static void *polls(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		pthread_t threads[8];
		int count = 0;

		while (count < 8 && pthread_create(&threads[count], NULL, poller, (void *)(uintptr_t)random_next(&state)) == 0)
			count++;
		for (int i = 0; i < 16 && count; i++) {
			uint64_t random = random_next(&state);

			usleep((useconds_t)(random >> 8 & 511));
			if (random & 1)
				pthread_kill(threads[random >> 20 & 7], SIGUSR2);
		}
		for (int i = 0; i < count; i++) {
			if (random_next(&state) & 1)
				pthread_cancel(threads[i]);
		}
		for (int i = 0; i < count; i++)
			pthread_join(threads[i], NULL);
		done[3]++;
	}
	return NULL;
}

/* --- children ------------------------------------------------------------------------------------------------------ */

static void *forks(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument | 1;

	while (going()) {
		uint64_t random = random_next(&state);
		int status, ends[2];
		char text[64] = "";
		FILE *stream;
		pid_t pid;

		if (pipe(ends) != 0 || !(stream = fdopen(ends[1], "w")))
			fail("fdopen", errno);
		fprintf(stream, "before ");
		pid = fork();
		if (pid == 0) {
			struct pollfd one = {-1, 0, 0};

			poll(&one, 1, (int)(random & 1));
			fprintf(stream, "child");
			fflush(stream);
			_exit((int)(random >> 8 & 63));
		}
		if (pid < 0)
			fail("fork", errno);
		while (waitpid(pid, &status, 0) < 0) {
			if (errno != EINTR)
				fail("waitpid", errno);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)(random >> 8 & 63))
			fail("a child's status", status);
		if (fclose(stream) != 0)
			fail("fclose", errno);
		if (read(ends[0], text, sizeof(text) - 1) != 19 || strcmp(text, "before childbefore ") != 0)
			fail("what came through the pipe", (long)strlen(text));
		close(ends[0]);
		done[4]++;
	}
	return NULL;
}

static const struct {
	const char *name;
	void *(*function)(void *);
} parts[] = {{"sqlite", sqlite}, {"leaves", leaves}, {"streams", streams}, {"polls", polls}, {"forks", forks}};

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 3 ? strtoull(argv[1], NULL, 10) : 0, state;
	struct sigaction action = {.sa_handler = jump};
	pthread_t threads[64];
	int count = 0;

	if (!seconds)
		return 2;
	state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
	folder = argv[3];
	deadline_ns = now_ns() + seconds * 1000000000;
	alarm((unsigned int)seconds + 60);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = nothing;
	sigaction(SIGUSR2, &action, NULL);
	for (int i = 4; i < argc && count < 64; i++) {
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
			if (strcmp(argv[i], parts[k].name) == 0 &&
			    pthread_create(&threads[count], NULL, parts[k].function,
					   (void *)(uintptr_t)random_next(&state)) == 0)
				count++;
		}
	}
	while (count)
		pthread_join(threads[--count], NULL);
	fprintf(stderr, "%llu of sqlite, %llu of leaves, %llu of streams, %llu of polls, %llu of forks\n",
		(unsigned long long)done[0], (unsigned long long)done[1], (unsigned long long)done[2],
		(unsigned long long)done[3], (unsigned long long)done[4]);
	printf("storm: ok\n");
	return 42;
}
