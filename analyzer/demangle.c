/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demangling, by libiberty: one library for C++ (_Z), Rust v0 (_R) and Rust legacy (_ZN..17h<hash>E).
 * Called by the symbolizer only, from any thread.
 *
 * Why libiberty and not libstdc++'s __cxa_demangle: that one is the same parser without Rust, would
 * tie the analyzer to the C++ runtime, and returns whatever length a hostile name expands to.
 * libiberty's callback form needs no heap and hands the text out piece by piece, so that an output
 * limit can stop it. The objects taken from the static library (cp-demangle, rust-demangle,
 * safe-ctype) are LGPL or GPL with the exception that allows linking them into any program.
 *
 * Names are hostile input: substitutions let a few hundred bytes describe gigabytes of text, and
 * nesting costs stack. Input and output are capped and libiberty's own recursion limit stays on.
 */
#include "demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

struct output {
	char *text;
	size_t length;
	jmp_buf full;
};

static void output_append(const char *text, size_t length, void *opaque)
{
	struct output *output = opaque;
	size_t room = DEMANGLE_OUTPUT_MAX - 1 - output->length;

	if (length <= room) {
		memcpy(output->text + output->length, text, length);
		output->length += length;
		return;
	}
	memcpy(output->text + output->length, text, room);
	memcpy(output->text + DEMANGLE_OUTPUT_MAX - 4, "...", 3);
	output->length = DEMANGLE_OUTPUT_MAX - 1;
	/*
	 * The callback cannot refuse more text. Both demanglers work on the stack; only a Rust name in
	 * punycode that is also endless loses its small buffer here.
	 */
	longjmp(output->full, 1);
}

static bool name_is_mangled(const char *name, size_t length)
{
	if (length < 3 || name[0] != '_')
		return false;
	return name[1] == 'Z' || name[1] == 'R' || (name[1] == '_' && name[2] == 'Z');
}

size_t demangle(const char *name, size_t length, char output_text[static DEMANGLE_OUTPUT_MAX])
{
	const int options = DMGL_PARAMS | DMGL_ANSI;
	char input[DEMANGLE_INPUT_MAX + 1];
	struct output output = {.text = output_text};
	bool done;

	if (!name_is_mangled(name, length) || length > DEMANGLE_INPUT_MAX)
		return 0;
	memcpy(input, name, length);
	input[length] = 0;
	if (setjmp(output.full) == 0) {
		/* Rust first: its legacy form is valid C++ mangling too, with the hash left in. */
		done = rust_demangle_callback(input, options, output_append, &output);
		if (!done) {
			output.length = 0;
			done = cplus_demangle_v3_callback(input, options, output_append, &output);
		}
		if (!done)
			return 0;
	}
	output_text[output.length] = 0;
	return output.length;
}
