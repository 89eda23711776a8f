/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls about files' names and properties: the io family's metadata. Each is begin, the real call, tell (io.h), and belongs
 * to the file at the path that it names (io_paths.c), or at the descriptor. One that names two belongs to the first, a link
 * to the one that is made.
 *
 * realpath and scandir are one call each, whatever they do inside. mkdtemp is a mkdir. hook_tree.c has glob, ftw and fts.
 */
#include "io.h"
#include "life.h"
#include "resolve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

/* The host includes no stdio. */
int remove(const char *path);
int rename(const char *path, const char *new);
int renameat(int folder, const char *path, int new_folder, const char *new);
int renameat2(int folder, const char *path, int new_folder, const char *new, unsigned int flags);

/* What programs call that were built with an older or a fortified libc; no header declares them. */
int __xstat(int version, const char *path, struct stat *status);
int __xstat64(int version, const char *path, struct stat64 *status);
int __lxstat(int version, const char *path, struct stat *status);
int __lxstat64(int version, const char *path, struct stat64 *status);
int __fxstat(int version, int fd, struct stat *status);
int __fxstat64(int version, int fd, struct stat64 *status);
int __fxstatat(int version, int folder, const char *path, struct stat *status, int flags);
int __fxstatat64(int version, int folder, const char *path, struct stat64 *status, int flags);
int __xmknod(int version, const char *path, mode_t mode, dev_t *device);
int __xmknodat(int version, int folder, const char *path, mode_t mode, dev_t *device);
int __statfs(const char *path, struct statfs *status);
ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t space);
ssize_t __readlinkat_chk(int folder, const char *path, char *buffer, size_t size, size_t space);
char *__realpath_chk(const char *path, char *resolved, size_t space);
char *__getcwd_chk(char *buffer, size_t size, size_t space);

#define FUNCTIONS(X)                                                                                                   \
	X(stat) X(stat64) X(lstat) X(lstat64) X(fstat) X(fstat64) X(fstatat) X(fstatat64) X(__xstat) X(__xstat64)      \
	X(__lxstat) X(__lxstat64) X(__fxstat) X(__fxstat64) X(__fxstatat) X(__fxstatat64) X(statx) X(statfs)           \
	X(statfs64) X(__statfs) X(fstatfs) X(fstatfs64) X(statvfs) X(statvfs64) X(fstatvfs) X(fstatvfs64) X(access)    \
	X(faccessat) X(euidaccess) X(eaccess) X(unlink) X(unlinkat) X(remove) X(rename) X(renameat) X(renameat2)       \
	X(link) X(linkat) X(symlink) X(symlinkat) X(readlink) X(readlinkat) X(__readlink_chk) X(__readlinkat_chk)      \
	X(realpath) X(__realpath_chk) X(canonicalize_file_name) X(mkdir) X(mkdirat) X(mkdtemp) X(rmdir) X(mknod)       \
	X(mknodat) X(mkfifo) X(mkfifoat) X(__xmknod) X(__xmknodat) X(chmod) X(fchmod) X(fchmodat) X(lchmod) X(chown)   \
	X(fchown) X(lchown) X(fchownat) X(utime) X(utimes) X(lutimes) X(futimes) X(futimesat) X(utimensat)             \
	X(futimens) X(truncate) X(truncate64) X(setxattr) X(lsetxattr) X(fsetxattr) X(getxattr) X(lgetxattr)           \
	X(fgetxattr) X(listxattr) X(llistxattr) X(flistxattr) X(removexattr) X(lremovexattr) X(fremovexattr) X(chdir)  \
	X(fchdir) X(getcwd) X(__getcwd_chk) X(opendir) X(fdopendir) X(readdir) X(readdir64) X(readdir_r)               \
	X(readdir64_r) X(getdents64) X(closedir) X(scandir) X(scandir64) X(scandirat) X(scandirat64)                   \
	X(inotify_add_watch) X(flock) X(lockf) X(lockf64)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* readdir_r is called all the same */

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_meta_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* All were found at the start; for a constructor that comes before ours they are found one by one. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

/* A call that names a file by its path, in a folder. */
#define PATH_HOOK_(type, name, parameters, arguments, operation, folder_of, path_of, outcome, after)                   \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		after;                                                                                                 \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_path(began, operation, folder_of, path_of, outcome, &registers);                       \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define NOTHING ((void)0)
#define PATH_HOOK(name, parameters, arguments, operation)                                                              \
	PATH_HOOK_(int, name, parameters, arguments, operation, AT_FDCWD, path, result, NOTHING)
#define AT_HOOK(name, parameters, arguments, operation)                                                                \
	PATH_HOOK_(int, name, parameters, arguments, operation, folder, path, result, NOTHING)
/* One that may give a name to another file. */
#define NAMES_HOOK(name, parameters, arguments, operation)                                                             \
	PATH_HOOK_(int, name, parameters, arguments, operation, AT_FDCWD, path, result, io_names_moved())
#define NAMES_AT_HOOK(name, parameters, arguments, operation)                                                          \
	PATH_HOOK_(int, name, parameters, arguments, operation, folder, path, result, io_names_moved())
#define SIZE_HOOK(name, parameters, arguments, operation, folder)                                                      \
	PATH_HOOK_(ssize_t, name, parameters, arguments, operation, folder, path, result, NOTHING)
/* Without room for an answer the path is not read. */
#define LINK_HOOK(name, parameters, arguments, folder)                                                                 \
	PATH_HOOK_(ssize_t, name, parameters, arguments, PP_IO_READLINK, folder, size && size <= INT_MAX ? path : NULL, result, \
		   NOTHING)
#define POINTER_HOOK(type, name, parameters, arguments, operation)                                                     \
	PATH_HOOK_(type, name, parameters, arguments, operation, AT_FDCWD, path, result ? 0 : -1, NOTHING)

/* One of a descriptor. */
#define FD_HOOK(type, name, parameters, arguments, operation)                                                          \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		uint64_t began = io_begin_open(operation, __builtin_frame_address(0));                                 \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell(began, operation, fd, 0, result < 0 ? -1 : 0, IO_NO_OFFSET, &registers);               \
		}                                                                                                      \
		return result;                                                                                         \
	}

/* --- what it is -------------------------------------------------------------------------------------------------------- */

PATH_HOOK(stat, (const char *restrict path, struct stat *restrict status), (path, status), PP_IO_STAT)
PATH_HOOK(stat64, (const char *restrict path, struct stat64 *restrict status), (path, status), PP_IO_STAT)
PATH_HOOK(lstat, (const char *restrict path, struct stat *restrict status), (path, status), PP_IO_STAT)
PATH_HOOK(lstat64, (const char *restrict path, struct stat64 *restrict status), (path, status), PP_IO_STAT)
FD_HOOK(int, fstat, (int fd, struct stat *status), (fd, status), PP_IO_STAT)
FD_HOOK(int, fstat64, (int fd, struct stat64 *status), (fd, status), PP_IO_STAT)
AT_HOOK(fstatat, (int folder, const char *restrict path, struct stat *restrict status, int flags),
	(folder, path, status, flags), PP_IO_STAT)
AT_HOOK(fstatat64, (int folder, const char *restrict path, struct stat64 *restrict status, int flags),
	(folder, path, status, flags), PP_IO_STAT)
PATH_HOOK(__xstat, (int version, const char *path, struct stat *status), (version, path, status), PP_IO_STAT)
PATH_HOOK(__xstat64, (int version, const char *path, struct stat64 *status), (version, path, status), PP_IO_STAT)
PATH_HOOK(__lxstat, (int version, const char *path, struct stat *status), (version, path, status), PP_IO_STAT)
PATH_HOOK(__lxstat64, (int version, const char *path, struct stat64 *status), (version, path, status), PP_IO_STAT)
FD_HOOK(int, __fxstat, (int version, int fd, struct stat *status), (version, fd, status), PP_IO_STAT)
FD_HOOK(int, __fxstat64, (int version, int fd, struct stat64 *status), (version, fd, status), PP_IO_STAT)
AT_HOOK(__fxstatat, (int version, int folder, const char *path, struct stat *status, int flags),
	(version, folder, path, status, flags), PP_IO_STAT)
AT_HOOK(__fxstatat64, (int version, int folder, const char *path, struct stat64 *status, int flags),
	(version, folder, path, status, flags), PP_IO_STAT)
AT_HOOK(statx, (int folder, const char *restrict path, int flags, unsigned int mask, struct statx *restrict status),
	(folder, path, flags, mask, status), PP_IO_STAT)

PATH_HOOK(statfs, (const char *path, struct statfs *status), (path, status), PP_IO_STATFS)
PATH_HOOK(statfs64, (const char *path, struct statfs64 *status), (path, status), PP_IO_STATFS)
PATH_HOOK(__statfs, (const char *path, struct statfs *status), (path, status), PP_IO_STATFS)
FD_HOOK(int, fstatfs, (int fd, struct statfs *status), (fd, status), PP_IO_STATFS)
FD_HOOK(int, fstatfs64, (int fd, struct statfs64 *status), (fd, status), PP_IO_STATFS)
PATH_HOOK(statvfs, (const char *restrict path, struct statvfs *restrict status), (path, status), PP_IO_STATFS)
PATH_HOOK(statvfs64, (const char *restrict path, struct statvfs64 *restrict status), (path, status), PP_IO_STATFS)
FD_HOOK(int, fstatvfs, (int fd, struct statvfs *status), (fd, status), PP_IO_STATFS)
FD_HOOK(int, fstatvfs64, (int fd, struct statvfs64 *status), (fd, status), PP_IO_STATFS)

PATH_HOOK(access, (const char *path, int mode), (path, mode), PP_IO_ACCESS)
PATH_HOOK(euidaccess, (const char *path, int mode), (path, mode), PP_IO_ACCESS)
PATH_HOOK(eaccess, (const char *path, int mode), (path, mode), PP_IO_ACCESS)
AT_HOOK(faccessat, (int folder, const char *path, int mode, int flags), (folder, path, mode, flags), PP_IO_ACCESS)

/* --- names ------------------------------------------------------------------------------------------------------------- */

PATH_HOOK(unlink, (const char *path), (path), PP_IO_UNLINK)
PATH_HOOK(remove, (const char *path), (path), PP_IO_UNLINK)
AT_HOOK(unlinkat, (int folder, const char *path, int flags), (folder, path, flags),
	flags & AT_REMOVEDIR ? PP_IO_RMDIR : PP_IO_UNLINK)
NAMES_HOOK(rename, (const char *path, const char *new), (path, new), PP_IO_RENAME)
NAMES_AT_HOOK(renameat, (int folder, const char *path, int new_folder, const char *new), (folder, path, new_folder, new),
	PP_IO_RENAME)
NAMES_AT_HOOK(renameat2, (int folder, const char *path, int new_folder, const char *new, unsigned int flags),
	(folder, path, new_folder, new, flags), PP_IO_RENAME)
NAMES_HOOK(link, (const char *old, const char *path), (old, path), PP_IO_LINK)
NAMES_AT_HOOK(linkat, (int old_folder, const char *old, int folder, const char *path, int flags),
	(old_folder, old, folder, path, flags), PP_IO_LINK)
NAMES_HOOK(symlink, (const char *old, const char *path), (old, path), PP_IO_LINK)
NAMES_AT_HOOK(symlinkat, (const char *old, int folder, const char *path), (old, folder, path), PP_IO_LINK)
LINK_HOOK(readlink, (const char *restrict path, char *restrict buffer, size_t size), (path, buffer, size), AT_FDCWD)
LINK_HOOK(__readlink_chk, (const char *path, char *buffer, size_t size, size_t space), (path, buffer, size, space),
	  AT_FDCWD)
LINK_HOOK(readlinkat, (int folder, const char *restrict path, char *restrict buffer, size_t size),
	  (folder, path, buffer, size), folder)
LINK_HOOK(__readlinkat_chk, (int folder, const char *path, char *buffer, size_t size, size_t space),
	  (folder, path, buffer, size, space), folder)
POINTER_HOOK(char *, realpath, (const char *restrict path, char *restrict resolved), (path, resolved), PP_IO_REALPATH)
POINTER_HOOK(char *, __realpath_chk, (const char *path, char *resolved, size_t space), (path, resolved, space),
	     PP_IO_REALPATH)
POINTER_HOOK(char *, canonicalize_file_name, (const char *path), (path), PP_IO_REALPATH)

PATH_HOOK(mkdir, (const char *path, mode_t mode), (path, mode), PP_IO_MKDIR)
AT_HOOK(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), PP_IO_MKDIR)
POINTER_HOOK(char *, mkdtemp, (char *path), (path), PP_IO_MKDIR)
PATH_HOOK(rmdir, (const char *path), (path), PP_IO_RMDIR)
PATH_HOOK(mknod, (const char *path, mode_t mode, dev_t device), (path, mode, device), PP_IO_MKNOD)
AT_HOOK(mknodat, (int folder, const char *path, mode_t mode, dev_t device), (folder, path, mode, device), PP_IO_MKNOD)
PATH_HOOK(__xmknod, (int version, const char *path, mode_t mode, dev_t *device), (version, path, mode, device),
	  PP_IO_MKNOD)
AT_HOOK(__xmknodat, (int version, int folder, const char *path, mode_t mode, dev_t *device),
	(version, folder, path, mode, device), PP_IO_MKNOD)
PATH_HOOK(mkfifo, (const char *path, mode_t mode), (path, mode), PP_IO_MKNOD)
AT_HOOK(mkfifoat, (int folder, const char *path, mode_t mode), (folder, path, mode), PP_IO_MKNOD)

/* --- properties -------------------------------------------------------------------------------------------------------- */

PATH_HOOK(chmod, (const char *path, mode_t mode), (path, mode), PP_IO_CHMOD)
PATH_HOOK(lchmod, (const char *path, mode_t mode), (path, mode), PP_IO_CHMOD)
FD_HOOK(int, fchmod, (int fd, mode_t mode), (fd, mode), PP_IO_CHMOD)
AT_HOOK(fchmodat, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags), PP_IO_CHMOD)
PATH_HOOK(chown, (const char *path, uid_t user, gid_t group), (path, user, group), PP_IO_CHOWN)
PATH_HOOK(lchown, (const char *path, uid_t user, gid_t group), (path, user, group), PP_IO_CHOWN)
FD_HOOK(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), PP_IO_CHOWN)
AT_HOOK(fchownat, (int folder, const char *path, uid_t user, gid_t group, int flags),
	(folder, path, user, group, flags), PP_IO_CHOWN)
PATH_HOOK(utime, (const char *path, const struct utimbuf *times), (path, times), PP_IO_UTIME)
PATH_HOOK(utimes, (const char *path, const struct timeval times[2]), (path, times), PP_IO_UTIME)
PATH_HOOK(lutimes, (const char *path, const struct timeval times[2]), (path, times), PP_IO_UTIME)
FD_HOOK(int, futimes, (int fd, const struct timeval times[2]), (fd, times), PP_IO_UTIME)
FD_HOOK(int, futimens, (int fd, const struct timespec times[2]), (fd, times), PP_IO_UTIME)
AT_HOOK(futimesat, (int folder, const char *path, const struct timeval times[2]), (folder, path, times), PP_IO_UTIME)
AT_HOOK(utimensat, (int folder, const char *path, const struct timespec times[2], int flags),
	(folder, path, times, flags), PP_IO_UTIME)
PATH_HOOK(truncate, (const char *path, off_t size), (path, size), PP_IO_TRUNCATE)
PATH_HOOK(truncate64, (const char *path, off64_t size), (path, size), PP_IO_TRUNCATE)

PATH_HOOK(setxattr, (const char *path, const char *key, const void *value, size_t size, int flags),
	  (path, key, value, size, flags), PP_IO_XATTR)
PATH_HOOK(lsetxattr, (const char *path, const char *key, const void *value, size_t size, int flags),
	  (path, key, value, size, flags), PP_IO_XATTR)
FD_HOOK(int, fsetxattr, (int fd, const char *key, const void *value, size_t size, int flags),
	(fd, key, value, size, flags), PP_IO_XATTR)
SIZE_HOOK(getxattr, (const char *path, const char *key, void *value, size_t size), (path, key, value, size),
	  PP_IO_XATTR, AT_FDCWD)
SIZE_HOOK(lgetxattr, (const char *path, const char *key, void *value, size_t size), (path, key, value, size),
	  PP_IO_XATTR, AT_FDCWD)
FD_HOOK(ssize_t, fgetxattr, (int fd, const char *key, void *value, size_t size), (fd, key, value, size), PP_IO_XATTR)
SIZE_HOOK(listxattr, (const char *path, char *list, size_t size), (path, list, size), PP_IO_XATTR, AT_FDCWD)
SIZE_HOOK(llistxattr, (const char *path, char *list, size_t size), (path, list, size), PP_IO_XATTR, AT_FDCWD)
FD_HOOK(ssize_t, flistxattr, (int fd, char *list, size_t size), (fd, list, size), PP_IO_XATTR)
PATH_HOOK(removexattr, (const char *path, const char *key), (path, key), PP_IO_XATTR)
PATH_HOOK(lremovexattr, (const char *path, const char *key), (path, key), PP_IO_XATTR)
FD_HOOK(int, fremovexattr, (int fd, const char *key), (fd, key), PP_IO_XATTR)

/* --- where one is -------------------------------------------------------------------------------------------------------- */

PATH_HOOK_(int, chdir, (const char *path), (path), PP_IO_CHDIR, AT_FDCWD, path, result, io_paths_moved())

PP_HOOK int fchdir(int fd)
{
	uint64_t began = io_begin();
	int result = REAL(fchdir)(fd);

	io_paths_moved();
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell(began, PP_IO_CHDIR, fd, 0, result, IO_NO_OFFSET, &registers);
	}
	return result;
}

#define CWD_HOOK(name, parameters, arguments)                                                                          \
	PP_HOOK char *name parameters                                                                                  \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		char *result = REAL(name) arguments;                                                                   \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_file(began, PP_IO_GETCWD, 0, result ? 0 : -1, &registers);                             \
		}                                                                                                      \
		return result;                                                                                         \
	}

CWD_HOOK(getcwd, (char *buffer, size_t size), (buffer, size))
CWD_HOOK(__getcwd_chk, (char *buffer, size_t size, size_t space), (buffer, size, space))

/* --- folders ------------------------------------------------------------------------------------------------------------- */

/* libc opened the descriptor by itself: what the number meant before is over. */
PP_HOOK DIR *opendir(const char *path)
{
	uint64_t began = io_begin();
	DIR *result = REAL(opendir)(path);

	if (result)
		io_fd_forget(dirfd(result), PP_IO_END_UNSEEN);
	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		if (result)
			io_tell_open(began, PP_IO_OPENDIR, dirfd(result), NULL, &registers);
		else
			io_tell_path(began, PP_IO_OPENDIR, AT_FDCWD, path, -1, &registers);
	}
	return result;
}

PP_HOOK DIR *fdopendir(int fd)
{
	uint64_t began = io_begin();
	DIR *result = REAL(fdopendir)(fd);

	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell(began, PP_IO_OPENDIR, fd, 0, result ? 0 : -1, IO_NO_OFFSET, &registers);
	}
	return result;
}

/* NULL at the end, and where it fails: errno alone tells the two apart, for a caller that has set it to 0. */
#define READDIR_HOOK(type, name)                                                                                       \
	PP_HOOK type *name(DIR *folder)                                                                                \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		type *result = REAL(name)(folder);                                                                     \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell(began, PP_IO_READDIR, dirfd(folder), 0, 0, IO_NO_OFFSET, &registers);                  \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define READDIR_R_HOOK(type, name)                                                                                     \
	PP_HOOK int name(DIR *restrict folder, type *restrict entry, type **restrict next)                             \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name)(folder, entry, next);                                                          \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			int error = errno;                                                                             \
                                                                                                                       \
			errno = result;                                                                                \
			io_tell(began, PP_IO_READDIR, dirfd(folder), 0, result ? -1 : 0, IO_NO_OFFSET, &registers);    \
			errno = error;                                                                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}

READDIR_HOOK(struct dirent, readdir)
READDIR_HOOK(struct dirent64, readdir64)
READDIR_R_HOOK(struct dirent, readdir_r)
READDIR_R_HOOK(struct dirent64, readdir64_r)
FD_HOOK(ssize_t, getdents64, (int fd, void *buffer, size_t size), (fd, buffer, size), PP_IO_READDIR)

PP_HOOK int closedir(DIR *folder)
{
	uint64_t began = io_begin(), file = 0;
	DIR *given = folder;
	int result;

	__asm__("" : "+r"(given)); /* the header says that it is never NULL; programs are told EINVAL */
	if (given)
		file = io_fd_take(dirfd(given), PP_IO_END_CLOSED);
	result = REAL(closedir)(folder);

	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_file(began, PP_IO_CLOSEDIR, file, result, &registers);
	}
	return result;
}

#define SCAN(entry) int (*keep)(const struct entry *), int (*order)(const struct entry **, const struct entry **)
PATH_HOOK(scandir, (const char *restrict path, struct dirent ***restrict list, SCAN(dirent)), (path, list, keep, order),
	  PP_IO_SCANDIR)
PATH_HOOK(scandir64, (const char *restrict path, struct dirent64 ***restrict list, SCAN(dirent64)),
	  (path, list, keep, order), PP_IO_SCANDIR)
AT_HOOK(scandirat, (int folder, const char *restrict path, struct dirent ***restrict list, SCAN(dirent)),
	(folder, path, list, keep, order), PP_IO_SCANDIR)
AT_HOOK(scandirat64, (int folder, const char *restrict path, struct dirent64 ***restrict list, SCAN(dirent64)),
	(folder, path, list, keep, order), PP_IO_SCANDIR)

/* --- watches and locks --------------------------------------------------------------------------------------------------- */

PATH_HOOK(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), PP_IO_WATCH)
FD_HOOK(int, flock, (int fd, int operation), (fd, operation), PP_IO_FILE_LOCK)
FD_HOOK(int, lockf, (int fd, int command, off_t size), (fd, command, size), PP_IO_FILE_LOCK)
FD_HOOK(int, lockf64, (int fd, int command, off64_t size), (fd, command, size), PP_IO_FILE_LOCK)

#pragma GCC diagnostic pop
