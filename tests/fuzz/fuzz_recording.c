/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings that were tampered with: whatever recording_read accepts can be shown in every format. What it refuses,
 * it refuses with one line.
 */
#include "recording.h"
#include "report.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void reports_make(const struct pp_profile *profile)
{
	struct pp_report_options options = {.top = 20, .columns = 100};
	struct pp_error error = {""};
	FILE *null = fopen("/dev/null", "w");
	size_t count;
	const struct pp_report_format *formats = report_formats(&count);

	for (size_t i = 0; i < count; i++)
		formats[i].write(profile, &options, null, &error);
	report_summary(profile, &options, null, &error);
	fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pp_error error = {""};
	struct pp_profile *profile;
	char path[64];
	int fd = memfd_create("recording", 0);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	profile = recording_read(path, &error);
	close(fd);
	if (profile)
		reports_make(profile);
	else if (!error.text[0] || strchr(error.text, '\n'))
		abort();
	profile_destroy(profile);
	return 0;
}
