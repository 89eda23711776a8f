/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are named by a path, not by a descriptor: those of metadata calls, and of opens that failed. A file is a hash of
 * the folder that the path begins at and of the path, as given: "a/../b" is not "b", and a symbolic link is itself. What it
 * is in full is told once; the analyzer puts it together with the file of that name that was opened.
 *
 * A walk over a disk names millions: each process names LIMIT of them, and the others are unknown files from then on. The
 * set of what was named is shared by all threads and only grows.
 *
 * Context: guard held, by the thread itself; io_paths_moved in any.
 */
#include "io.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PLACES 32768
#define LIMIT  16384

static uint64_t *named; /* PLACES, mapped at the first path; a hash each, 0: free */
static uint32_t named_count;
static uint64_t cwd; /* the working folder's file; 0: not known */

void io_paths_moved(void)
{
	__atomic_store_n(&cwd, 0, __ATOMIC_RELEASE);
}

void io_paths_reset(void)
{
	if (named_count)
		memset(named, 0, PLACES * sizeof(*named));
	named_count = 0;
	io_paths_moved();
}

/* NULL: there is no room for it. */
static uint64_t *named_get(void)
{
	uint64_t *seen = __atomic_load_n(&named, __ATOMIC_ACQUIRE), *made;

	if (pp_likely(seen != NULL))
		return seen;
	made = raw_map(PLACES * sizeof(*made));
	if (made && !__atomic_compare_exchange_n(&named, &seen, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		raw_unmap(made, PLACES * sizeof(*made));
		made = seen;
	}
	return made;
}

/* true: it was in the set already. *room: it is there now, or would not fit. */
static bool named_add(uint64_t file, bool *room)
{
	uint32_t place = (uint32_t)(file >> 17) % PLACES;
	uint64_t *set = named_get();

	*room = set != NULL;
	for (; set; place = (place + 1) % PLACES) {
		uint64_t seen = __atomic_load_n(&set[place], __ATOMIC_RELAXED);

		if (seen == file)
			return true;
		if (seen)
			continue;
		if (__atomic_load_n(&named_count, __ATOMIC_RELAXED) >= LIMIT) {
			*room = false;
			return false;
		}
		if (__atomic_compare_exchange_n(&set[place], &seen, file, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_add_fetch(&named_count, 1, __ATOMIC_RELAXED);
			return false;
		}
		if (seen == file)
			return true;
	}
	return false;
}

static size_t cwd_read(char *text, size_t space)
{
	long size = pp_session.io_blind ? 0 : RAW_CALL(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", text, space);

	return size > 0 && (size_t)size < space ? (size_t)size : 0;
}

/* The folder that a path begins at, as a number; 0: not known. */
static uint64_t folder_file(struct pp_thread *thread, int folder)
{
	const struct pp_io_fd *state;
	struct pp_io_name name;
	uint64_t file;

	if (folder != AT_FDCWD) {
		state = io_fd_get(thread, folder);
		return state ? state->file : 0;
	}
	file = __atomic_load_n(&cwd, __ATOMIC_ACQUIRE);
	if (!file) {
		name.size = (uint32_t)cwd_read((char *)name.bytes, sizeof(name.bytes));
		file = name.size ? io_name_hash(0, name.bytes, name.size) : 0;
		__atomic_store_n(&cwd, file, __ATOMIC_RELEASE);
	}
	return file;
}

/* The folder's path with a slash, in front of what is in `name`. */
static bool folder_prepend(struct pp_io_name *name, int folder)
{
	struct pp_io_name whole;
	size_t size;

	if (folder == AT_FDCWD)
		size = cwd_read((char *)whole.bytes, sizeof(whole.bytes));
	else
		size = io_fd_path(&whole, folder);
	if (!size || size + 1 + name->size > sizeof(whole.bytes))
		return false;
	if (whole.bytes[size - 1] != '/')
		whole.bytes[size++] = '/';
	memcpy(whole.bytes + size, name->bytes, name->size);
	whole.size = (uint32_t)size + name->size;
	memcpy(name, &whole, sizeof(whole));
	return true;
}

uint64_t io_path_key(struct pp_thread *thread, int folder, const char *path)
{
	size_t size = strnlen(path, PP_IO_NAME_BYTES);
	uint64_t hash = path[0] == '/' ? 1 : folder_file(thread, folder), word;

	if (!size || size == PP_IO_NAME_BYTES || !hash)
		return 0;
	/* Eight bytes at once: nobody else has to come to the same number. */
	for (size_t at = 0; at < size; at += sizeof(word)) {
		word = 0;
		memcpy(&word, path + at, size - at < sizeof(word) ? size - at : sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	return hash ? hash : 1;
}

uint64_t io_path_file(struct pp_thread *thread, int folder, const char *path)
{
	uint64_t base = 1, file;
	struct pp_io_name name;
	size_t size;
	bool room;

	while (path[0] == '.' && path[1] == '/')
		for (path += 2; *path == '/';)
			path++;
	size = strnlen(path, sizeof(name.bytes));
	if (!size || size == sizeof(name.bytes) || pp_session.io_blind)
		return 0;
	if (path[0] != '/')
		base = folder_file(thread, folder);
	if (!base)
		return 0;
	file = io_name_hash(base, path, size);
	if (named_add(file, &room))
		return file;
	if (!room)
		return 0;
	memcpy(name.bytes, path, size);
	name.size = (uint32_t)size;
	if (path[0] == '/' || folder_prepend(&name, folder))
		io_name_tell(thread, file, 0, PP_IO_FILE_NAMED, &name);
	return file;
}

/* Did the kernel read the path, so that we may? Not where it failed for what else it was given. */
static bool path_was_read(enum pp_wire_io_operation operation, int64_t result, int error)
{
	if (result >= 0)
		return true;
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EEXIST:
	case ENOTEMPTY:
	case EISDIR:
	case ELOOP:
	case EXDEV:
	case EROFS:
	case EBUSY:
	case ENODATA:
		return true;
	case EINVAL: /* no link */
		return operation == PP_IO_READLINK;
	default:
		return false;
	}
}

void io_tell_path(uint64_t began, enum pp_wire_io_operation operation, int folder, const char *path, int64_t result,
		  const struct pp_registers *registers)
{
	struct pp_thread *thread;
	int error = errno;
	uint64_t file = 0, over = io_ticks();

	if (result >= 0 && folder != AT_FDCWD && path && !path[0]) { /* AT_EMPTY_PATH */
		io_tell(began, operation, folder, 0, result, IO_NO_OFFSET, registers);
		return;
	}
	thread = path && path_was_read(operation, result, error) && pp_session.settings.io ? hook_enter() : NULL;
	if (thread) {
		file = io_path_file(thread, folder, path);
		hook_leave(thread);
	}
	errno = error;
	/* What naming took is not the call's. */
	io_tell_file(began + (io_ticks() - over), operation, file, result, registers);
}
