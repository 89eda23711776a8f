/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: one table (settings.def), one parser, used by the library on PREPROF_* variables and by `preprof run` on
 * its options. No allocation, no locale, no stdio: callable in the host's constructor. Strings stay the caller's.
 */
#ifndef PREPROF_SETTINGS_H
#define PREPROF_SETTINGS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum pp_python_heap { PP_PYTHON_HEAP_ARENAS, PP_PYTHON_HEAP_SAMPLED, PP_PYTHON_HEAP_EXACT };
enum pp_heap_mode { PP_HEAP_OFF, PP_HEAP_EXACT, PP_HEAP_SAMPLED };

struct pp_settings {
	const char *output;
	uint32_t cpu; /* Hz; 0: off */
	uint32_t heap; /* enum pp_heap_mode */
	uint64_t heap_sample_bytes;
	bool python; /* true: auto */
	uint32_t python_heap; /* enum pp_python_heap */
	bool io;
	bool stdio;
	bool sql;
	bool sql_literals;
	bool full_pipe; /* true: block */
	bool children; /* true: follow */
	bool summary;
	uint64_t delay; /* ns */
	uint64_t duration; /* ns; 0: to the end */
	int start_signal, stop_signal, snapshot_signal; /* 0: none */
	uint32_t unwinder; /* enum pp_unwinder: auto, rules, libunwind */
	uint32_t check_stacks;
};

enum pp_setting_kind {
	PP_KIND_STRING,
	PP_KIND_RATE,
	PP_KIND_HEAP,
	PP_KIND_PYTHON,
	PP_KIND_PYTHON_HEAP,
	PP_KIND_FULL_PIPE,
	PP_KIND_CHILDREN,
	PP_KIND_SWITCH,
	PP_KIND_SECONDS,
	PP_KIND_SIGNAL,
	PP_KIND_UNWINDER,
	PP_KIND_COUNT,
};

struct pp_setting_row {
	const char *name; /* without PREPROF_ */
	size_t offset;
	enum pp_setting_kind kind;
	const char *initial;
	const char *allowed;
	const char *help;
};

static const struct pp_setting_row pp_setting_rows[] = {
#define PP_SETTING(field, name, kind, initial, allowed, help)                                                          \
	{ name, offsetof(struct pp_settings, field), PP_KIND_##kind, initial, allowed, help },
#include "preprof/settings.def"
#undef PP_SETTING
};

#define PP_SETTING_COUNT (sizeof(pp_setting_rows) / sizeof(pp_setting_rows[0]))

/* Decimal digits only; false on anything else or above `limit`. Moves *text past them. */
static inline bool settings_digits(const char **text, uint64_t limit, uint64_t *value)
{
	const char *at = *text;
	uint64_t result = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (result > (limit - (uint64_t)(*at - '0')) / 10)
			return false;
		result = result * 10 + (uint64_t)(*at - '0');
	}
	*text = at;
	*value = result;
	return true;
}

/* "1.5" to nanoseconds; at most 1e9 seconds. */
static inline bool settings_seconds(const char *text, uint64_t *ns)
{
	uint64_t whole, unit = 1000000000;

	if (!settings_digits(&text, 1000000000, &whole))
		return false;
	*ns = whole * 1000000000;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++) {
			unit /= 10;
			*ns += unit * (uint64_t)(*text - '0');
		}
	}
	return *text == '\0' || (*text == 's' && text[1] == '\0');
}

static inline bool settings_signal(const char *text, int *number)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
		{ "HUP", SIGHUP },   { "USR1", SIGUSR1 },   { "USR2", SIGUSR2 },   { "WINCH", SIGWINCH },
		{ "ALRM", SIGALRM }, { "URG", SIGURG },	    { "IO", SIGIO },	   { "PWR", SIGPWR },
		{ "INT", SIGINT },   { "QUIT", SIGQUIT },   { "TERM", SIGTERM },   { "VTALRM", SIGVTALRM },
		{ "CONT", SIGCONT }, { "TSTP", SIGTSTP },
	};
	uint64_t value;

	if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
		*number = 0;
		return true;
	}
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*number = names[i].number;
			return true;
		}
	}
	if (strncmp(text, "RTMIN", 5) == 0) {
		text += 5;
		value = 0;
		if (*text == '+') {
			text++;
			if (!settings_digits(&text, 30, &value))
				return false;
		}
		*number = 34 + (int)value; /* glibc keeps 32 and 33 to itself */
		return *text == '\0';
	}
	if (!settings_digits(&text, 64, &value) || *text || value == SIGKILL || value == SIGSTOP)
		return false;
	*number = (int)value;
	return value >= 1 && value != 32 && value != 33;
}

/* 64K, 1M, 512: bytes. */
static inline bool settings_bytes(const char *text, uint64_t *bytes)
{
	uint64_t unit = 1;

	if (!settings_digits(&text, UINT64_C(1) << 50, bytes))
		return false;
	if (*text == 'K' || *text == 'k')
		unit = 1 << 10, text++;
	else if (*text == 'M' || *text == 'm')
		unit = 1 << 20, text++;
	*bytes *= unit;
	return *text == '\0' && *bytes >= 1;
}

static inline bool settings_choice(const char *value, const char *first, const char *second, bool *result)
{
	*result = strcmp(value, first) == 0;
	return *result || strcmp(value, second) == 0;
}

/* Sets one row's field from its text. false: the value is not allowed, the field is unchanged or at its last good
 * value. Any context. */
static inline bool settings_parse(struct pp_settings *settings, const struct pp_setting_row *row, const char *value)
{
	void *field = (char *)settings + row->offset;
	uint64_t number;
	bool flag;

	switch (row->kind) {
	case PP_KIND_STRING:
		*(const char **)field = value;
		return *value != '\0';
	case PP_KIND_RATE:
		if (strcmp(value, "off") == 0)
			number = 0;
		else if (!settings_digits(&value, 10000, &number) || *value || number == 0)
			return false;
		*(uint32_t *)field = (uint32_t)number;
		return true;
	case PP_KIND_HEAP:
		number = 0;
		if (strncmp(value, "sampled=", 8) == 0) {
			if (!settings_bytes(value + 8, &number))
				return false;
			settings->heap_sample_bytes = number;
			settings->heap = PP_HEAP_SAMPLED;
			return true;
		}
		if (!settings_choice(value, "exact", "off", &flag))
			return false;
		settings->heap = flag ? PP_HEAP_EXACT : PP_HEAP_OFF;
		return true;
	case PP_KIND_PYTHON:
		if (!settings_choice(value, "auto", "off", &flag))
			return false;
		*(bool *)field = flag;
		return true;
	case PP_KIND_PYTHON_HEAP:
		if (strcmp(value, "exact") == 0)
			settings->python_heap = PP_PYTHON_HEAP_EXACT;
		else if (!settings_choice(value, "arenas", "sampled", &flag))
			return false;
		else
			settings->python_heap = flag ? PP_PYTHON_HEAP_ARENAS : PP_PYTHON_HEAP_SAMPLED;
		return true;
	case PP_KIND_FULL_PIPE:
		if (!settings_choice(value, "block", "drop", &flag))
			return false;
		*(bool *)field = flag;
		return true;
	case PP_KIND_CHILDREN:
		if (!settings_choice(value, "follow", "ignore", &flag))
			return false;
		*(bool *)field = flag;
		return true;
	case PP_KIND_SWITCH:
		if (!settings_choice(value, "on", "off", &flag))
			return false;
		*(bool *)field = flag;
		return true;
	case PP_KIND_SECONDS:
		if (!settings_seconds(value, &number))
			return false;
		*(uint64_t *)field = number;
		return true;
	case PP_KIND_SIGNAL:
		return settings_signal(value, (int *)field);
	case PP_KIND_UNWINDER:
		if (strcmp(value, "auto") == 0)
			*(uint32_t *)field = 0;
		else if (strcmp(value, "rules") == 0)
			*(uint32_t *)field = 1;
		else if (strcmp(value, "libunwind") == 0)
			*(uint32_t *)field = 2;
		else
			return false;
		return true;
	case PP_KIND_COUNT:
		if (!settings_digits(&value, UINT32_MAX, &number) || *value)
			return false;
		*(uint32_t *)field = (uint32_t)number;
		return true;
	}
	return false;
}

/* ---- names ---- */

/* Variables with our prefix that are no settings (HACKING.md; the tests'), and settings to come, which are "off" until then. */
static const char *const pp_setting_others[] = {"SESSION", "ANALYZER", "SAVE", "SAMPLE_CLOCK", "SOURCE", "BUILD"};
static const char *const pp_setting_later[] = {"GPU", "LOCKS"};

#define PP_SETTING_NAME_LIMIT 32

static inline char settings_upper(char letter)
{
	return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

/* How many characters must be changed, left out, put in or swapped with their neighbour to make b of a, in whatever case
 * that is. Names below PP_SETTING_NAME_LIMIT; Damerau's distance, in its restricted form. */
static inline size_t settings_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	uint8_t rows[3][PP_SETTING_NAME_LIMIT + 1];

	for (size_t j = 0; j <= b_size; j++)
		rows[0][j] = (uint8_t)j;
	for (size_t i = 1; i <= a_size; i++) {
		uint8_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= b_size; j++) {
			uint8_t best = (uint8_t)(above[j - 1] + (settings_upper(a[i - 1]) != b[j - 1]));

			if (above[j] + 1 < best)
				best = (uint8_t)(above[j] + 1);
			if (row[j - 1] + 1 < best)
				best = (uint8_t)(row[j - 1] + 1);
			if (i > 1 && j > 1 && settings_upper(a[i - 1]) == b[j - 2] &&
			    settings_upper(a[i - 2]) == b[j - 1] && before[j - 2] + 1 < best)
				best = (uint8_t)(before[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a_size % 3][b_size];
}

/* The setting that was meant by `name`; NULL: none is near. */
static inline const char *settings_nearest(const char *name, size_t size)
{
	const char *nearest = NULL;
	size_t least = size < 6 ? 2 : 3; /* at most one less than that is a slip */

	for (size_t i = 0; i < PP_SETTING_COUNT && size < PP_SETTING_NAME_LIMIT; i++) {
		const char *known = pp_setting_rows[i].name;
		size_t distance = settings_distance(name, size, known, strlen(known));

		if (distance < least) {
			least = distance;
			nearest = known;
		}
	}
	return nearest;
}

static inline bool settings_name_is(const char *entry, const char *name)
{
	size_t size = strlen(name);

	return strncmp(entry, name, size) == 0 && entry[size] == '=';
}

static inline bool settings_will_know(const char *entry)
{
	for (size_t i = 0; i < sizeof(pp_setting_later) / sizeof(pp_setting_later[0]); i++) {
		if (settings_name_is(entry, pp_setting_later[i]))
			return true;
	}
	return false;
}

static inline bool settings_knows(const char *entry)
{
	for (size_t i = 0; i < PP_SETTING_COUNT; i++) {
		if (settings_name_is(entry, pp_setting_rows[i].name))
			return true;
	}
	for (size_t i = 0; i < sizeof(pp_setting_others) / sizeof(pp_setting_others[0]); i++) {
		if (settings_name_is(entry, pp_setting_others[i]))
			return true;
	}
	return settings_will_know(entry) && strcmp(strchr(entry, '=') + 1, "off") == 0;
}

/* The first variable of an environment that begins with PREPROF_ and that nobody knows, its value included; NULL: there is
 * none. *nearest: a setting's name that it may have been meant for, or NULL. Any context. */
static inline const char *settings_unknown(char *const *environment, const char **nearest)
{
	for (; environment && *environment; environment++) {
		const char *name = *environment + 8;

		if (strncmp(*environment, "PREPROF_", 8) != 0 || settings_knows(name) || !strchr(name, '='))
			continue;
		*nearest = settings_will_know(name) ? NULL : settings_nearest(name, (size_t)(strchr(name, '=') - name));
		return *environment;
	}
	return NULL;
}

static inline void settings_defaults(struct pp_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	for (size_t i = 0; i < PP_SETTING_COUNT; i++)
		settings_parse(settings, &pp_setting_rows[i], pp_setting_rows[i].initial);
}

#endif
