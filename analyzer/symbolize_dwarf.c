/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DWARF of one module: which unit covers an address, which function, which inlined calls, which line.
 * Only the symbolizer's thread calls this.
 *
 * Everything is read as late as it can be. Opening makes one sorted index of the units' address
 * ranges, from the unit DIEs alone (.debug_aranges is no use: clang leaves it out, and one unit
 * without it makes the rest untrustworthy). The first address in a unit lists its functions; the
 * first address in a function reads that function's inlined calls. Nothing is ever searched DIE by
 * DIE for one address.
 *
 * Hostile data: nesting is capped, each list is bounded by the size of the section that it comes
 * from, and libdw checks its own reads.
 */
#include "symbolize_internal.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum {
	DIE_DEPTH_MAX = 200,
	/* Heap that libdw takes per line row, DIE of a unit's abbreviations aside. */
	LINE_BYTES = 64,
};

/*
 * Inlined calls of one function in the order of a walk, parents first: `next` is the first scope
 * behind this one's children, so a search descends or skips. Ranges are a slice of function.ranges.
 */
struct scope {
	Dwarf_Die die;
	uint32_t parent; /* index + 1; 0: the function itself */
	uint32_t next;
	uint32_t first_range, range_count;
};

struct function {
	Dwarf_Die die;
	struct scope *scopes;
	size_t scope_count, scope_capacity;
	struct pp_ranges ranges;
	bool read;
};

struct unit {
	Dwarf_Die die;	    /* where functions are: the split unit's, if there is one */
	Dwarf_Die line_die; /* where lines are */
	struct function *functions;
	size_t function_count, function_capacity;
	struct pp_ranges ranges; /* of functions */
	Dwarf_Lines *lines;
	size_t line_count;
	const char *directory;
	bool read, read_deep, lines_read;
};

struct pp_debug {
	Dwarf *dwarf, *alternate;
	struct unit *units;
	size_t unit_count, unit_capacity;
	struct pp_ranges ranges; /* of units */
	struct pp_ranges code;	 /* executable segments: what the linker dropped lies outside */
	struct pp_table names;	 /* address of a DIE or of libdw's file name -> interned text */
	struct pp_strings *strings;
	size_t size;
	bool searched_unranged;
};

/* ---- the index of units ---- */

static bool address_is_code(const struct pp_debug *debug, uint64_t address)
{
	for (size_t i = 0; i < debug->code.count; i++)
		if (address >= debug->code.items[i].low && address < debug->code.items[i].high)
			return true;
	return !debug->code.count;
}

/*
 * Append the ranges of a DIE to a list; false if it has none. Code that the linker threw away keeps
 * its DIEs, with addresses at zero or at the end of the address space.
 */
static bool die_ranges(struct pp_debug *debug, Dwarf_Die *die, struct pp_ranges *ranges, uint32_t owner)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;
	bool any = false;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		if (low < high && address_is_code(debug, low) && ranges_add(ranges, low, high, owner))
			any = true;
		if (ranges->count > UINT32_MAX / 4)
			break;
	}
	return any;
}

static bool unit_add(struct pp_debug *debug, Dwarf_Die *die, Dwarf_Die *split)
{
	struct unit *grown = list_grow(debug->units, debug->unit_count, &debug->unit_capacity, sizeof(*debug->units));
	struct unit *unit;

	if (!grown)
		return false;
	debug->units = grown;
	unit = &grown[debug->unit_count];
	*unit = (struct unit){.die = *die, .line_die = *die};
	if (split->addr && dwarf_tag(split) == DW_TAG_compile_unit)
		unit->die = *split;
	die_ranges(debug, die, &debug->ranges, debug->unit_count++);
	return true;
}

static void units_read(struct pp_debug *debug)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die die, split;

	while (!dwarf_get_units(debug->dwarf, unit, &unit, &version, &type, &die, &split)) {
		int tag = dwarf_tag(&die);

		if (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit)
			continue;
		if (!unit_add(debug, &die, &split))
			break;
	}
	ranges_sort(&debug->ranges);
	debug->size += debug->unit_count * (sizeof(*debug->units) + 512);
}

static void code_read(struct pp_debug *debug, Elf *elf)
{
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count && i < 64; i++) {
		GElf_Phdr header;

		if (gelf_getphdr(elf, i, &header) && header.p_type == PT_LOAD && (header.p_flags & PF_X))
			ranges_add(&debug->code, header.p_vaddr, header.p_vaddr + header.p_memsz, 0);
	}
}

struct pp_debug *debug_open(struct pp_binary *binary, const struct pp_binary_request *request,
			    struct pp_strings *strings)
{
	const struct pp_elf_image *image = binary_debug_image(binary);
	struct pp_debug *debug;

	if (!image || debug_is_too_large(binary))
		return NULL;
	debug = calloc(1, sizeof(*debug));
	if (!debug)
		return NULL;
	debug->strings = strings;
	debug->size = unpacked_size(image->elf);
	debug->dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
	if (!debug->dwarf)
		goto fail;
	binary_open_alternate(binary, debug->dwarf, request);
	if (binary->alternate.elf && unpacked_size(binary->alternate.elf) <= UNPACKED_BYTES_MAX)
		debug->alternate = dwarf_begin_elf(binary->alternate.elf, DWARF_C_READ, NULL);
	if (debug->alternate)
		dwarf_setalt(debug->dwarf, debug->alternate);
	/* A debug file's own segments may be empty; the module's are the true ones. */
	code_read(debug, binary->main.elf ? binary->main.elf : image->elf);
	units_read(debug);
	if (debug->unit_count)
		return debug;
fail:
	debug_close(debug);
	return NULL;
}

static void unit_finish(struct unit *unit)
{
	for (size_t i = 0; i < unit->function_count; i++) {
		free(unit->functions[i].scopes);
		free(unit->functions[i].ranges.items);
	}
	free(unit->functions);
	free(unit->ranges.items);
}

void debug_close(struct pp_debug *debug)
{
	if (!debug)
		return;
	for (size_t i = 0; i < debug->unit_count; i++)
		unit_finish(&debug->units[i]);
	free(debug->units);
	free(debug->ranges.items);
	free(debug->code.items);
	table_finish(&debug->names);
	dwarf_end(debug->dwarf);
	dwarf_end(debug->alternate);
	free(debug);
}

size_t debug_size(const struct pp_debug *debug)
{
	return debug ? debug->size : 0;
}

/* ---- the functions of a unit ---- */

static void function_add(struct pp_debug *debug, struct unit *unit, Dwarf_Die *die)
{
	struct function *grown;

	if (!die_ranges(debug, die, &unit->ranges, unit->function_count))
		return;
	grown = list_grow(unit->functions, unit->function_count, &unit->function_capacity, sizeof(*unit->functions));
	if (!grown) {
		/* Ranges without their function must not stay. */
		unit->ranges.count = 0;
		return;
	}
	unit->functions = grown;
	grown[unit->function_count++] = (struct function){.die = *die};
}

/*
 * List the functions with code among a DIE's children. Out-of-line code stands in units, namespaces
 * and, in some languages, types; only a deep search also looks into functions, for nested ones.
 */
static void functions_read(struct pp_debug *debug, struct unit *unit, Dwarf_Die *parent, bool deep, unsigned depth)
{
	Dwarf_Die child;

	if (depth > DIE_DEPTH_MAX || dwarf_child(parent, &child))
		return;
	do {
		switch (dwarf_tag(&child)) {
		case DW_TAG_subprogram:
			function_add(debug, unit, &child);
			if (deep)
				functions_read(debug, unit, &child, deep, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
			functions_read(debug, unit, &child, deep, depth + 1);
			break;
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			if (deep)
				functions_read(debug, unit, &child, deep, depth + 1);
			break;
		}
	} while (!dwarf_siblingof(&child, &child));
}

static void unit_clear_functions(struct unit *unit)
{
	for (size_t i = 0; i < unit->function_count; i++) {
		free(unit->functions[i].scopes);
		free(unit->functions[i].ranges.items);
	}
	unit->function_count = 0;
	unit->ranges.count = 0;
}

static struct function *unit_find_function(struct pp_debug *debug, struct unit *unit, uint64_t address, uint64_t *entry)
{
	const struct pp_range *range;

	if (!unit->read) {
		unit->read = true;
		functions_read(debug, unit, &unit->die, false, 0);
		ranges_sort(&unit->ranges);
		debug->size += unit->function_capacity * sizeof(*unit->functions) +
			       unit->ranges.capacity * sizeof(*unit->ranges.items);
	}
	range = ranges_find(&unit->ranges, address);
	if (!range && !unit->read_deep) {
		unit->read_deep = true;
		unit_clear_functions(unit);
		functions_read(debug, unit, &unit->die, true, 0);
		ranges_sort(&unit->ranges);
		range = ranges_find(&unit->ranges, address);
	}
	if (!range)
		return NULL;
	*entry = range->low;
	return &unit->functions[range->owner];
}

/* ---- the inlined calls of a function ---- */

static uint64_t die_number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value))
		return 0;
	return value;
}

/* What an inlined call, or a function's own code, is an instance of; the DIE itself where nothing is named. */
static Dwarf_Die die_origin(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Die origin;

	if (dwarf_attr(die, DW_AT_abstract_origin, &attribute) && dwarf_formref_die(&attribute, &origin))
		return origin;
	return *die;
}

/*
 * GCC splits the rare part off a function, inlines what is left and, where that pays, the part too, back into the same
 * function: told as a call of the function by itself, at the line of its own head. It is no call.
 */
static bool scope_is_part(struct function *function, struct scope *scope)
{
	struct scope *parent = scope->parent ? &function->scopes[scope->parent - 1] : NULL;
	Dwarf_Die origin = die_origin(&scope->die);

	return origin.addr == die_origin(parent ? &parent->die : &function->die).addr &&
	       die_number(&scope->die, DW_AT_call_line) == die_number(&origin, DW_AT_decl_line);
}

static bool scope_add(struct pp_debug *debug, struct function *function, Dwarf_Die *die, uint32_t parent)
{
	struct scope *grown = list_grow(function->scopes, function->scope_count, &function->scope_capacity,
					sizeof(*function->scopes));
	size_t first = function->ranges.count;

	if (!grown)
		return false;
	function->scopes = grown;
	if (!die_ranges(debug, die, &function->ranges, function->scope_count))
		return false;
	grown[function->scope_count++] = (struct scope){
		.die = *die,
		.parent = parent,
		.first_range = first,
		.range_count = function->ranges.count - first,
	};
	return true;
}

static void scopes_read(struct pp_debug *debug, struct function *function, Dwarf_Die *parent_die, uint32_t parent,
			unsigned depth)
{
	Dwarf_Die child;

	if (depth > DIE_DEPTH_MAX || dwarf_child(parent_die, &child))
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_inlined_subroutine) {
			uint32_t index = function->scope_count;

			if (!scope_add(debug, function, &child, parent))
				continue;
			scopes_read(debug, function, &child, index + 1, depth + 1);
			function->scopes[index].next = function->scope_count;
		} else if (tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block ||
			   tag == DW_TAG_with_stmt) {
			scopes_read(debug, function, &child, parent, depth + 1);
		}
	} while (!dwarf_siblingof(&child, &child));
}

static bool scope_holds(const struct function *function, const struct scope *scope, uint64_t address)
{
	const struct pp_range *range = function->ranges.items + scope->first_range;

	for (size_t i = 0; i < scope->range_count; i++)
		if (address >= range[i].low && address < range[i].high)
			return true;
	return false;
}

/* The innermost inlined call at an address: its index + 1, or 0. */
static uint32_t function_find_scope(struct pp_debug *debug, struct function *function, uint64_t address)
{
	uint32_t found = 0, end, i = 0;

	if (!function->read) {
		function->read = true;
		scopes_read(debug, function, &function->die, 0, 0);
		debug->size += function->scope_capacity * sizeof(*function->scopes) +
			       function->ranges.capacity * sizeof(*function->ranges.items);
	}
	end = function->scope_count;
	while (i < end) {
		const struct scope *scope = &function->scopes[i];

		if (scope_holds(function, scope, address)) {
			found = ++i;
			end = scope->next;
		} else {
			i = scope->next;
		}
	}
	return found;
}

/* ---- names, files, lines ---- */

static const char *die_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	/* Follows abstract origins and specifications, into other units and the shared file too. */
	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

/* The readable name of a function or inlined call; NULL: none. */
static const char *die_name(struct pp_debug *debug, Dwarf_Die *die)
{
	Dwarf_Die origin = die_origin(die);
	const uint64_t *known;
	const char *name = NULL, *linkage_name, *plain_name;
	bool mangled = false;

	/* All inlined copies of a function share the origin, so that is what is remembered. */
	known = table_find(&debug->names, (uintptr_t)origin.addr);
	if (known)
		return (const char *)(uintptr_t)*known;
	linkage_name = die_text(&origin, DW_AT_linkage_name);
	if (!linkage_name)
		linkage_name = die_text(&origin, DW_AT_MIPS_linkage_name);
	if (linkage_name && strncmp(linkage_name, "__GI_", 5)) /* glibc's second name for its own use */
		name = strings_intern_name(debug->strings, linkage_name, strlen(linkage_name), &mangled);
	plain_name = !mangled ? die_text(&origin, DW_AT_name) : NULL;
	/* Instead of a mangled name that is too long to be made readable. */
	if (plain_name && plain_name[0] && (!name || !strncmp(name, "_Z", 2)))
		name = strings_intern_name(debug->strings, plain_name, strlen(plain_name), &mangled);
	table_set(&debug->names, (uintptr_t)origin.addr, (uintptr_t)name);
	return name;
}

/* libdw keeps one copy of each file name, with its directory joined, for as long as it is open. */
static const char *file_name(struct pp_debug *debug, struct unit *unit, const char *raw)
{
	const uint64_t *known;
	const char *name;

	if (!raw || !raw[0])
		return NULL;
	known = table_find(&debug->names, (uintptr_t)raw);
	if (known)
		return (const char *)(uintptr_t)*known;
	name = strings_intern_path(debug->strings, unit->directory, raw);
	table_set(&debug->names, (uintptr_t)raw, (uintptr_t)name);
	return name;
}

static void unit_read_lines(struct pp_debug *debug, struct unit *unit)
{
	if (unit->lines_read)
		return;
	unit->lines_read = true;
	unit->directory = die_text(&unit->line_die, DW_AT_comp_dir);
	if (dwarf_getsrclines(&unit->line_die, &unit->lines, &unit->line_count))
		unit->line_count = 0;
	debug->size += unit->line_count * LINE_BYTES;
}

/* The row that covers the address. Written here because libdw's own search asserts on odd tables. */
static void unit_find_line(struct pp_debug *debug, struct unit *unit, uint64_t address, struct pp_symbol_frame *frame)
{
	size_t low = 0, high;
	Dwarf_Line *row;
	Dwarf_Addr row_address;
	bool ends;
	int line;

	unit_read_lines(debug, unit);
	high = unit->line_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		row = dwarf_onesrcline(unit->lines, middle);
		if (!row || dwarf_lineaddr(row, &row_address))
			return;
		if (row_address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	row = low ? dwarf_onesrcline(unit->lines, low - 1) : NULL;
	if (!row || dwarf_lineendsequence(row, &ends) || ends)
		return;
	frame->file = file_name(debug, unit, dwarf_linesrc(row, NULL, NULL));
	if (frame->file && !dwarf_lineno(row, &line) && line > 0)
		frame->line = line;
}

/* Where an inlined call was made: the outer frame's place. */
static void scope_call_site(struct pp_debug *debug, struct unit *unit, struct scope *scope,
			    struct pp_symbol_frame *frame)
{
	uint64_t file = die_number(&scope->die, DW_AT_call_file);
	uint64_t line = die_number(&scope->die, DW_AT_call_line);
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(&unit->die, &files, &count) || file >= count)
		return;
	frame->file = file_name(debug, unit, dwarf_filesrc(files, file, NULL, NULL));
	frame->line = frame->file && line <= INT32_MAX ? line : 0;
}

static size_t unit_lookup(struct pp_debug *debug, struct unit *unit, uint64_t address, struct pp_symbol_frame *frames,
			  uint64_t *entry)
{
	struct function *function = unit_find_function(debug, unit, address, entry);
	uint32_t scope_index;
	size_t count = 1;

	frames[0] = (struct pp_symbol_frame){0};
	unit_find_line(debug, unit, address, &frames[0]);
	if (!function)
		return 1;
	scope_index = function_find_scope(debug, function, address);
	while (scope_index && count < DEBUG_FRAMES_MAX) {
		struct scope *scope = &function->scopes[scope_index - 1];

		scope_index = scope->parent;
		if (scope_is_part(function, scope))
			continue;
		frames[count - 1].function = die_name(debug, &scope->die);
		frames[count - 1].inlined = true;
		frames[count] = (struct pp_symbol_frame){0};
		scope_call_site(debug, unit, scope, &frames[count++]);
	}
	frames[count - 1].function = die_name(debug, &function->die);
	return count;
}

/*
 * Some producers leave the ranges out of the unit DIE. Such units are asked for their functions, all
 * at once, when an address was found in no unit.
 */
static void unranged_units_read(struct pp_debug *debug)
{
	size_t indexed = debug->ranges.count;
	bool *has_range = calloc(debug->unit_count, sizeof(*has_range));

	debug->searched_unranged = true;
	if (!has_range)
		return;
	for (size_t i = 0; i < indexed; i++)
		has_range[debug->ranges.items[i].owner] = true;
	for (size_t i = 0; i < debug->unit_count; i++) {
		struct unit *unit = &debug->units[i];

		if (has_range[i] || unit->read)
			continue;
		unit->read = unit->read_deep = true;
		functions_read(debug, unit, &unit->die, true, 0);
		ranges_sort(&unit->ranges);
		for (size_t j = 0; j < unit->ranges.count; j++)
			ranges_add(&debug->ranges, unit->ranges.items[j].low, unit->ranges.items[j].high, i);
	}
	ranges_sort(&debug->ranges);
	free(has_range);
}

size_t debug_lookup(struct pp_debug *debug, uint64_t address, struct pp_symbol_frame frames[static DEBUG_FRAMES_MAX],
		    uint64_t *entry)
{
	const struct pp_range *range;

	*entry = 0;
	if (!address_is_code(debug, address))
		return 0;
	range = ranges_find(&debug->ranges, address);
	if (!range && !debug->searched_unranged) {
		unranged_units_read(debug);
		range = ranges_find(&debug->ranges, address);
	}
	return range ? unit_lookup(debug, &debug->units[range->owner], address, frames, entry) : 0;
}
