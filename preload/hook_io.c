/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io family: the system calls that move bytes through descriptors, and those that open, name, place and flush them.
 * Each hook is begin, the real call, tell (io.h): between, nothing of ours is held, so that a call that blocks can be
 * interrupted, cancelled or jumped out of. hook_fd.c has close and dup, which also look after our own descriptors.
 *
 * What libc calls inside itself (stdio's reads and writes, opendir, the resolver) does not pass here: those are not
 * calls of the program's.
 */
#include "io_again.h"
#include "life.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The names that fortified programs call; no header declares them without fortification. */
ssize_t __read_chk(int fd, void *buffer, size_t size, size_t space);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t space);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t space);
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t space, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t space, int flags, struct sockaddr *address,
		       socklen_t *address_size);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

#define FUNCTIONS(X)                                                                                                   \
	X(read) X(__read_chk) X(write) X(pread) X(pread64) X(__pread_chk) X(__pread64_chk) X(pwrite) X(pwrite64)       \
	X(readv) X(writev) X(preadv) X(preadv64) X(pwritev) X(pwritev64) X(preadv2) X(preadv64v2) X(pwritev2)          \
	X(pwritev64v2) X(sendfile) X(sendfile64) X(copy_file_range) X(splice) X(tee) X(vmsplice) X(send) X(sendto)     \
	X(sendmsg) X(sendmmsg) X(recv) X(__recv_chk) X(recvfrom) X(__recvfrom_chk) X(recvmsg) X(recvmmsg) X(open)      \
	X(open64) X(__open_2) X(__open64_2) X(openat) X(openat64) X(__openat_2) X(__openat64_2) X(creat) X(creat64)    \
	X(mkstemp) X(mkstemp64) X(mkostemp) X(mkostemp64) X(mkstemps) X(mkstemps64) X(mkostemps) X(mkostemps64)        \
	X(lseek) X(lseek64) X(fsync) X(fdatasync) X(sync_file_range) X(sync) X(syncfs) X(msync) X(ftruncate)           \
	X(ftruncate64) X(fallocate) X(fallocate64) X(posix_fallocate) X(posix_fallocate64) X(posix_fadvise)            \
	X(posix_fadvise64) X(fcntl) X(fcntl64) X(accept) X(accept4) X(connect) X(socket) X(socketpair) X(pipe) X(pipe2)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_io_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

/* All were found at the start; for a constructor that comes before ours they are found one by one. */
static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

/* A call that moves bytes through one descriptor, or none. */
#define IO_HOOK(type, name, parameters, arguments, operation, fd, asked, offset)                                       \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		uint64_t began = io_begin_open(operation, __builtin_frame_address(0));                                 \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell(began, operation, fd, asked, result, offset, &registers);                              \
		}                                                                                                      \
		return result;                                                                                         \
	}

/* The same of one of which programs make millions alike. */
#define IO_AGAIN_HOOK(type, name, parameters, arguments, operation, fd, asked, offset)                                 \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		struct pp_io_again *again;                                                                             \
		uint64_t began = io_again_begin(&again, operation, fd, asked, (uint64_t)__builtin_return_address(0),  \
						__builtin_frame_address(0));                                           \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (pp_unlikely(!again || !io_again_end(again, began, operation, result, offset, PP_FRAME_OF_CALLER)) &&   \
		    began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_repeating(began, operation, fd, asked, result, offset, &registers);                    \
		}                                                                                                      \
		return result;                                                                                         \
	}

/* --- bytes ----------------------------------------------------------------------------------------------------------- */

IO_AGAIN_HOOK(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size), PP_IO_READ, fd, size, IO_AT_POSITION)
IO_AGAIN_HOOK(ssize_t, __read_chk, (int fd, void *buffer, size_t size, size_t space), (fd, buffer, size, space), PP_IO_READ,
	fd, size, IO_AT_POSITION)
IO_AGAIN_HOOK(ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size), PP_IO_WRITE, fd, size,
	IO_AT_POSITION)

#define PREAD(name, offset_type)                                                                                       \
	IO_AGAIN_HOOK(ssize_t, name, (int fd, void *buffer, size_t size, offset_type offset), (fd, buffer, size, offset),    \
		PP_IO_PREAD, fd, size, offset)
#define PREAD_CHECKED(name, offset_type)                                                                               \
	IO_AGAIN_HOOK(ssize_t, name, (int fd, void *buffer, size_t size, offset_type offset, size_t space),                  \
		(fd, buffer, size, offset, space), PP_IO_PREAD, fd, size, offset)
#define PWRITE(name, offset_type)                                                                                      \
	IO_AGAIN_HOOK(ssize_t, name, (int fd, const void *buffer, size_t size, offset_type offset),                          \
		(fd, buffer, size, offset), PP_IO_PWRITE, fd, size, offset)
PREAD(pread, off_t)
PREAD(pread64, off64_t)
PREAD_CHECKED(__pread_chk, off_t)
PREAD_CHECKED(__pread64_chk, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Bytes of a vector. Only after a call that succeeded: the vector has been read by then. */
static uint64_t vector_bytes(const struct iovec *vector, uint64_t count, int64_t result)
{
	uint64_t bytes = 0;

	for (uint64_t i = 0; result >= 0 && i < count; i++)
		bytes += vector[i].iov_len;
	return bytes;
}

#define VECTOR(name, operation)                                                                                        \
	IO_HOOK(ssize_t, name, (int fd, const struct iovec *vector, int count), (fd, vector, count), operation, fd,    \
		vector_bytes(vector, (uint64_t)count, result), IO_AT_POSITION)
#define VECTOR_AT(name, operation, offset_type)                                                                        \
	IO_HOOK(ssize_t, name, (int fd, const struct iovec *vector, int count, offset_type offset),                    \
		(fd, vector, count, offset), operation, fd, vector_bytes(vector, (uint64_t)count, result), offset)
/* The offset -1 means the descriptor's own: IO_AT_POSITION. */
#define VECTOR_AT_FLAGS(name, operation, offset_type)                                                                  \
	IO_HOOK(ssize_t, name, (int fd, const struct iovec *vector, int count, offset_type offset, int flags),         \
		(fd, vector, count, offset, flags), operation, fd, vector_bytes(vector, (uint64_t)count, result), offset)
VECTOR(readv, PP_IO_READV)
VECTOR(writev, PP_IO_WRITEV)
VECTOR_AT(preadv, PP_IO_PREADV, off_t)
VECTOR_AT(preadv64, PP_IO_PREADV, off64_t)
VECTOR_AT(pwritev, PP_IO_PWRITEV, off_t)
VECTOR_AT(pwritev64, PP_IO_PWRITEV, off64_t)
VECTOR_AT_FLAGS(preadv2, PP_IO_PREADV, off_t)
VECTOR_AT_FLAGS(preadv64v2, PP_IO_PREADV, off64_t)
VECTOR_AT_FLAGS(pwritev2, PP_IO_PWRITEV, off_t)
VECTOR_AT_FLAGS(pwritev64v2, PP_IO_PWRITEV, off64_t)
IO_HOOK(ssize_t, vmsplice, (int fd, const struct iovec *vector, size_t count, unsigned int flags),
	(fd, vector, count, flags), PP_IO_VMSPLICE, fd, vector_bytes(vector, count, result), IO_NO_OFFSET)

/* From one descriptor to another. */
#define IO_PAIR_HOOK(name, parameters, arguments, operation, from, to)                                                 \
	PP_HOOK ssize_t name parameters                                                                                \
	{                                                                                                              \
		uint64_t began = io_begin_open(operation, __builtin_frame_address(0));                                 \
		ssize_t result = REAL(name) arguments;                                                                 \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_pair(began, operation##_IN, from, operation, to, size, result, &registers);            \
		}                                                                                                      \
		return result;                                                                                         \
	}

IO_PAIR_HOOK(sendfile, (int out, int in, off_t *offset, size_t size), (out, in, offset, size), PP_IO_SENDFILE, in, out)
IO_PAIR_HOOK(sendfile64, (int out, int in, off64_t *offset, size_t size), (out, in, offset, size), PP_IO_SENDFILE, in,
	     out)
IO_PAIR_HOOK(copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned int flags),
	     (in, from, out, to, size, flags), PP_IO_COPY_RANGE, in, out)
IO_PAIR_HOOK(splice, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned int flags),
	     (in, from, out, to, size, flags), PP_IO_SPLICE, in, out)
IO_PAIR_HOOK(tee, (int in, int out, size_t size, unsigned int flags), (in, out, size, flags), PP_IO_TEE, in, out)

/* --- sockets --------------------------------------------------------------------------------------------------------- */

IO_AGAIN_HOOK(ssize_t, send, (int fd, const void *buffer, size_t size, int flags), (fd, buffer, size, flags), PP_IO_SEND, fd,
	size, IO_NO_OFFSET)
IO_AGAIN_HOOK(ssize_t, sendto,
	(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t address_size),
	(fd, buffer, size, flags, address, address_size), PP_IO_SEND, fd, size, IO_NO_OFFSET)
IO_HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), PP_IO_SEND, fd,
	result < 0 ? 0 : vector_bytes(message->msg_iov, message->msg_iovlen, result), IO_NO_OFFSET)
IO_AGAIN_HOOK(ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags), PP_IO_RECV, fd, size,
	IO_NO_OFFSET)
IO_AGAIN_HOOK(ssize_t, __recv_chk, (int fd, void *buffer, size_t size, size_t space, int flags),
	(fd, buffer, size, space, flags), PP_IO_RECV, fd, size, IO_NO_OFFSET)
IO_AGAIN_HOOK(ssize_t, recvfrom,
	(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *address_size),
	(fd, buffer, size, flags, address, address_size), PP_IO_RECV, fd, size, IO_NO_OFFSET)
IO_AGAIN_HOOK(ssize_t, __recvfrom_chk,
	(int fd, void *buffer, size_t size, size_t space, int flags, struct sockaddr *address, socklen_t *address_size),
	(fd, buffer, size, space, flags, address, address_size), PP_IO_RECV, fd, size, IO_NO_OFFSET)
/* Descriptors that came with a message. */
static void received_begin(uint64_t began, struct msghdr *message, const struct pp_registers *registers)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		const uint8_t *at = CMSG_DATA(control), *end = (const uint8_t *)control + control->cmsg_len;
		int fd;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		for (; at + sizeof(fd) <= end; at += sizeof(fd)) {
			memcpy(&fd, at, sizeof(fd));
			io_tell_life(began, PP_IO_RECEIVED, fd, registers);
		}
	}
}

PP_HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	uint64_t began = io_begin_open(PP_IO_RECV, __builtin_frame_address(0));
	ssize_t result = REAL(recvmsg)(fd, message, flags);

	if (pp_likely(began != 0)) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell(began, PP_IO_RECV, fd, result < 0 ? 0 : vector_bytes(message->msg_iov, message->msg_iovlen, result),
			result, IO_NO_OFFSET, &registers);
		if (pp_unlikely(result >= 0 && message->msg_controllen >= sizeof(struct cmsghdr)))
			received_begin(began, message, &registers);
	}
	return result;
}

/* What so many messages carried, of what was asked for in `asked`; a failure stays one. */
static int64_t messages_bytes(const struct mmsghdr *messages, int result, uint64_t *asked)
{
	int64_t bytes = 0;

	*asked = 0;
	for (int i = 0; i < result; i++) {
		bytes += messages[i].msg_len;
		*asked += vector_bytes(messages[i].msg_hdr.msg_iov, messages[i].msg_hdr.msg_iovlen, 0);
	}
	return result < 0 ? result : bytes;
}

/* `follow`: what else the messages mean. */
#define MESSAGES_HOOK(name, parameters, arguments, operation, follow)                                                  \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		uint64_t began = io_begin_open(operation, __builtin_frame_address(0)), asked;                          \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			int64_t bytes = messages_bytes(messages, result, &asked);                                      \
                                                                                                                       \
			io_tell(began, operation, fd, asked, bytes, IO_NO_OFFSET, &registers);                         \
			follow;                                                                                        \
		}                                                                                                      \
		return result;                                                                                         \
	}

MESSAGES_HOOK(sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags), (fd, messages, count, flags),
	      PP_IO_SEND, (void)0)
MESSAGES_HOOK(recvmmsg,
	      (int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout),
	      (fd, messages, count, flags, timeout), PP_IO_RECV,
	      for (int i = 0; i < result; i++) received_begin(began, &messages[i].msg_hdr, &registers))

/* What it is called changes with the peer. */
PP_HOOK int connect(int fd, const struct sockaddr *address, socklen_t address_size)
{
	uint64_t began = io_begin_open(PP_IO_CONNECT, __builtin_frame_address(0));
	int result = REAL(connect)(fd, address, address_size);

	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_fd_changed(fd);
		io_tell(began, PP_IO_CONNECT, fd, 0, result, IO_NO_OFFSET, &registers);
	}
	return result;
}

#define ACCEPT_HOOK(name, parameters, arguments)                                                                       \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		uint64_t began = io_begin_open(PP_IO_ACCEPT, __builtin_frame_address(0));                              \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		if (result >= 0)                                                                                       \
			io_fd_forget(result, PP_IO_END_UNSEEN);                                                        \
		if (began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_made(began, PP_IO_ACCEPT, fd, &result, 1, PP_IO_ACCEPTED, result, &registers);         \
		}                                                                                                      \
		return result;                                                                                         \
	}

ACCEPT_HOOK(accept, (int fd, struct sockaddr *address, socklen_t *address_size), (fd, address, address_size))
ACCEPT_HOOK(accept4, (int fd, struct sockaddr *address, socklen_t *address_size, int flags),
	    (fd, address, address_size, flags))

/* --- new descriptors ------------------------------------------------------------------------------------------------- */

/* The number that it gave may have meant something else until a moment ago. */
#define OPEN_HOOK(name, parameters, before, arguments, folder, path, how)                                                \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		uint64_t began;                                                                                        \
		int result;                                                                                            \
                                                                                                                       \
		before;                                                                                                \
		began = io_begin();                                                                                    \
		result = REAL(name) arguments;                                                                         \
		io_fd_forget(result, PP_IO_END_UNSEEN);                                                                \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			if (pp_likely(result >= 0)) {                                                                  \
				struct pp_io_opened opened = {folder, how, path};                                      \
                                                                                                                       \
				io_tell_open(began, PP_IO_OPEN, result, &opened, &registers);                          \
			} else {                                                                                       \
				io_tell_path(began, PP_IO_OPEN, folder, path, result, &registers);                     \
			}                                                                                              \
		}                                                                                                      \
		return result;                                                                                         \
	}

#define NOTHING ((void)0)
/* The mode is there where the flags ask for it. */
#define MODE                                                                                                           \
	mode_t mode = 0;                                                                                               \
	va_list list;                                                                                                  \
                                                                                                                       \
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                                                     \
		va_start(list, flags);                                                                                 \
		mode = va_arg(list, mode_t);                                                                           \
		va_end(list);                                                                                          \
	}

OPEN_HOOK(open, (const char *path, int flags, ...), MODE, (path, flags, mode), AT_FDCWD, path, flags)
OPEN_HOOK(open64, (const char *path, int flags, ...), MODE, (path, flags, mode), AT_FDCWD, path, flags)
OPEN_HOOK(openat, (int folder, const char *path, int flags, ...), MODE, (folder, path, flags, mode), folder, path, flags)
OPEN_HOOK(openat64, (int folder, const char *path, int flags, ...), MODE, (folder, path, flags, mode), folder, path, flags)
OPEN_HOOK(__open_2, (const char *path, int flags), NOTHING, (path, flags), AT_FDCWD, path, flags)
OPEN_HOOK(__open64_2, (const char *path, int flags), NOTHING, (path, flags), AT_FDCWD, path, flags)
OPEN_HOOK(__openat_2, (int folder, const char *path, int flags), NOTHING, (folder, path, flags), folder, path, flags)
OPEN_HOOK(__openat64_2, (int folder, const char *path, int flags), NOTHING, (folder, path, flags), folder, path, flags)
OPEN_HOOK(creat, (const char *path, mode_t mode), NOTHING, (path, mode), AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC)
OPEN_HOOK(creat64, (const char *path, mode_t mode), NOTHING, (path, mode), AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC)
OPEN_HOOK(mkstemp, (char *name), NOTHING, (name), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkstemp64, (char *name), NOTHING, (name), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkostemp, (char *name, int flags), NOTHING, (name, flags), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkostemp64, (char *name, int flags), NOTHING, (name, flags), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkstemps, (char *name, int suffix), NOTHING, (name, suffix), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkstemps64, (char *name, int suffix), NOTHING, (name, suffix), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkostemps, (char *name, int suffix, int flags), NOTHING, (name, suffix, flags), AT_FDCWD, NULL, -1)
OPEN_HOOK(mkostemps64, (char *name, int suffix, int flags), NOTHING, (name, suffix, flags), AT_FDCWD, NULL, -1)

/* Nameless as yet: they are looked up at their first use, when they are bound or connected. */
#define MAKE_HOOK(name, parameters, arguments, operation, origin, made, count)                                         \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		for (int i = 0; result >= 0 && i < (count); i++)                                                       \
			io_fd_forget((made)[i], PP_IO_END_UNSEEN);                                                     \
		if (began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_made(began, operation, -1, made, count, origin, result, &registers);                   \
		}                                                                                                      \
		return result;                                                                                         \
	}

MAKE_HOOK(socket, (int domain, int type, int protocol), (domain, type, protocol), PP_IO_SOCKET,
	  PP_IO_MADE_SOCKET, &result, 1)
MAKE_HOOK(socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends), PP_IO_SOCKET,
	  PP_IO_MADE_SOCKET, ends, 2)
MAKE_HOOK(pipe, (int ends[2]), (ends), PP_IO_PIPE, PP_IO_MADE_PIPE, ends, 2)
MAKE_HOOK(pipe2, (int ends[2], int flags), (ends, flags), PP_IO_PIPE, PP_IO_MADE_PIPE, ends, 2)

/* Its argument, whatever it is, fits a pointer. */
#define FCNTL_HOOK(name)                                                                                               \
	PP_HOOK int name(int fd, int command, ...)                                                                     \
	{                                                                                                              \
		bool waits = command == F_SETLKW || command == F_OFD_SETLKW, duplicates;                               \
		uint64_t began;                                                                                        \
		void *argument;                                                                                        \
		va_list list;                                                                                          \
		int result;                                                                                            \
                                                                                                                       \
		va_start(list, command);                                                                               \
		argument = va_arg(list, void *);                                                                       \
		va_end(list);                                                                                          \
		began = waits ? io_begin_open(PP_IO_FILE_LOCK, __builtin_frame_address(0)) : io_begin();               \
		result = REAL(name)(fd, command, argument);                                                            \
		duplicates = result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC);                        \
		if (duplicates)                                                                                        \
			io_fd_forget(result, PP_IO_END_UNSEEN);                                                        \
		if (command == F_SETFL)                                                                                \
			io_fd_changed(fd);                                                                             \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			if (duplicates)                                                                                \
				io_tell_made(began, PP_IO_FCNTL, fd, &result, 1, PP_IO_DUPLICATED, result, &registers); \
			else                                                                                           \
				io_tell(began, waits ? PP_IO_FILE_LOCK : PP_IO_FCNTL, fd, 0, result, IO_NO_OFFSET,     \
					&registers);                                                                   \
		}                                                                                                      \
		return result;                                                                                         \
	}

FCNTL_HOOK(fcntl)
FCNTL_HOOK(fcntl64)

/* --- place and flush -------------------------------------------------------------------------------------------------- */

#define SEEK_HOOK(name, offset_type)                                                                                   \
	PP_HOOK offset_type name(int fd, offset_type offset, int from)                                                 \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		offset_type result = REAL(name)(fd, offset, from);                                                     \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell(began, PP_IO_SEEK, fd, 0, result,                                                      \
				from == SEEK_CUR && !offset ? IO_IN_PLACE : IO_NO_OFFSET, &registers);                 \
			if (result >= 0)                                                                               \
				io_fd_moved(fd, result);                                                               \
		}                                                                                                      \
		return result;                                                                                         \
	}

SEEK_HOOK(lseek, off_t)
SEEK_HOOK(lseek64, off64_t)

IO_HOOK(int, fsync, (int fd), (fd), PP_IO_FSYNC, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, fdatasync, (int fd), (fd), PP_IO_FDATASYNC, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, syncfs, (int fd), (fd), PP_IO_SYNC, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, sync_file_range, (int fd, off64_t from, off64_t size, unsigned int flags), (fd, from, size, flags),
	PP_IO_SYNC_RANGE, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, msync, (void *address, size_t size, int flags), (address, size, flags), PP_IO_MSYNC, -1, 0, IO_NO_OFFSET)
IO_HOOK(int, ftruncate, (int fd, off_t size), (fd, size), PP_IO_TRUNCATE, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, ftruncate64, (int fd, off64_t size), (fd, size), PP_IO_TRUNCATE, fd, 0, IO_NO_OFFSET)
IO_HOOK(int, fallocate, (int fd, int mode, off_t from, off_t size), (fd, mode, from, size), PP_IO_ALLOCATE, fd, 0,
	IO_NO_OFFSET)
IO_HOOK(int, fallocate64, (int fd, int mode, off64_t from, off64_t size), (fd, mode, from, size), PP_IO_ALLOCATE, fd, 0,
	IO_NO_OFFSET)

/* These return the error instead of setting errno. */
#define POSIX_HOOK(name, parameters, arguments, operation)                                                             \
	PP_HOOK int name parameters                                                                                    \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			int error = errno;                                                                             \
                                                                                                                       \
			if (result)                                                                                    \
				errno = result;                                                                        \
			io_tell(began, operation, fd, 0, result ? -1 : 0, IO_NO_OFFSET, &registers);                   \
			errno = error;                                                                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}

POSIX_HOOK(posix_fallocate, (int fd, off_t from, off_t size), (fd, from, size), PP_IO_ALLOCATE)
POSIX_HOOK(posix_fallocate64, (int fd, off64_t from, off64_t size), (fd, from, size), PP_IO_ALLOCATE)
POSIX_HOOK(posix_fadvise, (int fd, off_t from, off_t size, int advice), (fd, from, size, advice), PP_IO_ADVISE)
POSIX_HOOK(posix_fadvise64, (int fd, off64_t from, off64_t size, int advice), (fd, from, size, advice), PP_IO_ADVISE)

PP_HOOK void sync(void)
{
	uint64_t began = io_begin();

	REAL(sync)();
	if (began) {
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;

		io_tell_file(began, PP_IO_SYNC, 0, 0, &registers);
	}
}
