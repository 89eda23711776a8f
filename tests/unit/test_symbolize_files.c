/* SPDX-License-Identifier: Apache-2.0 */
/* Where symbols are found: separate debug files, packed and bare symbol tables, the vdso, and nothing at all. */
#include "symbols/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char *const chain_sources = "$S/chain.c $S/chain_main.c";

/* chain, and chain.so with its symbols exported, each with its build id. */
static void build_chain(const char *link_flags)
{
	fixture_run("gcc -O2 -g %s %s -o chain && gcc -O2 -g -shared -fPIC $S/chain.c %s -o chain.so", chain_sources,
		    link_flags, link_flags);
}

/* Move the debug data of a file to where its build id says. */
static void move_to_root(const char *file)
{
	fixture_run("id=$(readelf -n %s | awk '/Build ID/ { print $3 }') && "
		    "d=root/.build-id/$(echo $id | cut -c1-2) && mkdir -p $d && "
		    "objcopy --only-keep-debug %s $d/$(echo $id | cut -c3-).debug && strip --strip-all %s -o %s.bare",
		    file, file, file, file);
}

PP_TEST(debug_file_by_build_id)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	build_chain("");
	move_to_root("chain");
	fixture_check_chain(symbolizer, "chain.bare", "chain");
	symbolizer_destroy(symbolizer);
}

/* The module itself is gone or replaced, but its debug file is still there. */
PP_TEST(debug_file_of_a_module_that_is_gone)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	uint8_t id[20];
	char text[64] = "";
	const struct pp_symbol_frame *frames;
	uint32_t module;
	FILE *pipe;

	build_chain("");
	move_to_root("chain");
	fixture_run("readelf -n chain | awk '/Build ID/ { print $3 }' > id");
	snprintf(text, sizeof(text), "%s/id", fixture_path());
	pipe = fopen(text, "r");
	PP_CHECK(pipe != NULL);
	for (size_t i = 0; pipe && i < sizeof(id); i++)
		PP_CHECK_EQ(fscanf(pipe, "%2hhx", &id[i]), 1);
	if (pipe)
		fclose(pipe);
	module = symbolizer_module(symbolizer, "/nonexistent/chain", id, sizeof(id), -1);
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, fixture_address("chain", "mark_leaf"), &frames), 3);
	PP_CHECK_STR(frames[0].function, "leaf");
	/* Without one, a file with another build id is not believed. */
	id[0] ^= 1;
	snprintf(text, sizeof(text), "%s/chain", fixture_path());
	module = symbolizer_module(symbolizer, text, id, sizeof(id), -1);
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, module), SYMBOLIZER_MODULE_CHANGED);
	symbolizer_lookup(symbolizer, module, fixture_address("chain", "mark_leaf"), &frames);
	PP_CHECK_STR(frames[0].function, NULL);
	symbolizer_destroy(symbolizer);
}

PP_TEST(debug_file_by_link_and_checksum)
{
	static const char *const places[] = {".", ".debug", "root$PWD"};

	for (size_t i = 0; i < 3; i++) {
		struct pp_symbolizer *symbolizer = fixture_symbolizer();

		fixture_run("rm -rf chain* .debug root");
		build_chain("-Wl,--build-id=none");
		fixture_run("objcopy --only-keep-debug chain chain.debug && strip chain -o chain.bare && "
			    "objcopy --add-gnu-debuglink=chain.debug chain.bare && mkdir -p %s && "
			    "{ [ %s = . ] || mv chain.debug %s; }",
			    places[i], places[i], places[i]);
		fixture_check_chain(symbolizer, "chain.bare", "chain");
		symbolizer_destroy(symbolizer);
		/* The same file, changed since: the checksum says so. */
		fixture_run("printf x >> %s/chain.debug", places[i]);
		symbolizer = fixture_symbolizer();
		fixture_check_symbol(symbolizer, "chain.bare", fixture_address("chain", "mark_leaf"), NULL);
		symbolizer_destroy(symbolizer);
	}
}

PP_TEST(symbol_table_alone)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	build_chain("");
	fixture_run("strip --strip-debug chain -o chain.bare");
	fixture_check_symbol(symbolizer, "chain.bare", fixture_address("chain", "mark_leaf"), "outer");
	fixture_check_symbol(symbolizer, "chain.bare", fixture_address("chain", "mark_hidden"), "hidden");
	fixture_check_symbol(symbolizer, "chain.bare", fixture_address("chain", "mark_alias"), "pp_alias");
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, fixture_module(symbolizer, "chain.bare")),
		    SYMBOLIZER_MODULE_SYMBOLS);
	symbolizer_destroy(symbolizer);
}

PP_TEST(dynamic_symbols_alone)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	build_chain("");
	fixture_run("strip --strip-all chain.so -o bare.so");
	fixture_check_symbol(symbolizer, "bare.so", fixture_address("chain.so", "mark_leaf"), "outer");
	fixture_check_symbol(symbolizer, "bare.so", fixture_address("chain.so", "mark_alias"), "pp_alias");
	symbolizer_destroy(symbolizer);
}

PP_TEST(packed_symbol_table)
{
	struct pp_symbolizer *symbolizer;

	if (!fixture_has("xz"))
		return;
	symbolizer = fixture_symbolizer();
	build_chain("");
	fixture_run("objcopy -S --keep-symbols=/dev/null chain bare 2>/dev/null || strip chain -o bare; "
		    "objcopy --only-keep-debug chain mini && objcopy -R '.debug*' mini && xz -k mini && "
		    "objcopy --add-section .gnu_debugdata=mini.xz bare packed");
	fixture_check_symbol(symbolizer, "packed", fixture_address("chain", "mark_hidden"), "hidden");
	fixture_check_symbol(symbolizer, "bare", fixture_address("chain", "mark_hidden"), NULL);
	symbolizer_destroy(symbolizer);
}

PP_TEST(stripped_and_unknown_addresses)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames;

	build_chain("");
	fixture_run("strip chain -o bare");
	fixture_check_symbol(symbolizer, "bare", fixture_address("chain", "mark_plain"), NULL);
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, fixture_module(symbolizer, "bare")),
		    SYMBOLIZER_MODULE_STRIPPED);
	fixture_check_symbol(symbolizer, "chain", 0, NULL);
	fixture_check_symbol(symbolizer, "chain", UINT64_MAX, NULL);
	fixture_check_symbol(symbolizer, "chain", UINT64_C(1) << 40, NULL);
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, 99, 0, &frames), 1);
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, UINT32_MAX, 0, &frames), 1);
	symbolizer_destroy(symbolizer);
}

static uint64_t entry_of(struct pp_symbolizer *symbolizer, const char *file, uint64_t address)
{
	const struct pp_symbol_frame *frames;

	PP_CHECK_EQ(symbolizer_lookup(symbolizer, fixture_module(symbolizer, file), address, &frames), 1);
	PP_CHECK(!frames->function);
	return frames->entry;
}

/* Two addresses of one nameless function have one entry, its own; where nothing is covered there is none. */
PP_TEST(functions_without_a_name)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	uint64_t start, mark;

	build_chain("");
	fixture_run("strip chain -o bare && objcopy -R .eh_frame -R .eh_frame_hdr bare none");
	start = fixture_address("chain", "hidden");
	mark = start + 1; /* its size is a few bytes more */
	PP_CHECK_EQ(entry_of(symbolizer, "bare", mark), start);
	PP_CHECK_EQ(entry_of(symbolizer, "bare", start), start);
	PP_CHECK_EQ(entry_of(symbolizer, "bare", 1), 0);
	PP_CHECK_EQ(entry_of(symbolizer, "bare", UINT64_C(1) << 40), 0);
	PP_CHECK_EQ(entry_of(symbolizer, "none", mark), 0);
	symbolizer_destroy(symbolizer);
}

PP_TEST(symbols_without_size_or_type)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	fixture_run("gcc -c $S/unsized.S -o unsized.o && echo 'PP_1 { *; };' > map && "
		    "gcc -shared unsized.o -Wl,--version-script=map -o unsized.so");
	fixture_check_symbol(symbolizer, "unsized.so", fixture_address("unsized.so", "unsized") + 3, "unsized");
	fixture_check_symbol(symbolizer, "unsized.so", fixture_address("unsized.so", "untyped") + 1, "untyped");
	fixture_check_symbol(symbolizer, "unsized.so", fixture_address("unsized.so", "label_inside") + 1, "sized");
	fixture_check_symbol(symbolizer, "unsized.so", fixture_address("unsized.so", "versioned@@PP_1"), "versioned");
	fixture_check_symbol(symbolizer, "unsized.so", fixture_address("unsized.so", "copied.part.0.cold"), "copied");
	symbolizer_destroy(symbolizer);
}

PP_TEST(linkage_table_stubs)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	static const char *const flags[] = {"-no-pie", "-fcf-protection -Wl,-z,ibtplt", "-Wl,-z,now"};

	for (size_t i = 0; i < 3; i++) {
		char name[32], path[128];
		unsigned long address = 0;
		FILE *file;

		snprintf(name, sizeof(name), "plt%zu", i);
		fixture_run("gcc -O1 -g %s %s -o %s && strip %s && objdump -d %s | "
			    "awk '/<puts@plt>:/ { print $1 }' > %s.address",
			    flags[i], chain_sources, name, name, name, name);
		snprintf(path, sizeof(path), "%s/%s.address", fixture_path(), name);
		file = fopen(path, "r");
		PP_CHECK(file && fscanf(file, "%lx", &address) == 1);
		if (file)
			fclose(file);
		fixture_check_symbol(symbolizer, name, address, "puts@plt");
		fixture_check_symbol(symbolizer, name, address + 4, "puts@plt");
	}
	symbolizer_destroy(symbolizer);
}

PP_TEST(vdso)
{
	struct pp_symbolizer *symbolizer = symbolizer_create();
	uint32_t module = symbolizer_module(symbolizer, "[vdso]", NULL, 0, -1);
	uint32_t other = symbolizer_module(symbolizer, "[vdso]", (const uint8_t *)"12345678901234567890", 20, -1);
	const struct pp_symbol_frame *frames;
	bool found = false;

	for (uint64_t offset = 0; offset < 16384; offset += 16) {
		symbolizer_lookup(symbolizer, module, offset, &frames);
		found |= frames[0].function && strstr(frames[0].function, "clock_gettime");
		symbolizer_lookup(symbolizer, other, offset, &frames);
		PP_CHECK_STR(frames[0].function, NULL);
	}
	PP_CHECK(found);
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, other), SYMBOLIZER_MODULE_CHANGED);
	symbolizer_destroy(symbolizer);
}

/* The path may mean another file by now, or nothing in this mount namespace: the descriptor counts. */
PP_TEST(module_by_descriptor)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames;
	uint64_t address;
	char path[128];
	uint32_t module;
	int fd;

	build_chain("");
	address = fixture_address("chain", "mark_leaf");
	snprintf(path, sizeof(path), "%s/chain", fixture_path());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	module = symbolizer_module(symbolizer, "/no/such/chain", NULL, 0, fd);
	close(fd);
	fixture_run("rm chain");
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, address, &frames), 3);
	PP_CHECK_STR(frames[2].function, "outer");
	symbolizer_destroy(symbolizer);
}

/* Nothing that is not a regular ELF file is read, waited for or believed. */
PP_TEST(files_that_are_no_modules)
{
	static const char *const names[] = {"fifo", "folder", "empty", "text", "archive.a", "missing"};
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	fixture_run("mkfifo fifo && mkdir folder && : > empty && echo '#!/bin/sh' > text && "
		    "gcc -c $S/unsized.S -o u.o && ar rc archive.a u.o");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fixture_check_symbol(symbolizer, names[i], 0x1000, NULL);
		PP_CHECK_EQ(symbolizer_module_state(symbolizer, fixture_module(symbolizer, names[i])),
			    SYMBOLIZER_MODULE_MISSING);
	}
	symbolizer_destroy(symbolizer);
}

/* Copying over a file cuts it first, while it is mapped here. */
PP_TEST(file_cut_while_it_is_open)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames;
	uint32_t module;
	uint64_t leaf, hidden;

	build_chain("");
	fixture_run("cp chain cut");
	leaf = fixture_address("chain", "mark_leaf");
	hidden = fixture_address("chain", "mark_hidden");
	module = fixture_module(symbolizer, "cut");
	/* Opened, but no unit read yet. */
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, module), SYMBOLIZER_MODULE_LINES);
	fixture_run("truncate -s 0 cut");
	symbolizer_lookup(symbolizer, module, leaf, &frames);
	PP_CHECK_STR(frames[0].function, NULL);
	symbolizer_lookup(symbolizer, module, hidden, &frames);
	PP_CHECK_STR(frames[0].function, NULL);
	PP_CHECK_EQ(symbolizer_module_state(symbolizer, module), SYMBOLIZER_MODULE_CHANGED);
	fixture_check_chain(symbolizer, "chain", "chain");
	symbolizer_destroy(symbolizer);
}

/* No address of a damaged file may end or hang the process. */
static void look_everywhere(const char *path)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	uint32_t module = symbolizer_module(symbolizer, path, NULL, 0, -1);
	const struct pp_symbol_frame *frames;

	for (uint64_t offset = 0x1000; offset < 0x1400; offset += 3)
		PP_CHECK(symbolizer_lookup(symbolizer, module, offset, &frames) >= 1);
	symbolizer_destroy(symbolizer);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	PP_CHECK(write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

/* Each damage in a process of its own, so that a crash is one failure with its number. */
static void look_in_child(const char *path, unsigned number)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		alarm(10);
		look_everywhere(path);
		_exit(pp_test_failures ? 1 : 0);
	}
	waitpid(child, &status, 0);
	if (status)
		pp_test_fail(__FILE__, __LINE__, "damage %u: wait status %d", number, status);
}

PP_TEST(damaged_files)
{
	static uint8_t original[1 << 20], copy[1 << 20];
	uint64_t random = 88172645463325252u;
	char path[128];
	ssize_t size;
	int fd;

	build_chain("-Wl,-z,noseparate-code");
	snprintf(path, sizeof(path), "%s/chain", fixture_path());
	fd = open(path, O_RDONLY);
	size = read(fd, original, sizeof(original));
	close(fd);
	PP_CHECK(size > 4096 && size < (ssize_t)sizeof(original));
	snprintf(path, sizeof(path), "%s/damaged", fixture_path());
	for (unsigned i = 0; i < 300 && size > 0; i++) {
		unsigned changes = i % 3 == 0 ? 1 : i % 3 == 1 ? 16 : 400;
		size_t kept = i % 10 == 9 ? (size_t)(random % size) : (size_t)size;

		memcpy(copy, original, size);
		for (unsigned j = 0; j < changes; j++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			copy[random % size] = random >> 32;
		}
		write_file(path, copy, kept);
		look_in_child(path, i);
	}
}
