/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdio: how streams come, go, are placed and flushed. popen's hook is in hook_exec.c, since it starts a program; fmemopen
 * is not hooked, since it does no I/O and libc has two versions of it, between which a preloaded library cannot tell.
 *
 * fopen and its like make one system call that passes nothing below (stream.h): the open. It is told from here: a stream
 * that came has opened its file, one that did not has failed to, unless for want of memory or for a mode that there is not.
 */
#include "life.h"
#include "resolve.h"
#include "stream.h"

#include <errno.h>
#include <wchar.h>

struct fpos; /* fpos_t is passed on */
typedef struct {
	ssize_t (*read)(void *, char *, size_t);
	ssize_t (*write)(void *, const char *, size_t);
	int (*seek)(void *, off64_t *, int);
	int (*close)(void *);
} functions;

FILE *fopen(const char *path, const char *mode);
FILE *fopen64(const char *path, const char *mode);
FILE *freopen(const char *path, const char *mode, FILE *stream);
FILE *freopen64(const char *path, const char *mode, FILE *stream);
FILE *fdopen(int fd, const char *mode);
FILE *tmpfile(void);
FILE *tmpfile64(void);
FILE *open_memstream(char **text, size_t *size);
FILE *fopencookie(void *cookie, const char *mode, functions table);
int fclose(FILE *stream);
int fcloseall(void);
int pclose(FILE *stream);
int fflush(FILE *stream);
int fflush_unlocked(FILE *stream);
int fseek(FILE *stream, long offset, int from);
int fseeko(FILE *stream, off_t offset, int from);
int fseeko64(FILE *stream, off64_t offset, int from);
void rewind(FILE *stream);
long ftell(FILE *stream);
off_t ftello(FILE *stream);
off64_t ftello64(FILE *stream);
int fgetpos(FILE *stream, struct fpos *place);
int fgetpos64(FILE *stream, struct fpos *place);
int fsetpos(FILE *stream, const struct fpos *place);
int fsetpos64(FILE *stream, const struct fpos *place);
int setvbuf(FILE *stream, char *buffer, int mode, size_t size);
void setbuf(FILE *stream, char *buffer);
void setbuffer(FILE *stream, char *buffer, size_t size);
void setlinebuf(FILE *stream);

#define FUNCTIONS(X)                                                                                                   \
	X(fopen) X(fopen64) X(freopen) X(freopen64) X(fdopen) X(tmpfile) X(tmpfile64) X(open_memstream)                \
	X(open_wmemstream) X(fopencookie) X(fclose) X(fcloseall) X(pclose) X(fflush) X(fflush_unlocked) X(fseek)       \
	X(fseeko) X(fseeko64) X(rewind) X(ftell) X(ftello) X(ftello64) X(fgetpos) X(fgetpos64) X(fsetpos)              \
	X(fsetpos64) X(setvbuf) X(setbuf) X(setbuffer) X(setlinebuf)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_stdio_open_init(void)
{
#define RESOLVE(name) real.name = (__typeof__(name) *)resolve_next(#name);
	FUNCTIONS(RESOLVE)
#undef RESOLVE
}

static __attribute__((noinline)) void *real_find(void *at, const char *name)
{
	void *found = resolve_next(name);

	__atomic_store_n((void **)at, found, __ATOMIC_RELAXED);
	return found;
}
#define REAL(name) (pp_likely(real.name != NULL) ? real.name : (__typeof__(name) *)real_find(&real.name, #name))

/* --- coming ---------------------------------------------------------------------------------------------------------- */

/* Told as the operation, and where it has opened a file as that system call. */
static void open_tell(uint64_t began, enum pp_wire_io_operation operation, const FILE *stream, bool opens,
		      const struct pp_registers *registers)
{
	struct pp_stream_call call = {.began = began};

	if (opens && (stream || (errno != EINVAL && errno != ENOMEM)))
		stream_tell(&call, PP_IO_STDIO_SYS_OPEN, stream, 0, stream ? 0 : -1, registers);
	stream_tell(&call, operation, stream, 0, stream ? 0 : -1, registers);
}

/* `new`: its descriptor's number may have meant something else until now. */
#define OPEN_HOOK(name, parameters, arguments, operation, new, opens)                                                  \
	PP_HOOK FILE *name parameters                                                                            \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		FILE *result = REAL(name) arguments;                                                                   \
                                                                                                                       \
		if (new)                                                                                               \
			io_fd_forget(stream_fd(result), PP_IO_END_UNSEEN);                                             \
		if (began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			open_tell(began, operation, result, opens, &registers);                                        \
		}                                                                                                      \
		return result;                                                                                         \
	}
/* The stream keeps the number that it had: what is opened for it gets another, is duplicated there, and that other one
 * closed, or its own where nothing could be opened: that passes nothing below and is told from here. */
#define REOPEN_HOOK(name)                                                                                              \
	PP_HOOK FILE *name(const char *path, const char *mode, FILE *stream)                                     \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int before = stream_fd(stream);                                                                        \
		uint64_t old = io_fd_file(before);                                                                     \
		FILE *result;                                                                                          \
                                                                                                                       \
		io_fd_forget(before, PP_IO_END_REPLACED);                                                              \
		result = REAL(name)(path, mode, stream);                                                               \
		io_fd_forget(stream_fd(result), PP_IO_END_UNSEEN);                                                     \
		if (began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			open_tell(began, PP_IO_STDIO_FREOPEN, result, true, &registers);                               \
			if (before >= 0)                                                                               \
				io_count_file(PP_IO_STDIO_SYS_CLOSE, result ? io_fd_file(stream_fd(result)) : old,     \
					      &registers);                                                             \
		}                                                                                                      \
		return result;                                                                                         \
	}

OPEN_HOOK(fopen, (const char *path, const char *mode), (path, mode), PP_IO_STDIO_FOPEN, true, true)
OPEN_HOOK(fopen64, (const char *path, const char *mode), (path, mode), PP_IO_STDIO_FOPEN, true, true)
OPEN_HOOK(tmpfile, (void), (), PP_IO_STDIO_TMPFILE, true, true)
OPEN_HOOK(tmpfile64, (void), (), PP_IO_STDIO_TMPFILE, true, true)
OPEN_HOOK(fdopen, (int fd, const char *mode), (fd, mode), PP_IO_STDIO_FDOPEN, false, false)
OPEN_HOOK(open_memstream, (char **text, size_t *size), (text, size), PP_IO_STDIO_MEMSTREAM, false, false)
OPEN_HOOK(open_wmemstream, (wchar_t **text, size_t *size), (text, size), PP_IO_STDIO_MEMSTREAM, false, false)
OPEN_HOOK(fopencookie, (void *cookie, const char *mode, functions table), (cookie, mode, table), PP_IO_STDIO_COOKIE,
	  false, false)
REOPEN_HOOK(freopen)
REOPEN_HOOK(freopen64)

/* --- going ----------------------------------------------------------------------------------------------------------- */

/* A stream of popen's closes its descriptor in a way of its own: that is told from here. */
#define CLOSE_HOOK(name, operation)                                                                                    \
	PP_HOOK int name(FILE *stream)                                                                           \
	{                                                                                                              \
		int fd = stream_fd(stream);                                                                            \
		bool below = fd < 0 || stream_close_is_seen(stream);                                                   \
		uint64_t file = below ? io_fd_file(fd) : io_fd_take(fd, PP_IO_END_CLOSED);                             \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name)(stream);                                                                       \
                                                                                                                       \
		if (began) {                                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			if (!below)                                                                                    \
				io_count_file(PP_IO_STDIO_SYS_CLOSE, file, &registers);                                \
			io_tell_file(began, operation, file, result, &registers);                                      \
		}                                                                                                      \
		return result;                                                                                         \
	}

CLOSE_HOOK(fclose, PP_IO_STDIO_FCLOSE)

/* It returns the command's status, or -1. */
CLOSE_HOOK(pclose, PP_IO_STDIO_PCLOSE)

/* --- placing and flushing ---------------------------------------------------------------------------------------------- */

#define PLACE_HOOK(type, name, parameters, arguments, operation, failed)                                               \
	PP_HOOK type name parameters                                                                             \
	{                                                                                                              \
		struct pp_stream_call call;                                                                            \
		bool seen = stream_begin(&call, stream);                                                               \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (seen) {                                                                                            \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			stream_tell(&call, operation, stream, 0, failed ? -1 : 0, &registers);                         \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define VOID_HOOK(name, parameters, arguments, operation)                                                              \
	PP_HOOK void name parameters                                                                             \
	{                                                                                                              \
		struct pp_stream_call call;                                                                            \
		bool seen = stream_begin(&call, stream);                                                               \
                                                                                                                       \
		REAL(name) arguments;                                                                                  \
		if (seen) {                                                                                            \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			stream_tell(&call, operation, stream, 0, 0, &registers);                                       \
		}                                                                                                      \
	}
/* Of all streams, where it is given none: of no file. */
#define FLUSH_HOOK(name, parameters, arguments, stream)                                                                \
	PP_HOOK int name parameters                                                                              \
	{                                                                                                              \
		struct pp_stream_call call = {.began = io_begin()};                                                    \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		if (call.began) {                                                                                      \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			stream_tell(&call, PP_IO_STDIO_FFLUSH, stream, 0, result, &registers);                         \
		}                                                                                                      \
		return result;                                                                                         \
	}

FLUSH_HOOK(fflush, (FILE *stream), (stream), stream)
FLUSH_HOOK(fflush_unlocked, (FILE *stream), (stream), stream)
FLUSH_HOOK(fcloseall, (void), (), NULL)
PLACE_HOOK(int, fseek, (FILE *stream, long offset, int from), (stream, offset, from), PP_IO_STDIO_FSEEK, result)
PLACE_HOOK(int, fseeko, (FILE *stream, off_t offset, int from), (stream, offset, from), PP_IO_STDIO_FSEEK, result)
PLACE_HOOK(int, fseeko64, (FILE *stream, off64_t offset, int from), (stream, offset, from), PP_IO_STDIO_FSEEK, result)
PLACE_HOOK(int, fsetpos, (FILE *stream, const struct fpos *place), (stream, place), PP_IO_STDIO_FSEEK, result)
PLACE_HOOK(int, fsetpos64, (FILE *stream, const struct fpos *place), (stream, place), PP_IO_STDIO_FSEEK, result)
VOID_HOOK(rewind, (FILE *stream), (stream), PP_IO_STDIO_FSEEK)
PLACE_HOOK(long, ftell, (FILE *stream), (stream), PP_IO_STDIO_FTELL, result < 0)
PLACE_HOOK(off_t, ftello, (FILE *stream), (stream), PP_IO_STDIO_FTELL, result < 0)
PLACE_HOOK(off64_t, ftello64, (FILE *stream), (stream), PP_IO_STDIO_FTELL, result < 0)
PLACE_HOOK(int, fgetpos, (FILE *stream, struct fpos *place), (stream, place), PP_IO_STDIO_FTELL, result)
PLACE_HOOK(int, fgetpos64, (FILE *stream, struct fpos *place), (stream, place), PP_IO_STDIO_FTELL, result)
PLACE_HOOK(int, setvbuf, (FILE *stream, char *buffer, int mode, size_t size), (stream, buffer, mode, size),
	   PP_IO_STDIO_SETVBUF, result)
VOID_HOOK(setbuf, (FILE *stream, char *buffer), (stream, buffer), PP_IO_STDIO_SETVBUF)
VOID_HOOK(setbuffer, (FILE *stream, char *buffer, size_t size), (stream, buffer, size), PP_IO_STDIO_SETVBUF)
VOID_HOOK(setlinebuf, (FILE *stream), (stream), PP_IO_STDIO_SETVBUF)
