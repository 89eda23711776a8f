/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which the analyzer's functions report failure; see error.h. Any thread. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(struct pp_error *error, const char *format, ...)
{
	va_list list;

	if (!error)
		return false;
	va_start(list, format);
	vsnprintf(error->text, sizeof(error->text), format, list);
	va_end(list);
	/* File names and what libraries say of hostile files stay in their line, and give a terminal no orders. */
	for (char *at = error->text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	return false;
}
