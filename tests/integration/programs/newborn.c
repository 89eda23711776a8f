/* SPDX-License-Identifier: Apache-2.0 */
/* COUNT: so many threads one after the other, which as they begin take the signals that another sends all the time; the
 * handler allocates and frees. Prints how many pairs the handler made. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int over;
static unsigned long pairs;

static void handler(int number)
{
	void *volatile block = malloc(32 + (size_t)number);

	free(block);
	__atomic_fetch_add(&pairs, 1, __ATOMIC_SEQ_CST);
}

/* One after the other, a few microseconds apart: without a pause a thread would do nothing but take signals. */
static void *send(void *unused)
{
	unsigned random = 1;

	(void)unused;
	while (!over) {
		unsigned long before = __atomic_load_n(&pairs, __ATOMIC_SEQ_CST);

		kill(getpid(), SIGUSR1);
		while (!over && __atomic_load_n(&pairs, __ATOMIC_SEQ_CST) == before)
			sched_yield();
		random = random * 1103515245 + 12345;
		for (volatile unsigned i = 0; i < (random >> 16 & 0x3fff); i++)
			;
	}
	return NULL;
}

/* Takes none while libc gives back what the thread had: a handler that allocates would break that. */
static void *nothing(void *all)
{
	pthread_sigmask(SIG_BLOCK, all, NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000;
	struct sigaction action = {.sa_handler = handler};
	sigset_t all, none;
	pthread_attr_t open;
	pthread_t sender, thread;

	sigfillset(&all);
	sigemptyset(&none);
	action.sa_mask = all;
	sigaction(SIGUSR1, &action, NULL);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_attr_init(&open);
	pthread_attr_setsigmask_np(&open, &none);
	pthread_create(&sender, NULL, send, NULL);
	for (long i = 0; i < count; i++) {
		pthread_create(&thread, &open, nothing, &all);
		pthread_join(thread, NULL);
	}
	over = 1;
	pthread_join(sender, NULL);
	printf("%lu\n", pairs);
	return 0;
}
