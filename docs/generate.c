/* SPDX-License-Identifier: Apache-2.0 */
/* generate man NAME | bash | zsh | fish | settings: prints one generated document; see generate.h. */
#include "generate.h"

#include "command.h"

#include "preprof/settings.h"

#include <ctype.h>

const char *setting_option(const char *name)
{
	static char option[64];
	size_t used = 0;

	for (; name[used] && used + 1 < sizeof(option); used++)
		option[used] = name[used] == '_' ? '-' : (char)tolower((unsigned char)name[used]);
	option[used] = '\0';
	return option;
}

void settings_generate(FILE *file)
{
	fputs("# Settings\n\n"
	      "Each setting is an environment variable, which works under plain `LD_PRELOAD=libpreprof.so` too, and an "
	      "option\n"
	      "of `preprof run`; the option wins. A wrong value gets one line that says what is allowed: under "
	      "`LD_PRELOAD`\n"
	      "the program then runs unprofiled, under `run` nothing is started (status 125). A variable that begins with\n"
	      "`PREPROF_` and is no setting gets such a line too, with the setting that may have been meant: under "
	      "`LD_PRELOAD` it is\n"
	      "then ignored, under `run` nothing is started. Of a tree of processes the first one says so.\n\n"
	      "This file is made from `include/preprof/settings.def` by `docs/generate.c`.\n\n"
	      "| variable | option | default | allowed | what it does |\n|---|---|---|---|---|\n",
	      file);
	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		const struct pp_setting_row *row = &pp_setting_rows[i];

		fprintf(file, "| `PREPROF_%s` | `--%s` | `%s` | %s | %s |\n", row->name, setting_option(row->name),
			row->initial, row->allowed, row->help);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "man") == 0)
		man_generate(stdout, argv[2]);
	else if (argc == 2 && strcmp(argv[1], "bash") == 0)
		bash_generate(stdout);
	else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
		zsh_generate(stdout);
	else if (argc == 2 && strcmp(argv[1], "fish") == 0)
		fish_generate(stdout);
	else if (argc == 2 && strcmp(argv[1], "settings") == 0)
		settings_generate(stdout);
	else {
		fprintf(stderr, "usage: generate man NAME | bash | zsh | fish | settings\n");
		return 2;
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
