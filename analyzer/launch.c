/* SPDX-License-Identifier: Apache-2.0 */
/* Where preprof's parts are, and how its analyzer is started; see launch.h. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ld.so takes both for separators of LD_PRELOAD, and knows no way to quote them. */
#define PRELOAD_SEPARATORS " :"

/* ---- where the parts are ---- */

/* The first of `places` (below `folder`) that can be read. */
static bool place_find(const char *folder, const char *const *places, char *result)
{
	char path[PATH_MAX];

	for (; *places; places++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, *places) < sizeof(path) &&
		    access(path, R_OK) == 0 && realpath(path, result))
			return true;
	}
	return false;
}

/* ld.so expands $ORIGIN and its like in LD_PRELOAD, too. */
static bool preload_can_name(const char *path)
{
	return strpbrk(path, PRELOAD_SEPARATORS "$") == NULL;
}

/* A folder of our own with a link to the library, where LD_PRELOAD can name it. Others must be able to follow it: the
 * command may change its user. */
static bool link_make(struct pp_parts *parts, struct pp_error *error)
{
	char folder[] = "/tmp/preprof-XXXXXX";

	if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
		return error_set(error,
				 "'%s' cannot be named in LD_PRELOAD, and a link to it cannot be made in /tmp: %s",
				 parts->library, strerror(errno));
	snprintf(parts->link, sizeof(parts->link), "%s/libpreprof.so", folder);
	if (symlink(parts->library, parts->link) != 0) {
		rmdir(folder);
		return error_set(error, "%s: %s", parts->link, strerror(errno));
	}
	memcpy(parts->library, parts->link, sizeof(parts->library));
	return true;
}

void parts_link_remove(struct pp_parts *parts)
{
	char *slash;

	if (!parts->link[0])
		return;
	unlink(parts->link);
	slash = strrchr(parts->link, '/');
	*slash = '\0';
	rmdir(parts->link);
	parts->link[0] = '\0';
}

bool parts_find(struct pp_parts *parts, struct pp_error *error)
{
	static const char *const libraries[] = {
		"libpreprof.so",
		"preload/libpreprof.so",
		"../preload/libpreprof.so",
		"../lib/libpreprof.so",
		"../lib64/libpreprof.so",
		"../lib/x86_64-linux-gnu/libpreprof.so",
		"../lib/aarch64-linux-gnu/libpreprof.so",
		"../lib/preprof/libpreprof.so",
		NULL,
	};
	static const char *const analyzers[] = {
		"preprof-analyzer",
		"analyzer/preprof-analyzer",
		"../libexec/preprof-analyzer",
		"../libexec/preprof/preprof-analyzer",
		NULL,
	};
	char folder[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

	memset(parts, 0, sizeof(*parts));
	if (size <= 0)
		return error_set(error, "/proc/self/exe: %s", strerror(errno));
	folder[size] = '\0';
	*strrchr(folder, '/') = '\0';
	if (!place_find(folder, libraries, parts->library))
		return error_set(
			error, "libpreprof.so is neither beside %s/preprof nor in ../lib: is preprof installed whole?",
			folder);
	if (!place_find(folder, analyzers, parts->analyzer))
		return error_set(
			error,
			"preprof-analyzer is neither beside %s/preprof nor in ../libexec: is preprof installed whole?",
			folder);
	return preload_can_name(parts->library) || link_make(parts, error);
}

/* ---- what the command inherits ---- */

/* True if `list` has `item` as one of its parts. */
static bool list_has(const char *list, const char *item)
{
	size_t length = strlen(item);

	while (*list) {
		size_t part = strcspn(list, PRELOAD_SEPARATORS);

		if (part == length && strncmp(list, item, length) == 0)
			return true;
		list += part;
		list += strspn(list, PRELOAD_SEPARATORS);
	}
	return false;
}

/* How much of `list` has to stay before us: sanitizers' runtimes insist on being the first. */
static size_t list_head(const char *list)
{
	static const char *const runtimes[] = {"libasan.so", "libtsan.so", "liblsan.so", "libhwasan.so",
					       "libclang_rt."};
	size_t head = 0, at = 0;

	while (list[at]) {
		size_t part = strcspn(list + at, PRELOAD_SEPARATORS);

		for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
			if (memmem(list + at, part, runtimes[i], strlen(runtimes[i])))
				head = at + part;
		}
		at += part;
		at += strspn(list + at, PRELOAD_SEPARATORS);
	}
	return head;
}

bool preload_set(const char *library, const char *first, struct pp_error *error)
{
	const char *old = getenv("LD_PRELOAD");
	char *value = NULL;
	int written, result;
	size_t head;

	if (!old)
		old = "";
	if (list_has(old, library))
		return true;
	/* Before the others: an allocator that is preloaded has to come after us to be seen. */
	head = list_head(old);
	if (head == 0 && first && !list_has(old, first))
		written = asprintf(&value, "%s:%s%s%s", first, library, *old ? ":" : "", old);
	else if (head > 0)
		written = asprintf(&value, "%.*s:%s%s", (int)head, old, library, old + head);
	else
		written = asprintf(&value, "%s%s%s", library, *old ? ":" : "", old);
	if (written < 0)
		return error_set(error, "out of memory");
	result = setenv("LD_PRELOAD", value, 1);
	free(value);
	return result == 0 || error_set(error, "the environment cannot be extended: %s", strerror(errno));
}

/* ---- the analyzer ---- */

static bool token_make(char *token)
{
	unsigned char bytes[PP_WIRE_TOKEN_SIZE / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* A listening socket with the token for its name, and a connection to it that waits to be accepted. */
static bool sockets_make(struct pp_analyzer *analyzer, int *listening, struct pp_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size;

	*listening = analyzer->control = -1;
	if (!token_make(analyzer->token))
		return error_set(error, "no random numbers: %s", strerror(errno));
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s%s", PP_WIRE_SOCKET_PREFIX, analyzer->token);
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	*listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	analyzer->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*listening >= 0 && analyzer->control >= 0 && bind(*listening, (struct sockaddr *)&address, size) == 0 &&
	    listen(*listening, 4096) == 0 && connect(analyzer->control, (struct sockaddr *)&address, size) == 0)
		return true;
	error_set(error, "no socket for the analyzer: %s", strerror(errno));
	if (*listening >= 0)
		close(*listening);
	if (analyzer->control >= 0)
		close(analyzer->control);
	return false;
}

/* The variables that speak to ld.so and malloc speak to the command, not to its observer. */
static void loader_variables_remove(void)
{
	char **kept = environ;

	for (char **entry = environ; *entry; entry++) {
		if (strncmp(*entry, "LD_", 3) != 0 && strncmp(*entry, "MALLOC_", 7) != 0 &&
		    strncmp(*entry, "GLIBC_TUNABLES=", 15) != 0)
			*kept++ = *entry;
	}
	*kept = NULL;
}

/* In the forked child. */
static void analyzer_exec(const struct pp_parts *parts, const struct pp_analyzer_settings *settings, int listening,
			  int failure)
{
	const char *argv[14] = {
		"preprof-analyzer", "--listen",	      "3",
		"--controller",	    "--summary",      settings->summary ? "on" : "off",
		"--output",	    settings->output,
	};
	const char **next = argv + 8;
	int null_fd, error, moved = fcntl(listening, F_DUPFD_CLOEXEC, 10);
	sigset_t none;

	if (parts->link[0]) {
		*next++ = "--unlink";
		*next++ = parts->link;
	}
	if (settings->note) {
		*next++ = "--note";
		*next++ = settings->note;
	}
	setsid();
	failure = fcntl(failure, F_DUPFD_CLOEXEC, 10);
	null_fd = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null_fd, fd);
	dup2(moved, 3);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The analyzer closes what else it was given; failure must stay until exec. */
	loader_variables_remove();
	execv(parts->analyzer, (char **)argv);
	error = errno;
	if (write(failure, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static bool analyzer_fork(struct pp_analyzer *analyzer, const struct pp_parts *parts,
			  const struct pp_analyzer_settings *settings, int listening, struct pp_error *error)
{
	int failure[2], reason;
	ssize_t got;

	if (pipe2(failure, O_CLOEXEC) != 0)
		return error_set(error, "no pipe: %s", strerror(errno));
	analyzer->pid = fork();
	if (analyzer->pid == 0)
		analyzer_exec(parts, settings, listening, failure[1]);
	close(failure[1]);
	if (analyzer->pid < 0) {
		close(failure[0]);
		return error_set(error, "the analyzer cannot be started: %s", strerror(errno));
	}
	do {
		got = read(failure[0], &reason, sizeof(reason));
	} while (got < 0 && errno == EINTR);
	close(failure[0]);
	if (got == (ssize_t)sizeof(reason))
		return error_set(error, "%s cannot be executed: %s", parts->analyzer, strerror(reason));
	return true;
}

bool analyzer_start(struct pp_analyzer *analyzer, const struct pp_parts *parts,
		    const struct pp_analyzer_settings *settings, struct pp_error *error)
{
	int listening;
	bool ok;

	if (!sockets_make(analyzer, &listening, error))
		return false;
	ok = analyzer_fork(analyzer, parts, settings, listening, error);
	close(listening);
	if (!ok)
		close(analyzer->control);
	return ok;
}
