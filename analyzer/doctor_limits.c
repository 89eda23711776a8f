/* SPDX-License-Identifier: Apache-2.0 */
/* The container and its limits, those of this process included; see doctor.h. */
#include "doctor.h"
#include "memory_limit.h"

#include "preprof/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB			((uint64_t)1 << 20)
#define INITIAL_PID_NAMESPACE	4026531836U
#define INITIAL_USER_NAMESPACE	4026531837U
#define ANALYZER_BYTES		(64 * MIB) /* what it should have at least */
#define SMALLEST_FILE		(PP_WIRE_NODES + 16 * MIB)
#define SMALLEST_ADDRESS_SPACE	(512 * MIB)
#define ANALYZER_ADDRESS_SPACE	(SMALLEST_FILE + 192 * MIB) /* with one process; it maps the memory of each whole */
#define COMFORTABLE_ADDRESS_SPACE (PP_WIRE_SPACE + 1024 * MIB)
#define DESCRIPTORS_FROM	1000
#define SMALLEST_DESCRIPTORS	128 /* with less a process runs unprofiled */

static uint64_t status_number(const char *status, const char *key, uint64_t otherwise)
{
	const char *at = strstr(status, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : otherwise;
}

static bool namespace_is_own(const char *kind, unsigned long initial)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	return stat(path, &status) == 0 && status.st_ino != initial;
}

static void namespaces_check(struct pp_doctor *doctor)
{
	bool pids = namespace_is_own("pid", INITIAL_PID_NAMESPACE);
	bool users = namespace_is_own("user", INITIAL_USER_NAMESPACE);
	char first[32] = "";

	doctor_read("/proc/1/comm", first, sizeof(first));
	first[strcspn(first, "\n")] = '\0';
	if (getpid() == 1) {
		doctor_add(doctor, "container", PP_DOCTOR_LIMITED,
			   "this is pid 1: what outlives the program is killed with it, and nobody waits for orphans");
		doctor_mend(doctor, "give the container an init (docker run --init)");
		return;
	}
	doctor_add(doctor, "container", PP_DOCTOR_OK, "%s (pid 1 is %s)%s",
		   pids ? "a pid namespace of its own" : "none: the machine's own pid namespace",
		   first[0] ? first : "hidden", users ? ", and a user namespace of its own" : "");
}

static void seccomp_check(struct pp_doctor *doctor)
{
	char status[8192];
	uint64_t mode, filters;

	doctor_read("/proc/self/status", status, sizeof(status));
	mode = status_number(status, "\nSeccomp:", 0);
	filters = status_number(status, "\nSeccomp_filters:", 1);
	if (mode == 0)
		doctor_add(doctor, "seccomp", PP_DOCTOR_OK, "no filter%s",
			   status_number(status, "\nNoNewPrivs:", 0) ? " (no_new_privs is set)" : "");
	else
		doctor_add(doctor, "seccomp", PP_DOCTOR_OK, "%llu filter%s: what is forbidden shows in the other lines",
			   (unsigned long long)filters, filters == 1 ? "" : "s");
}

static void memory_check(struct pp_doctor *doctor)
{
	uint64_t used = 0, limit = memory_limit_of_group(&used), left;

	if (limit == UINT64_MAX) {
		doctor_add(doctor, "memory", PP_DOCTOR_OK, "no limit by a cgroup");
		return;
	}
	left = limit > used ? limit - used : 0;
	doctor_add(doctor, "memory", left < ANALYZER_BYTES ? PP_DOCTOR_LIMITED : PP_DOCTOR_OK,
		   "the cgroup's limit is %llu MiB, %llu free; the analyzer takes 25, and 40 bytes a live block",
		   (unsigned long long)(limit / MIB), (unsigned long long)(left / MIB));
	if (left < ANALYZER_BYTES)
		doctor_mend(doctor, "raise the container's memory limit");
}

static const char *limit_text(rlim_t value, uint64_t unit, char *buffer, size_t size)
{
	if (value == RLIM_INFINITY)
		snprintf(buffer, size, "unlimited");
	else if (value < unit)
		snprintf(buffer, size, "%llu bytes", (unsigned long long)value);
	else if (unit > 1)
		snprintf(buffer, size, "%llu MiB", (unsigned long long)(value / unit));
	else
		snprintf(buffer, size, "%llu", (unsigned long long)value);
	return buffer;
}

static void limits_list(struct pp_doctor *doctor)
{
	static const struct {
		const char *name;
		int kind;
		uint64_t unit;
	} rows[] = {{"NOFILE", RLIMIT_NOFILE, 1},
		    {"FSIZE", RLIMIT_FSIZE, MIB},
		    {"SIGPENDING", RLIMIT_SIGPENDING, 1},
		    {"AS", RLIMIT_AS, MIB},
		    {"MEMLOCK", RLIMIT_MEMLOCK, MIB}};
	char text[400] = "", value[32];
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (getrlimit(rows[i].kind, &limit) != 0)
			continue;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s", i ? ", " : "", rows[i].name,
			 limit_text(limit.rlim_cur, rows[i].unit, value, sizeof(value)));
	}
	doctor_add(doctor, "limits", PP_DOCTOR_OK, "%s", text);
}

static void pending_check(struct pp_doctor *doctor)
{
	struct rlimit limit;
	char status[8192];
	uint64_t used;

	doctor_read("/proc/self/status", status, sizeof(status));
	used = status_number(status, "\nSigQ:", 0);
	if (getrlimit(RLIMIT_SIGPENDING, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= used + 1024)
		return;
	doctor_add(doctor, "SIGPENDING", PP_DOCTOR_LIMITED,
		   "%llu of %llu are taken; each thread that is sampled needs one, others go unsampled",
		   (unsigned long long)used, (unsigned long long)limit.rlim_cur);
	doctor_mend(doctor, "ulimit -i, or LimitSIGPENDING= of systemd");
}

static void limits_check(struct pp_doctor *doctor)
{
	struct rlimit limit;

	limits_list(doctor);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_max < SMALLEST_FILE) {
		doctor_add(doctor, "FSIZE", PP_DOCTOR_NO,
			   "files of at most %llu MiB are allowed, and the shared memory counts as one",
			   (unsigned long long)(limit.rlim_max / MIB));
		doctor_mend(doctor, "ulimit -H -f 120000 or more, LimitFSIZE= of systemd");
	}
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_max < ANALYZER_ADDRESS_SPACE) {
		doctor_add(doctor, "AS", PP_DOCTOR_NO,
			   "%llu MiB of address space at most: the analyzer needs 112 of it for each process",
			   (unsigned long long)(limit.rlim_max / MIB));
		doctor_mend(doctor, "ulimit -H -v unlimited");
	} else if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_max < COMFORTABLE_ADDRESS_SPACE) {
		doctor_add(doctor, "AS", PP_DOCTOR_LIMITED,
			   "%llu MiB of address space at most: the analyzer takes 112 of it for each process and 40 bytes a "
			   "live block, and ends with what it has when they are used up",
			   (unsigned long long)(limit.rlim_max / MIB));
		doctor_mend(doctor, "ulimit -H -v unlimited");
	} else if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < SMALLEST_ADDRESS_SPACE) {
		doctor_add(doctor, "AS", PP_DOCTOR_LIMITED,
			   "%llu MiB of address space: preprof's few MiB in the program count, and with less than 64 MiB "
			   "left it runs unprofiled",
			   (unsigned long long)(limit.rlim_cur / MIB));
		doctor_mend(doctor, "ulimit -v unlimited");
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < DESCRIPTORS_FROM + 32) {
		bool none = limit.rlim_max < SMALLEST_DESCRIPTORS;

		doctor_add(doctor, "NOFILE", none ? PP_DOCTOR_NO : PP_DOCTOR_LIMITED,
			   none ? "%llu descriptors at most: there is no room for preprof's four"
				: "%llu descriptors at most: preprof's four are among the program's own numbers",
			   (unsigned long long)limit.rlim_max);
		doctor_mend(doctor, "ulimit -H -n 1100 or more");
	}
	pending_check(doctor);
}

void doctor_container(struct pp_doctor *doctor)
{
	doctor->group = "container";
	namespaces_check(doctor);
	seccomp_check(doctor);
	memory_check(doctor);
	limits_check(doctor);
}
