/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the environment that carries the session into an executed program: LD_PRELOAD with the library by absolute
 * path (other entries and their order kept), PREPROF_SESSION, and the settings that this image was started with,
 * whatever the program has made of its own environment in the meantime (cleared it, built another).
 */
#include "exec_environment.h"
#include "life.h"
#include "raw.h"

#include <string.h>
#include <unistd.h>

#define PRELOAD	      "LD_PRELOAD="
#define SESSION	      "PREPROF_SESSION="
#define SESSION_BYTES 96

/* What there is to change in an environment. */
struct plan {
	enum pp_preload preload;
	const char *library;
	const char *preloads; /* value of LD_PRELOAD as given, NULL: none */
	size_t preload_index; /* of its entry; the last one counts, as it does for ld.so */
	size_t count;
};

static bool named(const char *entry, const char *name)
{
	return strncmp(entry, name, strlen(name)) == 0;
}

/* One entry of LD_PRELOAD, of `size` bytes: is it this library, by whatever path? */
static bool entry_is_ours(const char *entry, size_t size, const char *library)
{
	const char *slash = strrchr(library, '/');
	const char *base = slash ? slash + 1 : library;
	size_t length = strlen(base);

	return size >= length && memcmp(entry + size - length, base, length) == 0 &&
	       (size == length || entry[size - length - 1] == '/');
}

/* A sanitizer's runtime insists on being the first. */
static bool entry_is_sanitizer(const char *entry, size_t size)
{
	static const char *const names[] = {"libasan.", "libtsan.", "liblsan.", "libubsan.", "libclang_rt."};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (memmem(entry, size, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/* By its bare name it was put there by `preprof run`, for the command alone. */
static bool entry_is_for_command(const char *entry, size_t size)
{
	return !memchr(entry, '/', size) && entry_is_sanitizer(entry, size);
}

static char *append(char *at, const char *text, size_t size)
{
	memcpy(at, text, size);
	return at + size;
}

/* Writes LD_PRELOAD's new entry at `at`; where it ends (its NUL included), `at` itself when nothing is preloaded. */
static char *preload_write(char *at, const struct plan *plan)
{
	bool ours_due = plan->preload == PP_PRELOAD_OURS && plan->library;
	const char *list = plan->preloads ? plan->preloads : "";
	char *begin = at, *first;
	bool present = false;

	for (const char *entry = list; *entry;) {
		size_t size = strcspn(entry, " :");

		present |= plan->library && size && entry_is_ours(entry, size, plan->library);
		entry += size + (entry[size] != '\0');
	}
	at = first = append(at, PRELOAD, strlen(PRELOAD));
	if (ours_due && !present && !entry_is_sanitizer(list, strcspn(list, " :"))) {
		at = append(at, plan->library, strlen(plan->library));
		ours_due = false;
	}
	while (*list) {
		size_t size = strcspn(list, " :");
		bool ours = plan->library && size && entry_is_ours(list, size, plan->library);

		if (size && (!ours || ours_due) && !entry_is_for_command(list, size)) {
			if (at > first)
				*at++ = ':';
			at = ours ? append(at, plan->library, strlen(plan->library)) : append(at, list, size);
			if (ours)
				ours_due = false;
		}
		if (ours_due && !present) { /* after the sanitizer */
			if (at > first)
				*at++ = ':';
			at = append(at, plan->library, strlen(plan->library));
			ours_due = false;
		}
		list += size + (list[size] != '\0');
	}
	if (at == first)
		return begin;
	*at++ = '\0';
	return at;
}

static bool setting_missing(char *const *given, const char *setting)
{
	size_t length = strcspn(setting, "=") + 1;

	for (; given && *given; given++) {
		if (strncmp(*given, setting, length) == 0)
			return false;
	}
	return true;
}

static struct plan plan_make(char *const *given, enum pp_preload preload)
{
	struct plan plan = {.preload = preload, .library = life_library()};

	for (; given && given[plan.count]; plan.count++) {
		if (named(given[plan.count], PRELOAD)) {
			plan.preloads = given[plan.count] + strlen(PRELOAD);
			plan.preload_index = plan.count;
		}
	}
	return plan;
}

static size_t plan_bytes(const struct plan *plan)
{
	size_t pointers = plan->count + life_setting_count + 3;
	size_t text = strlen(PRELOAD) + strlen(SESSION) + SESSION_BYTES + 3;

	text += plan->preloads ? strlen(plan->preloads) : 0;
	text += plan->library ? strlen(plan->library) : 0;
	return pointers * sizeof(char *) + text;
}

/* Fills `room` (plan_bytes of it). */
static char **plan_execute(const struct plan *plan, char *const *given, void *room)
{
	char **entries = room, **next = entries;
	char *text = (char *)(entries + plan->count + life_setting_count + 3), *end;
	bool bare = plan->preload == PP_PRELOAD_BARE;

	for (size_t i = 0; i < plan->count; i++) {
		if (named(given[i], SESSION) || (plan->preloads && i == plan->preload_index)) {
			end = named(given[i], SESSION) ? text : preload_write(text, plan);
			if (end > text)
				*next++ = text;
			text = end;
		} else {
			*next++ = given[i];
		}
	}
	if (!plan->preloads && (end = preload_write(text, plan)) > text) {
		*next++ = text;
		text = end;
	}
	if (!bare) {
		strcpy(text, SESSION);
		session_name_for_child(text + strlen(SESSION));
		*next++ = text;
	}
	for (size_t i = 0; !bare && i < life_setting_count; i++) {
		if (setting_missing(given, life_settings[i]))
			*next++ = life_settings[i];
	}
	*next = NULL;
	return entries;
}

/* --- of one call --------------------------------------------------------------------------------------------------- */

/* A vfork child that executes leaves its mapping behind in its parent. It is noted here, and given back by whatever
 * the parent's thread builds next. The thread is known by its thread-local storage, which the child shares. */
static struct {
	struct pp_tls *owner;
	void *mapped;
	size_t bytes;
} left_behind[16];

static void left_behind_note(struct pp_environment *environment)
{
	for (size_t i = 0; i < sizeof(left_behind) / sizeof(left_behind[0]); i++) {
		struct pp_tls *none = NULL;

		if (left_behind[i].owner || !__atomic_compare_exchange_n(&left_behind[i].owner, &none, &pp_tls, false,
									 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		left_behind[i].mapped = environment->mapped;
		left_behind[i].bytes = environment->mapped_bytes;
		return;
	}
}

static void left_behind_free(void)
{
	for (size_t i = 0; i < sizeof(left_behind) / sizeof(left_behind[0]); i++) {
		if (left_behind[i].owner != &pp_tls)
			continue;
		if (left_behind[i].mapped)
			raw_unmap(left_behind[i].mapped, left_behind[i].bytes);
		left_behind[i].mapped = NULL;
		__atomic_store_n(&left_behind[i].owner, NULL, __ATOMIC_SEQ_CST);
	}
}

/* false: the kernel will refuse it. */
static bool environment_readable(char *const *given)
{
	for (; given; given++) {
		if (!raw_readable(given))
			return false;
		if (!*given)
			break;
		if (!raw_readable(*given))
			return false;
	}
	return true;
}

void environment_build(struct pp_environment *environment, char *const *given, enum pp_preload preload)
{
	void *room = environment->room.bytes;
	struct plan plan;
	size_t bytes;

	left_behind_free();
	environment->entries = given;
	environment->mapped = NULL;
	if (!environment_readable(given))
		return;
	plan = plan_make(given, preload);
	bytes = plan_bytes(&plan);
	if (bytes > sizeof(environment->room.bytes)) {
		room = environment->mapped = raw_map(bytes);
		environment->mapped_bytes = bytes;
		if (!room)
			return;
		if (!life_own())
			left_behind_note(environment);
	}
	environment->entries = plan_execute(&plan, given, room);
}

void environment_drop(struct pp_environment *environment)
{
	if (!environment->mapped)
		return;
	for (size_t i = 0; i < sizeof(left_behind) / sizeof(left_behind[0]); i++) {
		if (left_behind[i].owner == &pp_tls && left_behind[i].mapped == environment->mapped) {
			left_behind[i].mapped = NULL;
			__atomic_store_n(&left_behind[i].owner, NULL, __ATOMIC_SEQ_CST);
		}
	}
	raw_unmap(environment->mapped, environment->mapped_bytes);
	environment->mapped = NULL;
}

/* --- of the process ------------------------------------------------------------------------------------------------ */

/* Is `environ` as plan_execute would make it? */
static bool environment_in_order(enum pp_preload preload)
{
	char session[SESSION_BYTES];
	const char *library = life_library();
	const char *preloads = environment_get("LD_PRELOAD");
	const char *given = environment_get("PREPROF_SESSION");
	bool present = library && preloads && strstr(preloads, library);

	if (preload == PP_PRELOAD_BARE)
		return !present && !given;
	session_name_for_child(session);
	if (present != (preload == PP_PRELOAD_OURS) || !given || strcmp(given, session) != 0)
		return false;
	for (size_t i = 0; i < life_setting_count; i++) {
		if (setting_missing(environ, life_settings[i]))
			return false;
	}
	return true;
}

/* The old array and its strings stay where they are: another thread may be reading them. What we made the time before
 * is given back once nothing of it is in use. */
void environment_ensure(enum pp_preload preload)
{
	static void *made;
	static size_t made_bytes;
	struct plan plan;
	char **entries;
	size_t bytes;
	void *room;

	if (environment_in_order(preload))
		return;
	plan = plan_make(environ, preload);
	bytes = plan_bytes(&plan);
	room = raw_map(bytes);
	if (!room)
		return;
	entries = plan_execute(&plan, environ, room);
	if (made && (void *)environ != made) {
		bool used = false;

		for (char **entry = entries; *entry; entry++)
			used |= *entry >= (char *)made && *entry < (char *)made + made_bytes;
		if (!used)
			raw_unmap(made, made_bytes);
	}
	made = room;
	made_bytes = bytes;
	__atomic_store_n(&environ, entries, __ATOMIC_SEQ_CST);
}
