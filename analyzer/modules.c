/* SPDX-License-Identifier: Apache-2.0 */
/* Module definitions read from the shared memory; see modules.h and stacks.h. */
#include "modules.h"

#include "memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID_LIMIT	64
#define LOOK_BACK_LIMIT 4096

const struct pp_module_range *module_map_find(const struct pp_module_map *map, uint64_t address, uint32_t epoch)
{
	const struct pp_module_range *best = NULL;
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Ranges overlap only where one object took another's place, so few are looked at. */
	for (uint32_t i = 0; i < low && i < LOOK_BACK_LIMIT; i++) {
		const struct pp_module_range *range = &map->ranges[low - 1 - i];

		if (range->reach <= address)
			break;
		if (range->end > address && range->epoch <= epoch && (!best || range->epoch > best->epoch))
			best = range;
	}
	return best;
}

static void module_map_add(struct pp_module_map *map, const struct pp_module_range *added)
{
	uint32_t at = map->count;

	map->ranges = memory_grow(map->ranges, &map->capacity, (size_t)at + 1, sizeof(*map->ranges));
	while (at > 0 && map->ranges[at - 1].start > added->start)
		at--;
	memmove(&map->ranges[at + 1], &map->ranges[at], (map->count - at) * sizeof(*map->ranges));
	map->ranges[at] = *added;
	map->count++;
	for (uint32_t i = at; i < map->count; i++) {
		uint64_t before = i ? map->ranges[i - 1].reach : 0;

		map->ranges[i].reach = map->ranges[i].end > before ? map->ranges[i].end : before;
	}
}

/* The file as the target sees it, for a binary may be replaced before its symbols are read. Regular files only:
 * opening anything else could block or do something. */
static int module_open(const char *path, int32_t pid)
{
	char name[PATH_MAX + 64];
	struct stat status;
	int place, file = -1;

	if (path[0] != '/')
		return -1;
	snprintf(name, sizeof(name), "/proc/%d/root%s", (int)pid, path);
	place = open(name, O_PATH | O_CLOEXEC);
	if (place < 0)
		place = open(path, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -1;
	if (fstat(place, &status) == 0 && S_ISREG(status.st_mode)) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
		file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	close(place);
	return file;
}

static uint64_t module_hash(const char *path, const char *build_id)
{
	uint64_t hash = table_seed;

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	for (; *build_id; build_id++)
		hash = (hash ^ (uint8_t)*build_id) * UINT64_C(0x100000001b3);
	return hash;
}

static uint32_t module_intern(struct pp_stacks *stacks, const struct pp_image_stacks *image, const char *path,
			      const char *build_id)
{
	/* Code without a file is each process's own. */
	int32_t pid = strcmp(path, "[anonymous]") == 0 ? image->pid : 0;
	uint64_t hash = module_hash(path, build_id) + (uint64_t)(uint32_t)pid * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t *first = table_find(&stacks->module_table, hash);
	struct pp_trace_module *module;

	for (uint32_t i = first ? (uint32_t)*first : 0; i; i = stacks->modules[i - 1].next) {
		module = &stacks->modules[i - 1];
		if (strcmp(module->path, path) == 0 && strcmp(module->build_id, build_id) == 0 && module->pid == pid)
			return i - 1;
	}
	stacks->modules = memory_grow(stacks->modules, &stacks->module_capacity, (size_t)stacks->module_count + 1,
				      sizeof(*stacks->modules));
	module = &stacks->modules[stacks->module_count];
	module->path = arena_string(stacks->arena, path);
	module->build_id = arena_string(stacks->arena, build_id);
	module->next = first ? (uint32_t)*first : 0;
	module->file = -1;
	module->pid = pid;
	module->root_pid = image->root_pid;
	module->interpreter = false;
	module->own = profile_module_is_own(path);
	if (image->open_files && stacks->file_count < PP_MODULE_FILE_LIMIT) {
		module->file = module_open(path, image->root_pid);
		if (module->file >= 0)
			stacks->file_count++;
	}
	table_set(&stacks->module_table, hash, stacks->module_count + 1);
	return stacks->module_count++;
}

/* A module's definition, all of `size` bytes at `wire`. false: it makes no sense. */
static bool module_define(struct pp_stacks *stacks, struct pp_image_stacks *image, const uint8_t *wire, uint32_t size)
{
	struct pp_wire_module module;
	struct pp_module_range range;
	uint8_t id[BUILD_ID_LIMIT];
	char path[PATH_MAX], hex[2 * BUILD_ID_LIMIT + 1] = "";

	if (size < sizeof(module) || image->map.count >= PP_MODULE_LIMIT)
		return false;
	memcpy(&module, wire, sizeof(module));
	if (module.build_id_size > sizeof(id) || module.path_size >= sizeof(path) ||
	    sizeof(module) + module.build_id_size + module.path_size > size || module.start >= module.end)
		return false;
	memcpy(id, wire + sizeof(module), module.build_id_size);
	memcpy(path, wire + sizeof(module) + module.build_id_size, module.path_size);
	path[module.path_size] = '\0';
	for (unsigned i = 0; i < module.build_id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	range = (struct pp_module_range){.start = module.start,
					 .end = module.end,
					 .bias = module.bias,
					 .epoch = module.epoch};
	range.module = module_intern(stacks, image, path[0] ? path : image->executable, hex);
	module_map_add(&image->map, &range);
	return true;
}

static bool interpreter_define(struct pp_image_stacks *image, const uint8_t *wire, uint32_t size)
{
	struct pp_wire_python python;

	if (size < sizeof(python))
		return false;
	memcpy(&python, wire, sizeof(python));
	image->interpreter = python.evaluator;
	return true;
}

/* Its module may be defined before or after it, as code of it is met on a stack. */
static void interpreter_mark(struct pp_stacks *stacks, const struct pp_image_stacks *image)
{
	const struct pp_module_range *range = image->interpreter
						      ? module_map_find(&image->map, image->interpreter, UINT32_MAX)
						      : NULL;

	if (range)
		stacks->modules[range->module].interpreter = true;
}

static bool definition_read(struct pp_stacks *stacks, struct pp_image_stacks *image, const struct pp_wire_def *def,
			    uint64_t at)
{
	switch (def->type) {
	case PP_DEF_MODULE:
		return module_define(stacks, image, image->shared + at, def->size);
	case PP_DEF_PYTHON_CODE:
		return python_code_define(&image->codes, &stacks->places, stacks->arena, image->shared, at, def->size);
	case PP_DEF_PYTHON:
		return interpreter_define(image, image->shared + at, def->size);
	default: /* of a later version */
		return true;
	}
}

void image_stacks_define(struct pp_stacks *stacks, struct pp_image_stacks *image)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;
	struct pp_module_map *map = &image->map;
	uint64_t valid, room;

	if (image->shared_size <= PP_WIRE_DEFS || map->stopped)
		return;
	room = image->shared_size - PP_WIRE_DEFS;
	if (room > PP_WIRE_DEFS_SPACE)
		room = PP_WIRE_DEFS_SPACE;
	valid = __atomic_load_n(&header->def_bytes, __ATOMIC_ACQUIRE);
	if (valid > room)
		valid = room;
	while (map->parsed + sizeof(struct pp_wire_def) <= valid) {
		const uint8_t *wire = image->shared + PP_WIRE_DEFS + map->parsed;
		struct pp_wire_def def;

		memcpy(&def, wire, sizeof(def));
		if (def.size == 0)
			break;
		if (def.size < sizeof(def) || def.size % 8 || def.size > valid - map->parsed) {
			map->stopped = true;
			map->damaged++;
			break;
		}
		if (!definition_read(stacks, image, &def, PP_WIRE_DEFS + map->parsed))
			map->damaged++;
		map->parsed += def.size;
	}
	interpreter_mark(stacks, image);
}
