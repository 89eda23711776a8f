/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function symbols of one module: .symtab of the debug file or of the module, else the packed
 * .symtab together with .dynsym, and names for the stubs of the procedure linkage table. Only the
 * symbolizer's thread calls this.
 */
#include "symbolize_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* How far before an address a larger symbol that covers it is looked for. */
	COVER_STEPS_MAX = 32,
};

static Elf_Scn *section_find(Elf *elf, uint32_t type)
{
	Elf_Scn *section = NULL;

	while (elf && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == type)
			return section;
	}
	return NULL;
}

/* ---- reading ---- */

/*
 * Whether the symbol names code, and how much it is to be preferred: real functions over labels,
 * sized over unsized, global over local.
 */
static bool symbol_rank(const GElf_Sym *entry, uint8_t *rank, bool *global)
{
	unsigned type = GELF_ST_TYPE(entry->st_info), bind = GELF_ST_BIND(entry->st_info);

	*global = bind != STB_LOCAL;
	*rank = (type == STT_NOTYPE ? 4 : 0) + (entry->st_size ? 0 : 2) + (*global ? 0 : 1);
	if (entry->st_shndx == SHN_UNDEF || entry->st_shndx == SHN_ABS || entry->st_shndx == SHN_COMMON ||
	    !entry->st_name)
		return false;
	/* Hand-written assembler often leaves the type out, but then the label is a global one. */
	return type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && *global);
}

/* Section ends, so that an unsized symbol does not reach beyond its own section. */
struct section_bounds {
	uint64_t *ends; /* 0: not a section with code */
	size_t count;
};

static bool bounds_read(struct section_bounds *bounds, Elf *elf)
{
	Elf_Scn *section = NULL;

	if (elf_getshdrnum(elf, &bounds->count) || !bounds->count)
		return false;
	bounds->ends = calloc(bounds->count, sizeof(*bounds->ends));
	while (bounds->ends && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		size_t index = elf_ndxscn(section);

		if (index < bounds->count && gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR) &&
		    header.sh_addr + header.sh_size > header.sh_addr)
			bounds->ends[index] = header.sh_addr + header.sh_size;
	}
	return bounds->ends;
}

/* An unsized symbol reaches to its section's end for now; see symbols_close_gaps. */
static void table_add(struct pp_symbol_table *table, const GElf_Sym *entry, uint8_t source,
		      const struct section_bounds *bounds, uint64_t address_mask)
{
	struct pp_symbol *symbol = &table->symbols[table->count];
	uint64_t end;

	if (!symbol_rank(entry, &symbol->rank, &symbol->global) || entry->st_shndx >= bounds->count ||
	    !bounds->ends[entry->st_shndx])
		return;
	symbol->address = entry->st_value & address_mask;
	symbol->name = entry->st_name;
	symbol->text = NULL;
	symbol->mangled = false;
	symbol->table = source;
	end = bounds->ends[entry->st_shndx];
	if (symbol->address >= end)
		return;
	symbol->size = entry->st_size;
	if (!symbol->size || symbol->size > end - symbol->address)
		symbol->size = end - symbol->address;
	table->count++;
}

/* Append the function symbols of one section of one image. */
static void table_read(struct pp_symbol_table *table, Elf *elf, uint32_t type, uint8_t source)
{
	Elf_Scn *section = section_find(elf, type);
	Elf_Data *content = section ? elf_getdata(section, NULL) : NULL;
	struct section_bounds bounds = {0};
	GElf_Shdr header;
	GElf_Ehdr file;
	size_t count;
	struct pp_symbol *grown;
	uint64_t mask;

	if (!content || !content->d_buf || !gelf_getshdr(section, &header) || !gelf_getehdr(elf, &file) ||
	    !bounds_read(&bounds, elf))
		goto finish;
	/* Bit 0 of an ARM function's address says Thumb. */
	mask = file.e_machine == EM_ARM ? ~UINT64_C(1) : ~UINT64_C(0);
	count = content->d_size / gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
	if (count > INT32_MAX)
		goto finish;
	grown = realloc(table->symbols, (table->count + count + 1) * sizeof(*grown));
	if (!grown)
		goto finish;
	table->symbols = grown;
	table->sources[source] = (struct pp_symbol_source){elf, header.sh_link};
	for (size_t i = 1; i < count; i++) {
		GElf_Sym entry;

		if (gelf_getsym(content, i, &entry))
			table_add(table, &entry, source, &bounds, mask);
	}
finish:
	free(bounds.ends);
}

/* ---- choosing ---- */

static int symbol_compare(const void *left, const void *right)
{
	const struct pp_symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->rank - b->rank;
}

static const char *symbol_raw_name(const struct pp_symbol_table *table, const struct pp_symbol *symbol)
{
	const struct pp_symbol_source *source = &table->sources[symbol->table];
	const char *name = elf_strptr(source->elf, source->strings, symbol->name);

	return name ? name : "";
}

/* Among aliases of equal rank the one for users: write, not __write or __libc_write. */
static bool alias_is_better(const char *name, const char *than)
{
	size_t underscores = strspn(name, "_"), than_underscores = strspn(than, "_");
	size_t length = strcspn(name, "@"), than_length = strcspn(than, "@");

	/* A mangled name begins with one of its own. */
	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'))
		underscores = 0;
	if (than[0] == '_' && (than[1] == 'Z' || than[1] == 'R'))
		than_underscores = 0;
	if (!length || !than_length)
		return length;
	if (underscores != than_underscores)
		return underscores < than_underscores;
	if (length != than_length)
		return length < than_length;
	return strcmp(name, than) < 0;
}

/* Keep one symbol per address. */
static void symbols_choose(struct pp_symbol_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct pp_symbol *symbol = &table->symbols[i];
		struct pp_symbol *last = &table->symbols[kept ? kept - 1 : 0];

		if (!kept || last->address != symbol->address)
			table->symbols[kept++] = *symbol;
		else if (last->rank == symbol->rank &&
			 alias_is_better(symbol_raw_name(table, symbol), symbol_raw_name(table, last)))
			*last = *symbol;
	}
	table->count = kept;
}

static bool symbol_is_unsized(const struct pp_symbol *symbol)
{
	return symbol->rank & 2;
}

/*
 * An unsized symbol ends where the next one begins. Inside a sized function it is a label, and the
 * function's own name is the better answer.
 */
static void symbols_close_gaps(struct pp_symbol_table *table)
{
	uint64_t covered = 0;
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct pp_symbol symbol = table->symbols[i];

		if (symbol_is_unsized(&symbol)) {
			if (symbol.address < covered)
				continue;
			if (i + 1 < table->count && table->symbols[i + 1].address - symbol.address < symbol.size)
				symbol.size = table->symbols[i + 1].address - symbol.address;
		} else if (symbol.address + symbol.size > covered) {
			covered = symbol.address + symbol.size;
		}
		table->symbols[kept++] = symbol;
	}
	table->count = kept;
}

void symbol_table_load(struct pp_symbol_table *table, const struct pp_binary *binary)
{
	*table = (struct pp_symbol_table){0};
	table_read(table, binary->debug.elf, SHT_SYMTAB, 0);
	if (!table->count)
		table_read(table, binary->main.elf, SHT_SYMTAB, 0);
	if (!table->count) {
		table_read(table, binary->mini.elf, SHT_SYMTAB, 0);
		table_read(table, binary->main.elf, SHT_DYNSYM, 1);
	}
	if (!table->count)
		return;
	qsort(table->symbols, table->count, sizeof(*table->symbols), symbol_compare);
	symbols_choose(table);
	symbols_close_gaps(table);
}

/* ---- malloc ---- */

bool symbol_table_hides_malloc(const struct pp_symbol_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (!table->symbols[i].global && strcmp(symbol_raw_name(table, &table->symbols[i]), "malloc") == 0)
			return true;
	}
	return false;
}

void symbol_table_finish(struct pp_symbol_table *table)
{
	free(table->symbols);
	*table = (struct pp_symbol_table){0};
}

/* ---- finding ---- */

struct pp_symbol *symbol_table_find(struct pp_symbol_table *table, uint64_t address)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t step = 0; low && step < COVER_STEPS_MAX; step++) {
		struct pp_symbol *symbol = &table->symbols[--low];

		if (address - symbol->address < symbol->size)
			return symbol;
	}
	return NULL;
}

/* Whether text ends in ".word", and where that begins. */
static bool suffix_is(const char *name, size_t length, const char *word, size_t *start)
{
	size_t size = strlen(word) + 1;

	if (length <= size || name[length - size] != '.' || memcmp(name + length - size + 1, word, size - 1))
		return false;
	*start = length - size;
	return true;
}

/*
 * The length of a name without what linker and compiler hang on to it: the version in .symtab
 * (memcpy@@GLIBC_2.14), and the marks of partial, specialised and cold copies (sort.part.0.cold). A
 * function is one function to its author, and DWARF calls all copies by the same name.
 */
static size_t name_plain_length(const char *name)
{
	static const char *const marks[] = {"cold",	"part", "isra",	  "constprop",
					    "lto_priv", "llvm", "__uniq", "localalias"};
	size_t length = strcspn(name + 1, "@") + 1;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		size_t end = length;

		while (end > 1 && name[end - 1] >= '0' && name[end - 1] <= '9')
			end--;
		if (end == length || name[end - 1] != '.')
			end = length;
		else
			end--;
		if (suffix_is(name, end, marks[i], &end)) {
			length = end;
			i = -1; /* from the start: marks pile up */
		}
	}
	return length;
}

const char *symbol_name(const struct pp_symbol_table *table, struct pp_symbol *symbol, struct pp_strings *strings)
{
	const char *name;

	if (symbol->text)
		return symbol->text;
	name = symbol_raw_name(table, symbol);
	if (name[0])
		symbol->text = strings_intern_name(strings, name, name_plain_length(name), &symbol->mangled);
	return symbol->text;
}

/* ---- the procedure linkage table ---- */

/* The name that a relocation of the dynamic linker puts into the slot at an address. */
static const char *slot_name(Elf *elf, uint64_t slot)
{
	Elf_Scn *section = NULL, *symbols = section_find(elf, SHT_DYNSYM);
	Elf_Data *symbol_content = symbols ? elf_getdata(symbols, NULL) : NULL;
	GElf_Shdr header, symbol_header;

	if (!symbol_content || !gelf_getshdr(symbols, &symbol_header))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *content;
		GElf_Rela entry;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA || !(header.sh_flags & SHF_ALLOC) ||
		    !(content = elf_getdata(section, NULL)))
			continue;
		for (int i = 0; gelf_getrela(content, i, &entry); i++) {
			GElf_Sym symbol;

			if (entry.r_offset == slot && GELF_R_SYM(entry.r_info) &&
			    gelf_getsym(symbol_content, GELF_R_SYM(entry.r_info), &symbol))
				return elf_strptr(elf, symbol_header.sh_link, symbol.st_name);
		}
	}
	return NULL;
}

/*
 * The slot that the x86-64 stub around an address jumps through: "jmp *rel(%rip)", after endbr64 or
 * with a bnd prefix. 0: no such instruction.
 */
static uint64_t stub_slot(const uint8_t *code, size_t size, uint64_t address)
{
	for (size_t i = 0; i + 6 <= size && i < 8; i++) {
		int32_t relative;

		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&relative, code + i + 2, sizeof(relative));
		return address + i + 6 + (int64_t)relative;
	}
	return 0;
}

const char *binary_stub_name(const struct pp_binary *binary, uint64_t address, struct pp_strings *strings)
{
	Elf *elf = binary->main.elf;
	Elf_Scn *section = NULL;
	GElf_Ehdr file;
	size_t names;

	if (!elf || !gelf_getehdr(elf, &file) || file.e_machine != EM_X86_64 || elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		Elf_Data *content;
		const char *name;
		char text[512];
		uint64_t start, entry_size;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS ||
		    address - header.sh_addr >= header.sh_size)
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (!name || strncmp(name, ".plt", 4) || !(content = elf_rawdata(section, NULL)) || !content->d_buf ||
		    content->d_size < header.sh_size)
			return NULL;
		entry_size = header.sh_entsize == 8 ? 8 : 16;
		start = (address - header.sh_addr) / entry_size * entry_size;
		name = slot_name(elf, stub_slot((const uint8_t *)content->d_buf + start, header.sh_size - start,
						header.sh_addr + start));
		if (!name || !name[0] || (size_t)snprintf(text, sizeof(text), "%s@plt", name) >= sizeof(text))
			return NULL;
		return strings_intern(strings, text, strlen(text));
	}
	return NULL;
}
