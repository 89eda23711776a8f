/* SPDX-License-Identifier: Apache-2.0 */
/* Threads are cancelled while they wait in system, in pclose, in posix_spawn's child's waitpid; then the process goes on:
 * says what came of each, what children are left, and allocates. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile int at_work;

static void *in_system(void *unused)
{
	at_work = 1;
	system("exec sleep 30");
	return unused;
}

static void *in_pclose(void *unused)
{
	FILE *stream = popen("exec sleep 1", "r");

	at_work = 1;
	pclose(stream);
	return unused;
}

static pid_t spawned;

static void *in_wait(void *unused)
{
	char *argv[] = {"sleep", "30", NULL};

	if (posix_spawnp(&spawned, "sleep", NULL, NULL, argv, environ) != 0)
		return "not spawned";
	at_work = 1;
	waitpid(spawned, NULL, 0);
	return unused;
}

static void *in_read(void *unused)
{
	char line[100];
	FILE *stream = popen("exec sleep 30", "r");

	at_work = 1;
	if (fgets(line, sizeof(line), stream))
		return "read";
	return unused;
}

__attribute__((noinline)) static void afterwards(void)
{
	struct timespec now;
	double from = 0, at = 0;

	for (int i = 0; i < 1000; i++)
		free(malloc(100));
	while (at - from < 0.2) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
		at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
		from = from ? from : at;
	}
}

static void cancel(const char *name, void *(*function)(void *))
{
	struct timespec nap = {0, 50000000};
	pthread_t thread;
	void *result = NULL;
	sigset_t mask;
	int left = 0;

	at_work = 0;
	pthread_create(&thread, NULL, function, NULL);
	while (!at_work)
		nanosleep(&nap, NULL);
	for (int i = 0; i < 6; i++) /* until it waits */
		nanosleep(&nap, NULL);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	if (spawned)
		kill(spawned, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && left < 40) {
		nanosleep(&nap, NULL);
		left++;
		if (left > 4)
			break;
	}
	printf("%s: %s, children %s, SIGCHLD %s\n", name, result == PTHREAD_CANCELED ? "cancelled" : "ended",
	       left > 4 ? "left" : "gone", sigismember(&mask, SIGCHLD) ? "blocked" : "open");
	fflush(stdout);
	spawned = 0;
}

int main(void)
{
	struct sigaction old;

	cancel("system", in_system);
	cancel("waitpid", in_wait);
	cancel("pclose", in_pclose);
	cancel("fgets", in_read);
	sigaction(SIGINT, NULL, &old);
	printf("SIGINT %s\n", old.sa_handler == SIG_DFL ? "default" : old.sa_handler == SIG_IGN ? "ignored" : "handled");
	afterwards();
	fflush(stdout);
	kill(0, SIGTERM); /* the sleepers that are left */
	return 0;
}
