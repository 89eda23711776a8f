/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof doctor`: whether this machine, this container and a program can be profiled, on one screen or as JSON. */
#include "command.h"

#include "doctor.h"
#include "json.h"
#include "text.h"

#include "preprof/version.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { OPTION_FORMAT };

#define COLUMNS_MAX  100
#define NAME_COLUMNS 24 /* "limited  " and the name */

static const char *const state_words[] = {"ok", "limited", "no"};

static void line_print(const struct pp_text *text, const struct pp_doctor_line *line)
{
	static const enum pp_style styles[] = {PP_STYLE_LOW, PP_STYLE_MEDIUM, PP_STYLE_HIGH};
	char words[sizeof(line->text) + sizeof(line->mend) + 8];

	text_style(text, styles[line->state]);
	fprintf(text->file, "%-9s", state_words[line->state]);
	text_style(text, PP_STYLE_PLAIN);
	fprintf(text->file, "%-15s", line->name);
	snprintf(words, sizeof(words), "%s%s%s", line->text, line->mend[0] ? " -> " : "", line->mend);
	text_wrap(text, NAME_COLUMNS, NAME_COLUMNS, words);
}

static void verdict_print(const struct pp_text *text, const struct pp_doctor *doctor, const char *command)
{
	enum pp_doctor_state verdict = doctor_verdict(doctor);
	const char *what = command ? command : "this machine";
	char words[400];

	if (verdict == PP_DOCTOR_OK)
		snprintf(words, sizeof(words), "%.200s can be profiled.", command ? command : "Programs here");
	else if (verdict == PP_DOCTOR_LIMITED)
		snprintf(words, sizeof(words), "%.200s can be profiled, within the limits above.",
			 command ? command : "Programs here");
	else
		snprintf(words, sizeof(words), "%.200s cannot be profiled: see what has a \"no\" above.",
			 command ? what : "Programs here");
	text_style(text, PP_STYLE_TITLE);
	text_wrap(text, 0, 0, words);
	text_style(text, PP_STYLE_PLAIN);
}

static void text_print(const struct pp_doctor *doctor, const char *command)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
	struct pp_text text = {.file = stdout, .columns = COLUMNS_MAX};
	struct winsize size;

	if (isatty(STDOUT_FILENO)) {
		if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60 && size.ws_col < COLUMNS_MAX)
			text.columns = size.ws_col;
		text.colour = !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
	}
	for (uint32_t i = 0; i < doctor->count; i++)
		line_print(&text, &doctor->lines[i]);
	verdict_print(&text, doctor, command);
}

static void json_print(const struct pp_doctor *doctor, const char *command)
{
	struct pp_json json;

	json_init(&json, stdout);
	json_object_begin(&json, NULL);
	json_text(&json, "schema", "preprof-doctor");
	json_integer(&json, "schema_version", 1);
	json_text(&json, "preprof_version", PP_VERSION);
	json_text(&json, "command", command);
	json_text(&json, "verdict", state_words[doctor_verdict(doctor)]);
	json_list_begin(&json, "checks");
	for (uint32_t i = 0; i < doctor->count; i++) {
		const struct pp_doctor_line *line = &doctor->lines[i];

		json_object_begin(&json, NULL);
		json_text(&json, "group", line->group);
		json_text(&json, "name", line->name);
		json_text(&json, "state", state_words[line->state]);
		json_text(&json, "text", line->text);
		json_text(&json, "mend", line->mend[0] ? line->mend : NULL);
		json_object_end(&json);
	}
	json_list_end(&json);
	json_object_end(&json);
	putchar('\n');
}

int cmd_doctor(int argc, char **argv)
{
	const struct pp_command *self = command_find("doctor");
	static struct pp_doctor doctor;
	struct pp_parsed parsed;
	struct pp_error error = {""};
	const char *format;

	if (!command_parse(self, argc, argv, &parsed, &error))
		return usage_failed(self, &error);
	if (parsed.help) {
		command_help(stdout, self);
		return 0;
	}
	format = parsed.values[OPTION_FORMAT] ? parsed.values[OPTION_FORMAT] : "text";
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
		error_set(&error, "doctor: no format \"%.100s\"; there are text, json", format);
		return usage_failed(self, &error);
	}
	doctor_machine(&doctor);
	doctor_container(&doctor);
	doctor_parts(&doctor, parsed.operand);
	if (parsed.operand)
		doctor_program(&doctor, parsed.operand);
	if (strcmp(format, "json") == 0)
		json_print(&doctor, parsed.operand);
	else
		text_print(&doctor, parsed.operand);
	doctor_finish(&doctor);
	return doctor_verdict(&doctor) == PP_DOCTOR_NO ? PP_STATUS_FAILED : 0;
}
