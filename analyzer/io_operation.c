/* SPDX-License-Identifier: Apache-2.0 */
/* The operations by number; see io_operation.h. */
#include "io_operation.h"

#include "preprof/wire.h"

_Static_assert(PP_IO_LATENCY_BUCKETS == PP_WIRE_IO_BUCKETS, "the profile keeps the protocol's buckets");

static const struct {
	const char *name;
	enum pp_io_group group;
} rows[PP_IO_OPERATIONS] = {
	[PP_IO_READ] = {"read", PP_IO_GROUP_READ},
	[PP_IO_PREAD] = {"pread", PP_IO_GROUP_READ},
	[PP_IO_READV] = {"readv", PP_IO_GROUP_READ},
	[PP_IO_PREADV] = {"preadv", PP_IO_GROUP_READ},
	[PP_IO_WRITE] = {"write", PP_IO_GROUP_WRITE},
	[PP_IO_PWRITE] = {"pwrite", PP_IO_GROUP_WRITE},
	[PP_IO_WRITEV] = {"writev", PP_IO_GROUP_WRITE},
	[PP_IO_PWRITEV] = {"pwritev", PP_IO_GROUP_WRITE},
	[PP_IO_SENDFILE_IN] = {"sendfile from", PP_IO_GROUP_READ},
	[PP_IO_SENDFILE] = {"sendfile", PP_IO_GROUP_WRITE},
	[PP_IO_COPY_RANGE_IN] = {"copy_file_range from", PP_IO_GROUP_READ},
	[PP_IO_COPY_RANGE] = {"copy_file_range", PP_IO_GROUP_WRITE},
	[PP_IO_SPLICE_IN] = {"splice from", PP_IO_GROUP_READ},
	[PP_IO_SPLICE] = {"splice", PP_IO_GROUP_WRITE},
	[PP_IO_TEE_IN] = {"tee from", PP_IO_GROUP_READ},
	[PP_IO_TEE] = {"tee", PP_IO_GROUP_WRITE},
	[PP_IO_VMSPLICE] = {"vmsplice", PP_IO_GROUP_WRITE},
	[PP_IO_RECV] = {"recv", PP_IO_GROUP_RECV},
	[PP_IO_SEND] = {"send", PP_IO_GROUP_SEND},
	[PP_IO_OPEN] = {"open", PP_IO_GROUP_OPEN},
	[PP_IO_CLOSE] = {"close", PP_IO_GROUP_CLOSE},
	[PP_IO_SEEK] = {"lseek", PP_IO_GROUP_SEEK},
	[PP_IO_FSYNC] = {"fsync", PP_IO_GROUP_SYNC},
	[PP_IO_FDATASYNC] = {"fdatasync", PP_IO_GROUP_SYNC},
	[PP_IO_SYNC_RANGE] = {"sync_file_range", PP_IO_GROUP_SYNC},
	[PP_IO_SYNC] = {"sync", PP_IO_GROUP_SYNC},
	[PP_IO_MSYNC] = {"msync", PP_IO_GROUP_SYNC},
	[PP_IO_ALLOCATE] = {"fallocate", PP_IO_GROUP_OTHER},
	[PP_IO_TRUNCATE] = {"ftruncate", PP_IO_GROUP_OTHER},
	[PP_IO_ADVISE] = {"posix_fadvise", PP_IO_GROUP_OTHER},
	[PP_IO_DUP] = {"dup", PP_IO_GROUP_OTHER},
	[PP_IO_FCNTL] = {"fcntl", PP_IO_GROUP_OTHER},
	[PP_IO_ACCEPT] = {"accept", PP_IO_GROUP_CONNECT},
	[PP_IO_CONNECT] = {"connect", PP_IO_GROUP_CONNECT},
	[PP_IO_SOCKET] = {"socket", PP_IO_GROUP_OTHER},
	[PP_IO_PIPE] = {"pipe", PP_IO_GROUP_OTHER},
	[PP_IO_STDIO_FREAD] = {"fread", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_FGETC] = {"fgetc", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_FGETS] = {"fgets", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_GETLINE] = {"getline", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_SCANF] = {"scanf", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_UFLOW] = {"__uflow", PP_IO_GROUP_STDIO_READ},
	[PP_IO_STDIO_FWRITE] = {"fwrite", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_FPUTC] = {"fputc", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_FPUTS] = {"fputs", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_PRINTF] = {"printf", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_OVERFLOW] = {"__overflow", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_DPRINTF] = {"dprintf", PP_IO_GROUP_STDIO_WRITE},
	[PP_IO_STDIO_UNGETC] = {"ungetc", PP_IO_GROUP_STDIO_OTHER},
	[PP_IO_STDIO_FOPEN] = {"fopen", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_FDOPEN] = {"fdopen", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_FREOPEN] = {"freopen", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_TMPFILE] = {"tmpfile", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_POPEN] = {"popen", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_MEMSTREAM] = {"open_memstream", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_COOKIE] = {"fopencookie", PP_IO_GROUP_STDIO_OPEN},
	[PP_IO_STDIO_FCLOSE] = {"fclose", PP_IO_GROUP_STDIO_CLOSE},
	[PP_IO_STDIO_PCLOSE] = {"pclose", PP_IO_GROUP_STDIO_CLOSE},
	[PP_IO_STDIO_FFLUSH] = {"fflush", PP_IO_GROUP_STDIO_FLUSH},
	[PP_IO_STDIO_FSEEK] = {"fseek", PP_IO_GROUP_STDIO_SEEK},
	[PP_IO_STDIO_FTELL] = {"ftell", PP_IO_GROUP_STDIO_OTHER},
	[PP_IO_STDIO_SETVBUF] = {"setvbuf", PP_IO_GROUP_STDIO_OTHER},
	[PP_IO_STDIO_SYS_READ] = {"read by stdio", PP_IO_GROUP_READ},
	[PP_IO_STDIO_SYS_WRITE] = {"write by stdio", PP_IO_GROUP_WRITE},
	[PP_IO_STDIO_SYS_SEEK] = {"lseek by stdio", PP_IO_GROUP_SEEK},
	[PP_IO_STDIO_SYS_OPEN] = {"open by stdio", PP_IO_GROUP_OPEN},
	[PP_IO_STDIO_SYS_CLOSE] = {"close by stdio", PP_IO_GROUP_CLOSE},
	[PP_IO_STAT] = {"stat", PP_IO_GROUP_METADATA},
	[PP_IO_STATFS] = {"statfs", PP_IO_GROUP_METADATA},
	[PP_IO_ACCESS] = {"access", PP_IO_GROUP_METADATA},
	[PP_IO_UNLINK] = {"unlink", PP_IO_GROUP_METADATA},
	[PP_IO_RENAME] = {"rename", PP_IO_GROUP_METADATA},
	[PP_IO_LINK] = {"link", PP_IO_GROUP_METADATA},
	[PP_IO_READLINK] = {"readlink", PP_IO_GROUP_METADATA},
	[PP_IO_REALPATH] = {"realpath", PP_IO_GROUP_METADATA},
	[PP_IO_MKDIR] = {"mkdir", PP_IO_GROUP_METADATA},
	[PP_IO_RMDIR] = {"rmdir", PP_IO_GROUP_METADATA},
	[PP_IO_MKNOD] = {"mknod", PP_IO_GROUP_METADATA},
	[PP_IO_CHMOD] = {"chmod", PP_IO_GROUP_METADATA},
	[PP_IO_CHOWN] = {"chown", PP_IO_GROUP_METADATA},
	[PP_IO_UTIME] = {"utime", PP_IO_GROUP_METADATA},
	[PP_IO_XATTR] = {"xattr", PP_IO_GROUP_METADATA},
	[PP_IO_CHDIR] = {"chdir", PP_IO_GROUP_METADATA},
	[PP_IO_OPENDIR] = {"opendir", PP_IO_GROUP_METADATA},
	[PP_IO_READDIR] = {"readdir", PP_IO_GROUP_METADATA},
	[PP_IO_CLOSEDIR] = {"closedir", PP_IO_GROUP_METADATA},
	[PP_IO_SCANDIR] = {"scandir", PP_IO_GROUP_METADATA},
	[PP_IO_WATCH] = {"inotify", PP_IO_GROUP_METADATA},
	[PP_IO_FILE_LOCK] = {"file lock", PP_IO_GROUP_METADATA},
	[PP_IO_GETCWD] = {"getcwd", PP_IO_GROUP_METADATA},
	[PP_IO_GLOB] = {"glob", PP_IO_GROUP_METADATA},
	[PP_IO_TREE_WALK] = {"nftw", PP_IO_GROUP_METADATA},
	[PP_IO_FTS] = {"fts", PP_IO_GROUP_METADATA},
	[PP_IO_POLL] = {"poll", PP_IO_GROUP_WAIT},
	[PP_IO_SELECT] = {"select", PP_IO_GROUP_WAIT},
	[PP_IO_EPOLL] = {"epoll_wait", PP_IO_GROUP_WAIT},
	[PP_IO_SLEEP] = {"sleep", PP_IO_GROUP_WAIT},
	[PP_IO_PAUSE] = {"pause", PP_IO_GROUP_WAIT},
	[PP_IO_SIGWAIT] = {"sigwait", PP_IO_GROUP_WAIT},
	[PP_IO_WAIT_CHILD] = {"waitpid", PP_IO_GROUP_WAIT},
	[PP_IO_MUTEX] = {"mutex", PP_IO_GROUP_WAIT},
	[PP_IO_RWLOCK] = {"rwlock", PP_IO_GROUP_WAIT},
	[PP_IO_CONDITION] = {"condition", PP_IO_GROUP_WAIT},
	[PP_IO_SEMAPHORE] = {"semaphore", PP_IO_GROUP_WAIT},
	[PP_IO_BARRIER] = {"barrier", PP_IO_GROUP_WAIT},
	[PP_IO_JOIN] = {"join", PP_IO_GROUP_WAIT},
	[PP_IO_INTERPRETER_LOCK] = {"interpreter lock", PP_IO_GROUP_WAIT},
	[PP_IO_FUTEX] = {"futex", PP_IO_GROUP_WAIT},
	[PP_IO_MESSAGE] = {"message", PP_IO_GROUP_WAIT},
	[PP_IO_ASYNC] = {"aio_suspend", PP_IO_GROUP_WAIT},
};

enum pp_io_group io_operation_group(uint32_t operation)
{
	return operation < PP_IO_OPERATIONS ? rows[operation].group : PP_IO_GROUP_NONE;
}

bool io_operation_is_half(uint32_t operation)
{
	return operation == PP_IO_SENDFILE_IN || operation == PP_IO_COPY_RANGE_IN || operation == PP_IO_SPLICE_IN ||
	       operation == PP_IO_TEE_IN;
}

bool io_operation_has_place(uint32_t operation)
{
	return (operation >= PP_IO_READ && operation <= PP_IO_PWRITEV) || operation == PP_IO_STDIO_SYS_READ ||
	       operation == PP_IO_STDIO_SYS_WRITE;
}

bool io_operation_is_stdios(uint32_t operation)
{
	return operation >= PP_IO_STDIO_SYS_READ && operation <= PP_IO_STDIO_SYS_CLOSE;
}

bool io_operation_asks(uint32_t operation)
{
	return operation == PP_IO_STAT || operation == PP_IO_STATFS || operation == PP_IO_ACCESS ||
	       operation == PP_IO_READLINK || operation == PP_IO_REALPATH || operation == PP_IO_XATTR;
}

const char *io_operation_name(uint32_t operation)
{
	return operation < PP_IO_OPERATIONS && rows[operation].name ? rows[operation].name : "unknown";
}

const char *io_group_name(enum pp_io_group group)
{
	static const char *const names[PP_IO_GROUPS] = {
		[PP_IO_GROUP_NONE] = "unknown",	  [PP_IO_GROUP_READ] = "read",	  [PP_IO_GROUP_WRITE] = "write",
		[PP_IO_GROUP_RECV] = "recv",	  [PP_IO_GROUP_SEND] = "send",	  [PP_IO_GROUP_OPEN] = "open",
		[PP_IO_GROUP_CLOSE] = "close",	  [PP_IO_GROUP_SEEK] = "seek",	  [PP_IO_GROUP_SYNC] = "sync",
		[PP_IO_GROUP_CONNECT] = "connect", [PP_IO_GROUP_OTHER] = "other",
		[PP_IO_GROUP_STDIO_READ] = "stdio read",   [PP_IO_GROUP_STDIO_WRITE] = "stdio write",
		[PP_IO_GROUP_STDIO_OPEN] = "stdio open",   [PP_IO_GROUP_STDIO_CLOSE] = "stdio close",
		[PP_IO_GROUP_STDIO_SEEK] = "stdio seek",   [PP_IO_GROUP_STDIO_FLUSH] = "stdio flush",
		[PP_IO_GROUP_STDIO_OTHER] = "stdio other",
		[PP_IO_GROUP_METADATA] = "metadata", [PP_IO_GROUP_WAIT] = "wait",
	};

	return names[group];
}

bool io_operation_blocks(uint32_t operation)
{
	return !io_group_is_stdio(io_operation_group(operation)) || operation == PP_IO_STDIO_PCLOSE;
}

uint32_t io_first_wait(void)
{
	return PP_IO_FIRST_WAIT;
}

enum pp_wait_kind io_operation_kind(uint32_t operation)
{
	switch (operation) {
	case PP_IO_POLL:
	case PP_IO_SELECT:
	case PP_IO_EPOLL:
		return PP_WAIT_POLL;
	case PP_IO_SLEEP:
		return PP_WAIT_SLEEP;
	case PP_IO_PAUSE:
	case PP_IO_SIGWAIT:
		return PP_WAIT_SIGNAL;
	case PP_IO_WAIT_CHILD:
	case PP_IO_STDIO_PCLOSE:
		return PP_WAIT_CHILD;
	case PP_IO_MUTEX:
	case PP_IO_RWLOCK:
	case PP_IO_FILE_LOCK:
		return PP_WAIT_LOCK;
	case PP_IO_JOIN:
		return PP_WAIT_JOIN;
	case PP_IO_INTERPRETER_LOCK:
		return PP_WAIT_INTERPRETER_LOCK;
	case PP_IO_ASYNC:
		return PP_WAIT_READ_WRITE;
	}
	switch (io_operation_group(operation)) {
	case PP_IO_GROUP_WAIT:
		return PP_WAIT_CONDITION;
	case PP_IO_GROUP_RECV:
	case PP_IO_GROUP_SEND:
	case PP_IO_GROUP_CONNECT:
		return PP_WAIT_SOCKET;
	case PP_IO_GROUP_OPEN:
	case PP_IO_GROUP_CLOSE:
	case PP_IO_GROUP_SEEK:
	case PP_IO_GROUP_SYNC:
	case PP_IO_GROUP_OTHER:
	case PP_IO_GROUP_METADATA:
		return PP_WAIT_FILE;
	default:
		return PP_WAIT_READ_WRITE;
	}
}

const char *wait_kind_name(enum pp_wait_kind kind)
{
	static const char *const names[PP_WAIT_KINDS] = {
		[PP_WAIT_READ_WRITE] = "read_write", [PP_WAIT_SOCKET] = "socket",
		[PP_WAIT_FILE] = "file",	     [PP_WAIT_POLL] = "poll",
		[PP_WAIT_SLEEP] = "sleep",	     [PP_WAIT_LOCK] = "lock",
		[PP_WAIT_CONDITION] = "condition",   [PP_WAIT_JOIN] = "join",
		[PP_WAIT_CHILD] = "child",	     [PP_WAIT_SIGNAL] = "signal",
		[PP_WAIT_INTERPRETER_LOCK] = "interpreter_lock",
	};

	return names[kind];
}

const char *io_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[PP_IO_KIND_FILE] = "file", [PP_IO_KIND_PIPE] = "pipe",	    [PP_IO_KIND_SOCKET] = "socket",
		[PP_IO_KIND_TTY] = "tty",   [PP_IO_KIND_DEVICE] = "device",
	};

	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "other";
}

const char *io_origin_name(uint32_t origin)
{
	static const char *const names[PP_IO_ORIGINS] = {
		[PP_IO_FOUND] = "found",	   [PP_IO_OPENED] = "open",	  [PP_IO_DUPLICATED] = "dup",
		[PP_IO_ACCEPTED] = "accept",	   [PP_IO_MADE_SOCKET] = "socket", [PP_IO_MADE_PIPE] = "pipe",
		[PP_IO_RECEIVED] = "received",	   [PP_IO_STREAM] = "stdio",	  [PP_IO_MADE_OTHER] = "other",
	};

	return origin < PP_IO_ORIGINS ? names[origin] : names[PP_IO_FOUND];
}

const char *io_end_name(uint32_t end)
{
	return end == PP_IO_END_CLOSED	 ? "closed"
	       : end == PP_IO_END_UNSEEN ? "closed unseen"
	       : end == PP_IO_END_REPLACED ? "replaced"
					   : "open";
}

bool io_origin_makes(uint32_t origin)
{
	return origin != PP_IO_FOUND;
}

bool io_end_is_closing(uint32_t end)
{
	return end == PP_IO_END_CLOSED;
}

const char *io_life_kind_name(uint32_t kind, uint32_t origin)
{
	static const uint8_t kinds[PP_IO_ORIGINS] = {
		[PP_IO_OPENED] = PP_IO_KIND_FILE,	   [PP_IO_STREAM] = PP_IO_KIND_FILE,
		[PP_IO_ACCEPTED] = PP_IO_KIND_SOCKET, [PP_IO_MADE_SOCKET] = PP_IO_KIND_SOCKET,
		[PP_IO_MADE_PIPE] = PP_IO_KIND_PIPE,
	};

	return io_kind_name(kind || origin >= PP_IO_ORIGINS ? kind : kinds[origin]);
}

bool io_kind_has_offsets(uint32_t kind)
{
	return kind == PP_IO_KIND_FILE;
}

uint64_t io_latency_low(uint32_t bucket)
{
	return pp_wire_io_bucket_low(bucket);
}

uint64_t io_latency_percentile(const struct pp_io_cell *cells, uint32_t count, double percent, uint64_t max_ns)
{
	uint64_t calls = 0, below = 0;
	uint64_t result = max_ns;
	double wanted;

	for (uint32_t i = 0; i < count; i++)
		calls += cells[i].count;
	if (!calls)
		return PP_UNKNOWN;
	wanted = (double)calls * percent / 100;
	for (uint32_t i = 0; i < count; i++) {
		if ((double)(below + cells[i].count) >= wanted) {
			uint64_t low = io_latency_low(cells[i].bucket), high = io_latency_low(cells[i].bucket + 1);

			double part = (wanted - (double)below) / (double)cells[i].count;

			result = low + (uint64_t)((double)(high - low) * (part < 0 ? 0 : part > 1 ? 1 : part));
			break;
		}
		below += cells[i].count;
	}
	return result < max_ns ? result : max_ns;
}
