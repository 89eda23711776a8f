/* SPDX-License-Identifier: Apache-2.0 */
/* io_async FILE: five requests that write, two that it waits for as a list, three that read (the last at the end of the file), one that syncs; maps the file; asks
 * for a ring. Prints how often it waited, and whether there was a ring. */
#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char room[1000];
static int waits;

static long finish(struct aiocb *request)
{
	const struct aiocb *list[] = {request};

	do {
		waits++;
		aio_suspend(list, 1, NULL);
	} while (aio_error(request) == EINPROGRESS);
	return (long)aio_return(request);
}

int main(int argc, char **argv)
{
	struct aiocb request = {.aio_buf = room, .aio_nbytes = sizeof(room)};
	struct aiocb pair[2];
	struct aiocb *list[] = {&pair[0], &pair[1]};
	char ring[120];

	if (argc != 2)
		return 1;
	request.aio_fildes = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < 5; i++) {
		request.aio_offset = i * 1000;
		if (aio_write(&request) != 0 || finish(&request) != 1000)
			return 2;
	}
	for (int i = 0; i < 2; i++)
		pair[i] = (struct aiocb){.aio_fildes = request.aio_fildes, .aio_buf = room, .aio_nbytes = 500, .aio_offset = i * 500,
					 .aio_lio_opcode = LIO_WRITE};
	waits++;
	if (lio_listio(LIO_WAIT, list, 2, NULL) != 0 || aio_return(&pair[0]) != 500 || aio_return(&pair[1]) != 500)
		return 6;
	for (int i = 0; i < 3; i++) {
		request.aio_offset = i < 2 ? i * 1000 : 4500;
		if (aio_read(&request) != 0 || finish(&request) != (i < 2 ? 1000 : 500))
			return 3;
	}
	if (aio_fsync(O_SYNC, &request) != 0 || finish(&request) != 0)
		return 4;
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, request.aio_fildes, 0) == MAP_FAILED)
		return 5;
	memset(ring, 0, sizeof(ring));
	printf("%d%s\n", waits, syscall(SYS_io_uring_setup, 4, ring) >= 0 ? " ring" : "");
	return 0;
}
