/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds files to a fuzz target without libFuzzer: every file named, and every file in every folder named. How a
 * normal test run replays the corpora, under the sanitizers too. Fails if there was nothing to feed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int inputs_replayed;

/* A copy of exactly the input's size, so that reading past it is seen. */
static void file_replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *bytes;
	size_t size;

	if (!file || fstat(fileno(file), &status) != 0) {
		perror(path);
		exit(1);
	}
	size = (size_t)status.st_size;
	bytes = malloc(size ? size : 1);
	if (!bytes || fread(bytes, 1, size, file) != size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	inputs_replayed++;
}

static void path_replay(const char *path)
{
	struct dirent **entries;
	char *inside;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0) {
		file_replay(path);
		return;
	}
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && asprintf(&inside, "%s/%s", path, entries[i]->d_name) > 0) {
			file_replay(inside);
			free(inside);
		}
		free(entries[i]);
	}
	free(entries);
}

int main(int count, char **arguments)
{
	for (int i = 1; i < count; i++)
		path_replay(arguments[i]);
	printf("%d inputs replayed\n", inputs_replayed);
	return inputs_replayed ? 0 : 1;
}
