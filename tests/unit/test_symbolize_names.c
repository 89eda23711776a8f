/* SPDX-License-Identifier: Apache-2.0 */
/* Demangling: C++ and both forms of Rust, and names made to hurt. */
#include "demangle.h"
#include "test.h"

static const char *readable(const char *name)
{
	static char output[DEMANGLE_OUTPUT_MAX];

	return demangle(name, strlen(name), output) ? output : NULL;
}

PP_TEST(cpp)
{
	PP_CHECK_STR(readable("_ZN3foo3barEv"), "foo::bar()");
	PP_CHECK_STR(readable("_ZNSt6vectorIiSaIiEE9push_backERKi"),
		     "std::vector<int, std::allocator<int> >::push_back(int const&)");
	PP_CHECK_STR(readable("_ZN1AC4Ev"), "A::A()");
	PP_CHECK_STR(readable("_ZNK5pointplERKS_"), "point::operator+(point const&) const");
	PP_CHECK_STR(readable("_ZZ4mainENKUliE_clEi"), "main::{lambda(int)#1}::operator()(int) const");
	PP_CHECK_STR(readable("_ZN12_GLOBAL__N_13runEv"), "(anonymous namespace)::run()");
	PP_CHECK_STR(readable("_Znwm"), "operator new(unsigned long)");
}

PP_TEST(rust)
{
	PP_CHECK_STR(readable("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
	PP_CHECK_STR(readable("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b"
			      "740aa94f1d3aE"),
		     "<Test + 'static as foo::Bar<Test>>::bar");
	PP_CHECK_STR(readable("_RNvC6_123foo3bar"), "123foo::bar");
	PP_CHECK_STR(readable("_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_"), "cc::spawn::{closure#0}::{closure#0}");
	PP_CHECK_STR(
		readable("_RINbNbCskIICzLVDPPb_5alloc5alloc8box_freeDINbNiB4_5boxed5FnBoxuEp6OutputuEL_ECs1iopQbuBiw2_"
			 "3std"),
		"alloc::alloc::box_free::<dyn alloc::boxed::FnBox<(), Output = ()>>");
}

PP_TEST(names_that_are_not_mangled)
{
	PP_CHECK_STR(readable(""), NULL);
	PP_CHECK_STR(readable("_"), NULL);
	PP_CHECK_STR(readable("_Z"), NULL);
	PP_CHECK_STR(readable("malloc"), NULL);
	PP_CHECK_STR(readable("_Reset"), NULL);
	PP_CHECK_STR(readable("_ZN3foo"), NULL);
	PP_CHECK_STR(readable("i"), NULL);
}

/* Only `length` bytes belong to the name. */
PP_TEST(length_is_respected)
{
	char output[DEMANGLE_OUTPUT_MAX];

	PP_CHECK_EQ(demangle("_Z3foov.cold", 7, output), 5);
	PP_CHECK_STR(output, "foo()");
}

/* Each parameter is A<last, last>: the whole would be 2^30 names long. */
PP_TEST(output_is_capped)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[2048] = "_Z1f1AIiiE", output[DEMANGLE_OUTPUT_MAX];
	size_t length;

	for (int i = 0; i < 30; i++)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "S_IS%c_S%c_E", digits[i], digits[i]);
	alarm(5);
	length = demangle(name, strlen(name), output);
	PP_CHECK_EQ(length, DEMANGLE_OUTPUT_MAX - 1);
	PP_CHECK(!strncmp(output, "f(A<int, int>, A<A<int, int>, A<int, int> >, ", 44));
	PP_CHECK_STR(output + length - 3, "...");
}

PP_TEST(deep_nesting_is_survived)
{
	static char name[200000];
	char output[DEMANGLE_OUTPUT_MAX];
	static const struct {
		const char *prefix, *repeated, *suffix;
	} rows[] = {
		{"_Z1f", "P", "i"},	  {"_Z1f", "1AI", "i"}, {"_Z1f", "PF", "i"},   {"_Z1fI", "X", "E"},
		{"_RNvC1a1", "N", "b"},	  {"_R", "NvC", "1a"},	{"_RMC1a", "R", "u"},  {"_RNvMC0", "S", "p"},
		{"_RINvC1a1b", "T", "E"}, {"_RYB_1", "Y", "u"}, {"_ZN", "3foo", "Ev"}, {"_Z1f", "DpT_", "E"},
	};
	static const size_t counts[] = {10, 300, 1000, 4000, 100000};

	alarm(20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
			size_t length = strlen(strcpy(name, rows[i].prefix)), size = strlen(rows[i].repeated);

			for (size_t k = 0; k < counts[j] && length + size + 16 < sizeof(name); k++, length += size)
				strcpy(name + length, rows[i].repeated);
			strcpy(name + length, rows[i].suffix);
			PP_CHECK(demangle(name, strlen(name), output) < DEMANGLE_OUTPUT_MAX);
		}
	}
}
