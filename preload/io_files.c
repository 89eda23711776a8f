/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors and their names. A number is looked up at its first use after it was opened, closed, duplicated to or
 * received (/proc/self/fd, fstat, the addresses of a socket), and forgotten when one of those comes. So a name is right
 * however the descriptor came here, inherited ones included; only a number that was closed and opened again without any
 * function that is hooked (a raw system call, libc's own use) keeps its old name.
 *
 * A file is named by a hash of what it is known as: no number has to be agreed on between threads and processes, and
 * a file that is opened a thousand times is one. Its definition is a record, told when a thread first looks it up, and
 * again only when the small cache of what was told has forgotten it.
 *
 * The table is in private memory, mapped in chunks; its entries are shared by all threads without a lock (see io.h).
 */
#include "io.h"
#include "raw.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CHUNK_BITS    PP_IO_CHUNK_BITS
#define CHUNK_ENTRIES (1U << CHUNK_BITS)
#define FD_LIMIT      PP_IO_FD_LIMIT
#define TOLD_ENTRIES  4096
#define NAMES		 1024	 /* paths that were opened, and what they led to */
#define KERNEL_LARGEFILE 0100000 /* the kernel's O_LARGEFILE, which libc calls 0 */
#define POSITIONS	 1024	 /* shared ones; files that are open by several numbers at once */

struct pp_io_fd *pp_io_chunks[FD_LIMIT >> CHUNK_BITS];
static uint64_t told[TOLD_ENTRIES]; /* by hash: the file that was told last */

struct pp_io_fd *io_fd_make(int fd)
{
	struct pp_io_fd *chunk = io_fd_known(fd), *none = NULL;

	if (chunk || (unsigned int)fd >= FD_LIMIT)
		return chunk;
	chunk = raw_map(CHUNK_ENTRIES * sizeof(*chunk));
	if (!chunk)
		return NULL;
	if (!__atomic_compare_exchange_n(&pp_io_chunks[fd >> CHUNK_BITS], &none, chunk, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		raw_unmap(chunk, CHUNK_ENTRIES * sizeof(*chunk));
		chunk = none;
	}
	return &chunk[fd & (CHUNK_ENTRIES - 1)];
}

/* --- names ----------------------------------------------------------------------------------------------------------- */

uint64_t io_name_hash(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static uint32_t kind_of(const struct stat *status)
{
	uint32_t number = major(status->st_rdev);

	switch (status->st_mode & S_IFMT) {
	case S_IFREG:
		return PP_IO_KIND_FILE;
	case S_IFDIR:
		return PP_IO_KIND_DIRECTORY;
	case S_IFIFO:
		return PP_IO_KIND_PIPE;
	case S_IFSOCK:
		return PP_IO_KIND_SOCKET;
	case S_IFBLK:
		return PP_IO_KIND_DEVICE;
	case S_IFCHR:
		return number == 4 || number == 5 || (number >= 136 && number <= 143) ? PP_IO_KIND_TTY
										      : PP_IO_KIND_DEVICE;
	}
	return PP_IO_KIND_OTHER;
}

/* "/proc/self/fd/N"; any length of N. */
static void fd_path(char *path, int fd)
{
	char digits[12];
	int count = 0;

	strcpy(path, "/proc/self/fd/");
	path += 14;
	do
		digits[count++] = (char)('0' + fd % 10);
	while ((fd /= 10) > 0);
	while (count)
		*path++ = digits[--count];
	*path = '\0';
}

size_t io_fd_path(struct pp_io_name *name, int fd)
{
	char path[32];
	long size;

	fd_path(path, fd);
	size = RAW_CALL(SYS_readlinkat, AT_FDCWD, path, name->bytes, sizeof(name->bytes));
	return name->size = size > 0 ? (uint32_t)size : 0;
}

/* A socket that is bound or connected: family and address of the side that says what it is for (where it was accepted, its
 * own; else the peer's, and where there is none its own), after the socket's type. Port numbers that the kernel chose are
 * not in it: a thousand connections to one server are one file. false: it has no address. */
static bool name_of_socket(struct pp_io_name *name, int fd, bool accepted, bool *local)
{
	uint32_t type = 0, size = sizeof(type);
	struct sockaddr_storage address;
	socklen_t address_size = 0;

	for (int turn = 0; turn < 2; turn++) {
		long call = (turn == 0) == accepted ? SYS_getsockname : SYS_getpeername;

		memset(&address, 0, sizeof(address));
		address_size = sizeof(address);
		if (RAW_CALL(call, fd, &address, &address_size) < 0)
			continue;
		*local = call == SYS_getsockname;
		if (address_size > sizeof(address))
			address_size = sizeof(address);
		if (address.ss_family != AF_UNIX || address_size > sizeof(address.ss_family))
			goto found;
	}
	return false;
found:
	RAW_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
	memcpy(name->bytes, &type, sizeof(type));
	memcpy(name->bytes + sizeof(type), &address, address_size);
	name->size = (uint32_t)sizeof(type) + address_size;
	return true;
}

void io_name_tell(struct pp_thread *thread, uint64_t file, uint32_t kind, uint32_t flags, const struct pp_io_name *name)
{
	uint32_t words = 2 + (name->size + 7) / 8;
	uint64_t *word;

	emit_room(thread, words + 1);
	word = thread->cursor;
	word[0] = (uint64_t)PP_REC_EXTENDED << 60 | (uint64_t)PP_EXT_IO_FILE << 48 | (uint64_t)(words + 1) << 32;
	word[1] = file;
	word[2] = (uint64_t)name->size << 32 | flags << 16 | kind;
	word[words] = 0;
	memcpy(&word[3], name->bytes, name->size);
	emit_publish_notice(thread, words + 1);
}

static void name_tell_once(struct pp_thread *thread, uint64_t file, uint32_t kind, uint32_t flags,
			   const struct pp_io_name *name)
{
	if (__atomic_load_n(&told[file % TOLD_ENTRIES], __ATOMIC_RELAXED) == file)
		return;
	__atomic_store_n(&told[file % TOLD_ENTRIES], file, __ATOMIC_RELAXED);
	io_name_tell(thread, file, kind, flags, name);
}

/* What the kernel makes up at each reading is never read again. */
static bool is_made_up(const struct pp_io_name *name)
{
	return (name->size > 6 && memcmp(name->bytes, "/proc/", 6) == 0) ||
	       (name->size > 5 && memcmp(name->bytes, "/sys/", 5) == 0);
}

/* name NULL: it was remembered, and is none of those. */
static void places_open(struct pp_thread *thread, struct pp_io_fd *state, const struct pp_io_name *name,
			const struct stat *status)
{
	state->places = NULL;
	state->run_start = state->run_end = 0;
	state->run_limit = state->inside_to = state->inside_from = 0;
	if (state->kind == PP_IO_KIND_FILE && !(name && is_made_up(name)))
		io_places_open(thread, state, status);
}

/* What a path led to when it was opened before: a file that is opened by the same path again, and is the same, need not be asked
 * for its name, which costs more than opening it. Where this process moves or links names, all are forgotten; where another one does
 * and the same file comes by the same path, it keeps the name that it had. Torn entries are of no file: all of it must fit. */
static struct {
	uint64_t key, device, inode, file;
} names[NAMES];

static uint64_t names_generation;

void io_names_moved(void)
{
	__atomic_add_fetch(&names_generation, 1, __ATOMIC_RELAXED);
}

static uint64_t name_known(uint64_t key, const struct stat *status)
{
	uint64_t file;

	if (!key || __atomic_load_n(&names[key % NAMES].key, __ATOMIC_ACQUIRE) != key ||
	    names[key % NAMES].inode != status->st_ino || names[key % NAMES].device != status->st_dev)
		return 0;
	file = names[key % NAMES].file;
	return __atomic_load_n(&names[key % NAMES].key, __ATOMIC_ACQUIRE) == key ? file : 0;
}

static void name_remember(uint64_t key, const struct stat *status, uint64_t file)
{
	__atomic_store_n(&names[key % NAMES].key, 0, __ATOMIC_RELEASE);
	names[key % NAMES].device = status->st_dev;
	names[key % NAMES].inode = status->st_ino;
	names[key % NAMES].file = file;
	__atomic_store_n(&names[key % NAMES].key, key, __ATOMIC_RELEASE);
}

#define FLAGS_KNOWN                                                                                                   \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECTORY | \
	 O_NOFOLLOW | O_CLOEXEC | O_NOATIME)

/* As F_GETFL gives them. Of a file or folder that was opened a moment ago they are those that it was opened with. */
static long flags_of(int fd, const struct pp_io_opened *how, const struct stat *status)
{
#if defined(__x86_64__)
	if (how && !(how->flags & ~FLAGS_KNOWN) && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)))
		return (how->flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)) | KERNEL_LARGEFILE;
#endif
	return RAW_CALL(SYS_fcntl, fd, F_GETFL);
}

static __attribute__((noinline)) void fd_look_up(struct pp_thread *thread, struct pp_io_fd *state, int fd,
						 const struct pp_io_opened *how)
{
	uint64_t key = 0;
	struct stat status;
	struct pp_io_name name;
	uint32_t flags = 0;
	bool named = false, local = false;
	long modes;

	name.size = 0;
	io_life_seen(thread, state, fd, 0, false);
	if (raw_fstat(fd, &status) < 0)
		return;
	state->kind = (uint8_t)kind_of(&status);
	/* Of one that was opened a moment ago the position is known; of one that is looked up once more it is not. */
	state->at->now = state->kind == PP_IO_KIND_FILE && !how ? -1 : 0;
	memset(state->at->stream, 0, sizeof(state->at->stream));
	state->fresh = 1;
	state->size = status.st_size;
	modes = flags_of(fd, how, &status);
	state->append = modes > 0 && modes & O_APPEND;
	if (how && how->path && state->kind == PP_IO_KIND_FILE && status.st_nlink)
		key = io_path_key(thread, how->folder, how->path);
	if (key)
		key ^= names_generation * UINT64_C(0x9e3779b97f4a7c15);
	state->file = name_known(key, &status);
	if (state->file) {
		io_life_seen(thread, state, fd, modes > 0 ? (uint32_t)modes : 0, false);
		places_open(thread, state, NULL, &status);
		return;
	}
	if (state->kind == PP_IO_KIND_SOCKET) {
		named = name_of_socket(&name, fd, state->accepted, &local);
		flags = PP_IO_FILE_ADDRESS | (state->accepted ? PP_IO_FILE_ACCEPTED : local ? PP_IO_FILE_LOCAL : 0);
	}
	if (!named) {
		flags = 0;
		io_fd_path(&name, fd);
	}
	state->file = io_name_hash(UINT64_C(0xcbf29ce484222325) + state->kind + flags * 16, name.bytes, name.size);
	name_tell_once(thread, state->file, state->kind, flags, &name);
	if (key && name.size && !is_made_up(&name))
		name_remember(key, &status, state->file);
	io_life_seen(thread, state, fd, modes > 0 ? (uint32_t)modes : 0, status.st_nlink == 0);
	places_open(thread, state, &name, &status);
}

/* --- positions that duplicates share ---------------------------------------------------------------------------------- */

/* Duplicates in this process move one position, and each of their calls tells where to: it need not be asked for. */
static struct pp_io_position positions[POSITIONS];

static void position_leave(struct pp_io_fd *state)
{
	if (state->at && state->at != &state->own)
		__atomic_sub_fetch(&state->at->users, 1, __ATOMIC_RELEASE);
	state->at = &state->own;
}

/* That of a descriptor, for one more; NULL: all are taken. */
static struct pp_io_position *position_share(struct pp_io_fd *state)
{
	if (state->at != &state->own) {
		__atomic_add_fetch(&state->at->users, 1, __ATOMIC_RELAXED);
		return state->at;
	}
	for (struct pp_io_position *one = positions; one < positions + POSITIONS; one++) {
		uint32_t none = 0;

		if (__atomic_load_n(&one->users, __ATOMIC_RELAXED) ||
		    !__atomic_compare_exchange_n(&one->users, &none, 2, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		one->now = state->own.now;
		memcpy(one->stream, state->own.stream, sizeof(one->stream));
		return state->at = one;
	}
	return NULL;
}

/* --- children that share our memory ------------------------------------------------------------------------------------- */

/* A child of vfork has a table of descriptors of its own and our memory: what it opens, closes and duplicates to means something
 * else to it alone. It runs in its parent's thread, which waits; that thread keeps the numbers, until it finds itself the
 * parent again. */

void io_fd_foreign_note(int fd)
{
	struct pp_thread *thread = pp_tls.thread;

	if (!thread)
		return;
	for (uint32_t i = 0; i < thread->foreign_count && i < PP_FOREIGN_FDS; i++)
		if (thread->foreign[i] == fd)
			return;
	if (thread->foreign_count < PP_FOREIGN_FDS)
		thread->foreign[thread->foreign_count] = fd;
	if (thread->foreign_count <= PP_FOREIGN_FDS)
		thread->foreign_count++;
}

bool io_fd_foreign(struct pp_thread *thread, int fd)
{
	if (raw_getpid() == pp_session.pid) {
		thread->foreign_count = 0;
		return false;
	}
	for (uint32_t i = 0; i < thread->foreign_count && i < PP_FOREIGN_FDS; i++)
		if (thread->foreign[i] == fd)
			return true;
	return thread->foreign_count > PP_FOREIGN_FDS;
}

static bool is_foreign(int fd)
{
	struct pp_thread *thread = pp_tls.thread;

	return thread && pp_unlikely(thread->foreign_count) && io_fd_foreign(thread, fd);
}

/* What it means there, found anew each time: such a child does little before it executes. */
struct pp_io_fd *io_fd_foreign_get(struct pp_thread *thread, int fd)
{
	/* Two threads may have a child each. */
	struct pp_io_fd *state = (struct pp_io_fd *)thread->foreign_state;

	_Static_assert(sizeof(*state) <= sizeof(thread->foreign_state), "room");
	*state = (struct pp_io_fd){.row = &pp_io_row_unkept, .at = &state->own};
	if (!pp_session.io_blind)
		fd_look_up(thread, state, fd, NULL);
	return state;
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

struct pp_io_fd *io_fd_look_up(struct pp_thread *thread, int fd)
{
	struct pp_io_fd *state = io_fd_known(fd);

	if (pp_unlikely(!state)) {
		state = io_fd_make(fd);
		if (!state)
			return NULL;
	}
	if (pp_unlikely(!state->file && !pp_session.io_blind)) {
		/* A child that shares our memory has numbers of its own, which end with it. */
		if (pp_unlikely(raw_getpid() != pp_session.pid))
			return io_fd_foreign_get(thread, fd);
		if (!state->at)
			state->at = &state->own;
		fd_look_up(thread, state, fd, NULL);
	}
	if (pp_unlikely(!state->row))
		state->row = &pp_io_row_unkept;
	if (pp_unlikely(!state->at))
		state->at = &state->own;
	return state;
}

struct pp_io_fd *io_fd_opened(struct pp_thread *thread, int fd, const struct pp_io_opened *how)
{
	struct pp_io_fd *state = io_fd_known(fd);

	if (!state || state->file || pp_session.io_blind)
		return io_fd_get(thread, fd);
	if (!state->at)
		state->at = &state->own;
	fd_look_up(thread, state, fd, how);
	if (pp_unlikely(!state->row))
		state->row = &pp_io_row_unkept;
	return state;
}

uint64_t io_file_named(struct pp_thread *thread, const char *text)
{
	struct pp_io_name name;
	uint64_t file;

	name.size = (uint32_t)strlen(text);
	memcpy(name.bytes, text, name.size);
	file = io_name_hash(UINT64_C(0xcbf29ce484222325) + PP_IO_KIND_OTHER, name.bytes, name.size);
	name_tell_once(thread, file, PP_IO_KIND_OTHER, 0, &name);
	return file;
}

static uint64_t fd_end(struct pp_thread *thread, int fd, enum pp_wire_io_end end)
{
	struct pp_io_fd *state = io_fd_known(fd);
	struct pp_thread *entered = NULL;
	uint64_t file;
	bool ended;

	if (!state || (!state->file && !state->row) || is_foreign(fd))
		return 0;
	if (state->row) {
		/* Else a handler that forks in between would take the row away, in the child. */
		if (!thread)
			thread = entered = hook_enter();
		ended = io_life_end(thread, state, fd, end);
		if (entered)
			hook_leave(entered);
		if (!ended)
			return state->file;
	}
	file = state->file;
	state->file = 0;
	state->accepted = 0;
	position_leave(state);
	state->places = NULL;
	return file;
}

uint64_t io_fd_take(int fd, enum pp_wire_io_end end)
{
	return fd_end(NULL, fd, end);
}

void io_fd_renew(struct pp_thread *thread, int fd)
{
	fd_end(thread, fd, PP_IO_END_UNSEEN);
}

void io_fd_changed(int fd)
{
	struct pp_io_fd *state = io_fd_known(fd);

	if (!state || is_foreign(fd))
		return;
	io_places_close(state);
	state->file = 0;
}

void io_fd_duplicated(int from, int to)
{
	struct pp_io_fd *state = io_fd_known(from), *copy = io_fd_known(to);
	struct pp_wire_io_descriptor *row, *copy_row;
	struct pp_io_position *at = NULL;
	struct pp_io_fd made;

	if (!state || !state->file || from == to || !(copy || (copy = io_fd_make(to))))
		return;
	row = io_fd_row(state);
	copy_row = __atomic_load_n(&copy->row, __ATOMIC_RELAXED);
	if (!copy_row)
		return;
	position_leave(copy);
	io_places_close(state);
	if (state->kind == PP_IO_KIND_FILE) {
		at = position_share(state);
		if (!at)
			state->places = NULL; /* where each is will not be known */
	}
	/* Others may use the number: at no moment is it without a row and a position. */
	made = *state;
	made.row = copy_row;
	made.at = at ? at : &copy->own;
	*copy = made;
	if (copy_row->serial && row->serial) {
		copy_row->file = made.file;
		copy_row->flags = row->flags;
		copy_row->kind = made.kind;
		copy_row->deleted = row->deleted;
	}
}

int64_t io_fd_ask(struct pp_io_fd *state, int fd, int64_t got)
{
	int64_t position = pp_session.io_blind ? -1 : RAW_CALL(SYS_lseek, fd, 0, SEEK_CUR), start;

	start = position >= got ? position - got : 0;
	if (state->fresh)
		state->at->stream[0].end = state->at->stream[1].end = start;
	state->fresh = 0;
	return start;
}

void io_fds_unsettle(void)
{
	for (uint32_t chunk = 0; chunk < FD_LIMIT >> CHUNK_BITS; chunk++) {
		struct pp_io_fd *states = __atomic_load_n(&pp_io_chunks[chunk], __ATOMIC_ACQUIRE);

		if (!states && chunk >= PP_WIRE_DESCRIPTOR_COUNT >> CHUNK_BITS)
			return;
		for (uint32_t i = 0; states && i < CHUNK_ENTRIES; i++)
			if (states[i].file && states[i].kind == PP_IO_KIND_FILE)
				states[i].at->now = -1;
	}
}

uint64_t io_fd_file(int fd)
{
	struct pp_io_fd *state = io_fd_known(fd);

	return state && !is_foreign(fd) ? state->file : 0;
}

void io_fd_forget(int fd, enum pp_wire_io_end end)
{
	io_fd_take(fd, end);
}

void io_fd_forget_range(unsigned int first, unsigned int last)
{
	for (uint64_t fd = first; fd <= last && fd < FD_LIMIT; fd++) {
		if (!pp_io_chunks[fd >> CHUNK_BITS])
			fd |= CHUNK_ENTRIES - 1;
		else
			io_fd_take((int)fd, PP_IO_END_CLOSED);
	}
}

void io_fd_moved(int fd, int64_t position)
{
	struct pp_io_fd *state = io_fd_known(fd);

	if (state && state->file && !is_foreign(fd))
		state->at->now = position;
}

void io_fd_mapped(int fd)
{
	struct pp_wire_header *header = pp_session.header;
	struct stat status;

	if (!header || !pp_session.settings.io || pp_session.io_blind || pp_session.sealed ||
	    header->not_observed & PP_NOT_IO_MAPPED)
		return;
	if (raw_fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink)
		__atomic_or_fetch(&header->not_observed, PP_NOT_IO_MAPPED, __ATOMIC_RELAXED);
}

void io_files_reset(void)
{
	memset(told, 0, sizeof(told));
	memset(positions, 0, sizeof(positions));
	memset(names, 0, sizeof(names));
	for (uint32_t chunk = 0; chunk < FD_LIMIT >> CHUNK_BITS; chunk++)
		if (pp_io_chunks[chunk])
			memset(pp_io_chunks[chunk], 0, CHUNK_ENTRIES * sizeof(*pp_io_chunks[chunk]));
	io_lives_reset();
	io_places_reset();
	io_paths_reset();
}
