/* SPDX-License-Identifier: Apache-2.0 */
/* `preprof report`: a recording as text or JSON, to standard output or into a file. */
#include "command.h"

#include "output_file.h"
#include "recording.h"
#include "report.h"
#include "report_interpreter.h"
#include "report_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { OPTION_FORMAT, OPTION_OUTPUT, OPTION_TOP, OPTION_NATIVE };

struct report_request {
	const struct pp_report_format *format;
	const char *recording;
	const char *output; /* NULL: standard output */
	bool native;
	struct pp_report_options options;
};

static bool formats_list(struct pp_error *error, const char *given)
{
	size_t count;
	const struct pp_report_format *formats = report_formats(&count);
	char names[128] = "";

	for (size_t i = 0; i < count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "", formats[i].name);
	return error_set(error, "report: no format \"%.100s\"; there are %s", given, names);
}

static bool top_parse(const char *text, uint32_t *top, struct pp_error *error)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text < '0' || *text > '9' || value >= UINT32_MAX)
		return error_set(error, "report: --top is \"%.100s\"; allowed: a number, 0 for all", text);
	*top = (uint32_t)value;
	return true;
}

/* Colours and the width of the terminal, if that is where the report goes. */
static void terminal_find(struct pp_report_options *options)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
	struct winsize size;

	options->columns = 100;
	if (!isatty(STDOUT_FILENO))
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		options->columns = size.ws_col;
	options->colour = !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

static bool request_make(struct report_request *request, const struct pp_parsed *parsed, struct pp_error *error)
{
	const char *format = parsed->values[OPTION_FORMAT] ? parsed->values[OPTION_FORMAT] : "text";

	memset(request, 0, sizeof(*request));
	request->recording = parsed->operand;
	request->output = parsed->values[OPTION_OUTPUT];
	if (request->output && strcmp(request->output, "-") == 0)
		request->output = NULL;
	request->format = report_format_find(format);
	if (!request->format)
		return formats_list(error, format);
	request->native = parsed->values[OPTION_NATIVE];
	request->options.columns = 100;
	request->options.recording = request->recording;
	request->options.top = request->format->top;
	if (!request->output)
		terminal_find(&request->options);
	return !parsed->values[OPTION_TOP] || top_parse(parsed->values[OPTION_TOP], &request->options.top, error);
}

static bool profile_is_empty(const struct pp_profile *profile, struct pp_error *error)
{
	struct pp_report_model *model = report_model_create(profile);
	const char *why = profile_emptiness(model);

	if (why)
		error_set(error, "%s", why);
	report_model_destroy(model);
	return why;
}

/* true: all of it is where it should be. */
static bool report_write(const struct report_request *request, const struct pp_profile *profile, struct pp_error *error)
{
	struct pp_output output;

	if (!output_open(&output, request->output, error))
		return false;
	if (!request->format->write(profile, &request->options, output.file, error)) {
		output_discard(&output);
		return false;
	}
	return output_close(&output, error);
}

int cmd_report(int argc, char **argv)
{
	const struct pp_command *self = command_find("report");
	struct report_request request;
	struct pp_parsed parsed;
	struct pp_profile *profile;
	struct pp_error error = {""};
	bool good;

	if (!command_parse(self, argc, argv, &parsed, &error))
		return usage_failed(self, &error);
	if (parsed.help) {
		command_help(stdout, self);
		return 0;
	}
	if (!request_make(&request, &parsed, &error))
		return usage_failed(self, &error);
	profile = recording_read(request.recording, &error);
	if (profile && !request.native)
		profile_hide_interpreter(profile);
	good = profile && report_write(&request, profile, &error);
	if (good)
		good = !profile_is_empty(profile, &error);
	profile_destroy(profile);
	/* No text: nobody reads any more (a closed pipe), which is no one's fault. */
	if (!good && error.text[0])
		fprintf(stderr, "preprof: %s\n", error.text);
	return good ? 0 : PP_STATUS_FAILED;
}
