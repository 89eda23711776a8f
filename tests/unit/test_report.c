/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of made-up profiles, whole: golden files, and the figures in them worked out by hand. */
#include "test.h"

#include "golden.h"
#include "json.h"
#include "profile_maker.h"
#include "report.h"
#include "report_model.h"
#include "text.h"

#include <math.h>

static char *report_make(const struct pp_profile *profile, const char *format, uint32_t top, uint32_t columns)
{
	struct pp_report_options options = {.top = top,
					    .columns = columns,
					    .recording = "preprof.simulation.4711.pprf"};
	struct pp_error error = {""};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	bool good;

	if (strcmp(format, "summary") == 0)
		good = report_summary(profile, &options, file, &error);
	else
		good = report_format_find(format)->write(profile, &options, file, &error);
	PP_CHECK(good);
	PP_CHECK_STR(error.text, "");
	fclose(file);
	return text;
}

static void golden_report(struct pp_profile *profile, const char *format, const char *name)
{
	char *text = report_make(profile, format, 20, 100);

	golden_check(name, text);
	free(text);
	profile_destroy(profile);
}

PP_TEST(small_json)
{
	golden_report(profile_make_small(), "json", "report/small.json");
}

PP_TEST(small_text)
{
	golden_report(profile_make_small(), "text", "report/small.txt");
}

PP_TEST(small_summary)
{
	golden_report(profile_make_small(), "summary", "report/small.summary");
}

PP_TEST(empty_json)
{
	golden_report(profile_make_empty(), "json", "report/empty.json");
}

PP_TEST(empty_summary)
{
	golden_report(profile_make_empty(), "summary", "report/empty.summary");
}

/* CPU sampling and the heap both off: nothing may look like a measured 0. */
static struct pp_profile *profile_make_unmeasured(void)
{
	struct pp_profile *profile = profile_make_empty();
	struct pp_process *process = &profile->processes[0];

	process->sample_period_ns = 0;
	process->sample_count = process->sampled_ns = process->cpu_ns = process->user_ns = process->system_ns =
		process->max_rss_bytes = PP_UNKNOWN;
	memset(&process->mem, 0xff, offsetof(struct pp_mem_totals, sizes));
	profile->threads[0].allocation_count = profile->threads[0].allocated_bytes = profile->threads[0].live_bytes =
		PP_UNKNOWN;
	return profile;
}

PP_TEST(unmeasured_json)
{
	golden_report(profile_make_unmeasured(), "json", "report/unmeasured.json");
}

PP_TEST(unmeasured_summary)
{
	golden_report(profile_make_unmeasured(), "summary", "report/unmeasured.summary");
}

/* ---- figures ---- */

static const struct pp_cpu_entry *function_find(const struct pp_report_model *model, const char *name)
{
	for (uint32_t i = 0; i < model->function_count; i++) {
		struct pp_frame frame = profile_frame(model->profile, model->functions[i].frame);

		if (frame.function && strcmp(frame.function, name) == 0)
			return &model->functions[i];
	}
	pp_test_fail(__FILE__, __LINE__, "no function %s", name);
	exit(1);
}

PP_TEST(functions_have_self_and_total_and_recursion_counts_once)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_report_model *model = report_model_create(profile);

	/* step is on its stack twice in 47 of its samples; move is inlined into it and innermost */
	PP_CHECK_EQ(function_find(model, "Simulation::step(double)")->self_ns, 0);
	PP_CHECK_EQ(function_find(model, "Simulation::step(double)")->total_ns, 1200 * MAKER_MS);
	PP_CHECK_EQ(function_find(model, "Agent::move(Vector const&)")->self_ns, 1200 * MAKER_MS);
	PP_CHECK_EQ(function_find(model, "Agent::move(Vector const&)")->total_ns, 1200 * MAKER_MS);
	PP_CHECK_EQ(function_find(model, "main")->self_ns, 0);
	PP_CHECK_EQ(function_find(model, "main")->total_ns, 1640 * MAKER_MS);
	PP_CHECK_EQ(function_find(model, "worker")->total_count, 20);
	PP_CHECK_EQ(model->cpu.total_ns, 1760 * MAKER_MS);
	PP_CHECK_EQ(model->line_count, 4);
	PP_CHECK_EQ(model->module_count, 4);
	report_model_destroy(model);
	profile_destroy(profile);
}

PP_TEST(heap_sums_processes_but_the_peak_is_the_largest_ones)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_report_model *model = report_model_create(profile);
	const struct pp_heap_site **sites;
	uint32_t count;

	PP_CHECK_EQ(model->heap.allocation_count, 103010);
	PP_CHECK_EQ(model->heap.live_bytes, 33457280);
	PP_CHECK_EQ(model->heap.peak_bytes, 41943040);
	PP_CHECK_EQ(model->heap.peak_at_ns, 1500 * MAKER_MS);
	PP_CHECK_EQ(model->peak_process, 0);
	PP_CHECK_EQ(model->heap.sizes.counts[7], 100000);
	PP_CHECK_EQ(model->site_count, 5);
	/* the child's bytes are not part of the other process's peak */
	sites = model_sites_by(model, PP_SITE(peak_count), PP_SITE(peak_bytes), &count);
	PP_CHECK_EQ(count, 2);
	PP_CHECK_EQ(sites[0]->node, NODE_NEW);
	PP_CHECK_EQ(sites[1]->peak_bytes, 11943040);
	report_model_destroy(model);
	profile_destroy(profile);
}

PP_TEST(one_stack_of_two_processes_is_one_site)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_report_model *model;

	profile->mem_sites[3].node = NODE_STEP;
	model = report_model_create(profile);
	PP_CHECK_EQ(model->site_count, 4);
	for (uint32_t i = 0; i < model->site_count; i++) {
		if (model->sites[i].node != NODE_STEP)
			continue;
		PP_CHECK_EQ(model->sites[i].allocation_count, 53000);
		PP_CHECK_EQ(model->sites[i].live_bytes, 2000000);
		PP_CHECK_EQ(model->sites[i].peak_bytes, 11943040);
		PP_CHECK_EQ(model->sites[i].max_live_bytes, 12000000);
	}
	report_model_destroy(model);
	profile_destroy(profile);
}

/* main calls malloc twice on one line and once on the next; a Python line below calls two functions of a library. */
static struct pp_profile *profile_make_places(void)
{
	static struct pp_frame frames[] = {
		{"main", "main.c", 10, 0, 0x10, PP_LANGUAGE_NATIVE, false, 0, false},
		{"main", "main.c", 10, 0, 0x20, PP_LANGUAGE_NATIVE, false, 0, false},
		{"main", "main.c", 11, 0, 0x30, PP_LANGUAGE_NATIVE, false, 0, false},
		{"run", "simulation.py", 5, PP_NONE, 1, PP_LANGUAGE_PYTHON, false, 0, false},
		{"first", NULL, 0, 1, 0x40, PP_LANGUAGE_NATIVE, false, 0, false},
		{"second", NULL, 0, 1, 0x50, PP_LANGUAGE_NATIVE, false, 0, false},
	};
	static struct pp_address addresses[] = {{0, 0, 1, 0x10, false}, {0, 1, 1, 0x20, false},
						{0, 2, 1, 0x30, false}, {PP_NONE, 3, 1, 1, false},
						{1, 4, 1, 0x40, false}, {1, 5, 1, 0x50, false}};
	static struct pp_node nodes[] = {{PP_NONE, PP_NONE, false},
					 {0, 0, false},
					 {0, 1, false},
					 {0, 2, false},
					 {1, 3, false},
					 {4, 4, false},
					 {4, 5, false}};
	static const uint32_t ends[] = {1, 2, 3, 5, 6};
	struct pp_profile *profile = profile_make_small();

	profile->frames = frames;
	profile->frame_count = 6;
	profile->addresses = addresses;
	profile->address_count = 6;
	profile->nodes = nodes;
	profile->node_count = 7;
	profile->cpu_site_count = profile->io_slow_count = profile->sql_site_count = profile->sql_slow_count = 0;
	profile->sql_transaction_count = profile->gil_site_count = 0;
	profile->io_site_count = profile->mem_site_count = 5;
	for (int i = 0; i < 5; i++) {
		profile->mem_sites[i] =
			(struct pp_mem_site){.node = ends[i], .allocation_count = 1U << i, .allocated_bytes = 100};
		profile->io_sites[i] = (struct pp_io_site){.file = PP_NONE,
							   .node = ends[i],
							   .operation = PP_IO_READ,
							   .call_count = 1U << i,
							   .ns = 10U * (unsigned)(i + 1)};
	}
	return profile;
}

PP_TEST(stacks_that_look_the_same_are_one_place)
{
	struct pp_profile *profile = profile_make_places();
	struct pp_report_model *model = report_model_create(profile);
	const struct pp_heap_site **places;
	uint32_t count;

	PP_CHECK_EQ(model->site_count, 5);
	PP_CHECK_EQ(model->io_site_count, 5);
	places = model_places_by(model, PP_SITE(allocation_count), PP_SITE(allocation_count), &count);
	PP_CHECK_EQ(count, 3);
	PP_CHECK_EQ(places[0]->allocation_count, 8 + 16); /* by the Python line, whatever it calls */
	PP_CHECK_STR(profile->frames[places[0]->frame].function, "run");
	PP_CHECK_EQ(places[1]->allocation_count, 4);
	PP_CHECK_EQ(places[2]->allocation_count, 1 + 2);
	PP_CHECK_EQ(model->io_place_count, 3);
	PP_CHECK_EQ(model->io_places[0].totals.call_count, 8 + 16);
	PP_CHECK_EQ(model->io_places[0].node, 6); /* where it takes most of its time */
	PP_CHECK_EQ(model->io_places[0].row_count, 2);
	report_model_destroy(model);
	profile_destroy(profile);
}

/* main calls f from two lines; f calls a template of the C++ library's, which allocates by another one; a constructor that runs
 * before main allocates in a library. */
static struct pp_profile *profile_make_library_places(void)
{
	static struct pp_frame frames[] = {
		{"main", "main.cc", 10, 0, 0x10, PP_LANGUAGE_NATIVE, false, 0, false},
		{"main", "main.cc", 11, 0, 0x20, PP_LANGUAGE_NATIVE, false, 0, false},
		{"std::string make<int>(int)", "main.cc", 20, 0, 0x30, PP_LANGUAGE_NATIVE, false, 0, false},
		{"std::vector<int>::push_back(int)", "/usr/include/c++/12/bits/stl_vector.h", 99, 0, 0x40,
		 PP_LANGUAGE_NATIVE, false, 0, false},
		{"bool allocate<int>(int)", "/usr/include/c++/12/bits/alloc.h", 7, 0, 0x50, PP_LANGUAGE_NATIVE, false,
		 0, false},
		{"operator new(unsigned long)", NULL, 0, 2, 0x60, PP_LANGUAGE_NATIVE, false, 0, false},
		{"_start", NULL, 0, 0, 0x70, PP_LANGUAGE_NATIVE, false, 0, false},
		{"table_make", NULL, 0, 1, 0x80, PP_LANGUAGE_NATIVE, false, 0, false},
		{"loop_run", NULL, 0, 1, 0x90, PP_LANGUAGE_NATIVE, false, 0, false},
		{NULL, NULL, 0, 1, 0xa0, PP_LANGUAGE_NATIVE, false, 0, false},
	};
	static struct pp_address addresses[10];
	static struct pp_node nodes[] = {
		{PP_NONE, PP_NONE, false},
		{0, 6, false}, /* _start */
		{1, 0, false},
		{2, 2, false},
		{3, 3, false},
		{4, 4, false},
		{5, 5, false}, /* by main.cc:10 */
		{1, 1, false},
		{7, 2, false},
		{8, 3, false},
		{9, 4, false},
		{10, 5, false}, /* by main.cc:11 */
		{1, 7, false},
		{3, 5, false}, /* make calls operator new itself */
		{2, 8, false},
		{14, 7, false},
		{15, 9, false},
		{16, 5, false} /* main > loop_run > table_make > nameless > new */
	};
	static const uint32_t ends[] = {6, 11, 12, 13};
	struct pp_profile *profile = profile_make_small();

	for (uint32_t i = 0; i < 10; i++)
		addresses[i] = (struct pp_address){frames[i].module, i, 1, frames[i].offset, false};
	profile->frames = frames;
	profile->frame_count = profile->address_count = 10;
	profile->addresses = addresses;
	profile->nodes = nodes;
	profile->node_count = 18;
	profile->cpu_site_count = profile->io_slow_count = profile->sql_site_count = profile->sql_slow_count = 0;
	profile->sql_transaction_count = profile->gil_site_count = profile->io_site_count =
		profile->io_descriptor_count = 0;
	profile->mem_site_count = 4;
	for (int i = 0; i < 4; i++)
		profile->mem_sites[i] =
			(struct pp_mem_site){.node = ends[i], .allocation_count = 1U << i, .allocated_bytes = 100};
	return profile;
}

PP_TEST(places_are_named_by_the_users_line)
{
	struct pp_profile *profile = profile_make_library_places();
	struct pp_report_model *model = report_model_create(profile);
	const struct pp_heap_site **places;
	uint32_t count, called;

	PP_CHECK_EQ(model->site_count, 4); /* as they are, named by what is outside the allocators */
	PP_CHECK_STR(profile->frames[stack_naming_frame(profile, 6)].function, "bool allocate<int>(int)");
	PP_CHECK_EQ(stack_user_frame(profile, 6, &called), 2);
	PP_CHECK_EQ(called, 3);
	places = model_places_by(model, PP_SITE(allocation_count), PP_SITE(allocation_count), &count);
	PP_CHECK_EQ(count, 3);
	PP_CHECK_EQ(places[0]->allocation_count, 8); /* operator new is no function that one calls */
	PP_CHECK_EQ(places[0]->frame, 2);
	PP_CHECK_EQ(stack_user_frame(profile, 13, &called), 2);
	PP_CHECK_EQ(called, PP_NONE);
	PP_CHECK_STR(profile->frames[places[1]->frame].function, "table_make"); /* not _start */
	PP_CHECK_EQ(places[2]->allocation_count, 1 + 2);
	PP_CHECK_EQ(places[2]->frame, 2);
	/* of a library not the loop that runs it all, but what it does, where that has a name */
	PP_CHECK_EQ(stack_user_frame(profile, 17, &called), 0);
	PP_CHECK_STR(profile->frames[called].function, "table_make");
	report_model_destroy(model);
	profile_destroy(profile);
}

PP_TEST(functions_have_their_hottest_line_and_the_users_that_they_work_for)
{
	struct pp_profile *profile = profile_make_library_places();
	static const struct {
		uint32_t node;
		uint64_t ms;
	} times[] = {{4, 30}, {9, 50}, {3, 10}, {12, 1}};
	const struct pp_cpu_entry *entry;
	struct pp_report_model *model;

	profile->cpu_site_count = 4;
	for (int i = 0; i < 4; i++)
		profile->cpu_sites[i] = (struct pp_cpu_site){.node = times[i].node,
							     .sample_count = 1,
							     .sampled_ns = times[i].ms * MAKER_MS};
	model = report_model_create(profile);
	entry = function_find(model, "std::vector<int>::push_back(int)");
	PP_CHECK_EQ(entry->self_ns, 80 * MAKER_MS);
	PP_CHECK_EQ(entry->user_frame, 2);
	entry = function_find(model, "main");
	PP_CHECK_EQ(entry->hot_frame, 1); /* line 11: 50 ms, line 10: 40 ms */
	PP_CHECK_EQ(entry->user_frame, PP_NONE);
	entry = function_find(model, "std::string make<int>(int)");
	PP_CHECK_EQ(entry->user_frame, PP_NONE);
	PP_CHECK_EQ(function_find(model, "table_make")->user_frame, PP_NONE); /* called by nobody of the user's */
	report_model_destroy(model);
	profile_destroy(profile);
}

PP_TEST(what_is_below_a_python_line_is_that_lines)
{
	struct pp_profile *profile = profile_make_places();
	struct pp_report_model *model = report_model_create(profile);

	PP_CHECK_EQ(model->python_line_count, 1);
	PP_CHECK_EQ(model->python_lines[0].allocation_count, 8 + 16);
	PP_CHECK_EQ(model->python_lines[0].allocated_bytes, 200);
	PP_CHECK_EQ(profile->frames[model->python_lines[0].frame].line, 5);
	PP_CHECK_EQ(model->io_python_line_count, 1);
	PP_CHECK_EQ(model->io_python_lines[0].totals.ns, 40 + 50);
	PP_CHECK_EQ(profile->frames[model->io_python_lines[0].frame].line, 5);
	report_model_destroy(model);
	profile_destroy(profile);
}

PP_TEST(sites_are_named_outside_the_allocators)
{
	struct pp_profile *profile = profile_make_small();

	PP_CHECK_STR(profile->frames[stack_naming_frame(profile, NODE_NEW)].function,
		     maker_frames[MAKER_GROW].function);
	PP_CHECK_EQ(stack_naming_frame(profile, NODE_ROOT), PP_NONE);
	/* all of it is allocator: the innermost */
	profile->nodes[NODE_NEW].parent = NODE_ROOT;
	PP_CHECK_STR(profile->frames[stack_naming_frame(profile, NODE_NEW)].function, "operator new(unsigned long)");
	profile_destroy(profile);
}

PP_TEST(an_address_without_frames_is_still_shown)
{
	struct pp_profile *profile = profile_make_small();
	char *text;

	for (uint32_t i = 0; i < profile->address_count; i++)
		profile->addresses[i].frame_count = profile->addresses[i].first_frame = 0;
	profile->frame_count = 0;
	text = report_make(profile, "text", 20, 100);
	PP_CHECK(strstr(text, "libstripped.so.2+0x1234"));
	PP_CHECK(strstr(text, "simulation+0x2108"));
	free(text);
	profile_destroy(profile);
}

PP_TEST(top_keeps_the_largest_by_each_metric)
{
	static const struct {
		uint64_t a, b;
	} rows[] = {{5, 0}, {4, 9}, {3, 1}, {2, 8}, {PP_UNKNOWN, 0}, {0, 0}};
	static const size_t metrics[] = {0, 8};
	struct pp_arena *arena = arena_create();
	uint32_t count, *top = top_rows(arena, rows, 16, 6, 2, metrics, 2, &count);

	PP_CHECK_EQ(count, 3);
	PP_CHECK_EQ(top[0], 0);
	PP_CHECK_EQ(top[1], 1);
	PP_CHECK_EQ(top[2], 3);
	top_rows(arena, rows, 16, 6, 0, metrics, 2, &count);
	PP_CHECK_EQ(count, 6);
	arena_destroy(arena);
}

/* ---- shape ---- */

static void lines_fit(const char *text, uint32_t columns, uint32_t lines)
{
	uint32_t count = 0;

	for (; *text; count++) {
		char line[2048];
		size_t length = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		if (text_columns(line) > columns)
			pp_test_fail(__FILE__, __LINE__, "%u columns: %s", text_columns(line), line);
		text += length + (text[length] == '\n');
	}
	if (count > lines)
		pp_test_fail(__FILE__, __LINE__, "%u lines, at most %u expected", count, lines);
}

PP_TEST(summaries_fit_one_screen)
{
	struct pp_profile *profile = profile_make_large(40000, 8300, 6000);
	char *text;

	profile->cpu_site_count = 0;
	text = report_make(profile, "summary", 20, 100);
	lines_fit(text, 100, 39);
	free(text);
	profile_destroy(profile);
	profile = profile_make_small();
	text = report_make(profile, "summary", 20, 100);
	lines_fit(text, 100, 39);
	PP_CHECK(!strchr(text, '\033'));
	free(text);
	text = report_make(profile, "text", 20, 100);
	lines_fit(text, 100, 100000);
	free(text);
	text = report_make(profile, "text", 20, 80);
	lines_fit(text, 80, 100000);
	free(text);
	profile_destroy(profile);
}

PP_TEST(numbers_have_units)
{
	char buffer[PP_TEXT_NUMBER];

	PP_CHECK_STR(text_bytes(buffer, 0), "0 B");
	PP_CHECK_STR(text_bytes(buffer, 1023), "1023 B");
	PP_CHECK_STR(text_bytes(buffer, 1024), "1.00 KiB");
	PP_CHECK_STR(text_bytes(buffer, 1048575), "1.00 MiB");
	PP_CHECK_STR(text_bytes(buffer, UINT64_C(12) << 20), "12.0 MiB");
	PP_CHECK_STR(text_bytes(buffer, PP_UNKNOWN - 1), "16.0 EiB");
	PP_CHECK_STR(text_bytes(buffer, PP_UNKNOWN), "-");
	PP_CHECK_STR(text_duration(buffer, 999), "999 ns");
	PP_CHECK_STR(text_duration(buffer, 1500), "1.50 us");
	PP_CHECK_STR(text_duration(buffer, 999499999), "999 ms");
	PP_CHECK_STR(text_duration(buffer, 999999999), "1.00 s");
	PP_CHECK_STR(text_duration(buffer, UINT64_C(125) * 1000000000), "2:05 min");
	PP_CHECK_STR(text_duration(buffer, UINT64_C(7265) * 1000000000), "2:01 h");
	PP_CHECK_STR(text_count(buffer, 0), "0");
	PP_CHECK_STR(text_count(buffer, 999), "999");
	PP_CHECK_STR(text_count(buffer, 1234567), "1,234,567");
	PP_CHECK_STR(text_count(buffer, PP_UNKNOWN - 1), "18,446,744,073,709,551,614");
}

PP_TEST(names_lose_their_middle)
{
	char buffer[PP_TEXT_LINE];

	PP_CHECK_STR(text_fit(buffer, "abcdefghijklmnop", 16), "abcdefghijklmnop");
	PP_CHECK_STR(text_fit(buffer, "abcdefghijklmnop", 11), "abcd...mnop");
	PP_CHECK_STR(text_fit(buffer, "abcdefghijklmnop", 5), "abcde");
	PP_CHECK_STR(text_fit(buffer, "a\033[31mb\xff\n", 20), "a?[31mb??");
	PP_CHECK_STR(text_fit(buffer, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", 8),
		     "\xc3\xa4\xc3\xb6...\xc3\xa4\xc3\xb6\xc3\xbc");
}

PP_TEST(functions_lose_their_arguments_first)
{
	char buffer[PP_TEXT_LINE];

	PP_CHECK_STR(text_fit_function(buffer, "f(int, long)", 12), "f(int, long)");
	PP_CHECK_STR(text_fit_function(buffer, "std::vector<A<int>, B(*)(long)>::push(A<int> const&) const", 40),
		     "std::vector<...>::push(...) const");
	PP_CHECK_STR(text_fit_function(buffer, "std::ostream& operator<< <std::traits>(std::ostream&, char)", 40),
		     "std::ostream& operator<< <...>(...)");
	PP_CHECK_STR(text_fit_function(buffer, "X::operator()(std::string const&, int) const", 30),
		     "X::operator()(...) const");
	PP_CHECK_STR(text_fit_function(buffer, "(anonymous namespace)::worker(std::string)", 36),
		     "(anonymous namespace)::worker(...)");
	PP_CHECK_STR(text_fit_function(buffer, "<alloc::vec::Vec<T> as core::Trait>::method", 20),
		     "<alloc::...>::method");
	PP_CHECK_STR(text_fit_function(buffer, "broken<a(b>>)<<((", 12), "brok...)<<((");
	PP_CHECK_STR(text_fit_function(buffer, "totals.<locals>.<genexpr>", 25), "totals.<locals>.<genexpr>");
	PP_CHECK_STR(text_fit_function(buffer, "totals.<locals>.<genexpr>", 24), "totals.<genexpr>");
	PP_CHECK_STR(text_fit_function(buffer, "a.<locals>.longer.<locals>.<lambda>", 20), "a.longer.<lambda>");
}

/* ---- JSON text ---- */

PP_TEST(json_escapes_and_keeps_integers)
{
	struct pp_json json;
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	json_init(&json, file);
	json_flat_begin(&json, NULL, false);
	json_text(&json, "a\"b", "\x01\t\n\\\xc3\xa9\xed\xa0\x80\xff\xf0\x9f\x98\x80\x7f");
	json_unsigned(&json, "max", PP_UNKNOWN - 1);
	json_metric(&json, "unknown", PP_UNKNOWN);
	json_integer(&json, "min", INT64_MIN);
	json_number(&json, "nan", NAN);
	json_number(&json, "half", 0.5);
	json_text(&json, "null", NULL);
	json_flat_end(&json, false);
	fclose(file);
	PP_CHECK_STR(text, "{\"a\\\"b\": \"\\u0001\\t\\n\\\\\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			   "\xf0\x9f\x98\x80\\u007f\", \"max\": 18446744073709551614, \"unknown\": null, "
			   "\"min\": -9223372036854775808, \"nan\": null, \"half\": 0.5, \"null\": null}\n");
	free(text);
}
