/* SPDX-License-Identifier: Apache-2.0 */
/* Perf's lists of generated code: what covers an address, names of several runtimes, damage. */
#include "symbolize_map.h"
#include "test.h"

#include <string.h>

static struct pp_map_name names[8];

static void look(const char *text, size_t count, const uint64_t *addresses)
{
	static struct pp_arena *arena;

	arena = arena ? arena : arena_create();
	memset(names, 0, sizeof(names));
	for (size_t i = 0; i < count; i++)
		names[i].address = addresses[i];
	symbolize_map_text(text, strlen(text), names, count, arena);
}

PP_TEST(first_and_last_byte)
{
	look("1000 10 one\n1010 8 two\n", 5, (uint64_t[]){0xfff, 0x1000, 0x100f, 0x1010, 0x1018});
	PP_CHECK(!names[0].function);
	PP_CHECK_STR(names[1].function, "one");
	PP_CHECK_STR(names[2].function, "one");
	PP_CHECK_STR(names[3].function, "two");
	PP_CHECK(!names[4].function);
}

/* Code moves, and something else takes its place: the later line is right where it covers. */
PP_TEST(later_lines_count)
{
	look("1000 100 old\n1040 10 new\n", 3, (uint64_t[]){0x1000, 0x1044, 0x1080});
	PP_CHECK_STR(names[0].function, "old");
	PP_CHECK_STR(names[1].function, "new");
	PP_CHECK_STR(names[2].function, "old");
}

PP_TEST(javascript)
{
	look("1000 8 JS:*work /home/user/a b.js:3:14\n1008 8 JS:~ node:internal/x:1:1\n1010 8 LazyCompile:^f :4:5\n"
	     "1018 8 Builtin:ArrayMap\n",
	     4, (uint64_t[]){0x1000, 0x1008, 0x1010, 0x1018});
	PP_CHECK_STR(names[0].function, "work");
	PP_CHECK_STR(names[0].file, "/home/user/a b.js");
	PP_CHECK_EQ(names[0].line, 3);
	PP_CHECK_STR(names[1].function, "(anonymous)");
	PP_CHECK_STR(names[1].file, "node:internal/x");
	PP_CHECK_STR(names[2].function, "f");
	PP_CHECK_STR(names[3].function, "Builtin:ArrayMap");
	PP_CHECK(!names[3].file);
}

PP_TEST(other_runtimes)
{
	look("0x00007f00 0x20 double PJ.one(int)\n", 1, (uint64_t[]){0x7f10});
	PP_CHECK_STR(names[0].function, "double PJ.one(int)");
	PP_CHECK(strstr(symbolize_map_advice("/usr/bin/node"), "--perf-basic-prof"));
	PP_CHECK(strstr(symbolize_map_advice("java"), "DumpPerfMapAtExit"));
	PP_CHECK(!symbolize_map_advice("/usr/bin/sort"));
	PP_CHECK(!symbolize_map_advice(NULL));
}

PP_TEST(damage)
{
	look("", 1, (uint64_t[]){0});
	look("\n\n \nxyz\n1000\n1000 \n1000 8\n1000 8 \nffffffffffffffff 10 over\n11111111111111111 1 long\n2000 8 good\x01\x7f",
	     3, (uint64_t[]){0x1000, 0x2000, UINT64_MAX});
	PP_CHECK_STR(names[0].function, "");
	PP_CHECK_STR(names[1].function, "good??");
	PP_CHECK(!names[2].function);
}
