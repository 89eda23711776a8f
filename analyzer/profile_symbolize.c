/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for a snapshot's addresses. The cache is a symbolizer that lives from one publication to the next, so that an
 * address is looked up once in the life of a trace. Strings are copied into the profile, each once.
 */
#include "arena.h"
#include "memory.h"
#include "profile_generated.h"
#include "symbolize.h"
#include "table.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#define BUILD_ID_LIMIT 64

struct pp_symbol_cache {
	struct pp_symbolizer *symbolizer;
};

struct pp_symbol_cache *symbol_cache_create(void)
{
	struct pp_symbol_cache *cache = memory_array(1, sizeof(*cache));

	table_seed_init();
	cache->symbolizer = symbolizer_create();
	return cache;
}

void symbol_cache_destroy(struct pp_symbol_cache *cache)
{
	if (!cache)
		return;
	symbolizer_destroy(cache->symbolizer);
	free(cache);
}

/* One filling of a profile. */
struct naming {
	struct pp_profile *profile;
	struct pp_symbolizer *symbolizer;
	uint32_t *modules;	 /* the symbolizer's numbers */
	struct pp_table strings; /* its strings to the profile's */
	uint32_t frame_capacity;
	const struct pp_map_name **generated; /* by address; NULL: none is */
};

static size_t build_id_bytes(const char *hex, uint8_t *bytes)
{
	size_t count = 0;
	unsigned value;
	char pair[3] = "";

	for (; hex[0] && hex[1] && count < BUILD_ID_LIMIT; hex += 2) {
		pair[0] = hex[0];
		pair[1] = hex[1];
		value = (unsigned)strtoul(pair, NULL, 16);
		bytes[count++] = (uint8_t)value;
	}
	return count;
}

static const char *naming_string(struct naming *naming, const char *text)
{
	uint64_t *known;
	const char *copy;

	if (!text)
		return NULL;
	known = table_find(&naming->strings, (uint64_t)(uintptr_t)text);
	if (known)
		return (const char *)(uintptr_t)*known;
	copy = arena_string(naming->profile->arena, text);
	table_set(&naming->strings, (uint64_t)(uintptr_t)text, (uint64_t)(uintptr_t)copy);
	return copy;
}

static struct pp_frame *naming_frame(struct naming *naming)
{
	struct pp_profile *profile = naming->profile;

	if (profile->frame_count == naming->frame_capacity) {
		uint32_t capacity = naming->frame_capacity ? naming->frame_capacity * 2 : 1024;
		struct pp_frame *frames = arena_array(profile->arena, capacity, sizeof(*frames));

		if (profile->frame_count)
			memcpy(frames, profile->frames, profile->frame_count * sizeof(*frames));
		profile->frames = frames;
		naming->frame_capacity = capacity;
	}
	return &profile->frames[profile->frame_count++];
}

static void naming_place(struct naming *naming, struct pp_address *address)
{
	const struct pp_source_place *place = &naming->profile->places[address->offset];

	address->first_frame = naming->profile->frame_count;
	address->frame_count = 1;
	*naming_frame(naming) = (struct pp_frame){.function = place->function,
						  .file = place->file,
						  .line = place->line,
						  .module = PP_NONE,
						  .offset = place->first_line,
						  .language = PP_LANGUAGE_PYTHON};
}

/* All of python3.11 and libpython3.11.so is the interpreter's own; of a program that it was linked into, what has its
 * names. */
static bool is_interpreter(const struct pp_module *module, const char *function)
{
	const char *slash = strrchr(module->path, '/'), *name = slash ? slash + 1 : module->path;

	if (!module->interpreter)
		return false;
	if (strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0)
		return true;
	return function && (strncmp(function, "Py", 2) == 0 || strncmp(function, "_Py", 3) == 0);
}

/* Python -X perf makes a piece of code for each function, for perf to see a name: beside the frame that we know of, the
 * interpreter's own. */
static bool is_trampoline(const char *function)
{
	return strncmp(function, "py::", 4) == 0;
}

static void naming_generated(struct naming *naming, struct pp_address *address, const struct pp_map_name *name)
{
	address->first_frame = naming->profile->frame_count;
	address->frame_count = 1;
	*naming_frame(naming) = (struct pp_frame){.function = name->function,
						  .file = name->file,
						  .line = name->line,
						  .module = address->module,
						  .offset = address->offset,
						  .interpreter = is_trampoline(name->function)};
}

static void naming_address(struct naming *naming, struct pp_address *address)
{
	static const struct pp_symbol_frame own = {.function = PP_OWN_FRAME};
	const struct pp_profile *profile = naming->profile;
	const struct pp_symbol_frame *found = NULL;
	size_t count = 0;

	if (address->python) {
		naming_place(naming, address);
		return;
	}
	if (naming->generated && naming->generated[address - profile->addresses] &&
	    naming->generated[address - profile->addresses]->function) {
		naming_generated(naming, address, naming->generated[address - profile->addresses]);
		return;
	}
	address->first_frame = naming->profile->frame_count;
	if (address->module != PP_NONE && address->offset == 0 &&
	    profile_module_is_own(naming->profile->modules[address->module].path)) {
		found = &own;
		count = 1;
	} else if (naming->symbolizer && address->module != PP_NONE && naming->modules[address->module] != UINT32_MAX)
		count = symbolizer_lookup(naming->symbolizer, naming->modules[address->module], address->offset,
					  &found);
	for (size_t i = 0; i < (count ? count : 1); i++) {
		struct pp_frame *frame = naming_frame(naming);

		memset(frame, 0, sizeof(*frame));
		frame->module = address->module;
		frame->offset = address->offset;
		if (count) {
			frame->entry = found[i].entry;
			frame->function = naming_string(naming, found[i].function);
			frame->file = naming_string(naming, found[i].file);
			frame->line = found[i].line;
			frame->inlined = found[i].inlined;
		}
		if (frame->module != PP_NONE)
			frame->interpreter = is_interpreter(&profile->modules[frame->module], frame->function);
	}
	address->frame_count = naming->profile->frame_count - address->first_frame;
}

static void naming_modules(struct naming *naming)
{
	const struct pp_profile *profile = naming->profile;

	naming->modules = memory_array(profile->module_count, sizeof(*naming->modules));
	for (uint32_t i = 0; i < profile->module_count; i++) {
		const struct pp_module *module = &profile->modules[i];
		uint8_t id[BUILD_ID_LIMIT];
		size_t id_size = build_id_bytes(module->build_id, id);

		naming->modules[i] = symbolizer_module(naming->symbolizer, module->path, id, id_size,
						       profile->module_files ? profile->module_files[i] : -1);
	}
}

/* Address order within a module is what makes reading debug data cheap. */
static void naming_prefetch(struct naming *naming)
{
	const struct pp_profile *profile = naming->profile;
	uint32_t *starts = memory_array((size_t)profile->module_count + 1, sizeof(*starts));
	uint64_t *offsets = memory_array(profile->address_count, sizeof(*offsets));
	uint32_t at = 0;

	for (uint32_t i = 0; i < profile->address_count; i++) {
		if (profile->addresses[i].module != PP_NONE)
			starts[profile->addresses[i].module]++;
	}
	for (uint32_t i = 0; i < profile->module_count; i++) {
		at += starts[i];
		starts[i] = at;
	}
	for (uint32_t i = 0; i < profile->address_count; i++) {
		if (profile->addresses[i].module != PP_NONE)
			offsets[--starts[profile->addresses[i].module]] = profile->addresses[i].offset;
	}
	starts[profile->module_count] = at;
	for (uint32_t i = 0; i < profile->module_count; i++) {
		if (starts[i + 1] > starts[i] && naming->modules[i] != UINT32_MAX)
			symbolizer_prefetch(naming->symbolizer, naming->modules[i], offsets + starts[i],
					    starts[i + 1] - starts[i]);
	}
	free(starts);
	free(offsets);
}

/* libc's and its loader's are everybody's. */
static bool module_is_libc(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strncmp(name, "libc.", 5) == 0 || strncmp(name, "libc-", 5) == 0 || strncmp(name, "ld-", 3) == 0 ||
	       strncmp(name, "ld.", 3) == 0;
}

static void naming_remarks(struct naming *naming)
{
	struct pp_profile *profile = naming->profile;

	for (uint32_t i = 0; i < profile->module_count; i++) {
		const char *path = profile->modules[i].path;
		uint32_t remarks = naming->modules[i] == UINT32_MAX
					   ? 0
					   : symbolizer_module_remarks(naming->symbolizer, naming->modules[i]);

		if ((remarks & SYMBOLIZER_OWN_MALLOC) && !module_is_libc(path) && !profile_module_is_own(path))
			profile_note_add(profile, arena_format(profile->arena, "%.400s is bound to a malloc of its own: what it allocates is not seen",
						       path));
		if ((remarks & SYMBOLIZER_OWN_IO) && !module_is_libc(path) && !profile_module_is_own(path))
			profile_note_add(profile, arena_format(profile->arena, "%.400s is bound to I/O functions of its own (read, write and "
								       "their like): its calls of them are not seen", path));
		if (remarks & SYMBOLIZER_DEBUG_TOO_LARGE)
			profile_note_add(profile, arena_format(profile->arena, "%.400s has compressed debug data of more than 1 GiB, which were not read: "
								       "its functions have no lines", path));
	}
}

bool profile_symbolize(struct pp_profile *profile, struct pp_symbol_cache *cache, struct pp_error *error)
{
	struct naming naming = {.profile = profile, .symbolizer = cache->symbolizer};

	if (!cache->symbolizer)
		return error_set(error, "no memory for symbols");
	profile->frame_count = 0;
	naming_modules(&naming);
	naming_prefetch(&naming);
	naming.generated = profile_generated_names(profile);
	for (uint32_t i = 0; i < profile->address_count; i++)
		naming_address(&naming, &profile->addresses[i]);
	naming_remarks(&naming);
	free(naming.modules);
	table_finish(&naming.strings);
	return true;
}

void profile_name_places(struct pp_profile *profile)
{
	struct naming naming = {.profile = profile};

	profile->frame_count = 0;
	for (uint32_t i = 0; i < profile->address_count; i++)
		naming_address(&naming, &profile->addresses[i]);
	profile_note_add(profile, "this was published in the first seconds, before the names of functions were read: those of binaries "
				  "are missing");
	table_finish(&naming.strings);
}
