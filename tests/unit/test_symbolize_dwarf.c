/* SPDX-License-Identifier: Apache-2.0 */
/* Inlined calls, files and lines from every form of DWARF that the machine's compilers and tools can make. */
#include "symbols/fixture.h"

static const char *const chain_sources = "$S/chain.c $S/chain_main.c";

static void check_compiled(const char *compiler, const char *flags)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	fixture_run("%s %s %s -o chain", compiler, flags, chain_sources);
	fixture_check_chain(symbolizer, "chain", "chain");
	symbolizer_destroy(symbolizer);
}

PP_TEST(inlined_calls_gcc_dwarf_5)
{
	check_compiled("gcc", "-O2 -gdwarf-5");
}

PP_TEST(a_function_inlined_into_itself_in_part_is_one)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames;

	fixture_run("gcc -O2 -g $S/part.c -o part && objdump --dwarf=info part | grep -q DW_TAG_inlined_subroutine");
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, fixture_module(symbolizer, "part"),
				      fixture_address("part", "mark_work"), &frames),
		    1);
	fixture_check_frame(&frames[0], "work", "part.c", false);
	symbolizer_destroy(symbolizer);
}

PP_TEST(inlined_calls_gcc_dwarf_4)
{
	check_compiled("gcc", "-O2 -gdwarf-4");
}

PP_TEST(inlined_calls_without_optimization)
{
	check_compiled("gcc", "-O0 -g");
}

PP_TEST(inlined_calls_at_a_fixed_address)
{
	check_compiled("gcc", "-O2 -g -no-pie");
}

PP_TEST(inlined_calls_in_compressed_sections)
{
	check_compiled("gcc", "-O2 -g -gz");
}

PP_TEST(inlined_calls_in_split_dwarf)
{
	check_compiled("gcc", "-O2 -gdwarf-5 -gsplit-dwarf");
	check_compiled("gcc", "-O2 -gdwarf-4 -gsplit-dwarf");
}

PP_TEST(inlined_calls_after_link_time_optimization)
{
	check_compiled("gcc", "-O2 -g -flto");
}

PP_TEST(inlined_calls_with_sections_thrown_away)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();

	check_compiled("gcc", "-O2 -g -ffunction-sections -Wl,--gc-sections");
	PP_CHECK(!fixture_try("nm chain | grep -w unused"));
	fixture_check_symbol(symbolizer, "chain", 1, NULL);
	symbolizer_destroy(symbolizer);
}

PP_TEST(inlined_calls_clang)
{
	if (!fixture_has("clang"))
		return;
	check_compiled("clang", "-O2 -gdwarf-5");
	check_compiled("clang", "-O2 -gdwarf-4");
}

PP_TEST(lines_without_functions_keep_the_symbol)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames;
	uint32_t module;

	/* -g1 leaves variables and types out, but inlined calls in. */
	fixture_run("gcc -O2 -g1 %s -o chain", chain_sources);
	fixture_check_chain(symbolizer, "chain", "chain");
	/* Assembler gives line rows; the function's name is the symbol's. */
	fixture_run("gcc -g -c $S/unsized.S -o unsized.o && echo 'PP_1 { *; };' > map && "
		    "gcc -shared unsized.o -Wl,--version-script=map -o unsized.so");
	module = fixture_module(symbolizer, "unsized.so");
	PP_CHECK_EQ(symbolizer_lookup(symbolizer, module, fixture_address("unsized.so", "sized"), &frames), 1);
	PP_CHECK_STR(frames[0].function, "sized");
	PP_CHECK(frames[0].line > 0);
	symbolizer_destroy(symbolizer);
}

/* dwz moves what two programs share to a third file, which both then refer to. */
PP_TEST(inlined_calls_through_a_shared_debug_file)
{
	struct pp_symbolizer *symbolizer;

	if (!fixture_has("dwz"))
		return;
	symbolizer = fixture_symbolizer();
	fixture_run("gcc -O2 -g %s -o chain && gcc -O2 -g -DSECOND %s -o second && "
		    "gcc -O2 -g -DTHIRD %s -o third && dwz -m shared.debug chain second third 2>dwz.log",
		    chain_sources, chain_sources, chain_sources);
	PP_CHECK(fixture_try("readelf -SW chain | grep -q gnu_debugaltlink"));
	fixture_check_chain(symbolizer, "chain", "chain");
	fixture_check_chain(symbolizer, "second", "second");
	symbolizer_destroy(symbolizer);
	/* Not where the link says, but where its build id says. */
	symbolizer = fixture_symbolizer();
	fixture_run("id=$(readelf -n shared.debug | awk '/Build ID/ { print $3 }') && "
		    "d=root/.build-id/$(echo $id | cut -c1-2) && mkdir -p $d && "
		    "mv shared.debug $d/$(echo $id | cut -c3-).debug");
	fixture_check_chain(symbolizer, "third", "third");
	symbolizer_destroy(symbolizer);
}

/* Whether this process has a file of the test's folder mapped. */
static bool is_mapped(const char *name)
{
	char line[PATH_MAX], path[128];
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	snprintf(path, sizeof(path), "%s/%s\n", fixture_path(), name);
	while (maps && fgets(line, sizeof(line), maps))
		found |= strstr(line, path) != NULL;
	if (maps)
		fclose(maps);
	return found;
}

PP_TEST(lookups_in_any_order_and_after_release_agree)
{
	struct pp_symbolizer *one = fixture_symbolizer(), *two = fixture_symbolizer();
	uint64_t offsets[400], start;
	uint32_t first, second;

	fixture_run("gcc -O2 -g %s -o chain", chain_sources);
	start = fixture_address("chain", "outer") - 100;
	for (size_t i = 0; i < 400; i++)
		offsets[i] = start + (i * 7) % 400;
	first = fixture_module(one, "chain");
	second = fixture_module(two, "chain");
	/* The second may keep nothing open: each new address opens the files again. */
	symbolizer_set_budget(two, 0);
	symbolizer_prefetch(one, first, offsets, 400);
	PP_CHECK(is_mapped("chain"));
	symbolizer_module_release(one, first);
	PP_CHECK(!is_mapped("chain"));
	for (size_t i = 0; i < 400; i++) {
		const struct pp_symbol_frame *a, *b;
		size_t count = symbolizer_lookup(one, first, offsets[i], &a);

		PP_CHECK_EQ(symbolizer_lookup(two, second, offsets[i], &b), count);
		for (size_t j = 0; j < count; j++) {
			PP_CHECK_STR(a[j].function, b[j].function);
			PP_CHECK_STR(a[j].file, b[j].file);
			PP_CHECK_EQ(a[j].line, b[j].line);
		}
		PP_CHECK(!is_mapped("chain"));
	}
	PP_CHECK_EQ(symbolizer_module_state(one, first), SYMBOLIZER_MODULE_LINES);
	PP_CHECK(is_mapped("chain"));
	symbolizer_release(one);
	PP_CHECK(!is_mapped("chain"));
	symbolizer_destroy(one);
	symbolizer_destroy(two);
}

/* The same module twice is one number, and equal text is one pointer. */
PP_TEST(answers_are_kept_and_strings_are_shared)
{
	struct pp_symbolizer *symbolizer = fixture_symbolizer();
	const struct pp_symbol_frame *frames, *again;
	uint32_t module;

	fixture_run("gcc -O2 -g %s -o chain", chain_sources);
	module = fixture_module(symbolizer, "chain");
	PP_CHECK_EQ(fixture_module(symbolizer, "chain"), module);
	symbolizer_lookup(symbolizer, module, fixture_address("chain", "mark_leaf"), &frames);
	symbolizer_lookup(symbolizer, module, fixture_address("chain", "mark_leaf"), &again);
	PP_CHECK(frames == again);
	symbolizer_lookup(symbolizer, module, fixture_address("chain", "mark_plain"), &again);
	PP_CHECK(again[0].file == frames[1].file);
	symbolizer_destroy(symbolizer);
}

PP_TEST(cpp_names)
{
	static const struct {
		const char *mark, *name;
	} rows[] = {
		{"mark_operator", "(anonymous namespace)::point::operator+((anonymous namespace)::point const&) const"},
		{"mark_constructor", "shapes::list<long>::list(long)"},
		{"mark_template", "long shapes::list<long>::get<2>() const"},
		{"mark_static", "shapes::area(int, int)"},
		{"mark_lambda", "c_name::{lambda(int)#1}::operator()(int) const"},
	};
	struct pp_symbolizer *symbolizer;
	static const char *const variants[] = {"names", "names_symbols"};

	if (!fixture_has("g++"))
		return;
	symbolizer = fixture_symbolizer();
	fixture_run("g++ -O2 -g $S/names.cpp -o names && objcopy --strip-debug names names_symbols");
	for (size_t v = 0; v < 2; v++) {
		uint32_t module = fixture_module(symbolizer, variants[v]);

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			const struct pp_symbol_frame *frames;
			uint64_t address = fixture_address("names", rows[i].mark);
			size_t count = symbolizer_lookup(symbolizer, module, address, &frames);

			PP_CHECK_EQ(count, 1);
			PP_CHECK_STR(frames[0].function, rows[i].name);
			PP_CHECK_EQ(frames[0].line > 0, v == 0);
		}
	}
	symbolizer_destroy(symbolizer);
}
