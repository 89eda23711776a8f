/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses to names: functions, inlined calls, files and lines of the modules a target had mapped.
 *
 * One symbolizer is used by one thread at a time. It never contacts the network, never runs
 * anything, and takes every ELF file for hostile: what cannot be read makes the answer poorer
 * (symbol without line, module without symbol) and never fails the caller. Out of memory does the
 * same.
 *
 * Where names come from, best first: DWARF of the module or of its separate debug file (found by
 * build id below the debug roots, or by .gnu_debuglink), the symbol table of either, the symbol table
 * in .gnu_debugdata, the dynamic symbols, the procedure linkage table. A debuginfod server is never
 * asked.
 */
#ifndef PREPROF_SYMBOLIZE_H
#define PREPROF_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pp_symbolizer;

/* One frame. Strings are interned (equal text is the same pointer) and NULL where unknown. */
struct pp_symbol_frame {
	const char *function; /* demangled */
	const char *file;     /* absolute and normalised where the debug data allow it */
	uint32_t line;	      /* 0: unknown */
	bool inlined;	      /* this call exists only inside the next frame's function */
	uint64_t entry;	      /* where a function without a name begins, by its unwind table; 0: not known */
};

enum symbolizer_module_state {
	SYMBOLIZER_MODULE_MISSING,  /* no such file, or not ELF, and no debug file for its build id */
	SYMBOLIZER_MODULE_CHANGED,  /* the file has another build id than the target had mapped */
	SYMBOLIZER_MODULE_STRIPPED, /* no symbol at all */
	SYMBOLIZER_MODULE_SYMBOLS,  /* function names, no lines */
	SYMBOLIZER_MODULE_LINES,    /* DWARF: inlined calls, files and lines */
};

/* NULL: out of memory. */
struct pp_symbolizer *symbolizer_create(void);

/* Frees all strings and frames handed out. NULL is legal. */
void symbolizer_destroy(struct pp_symbolizer *symbolizer);

/*
 * Folders with separate debug files, separated by colons, in the order to search; /usr/lib/debug
 * unless this is called. Before the first module.
 */
bool symbolizer_set_debug_roots(struct pp_symbolizer *symbolizer, const char *roots);

/*
 * How much memory open debug data may take before they are closed again (an estimate of what libdw
 * has built on the heap; the files themselves are mapped and reclaimable). 128 MiB unless called.
 */
void symbolizer_set_budget(struct pp_symbolizer *symbolizer, size_t bytes);

/*
 * Announce a module as the target named it and get its number; the same path and build id give the
 * same number. build_id_size 0: unknown. fd: a descriptor of the file, borrowed for this call (it is
 * duplicated), or -1: path is opened when it is first needed. "[vdso]" and "linux-vdso.so.1" name the
 * kernel's, which is read from this process if the build id is the same. UINT32_MAX: out of memory;
 * every lookup in it finds nothing.
 */
uint32_t symbolizer_module(struct pp_symbolizer *symbolizer, const char *path, const uint8_t *build_id,
			   size_t build_id_size, int fd);

/* Opens the module's files if that has not happened yet. */
enum symbolizer_module_state symbolizer_module_state(struct pp_symbolizer *symbolizer, uint32_t module);

/* What is to be said of a module, as far as it was opened; bits. */
enum symbolizer_remark {
	SYMBOLIZER_OWN_MALLOC = 1, /* it defines malloc, and is bound to that whatever others define: -Bsymbolic, or hidden */
	SYMBOLIZER_OWN_IO = 4, /* the same of read, write and their like */
	SYMBOLIZER_DEBUG_TOO_LARGE = 2, /* its compressed debug data would take more memory than is sensible */
};
uint32_t symbolizer_module_remarks(const struct pp_symbolizer *symbolizer, uint32_t module);

/*
 * The frames of one address, innermost first. offset is the ELF virtual address (pc - load bias); for
 * a return address the caller passes pc - 1. Returns the count, at least 1: an unknown function is
 * one frame with function NULL. The frames live as long as the symbolizer.
 */
size_t symbolizer_lookup(struct pp_symbolizer *symbolizer, uint32_t module, uint64_t offset,
			 const struct pp_symbol_frame **frames);

/*
 * Look up many offsets of one module now, in address order, so that later symbolizer_lookup calls are
 * hits in a table. The order given does not matter; repeats are fine. Worth it from a few dozen on.
 */
void symbolizer_prefetch(struct pp_symbolizer *symbolizer, uint32_t module, const uint64_t *offsets, size_t count);

/*
 * Close the files of one module, or of all, and drop their tables; answers already given stay valid and known, a new
 * offset opens them again. For when a module's addresses, or those of a publication, are done.
 */
void symbolizer_module_release(struct pp_symbolizer *symbolizer, uint32_t module);
void symbolizer_release(struct pp_symbolizer *symbolizer);

#endif
