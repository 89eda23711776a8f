/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which loaded objects are SQLite libraries, and which call them. An object is a library if its dynamic symbols define
 * the functions that we ask; a caller has slots (of its procedure linkage table, its global offset table, its pointers
 * to functions) that are bound to one of a library's functions. Those slots get the address of our hook for that
 * library. Slots that the loader has not bound yet are judged by the loader's own order, where only one answer is
 * possible.
 *
 * Objects are looked at under the loader's lock (dl_iterate_phdr), in the order in which they were loaded, once each.
 * Objects that are still being relocated are not touched: _dl_find_object knows an object only when it is ready.
 */
#include "sql.h"
#include "object.h"
#include "raw.h"
#include "resolve.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define RELOCATION_JUMP	   R_X86_64_JUMP_SLOT
#define RELOCATION_GLOBAL  R_X86_64_GLOB_DAT
#define RELOCATION_ADDRESS R_X86_64_64
#elif defined(__aarch64__)
#define RELOCATION_JUMP	   R_AARCH64_JUMP_SLOT
#define RELOCATION_GLOBAL  R_AARCH64_GLOB_DAT
#define RELOCATION_ADDRESS R_AARCH64_ABS64
#else
#error "sql_library.c: this processor's relocations are not here yet"
#endif

struct sql_library sql_libraries[SQL_LIBRARIES];

static const char *const names[SQL_FUNCTION_COUNT] = {
#define SQLITE_NAME(name, ...) [SQL_##name] = "sqlite3_" #name,
#define PLAIN_NAME(name, ...)  [SQL_##name] = #name,
	SQL_INNER(SQLITE_NAME) SQL_OUTER(SQLITE_NAME) SQL_WAITS(PLAIN_NAME) SQL_ASKED(SQLITE_NAME)
#undef SQLITE_NAME
#undef PLAIN_NAME
};
static uint8_t name_sizes[SQL_FUNCTION_COUNT];
static void *const waits[] = {
#define ADDRESS(name, ...) (void *)name,
	SQL_WAITS(ADDRESS)
#undef ADDRESS
};

/* What must be there for a library to be followed at all. */
static const uint8_t needed[] = {SQL_open_v2,	  SQL_close,	      SQL_prepare_v2,  SQL_step,	  SQL_reset,
				 SQL_finalize,	  SQL_exec,	      SQL_stmt_status, SQL_sql,		  SQL_db_handle,
				 SQL_db_filename, SQL_get_autocommit, SQL_db_status,   SQL_stmt_readonly, SQL_db_mutex,
				 SQL_mutex_try,	  SQL_mutex_leave};

/* How far the list of objects has been looked through. */
static struct {
	unsigned long long added, removed;
	uint32_t count; /* objects that have been led */
} looked;

/* --- one object ------------------------------------------------------------------------------------------------------ */

struct object {
	uint64_t bias, start, end;
	uint64_t relro_start, relro_end; /* read only by now; 0: none */
	const ElfW(Sym) * symbols;
	const char *strings;
	uint64_t strings_size;
	const uint32_t *gnu_hash;
	const ElfW(Rela) * relocations[2]; /* of the data, of the linkage table */
	size_t counts[2], first;
};

/* The loader turns addresses in the dynamic section into real ones where it can. */
static const void *dynamic_address(const struct object *object, uint64_t value)
{
	return (const void *)(value >= object->start && value < object->end ? value : value + object->bias);
}

static bool object_read(struct object *object, const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *dynamic = NULL;

	memset(object, 0, sizeof(*object));
	object->bias = info->dlpi_addr;
	object->start = UINT64_MAX;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t from = object->bias + segment->p_vaddr, to = from + segment->p_memsz;

		if (segment->p_type == PT_DYNAMIC) {
			dynamic = (const void *)from;
		} else if (segment->p_type == PT_LOAD) {
			object->start = from < object->start ? from : object->start;
			object->end = to > object->end ? to : object->end;
		} else if (segment->p_type == PT_GNU_RELRO) {
			uint64_t page = pp_session.header ? pp_session.header->page_size : 4096;

			object->relro_start = from & ~(page - 1);
			object->relro_end = to & ~(page - 1);
		}
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *address = dynamic_address(object, dynamic->d_un.d_ptr);

		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			object->symbols = address;
			break;
		case DT_STRTAB:
			object->strings = address;
			break;
		case DT_STRSZ:
			object->strings_size = dynamic->d_un.d_val;
			break;
		case DT_GNU_HASH:
			object->gnu_hash = address;
			break;
		case DT_RELA:
			object->relocations[0] = address;
			break;
		case DT_RELASZ:
			object->counts[0] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_RELACOUNT:
			object->first = dynamic->d_un.d_val; /* before it all are relative */
			break;
		case DT_JMPREL:
			object->relocations[1] = address;
			break;
		case DT_PLTRELSZ:
			object->counts[1] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
			break;
		default:
			break;
		}
	}
	return object->symbols && object->strings && object->start < object->end;
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* The address of a function that the object defines for others; NULL: it does not. */
static void *function_find(const struct object *object, const char *name)
{
	const uint32_t *table = object->gnu_hash, *buckets, *chain;
	const uint64_t *bloom;
	uint32_t hash, bucket_count, first, bloom_count, index;
	uint64_t word;

	if (!table)
		return NULL;
	hash = gnu_hash_of(name);
	bucket_count = table[0];
	first = table[1];
	bloom_count = table[2];
	bloom = (const uint64_t *)(const void *)(table + 4);
	buckets = (const uint32_t *)(bloom + bloom_count);
	chain = buckets + bucket_count;
	if (!bucket_count || !bloom_count)
		return NULL;
	word = bloom[hash / 64 % bloom_count];
	if (!(word >> hash % 64 & word >> (hash >> table[3]) % 64 & 1))
		return NULL;
	index = buckets[hash % bucket_count];
	if (index < first)
		return NULL;
	for (;; index++) {
		const ElfW(Sym) *symbol = &object->symbols[index];

		if ((chain[index - first] | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && strcmp(object->strings + symbol->st_name, name) == 0)
			return (void *)(object->bias + symbol->st_value);
		if (chain[index - first] & 1)
			return NULL;
	}
}

/* Mapped and relocated. Those of the program's start are, before any of its code runs. */
static bool object_is_ready(const struct object *object)
{
	struct pp_object found;

	return !looked.added || object_find(object->start, &found);
}

/* --- libraries ------------------------------------------------------------------------------------------------------- */

static struct sql_library *library_at(uint64_t address)
{
	for (int i = 0; i < SQL_LIBRARIES; i++)
		if (sql_libraries[i].start && address - sql_libraries[i].start <
						      sql_libraries[i].end - sql_libraries[i].start)
			return &sql_libraries[i];
	return NULL;
}

static void calls_unseen(void)
{
	if (pp_session.header)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_SQL_CALLS, __ATOMIC_RELAXED);
}

static void library_forget(struct sql_library *library)
{
	sql_handles_forget(library);
	__atomic_store_n(&library->start, 0, __ATOMIC_RELEASE);
}

/* Is it this object, loaded still or again to the same place? Its hooks know it by its functions' addresses. */
static bool library_is(const struct sql_library *library, const struct object *object)
{
	if (library->start != object->start || library->end != object->end)
		return false;
	for (int i = 0; i < SQL_FUNCTION_COUNT; i++)
		if ((i < SQL_HOOKED_COUNT || i >= SQL_SLOT_COUNT) && library->real[i] != function_find(object, names[i]))
			return false;
	return true;
}

/* Those that lay where this object lies now have gone; their dlclose may not have come so far as to say so. */
static bool library_is_known(const struct object *object)
{
	bool known = false;

	for (int i = 0; i < SQL_LIBRARIES; i++) {
		struct sql_library *library = &sql_libraries[i];

		if (!library->start || library->start >= object->end || library->end <= object->start)
			continue;
		if (library_is(library, object))
			known = true;
		else
			library_forget(library);
	}
	return known;
}

static void library_add(const struct object *object)
{
	struct sql_library *library = NULL;

	if (library_is_known(object) || !function_find(object, names[SQL_step]))
		return;
	for (int i = 0; i < SQL_LIBRARIES && !library; i++)
		library = sql_libraries[i].start ? NULL : &sql_libraries[i];
	if (!library || !sql_handles_init()) {
		calls_unseen();
		return;
	}
	memset(library, 0, sizeof(*library));
	for (int i = 0; i < SQL_FUNCTION_COUNT; i++)
		if (i < SQL_HOOKED_COUNT || i >= SQL_SLOT_COUNT)
			library->real[i] = function_find(object, names[i]);
	for (size_t i = 0; i < sizeof(needed); i++) {
		if (!library->real[needed[i]]) {
			calls_unseen();
			return;
		}
	}
	library->end = object->end;
	__atomic_store_n(&library->start, object->start, __ATOMIC_RELEASE);
}

/* --- slots ------------------------------------------------------------------------------------------------------------ */

/* The number of a function by its symbol's name; SQL_SLOT_COUNT: not one of ours. */
static int function_number(const char *name)
{
	size_t size;
	int from = 0, to = SQL_HOOKED_COUNT;

	if (name[0] != 's' || name[1] != 'q') {
		if (name[0] != 'u' && name[0] != 's' && name[0] != 'n')
			return SQL_SLOT_COUNT;
		from = SQL_HOOKED_COUNT;
		to = SQL_SLOT_COUNT;
	} else if (memcmp(name, "sqlite3_", strnlen(name, 8)) != 0) {
		return SQL_SLOT_COUNT;
	}
	size = strnlen(name, 64);
	for (int i = from; i < to; i++)
		if (size == name_sizes[i] && memcmp(names[i], name, size) == 0)
			return i;
	return SQL_SLOT_COUNT;
}

static int only_library(void)
{
	int only = -1;

	for (int i = 0; i < SQL_LIBRARIES; i++) {
		if (!sql_libraries[i].start)
			continue;
		if (only >= 0)
			return -1;
		only = i;
	}
	return only;
}

/* The library that a slot is bound to, or will be; -1: none of ours. */
static int slot_library(const struct object *object, const uint64_t *slot, int function, bool jump)
{
	uint64_t bound = __atomic_load_n(slot, __ATOMIC_RELAXED);

	for (int i = 0; i < SQL_LIBRARIES && bound; i++)
		if (sql_libraries[i].start && bound == (uint64_t)sql_libraries[i].real[function])
			return i;
	/* Not bound yet: it leads back into the object's own linkage table. */
	if (jump && bound >= object->start && bound < object->end) {
		int only = only_library();

		if (only >= 0 && sql_libraries[only].real[function])
			return only;
		calls_unseen();
	}
	return -1;
}

struct patching {
	const struct object *object;
	int self; /* the library that the object is; -1: none */
	bool writable; /* its read-only part is open at the moment */
};

static bool slot_open(struct patching *patching, const uint64_t *slot)
{
	const struct object *object = patching->object;

	if ((uint64_t)slot < object->relro_start || (uint64_t)slot >= object->relro_end || patching->writable)
		return true;
	patching->writable = RAW_CALL(SYS_mprotect, object->relro_start, object->relro_end - object->relro_start,
				      PROT_READ | PROT_WRITE) == 0;
	if (!patching->writable)
		calls_unseen();
	return patching->writable;
}

/* A wait that SQLite makes is told apart by the slot that it goes through. */
static void slot_lead_wait(struct patching *patching, uint64_t *slot, int function)
{
	struct sql_library *library = &sql_libraries[patching->self];
	void *bound = (void *)__atomic_load_n(slot, __ATOMIC_RELAXED);

	if (!bound || bound == (void *)sql_hooks[patching->self][1][function])
		return;
	/* Not bound yet: to what it will be bound to. */
	if ((uint64_t)bound >= patching->object->start && (uint64_t)bound < patching->object->end)
		bound = waits[function - SQL_HOOKED_COUNT];
	if (!bound || !slot_open(patching, slot))
		return;
	library->real[function] = bound;
	__atomic_store_n(slot, (uint64_t)sql_hooks[patching->self][1][function], __ATOMIC_RELEASE);
}

static void slot_lead(struct patching *patching, const ElfW(Rela) * relocation)
{
	const struct object *object = patching->object;
	uint32_t type = ELF64_R_TYPE(relocation->r_info);
	const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
	uint64_t *slot = (uint64_t *)(object->bias + relocation->r_offset);
	bool jump = type == RELOCATION_JUMP;
	int function, library;

	if (!(jump || type == RELOCATION_GLOBAL || type == RELOCATION_ADDRESS) ||
	    symbol->st_name >= object->strings_size || (uint64_t)slot < object->start || (uint64_t)slot >= object->end)
		return;
	function = function_number(object->strings + symbol->st_name);
	if (function == SQL_SLOT_COUNT || (function >= SQL_HOOKED_COUNT && patching->self < 0))
		return;
	/* Tables of its functions are for others: they are not calls of its own. */
	if (patching->self >= 0 && type == RELOCATION_ADDRESS)
		return;
	if (function >= SQL_HOOKED_COUNT) {
		slot_lead_wait(patching, slot, function);
		return;
	}
	library = slot_library(object, slot, function, jump);
	if (library < 0 || (library == patching->self && function >= SQL_INNER_COUNT) || !slot_open(patching, slot))
		return;
	if (library == patching->self && function == SQL_step)
		sql_libraries[library].inner_seen = true;
	__atomic_store_n(slot, (uint64_t)sql_hooks[library][library == patching->self][function], __ATOMIC_RELEASE);
}

static void object_lead(const struct object *object)
{
	struct sql_library *self = library_at(object->start);
	struct patching patching = {.object = object, .self = self ? (int)(self - sql_libraries) : -1};

	for (int table = 0; table < 2; table++)
		for (size_t i = table ? 0 : object->first; object->relocations[table] && i < object->counts[table]; i++)
			slot_lead(&patching, &object->relocations[table][i]);
	if (patching.writable)
		RAW_CALL(SYS_mprotect, object->relro_start, object->relro_end - object->relro_start, PROT_READ);
}

/* --- looking ----------------------------------------------------------------------------------------------------------- */

static int (*iterate)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
static uint32_t looking;

struct look {
	uint32_t index, ready; /* objects before `ready` can be led */
	unsigned long long added, removed;
};

static int look_count(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct look *look = argument;

	(void)size;
	look->added = info->dlpi_adds;
	look->removed = info->dlpi_subs;
	return 1;
}

static int look_libraries(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct look *look = argument;
	struct object object;

	(void)size;
	if (look->index++ < looked.count)
		return 0;
	if (object_read(&object, info)) {
		if (!object_is_ready(&object))
			return 1;
		library_add(&object);
	}
	look->ready = look->index;
	return 0;
}

static int look_callers(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct look *look = argument;
	struct object object;

	(void)size;
	if (info->dlpi_subs != look->removed)
		return 1; /* they have moved up: next time */
	if (look->index++ < looked.count)
		return 0;
	if (look->index > look->ready)
		return 1;
	if (object_read(&object, info))
		object_lead(&object);
	looked.count = look->index;
	return 0;
}

static bool library_is_there(void)
{
	for (int i = 0; i < SQL_LIBRARIES; i++)
		if (sql_libraries[i].start)
			return true;
	return false;
}

static void names_measure(void)
{
	for (int i = 0; i < SQL_FUNCTION_COUNT; i++)
		name_sizes[i] = (uint8_t)strlen(names[i]);
}

void sql_libraries_look(void)
{
	struct look look = {.index = 0};
	uint32_t none = 0;
	bool whole;

	if (!pp_session.settings.sql || pp_session.sealed || pp_session.state == PP_STATE_OFF)
		return;
	/* libc's: a program may have one of its own, which need not lock. */
	if (!iterate)
		iterate = (int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *))resolve_next("dl_iterate_phdr");
	if (!iterate)
		return;
	iterate(look_count, &look);
	if (look.added == looked.added && look.removed == looked.removed)
		return;
	if (!__atomic_compare_exchange_n(&looking, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return; /* another thread is at it */
	if (!name_sizes[0])
		names_measure();
	if (look.removed != looked.removed)
		looked.count = 0;
	whole = iterate(look_libraries, &look) == 0;
	look.index = 0;
	if (library_is_there())
		whole = iterate(look_callers, &look) == 0 && whole;
	else
		looked.count = look.ready;
	if (whole) {
		looked.added = look.added;
		looked.removed = look.removed;
	}
	__atomic_store_n(&looking, 0, __ATOMIC_RELEASE);
}

void sql_libraries_reset(void)
{
	__atomic_store_n(&looking, 0, __ATOMIC_RELEASE); /* a thread that was at it is not in the child */
}

/* A callback of dl_iterate_phdr's, for the lock that it is called with: another thread may look at what it has just loaded
 * into the same place. */
static int libraries_sift(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)info, (void)size, (void)unused;
	for (int i = 0; i < SQL_LIBRARIES; i++) {
		struct sql_library *library = &sql_libraries[i];
		struct pp_object found;

		if (library->start && !(object_find(library->start, &found) && found.start == library->start))
			library_forget(library);
	}
	return 1; /* once is enough */
}

void sql_libraries_unloaded(void)
{
	if (iterate && library_is_there())
		iterate(libraries_sift, NULL);
}

void *sql_libraries_hook(void *found, const char *name)
{
	struct sql_library *library = library_at((uint64_t)found);
	int function = library ? function_number(name) : SQL_SLOT_COUNT;

	if (function >= SQL_HOOKED_COUNT || library->real[function] != found)
		return found;
	return sql_hooks[library - sql_libraries][0][function];
}
