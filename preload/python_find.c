/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the interpreter, whichever way it came into the process: as the executable itself, as a library of it, loaded
 * later, hidden from the global scope. An object is looked at when its code is first met on a stack: its dynamic symbols
 * say what it is. No header of Python's is used: the table below holds, for each minor version, where its structs keep
 * what a walk needs; from 3.13 on the interpreter says so itself, and must agree.
 */
#include "python.h"
#include "host.h"
#include "object.h"
#include "raw.h"
#include "stack_tiers.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

struct pp_python pp_python;

#define FRAMES_IN_HEAP(version, instruction, cframe, previous, line)                                          \
	{                                                                                                     \
		.minor = version, .thread_top = 24, .thread_cframe = cframe, .cframe_previous = previous,     \
		.thread_id = 176, .frame_code = 32, .frame_previous = 24, .frame_instruction = instruction,   \
		.code_first_line = 40, .code_file = 104, .code_name = 112, .code_lines = line,                \
		.text_ascii = 48, .text_compact = 72                                                          \
	}

static const struct pp_python_layout layouts[] = {
	FRAMES_IN_HEAP(8, 104, 0, 0, 120),
	FRAMES_IN_HEAP(9, 104, 0, 0, 120),
	FRAMES_IN_HEAP(10, 96, 48, 8, 120),
	{.minor = 11, .thread_cframe = 56, .cframe_current = 8, .cframe_previous = 16, .thread_id = 152,
	 .frame_code = 32, .frame_previous = 48, .frame_instruction = 56, .frame_mark = 68, .code_first_line = 72,
	 .code_file = 112, .code_name = 128, .code_lines = 136, .code_bytes = 184, .text_ascii = 48,
	 .text_compact = 72},
	{.minor = 12, .thread_cframe = 56, .cframe_current = 0, .cframe_previous = 8, .frame_code = 0,
	 .frame_previous = 8, .frame_instruction = 56, .frame_mark = 70, .code_first_line = 68, .code_file = 112,
	 .code_name = 128, .code_lines = 136, .code_bytes = 192, .text_ascii = 40, .text_compact = 56},
	{.minor = 13, .thread_top = 72, .frame_code = 0, .frame_previous = 8, .frame_instruction = 56,
	 .frame_mark = 70, .code_first_line = 68, .code_file = 112, .code_name = 128, .code_lines = 136,
	 .code_bytes = 200, .text_ascii = 40, .text_compact = 56},
};

/* --- dynamic symbols of an object that is mapped ------------------------------------------------------------------- */

struct symbols {
	const ElfW(Sym) * table;
	const char *names;
	const uint32_t *hash; /* DT_GNU_HASH */
	uint64_t bias;
};

/* ld.so has relocated these pointers, except in objects whose dynamic section it cannot write (the vDSO). */
static const void *symbols_pointer(const struct link_map *object, ElfW(Addr) value)
{
	return (const void *)(value < object->l_addr ? value + object->l_addr : value);
}

static bool symbols_open(struct symbols *symbols, const struct link_map *object)
{
	memset(symbols, 0, sizeof(*symbols));
	symbols->bias = object->l_addr;
	for (const ElfW(Dyn) *entry = object->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			symbols->table = symbols_pointer(object, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_STRTAB)
			symbols->names = symbols_pointer(object, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_GNU_HASH)
			symbols->hash = symbols_pointer(object, entry->d_un.d_ptr);
	}
	return symbols->table && symbols->names && symbols->hash;
}

static const ElfW(Sym) *symbol_find(const struct symbols *symbols, const char *name)
{
	const uint32_t bucket_count = symbols->hash[0], first = symbols->hash[1], bloom_count = symbols->hash[2];
	const uint32_t bloom_shift = symbols->hash[3];
	const uint64_t *bloom = (const uint64_t *)(symbols->hash + 4);
	const uint32_t *buckets = (const uint32_t *)(bloom + bloom_count);
	const uint32_t *chain = buckets + bucket_count;
	uint32_t hash = 5381, index;
	uint64_t word;

	for (const char *at = name; *at; at++)
		hash = hash * 33 + (unsigned char)*at;
	if (!bucket_count || !bloom_count)
		return NULL;
	word = bloom[hash / 64 % bloom_count];
	if (!(word >> hash % 64 & 1) || !(word >> (hash >> bloom_shift) % 64 & 1))
		return NULL;
	index = buckets[hash % bucket_count];
	if (index < first)
		return NULL;
	for (;; index++) {
		const ElfW(Sym) *symbol = &symbols->table[index];
		uint32_t other = chain[index - first];

		if ((other | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    strcmp(symbols->names + symbol->st_name, name) == 0)
			return symbol;
		if (other & 1)
			return NULL;
	}
}

static uint64_t symbol_address(const struct symbols *symbols, const char *name)
{
	const ElfW(Sym) *symbol = symbol_find(symbols, name);

	return symbol ? symbols->bias + symbol->st_value : 0;
}

/* --- which version --------------------------------------------------------------------------------------------------- */

/* Py_Version is there from 3.11 on; before, what each minor version was the first to export tells them apart. */
static uint32_t version_of(const struct symbols *symbols)
{
	const uint32_t *version = (const uint32_t *)symbol_address(symbols, "Py_Version");

	if (version)
		return *version;
	if (symbol_address(symbols, "PyIter_Send"))
		return 0x030a0000;
	if (symbol_address(symbols, "PyFrame_GetCode"))
		return 0x03090000;
	if (symbol_address(symbols, "PyConfig_InitPythonConfig"))
		return 0x03080000;
	return symbol_address(symbols, "PyUnicode_Type") ? 0x03000000 : 0x02000000;
}

/* What 3.13 and later publish about themselves: pairs of the place in that list and what the table has. */
static bool offsets_agree(const struct symbols *symbols, const struct pp_python_layout *layout)
{
	const uint64_t *list = (const uint64_t *)symbol_address(symbols, "_PyRuntime");
	const struct {
		uint8_t place;
		uint16_t expected;
	} rows[] = {
		{23, layout->thread_top},	 {29, layout->frame_previous},	 {30, layout->frame_code},
		{31, layout->frame_instruction}, {33, layout->frame_mark},	 {35, layout->code_file},
		{37, layout->code_name},	 {38, layout->code_lines},	 {39, layout->code_first_line},
		{43, layout->code_bytes},
	};

	if (!list || memcmp(list, "xdebugpy", 8) != 0 || list[1] >> 16 != (pp_python.version >> 16) ||
	    list[2] != 0) /* free-threaded */
		return false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* 36 is the name, 37 the qualified one, which the table has. */
		if (list[rows[i].place] != rows[i].expected)
			return false;
	}
	return true;
}

static const struct pp_python_layout *layout_of(const struct symbols *symbols, uint32_t version)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (version >> 16 != (0x0300u | layouts[i].minor))
			continue;
		if (layouts[i].minor >= 13 && !offsets_agree(symbols, &layouts[i]))
			return NULL;
		return &layouts[i];
	}
	return NULL;
}

/* --- the cold part of the evaluator ------------------------------------------------------------------------------------ */

#define COLD_CANDIDATES 16

/* 3.8 and 3.9 keep nothing on the C stack that would tell an evaluation's frame: its code does. The compiler may have
 * put a part of the function elsewhere, without a name in a stripped object: that is the piece of code with unwind
 * information of its own that most of the function's conditional jumps out of it lead to. */
static void cold_find(void)
{
	const uint8_t *code = (const uint8_t *)pp_python.evaluator;
	struct {
		uint64_t start, size;
		uint32_t jumps;
	} found[COLD_CANDIDATES];
	uint32_t count = 0, best = 0;

	for (uint64_t at = 0; at + 6 <= pp_python.evaluator_size; at++) {
		uint64_t target, start, size;
		int32_t distance;
		uint32_t i;

		if (code[at] != 0x0f || (code[at + 1] & 0xf0) != 0x80)
			continue;
		memcpy(&distance, code + at + 2, sizeof(distance));
		target = pp_python.evaluator + at + 6 + (uint64_t)(int64_t)distance;
		if (target - pp_python.evaluator < pp_python.evaluator_size ||
		    target - pp_python.object_start >= pp_python.object_size)
			continue;
		for (i = 0; i < count && target - found[i].start >= found[i].size; i++)
			;
		if (i < count) {
			found[i].jumps++;
		} else if (count < COLD_CANDIDATES && stack_cfi_range(target, &start, &size)) {
			found[count].start = start;
			found[count].size = size;
			found[count++].jumps = 1;
		}
	}
	for (uint32_t i = 1; i < count; i++) {
		if (found[i].jumps > found[best].jumps)
			best = i;
	}
	if (count && found[best].jumps >= 8) {
		pp_python.cold = found[best].start;
		pp_python.cold_size = found[best].size;
	}
}

/* --- from found to on ---------------------------------------------------------------------------------------------------- */

static void not_observed(void)
{
	if (pp_session.header)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_PYTHON, __ATOMIC_RELAXED);
}

static bool symbols_take(const struct symbols *symbols)
{
	const bool renamed = pp_python.layout->minor >= 13;
	const ElfW(Sym) *evaluator = symbol_find(symbols, "_PyEval_EvalFrameDefault");
	const ElfW(Sym) *runtime = symbol_find(symbols, "_PyRuntime");

	pp_python.thread_of_gil = (void *(*)(void))symbol_address(symbols, "PyGILState_GetThisThreadState");
	pp_python.thread_current = (void *(*)(void))symbol_address(
		symbols, renamed ? "PyThreadState_GetUnchecked" : "_PyThreadState_UncheckedGet");
	pp_python.code_type = symbol_address(symbols, "PyCode_Type");
	pp_python.text_type = symbol_address(symbols, "PyUnicode_Type");
	pp_python.bytes_type = symbol_address(symbols, "PyBytes_Type");
	pp_python.get_allocator = symbol_address(symbols, "PyMem_GetAllocator");
	pp_python.set_allocator = symbol_address(symbols, "PyMem_SetAllocator");
	pp_python.cold = pp_python.cold_size = 0;
	pp_python.evaluator = evaluator ? symbols->bias + evaluator->st_value : 0;
	pp_python.evaluator_size = evaluator ? evaluator->st_size : 0;
	pp_python.runtime = runtime ? symbols->bias + runtime->st_value : 0;
	pp_python.runtime_size = runtime ? runtime->st_size : 0;
	return pp_python.thread_of_gil && pp_python.thread_current && pp_python.code_type && pp_python.text_type &&
	       pp_python.bytes_type && pp_python.evaluator;
}

/* By its name: python3.11, libpython3.11.so.1.0. The executable's is "" to the loader. */
static bool is_alone(const struct link_map *object)
{
	const char *path = object->l_name && *object->l_name ? object->l_name : (const char *)getauxval(AT_EXECFN);
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	return name && (strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0);
}

void python_look(const struct link_map *object)
{
	uint32_t state = PP_PYTHON_NONE;
	struct pp_object found;
	struct symbols symbols;

	if (!pp_session.settings.python || pp_python.state != PP_PYTHON_NONE || !symbols_open(&symbols, object) ||
	    !symbol_find(&symbols, "Py_IsInitialized") || !symbol_find(&symbols, "PyCode_Type"))
		return;
	/* Two threads may find it at once: one of them prepares it. */
	if (!__atomic_compare_exchange_n(&pp_python.state, &state, PP_PYTHON_OFF, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	pp_python.version = version_of(&symbols);
	pp_python.layout = layout_of(&symbols, pp_python.version);
	if (!pp_python.layout || !symbols_take(&symbols) ||
	    !object_find(pp_python.code_type, &found)) {
		if (pp_session.header)
			pp_session.header->python_version = pp_python.version;
		not_observed();
		return;
	}
	pp_python.object_start = found.start;
	pp_python.object_size = found.end - found.start;
	pp_python.alone = is_alone(object);
	if (pp_python.layout->minor < 10)
		cold_find();
	__atomic_store_n(&pp_python.state, PP_PYTHON_FOUND, __ATOMIC_SEQ_CST);
	stack_set_overlay(&pp_python_overlay);
}

static bool heap_is_wanted(void)
{
	const struct pp_settings *settings = &pp_session.settings;

	return settings->heap && settings->python_heap != PP_PYTHON_HEAP_ARENAS;
}

static void python_define(void)
{
	struct pp_wire_header *header = pp_session.header;
	uint32_t size = sizeof(struct pp_wire_python);
	uint64_t at = __atomic_fetch_add(&header->def_bytes, size, __ATOMIC_RELAXED);
	struct pp_wire_python *definition;

	header->python_version = pp_python.version;
	if (pp_session.settings.heap && !heap_is_wanted())
		__atomic_or_fetch(&header->not_observed, PP_NOT_PYTHON_OBJECTS, __ATOMIC_RELAXED);
	if (at + size > PP_WIRE_DEFS_SPACE || PP_WIRE_DEFS + at + size > pp_session.memory_space)
		return;
	definition = session_shared(PP_WIRE_DEFS + at);
	if (!definition)
		return;
	definition->version = pp_python.version;
	definition->evaluator = pp_python.evaluator;
	definition->def.type = PP_DEF_PYTHON;
	__atomic_store_n(&definition->def.size, size, __ATOMIC_RELEASE);
}

static bool python_begin(void)
{
	uint32_t state = PP_PYTHON_FOUND;

	if (!__atomic_compare_exchange_n(&pp_python.state, &state, PP_PYTHON_BEGINNING, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return state == PP_PYTHON_ON;
	/* Now, so that what they call is bound. */
	pp_python.thread_of_gil();
	python_code_watch();
	python_define();
	pp_python.heap_is_due = heap_is_wanted();
	__atomic_store_n(&pp_python.state, PP_PYTHON_ON, __ATOMIC_SEQ_CST);
	return true;
}

bool python_ready(void)
{
	uint32_t state = __atomic_load_n(&pp_python.state, __ATOMIC_ACQUIRE);

	if (pp_unlikely(__atomic_load_n(&pp_python.paused, __ATOMIC_ACQUIRE)))
		return false;
	return pp_likely(state == PP_PYTHON_ON) || (state == PP_PYTHON_FOUND && python_begin());
}

void python_start(void)
{
	python_code_reset();
	pp_python.paused = 0;
	if (pp_python.state == PP_PYTHON_BEGINNING) /* by a thread that is not in this child */
		pp_python.state = PP_PYTHON_FOUND;
	if (pp_python.state == PP_PYTHON_ON)
		python_define();
	else if (pp_python.state == PP_PYTHON_OFF)
		not_observed();
}

void python_give_up(void)
{
	__atomic_store_n(&pp_python.state, PP_PYTHON_OFF, __ATOMIC_SEQ_CST);
	not_observed();
}

/* --- unloading -------------------------------------------------------------------------------------------------------------- */

void python_unload_begin(void)
{
	__atomic_add_fetch(&pp_python.paused, 1, __ATOMIC_SEQ_CST);
}

void python_unload_end(void)
{
	struct pp_object found;

	if (pp_python.state == PP_PYTHON_ON &&
	    (!object_find(pp_python.code_type, &found) || found.start != pp_python.object_start)) {
		python_code_unwatch();
		__atomic_store_n(&pp_python.state, PP_PYTHON_NONE, __ATOMIC_SEQ_CST);
	}
	__atomic_sub_fetch(&pp_python.paused, 1, __ATOMIC_SEQ_CST);
}
