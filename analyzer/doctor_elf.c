/* SPDX-License-Identifier: Apache-2.0 */
/* What a program's file says of itself; see doctor.h. Damaged files say less. */
#include "doctor.h"

#include "elf_bound.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

#define SEARCH_BYTES ((size_t)64 << 20)

static void symbol_take(struct pp_doctor_elf *elf, const char *name, bool is_defined, bool is_dynamic)
{
	if (!is_defined) {
		elf->imports_dlopen |= strcmp(name, "dlopen") == 0;
		elf->is_python |= strcmp(name, "Py_BytesMain") == 0 || strcmp(name, "Py_Main") == 0;
		elf->is_java |= strcmp(name, "JLI_Launch") == 0;
		return;
	}
	if (strcmp(name, "malloc") == 0) {
		elf->exports_malloc |= is_dynamic;
		elf->has_malloc = true;
	}
	elf->has_sanitizer |= strcmp(name, "__asan_init") == 0 || strcmp(name, "__tsan_init") == 0 ||
			      strcmp(name, "__msan_init") == 0 || strcmp(name, "__lsan_init") == 0;
	elf->is_python |= strcmp(name, "Py_BytesMain") == 0;
	elf->is_node |= strncmp(name, "_ZN4node5Start", 14) == 0;
	elf->is_rust |= strcmp(name, "rust_eh_personality") == 0 || strcmp(name, "__rust_alloc") == 0;
}

static void symbols_read(struct pp_doctor_elf *elf, Elf *file, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *table = elf_getdata(section, NULL);
	size_t count = table && header->sh_entsize ? table->d_size / header->sh_entsize : 0;

	for (size_t i = 0; i < count; i++) {
		GElf_Sym symbol;
		const char *name;

		if (!gelf_getsym(table, (int)i, &symbol))
			break;
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC && GELF_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC &&
		    GELF_ST_TYPE(symbol.st_info) != STT_NOTYPE)
			continue;
		name = elf_strptr(file, header->sh_link, symbol.st_name);
		if (name)
			symbol_take(elf, name, symbol.st_shndx != SHN_UNDEF, header->sh_type == SHT_DYNSYM);
	}
}

static void dynamic_read(struct pp_doctor_elf *elf, Elf *file, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *table = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; table && gelf_getdyn(table, i, &entry) && entry.d_tag != DT_NULL; i++) {
		const char *name = entry.d_tag == DT_NEEDED ? elf_strptr(file, header->sh_link, entry.d_un.d_val) : NULL;

		if (name && elf->needed_count < PP_DOCTOR_NEEDED)
			snprintf(elf->needed[elf->needed_count++], sizeof(elf->needed[0]), "%s", name);
	}
}

static void build_id_read(struct pp_doctor_elf *elf, Elf_Scn *section)
{
	Elf_Data *notes = elf_getdata(section, NULL);
	size_t at = 0, name, description;
	GElf_Nhdr note;

	while (notes && (at = gelf_getnote(notes, at, &note, &name, &description)) > 0) {
		if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= sizeof(elf->build_id) && note.n_namesz == 4 &&
		    memcmp((char *)notes->d_buf + name, "GNU", 4) == 0) {
			memcpy(elf->build_id, (char *)notes->d_buf + description, note.n_descsz);
			elf->build_id_size = note.n_descsz;
		}
	}
}

static bool section_holds(Elf_Scn *section, const char *text)
{
	Elf_Data *bytes = elf_rawdata(section, NULL);

	return bytes && bytes->d_buf &&
	       memmem(bytes->d_buf, bytes->d_size < SEARCH_BYTES ? bytes->d_size : SEARCH_BYTES, text, strlen(text));
}

static void section_take(struct pp_doctor_elf *elf, Elf *file, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	if (header->sh_type == SHT_NOBITS) /* as in a file of debug data alone */
		return;
	if (header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM)
		symbols_read(elf, file, section, header);
	if (header->sh_type == SHT_DYNAMIC)
		dynamic_read(elf, file, section, header);
	if (header->sh_type == SHT_NOTE)
		build_id_read(elf, section);
	elf->has_symbols |= header->sh_type == SHT_SYMTAB;
	elf->has_debug_info |= strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0;
	elf->has_mini_symbols |= strcmp(name, ".gnu_debugdata") == 0;
	elf->has_debug_link |= strcmp(name, ".gnu_debuglink") == 0;
	elf->is_go |= strcmp(name, ".go.buildinfo") == 0 || strcmp(name, ".gopclntab") == 0 ||
		      strcmp(name, ".note.go.buildid") == 0;
	if (strcmp(name, ".comment") == 0)
		elf->is_rust |= section_holds(section, "rustc version");
	if (strcmp(name, ".rodata") == 0) /* paths of its library's sources, in messages of panics */
		elf->is_rust |= section_holds(section, "/rustc/");
}

static void sections_read(struct pp_doctor_elf *elf, Elf *file)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(file, &names) != 0)
		return;
	while ((section = elf_nextscn(file, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(file, names, header.sh_name);
		section_take(elf, file, section, &header, name ? name : "");
	}
}

static void segments_read(struct pp_doctor_elf *elf, Elf *file)
{
	size_t count;

	if (elf_getphdrnum(file, &count) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;
		Elf_Data *bytes;

		if (!gelf_getphdr(file, (int)i, &header) || header.p_type != PT_INTERP)
			continue;
		elf->is_linked = true;
		bytes = elf_getdata_rawchunk(file, (int64_t)header.p_offset, header.p_filesz, ELF_T_BYTE);
		if (bytes && bytes->d_buf)
			snprintf(elf->interpreter, sizeof(elf->interpreter), "%.*s",
				 (int)(bytes->d_size < PATH_MAX ? bytes->d_size : PATH_MAX), (char *)bytes->d_buf);
	}
}

static Elf *file_open(const char *path, int *fd)
{
	Elf *file;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return NULL;
	elf_version(EV_CURRENT);
	file = elf_begin(*fd, ELF_C_READ_MMAP, NULL);
	if (file && elf_kind(file) == ELF_K_ELF)
		return file;
	elf_end(file);
	close(*fd);
	return NULL;
}

bool doctor_elf_read(const char *path, struct pp_doctor_elf *elf)
{
	GElf_Ehdr header;
	bool good;
	Elf *file;
	int fd;

	memset(elf, 0, sizeof(*elf));
	file = file_open(path, &fd);
	if (!file)
		return false;
	good = gelf_getehdr(file, &header) != NULL;
	if (good) {
		elf->is_64 = header.e_ident[EI_CLASS] == ELFCLASS64;
		elf->is_own_machine = OWN_MACHINE == EM_NONE || header.e_machine == OWN_MACHINE;
		segments_read(elf, file);
		sections_read(elf, file);
		elf->bound = elf_bound_functions(file);
	}
	elf_end(file);
	close(fd);
	return good;
}

bool doctor_elf_section(const char *path, const char *name, char *text, size_t size)
{
	Elf_Scn *section = NULL;
	bool found = false;
	size_t names;
	Elf *file;
	int fd;

	text[0] = '\0';
	file = file_open(path, &fd);
	if (!file)
		return false;
	if (elf_getshdrstrndx(file, &names) != 0)
		names = 0;
	while (!found && (section = elf_nextscn(file, section))) {
		GElf_Shdr header;
		const char *found_name = gelf_getshdr(section, &header) ? elf_strptr(file, names, header.sh_name) : NULL;
		Elf_Data *bytes;

		if (!found_name || strcmp(found_name, name) != 0)
			continue;
		bytes = elf_rawdata(section, NULL);
		if (bytes && bytes->d_buf && bytes->d_size)
			snprintf(text, size, "%.*s", (int)(bytes->d_size < 4096 ? bytes->d_size : 4096),
				 (char *)bytes->d_buf);
		found = text[0];
	}
	elf_end(file);
	close(fd);
	return found;
}
