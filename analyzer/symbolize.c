/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbolizer: modules, the answers already given, and which modules are kept open. One thread at
 * a time; in the analyzer, never the thread that drains the pipe (a large module takes tens of
 * milliseconds to open).
 *
 * Answers are kept for good (32 bytes a frame and 32 an address), because stacks share their
 * addresses. Open files are not: when what libdw has built on the heap passes the budget, the module
 * used longest ago is closed, and opened again should a new address in it turn up.
 *
 * The first symbolizer made installs a handler for SIGBUS in this process; see cut_file_escape.
 */
#include "symbolize_internal.h"

#include "elf_bound.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char default_debug_roots[] = "/usr/lib/debug";
static const size_t default_budget_bytes = (size_t)128 << 20;

enum { BUILD_ID_MAX = 64 };

struct answer {
	size_t count;
	struct pp_symbol_frame frames[];
};

struct module {
	const char *path;
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_size;
	int fd; /* -1: none */
	bool is_open;
	uint32_t remarks; /* enum symbolizer_remark */
	bool is_lost;	  /* its file was cut while it was read; it is not touched again */
	uint64_t used_at; /* turn of the last miss, for closing the oldest */
	struct pp_binary binary;
	struct pp_symbol_table symbols;
	struct pp_debug *debug;
	Dwarf_CFI *unwind;	 /* of binary.main, which owns it; NULL: none, or not asked for yet */
	struct pp_table answers; /* offset -> struct answer */
};

/* Kept only so that leak checkers see what was left allocated; see cut_file_escape. */
static _Atomic(struct lost_module *) lost_modules;

struct lost_module {
	struct lost_module *next;
	struct module module;
};

struct pp_symbolizer {
	struct pp_strings strings;
	struct module *modules;
	size_t module_count, module_capacity;
	const char *debug_roots;
	size_t budget_bytes;
	uint64_t turn;
};

static const struct pp_symbol_frame unknown_frame;

/* ---- files that shrink ---- */

/*
 * Files are mapped, and whoever copies a new version over a mapped file cuts it first: the next read
 * then raises SIGBUS. Around every use of a module's files this thread has a place to jump to; the
 * module is given up with all that was built from it (nothing of it can be trusted to be closed, so
 * it is left allocated).
 */
static _Thread_local sigjmp_buf *cut_file_escape;
static struct sigaction cut_file_previous;

static void cut_file_signal(int signal, siginfo_t *information, void *context)
{
	if (cut_file_escape)
		siglongjmp(*cut_file_escape, 1);
	/* Not ours: as it would have been. */
	if (cut_file_previous.sa_flags & SA_SIGINFO)
		cut_file_previous.sa_sigaction(signal, information, context);
	else
		sigaction(SIGBUS, &cut_file_previous, NULL); /* and the instruction faults again */
}

static void cut_file_prepare(void)
{
	struct sigaction action = {.sa_sigaction = cut_file_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGBUS, &action, &cut_file_previous);
}

struct pp_symbolizer *symbolizer_create(void)
{
	static pthread_once_t prepared = PTHREAD_ONCE_INIT;
	struct pp_symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return NULL;
	symbolizer->strings.arena = arena_create();
	elf_version(EV_CURRENT);
	pthread_once(&prepared, cut_file_prepare);
	symbolizer->debug_roots = default_debug_roots;
	symbolizer->budget_bytes = default_budget_bytes;
	return symbolizer;
}

static void module_close(struct module *module)
{
	if (!module->is_open)
		return;
	debug_close(module->debug);
	module->debug = NULL;
	dwarf_cfi_end(module->unwind);
	module->unwind = NULL;
	symbol_table_finish(&module->symbols);
	binary_close(&module->binary);
	module->is_open = false;
}

void symbolizer_destroy(struct pp_symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	for (size_t i = 0; i < symbolizer->module_count; i++) {
		struct module *module = &symbolizer->modules[i];

		module_close(module);
		if (module->fd >= 0)
			close(module->fd);
		table_finish(&module->answers);
	}
	free(symbolizer->modules);
	strings_finish(&symbolizer->strings);
	free(symbolizer);
}

bool symbolizer_set_debug_roots(struct pp_symbolizer *symbolizer, const char *roots)
{
	const char *copy = strings_intern(&symbolizer->strings, roots, strlen(roots));

	if (copy)
		symbolizer->debug_roots = copy;
	return copy;
}

void symbolizer_set_budget(struct pp_symbolizer *symbolizer, size_t bytes)
{
	symbolizer->budget_bytes = bytes;
}

/* ---- modules ---- */

static bool modules_reserve(struct pp_symbolizer *symbolizer)
{
	size_t capacity = symbolizer->module_capacity ? symbolizer->module_capacity * 2 : 32;
	struct module *grown;

	if (symbolizer->module_count < symbolizer->module_capacity)
		return true;
	grown = realloc(symbolizer->modules, capacity * sizeof(*grown));
	if (!grown)
		return false;
	symbolizer->modules = grown;
	symbolizer->module_capacity = capacity;
	return true;
}

uint32_t symbolizer_module(struct pp_symbolizer *symbolizer, const char *path, const uint8_t *build_id,
			   size_t build_id_size, int fd)
{
	const char *name = strings_intern(&symbolizer->strings, path, strlen(path));
	struct module *module;

	if (!name || !modules_reserve(symbolizer))
		return UINT32_MAX;
	if (build_id_size > BUILD_ID_MAX)
		build_id_size = BUILD_ID_MAX;
	for (uint32_t i = 0; i < symbolizer->module_count; i++) {
		module = &symbolizer->modules[i];
		if (module->path == name && module->build_id_size == build_id_size &&
		    (!build_id_size || !memcmp(module->build_id, build_id, build_id_size)))
			return i;
	}
	module = &symbolizer->modules[symbolizer->module_count];
	*module = (struct module){
		.path = name,
		.build_id_size = build_id_size,
		.fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1,
	};
	if (build_id_size)
		memcpy(module->build_id, build_id, build_id_size);
	return symbolizer->module_count++;
}

static void module_give_up(struct module *module)
{
	struct lost_module *lost = malloc(sizeof(*lost));

	if (lost) {
		lost->module = *module;
		lost->next = atomic_load(&lost_modules);
		while (!atomic_compare_exchange_weak(&lost_modules, &lost->next, lost))
			;
	}
	module->binary = (struct pp_binary){.changed = true};
	module->symbols = (struct pp_symbol_table){0};
	module->debug = NULL;
	module->unwind = NULL;
	module->is_lost = true;
}

static uint32_t module_remarks(const struct module *module)
{
	uint32_t bound = elf_bound_functions(module->binary.main.elf);

	return (bound & PP_ELF_BOUND_MALLOC || symbol_table_hides_malloc(&module->symbols) ? SYMBOLIZER_OWN_MALLOC
											   : 0) |
	       (bound & PP_ELF_BOUND_IO ? SYMBOLIZER_OWN_IO : 0) |
	       (debug_is_too_large(&module->binary) ? SYMBOLIZER_DEBUG_TOO_LARGE : 0);
}

static void module_open(struct pp_symbolizer *symbolizer, struct module *module)
{
	const struct pp_binary_request request = {
		.path = module->path,
		.build_id = module->build_id,
		.build_id_size = module->build_id_size,
		.fd = module->fd,
		.debug_roots = symbolizer->debug_roots,
	};
	sigjmp_buf escape;

	if (module->is_open || module->is_lost)
		return;
	module->is_open = true;
	if (sigsetjmp(escape, 0)) {
		module_give_up(module);
	} else {
		cut_file_escape = &escape;
		binary_open(&module->binary, &request);
		symbol_table_load(&module->symbols, &module->binary);
		module->remarks = module_remarks(module);
		module->debug = debug_open(&module->binary, &request, &symbolizer->strings);
	}
	cut_file_escape = NULL;
}

uint32_t symbolizer_module_remarks(const struct pp_symbolizer *symbolizer, uint32_t module)
{
	return module < symbolizer->module_count ? symbolizer->modules[module].remarks : 0;
}

static size_t module_size(const struct module *module)
{
	return debug_size(module->debug) + module->symbols.count * sizeof(struct pp_symbol);
}

/* Close modules, longest unused first, until the rest fits the budget. */
static void modules_trim(struct pp_symbolizer *symbolizer)
{
	for (;;) {
		struct module *oldest = NULL;
		size_t total = 0;

		for (size_t i = 0; i < symbolizer->module_count; i++) {
			struct module *module = &symbolizer->modules[i];

			if (!module->is_open)
				continue;
			total += module_size(module);
			if (!oldest || module->used_at < oldest->used_at)
				oldest = module;
		}
		if (!oldest || total <= symbolizer->budget_bytes)
			return;
		module_close(oldest);
	}
}

enum symbolizer_module_state symbolizer_module_state(struct pp_symbolizer *symbolizer, uint32_t module_number)
{
	struct module *module;

	if (module_number >= symbolizer->module_count)
		return SYMBOLIZER_MODULE_MISSING;
	module = &symbolizer->modules[module_number];
	module_open(symbolizer, module);
	if (module->debug)
		return SYMBOLIZER_MODULE_LINES;
	if (module->symbols.count)
		return SYMBOLIZER_MODULE_SYMBOLS;
	if (module->binary.changed)
		return SYMBOLIZER_MODULE_CHANGED;
	return module->binary.main.elf ? SYMBOLIZER_MODULE_STRIPPED : SYMBOLIZER_MODULE_MISSING;
}

void symbolizer_module_release(struct pp_symbolizer *symbolizer, uint32_t module)
{
	if (module < symbolizer->module_count)
		module_close(&symbolizer->modules[module]);
}

void symbolizer_release(struct pp_symbolizer *symbolizer)
{
	for (size_t i = 0; i < symbolizer->module_count; i++)
		module_close(&symbolizer->modules[i]);
	/* Tens of megabytes in small pieces: the heap would keep them. */
	malloc_trim(0);
}

/* ---- answers ---- */

/*
 * DWARF calls a function by the name its author gave it where it stands (__libc_malloc), the symbol
 * table by those that callers use (malloc): for a function that others can call, the latter is what
 * users look for, and it is the same name whether or not debug data are installed. A mangled symbol
 * also says the scope, which DWARF leaves out for types without linkage.
 */
static void outermost_name(struct pp_symbolizer *symbolizer, struct module *module, uint64_t offset, uint64_t entry,
			   struct pp_symbol_frame *frame)
{
	struct pp_symbol *symbol = symbol_table_find(&module->symbols, offset);
	const char *name;
	bool is_readable;

	name = symbol ? symbol_name(&module->symbols, symbol, &symbolizer->strings) : NULL;
	/* A name that is too long to be made readable is no gain. */
	is_readable = name && (symbol->mangled || (symbol->global && strncmp(name, "_Z", 2)));
	if (name && (!frame->function || (symbol->address == entry && is_readable)))
		frame->function = name;
	if (!frame->function)
		frame->function = binary_stub_name(&module->binary, offset, &symbolizer->strings);
}

/* Where the nameless function around the address begins; 0: not known. A stripped binary has its unwind tables still:
 * without them every address would be a function of its own. */
static uint64_t function_entry(struct module *module, uint64_t offset)
{
	Dwarf_Frame *frame;

	if (!module->unwind && module->binary.main.elf)
		module->unwind = dwarf_getcfi_elf(module->binary.main.elf);
	/* Is it covered at all? The search below does not see where functions end. */
	if (!module->unwind || dwarf_cfi_addrframe(module->unwind, offset, &frame) != 0)
		return 0;
	free(frame);
	return binary_function_entry(&module->binary, offset);
}

/* The frames of an address, at least one. */
static size_t module_frames(struct pp_symbolizer *symbolizer, struct module *module, uint64_t offset,
			    struct pp_symbol_frame frames[static DEBUG_FRAMES_MAX])
{
	uint64_t entry = 0;
	size_t count = 0;

	if (module->debug)
		count = debug_lookup(module->debug, offset, frames, &entry);
	if (!count) {
		frames[0] = unknown_frame;
		count = 1;
	}
	outermost_name(symbolizer, module, offset, entry, &frames[count - 1]);
	if (!frames[count - 1].function)
		frames[count - 1].entry = function_entry(module, offset);
	return count;
}

static const struct answer *module_resolve(struct pp_symbolizer *symbolizer, struct module *module, uint64_t offset)
{
	struct pp_symbol_frame frames[DEBUG_FRAMES_MAX];
	struct answer *answer;
	volatile size_t count = 1;
	sigjmp_buf escape;

	module_open(symbolizer, module);
	module->used_at = ++symbolizer->turn;
	if (sigsetjmp(escape, 0)) {
		module_give_up(module);
		frames[0] = unknown_frame;
	} else {
		cut_file_escape = &escape;
		count = module_frames(symbolizer, module, offset, frames);
	}
	cut_file_escape = NULL;
	answer = arena_alloc(symbolizer->strings.arena, sizeof(*answer) + count * sizeof(frames[0]));
	answer->count = count;
	memcpy(answer->frames, frames, count * sizeof(frames[0]));
	return answer;
}

size_t symbolizer_lookup(struct pp_symbolizer *symbolizer, uint32_t module_number, uint64_t offset,
			 const struct pp_symbol_frame **frames)
{
	const struct answer *answer;
	struct module *module;
	const uint64_t *known;

	*frames = &unknown_frame;
	if (module_number >= symbolizer->module_count)
		return 1;
	module = &symbolizer->modules[module_number];
	known = table_find(&module->answers, offset);
	if (known) {
		answer = (const struct answer *)(uintptr_t)*known;
	} else {
		answer = module_resolve(symbolizer, module, offset);
		table_set(&module->answers, offset, (uintptr_t)answer);
		modules_trim(symbolizer);
	}
	*frames = answer->frames;
	return answer->count;
}

static int offset_compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

void symbolizer_prefetch(struct pp_symbolizer *symbolizer, uint32_t module, const uint64_t *offsets, size_t count)
{
	uint64_t *sorted = calloc(count ? count : 1, sizeof(*sorted));
	const struct pp_symbol_frame *frames;

	if (!sorted)
		return;
	memcpy(sorted, offsets, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), offset_compare);
	for (size_t i = 0; i < count; i++)
		if (!i || sorted[i] != sorted[i - 1])
			symbolizer_lookup(symbolizer, module, sorted[i], &frames);
	free(sorted);
}
