/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite from its files; see sql_outside.h.
 *
 * A copy is known by two of SQLite's own texts among the constants of one file: programs that only look for databases have the first, which
 * every database begins with, and not the second, an error message of its virtual machine.
 *
 * The journal mode of a database file is in its header where it is WAL, and in nothing but the connection otherwise:
 * then what a PRAGMA asked for last counts, and without one the mode is SQLite's default, delete. PRAGMA synchronous is
 * of the connection alone: without one it is not known, for a library can be built with another default.
 */
#include "sql_outside.h"

#include "arena.h"
#include "memory.h"
#include "table.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE_BYTES_LIMIT ((off_t)1 << 30)
#define COPY_BYTES_LEAST   ((off_t)300 << 10) /* SQLite is not smaller */

static const char magic[] = "SQLite format 3";
static const char message[] = "cannot start a transaction within a transaction";

/* What a file has of SQLite. */
enum copy {
	COPY_NONE,   /* nothing, or a library that is SQLite and nothing else */
	COPY_HIDDEN, /* an SQLite that nobody can call by name */
	COPY_SHARED, /* one that others can, beside code that calls it directly, or may */
};

struct pp_sql_outside {
	struct pp_table copies; /* hash of a path to enum copy */
};

struct pp_sql_outside *sql_outside_create(void)
{
	table_seed_init();
	return memory_array(1, sizeof(struct pp_sql_outside));
}

void sql_outside_destroy(struct pp_sql_outside *seen)
{
	if (seen)
		table_finish(&seen->copies);
	free(seen);
}

/* ---- modules ---- */

static bool bytes_have(const Elf_Data *bytes, const char *text, size_t size)
{
	return bytes && bytes->d_buf && memmem(bytes->d_buf, bytes->d_size, text, size);
}

/* Functions that others can find by name, and are led past us. */
struct exports {
	bool sqlite; /* SQLite's */
	bool others; /* and some that are not: there is a caller within, perhaps */
};

static void section_exports(Elf *file, Elf_Scn *section, const GElf_Shdr *header, struct exports *exports)
{
	Elf_Data *table = elf_getdata(section, NULL);
	size_t count = table && header->sh_entsize ? table->d_size / header->sh_entsize : 0;

	for (size_t i = 0; i < count; i++) {
		GElf_Sym symbol;
		const char *name;

		if (!gelf_getsym(table, (int)i, &symbol))
			break;
		if (symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(file, header->sh_link, symbol.st_name);
		if (name && strcmp(name, "sqlite3_step") == 0)
			exports->sqlite = true;
		else if (name && strncmp(name, "sqlite3", 7) != 0 && name[0] != '_')
			exports->others = true;
	}
}

/* An executable has an interpreter; a library that is nothing but SQLite has none. */
static bool elf_is_program(Elf *file)
{
	size_t count;
	GElf_Phdr segment;

	if (elf_getphdrnum(file, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(file, (int)i, &segment) && segment.p_type == PT_INTERP)
			return true;
	return false;
}

static enum copy elf_copy(Elf *file)
{
	struct exports exports = {false, false};
	bool has_magic = false, has_message = false;

	for (Elf_Scn *section = NULL; (section = elf_nextscn(file, section)) != NULL;) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNSYM)
			section_exports(file, section, &header, &exports);
		/* Its texts are constants. */
		if (header.sh_type != SHT_PROGBITS || !(header.sh_flags & SHF_ALLOC) ||
		    header.sh_flags & (SHF_WRITE | SHF_EXECINSTR))
			continue;
		has_message = has_message || bytes_have(elf_rawdata(section, NULL), message, sizeof(message));
		has_magic = has_magic || bytes_have(elf_rawdata(section, NULL), magic, sizeof(magic));
	}
	if (!has_magic || !has_message)
		return COPY_NONE;
	if (!exports.sqlite)
		return COPY_HIDDEN;
	return exports.others || elf_is_program(file) ? COPY_SHARED : COPY_NONE;
}

static enum copy file_copy(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum copy copy = COPY_NONE;
	struct stat status;
	Elf *file = NULL;

	if (fd < 0)
		return COPY_NONE;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= COPY_BYTES_LEAST &&
	    status.st_size <= MODULE_BYTES_LIMIT && elf_version(EV_CURRENT) != EV_NONE)
		file = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (file) {
		copy = elf_kind(file) == ELF_K_ELF ? elf_copy(file) : COPY_NONE;
		elf_end(file);
	}
	close(fd);
	return copy;
}

static uint64_t path_hash(const char *path)
{
	uint64_t hash = 0;

	for (; *path; path++)
		hash = table_hash(hash ^ (unsigned char)*path);
	return hash;
}

static void note_add(struct pp_profile *profile, const char *note)
{
	const char **notes;
	uint32_t count = 0;

	while (profile->notes && profile->notes[count])
		count++;
	notes = arena_array(profile->arena, (size_t)count + 2, sizeof(*notes));
	if (count)
		memcpy(notes, profile->notes, count * sizeof(*notes));
	notes[count] = note;
	profile->notes = notes;
}

static void modules_look(struct pp_profile *profile, struct pp_sql_outside *seen)
{
	for (uint32_t i = 0; i < profile->module_count; i++) {
		const char *path = profile->modules[i].path;
		uint64_t key, *found;
		enum copy copy;

		if (!path || path[0] != '/' || profile->modules[i].pid)
			continue;
		key = path_hash(path);
		found = table_find(&seen->copies, key);
		copy = found ? (enum copy) * found : file_copy(path);
		if (!found)
			table_set(&seen->copies, key, copy);
		if (copy == COPY_HIDDEN)
			note_add(profile,
				 arena_format(profile->arena,
					      "%s has an SQLite of its own inside, whose calls cannot be seen: its "
					      "statements are not in the recording",
					      path));
		else if (copy == COPY_SHARED)
			note_add(profile,
				 arena_format(profile->arena,
					      "%s has an SQLite of its own inside, which others can call, too: the "
					      "statements that it executes itself are not in the recording",
					      path));
	}
}

/* ---- databases ---- */

/* 1: a journal that is rolled back, 2: WAL; 0: not known. */
static int header_version(const char *path)
{
	unsigned char header[20];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), version = 0;
	struct stat status;

	if (fd < 0)
		return 0;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    read(fd, header, sizeof(header)) == (ssize_t)sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 &&
	    header[18] == header[19])
		version = header[18];
	close(fd);
	return version;
}

static const char *spaces_skip(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

/* The value that "pragma NAME = value" or "pragma NAME(value)" sets, perhaps of a schema; NULL: it is no such statement. */
static const char *pragma_value(struct pp_arena *arena, const char *text, const char *name)
{
	const char *value;
	size_t size;

	if (strncasecmp(text, "pragma", 6) != 0)
		return NULL;
	text = spaces_skip(text + 6);
	if (strncasecmp(text, "main.", 5) == 0)
		text += 5;
	if (strncasecmp(text, name, strlen(name)) != 0)
		return NULL;
	text = spaces_skip(text + strlen(name));
	if (*text != '=' && *text != '(')
		return NULL;
	value = spaces_skip(text + 1);
	size = strcspn(value, " \t\r\n);");
	return size && *value != '?' ? arena_string_sized(arena, value, size) : NULL;
}

static const char *one_of(const char *value, const char *const *words)
{
	for (; value && *words; words++)
		if (strcasecmp(value, *words) == 0)
			return *words;
	return NULL;
}

static void pragmas_look(struct pp_profile *profile)
{
	static const char *const modes[] = {"delete", "truncate", "persist", "memory", "wal", "off", NULL};
	static const char *const levels[] = {"off", "normal", "full", "extra", NULL};

	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];
		struct pp_sql_database *database;
		const char *text, *found;

		if (site->statement == PP_NONE || site->database == PP_NONE)
			continue;
		text = profile->sql_statements[site->statement].text;
		database = &profile->sql_databases[site->database];
		found = text ? one_of(pragma_value(profile->arena, text, "journal_mode"), modes) : NULL;
		if (found)
			database->journal_mode = found;
		found = text ? one_of(pragma_value(profile->arena, text, "synchronous"), levels) : NULL;
		if (found)
			database->synchronous = found;
	}
}

static void databases_look(struct pp_profile *profile)
{
	pragmas_look(profile);
	for (uint32_t i = 0; i < profile->sql_database_count; i++) {
		struct pp_sql_database *database = &profile->sql_databases[i];
		int version = database->path && database->path[0] == '/' ? header_version(database->path) : 0;

		if (database->path && !database->path[0])
			database->journal_mode = database->journal_mode ? database->journal_mode : "memory";
		else if (version == 2)
			database->journal_mode = "wal";
		else if (version == 1 && (!database->journal_mode || strcmp(database->journal_mode, "wal") == 0))
			database->journal_mode = "delete";
	}
}

void sql_outside_fill(struct pp_profile *profile, struct pp_sql_outside *seen, bool modules)
{
	bool recorded = false;

	for (uint32_t i = 0; i < profile->process_count; i++)
		recorded = recorded || profile->processes[i].sql_recorded;
	if (!recorded)
		return;
	databases_look(profile);
	if (modules)
		modules_look(profile, seen);
}
