/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof version`, and --version. */
#include "command.h"

#include "preprof/version.h"

int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("preprof %s\n", PP_VERSION);
	return 0;
}
