/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: its file, followed through scripts to what is executed; whether it can be preloaded into; whose malloc it
 * calls; what its language means for a profile; what names and lines its files have. See doctor.h. The program is not
 * executed: glibc's loader is asked what it would load (as ldd does), preprof's library among it.
 */
#include "doctor.h"

#include "elf_bound.h"

#include "launch_program.h"
#include "symbolize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 4
#define LOADED_MAX   256

struct loaded {
	char path[PATH_MAX]; /* "": not found */
	char name[128];
};

struct program {
	const char *command;
	char path[PATH_MAX]; /* what is executed in the end */
	struct pp_doctor_elf elf;
	struct loaded *loaded;
	size_t loaded_count;
	bool can_preload;
};

/* ---- the file ---- */

/* The words of a script's first line: interpreter, and its one argument ("" if there is none). */
static bool script_read(const char *path, char *interpreter, char *argument)
{
	char line[PATH_MAX];
	char *at, *end;

	if (!doctor_read(path, line, sizeof(line)) || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	at = line + 2 + strspn(line + 2, " \t");
	end = at + strcspn(at, " \t");
	snprintf(interpreter, PATH_MAX, "%.*s", (int)(end - at), at);
	at = end + strspn(end, " \t");
	snprintf(argument, PATH_MAX, "%s", at);
	return interpreter[0];
}

/* What env executes: the first word that is no option and no variable. */
static bool env_word(char *argument, char *word)
{
	char *rest = argument;

	for (char *item; (item = strsep(&rest, " \t"));) {
		if (*item && *item != '-' && !strchr(item, '=')) {
			snprintf(word, PATH_MAX, "%s", item);
			return true;
		}
	}
	return false;
}

/* Follows scripts to what is executed. false: there is nothing. */
static bool file_follow(struct pp_doctor *doctor, struct program *program)
{
	char interpreter[PATH_MAX], argument[PATH_MAX], word[PATH_MAX], real[PATH_MAX];
	struct pp_error error;
	int status;

	if (!program_find(program->command, program->path, &status, &error)) {
		doctor_add(doctor, "file", PP_DOCTOR_NO, "%s", error.text);
		return false;
	}
	for (int depth = 0; script_read(program->path, interpreter, argument); depth++) {
		const char *base = strrchr(interpreter, '/') ? strrchr(interpreter, '/') + 1 : interpreter;
		const char *next = strcmp(base, "env") == 0 && env_word(argument, word) ? word : interpreter;

		if (depth == SCRIPT_DEPTH || !program_find(next, real, &status, &error)) {
			doctor_add(doctor, "file", PP_DOCTOR_NO, "%.150s is a script, its interpreter cannot be executed: %.150s",
				   program->path, depth == SCRIPT_DEPTH ? "too many scripts in a row" : error.text);
			return false;
		}
		doctor_add(doctor, "script", PP_DOCTOR_OK, "%.180s is a script: what is profiled is %.180s", program->path,
			   real);
		strcpy(program->path, real);
	}
	/* Its symbols are looked for from elsewhere. */
	if (program->path[0] != '/' && realpath(program->path, real))
		strcpy(program->path, real);
	return true;
}

static bool privileges_check(struct pp_doctor *doctor, const struct program *program)
{
	char capability[64];
	struct stat status;

	if (stat(program->path, &status) != 0)
		return true;
	if (((status.st_mode & S_ISUID) && status.st_uid != getuid()) ||
	    ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid())) {
		doctor_add(doctor, "privileges", PP_DOCTOR_NO,
			   "it is set-uid or set-gid: nobody can preload into it, and it obeys no setting");
		doctor_mend(doctor, "run a copy without that bit, or run it as its owner");
		return false;
	}
	if (geteuid() != 0 && getxattr(program->path, "security.capability", capability, sizeof(capability)) > 0) {
		doctor_add(doctor, "privileges", PP_DOCTOR_NO, "it has file capabilities: nobody can preload into it");
		doctor_mend(doctor, "run a copy (cp drops them), or run it as root");
		return false;
	}
	return true;
}

static bool kind_refuse(struct pp_doctor *doctor, const char *mend, const char *text)
{
	doctor_add(doctor, "file", PP_DOCTOR_NO, "%s", text);
	doctor_mend(doctor, "%s", mend);
	return false;
}

static bool kind_check(struct pp_doctor *doctor, struct program *program)
{
	const struct pp_doctor_elf *elf = &program->elf;
	const char *loader;
	char text[300];

	if (!doctor_elf_read(program->path, &program->elf)) {
		snprintf(text, sizeof(text), "%.200s is neither a program nor a script with a #! line", program->path);
		return kind_refuse(doctor, access(program->path, R_OK) == 0 ? "name the program itself" : "it cannot be read",
				   text);
	}
	if (!elf->is_64) {
		snprintf(text, sizeof(text), "%.200s is a 32-bit program, and libpreprof.so is a 64-bit library", program->path);
		return kind_refuse(doctor, "build it for 64 bits", text);
	}
	if (!elf->is_own_machine) {
		snprintf(text, sizeof(text), "%.200s is for another kind of processor", program->path);
		return kind_refuse(doctor, "profile it where it runs by itself", text);
	}
	if (!elf->is_linked) {
		snprintf(text, sizeof(text), "%.200s is statically linked%s: nothing can be preloaded into it", program->path,
			 elf->is_go ? ", a Go program" : "");
		return kind_refuse(doctor,
				   elf->is_go ? "its own profiler (runtime/pprof) sees what malloc does not serve"
					      : "link it dynamically (without -static)",
				   text);
	}
	loader = strrchr(elf->interpreter, '/') ? strrchr(elf->interpreter, '/') + 1 : elf->interpreter;
	if (strncmp(loader, "ld-linux", 8) != 0) {
		snprintf(text, sizeof(text), "%.150s uses another C library than glibc (%.100s)", program->path,
			 elf->interpreter);
		return kind_refuse(doctor, "build it for glibc", text);
	}
	if (access(elf->interpreter, X_OK) != 0) {
		snprintf(text, sizeof(text), "%.150s wants the loader %.100s: %s", program->path, elf->interpreter,
			 strerror(errno));
		return kind_refuse(doctor, "install the C library that it was built for", text);
	}
	doctor_add(doctor, "file", PP_DOCTOR_OK, "%.250s, dynamically linked with glibc", program->path);
	return true;
}

/* ---- what is loaded ---- */

/* Lines of the loader: "\tlibm.so.6 => /lib/libm.so.6 (0x...)", "\t/lib/x.so (0x...)", "\tlibx.so => not found". */
static void loaded_parse(struct program *program, char *text)
{
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		struct loaded *loaded = &program->loaded[program->loaded_count];
		char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + 1;
		char *end = strstr(path, " (0x");

		if (line[0] != '\t' || program->loaded_count == LOADED_MAX || (!end && !arrow))
			continue;
		snprintf(loaded->path, sizeof(loaded->path), "%.*s", end ? (int)(end - path) : 0, path);
		if (arrow)
			snprintf(loaded->name, sizeof(loaded->name), "%.*s", (int)(arrow - line - 1), line + 1);
		else
			snprintf(loaded->name, sizeof(loaded->name), "%.127s",
				 strrchr(loaded->path, '/') ? strrchr(loaded->path, '/') + 1 : loaded->path);
		program->loaded_count++;
	}
}

static const struct loaded *loaded_find(const struct program *program, const char *name)
{
	for (size_t i = 0; i < program->loaded_count; i++) {
		if (strncmp(program->loaded[i].name, name, strlen(name)) == 0)
			return &program->loaded[i];
	}
	return NULL;
}

static bool loader_check(struct pp_doctor *doctor, struct program *program)
{
	static struct pp_doctor_asked asked;
	const struct loaded *missing = NULL;
	char real[PATH_MAX];
	bool good;

	program->loaded = calloc(LOADED_MAX + 1, sizeof(*program->loaded));
	if (!program->loaded)
		return false;
	/* The parts may be missing, which has a line of its own. */
	good = realpath(program->path, real) && /* as the kernel hands it on: $ORIGIN follows links */
	       doctor_ask((const char *[]){program->elf.interpreter, "--list", real, NULL}, doctor->library, &asked);
	loaded_parse(program, asked.text);
	for (size_t i = 0; i < program->loaded_count; i++) {
		if (!program->loaded[i].path[0])
			missing = &program->loaded[i];
	}
	if (missing) {
		doctor_add(doctor, "libraries", PP_DOCTOR_NO, "%s, which it needs, is not found: it does not start", missing->name);
		doctor_mend(doctor, "install it, or set LD_LIBRARY_PATH");
		return false;
	}
	if (!good) {
		asked.text[strcspn(asked.text, "\n")] = '\0';
		doctor_add(doctor, "libraries", PP_DOCTOR_NO, "its loader refuses it: %.300s", asked.text);
		return false;
	}
	if (doctor->library[0] && !loaded_find(program, "libpreprof.so")) {
		doctor_add(doctor, "libraries", PP_DOCTOR_NO, "its loader does not take %.300s", doctor->library);
		doctor_mend(doctor, "glibc 2.35 or newer, and a library that it may read");
		return false;
	}
	doctor_add(doctor, "libraries", PP_DOCTOR_OK, "%zu are loaded with it, libpreprof.so among them",
		   program->loaded_count);
	return true;
}

/* ---- whose malloc ---- */

static bool is_of_libc(const char *name)
{
	return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "ld-linux", 8) == 0 ||
	       strcmp(name, "libpreprof.so") == 0 || strncmp(name, "linux-vdso", 10) == 0;
}

/* A library, other than libc and ours, that has a malloc for all. */
static const struct loaded *allocator_find(const struct program *program)
{
	struct pp_doctor_elf elf;

	for (size_t i = 0; i < program->loaded_count; i++) {
		const struct loaded *loaded = &program->loaded[i];

		if (!is_of_libc(loaded->name) && loaded->path[0] && doctor_elf_read(loaded->path, &elf) &&
		    elf.exports_malloc)
			return loaded;
	}
	return NULL;
}

static bool is_sanitizer(const char *name)
{
	return strncmp(name, "libasan", 7) == 0 || strncmp(name, "libtsan", 7) == 0 || strncmp(name, "liblsan", 7) == 0 ||
	       strncmp(name, "libhwasan", 9) == 0 || strncmp(name, "libclang_rt", 11) == 0;
}

static void allocator_check(struct pp_doctor *doctor, const struct program *program)
{
	const struct pp_doctor_elf *elf = &program->elf;
	const char *plugins = elf->imports_dlopen ? ", but of libraries opened RTLD_DEEPBIND" : "";
	const struct loaded *allocator = allocator_find(program);

	if (elf->has_sanitizer || (allocator && is_sanitizer(allocator->name))) {
		doctor_add(doctor, "malloc", PP_DOCTOR_LIMITED,
			   "it is built with a sanitizer (%s), which has a malloc of its own: CPU samples only",
			   allocator ? allocator->name : "in the program itself");
		doctor_mend(doctor, "build it without -fsanitize for its memory's sake");
	} else if (elf->exports_malloc) {
		doctor_add(doctor, "malloc", PP_DOCTOR_LIMITED,
			   "the program defines malloc itself, before any preload: CPU samples only");
		doctor_mend(doctor, "link the allocator dynamically, or without its malloc");
	} else if (elf->has_malloc) {
		doctor_add(doctor, "malloc", PP_DOCTOR_LIMITED,
			   "the program has a malloc of its own inside: what that serves is not seen");
		doctor_mend(doctor, "link the allocator dynamically");
	} else if (allocator) {
		doctor_add(doctor, "malloc", PP_DOCTOR_OK, "%.200s; its allocations are seen", allocator->path);
	} else {
		doctor_add(doctor, "malloc", PP_DOCTOR_OK, "glibc's; all allocations are seen%s", plugins);
	}
}

static void bound_check(struct pp_doctor *doctor, const struct program *program)
{
	struct pp_doctor_elf elf;

	for (size_t i = 0; i < program->loaded_count; i++) {
		const struct loaded *loaded = &program->loaded[i];

		if (is_of_libc(loaded->name) || is_sanitizer(loaded->name) || !loaded->path[0] ||
		    !doctor_elf_read(loaded->path, &elf) || !elf.bound)
			continue;
		doctor_add(doctor, "own calls", PP_DOCTOR_LIMITED, "%.200s is bound to a %s of its own: its calls of %s are not seen",
			   loaded->path, elf.bound & PP_ELF_BOUND_MALLOC ? "malloc" : "read or write",
			   elf.bound == PP_ELF_BOUND_MALLOC ? "that"
			   : elf.bound == PP_ELF_BOUND_IO   ? "those and their like"
							    : "that, and of its I/O functions,");
		doctor_mend(doctor, "link it without -Bsymbolic, -Bsymbolic-functions and protected symbols");
	}
}

/* ---- the language ---- */

static void language_check(struct pp_doctor *doctor, const struct program *program)
{
	const struct pp_doctor_elf *elf = &program->elf;

	if (elf->is_go) {
		doctor_add(doctor, "language", PP_DOCTOR_LIMITED,
			   "Go: its own heap is no malloc, only C's allocations (cgo) are seen; CPU samples are complete");
		doctor_mend(doctor, "runtime/pprof for Go's heap");
	} else if (elf->is_python || loaded_find(program, "libpython")) {
		doctor_add(doctor, "language", PP_DOCTOR_LIMITED,
			   "Python: stacks have its functions and lines (CPython 3.8 to 3.13), but small objects come from its "
			   "own allocator");
		doctor_mend(doctor, "PYTHON_HEAP=exact shows each of them, sampled some");
	} else if (elf->is_java || loaded_find(program, "libjli.so") || loaded_find(program, "libjvm.so")) {
		doctor_add(doctor, "language", PP_DOCTOR_LIMITED,
			   "Java: its heap is no malloc, the JVM's own memory is seen; compiled methods have no names by themselves");
		doctor_mend(doctor, "-XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit names them");
	} else if (elf->is_node || loaded_find(program, "libnode.so")) {
		doctor_add(doctor, "language", PP_DOCTOR_LIMITED,
			   "JavaScript (node): its heap is no malloc; functions have no names by themselves");
		doctor_mend(doctor, "NODE_OPTIONS=\"--perf-basic-prof --interpreted-frames-native-stack\" names them");
	} else if (elf->is_rust) {
		doctor_add(doctor, "language", PP_DOCTOR_OK, "Rust: names are made readable");
	}
}

/* ---- names and lines ---- */

/* The Debian package that a file belongs to; "": none, or this is no Debian. */
static void package_find(const char *path, char *package, size_t size)
{
	static struct pp_doctor_asked asked;
	const char *tool = "/usr/bin/dpkg-query";
	char real[PATH_MAX];
	const char *forms[2];

	package[0] = '\0';
	if (!realpath(path, real))
		return;
	/* Packages name files by the places they had before /lib and /bin became links. */
	forms[0] = real;
	forms[1] = strncmp(real, "/usr/", 5) == 0 ? real + 4 : real;
	for (size_t i = 0; i < 2 && !package[0] && access(tool, X_OK) == 0; i++) {
		if (doctor_ask((const char *[]){tool, "-S", forms[i], NULL}, "", &asked))
			snprintf(package, size, "%.*s", (int)strcspn(asked.text, ":, \n"), asked.text);
	}
}

static void symbols_mend(struct pp_doctor *doctor, const char *path, const struct pp_doctor_elf *elf)
{
	char package[128], id[2 * sizeof(elf->build_id) + 1] = "";

	for (size_t i = 0; i < elf->build_id_size; i++)
		snprintf(id + 2 * i, 3, "%02x", elf->build_id[i]);
	package_find(path, package, sizeof(package));
	if (strcmp(package, "libc6") == 0)
		doctor_mend(doctor, "apt install libc6-dbg");
	else if (package[0])
		doctor_mend(doctor,
			    "apt install %s-dbgsym (archive debian-debug), or debuginfod-find debuginfo %.100s, for "
			    "/usr/lib/debug/.build-id/%.2s/%s.debug",
			    package, path, id, id + (id[0] ? 2 : 0));
	else
		doctor_mend(doctor, elf->has_symbols ? "compile with -g" : "compile with -g, and do not strip it");
}

static void symbols_check(struct pp_doctor *doctor, struct pp_symbolizer *symbolizer, const char *name, const char *path)
{
	struct pp_doctor_elf elf;
	uint32_t module;

	if (!doctor_elf_read(path, &elf))
		return;
	module = symbolizer_module(symbolizer, path, elf.build_id, elf.build_id_size, -1);
	switch (symbolizer_module_state(symbolizer, module)) {
	case SYMBOLIZER_MODULE_LINES:
		doctor_add(doctor, name, PP_DOCTOR_OK, "functions, inlined calls, lines (DWARF%s)",
			   elf.has_debug_info ? "" : " in a separate debug file");
		return;
	case SYMBOLIZER_MODULE_SYMBOLS:
		doctor_add(doctor, name, PP_DOCTOR_LIMITED, "functions, no lines (%s)",
			   elf.has_symbols	? "a symbol table, no DWARF"
			   : elf.has_mini_symbols ? ".gnu_debugdata"
						  : "exported ones only: it is stripped");
		break;
	case SYMBOLIZER_MODULE_CHANGED:
	case SYMBOLIZER_MODULE_MISSING:
	case SYMBOLIZER_MODULE_STRIPPED:
		doctor_add(doctor, name, PP_DOCTOR_LIMITED, "no names at all: it is stripped");
		break;
	}
	symbols_mend(doctor, path, &elf);
}

static void names_check(struct pp_doctor *doctor, const struct program *program)
{
	struct pp_symbolizer *symbolizer = symbolizer_create();
	const struct loaded *libc = loaded_find(program, "libc.so");

	if (!symbolizer)
		return;
	symbols_check(doctor, symbolizer, "symbols", program->path);
	if (libc)
		symbols_check(doctor, symbolizer, "libc's symbols", libc->path);
	symbolizer_destroy(symbolizer);
}

void doctor_program(struct pp_doctor *doctor, const char *command)
{
	struct program *program = calloc(1, sizeof(*program));

	doctor->group = "program";
	if (!program)
		return;
	program->command = command;
	if (file_follow(doctor, program) && privileges_check(doctor, program) && kind_check(doctor, program) &&
	    loader_check(doctor, program)) {
		allocator_check(doctor, program);
		bound_check(doctor, program);
		language_check(doctor, program);
		names_check(doctor, program);
	}
	free(program->loaded);
	free(program);
}
