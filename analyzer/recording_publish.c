/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a recording lies and how it gets there: the choice of the name, and the replacement as a whole. Any one
 * thread.
 *
 * The bytes go to a new file beside the target (O_EXCL, so that nothing planted is opened) which is then renamed
 * over it: a reader sees the former recording or the new one. There is no fsync: a recording need not survive a
 * power failure, and it would cost the program's disk a flush every few seconds.
 */
#include "recording_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t big_endian32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The offsets are those of the SQLite file format. */
enum pp_recording_header recording_header(const unsigned char bytes[PP_RECORDING_HEADER_BYTES], uint32_t *version)
{
	if (memcmp(bytes, "SQLite format 3", 16) != 0)
		return PP_HEADER_FOREIGN;
	*version = big_endian32(bytes + 60);
	return big_endian32(bytes + 68) == PP_RECORDING_APPLICATION_ID ? PP_HEADER_RECORDING : PP_HEADER_DATABASE;
}

bool recording_is_whole(const unsigned char header[PP_RECORDING_HEADER_BYTES], size_t size)
{
	uint32_t page_size = (uint32_t)header[16] << 8 | header[17];

	/* 1 stands for 65536, which two bytes do not hold. */
	return (uint64_t)(page_size == 1 ? 65536 : page_size) * big_endian32(header + 28) == size;
}

/* NONE: free. FINISHED, RUNNING: a recording of ours. OTHER: take another name. SPECIAL: the name itself was a mistake. */
enum occupant { OCCUPANT_NONE, OCCUPANT_FINISHED, OCCUPANT_RUNNING, OCCUPANT_OTHER, OCCUPANT_SPECIAL };

static int progress_end(void *argument)
{
	(void)argument;
	return 1;
}

/*
 * Is the recording behind this descriptor one whose tree has ended? Opened by the descriptor, and as a file that does not
 * change, so that nothing beside it (a journal, which may be a pipe or a link) is looked at. For root it may be another
 * user's: nothing in it is run, and reading it has an end.
 */
static bool recording_is_finished(int fd)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;
	bool finished = false;
	char name[64];

	snprintf(name, sizeof(name), "file:/proc/self/fd/%d?immutable=1", fd);
	if (sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL) ==
	    SQLITE_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
		sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
		sqlite3_progress_handler(db, 1 << 20, progress_end, NULL);
		if (sqlite3_prepare_v2(db, "SELECT running FROM recording", -1, &statement, NULL) == SQLITE_OK &&
		    sqlite3_step(statement) == SQLITE_ROW)
			finished = sqlite3_column_int(statement, 0) == 0;
	}
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return finished;
}

/* ends: whether it makes a difference that its tree has ended; else it is RUNNING. */
static enum occupant file_look(int fd, bool ends)
{
	unsigned char header[PP_RECORDING_HEADER_BYTES];
	struct stat status;
	uint32_t version;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (geteuid() != 0 && status.st_uid != geteuid()) ||
	    pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    recording_header(header, &version) != PP_HEADER_RECORDING)
		return OCCUPANT_OTHER;
	return ends && recording_is_finished(fd) ? OCCUPANT_FINISHED : OCCUPANT_RUNNING;
}

/* Who is at this name? A link is never followed: whatever it points to, it counts as someone else's. A folder or a pipe
 * of the user's own, or a device, was named by mistake; what another user has put there must not keep us from recording. */
static enum occupant occupant_find(int folder, const char *name, bool ends)
{
	enum occupant result;
	struct stat status;
	int fd;

	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OCCUPANT_NONE : OCCUPANT_OTHER;
	if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
		return OCCUPANT_SPECIAL;
	if (!S_ISREG(status.st_mode))
		return S_ISLNK(status.st_mode) || status.st_uid != geteuid() ? OCCUPANT_OTHER : OCCUPANT_SPECIAL;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return OCCUPANT_OTHER;
	result = file_look(fd, ends);
	close(fd);
	return result;
}

/* Splits path: the folder, resolved, goes to folder (PATH_MAX bytes), and the name is returned. NULL: error is set. */
static const char *path_split(const char *path, char *folder, struct pp_error *error)
{
	const char *name = strrchr(path, '/');
	char parent[PATH_MAX];

	name = name ? name + 1 : path;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		error_set(error, "cannot write a recording to \"%s\": this names a folder, not a file", path);
		return NULL;
	}
	if ((size_t)(name - path) >= sizeof(parent) || strlen(name) > NAME_MAX - 24) {
		error_set(error, "cannot write a recording to \"%.100s...\": the name is too long", path);
		return NULL;
	}
	memcpy(parent, path, (size_t)(name - path));
	parent[name - path] = '\0';
	if (!realpath(parent[0] ? parent : ".", folder)) {
		error_set(error, "cannot write a recording into \"%s\": %s", parent[0] ? parent : ".", strerror(errno));
		return NULL;
	}
	return name;
}

static bool path_join(const char *folder, const char *name, uint32_t number, char *result)
{
	const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
	int length = number < 2 ? snprintf(result, PATH_MAX, "%s%s%s", folder, slash, name)
				: snprintf(result, PATH_MAX, "%s%s%s.%" PRIu32, folder, slash, name, number);

	return length > 0 && length < PATH_MAX;
}

static bool name_choose(const char *path, bool free_only, char *result, struct pp_error *error)
{
	char folder[PATH_MAX];
	const char *name = path_split(path, folder, error);

	if (!name)
		return false;
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0)
		return error_set(error, "cannot write a recording into \"%s\": %s", folder, strerror(errno));
	for (uint32_t number = 1; number < 10000; number++) {
		if (!path_join(folder, name, number, result))
			return error_set(error, "cannot write a recording to \"%.100s...\": the name is too long",
					 path);
		switch (occupant_find(AT_FDCWD, result, true)) {
		case OCCUPANT_NONE:
			return true;
		case OCCUPANT_FINISHED:
			if (!free_only)
				return true;
			break;
		case OCCUPANT_SPECIAL:
			return error_set(error, "cannot write a recording to \"%s\": it is not an ordinary file",
					 result);
		case OCCUPANT_RUNNING:
		case OCCUPANT_OTHER:
			break;
		}
	}
	return error_set(error, "cannot write a recording to \"%s\": it and 9998 more names are taken", path);
}

void recording_prepare(void)
{
	/* It counts each allocation under a lock, and nobody asks for the sum. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool recording_choose(const char *path, char *result, struct pp_error *error)
{
	return name_choose(path, false, result, error);
}

bool recording_choose_free(const char *path, char *result, struct pp_error *error)
{
	return name_choose(path, true, result, error);
}

void recording_identify(const char *path, struct pp_file_identity *identity)
{
	struct stat status;

	memset(identity, 0, sizeof(*identity));
	if (lstat(path, &status) == 0) {
		identity->device = status.st_dev;
		identity->inode = status.st_ino;
	}
}

static bool bytes_write(int fd, const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size < (1 << 30) ? size : 1 << 30);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			errno = written == 0 ? ENOSPC : errno;
			return false;
		}
		bytes += written;
		size -= (size_t)written;
	}
	return true;
}

/* A new file with a name nobody can guess; -1 with errno. name has room for NAME_MAX + 1 bytes. */
static int temporary_create(int folder, const char *target, char *name)
{
	uint64_t random;
	int fd = -1;

	for (int tries = 0; fd < 0 && tries < 16; tries++) {
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return -1;
		snprintf(name, NAME_MAX + 1, ".%.200s.%016" PRIx64, target, random);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	return fd;
}

/* Not every file system can refuse to replace. */
static int file_rename(int folder, const char *from, const char *to, bool fresh)
{
	if (fresh && renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (fresh && errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(folder, from, folder, to);
}

/* 0, or the errno of what failed; nothing is left behind then. fresh: EEXIST where there is a file. */
static int file_replace(int folder, const char *name, bool fresh, const unsigned char *bytes, size_t size)
{
	char temporary[NAME_MAX + 1];
	int fd = temporary_create(folder, name, temporary);
	int failure = 0;

	if (fd < 0)
		return errno;
	/* Room first: a disk that fills up half-way is then noticed before anything is written. */
	if (fallocate(fd, 0, 0, (off_t)size) != 0 && errno == ENOSPC)
		failure = ENOSPC;
	else if (!bytes_write(fd, bytes, size))
		failure = errno;
	/* Network file systems report a full disk here. */
	if (close(fd) != 0 && !failure)
		failure = errno;
	if (!failure && file_rename(folder, temporary, name, fresh) != 0)
		failure = errno;
	if (failure)
		unlinkat(folder, temporary, 0);
	return failure;
}

static bool bytes_publish(const unsigned char *bytes, size_t size, const char *path, bool *taken,
			  struct pp_error *error)
{
	char folder_path[PATH_MAX];
	const char *name = path_split(path, folder_path, error);
	enum occupant occupant;
	int folder, failure;

	if (!name)
		return false;
	folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return error_set(error, "cannot write a recording into \"%s\": %s", folder_path, strerror(errno));
	occupant = occupant_find(folder, name, false);
	if (occupant == OCCUPANT_OTHER || occupant == OCCUPANT_SPECIAL) {
		close(folder);
		return error_set(error, "cannot write the recording \"%s\": something else was put there", path);
	}
	failure = file_replace(folder, name, taken != NULL, bytes, size);
	close(folder);
	if (taken)
		*taken = failure == EEXIST;
	if (failure)
		return error_set(error, "cannot write the recording \"%s\": %s%s", path, strerror(failure),
				 occupant != OCCUPANT_NONE ? " (the one that was there is kept)" : "");
	return true;
}

static bool profile_write(const struct pp_profile *profile, const char *path, bool *taken, struct pp_error *error)
{
	size_t size;
	unsigned char *bytes = recording_serialize(profile, &size, error);
	bool good;

	if (!bytes)
		return false;
	good = bytes_publish(bytes, size, path, taken, error);
	sqlite3_free(bytes);
	return good;
}

bool recording_write(const struct pp_profile *profile, const char *path, struct pp_error *error)
{
	return profile_write(profile, path, NULL, error);
}

bool recording_write_new(const struct pp_profile *profile, const char *path, bool *taken, struct pp_error *error)
{
	*taken = false;
	return profile_write(profile, path, taken, error);
}
