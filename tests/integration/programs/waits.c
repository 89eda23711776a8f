/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits kinds: a thread for each thing that can be waited for, named for it, each waiting twice for 60 ms.
 * waits left: threads that leave their waits by cancellation and by jumps out of handlers, and some that never leave them.
 * waits contended N: two threads, N turns each on mutexes of every kind; prints the count that the mutex protected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_US 60000
#define TURNS	 2

static void rest(void)
{
	syscall(SYS_nanosleep, &(struct timespec){0, PAUSE_US * 1000}, NULL); /* by number: no wait that is seen */
}

static struct timespec in_a_while(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_nsec += PAUSE_US * 1000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/* --- one after the other: what a thread of this name does, and what it needs from a second one ---------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, idle = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static pthread_barrier_t barrier;
static pthread_barrier_t start;

static void *holds(void *unused)
{
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&mutex);
		pthread_rwlock_wrlock(&rwlock);
		syscall(SYS_futex, NULL, FUTEX_WAKE, 0);
		pthread_barrier_wait(&start); /* now both are held */
		rest();
		pthread_rwlock_unlock(&rwlock);
		pthread_mutex_unlock(&mutex);
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&start);
	}
	return unused;
}

static void do_mutex(void)
{
	pthread_mutex_lock(&mutex); /* mutex */
	pthread_mutex_unlock(&mutex);
}

static void do_rwlock(void)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
}

static void do_condition(void)
{
	struct timespec until = in_a_while(CLOCK_REALTIME);

	pthread_mutex_lock(&idle);
	pthread_cond_timedwait(&never, &idle, &until);
	pthread_mutex_unlock(&idle);
}

static void do_clock_condition(void)
{
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	struct timespec until = in_a_while(CLOCK_MONOTONIC);

	pthread_mutex_lock(&own);
	pthread_cond_clockwait(&never, &own, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&own);
}

static void do_semaphore(void)
{
	struct timespec until = in_a_while(CLOCK_REALTIME);

	sem_timedwait(&empty, &until);
}

static void do_barrier(void)
{
	pthread_barrier_wait(&barrier);
}

static void *late(void *unused)
{
	rest();
	return unused;
}

static void do_join(void)
{
	pthread_t id;

	pthread_create(&id, NULL, late, NULL);
	pthread_join(id, NULL);
}

static void do_poll(void)
{
	poll(NULL, 0, PAUSE_US / 1000);
}

static void do_select(void)
{
	select(0, NULL, NULL, NULL, &(struct timeval){0, PAUSE_US});
}

static void do_epoll(void)
{
	struct epoll_event event;
	static int fd;

	fd = fd ? fd : epoll_create1(0);
	epoll_wait(fd, &event, 1, PAUSE_US / 1000);
}

static void do_sleep(void)
{
	nanosleep(&(struct timespec){0, PAUSE_US * 1000}, NULL);
}

static void do_c11(void)
{
	thrd_sleep(&(struct timespec){0, PAUSE_US * 1000}, NULL);
}

static void do_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		rest();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void do_sigwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigtimedwait(&set, NULL, &(struct timespec){0, PAUSE_US * 1000});
}

static void do_futex(void)
{
	static int word;

	syscall(SYS_futex, &word, FUTEX_WAIT, 0, &(struct timespec){0, PAUSE_US * 1000}, NULL, 0);
}

static void do_read(void)
{
	static int ends[2];
	char byte;

	if (!ends[0] && pipe(ends) != 0)
		abort();
	if (fork() == 0) {
		rest();
		_exit(write(ends[1], "x", 1) != 1);
	}
	if (read(ends[0], &byte, 1) != 1)
		abort();
	while (waitpid(-1, NULL, WNOHANG) == 0)
		rest();
}

static void do_compute(void)
{
	struct timespec now;
	long until;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	until = now.tv_nsec + PAUSE_US * 1000;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while (now.tv_sec == 0 && now.tv_nsec < until);
}

static struct kind {
	const char *name;
	void (*work)(void);
} kinds[] = {{"condition", do_condition}, {"clockwait", do_clock_condition}, {"semaphore", do_semaphore}, {"join", do_join},
	     {"poll", do_poll},		  {"select", do_select},	     {"epoll", do_epoll},	  {"sleep", do_sleep},
	     {"c11", do_c11},		  {"sigwait", do_sigwait},	     {"futex", do_futex},	  {"compute", do_compute}};

static void *works(void *argument)
{
	const struct kind *kind = argument;

	prctl(PR_SET_NAME, kind->name);
	for (int i = 0; i < TURNS; i++)
		kind->work();
	return NULL;
}

static void *waits_at_barrier(void *argument)
{
	prctl(PR_SET_NAME, argument);
	for (int i = 0; i < TURNS; i++) {
		if (!strcmp(argument, "late"))
			rest();
		do_barrier();
	}
	return NULL;
}

static void *waits_for_lock(void *argument)
{
	prctl(PR_SET_NAME, argument);
	for (int i = 0; i < TURNS; i++) {
		pthread_barrier_wait(&start);
		if (!strcmp(argument, "mutex"))
			do_mutex();
		else
			do_rwlock();
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&start);
	}
	return NULL;
}

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static int run_kinds(void)
{
	pthread_t ids[COUNT(kinds) + 5];
	size_t count = 0;

	pthread_barrier_init(&start, NULL, 3);
	pthread_barrier_init(&barrier, NULL, 2);
	sem_init(&empty, 0, 0);
	for (size_t i = 0; i < COUNT(kinds); i++)
		pthread_create(&ids[count++], NULL, works, &kinds[i]);
	pthread_create(&ids[count++], NULL, holds, NULL);
	pthread_create(&ids[count++], NULL, waits_for_lock, "mutex");
	pthread_create(&ids[count++], NULL, waits_for_lock, "rwlock");
	pthread_create(&ids[count++], NULL, waits_at_barrier, "barrier");
	pthread_create(&ids[count++], NULL, waits_at_barrier, "late");
	for (size_t i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	/* Alone: forks of a process with many threads would only be slower. */
	for (int i = 0; i < TURNS; i++)
		do_child();
	do_read();
	return 0;
}

/* --- left ------------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void unlock(void *what)
{
	pthread_mutex_unlock(what);
}

static void *cancelled_condition(void *unused)
{
	pthread_mutex_lock(&idle);
	pthread_cleanup_push(unlock, &idle);
	for (;;)
		pthread_cond_wait(&never, &idle);
	pthread_cleanup_pop(1);
	return unused;
}

static void *cancelled_poll(void *unused)
{
	poll(NULL, 0, -1);
	return unused;
}

static void *cancelled_semaphore(void *unused)
{
	sem_wait(&empty);
	return unused;
}

static void *cancelled_join(void *other)
{
	pthread_join(*(pthread_t *)other, NULL);
	return NULL;
}

static void *stays_in_mutex(void *unused)
{
	pthread_mutex_lock(&held); /* stays */
	return unused;
}

static void *stays_in_read(void *unused)
{
	int ends[2];
	char byte;

	if (pipe(ends) == 0 && read(ends[0], &byte, 1) == 1)
		abort();
	return unused;
}

static void *stays_in_getc(void *unused)
{
	int ends[2];

	if (pipe(ends) == 0 && getc(fdopen(ends[0], "r")) != EOF)
		abort();
	return unused;
}

static sigjmp_buf out;

static void jump(int number)
{
	siglongjmp(out, number);
}

static int run_left(void)
{
	static void *(*const cancelled[])(void *) = {cancelled_condition, cancelled_poll, cancelled_semaphore};
	pthread_t ids[4], stays[3];
	void *value;

	sem_init(&empty, 0, 0);
	pthread_mutex_lock(&held);
	pthread_create(&stays[0], NULL, stays_in_mutex, NULL);
	pthread_create(&stays[1], NULL, stays_in_read, NULL);
	pthread_create(&stays[2], NULL, stays_in_getc, NULL);
	for (int i = 0; i < 3; i++)
		pthread_create(&ids[i], NULL, cancelled[i], NULL);
	pthread_create(&ids[3], NULL, cancelled_join, &stays[0]);
	rest();
	for (int i = 0; i < 4; i++) {
		pthread_cancel(ids[i]);
		if (pthread_join(ids[i], &value) != 0 || value != PTHREAD_CANCELED)
			return 1;
	}
	signal(SIGALRM, jump);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(out, 1) == 0) {
			ualarm(PAUSE_US, 0);
			for (;;)
				i == 0 ? (void)poll(NULL, 0, -1) : i == 1 ? (void)sem_wait(&empty) : (void)pause();
		}
	}
	do_compute();
	do_compute();
	if (pthread_mutex_trylock(&idle) != 0) /* the condition's thread gave it back */
		_exit(2);
	_exit(0); /* exit would wait for the stream that a thread is reading */
}

/* --- contended ---------------------------------------------------------------------------------------------------------- */

static struct shared {
	pthread_mutex_t mutexes[6];
	long count;
} *shared;
static long turns;

static void *contends(void *unused)
{
	for (long i = 0; i < turns; i++) {
		pthread_mutex_t *one = &shared->mutexes[i % 6];
		int result = pthread_mutex_lock(one);

		if (result == EOWNERDEAD)
			pthread_mutex_consistent(one);
		/* Each kind protects its own sixth. */
		((volatile long *)&shared->count)[1 + i % 6]++;
		pthread_mutex_unlock(one);
	}
	return unused;
}

static int run_contended(void)
{
	static const int types[6] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
				     PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_NORMAL};
	pthread_mutexattr_t kind;
	long sum = 0;
	pthread_t ids[2];
	pid_t pid;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 6; i++) {
		pthread_mutexattr_init(&kind);
		pthread_mutexattr_settype(&kind, types[i]);
		pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
		if (i == 4)
			pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
		if (i == 5)
			pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&shared->mutexes[i], &kind);
	}
	pid = fork();
	if (pid == 0) {
		contends(NULL);
		pthread_mutex_lock(&shared->mutexes[4]); /* and dies with it */
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&ids[i], NULL, contends, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 6; i++)
		sum += (&shared->count)[1 + i];
	printf("%ld\n", sum);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "kinds"))
		return run_kinds();
	if (argc > 1 && !strcmp(argv[1], "left"))
		return run_left();
	turns = argc > 2 ? atol(argv[2]) : 1000;
	return run_contended();
}
