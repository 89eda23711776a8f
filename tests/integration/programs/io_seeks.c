/* SPDX-License-Identifier: Apache-2.0 */
/* io_seeks FOLDER [duplicated]: seeks in files of 64 KiB that are there already, one way each; or none, through duplicates. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURNS 100000
#define SIZE  65536
static const char *folder;
static char room[512];

static void must(int good)
{
	if (!good) {
		perror("io_seeks");
		exit(1);
	}
}

static int opened(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR);
	must(fd >= 0);
	return fd;
}

static off_t place(int turn)
{
	return (off_t)(turn * 7919LL % (SIZE / 16)) * 16;
}

static void each(void)
{
	int fd = opened("each");

	for (int i = 0; i < TURNS; i++) {
		must(lseek(fd, place(i), SEEK_SET) == place(i)); /* seek before each read */
		must(read(fd, room, 16) == 16);
	}
	close(fd);
}

static void asking(void)
{
	int fd = opened("asking");

	for (int i = 0; i < TURNS; i++) {
		off_t at = i % (SIZE / 16) * 16;

		if (!at)
			must(lseek(fd, 0, SEEK_SET) == 0); /* in place the first time only */
		must(read(fd, room, 16) == 16);
		must(lseek(fd, 0, SEEK_CUR) == at + 16); /* asks where it is */
	}
	close(fd);
}

/* To where it is by SEEK_SET, of a duplicate too, and to the end of what was written. */
static void exact(void)
{
	int fd = opened("exact"), copy;

	must(lseek(fd, 0, SEEK_SET) == 0); /* in place */
	must(lseek(fd, 100, SEEK_SET) == 100);
	must(lseek(fd, 100, SEEK_SET) == 100); /* in place */
	must(write(fd, room, 50) == 50);
	must(lseek(fd, 150, SEEK_SET) == 150); /* in place */
	must(lseek(fd, -50, SEEK_CUR) == 100);
	copy = dup(fd);
	must(lseek(copy, 0, SEEK_CUR) == 100); /* in place */
	must(lseek(copy, 300, SEEK_SET) == 300);
	must(lseek(fd, 0, SEEK_CUR) == 300); /* in place: it asks */
	must(lseek(fd, 0, SEEK_END) == SIZE);
	must(lseek(fd, -1, SEEK_SET) == -1); /* fails */
	close(copy);
	close(fd);
}

static void clean(void)
{
	int fd = opened("clean");

	for (int i = 0; i < TURNS; i++)
		must(pread(fd, room, 16, place(i)) == 16);
	close(fd);
}

static void buffered(void)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/buffered", folder);
	file = fopen(path, "r");
	must(file != NULL);
	for (int i = 0; i < TURNS; i++) {
		must(fseek(file, place(i), SEEK_SET) == 0); /* throws the buffer away */
		must(fread(room, 1, 16, file) == 16);
	}
	fclose(file);
}

/* Two numbers of one file that move one position, in turns: the whole in order. Then one of them is another file's. */
static void duplicated(void)
{
	int fd = opened("duplicated"), copy = dup(fd);

	for (int i = 0; i < 1000; i++)
		must(read(i % 3 ? fd : copy, room, 16) == 16);
	must(lseek(fd, 0, SEEK_CUR) == 16000);
	close(fd);
	must(opened("exact") == fd);
	must(read(fd, room, 16) == 16);
	for (int i = 0; i < 1000; i++)
		must(read(copy, room, 16) == 16);
	must(lseek(copy, 0, SEEK_SET) == 0);
	must(read(copy, room, 16) == 16); /* read before */
	close(copy);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	folder = argv[1];
	if (argc > 2) {
		duplicated();
		return 0;
	}
	each();
	asking();
	exact();
	clean();
	buffered();
	return 0;
}
