/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose process this is, and what happens around a fork; see life.h. Also the gate of the unwinder's third tier: it
 * takes locks of its own, so a process must not be copied, and code not be unmapped, while a thread is in it.
 */
#include "life.h"
#include "io.h"
#include "descriptors.h"
#include "emit.h"
#include "exec_environment.h"
#include "object.h"
#include "raw.h"
#include "sampler.h"
#include "shared.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* A capture takes microseconds; a thread that holds the processor's attention no longer than this keeps us waiting. */
#define QUIESCE_NS     UINT64_C(100000000)
#define SETTINGS_LIMIT 64

static volatile uint32_t *mark; /* 0 in a child that has a copy of our memory */
static int own_pid;
static uint32_t captures;   /* threads at the gate of libunwind or inside */
static uint32_t inside;	    /* of these, the ones that were let in */
static bool libunwind_lost; /* copied while others ran: a lock that one of them held will never be free */
static char library[PATH_MAX];
static char *setting_rows[SETTINGS_LIMIT];

char **life_settings = setting_rows;
size_t life_setting_count;

/* --- the gate of libunwind ---------------------------------------------------------------------------------------- */

bool pp_libunwind_enter(void)
{
	__atomic_add_fetch(&captures, 1, __ATOMIC_SEQ_CST);
	if (pp_likely(!__atomic_load_n(&pp_session.forking, __ATOMIC_SEQ_CST) && !libunwind_lost)) {
		__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (pp_tls.thread)
			pp_tls.thread->unwinding = 1;
		return true;
	}
	__atomic_sub_fetch(&captures, 1, __ATOMIC_SEQ_CST);
	return false;
}

void pp_libunwind_leave(void)
{
	if (pp_tls.thread)
		pp_tls.thread->unwinding = 0;
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&captures, 1, __ATOMIC_SEQ_CST);
}

void life_unwinding_jumped(void)
{
	libunwind_lost = true; /* a lock of its own may be held for ever */
	pp_libunwind_leave();
}

/* Closes the gate and waits until everyone is out of it. */
static void captures_quiesce(void)
{
	uint64_t began;

	__atomic_add_fetch(&pp_session.forking, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&captures, __ATOMIC_SEQ_CST))
		return;
	began = clock_now_ns();
	while (__atomic_load_n(&captures, __ATOMIC_SEQ_CST) && clock_now_ns() - began < QUIESCE_NS) {
		struct timespec nap = {0, 50000};

		RAW_CALL(SYS_nanosleep, &nap, 0);
	}
}

void life_unload_begin(void)
{
	captures_quiesce();
	objects_unload_begin();
}

void life_unload_end(void)
{
	objects_unload_end();
	__atomic_sub_fetch(&pp_session.forking, 1, __ATOMIC_SEQ_CST);
}

/* --- at the start ------------------------------------------------------------------------------------------------- */

/* ld.so keeps the name that it was given; a child may run in another folder. */
static void library_find(void)
{
	const char *found = spawn_library_path();
	long used = 0;

	if (!found)
		return;
	if (found[0] != '/') {
		used = RAW_CALL(SYS_getcwd, library, sizeof(library) - 1);
		if (used <= 1 || library[0] != '/') {
			library[0] = '\0';
			return;
		}
		library[used - 1] = '/';
		if (found[0] == '.' && found[1] == '/')
			found += 2;
	}
	strncpy(library + used, found, sizeof(library) - 1 - (size_t)used);
	if (strpbrk(library, " :")) /* no preload entry can name it so; what was given did */
		strncpy(library, spawn_library_path(), sizeof(library) - 1);
}

const char *life_library(void)
{
	return library[0] ? library : NULL;
}

bool life_library_opens(void)
{
	const char *path = life_library();
	long result;

	if (!path || path[0] != '/')
		return path != NULL;
	result = RAW_CALL(SYS_faccessat2, AT_FDCWD, path, R_OK, AT_EACCESS);
	if (result == -ENOSYS)
		result = RAW_CALL(SYS_faccessat, AT_FDCWD, path, R_OK);
	return result != -EACCES && result != -ENOENT && result != -ENOTDIR;
}

static void settings_remember(void)
{
	size_t bytes = 0;
	char *room;

	for (char **entry = environ; entry && *entry; entry++) {
		if (strncmp(*entry, "PREPROF_", 8) == 0)
			bytes += strlen(*entry) + 1;
	}
	room = bytes ? raw_map(bytes) : NULL;
	for (char **entry = environ; room && *entry && life_setting_count < SETTINGS_LIMIT; entry++) {
		if (strncmp(*entry, "PREPROF_", 8) != 0 || strncmp(*entry, "PREPROF_SESSION=", 16) == 0)
			continue;
		strcpy(room, *entry);
		setting_rows[life_setting_count++] = room;
		room += strlen(room) + 1;
	}
}

void life_init(void)
{
	static uint32_t done;
	void *page;

	if (__atomic_exchange_n(&done, 1, __ATOMIC_SEQ_CST))
		return;
	page = raw_map(4096);
	if (page && RAW_CALL(SYS_madvise, page, 4096, MADV_WIPEONFORK) == 0) {
		*(uint32_t *)page = 1;
		mark = page;
	}
	own_pid = raw_getpid();
	objects_remember_lasting();
	guard_library_begin();
	library_find();
	settings_remember();
	hook_life_init();
	hook_exec_init();
	hook_fd_init();
	hook_dl_init();
	hook_map_init();
	hook_gil_init();
	hook_io_init();
	hook_jump_init();
	hook_special_init();
	hook_stdio_init();
	hook_stdio_format_init();
	hook_stdio_open_init();
	hook_meta_init();
	hook_tree_init();
	hook_aio_init();
	hook_wait_init();
	hook_sync_init();
	guard_library_end();
}

/* After the session's start (start.c). A program that executes by raw system calls hands on what it finds. */
__attribute__((constructor(102))) static void life_start(void)
{
	bool strip;

	life_init();
	if (life_follows(&strip))
		environment_ensure(PP_PRELOAD_OURS);
}

/* --- whose process ------------------------------------------------------------------------------------------------ */

static void signals_block(uint64_t *old)
{
	uint64_t all = ~UINT64_C(0);

	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, 8);
}

static void signals_restore(const uint64_t *old)
{
	RAW_CALL(SYS_rt_sigprocmask, SIG_SETMASK, old, 0, 8);
}

/* A raw clone may have kept them (CLONE_FILES). In doubt it has not. */
static bool descriptors_shared_with(int pid)
{
	int own = raw_getpid();

	return own != pid && RAW_CALL(SYS_kcmp, own, pid, KCMP_FILES, 0, 0) == 0;
}

/* In a child with a copy of our memory: everything anew. A handler of the program's may have come first. */
static void child_settle(uint64_t fork_id, bool descriptors_shared)
{
	uint32_t state = pp_session.state;
	bool settled;
	struct pp_thread *thread;
	uint64_t old;
	int pid;

	/* The filter is the child's as well: it makes nothing new. */
	if (pp_session.sealed || pp_session.children_bare) {
		pp_session.state = PP_STATE_OFF;
		pp_session.sealed = 1;
		if (mark)
			*mark = 1;
		return;
	}
	pid = raw_getpid();
	/* The first process of a new pid namespace may well be called what its parent is called outside. */
	settled = mark ? *mark != 0 : pp_session.pid == pid;
	signals_block(&old);
	/* Else nobody held a lock of libunwind's, and it takes no other: its look at the loaded objects has none. */
	if (inside)
		libunwind_lost = true;
	captures = inside = 0;
	objects_settle_in_child();
	pp_session.forking = 0;
	if (mark)
		*mark = 1;
	own_pid = pid;
	if (!settled && (state == PP_STATE_ON || state == PP_STATE_WAITING)) {
		pp_session.fork_serial = fork_id;
		session_restart_in_child(descriptors_shared);
	} else if (state == PP_STATE_STARTING) { /* by a thread that does not exist here */
		pp_session.state = PP_STATE_OFF;
		pp_session.pid = pid;
	}
	pp_session.forking = objects_unloads(); /* from within one, which goes on here and ends */
	signals_restore(&old);
	thread = hook_enter(); /* so that it is sampled from now on */
	if (thread)
		hook_leave(thread);
}

/* A handler that interrupted a hook has forked. In the child the handler returns, and the hook goes on: with a copy of its thread's
 * state, in memory that nobody reads, and to its end; nothing else is recorded there. */
static void child_leave(bool descriptors_shared)
{
	struct pp_thread *thread = pp_tls.thread;
	int control = pp_session.control;

	__atomic_store_n(&pp_session.state, PP_STATE_OFF, __ATOMIC_SEQ_CST);
	if (mark)
		*mark = 1;
	pp_session.pid = own_pid = raw_getpid();
	pp_session.forking = 0;
	pp_session.control = -1;
	shared_part_all();
	if (descriptors_shared)
		pp_session.pipe_write = pp_session.pipe_read = pp_session.memory = -1;
	else
		descriptors_close();
	if (control >= 0 && !descriptors_shared)
		raw_close(control);
	/* Timers are its parent's. */
	thread->timer = -1;
	thread->sampling = 0;
	thread->leaving = 0;
}

bool life_own(void)
{
	life_init();
	if (pp_unlikely(pp_session.sealed))
		return true;
	/* One that runs at the fork, in the child (pthread_atfork), comes before life_fork_child. */
	if (mark && *mark == 0 && pp_tls.thread && pp_tls.thread->leaving) {
		child_leave(false);
		return true;
	}
	if (mark && *mark == 0) {
		child_settle(0, !pp_session.children_bare && descriptors_shared_with(own_pid));
		return true;
	}
	return raw_getpid() == own_pid;
}

void life_fork_begin(struct pp_fork *fork)
{
	uint64_t one, old = 0;
	struct pp_thread *thread;
	int error = errno;

	memset(fork, 0, sizeof(*fork));
	if (!life_own() || (pp_session.state != PP_STATE_ON && pp_session.state != PP_STATE_WAITING)) {
		errno = error;
		return;
	}
	/* Each child would begin a recording of its own. */
	if (!session_analyzer_lives())
		session_orphaned();
	fork->active = true;
	thread = pp_tls.thread;
	fork->interrupted = pp_tls.guard && thread != NULL; /* within the real call of one that passes as well */
	if (pp_unlikely(fork->interrupted)) {
		thread->leaving++;
		RAW_CALL(SYS_madvise, thread, thread->mapped_bytes, MADV_KEEPONFORK);
	}
	fork->signal = sampler_signal();
	if (fork->signal) {
		one = UINT64_C(1) << (fork->signal - 1);
		RAW_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &one, &old, 8);
		fork->blocked = !(old & one);
	}
	thread = hook_enter();
	if (thread) {
		if (pp_session.settings.children && !pp_session.children_bare) {
			fork->id = __atomic_add_fetch(&pp_session.fork_serial, 1, __ATOMIC_SEQ_CST);
			emit_notice(thread, PP_EXT_FORK, 0, &fork->id, 1);
		}
		pipe_flush_events(thread);
		if (fork->blocked)
			pipe_flush_samples(thread);
		hook_leave(thread);
	}
	captures_quiesce();
	fork->counted = true;
	errno = error;
}

static void signal_unblock(const struct pp_fork *fork)
{
	uint64_t one = UINT64_C(1) << (fork->signal - 1);

	if (fork->blocked)
		RAW_CALL(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, 0, 8);
}

void life_fork_parent(struct pp_fork *fork)
{
	struct pp_thread *thread = pp_tls.thread;

	/* Another handler's may have interrupted this one's. */
	if (pp_unlikely(fork->interrupted) && thread->leaving && !--thread->leaving)
		RAW_CALL(SYS_madvise, thread, thread->mapped_bytes, MADV_WIPEONFORK);
	io_fds_unsettle();
	if (fork->counted)
		__atomic_sub_fetch(&pp_session.forking, 1, __ATOMIC_SEQ_CST);
	if (fork->signal)
		signal_unblock(fork);
}

void life_fork_child(struct pp_fork *fork)
{
	int error = errno;

	if (pp_unlikely(fork->interrupted))
		child_leave(fork->descriptors_shared);
	else
		child_settle(fork->id, fork->descriptors_shared);
	if (fork->signal)
		signal_unblock(fork);
	errno = error;
}

/* --- announcements ------------------------------------------------------------------------------------------------ */

bool life_follows(bool *strip)
{
	uint32_t state = pp_session.state;

	*strip = false;
	if (state == PP_STATE_NEW || !pp_session.pid) /* no settings yet */
		return false;
	if (!pp_session.settings.children || pp_session.children_bare) {
		*strip = true;
		return false;
	}
	if ((state == PP_STATE_ON || state == PP_STATE_WAITING) && !session_analyzer_lives()) {
		session_orphaned();
		*strip = true;
		return false;
	}
	if (state == PP_STATE_ON || state == PP_STATE_WAITING)
		return true;
	*strip = !life_library_opens();
	return false;
}

bool life_announce(int pid)
{
	int process = pid ? (int)RAW_CALL(SYS_pidfd_open, pid, 0) : -1;
	bool sent;

	if (process == -ESRCH) /* it has come and gone */
		return false;
	sent = session_send(PP_MSG_ANNOUNCE, 1, pid, process < 0 ? -1 : process);
	if (process >= 0)
		raw_close(process);
	return sent;
}

void life_retract(int pid)
{
	session_send(PP_MSG_RETRACT, 1, pid, -1);
}

int life_expect(bool to_be_named)
{
	static uint32_t serial;
	int number = -(int)(1 + (__atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED) & 0x3fffffff));

	return session_send(PP_MSG_ANNOUNCE, 1 | (to_be_named ? PP_ANNOUNCE_TO_BE_NAMED : 0), number, -1) ? number : 0;
}
