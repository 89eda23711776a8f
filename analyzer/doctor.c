/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a doctor's lines; see doctor.h. */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void line_format(char *text, size_t size, const char *format, va_list list)
{
	vsnprintf(text, size, format, list);
	/* Names of files are in it. */
	for (char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

struct pp_doctor_line *doctor_add(struct pp_doctor *doctor, const char *name, enum pp_doctor_state state,
				  const char *format, ...)
{
	struct pp_doctor_line *line;
	va_list list;

	if (doctor->count == PP_DOCTOR_LINES)
		doctor->count--;
	line = &doctor->lines[doctor->count++];
	line->group = doctor->group;
	line->name = name;
	line->state = state;
	line->mend[0] = '\0';
	va_start(list, format);
	line_format(line->text, sizeof(line->text), format, list);
	va_end(list);
	return line;
}

void doctor_mend(struct pp_doctor *doctor, const char *format, ...)
{
	struct pp_doctor_line *line = &doctor->lines[doctor->count - 1];
	va_list list;

	va_start(list, format);
	line_format(line->mend, sizeof(line->mend), format, list);
	va_end(list);
}

enum pp_doctor_state doctor_verdict(const struct pp_doctor *doctor)
{
	enum pp_doctor_state worst = PP_DOCTOR_OK;

	for (uint32_t i = 0; i < doctor->count; i++) {
		if (doctor->lines[i].state > worst)
			worst = doctor->lines[i].state;
	}
	return worst;
}
