/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of one module: the one that the target had mapped, its separate debug file, the small
 * symbol table packed into it, and what dwz has moved out to a shared file. Only the symbolizer's
 * thread calls this.
 *
 * libdwfl would find most of these, but its standard callback asks a debuginfod server as soon as
 * DEBUGINFOD_URLS is set; the searches are short, so they are made here and never leave the machine.
 */
#include "symbolize_internal.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Packed symbol tables of the largest distributed programs are below 10 MiB. */
	MINI_BYTES_MAX = 64 << 20,
	/* What the kernel's vdso could grow to. */
	VDSO_BYTES_MAX = 1 << 20,
};

static void image_close(struct pp_elf_image *image)
{
	if (image->elf) {
		elf_end(image->elf);
		if (image->fd >= 0)
			close(image->fd);
		free(image->memory);
	}
	*image = (struct pp_elf_image){.fd = -1};
}

/* Takes the descriptor over, whatever the result. */
static bool image_open_fd(struct pp_elf_image *image, int fd)
{
	struct stat status;
	Elf *elf = NULL;

	if (fd < 0)
		return false;
	/* A device or a pipe under the module's name must not be read or waited for. */
	if (!fstat(fd, &status) && S_ISREG(status.st_mode))
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF) {
		*image = (struct pp_elf_image){.elf = elf, .fd = fd};
		return true;
	}
	elf_end(elf);
	close(fd);
	return false;
}

static bool image_open_path(struct pp_elf_image *image, const char *path)
{
	return image_open_fd(image, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

/* Takes the memory over, whatever the result. */
static bool image_open_memory(struct pp_elf_image *image, void *memory, size_t size)
{
	Elf *elf = elf_memory(memory, size);

	if (elf && elf_kind(elf) == ELF_K_ELF) {
		*image = (struct pp_elf_image){.elf = elf, .fd = -1, .memory = memory};
		return true;
	}
	elf_end(elf);
	free(memory);
	return false;
}

static Elf_Scn *image_section(const struct pp_elf_image *image, const char *name)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (!image->elf || elf_getshdrstrndx(image->elf, &names))
		return NULL;
	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		const char *text;

		if (!gelf_getshdr(section, &header))
			continue;
		text = elf_strptr(image->elf, names, header.sh_name);
		if (text && !strcmp(text, name) && header.sh_type != SHT_NOBITS)
			return section;
	}
	return NULL;
}

static bool image_has_dwarf(const struct pp_elf_image *image)
{
	return image_section(image, ".debug_info") || image_section(image, ".zdebug_info");
}

static bool image_has_symtab(const struct pp_elf_image *image)
{
	return image_section(image, ".symtab");
}

/* Whether the image carries this build id. One that carries none is taken at its word. */
static bool image_matches(const struct pp_elf_image *image, const uint8_t *build_id, size_t size)
{
	const void *own;
	ssize_t own_size = dwelf_elf_gnu_build_id(image->elf, &own);

	return !size || own_size <= 0 || ((size_t)own_size == size && !memcmp(own, build_id, size));
}

/* ---- the vdso ---- */

static bool path_is_vdso(const char *path)
{
	return !strcmp(path, "[vdso]") || !strcmp(path, "linux-vdso.so.1") || !strcmp(path, "linux-gate.so.1");
}

/* The vdso's section headers are its last part, so they tell its size. */
static bool vdso_open(struct pp_elf_image *image)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);
	size_t size;
	void *copy;

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG))
		return false;
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	if (size < sizeof(*header) || size > VDSO_BYTES_MAX)
		return false;
	copy = malloc(size);
	if (!copy)
		return false;
	memcpy(copy, header, size);
	return image_open_memory(image, copy, size);
}

/* ---- separate debug files ---- */

/* The next root of a list separated by colons, or false at its end. */
static bool root_next(const char **roots, char root[static PATH_MAX])
{
	size_t length;

	do {
		*roots += strspn(*roots, ":");
		length = strcspn(*roots, ":");
		if (!length)
			return false;
		if (length < PATH_MAX) {
			memcpy(root, *roots, length);
			root[length] = 0;
		}
		*roots += length;
	} while (length >= PATH_MAX);
	return true;
}

static bool image_open_build_id(struct pp_elf_image *image, const char *roots, const uint8_t *build_id, size_t size)
{
	char root[PATH_MAX], path[2 * PATH_MAX];

	if (size < 2 || size > 64)
		return false;
	while (root_next(&roots, root)) {
		int length = snprintf(path, sizeof(path), "%s/.build-id/%02x/", root, build_id[0]);

		for (size_t i = 1; i < size; i++)
			length += snprintf(path + length, sizeof(path) - length, "%02x", build_id[i]);
		snprintf(path + length, sizeof(path) - length, ".debug");
		if (!image_open_path(image, path))
			continue;
		if (image_matches(image, build_id, size))
			return true;
		image_close(image);
	}
	return false;
}

static bool file_crc(int fd, uint32_t *crc)
{
	static const size_t size = 64 * 1024;
	uint8_t *buffer = malloc(size);
	off_t at = 0;
	ssize_t count = -1;

	*crc = 0;
	while (buffer && (count = pread(fd, buffer, size, at)) > 0) {
		*crc = lzma_crc32(buffer, count, *crc);
		at += count;
	}
	free(buffer);
	return count == 0;
}

/* A file named by .gnu_debuglink, if it belongs to main: by build id, or else by its checksum. */
static bool image_open_linked(struct pp_elf_image *image, const struct pp_elf_image *main, const char *path,
			      uint32_t crc)
{
	const void *id, *other_id;
	ssize_t size = dwelf_elf_gnu_build_id(main->elf, &id), other_size;
	struct stat own, other;
	uint32_t actual;

	if (!image_open_path(image, path))
		return false;
	other_size = dwelf_elf_gnu_build_id(image->elf, &other_id);
	if (!fstat(image->fd, &other) && main->fd >= 0 && !fstat(main->fd, &own) && own.st_ino == other.st_ino &&
	    own.st_dev == other.st_dev)
		goto refuse; /* the link names the file itself */
	if (size > 0 && other_size > 0) {
		if (size == other_size && !memcmp(id, other_id, size))
			return true;
	} else if (file_crc(image->fd, &actual) && actual == crc) {
		return true;
	}
refuse:
	image_close(image);
	return false;
}

static bool image_open_debuglink(struct pp_elf_image *image, const struct pp_elf_image *main, const char *path,
				 const char *roots)
{
	char directory[PATH_MAX], root[PATH_MAX], candidate[3 * PATH_MAX];
	GElf_Word crc;
	const char *link = dwelf_elf_gnu_debuglink(main->elf, &crc), *slash;

	if (!link || !link[0] || strchr(link, '/') || path[0] != '/')
		return false;
	if (!realpath(path, directory))
		snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	directory[slash ? slash - directory : 0] = 0;
	snprintf(candidate, sizeof(candidate), "%s/%s", directory, link);
	if (image_open_linked(image, main, candidate, crc))
		return true;
	snprintf(candidate, sizeof(candidate), "%s/.debug/%s", directory, link);
	if (image_open_linked(image, main, candidate, crc))
		return true;
	while (root_next(&roots, root)) {
		snprintf(candidate, sizeof(candidate), "%s%s/%s", root, directory, link);
		if (image_open_linked(image, main, candidate, crc))
			return true;
	}
	return false;
}

/* ---- .gnu_debugdata ---- */

static bool mini_open(struct pp_elf_image *image, const struct pp_elf_image *main)
{
	Elf_Scn *section = image_section(main, ".gnu_debugdata");
	Elf_Data *packed = section ? elf_rawdata(section, NULL) : NULL;
	uint64_t memory_limit = MINI_BYTES_MAX;

	if (!packed || !packed->d_buf || !packed->d_size)
		return false;
	for (size_t size = packed->d_size * 8; size <= MINI_BYTES_MAX; size *= 2) {
		size_t in = 0, out = 0;
		uint8_t *memory = malloc(size);
		lzma_ret result;

		if (!memory)
			return false;
		result = lzma_stream_buffer_decode(&memory_limit, 0, NULL, packed->d_buf, &in, packed->d_size, memory,
						   &out, size);
		if (result == LZMA_OK)
			return image_open_memory(image, memory, out);
		free(memory);
		if (result != LZMA_BUF_ERROR)
			return false;
	}
	return false;
}

/* ---- the whole ---- */

static void main_open(struct pp_binary *binary, const struct pp_binary_request *request)
{
	bool found;

	if (path_is_vdso(request->path))
		found = vdso_open(&binary->main);
	else if (request->fd >= 0)
		found = image_open_fd(&binary->main, fcntl(request->fd, F_DUPFD_CLOEXEC, 0));
	else
		found = request->path[0] == '/' && image_open_path(&binary->main, request->path);
	if (found && !image_matches(&binary->main, request->build_id, request->build_id_size)) {
		image_close(&binary->main);
		binary->changed = true;
	}
}

void binary_open(struct pp_binary *binary, const struct pp_binary_request *request)
{
	const void *id = request->build_id;
	ssize_t id_size = request->build_id_size;
	bool found;

	*binary = (struct pp_binary){.main.fd = -1, .debug.fd = -1, .mini.fd = -1, .alternate.fd = -1};
	main_open(binary, request);
	if (binary->main.elf && image_has_dwarf(&binary->main))
		return;
	if (!id_size && binary->main.elf)
		id_size = dwelf_elf_gnu_build_id(binary->main.elf, &id);
	found = id_size > 0 && image_open_build_id(&binary->debug, request->debug_roots, id, id_size);
	if (!binary->main.elf)
		return;
	if (!found)
		found = image_open_debuglink(&binary->debug, &binary->main, request->path, request->debug_roots);
	if (!image_has_symtab(&binary->main) && !(found && image_has_symtab(&binary->debug)))
		mini_open(&binary->mini, &binary->main);
}

void binary_close(struct pp_binary *binary)
{
	image_close(&binary->alternate);
	image_close(&binary->mini);
	image_close(&binary->debug);
	image_close(&binary->main);
}

const struct pp_elf_image *binary_debug_image(const struct pp_binary *binary)
{
	if (image_has_dwarf(&binary->debug))
		return &binary->debug;
	return image_has_dwarf(&binary->main) ? &binary->main : NULL;
}

void binary_open_alternate(struct pp_binary *binary, Dwarf *dwarf, const struct pp_binary_request *request)
{
	char real[PATH_MAX], link[PATH_MAX], candidate[2 * PATH_MAX];
	const struct pp_elf_image *image = binary_debug_image(binary);
	const char *name, *slash;
	const void *id;
	ssize_t id_size = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);

	if (id_size <= 0 || !image || image->fd < 0 ||
	    image_open_build_id(&binary->alternate, request->debug_roots, id, id_size))
		return;
	if (name[0] == '/') {
		snprintf(candidate, sizeof(candidate), "%s", name);
	} else {
		/* Relative names start at the file that holds the link, behind its own links. */
		snprintf(link, sizeof(link), "/proc/self/fd/%d", image->fd);
		if (!realpath(link, real))
			return;
		slash = strrchr(real, '/');
		snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(slash ? slash - real : 0), real, name);
	}
	if (image_open_path(&binary->alternate, candidate) && !image_matches(&binary->alternate, id, id_size))
		image_close(&binary->alternate);
}

/* ---- the unwinder's search table ---- */

/* The LSB's "DWARF Extensions", .eh_frame_hdr: version, three encodings, the address of .eh_frame, the number of entries,
 * then pairs (function, entry) in order of the functions. Linkers write the latter as 32-bit offsets from the header. */
enum {
	HEADER_BYTES = 12,
	ENCODING_UDATA4 = 0x03,
	ENCODING_DATAREL_SDATA4 = 0x3b,
};

struct search_pair {
	int32_t function, entry;
};

static bool program_header_find(Elf *elf, uint32_t type, GElf_Phdr *found)
{
	size_t count;

	if (!elf || elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count && i < INT_MAX; i++)
		if (gelf_getphdr(elf, (int)i, found) && found->p_type == type)
			return true;
	return false;
}

uint64_t binary_function_entry(const struct pp_binary *binary, uint64_t address)
{
	const unsigned char *bytes;
	const Elf_Data *data;
	struct search_pair pair;
	uint32_t count, low = 0, high;
	GElf_Phdr header;

	if (!program_header_find(binary->main.elf, PT_GNU_EH_FRAME, &header) || header.p_filesz < HEADER_BYTES)
		return 0;
	data = elf_getdata_rawchunk(binary->main.elf, (int64_t)header.p_offset, header.p_filesz, ELF_T_BYTE);
	if (!data || !data->d_buf || data->d_size < HEADER_BYTES)
		return 0;
	bytes = data->d_buf;
	if (bytes[0] != 1 || bytes[2] != ENCODING_UDATA4 || bytes[3] != ENCODING_DATAREL_SDATA4)
		return 0;
	memcpy(&count, bytes + 8, sizeof(count));
	if (count > (data->d_size - HEADER_BYTES) / sizeof(pair))
		return 0;
	/* the number of pairs at or below the address */
	for (high = count; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		memcpy(&pair, bytes + HEADER_BYTES + middle * sizeof(pair), sizeof(pair));
		if (header.p_vaddr + (uint64_t)(int64_t)pair.function <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	memcpy(&pair, bytes + HEADER_BYTES + (low - 1) * sizeof(pair), sizeof(pair));
	return header.p_vaddr + (uint64_t)(int64_t)pair.function;
}
