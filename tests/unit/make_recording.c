/* SPDX-License-Identifier: Apache-2.0 */
/* make_recording KIND FILE: writes a recording of a made-up profile, for tests of the commands. */
#include "profile_maker.h"
#include "recording.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	struct pp_error error = {""};
	struct pp_profile *profile = NULL;
	bool good;

	if (argc == 3 && strcmp(argv[1], "small") == 0)
		profile = profile_make_small();
	else if (argc == 3 && strcmp(argv[1], "empty") == 0)
		profile = profile_make_empty();
	else if (argc == 3 && strcmp(argv[1], "large") == 0)
		profile = profile_make_large(40000, 8300, 6000);
	if (!profile) {
		fprintf(stderr, "usage: make_recording small|empty|large FILE\n");
		return EXIT_FAILURE;
	}
	good = recording_write(profile, argv[2], &error);
	if (!good)
		fprintf(stderr, "%s\n", error.text);
	profile_destroy(profile);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
