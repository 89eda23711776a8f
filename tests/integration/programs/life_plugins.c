/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and unloads plugins, found by RUNPATH alone, while other threads allocate through theirs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int stop;

static void *churn(void *argument)
{
	(void)argument;
	while (!stop) {
		void *volatile block = malloc(32);

		free(block);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 200;
	static const char *const names[] = {"plugin_first", "plugin_second"};
	pthread_t threads[2];

	printf("%s", dlopen("nothing.so", RTLD_NOW) ? "found" : dlerror());
	printf("\n");
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < rounds; i++) {
		char file[64];
		void *(*run)(int);
		void *handle;

		snprintf(file, sizeof(file), "%s.so", names[i % 2]);
		handle = dlopen(file, RTLD_NOW | (argc > 2 ? RTLD_DEEPBIND : 0));
		if (!handle) {
			printf("%s\n", dlerror());
			return 1;
		}
		run = (void *(*)(int))dlsym(handle, names[i % 2]);
		free(run(5));
		if (dlclose(handle) != 0)
			printf("dlclose: %s\n", dlerror());
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%d rounds\n", rounds);
	return 0;
}
