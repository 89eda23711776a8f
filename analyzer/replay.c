/* SPDX-License-Identifier: Apache-2.0 */
/* Saving and playing raw streams; see replay.h, and docs/wire-format.md for the bytes. */
#include "replay.h"

#include "image.h"
#include "memory.h"
#include "replay_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- saving ---- */

struct pp_replay_writer {
	FILE *file;
	char path[512];
	int trouble; /* the first errno */
};

/* Is there a saved stream, ours, or an empty file that was made for one? */
static bool stream_is_there(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	uint64_t magic = 0;
	bool good;

	if (fd < 0)
		return false;
	good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	       (status.st_size == 0 ||
		(pread(fd, &magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) && magic == PP_REPLAY_MAGIC));
	close(fd);
	return good;
}

/* A new file. Of what may be there already only an older stream is removed, and no link is followed. */
static int stream_create(const char *path)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd = open(path, flags, 0600);

	if (fd >= 0 || errno != EEXIST)
		return fd;
	if (!stream_is_there(path)) {
		errno = EEXIST;
		return -1;
	}
	return unlink(path) == 0 ? open(path, flags, 0600) : -1;
}

bool replay_save_start(struct pp_trace *trace, const char *path, struct pp_error *error)
{
	struct pp_replay_head head = {.magic = PP_REPLAY_MAGIC,
				      .version = PP_REPLAY_VERSION,
				      .byte_order = PP_WIRE_BYTE_ORDER};
	struct pp_replay_writer *writer = memory_array(1, sizeof(*writer));
	int fd = stream_create(path);

	writer->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!writer->file) {
		error_set(error, "cannot save the stream to %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		free(writer);
		return false;
	}
	snprintf(writer->path, sizeof(writer->path), "%s", path);
	if (fwrite(&head, sizeof(head), 1, writer->file) != 1)
		writer->trouble = errno;
	trace->save = writer;
	return true;
}

bool replay_save_flush(struct pp_trace *trace, struct pp_error *error)
{
	struct pp_replay_writer *writer = trace->save;

	if (!writer)
		return true;
	if (fflush(writer->file) != 0 && !writer->trouble)
		writer->trouble = errno;
	if (writer->trouble)
		error_set(error, "cannot save the stream to %s: %s", writer->path, strerror(writer->trouble));
	return writer->trouble == 0;
}

bool replay_save_finish(struct pp_trace *trace, struct pp_error *error)
{
	struct pp_replay_writer *writer = trace->save;
	bool good = replay_save_flush(trace, error);

	if (!writer)
		return true;
	if (fclose(writer->file) != 0 && good)
		good = error_set(error, "cannot save the stream to %s: %s", writer->path, strerror(errno));
	trace->save = NULL;
	free(writer);
	return good;
}

static void put(struct pp_replay_writer *writer, const void *bytes, size_t size)
{
	if (size && !writer->trouble && fwrite(bytes, size, 1, writer->file) != 1)
		writer->trouble = errno ? errno : EIO;
}

static void put_entry(struct pp_replay_writer *writer, uint32_t type, const struct pp_image *image, uint64_t size)
{
	struct pp_replay_entry entry = {.type = type, .image = image->index, .size = size};

	put(writer, &entry, sizeof(entry));
}

static void put_padding(struct pp_replay_writer *writer, uint64_t size)
{
	static const uint8_t zero[8];

	put(writer, zero, (size_t)(-size & 7));
}

void replay_save_image(struct pp_replay_writer *writer, const struct pp_image *image, const char *command,
		       size_t command_size)
{
	struct pp_replay_image head = {.hello = image->hello, .shared_size = image->shared_size};
	struct pp_wire_header header;
	uint64_t size;

	memcpy(&header, image->shared, sizeof(header));
	header.header_size = sizeof(header); /* so many are written */
	head.hello.executable_size = (uint32_t)strlen(image->executable);
	head.hello.command_size = command ? (uint32_t)command_size : 0;
	head.hello.host_size = (uint32_t)strlen(image->host);
	size = sizeof(head) + sizeof(header) + head.hello.executable_size + head.hello.command_size +
	       head.hello.host_size;
	put_entry(writer, PP_REPLAY_IMAGE, image, size);
	put(writer, &head, sizeof(head));
	put(writer, &header, sizeof(header));
	put(writer, image->executable, head.hello.executable_size);
	put(writer, command, head.hello.command_size);
	put(writer, image->host, head.hello.host_size);
	put_padding(writer, size);
}

void replay_save_pipe(struct pp_replay_writer *writer, const struct pp_image *image, const void *bytes, size_t size)
{
	put_entry(writer, PP_REPLAY_PIPE, image, size);
	put(writer, bytes, size);
	put_padding(writer, size);
}

void replay_save_tail(struct pp_replay_writer *writer, const struct pp_image *image, const uint8_t *frame,
		      uint32_t from, uint32_t to)
{
	struct pp_replay_tail head = {.from = from, .to = to};
	uint64_t size = sizeof(head) + sizeof(struct pp_wire_frame) + (to - from);

	put_entry(writer, PP_REPLAY_TAIL, image, size);
	put(writer, &head, sizeof(head));
	put(writer, frame, sizeof(struct pp_wire_frame));
	put(writer, frame + from, to - from);
	put_padding(writer, size);
}

void replay_save_watermark(struct pp_replay_writer *writer, const struct pp_image *image, uint64_t watermark)
{
	put_entry(writer, PP_REPLAY_WATERMARK, image, sizeof(watermark));
	put(writer, &watermark, sizeof(watermark));
}

static void put_shared(struct pp_replay_writer *writer, const struct pp_image *image, uint64_t offset, uint64_t size)
{
	if (offset >= image->shared_size)
		return;
	if (size > image->shared_size - offset)
		size = image->shared_size - offset;
	put_entry(writer, PP_REPLAY_SHARED, image, sizeof(offset) + size);
	put(writer, &offset, sizeof(offset));
	put(writer, image->shared + offset, size);
	put_padding(writer, size);
}

void replay_save_end(struct pp_replay_writer *writer, const struct pp_image *image, const struct pp_exit *exit,
		     uint64_t end_ns)
{
	const struct pp_wire_header *shared = (const struct pp_wire_header *)image->shared;
	struct pp_replay_end end = {.known = exit && exit->known,
				    .code = exit ? exit->code : 0,
				    .signal = exit ? exit->signal : 0,
				    .end_ns = end_ns};
	uint64_t nodes = __atomic_load_n(&shared->node_count, __ATOMIC_ACQUIRE);
	uint64_t defs = __atomic_load_n(&shared->def_bytes, __ATOMIC_ACQUIRE);
	uint64_t slots = __atomic_load_n(&shared->slot_count, __ATOMIC_ACQUIRE);
	uint64_t descriptors = __atomic_load_n(&shared->descriptor_count, __ATOMIC_ACQUIRE);

	if (nodes > image->stack_limit)
		nodes = image->stack_limit;
	if (slots > PP_WIRE_SLOT_COUNT)
		slots = PP_WIRE_SLOT_COUNT;
	put_shared(writer, image, 0, sizeof(*shared));
	put_shared(writer, image, PP_WIRE_SLOTS, slots * sizeof(struct pp_wire_slot));
	put_shared(writer, image, PP_WIRE_DESCRIPTORS,
		   (descriptors < PP_WIRE_DESCRIPTOR_COUNT ? descriptors : PP_WIRE_DESCRIPTOR_COUNT) *
			   sizeof(struct pp_wire_io_descriptor));
	put_shared(writer, image, PP_WIRE_DEFS, defs < PP_WIRE_DEFS_SPACE ? defs : 0);
	for (uint64_t i = 0; i < slots; i++) {
		const struct pp_wire_slot *slot = (const struct pp_wire_slot *)(image->shared + PP_WIRE_SLOTS) + i;

		if (slot->io_page && slot->io_page <= PP_WIRE_IO_PAGES)
			put_shared(writer, image,
				   PP_WIRE_IO + (slot->io_page - 1) * (uint64_t)sizeof(struct pp_wire_io_page),
				   sizeof(struct pp_wire_io_page));
		if (slot->sql_page && slot->sql_page <= PP_WIRE_SQL_PAGES)
			put_shared(writer, image,
				   PP_WIRE_SQL + (slot->sql_page - 1) * (uint64_t)sizeof(struct pp_wire_sql_page),
				   sizeof(struct pp_wire_sql_page));
	}
	put_shared(writer, image, PP_WIRE_NODES, nodes * sizeof(struct pp_wire_node));
	put_entry(writer, PP_REPLAY_END, image, sizeof(end));
	put(writer, &end, sizeof(end));
	fflush(writer->file);
}

/* ---- playing ---- */

struct pp_replay_memory {
	uint8_t *bytes;
	size_t size;
	struct pp_image *image;
};

struct pp_replay {
	struct pp_trace *trace;
	struct pp_replay_memory *images;
	uint32_t count, capacity;
	uint64_t last_ns;
};

#define REPLAY_IMAGE_LIMIT 65536

void replay_free(struct pp_replay *replay)
{
	if (!replay)
		return;
	for (uint32_t i = 0; i < replay->count; i++)
		munmap(replay->images[i].bytes, replay->images[i].size);
	free(replay->images);
	free(replay);
}

/* Bytes of the saved header: it grows from version to version. 0: it makes no sense. */
static uint32_t saved_header_size(const uint8_t *header, uint64_t room)
{
	uint32_t size;

	if (room < offsetof(struct pp_wire_header, types))
		return 0;
	memcpy(&size, header + offsetof(struct pp_wire_header, header_size), sizeof(size));
	return size >= offsetof(struct pp_wire_header, types) && size <= room && size <= PP_WIRE_HEADER_SPACE ? size : 0;
}

static bool play_image(struct pp_replay *replay, const uint8_t *bytes, uint64_t size)
{
	struct pp_replay_memory *memory;
	struct pp_replay_image head;
	const struct pp_wire_hello *hello = &head.hello;
	const uint8_t *text;
	char *executable, *host;
	uint32_t header_size;

	if (size < sizeof(head) || replay->count >= REPLAY_IMAGE_LIMIT)
		return false;
	memcpy(&head, bytes, sizeof(head));
	header_size = saved_header_size(bytes + sizeof(head), size - sizeof(head));
	if (!header_size)
		return false;
	text = bytes + sizeof(head) + header_size;
	size -= sizeof(head) + header_size;
	if ((uint64_t)hello->executable_size + hello->command_size + hello->host_size > size ||
	    head.shared_size > PP_WIRE_SPACE || head.shared_size < PP_WIRE_HEADER_SPACE)
		return false;
	replay->images =
		memory_grow(replay->images, &replay->capacity, (size_t)replay->count + 1, sizeof(*replay->images));
	memory = &replay->images[replay->count];
	memory->size = head.shared_size;
	memory->bytes =
		mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->bytes == MAP_FAILED)
		return false;
	replay->count++;
	memcpy(memory->bytes, bytes + sizeof(head), header_size);
	executable = strndup((const char *)text, hello->executable_size);
	host = strndup((const char *)text + hello->executable_size + hello->command_size, hello->host_size);
	memory->image = trace_image_add(replay->trace, hello, executable, (const char *)text + hello->executable_size,
					hello->command_size, host, memory->bytes, memory->size, NULL);
	free(executable);
	free(host);
	return memory->image != NULL;
}

static bool play_tail(struct pp_image *image, const uint8_t *bytes, uint64_t size)
{
	uint8_t frame[PP_WIRE_FRAME_SPACE];
	struct pp_replay_tail head;
	const struct pp_wire_frame *wire = (const struct pp_wire_frame *)frame;

	if (size < sizeof(head) + sizeof(*wire))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (head.from < sizeof(*wire) || head.from > head.to || head.to > sizeof(frame) || head.from % 8 ||
	    head.to % 8 || size != sizeof(head) + sizeof(*wire) + head.to - head.from)
		return false;
	memset(frame, 0, sizeof(frame));
	memcpy(frame, bytes + sizeof(head), sizeof(*wire));
	memcpy(frame + head.from, bytes + sizeof(head) + sizeof(*wire), head.to - head.from);
	if (wire->slot >= PP_WIRE_SLOT_COUNT || wire->sequence == 0 || image->waiting ||
	    (wire->kind != PP_FRAME_EVENTS && wire->kind != PP_FRAME_SAMPLES))
		return false;
	reader_take(image, frame, head.from, head.to);
	return true;
}

static bool play_shared(struct pp_replay_memory *memory, const uint8_t *bytes, uint64_t size)
{
	uint64_t offset;

	if (size < sizeof(offset))
		return false;
	memcpy(&offset, bytes, sizeof(offset));
	size -= sizeof(offset);
	if (offset > memory->size || size > memory->size - offset)
		return false;
	memcpy(memory->bytes + offset, bytes + sizeof(offset), size);
	return true;
}

static bool play_end(struct pp_replay *replay, struct pp_image *image, const uint8_t *bytes, uint64_t size)
{
	struct pp_replay_end end;
	struct pp_exit exit;

	if (size != sizeof(end))
		return false;
	memcpy(&end, bytes, sizeof(end));
	exit = (struct pp_exit){.known = end.known != 0, .code = end.code, .signal = end.signal};
	replay->last_ns = end.end_ns;
	image_end(image, &exit, end.end_ns);
	return true;
}

/* One entry. false: it makes no sense. */
static bool play_entry(struct pp_replay *replay, const struct pp_replay_entry *entry, const uint8_t *bytes)
{
	struct pp_replay_memory *memory;
	uint64_t watermark;

	if (entry->type == PP_REPLAY_IMAGE)
		return entry->image == replay->count && play_image(replay, bytes, entry->size);
	if (entry->image >= replay->count)
		return false;
	memory = &replay->images[entry->image];
	if (!memory->image || memory->image->ended)
		return false;
	switch (entry->type) {
	case PP_REPLAY_PIPE:
		image_feed(memory->image, bytes, entry->size);
		return true;
	case PP_REPLAY_TAIL:
		return play_tail(memory->image, bytes, entry->size);
	case PP_REPLAY_WATERMARK:
		if (entry->size != sizeof(watermark))
			return false;
		memcpy(&watermark, bytes, sizeof(watermark));
		image_watermark(memory->image, watermark);
		return true;
	case PP_REPLAY_SHARED:
		return play_shared(memory, bytes, entry->size);
	case PP_REPLAY_END:
		return play_end(replay, memory->image, bytes, entry->size);
	default:
		return true; /* of a later version */
	}
}

static void play_all(struct pp_replay *replay, const uint8_t *bytes, size_t size)
{
	struct pp_replay_entry entry;
	size_t at = sizeof(struct pp_replay_head);

	while (size - at >= sizeof(entry)) {
		memcpy(&entry, bytes + at, sizeof(entry));
		at += sizeof(entry);
		if (entry.size > size - at || !play_entry(replay, &entry, bytes + at)) {
			trace_note(replay->trace, "the saved stream is damaged; what follows was left out");
			break;
		}
		at += entry.size;
		at += -entry.size & 7;
		if (at > size)
			break;
	}
	for (uint32_t i = 0; i < replay->count; i++) {
		if (replay->images[i].image && !replay->images[i].image->ended)
			image_end(replay->images[i].image, NULL, replay->last_ns);
	}
}

struct pp_replay *replay_load_bytes(struct pp_trace *trace, const void *bytes, size_t size, struct pp_error *error)
{
	struct pp_replay_head head;
	struct pp_replay *replay;

	if (size < sizeof(head)) {
		error_set(error, "not a saved stream of preprof");
		return NULL;
	}
	memcpy(&head, bytes, sizeof(head));
	if (head.magic != PP_REPLAY_MAGIC || head.version != PP_REPLAY_VERSION ||
	    head.byte_order != PP_WIRE_BYTE_ORDER) {
		error_set(error, "not a saved stream of preprof, or of another version");
		return NULL;
	}
	replay = memory_array(1, sizeof(*replay));
	replay->trace = trace;
	trace->replaying = true;
	play_all(replay, bytes, size);
	return replay;
}

struct pp_replay *replay_load(struct pp_trace *trace, const char *path, struct pp_error *error)
{
	struct pp_replay *replay = NULL;
	struct stat status;
	void *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0) {
		error_set(error, "cannot read %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(status.st_mode) || status.st_size == 0) {
		error_set(error, "%s is not a saved stream of preprof", path);
		goto out;
	}
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		error_set(error, "cannot read %s: %s", path, strerror(errno));
		goto out;
	}
	replay = replay_load_bytes(trace, bytes, (size_t)status.st_size, error);
	munmap(bytes, (size_t)status.st_size);
out:
	if (fd >= 0)
		close(fd);
	return replay;
}
