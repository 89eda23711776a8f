/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a program's file for what keeps a preloaded library out; see launch_obstacle.h. */
#include "launch_obstacle.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

#define SCRIPT_DEPTH 4 /* as many interpreters of interpreters as Linux follows */

/* The interpreter that a script's first line names; fd is at its start. */
static bool script_interpreter(int fd, char *path, size_t size)
{
	char line[PATH_MAX + 8];
	ssize_t got = pread(fd, line, sizeof(line) - 1, 0);
	char *start;
	size_t length;

	if (got < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[got] = '\0';
	start = line + 2;
	start += strspn(start, " \t");
	length = strcspn(start, " \t\n");
	if (length == 0 || length >= size)
		return false;
	memcpy(path, start, length);
	path[length] = '\0';
	return true;
}

static bool privileges_check(int fd, char *text, size_t size)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return false;
	if (((status.st_mode & S_ISUID) && status.st_uid != getuid()) ||
	    ((status.st_mode & S_ISGID) && status.st_gid != getgid())) {
		snprintf(text, size, "it is set-uid or set-gid, and the kernel lets nobody preload into those");
		return true;
	}
	if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0) {
		snprintf(text, size, "it has file capabilities, and the kernel lets nobody preload into such programs");
		return true;
	}
	return false;
}

/* Calls `visit` for each program header of `type`; true when it returned true. */
static bool segments_visit(Elf *elf, GElf_Word type, bool (*visit)(Elf *, const GElf_Phdr *, void *), void *argument)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == type && visit(elf, &header, argument))
			return true;
	}
	return false;
}

static bool interpreter_read(Elf *elf, const GElf_Phdr *header, void *argument)
{
	Elf_Data *bytes = elf_getdata_rawchunk(elf, (int64_t)header->p_offset, header->p_filesz, ELF_T_BYTE);

	if (!bytes || !bytes->d_buf)
		return false;
	snprintf(argument, PATH_MAX, "%.*s", (int)bytes->d_size, (const char *)bytes->d_buf);
	return true;
}

static enum pp_obstacle elf_check(Elf *elf, char *text, size_t size)
{
	char interpreter[PATH_MAX] = "";
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return PP_OBSTACLE_NONE;
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		snprintf(text, size, "it is a 32-bit program, and libpreprof.so is a 64-bit library");
	else if (OWN_MACHINE != EM_NONE && header.e_machine != OWN_MACHINE)
		snprintf(text, size, "it was built for another kind of processor");
	else if (!segments_visit(elf, PT_INTERP, interpreter_read, interpreter))
		snprintf(text, size, "it is statically linked, so that nothing can be preloaded into it");
	else if (strstr(interpreter, "musl"))
		snprintf(text, size, "it uses musl instead of glibc (%.60s)", interpreter);
	else
		return PP_OBSTACLE_NONE;
	return segments_visit(elf, PT_INTERP, interpreter_read, interpreter) ? PP_OBSTACLE_LOADER : PP_OBSTACLE_SILENT;
}

static enum pp_obstacle file_check(const char *path, int depth, char *text, size_t size)
{
	char interpreter[PATH_MAX], reason[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum pp_obstacle found = PP_OBSTACLE_NONE;
	Elf *elf;

	if (fd < 0)
		return PP_OBSTACLE_NONE;
	if (script_interpreter(fd, interpreter, sizeof(interpreter))) {
		if (depth > 0)
			found = file_check(interpreter, depth - 1, reason, sizeof(reason));
		if (found)
			snprintf(text, size, "it is a script for %.200s, and of that: %s", interpreter, reason);
	} else {
		elf_version(EV_CURRENT);
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
		if (privileges_check(fd, text, size))
			found = PP_OBSTACLE_SILENT;
		else if (elf)
			found = elf_check(elf, text, size);
		elf_end(elf);
	}
	close(fd);
	return found;
}

enum pp_obstacle obstacle_find(const char *path, char *text, size_t size)
{
	return file_check(path, SCRIPT_DEPTH, text, size);
}

struct needed {
	char *name;
	size_t size;
};

/* The file offset of a virtual address, by the segments that are loaded. */
static bool address_locate(Elf *elf, GElf_Addr address, GElf_Off *offset)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD && address >= header.p_vaddr &&
		    address - header.p_vaddr < header.p_filesz) {
			*offset = header.p_offset + (address - header.p_vaddr);
			return true;
		}
	}
	return false;
}

static bool runtime_needed(Elf *elf, const GElf_Phdr *header, void *argument)
{
	struct needed *needed = argument;
	Elf_Data *table = elf_getdata_rawchunk(elf, (int64_t)header->p_offset, header->p_filesz, ELF_T_DYN), *strings;
	GElf_Addr strings_address = 0;
	GElf_Xword strings_size = 0;
	GElf_Off offset;
	GElf_Dyn entry;

	for (int i = 0; table && gelf_getdyn(table, i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == DT_STRTAB)
			strings_address = entry.d_un.d_ptr;
		if (entry.d_tag == DT_STRSZ)
			strings_size = entry.d_un.d_val;
	}
	if (!table || !address_locate(elf, strings_address, &offset))
		return false;
	strings = elf_getdata_rawchunk(elf, (int64_t)offset, strings_size, ELF_T_BYTE);
	for (int i = 0; strings && gelf_getdyn(table, i, &entry) && entry.d_tag != DT_NULL; i++) {
		const char *name = (const char *)strings->d_buf + entry.d_un.d_val;

		if (entry.d_tag != DT_NEEDED || entry.d_un.d_val >= strings->d_size ||
		    !memchr(name, '\0', strings->d_size - entry.d_un.d_val))
			continue;
		if (strncmp(name, "libasan.so", 10) != 0 && strncmp(name, "libtsan.so", 10) != 0 &&
		    strncmp(name, "liblsan.so", 10) != 0 && strncmp(name, "libhwasan.so", 12) != 0 &&
		    strncmp(name, "libclang_rt.", 12) != 0)
			continue;
		snprintf(needed->name, needed->size, "%s", name);
		return true;
	}
	return false;
}

bool first_library_find(const char *path, char *name, size_t size)
{
	struct needed needed = {name, size};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool found = false;
	Elf *elf;

	name[0] = '\0';
	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		found = segments_visit(elf, PT_DYNAMIC, runtime_needed, &needed);
	elf_end(elf);
	close(fd);
	return found;
}
