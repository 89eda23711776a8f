/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of one process image: its settings, its shared memory, its pipe, its connection to the analyzer of the
 * tree. Started lazily by the first hook or the constructor, remade in a forked child, stopped for good on trouble that
 * cannot be mended: then one line is said and the program goes on.
 */
#include "control.h"
#include "descriptors.h"
#include "exec_environment.h"
#include "emit.h"
#include "finish.h"
#include "hook_mem.h"
#include "io.h"
#include "loader.h"
#include "message.h"
#include "peek.h"
#include "python.h"
#include "raw.h"
#include "sampler.h"
#include "shared.h"
#include "spawn.h"
#include "sql.h"
#include "stream.h"
#include "thread_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define ADDRESS_SPACE_LEAST (UINT64_C(64) << 20)
#define PYTHON_SAMPLE_BYTES 65536
#define SHIFT 3 /* stamps in units of 8 ticks: 200 us fit in a record */

struct pp_session pp_session = { .pipe_write = -1, .pipe_read = -1, .memory = -1, .control = -1 };

void pp_skip(int cause)
{
	if (pp_session.header)
		__atomic_add_fetch(&pp_session.header->skipped[cause], 1, __ATOMIC_RELAXED);
}

/* --- the analyzer of the tree ------------------------------------------------------------------------------------- */

static socklen_t address_make(struct sockaddr_un *address)
{
	size_t prefix = strlen(PP_WIRE_SOCKET_PREFIX);

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, PP_WIRE_SOCKET_PREFIX, prefix);
	memcpy(address->sun_path + 1 + prefix, pp_session.token, PP_WIRE_TOKEN_SIZE);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + prefix + PP_WIRE_TOKEN_SIZE);
}

/* Another user's analyzer would refuse us (a program that changed its user id): it learns of the attempt all the same,
 * and this process gets an analyzer of its own. */
static bool analyzer_is_of_our_user(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return RAW_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	       (long)peer.uid == RAW_CALL(SYS_geteuid);
}

/* A connected socket, CLOEXEC; -errno. */
static int analyzer_reach(void)
{
	struct sockaddr_un address;
	socklen_t size = address_make(&address);
	struct timeval patience = { 1, 0 };
	long fd = RAW_CALL(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return (int)fd;
	RAW_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do
		result = RAW_CALL(SYS_connect, fd, &address, size);
	while (result == -EINTR);
	if (result == 0 && !analyzer_is_of_our_user((int)fd))
		result = -EACCES;
	if (result < 0) {
		raw_close((int)fd);
		return (int)result;
	}
	return (int)fd;
}

static int analyzer_connect(void)
{
	return descriptor_high(analyzer_reach());
}

static void hex_random(char *text, size_t digits)
{
	uint8_t bytes[PP_WIRE_TOKEN_SIZE / 2];

	if (RAW_CALL(SYS_getrandom, bytes, digits / 2, 0) < (long)(digits / 2)) {
		for (size_t i = 0; i < digits / 2; i++)
			bytes[i] = (uint8_t)(clock_now_ns() >> (i % 4 * 8)) ^ (uint8_t)pp_session.pid;
	}
	for (size_t i = 0; i < digits; i++)
		text[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	text[digits] = '\0';
}

/* A new tree: an analyzer of our own. */
static bool analyzer_start(const char **reason)
{
	struct sockaddr_un address;
	socklen_t size;
	long fd;
	bool started;

	hex_random(pp_session.token, PP_WIRE_TOKEN_SIZE);
	size = address_make(&address);
	fd = RAW_CALL(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || RAW_CALL(SYS_bind, fd, &address, size) < 0 || RAW_CALL(SYS_listen, fd, 4096) < 0) {
		*reason = "no socket could be made for the analyzer";
		if (fd >= 0)
			raw_close((int)fd);
		return false;
	}
	started = spawn_analyzer((int)fd, reason);
	if (started) {
		pp_session.control = analyzer_connect();
		if (pp_session.control < 0) {
			pp_session.control = -1;
			*reason = "the analyzer cannot be reached";
			started = false;
		}
	}
	raw_close((int)fd);
	return started;
}

/* Moves *text past hexadecimal digits. */
static uint64_t hex_parse(const char **text)
{
	uint64_t value = 0;

	for (; (**text >= '0' && **text <= '9') || (**text >= 'a' && **text <= 'f'); (*text)++)
		value = value << 4 | (uint64_t)(**text <= '9' ? **text - '0' : **text - 'a' + 10);
	return value;
}

/* PREPROF_SESSION is TOKEN (from `preprof run`), or TOKEN.IMAGE (who executed us), or TOKEN.IMAGE.PID (and the tree's
 * first process, which has no controller; 0: it has), or TOKEN.IMAGE.PID.START (and when that started, where DELAY or
 * DURATION count from it). false: there is none, or it is not one of ours. */
static bool session_name_parse(const char *text)
{
	size_t length = text ? strspn(text, "0123456789abcdef") : 0;
	uint64_t start_ns;

	if (length != PP_WIRE_TOKEN_SIZE || (text[length] != '\0' && text[length] != '.'))
		return false;
	memcpy(pp_session.token, text, length);
	pp_session.token[length] = '\0';
	pp_session.parent_image = 0;
	if (text[length] == '.') {
		text += length + 1;
		pp_session.parent_image = hex_parse(&text);
		for (text += *text == '.'; *text >= '0' && *text <= '9'; text++)
			pp_session.first_pid =
				(int)((unsigned int)pp_session.first_pid * 10 + (unsigned int)(*text - '0'));
		text += *text == '.';
		start_ns = hex_parse(&text);
		if (start_ns && start_ns < pp_session.tree_start_ns)
			pp_session.tree_start_ns = start_ns;
	}
	return true;
}

/* ".0123456789abcdef" */
static char *hex_append(char *text, uint64_t value)
{
	*text++ = '.';
	for (int i = 0; i < 16; i++)
		*text++ = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
	return text;
}

void session_name_for_child(char *text)
{
	bool timed = pp_session.settings.delay || pp_session.settings.duration;

	memcpy(text, pp_session.token, PP_WIRE_TOKEN_SIZE);
	text = hex_append(text + PP_WIRE_TOKEN_SIZE, pp_session.image);
	if (pp_session.first_pid > 0 || timed) {
		char digits[12];
		int count = 0, rest = pp_session.first_pid > 0 ? pp_session.first_pid : 0;

		do
			digits[count++] = (char)('0' + rest % 10);
		while ((rest /= 10) > 0);
		*text++ = '.';
		while (count)
			*text++ = digits[--count];
	}
	if (timed)
		text = hex_append(text, pp_session.tree_start_ns);
	*text = '\0';
}

/* --- making a session ---------------------------------------------------------------------------------------------- */

/* The stamp counter serves when the kernel itself trusts it. */
static bool stamp_counter_trusted(void)
{
#if defined(__x86_64__)
	char source[32] = "";

	if (raw_read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof(source) - 1) <= 0)
		return false;
	return strncmp(source, "tsc", 3) == 0 || strncmp(source, "kvm-clock", 9) == 0 ||
	       strncmp(source, "hyperv", 6) == 0;
#else
	return false;
#endif
}

/* A moment on both clocks. */
struct moment {
	uint64_t ticks, ns;
};

static struct moment opened; /* when this image's session began to be made */

static struct moment moment_now(void)
{
	struct moment moment = { 0, 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		uint64_t before = io_ticks(), ns = clock_now_ns(), after = io_ticks();

		if (after - before < shortest) {
			shortest = after - before;
			moment = (struct moment){ before + shortest / 2, ns };
		}
	}
	return moment;
}

/* How long a tick is, from the time that the start itself took: some 0.1 ms at least, known to 50 ns. */
static void tick_measure(struct moment from)
{
	struct moment now = moment_now();

	if (!pp_session.stamp_is_tsc)
		pp_session.tick_ns = UINT64_C(1) << 32;
	else if (now.ticks > from.ticks && now.ns > from.ns)
		pp_session.tick_ns = (uint64_t)(((unsigned __int128)(now.ns - from.ns) << 32) / (now.ticks - from.ticks));
}

static void header_types(struct pp_wire_header *header)
{
	static const struct pp_wire_record_type types[] = {
		{ PP_REC_ALLOC, 2, PP_FAMILY_MEM, 0, "alloc" },	   { PP_REC_FREE, 1, PP_FAMILY_MEM, 0, "free" },
		{ PP_REC_REALLOC, 3, PP_FAMILY_MEM, 0, "realloc" }, { PP_REC_TIME, 1, PP_FAMILY_NONE, 0, "time" },
		{ PP_REC_STAMP, 1, PP_FAMILY_NONE, 0, "stamp" },	   { PP_REC_SAMPLE, 2, PP_FAMILY_CPU, 0, "sample" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		header->types[types[i].type] = types[i];
}

static void header_fill(struct pp_wire_header *header)
{
	static const uint32_t allocator_bits[] = {
		[PP_ALLOCATOR_EXECUTABLE] = PP_NOT_MALLOC_IN_EXE,
		[PP_ALLOCATOR_BEFORE] = PP_NOT_MALLOC_BEFORE,
		[PP_ALLOCATOR_SANITIZER] = PP_NOT_MALLOC_SANITIZER,
	};
	struct timespec now;

	header->version = PP_WIRE_VERSION;
	header->byte_order = PP_WIRE_BYTE_ORDER;
	header->space = pp_session.memory_space;
	header->header_size = sizeof(*header);
	header->slot_size = sizeof(struct pp_wire_slot);
	header->start_ns = clock_now_ns();
	RAW_CALL(SYS_clock_gettime, CLOCK_REALTIME, &now);
	header->start_unix_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	header->stamp_shift = pp_session.stamp_shift;
	header->stamp_is_tsc = pp_session.stamp_is_tsc;
	header->start_stamp = emit_stamp_now();
	header->start_tick = io_ticks();
	header->page_size = (uint32_t)getauxval(AT_PAGESZ);
	header->sample_period_ns = pp_session.settings.cpu ? 1000000000 / pp_session.settings.cpu : 0;
	header->not_observed |= allocator_bits[mem_allocator()];
	if (mem_allocator() != PP_ALLOCATOR_AFTER)
		pp_session.settings.heap = PP_HEAP_OFF;
	header->families = (pp_session.settings.heap ? 1u << PP_FAMILY_MEM : 0) |
			   (pp_session.settings.cpu ? 1u << PP_FAMILY_CPU : 0) |
			   (pp_session.settings.io ? 1u << PP_FAMILY_IO : 0) |
			   (pp_session.settings.sql ? 1u << PP_FAMILY_SQL : 0);
	header->switches = pp_session.settings.sql_literals ? PP_SWITCH_SQL_LITERALS : 0;
	header->heap_sample_bytes =
		pp_session.settings.heap == PP_HEAP_SAMPLED ? pp_session.settings.heap_sample_bytes : 0;
	if (header->heap_sample_bytes)
		header->not_observed |= PP_NOT_EXACT_SITES;
	header->node_count = 1;
	header->exit_code = -1;
	header->unrecorded_cpu_ns = clock_process_cpu_ns();
	header_types(header);
	__atomic_store_n(&header->magic, PP_WIRE_MAGIC, __ATOMIC_RELEASE);
}

/* Shared memory and pipe; pipe_read stays with us beside the analyzer's copy. */
static bool streams_make(const char **reason)
{
	int ends[2];

	pp_session.memory = descriptor_high(shared_create(&pp_session.memory_space));
	if (pp_session.memory < 0) {
		*reason = pp_session.memory == -EFBIG ? "RLIMIT_FSIZE leaves no room for its shared memory"
						     : "no shared memory could be made";
		pp_session.memory = -1;
		return false;
	}
	identity_take(pp_session.memory, &pp_session.memory_identity);
	pp_session.header = session_shared(0);
	if (!pp_session.header || RAW_CALL(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		*reason = "no pipe could be made";
		return false;
	}
	pp_session.pipe_read = descriptor_high(ends[0]);
	pp_session.pipe_write = descriptor_high(ends[1]);
	if (pp_session.pipe_read < 0 || pp_session.pipe_write < 0) {
		*reason = "no descriptors are left for its pipe";
		return false;
	}
	identity_take(pp_session.pipe_write, &pp_session.pipe_identity);
	header_fill(pp_session.header);
	raw_mapped_show(&pp_session.header->overhead_bytes);
	return true;
}

/* Under a limit on address space what we map is missing to the program: not where it has little left. */
static bool address_space_suffices(void)
{
	char text[32] = "";
	struct rlimit limit;
	uint64_t pages = 0;

	if (RAW_CALL(SYS_prlimit64, 0, RLIMIT_AS, 0, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	raw_read_file("/proc/self/statm", text, sizeof(text) - 1);
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++)
		pages = pages * 10 + (uint64_t)(*digit - '0');
	return limit.rlim_cur > pages * getauxval(AT_PAGESZ) + ADDRESS_SPACE_LEAST;
}

static void stderr_remember(void)
{
	struct stat status;

	if (raw_fstat(2, &status) < 0)
		return;
	pp_session.stderr_device = status.st_dev;
	pp_session.stderr_inode = status.st_ino;
}

bool session_stderr_is_the_same(void)
{
	struct stat status;

	if (raw_fstat(2, &status) < 0)
		return false;
	return status.st_dev == pp_session.stderr_device && status.st_ino == pp_session.stderr_inode;
}

/* A tree of its own within another one must not write to the same file: NAME.pprf becomes NAME.PID.pprf. */
static void output_rename(void)
{
	static char pattern[4096];
	const char *given = pp_session.settings.output;
	size_t size = strlen(given);

	if (strstr(given, "%p") || size + sizeof(".%p.pprf") > sizeof(pattern))
		return;
	if (size > 5 && strcmp(given + size - 5, ".pprf") == 0)
		size -= 5;
	memcpy(pattern, given, size);
	strcpy(pattern + size, ".%p.pprf");
	pp_session.settings.output = pattern;
}

/* What is opened for a new image. */
static bool session_open(uint32_t origin, uint64_t fork_id, bool join, const char **reason)
{
	pp_session.pid = raw_getpid();
	pp_session.parent_pid = (int)RAW_CALL(SYS_getppid);
	if (RAW_CALL(SYS_getrandom, &pp_session.image, sizeof(pp_session.image), 0) < 0 || !pp_session.image)
		pp_session.image = clock_now_ns() << 16 ^ (uint64_t)pp_session.pid;
	pp_session.stamp_shift = SHIFT;
	pp_session.stamp_is_tsc = stamp_counter_trusted();
	opened = moment_now();
	if (join) {
		pp_session.control = analyzer_connect();
		if (pp_session.control < 0) {
			pp_session.control = -1;
			output_rename();
		}
	}
	if (pp_session.control < 0 && !analyzer_start(reason))
		return false;
	identity_take(pp_session.control, &pp_session.control_identity);
	if (!streams_make(reason))
		return false;
	if (!message_hello(origin, fork_id)) {
		*reason = "the analyzer does not listen";
		return false;
	}
	return true;
}

/* Everything of a new image but the settings. */
static bool session_make(uint32_t origin, uint64_t fork_id, bool join, const char **reason)
{
	struct pp_descriptor_limit limit;
	bool open;

	if (!address_space_suffices()) {
		*reason = "RLIMIT_AS leaves no room for its memory";
		return false;
	}
	if (!descriptors_begin(&limit)) {
		*reason = "RLIMIT_NOFILE leaves no descriptors for it";
		return false;
	}
	open = session_open(origin, fork_id, join, reason);
	descriptors_end(&limit);
	if (!open)
		return false;
	if (origin != PP_ORIGIN_FORK) /* a forked child has its parent's answer */
		peek_init();
	stack_init((enum pp_unwinder)pp_session.settings.unwinder, pp_session.settings.check_stacks);
	python_start();
	sampler_init();
	if (!pp_session.tick_ns) /* a forked child has its parent's */
		tick_measure(opened);
	pp_session.header->tick_ns = pp_session.tick_ns;
	io_account_begin();
	stream_watch();
	control_init();
	return true;
}

/* This image will not be recorded. Where it is one of many the recording says so, and not every one of them: a server
 * that has changed its user may fork thousands. */
static void session_fail(bool quiet, const char *reason)
{
	bool told = false;

	if (pp_session.parent_image) {
		if (pp_session.control < 0)
			pp_session.control = analyzer_reach();
		identity_take(pp_session.control, &pp_session.control_identity);
		told = message_unable(reason);
	}
	descriptors_close();
	if (told || quiet)
		pp_session.state = PP_STATE_OFF;
	else
		session_stop(reason);
}

/* A sample of Python's objects is a sample of the heap: the analyzer scales all of it by one measure. */
static void heap_settle(struct pp_settings *settings)
{
	if (settings->python_heap != PP_PYTHON_HEAP_SAMPLED || settings->heap != PP_HEAP_EXACT)
		return;
	settings->heap = PP_HEAP_SAMPLED;
	settings->heap_sample_bytes = PYTHON_SAMPLE_BYTES;
}

void session_start(void)
{
	uint32_t state = PP_STATE_NEW;
	const char *named = environment_get("PREPROF_SESSION");
	const char *reason = "";
	bool join;

	if (!__atomic_compare_exchange_n(&pp_session.state, &state, PP_STATE_STARTING, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	if (getauxval(AT_SECURE)) {
		pp_session.state = PP_STATE_OFF;
		return;
	}
	pp_session.tree_start_ns = clock_now_ns();
	join = session_name_parse(named);
	if (!settings_load(&pp_session.settings, !join)) {
		/* It was said once: what this starts would say it again and again. */
		pp_session.pid = raw_getpid();
		pp_session.children_bare = 1;
		pp_session.state = PP_STATE_OFF;
		return;
	}
	heap_settle(&pp_session.settings);
	stderr_remember();
	if (join && pp_session.parent_image && !pp_session.settings.children) {
		pp_session.state = PP_STATE_OFF;
		return;
	}
	if (!join)
		pp_session.first_pid = raw_getpid();
	if (!session_make(pp_session.parent_image ? PP_ORIGIN_EXEC : PP_ORIGIN_FIRST, 0, join, &reason))
		session_fail(false, reason);
}

void session_restart_in_child(bool descriptors_shared)
{
	int inherited = pp_session.control;
	const char *reason = "";
	uint64_t fork_id = pp_session.fork_serial;

	pp_session.state = PP_STATE_STARTING;
	pp_session.control = -1;
	pp_session.forking = 0;
	pp_session.stalled = 0;
	pp_session.control_full = 0;
	pp_session.writers = 0;
	pp_session.multi = 0;
	pp_session.header = NULL;
	raw_mapped_show(NULL);
	shared_unmap_all();
	if (descriptors_shared)
		pp_session.pipe_write = pp_session.pipe_read = pp_session.memory = -1;
	else
		descriptors_close();
	thread_reset_all();
	loader_reset();
	io_reset();
	io_files_reset();
	sql_reset();
	finish_reset();
	pp_session.parent_image = pp_session.image;
	if (!pp_session.settings.children) {
		pp_session.state = PP_STATE_OFF;
		pp_session.pid = raw_getpid();
	} else if (!session_make(PP_ORIGIN_FORK, fork_id, true, &reason)) {
		session_fail(true, reason);
	}
	if (inherited >= 0 && !descriptors_shared)
		raw_close(inherited);
}

/* false: it was stopped already. */
static bool session_turn_off(const char *reason)
{
	uint32_t before = __atomic_exchange_n(&pp_session.state, PP_STATE_OFF, __ATOMIC_SEQ_CST);

	if (before == PP_STATE_OFF)
		return false;
	if (pp_session.header) {
		size_t size = strlen(reason);

		if (size >= sizeof(pp_session.header->stop_reason))
			size = sizeof(pp_session.header->stop_reason) - 1;
		memcpy(pp_session.header->stop_reason, reason, size);
		__atomic_store_n(&pp_session.header->stopped, 1, __ATOMIC_RELEASE);
	}
	sampler_stop();
	return true;
}

bool session_analyzer_lives(void)
{
	struct pollfd set = { pp_session.control, 0, 0 };
	struct timespec at_once = { 0, 0 };

	if (!session_proves_descriptor(pp_session.control, &pp_session.control_identity))
		return true;
	return RAW_CALL(SYS_ppoll, &set, 1, &at_once, 0, 0) <= 0 || !(set.revents & (POLLHUP | POLLERR));
}

void session_orphaned(void)
{
	pp_session.children_bare = 1;
	if (raw_getpid() == pp_session.pid)
		session_stop("the analyzer has died");
}

void session_children_bare(void)
{
	pp_session.children_bare = 1;
	__atomic_or_fetch(&pp_session.header->not_observed, PP_NOT_CHILD_SECCOMP, __ATOMIC_RELAXED);
	environment_ensure(PP_PRELOAD_BARE);
}

void session_seal(const char *reason)
{
	struct pp_thread *thread = hook_enter();

	if (thread) {
		thread->slot->cpu_ns = clock_thread_cpu_ns();
		pp_session.header->cpu_ns = clock_process_cpu_ns();
		pipe_flush_events(thread);
		hook_leave(thread);
	}
	sampler_thread_seal();
	pp_session.children_bare = 1;
	environment_ensure(PP_PRELOAD_BARE);
	session_turn_off(reason);
	__atomic_store_n(&pp_session.sealed, 1, __ATOMIC_SEQ_CST);
}

void session_stop(const char *reason)
{
	if (session_turn_off(reason) && session_stderr_is_the_same())
		say3("profiling stopped: ", reason, "; the program continues");
}
