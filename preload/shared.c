/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory shared with the analyzer: a sparse, sealed memfd, mapped piece by piece as it is used (the file is large,
 * the mappings are not: RLIMIT_AS counts mappings). Lock-free: two threads that map the same piece at once agree on
 * one. Any context.
 */
#include "shared.h"
#include "host.h"
#include "message.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PIECE_BYTES    (UINT64_C(1) << 20)
#define PIECE_COUNT    (PP_WIRE_SPACE / PIECE_BYTES)
#define SMALLEST_SPACE (PP_WIRE_NODES + 16 * PIECE_BYTES)

static void *pieces[PIECE_COUNT];
static void *defs; /* one piece: definitions may not straddle two mappings */

static void *piece_map(uint64_t offset, uint64_t size)
{
	long result = -EBADF;

	/* Else it would be a file of the program's that is mapped and written to. */
	if (session_proves_descriptor(pp_session.memory, &pp_session.memory_identity))
		result = RAW_CALL(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, pp_session.memory, offset);
	if (result < 0 && result > -4096)
		return NULL;
	return (void *)result;
}

void *session_shared(uint64_t offset)
{
	void **at;
	void *base, *none = NULL;
	uint64_t start, size;

	if (offset >= pp_session.memory_space)
		return NULL;
	if (offset >= PP_WIRE_DEFS && offset < PP_WIRE_DEFS + PP_WIRE_DEFS_SPACE) {
		at = &defs;
		start = PP_WIRE_DEFS;
		size = PP_WIRE_DEFS_SPACE;
	} else {
		at = &pieces[offset / PIECE_BYTES];
		start = offset / PIECE_BYTES * PIECE_BYTES;
		size = PIECE_BYTES;
	}
	base = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	if (!base) {
		base = piece_map(start, size);
		if (!base)
			return NULL;
		if (!__atomic_compare_exchange_n(at, &none, base, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			RAW_CALL(SYS_munmap, base, size);
			base = none;
		}
	}
	return (uint8_t *)base + (offset - start);
}

struct pp_wire_node *pp_shared_nodes(uint32_t first)
{
	return session_shared(PP_WIRE_NODES + (uint64_t)(first & ~UINT32_C(0xffff)) * sizeof(struct pp_wire_node));
}

uint32_t pp_shared_node_claim(void)
{
	uint64_t limit = (pp_session.memory_space - PP_WIRE_NODES) / sizeof(struct pp_wire_node);
	uint64_t *count = &pp_session.header->node_count;
	uint64_t id;

	if (__atomic_load_n(count, __ATOMIC_RELAXED) >= limit)
		return 0;
	id = __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	return id < limit ? (uint32_t)id : 0;
}

void shared_unmap_all(void)
{
	for (uint32_t i = 0; i < PIECE_COUNT; i++) {
		if (pieces[i])
			RAW_CALL(SYS_munmap, pieces[i], PIECE_BYTES);
		pieces[i] = NULL;
	}
	if (defs)
		RAW_CALL(SYS_munmap, defs, PP_WIRE_DEFS_SPACE);
	defs = NULL;
}

/* What is private counts against RLIMIT_DATA, and may be refused; what is shared with children of its own, who read it as little, not. */
static void piece_part(void *piece, uint64_t size)
{
	const int how = MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	if (piece && RAW_CALL(SYS_mmap, piece, size, PROT_READ | PROT_WRITE, how | MAP_PRIVATE, -1, 0) < 0)
		RAW_CALL(SYS_mmap, piece, size, PROT_READ | PROT_WRITE, how | MAP_SHARED, -1, 0);
}

void shared_part_all(void)
{
	for (uint32_t i = 0; i < PIECE_COUNT; i++)
		piece_part(pieces[i], PIECE_BYTES);
	piece_part(defs, PP_WIRE_DEFS_SPACE);
}

/* The analyzer maps all of it, once for each process, and inherits a limit on address space that it cannot lift. */
static uint64_t space_choose(void)
{
	struct rlimit limit;
	uint64_t part;

	if (RAW_CALL(SYS_prlimit64, 0, RLIMIT_AS, 0, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
		return PP_WIRE_SPACE;
	part = limit.rlim_max / 8 / PIECE_BYTES * PIECE_BYTES;
	if (part < SMALLEST_SPACE)
		return SMALLEST_SPACE;
	return part < PP_WIRE_SPACE ? part : PP_WIRE_SPACE;
}

/* Lifts the limit to `space` where that is allowed, else as far as it goes; what it is now. */
static uint64_t limit_lift(const struct rlimit *limit, uint64_t space, bool *lifted)
{
	struct rlimit raised = {space, limit->rlim_max < space ? space : limit->rlim_max};

	*lifted = RAW_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, &raised, 0) == 0;
	if (*lifted)
		return space;
	raised.rlim_cur = raised.rlim_max = limit->rlim_max;
	*lifted = RAW_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, &raised, 0) == 0;
	return *lifted ? limit->rlim_max : limit->rlim_cur;
}

static int memory_make(uint64_t space)
{
	long fd = RAW_CALL(SYS_memfd_create, "preprof", MFD_CLOEXEC | MFD_ALLOW_SEALING), result;

	if (fd < 0)
		return (int)fd;
	result = RAW_CALL(SYS_ftruncate, fd, space);
	if (result == 0)
		result = RAW_CALL(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (result == 0)
		return (int)fd;
	raw_close((int)fd);
	return (int)result;
}

/* ftruncate beyond RLIMIT_FSIZE would kill the host by SIGXFSZ: the limit is looked at and lifted for the moment; where
 * it cannot be, the analyzer is asked, which may be under no such limit; else the file is made smaller. */
int shared_create(uint64_t *space)
{
	struct rlimit limit;
	bool lifted = false;
	uint64_t most;
	int fd;

	*space = space_choose();
	if (RAW_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) < 0)
		return -EINVAL;
	if (limit.rlim_cur >= *space)
		return memory_make(*space);
	most = limit_lift(&limit, *space, &lifted);
	fd = most >= *space ? memory_make(*space) : message_ask_memory(*space);
	if (fd < 0 && most < *space) {
		*space = most / PIECE_BYTES * PIECE_BYTES;
		fd = *space < SMALLEST_SPACE ? -EFBIG : memory_make(*space);
	}
	if (lifted)
		RAW_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, &limit, 0);
	return fd;
}
