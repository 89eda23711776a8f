/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdio: what is printed and scanned by formats. A function with `...` cannot hand its arguments on: the function behind
 * its hook is the one that takes a va_list, which does and returns the same.
 *
 * A printing call has printed what it returns. A scanning call returns how many items it has converted: the bytes that it
 * took follow from the stream's pointers and from what stdio read meanwhile, and are not known where the stream is wide,
 * or has no descriptor, or another thread was at it; such a call counts with no bytes.
 */
#include "life.h"
#include "resolve.h"
#include "stream.h"

#include <errno.h>
#include <features.h>
#include <stdarg.h>

int printf(const char *format, ...);
int fprintf(FILE *stream, const char *format, ...);
int vprintf(const char *format, va_list list);
int vfprintf(FILE *stream, const char *format, va_list list);
int dprintf(int fd, const char *format, ...);
int vdprintf(int fd, const char *format, va_list list);
int wprintf(const wchar_t *format, ...);
int fwprintf(FILE *stream, const wchar_t *format, ...);
int vwprintf(const wchar_t *format, va_list list);
int vfwprintf(FILE *stream, const wchar_t *format, va_list list);
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list list);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list list);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list list);
int __wprintf_chk(int flag, const wchar_t *format, ...);
int __fwprintf_chk(FILE *stream, int flag, const wchar_t *format, ...);
int __vwprintf_chk(int flag, const wchar_t *format, va_list list);
int __vfwprintf_chk(FILE *stream, int flag, const wchar_t *format, va_list list);
#define SCANNERS(prefix)                                                                                               \
	int prefix##scanf(const char *format, ...);                                                                    \
	int prefix##fscanf(FILE *stream, const char *format, ...);                                                     \
	int prefix##vscanf(const char *format, va_list list);                                                          \
	int prefix##vfscanf(FILE *stream, const char *format, va_list list);                                           \
	int prefix##wscanf(const wchar_t *format, ...);                                                                \
	int prefix##fwscanf(FILE *stream, const wchar_t *format, ...);                                                 \
	int prefix##vwscanf(const wchar_t *format, va_list list);                                                      \
	int prefix##vfwscanf(FILE *stream, const wchar_t *format, va_list list);
SCANNERS()
SCANNERS(__isoc99_)
#if __GLIBC_PREREQ(2, 38)
SCANNERS(__isoc23_)
#endif

/* Those that are called: the ones with a list. */
#define FUNCTIONS(X)                                                                                                   \
	X(vprintf) X(vfprintf) X(vdprintf) X(vwprintf) X(vfwprintf) X(__vprintf_chk) X(__vfprintf_chk)                 \
	X(__vdprintf_chk) X(__vwprintf_chk) X(__vfwprintf_chk) X(vscanf) X(vfscanf) X(vwscanf) X(vfwscanf)             \
	X(__isoc99_vscanf) X(__isoc99_vfscanf) X(__isoc99_vwscanf) X(__isoc99_vfwscanf) FUNCTIONS_OF_C23(X)
#if __GLIBC_PREREQ(2, 38)
#define FUNCTIONS_OF_C23(X) X(__isoc23_vscanf) X(__isoc23_vfscanf) X(__isoc23_vwscanf) X(__isoc23_vfwscanf)
#else
#define FUNCTIONS_OF_C23(X)
#endif

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_stdio_format_init(void)
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

#define CALL(function, arguments, operation, stream, got)                                                              \
	struct pp_stream_call call;                                                                                    \
	bool seen = stream_begin(&call, stream);                                                                       \
	int result = REAL(function) arguments;                                                                         \
                                                                                                                       \
	if (pp_likely(seen)) {                                                                                         \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
		int64_t bytes = got;                                                                                   \
                                                                                                                       \
		stream_tell(&call, operation, stream, bytes > 0 ? (uint64_t)bytes : 0, bytes, &registers);             \
	}

#define LIST_HOOK(function, parameters, arguments, operation, stream, got)                                             \
	PP_HOOK int function parameters                                                                          \
	{                                                                                                              \
		CALL(function, arguments, operation, stream, got)                                                      \
		return result;                                                                                         \
	}
/* `name` with its arguments after `last`, by `function`. */
#define DOTS_HOOK(name, function, parameters, last, arguments, operation, stream, got)                                 \
	PP_HOOK int name parameters                                                                              \
	{                                                                                                              \
		va_list list;                                                                                          \
                                                                                                                       \
		va_start(list, last);                                                                                  \
		CALL(function, arguments, operation, stream, got)                                                      \
		va_end(list);                                                                                          \
		return result;                                                                                         \
	}

/* --- printing -------------------------------------------------------------------------------------------------------- */

#define PRINTED		 (result >= 0 ? (int64_t)result : -1)
#define PRINTED_WIDE	 (result >= 0 ? (int64_t)result * (int64_t)sizeof(wchar_t) : -1)
#define PRINT(...)	 DOTS_HOOK(__VA_ARGS__, PP_IO_STDIO_PRINTF, stdout, PRINTED)
#define PRINT_TO(...)	 DOTS_HOOK(__VA_ARGS__, PP_IO_STDIO_PRINTF, stream, PRINTED)
#define PRINT_WIDE(...)	 DOTS_HOOK(__VA_ARGS__, PP_IO_STDIO_PRINTF, stdout, PRINTED_WIDE)
#define PRINT_WIDE_TO(...) DOTS_HOOK(__VA_ARGS__, PP_IO_STDIO_PRINTF, stream, PRINTED_WIDE)

PRINT(printf, vprintf, (const char *format, ...), format, (format, list))
PRINT(__printf_chk, __vprintf_chk, (int flag, const char *format, ...), format, (flag, format, list))
PRINT_TO(fprintf, vfprintf, (FILE *stream, const char *format, ...), format, (stream, format, list))
PRINT_TO(__fprintf_chk, __vfprintf_chk, (FILE *stream, int flag, const char *format, ...), format,
	 (stream, flag, format, list))
PRINT_WIDE(wprintf, vwprintf, (const wchar_t *format, ...), format, (format, list))
PRINT_WIDE(__wprintf_chk, __vwprintf_chk, (int flag, const wchar_t *format, ...), format, (flag, format, list))
PRINT_WIDE_TO(fwprintf, vfwprintf, (FILE *stream, const wchar_t *format, ...), format, (stream, format, list))
PRINT_WIDE_TO(__fwprintf_chk, __vfwprintf_chk, (FILE *stream, int flag, const wchar_t *format, ...), format,
	      (stream, flag, format, list))
LIST_HOOK(vprintf, (const char *format, va_list list), (format, list), PP_IO_STDIO_PRINTF, stdout, PRINTED)
LIST_HOOK(__vprintf_chk, (int flag, const char *format, va_list list), (flag, format, list), PP_IO_STDIO_PRINTF, stdout,
	  PRINTED)
LIST_HOOK(vfprintf, (FILE *stream, const char *format, va_list list), (stream, format, list), PP_IO_STDIO_PRINTF,
	  stream, PRINTED)
LIST_HOOK(__vfprintf_chk, (FILE *stream, int flag, const char *format, va_list list), (stream, flag, format, list),
	  PP_IO_STDIO_PRINTF, stream, PRINTED)
LIST_HOOK(vwprintf, (const wchar_t *format, va_list list), (format, list), PP_IO_STDIO_PRINTF, stdout, PRINTED_WIDE)
LIST_HOOK(__vwprintf_chk, (int flag, const wchar_t *format, va_list list), (flag, format, list), PP_IO_STDIO_PRINTF,
	  stdout, PRINTED_WIDE)
LIST_HOOK(vfwprintf, (FILE *stream, const wchar_t *format, va_list list), (stream, format, list), PP_IO_STDIO_PRINTF,
	  stream, PRINTED_WIDE)
LIST_HOOK(__vfwprintf_chk, (FILE *stream, int flag, const wchar_t *format, va_list list), (stream, flag, format, list),
	  PP_IO_STDIO_PRINTF, stream, PRINTED_WIDE)

/* To a descriptor. libc writes through a stream that lasts as long as the call, where its writes are seen; should it have
 * another way, the bytes are known all the same. */
static inline __attribute__((always_inline)) void descriptor_tell(uint64_t began, uint64_t writes, int fd, int result,
								  const struct pp_registers *registers)
{
	const struct pp_thread *thread = pp_tls.thread;

	if (result > 0 && thread && thread->stdio_write_count == writes)
		io_tell_stdio(began, PP_IO_STDIO_SYS_WRITE, fd, (uint64_t)result, result, registers);
	io_tell_stream(began, PP_IO_STDIO_DPRINTF, fd, NULL, result > 0 ? (uint64_t)result : 0, result, registers);
}

#define DESCRIPTOR_CALL(function, arguments)                                                                           \
	uint64_t writes = pp_tls.thread ? pp_tls.thread->stdio_write_count : 0;                                        \
	uint64_t began = io_begin();                                                                                   \
	int result = REAL(function) arguments;                                                                         \
                                                                                                                       \
	if (pp_likely(began != 0)) {                                                                                   \
		struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                                \
                                                                                                                       \
		descriptor_tell(began, writes, fd, result, &registers);                                                \
	}
#define DESCRIPTOR_DOTS(name, function, parameters, arguments)                                                         \
	PP_HOOK int name parameters                                                                              \
	{                                                                                                              \
		va_list list;                                                                                          \
                                                                                                                       \
		va_start(list, format);                                                                                \
		DESCRIPTOR_CALL(function, arguments)                                                                   \
		va_end(list);                                                                                          \
		return result;                                                                                         \
	}
#define DESCRIPTOR_LIST(function, parameters, arguments)                                                               \
	PP_HOOK int function parameters                                                                          \
	{                                                                                                              \
		DESCRIPTOR_CALL(function, arguments)                                                                   \
		return result;                                                                                         \
	}

DESCRIPTOR_DOTS(dprintf, vdprintf, (int fd, const char *format, ...), (fd, format, list))
DESCRIPTOR_DOTS(__dprintf_chk, __vdprintf_chk, (int fd, int flag, const char *format, ...), (fd, flag, format, list))
DESCRIPTOR_LIST(vdprintf, (int fd, const char *format, va_list list), (fd, format, list))
DESCRIPTOR_LIST(__vdprintf_chk, (int fd, int flag, const char *format, va_list list), (fd, flag, format, list))

/* --- scanning -------------------------------------------------------------------------------------------------------- */

/* result: items; below 0: the end came first. */
static int64_t scanned(const struct pp_stream_call *call, const FILE *stream, int result)
{
	uint64_t consumed = stream_consumed(call, stream);

	if (result < 0 && stream_nothing(stream) < 0)
		return -1;
	return consumed < INT64_MAX ? (int64_t)consumed : 0;
}

#define SCANNED	     scanned(&call, stream, result)
#define SCANNED_IN   scanned(&call, stdin, result)
#define SCANNED_WIDE (result < 0 ? stream_nothing(stream) : 0)
#define WIDE_IN	     (result < 0 ? stream_nothing(stdin) : 0)

#define SCAN_HOOKS(prefix)                                                                                             \
	DOTS_HOOK(prefix##scanf, prefix##vscanf, (const char *format, ...), format, (format, list),                    \
		  PP_IO_STDIO_SCANF, stdin, SCANNED_IN)                                                                \
	DOTS_HOOK(prefix##fscanf, prefix##vfscanf, (FILE *stream, const char *format, ...), format,                    \
		  (stream, format, list), PP_IO_STDIO_SCANF, stream, SCANNED)                                          \
	LIST_HOOK(prefix##vscanf, (const char *format, va_list list), (format, list), PP_IO_STDIO_SCANF, stdin,        \
		  SCANNED_IN)                                                                                          \
	LIST_HOOK(prefix##vfscanf, (FILE *stream, const char *format, va_list list), (stream, format, list),           \
		  PP_IO_STDIO_SCANF, stream, SCANNED)                                                                  \
	DOTS_HOOK(prefix##wscanf, prefix##vwscanf, (const wchar_t *format, ...), format, (format, list),               \
		  PP_IO_STDIO_SCANF, stdin, WIDE_IN)                                                                   \
	DOTS_HOOK(prefix##fwscanf, prefix##vfwscanf, (FILE *stream, const wchar_t *format, ...), format,               \
		  (stream, format, list), PP_IO_STDIO_SCANF, stream, SCANNED_WIDE)                                     \
	LIST_HOOK(prefix##vwscanf, (const wchar_t *format, va_list list), (format, list), PP_IO_STDIO_SCANF, stdin,    \
		  WIDE_IN)                                                                                             \
	LIST_HOOK(prefix##vfwscanf, (FILE *stream, const wchar_t *format, va_list list), (stream, format, list),       \
		  PP_IO_STDIO_SCANF, stream, SCANNED_WIDE)
SCAN_HOOKS()
SCAN_HOOKS(__isoc99_)
#if __GLIBC_PREREQ(2, 38)
SCAN_HOOKS(__isoc23_)
#endif
