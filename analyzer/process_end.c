/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process ended and what it used; see process_end.h.
 *
 * The exit status is kept in two places that complement one another: /proc/PID/stat has it while the process is a
 * zombie, the pidfd (PIDFD_GET_INFO, Linux 6.15) from the moment its parent has waited for it.
 */
#include "process_end.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* <linux/pidfd.h> of Linux 6.15; older headers lack it. */
struct kernel_pidfd_info {
	uint64_t mask, cgroup_id;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
_Static_assert(sizeof(struct kernel_pidfd_info) == 64, "the first published size of the struct");
#define KERNEL_PIDFD_GET_INFO  _IOWR(0xFF, 11, struct kernel_pidfd_info)
#define KERNEL_PIDFD_INFO_EXIT (UINT64_C(1) << 3)

#define DESCRIPTORS_LIMIT 1024

void exit_from_wait_status(int status, struct pp_exit *exit)
{
	exit->known = true;
	exit->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	exit->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool exit_from_pidfd(int pid_fd, struct pp_exit *exit)
{
	struct kernel_pidfd_info kernel = {.mask = KERNEL_PIDFD_INFO_EXIT};

	if (ioctl(pid_fd, KERNEL_PIDFD_GET_INFO, &kernel) != 0 || !(kernel.mask & KERNEL_PIDFD_INFO_EXIT))
		return false;
	exit_from_wait_status(kernel.exit_code, exit);
	return true;
}

static bool proc_read(pid_t pid, const char *name, char *text, size_t size)
{
	char path[96];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* The pid still is that of the process behind the pidfd: no one has waited for it, so it was not given away. */
static bool pid_is_ours(int pid_fd)
{
	return syscall(SYS_pidfd_send_signal, pid_fd, 0, NULL, 0) == 0;
}

/* Points to field `number` (proc(5) counts from 1) of a stat line, number > 2. NULL if it is not there. */
static const char *stat_field(const char *stat, int number)
{
	const char *at = strrchr(stat, ')');

	for (int field = 2; at && field < number; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at;
}

static bool exit_from_proc(int pid_fd, pid_t pid, struct pp_exit *exit)
{
	char stat[2048];
	const char *state, *code;

	if (!proc_read(pid, "stat", stat, sizeof(stat)) || !pid_is_ours(pid_fd))
		return false;
	state = stat_field(stat, 3);
	code = stat_field(stat, 52);
	if (!state || *state != 'Z' || !code)
		return false;
	exit_from_wait_status(atoi(code), exit);
	return true;
}

bool process_exit_read(int pid_fd, pid_t pid, struct pp_exit *exit)
{
	memset(exit, 0, sizeof(*exit));
	/* Asked twice: it may be waited for between the first question and the second. */
	return exit_from_pidfd(pid_fd, exit) || exit_from_proc(pid_fd, pid, exit) || exit_from_pidfd(pid_fd, exit);
}

pid_t process_pid_read(int pid_fd)
{
	char path[64], text[512];
	const char *field;
	ssize_t got;
	long pid;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pid_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	field = strstr(text, "\nPid:");
	pid = field ? strtol(field + 5, NULL, 10) : 0;
	return pid > 0 ? (pid_t)pid : 0;
}

/* The whole by the process's clock, to the nanosecond, which zombies have as well; how it divides by the ticks of stat. */
static void times_divide(struct pp_process_usage *usage, pid_t pid, uint64_t user_ticks, uint64_t system_ticks)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK), whole_ns;
	uint64_t ticks = user_ticks + system_ticks;
	struct timespec time;
	clockid_t clock;

	usage->user_ns = user_ticks * tick_ns;
	usage->system_ns = system_ticks * tick_ns;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return;
	whole_ns = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	usage->user_ns = ticks ? (uint64_t)((double)whole_ns * ((double)user_ticks / (double)ticks)) : whole_ns;
	usage->system_ns = whole_ns > usage->user_ns ? whole_ns - usage->user_ns : 0;
}

void process_usage_read(int pid_fd, pid_t pid, struct pp_process_usage *usage)
{
	const char *user, *system, *field;
	struct pp_process_usage times;
	char text[4096];

	usage->user_ns = usage->system_ns = usage->max_rss_bytes = PP_UNKNOWN;
	if (proc_read(pid, "stat", text, sizeof(text))) {
		user = stat_field(text, 14);
		system = stat_field(text, 15);
		if (user && system) {
			times_divide(&times, pid, strtoull(user, NULL, 10), strtoull(system, NULL, 10));
			if (pid_is_ours(pid_fd)) {
				usage->user_ns = times.user_ns;
				usage->system_ns = times.system_ns;
			}
		}
	}
	if (proc_read(pid, "status", text, sizeof(text)) && pid_is_ours(pid_fd)) {
		field = strstr(text, "\nVmHWM:");
		if (field)
			usage->max_rss_bytes = strtoull(field + 7, NULL, 10) * 1024;
	}
}

static bool thread_file_read(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "task/%d/%s", (int)tid, name);
	return proc_read(pid, tid ? path : name, text, size);
}

bool process_io_read(pid_t pid, pid_t tid, uint64_t *read_bytes, uint64_t *written_bytes)
{
	char text[512];
	const char *field;

	if (!thread_file_read(pid, tid, "io", text, sizeof(text)))
		return false;
	field = strstr(text, "rchar: ");
	*read_bytes = field ? strtoull(field + 7, NULL, 10) : 0;
	field = strstr(text, "wchar: ");
	*written_bytes = field ? strtoull(field + 7, NULL, 10) : 0;
	return field != NULL;
}

bool process_has_io_uring(pid_t pid)
{
	char path[64], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	for (int looked = 0; folder && !found && looked < DESCRIPTORS_LIMIT && (entry = readdir(folder)) != NULL; looked++) {
		ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		target[size > 0 ? size : 0] = '\0';
		found = strcmp(target, "anon_inode:[io_uring]") == 0;
	}
	if (folder)
		closedir(folder);
	return found;
}

bool process_schedule_read(pid_t pid, pid_t tid, uint64_t *cpu_ns, uint64_t *run_delay_ns)
{
	char text[128], *rest;

	if (!thread_file_read(pid, tid, "schedstat", text, sizeof(text)))
		return false;
	*cpu_ns = strtoull(text, &rest, 10);
	*run_delay_ns = strtoull(rest, NULL, 10);
	return *cpu_ns != 0;
}
