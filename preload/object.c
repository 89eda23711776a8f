/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by address; see object.h. */
#include "object.h"
#include "raw.h"

#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#define PAGE_MASK     (~(uintptr_t)4095)
#define LASTING_LIMIT 256
/* Who holds on for microseconds may have lost the processor meanwhile. */
#define HOLDS_NS      UINT64_C(10000000000)
#define HOLDS_LOST_NS UINT64_C(200000000) /* once somebody did not let go in that time */

/* The executable. Every thread that reads it finds the same; `ready` is stored last. */
static struct pp_object executable;
static uint32_t ready;

/* The segment of the executable that holds an address; NULL: a hole. */
static const ElfW(Phdr) *segment_find(const struct pp_object *object, uintptr_t address)
{
	for (size_t i = 0; i < object->segment_count; i++) {
		const ElfW(Phdr) *segment = &object->segments[i];
		uintptr_t start = object->bias + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && address >= (start & PAGE_MASK) && address < start + segment->p_memsz)
			return segment;
	}
	return NULL;
}

static void executable_read(void)
{
	struct pp_object found = {.start = UINTPTR_MAX};
	const ElfW(Phdr) *frames;
	struct dl_find_object entry;

	/* ld.so makes these the program's where it was started itself, with the program as its argument. */
	found.segments = (const void *)getauxval(AT_PHDR);
	found.segment_count = found.segments ? getauxval(AT_PHNUM) : 0;
	if (_dl_find_object((void *)getauxval(AT_ENTRY), &entry) != 0)
		return;
	found.map = entry.dlfo_link_map;
	found.bias = found.map->l_addr;
	for (size_t i = 0; i < found.segment_count; i++) {
		const ElfW(Phdr) *segment = &found.segments[i];
		uintptr_t start = found.bias + segment->p_vaddr;

		if (segment->p_type == PT_GNU_EH_FRAME)
			found.frame_header = (const uint8_t *)start;
		if (segment->p_type != PT_LOAD)
			continue;
		found.start = (start & PAGE_MASK) < found.start ? start & PAGE_MASK : found.start;
		found.end = start + segment->p_memsz > found.end ? start + segment->p_memsz : found.end;
	}
	frames = found.frame_header ? segment_find(&found, (uintptr_t)found.frame_header) : NULL;
	if (frames) {
		found.frames_start = (const uint8_t *)(found.bias + frames->p_vaddr);
		found.frames_end = found.frames_start + frames->p_memsz;
	} else {
		found.frame_header = NULL;
	}
	executable = found;
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

bool object_find(uintptr_t address, struct pp_object *object)
{
	struct dl_find_object found;

	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		executable_read();
	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) && address >= executable.start && address < executable.end &&
	    segment_find(&executable, address)) {
		*object = executable;
		return true;
	}
	if (_dl_find_object((void *)address, &found) != 0)
		return false;
	*object = (struct pp_object){
		.start = (uintptr_t)found.dlfo_map_start,
		.end = (uintptr_t)found.dlfo_map_end,
		.map = found.dlfo_link_map,
		.frame_header = found.dlfo_eh_frame,
		.frames_start = found.dlfo_map_start,
		.frames_end = found.dlfo_map_end,
	};
	return true;
}

bool object_segments_read(struct pp_object *object)
{
	const ElfW(Ehdr) *header = (const void *)object->start;

	if (object->segments)
		return true;
	object->bias = object->map->l_addr;
	if (object->end - object->start < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phoff > object->end - object->start ||
	    header->e_phnum * sizeof(ElfW(Phdr)) > object->end - object->start - header->e_phoff)
		return false;
	object->segments = (const void *)(object->start + header->e_phoff);
	object->segment_count = header->e_phnum;
	return true;
}

/* --- objects that are read while others may unload them ------------------------------------------------------------- */

static uint32_t holds;	 /* how many threads and handlers are reading */
static uint32_t unloads; /* how many unloads are going on */
static uint32_t refused;
static __thread uint32_t own_unloads __attribute__((tls_model("initial-exec")));
static uintptr_t lasting[LASTING_LIMIT]; /* starts of objects that never go */
static uint32_t lasting_count;

bool object_lasts(uintptr_t start)
{
	for (uint32_t i = 0; i < lasting_count; i++) {
		if (lasting[i] == start)
			return true;
	}
	return false;
}

static void hold_end(uint64_t signals)
{
	__atomic_sub_fetch(&holds, 1, __ATOMIC_SEQ_CST);
	raw_signals_restore(signals);
}

enum pp_object_hold object_hold(uintptr_t address, struct pp_object *object)
{
	enum pp_object_hold found = PP_OBJECT_NONE;
	uint64_t signals;
	bool quiet;

	/* Code made at run time is asked for often. */
	if (!object_find(address, object))
		return PP_OBJECT_NONE;
	/* A handler that jumped out would leave it held for ever. */
	signals = raw_signals_block();
	/* Counted first: who unloads counts itself first, too, and one of the two sees the other. */
	__atomic_add_fetch(&holds, 1, __ATOMIC_SEQ_CST);
	/* Before it is found: an unload that had begun could be over by then, and what was found gone. */
	quiet = __atomic_load_n(&unloads, __ATOMIC_SEQ_CST) == own_unloads;
	if (object_find(address, object)) {
		object->signals = signals;
		if (quiet || object_lasts(object->start))
			return PP_OBJECT_HELD;
		found = PP_OBJECT_LEAVING;
		__atomic_add_fetch(&refused, 1, __ATOMIC_SEQ_CST);
	}
	hold_end(signals);
	return found;
}

void object_release(const struct pp_object *object)
{
	hold_end(object->signals);
}

uint32_t objects_refused(void)
{
	return __atomic_load_n(&refused, __ATOMIC_SEQ_CST);
}

static uint64_t now_ns(void)
{
	struct timespec now = { 0, 0 };

	RAW_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void objects_unload_begin(void)
{
	static bool lost; /* a hold whose thread was killed in it: nobody will release that */
	const uint64_t end = now_ns() + (lost ? HOLDS_LOST_NS : HOLDS_NS);
	struct timespec nap = { 0, 50000 };
	bool held;

	own_unloads++;
	__atomic_add_fetch(&unloads, 1, __ATOMIC_SEQ_CST);
	while ((held = __atomic_load_n(&holds, __ATOMIC_SEQ_CST) != 0) && now_ns() < end)
		RAW_CALL(SYS_nanosleep, &nap, 0);
	lost = held;
}

void objects_unload_end(void)
{
	__atomic_sub_fetch(&unloads, 1, __ATOMIC_SEQ_CST);
	own_unloads--;
}

uint32_t objects_unloads(void)
{
	return own_unloads;
}

void objects_settle_in_child(void)
{
	holds = 0;
	unloads = own_unloads;
}

static int lasting_add(struct dl_phdr_info *info, size_t size, void *unused)
{
	struct pp_object object;

	(void)size, (void)unused;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		if (lasting_count < LASTING_LIMIT && object_find(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, &object))
			lasting[lasting_count++] = object.start;
		break;
	}
	return 0;
}

void objects_remember_lasting(void)
{
	dl_iterate_phdr(lasting_add, NULL);
}
