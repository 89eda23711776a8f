/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See elf_bound.h. The linker leaves no mark of -Bsymbolic-functions: what it leaves is a call that leads straight to an
 * exported function, and which would lead through the linkage table without it. Such calls are looked for in the code, byte
 * by byte: that four bytes of something else give the very address of one of a few functions is next to impossible.
 */
#include "elf_bound.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX 64
#define CODE_BYTES  ((size_t)256 << 20) /* of a section; what is behind is not looked at */

struct target {
	uint64_t address, end;
	uint32_t bit;
};

struct targets {
	struct target rows[TARGETS_MAX];
	size_t count;
};

/* Sorted by name. Not operator new: one that a library has to itself asks malloc. */
static const struct name {
	const char *name;
	uint32_t bit;
} names[] = {
	{"accept", PP_ELF_BOUND_IO},	   {"aligned_alloc", PP_ELF_BOUND_MALLOC},
	{"calloc", PP_ELF_BOUND_MALLOC},   {"close", PP_ELF_BOUND_IO},
	{"connect", PP_ELF_BOUND_IO},	   {"fclose", PP_ELF_BOUND_IO},
	{"fopen", PP_ELF_BOUND_IO},	   {"fopen64", PP_ELF_BOUND_IO},
	{"fread", PP_ELF_BOUND_IO},	   {"fsync", PP_ELF_BOUND_IO},
	{"fwrite", PP_ELF_BOUND_IO},	   {"malloc", PP_ELF_BOUND_MALLOC},
	{"memalign", PP_ELF_BOUND_MALLOC}, {"open", PP_ELF_BOUND_IO},
	{"open64", PP_ELF_BOUND_IO},	   {"openat", PP_ELF_BOUND_IO},
	{"openat64", PP_ELF_BOUND_IO},	   {"posix_memalign", PP_ELF_BOUND_MALLOC},
	{"pread", PP_ELF_BOUND_IO},	   {"pread64", PP_ELF_BOUND_IO},
	{"pwrite", PP_ELF_BOUND_IO},	   {"pwrite64", PP_ELF_BOUND_IO},
	{"read", PP_ELF_BOUND_IO},	   {"readv", PP_ELF_BOUND_IO},
	{"realloc", PP_ELF_BOUND_MALLOC},  {"recv", PP_ELF_BOUND_IO},
	{"recvfrom", PP_ELF_BOUND_IO},	   {"recvmsg", PP_ELF_BOUND_IO},
	{"send", PP_ELF_BOUND_IO},	   {"sendmsg", PP_ELF_BOUND_IO},
	{"sendto", PP_ELF_BOUND_IO},	   {"write", PP_ELF_BOUND_IO},
	{"writev", PP_ELF_BOUND_IO},
};

static int name_compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct name *)row)->name);
}

static bool is_program(Elf *elf)
{
	GElf_Ehdr header;
	GElf_Phdr segment;
	size_t count;

	if (!gelf_getehdr(elf, &header) || header.e_type != ET_DYN || elf_getphdrnum(elf, &count) != 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* The dynamic linker looks in the object itself first (-Bsymbolic). */
static bool section_is_symbolic(Elf_Scn *section)
{
	Elf_Data *content = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; content && gelf_getdyn(content, i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == DT_SYMBOLIC || (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_SYMBOLIC)))
			return true;
	}
	return false;
}

/* The functions of that name that it exports. */
static void targets_read(struct targets *targets, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *content = elf_getdata(section, NULL);
	GElf_Sym entry;

	for (int i = 1; content && targets->count < TARGETS_MAX && gelf_getsym(content, i, &entry); i++) {
		const char *text = entry.st_shndx == SHN_UNDEF ? NULL : elf_strptr(elf, header->sh_link, entry.st_name);
		const struct name *row =
			text ? bsearch(text, names, sizeof(names) / sizeof(names[0]), sizeof(names[0]), name_compare)
			     : NULL;

		if (row && (GELF_ST_TYPE(entry.st_info) == STT_FUNC || GELF_ST_TYPE(entry.st_info) == STT_GNU_IFUNC))
			targets->rows[targets->count++] =
				(struct target){entry.st_value, entry.st_value + entry.st_size, row->bit};
	}
}

/* An allocator may well call its malloc from its calloc: what it serves is seen where it is asked. */
static bool is_within(const struct targets *targets, uint64_t address)
{
	for (size_t i = 0; i < targets->count; i++) {
		if (address - targets->rows[i].address < targets->rows[i].end - targets->rows[i].address)
			return true;
	}
	return false;
}

/* x86-64: call and jmp with four bytes of distance. */
static uint32_t calls_find(const struct targets *targets, const unsigned char *code, size_t size, uint64_t address)
{
	uint32_t found = 0;

	for (size_t i = 0; i + 5 <= size; i++) {
		uint64_t to;
		int32_t distance;

		if ((code[i] & 0xfe) != 0xe8)
			continue;
		memcpy(&distance, code + i + 1, sizeof(distance));
		to = address + i + 5 + (uint64_t)(int64_t)distance;
		for (size_t j = 0; j < targets->count; j++) {
			if (targets->rows[j].address == to && !(found & targets->rows[j].bit) &&
			    !is_within(targets, address + i))
				found |= targets->rows[j].bit;
		}
	}
	return found;
}

static bool is_x86_64(Elf *elf)
{
	GElf_Ehdr header;

	return gelf_getehdr(elf, &header) && header.e_machine == EM_X86_64;
}

uint32_t elf_bound_functions(Elf *elf)
{
	struct targets targets = {.count = 0};
	Elf_Scn *section = NULL;
	bool symbolic = false;
	uint32_t found = 0;
	GElf_Shdr header;

	if (!elf || is_program(elf))
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNSYM)
			targets_read(&targets, elf, section, &header);
		if (header.sh_type == SHT_DYNAMIC)
			symbolic |= section_is_symbolic(section);
	}
	for (size_t i = 0; symbolic && i < targets.count; i++)
		found |= targets.rows[i].bit;
	if (!targets.count || !is_x86_64(elf))
		return found;
	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *code;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS ||
		    !(header.sh_flags & SHF_EXECINSTR))
			continue;
		code = elf_rawdata(section, NULL);
		if (code && code->d_buf)
			found |= calls_find(&targets, code->d_buf,
					    code->d_size < CODE_BYTES ? code->d_size : CODE_BYTES, header.sh_addr);
	}
	return found;
}
