/* SPDX-License-Identifier: Apache-2.0 */
/* Output that is whole or not there; see output_file.h. */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool output_failed(const struct pp_output *output, int failure, struct pp_error *error)
{
	return error_set(error, "cannot write %s%s%s: %s", output->name[0] ? "\"" : "",
			 output->name[0] ? output->name : "to standard output", output->name[0] ? "\"" : "",
			 strerror(failure));
}

/*
 * In a folder like /tmp, where everyone may put things: is this a link, a pipe or the like that another user has put
 * there? Then it was not meant by whoever gave the name. (The kernel's fs.protected_symlinks has the same rule, but not for
 * realpath.)
 */
static bool is_planted(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat entry, folder;
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	return lstat(path, &entry) == 0 && !S_ISREG(entry.st_mode) && !S_ISDIR(entry.st_mode) &&
	       stat(parent, &folder) == 0 && (folder.st_mode & S_ISVTX) && (folder.st_mode & S_IWOTH) &&
	       entry.st_uid != geteuid() && entry.st_uid != folder.st_uid;
}

/* A link is followed: who names one wants what it leads to. The new file keeps the mode of the old. */
static bool temporary_open(struct pp_output *output, const char *path, const struct stat *old, struct pp_error *error)
{
	mode_t mask = umask(077);
	int fd;

	umask(mask);
	if (!old || !realpath(path, output->target))
		snprintf(output->target, sizeof(output->target), "%s", path);
	if ((size_t)snprintf(output->temporary, sizeof(output->temporary), "%s.XXXXXX", output->target) >=
	    sizeof(output->temporary))
		return output_failed(output, ENAMETOOLONG, error);
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd < 0)
		return output_failed(output, errno, error);
	if (fchmod(fd, old ? old->st_mode & 0777 : 0666 & ~mask) != 0)
		errno = 0; /* a file system without modes */
	output->file = fdopen(fd, "w");
	if (output->file)
		return true;
	close(fd);
	unlink(output->temporary);
	return output_failed(output, ENOMEM, error);
}

bool output_open(struct pp_output *output, const char *path, struct pp_error *error)
{
	struct stat status;
	bool exists;

	memset(output, 0, sizeof(*output));
	if (!path) {
		output->file = stdout;
		return true;
	}
	snprintf(output->name, sizeof(output->name), "%s", path);
	if (is_planted(path))
		return error_set(error, "cannot write \"%s\": another user has put a link or a pipe there", path);
	exists = stat(path, &status) == 0;
	if (exists && S_ISDIR(status.st_mode))
		return output_failed(output, EISDIR, error);
	if (!exists || S_ISREG(status.st_mode))
		return temporary_open(output, path, exists ? &status : NULL, error);
	/* A device or a pipe cannot be replaced. */
	output->file = fopen(path, "we");
	return output->file || output_failed(output, errno, error);
}

bool output_close(struct pp_output *output, struct pp_error *error)
{
	int failure = ferror(output->file) ? (errno ? errno : EIO) : 0;

	if (fflush(output->file) != 0)
		failure = errno;
	if (output->file != stdout && fclose(output->file) != 0 && !failure)
		failure = errno;
	output->file = NULL;
	if (!failure && output->target[0] && rename(output->temporary, output->target) != 0)
		failure = errno;
	if (!failure)
		return true;
	if (output->target[0])
		unlink(output->temporary);
	if (failure == EPIPE) {
		error->text[0] = '\0';
		return false;
	}
	return output_failed(output, failure, error);
}

void output_discard(struct pp_output *output)
{
	if (output->file && output->file != stdout)
		fclose(output->file);
	if (output->target[0])
		unlink(output->temporary);
	output->file = NULL;
}
