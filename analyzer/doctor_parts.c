/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprof itself: its parts and their versions, the settings, where recordings go, other preloads, and a trial in which
 * all of it works together; see doctor.h.
 */
#include "doctor.h"

#include "launch.h"
#include "output_name.h"
#include "recording.h"

#include "preprof/settings.h"
#include "preprof/version.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define VERSION_SECTION ".preprof_version"
#define ROOM_BYTES	((uint64_t)64 << 20)

/* false: there is nothing to work with. */
static bool files_check(struct pp_doctor *doctor)
{
	char library[64], analyzer[64];
	struct pp_error error;

	if (!parts_find(&doctor->parts, &error)) {
		doctor_add(doctor, "parts", PP_DOCTOR_NO, "%s", error.text);
		doctor_mend(doctor, "install preprof again, or build it whole");
		return false;
	}
	snprintf(doctor->library, sizeof(doctor->library), "%s", doctor->parts.library);
	doctor_elf_section(doctor->parts.library, VERSION_SECTION, library, sizeof(library));
	doctor_elf_section(doctor->parts.analyzer, VERSION_SECTION, analyzer, sizeof(analyzer));
	if (strcmp(library, PP_VERSION) != 0 || strcmp(analyzer, PP_VERSION) != 0) {
		doctor_add(doctor, "parts", PP_DOCTOR_NO, "versions differ: preprof %s, libpreprof.so %s, analyzer %s",
			   PP_VERSION, library[0] ? library : "unknown", analyzer[0] ? analyzer : "unknown");
		doctor_mend(doctor, "install all three from one build");
	} else if (access(doctor->parts.analyzer, X_OK) != 0) {
		doctor_add(doctor, "parts", PP_DOCTOR_NO, "%.300s: %s", doctor->parts.analyzer, strerror(errno));
		doctor_mend(doctor, "chmod 755, and no noexec mount");
	} else {
		doctor_add(doctor, "parts", PP_DOCTOR_OK, "version %s, library %.300s", PP_VERSION, doctor->library);
	}
	return true;
}

void doctor_finish(struct pp_doctor *doctor)
{
	parts_link_remove(&doctor->parts);
}

static bool settings_check(struct pp_doctor *doctor, struct pp_settings *settings)
{
	char variable[80], set[300] = "";
	bool good = true;

	settings_defaults(settings);
	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		const struct pp_setting_row *row = &pp_setting_rows[i];
		const char *value;

		snprintf(variable, sizeof(variable), "PREPROF_%s", row->name);
		value = getenv(variable);
		if (!value)
			continue;
		if (!settings_parse(settings, row, value)) {
			doctor_add(doctor, "settings", PP_DOCTOR_NO, "%s is '%.100s', which is not allowed", variable,
				   value);
			doctor_mend(doctor, "allowed: %s", row->allowed);
			good = false;
		}
		snprintf(set + strlen(set), sizeof(set) - strlen(set), "%s%s=%.40s", set[0] ? " " : "", variable, value);
	}
	if (good)
		doctor_add(doctor, "settings", PP_DOCTOR_OK, "%s", set[0] ? set : "defaults, no PREPROF_ variable is set");
	return good;
}

/* The folder that the recording would go to. */
static bool folder_find(const struct pp_settings *settings, const char *program, char *folder, struct pp_error *error)
{
	struct pp_output_facts facts = {.executable = program ? program : "program", .pid = getpid()};
	char here[PATH_MAX], name[PATH_MAX];
	char *slash;

	if (!output_name_expand(settings->output, getcwd(here, sizeof(here)), &facts, name, sizeof(name), error))
		return false;
	slash = strrchr(name, '/');
	*(slash == name ? slash + 1 : slash) = '\0';
	strcpy(folder, name);
	return true;
}

/* A folder inside it, to see that it can be written: its name, or "" with errno. */
static void folder_try(const char *folder, char *inside)
{
	if ((size_t)snprintf(inside, PATH_MAX, "%s/.preprof-doctor-XXXXXX", folder) >= PATH_MAX || !mkdtemp(inside))
		inside[0] = '\0';
}

/* Where a trial's recording may go; "": nowhere. */
static void output_check(struct pp_doctor *doctor, const struct pp_settings *settings, const char *program, char *inside)
{
	const char *others[] = {getenv("TMPDIR"), "/tmp", "/var/tmp"};
	char folder[PATH_MAX] = "";
	struct pp_error error = {"the working directory is gone"};
	struct statvfs room;
	int failure = 0;

	inside[0] = '\0';
	if (folder_find(settings, program, folder, &error)) {
		folder_try(folder, inside);
		failure = errno;
	}
	if (inside[0] && statvfs(folder, &room) == 0) {
		uint64_t left = (uint64_t)room.f_bavail * room.f_frsize;

		doctor_add(doctor, "output", left < ROOM_BYTES ? PP_DOCTOR_LIMITED : PP_DOCTOR_OK,
			   "recordings go to %.250s, which can be written; %llu MiB are free", folder,
			   (unsigned long long)(left >> 20));
		if (left < ROOM_BYTES)
			doctor_mend(doctor, "make room, or choose another place with -o FILE or PREPROF_OUTPUT");
		return;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !inside[0]; i++) {
		if (others[i] && others[i][0] == '/')
			folder_try(others[i], inside);
	}
	doctor_add(doctor, "output", inside[0] ? PP_DOCTOR_LIMITED : PP_DOCTOR_NO, "%.250s cannot be written: %.100s%s%.*s",
		   folder[0] ? folder : settings->output, failure ? strerror(failure) : error.text,
		   inside[0] ? "; recordings would go to " : ", nor can /tmp",
		   inside[0] ? (int)(strrchr(inside, '/') - inside) : 0, inside);
	doctor_mend(doctor, "choose another place with -o FILE or PREPROF_OUTPUT");
}

/* What preprof said of it, among what the program printed. */
static const char *complaint_find(char *text)
{
	char *complaint = strstr(text, "preprof: ");

	if (!complaint)
		return "it did not end, or said nothing";
	complaint += strlen("preprof: ");
	complaint[strcspn(complaint, "\n")] = '\0';
	return complaint;
}

/* Is this very process profiled? Then what it starts belongs to its recording. */
static bool is_profiled(void)
{
	static char maps[1 << 20];

	return doctor_read("/proc/self/maps", maps, sizeof(maps)) && strstr(maps, "/libpreprof.so");
}

/* This program under preprof, for real. */
static void trial_make(struct pp_doctor *doctor, const char *inside)
{
	static struct pp_doctor_asked asked;
	char self[PATH_MAX], recording[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct pp_profile *profile = NULL;
	struct pp_error error = {""};

	self[size > 0 ? size : 0] = '\0';
	if (is_profiled()) {
		doctor_add(doctor, "trial", PP_DOCTOR_OK, "not made: this preprof is itself profiled, by LD_PRELOAD");
		return;
	}
	if ((size_t)snprintf(recording, sizeof(recording), "%s/trial.pprf", inside) >= sizeof(recording))
		return;
	if (doctor_ask((const char *[]){self, "run", "--summary=off", "--delay=0", "--start-signal=none", "--cpu=100",
					"--heap=exact", "--output", recording, "--", self, "version", NULL},
		       NULL, &asked))
		profile = recording_read(recording, &error);
	if (profile && profile->process_count > 0) {
		const struct pp_mem_totals *mem = &profile->processes[0].mem;
		bool counted = mem->allocation_count && mem->allocation_count != PP_UNKNOWN;

		doctor_add(doctor, "trial", counted ? PP_DOCTOR_OK : PP_DOCTOR_LIMITED,
			   "a program was run under preprof here: %s",
			   counted ? "its recording is good" : "its recording has no allocations");
		if (!counted)
			doctor_mend(doctor, "another allocator comes first: see the preloads");
	} else {
		doctor_add(doctor, "trial", PP_DOCTOR_NO, "a program that was run under preprof here left no recording: %.200s",
			   asked.status == 0 && error.text[0] ? error.text : complaint_find(asked.text));
	}
	profile_destroy(profile);
	unlink(recording);
}

static bool is_allocator(const char *name)
{
	return strstr(name, "jemalloc") || strstr(name, "tcmalloc") || strstr(name, "mimalloc") || strstr(name, "hoard");
}

static bool is_tracer(const char *name)
{
	return strstr(name, "heaptrack") || strstr(name, "libasan") || strstr(name, "libtsan") || strstr(name, "vgpreload") ||
	       strstr(name, "libmemray") || strstr(name, "libdarshan") || strstr(name, "liblttng") || strstr(name, "bytehound");
}

/* One library of a list. */
static void preload_take(struct pp_doctor *doctor, const char *path, const char *where)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	if (strcmp(name, "libpreprof.so") == 0) {
		doctor_add(doctor, "preload", PP_DOCTOR_OK, "%s names libpreprof.so already", where);
	} else if (strchr(path, '/') && access(path, R_OK) != 0) {
		doctor_add(doctor, "preload", PP_DOCTOR_OK, "%s names %.200s: %s; ld.so says so and goes on", where, path,
			   strerror(errno));
	} else if (is_tracer(name)) {
		doctor_add(doctor, "preload", PP_DOCTOR_LIMITED,
			   "%s names %.200s: two tools in one program, each measures the other", where, path);
		doctor_mend(doctor, "unset it, and use one at a time");
	} else if (is_allocator(name) && strcmp(where, "LD_PRELOAD") != 0) {
		doctor_add(doctor, "preload", PP_DOCTOR_LIMITED,
			   "%s names %.200s, an allocator that comes before preprof: its allocations are not seen", where,
			   path);
		doctor_mend(doctor, "preload it by LD_PRELOAD instead: run puts itself before it");
	} else {
		doctor_add(doctor, "preload", PP_DOCTOR_OK, "%s names %.200s%s", where, path,
			   is_allocator(name) ? ", an allocator: run puts itself before it" : ", which is kept");
	}
}

static void list_take(struct pp_doctor *doctor, char *list, const char *where)
{
	char *rest = list;
	int count = 0;

	for (char *item; (item = strsep(&rest, " :\t\n"));) {
		if (*item && *item != '#' && count++ < 4)
			preload_take(doctor, item, where);
	}
}

static void preloads_check(struct pp_doctor *doctor)
{
	uint32_t before = doctor->count;
	const char *value = getenv("LD_PRELOAD");
	char text[4096];

	snprintf(text, sizeof(text), "%s", value ? value : "");
	list_take(doctor, text, "LD_PRELOAD");
	if (doctor_read("/etc/ld.so.preload", text, sizeof(text)))
		list_take(doctor, text, "/etc/ld.so.preload");
	value = getenv("LD_AUDIT");
	if (value && *value)
		doctor_add(doctor, "preload", PP_DOCTOR_LIMITED, "LD_AUDIT is set (%.100s): calls may go past our hooks",
			   value);
	if (doctor->count == before)
		doctor_add(doctor, "preload", PP_DOCTOR_OK, "no other library is preloaded");
}

void doctor_parts(struct pp_doctor *doctor, const char *program)
{
	char inside[PATH_MAX];
	struct pp_settings settings;
	bool whole;

	doctor->group = "preprof";
	whole = files_check(doctor);
	whole &= settings_check(doctor, &settings);
	preloads_check(doctor);
	output_check(doctor, &settings, program, inside);
	if (whole && inside[0])
		trial_make(doctor, inside);
	if (inside[0])
		rmdir(inside);
}
