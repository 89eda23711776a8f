/* SPDX-License-Identifier: Apache-2.0 */
/* See descriptors.h. */
#include "descriptors.h"
#include "host.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define LOWEST 1000 /* out of the way of programs that count on low numbers, and of what fork copies */
/* Above the program's soft limit nobody meets ours; but fork copies the table up to its highest number. */
#define HIGHEST 4096
#define ROOM	32 /* ours, and those that are open only while a session is made */
/* With a smaller hard limit ours would be a good part of all there are. */
#define SMALLEST_LIMIT 128
#define WRITERS_NS UINT64_C(100000000)

static long first = LOWEST;

/* The first number for ours: `now` are the limits as lifted, `soft` is the program's. */
static long first_number(const struct rlimit *now, rlim_t soft)
{
	rlim_t from = soft > LOWEST && soft <= HIGHEST ? soft : LOWEST;

	if (now->rlim_cur < from + ROOM)
		from = now->rlim_cur > ROOM ? now->rlim_cur - ROOM : 3;
	return (long)from;
}

static bool limit_set(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { soft, hard };

	return RAW_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0) == 0;
}

bool descriptors_begin(struct pp_descriptor_limit *limit)
{
	rlim_t wanted = HIGHEST + ROOM, hard;
	struct rlimit now;

	limit->lifted = false;
	if (RAW_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit->before) < 0)
		return true;
	hard = limit->before.rlim_max;
	if (limit->before.rlim_cur < wanted) {
		/* Beyond the hard limit of those that may. */
		limit->lifted = limit_set(wanted, hard > wanted ? hard : wanted);
		if (!limit->lifted && hard < SMALLEST_LIMIT)
			return false;
		if (!limit->lifted && limit->before.rlim_cur < hard)
			limit->lifted = limit_set(hard, hard);
	}
	now = limit->before;
	RAW_CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &now);
	first = first_number(&now, limit->before.rlim_cur);
	return true;
}

void descriptors_end(const struct pp_descriptor_limit *limit)
{
	if (limit->lifted)
		limit_set(limit->before.rlim_cur, limit->before.rlim_max);
}

int descriptor_high(int fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = RAW_CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first);
	raw_close(fd);
	return (int)high;
}

/* --- which are ours ------------------------------------------------------------------------------------------------ */

static int *descriptor_find(int fd)
{
	int *all[] = { &pp_session.pipe_write, &pp_session.pipe_read, &pp_session.memory, &pp_session.control };

	for (size_t i = 0; fd >= 0 && i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] == fd)
			return all[i];
	}
	return NULL;
}

bool session_owns_descriptor(int fd)
{
	return descriptor_find(fd) != NULL;
}

/* Threads that have read the old number are in a system call that hardly ever blocks. One that this very thread has
 * interrupted to get here would be waited for in vain: hence the limit. */
static void writers_await(void)
{
	uint64_t began = clock_now_ns();

	while (__atomic_load_n(&pp_session.writers, __ATOMIC_SEQ_CST) && clock_now_ns() - began < WRITERS_NS)
		RAW_CALL(SYS_sched_yield);
}

void identity_take(int fd, struct pp_identity *identity)
{
	struct stat status;

	memset(identity, 0, sizeof(*identity));
	if (raw_fstat(fd, &status) < 0)
		return;
	identity->device = status.st_dev;
	identity->inode = status.st_ino;
}

bool session_proves_descriptor(int fd, const struct pp_identity *identity)
{
	struct stat status;

	return fd >= 0 && raw_fstat(fd, &status) >= 0 && status.st_dev == identity->device &&
	       status.st_ino == identity->inode;
}

bool session_move_descriptor(int fd)
{
	struct pp_descriptor_limit limit;
	int *ours = descriptor_find(fd);
	long moved;

	if (!ours)
		return true;
	descriptors_begin(&limit);
	moved = RAW_CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd + 1 > first ? fd + 1 : first);
	if (moved < 0) /* the last number there is */
		moved = RAW_CALL(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first);
	descriptors_end(&limit);
	if (moved < 0) {
		session_stop("the program took its descriptor");
		return false;
	}
	__atomic_store_n(ours, (int)moved, __ATOMIC_SEQ_CST);
	writers_await();
	return true;
}

void descriptors_close(void)
{
	int *all[] = { &pp_session.pipe_write, &pp_session.pipe_read, &pp_session.memory, &pp_session.control };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] >= 0)
			raw_close(*all[i]);
		*all[i] = -1;
	}
}
