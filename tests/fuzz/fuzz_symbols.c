/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that are damaged or were made to harm: the input is an ELF file, its separate debug file, or neither. Every
 * question that the analyzer asks is asked, at addresses of the file's own and at others.
 */
#include "symbolize.h"

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECTIONS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Where code, or something else, begins and ends. */
static size_t offsets_find(const uint8_t *bytes, size_t size, uint64_t *offsets)
{
	size_t count = 0;
	Elf64_Ehdr header;

	offsets[count++] = 0;
	offsets[count++] = 0x1000;
	offsets[count++] = UINT64_MAX;
	if (size < sizeof(header))
		return count;
	memcpy(&header, bytes, sizeof(header));
	offsets[count++] = header.e_entry;
	for (unsigned i = 0; i < header.e_shnum && i < SECTIONS_MAX; i++) {
		uint64_t at = header.e_shoff + i * sizeof(Elf64_Shdr);
		Elf64_Shdr section;

		if (at > size || size - at < sizeof(section))
			break;
		memcpy(&section, bytes + at, sizeof(section));
		if (!(section.sh_flags & SHF_EXECINSTR))
			continue;
		for (uint64_t step = 0; step < section.sh_size && step < 256 && count < 250; step += 13)
			offsets[count++] = section.sh_addr + step;
	}
	return count;
}

static void frames_check(const struct pp_symbol_frame *frames, size_t count)
{
	size_t letters = 0;

	if (count == 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		letters += frames[i].function ? strlen(frames[i].function) : 0;
		letters += frames[i].file ? strlen(frames[i].file) : 0;
	}
	if (frames[count - 1].inlined || letters > (size_t)64 << 20)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pp_symbolizer *symbolizer = symbolizer_create();
	const struct pp_symbol_frame *frames;
	uint64_t offsets[256];
	size_t count = offsets_find(bytes, size, offsets);
	int fd = memfd_create("module", MFD_CLOEXEC);
	uint32_t module;

	if (fd < 0 || !symbolizer || write(fd, bytes, size) != (ssize_t)size)
		abort();
	symbolizer_set_debug_roots(symbolizer, "/nonexistent");
	symbolizer_set_budget(symbolizer, 1 << 20);
	module = symbolizer_module(symbolizer, "/nonexistent/module", NULL, 0, fd);
	symbolizer_module_state(symbolizer, module);
	symbolizer_prefetch(symbolizer, module, offsets, count / 2);
	for (size_t i = 0; i < count; i++)
		{
		size_t found = symbolizer_lookup(symbolizer, module, offsets[i], &frames);

		frames_check(frames, found);
	}
	symbolizer_release(symbolizer);
	symbolizer_destroy(symbolizer);
	close(fd);
	return 0;
}
