/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdio: the calls that move bytes between the program and a stream, formats apart (hook_stdio_format.c). Bytes are those
 * that the program has in its hands: a wide character counts as what it takes there, sizeof(wchar_t). Calls that the
 * stream's buffer serves are counted without a clock, where its pointers say so beforehand; see stream.h.
 *
 * getc_unlocked and putc_unlocked are compiled into programs and pass nothing here until the buffer is empty or full: then
 * they call __uflow and __overflow, and that one character is counted.
 */
#include "life.h"
#include "resolve.h"
#include "stream.h"

#include <bits/types/wint_t.h>
#include <errno.h>
#include <string.h>

#ifndef EOF
#define EOF (-1)
#endif
#ifndef WEOF
#define WEOF ((wint_t)-1)
#endif

/* stdio.h and wchar.h are not for this side: they would give other names to the very functions that are hooked. */
size_t fread(void *buffer, size_t size, size_t count, FILE *stream);
size_t fread_unlocked(void *buffer, size_t size, size_t count, FILE *stream);
size_t __fread_chk(void *buffer, size_t space, size_t size, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *buffer, size_t space, size_t size, size_t count, FILE *stream);
size_t fwrite(const void *buffer, size_t size, size_t count, FILE *stream);
size_t fwrite_unlocked(const void *buffer, size_t size, size_t count, FILE *stream);
int fgetc(FILE *stream);
int getc(FILE *stream);
int _IO_getc(FILE *stream);
int fgetc_unlocked(FILE *stream);
int getc_unlocked(FILE *stream);
int getchar(void);
int getchar_unlocked(void);
int getw(FILE *stream);
int fputc(int character, FILE *stream);
int putc(int character, FILE *stream);
int _IO_putc(int character, FILE *stream);
int fputc_unlocked(int character, FILE *stream);
int putc_unlocked(int character, FILE *stream);
int putchar(int character);
int putchar_unlocked(int character);
int putw(int word, FILE *stream);
int ungetc(int character, FILE *stream);
int __uflow(FILE *stream);
int __underflow(FILE *stream);
int __overflow(FILE *stream, int character);
char *fgets(char *line, int size, FILE *stream);
char *fgets_unlocked(char *line, int size, FILE *stream);
char *__fgets_chk(char *line, size_t space, int size, FILE *stream);
char *__fgets_unlocked_chk(char *line, size_t space, int size, FILE *stream);
char *gets(char *line);
char *__gets_chk(char *line, size_t space);
ssize_t getline(char **line, size_t *space, FILE *stream);
ssize_t getdelim(char **line, size_t *space, int end, FILE *stream);
ssize_t __getdelim(char **line, size_t *space, int end, FILE *stream);
int fputs(const char *text, FILE *stream);
int fputs_unlocked(const char *text, FILE *stream);
int puts(const char *text);
wint_t fgetwc(FILE *stream);
wint_t getwc(FILE *stream);
wint_t fgetwc_unlocked(FILE *stream);
wint_t getwc_unlocked(FILE *stream);
wint_t getwchar(void);
wint_t getwchar_unlocked(void);
wint_t fputwc(wchar_t character, FILE *stream);
wint_t putwc(wchar_t character, FILE *stream);
wint_t fputwc_unlocked(wchar_t character, FILE *stream);
wint_t putwc_unlocked(wchar_t character, FILE *stream);
wint_t putwchar(wchar_t character);
wint_t putwchar_unlocked(wchar_t character);
wint_t ungetwc(wint_t character, FILE *stream);
wint_t __wuflow(FILE *stream);
wint_t __wunderflow(FILE *stream);
wint_t __woverflow(FILE *stream, wint_t character);
wchar_t *fgetws(wchar_t *line, int size, FILE *stream);
wchar_t *fgetws_unlocked(wchar_t *line, int size, FILE *stream);
wchar_t *__fgetws_chk(wchar_t *line, size_t space, int size, FILE *stream);
wchar_t *__fgetws_unlocked_chk(wchar_t *line, size_t space, int size, FILE *stream);
int fputws(const wchar_t *text, FILE *stream);
int fputws_unlocked(const wchar_t *text, FILE *stream);

#define FUNCTIONS(X)                                                                                                   \
	X(fread) X(fread_unlocked) X(__fread_chk) X(__fread_unlocked_chk) X(fwrite) X(fwrite_unlocked) X(fgetc)        \
	X(getc) X(_IO_getc) X(fgetc_unlocked) X(getc_unlocked) X(getchar) X(getchar_unlocked) X(getw) X(fputc) X(putc) \
	X(_IO_putc) X(fputc_unlocked) X(putc_unlocked) X(putchar) X(putchar_unlocked) X(putw) X(ungetc) X(__uflow)     \
	X(__underflow) X(__overflow) X(fgets) X(fgets_unlocked) X(__fgets_chk) X(__fgets_unlocked_chk) X(gets)         \
	X(__gets_chk) X(getline) X(getdelim) X(__getdelim) X(fputs) X(fputs_unlocked) X(puts) X(fgetwc) X(getwc)       \
	X(fgetwc_unlocked) X(getwc_unlocked) X(getwchar) X(getwchar_unlocked) X(fputwc) X(putwc) X(fputwc_unlocked)    \
	X(putwc_unlocked) X(putwchar) X(putwchar_unlocked) X(ungetwc) X(__wuflow) X(__wunderflow) X(__woverflow)       \
	X(fgetws) X(fgetws_unlocked) X(__fgetws_chk) X(__fgetws_unlocked_chk) X(fputws) X(fputws_unlocked)    \
	X(strlen) X(memchr) /* texts may be long: libc's are faster than ours */

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_stdio_init(void)
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

/* One call. asked, got: bytes; they may use `result` and `call`. */
#define STREAM_HOOK(type, name, parameters, arguments, operation, stream, asked, got)                                  \
	PP_HOOK type name parameters                                                                             \
	{                                                                                                              \
		struct pp_stream_call call;                                                                            \
		bool seen = stream_begin(&call, stream);                                                               \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (pp_likely(seen)) {                                                                                 \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			stream_tell(&call, operation, stream, asked, got, &registers);                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}

/* The same, and not timed where `served`: the buffer is enough. `got` is then `bytes`, if it is not below them. */
#define QUICK_HOOK(type, name, parameters, arguments, operation, stream, served, bytes, got)                           \
	PP_HOOK type name parameters                                                                             \
	{                                                                                                              \
		struct pp_stream_call call;                                                                            \
		type result;                                                                                           \
		bool seen;                                                                                             \
                                                                                                                       \
		if (pp_likely(stream_is_quick(stream) && (served))) {                                                  \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			result = REAL(name) arguments;                                                                 \
			if (pp_likely((got) >= 0))                                                                     \
				stream_count(operation, stream, (uint64_t)(got), &registers);                          \
			return result;                                                                                 \
		}                                                                                                      \
		seen = stream_begin(&call, stream);                                                                    \
		result = REAL(name) arguments;                                                                         \
		if (pp_likely(seen)) {                                                                                 \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			stream_tell(&call, operation, stream, bytes, got, &registers);                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}

/* --- blocks ---------------------------------------------------------------------------------------------------------- */

static inline uint64_t product(size_t size, size_t count)
{
	size_t bytes;

	return __builtin_mul_overflow(size, count, &bytes) ? UINT64_MAX : bytes;
}

/* Nothing asked for: libc does not even look at the stream, which may be none. */
#define BLOCK_STREAM (size && count ? stream : NULL)
#define BLOCK_READ(name, parameters, arguments)                                                                        \
	QUICK_HOOK(size_t, name, parameters, arguments, PP_IO_STDIO_FREAD, BLOCK_STREAM,                               \
		   stream_holds(stream, product(size, count)), product(size, count),                                   \
		   (result ? (int64_t)(result * size) : stream_nothing(stream)))
#define BLOCK_WRITE(name)                                                                                              \
	QUICK_HOOK(size_t, name, (const void *buffer, size_t size, size_t count, FILE *stream),                        \
		   (buffer, size, count, stream), PP_IO_STDIO_FWRITE, BLOCK_STREAM,                                    \
		   stream_has_room(stream, product(size, count)), product(size, count),                                \
		   (result ? (int64_t)(result * size) : -1))

BLOCK_READ(fread, (void *buffer, size_t size, size_t count, FILE *stream), (buffer, size, count, stream))
BLOCK_READ(fread_unlocked, (void *buffer, size_t size, size_t count, FILE *stream), (buffer, size, count, stream))
BLOCK_READ(__fread_chk, (void *buffer, size_t space, size_t size, size_t count, FILE *stream),
	   (buffer, space, size, count, stream))
BLOCK_READ(__fread_unlocked_chk, (void *buffer, size_t space, size_t size, size_t count, FILE *stream),
	   (buffer, space, size, count, stream))
BLOCK_WRITE(fwrite)
BLOCK_WRITE(fwrite_unlocked)

/* --- characters ------------------------------------------------------------------------------------------------------ */

#define READ_CHARACTER(name, parameters, arguments, stream)                                                            \
	QUICK_HOOK(int, name, parameters, arguments, PP_IO_STDIO_FGETC, stream, stream_holds(stream, 1), 1,            \
		   (result != EOF ? 1 : stream_nothing(stream)))
#define WRITE_CHARACTER(name, parameters, arguments, stream)                                                           \
	QUICK_HOOK(int, name, parameters, arguments, PP_IO_STDIO_FPUTC, stream, stream_has_room(stream, 1), 1,         \
		   (result != EOF ? 1 : -1))

READ_CHARACTER(fgetc, (FILE *stream), (stream), stream)
READ_CHARACTER(getc, (FILE *stream), (stream), stream)
READ_CHARACTER(_IO_getc, (FILE *stream), (stream), stream)
READ_CHARACTER(fgetc_unlocked, (FILE *stream), (stream), stream)
READ_CHARACTER(getc_unlocked, (FILE *stream), (stream), stream)
READ_CHARACTER(getchar, (void), (), stdin)
READ_CHARACTER(getchar_unlocked, (void), (), stdin)
WRITE_CHARACTER(fputc, (int character, FILE *stream), (character, stream), stream)
WRITE_CHARACTER(putc, (int character, FILE *stream), (character, stream), stream)
WRITE_CHARACTER(_IO_putc, (int character, FILE *stream), (character, stream), stream)
WRITE_CHARACTER(fputc_unlocked, (int character, FILE *stream), (character, stream), stream)
WRITE_CHARACTER(putc_unlocked, (int character, FILE *stream), (character, stream), stream)
WRITE_CHARACTER(putchar, (int character), (character), stdout)
WRITE_CHARACTER(putchar_unlocked, (int character), (character), stdout)
QUICK_HOOK(int, getw, (FILE *stream), (stream), PP_IO_STDIO_FREAD, stream, stream_holds(stream, sizeof(int)),
	   sizeof(int), (result != EOF || !stream_ended(stream) ? (int64_t)sizeof(int) : stream_nothing(stream)))
QUICK_HOOK(int, putw, (int word, FILE *stream), (word, stream), PP_IO_STDIO_FWRITE, stream,
	   stream_has_room(stream, sizeof(int)), sizeof(int), (result != EOF ? (int64_t)sizeof(int) : -1))
QUICK_HOOK(int, ungetc, (int character, FILE *stream), (character, stream), PP_IO_STDIO_UNGETC, stream, true, 0,
	   (result != EOF ? 0 : -1))

STREAM_HOOK(int, __uflow, (FILE *stream), (stream), PP_IO_STDIO_UFLOW, stream, 1,
	    result != EOF ? 1 : stream_nothing(stream))
/* Fills the buffer and takes nothing out of it. */
STREAM_HOOK(int, __underflow, (FILE *stream), (stream), PP_IO_STDIO_UFLOW, stream, 0,
	    result != EOF ? 0 : stream_nothing(stream))
STREAM_HOOK(int, __overflow, (FILE *stream, int character), (stream, character), PP_IO_STDIO_OVERFLOW, stream, 1,
	    result != EOF ? 1 : -1)

/* --- lines ----------------------------------------------------------------------------------------------------------- */

/* Bytes of the line that the buffer holds, up to `limit`; 0: it holds no whole one, or another thread may be at it. */
static inline uint64_t line_ready(const FILE *stream, int end, uint64_t limit)
{
	const char *found;
	uint64_t bytes;

	if (pp_session.multi || !stream_is_quick(stream) || stream->_flags & STREAM_IN_BACKUP ||
	    !stream_holds(stream, 1))
		return 0;
	bytes = (uint64_t)(stream->_IO_read_end - stream->_IO_read_ptr);
	if (bytes > limit)
		bytes = limit;
	found = REAL(memchr)(stream->_IO_read_ptr, end, bytes);
	return found ? (uint64_t)(found - stream->_IO_read_ptr) + 1 : bytes == limit ? limit : 0;
}

/* Bytes of a line in memory that has room for `size` with the end: there may be NULs in it, about which the buffer's
 * pointers know; but where there are threads another one may have been at the buffer. */
static int64_t line_bytes(const struct pp_stream_call *call, const FILE *stream, const char *line, uint64_t size)
{
	uint64_t consumed, length;

	if (!line)
		return stream_nothing(stream);
	consumed = stream_consumed(call, stream);
	length = REAL(strlen)(line);
	if (consumed <= length || consumed >= size || (pp_session.multi && line[consumed - 1] != '\n'))
		return (int64_t)length;
	return (int64_t)consumed;
}

/* A line is what is asked for, not the room that there is for it. */
#define LINE_HOOK(type, name, parameters, arguments, operation, stream, end, limit, got)                               \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		uint64_t ready = line_ready(stream, end, limit);                                                       \
		struct pp_stream_call call;                                                                            \
		type result;                                                                                           \
		bool seen;                                                                                             \
                                                                                                                       \
		if (pp_likely(ready != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			result = REAL(name) arguments;                                                                 \
			if (pp_likely(result > (type)0))                                                               \
				stream_count(operation, stream, ready, &registers);                                    \
			return result;                                                                                 \
		}                                                                                                      \
		seen = stream_begin(&call, stream);                                                                    \
		result = REAL(name) arguments;                                                                         \
		if (pp_likely(seen)) {                                                                                 \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			int64_t bytes = got;                                                                           \
                                                                                                                       \
			stream_tell(&call, operation, stream, bytes > 0 ? (uint64_t)bytes : 0, bytes, &registers);     \
		}                                                                                                      \
		return result;                                                                                         \
	}

#define LINE(name, parameters, arguments)                                                                              \
	LINE_HOOK(char *, name, parameters, arguments, PP_IO_STDIO_FGETS, (size > 1 ? stream : NULL), '\n',            \
		  (uint64_t)size - 1, line_bytes(&call, stream, result, (uint64_t)size))
/* Without the line's end, which was taken too, if it was there. */
#define LINE_OF_STDIN(name, parameters, arguments)                                                                     \
	LINE_HOOK(char *, name, parameters, arguments, PP_IO_STDIO_FGETS, stdin, '\n', UINT64_MAX,                     \
		  line_bytes(&call, stdin, result, result ? REAL(strlen)(result) + 2 : 0))
#define DELIMITED(name, parameters, end, arguments)                                                                    \
	LINE_HOOK(ssize_t, name, parameters, arguments, PP_IO_STDIO_GETLINE, stream, end, UINT64_MAX,                  \
		  result >= 0 ? result : stream_nothing(stream))

LINE(fgets, (char *line, int size, FILE *stream), (line, size, stream))
LINE(fgets_unlocked, (char *line, int size, FILE *stream), (line, size, stream))
LINE(__fgets_chk, (char *line, size_t space, int size, FILE *stream), (line, space, size, stream))
LINE(__fgets_unlocked_chk, (char *line, size_t space, int size, FILE *stream), (line, space, size, stream))
LINE_OF_STDIN(gets, (char *line), (line))
LINE_OF_STDIN(__gets_chk, (char *line, size_t space), (line, space))
DELIMITED(getline, (char **line, size_t *space, FILE *stream), '\n', (line, space, stream))
DELIMITED(getdelim, (char **line, size_t *space, int end, FILE *stream), end, (line, space, end, stream))
DELIMITED(__getdelim, (char **line, size_t *space, int end, FILE *stream), end, (line, space, end, stream))

#define TEXT(name)                                                                                                     \
	PP_HOOK int name(const char *text, FILE *stream)                                                         \
	{                                                                                                              \
		struct pp_stream_call call;                                                                            \
		bool quick = stream_is_quick(stream), seen;                                                            \
		size_t size = quick ? REAL(strlen)(text) : 0;                                                          \
		int result;                                                                                            \
                                                                                                                       \
		if (pp_likely(quick && stream_has_room(stream, size))) {                                               \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			result = REAL(name)(text, stream);                                                             \
			if (pp_likely(result != EOF))                                                                  \
				stream_count(PP_IO_STDIO_FPUTS, stream, size, &registers);                             \
			return result;                                                                                 \
		}                                                                                                      \
		seen = stream_begin(&call, stream);                                                                    \
		result = REAL(name)(text, stream);                                                                     \
		if (pp_likely(seen)) {                                                                                 \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			if (!quick)                                                                                    \
				size = REAL(strlen)(text);                                                             \
			stream_tell(&call, PP_IO_STDIO_FPUTS, stream, size, result != EOF ? (int64_t)size : -1,        \
				    &registers);                                                                       \
		}                                                                                                      \
		return result;                                                                                         \
	}

TEXT(fputs)
TEXT(fputs_unlocked)
STREAM_HOOK(int, puts, (const char *text), (text), PP_IO_STDIO_FPUTS, stdout, REAL(strlen)(text) + 1,
	    result != EOF ? (int64_t)REAL(strlen)(text) + 1 : -1)

/* --- wide characters -------------------------------------------------------------------------------------------------- */

#define WIDE ((int64_t)sizeof(wchar_t))

static uint64_t wide_bytes(const wchar_t *text)
{
	uint64_t count = 0;

	while (text[count])
		count++;
	return count * sizeof(wchar_t);
}

#define READ_WIDE(name, parameters, arguments, operation, stream)                                                      \
	STREAM_HOOK(wint_t, name, parameters, arguments, operation, stream, WIDE,                                      \
		    result != WEOF ? WIDE : stream_nothing(stream))
#define WRITE_WIDE(name, parameters, arguments, operation, stream)                                                     \
	STREAM_HOOK(wint_t, name, parameters, arguments, operation, stream, WIDE, result != WEOF ? WIDE : -1)
#define WIDE_LINE(name, parameters, arguments)                                                                         \
	STREAM_HOOK(wchar_t *, name, parameters, arguments, PP_IO_STDIO_FGETS, (size > 1 ? stream : NULL),             \
		    ((uint64_t)size - 1) * sizeof(wchar_t),                                                            \
		    result ? (int64_t)wide_bytes(line) : stream_nothing(stream))
#define WIDE_TEXT(name)                                                                                                \
	STREAM_HOOK(int, name, (const wchar_t *text, FILE *stream), (text, stream), PP_IO_STDIO_FPUTS, stream,         \
		    wide_bytes(text), result != EOF ? (int64_t)wide_bytes(text) : -1)

READ_WIDE(fgetwc, (FILE *stream), (stream), PP_IO_STDIO_FGETC, stream)
READ_WIDE(getwc, (FILE *stream), (stream), PP_IO_STDIO_FGETC, stream)
READ_WIDE(fgetwc_unlocked, (FILE *stream), (stream), PP_IO_STDIO_FGETC, stream)
READ_WIDE(getwc_unlocked, (FILE *stream), (stream), PP_IO_STDIO_FGETC, stream)
READ_WIDE(getwchar, (void), (), PP_IO_STDIO_FGETC, stdin)
READ_WIDE(getwchar_unlocked, (void), (), PP_IO_STDIO_FGETC, stdin)
READ_WIDE(__wuflow, (FILE *stream), (stream), PP_IO_STDIO_UFLOW, stream)
STREAM_HOOK(wint_t, __wunderflow, (FILE *stream), (stream), PP_IO_STDIO_UFLOW, stream, 0,
	    result != WEOF ? 0 : stream_nothing(stream))
WRITE_WIDE(fputwc, (wchar_t character, FILE *stream), (character, stream), PP_IO_STDIO_FPUTC, stream)
WRITE_WIDE(putwc, (wchar_t character, FILE *stream), (character, stream), PP_IO_STDIO_FPUTC, stream)
WRITE_WIDE(fputwc_unlocked, (wchar_t character, FILE *stream), (character, stream), PP_IO_STDIO_FPUTC, stream)
WRITE_WIDE(putwc_unlocked, (wchar_t character, FILE *stream), (character, stream), PP_IO_STDIO_FPUTC, stream)
WRITE_WIDE(putwchar, (wchar_t character), (character), PP_IO_STDIO_FPUTC, stdout)
WRITE_WIDE(putwchar_unlocked, (wchar_t character), (character), PP_IO_STDIO_FPUTC, stdout)
WRITE_WIDE(__woverflow, (FILE *stream, wint_t character), (stream, character), PP_IO_STDIO_OVERFLOW, stream)
STREAM_HOOK(wint_t, ungetwc, (wint_t character, FILE *stream), (character, stream), PP_IO_STDIO_UNGETC, stream, 0,
	    result != WEOF ? 0 : -1)
WIDE_LINE(fgetws, (wchar_t *line, int size, FILE *stream), (line, size, stream))
WIDE_LINE(fgetws_unlocked, (wchar_t *line, int size, FILE *stream), (line, size, stream))
WIDE_LINE(__fgetws_chk, (wchar_t *line, size_t space, int size, FILE *stream), (line, space, size, stream))
WIDE_LINE(__fgetws_unlocked_chk, (wchar_t *line, size_t space, int size, FILE *stream), (line, space, size, stream))
WIDE_TEXT(fputws)
WIDE_TEXT(fputws_unlocked)
