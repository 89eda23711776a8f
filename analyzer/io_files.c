/* SPDX-License-Identifier: Apache-2.0 */
/* Files by number, and the words for sockets; see io_files.h. */
#include "io_files.h"

#include "memory.h"

#include "preprof/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BYTES_LIMIT (UINT64_C(1) << 60)

void io_files_finish(struct pp_io_files *files)
{
	free(files->files);
	free(files->extents);
	table_finish(&files->extent_of);
	table_finish(&files->index_of);
	table_finish(&files->index_of_path);
	memset(files, 0, sizeof(*files));
}

uint32_t io_files_index(const struct pp_io_files *files, uint64_t number)
{
	uint64_t *found = table_find(&files->index_of, number);

	return found ? (uint32_t)*found : PP_NONE;
}

static struct pp_io_extent *extent_find(struct pp_io_files *files, uint64_t number)
{
	uint64_t *found = table_find(&files->extent_of, number);
	struct pp_io_extent *extent;

	if (found)
		return &files->extents[*found];
	if (!number || files->extent_count >= PP_IO_FILE_LIMIT)
		return NULL;
	files->extents = memory_grow(files->extents, &files->extent_capacity, (size_t)files->extent_count + 1,
				     sizeof(*files->extents));
	extent = &files->extents[files->extent_count];
	*extent = (struct pp_io_extent){.number = number};
	table_set(&files->extent_of, number, files->extent_count++);
	return extent;
}

void io_files_size(struct pp_io_files *files, uint64_t number, uint64_t size, uint64_t changed_ns)
{
	struct pp_io_extent *extent = extent_find(files, number);

	if (!extent || size >= BYTES_LIMIT || (extent->known && extent->changed_ns == changed_ns && extent->size >= size))
		return;
	/* The same moment with another size: what was added for it is replaced. */
	extent->sizes += size - (extent->known && extent->changed_ns == changed_ns ? extent->size : 0);
	extent->size = size;
	extent->changed_ns = changed_ns;
	extent->known = true;
}

void io_files_read_to(struct pp_io_files *files, uint64_t number, uint64_t read_to)
{
	struct pp_io_extent *extent = read_to ? extent_find(files, number) : NULL;

	if (extent && read_to > extent->read_to)
		extent->read_to = read_to;
}

/* A path of a UNIX socket; one in the abstract space begins with '@'. */
static const char *unix_name(struct pp_arena *arena, const struct sockaddr_un *address, size_t size)
{
	size_t space = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
	char text[sizeof(address->sun_path) + 1] = "";

	if (space > sizeof(address->sun_path))
		space = sizeof(address->sun_path);
	memcpy(text, address->sun_path, space);
	if (space > 1 && text[0] == '\0') {
		for (size_t i = 0; i < space; i++)
			if (text[i] < ' ' && text[i] >= 0)
				text[i] = '@';
	}
	return arena_format(arena, "unix %s", text);
}

/* "tcp 127.0.0.1:80"; of an accepted one "tcp 127.0.0.1:80 (accepted)", of a listening one "(local)". */
static const char *socket_name(struct pp_arena *arena, uint32_t flags, const uint8_t *bytes, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
		struct sockaddr_un local;
		struct sockaddr_storage room;
	} address;
	const char *accepted = flags & PP_IO_FILE_ACCEPTED ? " (accepted)" : flags & PP_IO_FILE_LOCAL ? " (local)" : "";
	const char *protocol;
	char text[INET6_ADDRSTRLEN] = "?";
	uint32_t type;

	memset(&address, 0, sizeof(address));
	if (size < sizeof(type) + sizeof(address.any.sa_family))
		return "socket";
	memcpy(&type, bytes, sizeof(type));
	size -= sizeof(type);
	memcpy(&address, bytes + sizeof(type), size < sizeof(address) ? size : sizeof(address));
	protocol = type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "raw";
	switch (address.any.sa_family) {
	case AF_UNIX:
		return unix_name(arena, &address.local, size);
	case AF_INET:
		inet_ntop(AF_INET, &address.ip4.sin_addr, text, sizeof(text));
		return arena_format(arena, "%s %s:%u%s", protocol, text, ntohs(address.ip4.sin_port), accepted);
	case AF_INET6:
		inet_ntop(AF_INET6, &address.ip6.sin6_addr, text, sizeof(text));
		return arena_format(arena, "%s [%s]:%u%s", protocol, text, ntohs(address.ip6.sin6_port), accepted);
	case AF_NETLINK:
		return "netlink";
	}
	return arena_format(arena, "socket of family %u", address.any.sa_family);
}

static uint64_t path_hash(const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	return hash;
}

/* The file of that path, where one of the two is known by its path alone; PP_NONE: there is none. */
static uint32_t path_find(const struct pp_io_files *files, const char *path, uint32_t kind)
{
	uint64_t *found = table_find(&files->index_of_path, path_hash(path));
	const struct pp_io_file *file = found ? &files->files[*found] : NULL;

	if (!file || strcmp(file->path, path) != 0 || (kind && file->kind && kind != file->kind))
		return PP_NONE;
	return (uint32_t)*found;
}

void io_files_define(struct pp_io_files *files, struct pp_arena *arena, uint64_t number, uint32_t kind, uint32_t flags,
		     const void *bytes, size_t size)
{
	struct pp_io_file *file;
	const char *path = NULL;
	uint32_t same = PP_NONE;

	if (number == 0 || files->count >= PP_IO_FILE_LIMIT || table_find(&files->index_of, number))
		return;
	if (!(flags & PP_IO_FILE_ADDRESS) && size && ((const char *)bytes)[0] == '/') {
		path = arena_string_sized(arena, bytes, strnlen(bytes, size));
		same = path_find(files, path, kind);
	}
	if (same != PP_NONE) {
		files->files[same].kind = files->files[same].kind ? files->files[same].kind : kind;
		table_set(&files->index_of, number, same);
		return;
	}
	files->files = memory_grow(files->files, &files->capacity, (size_t)files->count + 1, sizeof(*files->files));
	file = &files->files[files->count];
	file->kind = kind;
	file->path = path;
	if (path)
		table_set(&files->index_of_path, path_hash(path), files->count);
	else if (flags & PP_IO_FILE_ADDRESS)
		file->path = socket_name(arena, flags, bytes, size);
	else if (size)
		file->path = arena_string_sized(arena, bytes, strnlen(bytes, size));
	table_set(&files->index_of, number, files->count++);
}
