/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large debug information is once it is unpacked: libdw unpacks all of it at once and believes what a file says.
 * Only the symbolizer's thread calls this.
 */
#include "symbolize_internal.h"

#include <endian.h>
#include <string.h>

/* A section compressed the old way, named .zdebug_*, begins with "ZLIB" and its size in 8 bytes, the highest first. */
static uint64_t zdebug_size(Elf *elf, Elf_Scn *section, size_t names)
{
	GElf_Shdr header;
	const char *name;
	Elf_Data *data;
	uint64_t size;

	if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
		return 0;
	name = elf_strptr(elf, names, header.sh_name);
	if (!name || strncmp(name, ".zdebug", 7) != 0)
		return 0;
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf || data->d_size < 12 || memcmp(data->d_buf, "ZLIB", 4) != 0)
		return 0;
	memcpy(&size, (const char *)data->d_buf + 4, sizeof(size));
	return be64toh(size);
}

size_t unpacked_size(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t size = 0, names;
	GElf_Chdr header;
	uint64_t one;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		one = gelf_getchdr(section, &header) ? header.ch_size : zdebug_size(elf, section, names);
		if (__builtin_add_overflow(size, one, &size))
			return SIZE_MAX;
	}
	return size;
}

bool debug_is_too_large(const struct pp_binary *binary)
{
	const struct pp_elf_image *image = binary_debug_image(binary);

	return image && unpacked_size(image->elf) > UNPACKED_BYTES_MAX;
}
