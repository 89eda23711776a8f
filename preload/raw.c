/* SPDX-License-Identifier: Apache-2.0 */
/* The few system calls that need more than one line; see raw.h. Any context. */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int raw_fstat(int fd, struct stat *status)
{
#if defined(__x86_64__)
	return (int)RAW_CALL(SYS_fstat, fd, status);
#else
	return (int)RAW_CALL(SYS_newfstatat, fd, "", status, AT_EMPTY_PATH);
#endif
}

static uint64_t mapped_bytes;
static uint64_t *mapped_shown;

/* In a child what its parent had mapped may be given back, which is not in its account. */
static void mapped_add(int64_t bytes)
{
	int64_t total = (int64_t)__atomic_add_fetch(&mapped_bytes, (uint64_t)bytes, __ATOMIC_RELAXED);
	uint64_t *shown = __atomic_load_n(&mapped_shown, __ATOMIC_RELAXED);

	if (shown)
		__atomic_store_n(shown, total > 0 ? (uint64_t)total : 0, __ATOMIC_RELAXED);
}

void raw_mapped_show(uint64_t *bytes)
{
	if (!bytes)
		__atomic_store_n(&mapped_bytes, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&mapped_shown, bytes, __ATOMIC_RELAXED);
	mapped_add(0);
}

void *raw_map(size_t size)
{
	long result = RAW_CALL(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (result < 0 && result > -4096)
		return NULL;
	mapped_add((int64_t)((size + 4095) & ~(size_t)4095));
	return (void *)result;
}

void raw_unmap(void *address, size_t size)
{
	RAW_CALL(SYS_munmap, address, size);
	mapped_add(-(int64_t)((size + 4095) & ~(size_t)4095));
}

long raw_read_file(const char *path, void *buffer, size_t space)
{
	long fd = RAW_CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	size_t have = 0;
	long got = 0;

	if (fd < 0)
		return fd;
	while (have < space) {
		got = RAW_CALL(SYS_read, fd, (char *)buffer + have, space - have);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	raw_close((int)fd);
	return got < 0 ? got : (long)have;
}
