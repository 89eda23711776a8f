/* SPDX-License-Identifier: Apache-2.0 */
/* meta FOLDER: calls about names and properties in the folder, each a known number of times. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(int result, int wanted)
{
	if (result != wanted)
		abort();
}

static __attribute__((noinline)) void search(void)
{
	struct stat status;
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "lib%d/module.so", i % 10);
		expect(stat(name, &status), -1); /* not there */
	}
}

static __attribute__((noinline)) void ask_again(void)
{
	struct stat status;

	for (int i = 0; i < 500; i++)
		expect(access("one", R_OK) + stat("./one", &status), 0);
}

int main(int argc, char **argv)
{
	struct statvfs system;
	struct stat status;
	char path[4096], text[64];
	DIR *folder;
	int fd, at, entries = 0, ready[2];

	expect(argc, 2);
	expect(chdir(argv[1]), 0);
	fd = open("one", O_RDWR | O_CREAT, 0600);
	expect((int)write(fd, "12345678", 8), 8);
	search();
	ask_again();
	expect(fstat(fd, &status) + fstatvfs(fd, &system) + fchmod(fd, 0644) + fchown(fd, -1, -1) + futimes(fd, NULL), 0);
	snprintf(path, sizeof(path), "%s/one", argv[1]);
	expect(lstat(path, &status) + statvfs(path, &system) + chmod(path, 0600) + chown(path, -1, -1) + utimes(path, NULL) +
		       truncate(path, 4),
	       0);
	expect(mkdir("below", 0700) + rename("one", "below/two") + link("below/two", "three") + symlink("three", "four"), 0);
	expect((int)readlink("four", text, sizeof(text)), 5);
	at = open("below", O_RDONLY | O_DIRECTORY);
	expect(fstatat(at, "two", &status, 0) + faccessat(at, "two", R_OK, 0) + fstatat(at, "", &status, AT_EMPTY_PATH), 0);
	expect(fstatat(at, "nothing", &status, 0), -1);
	folder = opendir("below");
	while (readdir(folder))
		entries++;
	expect(entries + closedir(folder), 3);
	if (!realpath("four", path))
		abort();
	expect(flock(fd, LOCK_EX) + pipe(ready), 0);
	if (fork() == 0) {
		struct flock lock = {.l_type = F_WRLCK};
		int own = open("three", O_RDWR);

		expect((int)write(ready[1], "x", 1), 1);
		flock(own, LOCK_EX); /* waits */
		fcntl(own, F_SETLKW, &lock);
		_exit(0);
	}
	expect((int)read(ready[0], text, 1), 1);
	usleep(200000);
	flock(fd, LOCK_UN);
	expect(wait(NULL) > 0, 1);
	expect(unlinkat(at, "two", 0) + remove("three") + unlink("four") + rmdir("below") + mkfifo("five", 0600) + unlink("five"), 0);
	expect(rmdir("below"), -1);
	close(at);
	close(fd);
	return 0;
}
