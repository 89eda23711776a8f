/* SPDX-License-Identifier: Apache-2.0 */
/* tree_walks FOLDER: looks through a folder of three files by glob, ftw, nftw and fts. Prints what it met. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int met;

static int visit(const char *path, const struct stat *status, int kind)
{
	(void)status, (void)kind;
	usleep(20000);
	met++;
	return access(path, R_OK);
}

static int visit_more(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)at;
	return visit(path, status, kind);
}

int main(int argc, char **argv)
{
	char pattern[4096];
	char *const paths[] = {argv[1], NULL};
	glob_t found;
	FTS *walk;

	if (argc != 2)
		return 1;
	snprintf(pattern, sizeof(pattern), "%s/*", argv[1]);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 2;
	met += (int)found.gl_pathc;
	globfree(&found);
	if (glob("/no/such/*", 0, NULL, &found) != GLOB_NOMATCH)
		return 3;
	if (ftw(argv[1], visit, 4) != 0 || nftw(argv[1], visit_more, 4, FTW_PHYS) != 0 || nftw("/no/such", visit_more, 4, 0) != -1)
		return 4;
	walk = fts_open(paths, FTS_PHYSICAL, NULL);
	while (walk && fts_read(walk))
		met++;
	if (!walk || fts_close(walk) != 0)
		return 5;
	printf("%d\n", met);
	return 0;
}
