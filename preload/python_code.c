/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code objects: an id each, a definition in the memory shared with the analyzer, and the news of their death. Any
 * context, lock-free.
 *
 * Addresses of code objects are used again and again, and no hook sees it: they lie in the interpreter's own heap. So
 * the type's destructor, one pointer in its struct, leads through code_dealloc, and an entry that is in the table names a
 * code object that is alive. The exception is what a signal handler found: a frame that was half made may name a code
 * object that had died before. Such an entry is unproved: whoever meets it compares it with the object, until a hook,
 * which finds only what is alive, proves it.
 *
 * Definitions are found again by their contents: a program that makes the same function a thousand times defines it
 * once.
 */
#include "python.h"
#include "host.h"
#include "raw.h"

#include <string.h>
#include <sys/mman.h>

#define FREED	      1
#define WRITING	      2
#define PROBES_MAX    64
#define CODES	      (UINT32_C(1) << PP_PYTHON_CODES_BITS)
#define TEXT_LIMIT    4096
#define LINES_LIMIT   262144
#define CONTENTS_BITS 17
#define CONTENTS      (UINT32_C(1) << CONTENTS_BITS)
#define ID_MASK	      (UINT64_C(0x7fffffff))

struct pp_python_code_entry *pp_python_codes;
static uint64_t *contents; /* hash of a definition, its low bits replaced by the id */
static uint32_t id_count;
static void (*code_dealloc_real)(void *);

/* --- reading -------------------------------------------------------------------------------------------------------- */

struct reading {
	struct pp_python_pages *pages;
	bool careful;
};

static bool can_read(const struct reading *reading, uint64_t address, uint64_t size)
{
	return !reading->careful || python_readable(reading->pages, address, size);
}

static inline uint64_t word_at(uint64_t address)
{
	return *(const volatile uint64_t *)address;
}

/* A piece of the interpreter's memory: what a definition is made of. */
struct piece {
	const uint8_t *at;
	uint32_t size;
	uint8_t kind; /* of text: 0 ASCII, else bytes a character */
};

/* A str; false: it is none that can be read. */
static bool text_read(const struct reading *reading, uint64_t text, struct piece *piece)
{
	const struct pp_python_layout *layout = pp_python.layout;
	uint64_t length;
	uint32_t state, kind;

	if (text % 8 || !can_read(reading, text, layout->text_compact) ||
	    word_at(text + PP_PYTHON_TYPE) != pp_python.text_type)
		return false;
	length = word_at(text + PP_PYTHON_TEXT_LENGTH);
	state = *(const volatile uint32_t *)(text + PP_PYTHON_TEXT_STATE);
	kind = state >> 2 & 7;
	if (!(state & 0x20) || (kind != 1 && kind != 2 && kind != 4)) /* compact: the characters follow the struct */
		return false;
	if (length > TEXT_LIMIT / kind)
		length = TEXT_LIMIT / kind;
	piece->at = (const uint8_t *)text + (state & 0x40 ? layout->text_ascii : layout->text_compact);
	piece->size = (uint32_t)(length * kind);
	piece->kind = state & 0x40 ? 0 : (uint8_t)kind;
	return can_read(reading, (uint64_t)piece->at, piece->size);
}

static bool bytes_read(const struct reading *reading, uint64_t bytes, struct piece *piece)
{
	uint64_t length;

	if (bytes % 8 || !can_read(reading, bytes, PP_PYTHON_BYTES_CONTENT) ||
	    word_at(bytes + PP_PYTHON_TYPE) != pp_python.bytes_type)
		return false;
	length = word_at(bytes + PP_PYTHON_BYTES_LENGTH);
	piece->at = (const uint8_t *)bytes + PP_PYTHON_BYTES_CONTENT;
	piece->size = length > LINES_LIMIT ? LINES_LIMIT : (uint32_t)length;
	return can_read(reading, (uint64_t)piece->at, piece->size);
}

struct code {
	struct piece file, name, lines;
	uint32_t first_line;
	uint32_t check;
};

static bool is_code(const struct reading *reading, uint64_t code)
{
	return code && code % 8 == 0 && can_read(reading, code, (uint64_t)pp_python.layout->code_lines + 8) &&
	       word_at(code + PP_PYTHON_TYPE) == pp_python.code_type;
}

/* What is never the same of two code objects at one address, one after the other. */
static uint32_t code_check(uint64_t code)
{
	const struct pp_python_layout *layout = pp_python.layout;
	uint64_t hash = word_at(code + layout->code_lines) * UINT64_C(0x9e3779b97f4a7c15);

	hash ^= word_at(code + layout->code_name) * UINT64_C(0xd1342543de82ef95);
	hash ^= *(const volatile uint32_t *)(code + layout->code_first_line) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(hash >> 32);
}

static bool code_read(const struct reading *reading, uint64_t address, struct code *code)
{
	const struct pp_python_layout *layout = pp_python.layout;

	if (!is_code(reading, address))
		return false;
	code->check = code_check(address);
	code->first_line = *(const volatile uint32_t *)(address + layout->code_first_line);
	return text_read(reading, word_at(address + layout->code_file), &code->file) &&
	       text_read(reading, word_at(address + layout->code_name), &code->name) &&
	       bytes_read(reading, word_at(address + layout->code_lines), &code->lines);
}

/* --- definitions ---------------------------------------------------------------------------------------------------- */

static uint64_t piece_hash(uint64_t hash, const struct piece *piece)
{
	uint32_t i = 0;
	uint64_t word;

	hash = (hash ^ piece->size) * UINT64_C(0x9e3779b97f4a7c15);
	for (; i + 8 <= piece->size; i += 8) {
		memcpy(&word, piece->at + i, 8);
		hash = (hash ^ word) * UINT64_C(0xd1342543de82ef95);
		hash ^= hash >> 32;
	}
	for (; i < piece->size; i++)
		hash = (hash ^ piece->at[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

/* Several may map, one wins. */
static void *map_once(void **at, size_t size)
{
	void *mapped = __atomic_load_n(at, __ATOMIC_ACQUIRE), *none = NULL;

	if (mapped)
		return mapped;
	mapped = raw_map(size);
	if (mapped && !__atomic_compare_exchange_n(at, &none, mapped, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		raw_unmap(mapped, size);
		mapped = none;
	}
	return mapped;
}

static uint8_t *piece_put(uint8_t *at, const struct piece *piece)
{
	memcpy(at, piece->at, piece->size);
	return at + piece->size;
}

/* A new id; 0: there is no room. */
static uint32_t code_define(const struct code *code)
{
	uint32_t size = (uint32_t)sizeof(struct pp_wire_python_code) + code->file.size + code->name.size + code->lines.size;
	struct pp_wire_python_code *definition;
	uint64_t at;
	uint8_t *to;

	size = (size + 7) & ~UINT32_C(7);
	/* Room that is asked for and not there would end the list for everyone: look first. */
	if (__atomic_load_n(&pp_session.header->def_bytes, __ATOMIC_RELAXED) + size > PP_WIRE_DEFS_SPACE - (1 << 20))
		return 0;
	at = __atomic_fetch_add(&pp_session.header->def_bytes, size, __ATOMIC_RELAXED);
	if (at + size > PP_WIRE_DEFS_SPACE || PP_WIRE_DEFS + at + size > pp_session.memory_space)
		return 0;
	definition = session_shared(PP_WIRE_DEFS + at);
	if (!definition)
		return 0;
	definition->id = __atomic_add_fetch(&id_count, 1, __ATOMIC_RELAXED);
	definition->first_line = code->first_line;
	definition->version = (uint16_t)(pp_python.version >> 16);
	definition->file_kind = code->file.kind;
	definition->name_kind = code->name.kind;
	definition->file_size = code->file.size;
	definition->name_size = code->name.size;
	definition->lines_size = code->lines.size;
	to = piece_put((uint8_t *)(definition + 1), &code->file);
	to = piece_put(to, &code->name);
	piece_put(to, &code->lines);
	definition->def.type = PP_DEF_PYTHON_CODE;
	__atomic_store_n(&definition->def.size, size, __ATOMIC_RELEASE);
	return definition->id;
}

/* The id of these contents, defined now if they are new. */
static uint32_t code_intern(const struct code *code)
{
	uint64_t *table = map_once((void **)&contents, CONTENTS * sizeof(*table));
	uint64_t hash = code->first_line * UINT64_C(0xbf58476d1ce4e5b9) + code->file.kind + 8 * code->name.kind;
	uint32_t slot, id;

	hash = piece_hash(piece_hash(piece_hash(hash, &code->file), &code->name), &code->lines);
	if (!table)
		return 0;
	slot = (uint32_t)(hash >> (64 - CONTENTS_BITS));
	for (uint32_t probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (CONTENTS - 1)) {
		uint64_t seen = __atomic_load_n(&table[slot], __ATOMIC_ACQUIRE);

		if (seen && ((seen ^ hash << 28) >> 28) == 0)
			return (uint32_t)(seen & (PP_NODE_PYTHON_CODE_LIMIT - 1));
		if (seen)
			continue;
		id = code_define(code);
		if (!id || id >= PP_NODE_PYTHON_CODE_LIMIT)
			return 0;
		__atomic_compare_exchange_n(&table[slot], &seen, hash << 28 | id, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
		return id;
	}
	id = code_define(code);
	return id < PP_NODE_PYTHON_CODE_LIMIT ? id : 0;
}

/* --- the table of addresses ------------------------------------------------------------------------------------------- */

/* Without room the object goes without an entry, and is read again next time. */
static void entry_add(struct pp_python_code_entry *codes, uint64_t code, uint64_t value)
{
	uint32_t slot = python_code_slot(code);

	for (uint32_t probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (CODES - 1)) {
		uint64_t seen = __atomic_load_n(&codes[slot].code, __ATOMIC_ACQUIRE);

		if (seen > FREED ||
		    !__atomic_compare_exchange_n(&codes[slot].code, &seen, WRITING, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&codes[slot].value, value, __ATOMIC_RELAXED);
		__atomic_store_n(&codes[slot].code, code, __ATOMIC_RELEASE);
		return;
	}
}

static struct pp_python_code_entry *entry_find(struct pp_python_code_entry *codes, uint64_t code)
{
	uint32_t slot = python_code_slot(code);

	for (uint32_t probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (CODES - 1)) {
		uint64_t seen = __atomic_load_n(&codes[slot].code, __ATOMIC_ACQUIRE);

		if (seen == code)
			return &codes[slot];
		if (!seen)
			return NULL;
	}
	return NULL;
}

static void entry_forget(uint64_t code)
{
	struct pp_python_code_entry *codes = __atomic_load_n(&pp_python_codes, __ATOMIC_ACQUIRE), *entry;

	/* Two threads may have entered it at once. */
	while (codes && (entry = entry_find(codes, code)) != NULL)
		__atomic_store_n(&entry->code, FREED, __ATOMIC_RELEASE);
}

uint32_t python_code_id_slowly(uint64_t address, struct pp_python_pages *pages, bool careful)
{
	const struct reading reading = {pages, careful};
	struct pp_python_code_entry *codes = map_once((void **)&pp_python_codes, CODES * sizeof(*codes)), *entry;
	struct code code;
	uint32_t id;

	if (address < PP_PYTHON_BYTES_CONTENT || address >> 47 || address % 8)
		return PP_PYTHON_NO_CODE;
	entry = codes ? entry_find(codes, address) : NULL;
	if (entry) {
		uint64_t value = __atomic_load_n(&entry->value, __ATOMIC_RELAXED);

		if (!(value & PP_PYTHON_CODE_UNPROVED))
			return (uint32_t)(value & ID_MASK);
		if (is_code(&reading, address) && code_check(address) == value >> 32) {
			if (!careful)
				__atomic_store_n(&entry->value, value & ~PP_PYTHON_CODE_UNPROVED, __ATOMIC_RELAXED);
			return (uint32_t)(value & ID_MASK) & ~(uint32_t)PP_PYTHON_CODE_UNPROVED;
		}
		entry_forget(address);
	}
	if (!code_read(&reading, address, &code))
		return PP_PYTHON_NO_CODE;
	id = code_intern(&code);
	if (!id)
		pp_skip(PP_SKIP_PYTHON_CODE);
	else if (codes)
		entry_add(codes, address, (uint64_t)code.check << 32 | (careful ? PP_PYTHON_CODE_UNPROVED : 0) | id);
	return id;
}

void python_code_reset(void)
{
	if (pp_python_codes)
		raw_unmap(pp_python_codes, CODES * sizeof(*pp_python_codes));
	if (contents)
		raw_unmap(contents, CONTENTS * sizeof(*contents));
	pp_python_codes = NULL;
	contents = NULL;
	id_count = 0;
}

/* --- the destructor ----------------------------------------------------------------------------------------------------- */

static void code_dealloc(void *code)
{
	entry_forget((uint64_t)code);
	code_dealloc_real(code);
}

static void (**dealloc_slot(void))(void *)
{
	return (void (**)(void *))(pp_python.code_type + PP_PYTHON_TYPE_DEALLOC);
}

void python_code_watch(void)
{
	void (*found)(void *) = __atomic_load_n(dealloc_slot(), __ATOMIC_RELAXED);

	/* Whoever else has put something there would be cut off, or cut us off. */
	if (found == code_dealloc || (uint64_t)found - pp_python.object_start >= pp_python.object_size)
		return;
	code_dealloc_real = found;
	__atomic_store_n(dealloc_slot(), code_dealloc, __ATOMIC_RELEASE);
}

void python_code_unwatch(void)
{
	if (pp_python_codes) /* others may be looking: it stays, empty */
		RAW_CALL(SYS_madvise, pp_python_codes, CODES * sizeof(*pp_python_codes), MADV_DONTNEED);
}
