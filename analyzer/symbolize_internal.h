/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the symbolizer share, and nobody else includes:
 *   symbolize.c          the modules, the answers, and what is kept open
 *   symbolize_binary.c   finding and opening the files of one module
 *   symbolize_symbols.c  symbol tables and the procedure linkage table
 *   symbolize_dwarf.c    units, functions, inlined calls, lines
 *   symbolize_ranges.c   sorted address ranges
 *   symbolize_strings.c  interned strings
 * All of it belongs to the one thread that uses the symbolizer.
 */
#ifndef PREPROF_SYMBOLIZE_INTERNAL_H
#define PREPROF_SYMBOLIZE_INTERNAL_H

#include "arena.h"
#include "symbolize.h"
#include "table.h"

#include <elfutils/libdw.h>
#include <gelf.h>
#include <libelf.h>

/* ---- symbolize_strings.c ---- */

/* Interned strings. Open addressing, at most half full; zero is the empty table, but for the arena. */
struct pp_strings {
	struct pp_arena *arena;
	struct pp_string_slot {
		uint64_t hash;
		const char *text; /* NULL: free */
	} * slots;
	size_t count, capacity;
};

/* NULL: out of memory. */
const char *strings_intern(struct pp_strings *strings, const char *text, size_t length);
/* The readable form of a function's name; *mangled says whether it differs. */
const char *strings_intern_name(struct pp_strings *strings, const char *name, size_t length, bool *mangled);
/*
 * directory may be NULL; it is put before a relative path, unless that begins with it already, as
 * libdw's do for some directories only. "//", "/./" and "/x/../" are removed.
 */
const char *strings_intern_path(struct pp_strings *strings, const char *directory, const char *path);
void strings_finish(struct pp_strings *strings);

/* ---- symbolize_binary.c ---- */

/* One open ELF image: a file, or memory that the image owns. elf NULL: none. */
struct pp_elf_image {
	Elf *elf;
	int fd;
	void *memory;
};

/* The files of one module. */
struct pp_binary {
	struct pp_elf_image main;      /* what the target had mapped */
	struct pp_elf_image debug;     /* separate debug file */
	struct pp_elf_image mini;      /* .gnu_debugdata, unpacked */
	struct pp_elf_image alternate; /* what dwz shared out of debug (or main) */
	bool changed;		       /* a file is there, with another build id */
};

/* What was asked for. */
struct pp_binary_request {
	const char *path;
	const uint8_t *build_id;
	size_t build_id_size;
	int fd;			 /* -1: open path */
	const char *debug_roots; /* separated by colons */
};

void binary_open(struct pp_binary *binary, const struct pp_binary_request *request);
void binary_close(struct pp_binary *binary);
/* The image whose DWARF is to be read, or NULL. */
const struct pp_elf_image *binary_debug_image(const struct pp_binary *binary);
/* The last function start at or below the address in the unwinder's search table (.eh_frame_hdr); 0: no such table. */
uint64_t binary_function_entry(const struct pp_binary *binary, uint64_t address);
/* Find and open the file that dwz made; it goes to binary->alternate. */
void binary_open_alternate(struct pp_binary *binary, Dwarf *dwarf, const struct pp_binary_request *request);

/* ---- symbolize_symbols.c ---- */

struct pp_symbol {
	uint64_t address, size;
	uint32_t name; /* offset in the string table */
	uint8_t table; /* index in symbol_table.sources */
	uint8_t rank;  /* lower is preferred among symbols of one address */
	bool global;
	bool mangled;	  /* known with text */
	const char *text; /* readable and interned, once it was asked for */
};

/* The function symbols of one module, sorted, one per address. Valid while the images are open. */
struct pp_symbol_table {
	struct pp_symbol *symbols;
	size_t count;
	struct pp_symbol_source {
		Elf *elf;
		size_t strings; /* section of the string table */
	} sources[2];
};

void symbol_table_load(struct pp_symbol_table *table, const struct pp_binary *binary);
void symbol_table_finish(struct pp_symbol_table *table);
/* The symbol that covers the address, or NULL. */
struct pp_symbol *symbol_table_find(struct pp_symbol_table *table, uint64_t address);
/* Interned and readable; NULL: damaged table. */
const char *symbol_name(const struct pp_symbol_table *table, struct pp_symbol *symbol, struct pp_strings *strings);
/* Whether there is a local malloc: one that was hidden. */
bool symbol_table_hides_malloc(const struct pp_symbol_table *table);
/* "malloc@plt" for an address in a linkage table, else NULL. */
const char *binary_stub_name(const struct pp_binary *binary, uint64_t address, struct pp_strings *strings);

/* ---- symbolize_ranges.c ---- */

struct pp_range {
	uint64_t low, high;
	uint32_t owner; /* index of the unit or function */
};

struct pp_ranges {
	struct pp_range *items;
	size_t count, capacity;
};

/* Room for one more item; moves the list. NULL: out of memory, and the list is as it was. */
void *list_grow(void *items, size_t count, size_t *capacity, size_t item_size);

bool ranges_add(struct pp_ranges *ranges, uint64_t low, uint64_t high, uint32_t owner);
void ranges_sort(struct pp_ranges *ranges);
/* In a sorted list: the innermost range that holds the address, or NULL. */
const struct pp_range *ranges_find(const struct pp_ranges *ranges, uint64_t address);

/* ---- symbolize_dwarf.c ---- */

struct pp_debug;

/* NULL: the image has no DWARF that can be read. The images must outlive it. */
struct pp_debug *debug_open(struct pp_binary *binary, const struct pp_binary_request *request,
			    struct pp_strings *strings);
/* Whether there is DWARF that is compressed and too large to be unpacked: debug_open leaves it alone. */
bool debug_is_too_large(const struct pp_binary *binary);
/* Bytes of a file's compressed sections once libdw has unpacked them, which it does at once and for good. Beyond
 * UNPACKED_BYTES_MAX no program's: a file of a few megabytes can say so of itself, and libdw would believe it. */
#define UNPACKED_BYTES_MAX ((size_t)1 << 30)
size_t unpacked_size(Elf *elf);
void debug_close(struct pp_debug *debug);
/* Estimated heap that it holds. */
size_t debug_size(const struct pp_debug *debug);

enum { DEBUG_FRAMES_MAX = 128 };

/*
 * The frames of one address, innermost first; 0: no unit covers it. *entry is the address at which
 * this piece of the outermost function begins, or 0 where no DIE covers it (then the one frame has no
 * function).
 */
size_t debug_lookup(struct pp_debug *debug, uint64_t address, struct pp_symbol_frame frames[static DEBUG_FRAMES_MAX],
		    uint64_t *entry);

#endif
