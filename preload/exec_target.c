/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a program file before it is executed: its loader prints a line on the program's stderr for a library that it
 * cannot preload (another processor or word size), and musl's does not start at all. In doubt a file is plain.
 */
#include "exec_target.h"
#include "host.h"
#include "raw.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_DEPTH 5 /* the kernel's own limit */
#define HEAD_BYTES   1024
#define SEGMENTS_MAX 64

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#define OUR_LOADER  "ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#define OUR_LOADER  "ld-linux-aarch64.so.1"
#endif

static enum pp_target look_open(int folder, const char *path, unsigned int depth);

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static long read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
	long got;

	do
		got = RAW_CALL(SYS_pread64, fd, buffer, size, offset);
	while (got == -EINTR);
	return got;
}

/* head: "#!" blanks interpreter [argument] newline; NUL-terminated. */
static enum pp_target look_script(char *head, unsigned int depth)
{
	char *at = head + 2;
	size_t length;

	at += strspn(at, " \t");
	length = strcspn(at, " \t\n");
	if (!length || depth >= SCRIPT_DEPTH)
		return PP_TARGET_PLAIN;
	at[length] = '\0';
	return look_open(AT_FDCWD, at, depth + 1);
}

static enum pp_target look_elf(int fd, const ElfW(Ehdr) * header, const char *name)
{
	ElfW(Phdr) segment;
	unsigned int count = header->e_phnum < SEGMENTS_MAX ? header->e_phnum : SEGMENTS_MAX;

	if (header->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != OUR_MACHINE)
		return PP_TARGET_FOREIGN;
	for (unsigned int i = 0; i < count; i++) {
		char loader[256] = "";

		if (read_at(fd, &segment, sizeof(segment), header->e_phoff + (uint64_t)i * header->e_phentsize) !=
		    sizeof(segment))
			return PP_TARGET_PLAIN;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_filesz >= sizeof(loader) ||
		    read_at(fd, loader, segment.p_filesz, segment.p_offset) != (long)segment.p_filesz)
			return PP_TARGET_PLAIN;
		return strcmp(base_name(loader), OUR_LOADER) == 0 ? PP_TARGET_PLAIN : PP_TARGET_FOREIGN;
	}
	/* The loader itself, called as a program, preloads too. */
	return name && strcmp(base_name(name), OUR_LOADER) == 0 ? PP_TARGET_PLAIN : PP_TARGET_STATIC;
}

/* As the kernel and the loader see it (AT_SECURE). */
static bool privileged(int fd, const struct stat *status)
{
	uid_t uid = (uid_t)RAW_CALL(SYS_getuid);

	if (uid != (uid_t)RAW_CALL(SYS_geteuid) || RAW_CALL(SYS_getgid) != RAW_CALL(SYS_getegid))
		return true;
	if (status->st_mode & S_ISUID && status->st_uid != uid)
		return true;
	if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    status->st_gid != (gid_t)RAW_CALL(SYS_getgid))
		return true;
	return uid != 0 && fd >= 0 && RAW_CALL(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

static enum pp_target look(int fd, const struct stat *status, const char *name, unsigned int depth)
{
	union {
		ElfW(Ehdr) elf;
		char text[HEAD_BYTES + 1];
	} head;
	long got = fd < 0 ? 0 : read_at(fd, head.text, HEAD_BYTES, 0);
	enum pp_target target = PP_TARGET_PLAIN;

	head.text[got > 0 ? got : 0] = '\0';
	if (got > 2 && head.text[0] == '#' && head.text[1] == '!')
		return look_script(head.text, depth);
	if (got >= (long)sizeof(head.elf) && memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0)
		target = look_elf(fd, &head.elf, name);
	if (target == PP_TARGET_PLAIN && privileged(fd, status))
		target = PP_TARGET_PRIVILEGED;
	return target;
}

static enum pp_target look_open(int folder, const char *path, unsigned int depth)
{
	enum pp_target target;
	struct stat status;
	long fd;

	if (!path || RAW_CALL(SYS_newfstatat, folder, path, &status, 0) < 0 || !S_ISREG(status.st_mode) ||
	    !(status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return PP_TARGET_ABSENT;
	fd = RAW_CALL(SYS_openat, folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	target = look((int)fd, &status, path, depth);
	if (fd >= 0)
		raw_close((int)fd);
	return target;
}

enum pp_target target_look(int folder, const char *path)
{
	/* Nothing is to be chosen, and a seccomp filter may forbid the look. */
	return pp_session.children_bare ? PP_TARGET_PLAIN : look_open(folder, path, 0);
}

enum pp_target target_look_descriptor(int fd)
{
	struct stat status;

	if (pp_session.children_bare)
		return PP_TARGET_PLAIN;
	if (RAW_CALL(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) < 0 || !S_ISREG(status.st_mode))
		return PP_TARGET_ABSENT;
	return look(fd, &status, NULL, 0);
}

const char *target_find(const char *file, char *path, size_t space)
{
	const char *folder = environment_get("PATH");
	size_t length = file ? strlen(file) : 0;
	struct stat status;

	if (!length)
		return NULL;
	if (strchr(file, '/') || pp_session.children_bare)
		return file;
	if (!folder)
		folder = "/bin:/usr/bin";
	for (;;) {
		size_t size = strcspn(folder, ":");

		if (size + length + 2 <= space) {
			memcpy(path, folder, size);
			if (size)
				path[size] = '/';
			strcpy(path + size + (size ? 1 : 0), file);
			if (RAW_CALL(SYS_faccessat, AT_FDCWD, path, X_OK) == 0 &&
			    RAW_CALL(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0 && S_ISREG(status.st_mode))
				return path;
		}
		if (!folder[size])
			return NULL;
		folder += size + 1;
	}
}
