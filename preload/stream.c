/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: what their calls have moved, and the system calls below them; see stream.h.
 *
 * The tables are found by what is in them: wherever libc's read-only data hold the addresses of its own _IO_file_read,
 * _IO_file_write and _IO_file_seek one after the other, there is a table of a kind of file (narrow, wide, of popen, mapped),
 * whatever this version of libc calls it and in whichever order the rest lies. If not even stdout's table is one of them,
 * nothing is touched, and the report says that these calls are not seen. Libc verifies that a stream's table lies where its
 * tables lie, not what is in it.
 */
#include "stream.h"
#include "raw.h"
#include "resolve.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/mman.h>

/* In a table: read is the 15th word, close comes three later. */
#define SLOT_CLOSE 17

static struct {
	ssize_t (*read)(FILE *, void *, ssize_t);
	ssize_t (*write)(FILE *, const void *, ssize_t);
	off64_t (*seek)(FILE *, off64_t, int);
	int (*close)(FILE *);
} real;

static bool watched;
static struct pp_code_range libc_code, own_code;

/* --- below ------------------------------------------------------------------------------------------------------------ */

/* The session's last look at what the kernel counts is behind us: libc's flush at exit comes after it. */
static void account(uint64_t *counter, int64_t bytes)
{
	if (bytes > 0 && pp_session.header && pp_session.header->io_known == 2)
		__atomic_add_fetch(counter, (uint64_t)bytes, __ATOMIC_RELAXED);
}

static ssize_t slot_read(FILE *stream, void *buffer, ssize_t size)
{
	uint64_t began = io_begin_open(PP_IO_STDIO_SYS_READ, __builtin_frame_address(0));
	ssize_t result = real.read(stream, buffer, size);

	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;
		struct pp_thread *thread;

		io_tell_stdio(began, PP_IO_STDIO_SYS_READ, stream->_fileno, (uint64_t)size, result, &registers);
		thread = thread_current();
		if (thread && result > 0)
			thread->stdio_read_bytes += (uint64_t)result;
		account(&pp_session.header->io_ended_read, result);
	}
	return result;
}

/* The real one goes on until all is written, or a write fails; it returns what was written. Where the kernel takes a part
 * and then the rest that is one call here. */
static ssize_t slot_write(FILE *stream, const void *buffer, ssize_t size)
{
	uint64_t began = io_begin_open(PP_IO_STDIO_SYS_WRITE, __builtin_frame_address(0));
	ssize_t result = real.write(stream, buffer, size);

	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;
		struct pp_thread *thread;

		if (result > 0)
			io_tell_stdio(began, PP_IO_STDIO_SYS_WRITE, stream->_fileno, (uint64_t)size, result, &registers);
		if (result < size)
			io_tell_stdio(result > 0 ? io_ticks() : began, PP_IO_STDIO_SYS_WRITE, stream->_fileno,
				      (uint64_t)(size - (result > 0 ? result : 0)), -1, &registers);
		thread = thread_current();
		if (thread)
			thread->stdio_write_count++;
		account(&pp_session.header->io_ended_write, result);
	}
	return result;
}

static off64_t slot_seek(FILE *stream, off64_t offset, int from)
{
	uint64_t began = io_begin();
	off64_t result = real.seek(stream, offset, from);

	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_stdio(began, PP_IO_STDIO_SYS_SEEK, stream->_fileno, 0, result, &registers);
		if (result >= 0)
			io_fd_moved(stream->_fileno, result);
	}
	return result;
}

static int slot_close(FILE *stream)
{
	uint64_t began = io_begin(), file = io_fd_take(stream->_fileno, PP_IO_END_CLOSED);
	int result = real.close(stream);

	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_stdio_close(began, file, result, &registers);
	}
	return result;
}

bool stream_close_is_seen(const FILE *stream)
{
	const void *const *table = *(const void *const *const *)(const void *)(stream + 1);

	return watched && table && table[SLOT_CLOSE] == (const void *)slot_close;
}

uint32_t stream_stack(uint32_t stack)
{
	return stack_outside(stack, &libc_code, &own_code);
}

/* --- the tables ------------------------------------------------------------------------------------------------------ */

/* The part of the object at `start` that the loader made read-only; false: it has none. */
static bool relro_find(uint64_t start, uint64_t bias, uint64_t *from, uint64_t *to)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)start;
	const Elf64_Phdr *rows = (const Elf64_Phdr *)(start + header->e_phoff);
	uint64_t page = pp_session.header->page_size;

	for (int i = 0; i < header->e_phnum; i++) {
		if (rows[i].p_type != PT_GNU_RELRO)
			continue;
		*from = (bias + rows[i].p_vaddr) & ~(uint64_t)7;
		*to = (bias + rows[i].p_vaddr + rows[i].p_memsz) & ~(page - 1);
		return *from < *to;
	}
	return false;
}

static struct pp_code_range range_of(const struct dl_find_object *object)
{
	return (struct pp_code_range){(uint64_t)object->dlfo_map_start,
				      (uint64_t)object->dlfo_map_end - (uint64_t)object->dlfo_map_start};
}

static bool is_table(void *const *word)
{
	return word[0] == (void *)real.read && word[1] == (void *)real.write && word[2] == (void *)real.seek;
}

static void table_take(void **word)
{
	__atomic_store_n(&word[0], (void *)slot_read, __ATOMIC_RELEASE);
	__atomic_store_n(&word[1], (void *)slot_write, __ATOMIC_RELEASE);
	__atomic_store_n(&word[2], (void *)slot_seek, __ATOMIC_RELEASE);
	if (word[3] == (void *)real.close)
		__atomic_store_n(&word[3], (void *)slot_close, __ATOMIC_RELEASE);
}

static bool tables_take(void)
{
	const FILE *known = resolve_next("_IO_2_1_stdout_"); /* `stdout` may be the program's own by now */
	const uint8_t *own = known ? *(const uint8_t *const *)(const void *)(known + 1) : NULL;
	uint64_t from, to, first;
	struct dl_find_object object, ours;
	bool found = false;

	if (!real.read || !real.write || !real.seek || !real.close || !own ||
	    _dl_find_object((void *)real.read, &object) != 0 || _dl_find_object((void *)slot_read, &ours) != 0 ||
	    !relro_find((uint64_t)object.dlfo_map_start, object.dlfo_link_map->l_addr, &from, &to) ||
	    (uint64_t)own < from || (uint64_t)own + (SLOT_CLOSE + 1) * sizeof(void *) > to ||
	    !is_table((void *const *)own + SLOT_CLOSE - 3))
		return false;
	libc_code = range_of(&object);
	own_code = range_of(&ours);
	first = from & ~(uint64_t)(pp_session.header->page_size - 1);
	if (RAW_CALL(SYS_mprotect, first, to - first, PROT_READ | PROT_WRITE) < 0)
		return false;
	for (void **word = (void **)from; word + 4 <= (void **)to; word++) {
		if (!is_table(word))
			continue;
		table_take(word);
		found = true;
	}
	RAW_CALL(SYS_mprotect, first, to - first, PROT_READ);
	return found;
}

void stream_watch(void)
{
	if (!pp_session.settings.io)
		return;
	if (!watched) {
		real.read = resolve_next("_IO_file_read");
		real.write = resolve_next("_IO_file_write");
		real.seek = resolve_next("_IO_file_seek");
		real.close = resolve_next("_IO_file_close");
		watched = tables_take();
	}
	if (!pp_session.settings.stdio)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_STDIO_ASKED, __ATOMIC_RELAXED);
	if (!watched)
		__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_STDIO_CALLS, __ATOMIC_RELAXED);
}

/* --- above ----------------------------------------------------------------------------------------------------------- */

/* What is said of a stream that has no descriptor. */
static const char *stream_name(const FILE *stream)
{
	if (!stream)
		return NULL;
	/* Those of functions are files to stdio, with the descriptor -2. */
	return stream->_flags & STREAM_IS_FILE ? "(stream of functions: fopencookie, fmemopen)" : "(memory stream)";
}

void stream_tell(const struct pp_stream_call *call, enum pp_wire_io_operation operation, const FILE *stream,
		 uint64_t asked, int64_t got, const struct pp_registers *registers)
{
	int fd = stream_fd(stream);

	io_tell_stream(call->began, operation, fd, fd < 0 ? stream_name(stream) : NULL, asked, got, registers);
}

uint64_t stream_consumed(const struct pp_stream_call *call, const FILE *stream)
{
	const struct pp_thread *thread = pp_tls.thread;
	uint64_t came, left = stream_available(stream);

	if (!thread || !watched || stream_fd(stream) < 0)
		return UINT64_MAX;
	came = call->available + thread->stdio_read_bytes - call->read_bytes;
	return came < left ? UINT64_MAX : came - left;
}
