/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared object to stand behind the library under test: what reached the allocator, by process, in the file that
 * TALLY_FILE names. The file is mapped, so it holds what was counted up to the process's last instruction. Entries:
 * process, allocations, frees (8 bytes each); a successful realloc of a block is one of either.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 65536

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

struct entry {
	long pid, allocations, frees;
};

static struct entry *table, *last;
static volatile char *copied; /* 0 in a forked child; a vfork child's blocks are its parent's */

static void table_open(void)
{
	const char *name = getenv("TALLY_FILE");
	long fd = name ? syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : (void *)syscall(SYS_mmap, NULL, ENTRIES * sizeof(*table), PROT_READ | PROT_WRITE,
							  MAP_SHARED, fd, 0);

	if (fd >= 0)
		syscall(SYS_close, fd);
	if (map == MAP_FAILED)
		map = (void *)syscall(SYS_mmap, NULL, ENTRIES * sizeof(*table), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__atomic_store_n(&table, map, __ATOMIC_RELEASE);
}

static struct entry *entry_find(void)
{
	long pid = syscall(SYS_getpid), none;
	struct entry *entry = __atomic_load_n(&last, __ATOMIC_ACQUIRE);

	if (entry && (entry->pid == pid || (copied && *copied)))
		return entry;
	if (!table)
		table_open();
	for (size_t i = (size_t)pid;; i++) {
		entry = &table[i % ENTRIES];
		none = 0;
		if (entry->pid == pid ||
		    __atomic_compare_exchange_n(&entry->pid, &none, pid, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || none == pid)
			break;
	}
	if (!copied) {
		char *page = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		syscall(SYS_madvise, page, 4096, MADV_WIPEONFORK);
		copied = page;
	}
	__atomic_store_n(&last, entry, __ATOMIC_RELEASE);
	*copied = 1;
	return entry;
}

static void *allocated(void *block)
{
	int error = errno;

	if (block)
		__atomic_add_fetch(&entry_find()->allocations, 1, __ATOMIC_RELAXED);
	errno = error;
	return block;
}

static void freed(const void *block)
{
	int error = errno;

	if (block)
		__atomic_add_fetch(&entry_find()->frees, 1, __ATOMIC_RELAXED);
	errno = error;
}

void *malloc(size_t size)
{
	return allocated(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return allocated(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
	void *block = __libc_realloc(old, size);

	if (block || !size)
		freed(old);
	return allocated(block);
}

void *memalign(size_t alignment, size_t size)
{
	return allocated(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return allocated(__libc_memalign(alignment, size));
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
	void *block = __libc_memalign(alignment, size);

	if (!allocated(block))
		return ENOMEM;
	*result = block;
	return 0;
}

void free(void *block)
{
	freed(block);
	__libc_free(block);
}
