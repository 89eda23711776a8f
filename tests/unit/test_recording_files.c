/* SPDX-License-Identifier: Apache-2.0 */
/* Where recordings are written: the name that is chosen, what is never replaced, and disks and limits that are full. */
#include "recording_folder.h"

#include "recording_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

PP_TEST(choose_takes_a_free_name_or_a_finished_recording)
{
	char result[PATH_MAX], expected[PATH_MAX];
	struct pp_error error = {""};

	folder_make();
	PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK_STR(result, path_of("a.pprf"));
	PP_CHECK(write_small(result, false, &error));
	PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK_STR(result, path_of("a.pprf"));
	/* one that is still being written is someone's */
	PP_CHECK(write_small(result, true, &error));
	PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK_STR(result, path_of("a.pprf.2"));
	file_put(path_of("a.pprf.2"), "precious", 8);
	PP_CHECK(symlink("/nowhere", path_of("a.pprf.3")) == 0);
	file_put(path_of("a.pprf.4"), "", 0);
	PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK_STR(result, path_of("a.pprf.5"));
	/* relative names become absolute */
	PP_CHECK(chdir(folder) == 0);
	PP_CHECK(realpath(folder, expected) != NULL);
	strcat(expected, "/b.pprf");
	PP_CHECK(recording_choose("b.pprf", result, &error));
	PP_CHECK_STR(result, expected);
	PP_CHECK_STR(error.text, "");
	folder_remove();
}

/* In /tmp anyone may put anything at a name that can be guessed. */
PP_TEST(choose_goes_past_what_others_have_planted)
{
	char result[PATH_MAX];
	struct pp_error error = {""};

	folder_make();
	PP_CHECK(mkfifo(path_of("own"), 0600) == 0);
	PP_CHECK(!recording_choose(path_of("own"), result, &error));
	PP_CHECK(strstr(error.text, "not an ordinary file"));
	if (geteuid() == 0) { /* else there is no other user to be */
		PP_CHECK(mkfifo(path_of("a.pprf"), 0666) == 0 && lchown(path_of("a.pprf"), 65534, 65534) == 0);
		PP_CHECK(mkdir(path_of("a.pprf.2"), 0777) == 0 && lchown(path_of("a.pprf.2"), 65534, 65534) == 0);
		PP_CHECK(symlink("victim", path_of("a.pprf.3")) == 0);
		PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
		PP_CHECK_STR(result, path_of("a.pprf.4"));
		PP_CHECK(!write_small(path_of("a.pprf"), false, &error));
		PP_CHECK(!write_small(path_of("a.pprf.2"), false, &error));
		PP_CHECK(!write_small(path_of("a.pprf.3"), false, &error));
	}
	folder_remove();
}

/* What lies beside a recording is not looked at: opening a pipe would wait for ever, a journal would be played back. */
PP_TEST(choose_looks_at_nothing_beside_a_recording)
{
	static const char *const beside[] = {"a.pprf-journal", "a.pprf-wal", "a.pprf-shm"};
	char result[PATH_MAX];
	struct pp_error error = {""};

	folder_make();
	PP_CHECK(write_small(path_of("a.pprf"), false, &error));
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
		PP_CHECK(mkfifo(path_of(beside[i]), 0666) == 0);
	PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK_STR(result, path_of("a.pprf"));
	PP_CHECK_EQ(entry_count(), 4);
	folder_remove();
}

/* Root may find anybody's file under the name that it was given. */
PP_TEST(choose_is_not_held_by_a_recording_that_was_made_to)
{
	static const char *const tricks[] = {
		"DROP TABLE recording; CREATE VIEW recording AS WITH RECURSIVE n(running) AS "
		"(SELECT 1 UNION ALL SELECT running + 1 FROM n) SELECT running FROM n WHERE running < 0",
		"DROP TABLE recording; CREATE TABLE recording(id INTEGER, running TEXT AS (hex(zeroblob(400000000)))); "
		"INSERT INTO recording(id) VALUES(1)",
	};
	char result[PATH_MAX];
	struct pp_error error = {""};
	sqlite3 *db;

	folder_make();
	for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++) {
		PP_CHECK(write_small(path_of("a.pprf"), false, &error));
		PP_CHECK(sqlite3_open(path_of("a.pprf"), &db) == SQLITE_OK);
		PP_CHECK(sqlite3_exec(db, tricks[i], NULL, NULL, NULL) == SQLITE_OK);
		PP_CHECK(sqlite3_close(db) == SQLITE_OK);
		PP_CHECK(recording_choose(path_of("a.pprf"), result, &error));
		PP_CHECK_STR(result, path_of("a.pprf.2"));
		unlink(path_of("a.pprf"));
	}
	folder_remove();
}

PP_TEST(choose_refuses_what_cannot_be_written)
{
	char result[PATH_MAX], long_name[400];
	struct pp_error error = {""};

	folder_make();
	PP_CHECK(!recording_choose(path_of("missing/a.pprf"), result, &error));
	PP_CHECK(strstr(error.text, "No such file or directory"));
	PP_CHECK(!recording_choose("/dev/full", result, &error));
	PP_CHECK(strstr(error.text, "not an ordinary file"));
	PP_CHECK(!recording_choose(path_of(""), result, &error));
	PP_CHECK(strstr(error.text, "a folder"));
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	PP_CHECK(!recording_choose(long_name, result, &error));
	PP_CHECK(strstr(error.text, "too long"));
	PP_CHECK(chmod(folder, 0555) == 0);
	PP_CHECK(geteuid() != 0 || seteuid(65534) == 0);
	PP_CHECK(!recording_choose(path_of("a.pprf"), result, &error));
	PP_CHECK(strstr(error.text, "Permission denied"));
	PP_CHECK(!write_small(path_of("a.pprf"), false, &error));
	PP_CHECK(strstr(error.text, "Permission denied"));
	PP_CHECK(getuid() != 0 || seteuid(0) == 0);
	PP_CHECK(chmod(folder, 0755) == 0);
	folder_remove();
}

PP_TEST(write_never_replaces_or_follows_what_is_not_its_own)
{
	struct pp_error error = {""};
	char text[16] = "";
	FILE *file;

	folder_make();
	file_put(path_of("victim"), "precious", 8);
	PP_CHECK(symlink("victim", path_of("a.pprf")) == 0);
	PP_CHECK(!write_small(path_of("a.pprf"), false, &error));
	PP_CHECK(strstr(error.text, "something else"));
	PP_CHECK(!write_small(path_of("victim"), false, &error));
	PP_CHECK(!write_small("/dev/full", false, &error));
	PP_CHECK(!write_small(path_of("missing/a.pprf"), false, &error));
	file = fopen(path_of("victim"), "r");
	PP_CHECK(file && fgets(text, sizeof(text), file));
	fclose(file);
	PP_CHECK_STR(text, "precious");
	PP_CHECK_EQ(entry_count(), 2);
	folder_remove();
}

static void full_disk_check(void)
{
	struct pp_profile *large = profile_make_large(40000, 8300, 6000);
	struct pp_error error = {""};

	PP_CHECK(!recording_write(large, path_of("a.pprf"), &error));
	PP_CHECK(strstr(error.text, "a.pprf") && strstr(error.text, "is kept"));
	PP_CHECK(!strchr(error.text, '\n'));
	PP_CHECK(readable(path_of("a.pprf")));
	PP_CHECK_EQ(entry_count(), 1);
	profile_destroy(large);
}

PP_TEST(file_size_limit_keeps_the_former_recording)
{
	struct rlimit limit = {100 << 10, 100 << 10};
	struct pp_error error = {""};

	folder_make();
	PP_CHECK(write_small(path_of("a.pprf"), false, &error));
	signal(SIGXFSZ, SIG_IGN);
	PP_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	full_disk_check();
	folder_remove();
}

PP_TEST(full_disk_keeps_the_former_recording)
{
	struct pp_error error = {""};

	folder_make();
	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "size=128k") != 0) {
		fprintf(stderr, "no private tmpfs can be mounted here: the full disk is not tested\n");
		folder_remove();
		return;
	}
	PP_CHECK(write_small(path_of("a.pprf"), false, &error));
	full_disk_check();
	PP_CHECK(umount(folder) == 0);
	folder_remove();
}
