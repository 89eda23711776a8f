/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile without the interpreter's own frames: what a reader of Python expects. They stay in the recording, and are
 * shown where they are asked for (report --native).
 */
#ifndef PREPROF_REPORT_INTERPRETER_H
#define PREPROF_REPORT_INTERPRETER_H

#include "profile.h"

/* Takes frames that are the interpreter's out of every stack that has Python frames: what was counted there is the
 * Python frame's outside of it. A stack without Python frames (a thread of a library's, the start) keeps all of its own.
 * Several sites of a process may have one stack after this. The profile's owner. */
void profile_hide_interpreter(struct pp_profile *profile);

#endif
