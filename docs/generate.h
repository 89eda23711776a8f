/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator of what is made from the tables of commands and settings: manual pages, completions, settings.md. Runs
 * at build time only.
 */
#ifndef PREPROF_GENERATE_H
#define PREPROF_GENERATE_H

#include <stdio.h>

/* name: "preprof", "preprof-run", ..., "preprof-analyzer". */
void man_generate(FILE *file, const char *name);
void bash_generate(FILE *file);
void zsh_generate(FILE *file);
void fish_generate(FILE *file);
void settings_generate(FILE *file); /* Markdown */

/* "start-signal" for START_SIGNAL. */
const char *setting_option(const char *name);

#endif
