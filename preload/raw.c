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

void *raw_map(size_t size)
{
	long result = RAW_CALL(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result < 0 && result > -4096 ? NULL : (void *)result;
}

void raw_unmap(void *address, size_t size)
{
	RAW_CALL(SYS_munmap, address, size);
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
