/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of recordings: a folder of their own, and small ones in it. */
#ifndef PREPROF_RECORDING_FOLDER_H
#define PREPROF_RECORDING_FOLDER_H

#include "test.h"

#include "profile_maker.h"
#include "recording.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

static char folder[64];

static void folder_make(void)
{
	snprintf(folder, sizeof(folder), "/tmp/preprof-test.XXXXXX");
	PP_CHECK(mkdtemp(folder) != NULL);
}

static const char *path_of(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static int entry_count(void)
{
	DIR *dir = opendir(folder);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 2;
}

static void folder_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	PP_CHECK_EQ(system(command), 0);
}

static void file_put(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	PP_CHECK(file != NULL);
	PP_CHECK_EQ(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static bool write_small(const char *path, bool running, struct pp_error *error)
{
	struct pp_profile *profile = profile_make_small();
	bool good;

	profile->running = running;
	good = recording_write(profile, path, error);
	profile_destroy(profile);
	return good;
}

static bool readable(const char *path)
{
	struct pp_error error;
	struct pp_profile *profile = recording_read(path, &error);

	profile_destroy(profile);
	return profile;
}

#endif
