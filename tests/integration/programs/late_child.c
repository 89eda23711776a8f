/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a child and is killed meanwhile: `spawn FIFO` by posix_spawn, which waits in the child until somebody opens the
 * other end of FIFO, `system` by the shell, `wordexp` by that, too. `many COUNT` spawns so many, one after the other, and prints how many ended
 * well; `allocate COUNT` is a child that allocates so many blocks.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;

static char *const arguments[] = {"true", NULL};

static int spawn_held(const char *fifo)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0);
	if (write(1, "now\n", 4) != 4)
		return 1;
	return posix_spawn(&pid, "/bin/true", &actions, NULL, arguments, environ);
}

static int spawn_many(int count)
{
	int good = 0, status;
	pid_t pid;

	for (int i = 0; i < count; i++) {
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0)
			good += waitpid(pid, &status, 0) == pid && status == 0;
	}
	printf("%d\n", good);
	return 0;
}

static int allocate(int count)
{
	void *volatile block;

	for (int i = 0; i < count; i++)
		block = malloc(10);
	return block == NULL;
}

int main(int count, char **argument)
{
	if (count == 3 && strcmp(argument[1], "spawn") == 0)
		return spawn_held(argument[2]);
	if (count == 3 && strcmp(argument[1], "many") == 0)
		return spawn_many(atoi(argument[2]));
	if (count == 3 && strcmp(argument[1], "allocate") == 0)
		return allocate(atoi(argument[2]));
	if (count == 2 && strcmp(argument[1], "system") == 0)
		return system("exit 7");
	if (count == 2 && strcmp(argument[1], "wordexp") == 0)
		return wordexp("$((1 + 2)) `exit 7`", &(wordexp_t){.we_wordc = 0}, 0);
	return 2;
}
