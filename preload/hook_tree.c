/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libc that look through folders by themselves: one metadata call each, and what they ask of the kernel inside
 * libc passes no function that is hooked. glob and fts belong to no file: a pattern, and a walk, are about many. ftw and
 * nftw belong to the folder that they begin at; the program's own function is called meanwhile, whose calls have times of
 * their own, so that these have none. Otherwise as hook_meta.c.
 */
#include "io.h"
#include "life.h"
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>

#define FUNCTIONS(X)                                                                                                   \
	X(glob) X(glob64) X(ftw) X(ftw64) X(nftw) X(nftw64) X(fts_open) X(fts64_open) X(fts_read) X(fts64_read)        \
	X(fts_children) X(fts64_children) X(fts_close) X(fts64_close)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
} real;

void hook_tree_init(void)
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

#define GLOB_HOOK(name, type)                                                                                          \
	PP_HOOK int name(const char *restrict pattern, int flags, int (*failed)(const char *, int), type *restrict result_) \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name)(pattern, flags, failed, result_);                                              \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
			int error = errno;                                                                             \
                                                                                                                       \
			errno = result == GLOB_NOMATCH ? ENOENT : result == GLOB_NOSPACE ? ENOMEM : EIO;               \
			io_tell_file(flags & GLOB_ALTDIRFUNC ? io_ticks() : began, PP_IO_GLOB, 0, result ? -1 : 0, &registers);                               \
			errno = error;                                                                                 \
		}                                                                                                      \
		return result;                                                                                         \
	}
GLOB_HOOK(glob, glob_t)
GLOB_HOOK(glob64, glob64_t)

/* The program's function is called meanwhile, whose own calls have times of their own: this one has none. */
#define WALK_HOOK(name, visit_type, parameters, arguments)                                                             \
	PP_HOOK int name(const char *path, visit_type visit, int limit parameters)                                     \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		int result = REAL(name) arguments;                                                                     \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_path(io_ticks(), PP_IO_TREE_WALK, AT_FDCWD, path, result == -1 ? -1 : 0, &registers);  \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define NFTW_FLAGS , int flags
WALK_HOOK(ftw, __ftw_func_t, , (path, visit, limit))
WALK_HOOK(ftw64, __ftw64_func_t, , (path, visit, limit))
WALK_HOOK(nftw, __nftw_func_t, NFTW_FLAGS, (path, visit, limit, flags))
WALK_HOOK(nftw64, __nftw64_func_t, NFTW_FLAGS, (path, visit, limit, flags))

/* NULL with errno 0 is the end of the walk. */
#define FTS_HOOK(type, name, parameters, arguments, failed)                                                            \
	PP_HOOK type name parameters                                                                                   \
	{                                                                                                              \
		uint64_t began = io_begin();                                                                           \
		type result = REAL(name) arguments;                                                                    \
                                                                                                                       \
		if (pp_likely(began != 0)) {                                                                           \
			struct pp_registers registers = PP_REGISTERS_OF_CALLER;                                        \
                                                                                                                       \
			io_tell_file(began, PP_IO_FTS, 0, failed ? -1 : 0, &registers);                                \
		}                                                                                                      \
		return result;                                                                                         \
	}
#define FTS_ORDER(entry) int (*order)(const entry **, const entry **)
FTS_HOOK(FTS *, fts_open, (char *const *paths, int flags, FTS_ORDER(FTSENT)), (paths, flags, order), !result)
FTS_HOOK(FTS64 *, fts64_open, (char *const *paths, int flags, FTS_ORDER(FTSENT64)), (paths, flags, order), !result)
FTS_HOOK(FTSENT *, fts_read, (FTS *walk), (walk), !result && errno)
FTS_HOOK(FTSENT64 *, fts64_read, (FTS64 *walk), (walk), !result && errno)
FTS_HOOK(FTSENT *, fts_children, (FTS *walk, int options), (walk, options), !result && errno)
FTS_HOOK(FTSENT64 *, fts64_children, (FTS64 *walk, int options), (walk, options), !result && errno)
FTS_HOOK(int, fts_close, (FTS *walk), (walk), result)
FTS_HOOK(int, fts64_close, (FTS64 *walk), (walk), result)
