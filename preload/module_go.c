/* SPDX-License-Identifier: Apache-2.0 */
/* Go's modules, known by the note that its linker leaves in each; see module_go.h. */
#include "module_go.h"

#include "object.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#define NOTE_NAME	"Go\0" /* four bytes with its own end */
#define NOTE_NAME_BYTES 4

static bool notes_have_go(const uint8_t *at, const uint8_t *end)
{
	while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)at;
		size_t name = ((size_t)note->n_namesz + 3) & ~(size_t)3;
		size_t description = ((size_t)note->n_descsz + 3) & ~(size_t)3;

		at += sizeof(*note);
		if (name > (size_t)(end - at) || description > (size_t)(end - at) - name)
			return false;
		if (note->n_namesz == NOTE_NAME_BYTES && memcmp(at, NOTE_NAME, NOTE_NAME_BYTES) == 0)
			return true;
		at += name + description;
	}
	return false;
}

static bool segments_have_go(const ElfW(Phdr) * segments, size_t count, uintptr_t bias)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *start = (const uint8_t *)(bias + segments[i].p_vaddr);

		if (segments[i].p_type == PT_NOTE && notes_have_go(start, start + segments[i].p_memsz))
			return true;
	}
	return false;
}

bool executable_is_go(void)
{
	const ElfW(Phdr) *segments = (const void *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);

	for (size_t i = 0; segments && i < count; i++)
		if (segments[i].p_type == PT_PHDR)
			return segments_have_go(segments, count, (uintptr_t)segments - segments[i].p_vaddr);
	return false;
}

bool module_is_go(const void *address)
{
	struct pp_object object;

	return object_find((uintptr_t)address, &object) && object_segments_read(&object) &&
	       segments_have_go(object.segments, object.segment_count, object.bias);
}
