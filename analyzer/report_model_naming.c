/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a stack's frames it is named by. JSON's sites have the innermost one outside the allocators (where Python is on the
 * stack: that is Python or the user's own). What is read by people names the innermost line that its reader may have written,
 * and what was called there as a detail: nobody can mend std::filebuf::underflow. One thread; see report_model.h.
 */
#include "report_model.h"

#include "site_name.h"

#include <string.h>

static bool frame_is_allocator(const struct pp_frame *frame)
{
	return frame->language != PP_LANGUAGE_PYTHON && function_is_allocator(frame->function);
}

/* Is this the user's own, where there is Python to choose from? */
static bool frame_is_own(const struct pp_profile *profile, const struct pp_frame *frame)
{
	return frame->language == PP_LANGUAGE_PYTHON ||
	       (!frame->interpreter && frame->module != PP_NONE && profile->modules[frame->module].own);
}

static uint32_t naming_frame(const struct pp_profile *profile, uint32_t node, bool python)
{
	struct pp_stack_walk walk;
	uint32_t number, innermost = PP_NONE, named = PP_NONE, own = PP_NONE;

	stack_walk_init(&walk, node);
	while (stack_walk_next(profile, &walk, &number)) {
		struct pp_frame frame = profile_frame(profile, number);

		if (innermost == PP_NONE)
			innermost = number;
		if (frame_is_allocator(&frame))
			continue;
		if (named == PP_NONE)
			named = number;
		if (!python)
			return named;
		if (own == PP_NONE && frame_is_own(profile, &frame))
			own = number;
		if (frame.language == PP_LANGUAGE_PYTHON)
			return own;
	}
	return named == PP_NONE ? innermost : named;
}

uint32_t stack_naming_frame(const struct pp_profile *profile, uint32_t node)
{
	return naming_frame(profile, node, true);
}

uint32_t stack_naming_frame_native(const struct pp_profile *profile, uint32_t node)
{
	return naming_frame(profile, node, false);
}

/* Code that came with the compiler, wherever it was compiled into. The name says it only where the file is not known: that of a
 * template of the user's begins with what it returns. */
static bool frame_is_library(const struct pp_frame *frame)
{
	return frame->file ? source_is_installed(frame->file)
			   : frame->function && function_is_template(frame->function);
}

enum { FRAME_RUNTIME, FRAME_PROGRAM, FRAME_PYTHON, FRAME_USER };

/* Whose frame is it: the user's; a Python library's; a program's or library's; of what every program stands on. */
static int frame_rank(const struct pp_profile *profile, const struct pp_frame *frame)
{
	const char *path = frame->module == PP_NONE ? NULL : profile->modules[frame->module].path;

	if (frame->language == PP_LANGUAGE_PYTHON)
		return frame->file && source_is_own(frame->file) ? FRAME_USER : FRAME_PYTHON;
	if (frame_is_allocator(frame) || (frame->function && function_is_start(frame->function)))
		return FRAME_RUNTIME;
	if (frame->interpreter)
		return FRAME_PROGRAM;
	if (frame_is_library(frame))
		return FRAME_RUNTIME;
	if (frame->module != PP_NONE && profile->modules[frame->module].own)
		return FRAME_USER;
	return path && !module_is_runtime(path) ? FRAME_PROGRAM : FRAME_RUNTIME;
}

bool frame_is_users(const struct pp_profile *profile, uint32_t number)
{
	struct pp_frame frame = profile_frame(profile, number);

	return frame_rank(profile, &frame) == FRAME_USER;
}

/* What the user's line called, of what lies inside it: the innermost function of a library's that has a name, since the outermost one
 * may be all that a program does (the loop of a framework); where it is the C++ library's or libc's, the one that was called. */
struct called {
	uint32_t python, native, outermost; /* frames or PP_NONE */
};

static uint32_t called_choose(const struct pp_profile *profile, const struct called *inside, uint32_t found)
{
	if (inside->python != PP_NONE)
		return inside->python;
	/* A Python line is one place, whatever native function does its work. */
	if (profile_frame(profile, found).language == PP_LANGUAGE_PYTHON)
		return PP_NONE;
	return inside->native != PP_NONE ? inside->native : inside->outermost;
}

/* The innermost frame of the highest rank that there is. */
static int stack_rank(const struct pp_profile *profile, uint32_t node, uint32_t *found, uint32_t *called)
{
	struct called inside = {PP_NONE, PP_NONE, PP_NONE};
	struct pp_stack_walk walk;
	int rank = FRAME_RUNTIME;
	uint32_t number;

	*found = *called = PP_NONE;
	stack_walk_init(&walk, node);
	while (rank < FRAME_USER && stack_walk_next(profile, &walk, &number)) {
		struct pp_frame frame = profile_frame(profile, number);
		int one = frame_rank(profile, &frame);

		if (one > rank) {
			rank = one;
			*found = number;
			*called = called_choose(profile, &inside, number);
		}
		if (one == FRAME_PYTHON && inside.python == PP_NONE)
			inside.python = number;
		if (one == FRAME_PROGRAM && frame.function && inside.native == PP_NONE)
			inside.native = number;
		if (!frame_is_allocator(&frame))
			inside.outermost = number;
	}
	return rank;
}

uint32_t stack_own_frame(const struct pp_profile *profile, uint32_t node)
{
	uint32_t found, called;

	return stack_rank(profile, node, &found, &called) == FRAME_USER ? found : PP_NONE;
}

uint32_t stack_user_frame(const struct pp_profile *profile, uint32_t node, uint32_t *called)
{
	uint32_t found;

	stack_rank(profile, node, &found, called);
	return found == PP_NONE ? stack_naming_frame(profile, node) : found;
}

bool frame_is_shown(const struct pp_frame *frame)
{
	return !(frame->function && function_is_start(frame->function)) && !frame_is_library(frame);
}
