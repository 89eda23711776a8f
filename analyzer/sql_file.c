/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a foreign database file; see sql_file.h. The VFS here exists while one file is read. Its locks say yes and do
 * nothing. With locking_mode=EXCLUSIVE SQLite keeps the index of a write-ahead log on its heap instead of in shared
 * memory, and builds it from the log.
 */
#include "sql_file.h"

#include "memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- finding the file ---- */

/* Without a trace in its time of last access; O_NONBLOCK: a pipe of that name must not hold us up. */
static int regular_open(const char *path)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | O_NOATIME);
	struct stat status;

	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* A descriptor of the process that leads to the deleted file `path`. */
static int deleted_open(const char *path, pid_t pid)
{
	char folder[64], name[PATH_MAX], target[PATH_MAX];
	int fd = -1, length;
	struct dirent *entry;
	DIR *entries;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)pid);
	entries = opendir(folder);
	if (!entries)
		return -1;
	while (fd < 0 && (entry = readdir(entries))) {
		ssize_t size;

		length = snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
		size = length < (int)sizeof(name) ? readlink(name, target, sizeof(target) - 1) : -1;
		if (size <= 0)
			continue;
		target[size] = '\0';
		if (strncmp(target, path, strlen(path)) == 0 && strcmp(target + strlen(path), " (deleted)") == 0)
			fd = regular_open(name);
	}
	closedir(entries);
	return fd;
}

/* path, with what is appended to it, as the process sees it. Once it is gone its files may still be where they were. */
static int seen_open(const char *path, const char *suffix, pid_t pid)
{
	char name[PATH_MAX + 64], root[64];
	int fd;

	snprintf(root, sizeof(root), "/proc/%d/root/", (int)pid);
	if (pid == 0 || access(root, F_OK) != 0)
		root[0] = '\0';
	snprintf(name, sizeof(name), "%.*s%s%s", (int)(root[0] ? strlen(root) - 1 : 0), root, path, suffix);
	fd = regular_open(name);
	if (fd < 0 && root[0]) {
		snprintf(name, sizeof(name), "%s%s", path, suffix);
		fd = deleted_open(name, pid);
	}
	return fd;
}

bool sql_file_open(struct pp_sql_file *file, const char *path, pid_t pid, struct pp_error *error)
{
	*file = (struct pp_sql_file){-1, -1};
	if (path[0] != '/' || strlen(path) >= PATH_MAX - 8)
		return error_set(error, "not the path of a file");
	file->database = seen_open(path, "", pid);
	if (file->database < 0)
		return error_set(error, "the database file cannot be read: %s", strerror(errno));
	file->log = seen_open(path, "-wal", pid);
	return true;
}

void sql_file_close(struct pp_sql_file *file)
{
	if (file->database >= 0)
		close(file->database);
	if (file->log >= 0)
		close(file->log);
	*file = (struct pp_sql_file){-1, -1};
}

/* ---- the VFS ---- */

struct reader {
	sqlite3_vfs vfs;
	const struct pp_sql_file *file;
	char name[48];
};

struct reader_file {
	sqlite3_file base;
	int fd; /* -1: an empty file */
};

static int file_fd(sqlite3_file *file)
{
	return ((struct reader_file *)file)->fd;
}

static int reader_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int reader_read(sqlite3_file *file, void *buffer, int amount, sqlite3_int64 offset)
{
	size_t got = 0;

	while (file_fd(file) >= 0 && got < (size_t)amount) {
		ssize_t size = pread(file_fd(file), (char *)buffer + got, (size_t)amount - got, offset + (off_t)got);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return SQLITE_IOERR_READ;
		if (size == 0)
			break;
		got += (size_t)size;
	}
	if (got == (size_t)amount)
		return SQLITE_OK;
	memset((char *)buffer + got, 0, (size_t)amount - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int reader_write(sqlite3_file *file, const void *buffer, int amount, sqlite3_int64 offset)
{
	(void)file, (void)buffer, (void)amount, (void)offset;
	return SQLITE_READONLY;
}

static int reader_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	(void)file, (void)size;
	return SQLITE_READONLY;
}

static int reader_sync(sqlite3_file *file, int flags)
{
	(void)file, (void)flags;
	return SQLITE_OK;
}

static int reader_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct stat status;

	*size = 0;
	if (file_fd(file) < 0)
		return SQLITE_OK;
	if (fstat(file_fd(file), &status) != 0)
		return SQLITE_IOERR_FSTAT;
	*size = status.st_size;
	return SQLITE_OK;
}

static int reader_lock(sqlite3_file *file, int level)
{
	(void)file, (void)level;
	return SQLITE_OK;
}

/* A journal that lies there belongs to a change in progress: it is not ours to roll back. */
static int reader_reserved(sqlite3_file *file, int *reserved)
{
	(void)file;
	*reserved = 1;
	return SQLITE_OK;
}

static int reader_control(sqlite3_file *file, int operation, void *argument)
{
	(void)file, (void)operation, (void)argument;
	return SQLITE_NOTFOUND;
}

static int reader_sector(sqlite3_file *file)
{
	(void)file;
	return 4096;
}

static int reader_characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods reader_methods = {
	.iVersion = 1, /* no shared memory */
	.xClose = reader_close,
	.xRead = reader_read,
	.xWrite = reader_write,
	.xTruncate = reader_truncate,
	.xSync = reader_sync,
	.xFileSize = reader_size,
	.xLock = reader_lock,
	.xUnlock = reader_lock,
	.xCheckReservedLock = reader_reserved,
	.xFileControl = reader_control,
	.xSectorSize = reader_sector,
	.xDeviceCharacteristics = reader_characteristics,
};

static int reader_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	const struct pp_sql_file *source = ((struct reader *)vfs)->file;
	struct reader_file *opened = (struct reader_file *)file;

	(void)name;
	opened->base.pMethods = NULL;
	if (flags & SQLITE_OPEN_MAIN_DB)
		opened->fd = source->database;
	else if (flags & SQLITE_OPEN_WAL)
		opened->fd = source->log;
	else
		return SQLITE_CANTOPEN;
	opened->base.pMethods = &reader_methods;
	if (out_flags)
		*out_flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
	return SQLITE_OK;
}

static int reader_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs, (void)name, (void)sync;
	return SQLITE_OK;
}

static int reader_access(sqlite3_vfs *vfs, const char *name, int flags, int *answer)
{
	size_t length = strlen(name);

	(void)flags;
	*answer = length > 4 && strcmp(name + length - 4, "-wal") == 0 && ((struct reader *)vfs)->file->log >= 0;
	return SQLITE_OK;
}

static int reader_path(sqlite3_vfs *vfs, const char *name, int size, char *path)
{
	(void)vfs;
	snprintf(path, (size_t)size, "%s", name);
	return SQLITE_OK;
}

static int reader_randomness(sqlite3_vfs *vfs, int size, char *bytes)
{
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);

	(void)vfs;
	return usual->xRandomness(usual, size, bytes);
}

static int reader_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int reader_time(sqlite3_vfs *vfs, double *time)
{
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);

	(void)vfs;
	return usual->xCurrentTime(usual, time);
}

static int reader_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs, (void)size, (void)text;
	return 0;
}

static void reader_init(struct reader *reader, const struct pp_sql_file *file)
{
	*reader = (struct reader){
		.vfs = {.iVersion = 1,
			.szOsFile = sizeof(struct reader_file),
			.mxPathname = 512,
			.zName = reader->name,
			.xOpen = reader_open,
			.xDelete = reader_delete,
			.xAccess = reader_access,
			.xFullPathname = reader_path,
			.xRandomness = reader_randomness,
			.xSleep = reader_sleep,
			.xCurrentTime = reader_time,
			.xGetLastError = reader_error},
		.file = file,
	};
	snprintf(reader->name, sizeof(reader->name), "preprof-%p", (void *)reader);
}

/* ---- reading ---- */

#define READ_BYTES_MAX (16 << 20) /* of all text */
#define READ_STEPS_MAX 5000	  /* thousands of virtual machine steps */
#define LOG_BYTES_MAX  (64 << 20) /* a longer log takes too long to read whole */
#define READ_TRIES     3

static int steps_count(void *argument)
{
	int *left = argument;

	return --*left < 0;
}

/* NULL for what is no text, so that a hostile file cannot make us compute it. */
static const char *column_string(struct pp_arena *arena, sqlite3_stmt *rows, int column, size_t *bytes)
{
	const char *text;
	int size;

	if (sqlite3_column_type(rows, column) != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(rows, column);
	size = sqlite3_column_bytes(rows, column);
	if (!text || strlen(text) != (size_t)size)
		return NULL;
	*bytes += (size_t)size;
	return arena_string_sized(arena, text, (size_t)size);
}

static bool objects_read(sqlite3 *db, const char *sql, struct pp_arena *arena, struct pp_sql_objects *objects,
			 struct pp_error *error)
{
	struct pp_sql_object *rows = NULL;
	sqlite3_stmt *statement = NULL;
	uint32_t count = 0, capacity = 0;
	size_t bytes = 0;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	while (result == SQLITE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		rows = memory_grow(rows, &capacity, (size_t)count + 1, sizeof(*rows));
		rows[count].name = column_string(arena, statement, 0, &bytes);
		rows[count].table = column_string(arena, statement, 1, &bytes);
		rows[count].sql = column_string(arena, statement, 2, &bytes);
		count += rows[count].table && rows[count].sql;
		result = SQLITE_OK;
		if (count > PP_SQL_OBJECTS_MAX || bytes > READ_BYTES_MAX) {
			result = SQLITE_TOOBIG;
			break;
		}
	}
	if (result == SQLITE_DONE) {
		struct pp_sql_object *kept = arena_array(arena, count, sizeof(*kept));

		if (count)
			memcpy(kept, rows, count * sizeof(*kept));
		*objects = (struct pp_sql_objects){kept, count};
	} else {
		error_set(error, "the database's schema cannot be read: %s",
			  result == SQLITE_TOOBIG ? "it is too large" : sqlite3_errmsg(db));
	}
	sqlite3_finalize(statement);
	free(rows);
	return result == SQLITE_DONE;
}

static bool database_read(sqlite3 *db, struct pp_arena *arena, struct pp_sql_objects *schema,
			  struct pp_sql_objects *statistics, struct pp_error *error)
{
	int steps = READ_STEPS_MAX;
	bool done;

	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, READ_BYTES_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_progress_handler(db, 1000, steps_count, &steps);
	/* writable_schema: objects that this SQLite does not understand are passed over */
	if (sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA writable_schema=ON; PRAGMA temp_store=MEMORY", NULL,
			 NULL, NULL) != SQLITE_OK)
		return error_set(error, "the database's schema cannot be read: %s", sqlite3_errmsg(db));
	done = objects_read(db, "SELECT name, tbl_name, sql FROM sqlite_master ORDER BY rowid", arena, schema, error);
	/* most databases have none */
	if (done && !objects_read(db, "SELECT idx, tbl, stat FROM sqlite_stat1", arena, statistics, NULL))
		*statistics = (struct pp_sql_objects){NULL, 0};
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return done;
}

/* What changes with every change of the file: its header's counters, the log's salts, both sizes. */
struct marks {
	unsigned char header[100], log[32];
	off_t size, log_size;
};

static void marks_take(const struct pp_sql_file *file, struct marks *marks)
{
	struct stat status;

	memset(marks, 0, sizeof(*marks));
	if (pread(file->database, marks->header, sizeof(marks->header), 0) < 0)
		marks->header[0] = 0;
	marks->size = fstat(file->database, &status) == 0 ? status.st_size : 0;
	if (file->log < 0)
		return;
	if (pread(file->log, marks->log, sizeof(marks->log), 0) < 0)
		marks->log[0] = 0;
	marks->log_size = fstat(file->log, &status) == 0 ? status.st_size : 0;
}

static bool file_read_once(const struct pp_sql_file *file, struct pp_arena *arena, struct pp_sql_objects *schema,
			   struct pp_sql_objects *statistics, struct pp_error *error)
{
	struct reader reader;
	sqlite3 *db = NULL;
	bool done = false;

	reader_init(&reader, file);
	if (sqlite3_vfs_register(&reader.vfs, 0) != SQLITE_OK)
		return error_set(error, "out of memory");
	if (sqlite3_open_v2("database", &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, reader.name) != SQLITE_OK)
		error_set(error, "the database cannot be opened: %s", db ? sqlite3_errmsg(db) : "out of memory");
	else
		done = database_read(db, arena, schema, statistics, error);
	sqlite3_close(db);
	sqlite3_vfs_unregister(&reader.vfs);
	return done;
}

bool sql_file_read(const struct pp_sql_file *file, struct pp_arena *arena, struct pp_sql_objects *schema,
		   struct pp_sql_objects *statistics, struct pp_error *error)
{
	struct marks before, after;
	bool done = false;

	for (int i = 0; i < READ_TRIES; i++) {
		marks_take(file, &before);
		if (before.log_size > LOG_BYTES_MAX)
			return error_set(error, "the database's write-ahead log is too long to be read");
		done = file_read_once(file, arena, schema, statistics, error);
		marks_take(file, &after);
		if (done && memcmp(&before, &after, sizeof(before)) == 0)
			return true;
	}
	return done;
}
