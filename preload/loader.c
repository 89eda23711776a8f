/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module map as stacks meet it. A module (executable, shared object, vDSO) is defined in the shared memory when the
 * first address in it becomes a node; nothing is listed ahead of time. The list here is append-only between two unloads
 * and lock-free: any thread and the signal handler may add. Two that add the same module at once define it twice, which
 * is harmless.
 */
#include "loader.h"
#include "host.h"
#include "object.h"
#include "python.h"
#include "raw.h"
#include "resolve.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#define KNOWN_LIMIT    2048
#define PATH_LIMIT     1024
#define ANONYMOUS_SPAN ((uint64_t)1 << 16)

struct known {
	uint64_t start; /* 0: claimed, not filled in yet */
	uint64_t end;
	uint32_t epoch;
	uint32_t build_hash;
	uint32_t voided; /* 1: unloaded, the entry may be claimed again */
};

static struct known known[KNOWN_LIMIT];
static uint32_t known_count;
static uint32_t last_hit;
static uint32_t epoch = 1;

/* The build id of a mapped object, from its program headers; NULL if there is none. */
static const uint8_t *build_id_find(struct pp_object *object, uint16_t *size)
{
	*size = 0;
	if (!object_segments_read(object))
		return NULL;
	for (size_t i = 0; i < object->segment_count; i++) {
		const ElfW(Phdr) *segment = &object->segments[i];
		const uint8_t *at = (const uint8_t *)(object->bias + segment->p_vaddr);
		const uint8_t *limit = at + segment->p_filesz;

		if (segment->p_type != PT_NOTE || (uintptr_t)at < object->start || (uintptr_t)limit > object->end)
			continue;
		while (at + sizeof(ElfW(Nhdr)) <= limit) {
			const ElfW(Nhdr) *note = (const void *)at;
			const uint8_t *name = at + sizeof(*note);
			const uint8_t *content = name + ((note->n_namesz + 3) & ~3u);

			if (content + note->n_descsz > limit)
				break;
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
			    note->n_descsz <= 64) {
				*size = (uint16_t)note->n_descsz;
				return content;
			}
			at = content + ((note->n_descsz + 3) & ~3u);
		}
	}
	return NULL;
}

static uint32_t bytes_hash(const uint8_t *bytes, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

/* Appends a definition; false: no room. */
static bool module_define(uint64_t start, uint64_t end, uint64_t bias, uint32_t module_epoch, const uint8_t *build_id,
			  uint16_t build_id_size, const char *path)
{
	size_t path_size = strnlen(path, PATH_LIMIT);
	uint32_t size = (uint32_t)((sizeof(struct pp_wire_module) + build_id_size + path_size + 7) & ~(size_t)7);
	uint64_t at = __atomic_fetch_add(&pp_session.header->def_bytes, size, __ATOMIC_RELAXED);
	struct pp_wire_module *module;

	if (at + size > PP_WIRE_DEFS_SPACE || PP_WIRE_DEFS + at + size > pp_session.memory_space) {
		pp_skip(PP_SKIP_DEFS);
		return false;
	}
	module = session_shared(PP_WIRE_DEFS + at);
	if (!module)
		return false;
	module->start = start;
	module->end = end;
	module->bias = bias;
	module->epoch = module_epoch;
	module->build_id_size = build_id_size;
	module->path_size = (uint16_t)path_size;
	if (build_id_size)
		memcpy(module + 1, build_id, build_id_size);
	memcpy((uint8_t *)(module + 1) + build_id_size, path, path_size);
	module->def.type = PP_DEF_MODULE;
	__atomic_store_n(&module->def.size, size, __ATOMIC_RELEASE);
	return true;
}

/* An entry of our own; KNOWN_LIMIT: none is left. */
static uint32_t known_claim(void)
{
	uint32_t count = __atomic_load_n(&known_count, __ATOMIC_RELAXED);
	uint32_t index;

	for (uint32_t i = 0; epoch > 1 && i < count && i < KNOWN_LIMIT; i++) {
		uint32_t voided = 1;

		if (known[i].voided && __atomic_compare_exchange_n(&known[i].voided, &voided, 0, false,
								   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return i;
	}
	index = __atomic_fetch_add(&known_count, 1, __ATOMIC_RELAXED);
	if (index < KNOWN_LIMIT)
		return index;
	__atomic_store_n(&known_count, KNOWN_LIMIT, __ATOMIC_RELAXED);
	return KNOWN_LIMIT;
}

static uint32_t module_add(uint64_t address)
{
	struct pp_object object;
	uint32_t now = __atomic_load_n(&epoch, __ATOMIC_RELAXED);
	uint64_t start = address & ~(ANONYMOUS_SPAN - 1), end = start + ANONYMOUS_SPAN, bias = 0;
	const uint8_t *build_id = NULL;
	const char *path = "[anonymous]";
	uint16_t build_id_size = 0;
	enum pp_object_hold held;
	uint32_t index;

	held = object_hold(address, &object);
	if (held == PP_OBJECT_LEAVING)
		return now;
	if (held == PP_OBJECT_HELD) {
		start = object.start;
		end = object.end;
		path = object.map->l_name; /* "" for the executable */
		build_id = build_id_find(&object, &build_id_size);
		bias = object.bias;
		python_look(object.map);
	}
	index = known_claim();
	if (index == KNOWN_LIMIT) {
		pp_skip(PP_SKIP_DEFS);
	} else if (module_define(start, end, bias, now, build_id, build_id_size, path)) {
		known[index].end = end;
		known[index].epoch = now;
		known[index].build_hash = bytes_hash(build_id, build_id_size);
		__atomic_store_n(&known[index].start, start, __ATOMIC_RELEASE);
	}
	if (held == PP_OBJECT_HELD)
		object_release(&object);
	return now;
}

uint32_t pp_loader_epoch_of(uint64_t address)
{
	uint32_t count = __atomic_load_n(&known_count, __ATOMIC_RELAXED);
	uint32_t hint = __atomic_load_n(&last_hit, __ATOMIC_RELAXED);

	if (hint < count) {
		uint64_t start = __atomic_load_n(&known[hint].start, __ATOMIC_ACQUIRE);

		if (start && address - start < known[hint].end - start)
			return known[hint].epoch;
	}
	if (count > KNOWN_LIMIT)
		count = KNOWN_LIMIT;
	for (uint32_t i = count; i-- > 0;) {
		uint64_t start = __atomic_load_n(&known[i].start, __ATOMIC_ACQUIRE);

		if (start && address - start < known[i].end - start) {
			__atomic_store_n(&last_hit, i, __ATOMIC_RELAXED);
			return known[i].epoch;
		}
	}
	return module_add(address);
}

void loader_reset(void)
{
	__atomic_store_n(&known_count, 0, __ATOMIC_RELAXED);
	memset(known, 0, sizeof(known));
	epoch = 1;
}

/* A callback of dl_iterate_phdr's, for the lock that it is called with: other threads may unload the very objects that
 * are looked at here, but not now. */
static int known_sift(struct dl_phdr_info *info, size_t size_of_info, void *unused)
{
	uint32_t count = __atomic_load_n(&known_count, __ATOMIC_RELAXED);

	(void)info, (void)size_of_info, (void)unused;
	for (uint32_t i = 0; i < count && i < KNOWN_LIMIT; i++) {
		struct pp_object object;
		const uint8_t *build_id;
		uint16_t size;

		if (!known[i].start)
			continue;
		if (object_find(known[i].start, &object) && object.start == known[i].start) {
			build_id = build_id_find(&object, &size);
			if (bytes_hash(build_id, size) == known[i].build_hash)
				continue;
		}
		__atomic_store_n(&known[i].start, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&known[i].voided, 1, __ATOMIC_RELEASE);
	}
	return 1; /* once is enough */
}

/* After an unload: modules that are still what they were stay, others are forgotten and what comes next at their
 * addresses belongs to a later epoch. Other threads may be looking: an entry is voided by its start. */
void loader_unloaded(void)
{
	static int (*iterate)(int (*)(struct dl_phdr_info *, size_t, void *), void *);

	__atomic_add_fetch(&epoch, 1, __ATOMIC_RELAXED);
	/* libc's: a program may have one of its own, which need not lock. */
	if (!iterate)
		iterate = (int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *))resolve_next(
			"dl_iterate_phdr");
	if (iterate)
		iterate(known_sift, NULL);
}
