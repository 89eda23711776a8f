/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprof-analyzer: serves one process tree, or replays a stream that was kept.
 *
 *   preprof-analyzer --listen FD --output PATTERN [--summary on|off] [--controller] [--save FILE] [--unlink FILE]
 *                    [--note TEXT]
 *   preprof-analyzer --replay FILE --output PATTERN
 *
 * --save, or the variable PREPROF_SAVE, keeps the stream as it comes in, for --replay. Started by the library or by `preprof run`, never by hand but for --replay. It outlives the target, whatever ends
 * that: its own session, every signal that can be ignored is, and nothing of the target's is held.
 */
#include "error.h"
#include "memory.h"
#include "recording.h"
#include "replay_publish.h"
#include "server.h"

#include "preprof/version.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* For the doctor, who compares it with its own. */
static const char version_mark[] __attribute__((used, retain, section(".preprof_version"))) = PP_VERSION;

struct options {
	struct pp_server_options server;
	const char *replay;
	const char *unlink; /* a link in a folder of its own, made for this tree; both go at its end */
};

static bool options_parse(struct options *options, int argc, char **argv, struct pp_error *error)
{
	static const struct option table[] = {
		{"listen", required_argument, NULL, 'l'},  {"output", required_argument, NULL, 'o'},
		{"summary", required_argument, NULL, 's'}, {"controller", no_argument, NULL, 'c'},
		{"save", required_argument, NULL, 'S'},	   {"replay", required_argument, NULL, 'r'},
		{"unlink", required_argument, NULL, 'u'},  {"note", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int letter;

	*options = (struct options){.server = {.listen_fd = -1, .output = "preprof.%n.%p.pprf", .summary = true}};
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "o:", table, NULL)) != -1) {
		switch (letter) {
		case 'l':
			options->server.listen_fd = atoi(optarg);
			break;
		case 'o':
			options->server.output = optarg;
			break;
		case 's':
			options->server.summary = strcmp(optarg, "off") != 0;
			break;
		case 'c':
			options->server.controller = true;
			break;
		case 'S':
			options->server.save = optarg;
			break;
		case 'r':
			options->replay = optarg;
			break;
		case 'u':
			options->unlink = optarg;
			break;
		case 'n':
			options->server.note = optarg;
			break;
		default:
			return error_set(error, "%s is no option of preprof-analyzer", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return error_set(error, "'%s': preprof-analyzer takes no arguments", argv[optind]);
	if (!options->server.save)
		options->server.save = getenv("PREPROF_SAVE");
	if (!options->replay && options->server.listen_fd < 0)
		return error_set(error, "preprof-analyzer is started by libpreprof.so or `preprof run`; by hand only "
					"with --replay FILE");
	return true;
}

static void signals_ignore(void)
{
	/* Whole process groups, sessions and control groups are signalled at a target's end, just when its last
	 * events are read. Faults and SIGCHLD keep their meaning. */
	static const int kept[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,  SIGABRT, SIGTRAP,
				   SIGSYS,  SIGCHLD, SIGKILL, SIGSTOP, SIGCONT};
	sigset_t none;

	for (int signal_number = 1; signal_number <= SIGRTMAX; signal_number++) {
		bool keep = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			keep |= kept[i] == signal_number;
		signal(signal_number, keep ? SIG_DFL : SIG_IGN);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void limits_raise(void)
{
	static const int resources[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
		if (getrlimit(resources[i], &limit) != 0 || limit.rlim_cur == limit.rlim_max)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(resources[i], &limit);
	}
}

/* Away from the target: its session, folder, descriptors, signals, limits. */
static void process_detach(int listen_fd)
{
	struct sched_param normal = {.sched_priority = 0};

	setsid();
	sched_setscheduler(0, SCHED_OTHER, &normal); /* never a real-time class with an endless loop's right of way */
	signals_ignore();
	limits_raise();
	umask(077);
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);
	}
	if (listen_fd > 3)
		close_range(3, (unsigned)listen_fd - 1, 0);
	close_range((unsigned)listen_fd + 1, ~0U, 0);
	fcntl(listen_fd, F_SETFD, FD_CLOEXEC);
	fcntl(listen_fd, F_SETFL, O_NONBLOCK);
	if (chdir("/") != 0)
		errno = 0; /* then it stays: no harm but a busy mount */
}

static void link_remove(const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	unlink(path);
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		rmdir(folder);
	}
}

static bool serve(struct options *options, struct pp_error *error)
{
	static char folder[PATH_MAX];
	struct stat status;
	bool ok;

	if (fstat(options->server.listen_fd, &status) != 0 || !S_ISSOCK(status.st_mode))
		return error_set(error, "--listen %d: not a socket", options->server.listen_fd);
	options->server.folder = getcwd(folder, sizeof(folder));
	process_detach(options->server.listen_fd);
	memory_budget_begin();
	ok = server_run(&options->server, error);
	if (options->unlink)
		link_remove(options->unlink);
	return ok;
}

static bool replay(const struct options *options, struct pp_error *error)
{
	static char folder[PATH_MAX];

	return replay_publish(options->replay, options->server.output, getcwd(folder, sizeof(folder)), error);
}

int main(int argc, char **argv)
{
	struct pp_error error = {""};
	struct options options;

	recording_prepare();
	if (options_parse(&options, argc, argv, &error) &&
	    (options.replay ? replay(&options, &error) : serve(&options, &error)))
		return 0;
	fprintf(stderr, "preprof: %s\n", error.text);
	return 125;
}
