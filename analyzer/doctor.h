/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `preprof doctor` finds out: lines, each a fact that was tried out where that can be done, whether it stands in the
 * way of profiling, and how to mend it.
 *   cmd_doctor.c       the command, its screen and its JSON
 *   doctor.c           the list of lines
 *   doctor_machine.c   what the kernel gives
 *   doctor_limits.c    the container, resource limits
 *   doctor_parts.c     preprof itself, where recordings go, settings, other preloads
 *   doctor_program.c   the program: file, kind, allocator, language, symbols
 *   doctor_elf.c       what its file says
 *   doctor_run.c       other programs asked: their output, in time
 * One thread. Nothing is left behind, and the program in question is never executed.
 */
#ifndef PREPROF_DOCTOR_H
#define PREPROF_DOCTOR_H

#include "launch.h"

#include "error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* limited: there will be a profile, and something is missing in it. no: there will be none. */
enum pp_doctor_state { PP_DOCTOR_OK, PP_DOCTOR_LIMITED, PP_DOCTOR_NO };

struct pp_doctor_line {
	const char *group; /* "machine", "container", "preprof", "program" */
	const char *name;
	enum pp_doctor_state state;
	char text[400];
	char mend[400]; /* "": nothing to do */
};

#define PP_DOCTOR_LINES 64
struct pp_doctor {
	struct pp_doctor_line lines[PP_DOCTOR_LINES];
	uint32_t count;
	const char *group; /* of the lines that follow */
	char library[PATH_MAX]; /* ours; "" when it is missing */
	struct pp_parts parts; /* a link to it may be needed until the end: doctor_finish */
};

/* The next line; its mend is empty. */
struct pp_doctor_line *doctor_add(struct pp_doctor *doctor, const char *name, enum pp_doctor_state state,
				  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* How to mend the line that was added last. */
void doctor_mend(struct pp_doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The worst of all lines. */
enum pp_doctor_state doctor_verdict(const struct pp_doctor *doctor);

void doctor_machine(struct pp_doctor *doctor);
void doctor_container(struct pp_doctor *doctor);
/* program: the command in question, for the name of the recording; may be NULL. */
void doctor_parts(struct pp_doctor *doctor, const char *program);
void doctor_program(struct pp_doctor *doctor, const char *command);
void doctor_finish(struct pp_doctor *doctor);

/* ---- doctor_run.c ---- */

struct pp_doctor_asked {
	int status;	 /* as of waitpid; -1: it could not be run, or not be waited for any longer */
	char text[32768]; /* its output, errors included, cut to fit */
};

/* Runs argv[0] (an absolute path) with a null input for at most ten seconds. preload: its LD_PRELOAD; NULL: as ours, ""
 * none. false: it could not be run, or did not end with 0. */
bool doctor_ask(const char *const argv[], const char *preload, struct pp_doctor_asked *asked);

/* A whole small file of /proc and the like, terminated; false: not there. */
bool doctor_read(const char *path, char *text, size_t size);

/* ---- doctor_elf.c ---- */

#define PP_DOCTOR_NEEDED 96
struct pp_doctor_elf {
	bool is_64, is_own_machine, is_linked; /* is_linked: it has an interpreter */
	char interpreter[PATH_MAX];
	bool exports_malloc;   /* for all objects of the program */
	uint32_t bound;	       /* elf_bound.h */
	bool has_malloc;       /* in its full symbol table */
	bool has_sanitizer;    /* its runtime is in the file itself */
	bool imports_dlopen;
	bool is_go, is_rust, is_python, is_node, is_java;
	bool has_debug_info, has_symbols, has_mini_symbols, has_debug_link;
	uint8_t build_id[64];
	size_t build_id_size;
	char needed[PP_DOCTOR_NEEDED][128]; /* libraries that it names itself */
	size_t needed_count;
};

/* false: no ELF file. */
bool doctor_elf_read(const char *path, struct pp_doctor_elf *elf);
/* The text in a section; "" and false: there is none. */
bool doctor_elf_section(const char *path, const char *name, char *text, size_t size);

#endif
