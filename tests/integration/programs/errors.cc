/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls every function that the library hooks, where it succeeds and where it fails, with errno set to 77 before, and
 * prints what came of it: profiled or not, the same. `errors list` prints which functions have a row. A row that could
 * end or change the process runs in a child.
 */
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cwchar>
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <initializer_list>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
extern "C" { /* glibc 2.36 has left it out */
#include <sys/pidfd.h>
}
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <threads.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>
#include <wordexp.h>

extern "C" {
int __sigaction(int, const struct sigaction *, struct sigaction *);
pid_t _Fork(void);
void __longjmp_chk(struct __jmp_buf_tag *, int) __attribute__((noreturn));
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);
size_t __fread_unlocked_chk(void *, size_t, size_t, size_t, FILE *);
char *__fgets_chk(char *, size_t, int, FILE *);
char *__fgets_unlocked_chk(char *, size_t, int, FILE *);
char *gets(char *);
char *__gets_chk(char *, size_t);
wchar_t *__fgetws_chk(wchar_t *, size_t, int, FILE *);
wchar_t *__fgetws_unlocked_chk(wchar_t *, size_t, int, FILE *);
ssize_t __getdelim(char **, size_t *, int, FILE *);
int _IO_getc(FILE *);
int _IO_putc(int, FILE *);
int __uflow(FILE *);
int __underflow(FILE *);
int __overflow(FILE *, int);
wint_t __wuflow(FILE *);
wint_t __wunderflow(FILE *);
wint_t __woverflow(FILE *, wint_t);
int __printf_chk(int, const char *, ...);
int __fprintf_chk(FILE *, int, const char *, ...);
int __vprintf_chk(int, const char *, va_list);
int __vfprintf_chk(FILE *, int, const char *, va_list);
int __dprintf_chk(int, int, const char *, ...);
int __vdprintf_chk(int, int, const char *, va_list);
int __wprintf_chk(int, const wchar_t *, ...);
int __fwprintf_chk(FILE *, int, const wchar_t *, ...);
int __vwprintf_chk(int, const wchar_t *, va_list);
int __vfwprintf_chk(FILE *, int, const wchar_t *, va_list);
int __isoc99_scanf(const char *, ...);
int __isoc99_fscanf(FILE *, const char *, ...);
int __isoc99_vscanf(const char *, va_list);
int __isoc99_vfscanf(FILE *, const char *, va_list);
int __isoc99_wscanf(const wchar_t *, ...);
int __isoc99_fwscanf(FILE *, const wchar_t *, ...);
int __isoc99_vwscanf(const wchar_t *, va_list);
int __isoc99_vfwscanf(FILE *, const wchar_t *, va_list);
int __poll(struct pollfd *, nfds_t, int);
int __xstat(int, const char *, struct stat *);
int __xstat64(int, const char *, struct stat64 *);
int __lxstat(int, const char *, struct stat *);
int __lxstat64(int, const char *, struct stat64 *);
int __fxstat(int, int, struct stat *);
int __fxstat64(int, int, struct stat64 *);
int __fxstatat(int, int, const char *, struct stat *, int);
int __fxstatat64(int, int, const char *, struct stat64 *, int);
int __xmknod(int, const char *, mode_t, dev_t *);
int __xmknodat(int, int, const char *, mode_t, dev_t *);
int __statfs(const char *, struct statfs *);
ssize_t __readlink_chk(const char *, char *, size_t, size_t);
ssize_t __readlinkat_chk(int, const char *, char *, size_t, size_t);
char *__realpath_chk(const char *, char *, size_t);
char *__getcwd_chk(char *, size_t, size_t);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int __nanosleep(const struct timespec *, struct timespec *);
int __sigsuspend(const sigset_t *);
int __sigpause(int, int);
int __xpg_sigpause(int);
int bsd_sigpause(int) __asm__("sigpause");
pid_t __wait(int *);
pid_t __waitpid(pid_t, int *, int);
}

#define BEFORE 77
#define HUGE_BYTES ((size_t)PTRDIFF_MAX - 4096)
#define HERE   0
#define CHILD  1 /* in a forked child, and with its status printed */
#define ALONE  2 /* likewise, as a user who may have no further process */
#define LATER  3 /* likewise, but the result comes from a process that outlives the child */
#define NOWHERE ((char *)16)

/* Shared with children. */
static struct seen {
	long result;
	int error;
} *seen;

#define SAW(expression) (errno = BEFORE, seen->result = (long)(expression), seen->error = errno)

/* As the dynamic linker finds it; NULL where this C library has none, whatever others bring. */
static void *found(const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	return libc && dlsym(libc, name) ? dlsym(RTLD_DEFAULT, name) : nullptr;
}

static void handler(int)
{
}

static void *thread_nothing(void *argument)
{
	return argument;
}

static int thread_nothing_c11(void *)
{
	return 5;
}

static int clone_nothing(void *)
{
	return 3;
}

static void quick_handler(void)
{
	seen->error = errno;
}

static sigset_t usr1_only(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return set;
}

static void usr1_pending(void)
{
	sigset_t set = usr1_only();

	sigprocmask(SIG_BLOCK, &set, nullptr);
	raise(SIGUSR1);
}

static void descriptors_used_up(void)
{
	struct rlimit limit = {3, 3};

	setrlimit(RLIMIT_NOFILE, &limit);
}

static char true_name[] = "/bin/true", true_word[] = "true", missing[] = "/no/such/file", folder[] = "/etc";
static char *const words[] = {true_word, nullptr};
static char *const bad_words[] = {NOWHERE, nullptr};
extern char **environ;

static void wait_for(pid_t pid)
{
	int status;

	if (pid > 0)
		waitpid(pid, &status, 0);
}

struct row {
	const char *function, *what;
	int where;
	void (*run)(void);
};

/* For I/O: room, and descriptors of each kind. */
static char room[64];
static struct iovec parts[2] = {{room, 4}, {room + 4, 4}};
static struct msghdr message = {nullptr, 0, parts, 2, nullptr, 0, 0};
static struct mmsghdr messages[1];

/* A file of eight bytes, at its start. */
static int scratch()
{
	int fd = memfd_create("rows", 0);

	return pwrite(fd, "eight of", 8, 0) == 8 ? fd : -1;
}

/* One end of a pair of sockets, with eight bytes to read; *other: the other. */
static int pair(int *other)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return -1;
	*other = ends[1];
	messages[0].msg_hdr = message;
	return write(ends[1], "eight of", 8) == 8 ? ends[0] : -1;
}

static struct sockaddr_un place;
static socklen_t place_size;

/* A socket that listens; `place` is where. */
static int listener()
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	place.sun_family = AF_UNIX;
	bind(fd, (struct sockaddr *)&place, sizeof(sa_family_t)); /* the kernel gives it a name */
	place_size = sizeof(place);
	getsockname(fd, (struct sockaddr *)&place, &place_size);
	listen(fd, 4);
	return fd;
}

static int connected()
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&place, place_size) == 0 ? fd : -1;
}

/* A pipe with eight bytes in it, and one that is empty. */
static int full[2], empty[2];

static void pipes()
{
	if (pipe(full) != 0 || pipe(empty) != 0 || write(full[1], "eight of", 8) != 8)
		abort();
}

static void pipes_close()
{
	for (int fd : {full[0], full[1], empty[0], empty[1]})
		close(fd);
}

/* Streams of such a file, in place of stdin and stdout too. */
static FILE *readable()
{
	return fdopen(scratch(), "r");
}

static FILE *writable()
{
	return fdopen(scratch(), "w");
}

/* One that has no room, and finds out at once. */
static FILE *no_room()
{
	FILE *file = fopen("/dev/full", "w");

	setvbuf(file, nullptr, _IONBF, 0);
	return file;
}

struct standard {
	FILE *&place, *before;

	standard(FILE *&which, FILE *file) : place(which), before(which)
	{
		which = file;
	}
	~standard()
	{
		fclose(place);
		place = before;
	}
};

static int number;

/* A function that takes a list, with the two arguments that formats here are about. */
#define LISTED(character, ...)                                                                                         \
	static int listed(int (*function)(__VA_ARGS__ const character *, va_list), LISTED_LEAD const character *format, ...) \
	{                                                                                                              \
		va_list list;                                                                                          \
		va_start(list, format);                                                                                \
		int result = function(LISTED_PASS format, list);                                                       \
		va_end(list);                                                                                          \
		return result;                                                                                         \
	}
#define LISTED_LEAD
#define LISTED_PASS
LISTED(char)
LISTED(wchar_t)
#undef LISTED_LEAD
#undef LISTED_PASS
#define LISTED_LEAD FILE *file,
#define LISTED_PASS file,
LISTED(char, FILE *,)
LISTED(wchar_t, FILE *,)
#undef LISTED_LEAD
#undef LISTED_PASS
#define LISTED_LEAD int first,
#define LISTED_PASS first,
LISTED(char, int,)
LISTED(wchar_t, int,)
#undef LISTED_LEAD
#undef LISTED_PASS
#define LISTED_LEAD FILE *file, int flag,
#define LISTED_PASS file, flag,
LISTED(char, FILE *, int,)
LISTED(wchar_t, FILE *, int,)
#undef LISTED_LEAD
#undef LISTED_PASS
#define LISTED_LEAD int fd, int flag,
#define LISTED_PASS fd, flag,
LISTED(char, int, int,)

static wchar_t wide_room[64];
static char *line_had;
static size_t line_space;

static void line_free()
{
	free(line_had);
	line_had = nullptr;
	line_space = 0;
	errno = BEFORE;
}

static char *line_of(size_t size)
{
	static char line[256];

	return size <= sizeof(line) ? line : nullptr;
}

static ssize_t cookie_write(void *, const char *, size_t)
{
	errno = EDOM;
	return 0;
}

static struct stat status;
static struct stat64 status64;
static struct statx statusx;
static struct statfs system_;
static struct statfs64 system64;
static struct statvfs systemv;
static struct statvfs64 systemv64;
static dev_t device;
static char where[PATH_MAX];

/* A file and an empty place beside it; `path` is of the caller's choice. */
static void meta_begin()
{
	if (chdir("/tmp") != 0)
		abort();
	close(open("/tmp/preprof-rows-file", O_RDWR | O_CREAT, 0600));
}

static void meta_end()
{
	unlink("/tmp/preprof-rows-file");
	unlink("/tmp/preprof-rows-new");
	unlink("/tmp/preprof-rows-none");
	rmdir("/tmp/preprof-rows-none");
}

#define META_OF(name) const char *path = name; meta_begin()
#define ROW(function, what, where, ...) {function, what, where, [] { __VA_ARGS__; }}
/* One that returns a block, and with what size it cannot. */
#define BLOCK(function, ok, fails)                                                                                     \
	ROW(function, "ok", HERE, void *p; SAW((p = ok) != nullptr); free(p)),                                         \
		ROW(function, "too large", HERE, SAW(fails))
#define EXEC_FAILS(function, call)                                                                                     \
	ROW(function, "missing", HERE, const char *path = missing; SAW(call)),                                         \
		ROW(function, "a folder", HERE, const char *path = folder; SAW(call)),                                 \
		ROW(function, "no file name", HERE, const char *path = ""; SAW(call)),                                 \
		ROW(function, "ok", CHILD, const char *path = true_name; SAW(call))
#define NEW(function, type, ok, fails)                                                                                 \
	ROW(function, "ok", HERE, void *p; SAW((p = ok) != nullptr); free(p)),                                         \
		ROW(function, "too large", HERE, SAW(-5); errno = BEFORE;                                              \
		    try { seen->result = fails == nullptr; } catch (const std::bad_alloc &) { seen->result = 7; }      \
		    seen->error = errno)
#define DELETE(function, block, call) ROW(function, "ok", HERE, void *p = block; SAW((call, 0)); SAW((p = nullptr, call, 0)))
#define LARGE 1000000 /* a mapping of its own */

static const std::align_val_t aligned{64};
static const std::nothrow_t &quiet = std::nothrow;

static const struct row rows[] = {
	/* The malloc family */
	BLOCK("malloc", malloc(10), malloc(HUGE_BYTES)),
	BLOCK("calloc", calloc(10, 10), calloc(SIZE_MAX / 2, 3)),
	BLOCK("realloc", realloc(malloc(10), LARGE), realloc(nullptr, HUGE_BYTES)),
	ROW("realloc", "to nothing", HERE, SAW(realloc(malloc(10), 0))),
	ROW("realloc", "kept", HERE, void *p = malloc(10); SAW(realloc(p, HUGE_BYTES)); free(p)),
	BLOCK("reallocarray", reallocarray(malloc(10), 10, 10), reallocarray(nullptr, SIZE_MAX / 2, 3)),
	BLOCK("memalign", memalign(64, 10), memalign(64, HUGE_BYTES)),
	BLOCK("aligned_alloc", aligned_alloc(64, 128), aligned_alloc(64, HUGE_BYTES)),
	ROW("aligned_alloc", "no power of two", HERE, SAW(aligned_alloc(3, 128) != nullptr)),
	BLOCK("valloc", valloc(10), valloc(HUGE_BYTES)),
	BLOCK("pvalloc", pvalloc(10), pvalloc(HUGE_BYTES)),
	ROW("posix_memalign", "ok", HERE, void *p; SAW(posix_memalign(&p, 64, 10)); free(p)),
	ROW("posix_memalign", "too large", HERE, void *p; SAW(posix_memalign(&p, 64, HUGE_BYTES))),
	ROW("posix_memalign", "no power of two", HERE, void *p; SAW(posix_memalign(&p, 3, 10))),
	ROW("free", "small", HERE, void *p = malloc(10); SAW((free(p), 0))),
	ROW("free", "large", HERE, void *p = malloc(LARGE); SAW((free(p), 0))),
	ROW("free", "nothing", HERE, SAW((free(nullptr), 0))),
	ROW("cfree", "ok", HERE, void *p = malloc(10); auto call = (void (*)(void *))found("cfree");
	    SAW(call ? (call(p), 0) : 1)),
	ROW("free_sized", "ok", HERE, void *p = malloc(10); auto call = (void (*)(void *, size_t))found("free_sized");
	    SAW(call ? (call(p, 10), 0) : 1)),
	ROW("free_aligned_sized", "ok", HERE, void *p = aligned_alloc(64, 64);
	    auto call = (void (*)(void *, size_t, size_t))found("free_aligned_sized"); SAW(call ? (call(p, 64, 64), 0) : 1)),
	ROW("malloc_usable_size", "ok", HERE, void *p = malloc(24); SAW(malloc_usable_size(p)); free(p)),
	ROW("malloc_usable_size", "nothing", HERE, SAW(malloc_usable_size(nullptr))),
	ROW("malloc_trim", "ok", HERE, SAW(malloc_trim(0) >= 0)),

	/* C++ */
	NEW("_Znwm", void *, operator new(10), operator new(HUGE_BYTES)),
	NEW("_Znam", void *, operator new[](10), operator new[](HUGE_BYTES)),
	NEW("_ZnwmRKSt9nothrow_t", void *, operator new(10, quiet), operator new(HUGE_BYTES, quiet)),
	NEW("_ZnamRKSt9nothrow_t", void *, operator new[](10, quiet), operator new[](HUGE_BYTES, quiet)),
	NEW("_ZnwmSt11align_val_t", void *, operator new(10, aligned), operator new(HUGE_BYTES, aligned)),
	NEW("_ZnamSt11align_val_t", void *, operator new[](10, aligned), operator new[](HUGE_BYTES, aligned)),
	NEW("_ZnwmSt11align_val_tRKSt9nothrow_t", void *, operator new(10, aligned, quiet),
	    operator new(HUGE_BYTES, aligned, quiet)),
	NEW("_ZnamSt11align_val_tRKSt9nothrow_t", void *, operator new[](10, aligned, quiet),
	    operator new[](HUGE_BYTES, aligned, quiet)),
	DELETE("_ZdlPv", operator new(LARGE), operator delete(p)),
	DELETE("_ZdaPv", operator new[](LARGE), operator delete[](p)),
	DELETE("_ZdlPvm", operator new(LARGE), operator delete(p, LARGE)),
	DELETE("_ZdaPvm", operator new[](LARGE), operator delete[](p, LARGE)),
	DELETE("_ZdlPvRKSt9nothrow_t", operator new(LARGE), operator delete(p, quiet)),
	DELETE("_ZdaPvRKSt9nothrow_t", operator new[](LARGE), operator delete[](p, quiet)),
	DELETE("_ZdlPvSt11align_val_t", operator new(LARGE, aligned), operator delete(p, aligned)),
	DELETE("_ZdaPvSt11align_val_t", operator new[](LARGE, aligned), operator delete[](p, aligned)),
	DELETE("_ZdlPvmSt11align_val_t", operator new(LARGE, aligned), operator delete(p, LARGE, aligned)),
	DELETE("_ZdaPvmSt11align_val_t", operator new[](LARGE, aligned), operator delete[](p, LARGE, aligned)),
	DELETE("_ZdlPvSt11align_val_tRKSt9nothrow_t", operator new(LARGE, aligned), operator delete(p, aligned, quiet)),
	DELETE("_ZdaPvSt11align_val_tRKSt9nothrow_t", operator new[](LARGE, aligned), operator delete[](p, aligned, quiet)),

	/* Mappings */
	ROW("mmap", "ok", HERE, void *p; SAW((p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED);
	    munmap(p, 4096)),
	ROW("mmap", "no bytes", HERE, SAW(mmap(nullptr, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
	ROW("mmap", "no file", HERE, SAW(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, -1, 0))),
	ROW("mmap", "too large", HERE, SAW(mmap(nullptr, HUGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
	ROW("mmap64", "ok", HERE, void *p; SAW((p = mmap64(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED);
	    munmap(p, 4096)),
	ROW("mmap64", "odd offset", HERE, SAW(mmap64(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1))),
	ROW("munmap", "ok", HERE, void *p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	    SAW(munmap(p, 4096))),
	ROW("munmap", "odd address", HERE, SAW(munmap((void *)1, 4096))),
	ROW("mremap", "ok", HERE, void *p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	    SAW((p = mremap(p, 4096, 8192, MREMAP_MAYMOVE)) == MAP_FAILED); munmap(p, 8192)),
	ROW("mremap", "nothing there", HERE, SAW(mremap(nullptr, 4096, 8192, MREMAP_MAYMOVE))),
	ROW("mremap", "bad flags", HERE, SAW(mremap(nullptr, 4096, 8192, 1 << 20))),
	ROW("brk", "ok", HERE, SAW(brk(sbrk(0)))),
	ROW("brk", "too high", HERE, SAW(brk((void *)(UINT64_MAX >> 1)))),
	ROW("sbrk", "ok", HERE, SAW(sbrk(0) == (void *)-1)),
	ROW("sbrk", "more and less", HERE, SAW(sbrk(4096) == (void *)-1); sbrk(-4096)),
	ROW("sbrk", "too much", HERE, SAW(sbrk(PTRDIFF_MAX))),

	/* Descriptors */
	ROW("close", "ok", HERE, int fd = open("/dev/null", O_RDONLY); SAW(close(fd))),
	ROW("close", "none", HERE, SAW(close(-1))),
	ROW("close", "not open", HERE, SAW(close(900))),
	ROW("close_range", "ok", HERE, SAW(close_range(800, 900, 0))),
	ROW("close_range", "wrong way round", HERE, SAW(close_range(900, 800, 0))),
	ROW("close_range", "bad flags", HERE, SAW(close_range(800, 900, 64))),
	ROW("closefrom", "ok", CHILD, SAW((closefrom(3), 0))),
	ROW("closefrom", "below zero", CHILD, SAW((closefrom(-1), 0))),
	ROW("dup", "ok", HERE, int fd; SAW((fd = dup(0)) < 0); close(fd)),
	ROW("dup", "not open", HERE, SAW(dup(900))),
	ROW("dup2", "ok", HERE, SAW(dup2(0, 700)); close(700)),
	ROW("dup2", "the same", HERE, SAW(dup2(0, 0))),
	ROW("dup2", "not open", HERE, SAW(dup2(900, 700))),
	ROW("dup2", "below zero", HERE, SAW(dup2(0, -1))),
	ROW("dup3", "ok", HERE, SAW(dup3(0, 700, O_CLOEXEC)); close(700)),
	ROW("dup3", "the same", HERE, SAW(dup3(0, 0, 0))),
	ROW("dup3", "bad flags", HERE, SAW(dup3(0, 700, 1))),

	/* I/O */
#define IO(function, call)                                                                                             \
	ROW(function, "ok", HERE, int fd = scratch(); SAW(call); close(fd)), ROW(function, "not open", HERE, int fd = 900; SAW(call))
#define DESCRIPTOR(function, call) ROW(function, "ok", HERE, int fd; SAW((fd = call) >= 0); close(fd))
#define SOCKET(function, call)                                                                                         \
	ROW(function, "ok", HERE, int other; int fd = pair(&other); SAW(call); close(fd); close(other)),               \
		ROW(function, "no socket", HERE, int fd = scratch(); SAW(call); close(fd)),                             \
		ROW(function, "not open", HERE, int fd = 900; SAW(call))
#define OPEN(function, call)                                                                                           \
	ROW(function, "ok", HERE, const char *path = "/dev/null"; int fd; SAW((fd = call) >= 0); close(fd)),           \
		ROW(function, "missing", HERE, const char *path = missing; SAW(call)),                                 \
		ROW(function, "wrong address", HERE, const char *path = NOWHERE; SAW(call))
#define MADE(function, call)                                                                                           \
	ROW(function, "ok", HERE, char path[] = "/tmp/preprof-rows-XXXXXX.row"; char *name = path; int fd;             \
	    SAW((fd = call) >= 0); close(fd); unlink(path)),                                                           \
		ROW(function, "no such folder", HERE, char path[] = "/nowhere/at/all/XXXXXX.row"; char *name = path; SAW(call))
#define MADE_PLAIN(function, call)                                                                                     \
	ROW(function, "ok", HERE, char path[] = "/tmp/preprof-rows-XXXXXX"; char *name = path; int fd;                 \
	    SAW((fd = call) >= 0); close(fd); unlink(path)),                                                           \
		ROW(function, "bad name", HERE, char path[] = "/tmp/row"; char *name = path; SAW(call))
	OPEN("open", open(path, O_RDWR)), OPEN("open64", open64(path, O_RDWR)), OPEN("openat", openat(AT_FDCWD, path, O_RDWR)),
	OPEN("openat64", openat64(AT_FDCWD, path, O_RDWR)), OPEN("creat", creat(path, 0600)), OPEN("creat64", creat64(path, 0600)),
	OPEN("__open_2", __open_2(path, O_RDWR)), OPEN("__open64_2", __open64_2(path, O_RDWR)),
	OPEN("__openat_2", __openat_2(AT_FDCWD, path, O_RDWR)), OPEN("__openat64_2", __openat64_2(AT_FDCWD, path, O_RDWR)),
	MADE_PLAIN("mkstemp", mkstemp(name)), MADE_PLAIN("mkstemp64", mkstemp64(name)),
	MADE_PLAIN("mkostemp", mkostemp(name, O_CLOEXEC)), MADE_PLAIN("mkostemp64", mkostemp64(name, O_CLOEXEC)),
	MADE("mkstemps", mkstemps(name, 4)), MADE("mkstemps64", mkstemps64(name, 4)),
	MADE("mkostemps", mkostemps(name, 4, O_CLOEXEC)), MADE("mkostemps64", mkostemps64(name, 4, O_CLOEXEC)),
	IO("read", read(fd, room, 8)), IO("write", write(fd, room, 8)), IO("pread", pread(fd, room, 8, 0)),
	IO("pread64", pread64(fd, room, 8, 0)), IO("pwrite", pwrite(fd, room, 8, 0)), IO("pwrite64", pwrite64(fd, room, 8, 0)),
	IO("readv", readv(fd, parts, 2)), IO("writev", writev(fd, parts, 2)), IO("preadv", preadv(fd, parts, 2, 0)),
	IO("preadv64", preadv64(fd, parts, 2, 0)), IO("pwritev", pwritev(fd, parts, 2, 0)),
	IO("pwritev64", pwritev64(fd, parts, 2, 0)), IO("preadv2", preadv2(fd, parts, 2, 0, 0)),
	IO("preadv64v2", preadv64v2(fd, parts, 2, 0, 0)), IO("pwritev2", pwritev2(fd, parts, 2, 0, 0)),
	IO("pwritev64v2", pwritev64v2(fd, parts, 2, 0, 0)), IO("preadv2", preadv2(fd, parts, 2, 0, 1 << 30)),
	IO("__read_chk", __read_chk(fd, room, 8, 64)), IO("__pread_chk", __pread_chk(fd, room, 8, 0, 64)),
	IO("__pread64_chk", __pread64_chk(fd, room, 8, 0, 64)), IO("read", read(fd, NOWHERE, 8)),
	IO("write", write(fd, NOWHERE, 8)), IO("readv", readv(fd, (struct iovec *)NOWHERE, 2)), IO("pread", pread(fd, room, 8, -1)),
	IO("lseek", lseek(fd, 3, SEEK_SET)), IO("lseek64", lseek64(fd, -3, SEEK_SET)), IO("fsync", fsync(fd)),
	IO("fdatasync", fdatasync(fd)), IO("sync_file_range", sync_file_range(fd, 0, 8, 0)), IO("syncfs", syncfs(fd)),
	ROW("sync", "ok", HERE, SAW((sync(), 0))), IO("ftruncate", ftruncate(fd, 4)), IO("ftruncate64", ftruncate64(fd, -4)),
	IO("fallocate", fallocate(fd, 0, 0, 4096)), IO("fallocate64", fallocate64(fd, 1 << 20, 0, 4096)),
	IO("posix_fallocate", posix_fallocate(fd, 0, 4096)), IO("posix_fallocate64", posix_fallocate64(fd, -1, 4096)),
	IO("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)), IO("posix_fadvise64", posix_fadvise64(fd, 0, 0, 99)),
	IO("fcntl", fcntl(fd, F_GETFL)), IO("fcntl64", fcntl64(fd, F_SETFD, FD_CLOEXEC)), IO("fcntl", fcntl(fd, 9999)),
	IO("fcntl", fcntl(fd, F_DUPFD, 1 << 30)),
	ROW("fcntl", "duplicate", HERE, int fd; SAW((fd = fcntl(0, F_DUPFD_CLOEXEC, 600)) >= 600); close(fd)),
	IO("copy_file_range", copy_file_range(fd, nullptr, fd, nullptr, 4, 0)), IO("sendfile", sendfile(fd, fd, nullptr, 4)),
	IO("sendfile64", sendfile64(fd, fd, nullptr, 4)),
	ROW("msync", "ok", HERE, void *p = mmap(nullptr, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0); SAW(msync(p, 4096, MS_SYNC));
	    munmap(p, 4096)),
	ROW("msync", "odd address", HERE, SAW(msync((void *)1, 4096, MS_SYNC))),
	ROW("pipe", "ok", HERE, int ends[2]; SAW(pipe(ends)); close(ends[0]); close(ends[1])),
	ROW("pipe", "wrong address", HERE, SAW(pipe((int *)NOWHERE))),
	ROW("pipe2", "ok", HERE, int ends[2]; SAW(pipe2(ends, O_CLOEXEC)); close(ends[0]); close(ends[1])),
	ROW("pipe2", "bad flags", HERE, int ends[2]; SAW(pipe2(ends, 1))),
	DESCRIPTOR("eventfd", eventfd(0, 0)), ROW("eventfd", "bad flags", HERE, SAW(eventfd(0, 1 << 30))),
	DESCRIPTOR("timerfd_create", timerfd_create(CLOCK_MONOTONIC, 0)),
	ROW("timerfd_create", "no such clock", HERE, SAW(timerfd_create(99, 0))),
	DESCRIPTOR("epoll_create", epoll_create(1)), ROW("epoll_create", "none", HERE, SAW(epoll_create(0))),
	DESCRIPTOR("epoll_create1", epoll_create1(EPOLL_CLOEXEC)),
	ROW("epoll_create1", "bad flags", HERE, SAW(epoll_create1(1))),
	DESCRIPTOR("inotify_init", inotify_init()), DESCRIPTOR("inotify_init1", inotify_init1(IN_NONBLOCK)),
	ROW("inotify_init1", "bad flags", HERE, SAW(inotify_init1(1))),
	ROW("fanotify_init", "bad flags", HERE, SAW(fanotify_init(1U << 31, 0))),
	DESCRIPTOR("memfd_create", memfd_create("errors", MFD_CLOEXEC)),
	ROW("memfd_create", "wrong address", HERE, SAW(memfd_create((const char *)NOWHERE, 0))),
	DESCRIPTOR("pidfd_open", pidfd_open(getpid(), 0)), ROW("pidfd_open", "nobody", HERE, SAW(pidfd_open(-1, 0))),
	ROW("pidfd_getfd", "not open", HERE, SAW(pidfd_getfd(900, 0, 0))),
	ROW("pidfd_getfd", "ok", HERE, int self = pidfd_open(getpid(), 0); int fd; SAW((fd = pidfd_getfd(self, 0, 0)) >= 0); close(fd);
	    close(self)),
	DESCRIPTOR("shm_open", shm_open("/preprof-errors", O_CREAT | O_RDWR, 0600)),
	ROW("shm_open", "not there", HERE, shm_unlink("/preprof-errors"); SAW(shm_open("/preprof-errors", O_RDWR, 0))),
	DESCRIPTOR("posix_openpt", posix_openpt(O_RDWR | O_NOCTTY)), DESCRIPTOR("getpt", getpt()),
	ROW("open_by_handle_at", "not open", HERE, char handle[64] = {0}; SAW(open_by_handle_at(900, (struct file_handle *)handle, 0))),
	ROW("splice", "ok", HERE, pipes(); SAW(splice(full[0], nullptr, empty[1], nullptr, 8, 0)); pipes_close()),
	ROW("splice", "would block", HERE, pipes(); SAW(splice(empty[0], nullptr, full[1], nullptr, 8, SPLICE_F_NONBLOCK)); pipes_close()),
	ROW("tee", "ok", HERE, pipes(); SAW(tee(full[0], empty[1], 8, 0)); pipes_close()),
	ROW("tee", "not open", HERE, SAW(tee(900, 901, 8, 0))),
	ROW("vmsplice", "ok", HERE, pipes(); SAW(vmsplice(empty[1], parts, 2, 0)); pipes_close()),
	ROW("vmsplice", "not open", HERE, SAW(vmsplice(900, parts, 2, 0))),
	ROW("socket", "ok", HERE, int fd; SAW((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0); close(fd)),
	ROW("socket", "no such kind", HERE, SAW(socket(AF_UNIX, 99, 0))),
	ROW("socketpair", "ok", HERE, int ends[2]; SAW(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)); close(ends[0]); close(ends[1])),
	ROW("socketpair", "wrong address", HERE, SAW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)NOWHERE))),
	ROW("accept", "ok", HERE, int fd = listener(); int client = connected(); int got; SAW((got = accept(fd, nullptr, nullptr)) >= 0);
	    close(got); close(client); close(fd)),
	ROW("accept4", "ok", HERE, int fd = listener(); int client = connected(); int got;
	    SAW((got = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0); close(got); close(client); close(fd)),
	SOCKET("accept", accept(fd, nullptr, nullptr)), SOCKET("accept4", accept4(fd, nullptr, nullptr, 1 << 30)),
	ROW("connect", "ok", HERE, int fd = listener(); int client = socket(AF_UNIX, SOCK_STREAM, 0);
	    SAW(connect(client, (struct sockaddr *)&place, place_size)); close(client); close(fd)),
	SOCKET("connect", connect(fd, (struct sockaddr *)&place, place_size)),
	SOCKET("send", send(fd, room, 8, MSG_NOSIGNAL)), SOCKET("sendto", sendto(fd, room, 8, MSG_NOSIGNAL, nullptr, 0)),
	SOCKET("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL)), SOCKET("sendmmsg", sendmmsg(fd, messages, 1, MSG_NOSIGNAL)),
	SOCKET("recv", recv(fd, room, 8, MSG_DONTWAIT)), SOCKET("recvfrom", recvfrom(fd, room, 8, MSG_DONTWAIT, nullptr, nullptr)),
	SOCKET("recvmsg", recvmsg(fd, &message, MSG_DONTWAIT)), SOCKET("recvmmsg", recvmmsg(fd, messages, 1, MSG_DONTWAIT, nullptr)),
	SOCKET("__recv_chk", __recv_chk(fd, room, 8, 64, MSG_DONTWAIT)),
	SOCKET("__recvfrom_chk", __recvfrom_chk(fd, room, 8, 64, MSG_DONTWAIT, nullptr, nullptr)),
	SOCKET("recv", recv(fd, NOWHERE, 8, MSG_DONTWAIT)), SOCKET("recvmsg", recvmsg(fd, (struct msghdr *)NOWHERE, MSG_DONTWAIT)),
	/* stdio */
#define READS(function, call)                                                                                          \
	ROW(function, "ok", HERE, FILE *file = readable(); SAW(call); fclose(file)),                                   \
		ROW(function, "at the end", HERE, FILE *file = readable(); fseek(file, 0, SEEK_END); SAW(call); fclose(file)), \
		ROW(function, "not for reading", HERE, FILE *file = writable(); SAW(call); fclose(file)),              \
		ROW(function, "not open", HERE, FILE *file = readable(); close(fileno(file)); SAW(call); fclose(file))
#define WRITES(function, call)                                                                                         \
	ROW(function, "ok", HERE, FILE *file = writable(); SAW(call); fclose(file)),                                   \
		ROW(function, "not for writing", HERE, FILE *file = readable(); SAW(call); fclose(file)),              \
		ROW(function, "no room", HERE, FILE *file = no_room(); SAW(call); fclose(file))
#define READS_STDIN(function, call)                                                                                    \
	ROW(function, "ok", HERE, standard in(stdin, readable()); SAW(call)),                                          \
		ROW(function, "not for reading", HERE, standard in(stdin, writable()); SAW(call))
#define WRITES_STDOUT(function, call)                                                                                  \
	ROW(function, "ok", HERE, standard out(stdout, writable()); SAW(call)),                                        \
		ROW(function, "no room", HERE, standard out(stdout, no_room()); SAW(call)),                            \
		ROW(function, "not for writing", HERE, standard out(stdout, readable()); SAW(call))
#define PLACES(function, call)                                                                                         \
	ROW(function, "ok", HERE, FILE *file = readable(); SAW(call); fclose(file)),                                   \
		ROW(function, "a pipe", HERE, pipes(); FILE *file = fdopen(dup(full[0]), "r"); SAW(call); fclose(file); pipes_close()), \
		ROW(function, "not open", HERE, FILE *file = readable(); close(fileno(file)); SAW(call); fclose(file))
#define STREAM(function, ok, fails)                                                                                    \
	ROW(function, "ok", HERE, const char *path = "/dev/null"; FILE *file; SAW((file = ok) != nullptr); fclose(file)), \
		ROW(function, "fails", HERE, const char *path = missing; FILE *file; SAW((file = fails) != nullptr))
	READS("fread", fread(room, 2, 3, file)),
	READS("fread_unlocked", fread_unlocked(room, 2, 3, file)),
	READS("__fread_chk", __fread_chk(room, sizeof(room), 2, 3, file)),
	READS("__fread_unlocked_chk", __fread_unlocked_chk(room, sizeof(room), 2, 3, file)),
	ROW("fread", "nothing from nowhere", HERE, SAW(fread(room, 0, 4, nullptr))),
	ROW("fwrite", "nothing to nowhere", HERE, SAW(fwrite(room, 4, 0, nullptr))),
	WRITES("fwrite", fwrite(room, 2, 3, file)),
	WRITES("fwrite_unlocked", fwrite_unlocked(room, 2, 3, file)),
	READS("fgetc", fgetc(file)),
	READS("getc", getc(file)),
	READS("_IO_getc", _IO_getc(file)),
	READS("fgetc_unlocked", fgetc_unlocked(file)),
	READS("getc_unlocked", getc_unlocked(file)),
	READS("getw", getw(file)),
	READS("__uflow", __uflow(file)),
	READS("__underflow", __underflow(file)),
	READS_STDIN("getchar", getchar()),
	READS_STDIN("getchar_unlocked", getchar_unlocked()),
	WRITES("fputc", fputc('x', file)),
	WRITES("putc", putc('x', file)),
	WRITES("_IO_putc", _IO_putc('x', file)),
	WRITES("fputc_unlocked", fputc_unlocked('x', file)),
	WRITES("putc_unlocked", putc_unlocked('x', file)),
	WRITES("putw", putw('x', file)),
	WRITES("__overflow", __overflow(file, 'x')),
	WRITES_STDOUT("putchar", putchar('x')),
	WRITES_STDOUT("putchar_unlocked", putchar_unlocked('x')),
	READS("ungetc", ungetc('x', file)),
	ROW("ungetc", "end of file", HERE, FILE *file = readable(); SAW(ungetc(EOF, file)); fclose(file)),
	READS("fgets", fgets(room, 5, file) != nullptr),
	READS("fgets_unlocked", fgets_unlocked(room, 5, file) != nullptr),
	READS("__fgets_chk", __fgets_chk(room, sizeof(room), 5, file) != nullptr),
	READS("__fgets_unlocked_chk", __fgets_unlocked_chk(room, sizeof(room), 5, file) != nullptr),
	ROW("fgets", "no room", HERE, SAW(fgets(room, 0, nullptr) != nullptr)),
	READS_STDIN("gets", gets(line_of(256)) != nullptr),
	READS_STDIN("__gets_chk", __gets_chk(line_of(256), 256) != nullptr),
	READS("getline", (line_free(), getline(&line_had, &line_space, file))),
	READS("getdelim", (line_free(), getdelim(&line_had, &line_space, 'h', file))),
	READS("__getdelim", (line_free(), __getdelim(&line_had, &line_space, 'h', file))),
	ROW("getline", "bad address", HERE, FILE *file = readable(); SAW(getline(nullptr, nullptr, file)); fclose(file)),
	WRITES("fputs", fputs("text", file)),
	WRITES("fputs_unlocked", fputs_unlocked("text", file)),
	WRITES_STDOUT("puts", puts("text")),
	READS("fgetwc", (fwide(file, 1), fgetwc(file))),
	READS("getwc", (fwide(file, 1), getwc(file))),
	READS("fgetwc_unlocked", (fwide(file, 1), fgetwc_unlocked(file))),
	READS("getwc_unlocked", (fwide(file, 1), getwc_unlocked(file))),
	READS("__wuflow", (fwide(file, 1), __wuflow(file))),
	READS("__wunderflow", (fwide(file, 1), __wunderflow(file))),
	READS_STDIN("getwchar", getwchar()),
	READS_STDIN("getwchar_unlocked", getwchar_unlocked()),
	WRITES("fputwc", fputwc(L'x', file)),
	WRITES("putwc", putwc(L'x', file)),
	WRITES("fputwc_unlocked", fputwc_unlocked(L'x', file)),
	WRITES("putwc_unlocked", putwc_unlocked(L'x', file)),
	WRITES("__woverflow", (fwide(file, 1), __woverflow(file, L'x'))),
	WRITES_STDOUT("putwchar", putwchar(L'x')),
	WRITES_STDOUT("putwchar_unlocked", putwchar_unlocked(L'x')),
	READS("ungetwc", ungetwc(L'x', file)),
	READS("fgetws", fgetws(wide_room, 5, file) != nullptr),
	READS("fgetws_unlocked", fgetws_unlocked(wide_room, 5, file) != nullptr),
	READS("__fgetws_chk", __fgetws_chk(wide_room, 64, 5, file) != nullptr),
	READS("__fgetws_unlocked_chk", __fgetws_unlocked_chk(wide_room, 64, 5, file) != nullptr),
	WRITES("fputws", fputws(L"text", file)),
	WRITES("fputws_unlocked", fputws_unlocked(L"text", file)),
	WRITES_STDOUT("printf", printf("%d %s", 42, "x")),
	WRITES("fprintf", fprintf(file, "%d %s", 42, "x")),
	WRITES_STDOUT("vprintf", listed(vprintf, "%d %s", 42, "x")),
	WRITES("vfprintf", listed(vfprintf, file, "%d %s", 42, "x")),
	WRITES_STDOUT("wprintf", wprintf(L"%d %ls", 42, L"x")),
	WRITES("fwprintf", fwprintf(file, L"%d %ls", 42, L"x")),
	WRITES_STDOUT("vwprintf", listed(vwprintf, L"%d %ls", 42, L"x")),
	WRITES("vfwprintf", listed(vfwprintf, file, L"%d %ls", 42, L"x")),
	WRITES_STDOUT("__printf_chk", __printf_chk(1, "%d %s", 42, "x")),
	WRITES("__fprintf_chk", __fprintf_chk(file, 1, "%d %s", 42, "x")),
	WRITES_STDOUT("__vprintf_chk", listed(__vprintf_chk, 1, "%d %s", 42, "x")),
	WRITES("__vfprintf_chk", listed(__vfprintf_chk, file, 1, "%d %s", 42, "x")),
	WRITES_STDOUT("__wprintf_chk", __wprintf_chk(1, L"%d %ls", 42, L"x")),
	WRITES("__fwprintf_chk", __fwprintf_chk(file, 1, L"%d %ls", 42, L"x")),
	WRITES_STDOUT("__vwprintf_chk", listed(__vwprintf_chk, 1, L"%d %ls", 42, L"x")),
	WRITES("__vfwprintf_chk", listed(__vfwprintf_chk, file, 1, L"%d %ls", 42, L"x")),
	IO("dprintf", dprintf(fd, "%d %s", 42, "x")),
	IO("vdprintf", listed(vdprintf, fd, "%d %s", 42, "x")),
	IO("__dprintf_chk", __dprintf_chk(fd, 1, "%d %s", 42, "x")),
	IO("__vdprintf_chk", listed(__vdprintf_chk, fd, 1, "%d %s", 42, "x")),
	ROW("dprintf", "a wide character that there is not", HERE, int fd = scratch(); SAW(dprintf(fd, "%lc", (wint_t)0x110000)); close(fd)),
	ROW("printf", "more arguments than registers", HERE, standard out(stdout, writable());
	    SAW(printf("%d %d %d %d %d %d %d %d %g %g %g %g %g %g %g %g %g %Lg\n", 1, 2, 3, 4, 5, 6, 7, 8, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 1.0L))),
	READS_STDIN("scanf", scanf("%5s %d", room, &number)),
	READS("fscanf", fscanf(file, "%5s %d", room, &number)),
	READS_STDIN("vscanf", listed(vscanf, "%5s %d", room, &number)),
	READS("vfscanf", listed(vfscanf, file, "%5s %d", room, &number)),
	READS_STDIN("wscanf", wscanf(L"%5ls %d", wide_room, &number)),
	READS("fwscanf", fwscanf(file, L"%5ls %d", wide_room, &number)),
	READS_STDIN("vwscanf", listed(vwscanf, L"%5ls %d", wide_room, &number)),
	READS("vfwscanf", listed(vfwscanf, file, L"%5ls %d", wide_room, &number)),
	READS_STDIN("__isoc99_scanf", __isoc99_scanf("%5s %d", room, &number)),
	READS("__isoc99_fscanf", __isoc99_fscanf(file, "%5s %d", room, &number)),
	READS_STDIN("__isoc99_vscanf", listed(__isoc99_vscanf, "%5s %d", room, &number)),
	READS("__isoc99_vfscanf", listed(__isoc99_vfscanf, file, "%5s %d", room, &number)),
	READS_STDIN("__isoc99_wscanf", __isoc99_wscanf(L"%5ls %d", wide_room, &number)),
	READS("__isoc99_fwscanf", __isoc99_fwscanf(file, L"%5ls %d", wide_room, &number)),
	READS_STDIN("__isoc99_vwscanf", listed(__isoc99_vwscanf, L"%5ls %d", wide_room, &number)),
	READS("__isoc99_vfwscanf", listed(__isoc99_vfwscanf, file, L"%5ls %d", wide_room, &number)),
	STREAM("fopen", fopen(path, "r"), fopen(path, "r")),
	ROW("fopen", "bad mode", HERE, SAW(fopen("/dev/null", "q") != nullptr)),
	STREAM("fopen64", fopen64(path, "r"), fopen64(path, "r")),
	ROW("fopen64", "bad mode", HERE, SAW(fopen64("/dev/null", "q") != nullptr)),
	STREAM("freopen", freopen(path, "r", readable()), freopen(path, "r", readable())),
	ROW("freopen", "another mode", HERE, FILE *file = readable(); SAW((file = freopen(nullptr, "r", file)) != nullptr); fclose(file)),
	STREAM("freopen64", freopen64(path, "r", readable()), freopen64(path, "r", readable())),
	ROW("freopen64", "another mode", HERE, FILE *file = readable(); SAW((file = freopen64(nullptr, "r", file)) != nullptr); fclose(file)),
	ROW("fdopen", "ok", HERE, FILE *file; SAW((file = fdopen(scratch(), "r+")) != nullptr); fclose(file)),
	ROW("fdopen", "not open", HERE, SAW(fdopen(900, "r") != nullptr)),
	ROW("fdopen", "bad mode", HERE, SAW(fdopen(0, "q") != nullptr)),
	ROW("tmpfile", "ok", HERE, FILE *file; SAW((file = tmpfile()) != nullptr); fclose(file)),
	ROW("tmpfile", "no descriptor", CHILD, descriptors_used_up(); SAW(tmpfile() != nullptr)),
	ROW("tmpfile64", "ok", HERE, FILE *file; SAW((file = tmpfile64()) != nullptr); fclose(file)),
	ROW("tmpfile64", "no descriptor", CHILD, descriptors_used_up(); SAW(tmpfile64() != nullptr)),
	ROW("open_memstream", "ok", HERE, char *text; size_t size; FILE *file; SAW((file = open_memstream(&text, &size)) != nullptr);
	    fputs("text", file); fclose(file); free(text)),
	ROW("open_wmemstream", "ok", HERE, wchar_t *text; size_t size; FILE *file; SAW((file = open_wmemstream(&text, &size)) != nullptr);
	    fputws(L"text", file); fclose(file); free(text)),
	ROW("fopencookie", "ok", HERE, FILE *file; SAW((file = fopencookie(nullptr, "w", {nullptr, cookie_write, nullptr, nullptr})) != nullptr);
	    setvbuf(file, nullptr, _IONBF, 0); SAW(fputs("text", file)); fclose(file)),
	ROW("fopencookie", "bad mode", HERE, SAW(fopencookie(nullptr, "q", {}) != nullptr)),
	ROW("fclose", "ok", HERE, FILE *file = readable(); SAW(fclose(file))),
	ROW("fclose", "no room", HERE, FILE *file = fopen("/dev/full", "w"); fputs("text", file); SAW(fclose(file))),
	ROW("fclose", "not open", HERE, FILE *file = readable(); close(fileno(file)); SAW(fclose(file))),
	ROW("fcloseall", "ok", CHILD, SAW(fcloseall())),
	ROW("pclose", "ok", HERE, FILE *file = popen("exit 3", "r"); SAW(pclose(file))),
	ROW("pclose", "no child of its", CHILD, signal(SIGCHLD, SIG_IGN); FILE *file = popen("exit 3", "r"); SAW(pclose(file))),
	WRITES("fflush", (fputs("text", file), errno = BEFORE, fflush(file))), WRITES("fflush_unlocked", (fputs("text", file), errno = BEFORE, fflush_unlocked(file))),
	ROW("fflush", "all", CHILD, SAW(fflush(nullptr))),
	PLACES("fseek", fseek(file, 3, SEEK_SET)),
	PLACES("fseek", fseek(file, -30, SEEK_CUR)),
	PLACES("fseek", fseek(file, 0, 99)),
	PLACES("fseeko", fseeko(file, 3, SEEK_SET)),
	PLACES("fseeko", fseeko(file, -30, SEEK_CUR)),
	PLACES("fseeko", fseeko(file, 0, 99)),
	PLACES("fseeko64", fseeko64(file, 3, SEEK_SET)),
	PLACES("fseeko64", fseeko64(file, -30, SEEK_CUR)),
	PLACES("fseeko64", fseeko64(file, 0, 99)),
	PLACES("ftell", ftell(file)),
	PLACES("ftello", ftello(file)),
	PLACES("ftello64", ftello64(file)),
	PLACES("fgetpos", [=] { static fpos_t place; return fgetpos(file, &place); }()),
	PLACES("fgetpos64", [=] { static fpos64_t place; return fgetpos64(file, &place); }()),
	PLACES("fsetpos", [=] { static fpos_t place; return fsetpos(file, &place); }()),
	PLACES("fsetpos64", [=] { static fpos64_t place; return fsetpos64(file, &place); }()),
	PLACES("rewind", (rewind(file), 0)),
	WRITES("setvbuf", setvbuf(file, nullptr, _IOLBF, 100)),
	ROW("setvbuf", "bad mode", HERE, FILE *file = readable(); SAW(setvbuf(file, nullptr, 99, 0)); fclose(file)),
	WRITES("setbuf", (setbuf(file, nullptr), 0)),
	WRITES("setbuffer", (setbuffer(file, line_of(256), 256), 0)),
	WRITES("setlinebuf", (setlinebuf(file), 0)),
	/* Metadata: of a file that is there, one that is not, and of no address. */
#define NAMES(function, call)                                                                                          \
	NAMES_READ(function, call),                                                                                    \
		ROW(function, "wrong address", HERE, META_OF(NOWHERE); SAW(call); meta_end())
#define NAMES_READ(function, call) /* libc itself reads the path */                                                    \
	ROW(function, "ok", HERE, META_OF("/tmp/preprof-rows-file"); SAW((call) < 0); meta_end()),                          \
		ROW(function, "relative", HERE, META_OF("./preprof-rows-file"); SAW((call) < 0); meta_end()),                  \
		ROW(function, "missing", HERE, META_OF("/tmp/preprof-rows-none"); SAW(call); meta_end()),                      \
		ROW(function, "no folder", HERE, META_OF("/tmp/preprof-rows-file/below"); SAW(call); meta_end()),              \
		ROW(function, "empty", HERE, META_OF(""); SAW(call); meta_end())
#define OF_FD(function, call)                                                                                          \
	ROW(function, "ok", HERE, META_OF("/tmp/preprof-rows-file"); int fd = open(path, O_RDWR); SAW((call) < 0); close(fd); meta_end()), \
		ROW(function, "not open", HERE, META_OF("/tmp"); int fd = 900; SAW(call); meta_end())
#define IN_FOLDER(function, call)                                                                                      \
	ROW(function, "in a folder", HERE, META_OF("preprof-rows-file"); int at = open("/tmp", O_RDONLY); SAW((call) < 0); close(at); meta_end()), \
		ROW(function, "missing in a folder", HERE, META_OF("preprof-rows-none"); int at = open("/tmp", O_RDONLY); SAW(call); close(at); \
	    meta_end()),                                                                                                       \
		ROW(function, "folder not open", HERE, META_OF("preprof-rows-file"); int at = 900; SAW(call); meta_end()),     \
		ROW(function, "absolute, folder not open", HERE, META_OF("/tmp/preprof-rows-file"); int at = 900; SAW((call) < 0); meta_end()), \
		ROW(function, "wrong address", HERE, META_OF(NOWHERE); int at = AT_FDCWD; SAW(call); meta_end())
	NAMES("stat", stat(path, &status)),
	NAMES("stat64", stat64(path, &status64)),
	NAMES("lstat", lstat(path, &status)),
	NAMES("lstat64", lstat64(path, &status64)),
	OF_FD("fstat", fstat(fd, &status)),
	OF_FD("fstat64", fstat64(fd, &status64)),
	IN_FOLDER("fstatat", fstatat(at, path, &status, 0)),
	IN_FOLDER("fstatat64", fstatat64(at, path, &status64, AT_SYMLINK_NOFOLLOW)),
	NAMES("__xstat", __xstat(1, path, &status)),
	NAMES("__xstat64", __xstat64(1, path, &status64)),
	NAMES("__lxstat", __lxstat(1, path, &status)),
	NAMES("__lxstat64", __lxstat64(1, path, &status64)),
	OF_FD("__fxstat", __fxstat(1, fd, &status)),
	OF_FD("__fxstat64", __fxstat64(1, fd, &status64)),
	IN_FOLDER("__fxstatat", __fxstatat(1, at, path, &status, 0)),
	IN_FOLDER("__fxstatat64", __fxstatat64(1, at, path, &status64, 0)),
	IN_FOLDER("statx", statx(at, path, 0, STATX_ALL, &statusx)),
	ROW("statx", "of the descriptor", HERE, META_OF(""); int fd = open("/tmp", O_RDONLY); SAW(statx(fd, path, AT_EMPTY_PATH, STATX_ALL, &statusx)); close(fd); meta_end()),
	ROW("fstatat", "bad flags", HERE, META_OF(NOWHERE); SAW(fstatat(AT_FDCWD, path, &status, 1 << 30)); meta_end()),
	NAMES("statfs", statfs(path, &system_)),
	NAMES("statfs64", statfs64(path, &system64)),
	NAMES("__statfs", __statfs(path, &system_)),
	OF_FD("fstatfs", fstatfs(fd, &system_)),
	OF_FD("fstatfs64", fstatfs64(fd, &system64)),
	NAMES("statvfs", statvfs(path, &systemv)),
	NAMES("statvfs64", statvfs64(path, &systemv64)),
	OF_FD("fstatvfs", fstatvfs(fd, &systemv)),
	OF_FD("fstatvfs64", fstatvfs64(fd, &systemv64)),
	NAMES("access", access(path, R_OK)),
	NAMES("euidaccess", euidaccess(path, W_OK)),
	NAMES("eaccess", eaccess(path, F_OK)),
	IN_FOLDER("faccessat", faccessat(at, path, R_OK, 0)),
	ROW("faccessat", "bad flags", HERE, SAW(faccessat(AT_FDCWD, NOWHERE, R_OK, 1 << 30))),
	NAMES("unlink", unlink(path)),
	NAMES("remove", remove(path)),
	IN_FOLDER("unlinkat", unlinkat(at, path, 0)),
	IN_FOLDER("unlinkat", unlinkat(at, path, AT_REMOVEDIR)),
	NAMES("rename", rename(path, "/tmp/preprof-rows-new")),
	IN_FOLDER("renameat", renameat(at, path, AT_FDCWD, "/tmp/preprof-rows-new")),
	IN_FOLDER("renameat2", renameat2(at, path, AT_FDCWD, "/tmp/preprof-rows-new", RENAME_NOREPLACE)),
	ROW("rename", "second address wrong", HERE, META_OF("/tmp/preprof-rows-file"); SAW(rename(path, NOWHERE)); meta_end()),
	NAMES("link", link("/tmp/preprof-rows-file", path)),
	NAMES("link", link(path, "/tmp/preprof-rows-new")),
	IN_FOLDER("linkat", linkat(at, path, AT_FDCWD, "/tmp/preprof-rows-new", 0)),
	NAMES("symlink", symlink("to", path)),
	IN_FOLDER("symlinkat", symlinkat("to", at, path)),
	ROW("symlink", "ok", HERE, META_OF("/tmp/preprof-rows-new"); SAW(symlink("to", path)); meta_end()),
	NAMES("readlink", readlink(path, room, 64)),
	NAMES("__readlink_chk", __readlink_chk(path, room, 64, 64)),
	IN_FOLDER("readlinkat", readlinkat(at, path, room, 64)),
	IN_FOLDER("__readlinkat_chk", __readlinkat_chk(at, path, room, 64, 64)),
	ROW("readlink", "no room", HERE, META_OF(NOWHERE); SAW(readlink(path, room, 0)); meta_end()),
	ROW("readlink", "ok", HERE, META_OF("/tmp/preprof-rows-new"); if (symlink("to", path)) abort(); SAW(readlink(path, room, 64)); meta_end()),
	NAMES_READ("realpath", realpath(path, where) ? 0 : -1),
	NAMES_READ("__realpath_chk", __realpath_chk(path, where, sizeof(where)) ? 0 : -1),
	NAMES_READ("canonicalize_file_name", canonicalize_file_name(path) ? 0 : -1),
	ROW("realpath", "nothing", HERE, const char *volatile path = nullptr; SAW(realpath(path, nullptr))),
	NAMES("mkdir", mkdir(path, 0700)),
	IN_FOLDER("mkdirat", mkdirat(at, path, 0700)),
	NAMES("rmdir", rmdir(path)),
	ROW("mkdtemp", "ok", HERE, char name[] = "/tmp/preprof-rows-XXXXXX"; SAW(mkdtemp(name) != nullptr); rmdir(name)),
	ROW("mkdtemp", "bad name", HERE, char name[] = "/tmp/preprof-rows"; SAW(mkdtemp(name))),
	ROW("mkdtemp", "no such folder", HERE, char name[] = "/no/such/XXXXXX"; SAW(mkdtemp(name))),
	NAMES("mknod", mknod(path, S_IFREG | 0600, 0)),
	IN_FOLDER("mknodat", mknodat(at, path, S_IFREG | 0600, 0)),
	NAMES("mkfifo", mkfifo(path, 0600)),
	IN_FOLDER("mkfifoat", mkfifoat(at, path, 0600)),
	NAMES("__xmknod", __xmknod(0, path, S_IFREG | 0600, &device)),
	IN_FOLDER("__xmknodat", __xmknodat(0, at, path, S_IFREG | 0600, &device)),
	NAMES("chmod", chmod(path, 0600)),
	NAMES("lchmod", lchmod(path, 0600)),
	OF_FD("fchmod", fchmod(fd, 0600)),
	IN_FOLDER("fchmodat", fchmodat(at, path, 0600, 0)),
	NAMES("chown", chown(path, -1, -1)),
	NAMES("lchown", lchown(path, -1, -1)),
	OF_FD("fchown", fchown(fd, -1, -1)),
	IN_FOLDER("fchownat", fchownat(at, path, -1, -1, 0)),
	NAMES("utime", utime(path, nullptr)),
	NAMES("utimes", utimes(path, nullptr)),
	NAMES("lutimes", lutimes(path, nullptr)),
	OF_FD("futimes", futimes(fd, nullptr)),
	OF_FD("futimens", futimens(fd, nullptr)),
	IN_FOLDER("futimesat", futimesat(at, path, nullptr)),
	IN_FOLDER("utimensat", utimensat(at, path, nullptr, 0)),
	NAMES("truncate", truncate(path, 4)),
	NAMES("truncate64", truncate64(path, 4)),
	NAMES("setxattr", setxattr(path, "user.row", "x", 1, 0) < 0 ? -1 : 0),
	NAMES("lsetxattr", lsetxattr(path, "user.row", "x", 1, 0)),
	OF_FD("fsetxattr", fsetxattr(fd, "user.row", "x", 1, 0)),
	NAMES("getxattr", getxattr(path, "user.none", room, 64)),
	NAMES("lgetxattr", lgetxattr(path, "user.none", room, 64)),
	OF_FD("fgetxattr", fgetxattr(fd, "user.none", room, 64)),
	NAMES("listxattr", listxattr(path, room, 64)),
	NAMES("llistxattr", llistxattr(path, room, 64)),
	OF_FD("flistxattr", flistxattr(fd, room, 64)),
	NAMES("removexattr", removexattr(path, "user.none")),
	NAMES("lremovexattr", lremovexattr(path, "user.none")),
	OF_FD("fremovexattr", fremovexattr(fd, "user.none")),
	ROW("chdir", "ok", CHILD, SAW(chdir("/etc")); seen->result += 10 * access("passwd", F_OK)),
	ROW("chdir", "missing", HERE, SAW(chdir(missing))), ROW("chdir", "wrong address", HERE, SAW(chdir(NOWHERE))),
	ROW("fchdir", "ok", CHILD, SAW(fchdir(open("/etc", O_RDONLY))); seen->result += 10 * access("passwd", F_OK)),
	ROW("fchdir", "not open", HERE, SAW(fchdir(900))),
	ROW("getcwd", "ok", HERE, SAW(getcwd(where, sizeof(where)) != nullptr)), ROW("getcwd", "no room", HERE, SAW(getcwd(room, 1))),
	ROW("__getcwd_chk", "ok", HERE, SAW(__getcwd_chk(where, sizeof(where), sizeof(where)) != nullptr)),
	ROW("opendir", "ok", HERE, DIR *open; SAW((open = opendir("/etc")) != nullptr); closedir(open)),
	ROW("opendir", "missing", HERE, SAW(opendir(missing))), ROW("opendir", "empty", HERE, SAW(opendir(""))),
	ROW("opendir", "a file", HERE, SAW(opendir("/etc/passwd"))),
	ROW("fdopendir", "ok", HERE, DIR *found; SAW((found = fdopendir(open("/etc", O_RDONLY))) != nullptr); closedir(found)),
	ROW("fdopendir", "not open", HERE, SAW(fdopendir(900))), ROW("fdopendir", "a file", HERE, int fd = scratch(); SAW(fdopendir(fd)); close(fd)),
#define FOLDERS(function, call)                                                                                        \
	ROW(function, "ok", HERE, DIR *open = opendir("/etc"); dirent one, *next; dirent64 one64, *next64; (void)one, (void)next; \
	    (void)one64, (void)next64; SAW(call); closedir(open)),                                                             \
		ROW(function, "the end", HERE, DIR *open = opendir("/etc"); dirent one, *next; dirent64 one64, *next64; (void)one, (void)next; \
	    (void)one64, (void)next64; while (readdir(open)) continue; SAW(call); closedir(open))
	FOLDERS("readdir", readdir(open) != nullptr), FOLDERS("readdir64", readdir64(open) != nullptr),
	FOLDERS("readdir_r", readdir_r(open, &one, &next)), FOLDERS("readdir64_r", readdir64_r(open, &one64, &next64)),
	ROW("getdents64", "ok", HERE, int fd = open("/etc", O_RDONLY); static char many[32768]; SAW(getdents64(fd, many, sizeof(many)) > 0); close(fd)),
	ROW("getdents64", "not open", HERE, SAW(getdents64(900, room, 64))),
	ROW("closedir", "ok", HERE, DIR *open = opendir("/etc"); SAW(closedir(open))),
	ROW("closedir", "nothing", HERE, DIR *volatile none = nullptr; SAW(closedir(none))),

#define WALK(prefix, walk_type, entry_type, open_, read_, children_, close_)                                           \
	ROW(prefix "open", "ok", HERE, char path[] = "/etc/apt"; char *const paths[] = {path, nullptr}; walk_type *walk; \
	    SAW((walk = open_(paths, 16, nullptr)) != nullptr); close_(walk)),                                           \
		ROW(prefix "read", "ok", HERE, char path[] = "/etc/apt"; char *const paths[] = {path, nullptr};          \
		    walk_type *walk = open_(paths, 16, nullptr); SAW(read_(walk) != nullptr); close_(walk)),             \
		ROW(prefix "read", "the end", HERE, char path[] = "/etc/passwd"; char *const paths[] = {path, nullptr};  \
		    walk_type *walk = open_(paths, 16, nullptr); read_(walk); SAW(read_(walk) != nullptr); close_(walk)), \
		ROW(prefix "children", "ok", HERE, char path[] = "/etc/apt"; char *const paths[] = {path, nullptr};      \
		    walk_type *walk = open_(paths, 16, nullptr); read_(walk); SAW(children_(walk, 0) != nullptr); close_(walk)), \
		ROW(prefix "close", "ok", HERE, char path[] = "/etc/apt"; char *const paths[] = {path, nullptr};         \
		    walk_type *walk = open_(paths, 16, nullptr); SAW(close_(walk)))
	ROW("glob", "ok", HERE, glob_t found = {}; SAW(glob("/etc/pass*", 0, nullptr, &found)); globfree(&found)),
	ROW("glob", "no match", HERE, glob_t found = {}; SAW(glob("/no/such*", 0, nullptr, &found))),
	ROW("glob64", "no match", HERE, glob64_t found = {}; SAW(glob64("/no/such*", 0, nullptr, &found))),
	ROW("ftw", "ok", HERE, SAW(ftw("/etc/apt", [](const char *, const struct stat *, int) { return 0; }, 4))),
	ROW("ftw", "stopped", HERE, SAW(ftw("/etc", [](const char *, const struct stat *, int) { return 5; }, 4))),
	ROW("ftw64", "missing", HERE, SAW(ftw64(missing, [](const char *, const struct stat64 *, int) { return 0; }, 4))),
	ROW("nftw", "ok", HERE, SAW(nftw("/etc/apt", [](const char *, const struct stat *, int, struct FTW *) { return 0; }, 4, FTW_PHYS))),
	ROW("nftw", "missing", HERE, SAW(nftw(missing, [](const char *, const struct stat *, int, struct FTW *) { return 0; }, 4, 0))),
	ROW("nftw64", "missing", HERE, SAW(nftw64(missing, [](const char *, const struct stat64 *, int, struct FTW *) { return 0; }, 4, 0))),
	WALK("fts_", FTS, FTSENT, fts_open, fts_read, fts_children, fts_close), WALK("fts64_", FTS64, FTSENT64, fts64_open, fts64_read, fts64_children, fts64_close),
	ROW("fts_open", "invalid", HERE, char *const none[] = {nullptr}; SAW(fts_open(none, 1 << 20, nullptr) == nullptr)),
	ROW("fts64_open", "invalid", HERE, char *const none[] = {nullptr}; SAW(fts64_open(none, 1 << 20, nullptr) == nullptr)),
	ROW("scandir", "ok", HERE, dirent **list; SAW(scandir("/etc", &list, [](const dirent *) { return 0; }, nullptr))),
	ROW("scandir", "missing", HERE, dirent **list; SAW(scandir(missing, &list, nullptr, nullptr))),
	ROW("scandir64", "ok", HERE, dirent64 **list; SAW(scandir64("/etc", &list, [](const dirent64 *) { return 0; }, nullptr))),
	ROW("scandirat", "ok", HERE, dirent **list; SAW(scandirat(AT_FDCWD, "/etc", &list, [](const dirent *) { return 0; }, nullptr))),
	ROW("scandirat", "not open", HERE, dirent **list; SAW(scandirat(900, "etc", &list, nullptr, nullptr))),
	ROW("scandirat64", "ok", HERE, dirent64 **list; SAW(scandirat64(AT_FDCWD, "/etc", &list, [](const dirent64 *) { return 0; }, nullptr))),
	ROW("inotify_add_watch", "ok", HERE, int fd = inotify_init1(0); SAW(inotify_add_watch(fd, "/etc", IN_CREATE)); close(fd)),
	ROW("inotify_add_watch", "missing", HERE, int fd = inotify_init1(0); SAW(inotify_add_watch(fd, missing, IN_CREATE)); close(fd)),
	ROW("inotify_add_watch", "not open", HERE, SAW(inotify_add_watch(900, "/etc", IN_CREATE))),
	OF_FD("flock", flock(fd, LOCK_EX)), OF_FD("flock", flock(fd, 99)), OF_FD("lockf", lockf(fd, F_LOCK, 0)),
	OF_FD("lockf64", lockf64(fd, F_TLOCK, 0)), OF_FD("lockf", lockf(fd, 99, 0)),
	ROW("fcntl", "wait for a lock", HERE, int fd = scratch(); struct flock lock = {F_WRLCK, SEEK_SET, 0, 0, 0}; SAW(fcntl(fd, F_SETLKW, &lock)); close(fd)),
	ROW("fcntl", "wait for a lock, wrong address", HERE, int fd = scratch(); SAW(fcntl(fd, F_SETLKW, NOWHERE)); close(fd)),

#define ASYNC(function, call, type)                                                                                    \
	ROW(function, "ok", HERE, type block = {}; type *list[] = {&block}; const timespec none = {0, 0}; block.aio_fildes = scratch(); \
	    block.aio_buf = room; block.aio_nbytes = 8; aio_read((aiocb *)&block); while (aio_error((aiocb *)&block) == EINPROGRESS) \
		    sched_yield(); (void)list; (void)none; SAW(call); close(block.aio_fildes)),                                \
		ROW(function, "not open", HERE, type block = {}; type *list[] = {&block}; const timespec none = {0, 0}; block.aio_fildes = 900; \
	    block.aio_buf = room; block.aio_nbytes = 8; aio_write((aiocb *)&block); while (aio_error((aiocb *)&block) == EINPROGRESS)  \
		    sched_yield(); (void)list; (void)none; SAW(call))
	ASYNC("lio_listio", lio_listio(LIO_WAIT, list, 0, nullptr), aiocb), ASYNC("lio_listio64", lio_listio64(LIO_WAIT, list, 0, nullptr), aiocb64),
	ROW("lio_listio", "invalid", HERE, SAW(lio_listio(77, nullptr, 0, nullptr))),
	ASYNC("aio_return", aio_return(&block), aiocb), ASYNC("aio_return64", aio_return64(&block), aiocb64),
	ASYNC("aio_suspend", aio_suspend(list, 1, &none), aiocb), ASYNC("aio_suspend64", aio_suspend64(list, 1, &none), aiocb64),

	/* Libraries */
	ROW("dlopen", "ok", HERE, void *p; SAW((p = dlopen("libutil.so.1", RTLD_NOW)) != nullptr); dlclose(p)),
	ROW("dlopen", "itself", HERE, SAW(dlopen(nullptr, RTLD_NOW) != nullptr)),
	ROW("dlopen", "missing", HERE, SAW(dlopen("/no/such.so", RTLD_NOW))),
	ROW("dlopen", "no library", HERE, SAW(dlopen("/etc/passwd", RTLD_NOW))),
	ROW("dlopen", "bad mode", HERE, SAW(dlopen("libutil.so.1", 0x10000000))),
	ROW("dlsym", "ok", HERE, void *p = dlopen("libutil.so.1", RTLD_NOW); SAW(dlsym(p, "read") != nullptr); dlclose(p)),
	ROW("dlsym", "missing", HERE, void *p = dlopen("libutil.so.1", RTLD_NOW); SAW(dlsym(p, "no_such_name")); dlclose(p)),
	ROW("dlsym", "everywhere", HERE, SAW(dlsym(RTLD_DEFAULT, "no_such_name"))),
	ROW("dlsym", "no sqlite", HERE, SAW(dlsym(RTLD_DEFAULT, "sqlite3_step"))),
	ROW("dlsym", "next", HERE, SAW(dlsym(RTLD_NEXT, "malloc") != nullptr)),
	ROW("dlclose", "ok", HERE, void *p = dlopen("libutil.so.1", RTLD_NOW); SAW(dlclose(p))),
	ROW("dlclose", "itself", HERE, void *p = dlopen(nullptr, RTLD_NOW); SAW(dlclose(p))),

	/* Births */
	ROW("fork", "ok", CHILD, pid_t pid; SAW((pid = fork()) < 0); if (pid == 0) _exit(errno != BEFORE); wait_for(pid)),
	ROW("fork", "child", CHILD, if (fork() == 0) { _exit(0); } errno = BEFORE; pid_t pid = fork();
	    if (pid == 0) { seen->result = 0, seen->error = errno; _exit(0); } wait_for(pid)),
	ROW("fork", "no more processes", ALONE, SAW(fork())),
	ROW("_Fork", "ok", CHILD, pid_t pid; SAW((pid = _Fork()) < 0); if (pid == 0) _exit(0); wait_for(pid)),
	ROW("_Fork", "no more processes", ALONE, SAW(_Fork())),
	ROW("clone", "ok", HERE, static char stack[65536] __attribute__((aligned(64))); pid_t pid;
	    SAW((pid = clone(clone_nothing, stack + sizeof(stack), SIGCHLD, nullptr)) < 0); wait_for(pid)),
	ROW("clone", "no function", HERE, SAW(clone(nullptr, NOWHERE, SIGCHLD, nullptr))),
	ROW("clone", "no stack", HERE, SAW(clone(clone_nothing, nullptr, SIGCHLD, nullptr))),
	ROW("clone", "bad flags", HERE, static char stack[65536] __attribute__((aligned(64)));
	    SAW(clone(clone_nothing, stack + sizeof(stack), CLONE_THREAD | SIGCHLD, nullptr))),
	ROW("clone", "no more processes", ALONE, static char stack[65536] __attribute__((aligned(64)));
	    SAW(clone(clone_nothing, stack + sizeof(stack), SIGCHLD, nullptr))),
	ROW("daemon", "ok", LATER, SAW(daemon(1, 1))),
	ROW("daemon", "no more processes", ALONE, SAW(daemon(1, 1))),
	ROW("forkpty", "ok", CHILD, int master; pid_t pid; SAW((pid = forkpty(&master, nullptr, nullptr, nullptr)) < 0);
	    if (pid == 0) _exit(0); wait_for(pid)),
	ROW("forkpty", "no more processes", ALONE, int master; SAW(forkpty(&master, nullptr, nullptr, nullptr))),
	ROW("forkpty", "no descriptor", CHILD, int master; descriptors_used_up(); SAW(forkpty(&master, nullptr, nullptr, nullptr))),
	ROW("posix_spawn", "ok", HERE, pid_t pid = 0; SAW(posix_spawn(&pid, true_name, nullptr, nullptr, words, environ)); wait_for(pid)),
	ROW("posix_spawn", "missing", HERE, SAW(posix_spawn(nullptr, missing, nullptr, nullptr, words, environ))),
	ROW("posix_spawn", "no more processes", ALONE, SAW(posix_spawn(nullptr, true_name, nullptr, nullptr, words, environ))),
	ROW("posix_spawnp", "ok", HERE, pid_t pid = 0; SAW(posix_spawnp(&pid, true_word, nullptr, nullptr, words, environ)); wait_for(pid)),
	ROW("posix_spawnp", "missing", HERE, SAW(posix_spawnp(nullptr, "no-such-file", nullptr, nullptr, words, environ))),
	ROW("posix_spawnp", "no more processes", ALONE, SAW(posix_spawnp(nullptr, true_word, nullptr, nullptr, words, environ))),
	ROW("popen", "ok", HERE, FILE *file; SAW((file = popen("exit 3", "r")) != nullptr); pclose(file)),
	ROW("popen", "bad mode", HERE, SAW(popen("exit 3", "x"))),
	ROW("popen", "no descriptor", CHILD, descriptors_used_up(); SAW(popen("exit 3", "r"))),
	ROW("popen", "no more processes", ALONE, SAW(popen("exit 3", "r"))),
	ROW("system", "ok", HERE, SAW(system("exit 3"))),
	ROW("system", "is there a shell", HERE, SAW(system(nullptr))),
	ROW("system", "killed", HERE, SAW(system("kill -9 $$"))),
	ROW("system", "no more processes", ALONE, SAW(system("exit 3"))),
	ROW("wordexp", "ok", HERE, wordexp_t list; SAW(wordexp("a b $(echo c)", &list, 0)); wordfree(&list)),
	ROW("wordexp", "not allowed", HERE, wordexp_t list; SAW(wordexp("$(echo c)", &list, WRDE_NOCMD))),
	ROW("wordexp", "syntax", HERE, wordexp_t list; SAW(wordexp("${", &list, 0))),
	ROW("wordexp", "command fails", HERE, wordexp_t list; SAW(wordexp("$(no-such-command-here)", &list, 0)); wordfree(&list)),
	ROW("wordexp", "no more processes", ALONE, wordexp_t list; SAW(wordexp("$(echo c)", &list, 0))),

	/* Programs */
	EXEC_FAILS("execl", execl(path, "true", (char *)nullptr)),
	EXEC_FAILS("execle", execle(path, "true", (char *)nullptr, environ)),
	EXEC_FAILS("execlp", execlp(path, "true", (char *)nullptr)),
	EXEC_FAILS("execv", execv(path, words)),
	EXEC_FAILS("execve", execve(path, words, environ)),
	EXEC_FAILS("execvp", execvp(path, words)),
	EXEC_FAILS("execvpe", execvpe(path, words, environ)),
	EXEC_FAILS("execveat", execveat(AT_FDCWD, path, words, environ, 0)),
	ROW("execlp", "not in PATH", HERE, SAW(execlp("no-such-file", "x", (char *)nullptr))),
	ROW("execvp", "not in PATH", HERE, SAW(execvp("no-such-file", words))),
	ROW("execvpe", "not in PATH", HERE, SAW(execvpe("no-such-file", words, environ))),
	ROW("execve", "bad words", HERE, SAW(execve(true_name, bad_words, environ))),
	ROW("execve", "bad path", HERE, SAW(execve(NOWHERE, words, environ))),
	ROW("execve", "bad environment", HERE, SAW(execve(true_name, words, bad_words))),
	ROW("execv", "bad path", HERE, SAW(execv(NOWHERE, words))),
	ROW("execveat", "no descriptor", HERE, SAW(execveat(-1, "true", words, environ, 0))),
	ROW("execveat", "bad flags", HERE, SAW(execveat(AT_FDCWD, true_name, words, environ, 1 << 20))),
	ROW("fexecve", "ok", CHILD, SAW(fexecve(open(true_name, O_RDONLY), words, environ))),
	ROW("fexecve", "no descriptor", HERE, SAW(fexecve(-1, words, environ))),
	ROW("fexecve", "not open", HERE, SAW(fexecve(900, words, environ))),
	ROW("fexecve", "a folder", HERE, int fd = open(folder, O_RDONLY); SAW(fexecve(fd, words, environ)); close(fd)),

	/* Deaths: nothing can be seen of errno but by a handler. */
#define JUMP(name)                                                                                                     \
	ROW(#name, "ok", HERE, sigjmp_buf place; errno = BEFORE; int came = sigsetjmp(place, 1); if (!came) name(place, 5);    \
	    seen->result = came, seen->error = errno)
	JUMP(longjmp), JUMP(_longjmp), JUMP(siglongjmp), JUMP(__longjmp_chk),
	ROW("_exit", "ok", CHILD, SAW(0); _exit(7)),
	ROW("_Exit", "ok", CHILD, SAW(0); _Exit(8)),
	ROW("quick_exit", "ok", CHILD, at_quick_exit(quick_handler); errno = BEFORE; quick_exit(9)),

	/* Threads */
	ROW("pthread_create", "ok", HERE, pthread_t id; SAW(pthread_create(&id, nullptr, thread_nothing, nullptr));
	    pthread_join(id, nullptr)),
	ROW("pthread_create", "no room", HERE, pthread_t id; pthread_attr_t attributes; pthread_attr_init(&attributes);
	    pthread_attr_setstacksize(&attributes, (size_t)1 << 46); SAW(pthread_create(&id, &attributes, thread_nothing, nullptr))),
	ROW("pthread_create", "no more threads", ALONE, pthread_t id; SAW(pthread_create(&id, nullptr, thread_nothing, nullptr))),
	ROW("pthread_join", "ok", HERE, pthread_t id; void *value; pthread_create(&id, nullptr, thread_nothing, (void *)4);
	    SAW(pthread_join(id, &value)); seen->result += 10 * (long)value),
	ROW("pthread_join", "itself", HERE, SAW(pthread_join(pthread_self(), nullptr))),
	ROW("pthread_join", "detached", HERE, pthread_t id; pthread_attr_t attributes; pthread_attr_init(&attributes);
	    static volatile int stage; pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	    pthread_create(&id, &attributes, [](void *) -> void * { while (stage == 0) usleep(1000); stage = 2; return nullptr; }, nullptr);
	    SAW(pthread_join(id, nullptr)); stage = 1; while (stage != 2) usleep(1000)),
	ROW("pthread_cond_timedwait", "ok", HERE, static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER; timespec far = {time(nullptr) + 60, 0}; pthread_t id;
	    pthread_mutex_lock(&mutex);
	    pthread_create(&id, nullptr, [](void *) -> void * { pthread_mutex_lock(&mutex); pthread_cond_signal(&condition);
		    pthread_mutex_unlock(&mutex); return nullptr; }, nullptr);
	    SAW(pthread_cond_timedwait(&condition, &mutex, &far)); pthread_mutex_unlock(&mutex); pthread_join(id, nullptr)),
	ROW("pthread_cond_timedwait", "nothing came", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	    pthread_cond_t condition = PTHREAD_COND_INITIALIZER; timespec past = {1, 0}; pthread_mutex_lock(&mutex);
	    SAW(pthread_cond_timedwait(&condition, &mutex, &past)); pthread_mutex_unlock(&mutex)),
	ROW("pthread_cond_timedwait", "bad time", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	    pthread_cond_t condition = PTHREAD_COND_INITIALIZER; timespec none = {1, 2000000000}; pthread_mutex_lock(&mutex);
	    SAW(pthread_cond_timedwait(&condition, &mutex, &none)); pthread_mutex_unlock(&mutex)),
	/* Waits */
#define WAITS(function, call)                                                                                          \
	ROW(function, "ok", HERE, pipes(); pollfd one = {full[0], POLLIN, 0}; const timespec none = {0, 0}; fd_set set;    \
	    FD_ZERO(&set); FD_SET(full[0], &set); timeval no_time = {0, 0}; int count = full[0] + 1; SAW(call); pipes_close()), \
		ROW(function, "nothing", HERE, pipes(); pollfd one = {empty[0], POLLIN, 0}; const timespec none = {0, 1000000};     \
	    fd_set set; FD_ZERO(&set); FD_SET(empty[0], &set); timeval no_time = {0, 1000}; int count = empty[0] + 1; SAW(call);    \
	    pipes_close())
	WAITS("poll", poll(&one, 1, 1)), WAITS("__poll", __poll(&one, 1, 1)), WAITS("__poll_chk", __poll_chk(&one, 1, 1, sizeof(one))),
	WAITS("ppoll", ppoll(&one, 1, &none, nullptr)), WAITS("__ppoll_chk", __ppoll_chk(&one, 1, &none, nullptr, sizeof(one))),
	WAITS("select", select(count, &set, nullptr, nullptr, &no_time)),
	WAITS("__select", __select(count, &set, nullptr, nullptr, &no_time)),
	WAITS("pselect", pselect(count, &set, nullptr, nullptr, &none, nullptr)),
	ROW("poll", "wrong address", HERE, SAW(poll((pollfd *)NOWHERE, 1, 0))),
	ROW("select", "below zero", HERE, SAW(select(-1, nullptr, nullptr, nullptr, nullptr))),
#define EPOLLS(function, call)                                                                                         \
	ROW(function, "ok", HERE, pipes(); int fd = epoll_create1(0); epoll_event event = {EPOLLIN, {0}};                  \
	    epoll_ctl(fd, EPOLL_CTL_ADD, full[0], &event); const timespec none = {0, 0}; SAW(call); close(fd); pipes_close()), \
		ROW(function, "not open", HERE, int fd = 900; epoll_event event; const timespec none = {0, 0}; SAW(call))
	EPOLLS("epoll_wait", epoll_wait(fd, &event, 1, 0)), EPOLLS("epoll_pwait", epoll_pwait(fd, &event, 1, 0, nullptr)),
	EPOLLS("epoll_pwait2", epoll_pwait2(fd, &event, 1, &none, nullptr)), EPOLLS("epoll_wait", epoll_wait(fd, &event, 0, 0)),
#define SLEEPS(function, call)                                                                                         \
	ROW(function, "ok", HERE, const timespec time = {0, 1000}; SAW(call)),                                             \
		ROW(function, "bad time", HERE, const timespec time = {0, 2000000000}; SAW(call))
	SLEEPS("nanosleep", nanosleep(&time, nullptr)), SLEEPS("__nanosleep", __nanosleep(&time, nullptr)),
	SLEEPS("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr)), SLEEPS("thrd_sleep", thrd_sleep(&time, nullptr)),
	ROW("usleep", "ok", HERE, SAW(usleep(10))), ROW("sleep", "ok", HERE, SAW(sleep(0))),
#define INTERRUPTED(function, call)                                                                                    \
	ROW(function, "interrupted", CHILD, struct sigaction one = {}; one.sa_handler = handler; sigaction(SIGALRM, &one, nullptr); \
	    const timespec time = {9, 0}; sigset_t none; sigemptyset(&none); ualarm(20000, 20000); SAW(call))
	INTERRUPTED("nanosleep", nanosleep(&time, nullptr)), INTERRUPTED("clock_nanosleep", clock_nanosleep(CLOCK_REALTIME, 0, &time, nullptr)),
	INTERRUPTED("usleep", usleep(900000)), INTERRUPTED("sleep", sleep(9)), INTERRUPTED("thrd_sleep", thrd_sleep(&time, nullptr)),
	INTERRUPTED("pause", pause()), INTERRUPTED("sigsuspend", sigsuspend(&none)), INTERRUPTED("__sigsuspend", __sigsuspend(&none)),
	INTERRUPTED("sigpause", bsd_sigpause(0)), INTERRUPTED("__sigpause", __sigpause(0, 0)),
	INTERRUPTED("__xpg_sigpause", __xpg_sigpause(SIGALRM)), INTERRUPTED("poll", poll(nullptr, 0, 9000)),
	INTERRUPTED("select", select(0, nullptr, nullptr, nullptr, nullptr)),
	ROW("__xpg_sigpause", "no signal", HERE, SAW(__xpg_sigpause(99))),
	ROW("sigsuspend", "bad address", HERE, SAW(sigsuspend((sigset_t *)NOWHERE))),
#define CHILDREN(function, call)                                                                                       \
	ROW(function, "ok", CHILD, int status = 0; siginfo_t info; pid_t pid = fork(); if (pid == 0) _exit(3); SAW((call) < 0);     \
	    seen->result += status),                                                                                       \
		ROW(function, "no child", CHILD, int status = 0; siginfo_t info; pid_t pid = 1; SAW(call))
	CHILDREN("wait", wait(&status)), CHILDREN("__wait", __wait(&status)), CHILDREN("waitpid", waitpid(pid, &status, 0)),
	CHILDREN("__waitpid", __waitpid(pid, &status, 0)), CHILDREN("wait3", wait3(&status, 0, nullptr)),
	CHILDREN("wait4", wait4(pid, &status, 0, nullptr)), CHILDREN("waitid", waitid(P_PID, pid, &info, WEXITED)),
	ROW("waitpid", "bad options", HERE, SAW(waitpid(-1, nullptr, 1 << 20))),
	ROW("semop", "no such set", HERE, sembuf one = {0, 1, 0}; SAW(semop(-1, &one, 1))),
	ROW("semtimedop", "no such set", HERE, sembuf one = {0, 1, 0}; timespec none = {0, 0}; SAW(semtimedop(-1, &one, 1, &none))),
	ROW("semop", "ok", HERE, sembuf one = {0, 1, 0}; int set = semget(IPC_PRIVATE, 1, 0600); SAW(semop(set, &one, 1)); semctl(set, 0, IPC_RMID)),
	ROW("msgsnd", "no such queue", HERE, msgbuf one = {1, {0}}; SAW(msgsnd(-1, &one, 1, 0))),
	ROW("msgrcv", "no such queue", HERE, msgbuf one; SAW(msgrcv(-1, &one, 1, 0, 0))),
	ROW("msgrcv", "nothing there", HERE, msgbuf one; int queue = msgget(IPC_PRIVATE, 0600); SAW(msgrcv(queue, &one, 1, 0, IPC_NOWAIT));
	    msgctl(queue, IPC_RMID, nullptr)),
	ROW("mq_send", "not open", HERE, SAW(mq_send(900, "x", 1, 0))), ROW("mq_timedsend", "not open", HERE, timespec none = {0, 0};
	    SAW(mq_timedsend(900, "x", 1, 0, &none))), ROW("mq_receive", "not open", HERE, SAW(mq_receive(900, room, 64, nullptr))),
	ROW("mq_timedreceive", "not open", HERE, timespec none = {0, 0}; SAW(mq_timedreceive(900, room, 64, nullptr, &none))),

	/* Waits for threads */
#define MUTEX(function, call)                                                                                          \
	ROW(function, "ok", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; timespec past = {1, 0}; SAW(call);        \
	    seen->result += 10 * pthread_mutex_unlock(&mutex)),                                                            \
		ROW(function, "mine already", HERE, pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP; timespec past = {1, 0}; \
	    pthread_mutex_lock(&mutex); SAW(call); seen->result += 1000 * pthread_mutex_unlock(&mutex)),                       \
		ROW(function, "once more", HERE, pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; timespec past = {1, 0}; \
	    pthread_mutex_lock(&mutex); SAW(call); seen->result += 1000 * pthread_mutex_unlock(&mutex);                        \
	    seen->result += 100000 * pthread_mutex_unlock(&mutex)),                                                        \
		ROW(function, "its holder died", HERE, static pthread_mutex_t mutex; pthread_mutexattr_t kind; timespec past = {1, 0};      \
	    pthread_mutexattr_init(&kind); pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST); pthread_mutex_init(&mutex, &kind); \
	    pthread_t id; pthread_create(&id, nullptr, [](void *) -> void * { pthread_mutex_lock(&mutex); return nullptr; }, nullptr); \
	    pthread_join(id, nullptr); SAW(call); seen->result += 1000 * pthread_mutex_consistent(&mutex);                     \
	    pthread_mutex_unlock(&mutex)),                                                                                 \
		ROW(function, "lends its priority", HERE, pthread_mutex_t mutex; pthread_mutexattr_t kind; timespec past = {1, 0};          \
	    pthread_mutexattr_init(&kind); pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT); pthread_mutex_init(&mutex, &kind); \
	    SAW(call); seen->result += 1000 * pthread_mutex_unlock(&mutex))
	MUTEX("pthread_mutex_lock", pthread_mutex_lock(&mutex)), MUTEX("pthread_mutex_timedlock", pthread_mutex_timedlock(&mutex, &past)),
	MUTEX("pthread_mutex_clocklock", pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past)),
	ROW("pthread_mutex_timedlock", "taken", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; timespec past = {1, 0};
	    pthread_mutex_lock(&mutex); SAW(pthread_mutex_timedlock(&mutex, &past))),
	ROW("pthread_mutex_clocklock", "bad clock", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; timespec past = {1, 0};
	    pthread_mutex_lock(&mutex); SAW(pthread_mutex_clocklock(&mutex, 99, &past))),
#define RWLOCK(function, call)                                                                                         \
	ROW(function, "ok", HERE, pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; timespec past = {1, 0}; SAW(call);       \
	    seen->result += 10 * pthread_rwlock_unlock(&lock)),                                                            \
		ROW(function, "mine already", HERE, pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; timespec past = {1, 0};        \
	    pthread_rwlock_wrlock(&lock); SAW(call); seen->result += 1000 * pthread_rwlock_unlock(&lock))
	RWLOCK("pthread_rwlock_rdlock", pthread_rwlock_rdlock(&lock)), RWLOCK("pthread_rwlock_wrlock", pthread_rwlock_wrlock(&lock)),
	RWLOCK("pthread_rwlock_timedrdlock", pthread_rwlock_timedrdlock(&lock, &past)),
	RWLOCK("pthread_rwlock_timedwrlock", pthread_rwlock_timedwrlock(&lock, &past)),
	RWLOCK("pthread_rwlock_clockrdlock", pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &past)),
	RWLOCK("pthread_rwlock_clockwrlock", pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &past)),
	ROW("pthread_rwlock_timedwrlock", "is read", HERE, pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; timespec past = {1, 0};
	    pthread_rwlock_rdlock(&lock); SAW(pthread_rwlock_timedwrlock(&lock, &past))),
#define SEMAPHORE(function, call)                                                                                      \
	ROW(function, "ok", HERE, sem_t semaphore; sem_init(&semaphore, 0, 1); timespec past = {1, 0}; SAW(call))
	SEMAPHORE("sem_wait", sem_wait(&semaphore)), SEMAPHORE("sem_timedwait", sem_timedwait(&semaphore, &past)),
	SEMAPHORE("sem_clockwait", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past)),
	ROW("sem_timedwait", "none left", HERE, sem_t semaphore; sem_init(&semaphore, 0, 0); timespec past = {1, 0};
	    SAW(sem_timedwait(&semaphore, &past))),
	ROW("sem_clockwait", "bad clock", HERE, sem_t semaphore; sem_init(&semaphore, 0, 0); timespec past = {1, 0};
	    SAW(sem_clockwait(&semaphore, 99, &past))),
	ROW("sem_wait", "interrupted", CHILD, sem_t semaphore; sem_init(&semaphore, 0, 0); struct sigaction one = {};
	    one.sa_handler = handler; sigaction(SIGALRM, &one, nullptr); ualarm(20000, 20000); SAW(sem_wait(&semaphore))),
#define CONDITION(function, call)                                                                                      \
	ROW(function, "ok", HERE, static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;                                \
	    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER; timespec far = {1LL << 40, 0}; pthread_t id;           \
	    pthread_mutex_lock(&mutex);                                                                                    \
	    pthread_create(&id, nullptr, [](void *) -> void * { pthread_mutex_lock(&mutex); pthread_cond_signal(&condition);   \
		    pthread_mutex_unlock(&mutex); return nullptr; }, nullptr);                                             \
	    SAW(call); pthread_mutex_unlock(&mutex); pthread_join(id, nullptr))
	CONDITION("pthread_cond_wait", pthread_cond_wait(&condition, &mutex)),
	CONDITION("pthread_cond_clockwait", pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &far)),
	ROW("pthread_cond_clockwait", "nothing came", HERE, pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	    pthread_cond_t condition = PTHREAD_COND_INITIALIZER; timespec past = {1, 0}; pthread_mutex_lock(&mutex);
	    SAW(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &past)); pthread_mutex_unlock(&mutex)),
	ROW("pthread_barrier_wait", "alone", HERE, pthread_barrier_t barrier; pthread_barrier_init(&barrier, nullptr, 1);
	    SAW(pthread_barrier_wait(&barrier))),
	ROW("mtx_lock", "ok", HERE, mtx_t mutex; mtx_init(&mutex, mtx_plain); SAW(mtx_lock(&mutex)); mtx_unlock(&mutex)),
	ROW("mtx_lock", "once more", HERE, mtx_t mutex; mtx_init(&mutex, mtx_plain | mtx_recursive); mtx_lock(&mutex); SAW(mtx_lock(&mutex))),
	ROW("mtx_timedlock", "taken", HERE, mtx_t mutex; timespec past = {1, 0}; mtx_init(&mutex, mtx_timed); mtx_lock(&mutex);
	    SAW(mtx_timedlock(&mutex, &past))),
	ROW("cnd_wait", "ok", HERE, static mtx_t mutex; static cnd_t condition; mtx_init(&mutex, mtx_plain); cnd_init(&condition); thrd_t id;
	    mtx_lock(&mutex); thrd_create(&id, [](void *) { mtx_lock(&mutex); cnd_signal(&condition); mtx_unlock(&mutex); return 0; }, nullptr);
	    SAW(cnd_wait(&condition, &mutex)); mtx_unlock(&mutex); thrd_join(id, nullptr)),
	ROW("cnd_timedwait", "nothing came", HERE, mtx_t mutex; cnd_t condition; timespec past = {1, 0}; mtx_init(&mutex, mtx_plain);
	    cnd_init(&condition); mtx_lock(&mutex); SAW(cnd_timedwait(&condition, &mutex, &past)); mtx_unlock(&mutex)),
	ROW("pthread_timedjoin_np", "ok", HERE, pthread_t id; void *value; timespec far = {1LL << 40, 0};
	    pthread_create(&id, nullptr, thread_nothing, (void *)4); SAW(pthread_timedjoin_np(id, &value, &far)); seen->result += 10 * (long)value),
	ROW("pthread_timedjoin_np", "too late", HERE, static sem_t end; sem_init(&end, 0, 0); pthread_t id; timespec past = {1, 0};
	    pthread_create(&id, nullptr, [](void *) -> void * { sem_wait(&end); return nullptr; }, nullptr);
	    SAW(pthread_timedjoin_np(id, nullptr, &past)); sem_post(&end); pthread_join(id, nullptr)),
	ROW("pthread_clockjoin_np", "ok", HERE, pthread_t id; void *value; timespec far = {1LL << 40, 0};
	    pthread_create(&id, nullptr, thread_nothing, (void *)4);
	    SAW(pthread_clockjoin_np(id, &value, CLOCK_MONOTONIC, &far)); seen->result += 10 * (long)value),
	ROW("pthread_clockjoin_np", "bad clock", HERE, pthread_t id; timespec far = {1LL << 40, 0};
	    pthread_create(&id, nullptr, thread_nothing, nullptr); SAW(pthread_clockjoin_np(id, nullptr, 99, &far)); pthread_join(id, nullptr)),
	ROW("pthread_setname_np", "ok", HERE, SAW(pthread_setname_np(pthread_self(), "errors"))),
	ROW("pthread_setname_np", "too long", HERE, SAW(pthread_setname_np(pthread_self(), "more than fifteen bytes"))),
	ROW("prctl", "ok", HERE, SAW(prctl(PR_SET_NAME, "errors"))),
	ROW("prctl", "no such option", HERE, SAW(prctl(123456, 0, 0, 0, 0))),
	ROW("prctl", "bad address", HERE, SAW(prctl(PR_SET_NAME, NOWHERE))),
	ROW("prctl", "bad filter", HERE, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); SAW(prctl(PR_SET_SECCOMP, 2, NOWHERE))),
	ROW("thrd_create", "ok", HERE, thrd_t id; SAW(thrd_create(&id, thread_nothing_c11, nullptr)); thrd_join(id, nullptr)),
	ROW("thrd_create", "no more threads", ALONE, thrd_t id; SAW(thrd_create(&id, thread_nothing_c11, nullptr))),
	ROW("thrd_join", "ok", HERE, thrd_t id; int value; thrd_create(&id, thread_nothing_c11, nullptr);
	    SAW(thrd_join(id, &value)); seen->result += 10 * value),
	ROW("thrd_join", "itself", HERE, SAW(thrd_join(thrd_current(), nullptr))),

	/* Signals */
	ROW("sigaction", "ok", HERE, struct sigaction old; SAW(sigaction(SIGUSR1, nullptr, &old))),
	ROW("sigaction", "no signal", HERE, struct sigaction old; SAW(sigaction(0, nullptr, &old))),
	ROW("sigaction", "beyond the last", HERE, struct sigaction old; SAW(sigaction(65, nullptr, &old))),
	ROW("sigaction", "of libc", HERE, struct sigaction old; SAW(sigaction(32, nullptr, &old))),
	ROW("sigaction", "cannot be handled", HERE, struct sigaction one = {}; SAW(sigaction(SIGKILL, &one, nullptr))),
	ROW("__sigaction", "ok", HERE, struct sigaction old; SAW(__sigaction(SIGUSR1, nullptr, &old))),
	ROW("__sigaction", "no signal", HERE, struct sigaction old; SAW(__sigaction(-1, nullptr, &old))),
	ROW("signal", "ok", HERE, SAW(signal(SIGUSR2, SIG_DFL) != SIG_ERR)),
	ROW("signal", "no signal", HERE, SAW(signal(0, handler))),
	ROW("signal", "cannot be handled", HERE, SAW(signal(SIGKILL, handler))),
	ROW("signal", "no handler", HERE, SAW(signal(SIGUSR2, SIG_ERR))),
	ROW("bsd_signal", "ok", HERE, auto call = (sighandler_t(*)(int, sighandler_t))found("bsd_signal");
	    SAW(call ? call(SIGUSR2, SIG_DFL) != SIG_ERR : 2)),
	ROW("bsd_signal", "no signal", HERE, auto call = (sighandler_t(*)(int, sighandler_t))found("bsd_signal");
	    SAW(call ? (long)call(0, handler) : 2)),
	ROW("ssignal", "ok", HERE, SAW(ssignal(SIGUSR2, SIG_DFL) != SIG_ERR)),
	ROW("ssignal", "no signal", HERE, SAW(ssignal(65, handler))),
	ROW("sysv_signal", "ok", HERE, SAW(sysv_signal(SIGUSR2, SIG_DFL) != SIG_ERR)),
	ROW("sysv_signal", "no signal", HERE, SAW(sysv_signal(0, handler))),
	ROW("sysv_signal", "no handler", HERE, SAW(sysv_signal(SIGUSR2, SIG_ERR))),
	ROW("__sysv_signal", "ok", HERE, SAW(__sysv_signal(SIGUSR2, SIG_DFL) != SIG_ERR)),
	ROW("__sysv_signal", "no signal", HERE, SAW(__sysv_signal(-3, handler))),
	ROW("sigset", "ok", HERE, SAW(sigset(SIGUSR2, SIG_DFL) != SIG_ERR)),
	ROW("sigset", "hold", CHILD, SAW(sigset(SIGUSR2, SIG_HOLD) != SIG_ERR)),
	ROW("sigset", "no signal", HERE, SAW(sigset(0, handler))),
	ROW("sigignore", "ok", CHILD, SAW(sigignore(SIGUSR2))),
	ROW("sigignore", "cannot be ignored", HERE, SAW(sigignore(SIGKILL))),
	ROW("sighold", "ok", CHILD, SAW(sighold(SIGUSR2))),
	ROW("sighold", "no signal", HERE, SAW(sighold(0))),
	ROW("sigrelse", "ok", CHILD, SAW(sigrelse(SIGUSR2))),
	ROW("sigrelse", "no signal", HERE, SAW(sigrelse(65))),
	ROW("siginterrupt", "ok", HERE, SAW(siginterrupt(SIGUSR2, 1))),
	ROW("siginterrupt", "no signal", HERE, SAW(siginterrupt(0, 1))),
	ROW("pthread_sigmask", "ok", HERE, sigset_t old; SAW(pthread_sigmask(SIG_BLOCK, nullptr, &old))),
	ROW("pthread_sigmask", "its own bytes only", HERE, sigset_t old; memset(&old, 0x5a, sizeof(old));
	    pthread_sigmask(SIG_BLOCK, nullptr, &old); SAW(((unsigned long *)&old)[1] == 0x5a5a5a5a5a5a5a5a)),
	ROW("pthread_sigmask", "bad how", HERE, sigset_t set = usr1_only(); SAW(pthread_sigmask(99, &set, nullptr))),
	ROW("pthread_sigmask", "bad address", HERE, SAW(pthread_sigmask(SIG_BLOCK, nullptr, (sigset_t *)NOWHERE))),
	ROW("sigprocmask", "ok", HERE, sigset_t set = usr1_only(); SAW(sigprocmask(SIG_UNBLOCK, &set, nullptr))),
	ROW("sigprocmask", "bad how", HERE, sigset_t set = usr1_only(); SAW(sigprocmask(99, &set, nullptr))),
	ROW("sigprocmask", "bad address", HERE, SAW(sigprocmask(SIG_BLOCK, nullptr, (sigset_t *)NOWHERE))),
	ROW("sigpending", "ok", HERE, sigset_t set; SAW(sigpending(&set))),
	ROW("sigpending", "its own bytes only", HERE, sigset_t set; memset(&set, 0x5a, sizeof(set)); sigpending(&set);
	    SAW(((unsigned long *)&set)[1] == 0x5a5a5a5a5a5a5a5a)),
	ROW("sigpending", "bad address", HERE, SAW(sigpending((sigset_t *)NOWHERE))),
	ROW("sigtimedwait", "ok", CHILD, sigset_t set = usr1_only(); timespec none = {0, 0}; usr1_pending();
	    SAW(sigtimedwait(&set, nullptr, &none))),
	ROW("sigtimedwait", "nothing came", HERE, sigset_t set = usr1_only(); timespec none = {0, 1000};
	    SAW(sigtimedwait(&set, nullptr, &none))),
	ROW("sigtimedwait", "bad time", HERE, sigset_t set = usr1_only(); timespec none = {0, 2000000000};
	    SAW(sigtimedwait(&set, nullptr, &none))),
	ROW("sigtimedwait", "bad address", HERE, timespec none = {0, 0}; SAW(sigtimedwait((sigset_t *)NOWHERE, nullptr, &none))),
	ROW("sigtimedwait", "bad timeout", HERE, sigset_t set = usr1_only(); SAW(sigtimedwait(&set, nullptr, (timespec *)NOWHERE))),
	ROW("sigwaitinfo", "ok", CHILD, sigset_t set = usr1_only(); siginfo_t info; usr1_pending(); SAW(sigwaitinfo(&set, &info))),
	ROW("sigwaitinfo", "interrupted", CHILD, sigset_t set = usr1_only(); siginfo_t info;
	    struct sigaction one = {}; one.sa_handler = handler; sigaction(SIGALRM, &one, nullptr);
	    sigprocmask(SIG_BLOCK, &set, nullptr); ualarm(20000, 0); SAW(sigwaitinfo(&set, &info))),
	ROW("sigwaitinfo", "bad place for it", CHILD, sigset_t set = usr1_only(); usr1_pending();
	    SAW(sigwaitinfo(&set, (siginfo_t *)NOWHERE))),
	ROW("sigwaitinfo", "bad address", HERE, SAW(sigwaitinfo((sigset_t *)NOWHERE, nullptr))),
	ROW("sigwait", "ok", CHILD, sigset_t set = usr1_only(); int number; usr1_pending(); SAW(sigwait(&set, &number))),
	ROW("sigwait", "bad address", HERE, int number; SAW(sigwait((sigset_t *)NOWHERE, &number))),
	ROW("signalfd", "ok", HERE, sigset_t set = usr1_only(); int fd; SAW((fd = signalfd(-1, &set, 0)) < 0); close(fd)),
	ROW("signalfd", "bad flags", HERE, sigset_t set = usr1_only(); SAW(signalfd(-1, &set, 1))),
	ROW("signalfd", "not open", HERE, sigset_t set = usr1_only(); SAW(signalfd(900, &set, 0))),
	ROW("signalfd", "another file", HERE, sigset_t set = usr1_only(); SAW(signalfd(0, &set, 0))),
	ROW("signalfd", "bad address", HERE, SAW(signalfd(-1, (sigset_t *)NOWHERE, 0))),
	ROW("sigaltstack", "ok", CHILD, static char room[65536]; stack_t stack = {}; stack.ss_sp = room; stack.ss_size = sizeof(room);
	    SAW(sigaltstack(&stack, nullptr))),
	ROW("sigaltstack", "ask", HERE, stack_t old; SAW(sigaltstack(nullptr, &old)); seen->result += old.ss_flags),
	ROW("sigaltstack", "disable", HERE, stack_t stack = {}; stack.ss_flags = SS_DISABLE; SAW(sigaltstack(&stack, nullptr))),
	ROW("sigaltstack", "too small", HERE, static char room[64]; stack_t stack = {}; stack.ss_sp = room; stack.ss_size = 64;
	    SAW(sigaltstack(&stack, nullptr))),
	ROW("sigaltstack", "bad flags", HERE, static char room[65536]; stack_t stack = {}; stack.ss_sp = room;
	    stack.ss_size = sizeof(room); stack.ss_flags = 1 << 10; SAW(sigaltstack(&stack, nullptr))),
	ROW("sigaltstack", "bad address", HERE, SAW(sigaltstack((stack_t *)NOWHERE, nullptr))),
	ROW("sigaltstack", "bad old address", HERE, SAW(sigaltstack(nullptr, (stack_t *)NOWHERE))),

	/* System calls by number */
	ROW("syscall", "ok", HERE, SAW(syscall(SYS_getpid) == getpid())),
	ROW("syscall", "not open", HERE, SAW(syscall(SYS_close, 900))),
	ROW("syscall", "a futex that has changed", HERE, int word = 1; SAW(syscall(SYS_futex, &word, 0, 2, nullptr, nullptr, 0))),
	ROW("syscall", "a futex with a limit", HERE, int word = 1; timespec soon = {0, 1000}; SAW(syscall(SYS_futex, &word, 128, 1, &soon, nullptr, 0))),
	ROW("syscall", "a futex that nobody waits for", HERE, int word = 1; SAW(syscall(SYS_futex, &word, 1, 1, nullptr, nullptr, 0))),
	ROW("syscall", "no such call", HERE, SAW(syscall(100000))),
	ROW("syscall", "missing", HERE, SAW(syscall(SYS_execve, missing, words, environ))),
	ROW("syscall", "bad filter", HERE, SAW(syscall(SYS_seccomp, 1, 0, NOWHERE))),

	/* Asked by a sanitizer's runtime, of which there is none here. */
	{"__asan_default_options", "is no function of libc", HERE, nullptr},
};

static void in_child(const struct row *row)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = {0, 0};

		if (row->where == ALONE && ((getuid() == 0 && setresuid(65534, 65534, 65534)) || setrlimit(RLIMIT_NPROC, &none)))
			_exit(99);
		row->run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (int i = 0; row->where == LATER && *(volatile int *)&seen->error == -99 && i < 5000; i++)
		usleep(1000);
	printf(" status %x", (unsigned int)status);
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "list")) {
		for (const row &row : rows)
			printf("%s\n", row.function);
		return 0;
	}
	seen = (struct seen *)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	setvbuf(stdout, nullptr, _IOLBF, 0);
	for (const row &row : rows) {
		if (!row.run || (count > 1 && strcmp(arguments[1], row.function)))
			continue;
		*seen = {-99, -99};
		printf("%s, %s:", row.function, row.what);
		if (row.where == HERE)
			row.run();
		else
			in_child(&row);
		printf(" result %ld errno %d\n", seen->result, seen->error);
	}
	return 0;
}
